"""How pictures of any size are made of windows of the size that the model was trained on.

The model draws one window. A larger picture has windows that overlap by half; they share one grid
of latents, and at each step what the painter predicts for them is averaged where they overlap. Each
window has indices of its own, and pixels are blended in the same way as latents. Where the edges
meet, windows run across them: such a picture tiles.

Source of averaging the predictions of overlapping windows: Bar-Tal et al. 2023, arXiv:2302.08113.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.noise import OF_LATENTS
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MOST_HALVES = 16  # half windows along one side
CHUNK = 8  # windows that go through the engines at once: what these need grows with them
TILES = 64  # windows in a row, for numbers of positions that no two positions share


@dataclass(frozen=True)
class Layout:
    """Windows over one picture.

    Attributes:
        rows, columns: size of the picture in half windows, 2 to 16; 2 x 2 is one window.
        wrap: whether opposite edges meet.
    """

    rows: int = 2
    columns: int = 2
    wrap: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether one window is the whole picture."""
        return (self.rows, self.columns) == (2, 2) and not self.wrap

    @property
    def windows(self) -> list[tuple[int, int]]:
        """Row and column, in half windows, where each window starts."""
        less = 0 if self.wrap else 1
        return [(r, c) for r in range(self.rows - less) for c in range(self.columns - less)]

    def grid(self, side: int) -> tuple[int, int]:
        """Rows and columns of a grid that has this side, an even number, in a window."""
        return self.rows * side // 2, self.columns * side // 2


@lru_cache(maxsize=4096)
def window_cells(layout: Layout, side: int, window: tuple[int, int]) -> Int64Array:
    """Which positions of a grid a window has: (side²,) int64, row by row."""
    height, width = layout.grid(side)
    rows = (window[0] * side // 2 + np.arange(side, dtype=np.int64)) % height
    columns = (window[1] * side // 2 + np.arange(side, dtype=np.int64)) % width
    cells: Int64Array = (rows[:, None] * width + columns).ravel()
    return cells


def latent_numbers(layout: Layout, side: int) -> Int64Array:
    """Numbers of the latents' positions for the noise: (n,) int64, row by row.

    Those of the top left window are the numbers that a picture of one window has; each window next
    to it counts on.

    Args:
        side: positions along each side of a window.
    """
    height, width = layout.grid(side)
    rows, columns = np.divmod(np.arange(height * width, dtype=np.int64), width)
    tile = rows // side * TILES + columns // side
    numbers: Int64Array = OF_LATENTS + tile * side**2 + rows % side * side + columns % side
    return numbers


@lru_cache(maxsize=64)
def window_weights(side: int) -> Float32Array:
    """How much each position of a window counts where windows overlap: (side²,) in (0, 1].

    The squared sine of the way across: those of two windows that overlap by half add up to one.
    """
    axis = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    return np.outer(axis, axis).astype(np.float32).ravel()


def merged(spec: Spec, layout: Layout, parts: Mapping[int, Float32Array]) -> Float32Array:
    """Latents of windows as those of a whole layout, averaged where windows overlap.

    Args:
        parts: number of a window -> its latents (N, D), in the order of the numbers.

    Returns:
        (n, D) float32; 0 where no window lies.
    """
    height, width = layout.grid(spec.side)
    total = np.zeros((height * width, spec.depth), dtype=np.float32)
    if layout.is_plain:
        return parts[0] if parts else total
    weight = np.zeros((len(total), 1), dtype=np.float32)
    shares = window_weights(spec.side)[:, None]
    for window, part in parts.items():
        here = window_cells(layout, spec.side, layout.windows[window])
        total[here] += shares * part
        weight[here] += shares
    weight[weight == 0] = 1
    latents: Float32Array = total / weight
    return latents
