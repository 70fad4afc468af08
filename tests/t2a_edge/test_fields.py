import numpy as np
import pytest

from t2a_edge.fields import (
    RAMP,
    evened,
    field_of,
    field_of_form,
    mixed,
    noise_field,
    noised,
    shares_beyond,
    stretched,
    windows_of,
)
from t2a_edge.form import SIDE, form_of
from t2a_edge.layout import MOST_HALVES, Layout, window_cells
from t2a_edge.noise import OF_FORM, normal_noise
from tests.fake_runner import SPEC
from tests.tiny_model import picture

PLAIN, WIDE, TILE = Layout(), Layout(3, 5), Layout(2, 3, wrap=True)


def random_form(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)


# ---- fields


def test_the_field_of_one_window_is_the_form():
    pixels = picture(256, 256)
    np.testing.assert_array_equal(field_of(pixels, PLAIN) * 32, form_of(pixels))


def test_the_field_of_a_larger_picture_has_32_cells_a_half_window():
    pixels = picture(384, 640)
    field = field_of(pixels, WIDE)
    assert field.shape == (96, 160)
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(1, abs=0.02)
    grey = (pixels @ np.array([77, 150, 29]) / 256).reshape(96, 4, 160, 4).mean((1, 3))
    apart = (grey - grey.mean()) / grey.std()
    np.testing.assert_allclose(field, apart, atol=0.5 / 32 + 1e-6)


def test_a_form_over_one_window_stays_as_it_is():
    form = random_form()
    np.testing.assert_array_equal(stretched(form, PLAIN), form)


@pytest.mark.parametrize("layout", [WIDE, Layout(2, 3), Layout(16, 2)], ids=str)
def test_a_form_is_stretched_by_linear_interpolation(layout):
    form = random_form()
    found, expected = stretched(form, layout), form.astype(np.float64)
    for axis, size in enumerate(layout.grid(SIDE)):
        at = np.clip((np.arange(size) + 0.5) * SIDE / size - 0.5, 0, SIDE - 1)
        at = np.floor(at * 64 + 0.5) / 64
        lines = np.moveaxis(expected, axis, 0)
        low = np.minimum(at.astype(int), SIDE - 2)
        part = (at - low)[:, None]
        expected = np.moveaxis(lines[low] * (1 - part) + lines[low + 1] * part, 0, axis)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_edges_that_meet_are_joined():
    ramp = np.repeat(np.linspace(-1, 1, SIDE, dtype=np.float32)[None], SIDE, axis=0)
    field = stretched(ramp + ramp.T, TILE)
    for lines in (field, field.T):
        inside = np.abs(np.diff(lines, axis=0)).max()
        across = np.abs(lines[0] - lines[-1]).max()
        assert across <= inside
    apart = stretched(ramp + ramp.T, Layout(2, 3))
    assert np.abs(apart[0] - apart[-1]).max() > 1  # it can fail
    np.testing.assert_array_equal(field[16:-16, 16:-16], apart[16:-16, 16:-16])


# ---- what stays


def test_a_new_form_counts_more_and_more_away_from_what_stays():
    kept = np.zeros((12, 20), dtype=bool)
    kept[:, :4] = True
    share = shares_beyond(kept, wrap=False)
    expected = np.clip((np.arange(20) - 4 + 1) / RAMP, 0, 1)
    expected[:4] = 0
    np.testing.assert_allclose(share, np.repeat(expected[None], 12, axis=0), atol=1e-6)


def test_shares_run_across_edges_that_meet():
    kept = np.zeros((12, 20), dtype=bool)
    kept[:, :4] = True
    share = shares_beyond(kept, wrap=True)
    np.testing.assert_array_equal(share[:, 4:], share[:, :3:-1])
    assert share[0, -1] == pytest.approx(1 / RAMP)


@pytest.mark.parametrize(("kept", "share"), [(True, 0), (False, 1)])
def test_all_or_nothing_stays(kept, share):
    assert (shares_beyond(np.full((8, 8), kept), wrap=False) == share).all()


def test_forms_are_mixed_by_their_share():
    old, new = random_form(1), random_form(2)
    share = np.zeros((SIDE, SIDE), dtype=np.float32)
    share[:8] = 1
    share[8] = 0.5
    both = mixed(old, new, share)
    np.testing.assert_allclose(both[:8], new[:8], atol=1e-6)
    np.testing.assert_allclose(both[8], (old[8] + new[8]) / 2, atol=1e-6)
    np.testing.assert_array_equal(both[9:], old[9:])


# ---- windows


@pytest.mark.parametrize("layout", [PLAIN, WIDE, TILE], ids=str)
def test_windows_are_cut_out_of_the_field(layout):
    field = np.arange(np.prod(layout.grid(SIDE)), dtype=np.float32).reshape(layout.grid(SIDE))
    windows = windows_of(field, layout)
    assert windows.shape == (len(layout.windows), SIDE, SIDE)
    for window, cut in zip(layout.windows, windows, strict=True):
        np.testing.assert_array_equal(cut.ravel(), window_cells(layout, SIDE, window))


def test_windows_are_evened_to_mean_0_and_spread_1():
    windows = np.stack([random_form(1) * 0.5 + 3, random_form(2) * 4 - 1])
    even = evened(windows)
    assert even.dtype == np.float32
    np.testing.assert_allclose(even.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(even.std((1, 2)), 1, atol=1e-6)


def test_a_window_that_is_nearly_plain_stays_so():
    even = evened(np.stack([np.full((SIDE, SIDE), 2, dtype=np.float32), random_form() * 0.025]))
    assert not even[0].any()
    assert even[1].std() == pytest.approx(0.1, rel=0.05)


def test_evening_does_not_depend_on_the_order_of_its_sums():
    window = random_form(3)
    mirrored = evened(window[None, ::-1, ::-1].copy())[0]
    np.testing.assert_array_equal(mirrored[::-1, ::-1], evened(window[None])[0])


# ---- noise


def test_noise_on_a_form_is_that_of_its_rows():
    noise = noise_field(7, PLAIN)
    np.testing.assert_array_equal(noise, normal_noise(7, OF_FORM + np.arange(SIDE), SIDE))


@pytest.mark.parametrize("layout", [WIDE, TILE, Layout(MOST_HALVES, 2)], ids=str)
def test_a_larger_form_has_the_noise_of_one_window_in_its_corner(layout):
    noise = noise_field(7, layout)
    assert noise.shape == layout.grid(SIDE)
    np.testing.assert_array_equal(noise[:SIDE, :SIDE], noise_field(7, PLAIN))
    if layout == WIDE:  # as docs/noise.md numbers it
        number = OF_FORM + (1 * 64 + 2) * SIDE + 5
        assert noise[64 + 5, 128 + 9] == normal_noise(7, np.array([number]), SIDE)[0, 9]
    tiles = [noise[i : i + SIDE, :SIDE].tobytes() for i in range(0, len(noise), SIDE)]
    assert len(set(tiles)) == len(tiles)


def test_a_form_with_noise_has_parts_of_both():
    form, noise = random_form(1), random_form(2)
    np.testing.assert_array_equal(noised(form, noise, 0.0), form)
    np.testing.assert_array_equal(noised(form, noise, 1.0), noise)
    quarter = noised(form, noise, 0.25)
    np.testing.assert_array_equal(quarter, np.float32(0.75) * form + np.float32(0.25) * noise)
    assert quarter.dtype == np.float32


# ---- a form that is given


def steps_down(height: int, width: int) -> np.ndarray:
    """Grey levels that fall from row to row, (H, W, 3) uint8."""
    rows = np.linspace(250, 5, height).round().astype(np.uint8)
    return np.broadcast_to(rows[:, None, None], (height, width, 3)).copy()


@pytest.mark.parametrize(
    ("layout", "crop"),
    [
        (Layout(), (0, 0, 32, 32)),
        (Layout(3, 2), (0, 0, 32, 40)),
        (Layout(3, 4), (8, 12, 40, 32)),
    ],
)
def test_a_given_form_is_squeezed_into_what_is_shown(layout, crop):
    field = field_of_form(SPEC, steps_down(50, 90), layout, crop)
    assert field.dtype == np.float32
    assert field.shape == (32 * layout.rows, 32 * layout.columns)
    left, top, width, height = (2 * part for part in crop)
    shown = field[top : top + height, left : left + width]
    assert abs(shown.mean()) < 0.02
    assert shown.std() == pytest.approx(1, abs=0.02)
    assert (np.diff(shown, axis=0) < 0).all()
    np.testing.assert_array_equal(field[:top], np.broadcast_to(field[top], field[:top].shape))
    end = top + height
    np.testing.assert_array_equal(field[end:], np.broadcast_to(shown[-1, 0], field[end:].shape))


def test_the_edges_of_a_given_form_meet_where_those_of_the_picture_do():
    layout = Layout(2, 3, True)
    field = field_of_form(SPEC, steps_down(64, 64), layout, (0, 0, 48, 32))
    plain = field_of_form(SPEC, steps_down(64, 64), Layout(2, 3), (0, 0, 48, 32))
    assert abs(field[0, 0] - field[-1, 0]) < 0.2 < abs(plain[0, 0] - plain[-1, 0])


def test_a_picture_of_the_trained_size_lends_the_form_that_it_has():
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        field_of_form(SPEC, pixels, Layout(), (0, 0, 32, 32)), field_of(pixels, Layout())
    )
