import base64
import contextlib
import dataclasses
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.errors import RecipeError
from t2a_edge.layout import Layout
from t2a_edge.recipe import Pasted, Recipe, pack_recipe, unpack_recipe
from tests.tiny import base_spec

SPEC = base_spec()
MODEL = "0123456789abcdef" * 4
HALF = SPEC.image_size // 2


def random_recipe(rng: np.random.Generator, rows=2, columns=2, wrap=False) -> Recipe:
    layout = Layout(rows, columns, wrap)
    indices = rng.integers(0, SPEC.codebook_size, len(layout.windows) * SPEC.positions)
    return Recipe(indices, layout, (0, 0, columns * HALF, rows * HALF))


def assert_same(one: Recipe, other: Recipe) -> None:
    np.testing.assert_array_equal(one.indices, other.indices)
    assert (one.layout, one.crop) == (other.layout, other.crop)


def changed_byte(text: str, place: int, by: int) -> str:
    """The recipe with one byte changed, its checksum as it was."""
    whole = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    whole[place] ^= by
    return base64.urlsafe_b64encode(bytes(whole)).decode().rstrip("=")


def test_a_thousand_random_grids_come_back_as_they_were():
    rng = np.random.default_rng(1)
    for _ in range(1000):
        recipe = random_recipe(rng)
        assert_same(unpack_recipe(pack_recipe(recipe, SPEC, MODEL), SPEC, MODEL), recipe)


@given(st.integers(2, 6), st.integers(2, 6), st.booleans(), st.integers(0, 2**32), st.data())
def test_other_sizes_and_tiles_come_back_as_they_were(rows, columns, wrap, seed, data):
    recipe = random_recipe(np.random.default_rng(seed), rows, columns, wrap)
    left = data.draw(st.integers(0, columns * HALF - 1))
    top = data.draw(st.integers(0, rows * HALF - 1))
    width = data.draw(st.integers(1, columns * HALF - left))
    height = data.draw(st.integers(1, rows * HALF - top))
    recipe = dataclasses.replace(recipe, crop=(left, top, width, height))
    assert_same(unpack_recipe(pack_recipe(recipe, SPEC, MODEL), SPEC, MODEL), recipe)


@pytest.mark.parametrize("codes", [1, 2, 3, 32, 512])
def test_a_code_takes_as_many_bits_as_the_codebook_needs(codes):
    spec = dataclasses.replace(SPEC, codebook_size=codes)
    layout = Layout()
    indices = np.random.default_rng(2).integers(0, codes, spec.positions)
    recipe = Recipe(indices, layout, (0, 0, 2 * HALF, 2 * HALF))
    text = pack_recipe(recipe, spec, MODEL)
    assert_same(unpack_recipe(text, spec, MODEL), recipe)
    bits = max(1, (codes - 1).bit_length())
    size = 20 + -(-bits * len(indices) // 8) + 4
    assert len(text) == -(-size * 4 // 3)


def test_a_recipe_is_a_word_for_urls_and_shells():
    text = pack_recipe(random_recipe(np.random.default_rng(3)), SPEC, MODEL)
    assert text.isascii()
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert len(text) == 3616
    assert_same(unpack_recipe(f"  {text}\n", SPEC, MODEL), random_recipe(np.random.default_rng(3)))


@given(st.integers(0, 1559), st.integers(1, 255))
def test_any_changed_byte_is_told(place, by):
    text = pack_recipe(random_recipe(np.random.default_rng(4)), SPEC, MODEL)
    with pytest.raises(RecipeError, match="copy it whole"):
        unpack_recipe(changed_byte(text, place, by), SPEC, MODEL)


@given(st.integers(0, 2079))
def test_a_recipe_that_was_cut_short_is_told(length):
    text = pack_recipe(random_recipe(np.random.default_rng(5)), SPEC, MODEL)
    with pytest.raises(RecipeError, match="copy it whole"):
        unpack_recipe(text[:length], SPEC, MODEL)


@given(st.text(max_size=200))
def test_what_is_no_recipe_is_told(text):
    with pytest.raises(RecipeError):
        unpack_recipe(text, SPEC, MODEL)


def test_a_recipe_of_another_model_is_told():
    text = pack_recipe(random_recipe(np.random.default_rng(6)), SPEC, MODEL)
    with pytest.raises(RecipeError, match="is of the model 0123456789abcdef; this bundle has fff"):
        unpack_recipe(text, SPEC, "f" * 64)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (1, "version 1: a model that drew scale by scale made it, .* reads versions 3 and 4"),
        (2, "version 2: a model that drew scale by scale"),
        (5, "version 5 and flags 0; this t2a-edge reads versions 3 and 4"),
    ],
)
def test_a_recipe_of_another_version_is_told(version, told):
    text = pack_recipe(random_recipe(np.random.default_rng(6)), SPEC, MODEL)
    body = base64.urlsafe_b64decode(text + "==")[1:-4]
    with pytest.raises(RecipeError, match=told):
        unpack_recipe(repacked(bytes([version]) + body), SPEC, "f" * 64)


def test_a_recipe_of_another_codebook_does_not_fit():
    text = pack_recipe(random_recipe(np.random.default_rng(7)), SPEC, MODEL)
    smaller = dataclasses.replace(SPEC, codebook_size=256)
    with pytest.raises(RecipeError, match="parts do not fit together"):
        unpack_recipe(text, smaller, MODEL)


def test_what_is_shown_must_lie_inside_the_windows():
    recipe = random_recipe(np.random.default_rng(8))
    for crop in [(0, 0, 0, HALF), (HALF, 0, 2 * HALF, HALF), (0, 9, HALF, 2 * HALF)]:
        text = pack_recipe(dataclasses.replace(recipe, crop=crop), SPEC, MODEL)
        with pytest.raises(RecipeError, match="parts do not fit together"):
            unpack_recipe(text, SPEC, MODEL)


# ---- pictures in pictures


def pasted(rng: np.random.Generator, times: int, size: int = 2 * HALF) -> Recipe:
    recipe = random_recipe(rng)
    for _ in range(times):
        mask = rng.random((size, size)) < 0.5
        over = random_recipe(rng)
        recipe = dataclasses.replace(over, pasted=Pasted(mask, int(rng.integers(9)), recipe))
    return recipe


def test_what_is_pasted_comes_back_as_it_was():
    recipe = pasted(np.random.default_rng(1), 3)
    read = unpack_recipe(pack_recipe(recipe, SPEC, MODEL), SPEC, MODEL)
    while recipe.pasted is not None:
        assert_same(read, recipe)
        np.testing.assert_array_equal(read.pasted.mask, recipe.pasted.mask)
        assert read.pasted.feather == recipe.pasted.feather
        read, recipe = read.pasted.under, recipe.pasted.under
    assert_same(read, recipe)
    assert read.pasted is None


def test_what_is_pasted_too_often_is_told():
    recipe = pasted(np.random.default_rng(1), 3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("t2a_edge.recipe.MOST_PASTED", 4)
        text = pack_recipe(recipe, SPEC, MODEL)
        patched.setattr("t2a_edge.recipe.MOST_PASTED", 2)
        with pytest.raises(RecipeError, match="3 times over"):
            pack_recipe(recipe, SPEC, MODEL)
        with pytest.raises(RecipeError, match="more than 2 pictures"):
            unpack_recipe(text, SPEC, MODEL)


def repacked(body: bytes) -> str:
    """A recipe of these bytes, its checksum right."""
    whole = body + zlib.crc32(body).to_bytes(4, "big")
    return base64.urlsafe_b64encode(whole).decode().rstrip("=")


@pytest.mark.parametrize("kind", ["short", "long", "bomb", "no zlib", "feather", "none"])
def test_a_mask_that_does_not_fit_is_told(kind):
    recipe = random_recipe(np.random.default_rng(2))
    under = base64.urlsafe_b64decode(pack_recipe(recipe, SPEC, MODEL) + "==")
    head = bytes([4]) + under[1:-4]
    size = (2 * HALF) ** 2 // 8
    length = {"short": size - 1, "long": size + 1, "bomb": 2**26}.get(kind, size)
    mask = b"none" if kind == "no zlib" else zlib.compress(bytes(length))
    feather = 200 if kind == "feather" else 8
    rest = b"" if kind == "none" else struct.pack(">BI", feather, len(mask)) + mask + under
    with pytest.raises(RecipeError, match="mask does not fit"):
        unpack_recipe(repacked(head + rest), SPEC, MODEL)
    if kind == "feather":  # it can pass
        good = struct.pack(">BI", 8, len(mask)) + mask + under
        assert unpack_recipe(repacked(head + good), SPEC, MODEL).pasted.feather == 8


def test_a_picture_of_another_size_around_it_is_told():
    small, large = (random_recipe(np.random.default_rng(3), n, n) for n in (2, 3))
    mask = np.zeros((2 * HALF, 2 * HALF), bool)
    recipe = dataclasses.replace(small, pasted=Pasted(mask, 0, large))
    with pytest.raises(RecipeError, match="256 x 256 pixels, and the one around it 384 x 384"):
        unpack_recipe(pack_recipe(recipe, SPEC, MODEL), SPEC, MODEL)


@given(st.binary(max_size=60), st.integers(0, 3000))
def test_any_bytes_with_a_right_checksum_are_a_recipe_or_told(noise, place):
    body = base64.urlsafe_b64decode(pack_recipe(pasted(RNG, 1), SPEC, MODEL) + "==")[:-4]
    body = body[:place] + noise + body[place + len(noise) :]
    with contextlib.suppress(RecipeError):
        unpack_recipe(repacked(body), SPEC, MODEL)


RNG = np.random.default_rng(9)
