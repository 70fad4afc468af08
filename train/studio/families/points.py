"""Families of points and strokes: dots, stipple, specks, stars, hatching, dry brushes."""

import numpy as np

from train.studio.families.layout import divide, focus, glaze, places
from train.studio.families.registry import family
from train.studio.families.staging import plan, stage, warp
from train.studio.palette import GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, blob, box, ellipse, regular, ribbon, span, turned
from train.studio.surface import Scene, path_of


@family(contour=(0.4, 1), order=(-0.8, 1), density=(-0.7, 0.9), direction=(0.2, 0.9),
        energy=(-0.8, 0.6), depth=(-1, 0.2), weight=(-0.7, 0.9), texture=(-1, 0.5))  # fmt: skip
def dots(s: Scene) -> None:
    """Round dots: in rows, or strewn with room."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"dotted", "round", "curved"}
    n = s.count(4, 10)
    pick, bend = plan(s, 3, 0.06), warp(s, 0.8)
    tones = [s.apart(GROUND, 30), s.apart(GROUND, 30)]
    plain = rng.random() < 0.4
    kind = int(rng.choice([0, 2])) if s.values["order"] > -0.3 else 1
    fat = s.mix("weight", 0.26, 0.44) / n
    spots: list[tuple[float, float, float]] = []
    if kind == 1:  # thrown, none touching
        s.traits |= {"scattered", "shows:scattered"}
        for _ in range(n * n * 5):
            x, y, r = (
                *rng.uniform(0, 1, 2),
                fat * rng.choice([0.5, 1.0, 1.6]) * rng.uniform(0.7, 1.3),
            )
            if all(np.hypot(x - a, y - b) > (r + c) * 1.2 for a, b, c in spots):
                spots.append((x, y, r))
            if len(spots) > n * n * 0.7:
                break
        bend = turned_none
    else:
        s.traits |= {"regular", "rhythmic"}
        for i in range(-n // 2, n + n // 2 + 1):
            for j in range(-n // 2, n + n // 2 + 1):
                x, y = (i + 0.5 * (j % 2) * (kind == 0)) / n, j / n
                r = fat
                spots.append((x, y, r))
    with s.within(stage(s, 0.6) if kind != 1 else path_of(span(-0.1, -0.1, 1.1, 1.1), True)):
        for i, (x, y, r) in enumerate(spots):
            dot = bend(ellipse(x, y, r, r, 0, 26))
            middle = dot.mean(0)
            if not (-0.1 < middle[0] < 1.1 and -0.1 < middle[1] < 1.1):
                continue
            tone, shade = (tones[0], 0.0) if plain else pick(middle, i)
            tone = tones[i % 2] if tone == GROUND else tone
            s.many([dot], tone, shade=shade)


@family(contour=(0.2, 0.9), order=(0.3, 1), density=(-0.3, 0.9), direction=(0.1, 0.8),
        energy=(-0.8, 0.6), depth=(-1, 0.3), weight=(-0.6, 0.6), texture=(-1, 0.1))  # fmt: skip
def halftone(s: Scene) -> None:
    """A printer's raster: dots in slanting rows that swell along a gradient until they join."""
    rng = s.rng
    one = s.pick(0) if s.hues else int(rng.choice([s.pick(0), INK, LIGHT]))
    s.ground(s.apart(one, 46))
    s.traits |= {"halftone", "regular", "rhythmic"}
    n = min(max(s.count(10, 17), 10), 18)
    turn = float(rng.choice([0, np.pi / 4, np.pi / 4, rng.uniform(0.2, 0.6)]))
    fx, fy = focus(s)
    kind, way = int(rng.integers(3)), float(rng.uniform(0, TAU))
    flip = rng.random() < 0.5
    reach = np.arange(-n, n + 1) / n
    spots = turned(np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2), turn, 0.5, 0.5)
    x, y = spots.T
    if kind == 0:  # from one side to the other
        tide = 0.5 + 0.75 * ((x - 0.5) * np.cos(way) + (y - 0.5) * np.sin(way))
    elif kind == 1:  # about a point
        tide = 1.05 - 1.5 * np.hypot(x - fx, y - fy)
    else:  # in one great wave
        tide = 0.5 + 0.5 * np.sin(TAU * 0.75 * (x * np.cos(way) + y * np.sin(way)) + way)
    tide = np.clip(1 - tide if flip else tide, 0, 1)
    radii = (0.1 + 0.58 * tide) / n
    s.many(
        [ellipse(px, py, r, r, 0, 18) for (px, py), r in zip(spots, radii, strict=True)
         if -0.1 < px < 1.1 and -0.1 < py < 1.1], one,
    )  # fmt: skip


def turned_none(points: Points) -> Points:
    """No bend."""
    return points


@family(contour=(0.2, 0.9), order=(-0.35, 0.35), density=(-0.4, 0.9), direction=(-0.1, 0.8),
        energy=(-0.8, 0.3), depth=(0, 1), weight=(-1, -0.2), texture=(0.2, 1))  # fmt: skip
def stipple(s: Scene) -> None:
    """Tone made of fine points of ink alone: spheres and hills that round off in dots."""
    rng = s.rng
    s.ground(shade=0.3)
    s.traits |= {"stippled", "grainy", "textured"}
    pen = s.apart(GROUND, 48)
    other = s.apart(GROUND, 40) if rng.random() < 0.5 else pen
    side = s.count(48, 66)
    gx, gy = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
    points = (
        np.stack([gx.ravel(), gy.ravel()], 1) + rng.uniform(-0.55, 0.55, (side * side, 2)) / side
    )
    x, y = points.T
    count = side * side
    tone, hue = np.full(count, 0.04), np.zeros(count, bool)
    if rng.random() < 0.5:  # hills, dark at their crest
        for k in range(int(rng.integers(2, 5))):
            crest = (
                0.2 + 0.2 * k + 0.1 * np.sin(TAU * rng.uniform(0.4, 1.1) * x + rng.uniform(0, TAU))
            )
            under = y > crest
            tone = np.where(under, np.exp(-(y - crest) / 0.16), tone)
            hue = np.where(under, bool(k % 2), hue)
    for _ in range(s.count(1, 5)):
        px, py, r = *rng.uniform(0.15, 0.85, 2), rng.uniform(0.13, 0.32)
        far = np.hypot(x - px, y - py) / r
        lit = np.hypot(x - px + 0.4 * r, y - py + 0.4 * r) / r
        inside = far < 1
        tone = np.where(inside, np.clip(lit - 0.3, 0, 1) ** 1.1 + 0.02, tone)
        hue = np.where(inside, bool(rng.integers(2)), hue)
        s.traits.add("round")
    kept = rng.random(count) < tone
    r = 0.45 / side * s.mix("weight", 0.8, 1.3)
    for which, colour in ((hue, other), (~hue, pen)):
        spots = points[kept & which]
        if len(spots):
            s.many(
                [
                    regular(px, py, r * v, 6)
                    for (px, py), v in zip(
                        spots.tolist(), rng.uniform(0.7, 1.3, len(spots)), strict=True
                    )
                ],
                colour,
            )


@family(contour=(-0.2, 0.4), order=(-1, -0.25), density=(-0.5, 0.9), direction=(-0.3, 0.4),
        energy=(-0.4, 0.35), depth=(-0.8, 0.2), weight=(-0.8, 0.6), texture=(0, 1))  # fmt: skip
def speckles(s: Scene) -> None:
    """Plain large fields, flecked all over with specks of other colours like an egg or terrazzo."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"speckled", "scattered", "shows:scattered"}
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.1, 0.9, 2)
        s.fill(blob(rng, x, y, rng.uniform(0.15, 0.34), 0.2), s.pick(0.1), gradient=0.15)
    chips = rng.random() < 0.45
    n = s.count(260, 620)
    tones = [s.apart(GROUND, 34), s.apart(GROUND, 24), s.against(GROUND)]
    size = s.mix("weight", 0.008, 0.016) * (1.7 if chips else 1.0) * (160 / n) ** 0.25
    for tone in tones:
        pieces = []
        for x, y in rng.uniform(0, 1, (n // 3, 2)):
            r = size * (0.5 + 1.2 * rng.random() ** 3)
            if chips:
                a = np.sort(rng.uniform(0, TAU, 5))
                far = r * rng.uniform(0.6, 1.3, 5)
                pieces.append(np.stack([x + far * np.cos(a), y + far * np.sin(a)], 1))
            else:
                pieces.append(ellipse(x, y, r, r * rng.uniform(0.6, 1), rng.uniform(0, np.pi), 12))
        s.many(pieces, tone)


def _star(x: float, y: float, r: float, points: int, turn: float, waist: float) -> Points:
    a = turn + TAU * np.arange(2 * points) / (2 * points)
    far: Points = np.where(np.arange(2 * points) % 2, r * waist, r)
    return np.stack([x + far * np.cos(a), y + far * np.sin(a)], 1)


@family(contour=(-0.9, 0.2), order=(-0.7, 0.7), density=(-0.9, 0.9), direction=(-0.1, 0.6),
        energy=(-0.6, 0.6), depth=(-0.4, 0.35), weight=(-0.7, 0.5), texture=(-1, 0.5))  # fmt: skip
def stars(s: Scene) -> None:
    """Pointed stars, few and large or many and small, with a comet or a moon at times."""
    rng = s.rng
    s.ground(shade=-0.3)
    divide(s)
    glaze(s, 3)
    s.traits |= {"starry", "stars", "sharp"}
    n = s.count(5, 34)
    points = int(rng.choice([4, 5, 5, 6, 8]))
    waist = {4: 0.22, 5: 0.42, 6: 0.5, 8: 0.45}[points] * rng.uniform(0.85, 1.1)
    main = LIGHT if s.palette.lab[GROUND, 0] < 55 else INK
    tones = [main, s.apart(GROUND, 40), s.apart(GROUND, 40)]
    big = s.mix("weight", 0.1, 0.2) * (9 / max(n, 9)) ** 0.3
    dust = [regular(x, y, 0.0018 + 0.002 * rng.random(), 6) for x, y in
            rng.uniform(0, 1, (s.count(30, 160), 2))]  # fmt: skip
    s.many(dust, main)
    if rng.random() < 0.35:
        x, y, r = *rng.uniform(0.2, 0.8, 2), rng.uniform(0.08, 0.14)
        s.disc(x, y, r, tones[1], gradient=0.2)
        s.disc(x + r * 0.42, y - r * 0.2, r * 0.82, GROUND, shade=-0.3, gradient=0)
    for i, (x, y) in enumerate(places(s, n, 0.06)):
        r = big * max(1 - i / n, 0) ** 1.6 + 0.025
        tone = tones[0 if rng.random() < 0.55 else int(rng.integers(1, 3))]
        turn = -TAU / 4 + (rng.normal(0, 0.3) if s.values["order"] < 0.3 else 0)
        s.many([_star(x, y, r, points, turn, waist)], tone)
        if r > 0.05 and rng.random() < 0.5:
            s.many([_star(x, y, r * 0.55, points, turn, waist)], s.apart(tone), shade=0.2)
    if s.values["energy"] > 0.2:  # a comet
        x, y, a = *rng.uniform(0.2, 0.8, 2), rng.uniform(0, TAU)
        tail = (
            np.array([x, y])
            + np.linspace(0, 1, 20)[:, None] * np.array([np.cos(a), np.sin(a)]) * 0.4
        )
        s.many([ribbon(tail, 0.03 * (1 - np.linspace(0, 1, 20)) + 1e-4)], tones[1], alpha=0.7)
        s.many([_star(x, y, 0.05, points, a, waist)], main)


@family(contour=(-1, 0), order=(-0.6, 0.8), density=(-0.2, 1), direction=(-0.9, -0.1),
        energy=(-0.5, 0.35), depth=(-0.4, 0.35), weight=(-1, 0.1), texture=(0.2, 1))  # fmt: skip
def hatching(s: Scene) -> None:
    """Shapes drawn with nothing but strokes of the pen: hatched one way, then across."""
    rng = s.rng
    s.ground(shade=0.3)
    s.traits |= {"hatched", "textured"}
    pens = [s.against(GROUND), s.apart(GROUND, 44)]
    n = s.count(3, 9)
    gap, width = s.mix("density", 0.045, 0.03), s.mix("weight", 0.007, 0.011)
    base = rng.uniform(0, np.pi)
    fields = rng.random() < 0.35
    for k, (x, y) in enumerate(places(s, n, 0.08)):
        r = 0.33 * max(1 - k / n, 0) ** 0.8 + 0.07
        if fields:
            outline = box(x, y, r * 2, r * rng.uniform(0.8, 1.8), rng.normal(0, 0.2))
        elif s.values["contour"] > -0.4 and rng.random() < 0.6:
            outline = ellipse(x, y, r * 0.9, r * 0.9, 0, 50)
        else:
            outline = regular(x, y, r, int(rng.integers(3, 6)), rng.uniform(0, TAU))
        pen = pens[int(rng.random() < 0.4)]
        with s.within(path_of(outline, True)):
            s.many([outline], GROUND, shade=0.3)
            for turn in (base + 0.9 * k, base + 0.9 * k + 1.35)[: 1 + int(rng.random() < 0.65)]:
                strokes = []
                for at in np.arange(-r * 1.5, r * 1.5, gap):
                    off = rng.normal(0, 0.12 * gap, 2)
                    line = np.array([[-1.6 * r, at + off[0]], [0, at + rng.normal(0, 0.001)],
                                     [1.6 * r, at + off[1]]])  # fmt: skip
                    strokes.append(ribbon(turned(line, turn, x, y), width * rng.uniform(0.6, 1.3)))
                for stroke in strokes:
                    s.many([stroke], pen, angle=turn)
        if rng.random() < 0.7:
            s.line(outline, pen, width * 1.6, closed=True)


@family(contour=(-0.2, 0.8), order=(-0.6, 0.6), density=(-0.9, 0.7), direction=(-0.9, 0.2),
        energy=(0, 0.8), depth=(-0.3, 0.4), weight=(0, 1), texture=(0.35, 1))  # fmt: skip
def brushwork(s: Scene) -> None:
    """A few very broad strokes of a flat dry brush, every hair to be seen."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    s.traits |= {"brushed", "gestural", "textured", "rough"}
    n = s.count(2, 10)
    base = float(rng.choice([0, np.pi / 2, 0.7, -0.7]))
    for k in range(n):
        a = base + rng.normal(0, 0.14) + (rng.random() < 0.25) * np.pi / 2
        t = np.linspace(-0.5, 0.5, 40)
        long = rng.uniform(0.55, 1.1) * (1 if k < 2 else 0.75)
        bow = max(s.values["contour"], 0) * rng.normal(0, 0.5)
        x, y = rng.uniform(0.2, 0.8, 2)
        if s.values["order"] > 0.2:
            x, y = 0.5 + rng.normal(0, 0.05), (k + 0.5) / n
            x, y = (x, y) if abs(np.sin(base)) < 0.9 else (y, x)
        line = turned(np.stack([t * long, bow * (t**2 - 0.08)], 1), a, x, y)
        width = s.mix("weight", 0.07, 0.22) * rng.uniform(0.7, 1.2)
        tone = s.apart(GROUND, 30) if rng.random() < 0.8 else s.pick(0.3)
        hairs = max(int(width * 330), 16)
        d = np.gradient(line, axis=0)
        normal = np.stack([-d[:, 1], d[:, 0]], 1) / np.hypot(d[:, 0], d[:, 1])[:, None]
        load = rng.uniform(0.35, 1.0)
        for shade in (-0.5, 0.0, 0.5):
            strokes = []
            for offset in (np.arange(hairs) + 0.5) / hairs - 0.5:
                if rng.integers(3) != round(2 * shade + 1):
                    continue
                first = int(rng.integers(0, 3))
                last = int(
                    np.clip(40 * (load + 0.55 * rng.random() - 0.3 * (2 * offset) ** 4), 8, 40)
                )
                hair = line[first:last] + normal[first:last] * offset * width
                wide = width / hairs * rng.uniform(0.7, 2.4) * np.linspace(1, 0.35, last - first)
                strokes.append(ribbon(hair, wide))
            s.many(strokes, tone, shade=shade, angle=a)
        body = line[: max(int(22 * load), 6)]
        s.many([ribbon(body, width * 0.8)], tone, alpha=0.55, angle=a)
