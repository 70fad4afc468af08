"""Families of hard matter that breaks and grows: cracks, crystals."""

import numpy as np

from train.studio.families.facets import cells_of
from train.studio.families.layout import divide, focus, places
from train.studio.families.registry import family
from train.studio.families.staging import companions, plan
from train.studio.noise import Noise
from train.studio.palette import GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, ellipse, smooth, span, turned
from train.studio.surface import Scene


def _mud(s: Scene, dark: int, tone: int, wide: float) -> None:
    """A bed of mud that dried into plates with ragged edges."""
    rng = s.rng
    points = places(s, s.count(14, 50), -0.02) + rng.normal(0, 0.02, 2)
    ragged = Noise(rng).layer(3, 0.6)
    s.fill(span(-0.1, -0.1, 1.1, 1.1), dark, shade=-0.5, steady=True, gradient=0)
    steps = (np.arange(12) / 12)[:, None]
    for cell in cells_of(points):
        sides = np.roll(cell, -1, axis=0) - cell
        line = (cell[:, None] + sides[:, None] * steps).reshape(-1, 2)
        x, y = line.T
        line = line + 0.012 * np.stack([ragged.at(x, y, 9), ragged.at(y, x, 9)], axis=1)
        middle = line.mean(axis=0)
        away = np.hypot(*(line - middle).T)[:, None]
        shrunk = np.maximum(1 - wide * rng.uniform(0.4, 1.1) / away, 0.4)
        plate = middle + (line - middle) * shrunk
        s.fill(plate, tone, shade=rng.uniform(-0.35, 0.5), gradient=0.4, steady=True)


@family(contour=(-0.9, -0.1), order=(-1, 0.1), density=(-0.6, 1), direction=(-0.5, 0.5),
        energy=(-0.5, 0.35), depth=(-0.3, 0.35), weight=(-0.6, 0.8), texture=(0.2, 1))  # fmt: skip
def cracks(s: Scene) -> None:
    """A bed of dried mud or old glaze: a closed network of cracks from edge to edge."""
    s.traits |= {"cracked", "rough"}
    tone = s.pick(0) if s.rng.random() < 0.7 else GROUND
    dark = s.against(tone)
    _mud(s, dark, tone, s.mix("weight", 0.012, 0.026))


@family(contour=(0.4, 1), order=(-0.6, 0.6), density=(-0.5, 1), direction=(0, 0.6),
        energy=(-1, 0.2), depth=(-0.3, 0.8), weight=(-0.3, 1), texture=(-0.8, 0.8))  # fmt: skip
def pebbles(s: Scene) -> None:
    """Round stones beside one another, each lit from above, dark gaps between them."""
    rng = s.rng
    s.traits |= {"pebbled", "round"}
    bed = INK if s.values["lightness"] < 0.5 or rng.random() < 0.7 else LIGHT
    s.ground(bed, shade=-0.4)
    pick = plan(s, 3, 0.05)
    n = s.count(16, 70)
    for cell in cells_of(places(s, n, -0.02) + rng.normal(0, 0.006, 2)):
        middle = cell.mean(axis=0)
        if not (-0.3 < middle[0] < 1.3 and -0.3 < middle[1] < 1.3):
            continue
        line = middle + (smooth(cell, 40, closed=True) - middle) * rng.uniform(0.8, 0.88)
        # an oval of the cell's own extent: a stone has no corners
        spread = np.linalg.svd(line - middle)[2]
        wide, high = np.abs((line - middle) @ spread.T).max(axis=0) * 0.93
        oval = ellipse(0, 0, wide, high, 0, 40) @ spread + middle
        stone = 0.55 * oval + 0.45 * line[_nearest(line, oval)]
        tone, shade = pick(middle, 0)
        tone = (
            s.apart(bed, 30) if abs(s.palette.lab[tone, 0] - s.palette.lab[bed, 0]) < 22 else tone
        )
        s.many([stone], tone, shade=0.4 * shade - 0.5)
        lit = (stone - middle) * 0.8 + middle - np.array([0.06, 0.1]) * high
        s.fill(lit, tone, shade=0.4 * shade + 0.25, gradient=0.3, steady=True, soft=0.12 * high)


def _nearest(line: Points, to: Points) -> "np.ndarray":
    """For each point of one outline, the index of the point of another in the same direction."""
    middle = line.mean(axis=0)
    one, other = line - middle, to - middle
    a, b = np.arctan2(one[:, 1], one[:, 0]), np.arctan2(other[:, 1], other[:, 0])
    gap = np.abs((a[None] - b[:, None] + np.pi) % TAU - np.pi)
    return np.asarray(gap.argmin(axis=1))


@family(contour=(-1, -0.5), order=(-0.35, 0.35), density=(-0.7, 0.9), direction=(-0.3, 0.5),
        energy=(-0.6, 0.35), depth=(0.1, 1), weight=(-0.5, 0.8), texture=(-1, 0.3))  # fmt: skip
def crystals(s: Scene) -> None:
    """Long prisms that stand out of one root like quartz, with pointed heads and lit faces."""
    rng = s.rng
    s.ground(shade=-0.2)
    divide(s)
    s.traits |= {"crystalline", "sharp"}
    kind = int(rng.integers(3))
    n = s.count(5, 14)
    pick = plan(s, 3, 0.05)
    if kind == 0:
        root, base, fan = (rng.uniform(0.35, 0.65), 1.0), -np.pi / 2, 0.62
        s.traits.add("upright")
    elif kind == 1:
        root, base, fan = focus(s), 0.0, np.pi
    else:
        root, base, fan = (0.5, 0.5), rng.uniform(0, TAU), 0.5
    order = rng.permutation(n)
    for rank, k in enumerate(order):
        a = base + fan * (2 * (k + 0.5) / n - 1) + rng.normal(0, 0.08)
        tall = (0.82 - 0.36 * rank / n) * rng.uniform(0.8, 1.15)
        wide = s.mix("weight", 0.07, 0.13) * rng.uniform(0.6, 1.3)
        foot = np.array(root) + (
            rng.normal(0, 0.05, 2) if kind != 2 else rng.uniform(-0.35, 0.35, 2)
        )
        head = wide * rng.uniform(1.0, 1.7)
        cut = wide * rng.uniform(-0.35, 0.35)
        tone, shade = pick(foot + tall / 2 * np.array([np.cos(a), np.sin(a)]), rank)
        light = float(np.cos(a + 2.2))
        low = 0.0 if kind != 2 else head * 0.8
        faces = [
            ([[low, -wide], [tall - head, -wide], [tall - head, cut], [low, cut]], 0.75),
            ([[low, cut], [tall - head, cut], [tall - head, wide], [low, wide]], -0.45),
            ([[tall - head, -wide], [tall, cut * 0.3], [tall - head, cut]], 1.0),
            ([[tall - head, cut], [tall, cut * 0.3], [tall - head, wide]], -0.1),
        ]
        if kind == 2:
            faces += [
                ([[low, -wide], [0, 0], [low, cut]], 0.2),
                ([[low, cut], [0, 0], [low, wide]], -0.9),
            ]
        for face, lit in faces:
            lit = 0.3 * shade + lit * (0.75 + 0.25 * light)
            s.fill(turned(np.array(face), a, *foot), tone, shade=lit, gradient=0.25, steady=True,
                   angle=a)  # fmt: skip
        ridge = turned(np.array([[low, cut], [tall - head, cut], [tall, cut * 0.3]]), a, *foot)
        s.line(ridge, LIGHT, 0.0025, alpha=0.8)
    companions(s)
