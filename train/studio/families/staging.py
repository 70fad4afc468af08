"""Where a pattern stands on the sheet, how it is bent, and which colours its pieces take.

A pattern from edge to edge is wallpaper. Painters crop it, hang it in a window, let it swell about
a point, or gather its colours into zones; these do so for every family alike.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from train.studio.families.layout import focus
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, box, ellipse, span, turned
from train.studio.surface import Scene, path_of

MOST_OF = 0.6  # of the sheet, that a pattern fills at least

Warp = Callable[[Points], Points]
Plan = Callable[[Sequence[float] | Points, int], tuple[int, float]]


def duo(s: Scene) -> tuple[int, int]:
    """Two colours that stand apart."""
    one = s.pick(0.05) if s.rng.random() < 0.75 else int(s.rng.choice([INK, LIGHT]))
    return one, s.apart(one)


def stage(s: Scene, whole: float = 0.5) -> Any:
    """Where the pattern is: the whole sheet, or a disc, window, field or band that fills most.

    Args:
        whole: odds of the whole sheet at a middling density.

    Returns:
        A skia path of at least `MOST_OF` of the sheet; what lies outside is ground.
    """
    rng = s.rng
    s.stage = (0.5, 0.5, 0.75)
    if rng.random() < whole + 0.45 * s.values["density"]:
        return path_of(span(-0.1, -0.1, 1.1, 1.1), True)
    kind = int(rng.integers(4))
    if kind == 0:
        r = rng.uniform(0.455, 0.56)
        s.stage = (0.5, 0.5, r)
        return path_of(ellipse(0.5, 0.5, r, r, 0, 90), True)
    if kind == 1:
        w, h = rng.uniform(0.8, 0.94, 2)
        x, y = rng.uniform(0.02, 0.98 - w), rng.uniform(0.02, 0.98 - h)
        s.stage = (x + w / 2, y + h / 2, max(w, h) / 2)
        return path_of(span(x, y, x + w, y + h), True)
    if kind == 2:  # a field with one long edge
        turn = rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.choice([0, 0, 0.35, -0.35])
        t = np.linspace(-1, 1, 30)
        bow = 0.08 * max(s.values["contour"], 0) * np.sin(3 * t + rng.uniform(0, TAU))
        edge = np.stack([t, bow - rng.uniform(0.22, 0.32)], 1)
        field = np.vstack([edge, [[1, 1.2], [-1, 1.2]]])
        return path_of(turned(field, turn, 0.5, 0.5), True)
    turn = rng.choice([0, np.pi / 2, 0.7, -0.7])
    return path_of(turned(box(0, rng.normal(0, 0.03), 2, rng.uniform(0.66, 0.82)), turn,
                          0.5, 0.5), True)  # fmt: skip


def companions(s: Scene) -> None:
    """One or two plain discs that answer the pattern, where there is room for them."""
    rng = s.rng
    if s.values["density"] > 0.4 or s.values["contour"] < -0.7 or rng.random() < 0.55:
        return
    x0, y0, reach = s.stage
    for _ in range(int(rng.integers(1, 3))):
        a, r = rng.uniform(0, TAU), rng.uniform(0.02, 0.07)
        x, y = x0 + (reach + r) * np.cos(a), y0 + (reach + r) * np.sin(a)
        if 0.06 < x < 0.94 and 0.06 < y < 0.94:
            s.disc(x, y, r, ACCENT if rng.random() < 0.5 else s.apart(GROUND), gradient=0.2)


def warp(s: Scene, most: float = 1.0, *, turn: bool = True) -> Warp:
    """A bend of the whole pattern: none on a still and ordered picture, else one of four.

    Args:
        most: how strong, in [0, 1].
        turn: whether it may be turned as well.

    The bend keeps neighbours together and the sheet covered if the pattern reaches 0.5 beyond it.
    """
    rng = s.rng
    angle = float(rng.choice([0, 0, np.pi / 4, rng.uniform(-0.5, 0.5)]))
    if s.values["direction"] < -0.6 or not turn:
        angle = 0.0
    move = s.values["energy"] + 0.4 * max(s.values["contour"], 0) + rng.normal(0, 0.5)
    kind = int(rng.integers(4)) if move > -0.1 else 4
    x0, y0 = focus(s)
    power = most * rng.uniform(0.5, 1.0)
    phase, waves = rng.uniform(0, TAU, 2), rng.uniform(0.8, 1.8, 2)

    def bend(points: Points) -> Points:
        p = points - (0.5, 0.5)
        p = turned(p, angle, 0.5, 0.5)
        d = p - (x0, y0)
        if kind == 0:  # a swelling, as if a ball pushed from behind
            near = np.exp(-(d**2).sum(axis=-1, keepdims=True) / 0.09)
            return np.asarray(p + d * near * 1.1 * power)
        if kind == 1:  # water
            lift = np.stack([np.sin(TAU * waves[0] * p[..., 1] + phase[0]),
                             np.sin(TAU * waves[1] * p[..., 0] + phase[1])], axis=-1)  # fmt: skip
            return np.asarray(p + 0.05 * power * lift)
        if kind == 2:  # narrowed towards a line
            near = np.tanh(np.abs(d[..., :1]) * 3.2)
            return np.concatenate(
                [x0 + d[..., :1] * (1 - power * 0.75 + 0.75 * power * near), p[..., 1:]], axis=-1
            )
        if kind == 3:  # a floor that goes away
            fall = 1 + 0.55 * power * (p[..., 1:] - 0.5) * 1.3
            return np.concatenate([0.5 + (p[..., :1] - 0.5) * fall, p[..., 1:]], axis=-1)
        return np.asarray(p)

    return bend


def plan(s: Scene, tones: int = 3, loose: float = 0.0) -> Plan:
    """Which colour a piece takes: zones that drift over the sheet, a ramp, or few against many.

    Args:
        tones: main colours in use.
        loose: odds of any other colour.
    """
    rng = s.rng
    main = [s.pick(0)]
    while len(main) < tones:
        main.append(s.apart(main[-1], 14))
    side = rng.normal(0, 1, (2, 2)) * 3.0
    start = rng.uniform(0, TAU, 2)
    kind = int(rng.integers(3))
    shade_side = rng.normal(0, 0.8, 2)
    fx, fy = focus(s)

    def choose(at: Sequence[float] | Points, i: int) -> tuple[int, float]:
        x, y = float(at[0]), float(at[1])
        shade = float(np.clip((x - 0.5) * shade_side[0] + (y - 0.5) * shade_side[1], -0.8, 0.8))
        shade += rng.uniform(-0.2, 0.2)
        far = float(np.hypot(x - fx, y - fy))
        if rng.random() < loose:
            return s.pick(0.3), shade
        if kind == 0:
            zone = np.sin(x * side[0, 0] + y * side[0, 1] + start[0])
            zone += np.sin(x * side[1, 0] + y * side[1, 1] + start[1])
            return main[int((zone + 2) / 4.001 * len(main))], shade
        if kind == 1:
            ring = min(far / 0.75 + rng.normal(0, 0.06), 0.999)
            return main[int(max(ring, 0) * len(main))], shade
        if far < 0.12 + 0.05 * rng.random():
            return ACCENT, shade
        return main[i % len(main)], shade

    return choose
