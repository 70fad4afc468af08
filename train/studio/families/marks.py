"""Families of the hand: splatter, calligraphy, tangles, dabs."""

import numpy as np

from train.studio.families.layout import divide, focus, glaze, places
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, blob, ellipse, resample, turned, wobble
from train.studio.surface import Scene


def _gesture(s: Scene, x: float, y: float, reach: float) -> np.ndarray:
    """The path of one sweep of the arm: an arc, a wave, a loop, a slash, or corners."""
    rng = s.rng
    turn, lift = rng.uniform(0, TAU), rng.uniform(0.5, 1.0)
    t = np.linspace(0, 1, 56)
    if s.values["contour"] < -0.2:
        knots = int(rng.integers(2, 5))
        points = np.stack([np.linspace(-1, 1, knots), rng.uniform(-0.6, 0.6, knots)], axis=1)
        line = resample(points, 56)
    else:
        kind = int(rng.integers(4))
        line = np.stack([
            [np.cos(4.2 * t) , -lift * np.sin(4.2 * t)],  # an arc
            [2 * t - 1, lift * 0.6 * np.sin(TAU * t)],  # a wave
            [1.6 * t - 0.8 - 0.5 * np.sin(TAU * t * 1.2), lift * np.cos(TAU * t * 1.1)],  # a loop
            [2 * t - 1, 0.5 * lift * (t - 0.4) ** 2],  # a slash
        ][kind], axis=1)  # fmt: skip
    sway = (
        0.07
        * np.stack([wobble(rng, 56, 3), wobble(rng, 56, 3)], 1)
        * t[:, None]
        * (1 - t[:, None])
        * 4
    )
    return turned((line + sway) * reach, turn, x, y)


def _wander(s: Scene, x: float, y: float, length: float, curl: float) -> np.ndarray:
    """A line that goes its own way: its heading drifts, with a taste for one side."""
    rng = s.rng
    n = 44
    heading = rng.uniform(0, TAU) + np.cumsum(rng.normal(rng.normal(0, 0.5), 1, n) * curl)
    if s.values["contour"] < -0.2:
        heading = np.repeat(heading[::11], 11)[:n]
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * length / n
    return np.asarray(np.array([x, y]) + np.cumsum(steps, axis=0))


def _splash(s: Scene, x: float, y: float, r: float, tone: int) -> None:
    """A blot where paint struck: arms that end in drops, and drops that flew further."""
    rng = s.rng
    arms = int(rng.integers(7, 14))
    t = TAU * np.arange(240) / 240
    far = np.full(240, 0.62) + 0.06 * wobble(rng, 240, 5)
    drops = []
    for k in range(arms):
        a = TAU * k / arms + rng.normal(0, 0.2)
        long, slim = rng.uniform(0.2, 1.0), rng.uniform(0.07, 0.14)
        off = np.abs((t - a + np.pi) % TAU - np.pi)
        far = (
            far + long * np.exp(-((off / slim) ** 1.4)) + 0.25 * np.exp(-((off / (3 * slim)) ** 2))
        )
        for reach in (0.75 + long, 1.25 + long * rng.uniform(0.8, 1.6)):
            size = r * rng.uniform(0.07, 0.17)
            drops.append(ellipse(x + r * reach * np.cos(a), y + r * reach * np.sin(a), size * 1.3,
                                 size, a, 16))  # fmt: skip
    body = np.stack([x + r * far * np.cos(t), y + r * far * np.sin(t)], 1)
    s.fill(body, tone, gradient=0.15, steady=True)
    s.many(drops, tone)


@family(texture=(0.5, 1), energy=(0.3, 1), order=(-1, -0.2), contour=(0.1, 1),
        direction=(-0.2, 0.5), depth=(-0.3, 0.3))  # fmt: skip
def splatter(s: Scene) -> None:
    """Flung paint: blots with arms, and drops about them."""
    rng = s.rng
    s.ground()
    glaze(s, 3)
    s.traits |= {"splattered", "messy", "explosive", "rough", "splashed", "shows:splattered"}
    fx, fy = focus(s)
    tones = [s.apart(GROUND, 34), s.apart(GROUND, 34), s.apart(GROUND)]
    for k in range(s.count(2, 9)):
        x, y = np.array([fx, fy]) if k == 0 else rng.uniform(0.08, 0.92, 2)
        r = (rng.uniform(0.13, 0.2) if k == 0 else rng.uniform(0.04, 0.12)) * s.mix(
            "weight", 0.75, 1.25
        )
        _splash(s, x, y, r, tones[int(rng.integers(3))])
    for _ in range(s.count(3, 9)):
        x, y = rng.uniform(0.1, 0.9, 2)
        s.splatter(x, y, rng.uniform(0.15, 0.4), s.count(10, 26), tones[int(rng.integers(3))],
                   s.mix("weight", 0.02, 0.04))  # fmt: skip
    for _ in range(int(rng.integers(0, 3))):  # a thread or two, thrown from the wrist
        x, y = rng.uniform(0.1, 0.9, 2)
        line = _wander(s, x, y, rng.uniform(0.4, 0.8), 0.16)
        s.stroke(line, tones[0], s.mix("weight", 0.012, 0.024), taper=0.8, uneven=0.45)


@family(texture=(0.2, 1), density=(-1, 0.2), energy=(-0.2, 1), contour=(-0.5, 1),
        weight=(-0.2, 1), direction=(-0.2, 0.4), order=(-0.45, 0.2), depth=(-0.4, 0.3))  # fmt: skip
def gesture(s: Scene) -> None:
    """A few sweeps of a wide dry brush, like writing that cannot be read."""
    rng = s.rng
    s.ground(GROUND, shade=0.2)
    divide(s)
    glaze(s, 3)
    s.traits |= {"gestural", "rough", "calligraphic"}
    s.traits |= {"fluid"} if s.values["contour"] > 0.3 else set()
    fx, fy = focus(s)
    for _ in range(s.count(1, 3)):  # thin colour under the writing
        x, y = rng.uniform(0.15, 0.85, 2)
        line = _gesture(s, x, y, rng.uniform(0.12, 0.3))
        s.stroke(line, s.pick(0.1), rng.uniform(0.06, 0.17), alpha=0.9, taper=0.25, bristles=16,
                 dry=0.5)  # fmt: skip
    n = s.count(1, 6)
    for i in range(n):
        x, y = (fx, fy) if i == 0 else rng.uniform(0.2, 0.8, 2)
        line = _gesture(s, x, y, 0.4 if i == 0 else rng.uniform(0.12, 0.3))
        width = s.mix("weight", 0.035, 0.12) * (1.1 if i == 0 else rng.uniform(0.4, 0.9))
        tone = s.against(GROUND) if i == 0 or rng.random() < 0.6 else s.apart(GROUND, 30)
        s.stroke(line, tone, width, taper=0.9, uneven=0.3)  # swelling and thinning, as from a pen
    if s.values["energy"] > 0.35:
        s.splatter(fx, fy, 0.4, 22, s.against(GROUND), 0.008)
    x, y = rng.uniform(0.2, 0.8, 2)
    s.fill(blob(rng, x, y, 0.035, 0.2), ACCENT)


@family(energy=(0.3, 1), order=(-1, -0.1), density=(0.2, 1), contour=(-0.3, 1),
        texture=(0.1, 1), depth=(0, 1), direction=(-0.3, 0.3))  # fmt: skip
def improvisation(s: Scene) -> None:
    """Patches of colour that run into each other under a tangle of dark lines."""
    rng = s.rng
    s.ground()
    s.traits |= {"overlapping", "messy", "turbulent", "jumbled"}
    n = s.count(26, 60)
    for i in range(n):
        x, y = rng.uniform(-0.05, 1.05, 2)
        r = 0.05 + 0.19 * (1 - i / n) ** 1.5
        s.fill(blob(rng, x, y, r, 0.42), s.pick(0.14), alpha=rng.uniform(0.65, 1),
               soft=rng.choice([0.001, 0.003, 0.012]), gradient=1.0)  # fmt: skip
    for _ in range(s.count(8, 26)):
        x, y = rng.uniform(0, 1, 2)
        line = _gesture(s, x, y, rng.uniform(0.05, 0.14))
        s.stroke(line, s.pick(0.25), rng.uniform(0.015, 0.06), taper=0.5, bristles=6, dry=0.3)
    width = s.mix("weight", 0.004, 0.013)
    for _ in range(s.count(9, 34)):
        x, y = rng.uniform(0.05, 0.95, 2)
        line = _wander(s, x, y, rng.uniform(0.15, 0.8), 0.16)
        tone = INK if rng.random() < 0.85 else LIGHT
        s.stroke(line, tone, width * rng.uniform(0.5, 1.9), taper=0.85, uneven=0.3)
    for _ in range(int(rng.integers(0, 4))):  # combs of parallel ticks
        x, y = rng.uniform(0.1, 0.9, 2)
        for k in range(4):
            d = np.array([k * 0.02, k * 0.006])
            s.stroke(np.array([[x, y], [x + 0.02, y - 0.05], [x + 0.05, y - 0.1]]) + d, INK, 0.007)


@family(texture=(0.1, 1), direction=(-0.9, 0), order=(-0.9, 0.9), contour=(-0.6, 0.6),
        density=(0.1, 1), depth=(-0.4, 0.3))  # fmt: skip
def dabs(s: Scene) -> None:
    """Short strokes of a loaded flat brush, laid side by side like tiles."""
    rng = s.rng
    s.ground()
    s.traits |= {"gestural", "textured", "dabbed"}
    n = s.count(110, 260)
    points = places(s, n, -0.03) if s.values["order"] > 0.45 else rng.uniform(-0.03, 1.03, (n, 2))
    base = rng.choice([0, np.pi / 2, 0.8, -0.8])
    fx, fy = focus(s)
    length = 1.25 / n**0.5
    side = rng.normal(0, 1, (2, 2))
    tones = list(rng.permutation(s.palette.main))
    for x, y in points:
        far = np.hypot(x - fx, y - fy)
        angle = (
            base
            + rng.normal(0, s.mix("order", 0.7, 0.06))
            + 0.4 * s.values["energy"] * np.sin(6 * far)
        )
        d = np.array([np.cos(angle), np.sin(angle)]) * length * rng.uniform(0.6, 1.2)
        zone = np.sin((x * side[0, 0] + y * side[0, 1]) * 3) + np.sin(
            (x * side[1, 0] + y * side[1, 1]) * 5
        )
        tone = int(tones[int((zone + 2 + rng.normal(0, 0.35)) * 1.1) % len(tones)])
        tone = ACCENT if far < 0.1 or rng.random() < 0.03 else tone
        bow = np.array([-d[1], d[0]]) * s.values["contour"] * 0.4
        at = np.array([x, y])
        line = np.array([at - d, at - d / 3 + bow, at + d / 3 + bow, at + d])
        width = length * s.mix("weight", 0.55, 1.2)
        s.stroke(line, tone, width, shade=rng.uniform(-0.7, 0.7), taper=0.2,
                 bristles=4)  # fmt: skip
