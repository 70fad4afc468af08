"""Straight lines, bends and circles among the thin edges of a picture, as numbers.

Source: Hough transform with gradient directions, Duda and Hart 1972, doi:10.1145/361237.361242,
and Kimme et al. 1975, doi:10.1145/360666.360677 (circles).
"""

import numpy as np
import numpy.typing as npt

from t2a_edge.attribute_colour import FloatArray
from t2a_edge.attribute_edges import EDGE, Edges, blur

IntArray = npt.NDArray[np.intp]

FEW = 8  # thin edge pixels below which there is no line to speak of
NEAR, FAR = 5.0, 9.0  # pixels along an edge to where its direction is compared
STRAIGHT = 0.1  # radians that an edge may turn over that distance and be straight
BENT = (0.15, 0.75)  # radians that it turns where it is bent, not broken
LONG = 0.22  # length of a long line, as a share of the picture's mean side
TURNS, OFFSET = 60, 2.0  # bins of the Hough table: over half a turn, and pixels
RADII = (5, 7, 10, 14, 19, 25, 32)  # pixels, of the circles that are looked for
GRID = 2.0  # pixels between centres of circles
LINE_NAMES = (
    "long_lines", "hough_peak", "straight_edges", "straight_edges_far", "bent_edges",
    "bent_edges_far", "circle_peak", "circle_share", "ring_share", "ray_share",
)  # fmt: skip


def line_statistics(edges: Edges) -> dict[str, float]:
    """How straight the edges are.

    Returns:
        long_lines: share of edge pixels on a straight line longer than LONG.
        hough_peak: length of the dozen strongest lines over the picture's mean side.
        straight_edges, straight_edges_far: share of edge pixels from which the edge goes on
            straight NEAR, FAR pixels both ways.
        bent_edges, bent_edges_far: bent ones among those that go on straight or evenly bent.
        circle_peak: of the fullest circle, the part of its round above chance.
        circle_share: edge pixels that meet in centres above chance, over all, at the best radius.
        ring_share, ray_share: edges that run round the middle of the picture, away from it.
        All are 0 where there are no edges.
    """
    rows, columns = np.nonzero(edges.thin)
    if rows.size < FEW:
        return dict.fromkeys(LINE_NAMES, 0.0)
    angle = edges.angle[rows, columns]
    height, width = edges.strength.shape
    sine, cosine = np.sin(angle), np.cos(angle)
    away_y, away_x = rows - (height - 1) / 2, columns - (width - 1) / 2
    outward = (away_x * cosine + away_y * sine) ** 2 / (away_x**2 + away_y**2 + 1e-6)
    straight, bent = _bends(edges, rows, columns, NEAR)
    straight_far, bent_far = _bends(edges, rows, columns, FAR)
    return {
        **_long_lines(edges, rows, columns),
        "straight_edges": straight,
        "straight_edges_far": straight_far,
        "bent_edges": bent,
        "bent_edges_far": bent_far,
        **_circles((height, width), rows, columns, sine, cosine),
        "ring_share": float(outward.mean()),
        "ray_share": float((outward < 0.07).mean()),  # within 15 degrees
    }


def _bends(edges: Edges, rows: IntArray, columns: IntArray, reach: float) -> tuple[float, float]:
    """Follow each edge both ways by `reach`, and compare its directions there with here."""
    height, width = edges.strength.shape
    here = edges.angle[rows, columns]
    goes_on = np.ones(rows.size, bool)
    turns = []
    for step in (-reach, reach):
        y = np.rint(rows + step * np.cos(here)).astype(np.int32)
        x = np.rint(columns - step * np.sin(here)).astype(np.int32)
        goes_on &= (y >= 0) & (y < height) & (x >= 0) & (x < width)
        y, x = y.clip(0, height - 1), x.clip(0, width - 1)
        goes_on &= edges.strength[y, x] > EDGE / 2
        turn = edges.angle[y, x] - here
        turns.append((turn + np.pi / 2) % np.pi - np.pi / 2)  # lines have no direction
    bend = np.abs(turns[1] - turns[0]) / 2
    wobble = np.abs(turns[1] + turns[0]) / 2  # 0 on a circle
    straight = float((goes_on & (bend < STRAIGHT) & (wobble < STRAIGHT)).sum())
    low, high = BENT
    bent = float((goes_on & (bend > low) & (bend < high) & (wobble < low)).sum())
    return straight / rows.size, bent / (bent + straight + 1)


def _long_lines(edges: Edges, rows: IntArray, columns: IntArray) -> dict[str, float]:
    """Every edge pixel votes for the straight line that it would lie on."""
    height, width = edges.strength.shape
    turn = np.rint(edges.angle[rows, columns] * (TURNS / np.pi)).astype(np.int32)
    turned = turn * (np.pi / TURNS)
    offset = (columns - (width - 1) / 2) * np.cos(turned) + (rows - (height - 1) / 2) * np.sin(
        turned
    )
    # half a turn further, the same line has the other sign
    offset = np.where((turn // TURNS) % 2 == 1, -offset, offset)
    offsets = int(np.hypot(height, width) / OFFSET) + 4
    place = (turn % TURNS) * offsets + np.rint(offset / OFFSET).astype(np.int32) + offsets // 2
    table = np.bincount(place, minlength=TURNS * offsets).reshape(TURNS, offsets)
    table = table + np.roll(table, 1, 1)  # a line may straddle two bins
    table = table + np.roll(table, 1, 0)
    most = np.maximum(np.maximum(table, np.roll(table, -1, 1)), np.roll(table, -1, 0))
    side = float(height * width) ** 0.5
    best = np.partition(table.ravel(), -12)[-12:]
    return {
        "long_lines": float((most.ravel()[place] > LONG * side).mean()),
        "hough_peak": float(best.mean()) / side,
    }


def _circles(
    shape: tuple[int, int],
    rows: IntArray,
    columns: IntArray,
    sine: FloatArray,
    cosine: FloatArray,
) -> dict[str, float]:
    """Every edge pixel votes for the two centres that it would lie round, for each radius.

    Chance is what the neighbourhood of a centre gets, and three standard deviations of it.
    """
    across, down = int(shape[1] / GRID) + 1, int(shape[0] / GRID) + 1
    votes = np.empty((down, across, len(RADII)), np.float32)
    for number, radius in enumerate(RADII):
        signed = np.array([[-radius], [radius]], np.float32)
        x = np.rint((columns + signed * cosine) / GRID).astype(np.int32).ravel()
        y = np.rint((rows + signed * sine) / GRID).astype(np.int32).ravel()
        inside = (x >= 0) & (x < across) & (y >= 0) & (y < down)
        place = (y * across + x)[inside]
        votes[..., number] = np.bincount(place, minlength=across * down).reshape(down, across)
    near = blur(votes) * np.float32(9)  # of about 3 x 3 centres
    chance = near
    for _ in range(5):
        chance = blur(chance)
    clear = (near - chance - 3 * np.sqrt(chance + 1)).reshape(-1, len(RADII))
    round_ = 2 * np.pi * np.array(RADII)
    top = np.maximum(np.partition(clear, -20, axis=0)[-20:], 0)  # (20, R)
    return {
        "circle_peak": min(1.0, float((top.max(axis=0) / round_).max())),
        "circle_share": float(top.sum(axis=0).max()) / (rows.size + 20) / 4,
    }
