"""How pictures of any size are made of windows of the size that the model was trained on.

The model draws one window. A larger picture has larger index grids, and windows that overlap by
half are laid over them: at every scale each window predicts its own part, predictions of
overlapping windows are averaged, and each position is drawn once. Pixels are blended in the same
way. Half a window is a whole number of cells at every scale but one: the code of a 1 x 1 scale is
shared by the whole picture. Where the edges meet, windows run across them: such a picture tiles.

Source of averaging the predictions of overlapping windows: Bar-Tal et al. 2023, arXiv:2302.08113.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.scales import scale_offsets

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MOST_HALVES = 16  # half windows along one side
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
        """Rows and columns of the index grid of a scale with this side in a window."""
        if side == 1:
            return 1, 1
        return self.rows * side // 2, self.columns * side // 2

    def offsets(self, scales: tuple[int, ...]) -> list[int]:
        """Start of each scale in the flattened list of positions, and the total at the end."""
        offsets = [0]
        for side in scales:
            height, width = self.grid(side)
            offsets.append(offsets[-1] + height * width)
        return offsets

    def positions(self, scales: tuple[int, ...]) -> int:
        """How many indices make one picture."""
        return self.offsets(scales)[-1]


@lru_cache(maxsize=4096)
def window_cells(layout: Layout, side: int, window: tuple[int, int]) -> Int64Array:
    """Which positions of a scale's grid a window has: (side²,) int64, row by row."""
    height, width = layout.grid(side)
    if side == 1:
        return np.zeros(1, dtype=np.int64)
    rows = (window[0] * side // 2 + np.arange(side, dtype=np.int64)) % height
    columns = (window[1] * side // 2 + np.arange(side, dtype=np.int64)) % width
    cells: Int64Array = (rows[:, None] * width + columns).ravel()
    return cells


def window_indices(
    indices: Int64Array, layout: Layout, scales: tuple[int, ...], window: tuple[int, int]
) -> Int64Array:
    """The indices of one window, coarse to fine: those of a picture (P,) -> (N,) of a window."""
    parts = [
        indices[start : start + layout.grid(side)[0] * layout.grid(side)[1]][
            window_cells(layout, side, window)
        ]
        for side, start in zip(scales, layout.offsets(scales), strict=False)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def position_numbers(layout: Layout, scales: tuple[int, ...], scale: int) -> Int64Array:
    """Numbers of a scale's positions for the noise: (h w,) int64, row by row.

    Those of the top left window are the numbers that a picture of one window has; each window next
    to it counts on.
    """
    side, offsets = scales[scale], scale_offsets(scales)
    height, width = layout.grid(side)
    rows, columns = np.divmod(np.arange(height * width, dtype=np.int64), width)
    tile = rows // side * TILES + columns // side
    numbers: Int64Array = tile * offsets[-1] + offsets[scale] + rows % side * side + columns % side
    return numbers


@lru_cache(maxsize=64)
def window_weights(side: int) -> Float32Array:
    """How much each position of a window counts where windows overlap: (side²,) in (0, 1].

    The squared sine of the way across: those of two windows that overlap by half add up to one.
    """
    axis = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    return np.outer(axis, axis).astype(np.float32).ravel()
