"""Geometry of the scales: how index grids of different sides share one latent canvas.

A picture is a list of index grids, coarse to fine. Each grid codes what the coarser ones left of
the latent canvas: its codes are enlarged to the canvas by cubic interpolation and added. To code
a scale, what is left of the canvas is averaged down to that scale's side. Both steps are linear,
so each is one small matrix, the same in training, in the engines and in any other language.

Source of the coarse-to-fine scheme: Tian et al. 2024, arXiv:2404.02905.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

CUBIC_A = -0.5  # Catmull-Rom


def scale_offsets(scales: Sequence[int]) -> list[int]:
    """Start of each scale in the flattened list of positions, and the total at the end.

    >>> scale_offsets([1, 2, 4])
    [0, 1, 5, 21]
    """
    offsets = [0]
    for side in scales:
        offsets.append(offsets[-1] + side * side)
    return offsets


def _cubic_weight(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cubic convolution kernel at a distance in source pixels, Keys 1981."""
    x = np.abs(distance)
    near = (CUBIC_A + 2) * x**3 - (CUBIC_A + 3) * x**2 + 1
    far = CUBIC_A * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def enlarge_matrix(side: int, size: int) -> Float32Array:
    """Cubic interpolation of one axis from `side` to `size` samples, edges repeated.

    Returns:
        (size, side) float32; each row sums to one. The identity where side == size.
    """
    matrix = np.zeros((size, side), dtype=np.float64)
    centres = (np.arange(size) + 0.5) * side / size - 0.5
    first = np.floor(centres).astype(np.int64) - 1
    rows = np.arange(size)
    for tap in range(4):
        columns = first + tap
        weights = _cubic_weight(centres - columns)
        np.add.at(matrix, (rows, np.clip(columns, 0, side - 1)), weights)
    return matrix.astype(np.float32)


@lru_cache(maxsize=64)
def average_matrix(size: int, side: int) -> Float32Array:
    """Area average of one axis from `size` down to `side` samples.

    Returns:
        (side, size) float32; each row sums to one. `side` must divide `size`.
    """
    step = size // side
    if side * step != size:
        raise ValueError(f"{side} does not divide {size}")
    matrix = np.zeros((side, size), dtype=np.float32)
    for row in range(side):
        matrix[row, row * step : (row + 1) * step] = 1 / step
    return matrix
