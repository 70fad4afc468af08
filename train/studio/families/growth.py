"""Families of what grows: flowers, branches, leaves, feathers, cells, bubbles."""

import numpy as np

from train.studio.families.layout import depth_alpha, divide, focus, glaze, places, sizes
from train.studio.families.registry import family
from train.studio.families.staging import companions, plan
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, blob, ellipse, regular, ribbon, smooth, turned
from train.studio.surface import Scene


def _petal(length: float, width: float, tip: float) -> Points:
    """A petal along x from the origin: round at the tip (0) to pointed (1)."""
    t = np.linspace(0, 1, 16)
    half = width * np.sin(np.pi * t ** (0.75 + 0.1 * tip)) ** (0.7 + 0.6 * tip)
    return np.vstack([np.stack([length * t, half], 1), np.stack([length * t, -half], 1)[::-1]])


def _flower(s: Scene, x: float, y: float, r: float, tone: int, heart: int) -> None:
    """Round petals about a round heart, each with its own edge."""
    rng = s.rng
    n, turn = int(rng.choice([5, 5, 6, 7, 8])), rng.uniform(0, TAU)
    far, size = 0.6 * r, r * min(1.25 * np.sin(np.pi / n) * 0.62 + 0.06, 0.42)
    slim = rng.uniform(0.85, 1.0)
    for k in (*range(0, n, 2), *range(1, n, 2)):
        a = turn + TAU * k / n
        for grown, shade in ((1.0, -0.9), (0.88, 0.25 if k % 2 else -0.05)):
            petal = ellipse(far, 0, (r - far) * grown, size * slim * grown, 0, 26)
            s.many([turned(petal, a, x, y)], tone, shade=shade, angle=a)
        if r > 0.09:
            fold = turned(np.array([[0.34, 0], [0.72, 0]]) * r, a, x, y)
            s.line(fold, tone, max(r * 0.03, 0.002), shade=-0.9)
    s.many([ellipse(x, y, r * 0.32, r * 0.32, 0, 26)], s.against(tone), shade=-0.2)
    s.many([ellipse(x, y, r * 0.27, r * 0.27, 0, 26)], heart)
    for k in range(7 if r > 0.08 else 0):
        a = TAU * k / 7
        s.many([ellipse(x + r * 0.17 * np.cos(a), y + r * 0.17 * np.sin(a), r * 0.035, r * 0.035,
                        0, 8)], s.apart(heart))  # fmt: skip


@family(contour=(0.4, 1), order=(-0.7, 0.6), density=(-0.9, 0.9), direction=(-0.1, 0.7),
        energy=(-0.7, 0.35), depth=(-0.8, 0.35), weight=(-0.35, 0.35),
        texture=(-1, 0.7))  # fmt: skip
def flowers(s: Scene) -> None:
    """Blossoms of petals about a heart: one great bloom cropped, a bunch, or a strewn meadow."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 2)
    s.traits |= {"floral", "curved"}
    n = s.count(2, 16)
    stems = s.values["density"] < 0.4 and rng.random() < 0.6
    tones = [s.apart(GROUND, 32), s.apart(GROUND, 32), s.apart(GROUND)]
    heart, green = ACCENT, s.apart(GROUND, 18)
    points = places(s, n, 0.12)
    radii = sizes(s, n, 0.1, 0.2 if n > 8 else 0.36)
    for (x, y), r in zip(points, radii, strict=False):
        if not stems:
            continue
        s.traits.add("upright")
        t = np.linspace(0, 1, 24)
        foot = x + rng.normal(0, 0.06)
        stem = np.stack([foot + (x - foot) * t**1.6, 1.08 + (y - 1.08) * t], 1)
        s.many([ribbon(stem, 0.006 + 0.012 * r)], green, shade=-0.3)
        at = stem[int(rng.integers(6, 16))]
        for way in (-1, 1):
            leaf = _petal(r * 0.9, r * 0.2, 1.0)
            s.many([turned(leaf, -np.pi / 2 + way * rng.uniform(0.5, 0.9), *at)], green,
                   shade=rng.uniform(-0.3, 0.4))  # fmt: skip
    for i, ((x, y), r) in enumerate(zip(points, radii, strict=False)):
        _flower(s, x, y, r, tones[i % 3], heart)


def _branch(
    s: Scene, at: Points, way: float, length: float, width: float, depth: int,
    into: list[Points], tips: list[Points], fork: float,
) -> None:  # fmt: skip
    """Grow one limb and what forks from it."""
    rng = s.rng
    t = np.linspace(0, 1, 9)[:, None]
    bend = rng.normal(0, 0.22)
    d, side = np.array([np.cos(way), np.sin(way)]), np.array([-np.sin(way), np.cos(way)])
    line = at + d * length * t + side * length * bend * t**2
    into.append(ribbon(line, width * (1 - 0.36 * t[:, 0])))
    end = line[-1]
    if depth == 0 or width < 0.0012:
        tips.append(end)
        return
    turn = np.arctan2(*(line[-1] - line[-2])[::-1])
    for k in (-1, 1) if rng.random() < 0.85 else (-1, 0, 1):
        aside = float(turn + k * fork * rng.uniform(0.6, 1.25) + rng.normal(0, 0.08))
        further = length * rng.uniform(0.68, 0.88)
        _branch(s, end, aside, further, width * 0.64, depth - 1, into, tips, fork)


@family(contour=(-0.2, 0.45), order=(-0.8, 0.5), density=(-0.8, 0.8), direction=(-0.5, 0.6),
        energy=(-0.6, 0.35), depth=(-0.6, 0.3), weight=(-0.9, 0.5),
        texture=(-0.8, 0.7))  # fmt: skip
def branches(s: Scene) -> None:
    """Limbs that fork and fork again: a tree from below, roots from above, or a coral outwards."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    glaze(s, 3)
    s.traits |= {"branching"}
    if rng.random() < 0.4:  # a low sun behind
        x, y = rng.uniform(0.25, 0.75, 2)
        s.disc(x, y, rng.uniform(0.14, 0.28), s.pick(0.4), gradient=0.4)
    tone = s.against(GROUND)
    depth, fork = round(s.mix("density", 4, 6)), s.mix("order", 0.62, 0.42)
    wide = s.mix("weight", 0.04, 0.07)
    kind = int(rng.integers(4))
    if kind == 0:  # outwards from a middle
        fx, fy = focus(s)
        n = int(rng.integers(5, 8))
        trunks = [(fx, fy, TAU * k / n, 0.13, wide * 0.6, depth - 1) for k in range(n)]
    elif kind == 1:  # lightning and rivers, from a side
        trunks = [(-0.04, rng.uniform(0.25, 0.75), 0.0, 0.26, wide, depth)]
    else:
        s.traits |= {"upright"}
        n = 1 if rng.random() < 0.6 else 2
        xs = rng.uniform(0.3, 0.7, 1) if n == 1 else rng.uniform(0.15, 0.85, 2)
        up = -np.pi / 2 if kind == 2 else np.pi / 2
        trunks = [(float(x), 1.04 if kind == 2 else -0.04, up, 0.27 / n**0.4, wide / n**0.5, depth)
                  for x in xs]  # fmt: skip
    for x, y, way, length, width, levels in trunks:
        limbs: list[Points] = []
        tips: list[Points] = []
        _branch(s, np.array([x, y]), way, length, width, levels, limbs, tips, fork)
        s.many(limbs, tone)
        if rng.random() < 0.45:
            bud = s.apart(GROUND)
            r = rng.uniform(0.008, 0.018)
            s.many([ellipse(px, py, r, r, 0, 12) for px, py in tips[:: 1 if r < 0.01 else 2]], bud)


@family(contour=(0.3, 1), order=(-0.8, 0.6), density=(-0.8, 0.9), direction=(-0.4, 0.4),
        energy=(-0.6, 0.35), depth=(-0.4, 0.9), weight=(-0.7, 0.7), texture=(-1, 0.6))  # fmt: skip
def leaves(s: Scene) -> None:
    """Leaves with their ribs: sprays on stems, or large ones that fall and overlap."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"leafy", "curved"}
    alpha = depth_alpha(s, 1, 0.85)
    tones = [s.apart(GROUND, 34), s.apart(GROUND, 34), s.apart(GROUND)]
    rib = GROUND

    def leaf(x: float, y: float, r: float, a: float, tone: int) -> None:
        outline = _petal(r, r * rng.uniform(0.24, 0.34), 1.0)
        shade = rng.uniform(-0.3, 0.3)
        half = outline[:16]
        s.many([turned(outline, a, x, y)], tone, shade=shade, alpha=alpha, angle=a)
        s.many([turned(half, a, x, y)], tone, shade=shade + 0.5, alpha=alpha, angle=a + 0.6)
        s.line(turned(np.array([[-0.12, 0], [0.94, 0]]) * r, a, x, y), rib, max(0.022 * r, 0.003))
        for u in np.linspace(0.2, 0.75, 5) if r > 0.1 else ():
            for side in (-1, 1):
                vein = np.array([[u, 0], [u + 0.12, side * 0.2 * np.sin(np.pi * u)]]) * r
                s.line(turned(vein, a, x, y), rib, max(0.012 * r, 0.002), alpha=0.8)

    if rng.random() < 0.5:  # sprays
        for _ in range(s.count(2, 5)):
            way, bow = rng.uniform(0, TAU), rng.normal(0, 0.25)
            t = np.linspace(-0.72, 0.72, 9)
            stem = turned(np.stack([t, bow * (t**2 - 0.1)], 1), way,
                          *rng.uniform(0.25, 0.75, 2))  # fmt: skip
            tone = tones[int(rng.integers(3))]
            s.line(smooth(stem, 50), tone, 0.012, shade=-0.5)
            size = s.mix("weight", 0.26, 0.36)
            for i in range(1, 9):
                d = stem[i] - stem[i - 1]
                a = float(np.arctan2(d[1], d[0]))
                for side in (-1, 1):
                    r = size * (1 - 0.4 * abs(i - 4) / 5)
                    leaf(
                        float(stem[i, 0]),
                        float(stem[i, 1]),
                        r,
                        a + side * rng.uniform(0.7, 0.95),
                        tone,
                    )
        return
    n = s.count(9, 34)
    large = float(np.interp(n, [9, 34], [0.62, 0.4]))
    for (x, y), r in zip(places(s, n, 0.0), sizes(s, n, 0.2, large), strict=False):
        a = rng.uniform(0, TAU)
        d = np.array([np.cos(a), np.sin(a)]) * r / 2
        leaf(x - d[0], y - d[1], r, a, tones[int(rng.integers(3))])


@family(contour=(0.3, 1), order=(-0.4, 0.6), density=(-0.8, 0.8), direction=(-0.5, 0.3),
        energy=(-0.5, 0.35), depth=(-0.3, 0.4), weight=(-1, -0.1), texture=(-0.6, 0.8))  # fmt: skip
def feathers(s: Scene) -> None:
    """Plumes: a curved shaft with fine barbs on either side, one great or many that drift."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"feathery", "curved", "delicate"}
    n = s.count(1, 8)
    points = places(s, n, 0.26)
    way = rng.uniform(0, TAU)
    for (x, y), size in zip(points, sizes(s, n, 0.6, 1.2 if n < 4 else 0.9), strict=False):
        a = way + rng.normal(0, 0.35)
        bow = rng.normal(0, 0.22)
        count = int(60 + 110 * size)
        t = np.linspace(0, 1, count)
        shaft = np.stack([size * (t - 0.5), size * bow * (t - 0.5) ** 2], 1)
        tone = s.apart(GROUND, 30)
        tip = s.apart(tone, 14)
        width = size * rng.uniform(0.15, 0.24)
        reach = width * np.sin(np.pi * np.clip(t * 1.12 - 0.12, 0, 1)) ** 0.6
        barbs: list[list[Points]] = [[], [], []]
        gap = rng.random(count) < 0.04
        for i in range(int(count * 0.12), count - 1):
            if gap[i]:
                continue
            for side in (-1, 1):
                lean = rng.normal(0.72, 0.05)
                u = np.linspace(0, 1, 5)[:, None]
                d = np.array([np.cos(lean), side * np.sin(lean)])
                line = shaft[i] + d * reach[i] * u + np.array([0.25 * reach[i], 0]) * u**2
                hair = ribbon(line, size / count * 0.75 * (1.1 - 0.9 * u[:, 0]))
                barbs[0 if t[i] < 0.62 + rng.normal(0, 0.04) else 1 + (side > 0)].append(
                    turned(hair, a, x, y))  # fmt: skip
        for group, (hue, shade) in zip(barbs, ((tone, 0.1), (tip, -0.2), (tip, 0.4)), strict=True):
            s.many(group, hue, shade=shade)
        quill = ribbon(shaft, size * 0.012 * (1.1 - t))
        s.many([turned(quill, a, x, y)], s.against(tone))


@family(contour=(0.5, 1), order=(-0.35, 0.35), density=(-0.5, 1), direction=(0.1, 0.7),
        energy=(-0.7, 0.3), depth=(-0.5, 0.35), weight=(-0.7, 0.7),
        texture=(-0.8, 0.7))  # fmt: skip
def cells(s: Scene) -> None:
    """Rounded cells packed wall to wall, each with its membrane and its kernel."""
    rng = s.rng
    s.ground()
    s.traits |= {"cellular", "organic", "curved", "round"}
    n = s.count(10, 44)
    # discs thrown where there is room; each grows until it touches
    points: list[Points] = []
    radii: list[float] = []
    most = min(1.0 / n**0.5, 0.22)
    for _ in range(n * 14):
        p = rng.uniform(-0.05, 1.05, 2)
        r = most * rng.uniform(0.4, 1.0)
        if points:
            gap = np.hypot(*(np.array(points) - p).T) - np.array(radii)
            r = min(r, float(gap.min()))
        if r > most * 0.3:
            points.append(p)
            radii.append(r)
        if len(points) >= n:
            break
    pick, wall = plan(s, 3, 0.08), s.apart(GROUND, 30)
    kernel = s.against(s.palette.main[0])
    fx, fy = focus(s)
    for i, ((x, y), r) in enumerate(zip(points, radii, strict=True)):
        body = blob(rng, x, y, r * 1.06, 0.07)
        tone, shade = pick((x, y), i)
        thick = s.mix("weight", 0.1, 0.24)
        s.many([body], wall, shade=-0.2)
        inner = (body - (x, y)) * (1 - thick) + (x, y)
        s.fill(inner, tone, shade=shade, gradient=0.5, steady=True)
        if rng.random() < 0.85:
            kx, ky = np.array([x, y]) + rng.normal(0, r * 0.17, 2)
            size = r * rng.uniform(0.2, 0.36)
            near = np.hypot(x - fx, y - fy) < 0.15
            s.many([blob(rng, kx, ky, size, 0.12)], ACCENT if near else kernel)
            s.many([ellipse(kx, ky, size * 0.3, size * 0.3, 0, 10)], tone, shade=0.7)
        specks = np.array([x, y]) + rng.normal(0, r * 0.36, (5, 2))
        s.many([regular(sx, sy, r * 0.05, 8) for sx, sy in specks], kernel, alpha=0.7)


@family(contour=(0.6, 1), order=(-0.45, 0.35), density=(-0.9, 0.9), direction=(0.4, 1),
        energy=(-0.6, 0.35), depth=(0.1, 1), weight=(-1, 0.2), texture=(-1, 0.1))  # fmt: skip
def bubbles(s: Scene) -> None:
    """Clear spheres with a bright rim and a glint, drifting up or crowded into foam."""
    rng = s.rng
    s.ground(shade=-0.2)
    divide(s)
    glaze(s, 4)
    s.traits |= {"bubbly", "round", "circular", "translucent", "overlapping", "curved"}
    n = s.count(7, 36)
    dark = s.palette.lab[GROUND, 0] < 62
    rim = LIGHT if dark else INK
    crowd = s.values["density"] > 0.3
    fx, _ = focus(s)
    for i in range(n):
        r = 0.025 + (0.17 if n < 20 else 0.13) * (1 - i / n) ** 2.2 * rng.uniform(0.7, 1.1)
        y = rng.uniform(0, 1) ** (0.6 if crowd else 1.0)
        x = rng.uniform(0, 1) if crowd else fx + rng.normal(0, 0.13 + 0.2 * y)
        tone = s.pick(0.1)
        s.disc(x, y, r, tone, alpha=0.5, gradient=0.7, steady=True)
        s.disc(x + r * 0.1, y + r * 0.12, r * 0.8, GROUND, shade=0.2, alpha=0.22, soft=r * 0.12,
               gradient=0)  # fmt: skip
        t = np.linspace(0, TAU, 40)
        ring = np.stack([x + r * np.cos(t), y + r * np.sin(t)], 1)
        s.line(ring, rim, max(r * 0.1, 0.008), closed=True)
        for start, length, wide in ((3.6, 1.0, 0.1), (0.6, 0.6, 0.05)):
            a = np.linspace(start, start + length, 12)
            glint = np.stack([x + 0.74 * r * np.cos(a), y + 0.74 * r * np.sin(a)], 1)
            s.line(glint, LIGHT, r * wide, alpha=0.9)
    companions(s)
