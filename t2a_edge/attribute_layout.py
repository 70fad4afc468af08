"""How a picture is laid out: symmetry, repetition, balance, masses, and the areas it falls into."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.attribute_colour import FloatArray, entropy
from t2a_edge.attribute_edges import Edges, blur, halve, hann

STEP = 10.0  # CIELAB distance below which neighbours belong to one area
SMALL = 4  # pixels of the half-size picture from which an area counts
CELLS = 8  # rows and columns of cells in which edges are counted


def layout_statistics(lab: FloatArray, edges: Edges) -> dict[str, float]:
    """Symmetry, repetition, balance, masses and areas of a CIELAB picture and its edges.

    Returns:
        symmetry_mirror, symmetry_flip, symmetry_turn: correlation of the quarter-size picture
            with itself left to right, upside down, turned by half; symmetry: the largest.
        repetition: largest correlation of the edges with themselves shifted by 8 pixels or more.
        off_centre: of the edges' centre of gravity from the middle, as a share of the side.
        empty_cells: of 8 x 8 cells, the share that has hardly an edge.
        edge_spread: entropy of the edges over the cells, in [0, 1].
        coarse_spread: distance of 16 x 16 pixel blocks from their mean colour, in CIELAB units.
        contrast_mass: share of 8 x 8 pixel blocks more than 20 L* from the median.
        area_count, area_small_count: areas of one colour; those below 1% of the picture.
        area_largest, area_five: share of the picture in the largest one, in the largest five.
        palette_largest, palette_entropy: share of the commonest of some 2000 colours; nats.
    """
    half = halve(lab)
    eighth = halve(halve(half))
    middle = np.median(lab[..., 0])
    return {
        **_symmetry(halve(blur(half))),
        "repetition": _repetition(halve(edges.strength)),
        **_balance(edges),
        "coarse_spread": float(np.sqrt(halve(eighth).var(axis=(0, 1)).sum())),
        "contrast_mass": float((np.abs(eighth[..., 0] - middle) > 20).mean()),
        **_areas(half),
        **_palette(half),
    }


def _symmetry(lab: FloatArray) -> dict[str, float]:
    centred = lab - lab.mean(axis=(0, 1))
    power = float((centred**2).sum()) + 1e-3
    mirror = float((centred * centred[:, ::-1]).sum()) / power
    flip = float((centred * centred[::-1]).sum()) / power
    turn = float((centred * centred[::-1, ::-1]).sum()) / power
    return {
        "symmetry_mirror": mirror,
        "symmetry_flip": flip,
        "symmetry_turn": turn,
        "symmetry": max(mirror, flip, turn),
    }


def _repetition(strength: FloatArray) -> float:
    """Highest side peak of the edges' autocorrelation, corrected for the shrinking overlap."""
    height, width = strength.shape
    signal = (strength - strength.mean()) * hann(height, width)
    table = np.fft.irfft2(np.abs(np.fft.rfft2(signal)) ** 2, s=(height, width))
    table = table / (table[0, 0] + 1e-3) / _overlap(height, width)
    reach = min(height, width) // 3
    rows = np.r_[0:reach, height - reach : height]
    columns = np.arange(reach)
    distance = np.hypot(np.minimum(rows, height - rows)[:, None], columns)
    return float(table[rows][:, columns][(distance > 4) & (distance < reach)].max())


@lru_cache(maxsize=8)
def _overlap(height: int, width: int) -> FloatArray:
    """Autocorrelation of the window, by which that of a signal under it shrinks anyway."""
    table = np.fft.irfft2(np.abs(np.fft.rfft2(hann(height, width))) ** 2, s=(height, width))
    overlap: FloatArray = np.maximum(table / table[0, 0], 0.2)
    return overlap


def _balance(edges: Edges) -> dict[str, float]:
    strength = edges.strength
    height, width = strength.shape
    total = float(strength.sum()) + 1e-3
    x = float((strength.sum(axis=0) * (np.arange(width) - (width - 1) / 2)).sum()) / width
    y = float((strength.sum(axis=1) * (np.arange(height) - (height - 1) / 2)).sum()) / height
    rows, columns = height // CELLS, width // CELLS
    cells = edges.thin[: rows * CELLS, : columns * CELLS].reshape(CELLS, rows, CELLS, columns)
    counts = cells.sum(axis=(1, 3))  # (CELLS, CELLS)
    return {
        "off_centre": float(np.hypot(x, y)) / total,
        "edge_spread": entropy(counts.ravel().astype(float)),
        "empty_cells": float((counts <= rows * columns / 128).mean()),
    }


def _areas(lab: FloatArray) -> dict[str, float]:
    labels = connected_areas(lab)
    sizes = np.bincount(labels.ravel())
    sizes = np.sort(sizes[sizes >= SMALL])[::-1]
    whole = labels.size
    return {
        "area_count": float(sizes.size),
        "area_small_count": float((sizes < whole * 0.01).sum()),
        "area_largest": float(sizes[:1].sum()) / whole,
        "area_five": float(sizes[:5].sum()) / whole,
    }


def connected_areas(lab: FloatArray) -> npt.NDArray[np.int32]:
    """(H, W, 3) -> (H, W) labels; neighbours less than STEP apart share one."""
    height, width = lab.shape[:2]
    beside = ((lab[:, 1:] - lab[:, :-1]) ** 2).sum(axis=-1) < STEP**2
    below = ((lab[1:] - lab[:-1]) ** 2).sum(axis=-1) < STEP**2
    number = np.arange(height * width, dtype=np.int32).reshape(height, width)
    first = np.concatenate([number[:, :-1][beside], number[:-1][below]])
    second = np.concatenate([number[:, 1:][beside], number[1:][below]])
    root = number.ravel().copy()
    while True:  # hang the larger root on the smaller, then shorten all paths
        ends = np.sort(np.stack([root[first], root[second]]), axis=0)
        apart = ends[0] != ends[1]
        if not apart.any():
            return root.reshape(height, width)
        first, second = first[apart], second[apart]
        np.minimum.at(root, ends[1][apart], ends[0][apart])
        above = root[root]
        while not np.array_equal(above, root):
            root, above = above, above[above]


def _palette(lab: FloatArray) -> dict[str, float]:
    steps = (lab / np.array([12.5, 16, 16], np.float32)).astype(np.int32) + np.array([0, 10, 10])
    flat = (steps[..., 0] * 20 + steps[..., 1]) * 20 + steps[..., 2]
    counts = np.bincount(flat.ravel())
    p = counts[counts > 0] / flat.size
    return {
        "palette_largest": float(p.max()),
        "palette_entropy": float(-(p * np.log(p)).sum()) + 0.0,
    }
