"""Families that are one plain thing: discs, jags, veils, strewn and mirrored shapes, solids."""

import numpy as np

from train.studio.families.layout import focus
from train.studio.families.plain import figures, ladder
from train.studio.families.registry import family
from train.studio.noise import Noise, above, grid, slope
from train.studio.palette import ACCENT, GROUND
from train.studio.shapes import TAU, Points, blob, box, ellipse, regular, turned, wedge
from train.studio.surface import Scene


def _apart(s: Scene, n: int, low: float, high: float, gap: float = 1.1) -> list[list[float]]:
    """N circles (x, y, r) that do not touch, the largest first; fewer where there is no room."""
    rng = s.rng
    found: list[list[float]] = []
    for r in np.linspace(high, low, n) * rng.uniform(0.85, 1.1, n):
        for _ in range(40):
            x, y = rng.uniform(0.02 + 0.7 * r, 0.98 - 0.7 * r, 2)
            if all(np.hypot(x - a, y - b) > gap * (r + c) for a, b, c in found):
                found.append([float(x), float(y), float(r)])
                break
    return found


@family(contour=(0.5, 1), direction=(0.5, 1), order=(-0.6, 0.9), density=(-1, 0.6),
        energy=(-0.9, 0.4), depth=(-1, 0.7), weight=(-0.2, 1), texture=(-1, 0.8))  # fmt: skip
def discs(s: Scene) -> None:
    """Large plain discs: one, a few apart, a few across one another, or four in a square."""
    rng = s.rng
    s.ground()
    s.traits |= {"circular", "round", "curved", "shows:circular"}
    n = s.count(1, 9)
    tones = figures(s, 3, 40)
    if s.values["order"] > 0.5 and n > 2:
        m = 2 if n < 6 else 3
        spots = [[(i + 0.5) / m, (j + 0.5) / m, 0.44 / m] for i in range(m) for j in range(m)]
        s.traits.add("regular")
    elif n == 1:
        r = rng.uniform(0.28, 0.42)
        spots = [[*(0.5 + rng.normal(0, 0.08, 2)), r]]
    elif s.values["depth"] > 0.3:
        s.traits |= {"overlapping", "translucent"}
        spots = [[*rng.uniform(0.22, 0.78, 2), rng.uniform(0.14, 0.3)] for _ in range(n)]
    else:
        spots = _apart(s, n, 0.07, 0.34 if n < 5 else 0.24)
    clear = "translucent" in s.traits
    for i, (x, y, r) in enumerate(spots):
        tone = ACCENT if i == len(spots) - 1 and len(spots) > 3 else tones[i % 3]
        tone = tone if tone != GROUND else tones[0]
        s.disc(x, y, r, tone, gradient=0.25, alpha=0.72 if clear else 1.0, steady=True)


@family(contour=(-1, -0.5), order=(-1, 0.1), density=(-0.6, 0.8), direction=(-0.4, 0.3),
        energy=(0.2, 1), depth=(-1, 0.4), weight=(-0.2, 1))  # fmt: skip
def jags(s: Scene) -> None:
    """Great jagged edges: bolts, torn peaks and saw teeth, no two teeth alike."""
    rng = s.rng
    s.ground()
    s.traits |= {"jagged", "sharp", "angular", "shows:jagged", "shows:angular"}
    tones = ladder(s, 3, 38)
    kind = int(rng.integers(3))
    turn = float(rng.choice([0, np.pi / 2, np.pi, -np.pi / 2])) + rng.normal(0, 0.15)
    if kind < 2:  # edges with teeth, one before another, from one side or from two
        rows = int(rng.integers(2, 4))
        for row in range(rows):
            teeth = s.count(4, 8)
            x = np.linspace(-0.85, 0.85, 2 * teeth + 1) + rng.normal(0, 0.22 / teeth, 2 * teeth + 1)
            high = rng.uniform(0.16, 0.46, 2 * teeth + 1) * (np.arange(2 * teeth + 1) % 2)
            base = -0.42 + 0.34 * row if kind == 0 else 0.12
            edge = np.stack([np.sort(x), base + 0.1 - high], 1)
            mass = np.vstack([edge, [[1, 1.4], [-1, 1.4]]])
            way = turn if kind == 0 else turn + np.pi * (row % 2)
            s.fill(turned(mass, way, 0.5, 0.5), tones[row], gradient=0.25, steady=True, angle=way)
        return
    for k in range(s.count(1, 4)):  # bolts
        bends = int(rng.integers(3, 6))
        u = np.linspace(-0.62, 0.62, bends + 1)
        v = (np.arange(bends + 1) % 2 - 0.5) * rng.uniform(0.24, 0.5, bends + 1)
        wide = s.mix("weight", 0.12, 0.2) * np.linspace(1.3, 0.1, bends + 1)
        one, other = np.stack([u, v - wide], 1), np.stack([u, v + wide], 1)
        at = (0.5, 0.5) if k == 0 else tuple(rng.uniform(0.2, 0.8, 2))
        bolt = np.vstack([one, other[::-1]]) * (1 if k == 0 else 0.7)
        s.fill(turned(bolt, turn + rng.normal(0, 0.3), *at), tones[k % 3], gradient=0.2,
               steady=True)  # fmt: skip


@family(contour=(-0.8, 0.8), direction=(-0.3, 0.5), order=(-0.5, 0.8), density=(-0.7, 0.6),
        energy=(-1, 0.3), depth=(0.4, 1), weight=(-0.6, 0.6), texture=(-1, 0.6))  # fmt: skip
def veils(s: Scene) -> None:
    """Large clear sheets laid over one another: where two cover, a third colour shows."""
    rng = s.rng
    s.ground(shade=0.2)
    s.traits |= {"layered", "overlapping", "translucent", "shows:layered", "shows:translucent"}
    n = s.count(3, 7)
    tones = ladder(s, 3, 40)
    round_ = s.values["contour"] > 0
    turn = rng.uniform(0, np.pi)
    for k in range(n):
        a = TAU * k / n + turn
        at = 0.5 + (0.1 + 0.025 * n) * np.array([np.cos(a), np.sin(a)])
        x, y = at + rng.normal(0, 0.06, 2)
        r = rng.uniform(0.25, 0.34)
        lean = 0.0 if s.values["order"] > 0.2 else rng.normal(0, 0.4)
        sheet = (ellipse(x, y, r, r * rng.choice([1, 1, 0.75]), lean) if round_ else
                 box(x, y, r * rng.uniform(1.4, 2.1), r * rng.uniform(1.4, 2.1), lean))  # fmt: skip
        s.fill(sheet, tones[k % 3], alpha=0.55, gradient=0.1, steady=True)


@family(contour=(-1, 1), direction=(-0.3, 0.3), order=(-1, -0.4), density=(-0.7, 0.8),
        energy=(-0.4, 1), depth=(-1, 0.1), weight=(-0.5, 0.6))  # fmt: skip
def strewn(s: Scene) -> None:
    """One kind of figure thrown over the sheet, each its own way up, none touching another."""
    rng = s.rng
    s.ground()
    s.traits |= {"scattered", "shows:scattered"}
    n = s.count(10, 60)
    big = s.mix("weight", 0.45, 0.75) * float(np.interp(n, [10, 60], [0.15, 0.07]))
    tones = figures(s, 3, 40)
    round_ = s.values["contour"] > 0.1
    kind = int(rng.integers(3))
    for i, (x, y, r) in enumerate(_apart(s, n, 0.55 * big, 1.3 * big, 1.35)):
        turn = rng.uniform(0, TAU)
        if round_:
            piece = [ellipse(x, y, r, r), ellipse(x, y, r * 1.2, r * 0.6, turn),
                     blob(rng, x, y, r * 1.15, 0.3)][kind]  # fmt: skip
        else:
            piece = [box(x, y, r * 1.7, r * 1.7, turn), regular(x, y, r * 1.2, 3, turn),
                     box(x, y, r * 2.4, r * 0.7, turn)][kind]  # fmt: skip
        s.fill(piece, tones[i % 3], gradient=0.1, steady=True)


@family(contour=(-1, 1), direction=(-0.3, 0.3), order=(0.5, 1), density=(-0.7, 0.7),
        energy=(-1, 0.3), depth=(-1, 0.2), weight=(0, 1), texture=(-1, 0.6))  # fmt: skip
def mirrored(s: Scene) -> None:
    """Large shapes, and the same again on the other side of an upright axis."""
    rng = s.rng
    s.ground()
    s.traits |= {"symmetrical", "balanced", "upright", "shows:symmetrical"}
    n = s.count(4, 10)
    tones = figures(s, 3, 38)
    round_ = s.values["contour"] > 0

    def figure(x: float, y: float, r: float) -> Points:
        if round_:
            return blob(rng, x, y, r, 0.28) if rng.random() < 0.6 else ellipse(x, y, r, 0.7 * r)
        a = np.sort(rng.uniform(0, TAU, int(rng.integers(3, 6))))
        far: Points = r * rng.uniform(0.8, 1.5, len(a))
        return np.stack([x + far * np.cos(a), y + far * np.sin(a)], axis=1)

    for k in range(n):
        r = (0.26 - 0.2 * k / n) * rng.uniform(0.85, 1.15)
        piece = figure(0.5 + rng.uniform(0.02, 0.4), rng.uniform(0.1, 0.9), r)
        shade, angle = rng.uniform(-0.3, 0.3), rng.uniform(0, np.pi)
        for copy in (piece, (1, 0) + piece * (-1, 1)):
            s.fill(copy, tones[k % 3], shade=shade, angle=angle, gradient=0, steady=True)
    spine = np.array([[0, -0.44], [0.1, 0], [0, 0.44], [-0.1, 0]]) * rng.uniform(0.5, 1)
    s.fill(spine + 0.5, tones[n % 3], gradient=0, steady=True)


@family(contour=(-1, -0.3), direction=(-0.5, 0.4), order=(-0.4, 0.9), density=(-1, 0.4),
        energy=(-1, 0.4), depth=(-1, 0.3), weight=(0, 1), texture=(-1, 0.6))  # fmt: skip
def solids(s: Scene) -> None:
    """A few great figures of the ruler: triangles, squares, a half disc, a hexagon."""
    rng = s.rng
    s.ground()
    s.traits |= {"geometric", "angular", "shows:geometric"}
    tones = figures(s, 3, 40)
    n = s.count(2, 7)
    straight = s.values["order"] > 0.1
    if straight and n > 3:
        spots = [[(i + 0.5) / 2, (j + 0.5) / 2, 0.2] for i in range(2) for j in range(2)]
    else:
        spots = _apart(s, n, 0.1, 0.34 if n < 4 else 0.24, 0.95)
    kinds = rng.permutation(5)
    for i, (x, y, r) in enumerate(spots):
        kind = int(kinds[i % 5])
        turn = float(rng.choice([0, np.pi / 2, np.pi])) if straight else rng.uniform(0, TAU)
        piece = [
            regular(x, y, r * 1.15, 3, turn - TAU / 4),
            box(x, y, r * 1.7, r * 1.7, turn),
            wedge(x, y, 0, r * 1.1, turn, np.pi),
            regular(x, y, r, 6, turn),
            np.array([[-1, -1], [1, 1], [-1, 1]]) @ np.array([[r, 0], [0, r]]) + (x, y),
        ][kind]
        s.fill(piece, tones[i % 3], gradient=0.2, steady=True)


@family(contour=(0.5, 1), direction=(-0.2, 0.5), order=(-0.8, 0.2), density=(-0.7, 0.7),
        energy=(-0.9, 0.4), depth=(-1, 0.5), weight=(0, 1), texture=(-1, 0.8))  # fmt: skip
def amoebas(s: Scene) -> None:
    """Soft living masses that flow into one another, each with a paler body inside."""
    rng = s.rng
    s.ground()
    s.traits |= {"organic", "curved", "fluid", "shows:organic"}
    x, y = grid(s.size)
    noise = Noise(rng).layer(2, 0.35)
    cycles = s.mix("density", 1.0, 1.7)
    field = noise.at(x, y, cycles) + 0.5 * np.exp(
        -(np.hypot(x - 0.5, y - 0.5).astype(np.float32) ** 2) / 0.12
    ).astype(np.float32)
    field = np.asarray(field, np.float32)
    tones = ladder(s, 3, 38)
    low = float(np.quantile(field, s.mix("weight", 0.62, 0.45)))
    high = float(np.quantile(field, 0.96))
    steep = slope(field)
    levels = [(above(field, low, steep), tones[0], 0.0)]
    if rng.random() < 0.7:
        levels.append((above(field, low + 0.4 * (high - low), steep), tones[1], 0.0))
    levels.append((above(field, low + 0.8 * (high - low), steep), ACCENT, 0.0))
    s.bands(levels)


@family(contour=(-0.8, 0.4), direction=(0.4, 1), order=(0, 1), energy=(-0.6, 0.6),
        density=(-0.7, 0.8), depth=(-1, 0.2), weight=(-0.2, 0.8))  # fmt: skip
def spokes(s: Scene) -> None:
    """A wheel: bars or wedges that stand about one point like spokes."""
    rng = s.rng
    s.ground()
    s.traits |= {"radial", "shows:radial"}
    x, y = (0.5, 0.5) if s.values["order"] > 0.4 else focus(s)
    n = s.count(7, 20)
    near, far = rng.uniform(0.06, 0.16), rng.uniform(0.42, 0.75)
    wide = (far + near) / 2 * np.sin(np.pi / n) * s.mix("weight", 0.7, 1.3)
    tones = figures(s, 2, 44)
    bars, start = rng.random() < 0.5, rng.uniform(0, TAU)
    for k in range(n):
        a = start + TAU * k / n
        middle = (near + far) / 2
        half = np.array([[near, -0.35 * wide], [far, -wide], [far, wide], [near, 0.35 * wide]])
        spoke = box(middle, 0, far - near, wide) if bars else half * (1, 0.8)
        spoke = turned(spoke, a, x, y)
        s.fill(spoke, tones[k % 2 if n % 2 == 0 and n > 9 else 0], angle=a, gradient=0.1,
               steady=True)  # fmt: skip
    s.disc(x, y, near * 0.75, ACCENT if rng.random() < 0.5 else tones[0], gradient=0.2)


@family(texture=(0.4, 1), energy=(0.2, 1), order=(-1, -0.2), contour=(0.1, 0.9),
        direction=(-0.2, 0.4), density=(-0.7, 0.8), depth=(-1, 0.2))  # fmt: skip
def spray(s: Scene) -> None:
    """Drops flicked across the sheet in one or two throws, large where they struck first."""
    rng = s.rng
    s.ground()
    s.traits |= {"splattered", "messy", "rough", "shows:splattered"}
    tones = figures(s, 2, 44)
    for throw in range(int(rng.integers(1, 3))):
        way, (x, y) = rng.uniform(0, TAU), rng.uniform(0.2, 0.8, 2)
        d = np.array([np.cos(way), np.sin(way)])
        drops = []
        for _ in range(s.count(50, 150)):
            along = abs(rng.normal(0, 0.42)) * rng.choice([1, 1, -0.4])
            aside = rng.normal(0, 0.07 + 0.32 * abs(along))
            r = (0.006 + 0.04 * rng.random() ** 4) * s.mix("weight", 0.9, 1.5)
            r *= 1.5 if abs(along) < 0.12 else 1.0
            px, py = (x, y) + along * d + aside * np.array([-d[1], d[0]])
            long = rng.choice([1.0, 1.0, 1.8])
            drops.append(ellipse(px, py, r * long, r, np.arctan2(py - y, px - x), 16))
        drops.append(blob(rng, x, y, rng.uniform(0.06, 0.12), 0.35))
        s.many(drops, tones[throw])
