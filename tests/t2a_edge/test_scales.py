import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.scales import (
    average_matrix,
    enlarge_matrix,
    scale_offsets,
)

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
