"""The form of a picture: what lies where, without its colour, its lightness or its contrast.

A form is a small grey picture of 64 x 64 whole numbers. Its mean is 0 and its spread 32, so that
a number is a deviation from the picture's own lightness in 32nds of its own contrast. Any picture
has one, so any picture's composition can be painted anew.

A form is cut and mirrored by whole numbers alone, so every runtime makes the same of it: along an
axis, output i of a window (start, length) lies at

    at = (128 start - 64 + (2 i + 1) length + 1) div 2          in 64ths of an input, 0 to 63 * 64

and is the two inputs around it, weighted by 64ths: 64 - at mod 64 and at mod 64.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
Int8Array = npt.NDArray[np.int8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

SIDE = 64  # of a form
CELLS = SIDE * SIDE
SPREAD = 32  # of its numbers
MOST = 127  # their largest magnitude
LUMA = (77, 150, 29)  # of red, green and blue, in 256ths: Rec. 601
STEPS = 256  # from one grey level to the next
FAINTEST = 4.0  # spread of grey levels that counts as contrast: a plain picture stays plain
NARROWEST = 5  # steps of 2 of 64 that a window is shorter than a form, at most
PARTS = 4096  # of a form's numbers, where mean and spread are measured
LEAST_SPREAD = 0.25  # that is made another one: what is nearly plain stays so
WHOLE = 64  # what the weights of an output add up to
WINDOWS = (
    (0, SIDE),
    *((n * step, SIDE - 2 * step) for step in range(1, NARROWEST + 1) for n in (0, 1, 2)),
)  # start and length of each part of an axis that a form can be cut to


def form_of(pixels: UInt8Array, shape: tuple[int, int] = (SIDE, SIDE)) -> Int8Array:
    """The form of a picture: (H, W, 3) uint8 -> (64, 64) int8, or another shape.

    A picture of other proportions is squeezed into the shape. All sums are of whole numbers below
    2^53, so the form does not depend on their order.
    """
    grey = pixels.astype(np.float64) @ np.array(LUMA, dtype=np.float64)  # (H, W), in 256ths
    sums = _by_area(_by_area(grey, 0, shape[0]), 1, shape[1])
    return form_of_grey(sums / (grey.size * STEPS))


def form_of_grey(grey: Float64Array) -> Int8Array:
    """Grey levels (h, w), 0 to 255, without their mean and spread: (h, w) int8.

    They are rounded to 256ths of a level first.
    """
    whole = np.rint(grey * STEPS)
    mean = float(whole.sum()) / whole.size
    square = float((whole * whole).sum()) / whole.size
    spread = max(math.sqrt(max(square - mean * mean, 0.0)), FAINTEST * STEPS)
    form: Int8Array = np.rint((whole - mean) * (SPREAD / spread)).clip(-MOST, MOST).astype(np.int8)
    return form


@lru_cache(maxsize=1)
def resampling_matrices() -> Float32Array:
    """How one axis of a form is cut to each window and enlarged again: (32, 64, 64) float32.

    The first 16 are those of `WINDOWS`, number 0 the identity; the next 16 their mirror images.
    All are whole numbers, 0 to 64, and each row adds up to 64: with R[i] down and R[j] across,

        R[i] @ form @ R[j].T          is 64 * 64 times the cut form, at most 2^19, so exact

    in float32, whatever the order of the sums.
    """
    matrices = np.zeros((len(WINDOWS), SIDE, SIDE), dtype=np.float32)
    rows = np.arange(SIDE)
    for matrix, (start, length) in zip(matrices, WINDOWS, strict=True):
        at = (128 * start - 64 + (2 * rows + 1) * length + 1) // 2
        low, part = np.divmod(at.clip(0, WHOLE * (SIDE - 1)), WHOLE)
        matrix[rows, low] = WHOLE - part
        matrix[rows, np.minimum(low + 1, SIDE - 1)] += part
    return np.concatenate([matrices, matrices[:, ::-1]])


def moments(forms: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Mean and spread of forms (n, 64, 64), measured in 4096ths: (n, 1, 1) each."""
    whole = np.rint(forms * np.float32(PARTS)).astype(np.float64)
    mean = whole.sum((1, 2), keepdims=True) / CELLS
    square = (whole * whole).sum((1, 2), keepdims=True) / CELLS
    return mean / PARTS, np.sqrt(square - mean * mean) / PARTS


def evened(forms: Float32Array) -> Float32Array:
    """Each form with mean 0 and spread 1, in 4096ths of what it was: (n, 64, 64) float32."""
    mean, spread = moments(forms)
    whole = np.rint(forms * np.float32(PARTS)).astype(np.float64)
    spread = np.maximum(spread, LEAST_SPREAD)
    even: Float32Array = ((whole - mean * PARTS) / (spread * PARTS)).astype(np.float32)
    return even


def _by_area(values: Float64Array, axis: int, cells: int) -> Float64Array:
    """An axis summed to cells of equal length; one that cuts a value takes its part of it.

    In units of which a value has as many as there are cells: of whole numbers, whole ones.
    """
    size = values.shape[axis]
    sums = np.concatenate([np.zeros_like(values.take([0], axis)), values.cumsum(axis)], axis)
    low, part = np.divmod(np.arange(cells + 1) * size, cells)
    shape = [1] * values.ndim
    shape[axis] = -1
    within = values.take(np.minimum(low, size - 1), axis) * part.reshape(shape)
    at_edges = sums.take(low, axis) * cells + within
    found: Float64Array = np.diff(at_edges, axis=axis)
    return found
