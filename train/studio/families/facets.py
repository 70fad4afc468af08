"""Families of planes: shards of broken glass, cubist planes and rays."""

import numpy as np
from scipy.spatial import Voronoi

from train.studio.families.layout import depth_alpha, focus, places
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, arc, blob, ellipse, regular, span, turned
from train.studio.surface import Scene


def cells_of(points: np.ndarray) -> list[np.ndarray]:
    """Voronoi cells of points, bounded by mirroring them over the four sides."""
    around = [points, points * (-1, 1) - (0.1, 0), points * (1, -1) - (0, 0.1),
              (2.1, 0) + points * (-1, 1), (0, 2.1) + points * (1, -1)]  # fmt: skip
    diagram = Voronoi(np.vstack(around))
    regions = [diagram.regions[diagram.point_region[i]] for i in range(len(points))]
    return [diagram.vertices[r] for r in regions if r and -1 not in r]


@family(contour=(-1, -0.2), order=(-1, 0.8), density=(-0.4, 1), direction=(-0.4, 0.3),
        depth=(-1, 0.2), energy=(-0.3, 0.8), weight=(-0.5, 1))  # fmt: skip
def shards(s: Scene) -> None:
    """A cut gem seen near: cells with edges between them, each a crown of lit faces."""
    rng = s.rng
    s.ground(INK if rng.random() < 0.5 else LIGHT)
    n = s.count(10, 44)
    fx, fy = focus(s)
    points = places(s, n, 0.0)
    points = points + rng.normal(0, 0.02 * (s.values["order"] < 0.4), points.shape)
    if s.values["energy"] > 0.2:  # cells grow with distance from the blow
        gap = points - (fx, fy)
        away = np.hypot(gap[:, 0], gap[:, 1])[:, None]
        points = (fx, fy) + gap * (0.35 + 0.75 * away / away.max()) * 1.1
        s.traits.add("explosive")
    s.traits |= {"angular", "sharp", "faceted", "shows:angular"}
    joint = s.mix("weight", 0.007, 0.0015)
    side = rng.normal(0, 1, 2)
    for cell in cells_of(points):
        middle = cell.mean(axis=0)
        if not (-0.3 < middle[0] < 1.3 and -0.3 < middle[1] < 1.3):
            continue
        away = cell - middle
        reach: Points = np.hypot(away[:, 0], away[:, 1])
        inner = middle + away * np.maximum(1 - joint / np.maximum(reach, 1e-3), 0.2)[:, None]
        far = float(np.hypot(middle[0] - fx, middle[1] - fy))
        tone = ACCENT if far < 0.08 else s.pick(0.06)
        shade = 0.6 * float(np.tanh((middle - 0.5) @ side * 2)) + rng.uniform(-0.5, 0.5)
        s.fill(inner, tone, shade=shade, gradient=0.45)
        centre = middle + rng.normal(0, 0.15, 2) * reach.mean()
        table = centre + (inner - centre) * rng.uniform(0.0, 0.45)
        for k in range(len(inner)):  # cut faces, each with its own light
            m = (k + 1) % len(inner)
            face = np.array([inner[k], inner[m], table[m], table[k]])
            d = face[1] - face[0]
            lit = float(np.sin(np.arctan2(d[1], d[0]) + 0.7))
            s.fill(face, tone, shade=0.4 * shade + 0.95 * lit, gradient=0.1, steady=True)


@family(contour=(-1, 0.7), order=(-0.7, 0.1), density=(0, 1), depth=(0.2, 1),
        energy=(-0.2, 1), direction=(-0.4, 0.3), weight=(-0.2, 1))  # fmt: skip
def planes(s: Scene) -> None:
    """Cubist planes: large faces shaded to an edge, cut by long lines and arcs."""
    rng = s.rng
    s.ground()
    s.traits |= {"layered", "overlapping", "cubist"}
    s.traits |= {"angular", "sharp"} if s.values["contour"] < -0.2 else set()
    if s.values["energy"] > 0.4:
        s.traits.add("rhythmic")
    fx, fy = focus(s)
    n = s.count(16, 70)
    alpha = depth_alpha(s, 0.95, 0.82)
    lean = rng.uniform(0, np.pi)
    for i in range(n):
        r = (0.42 * (1 - i / n) ** 1.3 + 0.06) * s.mix("weight", 0.75, 1.15)
        spread = 0.34 * (1 - 0.35 * i / n)
        x, y = fx + rng.normal(0, spread), fy + rng.normal(0, spread)
        turn = lean + rng.choice([0, 0.9, np.pi / 2]) + rng.normal(0, 0.25)
        if rng.random() < 0.15 + 0.6 * max(s.values["contour"] + 0.2, 0):
            outline = np.vstack([arc(x, y, r * 0.8, turn, rng.uniform(1.6, 3.3)), [[x, y]]])
        else:
            k = int(rng.integers(3, 5))
            a = np.sort(turn + TAU * (np.arange(k) + rng.uniform(-0.25, 0.25, k)) / k)
            reach: Points = r * rng.uniform(0.55, 1.25, k)
            outline = np.stack([x + reach * np.cos(a), y + reach * np.sin(a)], axis=1)
        tone = s.pick(0.07) if rng.random() < 0.85 else int(rng.choice([INK, LIGHT]))
        s.fill(outline, tone, alpha=alpha, angle=turn, gradient=0.95, shade=rng.uniform(-0.3, 0.3))
        if rng.random() < 0.3:
            s.line(outline[:2] * 1.3 - outline[1:2] * 0.3, INK, 0.004, alpha=0.8)
    for _ in range(s.count(2, 8)):
        way, mid = lean + rng.normal(0, 0.7), np.array([fx, fy]) + rng.normal(0, 0.2, 2)
        d = np.array([np.cos(way), np.sin(way)]) * rng.uniform(0.2, 0.6)
        s.line(np.array([mid - d, mid + d]), int(rng.choice([INK, LIGHT])), 0.005, alpha=0.85)


@family(contour=(-1, -0.3), order=(-1, 0.6), energy=(0.3, 1), direction=(0.2, 0.8),
        density=(-0.4, 1), depth=(-0.6, 0.8))  # fmt: skip
def splinters(s: Scene) -> None:
    """Long sharp triangles that fly out from one point."""
    rng = s.rng
    s.ground()
    s.traits |= {"jagged", "sharp", "angular", "explosive", "spiky", "shows:jagged"}
    if s.values["direction"] > 0.2:
        s.traits.add("radial")
    fx, fy = focus(s)
    n = s.count(18, 90)
    alpha = depth_alpha(s, 1, 0.78)
    even = max(s.values["order"], 0)
    for i in range(n):
        a = TAU * i / n * even + (1 - even) * rng.uniform(0, TAU) + rng.normal(0, 0.1)
        start = rng.uniform(0.0, 0.22) + 0.18 * (i / n)
        end = start + rng.uniform(0.15, 0.75) * (1.15 - i / n)
        wide = s.mix("weight", 0.03, 0.13) * rng.uniform(0.4, 1.5) * (1.2 - i / n)
        u, v = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])
        skew = rng.uniform(-0.08, 0.08)
        base = np.array([fx, fy]) + u * start + v * skew
        tip = np.array([fx, fy]) + u * end + v * skew * 1.6
        if rng.random() < 0.3:
            base, tip = tip, base
        outline = np.array([base + v * wide, tip, base - v * wide * rng.uniform(0.1, 1)])
        tone = s.apart(GROUND, 34) if rng.random() < 0.85 else int(rng.choice([INK, LIGHT]))
        s.fill(outline, tone, alpha=alpha, angle=a, gradient=0.5)
    s.fill(blob(rng, fx, fy, 0.035, 0.3), ACCENT)


def _halves(piece: Points, at: Points, way: float) -> list[Points]:
    """A convex piece cut along a line through a point; one piece where the line misses it."""
    normal = np.array([-np.sin(way), np.cos(way)])
    side = (piece - at) @ normal
    if (side > 0).all() or (side < 0).all():
        return [piece]
    halves: tuple[list[Points], list[Points]] = ([], [])
    for k in range(len(piece)):
        m = (k + 1) % len(piece)
        halves[int(side[k] > 0)].append(piece[k])
        if (side[k] > 0) != (side[m] > 0):
            cut = piece[k] + (piece[m] - piece[k]) * side[k] / (side[k] - side[m])
            halves[0].append(cut)
            halves[1].append(cut)
    return [np.array(half) for half in halves if len(half) > 2]


@family(contour=(-1, -0.3), order=(-1, 0.1), density=(-0.6, 1), direction=(-0.5, 0.3),
        energy=(0, 1), depth=(-1, 0.5), weight=(-0.4, 1), texture=(-1, 0.6))  # fmt: skip
def fragments(s: Scene) -> None:
    """One pane struck and broken: its shards have come apart, and the ground shows between."""
    rng = s.rng
    s.ground()
    s.traits |= {"fragmented", "jagged", "sharp", "angular"}
    fx, fy = focus(s)
    kind = int(rng.integers(3))
    whole = [
        span(0.02, 0.02, 0.98, 0.98),
        ellipse(0.5, 0.5, 0.46, 0.46, 0, 40),
        regular(0.5, 0.5, 0.55, int(rng.integers(4, 7)), rng.uniform(0, TAU)),
    ][kind]
    pieces, blow = [whole], np.array([fx, fy])
    start = rng.uniform(0, np.pi)
    blows = int(rng.integers(2, 5))
    for k in range(blows):  # cuts through the blow, then across its shards
        way = start + np.pi * k / blows + rng.normal(0, 0.12)
        at = blow + rng.normal(0, 0.03, 2)
        pieces = [half for piece in pieces for half in _halves(piece, at, way)]
    for _ in range(s.count(2, 6)):
        at, way = blow + rng.normal(0, 0.28, 2), rng.uniform(0, np.pi)
        pieces = [
            half for piece in pieces
            for half in (_halves(piece, at, way) if rng.random() < 0.6 else [piece])
        ]  # fmt: skip
    tones = [s.apart(GROUND, 40), s.apart(GROUND, 40), s.apart(GROUND, 30)]
    gap = s.mix("energy", 0.012, 0.03)
    for piece in pieces:
        middle = piece.mean(axis=0)
        reach = float(np.hypot(*(piece - middle).T).mean())
        if reach < 0.02:
            continue
        away = middle - blow
        push = away * s.mix("energy", 0.05, 0.3)
        shrunk = (piece - middle) * max(1 - gap / reach, 0.5)
        spin = rng.normal(0, s.mix("energy", 0.03, 0.2))
        shard = turned(shrunk, spin, *(middle + push))
        tone = tones[int(rng.choice(3, p=(0.6, 0.25, 0.15)))]
        s.fill(shard, tone, shade=rng.uniform(-0.6, 0.6), gradient=0.35, steady=True)
