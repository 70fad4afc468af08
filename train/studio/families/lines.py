"""Families of lines and bands: stripes, waves, weave, flowing strokes."""

import numpy as np

from train.studio.families.layout import depth_alpha, direction, divide, glaze
from train.studio.families.registry import family
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, box, ribbon, turned, wobble
from train.studio.surface import Scene


def _widths(s: Scene, n: int) -> np.ndarray:
    """Widths of n bands that fill 0 to 1: equal when ordered, uneven when not."""
    even = (s.values["order"] + 1) / 2
    shares = s.rng.dirichlet(np.full(n, 0.9 + 25 * even**2))
    return np.asarray(shares)


@family(contour=(-1, -0.3), direction=(-1, -0.5), energy=(-0.8, 0.3), depth=(-1, 0.5),
        texture=(-1, 1))  # fmt: skip
def stripes(s: Scene) -> None:
    """Bands of colour from edge to edge, with rests between the loud ones."""
    rng = s.rng
    s.ground()
    s.traits |= {"striped", "linear", "banded", "shows:striped"}
    angle = direction(s)
    s.traits |= {
        f"shows:{way}" for way in ("horizontal", "vertical", "diagonal") if way in s.traits
    }
    n = s.count(6, 22)
    shares = _widths(s, n) * 1.5
    if s.values["order"] > 0.35:
        s.traits |= {"regular", "rhythmic"}
    tones = list(rng.permutation(s.palette.main))
    light = np.abs(s.palette.lab[:, 0] - s.palette.lab[GROUND, 0])
    alpha = depth_alpha(s, 1, 0.85)
    empty = np.clip(0.35 - 0.5 * s.values["density"] * 0.6, 0, 0.65)
    at, last = -0.25, -1
    for i, share in enumerate(shares):
        tone = int(tones[i % len(tones)]) if s.values["order"] > 0.35 else s.pick(0.1)
        tone = ACCENT if share == shares.min() else tone
        tone = s.apart(max(last, GROUND), 28) if light[tone] < 14 else tone
        if tone != last and (rng.random() > empty or share > 0.25):
            width = share * s.mix("weight", 0.55, 1.0)
            band = box(at + share / 2, 0.5, width, 1.6)
            s.fill(turned(band - 0.5, angle - np.pi / 2, 0.5, 0.5), tone, angle=angle, alpha=alpha,
                   shade=rng.uniform(-0.3, 0.3), gradient=0.15)  # fmt: skip
            last = tone
        at += share
    if s.values["density"] > 0 and rng.random() < 0.7:
        for _ in range(s.count(1, 5)):
            x = rng.uniform(-0.1, 1.1)
            thin = np.array([[x, -0.3], [x, 1.3]]) - 0.5
            s.line(
                turned(thin, angle - np.pi / 2, 0.5, 0.5), s.pick(0.5), rng.uniform(0.006, 0.014)
            )


@family(contour=(0.5, 1), direction=(-0.5, 0.6), order=(-0.4, 1), depth=(-0.8, 0.6))
def waves(s: Scene) -> None:
    """Wavy bands that swell and narrow, nested like strata or water."""
    rng = s.rng
    s.ground()
    angle = direction(s)
    s.traits -= {"horizontal", "vertical", "diagonal"}
    s.traits |= {"wavy", "fluid", "flowing", "rhythmic", "undulating", "shows:wavy"}
    n = s.count(6, 16)
    t = np.linspace(-0.4, 1.4, 60)
    swing = s.mix("energy", 0.04, 0.1)
    cycles = s.mix("energy", 0.8, 2.6) * rng.uniform(0.8, 1.2)
    phase, drift = rng.uniform(0, TAU), s.mix("order", 1.3, 0.1)
    edges = np.concatenate([[0], np.cumsum(_widths(s, n))]) * 1.7 - 0.35
    alpha = depth_alpha(s, 1, 0.8)
    last = GROUND
    bend = rng.normal(0, 0.05 * (1 - s.values["order"]), (4,))
    for i in range(n):
        phase += drift * rng.normal(0, 0.35)
        line = swing * np.sin(TAU * cycles * t + phase) + bend[i % 4] * np.sin(TAU * t * 0.7 + i)
        line = line + 0.4 * swing * np.sin(TAU * cycles * 0.47 * t + 2 * phase)
        tone = s.apart(last, 32)
        last = tone
        thick = (edges[i + 1] - edges[i]) * s.mix("weight", 0.75, 1.25)
        middle = np.stack([t, edges[i] + line], axis=1)
        below = np.stack([t, np.full_like(t, 2.0) if s.values["weight"] > -0.2
                          else edges[i] + line + thick], axis=1)[::-1]  # fmt: skip
        outline = turned(np.vstack([middle, below]) - 0.5, angle, 0.5, 0.5)
        s.fill(outline, tone, angle=angle, alpha=alpha, gradient=0.25, steady=True)
        if rng.random() < 0.4:
            s.line(turned(middle - 0.5, angle, 0.5, 0.5), s.against(tone), 0.003, alpha=0.7)


@family(contour=(-1, -0.3), order=(0.1, 1), direction=(-1, -0.4), density=(0, 1),
        energy=(-1, 0.3), depth=(-0.3, 1), texture=(0.2, 1))  # fmt: skip
def weave(s: Scene) -> None:
    """Bands over and under one another, like cloth."""
    rng = s.rng
    s.traits |= {"overlapping", "structured", "textured", "woven"}
    n = s.count(5, 11)
    if s.values["order"] > 0.4:
        s.traits.add("regular")
    step = 1 / n
    tilt = 0.0 if rng.random() < 0.7 else np.pi / 4
    width = step * s.mix("weight", 0.7, 0.9)
    warp = s.pick(0)
    weft = s.apart(warp, 34)
    tones_x = [warp, warp, s.apart(weft, 30)]
    tones_y = [weft, weft]
    joint = s.behind(warp, weft)
    s.ground(joint)
    jitter = (1 - s.values["order"]) * 0.05 * step
    extra = 0.25 if tilt else 0.0
    k0, k1 = int(-extra * n), int((1 + extra) * n)
    for i in range(k0, k1):
        for j in range(k0, k1):
            x, y = (i + 0.5) * step, (j + 0.5) * step
            over = (i + j) % 2 == 0
            for upright in (False, True) if over else (True, False):
                tone = tones_x[i % 3] if upright else tones_y[j % 2]
                long = 1.06 * step
                w, h = (width, long) if upright else (long, width)
                thread = box(x + rng.normal(0, jitter), y + rng.normal(0, jitter), w, h)
                thread = turned(thread - 0.5, tilt, 0.5, 0.5)
                if upright == over:  # on top here: it throws a dark edge on the one below
                    wide, high = (w * 1.22, h) if upright else (w, h * 1.22)
                    rim = turned(box(x, y, wide, high) - 0.5, tilt, 0.5, 0.5)
                    s.many([rim], joint, shade=-0.3)
                angle = tilt + (np.pi / 2 if upright else 0)
                # darker where it dives under: the shade runs across the thread
                s.fill(thread, tone, angle=angle, shade=rng.uniform(-0.25, 0.25), gradient=0.35,
                       steady=True)  # fmt: skip


@family(contour=(0, 1), energy=(-0.2, 1), direction=(-0.6, 1), density=(-0.5, 1),
        order=(-1, 0.7), texture=(0, 1), depth=(-0.3, 0.3))  # fmt: skip
def flow(s: Scene) -> None:
    """Brush strokes that follow a current, or whirl about eyes."""
    rng = s.rng
    s.ground()
    glaze(s, 3)
    n = s.count(80, 260)
    round_ = s.values["direction"]
    base = rng.uniform(0, TAU)
    wild = s.mix("order", 1.6, 0.4) * s.mix("direction", 0.35, 1.1)
    eyes = rng.uniform(0.15, 0.85, (max(round(1 + 2 * (1 - s.values["order"])), 1), 2))
    spin = rng.choice([-1.0, 1.0], len(eyes))
    knots = rng.normal(0, 1.6, (4, 2)), rng.uniform(0, TAU, 4)

    def heading(p: np.ndarray) -> np.ndarray:
        angle = base + wild * sum(
            0.45 * np.sin(p @ knots[0][k] * 1.8 + knots[1][k]) for k in range(4)
        )
        d = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if round_ > 0.1:
            for eye, way in zip(eyes, spin, strict=True):
                gap = p - eye
                far = np.maximum(np.hypot(gap[:, 0], gap[:, 1]), 0.02)[:, None]
                d = d + way * 1.6 * round_ * np.stack([-gap[:, 1], gap[:, 0]], 1) / far**1.6 * 0.35
        return np.asarray(d / np.hypot(d[:, 0], d[:, 1])[:, None])

    if round_ > 0.3:
        s.traits |= {"swirling", "shows:swirling"}
    s.traits |= {"flowing", "fluid", "gestural", "streaming"}
    p = rng.uniform(-0.1, 1.1, (n, 2))
    length, steps = s.mix("energy", 0.35, 0.16) * 1.0, 12
    reach = length * rng.uniform(0.5, 1.4, n)
    track = [p]
    for _ in range(steps):
        p = p + heading(p) * (reach / steps)[:, None]
        track.append(p)
    lines = np.stack(track, axis=1)  # (n, steps + 1, 2)
    width = s.mix("weight", 0.014, 0.034)
    far = np.abs(s.palette.lab[:, 0] - s.palette.lab[GROUND, 0])
    warp = np.sin(lines[:, 0] @ knots[0][0] * 2.2) + 0.6 * rng.normal(0, 1, n)
    tones = list(rng.permutation(s.palette.main))
    for i in range(n):
        last = i / n
        tone = int(tones[int((warp[i] + 3) * 0.9) % len(tones)])
        if rng.random() < 0.06 + 0.05 * last:
            tone = int(rng.choice([ACCENT, LIGHT, INK]))
        tone = s.against(GROUND) if far[tone] < 12 and i % 2 else tone
        wide = width * rng.uniform(0.6, 1.7) * (1.6 - last)
        s.stroke(lines[i], tone, wide, shade=rng.uniform(-0.6, 0.6),
                 taper=0.7, bristles=3 if i % 2 else 0)  # fmt: skip


@family(contour=(-0.2, 1), direction=(-1, -0.3), density=(-1, 0.6), weight=(-1, -0.2),
        depth=(-0.8, 0.2), order=(-1, 0.8), texture=(-1, 0.6), energy=(-0.9, 0.35))  # fmt: skip
def threads(s: Scene) -> None:
    """Strings that run together across an open field."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 2)
    angle, straight = direction(s), s.values["contour"] < 0.2
    s.traits |= {"linear", "delicate", "threadlike"}
    if not straight:  # they run every way
        s.traits -= {"horizontal", "vertical", "diagonal"}
        s.traits.add("flowing")
    else:
        s.traits.add("shows:linear")
    n = s.count(9, 30)
    t = np.linspace(-0.3, 1.3, 50)
    order, swing = s.values["order"], s.mix("contour", 0.0, 0.16)
    base = wobble(rng, 50, 3) * swing
    span_ = s.mix("density", 0.35, 0.95)
    middle = rng.uniform(0.35, 0.65)
    for i in range(n):
        u = i / max(n - 1, 1) - 0.5
        own = wobble(rng, 50, 3) * swing * 0.25 * (1 - order)
        y = middle + span_ * u + (rng.normal(0, 0.05 * (1 - order))) + base * (1 + u) + own
        line = turned(
            np.stack([t, y], 1) - 0.5, angle + rng.normal(0, 0.4) * max(-order, 0), 0.5, 0.5
        )
        tone = s.apart(GROUND, 44) if rng.random() < 0.6 else s.against(GROUND)
        s.line(line, tone, rng.uniform(0.008, 0.014))
    for _ in range(2):
        k = rng.integers(10, 30)
        y = middle + span_ * rng.uniform(-0.4, 0.4) + base[k : k + 12]
        band = ribbon(
            np.stack([t[k : k + 12], y], 1), 0.02 + 0.04 * np.sin(np.linspace(0, np.pi, 12))
        )
        s.fill(turned(band - 0.5, angle, 0.5, 0.5), ACCENT, steady=True)
