"""Geometry of the scales: how index grids of different sides share one latent canvas.

A picture is a list of index grids, coarse to fine. Each grid codes what the coarser ones left of
the latent canvas: its codes are enlarged to the canvas by cubic interpolation and added. Before a
scale is predicted, the canvas so far is averaged down to that scale's side. Both steps are linear,
so each is one small matrix, the same in training, in the engines and in any other language.

Source of the coarse-to-fine scheme: Tian et al. 2024, arXiv:2404.02905.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

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


@lru_cache(maxsize=16)
def refiner_pass_of(side: int, passes: int) -> Int64Array:
    """In which of the refiner's passes each position of a scale is drawn.

    Two passes make a chequerboard: every position of the second has four drawn neighbours. Four
    passes split each colour of it again.

    Args:
        passes: 1, 2 or 4.

    Returns:
        (side²,) int64 in [0, passes).
    """
    rows, columns = np.divmod(np.arange(side * side, dtype=np.int64), side)
    pass_of: Int64Array
    if passes == 1:
        pass_of = np.zeros_like(rows)
    elif passes == 2:
        pass_of = (rows + columns) % 2
    elif passes == 4:
        pass_of = 2 * ((rows + columns) % 2) + rows % 2
    else:
        raise ValueError(f"{passes} passes; expected 1, 2 or 4")
    return pass_of


def axis_matrix(scales: Sequence[int], coarser: int, scale: int) -> Float32Array:
    """How one axis of scale number `coarser` comes to the side of scale number `scale`.

    It is enlarged to the canvas, the side of the last scale, and averaged: (side, coarser side).
    """
    size = scales[-1]
    matrix: Float32Array = average_matrix(size, scales[scale]) @ enlarge_matrix(
        scales[coarser], size
    )
    return matrix


@lru_cache(maxsize=16)
def axis_matrices(scales: tuple[int, ...], scale: int) -> Float32Array:
    """How an axis of each coarser grid comes to the side of scale number `scale`, side by side.

    `context_matrix` takes a grid's two axes at once; with these, one after the other, a large side
    costs a fraction.

    Args:
        scales, scale: as of `context_matrix`.

    Returns:
        (side, sum of all sides but the finest) float32; zeros for the scales that are not coarser.
    """
    coarser = range(len(scales) - 1)
    blocks = [axis_matrix(scales, n, scale) * np.float32(n < scale) for n in coarser]
    return np.concatenate(blocks, axis=1)


@lru_cache(maxsize=16)
def context_matrix(scales: tuple[int, ...], scale: int) -> Float32Array:
    """What scale number `scale` sees of the coarser ones: canvas so far, averaged to its side.

    Args:
        scales: grid sides, coarse to fine; the canvas has the side of the last.
        scale: which scale is about to be predicted, 0 .. len(scales) - 1.

    Returns:
        (side², positions of all coarser scales) float32. Multiplied with the codes of those
        positions it gives one context vector a position. Scale 0 has seen nothing: one zero column.
    """
    if scale == 0:
        return np.zeros((scales[0] ** 2, 1), dtype=np.float32)
    axes = [axis_matrix(scales, coarser, scale) for coarser in range(scale)]
    return np.concatenate([np.kron(axis, axis) for axis in axes], axis=1)  # of (side², coarser²)
