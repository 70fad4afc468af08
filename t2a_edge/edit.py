"""What stays of a picture when it is varied, gets another size, a masked part or more room."""

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import number, sequence, shown, whole_number
from t2a_edge.drawing import Given
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.fields import field_of, shares_beyond
from t2a_edge.form import SIDE
from t2a_edge.layout import CHUNK, MOST_HALVES, Layout, merged
from t2a_edge.runner import Runner
from t2a_edge.spec import BLOCK, Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
UInt8Array = npt.NDArray[np.uint8]
Crop = tuple[int, int, int, int]

WHITES = {"i": 255, "f": 1}  # of a mask, by its kind of number
MOST_OF_A_CELL = 0.5  # of the finest grid, from which on it is drawn anew


def half_window(spec: Spec) -> int:
    """Half the image size, in pixels: the step in which windows are laid."""
    return spec.image_size // 2


def cell_pixels(spec: Spec) -> int:
    """Pixels along one side of a cell of the finest grid."""
    return spec.image_size // spec.scales[-1]


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
    return layout, (0, 0, width, height)


def mask_of(name: str, pixels: UInt8Array, size: tuple[int, int], to_do: str) -> UInt8Array:
    """The grey levels of a mask that was given as a picture, (H, W) uint8.

    Args:
        name: begins an error's sentence.
        pixels: (H, W, 3).
        size: width and height that it must have.
        to_do: ends an error's sentence.

    Raises:
        ImageError: it has another size.
    """
    height, width = pixels.shape[:2]
    if (width, height) != size:
        raise ImageError(
            f"{name} has {width} x {height} pixels and the picture {size[0]} x {size[1]}; {to_do}"
        )
    grey: UInt8Array = np.rint(pixels.mean(-1)).astype(np.uint8)
    return grey


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


def encoded(runner: Runner, spec: Spec, indices: Int64Array, layout: Layout) -> Given:
    """The latents of a picture, with nothing said yet of what is drawn anew.

    Args:
        runner: runs the encoder engine.
        indices: (windows * P,) int64.

    Returns:
        All of it stays; its form is 0.
    """
    windows = indices.reshape(-1, spec.positions)
    parts = [runner.encoder(windows[i : i + CHUNK]) for i in range(0, len(windows), CHUNK)]
    latents = merged(spec, layout, dict(enumerate(np.concatenate(parts))))
    plain = np.zeros(layout.grid(SIDE), dtype=np.float32)
    return Given(windows, latents, np.ones(len(latents), dtype=np.bool_), 1.0, plain)


def varied(given: Given, layout: Layout, pixels: UInt8Array, strength: float) -> Given:
    """A picture to be drawn on from a share of noise.

    Up to a strength of a half the form is the picture's own; from there on it fades.

    Args:
        given: `encoded` of the picture.
        pixels: (H, W, 3) of the whole layout.
        strength: 0 (nothing changes) to 1 (a new picture).

    Raises:
        OptionError: the strength is out of range.
    """
    strength = number("The strength", strength, 0, 1)
    stays = np.full(len(given.latents), strength == 0)
    form, form_level = field_of(pixels, layout), max(0.0, 2 * strength - 1)
    return Given(given.indices, given.latents, stays, float(strength), form, form_level=form_level)


def masked(
    spec: Spec, given: Given, layout: Layout, pixels: UInt8Array, crop: Crop, mask: BoolArray
) -> Given:
    """A picture of which a masked part is drawn anew, in a form of its own.

    A position of the latents is drawn anew where the mask covers half of a cell of the finest grid
    in it.

    Args:
        given: `encoded` of the picture.
        pixels: (H, W, 3) of the whole layout.
        crop: left, top, width and height of what is shown, in pixels.
        mask: (height, width) of what is shown; where it is true, it is drawn anew.

    Raises:
        ImageError: the mask covers no cell.
    """
    left, top, width, height = crop
    whole = np.zeros(pixels.shape[:2], dtype=np.float32)
    whole[top : top + height, left : left + width] = mask
    rows, columns = layout.grid(spec.scales[-1])
    cells = whole.reshape(rows, len(whole) // rows, columns, -1).mean((1, 3)) >= MOST_OF_A_CELL
    if not cells.any():
        cell = cell_pixels(spec)
        raise ImageError(
            f"The mask marks {int(mask.sum())} pixels and covers no cell of {cell} x {cell}; "
            "mark a larger part."
        )
    drawn = cells.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).any((1, 3))
    share = _share_of(spec, ~cells, wrap=layout.wrap)
    form = field_of(pixels, layout)
    return Given(given.indices, given.latents, ~drawn.ravel(), 1.0, form, share)


def _share_of(spec: Spec, stays: BoolArray, *, wrap: bool) -> Float32Array:
    """How much of a new form counts, by the cells of the finest grid whose form stays."""
    repeats = SIDE // spec.scales[-1]
    return shares_beyond(stays.repeat(repeats, 0).repeat(repeats, 1), wrap=wrap)


def extended_layout(
    spec: Spec, layout: Layout, crop: Crop, margins: tuple[int, int, int, int]
) -> tuple[Layout, Crop, tuple[int, int]]:
    """Room around a picture.

    Args:
        crop: left, top, width and height of what is shown, in pixels.
        margins: pixels to add at the left, right, top and bottom.

    Returns:
        The larger layout, what is shown of it, and at which row and column of it the old one lies,
        in half windows.

    Raises:
        OptionError: a margin is out of range, the picture would be too large, or its edges meet.
    """
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
    return larger, shown, (before[1], before[0])


def extended(
    spec: Spec,
    given: Given,
    layout: Layout,
    pixels: UInt8Array,
    larger: Layout,
    at: tuple[int, int],
) -> Given:
    """A picture in a larger layout, of which all that is new is drawn.

    Args:
        given: `encoded` of the picture.
        layout: its own.
        pixels: (H, W, 3) of its layout.
        larger, at: as `extended_layout` gives them.
    """
    down, across = at
    indices = np.zeros((len(larger.windows), spec.positions), dtype=np.int64)
    numbers = {window: number for number, window in enumerate(larger.windows)}
    for (row, column), own in zip(layout.windows, given.indices, strict=True):
        indices[numbers[row + down, column + across]] = own
    (rows, columns), grid = layout.grid(spec.side), larger.grid(spec.side)
    here = _inside(layout, at, spec.side)
    latents = np.zeros((*grid, spec.depth), dtype=np.float32)
    latents[here] = given.latents.reshape(rows, columns, -1)
    stays = np.zeros(grid, dtype=np.bool_)
    stays[here] = True
    form, cells = field_of(pixels, layout), np.zeros(larger.grid(SIDE), dtype=np.bool_)
    place = _inside(layout, at, SIDE)
    cells[place] = True
    around = [
        (part.start, whole - part.stop) for part, whole in zip(place, cells.shape, strict=True)
    ]
    return Given(
        indices, latents.reshape(-1, spec.depth), stays.ravel(), 1.0,
        np.pad(form, around, mode="edge"), shares_beyond(cells, wrap=False),
    )  # fmt: skip


def _inside(layout: Layout, at: tuple[int, int], side: int) -> tuple[slice, slice]:
    """Where a layout lies in a larger one, on a grid with this side in a window."""
    rows, columns = layout.grid(side)
    down, across = at[0] * side // 2, at[1] * side // 2
    return slice(down, down + rows), slice(across, across + columns)
