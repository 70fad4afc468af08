"""Families of hard matter that breaks and grows: cracks, crystals."""

import numpy as np

from train.studio.families.facets import cells_of
from train.studio.families.layout import divide, focus, glaze, places
from train.studio.families.registry import family
from train.studio.families.staging import companions, plan
from train.studio.noise import Noise
from train.studio.palette import GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, ribbon, span, turned
from train.studio.surface import Scene


def _crack(
    rng: np.random.Generator, start: Points, way: float, length: float, wander: float
) -> Points:
    n = max(int(length * 34), 4)
    heading = way + np.cumsum(rng.normal(0, wander, n))
    heading = way + (heading - way) * 0.6
    steps = np.stack([np.cos(heading), np.sin(heading)], 1) * length / n
    return np.vstack([start, start + np.cumsum(steps, axis=0)])


def _mud(s: Scene, dark: int, wide: float) -> None:
    """A bed of mud that dried into plates with ragged edges."""
    rng = s.rng
    points = places(s, s.count(14, 60), -0.02) + rng.normal(0, 0.02, 2)
    ragged = Noise(rng).layer(3, 0.6)
    tone = s.apart(dark, 24)
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
    """Plain fields split by cracks: a web from one blow, dried mud, or a few long faults."""
    rng = s.rng
    s.ground(s.pick(0) if rng.random() < 0.5 else GROUND)
    divide(s)
    glaze(s, 3)
    s.traits |= {"cracked", "jagged", "linear", "rough"}
    dark = INK if s.palette.lab[:, 0].min() < s.palette.lab[GROUND, 0] - 12 else LIGHT
    wide = s.mix("weight", 0.006, 0.02)
    kind = int(rng.integers(3))
    if kind == 0:
        _mud(s, dark, wide)
        return
    fx, fy = focus(s)
    lines: list[tuple[Points, float]] = []
    if kind == 1:  # a blow
        s.traits.add("radial")
        n = s.count(8, 20)
        for k in range(n):
            way = TAU * k / n + rng.normal(0, 0.15)
            lines.append(
                (_crack(rng, np.array([[fx, fy]]), way, rng.uniform(0.5, 1.2), 0.22), wide * 0.8)
            )
    else:
        for _ in range(s.count(2, 6)):
            side = rng.integers(4)
            at = rng.uniform(0.1, 0.9)
            start = [[at, -0.02], [1.02, at], [at, 1.02], [-0.02, at]][side]
            way = np.pi / 2 + side * np.pi / 2 + rng.normal(0, 0.4)
            lines.append((_crack(rng, np.array([start]), way, rng.uniform(0.7, 1.4), 0.34), wide))
    for line, width in list(lines):
        for _ in range(s.count(1, 5)):
            at = int(rng.integers(2, len(line) - 1))
            d = line[at] - line[at - 1]
            way = float(np.arctan2(d[1], d[0])) + rng.choice([-1, 1]) * rng.uniform(0.5, 1.2)
            child = _crack(rng, line[at : at + 1], way, rng.uniform(0.1, 0.4), 0.34)
            lines.append((child, width * 0.55))
    for line, width in lines:
        thin = width * (1 - 0.85 * np.linspace(0, 1, len(line)) ** 1.5)
        thin = thin * rng.uniform(0.6, 1.3, len(line))
        s.many([ribbon(line + 0.004, thin)], LIGHT if dark == INK else INK, alpha=0.55)
        s.many([ribbon(line, thin)], dark, shade=-0.4)


@family(contour=(-1, -0.5), order=(-0.35, 0.35), density=(-0.7, 0.9), direction=(-0.3, 0.5),
        energy=(-0.6, 0.35), depth=(0.1, 1), weight=(-0.5, 0.8), texture=(-1, 0.3))  # fmt: skip
def crystals(s: Scene) -> None:
    """Long prisms that stand out of one root like quartz, with pointed heads and lit faces."""
    rng = s.rng
    s.ground(shade=-0.2)
    divide(s)
    s.traits |= {"crystalline", "sharp", "angular", "geometric", "jagged"}
    kind = int(rng.integers(3))
    n = s.count(5, 22)
    pick = plan(s, 3, 0.05)
    if kind == 0:
        root, base, fan = (rng.uniform(0.35, 0.65), 1.0), -np.pi / 2, 0.62
        s.traits.add("upright")
    elif kind == 1:
        root, base, fan = focus(s), 0.0, np.pi
        s.traits.add("radial")
    else:
        root, base, fan = (0.5, 0.5), rng.uniform(0, TAU), 0.5
    order = rng.permutation(n)
    for rank, k in enumerate(order):
        a = base + fan * (2 * (k + 0.5) / n - 1) + rng.normal(0, 0.08)
        tall = (0.62 - 0.3 * rank / n) * rng.uniform(0.75, 1.15)
        wide = s.mix("weight", 0.05, 0.12) * rng.uniform(0.6, 1.3)
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
