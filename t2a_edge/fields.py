"""Forms of pictures of any size: fields over a layout, and what each window sees of them.

A field has 32 rows and columns for each half window, so that a window has 64 x 64 of its cells. One
that words chose is stretched over the whole layout. Every operation is of float32 or float64
numbers, rounded by itself, and no sum depends on its order: the same on every machine.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from t2a_edge.drawing import Drawing
from t2a_edge.form import SIDE, SPREAD, evened, form_of
from t2a_edge.layout import CHUNK, TILES, Layout, window_cells
from t2a_edge.morph import form_between
from t2a_edge.noise import OF_FORM, choice_noise, crop_numbers, normal_noise
from t2a_edge.runner import FormInputs, Runner
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

JOINED = 16  # cells from an edge that meets another over which they come together
RAMP = 6  # cells beyond what stays over which one form becomes the other


def field_of(pixels: UInt8Array, layout: Layout) -> Float32Array:
    """The form of a picture, of any size, as a field of spread 1.

    Args:
        pixels: (H, W, 3) uint8; it is squeezed into the layout. Where the layout's edges meet, so
            should the picture's: `stretched` joins those of a form that was not made for it.

    Returns:
        (32 rows, 32 columns) float32.
    """
    return form_of(pixels, layout.grid(SIDE)).astype(np.float32) * np.float32(1 / SPREAD)


def stretched(form: Float32Array, layout: Layout) -> Float32Array:
    """A form (64, 64) over a layout: (32 rows, 32 columns) float32; edges that meet are joined."""
    field = form
    for axis, size in enumerate(layout.grid(SIDE)):
        field = np.moveaxis(_enlarged(np.moveaxis(field, axis, 0), size), 0, axis)
        if layout.wrap:
            field = np.moveaxis(_joined(np.moveaxis(field, axis, 0)), 0, axis)
    return np.ascontiguousarray(field)


def field_of_form(
    spec: Spec, pixels: UInt8Array, layout: Layout, crop: tuple[int, int, int, int]
) -> Float32Array:
    """The form of a picture that a drawing is to have, squeezed into what is shown of a layout.

    Args:
        pixels: (H, W, 3) uint8, of any size.
        crop: left, top, width and height of what is shown, in pixels, multiples of a cell of the
            finest grid.

    Returns:
        (32 rows, 32 columns) float32 of spread 1. Beyond what is shown its edges are repeated;
        edges that meet are joined.
    """
    if layout.wrap:
        return stretched(form_of(pixels).astype(np.float32) * np.float32(1 / SPREAD), layout)
    left, top, width, height = (part * SIDE // spec.image_size for part in crop)
    form = form_of(pixels, (height, width)).astype(np.float32) * np.float32(1 / SPREAD)
    rows, columns = layout.grid(SIDE)
    around = (top, rows - top - height), (left, columns - left - width)
    return np.pad(form, around, mode="edge")


def _enlarged(field: Float32Array, size: int) -> Float32Array:
    """The first axis from 64 to `size` samples by linear interpolation, in 64ths."""
    if size == SIDE:
        return field
    at = ((2 * np.arange(size) + 1) * SIDE**2 - (SIDE - 1) * size) // (2 * size)
    low, part = np.divmod(at.clip(0, SIDE * (SIDE - 1)), SIDE)
    here, there = field[low], field[np.minimum(low + 1, SIDE - 1)]
    larger: Float32Array = (
        here + (there - here) * (part.astype(np.float32) / np.float32(SIDE))[:, None]
    )
    return larger


def _joined(field: Float32Array) -> Float32Array:
    """The ends of the first axis made alike: each cell near one gets a share of its mirror image.

    The share is half at the end and falls to nothing over `JOINED` cells.
    """
    cells = np.arange(len(field))
    away = np.minimum(cells, cells[::-1])
    share = np.maximum(JOINED - away, 0).astype(np.float32) / np.float32(2 * JOINED)
    joined: Float32Array = field + (field[::-1] - field) * share[:, None]
    return joined


def shares_beyond(kept: BoolArray, *, wrap: bool) -> Float32Array:
    """How much of a new form counts in each cell of a field, where a part of the old one stays.

    Args:
        kept: (h, w); where it is true, the old form stays.
        wrap: whether opposite edges meet.

    Returns:
        (h, w) float32: 0 in what stays, 1 from `RAMP` cells beyond it on.
    """
    near, total = kept, np.zeros(kept.shape, dtype=np.float32)
    for _ in range(RAMP):
        total += near
        for axis in (0, 1):
            near = near | _moved(near, axis, 1, wrap=wrap) | _moved(near, axis, -1, wrap=wrap)
    shares: Float32Array = np.float32(1) - total / np.float32(RAMP)
    return shares


def _moved(cells: BoolArray, axis: int, step: int, *, wrap: bool) -> BoolArray:
    """Cells moved along an axis by one; nothing comes in where the edges do not meet."""
    moved = np.roll(cells, step, axis)
    if not wrap:
        end = [slice(None)] * 2
        end[axis] = slice(0, 1) if step > 0 else slice(-1, None)
        moved[tuple(end)] = False
    return moved


def mixed(old: Float32Array, new: Float32Array, share: Float32Array) -> Float32Array:
    """Two fields by the share of the new one: (h, w) float32 each."""
    return old + (new - old) * share


def windows_of(field: Float32Array, layout: Layout) -> Float32Array:
    """What each window of a layout sees of a field: (windows, 64, 64)."""
    flat = field.ravel()
    cut = np.stack([flat[window_cells(layout, SIDE, window)] for window in layout.windows])
    return cut.reshape(-1, SIDE, SIDE)


def noise_field(seed: int, layout: Layout, offset: int = 0) -> Float32Array:
    """Normal noise on the form of a layout: (32 rows, 32 columns) float32.

    The top left window has that of a picture of one window; each window next to it counts on.

    Args:
        offset: added to the numbers of all positions.
    """
    height, width = layout.grid(SIDE)
    down, across = -(-height // SIDE), -(-width // SIDE)
    tiles = np.arange(down)[:, None] * TILES + np.arange(across)  # (down, across)
    numbers = OF_FORM + offset + tiles[:, :, None] * SIDE + np.arange(SIDE)  # (down, across, 64)
    noise = normal_noise(seed, numbers.ravel(), SIDE).reshape(down, across, SIDE, SIDE)
    whole = noise.transpose(0, 2, 1, 3).reshape(down * SIDE, across * SIDE)
    return np.ascontiguousarray(whole[:height, :width])


def noised(form: Float32Array, noise: Float32Array, level: float) -> Float32Array:
    """A form with noise: 1 - level parts of the one and level parts of the other, any shape."""
    much = np.float32(level)
    return (np.float32(1) - much) * form + much * noise


def chosen_forms(runner: Runner, spec: Spec, drawings: Sequence[Drawing]) -> list[Float32Array]:
    """The form that the words of each drawing choose, (64, 64) float32 each.

    Where two prompts or two seeds choose one each, the form lies between them.

    Args:
        runner: runs the forms engine.
    """
    choices = [(drawing, *choice) for drawing in drawings for choice in drawing.choices]
    forms: list[Float32Array] = []
    for _, alike in groupby(choices, lambda choice: len(choice[1])):
        group = list(alike)
        for start in range(0, len(group), CHUNK):
            chunk = group[start : start + CHUNK]
            noise = [
                choice_noise(seed, spec.forms) * np.float32(d.options.temperature)
                for d, _, seed in chunk
            ]
            inputs = FormInputs(
                np.stack([d.conditioning.text_embedding for d, _, _ in chunk]),
                np.stack([weights for _, weights, _ in chunk]),
                np.stack(noise),
                np.stack([crop_numbers(seed) for _, _, seed in chunk]),
            )
            forms += list(runner.forms(inputs)[0])
    ends = iter(forms)
    return [
        form_between(next(ends), next(ends), drawing.form_share)
        if len(drawing.choices) == 2
        else next(ends)
        for drawing in drawings
    ]


def window_forms(
    runner: Runner, spec: Spec, drawings: Sequence[Drawing], layout: Layout
) -> list[Float32Array]:
    """The form that each window of each drawing is painted with, (windows, 64, 64) each.

    Args:
        runner: runs the forms engine, where words choose.
    """
    chosen = iter(chosen_forms(runner, spec, [d for d in drawings if d.needs_choice]))
    forms = []
    for drawing in drawings:
        windows = windows_of(_field(drawing, chosen, layout), layout)
        if not layout.is_plain or (drawing.given and drawing.given.share is not None):
            windows = evened(windows)
        if drawing.form_level:
            noise = drawing.noise(lambda seed, off: noise_field(seed, layout, off))
            windows = noised(windows, windows_of(noise, layout), drawing.form_level)
        forms.append(windows)
    return forms


def _field(drawing: Drawing, chosen: Iterator[Float32Array], layout: Layout) -> Float32Array:
    """The form of a drawing, (32 rows, 32 columns); the words' choice is taken where it needs."""
    given = drawing.given
    if given is None:
        return _new_field(drawing, chosen, layout)
    if given.share is None:
        return given.form
    return mixed(given.form, _new_field(drawing, chosen, layout), given.share)


def _new_field(drawing: Drawing, chosen: Iterator[Float32Array], layout: Layout) -> Float32Array:
    return stretched(next(chosen), layout) if drawing.form is None else drawing.form
