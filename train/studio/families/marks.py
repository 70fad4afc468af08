"""Families of the hand: splatter, calligraphy, tangles, dabs."""

import numpy as np

from train.studio.families.layout import depth_alpha, divide, focus, glaze, places
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, blob, smooth
from train.studio.surface import Scene


def _gesture(s: Scene, x: float, y: float, reach: float, knots: int) -> np.ndarray:
    """The path of one sweep of the arm: a few knots about a point, joined in a curve."""
    rng = s.rng
    a = rng.uniform(0, TAU) + np.cumsum(rng.uniform(0.5, 2.2, knots) * rng.choice([-1, 1]))
    r = reach * rng.uniform(0.4, 1.1, knots)
    points = np.stack([x + r * np.cos(a), y + r * np.sin(a)], axis=1)
    if s.values["contour"] < -0.2:
        t = np.linspace(0, knots - 1, 48)
        return np.stack([np.interp(t, np.arange(knots), points[:, i]) for i in (0, 1)], 1)
    return smooth(points, 64)


@family(texture=(0.5, 1), energy=(0.3, 1), order=(-1, -0.2), contour=(0.1, 1),
        direction=(-0.2, 0.5), depth=(-0.3, 0.8))  # fmt: skip
def splatter(s: Scene) -> None:
    """Flung and dripped paint: skeins, drops, pools."""
    rng = s.rng
    s.ground()
    glaze(s, 3)
    s.traits |= {"splattered", "messy", "explosive", "rough"}
    fx, fy = focus(s)
    for _ in range(s.count(2, 7)):
        x, y = (fx, fy) + rng.normal(0, 0.22, 2)
        s.fill(blob(rng, x, y, rng.uniform(0.03, 0.13) * s.mix("weight", 0.6, 1.4), 0.45), s.pick(0.2))
    for i in range(s.count(4, 26)):  # skeins thrown from the wrist
        line = _gesture(s, *rng.uniform(0.2, 0.8, 2), rng.uniform(0.2, 0.6), int(rng.integers(4, 7)))
        tone = s.pick(0.12) if i % 3 else int(rng.choice([INK, LIGHT]))
        width = s.mix("weight", 0.004, 0.013) * rng.uniform(0.5, 1.6)
        s.stroke(line, tone, width * 1.6, taper=0.9)
        for _ in range(4):
            px, py = line[int(rng.integers(len(line)))]
            s.disc(px, py, width * rng.uniform(0.6, 1.6), tone, gradient=0, steady=True)
    for _ in range(s.count(4, 12)):
        x, y = rng.uniform(0.1, 0.9, 2)
        s.splatter(x, y, rng.uniform(0.1, 0.35), s.count(10, 34), s.pick(0.3), s.mix("weight", 0.008, 0.02))
    for _ in range(s.count(1, 7)):
        x, y = rng.uniform(0.05, 0.95), rng.uniform(0, 0.5)
        run = np.array([[x, y], [x + rng.normal(0, 0.004), y + rng.uniform(0.2, 0.5)]])
        s.line(run, s.pick(0.2), rng.uniform(0.003, 0.008))


@family(texture=(0.2, 1), density=(-1, 0.2), energy=(-0.2, 1), contour=(-0.5, 1),
        weight=(-0.2, 1), direction=(-0.5, 0.8), order=(-0.9, 0.2))  # fmt: skip
def gesture(s: Scene) -> None:
    """A few sweeps of a wide dry brush, like writing that cannot be read."""
    rng = s.rng
    s.ground(GROUND, shade=0.2)
    divide(s)
    glaze(s, 3)
    s.traits |= {"gestural", "rough"}
    s.traits |= {"fluid"} if s.values["contour"] > 0.3 else {"angular"} if s.values["contour"] < -0.3 else set()
    depth_alpha(s)
    fx, fy = focus(s)
    for _ in range(s.count(2, 8)):  # thin colour under the writing
        x, y = rng.uniform(0.15, 0.85, 2)
        line = _gesture(s, x, y, rng.uniform(0.1, 0.3), 3)
        s.stroke(line, s.pick(0.1), rng.uniform(0.06, 0.16), alpha=0.9, taper=0.3, bristles=12, dry=0.4)
    n = s.count(1, 6)
    for i in range(n):
        x, y = (fx, fy) if i == 0 else rng.uniform(0.2, 0.8, 2)
        line = _gesture(s, x, y, 0.42 if i == 0 else rng.uniform(0.12, 0.32), int(rng.integers(4, 7)))
        width = s.mix("weight", 0.035, 0.12) * (1.1 if i == 0 else rng.uniform(0.4, 0.9))
        tone = s.against(GROUND) if i == 0 or rng.random() < 0.45 else s.pick(0.3)
        s.stroke(line, tone, width, taper=0.45, bristles=22, dry=0.25)
    if s.values["energy"] > 0.35:
        s.splatter(fx, fy, 0.4, 22, s.against(GROUND), 0.008)
    s.fill(blob(rng, *rng.uniform(0.2, 0.8, 2), 0.035, 0.2), ACCENT)


@family(energy=(0.3, 1), order=(-1, -0.1), density=(0.2, 1), contour=(-0.3, 1), texture=(0.1, 1),
        depth=(0, 1), direction=(-0.4, 0.7))  # fmt: skip
def improvisation(s: Scene) -> None:
    """Patches of colour that run into each other under a tangle of dark lines."""
    rng = s.rng
    s.ground()
    s.traits |= {"overlapping", "messy", "turbulent", "layered"}
    for _ in range(s.count(16, 44)):
        x, y = rng.uniform(-0.05, 1.05, 2)
        r = rng.uniform(0.05, 0.2)
        s.fill(blob(rng, x, y, r, 0.35), s.pick(0.12), alpha=0.8, soft=rng.choice([0.002, 0.008, 0.02]),
               gradient=0.9)  # fmt: skip
    for _ in range(s.count(10, 40)):
        x, y = rng.uniform(0, 1, 2)
        line = _gesture(s, x, y, rng.uniform(0.06, 0.2), int(rng.integers(3, 5)))
        s.stroke(line, s.pick(0.25), rng.uniform(0.015, 0.05), taper=0.6, bristles=5, dry=0.1)
    width = s.mix("weight", 0.004, 0.014)
    for _ in range(s.count(10, 36)):
        x, y = rng.uniform(0.05, 0.95, 2)
        line = _gesture(s, x, y, rng.uniform(0.08, 0.3), int(rng.integers(3, 6)))
        tone = INK if rng.random() < 0.8 else LIGHT
        s.stroke(line, tone, width * rng.uniform(0.6, 1.9), taper=0.8)
    for _ in range(5):
        x, y = rng.uniform(0.1, 0.9, 2)
        for k in range(4):
            d = np.array([k * 0.02, k * 0.006])
            s.stroke(np.array([[x, y], [x + 0.02, y - 0.05], [x + 0.05, y - 0.1]]) + d, INK, 0.007)


@family(texture=(0.1, 1), direction=(-0.9, 0.4), order=(-0.9, 0.9), contour=(-0.6, 0.6),
        density=(0.1, 1), depth=(-0.5, 0.6))  # fmt: skip
def dabs(s: Scene) -> None:
    """Short strokes of a loaded flat brush, laid side by side like tiles."""
    rng = s.rng
    s.ground()
    s.traits |= {"gestural", "textured"}
    n = s.count(110, 420)
    points = places(s, n, -0.03) if s.values["order"] > 0.45 else rng.uniform(-0.03, 1.03, (n, 2))
    base = rng.choice([0, np.pi / 2, 0.8, -0.8])
    s.traits.add({0: "horizontal", 1: "diagonal"}.get(round(abs(base)), "vertical"))
    fx, fy = focus(s)
    length = 1.25 / n**0.5
    side = rng.normal(0, 1, (2, 2))
    tones = list(rng.permutation(s.palette.main))
    for x, y in points:
        far = np.hypot(x - fx, y - fy)
        angle = base + rng.normal(0, s.mix("order", 0.7, 0.06)) + 0.4 * s.values["energy"] * np.sin(6 * far)
        d = np.array([np.cos(angle), np.sin(angle)]) * length * rng.uniform(0.6, 1.2)
        zone = np.sin((x * side[0, 0] + y * side[0, 1]) * 3) + np.sin((x * side[1, 0] + y * side[1, 1]) * 5)
        tone = int(tones[int((zone + 2 + rng.normal(0, 0.35)) * 1.1) % len(tones)])
        tone = ACCENT if far < 0.1 or rng.random() < 0.03 else tone
        bow = np.array([-d[1], d[0]]) * s.values["contour"] * 0.4
        line = np.array([[x, y] - d, [x, y] - d / 3 + bow, [x, y] + d / 3 + bow, [x, y] + d])
        s.stroke(line, tone, length * s.mix("weight", 0.55, 1.2), shade=rng.uniform(-0.7, 0.7), taper=0.2,
                 bristles=4)  # fmt: skip
