"""The windows of a picture: their positions, and which of them are drawn."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from t2a_edge.flow_drawing import Drawing
from t2a_edge.flow_spec import FlowSpec
from t2a_edge.layout import TILES, Layout, window_cells, window_weights
from t2a_edge.noise import OF_LATENTS

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

CHUNK = 8  # windows that go through the engines at once: what these need grows with them


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


def drawn_windows(spec: FlowSpec, drawings: Sequence[Drawing], layout: Layout) -> list[list[int]]:
    """Numbers of the windows of each drawing of which not everything stays."""
    cells = [window_cells(layout, spec.side, window) for window in layout.windows]
    return [
        [
            number
            for number, here in enumerate(cells)
            if drawing.given is None or not drawing.given.stays[here].all()
        ]
        for drawing in drawings
    ]


def merged(spec: FlowSpec, layout: Layout, parts: Mapping[int, Float32Array]) -> Float32Array:
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
