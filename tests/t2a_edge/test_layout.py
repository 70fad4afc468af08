import numpy as np
import pytest

from t2a_edge.layout import MOST_HALVES, Layout, latent_numbers, window_cells, window_weights
from t2a_edge.noise import OF_CHOICE, OF_LATENTS

SIDES = (2, 4, 8)
LAYOUTS = [Layout(), Layout(3, 5), Layout(2, 4), Layout(2, 2, True), Layout(3, 2, True)]


def test_one_window_is_the_plain_picture():
    layout = Layout()
    assert layout.is_plain
    assert layout.windows == [(0, 0)]
    for side in SIDES:
        assert layout.grid(side) == (side, side)
        np.testing.assert_array_equal(window_cells(layout, side, (0, 0)), np.arange(side * side))
        expected = OF_LATENTS + np.arange(side * side)
        np.testing.assert_array_equal(latent_numbers(layout, side), expected)


def test_a_layout_whose_edges_meet_is_not_plain():
    assert not Layout(2, 2, True).is_plain
    assert not Layout(2, 3).is_plain


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("side", SIDES)
def test_windows_cover_every_cell_and_their_weights_add_up_to_one_inside(layout, side):
    height, width = layout.grid(side)
    total = np.zeros(height * width)
    for window in layout.windows:
        cells = window_cells(layout, side, window)
        assert len(set(cells)) == side * side
        total[cells] += window_weights(side)
    assert (total > 0).all()
    if layout.wrap:
        np.testing.assert_allclose(total, 1, atol=1e-6)
    else:
        half = side // 2
        inner = total.reshape(height, width)[half : height - half, half : width - half]
        np.testing.assert_allclose(inner, 1, atol=1e-6)


@pytest.mark.parametrize("layout", [*LAYOUTS, Layout(MOST_HALVES, MOST_HALVES)], ids=str)
def test_no_two_positions_of_a_picture_share_a_number(layout):
    numbers = latent_numbers(layout, 8)
    height, width = layout.grid(8)
    assert len(numbers) == height * width == len(set(numbers))
    assert numbers.min() == OF_LATENTS
    assert numbers.max() < OF_CHOICE


def test_windows_that_run_across_an_edge_take_the_cells_of_the_other_side():
    layout = Layout(2, 3, True)  # a grid of 4 x 6 at side 4
    cells = window_cells(layout, 4, (1, 2)).reshape(4, 4)
    rows, columns = np.divmod(cells, 6)
    np.testing.assert_array_equal(rows[:, 0], [2, 3, 0, 1])
    np.testing.assert_array_equal(columns[0], [4, 5, 0, 1])
