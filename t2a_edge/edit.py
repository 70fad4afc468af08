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
UInt8Array = npt.NDArray[np.uint8]
Crop = tuple[int, int, int, int]

WHITES = {"i": 255, "f": 1}  # of a mask, by its kind of number
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
    """A mask as (H, W) bool: what is more than half of the way to white.

    Args:
        mask: (H, W) bool, unsigned integers of any width (white is their largest), other integers
            of 0 to 255, or floats of 0 to 1.
        size: width and height that it must have.

    Raises:
        ImageError: it has another size or kind, or values out of range.
    """
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
    if array.dtype == np.bool_:
        return array
    most = np.iinfo(array.dtype).max if array.dtype.kind == "u" else WHITES[array.dtype.kind]
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= most):  # NaN fails too
        raise ImageError(
            f"The mask is {array.dtype} with values from {low:g} to {high:g}; expected 0 to {most}."
        )
    return array > most // 2 if array.dtype.kind in "ui" else array > most / 2


def blended(
    under: UInt8Array, over: UInt8Array, mask: BoolArray, feather: int, *, wrap: bool
) -> UInt8Array:
    """A picture with another one in its masked part, and a soft edge around it.

    Args:
        under, over: (H, W, 3) uint8 each.
        mask: (H, W); where it is true, `over` shows.
        feather: pixels beyond the mask, by Euclidean distance, in which one becomes the other;
            further away `under` stays as it is.
        wrap: whether opposite edges meet.

    Returns:
        (H, W, 3) uint8.
    """
    squared = _squared_distances(mask, feather, wrap=wrap)
    share = np.maximum(0, 1 - np.sqrt(squared.astype(np.float32)) / np.float32(feather + 1))
    share[squared > feather * feather] = 0
    changed = share > 0
    old, new = under[changed].astype(np.float32), over[changed].astype(np.float32)
    picture = under.copy()
    picture[changed] = np.rint(old + (new - old) * share[changed][:, None]).astype(np.uint8)
    return picture


def _squared_distances(mask: BoolArray, reach: int, *, wrap: bool) -> npt.NDArray[np.int32]:
    """(H, W) pixels to the nearest of a mask, squared; more than `reach` squared where further."""
    height, width = mask.shape
    padded = np.pad(mask, reach, mode="wrap") if wrap else np.pad(mask, reach)
    far = np.int32((reach + 1) ** 2)
    across = np.full((height + 2 * reach, width), far, dtype=np.int32)
    for step in range(-reach, reach + 1):
        here = padded[:, reach + step : reach + step + width]
        across[here] = np.minimum(across[here], np.int32(step * step))
    found = np.full((height, width), far, dtype=np.int32)
    for step in range(-reach, reach + 1):
        here = across[reach + step : reach + step + height]
        np.minimum(found, here + np.int32(step * step), out=found)
    return found


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
