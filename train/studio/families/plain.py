"""Families that are one plain thing: bands of each direction, layers, rods, a whorl, a whirl."""

import numpy as np

from train.studio.colour import FloatArray
from train.studio.families.layout import focus
from train.studio.families.registry import family
from train.studio.noise import Noise, above, grid, slope
from train.studio.palette import ACCENT, GROUND
from train.studio.shapes import TAU, box, span, turned
from train.studio.surface import Scene

LEAST = 34.0  # how far the colours of neighbours are apart, in Lab


def ladder(s: Scene, n: int, least: float = LEAST) -> list[int]:
    """N colours in a row, each apart from the one before, the first from the ground."""
    tones = [s.apart(GROUND, least)]
    while len(tones) < n:
        tones.append(s.apart(tones[-1], least))
    return tones


def figures(s: Scene, n: int, least: float = LEAST) -> list[int]:
    """N colours, each apart from the ground on which it is to stand."""
    return [s.apart(GROUND, least) for _ in range(n)]


def _shares(s: Scene, n: int) -> list[tuple[float, float]]:
    """N intervals from 0 to 1: equal when ordered, uneven when not, none of them thin."""
    even = 1.5 + 30 * max(s.values["order"] + 0.5, 0) ** 2
    shares = 0.35 / n + 0.65 * s.rng.dirichlet(np.full(n, even))
    ends = np.concatenate([[0], np.cumsum(shares)])
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


@family(contour=(-1, -0.4), direction=(-1, -0.5), energy=(-0.9, 0.3), depth=(-1, 0.1),
        order=(-0.2, 1), weight=(-0.3, 1), texture=(-1, 0.8))  # fmt: skip
def bars(s: Scene) -> None:
    """Broad bands of two to four colours from edge to edge: level, upright or on the slant."""
    rng = s.rng
    s.ground()
    way = str(rng.choice(["horizontal", "vertical", "diagonal", "diagonal"]))
    s.traits |= {"striped", "linear", "banded", way, "shows:striped", f"shows:{way}"}
    angle = {"horizontal": 0.0, "vertical": np.pi / 2}.get(
        way, float(rng.choice([1, -1]) * rng.uniform(0.6, 0.95))
    )
    n = min(s.count(4, 14), 15)
    tones = ladder(s, int(rng.integers(2, 5)))
    for i, (low, high) in enumerate(_shares(s, n)):
        wide = 1.45 if way == "diagonal" else 1.04  # the slant's own reach
        band = span(-1, wide * (low - 0.5), 1, wide * (high - 0.5) + 0.002)
        s.fill(turned(band, angle, 0.5, 0.5), tones[i % len(tones)], angle=angle, gradient=0.15,
               shade=rng.uniform(-0.25, 0.25), steady=True)  # fmt: skip


@family(contour=(-1, -0.3), direction=(-1, -0.5), energy=(-1, 0), depth=(-1, 0.2),
        order=(-0.4, 1), weight=(0, 1), density=(-0.8, 0.6))  # fmt: skip
def slabs(s: Scene) -> None:
    """Slabs lying on one another like a stack of stones or books, the widest at the foot."""
    rng = s.rng
    s.ground()
    s.traits |= {"stacked", "horizontal", "blocky", "upright", "shows:horizontal"}
    n = s.count(3, 9)
    tones = figures(s, int(rng.integers(2, 5)), 38)
    top = rng.uniform(0.04, 0.14)
    shift = 0.05 * (1 - s.values["order"])
    gap = rng.uniform(0.006, 0.022)
    round_ = rng.random() < 0.3
    narrowing = rng.random() < 0.5
    for i, (low, high) in enumerate(_shares(s, n)):
        y0, y1 = top + (1.0 - top) * low, top + (1.0 - top) * high - gap
        wide = rng.uniform(0.62, 0.92) if not narrowing else 0.5 + 0.42 * high
        middle = 0.5 + rng.normal(0, shift)
        slab = span(middle - wide / 2, y0, middle + wide / 2, y1)
        if round_:  # worn at the corners, not at the faces it lies on
            t = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 60))
            side = (1 - np.abs(t) ** 6) ** 0.3
            upper = np.stack([middle + wide / 2 * t, (y0 + y1) / 2 - (y1 - y0) / 2 * side], 1)
            slab = np.vstack([upper, (0, y0 + y1) + upper[::-1] * (1, -1)])
        s.fill(slab, tones[i % len(tones)], angle=0.0, gradient=0.3, shade=rng.uniform(-0.2, 0.3))


@family(contour=(-0.3, 0.4), direction=(-1, -0.4), energy=(-1, 0.1), depth=(0.3, 1),
        order=(-0.4, 0.6), density=(-0.8, 0.7), texture=(-1, 0.8))  # fmt: skip
def strata(s: Scene) -> None:
    """Layers of a land, one lying over the next, their edges level but uneven."""
    rng = s.rng
    s.ground(shade=0.3)
    s.traits |= {"layered", "horizontal", "upright", "shows:layered", "shows:horizontal"}
    n = s.count(4, 9)
    tones = ladder(s, n, 28)
    t = np.linspace(-0.05, 1.05, 90)
    rise = s.mix("contour", 0.01, 0.035)
    top = rng.uniform(0.0, 0.2)
    for i, (low, _) in enumerate(_shares(s, n)):
        y = top + (1 - top) * low
        edge = y + rise * sum(
            np.sin(TAU * rng.uniform(0.6, 1.4) * 2**k * t + rng.uniform(0, TAU)) / 2**k
            for k in range(3)
        )
        layer = np.vstack([np.stack([t, edge], 1), [[1.1, 1.2], [-0.1, 1.2]]])
        s.fill(layer - (0, 0.012), 1, shade=-0.8, alpha=0.3, soft=0.008, gradient=0, steady=True)
        s.fill(layer, tones[i], angle=0.0, gradient=0.25, steady=True)


@family(contour=(-1, -0.3), direction=(-1, -0.5), energy=(-0.8, 0.3), depth=(-1, 0.3),
        order=(-0.6, 0.8), weight=(-0.2, 1), density=(-0.8, 0.8))  # fmt: skip
def columns(s: Scene) -> None:
    """Upright posts of unlike height that stand or hang side by side, ground between them."""
    rng = s.rng
    s.ground()
    s.traits |= {"vertical", "linear", "upright", "shows:vertical"}
    n = s.count(3, 10)
    tones = figures(s, int(rng.integers(1, 4)), 40)
    kind = int(rng.integers(3))  # standing, hanging, floating
    for i, (low, high) in enumerate(_shares(s, n)):
        wide = (high - low) * s.mix("weight", 0.45, 0.8)
        tall = rng.uniform(0.5, 0.95)
        y0 = {0: 1.05 - tall, 1: -0.05}.get(kind, rng.uniform(0.02, 0.98 - tall))
        y1 = y0 + tall + 0.05 * (kind < 2)
        x = (low + high) / 2
        tone = ACCENT if n > 4 and rng.random() < 0.08 else tones[i % len(tones)]
        s.fill(span(x - wide / 2, y0, x + wide / 2, y1), tone, angle=np.pi / 2, gradient=0.2)


@family(contour=(-1, -0.3), direction=(-1, -0.4), energy=(0, 1), depth=(-0.6, 0.6),
        order=(-0.5, 0.5), weight=(-0.2, 1), density=(-0.9, 0.6))  # fmt: skip
def beams(s: Scene) -> None:
    """A few heavy beams, all on one slant, from corner to corner or cut short."""
    rng = s.rng
    s.ground()
    s.traits |= {"diagonal", "tilted", "linear", "shows:diagonal"}
    angle = float(rng.choice([1, -1]) * rng.uniform(0.6, 0.95))
    n = s.count(2, 9)
    tones = figures(s, int(rng.integers(2, 4)), 38)
    for i, (low, high) in enumerate(_shares(s, n)):
        wide = 1.2 * (high - low) * s.mix("weight", 0.35, 0.7)
        long = 2.4 if rng.random() < 0.55 else rng.uniform(0.5, 0.9)
        at = rng.normal(0, 0.2) if long < 1 else 0.0
        beam = box(at, 1.2 * ((low + high) / 2 - 0.5), long, wide)
        s.fill(turned(beam, angle, 0.5, 0.5), tones[i % len(tones)], angle=angle, gradient=0.3)


@family(contour=(-1, -0.4), direction=(-1, -0.4), energy=(-0.3, 1), depth=(-0.8, 0.4),
        order=(-1, 0.4), weight=(-0.6, 0.3), density=(-0.6, 0.9))  # fmt: skip
def rods(s: Scene) -> None:
    """Straight bold lines from edge to edge that cross at all angles, or at two."""
    rng = s.rng
    s.ground()
    s.traits |= {"linear", "shows:linear"}
    tones = figures(s, 3, 44)
    two = rng.uniform(0, np.pi) + np.array([0, rng.uniform(0.7, 1.4)])
    few = rng.random() < 0.4
    for i in range(s.count(5, 13)):
        way = float(two[i % 2] + rng.normal(0, 0.05)) if few else float(rng.uniform(0, np.pi))
        wide = s.mix("weight", 0.02, 0.042) * rng.uniform(0.7, 1.5)
        rod = box(0, rng.uniform(-0.5, 0.5), 2.6, wide)
        s.fill(turned(rod, way, 0.5, 0.5), tones[int(rng.choice(3, p=(0.6, 0.2, 0.2)))],
               angle=way, gradient=0, steady=True)  # fmt: skip


def _polar(s: Scene, at: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Distance from a point, and the angle about it in turns."""
    x, y = grid(s.size)
    far = np.hypot(x - at[0], y - at[1])
    turn = np.arctan2(y - at[1], x - at[0]) / TAU
    return np.asarray(far, np.float32), np.asarray(turn, np.float32)


def _stripes(field: FloatArray, phases: int, k: int) -> FloatArray:
    """Coverage of the k-th of `phases` equal stripes in each unit of a field that wraps by one."""
    wave = np.asarray((field * phases - k) % phases, np.float32)
    # the distance to the stripe's middle, the same on both sides of the wrap
    gap = np.abs((wave - 0.5 + phases / 2) % phases - phases / 2)
    d = [np.abs((np.diff(field, axis=a, append=np.take(field, [-1], a)) + 0.5) % 1 - 0.5)
         for a in (0, 1)]  # fmt: skip
    steep = np.maximum(np.hypot(*d) * phases, 1e-4)
    return np.asarray(np.clip((0.5 - gap) / steep + 0.5, 0, 1), np.float32)


@family(contour=(0.4, 1), direction=(0.6, 1), order=(0, 1), energy=(-0.4, 1), depth=(-1, 0.3),
        density=(-0.8, 0.6), weight=(0, 1), texture=(-1, 0.7))  # fmt: skip
def whorl(s: Scene) -> None:
    """One bold spiral of two colours that fills the sheet, evenly wound or opening like a shell."""
    rng = s.rng
    s.ground()
    s.traits |= {"spiral", "coiled", "curved", "shows:spiral"}
    at = (0.5, 0.5) if s.values["order"] > 0.5 else focus(s)
    far, turn = _polar(s, at)
    way = int(rng.choice([-1, 1]))
    turns = s.mix("density", 2.5, 5.5)
    if rng.random() < 0.6:
        field = turns * 1.5 * far + way * turn
    else:  # each winding wider than the last
        field = s.mix("density", 1.1, 1.9) * np.log(far + 0.012) + way * turn
    tones = ladder(s, 2, 44)
    cover = _stripes(np.asarray(field, np.float32), 2, 0)
    s.bands([(np.ones_like(far), tones[0], 0.1), (cover, tones[1], 0.0)])


@family(contour=(0.5, 1), direction=(0.6, 1), order=(-0.5, 0.8), energy=(0.2, 1), depth=(-1, 0.5),
        density=(-0.7, 0.7), weight=(-0.2, 1), texture=(-1, 0.7))  # fmt: skip
def whirl(s: Scene) -> None:
    """A current that turns about one eye: streams of three colours drawn in towards it."""
    rng = s.rng
    s.ground()
    s.traits |= {"swirling", "flowing", "fluid", "curved", "shows:swirling"}
    far, turn = _polar(s, focus(s))
    x, y = grid(s.size)
    noise = Noise(rng).layer(2, 0.4)
    arms = int(rng.integers(2, 6))
    way = int(rng.choice([-1, 1]))
    wound = s.mix("energy", 0.5, 1.1) * way
    drift = s.mix("order", 0.03, 0.008) * noise.at(x, y, 1.6)
    field = arms * (turn + wound * np.exp(-1.8 * far) + drift)
    tones = ladder(s, 3, 30)
    widths = int(rng.integers(2, 4))
    levels = [(np.ones_like(far), tones[0], 0.0)]
    levels += [(_stripes(np.asarray(field, np.float32), widths, k), tones[k], 0.1 * k)
               for k in range(1, widths)]  # fmt: skip
    s.bands(levels)
    eye = above(-far, -rng.uniform(0.025, 0.06), slope(far))
    s.bands([(eye, ACCENT, 0.0)])
