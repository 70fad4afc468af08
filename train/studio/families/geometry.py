"""Families of straight edges and plain figures: grids, floating blocks, checks, ornaments."""

import numpy as np

from train.studio.families.layout import (
    depth_alpha,
    divide,
    focus,
    glaze,
    places,
    shadow,
    shape,
    sizes,
)
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, arc, box, ellipse, regular, span, turned
from train.studio.surface import Scene


def _split(s: Scene, cell: tuple[float, ...], depth: int, cells: list[tuple[float, ...]]) -> None:
    x0, y0, x1, y1 = cell
    rng, w, h = s.rng, cell[2] - cell[0], cell[3] - cell[1]
    if depth == 0 or min(w, h) < 0.07 or (rng.random() < 0.14 and max(w, h) < 0.6):
        cells.append(cell)
        return
    even = max(s.values["order"], 0)
    at = rng.choice([0.28, 0.38, 0.62, 0.72]) * (1 - even) + 0.5 * even if even < 0.9 else 0.5
    if (w > h) != (rng.random() < 0.15):
        cut = x0 + w * at
        parts = ((x0, y0, cut, y1), (cut, y0, x1, y1))
    else:
        cut = y0 + h * at
        parts = ((x0, y0, x1, cut), (x0, cut, x1, y1))
    for part in parts:
        _split(s, part, depth - 1, cells)


@family(contour=(-1, -0.6), order=(-0.2, 1), direction=(-1, -0.4), energy=(-1, 0.3),
        depth=(-1, -0.2), texture=(-1, 0.7))  # fmt: skip
def grid(s: Scene) -> None:
    """Fields of plain colour held by heavy lines, most of them empty."""
    rng = s.rng
    s.ground(GROUND)
    s.traits |= {"gridded", "rigid", "structured", "geometric", "shows:geometric"}
    cells: list[tuple[float, ...]] = []
    _split(s, (-0.02, -0.02, 1.02, 1.02), round(s.mix("density", 2, 6)), cells)
    rng.shuffle(cells)
    filled = s.mix("density", 0.3, 0.6) + 0.25 * max(s.values["chroma"], 0)
    filled = max(filled, 0.75 if s.hues else 0)
    cells.sort(key=lambda c: -(c[2] - c[0]) * (c[3] - c[1]))
    for i, cell in enumerate(cells):
        plain = rng.random() > filled and i > 0
        tone = int(rng.choice([GROUND, LIGHT])) if plain else s.pick(0.2)
        s.fill(span(*cell), tone, shade=rng.uniform(-0.25, 0.35), gradient=0.12, steady=True,
               angle=0.0 if i % 2 else np.pi / 2)  # fmt: skip
    width = s.mix("weight", 0.012, 0.028)
    line = INK if s.palette.lab[GROUND, 0] > 38 else (LIGHT if rng.random() < 0.6 else INK)
    for x0, y0, x1, y1 in cells:
        thick = width * rng.choice([0.8, 1, 1.3])
        for a, b in (((x1, y0), (x1, y1)), ((x0, y1), (x1, y1))):
            s.line(np.array([a, b]), line, thick, round_=False)


@family(contour=(-1, 0.2), order=(-1, 0.3), direction=(-0.9, 0.2), depth=(-0.6, 0.9),
        density=(-1, 0.6))  # fmt: skip
def suprematist(s: Scene) -> None:
    """Tilted blocks, bars and a disc that float on an open ground along one diagonal."""
    rng = s.rng
    s.ground(GROUND, shade=0.3)
    divide(s)
    lean = rng.choice([-1, 1]) * rng.uniform(0.75, 1.25) * s.mix("energy", 0.04, 0.85)
    s.traits |= {"geometric", "angular"} | ({"diagonal", "tilted"} if abs(lean) > 0.5 else set())
    fx, fy = focus(s)
    n = s.count(5, 34)
    alpha = depth_alpha(s, 1, 0.85)
    big = s.mix("weight", 0.16, 0.34)
    loose = s.mix("order", 0.5, 0.04) + 0.15 * max(s.values["energy"], 0)
    axis = np.array([np.cos(lean), np.sin(lean)])
    for i in range(n):
        r = big * (1 - i / n) ** 1.7 + 0.015
        along, across = rng.normal(0, 0.34), rng.normal(0, 0.17 + 0.1 * (s.values["order"] < -0.3))
        x = fx + along * axis[0] - across * axis[1]
        y = fy + along * axis[1] + across * axis[0]
        turn = lean + rng.normal(0, loose) + rng.choice([0, np.pi / 2])
        if i == 0:
            x, y = fx, fy
        if rng.random() < 0.12 + 0.3 * max(s.values["contour"], 0):
            outline = ellipse(x, y, r * 0.7, r * 0.7)
        elif rng.random() < 0.14:
            outline = regular(x, y, r, 3, turn)
        else:
            long = rng.choice([1.0, 1.5, 4.0, 7.0], p=[0.25, 0.3, 0.25, 0.2])
            outline = box(x, y, r * 1.1 * min(long, 3.2), r * 1.4 / long, turn)
        tone = s.apart(GROUND, 30) if rng.random() < 0.75 else s.against(GROUND)
        shadow(s, outline)
        s.fill(outline, tone, angle=turn, alpha=alpha, gradient=0.3)
    for _ in range(s.count(2, 7)):
        x, y = rng.uniform(0.1, 0.9, 2)
        bar = box(
            x, y, rng.uniform(0.2, 0.6), rng.uniform(0.002, 0.007), lean + rng.normal(0, loose)
        )
        s.fill(bar, s.against(GROUND), gradient=0, steady=True)


@family(contour=(-1, -0.2), order=(-0.3, 1), direction=(-0.8, -0.1), density=(0, 1),
        energy=(-1, 0.5), depth=(-1, 0.1), weight=(-0.3, 1))  # fmt: skip
def checks(s: Scene) -> None:
    """Squares of colour beside one another, a lamp or two among them."""
    rng = s.rng
    s.ground()
    n = s.count(5, 15)
    s.traits |= {"structured", "blocky", "geometric", "tiled"}
    if s.values["order"] > 0.4:
        s.traits.add("regular")
    if s.values["energy"] > 0.2:
        s.traits.add("rhythmic")
    loose = (1 - s.values["order"]) * 0.12
    xs = np.cumsum(rng.dirichlet(np.full(n, 60.0 if s.values["order"] > 0.3 else 9.0)))
    xs = np.concatenate([[0], xs]) * 1.04 - 0.02
    ys = np.cumsum(rng.dirichlet(np.full(n, 60.0 if s.values["order"] > 0.3 else 9.0)))
    ys = np.concatenate([[0], ys]) * 1.04 - 0.02
    mirror = s.values["order"] > 0.6 and rng.random() < 0.5
    if mirror:
        s.traits.add("symmetrical")
        xs = (xs + 1 - xs[::-1]) / 2
    fx, fy = focus(s)
    chosen: dict[tuple[int, int], tuple[int, float]] = {}
    joint = s.mix("weight", 0.12, 0.0)
    bent = rng.normal(0, loose / n, (n + 1, n + 1, 2))
    corner = np.stack(np.meshgrid(xs, ys, indexing="ij"), -1) + bent * (not mirror)
    for i in range(n):
        for j in range(n):
            key = (min(i, n - 1 - i), j) if mirror else (i, j)
            if key not in chosen:
                far = np.hypot(xs[i] - fx, ys[j] - fy)
                glow = 0.7 - 1.7 * far
                tone = ACCENT if rng.random() < 0.05 else s.pick(0.03)
                tone = int(rng.choice([GROUND, LIGHT, INK])) if rng.random() < 0.14 else tone
                chosen[key] = (tone, glow + rng.uniform(-0.45, 0.45))
            tone, shade = chosen[key]
            cell = np.array(
                [corner[i, j], corner[i + 1, j], corner[i + 1, j + 1], corner[i, j + 1]]
            )
            middle = cell.mean(axis=0)
            s.fill(middle + (cell - middle) * (1.02 - joint), tone, shade=shade, gradient=0.2,
                   angle=float(rng.choice([0, np.pi / 2])), steady=joint < 0.02)  # fmt: skip


@family(contour=(-0.7, 0.6), direction=(-0.4, 0.8), density=(-0.7, 1), depth=(-0.5, 1),
        order=(-0.9, 0.6))  # fmt: skip
def bauhaus(s: Scene) -> None:
    """Discs, triangles, bars and fine lines in a taut balance."""
    rng = s.rng
    s.ground(GROUND, shade=0.3)
    divide(s)
    glaze(s, 4)
    s.traits |= {"geometric", "shows:geometric"}
    fx, fy = focus(s)
    alpha = depth_alpha(s, 1, 0.72)
    r = s.mix("weight", 0.15, 0.27)
    for k in range(int(rng.integers(2, 5))):  # the great disc, ringed
        s.disc(fx, fy, r * (1 - 0.27 * k), [s.pick(0), INK, ACCENT, LIGHT][k], gradient=0.4)
    s.disc(fx, fy, r * 1.35, s.pick(0), alpha=0.22, soft=0.03, gradient=0)
    n = s.count(5, 30)
    for (x, y), size in zip(places(s, n), sizes(s, n, 0.018, 0.19), strict=False):
        if s.values["order"] < 0.4:  # large things gather about the focus
            x, y = np.array([x, y]) + (np.array([fx, fy]) - (x, y)) * min(size * 1.5, 0.3)
        outline = shape(s, x, y, size)
        shadow(s, outline, 0.008)
        s.fill(outline, s.pick(0.16), alpha=alpha, gradient=0.4)
        if rng.random() < 0.3:
            s.line(outline, s.against(GROUND), 0.003, closed=True)
    lean = rng.uniform(0, np.pi)
    for i in range(s.count(3, 24, "energy")):
        x, y = rng.uniform(0.05, 0.95, 2)
        turn = lean + (i % 3) * 0.5 + rng.normal(0, 0.15)
        if rng.random() < 0.3 + 0.4 * s.values["direction"]:
            s.line(arc(x, y, rng.uniform(0.05, 0.25), turn, rng.uniform(1, 3.4)), s.pick(0.3),
                   rng.uniform(0.003, 0.012))  # fmt: skip
        else:
            s.fill(
                box(x, y, rng.uniform(0.15, 0.6), rng.choice([0.003, 0.006, 0.014]), turn),
                s.against(GROUND) if rng.random() < 0.6 else s.pick(0.4),
                gradient=0,
                steady=True,
            )
    if rng.random() < 0.5:  # a small chequer, a habit of the time
        x, y = rng.uniform(0.15, 0.8, 2)
        for i in range(4):
            for j in range(3):
                cell = box((i - 1.5) * 0.03, (j - 1) * 0.03, 0.03, 0.03)
                s.fill(turned(cell, lean, x, y), INK if (i + j) % 2 else s.pick(0.3), gradient=0,
                       steady=True)  # fmt: skip


@family(order=(0.6, 1), direction=(0.1, 1), density=(-0.3, 1), contour=(0.2, 1),
        energy=(-0.8, 0.3), depth=(-1, 0.3))  # fmt: skip
def ornament(s: Scene) -> None:
    """Round ornament: a rosette of petals, beads and scallops, or its motif repeated as a tile."""
    rng = s.rng
    s.ground()
    s.traits |= {"symmetrical", "regular", "structured", "ornamental"}
    if rng.random() < 0.4:  # a printed cloth: the rosette in rows, small figures between
        n = int(rng.choice([2, 2, 3]))
        tones = [s.apart(GROUND, 36)]
        tones += [s.apart(tones[0], 30), s.apart(GROUND, 36)]
        folds, petals = int(rng.choice([6, 8, 8])), int(rng.integers(2))
        for i in range(-1, n + 1):
            for j in range(-1, n + 1):
                x, y = (i + 0.5) / n, (j + 0.5) / n
                _rosette(s, x, y, 0.44 / n, folds, 2, tones, petals)
                for a in np.pi / 4 + np.arange(4) * np.pi / 2:
                    scroll = ellipse(0.07 / n, 0, 0.07 / n, 0.035 / n, 0, 20)
                    s.many([turned(scroll, a, x + 0.5 / n, y + 0.5 / n)], tones[2])
        return
    s.traits.add("shows:symmetrical")
    tones = [s.apart(GROUND, 36)]
    tones += [s.apart(tones[0], 34), s.apart(tones[0], 34)]
    folds = int(rng.choice([6, 8, 8, 10, 12]))
    _rosette(s, 0.5, 0.5, 0.49, folds, min(s.count(2, 5), 4), tones, int(rng.integers(2)))
    corner = rng.random() < 0.6
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)) if corner else ():
        _rosette(s, x, y, 0.19, folds, 1, tones[::-1], 1)


def _rosette(
    s: Scene, x: float, y: float, r: float, folds: int, rings: int, tones: list[int], first: int
) -> None:
    """Rings of round figures about a heart, each ring in a tone apart from the one before."""
    s.many([ellipse(x, y, r, r, 0, 72)], tones[0], shade=-0.2)
    beads = [(a, 0.92 * r, 0.05 * r) for a in TAU * np.arange(2 * folds) / (2 * folds)]
    s.many([ellipse(x + far * np.cos(a), y + far * np.sin(a), size, size, 0, 16)
            for a, far, size in beads], tones[1])  # fmt: skip
    for k in range(rings):
        edge, deep = 0.84 * r * (1 - k / (rings + 0.4)), 0.84 * r / (rings + 0.4)
        if k:
            s.many([ellipse(x, y, edge, edge, 0, 60)], tones[k % 2], shade=0.2 * (-1) ** k)
        wide = min(1.02 * (edge - deep / 2) * np.sin(np.pi / folds), deep * 0.62)
        for f in range(folds):
            a = TAU * (f + 0.5 * (k % 2)) / folds
            if (k + first) % 2:  # scallops
                far = edge - wide
                shapes = [ellipse(far, 0, wide, wide, 0, 26),
                          ellipse(far, 0, wide * 0.5, wide * 0.5, 0, 20)]  # fmt: skip
            else:  # petals with an eye
                far = edge - deep * 0.5
                shapes = [ellipse(far, 0, deep * 0.5, wide * 0.72, 0, 30),
                          ellipse(far + 0.1 * deep, 0, deep * 0.22, wide * 0.3, 0, 18)]  # fmt: skip
            eye = tones[2] if tones[2] != tones[(k + 1) % 2] else tones[k % 2]
            s.many([turned(shapes[0], a, x, y)], tones[(k + 1) % 2], shade=0.1)
            s.many([turned(shapes[1], a, x, y)], eye)
    heart = 0.84 * r * 0.4 / (rings + 0.4)
    s.many([ellipse(x, y, heart * 1.35, heart * 1.35, 0, 30)], tones[rings % 2], shade=-0.3)
    s.many([ellipse(x, y, heart, heart, 0, 30)], ACCENT)
