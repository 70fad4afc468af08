"""Which codes of a picture stay when it gets another size, a masked part or more room."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import sequence, shown, whole_number
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.layout import MOST_HALVES, Layout
from t2a_edge.spec import Spec

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Crop = tuple[int, int, int, int]

GREY = 127  # a mask of numbers marks what is above
MOST_OF_A_CELL = 0.5  # of the finest grid, from which on it is drawn anew
ALL_OF_A_CELL = 1 - 1e-6  # of a coarser grid


def half_window(spec: Spec) -> int:
    """Half the image size, in pixels: the step in which windows are laid."""
    return spec.image_size // 2


def cell_pixels(spec: Spec) -> int:
    """Pixels along one side of a cell of the finest grid."""
    return spec.image_size // spec.scales[-1]


def check_divisible(spec: Spec) -> None:
    """An OptionError if windows of this model cannot overlap by half."""
    finest = spec.scales[-1]
    whole = all(side == 1 or side % 2 == 0 for side in spec.scales) and finest % 4 == 0
    if not whole:
        raise OptionError(
            f"This bundle's scales are {list(spec.scales)}; other sizes than {spec.image_size} x "
            f"{spec.image_size} need even ones. Leave the size out, or use another bundle."
        )


def layout_of_size(spec: Spec, size: tuple[int, int], *, wrap: bool = False) -> tuple[Layout, Crop]:
    """The windows for a picture of this size, and what is shown of them.

    Args:
        size: width and height in pixels, whole numbers of any kind.
        wrap: whether opposite edges meet; the size is a whole number of half windows then.

    Raises:
        OptionError: the size is out of range, or no multiple of the step.
    """
    half = half_window(spec)
    step, most = half if wrap else cell_pixels(spec), MOST_HALVES * half
    pair = sequence(size) or ()
    if len(pair) != 2:
        raise OptionError(f"The size is {shown(size)}; expected width and height in pixels.")
    width, height = (
        whole_number(f"The {name} of the size", side, 2 * half, most, step=step)
        for name, side in zip(("width", "height"), pair, strict=True)
    )
    layout = Layout(-(-height // half), -(-width // half), wrap)
    if not layout.is_plain:
        check_divisible(spec)
    return layout, (0, 0, width, height)


def covered(mask: npt.ArrayLike, size: tuple[int, int]) -> BoolArray:
    """A mask as (H, W) bool; an ImageError if it has another size than the picture."""
    try:
        array = np.asarray(mask)
    except (TypeError, ValueError) as exc:  # rows of several lengths
        raise ImageError(f"The mask is no array ({exc}); expected one number a pixel.") from exc
    width, height = size
    if array.shape != (height, width) or array.dtype.kind not in "buif":
        raise ImageError(
            f"The mask is {array.dtype} of shape {array.shape}; expected one number or bool a "
            f"pixel, of shape ({height}, {width}), as the picture has."
        )
    return array if array.dtype == np.bool_ else array > GREY


def kept_outside_mask(
    spec: Spec, indices: Int64Array, layout: Layout, crop: Crop, mask: BoolArray
) -> Int64Array:
    """The codes outside a mask, (P,) int64; -1 where one is to be drawn.

    Raises:
        ImageError: the mask covers no cell.
    """
    half = half_window(spec)
    left, top, width, height = crop
    whole = np.zeros((layout.rows * half, layout.columns * half), dtype=np.float32)
    whole[top : top + height, left : left + width] = mask
    given, offsets = indices.copy(), layout.offsets(spec.scales)
    for side, (start, end) in zip(spec.scales, pairwise(offsets), strict=True):
        rows, columns = layout.grid(side)
        cells = whole.reshape(rows, whole.shape[0] // rows, columns, -1).mean((1, 3))
        least = MOST_OF_A_CELL if side == spec.scales[-1] else ALL_OF_A_CELL
        given[start:end][cells.ravel() >= least] = -1
    if (given >= 0).all():
        cell = cell_pixels(spec)
        raise ImageError(
            f"The mask marks {int(mask.sum())} pixels and covers no cell of {cell} x {cell}; "
            "mark a larger part."
        )
    return given


def extended(
    spec: Spec,
    indices: Int64Array,
    layout: Layout,
    crop: Crop,
    margins: tuple[int, int, int, int],
) -> tuple[Layout, Crop, Int64Array]:
    """Room around a picture: the new windows, what is shown of them, and the codes that stay.

    Args:
        margins: pixels to add at the left, right, top and bottom.

    Raises:
        OptionError: a margin is out of range, the picture would be too large, or its edges meet.
    """
    check_divisible(spec)
    half, cell = half_window(spec), cell_pixels(spec)
    if layout.wrap:
        raise OptionError("The picture's edges meet; draw one without `tile` to draw on beyond it.")
    left, right, top, bottom = (
        whole_number(f"The margin at the {name}", margin, 0, MOST_HALVES * half, step=cell)
        for name, margin in zip(("left", "right", "top", "bottom"), margins, strict=True)
    )
    if not left + right + top + bottom:
        raise OptionError(
            f"All four margins are 0; name how many pixels to add, a multiple of {cell}."
        )
    x, y, width, height = crop
    room = layout.columns * half - x - width, layout.rows * half - y - height
    before = [-(-max(0, m - own) // half) for m, own in ((left, x), (top, y))]
    after = [-(-max(0, m - own) // half) for m, own in ((right, room[0]), (bottom, room[1]))]
    larger = Layout(layout.rows + before[1] + after[1], layout.columns + before[0] + after[0])
    if max(larger.rows, larger.columns) > MOST_HALVES:
        raise OptionError(
            f"The picture would have {width + left + right} x {height + top + bottom} pixels; "
            f"expected at most {MOST_HALVES * half} a side. Add less."
        )
    shown = (
        before[0] * half + x - left, before[1] * half + y - top,
        width + left + right, height + top + bottom,
    )  # fmt: skip
    given = np.full(larger.positions(spec.scales), -1, dtype=np.int64)
    old, new = layout.offsets(spec.scales), larger.offsets(spec.scales)
    for number, side in enumerate(spec.scales):
        rows, columns = layout.grid(side)
        grid = given[new[number] : new[number + 1]].reshape(larger.grid(side))
        down, along = (0, 0) if side == 1 else (before[1] * side // 2, before[0] * side // 2)
        own = indices[old[number] : old[number + 1]].reshape(rows, columns)
        grid[down : down + rows, along : along + columns] = own
    return larger, shown, given
