"""The form of a picture: what lies where, without its colour, its lightness or its contrast.

A form is a small grey picture of 64 x 64 whole numbers. Its mean is 0 and its spread 32, so that
a number is a deviation from the picture's own lightness in 32nds of its own contrast. Any picture
has one, so any picture's composition can be painted anew.
"""

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
Int8Array = npt.NDArray[np.int8]

SIDE = 64  # of a form
SPREAD = 32  # of its numbers
MOST = 127  # their largest magnitude
LUMA = (77, 150, 29)  # of red, green and blue, in 256ths: Rec. 601
FAINTEST = 4.0  # spread of grey levels that counts as contrast: a plain picture stays plain


def form_of(pixels: UInt8Array) -> Int8Array:
    """The form of a picture: (H, W, 3) uint8 -> (64, 64) int8.

    A picture of another shape is squeezed into the square.
    """
    grey = pixels.astype(np.float64) @ (np.array(LUMA, dtype=np.float64) / 256)  # (H, W)
    return form_of_grey(_by_area(_by_area(grey, 0), 1))


def form_of_grey(grey: npt.NDArray[np.float64]) -> Int8Array:
    """Grey levels (64, 64), 0 to 255, without their mean and spread: (64, 64) int8."""
    apart = grey - grey.mean()
    spread = max(float(apart.std()), FAINTEST)
    return np.rint(apart * (SPREAD / spread)).clip(-MOST, MOST).astype(np.int8)


def _by_area(grey: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Average an axis to 64 cells of equal length; cells that cut a pixel take their part of it."""
    size = grey.shape[axis]
    if size % SIDE == 0:
        moved = np.moveaxis(grey, axis, 0)
        mean = moved.reshape(SIDE, size // SIDE, *moved.shape[1:]).mean(1)
        return np.moveaxis(mean, 0, axis)
    sums = np.concatenate([np.zeros_like(grey.take([0], axis)), grey.cumsum(axis)], axis)
    edges = np.linspace(0, size, SIDE + 1)
    low = np.minimum(edges.astype(np.int64), size - 1)
    shape = [1] * grey.ndim
    shape[axis] = -1
    part = (edges - low).reshape(shape)
    at_edges = sums.take(low, axis) * (1 - part) + sums.take(low + 1, axis) * part
    return np.diff(at_edges, axis=axis) * (SIDE / size)
