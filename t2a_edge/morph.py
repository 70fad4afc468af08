"""The way from one form to another: shapes that move, grow and shrink, in place of two that fade.

A form is seen as a pile of 16 layers, each of them the cells above one level. Of each layer the
signed distances of all cells from its edge are known at both ends. Between the ends the distances
are mixed, and the edge lies where the layer has the area that lies between. What the piles leave of
the two forms fades from the one to the other. The way is walked at an even pace: equal parts of it
are equal changes of the form.

Distances are whole numbers, 64ths of a cell. Every other operation is of float32 or float64
numbers, rounded by itself, and no sum depends on its order: the same on every machine.

Sources: Raya and Udupa 1990, doi:10.1109/42.52980 (shapes between shapes by signed distances);
Saito and Toriwaki 1994, doi:10.1016/0031-3203(94)90133-3 (distances one axis at a time).
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.form import CELLS, LEAST_SPREAD, SIDE, moments

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]

LAYERS = 16
PARTS = 8  # of the way, whose lengths are measured to walk it at an even pace
CELL = 64  # in what distances are measured in
FARTHEST = 2**13  # an edge is nearer to every cell, in 64ths
HALF = np.float32(0.5)


def form_between(first: Float32Array, second: Float32Array, share: float) -> Float32Array:
    """A form on the way from one to another, of the mean and spread that lie between.

    Args:
        first, second: (64, 64).
        share: of the way, 0 to 1; the ends are the forms themselves.

    Returns:
        (64, 64) float32.
    """
    if share in (0, 1) or np.array_equal(first, second):
        return second if share == 1 else first
    return _way(first.tobytes(), second.tobytes()).at(share)


@lru_cache(maxsize=4)
def _way(first: bytes, second: bytes) -> "_Way":
    """The way between two forms, kept for its next frame."""
    ends = (np.frombuffer(end, dtype=np.float32).reshape(SIDE, SIDE) for end in (first, second))
    return _Way(*ends)


@dataclass(frozen=True, eq=False)
class _Way:
    """A way between two forms, (64, 64) float32 each."""

    first: Float32Array
    second: Float32Array

    @cached_property
    def low(self) -> np.float32:
        """The lowest number of both forms."""
        return min(self.first.min(), self.second.min())

    @cached_property
    def step(self) -> np.float32:
        """From one layer's level to the next."""
        high = max(self.first.max(), self.second.max())
        return np.float32((high - self.low) / np.float32(LAYERS))

    @cached_property
    def layers(self) -> tuple[BoolArray, BoolArray]:
        """Which cells are in each layer of either form, (16, 64, 64)."""
        levels = self.low + self.step * (np.arange(LAYERS, dtype=np.float32) + HALF)
        return self.first > levels[:, None, None], self.second > levels[:, None, None]

    @cached_property
    def areas(self) -> tuple[Int64Array, Int64Array]:
        """How many cells these are, (16,)."""
        one, other = self.layers
        return one.sum((1, 2)), other.sum((1, 2))

    @cached_property
    def distances(self) -> tuple[Int16Array, Int16Array]:
        """Signed distances at either end, (16, 64, 64).

        A layer that one form has no edge of has the other form's shapes at both ends.
        """
        one, other = (signed_distances(layer) for layer in self.layers)
        plain, plain_too = (area % CELLS == 0 for area in self.areas)
        one[plain], other[plain_too] = other[plain], one[plain_too]
        return one, other

    def piled(self, share: float) -> Float32Array:
        """The form that the layers make, at a share of their way, (64, 64)."""
        (one, other), (area, other_area) = self.distances, self.areas
        between = np.rint(one + (other - one) * np.float64(share)).astype(np.int16)
        areas = np.floor((area + (other_area - area) * share) * CELL).astype(np.int64)
        total = covered(between, areas).sum(0).astype(np.float32) / np.float32(CELL)
        piled: Float32Array = self.low + self.step * total
        return piled

    @cached_property
    def left(self) -> tuple[Float32Array, Float32Array]:
        """What the piles leave of either form, (64, 64)."""
        return self.first - self.piled(0), self.second - self.piled(1)

    @cached_property
    def moments(self) -> tuple[Float64Array, Float64Array]:
        """Mean and spread of either form, (2, 1, 1) each."""
        return moments(np.stack([self.first, self.second]))

    def uneven(self, share: float) -> Float32Array:
        """The form at a share of the layers' way, (64, 64)."""
        (left, left_too), much = self.left, np.float32(share)
        form = self.piled(share) + (left + (left_too - left) * much)
        (own_mean, own_spread), (means, spreads) = moments(form[None]), self.moments
        mean, spread = (ends[0] + (ends[1] - ends[0]) * share for ends in (means, spreads))
        factor = spread / np.maximum(own_spread, LEAST_SPREAD)
        found: Float32Array = ((form - own_mean) * factor + mean)[0].astype(np.float32)
        return found

    @cached_property
    def walked(self) -> list[float]:
        """How long the way is up to the end of each of its parts, from 0 on."""
        walked, last = [0.0], self.first
        for number in range(1, PARTS + 1):
            here = self.second if number == PARTS else self.uneven(number / PARTS)
            mean, spread = (value.item() for value in moments((here - last)[None]))
            walked.append(walked[-1] + math.sqrt(mean * mean + spread * spread))
            last = here
        return walked

    def at(self, share: float) -> Float32Array:
        """The form at a share of the way, (64, 64)."""
        goal = share * self.walked[-1]
        part = max(number for number in range(PARTS) if self.walked[number] <= goal)
        length = self.walked[part + 1] - self.walked[part]
        within = (goal - self.walked[part]) / length if length else 0.0
        return self.uneven(min((part + within) / PARTS, 1.0))


def covered(distances: Int16Array, areas: Int64Array) -> Int16Array:
    """How much of each cell is in its layer, whose edge is where the layer has the area.

    Args:
        distances: (L, 64, 64), of a cell's middle, in 64ths of a cell.
        areas: (L,), in 64ths of a cell.

    Returns:
        (L, 64, 64), in 64ths; a cell at the edge is partly in the layer.
    """
    edges, step = np.full(len(distances), -FARTHEST, dtype=np.int16), FARTHEST
    while step:  # the largest edge at which the layer is not too small
        tried = edges + np.int16(step)
        enough = _parts(distances, tried).sum((1, 2), dtype=np.int64) >= areas
        edges = np.where(enough, tried, edges)
        step //= 2
    return np.where(areas[:, None, None] > 0, _parts(distances, edges), np.int16(0))


def _parts(distances: Int16Array, edges: Int16Array) -> Int16Array:
    """How much of each cell lies beyond an edge (L,), in 64ths."""
    parts: Int16Array = np.clip(distances - (edges - CELL // 2)[:, None, None], 0, CELL)
    return parts


def signed_distances(layers: BoolArray) -> Int16Array:
    """How far the middle of each cell is from the edge of its layer, in 64ths, below 0 outside.

    Args:
        layers: (L, 64, 64), the cells in each.

    Returns:
        (L, 64, 64); it means nothing for a layer that has all cells, or none.
    """
    inside, outside = (
        np.rint(CELL * np.sqrt(_squares(goals).astype(np.float64))).astype(np.int16) - CELL // 2
        for goals in (~layers, layers)
    )
    signed: Int16Array = np.where(layers, inside, -outside)
    return signed


def _squares(goals: BoolArray) -> Int16Array:
    """Squared distance of each cell from the nearest goal of its layer: (L, 64, 64)."""
    far = np.where(goals, 0, SIDE).astype(np.int16)  # in the cell's own column
    for row in range(1, SIDE):
        np.minimum(far[:, row], far[:, row - 1] + 1, out=far[:, row])
    for row in range(SIDE - 2, -1, -1):
        np.minimum(far[:, row], far[:, row + 1] + 1, out=far[:, row])
    far *= far
    across = np.arange(SIDE, dtype=np.int16)
    found = np.full_like(far, np.iinfo(np.int16).max)
    for column in range(SIDE):
        np.minimum(found, far[:, :, column, None] + (across - column) ** 2, out=found)
    return found
