import numpy as np
import pytest

from t2a_edge.layout import (
    MOST_HALVES,
    Layout,
    position_numbers,
    window_cells,
    window_indices,
    window_weights,
)
from t2a_edge.scales import scale_offsets

SCALES = (1, 2, 4, 8)
LAYOUTS = [Layout(), Layout(3, 5), Layout(2, 4), Layout(2, 2, True), Layout(3, 2, True)]


def test_one_window_is_the_plain_picture():
    layout = Layout()
    assert layout.is_plain
    assert layout.windows == [(0, 0)]
    assert layout.offsets(SCALES) == scale_offsets(SCALES)
    numbers = np.arange(layout.positions(SCALES), dtype=np.int64)
    np.testing.assert_array_equal(window_indices(numbers, layout, SCALES, (0, 0)), numbers)
    for scale, start in enumerate(scale_offsets(SCALES)[:-1]):
        side = SCALES[scale]
        expected = np.arange(start, start + side * side)
        np.testing.assert_array_equal(position_numbers(layout, SCALES, scale), expected)


def test_a_layout_whose_edges_meet_is_not_plain():
    assert not Layout(2, 2, True).is_plain
    assert not Layout(2, 3).is_plain


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("side", SCALES)
def test_windows_cover_every_cell_and_their_weights_add_up_to_one_inside(layout, side):
    height, width = layout.grid(side)
    total = np.zeros(height * width)
    for window in layout.windows:
        cells = window_cells(layout, side, window)
        assert len(set(cells)) == side * side
        total[cells] += window_weights(side)
    assert (total > 0).all()
    if layout.wrap and side > 1:
        np.testing.assert_allclose(total, 1, atol=1e-6)
    elif side > 1:
        half = side // 2
        inner = total.reshape(height, width)[half : height - half, half : width - half]
        np.testing.assert_allclose(inner, 1, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_no_two_positions_of_a_picture_share_a_number(layout):
    numbers = np.concatenate(
        [position_numbers(layout, SCALES, scale) for scale in range(len(SCALES))]
    )
    assert len(numbers) == layout.positions(SCALES) == len(set(numbers))
    assert numbers.min() >= 0


def test_the_largest_layout_has_numbers_of_its_own_too():
    layout = Layout(MOST_HALVES, MOST_HALVES)
    numbers = np.concatenate(
        [position_numbers(layout, SCALES, scale) for scale in range(len(SCALES))]
    )
    assert len(numbers) == len(set(numbers))


def test_windows_that_run_across_an_edge_take_the_cells_of_the_other_side():
    layout = Layout(2, 3, True)  # a grid of 4 x 6 at side 4
    cells = window_cells(layout, 4, (1, 2)).reshape(4, 4)
    rows, columns = np.divmod(cells, 6)
    np.testing.assert_array_equal(rows[:, 0], [2, 3, 0, 1])
    np.testing.assert_array_equal(columns[0], [4, 5, 0, 1])
