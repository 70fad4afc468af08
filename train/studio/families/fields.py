"""Families of field and veil: soft rectangles, mist, washes."""

import numpy as np
import skia

from train.studio.families.layout import divide, focus, glaze
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, LIGHT
from train.studio.shapes import TAU, blob, box, ellipse, span
from train.studio.surface import Scene


@family(contour=(-0.7, 0.3), order=(0.1, 1), density=(-1, 0.1), energy=(-1, -0.2),
        direction=(-0.9, -0.2), weight=(-0.6, 1), depth=(-0.3, 0.8))  # fmt: skip
def colour_fields(s: Scene) -> None:
    """Soft-edged rectangles that hover over a stained ground."""
    rng = s.rng
    s.ground(gradient_tone(s))
    glaze(s, 2)
    upright = rng.random() < 0.22
    s.traits |= {"vertical" if upright else "horizontal", "luminous", "atmospheric"}
    n = int(rng.integers(2, 4)) if s.values["density"] < -0.3 else int(rng.integers(3, 6))
    shares = rng.dirichlet(np.full(n, 3.0))
    gap, margin = 0.02 + 0.03 * rng.random(), s.mix("weight", 0.16, 0.06)
    soft = s.mix("contrast", 0.014, 0.006)
    top = margin * 0.8
    tones = [s.apart(GROUND, 34)]
    while len(tones) < n:
        tones.append(s.apart(tones[-1], 28))
    for i, share in enumerate(shares):
        height = share * (1 - 1.6 * margin)
        tone = ACCENT if i == int(np.argmin(shares)) and n > 2 else tones[i]
        field = span(margin, top + gap / 2, 1 - margin, top + height - gap / 2)
        field = field + rng.normal(0, 0.006, (4, 2)) * (s.values["order"] < 0.6)
        if upright:
            field = field[:, ::-1]
        angle = np.pi / 2 if upright else 0.0
        # several thin coats, each a little off: the edge breathes
        for coat in range(4):
            off = rng.normal(0, 0.008, 2)
            s.fill(field * (1 - 0.01 * coat) + 0.005 * coat + off, tone, alpha=0.55,
                   soft=soft * (1.6 - 0.3 * coat), angle=angle, gradient=0.35)  # fmt: skip
        for _ in range(int(4 * (1 + s.rough))):
            cx, cy = rng.uniform(field.min(0), field.max(0))
            veil = box(cx, cy, rng.uniform(0.1, 0.4), height * rng.uniform(0.1, 0.4), angle)
            s.fill(veil, tone, shade=rng.uniform(-1, 1), alpha=0.13, soft=0.025, gradient=0)
        top += height


def gradient_tone(s: Scene) -> int:
    """The ground of a field: usually the palette's, at times a main colour."""
    return GROUND if s.rng.random() < 0.7 else s.pick(0)


@family(contrast=(-1, 0.4),
        contour=(0.2, 1), order=(-0.3, 0.3), density=(-0.9, 0.3), energy=(-1, 0.3),
        depth=(0.2, 1), direction=(-0.3, 0.5), weight=(-1, 0), texture=(-1, 1))  # fmt: skip
def mist(s: Scene) -> None:
    """Clouds and light in layers of soft colour."""
    rng = s.rng
    s.ground(shade=0.2)
    fx, fy = focus(s)
    s.wet = True
    s.traits |= {"atmospheric", "luminous", "hazy", "misty"}
    drift = s.values["direction"] < 0.1
    tones = [s.apart(GROUND, 34), s.apart(GROUND, 24), GROUND]
    for i in range(s.count(8, 20)):
        r = rng.uniform(0.1, 0.3)
        x, y = rng.uniform(-0.1, 1.1, 2)
        if drift:
            cloud = ellipse(x, y, r * 2.4, r * 0.5, rng.normal(0, 0.12))
        else:
            cloud = blob(rng, x, y, r, 0.35)
        s.fill(
            cloud,
            tones[i % len(tones)] if rng.random() < 0.7 else s.pick(0.03),
            shade=rng.uniform(-0.6, 0.6),
            alpha=rng.uniform(0.35, 0.85),
            soft=rng.uniform(0.25, 0.6) * r * (0.6 if i % 3 else 0.12),
            gradient=0.4,
        )
    for k in range(5):  # a glow, brightest in its middle
        s.disc(fx, fy, 0.2 - 0.035 * k, LIGHT if k > 2 else ACCENT, alpha=0.2, soft=0.035,
               gradient=0)  # fmt: skip
    s.blur = 0.004 if s.values["contrast"] > 0 else 0.012


@family(contour=(0.1, 1), order=(-0.3, 0.3), depth=(0.4, 1), direction=(-0.3, 0.45),
        weight=(-0.6, 0.2), density=(-0.9, 0.7), texture=(-0.3, 1), energy=(-0.8, 0.5))  # fmt: skip
def washes(s: Scene) -> None:
    """Wet translucent pools with a dark drying rim, one over another."""
    rng = s.rng
    s.ground(GROUND, shade=0.3)
    divide(s)
    s.wet = True
    s.traits |= {"translucent", "layered", "overlapping", "fluid", "washed", "shows:translucent"}
    dark = s.palette.lab[GROUND, 0] < 40
    mode = skia.BlendMode.kScreen if dark else skia.BlendMode.kMultiply
    n = s.count(4, 20)
    fx, fy = focus(s)
    long = rng.random() < 0.35
    for i in range(n):
        r = 0.32 * (1 - i / n) ** 0.8 + 0.04
        x, y = rng.uniform(0.05, 0.95, 2) * 0.85 + 0.15 * np.array([fx, fy])
        if long:
            pool = ellipse(x, y, r * rng.uniform(1.4, 2.4), r * rng.uniform(0.3, 0.6))
            pool = s.hand(pool, 0.012)
        else:
            pool = blob(rng, x, y, r * rng.uniform(0.7, 1.2), s.mix("contour", 0.14, 0.34))
        tone, shade = s.apart(GROUND, 30) if i % 3 else s.pick(0.15), rng.uniform(-0.3, 0.5)
        edge = 0.003 + 0.01 * rng.random()
        s.fill(pool, tone, shade=shade, alpha=rng.uniform(0.55, 0.9), soft=edge, mode=mode,
               gradient=0.9)  # fmt: skip
        for scale in (0.97, 0.86):  # thinner paint towards the middle
            inner = (pool - (x, y)) * scale + (x, y)
            s.fill(inner, tone, shade=-1 if dark else 1, alpha=0.22, soft=0.02, gradient=0.5)
        s.line(
            pool, tone, 0.0035, shade=shade - 0.5, alpha=0.35, closed=True, mode=mode, soft=0.001
        )
    if s.values["texture"] > 0.4:
        s.splatter(fx, fy, 0.4, 30, s.pick(0.3), 0.007)
    if s.values["energy"] > 0.3:
        for _ in range(4):
            x = rng.uniform(0.1, 0.9)
            drip = np.array([[x, rng.uniform(0.2, 0.5)], [x + 0.01, rng.uniform(0.7, 1.0)]])
            s.line(drip, s.pick(0.3), 0.004, alpha=0.5)


@family(contour=(-0.2, 0.9), order=(-1, 0.9), depth=(-0.6, 0.2), direction=(-0.4, 0.9),
        density=(0.3, 1), weight=(-1, 0), texture=(0.1, 1), energy=(-0.4, 0.4))  # fmt: skip
def pointillism(s: Scene) -> None:
    """Fields made of many dots of pure colour, large shapes only to be guessed."""
    rng = s.rng
    s.ground()
    n = s.count(480, 900)
    order, size = s.values["order"], s.mix("weight", 0.013, 0.02)
    if order > 0.4:
        side = int(n**0.5)
        gx, gy = np.meshgrid(np.arange(side), np.arange(side))
        points = (np.stack([gx.ravel(), gy.ravel()], 1) + 0.5) / side
        points = points + rng.normal(0, 0.004, points.shape)
        s.traits.add("regular")
    else:
        points = rng.uniform(-0.02, 1.02, (n, 2))
    fx, fy = focus(s)
    tones = [s.apart(GROUND, 34)]
    while len(tones) < 4:
        tones.append(s.apart(tones[-1], 30))
    bend = rng.normal(0, 1, (3, 2))
    glaze(s, 8)
    away = np.hypot(points[:, 0] - fx, points[:, 1] - fy)
    if s.values["direction"] > 0.25:
        zone = away * 5 + 0.25 * np.sin(points @ bend[0] * 3)
    else:
        zone = 2.4 * (np.sin(points @ bend[1] * 2.4) + points[:, 1] * 1.4)
    zone = zone + rng.normal(0, 0.35 - 0.2 * order, len(points))
    for (x, y), z, far in zip(points.tolist(), zone.tolist(), away.tolist(), strict=True):
        tone = ACCENT if far < 0.11 else int(tones[int(z) % len(tones)])
        r = size * rng.uniform(0.7, 1.5) * (1.3 if far < 0.16 else 1)
        shade = rng.uniform(-0.7, 0.7)
        if s.values["contour"] < 0.1:
            s.fill(box(x, y, r * 2, r * 1.4, rng.normal(0, 0.3)), tone, shade=shade, gradient=0,
                   steady=True)  # fmt: skip
        else:
            s.fill(ellipse(x, y, r, r * 0.85, rng.uniform(0, TAU), 10), tone, shade=shade,
                   gradient=0, steady=True)  # fmt: skip
    s.traits |= {"grainy", "pointillist"}
