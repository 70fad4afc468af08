"""Families of signs: biomorphs, glyphs, constellations, mobiles."""

from dataclasses import dataclass

import numpy as np

from train.studio.families.layout import (
    depth_alpha,
    divide,
    focus,
    glaze,
    places,
    shadow,
    sizes,
)
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import (
    TAU,
    Points,
    arc,
    blob,
    box,
    ellipse,
    regular,
    resample,
    ribbon,
    smooth,
    turned,
    wobble,
)
from train.studio.surface import Scene, path_of


def _creature(s: Scene, x: float, y: float, r: float) -> np.ndarray:
    """A bent body of swelling width: a kidney, a bone, a boomerang."""
    rng = s.rng
    t = np.linspace(0, 1, 40)
    bend = rng.uniform(0.8, 3.0) * rng.choice([-1, 1])
    heading = rng.uniform(0, TAU) + bend * t
    spine = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), axis=0) / 40 * r * 2.6
    spine = spine - spine.mean(axis=0) + (x, y)
    ends = np.sin(np.pi * t) ** 0.5
    swell = 0.75 + rng.uniform(0.1, 0.5) * np.cos(
        TAU * t * rng.choice([1, 1.5]) + rng.uniform(-1, 1)
    )
    return ribbon(spine, np.maximum(r * 1.15 * ends * swell, 1e-4))


@family(contour=(0.6, 1), direction=(-0.2, 0.7), order=(-0.8, 0.5), density=(-1, 0.7),
        depth=(-1, 0.7), energy=(-0.8, 0.35))  # fmt: skip
def biomorphs(s: Scene) -> None:
    """Living outlines, cut from flat colour, with an eye here and a thread there."""
    rng = s.rng
    s.ground(GROUND, shade=0.2)
    divide(s)
    if s.values["texture"] > 0:
        glaze(s, 3)
    s.traits |= {"organic", "curved", "fluid", "biomorphic", "shows:organic"}
    n = s.count(3, 20)
    alpha = depth_alpha(s, 1, 0.8)
    large = s.mix("weight", 0.14, 0.3) * np.interp(n, [3, 20], [1.15, 0.8])
    for (x, y), r in zip(places(s, n, 0.16), sizes(s, n, 0.03, large), strict=False):
        body = (
            _creature(s, x, y, r)
            if rng.random() < 0.5
            else blob(rng, x, y, r, rng.uniform(0.2, 0.45))
        )
        tone = s.apart(GROUND, 34) if rng.random() < 0.78 else s.against(GROUND)
        shadow(s, body, 0.01)
        s.fill(body, tone, alpha=alpha, gradient=0.25)
        if r > 0.08 and rng.random() < 0.75:
            dx, dy = rng.normal(0, r * 0.2, 2)
            inner = blob(rng, x + dx, y + dy, r * rng.uniform(0.25, 0.45), 0.2)
            s.fill(inner, s.pick(0.3), gradient=0.2)
            if rng.random() < 0.6:
                s.disc(x + dx, y + dy, r * 0.12, s.against(tone))
    for _ in range(s.count(1, 3)):
        p = rng.uniform(0.1, 0.9, 2) + np.cumsum(rng.normal(0, 0.1, (5, 2)), axis=0)
        s.line(smooth(p, 50), s.against(GROUND), rng.choice([0.006, 0.01]))
        s.disc(p[-1, 0], p[-1, 1], rng.uniform(0.007, 0.018), s.pick(0.4))


@dataclass(frozen=True)
class _Pen:
    """Where and how one sign is written."""

    s: Scene
    x: float
    y: float
    r: float
    turn: float
    tone: int
    width: float

    def at(self, *points: tuple[float, float]) -> Points:
        """Points of the sign's own square, -1 to 1, on the sheet."""
        return turned(np.array(points) * self.r, self.turn, self.x, self.y)

    def line(self, points: Points) -> None:
        self.s.line(points, self.tone, self.width)


def _eye(p: _Pen) -> None:
    p.s.disc(p.x, p.y, p.r * 0.7, p.tone)
    p.s.disc(p.x, p.y, p.r * 0.3, p.s.pick(0.5))


def _hook(p: _Pen) -> None:
    p.line(arc(p.x, p.y, p.r, p.turn, 4.2))
    p.s.disc(p.x, p.y, p.r * 0.25, p.s.pick(0.4))


def _moon(p: _Pen) -> None:
    outer = arc(p.x, p.y, p.r, p.turn - 1.3, 2.6)
    p.s.fill(np.vstack([outer, arc(p.x - p.r * 0.3, p.y, p.r, p.turn + 1.1, -2.2)]), p.tone)


def _snail(p: _Pen) -> None:
    t = np.linspace(0.1, 1, 60)
    spin = 12 * t + p.turn
    p.line(np.stack([p.x + p.r * t * np.cos(spin), p.y + p.r * t * np.sin(spin)], axis=1))


def _snake(p: _Pen) -> None:
    p.line(smooth(p.at((-1.2, 0), (-0.6, -0.6), (0, 0.5), (0.6, -0.5), (1.2, 0.2))))


def _pebble(p: _Pen) -> None:
    p.s.fill(blob(p.s.rng, p.x, p.y, p.r * 0.8, 0.35), p.tone)


def _star(p: _Pen) -> None:
    for k in range(4):
        a = np.pi * k / 4
        p.line(p.at((-np.cos(a), -np.sin(a)), (np.cos(a), np.sin(a))))


def _ladder(p: _Pen) -> None:
    for u in (-0.35, 0.35):
        p.line(p.at((u, -1), (u, 1)))
    for v in (-0.7, -0.2, 0.3, 0.8):
        p.line(p.at((-0.35, v), (0.35, v)))


def _arrow(p: _Pen) -> None:
    p.line(p.at((-1, 0), (1, 0)))
    p.s.fill(p.at((1.3, 0), (0.7, -0.4), (0.7, 0.4)), p.tone)


def _peak(p: _Pen) -> None:
    p.s.fill(regular(p.x, p.y, p.r * 0.8, 3, p.turn - TAU / 4), p.tone)


def _chequer(p: _Pen) -> None:
    for i in range(0, 9, 2):
        cell = box((i // 3 - 1) * 0.5, (i % 3 - 1) * 0.5, 0.5, 0.5) * p.r
        p.s.fill(turned(cell, p.turn, p.x, p.y), p.tone, gradient=0)


def _zigzag(p: _Pen) -> None:
    p.line(p.at((-1, 0.5), (-0.5, -0.5), (0, 0.5), (0.5, -0.5), (1, 0.5)))


ROUND_SIGNS = (_eye, _hook, _moon, _snail, _snake, _pebble)
STRAIGHT_SIGNS = (_star, _ladder, _arrow, _peak, _chequer, _zigzag)


def _glyph(s: Scene, x: float, y: float, r: float, tone: int) -> None:
    """One sign, round or straight by the picture's contour."""
    turn = 0.0 if s.values["order"] > 0.3 else s.rng.normal(0, 0.5)
    width = max(r * s.mix("weight", 0.14, 0.28), 0.008)
    alphabet = ROUND_SIGNS if s.values["contour"] + s.rng.normal(0, 0.5) > 0 else STRAIGHT_SIGNS
    alphabet[int(s.rng.integers(len(alphabet)))](_Pen(s, x, y, r, turn, tone, width))


@family(direction=(-0.4, 0.4), density=(-1, 1), depth=(-1, 0.2), energy=(-0.3, 0.45))
def signs(s: Scene) -> None:
    """A script of small signs on a worn ground."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 5)
    s.traits.add("hieroglyphic")
    n = s.count(5, 26)
    r = 0.42 / n**0.5
    points = places(s, n, 0.09)
    if s.values["order"] > 0.5 and rng.random() < 0.6:
        for x, y in points:  # each sign in its own field
            s.fill(
                box(x, y, 1.7 * r, 1.7 * r), s.pick(0), shade=rng.uniform(-0.4, 0.4), gradient=0.2
            )
        s.traits |= {"structured"}
    for x, y in points:
        tone = s.against(GROUND) if rng.random() < 0.55 else s.apart(GROUND, 36)
        _glyph(s, x, y, r * rng.uniform(0.45, 1.0 + 0.4 * (s.values["order"] < 0)), tone)


@family(contrast=(-1, 0.45), lightness=(-1, -0.25),
        contour=(-0.2, 0.45), direction=(-0.4, 0.5), weight=(-1, -0.3), depth=(0, 1),
        density=(-1, 0.3), order=(-1, 0.2), energy=(-0.8, 0.2))  # fmt: skip
def constellation(s: Scene) -> None:
    """Points of light and the thin lines between them."""
    rng = s.rng
    s.ground(GROUND, shade=-0.3)
    for _ in range(5):  # clouds far behind
        x, y = rng.uniform(0, 1, 2)
        s.fill(
            blob(rng, x, y, rng.uniform(0.15, 0.4), 0.4),
            s.pick(0),
            alpha=0.3,
            soft=0.08,
            gradient=0,
        )
    s.traits |= {"atmospheric", "stars", "delicate", "starry"}
    n = s.count(7, 20)
    star = LIGHT if s.palette.lab[GROUND, 0] < 55 else INK
    dust = rng.uniform(0, 1, (s.count(40, 220), 2))
    for x, y in dust:
        r = 0.003 + 0.005 * rng.random() ** 3
        s.disc(x, y, r, star, alpha=rng.uniform(0.4, 1), gradient=0,
               steady=True)  # fmt: skip
    points = places(s, n, 0.1)
    gap = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    for i in range(n):
        for j in np.argsort(gap[i])[1 : int(rng.integers(2, 4))]:
            if gap[i, j] < 0.35:
                s.line(np.array([points[i], points[j]]), star, 0.009, alpha=0.85)
    for i, (x, y) in enumerate(points):
        r = 0.018 + 0.028 * rng.random() ** 2 * (1.5 if i % 5 == 0 else 1)
        tone = s.pick(0.5) if rng.random() < 0.25 else star
        s.disc(x, y, r * 2.6, tone, alpha=0.3, soft=r, gradient=0)
        s.disc(x, y, r, tone, gradient=0.3)
        if r > 0.016:
            s.disc(x, y, r * 0.45, s.against(tone))
    fx, fy = focus(s)
    for k in range(4):
        s.disc(
            fx, fy, 0.085 - 0.016 * k, ACCENT, alpha=0.28 + 0.15 * k, soft=0.012 * (3 - k) + 0.001
        )


@family(order=(-1, 0.3), density=(-0.8, 0.8), energy=(-0.9, 0.5), texture=(-0.6, 0.8),
        depth=(0.2, 1), direction=(-0.3, 0.3))  # fmt: skip
def cutouts(s: Scene) -> None:
    """Torn and cut papers pasted over one another: pale torn edges, shadows, a patterned sheet."""
    rng = s.rng
    s.ground()
    s.traits |= {"collaged", "overlapping", "layered"}
    n = s.count(5, 13)
    big = s.mix("weight", 0.24, 0.36)
    fx, fy = focus(s)
    last = GROUND
    for i in range(n):
        r = big * (1 - 0.55 * i / n) * rng.uniform(0.8, 1.2)
        x, y = np.array([fx, fy]) + rng.normal(0, 0.25, 2)
        x, y = np.clip([x, y], 0.08, 0.92)
        round_ = s.values["contour"] + rng.normal(0, 0.4) > 0.3
        torn = rng.random() < 0.65
        sheet = (blob(rng, x, y, r, 0.2) if round_ else
                 box(x, y, r * rng.uniform(1.2, 2.0), r * rng.uniform(1.2, 2.0),
                     rng.normal(0, 0.5)))  # fmt: skip
        line = resample(sheet, 120, closed=True)
        if torn:
            line = line + 0.02 * r / 0.25 * rng.normal(0, 0.45, (120, 2))
            line = line + 0.05 * r * np.stack([wobble(rng, 120, 9), wobble(rng, 120, 9)], 1)
        tone = s.apart(last, 30)
        last = tone
        s.fill(line + 0.012, INK, shade=-0.8, alpha=0.4, soft=0.008, gradient=0, steady=True)
        if torn:  # the paper's white core shows where it tore
            rim = line + 0.014 * np.stack([wobble(rng, 120, 6), wobble(rng, 120, 6)], 1)
            s.fill(rim, s.against(tone), shade=0.3, gradient=0, steady=True)
        s.fill(line, tone, gradient=0.1, steady=True)
        if rng.random() < 0.3:
            _print(s, line, x, y, r, tone)


def _print(s: Scene, line: Points, x: float, y: float, r: float, tone: int) -> None:
    """Stripes or dots printed on a cut paper."""
    other, turn, step = s.apart(tone, 26), s.rng.uniform(0, np.pi), max(r / 4, 0.045)
    rows = np.arange(-1.6 * r, 1.6 * r, step)
    with s.within(path_of(line, True)):
        if s.rng.random() < 0.5:
            s.many([turned(box(0, v, 4 * r, 0.45 * step), turn, x, y) for v in rows], other)
        else:
            s.many([turned(ellipse(u, v, 0.28 * step, 0.28 * step, 0, 14), turn, x, y)
                    for u in rows for v in rows], other)  # fmt: skip
