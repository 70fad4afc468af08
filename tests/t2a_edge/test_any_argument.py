"""Whatever a public method is given, it works or says why in one sentence."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from t2a_edge.bundle import Bundle, load_bundle
from t2a_edge.errors import RecipeError, T2AEdgeError
from t2a_edge.pipeline import Request, TextToArt
from t2a_edge.recipe import unpack_recipe
from t2a_edge.runner import RefinerInputs, Runner, ScaleInputs
from t2a_edge.spec import Spec

SMALL = {"image_size": 16, "scales": (1, 2, 4), "codebook_size": 8, "layers": 1, "heads": 1,
         "head_dim": 2, "scale_guidance": (1.0,) * 3, "scale_temperature": (1.0,) * 3,
         "scale_coherence": (0.0,) * 3, "refiner_scales": 1, "refiner_redraws": (1,),
         "quiet_code": 0}  # fmt: skip


class Quick(Runner):
    """Engines of a small spec that cost nothing."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def text(self, text_bytes: Any) -> Any:
        return text_bytes[..., :4].astype(np.float32)

    def transformer(self, inputs: ScaleInputs) -> Any:
        batch, positions = len(inputs.text_embedding), len(inputs.positions)
        logits = np.zeros((batch, positions, self._spec.codebook_size), np.float32)
        new = np.zeros((1, batch, 1, positions, 2), np.float32)
        keys = np.concatenate([inputs.past_keys, new], axis=3)
        return logits, (keys, keys)

    def refiner(self, inputs: RefinerInputs) -> Any:
        batch, side, _ = inputs.drawn.shape
        return np.zeros((batch, side * side, self._spec.codebook_size), np.float32)

    def decoder(self, indices: Any) -> Any:
        size = self._spec.image_size
        return np.zeros((len(indices), size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def engine() -> Iterator[TextToArt]:
    """A model that is quick: of the shipped bundle's words, and engines that do nothing."""
    shipped = load_bundle()
    small = Bundle(**{**vars(shipped), "spec": replace(shipped.spec, **SMALL)})
    with TextToArt(runner=Quick(small.spec)) as model:
        model.bundle = small
        yield model


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from(
        [np.int8(3), np.uint64(2**64 - 1), np.float16(0.5), np.float64("nan"), np.bool_(1), 1j,
         np.array(3), np.array([3]), "7", "", b"7", [], (), {}, object, 10**400]
    ),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=12), st.sampled_from(["warm", "warm:2 -busy", "\ud800", "a\0b", ":", "-", ""]),
    NUMBERS, st.lists(st.text(max_size=3) | NUMBERS, max_size=3),
)  # fmt: skip
SIZES = st.one_of(
    st.sampled_from([(16, 24), [32, 16], np.array([16, 16]), np.array([[1, 2]]), range(2)]),
    NUMBERS, st.lists(NUMBERS, max_size=3), st.tuples(NUMBERS, NUMBERS),
)  # fmt: skip
SAMPLING = {"seed": NUMBERS, "guidance_scale": NUMBERS, "temperature": NUMBERS, "top_k": NUMBERS}
SEEDS = NUMBERS | st.lists(NUMBERS, max_size=3) | st.just(np.arange(2))
REQUESTS = st.builds(Request, TEXTS, NUMBERS, TEXTS, NUMBERS)
WAYS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "generate": st.fixed_dictionaries(
        {"prompt": TEXTS},
        optional={**SAMPLING, "seed": SEEDS, "blend": TEXTS, "amount": NUMBERS, "size": SIZES},
    ),
    "stream": st.fixed_dictionaries(
        {"prompt": TEXTS}, optional={**SAMPLING, "blend": TEXTS, "amount": NUMBERS, "size": SIZES}
    ),
    "tile": st.fixed_dictionaries({"prompt": TEXTS}, optional={**SAMPLING, "size": SIZES}),
    "interpolate": st.fixed_dictionaries(
        {"first": TEXTS, "second": TEXTS}, optional={**SAMPLING, "frames": NUMBERS}
    ),
    "draw": st.fixed_dictionaries(
        {"requests": st.lists(REQUESTS | NUMBERS, max_size=2)}
    ),
    "explain": st.fixed_dictionaries({"prompt": TEXTS}),
    "nearest_words": st.fixed_dictionaries({"word": TEXTS}, optional={"count": NUMBERS}),
    "decode": st.fixed_dictionaries({"recipe": TEXTS}),
    "vary": st.fixed_dictionaries(
        {"artwork": st.just("drawn") | NUMBERS},
        optional={"from_scale": NUMBERS, "seed": NUMBERS, "prompt": TEXTS},
    ),
    "inpaint": st.fixed_dictionaries(
        {"artwork": st.just("drawn"), "mask": st.just(np.full((16, 16), 200)) | SIZES},
        optional={"seed": NUMBERS, "prompt": TEXTS},
    ),
    "outpaint": st.fixed_dictionaries(
        {"artwork": st.just("drawn")},
        optional={"left": NUMBERS, "top": NUMBERS, "seed": NUMBERS, "prompt": TEXTS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_a_method_works_or_says_why(engine: TextToArt, name: str) -> None:
    drawn = engine.generate("warm", seed=1)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(WAYS[name])
    def use(arguments: dict[str, Any]) -> None:
        if isinstance(arguments.get("artwork"), str):
            arguments = {**arguments, "artwork": drawn}
        try:
            found = getattr(engine, name)(**arguments)
            if name == "stream":
                list(found)
        except T2AEdgeError as exc:
            told = str(exc)
        else:
            told = "It worked."
        assert "\n" not in told
        assert len(told) < 1000

    use()


SHIPPED_SPEC = load_bundle().spec


@given(st.text(max_size=80) | st.binary(max_size=80) | NUMBERS)
@example("A" * 40)
def test_no_text_raises_anything_but_a_recipe_error(text: Any) -> None:
    with pytest.raises(RecipeError):
        unpack_recipe(text, SHIPPED_SPEC, "ab" * 32)


@settings(max_examples=40)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.integers(0, 40))
def test_a_recipe_with_a_changed_character_is_refused(
    engine: TextToArt, place: int, bit: int, cut: int
) -> None:
    recipe = engine.generate("warm", seed=1).recipe
    place %= len(recipe)
    changed = recipe[:place] + chr(ord(recipe[place]) ^ 1 << bit) + recipe[place + 1 :]
    for text in (changed, recipe[: len(recipe) - 1 - cut % len(recipe)]):
        if text.strip() == recipe or text.rstrip("=") == recipe:
            continue
        with pytest.raises(RecipeError):
            engine.decode(text)


def test_a_quick_model_is_one(engine: TextToArt, tmp_path: Path) -> None:
    drawn = engine.generate("warm dark", seed=7, size=(24, 16))
    assert drawn.pixels.shape == (16, 24, 3)
    assert engine.decode(drawn.recipe).indices.tolist() == drawn.indices.tolist()
