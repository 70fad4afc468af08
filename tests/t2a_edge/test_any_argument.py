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
from t2a_edge.runner import FormInputs, PainterInputs, Runner
from t2a_edge.spec import Spec
from tests.tiny import base_spec

SMALL = {"image_size": 16, "scales": (1, 2, 4, 8), "codebook_size": 32, "depth": 2, "forms": 3,
         "steps": 2}  # fmt: skip


class Quick(Runner):
    """Engines of a small spec that cost nothing."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def text(self, text_bytes: Any) -> Any:
        return text_bytes[..., :4].astype(np.float32)

    def forms(self, inputs: FormInputs) -> Any:
        batch = len(inputs.crop)
        return np.zeros((batch, 64, 64), np.float32), np.zeros(batch, np.int64)

    def painter(self, inputs: PainterInputs) -> Any:
        return np.zeros_like(inputs.latents)

    def composer(self, latents: Any) -> Any:
        return np.zeros((len(latents), self._spec.positions), np.int64)

    def encoder(self, indices: Any) -> Any:
        return np.zeros((len(indices), self._spec.side**2, self._spec.depth), np.float32)

    def decoder(self, indices: Any) -> Any:
        size = self._spec.image_size
        return np.zeros((len(indices), size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Iterator[TextToArt]:
    """A model that is quick: of the tiny bundle's words, and engines that do nothing."""
    tiny = load_bundle(tiny_bundle)
    small = Bundle(**{**vars(tiny), "spec": replace(tiny.spec, **SMALL)})
    with TextToArt(tiny_bundle, runner=Quick(small.spec)) as model:
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
FORMS = st.one_of(
    st.sampled_from(["missing.png", Path("missing.png"), np.zeros((8, 8), np.uint8),
                     np.zeros((3, 5, 3), np.uint8), np.zeros((4, 4, 4), np.uint8), "\0"]),
    NUMBERS, st.lists(NUMBERS, max_size=3),
)  # fmt: skip
DRAWN = {"steps": st.just(1) | NUMBERS, "form": FORMS, "form_strength": NUMBERS}
SAMPLING = {"seed": NUMBERS, "guidance_scale": NUMBERS, "temperature": NUMBERS, **DRAWN}
SEEDS = NUMBERS | st.lists(NUMBERS, max_size=3) | st.just(np.arange(2))
WANTED = st.fixed_dictionaries(
    {"prompt": TEXTS},
    optional={**SAMPLING, "seed": SEEDS, "blend": TEXTS, "amount": NUMBERS, "size": SIZES,
              "tile": NUMBERS, "to_seed": NUMBERS, "loop": NUMBERS,
              "count": st.just(2) | st.none(), "frames": st.just(2) | st.none(),
              "strength": NUMBERS, "left": NUMBERS, "format": TEXTS},
)  # fmt: skip
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
        {"first": TEXTS, "second": TEXTS},
        optional={
            **SAMPLING, "frames": NUMBERS, "to_seed": NUMBERS, "loop": NUMBERS, "size": SIZES
        },
    ),
    "draw": st.fixed_dictionaries({"requests": st.lists(WANTED | NUMBERS, max_size=2)}),
    "explain": st.fixed_dictionaries({"prompt": TEXTS}),
    "nearest_words": st.fixed_dictionaries({"word": TEXTS}, optional={"count": NUMBERS}),
    "decode": st.fixed_dictionaries({"recipe": TEXTS}),
    "vary": st.fixed_dictionaries(
        {"artwork": st.just("drawn") | NUMBERS},
        optional={**DRAWN, "strength": NUMBERS, "seed": NUMBERS, "prompt": TEXTS},
    ),
    "inpaint": st.fixed_dictionaries(
        {"artwork": st.just("drawn"), "mask": st.just(np.full((16, 16), 200)) | SIZES},
        optional={**DRAWN, "seed": NUMBERS, "prompt": TEXTS},
    ),
    "outpaint": st.fixed_dictionaries(
        {"artwork": st.just("drawn")},
        optional={**DRAWN, "left": NUMBERS, "top": NUMBERS, "seed": NUMBERS, "prompt": TEXTS},
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
            if name == "draw":
                arguments = {"requests": [asked(one) for one in arguments["requests"]]}
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


def asked(wanted: Any) -> Any:
    """A request of what is wanted, where that is one."""
    return Request(**wanted) if isinstance(wanted, dict) and wanted else wanted


BASE_SPEC = base_spec()


@given(st.text(max_size=80) | st.binary(max_size=80) | NUMBERS)
@example("A" * 40)
def test_no_text_raises_anything_but_a_recipe_error(text: Any) -> None:
    with pytest.raises(RecipeError):
        unpack_recipe(text, BASE_SPEC, "ab" * 32)


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
