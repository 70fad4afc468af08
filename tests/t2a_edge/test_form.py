import numpy as np
import pytest

from t2a_edge.form import (
    MOST,
    SIDE,
    SPREAD,
    WINDOWS,
    form_of,
    form_of_grey,
    resampling_matrices,
)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# ---- of a picture


def test_a_form_has_no_mean_and_a_known_spread():
    form = form_of(picture(256, 256))
    assert form.shape == (SIDE, SIDE)
    assert form.dtype == np.int8
    assert abs(form.astype(float).mean()) < 0.1
    assert form.astype(float).std() == pytest.approx(SPREAD, abs=0.5)


def test_lightness_and_contrast_do_not_matter():
    pixels = picture(128, 128)
    paler = (pixels.astype(float) / 2 + 100).astype(np.uint8)
    apart = np.abs(form_of(pixels).astype(int) - form_of(paler).astype(int))
    assert apart.max() <= 2


def test_a_plain_picture_has_a_plain_form():
    assert not form_of(np.full((64, 64, 3), 90, dtype=np.uint8)).any()


def test_a_faint_picture_stays_faint():
    grey = np.full((SIDE, SIDE), 90.0)
    grey[0, 0] = 91
    assert form_of_grey(grey).max() == 8  # 32 / 4, as if the spread were 4


def test_a_bright_spot_is_cut_off():
    grey = np.zeros((SIDE, SIDE))
    grey[0, 0] = 4000
    assert form_of_grey(grey).max() == MOST


@pytest.mark.parametrize("shape", [(64, 64), (100, 70), (31, 200), (256, 320)])
def test_any_shape_is_squeezed_into_the_square(shape):
    height, width = shape
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, width // 2 :] = 200
    form = form_of(pixels).astype(int)
    assert (form[:, : SIDE // 2 - 2] < 0).all()
    assert (form[:, SIDE // 2 + 2 :] > 0).all()


def test_cells_that_cut_a_pixel_take_their_part_of_it():
    fine = picture(96, 96)
    doubled = fine.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(form_of(fine), form_of(doubled))


# ---- cut to windows


def test_windows_lie_within_the_form_from_whole_to_seven_tenths():
    assert len(WINDOWS) == len(set(WINDOWS)) == 16
    assert WINDOWS[0] == (0, SIDE)
    assert all(start >= 0 and start + length <= SIDE for start, length in WINDOWS)
    assert min(length for _, length in WINDOWS) == 54


def test_matrices_are_whole_numbers_that_add_up_to_64():
    matrices = resampling_matrices()
    assert matrices.shape == (32, SIDE, SIDE)
    assert matrices.dtype == np.float32
    np.testing.assert_array_equal(matrices, np.rint(matrices))
    assert matrices.min() == 0
    np.testing.assert_array_equal(matrices.sum(-1), 64)
    assert len({matrix.tobytes() for matrix in matrices}) == 32


def test_the_first_matrix_changes_nothing_and_its_image_mirrors():
    matrices = resampling_matrices()
    np.testing.assert_array_equal(matrices[0], 64 * np.eye(SIDE))
    np.testing.assert_array_equal(matrices[16], 64 * np.eye(SIDE)[::-1])
    for number in range(16):
        np.testing.assert_array_equal(matrices[16 + number], matrices[number][::-1])


@pytest.mark.parametrize("number", range(16))
def test_a_window_is_linear_interpolation_between_its_ends(number):
    start, length = WINDOWS[number]
    centres = np.clip(start + (np.arange(SIDE) + 0.5) * length / SIDE - 0.5, 0, SIDE - 1)
    ramp = np.arange(SIDE)
    cut = resampling_matrices()[number] @ ramp / 64
    np.testing.assert_allclose(cut, centres, atol=0.5 / 64 + 1e-6)


def test_cutting_is_exact_in_float32_in_any_order():
    matrices = resampling_matrices()
    form = np.where(np.random.default_rng(1).random((SIDE, SIDE)) < 0.5, -MOST, MOST)
    whole = matrices.astype(np.int64)
    for down, across in ((0, 0), (7, 31), (15, 18)):
        exact = whole[down] @ form @ whole[across].T
        assert np.abs(exact).max() <= 64 * 64 * MOST < 2**24
        single = form.astype(np.float32)
        left = (matrices[down] @ single) @ matrices[across].T
        right = matrices[down] @ (single @ matrices[across].T)
        np.testing.assert_array_equal(left, exact)
        np.testing.assert_array_equal(right, exact)
