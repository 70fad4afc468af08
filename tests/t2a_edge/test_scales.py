import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.scales import (
    average_matrix,
    axis_matrices,
    context_matrix,
    enlarge_matrix,
    refiner_pass_of,
    scale_offsets,
)

SCALES = [(1,), (1, 2, 4), (1, 2, 4, 8, 16), (2, 3, 6), (1, 3, 4, 12)]

sides = st.integers(1, 16)


@given(st.lists(sides, min_size=1, max_size=8))
def test_offsets_count_the_positions_of_each_scale(scales):
    offsets = scale_offsets(scales)
    assert offsets[0] == 0
    assert np.diff(offsets).tolist() == [side * side for side in scales]


@given(side=sides, size=sides)
def test_rows_of_an_enlargement_sum_to_one(side, size):
    matrix = enlarge_matrix(side, size)
    assert matrix.shape == (size, side)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)


@given(side=sides)
def test_enlarging_to_the_same_side_is_the_identity(side):
    np.testing.assert_array_equal(enlarge_matrix(side, side), np.eye(side))


def test_enlarging_one_sample_repeats_it():
    np.testing.assert_allclose(enlarge_matrix(1, 8), np.ones((8, 1)), atol=1e-6)


@given(side=sides, size=sides)
def test_an_enlargement_is_the_same_from_either_end(side, size):
    matrix = enlarge_matrix(side, size)
    np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-6)


def test_enlarging_a_straight_line_keeps_it_straight_away_from_the_edges():
    line = enlarge_matrix(8, 32) @ np.arange(8, dtype=np.float32)
    np.testing.assert_allclose(np.diff(line)[8:-8], 0.25, atol=1e-5)


def test_enlarging_twofold_has_the_weights_of_catmull_rom():
    weights = [-0.0703125, 0.8671875, 0.2265625, -0.0234375]  # at a quarter of a sample
    np.testing.assert_allclose(enlarge_matrix(8, 16)[7, 2:6], weights, atol=1e-7)
    np.testing.assert_allclose(enlarge_matrix(8, 16)[8, 2:6], weights[::-1], atol=1e-7)


@given(side=sides, step=st.integers(1, 8))
def test_an_average_weighs_each_sample_of_its_block_equally(side, step):
    values = np.random.default_rng(side).normal(size=side * step)
    expected = values.reshape(side, step).mean(1)
    matrix = average_matrix(side * step, side)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(matrix @ values, expected, atol=1e-6)


def test_averaging_to_the_same_side_is_the_identity():
    np.testing.assert_array_equal(average_matrix(5, 5), np.eye(5))


@pytest.mark.parametrize(("size", "side"), [(4, 3), (3, 2), (2, 4)])
def test_averaging_to_a_side_that_does_not_divide_is_an_error(size, side):
    with pytest.raises(ValueError, match=f"{side} does not divide {size}"):
        average_matrix(size, side)


def context_step_by_step(scales: tuple[int, ...], scale: int, codes: np.ndarray) -> np.ndarray:
    """Enlarge every coarser grid, add it to the canvas, average the canvas down."""
    size, side = scales[-1], scales[scale]
    canvas = np.zeros((size, size, codes.shape[-1]))
    start = 0
    for coarser in scales[:scale]:
        grid = codes[start : start + coarser**2].reshape(coarser, coarser, -1)
        start += coarser**2
        enlarge = enlarge_matrix(coarser, size).astype(np.float64)
        canvas += np.einsum("yh,xw,hwd->yxd", enlarge, enlarge, grid)
    blocks = canvas.reshape(side, size // side, side, size // side, -1)
    return blocks.mean((1, 3)).reshape(side * side, -1)


@pytest.mark.parametrize("scales", SCALES)
def test_the_context_is_enlarging_and_averaging_step_by_step(scales):
    rng = np.random.default_rng(5)
    for scale in range(1, len(scales)):
        codes = rng.normal(size=(scale_offsets(scales)[scale], 3))
        matrix = context_matrix(scales, scale)
        assert matrix.shape == (scales[scale] ** 2, len(codes))
        assert matrix.dtype == np.float32
        expected = context_step_by_step(scales, scale, codes)
        np.testing.assert_allclose(matrix @ codes, expected, atol=1e-5)


@pytest.mark.parametrize("scales", SCALES)
def test_the_first_scale_has_seen_nothing(scales):
    matrix = context_matrix(scales, 0)
    assert matrix.shape == (scales[0] ** 2, 1)
    assert not matrix.any()


@pytest.mark.parametrize("scales", [scales for scales in SCALES if len(scales) > 1])
def test_one_axis_after_the_other_gives_the_context(scales):
    codes = np.random.default_rng(1).normal(size=scale_offsets(scales)[-2]).astype(np.float32)
    for scale in range(1, len(scales)):
        seen = scale_offsets(scales)[scale]
        total = np.zeros((scales[scale], scales[scale]))
        matrices = np.split(axis_matrices(scales, scale), np.cumsum(scales[:-1])[:-1], axis=1)
        for side, start, matrix in zip(scales, scale_offsets(scales), matrices, strict=False):
            total += matrix @ codes[start : start + side * side].reshape(side, side) @ matrix.T
        whole = context_matrix(scales, scale) @ codes[:seen]
        np.testing.assert_allclose(total.ravel(), whole, atol=1e-5)
        assert not np.concatenate([np.zeros(1), *(m.ravel() for m in matrices[scale:])]).any()


@pytest.mark.parametrize("scales", SCALES)
def test_the_context_of_equal_codes_is_their_number_of_scales(scales):
    for scale in range(1, len(scales)):
        np.testing.assert_allclose(context_matrix(scales, scale).sum(1), scale, atol=1e-5)


def neighbours(side: int, position: int) -> list[int]:
    """Positions above, below, left and right."""
    row, column = divmod(position, side)
    around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return [y * side + x for y, x in around if 0 <= y < side and 0 <= x < side]


@given(side=sides, passes=st.sampled_from([1, 2, 4]))
def test_every_position_is_drawn_in_one_of_the_passes(side, passes):
    pass_of = refiner_pass_of(side, passes)
    assert pass_of.shape == (side * side,)
    assert pass_of.dtype == np.int64
    assert set(pass_of.tolist()) <= set(range(passes))
    if side > 1 and side % 2 == 0:
        assert np.bincount(pass_of).tolist() == [side * side // passes] * passes


@given(side=st.integers(2, 16))
def test_two_passes_are_a_chequerboard(side):
    pass_of = refiner_pass_of(side, 2)
    for position in np.flatnonzero(pass_of == 1):
        assert set(pass_of[neighbours(side, position)]) == {0}
    for position in np.flatnonzero(pass_of == 0):
        assert set(pass_of[neighbours(side, position)]) == {1}


@given(side=sides)
def test_four_passes_split_each_colour_of_the_chequerboard(side):
    np.testing.assert_array_equal(refiner_pass_of(side, 4) // 2, refiner_pass_of(side, 2))


@pytest.mark.parametrize("passes", [0, 3, 8])
def test_another_number_of_passes_is_an_error(passes):
    with pytest.raises(ValueError, match=f"{passes} passes; expected 1, 2 or 4"):
        refiner_pass_of(4, passes)
