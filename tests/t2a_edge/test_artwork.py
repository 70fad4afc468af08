"""An artwork is a value: compared, hashed, shown, copied, and given to numpy."""

import copy
import json
import pickle  # noqa: TID251 - what multiprocessing does with it
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from t2a_edge.artwork import Artwork
from t2a_edge.conditioning import Conditioning
from t2a_edge.drawing import Drawing
from t2a_edge.layout import Layout
from t2a_edge.recipe import Recipe, pack_recipe, unpack_recipe
from t2a_edge.request import SamplingOptions
from t2a_edge.spec import Spec

OPTIONS = SamplingOptions(guidance_scale=3.0, temperature=1.0, steps=8, form_strength=1.0)
SPEC = Spec(
    image_size=32, scales=(1, 2, 4, 8), codebook_size=100, code_dim=8, max_words=8, max_bytes=32,
    depth=4, forms=6,
)  # fmt: skip


def artwork(**changed: Any) -> Artwork:
    usual: dict[str, Any] = {
        "pixels": np.arange(32 * 32 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3),
        "prompt": "warm dark", "blend": None, "unknown_words": (), "seed": 7, "options": OPTIONS,
        "bundle_hash": "0" * 16, "indices": np.arange(85), "layout": Layout(),
        "crop": (0, 0, 32, 32), "recipe": "abc",
    }  # fmt: skip
    return Artwork(**{**usual, **changed})


OTHERS = [
    {"pixels": np.zeros((32, 32, 3), np.uint8)}, {"indices": np.zeros(85, np.int64)},
    {"prompt": "warm"}, {"seed": 8}, {"seed": None}, {"blend": ("cool", 0.5)}, {"changed": "vary"},
    {"form": "ab" * 8},
    {"options": replace(OPTIONS, steps=1)}, {"recipe": "abd"}, {"layout": Layout(4, 2)},
]  # fmt: skip


def test_equal_artworks_are_one_in_a_set() -> None:
    one, same = artwork(), artwork()
    assert one == same
    assert hash(one) == hash(same)
    assert one in [artwork(seed=1), same]
    assert {one, same, artwork(seed=1)} == {one, artwork(seed=1)}


@pytest.mark.parametrize("changed", OTHERS, ids=lambda changed: next(iter(changed)))
def test_artworks_differ_where_one_thing_differs(changed: Any) -> None:
    assert artwork() != artwork(**changed)
    assert artwork() not in [artwork(**changed), 5, None]


def test_an_artwork_is_shown_on_one_line() -> None:
    assert repr(artwork()) == ("<Artwork 'warm dark' seed=7, 32 x 32, bundle 0000000000000000>")
    shown = repr(artwork(blend=("cool", 0.5), changed="vary", prompt="a\nb", seed=None))
    assert "'a\\nb' seed=None blend=('cool', 0.5) changed='vary'" in shown


def test_numpy_sees_the_pixels() -> None:
    one = artwork()
    assert np.asarray(one) is one.pixels
    assert np.array_equal(np.array(one), one.pixels)
    assert not np.shares_memory(np.array(one, copy=True), one.pixels)
    assert np.asarray(one, dtype=np.float32).dtype == np.float32
    assert np.mean([one, one]) == one.pixels.mean()
    assert one.__array__(copy=False) is one.pixels
    with pytest.raises(ValueError, match="as float32 they are a copy"):
        one.__array__(np.float32, copy=False)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one)), replace],  # noqa: S301 - its own
)
def test_a_copy_is_equal(copied: Any) -> None:
    one = artwork(changed="vary", blend=("cool", 0.25))
    assert copied(one) == one
    assert copied(one).metadata == one.metadata


def test_metadata_of_numbers_of_numpy_is_json() -> None:
    options = SamplingOptions(
        guidance_scale=np.float32(3),
        temperature=np.float64(1),
        steps=np.int64(8),  # type: ignore[arg-type]
        form_strength=np.float16(1),
    )
    assert options == OPTIONS
    assert json.loads(json.dumps(artwork(options=options).metadata)) == artwork().metadata


def test_recipes_are_values() -> None:
    one = Recipe(np.arange(85), Layout(), (0, 0, 32, 32))
    read = unpack_recipe(pack_recipe(one, SPEC, "ab" * 32), SPEC, "ab" * 32)
    assert read == one
    assert {read, one} == {one}
    assert one != Recipe(np.zeros(85, np.int64), Layout(), (0, 0, 32, 32))
    assert one != 5


def test_what_only_carries_arrays_is_equal_to_itself_alone() -> None:
    rows = np.zeros((8, 4), np.float32), np.zeros(8, np.float32), np.zeros(8, np.float32)
    one, other = (Conditioning(*rows) for _ in range(2))
    assert (one == one, one == other, one in [other]) == (True, False, False)
    drawing = Drawing(one, 7, OPTIONS)
    assert {drawing, Drawing(one, 7, OPTIONS), drawing} - {drawing}
