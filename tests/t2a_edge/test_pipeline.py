import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import t2a_edge
from t2a_edge.bundle import ENGINES, engine_file
from t2a_edge.errors import BundleError, ImageError, OptionError, PromptError, T2AEdgeError
from t2a_edge.image import read_metadata
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import OnnxRunner


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path):
    with TextToArt(tiny_bundle) as opened:
        yield opened


@pytest.fixture(scope="module")
def artwork(engine):
    return engine.generate("Warm, dark zesty", seed=7)


def test_the_package_offers_the_pipeline_under_its_own_name():
    assert t2a_edge.TextToArt is TextToArt
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = t2a_edge.missing


def test_pixels_are_a_picture_of_the_size_in_the_spec(engine, artwork):
    assert artwork.pixels.dtype == np.uint8
    assert artwork.pixels.shape == (engine.spec.image_size, engine.spec.image_size, 3)
    np.testing.assert_array_equal(np.asarray(artwork.image), artwork.pixels)


def test_indices_are_codes_of_every_position(engine, artwork):
    assert artwork.indices.shape == (engine.spec.positions,)
    assert artwork.indices.min() >= 0
    assert artwork.indices.max() < engine.spec.codebook_size


def test_the_same_seed_gives_the_same_picture(engine, artwork):
    again = engine.generate("Warm, dark zesty", seed=7)
    np.testing.assert_array_equal(again.pixels, artwork.pixels)
    np.testing.assert_array_equal(again.indices, artwork.indices)


def test_the_same_seed_gives_the_same_picture_in_a_new_pipeline(tiny_bundle, artwork):
    with TextToArt(str(tiny_bundle)) as other:
        pixels = other.generate("warm dark zesty", seed=7).pixels
    np.testing.assert_array_equal(pixels, artwork.pixels)


def test_another_seed_gives_another_picture(engine, artwork):
    assert (engine.generate("Warm, dark zesty", seed=8).pixels != artwork.pixels).any()


def test_other_words_give_another_picture(engine, artwork):
    assert (engine.generate("cool pale", seed=7).pixels != artwork.pixels).any()


def test_a_form_is_chosen_by_the_seed_unless_the_temperature_is_0(engine):
    pairs = [
        [engine.generate("warm", seed=seed, temperature=heat).pixels for heat in (0, 10)]
        for seed in range(4)
    ]
    assert any((first != second).any() for first, second in pairs)


def test_a_seed_that_nobody_named_is_fresh_and_can_be_used_again(engine):
    first, second = engine.generate("warm"), engine.generate("warm")
    assert first.seed != second.seed
    again = engine.generate("warm", seed=first.seed)
    np.testing.assert_array_equal(again.pixels, first.pixels)


def test_unknown_words_are_those_that_training_did_not_use(engine, artwork):
    assert artwork.unknown_words == ("zesty",)
    assert engine.generate("zesty WARM 🔥 暖か", seed=1).unknown_words == (
        "zesty",
        "🔥",
        "暖か",
    )
    assert engine.generate(" ".join(engine.bundle.vocabulary), seed=1).unknown_words == ()


def test_the_nearest_word_of_a_known_word_is_itself(engine):
    for word in engine.bundle.vocabulary:
        (nearest, likeness), *others = engine.nearest_words(word, len(engine.bundle.vocabulary))
        assert nearest == word
        assert likeness == pytest.approx(1, abs=1e-5)
        assert all(-1.00001 <= other <= likeness for _, other in others)


def test_nearest_words_come_nearest_first_and_are_as_many_as_asked_for(engine):
    for word in ["zesty", "暖か", "🔥"]:
        found = engine.nearest_words(word, 4)
        likenesses = [likeness for _, likeness in found]
        assert len(found) == 4
        assert likenesses == sorted(likenesses, reverse=True)
        assert {name for name, _ in found} <= set(engine.bundle.vocabulary)


DRAWN_WITH = ("prompt", "blend", "amount", "seed", "guidance_scale", "temperature", "steps",
              "form_strength")  # fmt: skip


def drawn_again(engine, path):
    """A picture's metadata, given to `generate`."""
    about = read_metadata(path)
    assert about["bundle"] == engine.bundle.bundle_hash
    return engine.generate(**{key: about[key] for key in DRAWN_WITH if key in about})


def test_metadata_says_how_the_picture_was_made(engine, artwork):
    assert artwork.metadata == {
        "prompt": "warm dark zesty",
        "seed": 7,
        "guidance_scale": engine.spec.guidance_scale,
        "temperature": engine.spec.temperature,
        "steps": 4,
        "form_strength": 1.0,
        "size": [32, 32],
        "tile": False,
        "bundle": engine.bundle.bundle_hash,
        "recipe": artwork.recipe,
    }


def test_a_saved_picture_can_be_drawn_again_from_its_metadata(engine, tmp_path):
    drawn = engine.generate(
        "pale été 🔥", guidance_scale=2.5, temperature=0.5, steps=3, form_strength=0.75
    )
    path = drawn.save(tmp_path / drawn.file_name)
    assert path == tmp_path / f"pale-été-{drawn.seed}.png"
    np.testing.assert_array_equal(drawn_again(engine, path).pixels, drawn.pixels)


def test_progress_is_told_after_each_step(engine):
    done: list[int] = []
    engine.generate("warm", seed=1, on_step=done.append)
    engine.generate("warm", seed=1, steps=2, on_step=done.append)
    assert done == [1, 2, 3, 4, 1, 2]


# ---- weights, avoided words and blends


@pytest.mark.parametrize(("amount", "same"), [(0, "warm -busy"), (1, "cool pale")])
def test_either_end_of_a_blend_is_that_prompt(engine, amount, same):
    drawn = engine.generate("warm -busy", seed=7, blend="cool pale", amount=amount)
    np.testing.assert_array_equal(drawn.pixels, engine.generate(same, seed=7).pixels)


@pytest.mark.parametrize("prompt", ["warm:0", "cool:0 -striped:0"])
def test_words_of_weight_zero_are_no_words(engine, prompt):
    drawn = engine.generate(prompt, seed=7)
    np.testing.assert_array_equal(drawn.pixels, engine.generate("pale:0", seed=7).pixels)


def test_weights_avoided_words_and_blends_change_the_picture(engine):
    plain = engine.generate("warm dark", seed=7).indices
    for prompt in ("warm:0.2 dark", "warm -dark", "warm:4 dark:4"):
        assert (engine.generate(prompt, seed=7).indices != plain).any()
    assert (engine.generate("warm dark", seed=7, blend="cool pale").indices != plain).any()


@pytest.mark.parametrize("amount", [-0.01, 1.01, math.nan, math.inf, "0.5", None, True])
@pytest.mark.parametrize("blend", [None, "cool"])
def test_an_amount_out_of_range_is_an_error(engine, amount, blend):
    with pytest.raises(OptionError, match=r"The amount is .*; expected a number from 0 to 1\."):
        engine.generate("warm", seed=1, blend=blend, amount=amount)


def test_unknown_words_of_the_blend_and_avoided_ones_are_told_too(engine):
    drawn = engine.generate("warm -zesty", seed=1, blend="pale quirky:2")
    assert drawn.unknown_words == ("zesty", "quirky")


def test_a_blend_is_in_the_metadata_and_in_the_file_name(engine, tmp_path):
    drawn = engine.generate("warm:2 -busy", seed=7, blend="Cool, pale:0.5", amount=0.3)
    assert drawn.metadata["prompt"] == "warm:2 -busy"
    assert (drawn.metadata["blend"], drawn.metadata["amount"]) == ("cool pale:0.5", 0.3)
    assert drawn.file_name == "warm-2-not-busy-to-cool-pale-0-5-0-3-7.png"
    path = drawn.save(tmp_path / drawn.file_name)
    np.testing.assert_array_equal(drawn_again(engine, path).pixels, drawn.pixels)


def test_an_avoided_word_and_the_same_word_wanted_have_other_file_names(engine):
    names = {
        engine.generate(p, seed=7).file_name for p in ("warm busy", "warm -busy", "-warm busy")
    }
    assert names == {"warm-busy-7.png", "warm-not-busy-7.png", "not-warm-busy-7.png"}


def test_the_shipped_bundle_has_the_engines_of_its_spec_and_draws():
    with TextToArt() as shipped:
        drawn = shipped.generate("warm -busy", seed=7, blend="cool")
        assert set(shipped.bundle.manifest["files"]) == {engine_file(name) for name in ENGINES}
    assert drawn.indices.shape == (shipped.spec.positions,)
    assert drawn.pixels.std() > 1


# ---- a form that is given


@pytest.fixture(scope="module")
def photo():
    rows, columns = np.mgrid[:48, :80]
    return np.stack([rows * 5, columns * 3, 255 - rows * 5], axis=-1).astype(np.uint8)


def test_a_form_may_be_a_path_an_image_or_an_array(engine, photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    forms = [photo, Image.fromarray(photo), tmp_path / "photo.png", str(tmp_path / "photo.png")]
    drawn = [engine.generate("warm dark", seed=7, form=form) for form in forms]
    for other in drawn[1:]:
        np.testing.assert_array_equal(other.indices, drawn[0].indices)
        assert other == drawn[0]
    assert len(drawn[0].form) == 16


def test_a_form_changes_the_picture_and_its_colours_do_not(engine, artwork, photo):
    drawn = engine.generate("Warm, dark zesty", seed=7, form=photo)
    assert (drawn.indices != artwork.indices).any()
    grey = np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))
    again = engine.generate("Warm, dark zesty", seed=7, form=grey // 2 + 60)
    assert np.mean(again.indices == drawn.indices) > 0.5 > np.mean(artwork.indices == drawn.indices)


def test_a_form_that_is_followed_not_at_all_does_not_matter(engine, photo):
    first, second = (
        engine.generate("warm", seed=7, form=form, form_strength=0) for form in (photo, photo[::-1])
    )
    np.testing.assert_array_equal(first.pixels, second.pixels)
    other = engine.generate("warm", seed=7, form=photo, form_strength=0.5)
    assert (other.pixels != first.pixels).any()


def test_a_given_form_is_in_the_metadata_and_none_where_words_chose(
    engine, artwork, photo, tmp_path
):
    drawn = engine.generate("warm", seed=7, form=photo)
    assert drawn.metadata["form"] == drawn.form
    assert engine.open(drawn.save(tmp_path / "art.png")) == drawn
    assert "form" not in artwork.metadata


@pytest.mark.parametrize(
    "form", [7, "missing.png", np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8)), [[1], [1, 2]],
             np.zeros((0, 8), np.uint8)], ids=range(6),
)  # fmt: skip
def test_a_form_that_is_no_picture_is_an_error(engine, form):
    with pytest.raises(ImageError):
        engine.generate("warm", seed=1, form=form)


# ---- bad input


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        [""],
        ["warm", ""],
        "wa\x07rm",
        "warm " * 200,
        "a" * 200,
        "dark:x",
        "dark:9",
        "--busy",
        "warm -",
        ":",
    ],
)
def test_a_prompt_that_cannot_be_used_is_an_error(engine, prompt):
    with pytest.raises(PromptError):
        engine.generate(prompt, seed=1)


@pytest.mark.parametrize(
    "option",
    [
        {"seed": -1},
        {"seed": 2**53},
        {"seed": 1.5},
        {"guidance_scale": math.nan},
        {"guidance_scale": 8.5},
        {"temperature": math.inf},
        {"temperature": -1},
        {"steps": 0},
        {"steps": 65},
        {"form_strength": 1.5},
    ],
    ids=str,
)
def test_an_option_out_of_range_is_an_error(engine, option):
    with pytest.raises(OptionError, match="expected"):
        engine.generate("warm", **{"seed": 1, **option})


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_out_of_range_are_an_error(tiny_bundle, threads):
    with pytest.raises(
        OptionError, match=f"threads is {threads}; expected a whole number from 1 to 256"
    ):
        TextToArt(tiny_bundle, threads=threads)


def test_two_threads_draw_the_same_indices(tiny_bundle, artwork):
    with TextToArt(tiny_bundle, threads=2) as other:
        indices = other.generate("Warm, dark zesty", seed=7).indices
    np.testing.assert_array_equal(indices, artwork.indices)


def test_a_provider_that_is_not_installed_is_an_error(tiny_bundle):
    with pytest.raises(OptionError, match=r"provider is 'abacus'; .*cpu"):
        OnnxRunner(tiny_bundle, provider="abacus")


def test_a_missing_bundle_is_an_error_of_ours(tmp_path):
    with pytest.raises(BundleError, match="No bundle at") as caught:
        TextToArt(tmp_path / "missing")
    assert isinstance(caught.value, T2AEdgeError)
