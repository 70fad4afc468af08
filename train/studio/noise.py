"""Smooth noise that can be read at any point of the sheet, and coverage of level sets by pixels."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from train.studio.colour import FloatArray

SIDE = 512  # samples of a tile of noise
CYCLES = 8.0  # cycles over a tile
TILES = 6


@lru_cache(maxsize=TILES)
def _tile(number: int) -> FloatArray:
    """Periodic noise of unit variance, (SIDE, SIDE), of about CYCLES waves over the side."""
    rng = np.random.default_rng((907, number))
    v, u = np.meshgrid(np.fft.fftfreq(SIDE) * SIDE, np.fft.rfftfreq(SIDE) * SIDE, indexing="ij")
    far = np.hypot(u, v) / CYCLES
    spectrum = np.fft.rfft2(rng.normal(0, 1, (SIDE, SIDE))) * far * np.exp(-(far**2))
    field = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return np.asarray(field / field.std(), np.float32)


class Noise:
    """A picture's own smooth noise: tiles at chance offsets and turns, summed over octaves."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def layer(self, octaves: int = 1, fall: float = 0.5) -> "Layer":
        """A field of its own; each octave is twice as fine and `fall` times as strong."""
        rng = self._rng
        parts = [
            (int(rng.integers(TILES)), rng.uniform(0, np.pi), rng.uniform(0, SIDE, 2), fall**k)
            for k in range(octaves)
        ]
        return Layer(parts)


class Layer:
    """One field of noise, about unit variance."""

    def __init__(self, parts: list[tuple[int, float, npt.NDArray[np.float64], float]]) -> None:
        self._parts = parts
        self._scale = 1 / float(np.sqrt(sum(part[3] ** 2 for part in parts)))

    def at(self, x: FloatArray, y: FloatArray, cycles: float) -> FloatArray:
        """The field at points of the sheet, with about `cycles` waves over its side."""
        total = np.zeros(np.shape(x), np.float32)
        for octave, (number, turn, offset, weight) in enumerate(self._parts):
            step = SIDE * cycles * 2**octave / CYCLES
            c, s = step * np.cos(turn), step * np.sin(turn)
            where = np.stack([y * c - x * s + offset[0], y * s + x * c + offset[1]])
            total += weight * map_coordinates(_tile(number), where, order=1, mode="grid-wrap")
        return total * self._scale


def grid(size: int) -> tuple[FloatArray, FloatArray]:
    """Across and down: the middles of all pixels, both (size, size)."""
    t = ((np.arange(size) + 0.5) / size).astype(np.float32)
    y, x = np.meshgrid(t, t, indexing="ij")
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def slope(field: FloatArray) -> FloatArray:
    """How much a field changes from one pixel to the next."""
    gy, gx = np.gradient(field)
    return np.asarray(np.maximum(np.hypot(gx, gy), 1e-6), np.float32)


def above(field: FloatArray, level: float, steep: FloatArray, soft: float = 0.0) -> FloatArray:
    """Share of each pixel where a field lies above a level, its edge as sharp as pixels allow.

    Args:
        steep: the field's `slope`.
        soft: width of the edge in the field's own units, for edges that bleed.
    """
    width = np.maximum(steep, soft) if soft else steep
    return np.asarray(np.clip((field - level) / width + 0.5, 0, 1), np.float32)
