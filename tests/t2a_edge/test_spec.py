import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.errors import BundleError
from t2a_edge.spec import FACTORS, NUMBERS, REFINER_PASSES, WHOLE, Spec

VALUES = {
    "image_size": 32,
    "scales": [1, 2, 4],
    "codebook_size": 32,
    "code_dim": 8,
    "max_words": 8,
    "max_bytes": 32,
    "layers": 2,
    "heads": 2,
    "head_dim": 16,
    "guidance_scale": 3.0,
    "temperature": 1.0,
    "top_k": 0,
    "scale_guidance": [1.0, 1.0, 0.5],
    "scale_temperature": [1.0, 0.8, 0.5],
}

SIZES = ["codebook_size", "code_dim", "max_words", "max_bytes", "layers", "heads", "head_dim"]


@given(
    finest=st.sampled_from([4, 8, 16]),
    patch=st.integers(1, 128),
    numbers=st.tuples(*(st.integers(*WHOLE[name]) for name in SIZES)),
    guidance_scale=st.floats(0, 30),
    temperature=st.floats(0, 10),
    top_k=st.integers(0, 1024),
    refiner_runs=st.sampled_from([*((p, 0) for p in REFINER_PASSES), (2, 1), (4, 9)]),
)
def test_a_spec_survives_json(
    finest, patch, numbers, guidance_scale, temperature, top_k, refiner_runs
):
    spec = Spec(
        image_size=finest * patch,
        scales=(1, 2, finest),
        **dict(zip(SIZES, numbers, strict=True)),
        guidance_scale=guidance_scale,
        temperature=temperature,
        top_k=top_k,
        scale_guidance=(1.0, 0.5, 0.25),
        scale_temperature=(1.0, 0.9, 0.5),
        scale_coherence=(0.0, 0.5, 1.25),
        guidance_by_words=(0.5, 1.0),
        refiner_passes=refiner_runs[0],
        refiner_redraws=refiner_runs[1:],
    )
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_bundle_that_says_nothing_of_coherence_has_none():
    assert Spec.from_json(VALUES).scale_coherence == (0.0, 0.0, 0.0)
    said = Spec.from_json({**VALUES, "scale_coherence": [0.0, 0.8, 1.3]})
    assert said.scale_coherence == (0.0, 0.8, 1.3)


def test_a_bundle_that_says_nothing_of_numbers_of_words_guides_all_alike():
    assert Spec.from_json(VALUES).guidance_by_words == ()
    said = Spec.from_json({**VALUES, "guidance_by_words": [0.5, 1]})
    assert said.guidance_by_words == (0.5, 1)


@pytest.mark.parametrize("shares", [[-0.1], [1.0, "2"], [float("nan")], [float("inf")], [True]])
def test_shares_of_guidance_must_be_numbers_from_zero(shares):
    with pytest.raises(BundleError, match=r"guidance_by_words is .*; expected a number from 0 to"):
        Spec.from_json({**VALUES, "guidance_by_words": shares})


def test_positions_count_every_scale():
    assert Spec.from_json(VALUES).positions == 1 + 4 + 16


@pytest.mark.parametrize("key", VALUES)
def test_a_missing_key_is_named(key):
    values = {name: value for name, value in VALUES.items() if name != key}
    with pytest.raises(BundleError, match=f"'{key}'.*expected the keys image_size"):
        Spec.from_json(values)


def test_an_unknown_key_is_named():
    with pytest.raises(BundleError, match="'colour'"):
        Spec.from_json({**VALUES, "colour": 1})


@pytest.mark.parametrize("values", [None, [], "spec", 7])
def test_a_spec_that_is_no_mapping_is_an_error(values):
    with pytest.raises(BundleError, match="spec cannot be read"):
        Spec.from_json(values)


@pytest.mark.parametrize("scales", [[], [3, 4], [4, 2]])
def test_scales_must_divide_the_last(scales):
    with pytest.raises(BundleError, match=r"expected (divisors of the last|1 to 16)"):
        Spec.from_json({**VALUES, "scales": scales})


@pytest.mark.parametrize("scales", [7, None, "124", {"1": 1}])
def test_scales_must_be_a_list(scales):
    with pytest.raises(BundleError, match=r"scales is .*; expected a list"):
        Spec.from_json({**VALUES, "scales": scales})


def test_the_image_size_must_be_a_multiple_of_the_finest_scale():
    with pytest.raises(BundleError, match="image_size is 34; expected a multiple"):
        Spec.from_json({**VALUES, "image_size": 34})


@pytest.mark.parametrize("key", [key for key, value in VALUES.items() if type(value) is int][:-1])
@pytest.mark.parametrize("size", [0, -1, 1.5, "8", None, True])
def test_sizes_must_be_whole_numbers_from_one(key, size):
    with pytest.raises(BundleError, match=rf"{key} is .*; expected a whole number from 1"):
        Spec.from_json({**VALUES, key: size})


@pytest.mark.parametrize("scales", [[0, 4], [1, 2, 0], [-1, 4], [1.0, 4.0], ["1", "4"]])
def test_scales_must_be_whole_numbers_from_one(scales):
    with pytest.raises(BundleError, match=r"scales is .*; expected a whole number from 1"):
        Spec.from_json({**VALUES, "scales": scales})


def test_a_spec_of_before_the_refiner_has_none():
    spec = Spec.from_json(VALUES)
    assert spec.refiner_passes == 0
    assert spec.coarse_scales == spec.scales


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_the_refiner_takes_the_finest_scale_from_the_transformer(passes):
    spec = Spec.from_json({**VALUES, "refiner_passes": passes})
    assert spec.coarse_scales == (1, 2)
    assert spec.positions == 1 + 4 + 16


@pytest.mark.parametrize("passes", [-1, 3, 8, 2.0, True, "2", None, [2]])
def test_refiner_passes_are_0_1_2_or_4(passes):
    with pytest.raises(BundleError, match=r"refiner_passes is .*; expected 0, 1, 2 or 4"):
        Spec.from_json({**VALUES, "refiner_passes": passes})


@pytest.mark.parametrize(
    ("passes", "redraws", "parts", "unguided"),
    [
        (1, 0, (0,), 0),
        (2, 0, (0, 1), 0),
        (2, 1, (0, 1, 0), 0),
        (2, 2, (0, 1, 0, 1), 2),
        (2, 3, (0, 1, 0, 1, 0), 2),
        (4, 1, (0, 1, 2, 3, 0), 0),
        (4, 5, (0, 1, 2, 3, 0, 1, 2, 3, 0), 4),
    ],
)
def test_parts_are_drawn_anew_in_their_order(passes, redraws, parts, unguided):
    spec = Spec.from_json({**VALUES, "refiner_passes": passes, "refiner_redraws": [redraws]})
    runs = spec.refiner_runs(2)
    assert tuple(run.part for run in runs) == parts
    # passes of which nothing stays are not guided
    assert [run.guided for run in runs] == [n >= unguided for n in range(len(parts))]


def test_each_of_the_refiner_s_scales_has_its_own_redraws():
    given = {"refiner_passes": 2, "refiner_scales": 2, "refiner_redraws": [3, 1]}
    spec = Spec.from_json({**VALUES, **given})
    assert [len(spec.refiner_runs(scale)) for scale in (1, 2)] == [5, 3]
    none = Spec.from_json({**VALUES, **given, "refiner_redraws": []})
    assert none.refiner_redraws == (0, 0)


@pytest.mark.parametrize(
    ("passes", "redraws"),
    [(2, [-1]), (2, [1.0]), (2, [True]), (2, [None]), (2, [1, 1]), (0, [1]), (1, [2])],
)
def test_redraws_are_whole_numbers_and_need_two_passes(passes, redraws):
    with pytest.raises(BundleError, match=r"refiner_redraws (is|has) .*; expected"):
        Spec.from_json({**VALUES, "refiner_passes": passes, "refiner_redraws": redraws})


def test_redraws_that_are_no_list_are_refused():
    with pytest.raises(BundleError, match="refiner_redraws is 2; expected a list"):
        Spec.from_json({**VALUES, "refiner_passes": 2, "refiner_redraws": 2})


def test_a_refiner_needs_a_coarser_scale():
    one = {"scales": [4], "scale_guidance": [1.0], "scale_temperature": [1.0]}
    assert Spec.from_json({**VALUES, **one}).coarse_scales == (4,)
    with pytest.raises(BundleError, match="refiner_scales is 1 of 1 scales"):
        Spec.from_json({**VALUES, **one, "refiner_passes": 2})


@pytest.mark.parametrize(("count", "coarse"), [(1, (1, 2)), (2, (1,))])
def test_the_transformer_has_the_scales_that_are_not_the_refiners(count, coarse):
    spec = Spec.from_json({**VALUES, "refiner_passes": 2, "refiner_scales": count})
    assert spec.coarse_scales == coarse
    assert Spec.from_json({**VALUES, "refiner_scales": count}).coarse_scales == spec.scales


@pytest.mark.parametrize("count", [0, -1, 3, 1.0, True, None])
def test_the_refiner_has_a_whole_number_of_scales_and_leaves_one(count):
    with pytest.raises(BundleError, match=r"refiner_scales is .*; expected a whole number from 1"):
        Spec.from_json({**VALUES, "refiner_passes": 2, "refiner_scales": count})


HUGE = pytest.param(10**400, id="huge")
FIELDS = [*((name, most) for name, (_, most) in (WHOLE | NUMBERS).items())]


@pytest.mark.parametrize(("key", "most"), FIELDS)
@pytest.mark.parametrize("value", [-1, 10**9, 1e308, HUGE, float("nan"), "8", None, [1], True])
def test_every_number_has_bounds(key, most, value):
    if key == "top_k" and value == 10**9:
        value = most + 1
    with pytest.raises(BundleError, match=rf"The spec's {key} is .*; expected a (whole )?number"):
        Spec.from_json({**VALUES, key: value})


@pytest.mark.parametrize("key", [*FACTORS, "guidance_by_words"])
@pytest.mark.parametrize("values", [[1e308] * 3, ["1"] * 3, [None] * 3, [[1]] * 3, [1.0] * 65])
def test_every_list_of_numbers_has_bounds(key, values):
    with pytest.raises(BundleError, match=rf"The spec's {key} "):
        Spec.from_json({**VALUES, key: values})


def test_redraws_and_scales_have_bounds():
    given = {"refiner_passes": 2, "refiner_redraws": [10**9]}
    with pytest.raises(BundleError, match="refiner_redraws is 1000000000; expected a whole number"):
        Spec.from_json({**VALUES, **given})
    with pytest.raises(BundleError, match="has 100000 scales; expected 1 to 16"):
        Spec.from_json({**VALUES, "scales": [1] * 100_000})
    with pytest.raises(BundleError, match="scales is 256; expected a whole number from 1 to 128"):
        Spec.from_json({**VALUES, "scales": [1, 2, 256]})


def test_a_scale_has_as_many_logits_as_memory_holds():
    large = {"image_size": 128, "scales": [1, 64, 128], "codebook_size": 4097}
    with pytest.raises(BundleError, match=r"128 x 128 positions of 4097 codes.*at most 67108864"):
        Spec.from_json({**VALUES, **large})
    assert Spec.from_json({**VALUES, **large, "codebook_size": 4096}).codebook_size == 4096


def test_numbers_of_numpy_become_plain_ones():
    spec = Spec.from_json({**VALUES, "layers": np.int64(2), "guidance_scale": np.float32(3)})
    assert spec == Spec.from_json(VALUES)
    assert json.loads(json.dumps(spec.to_json())) == spec.to_json()
