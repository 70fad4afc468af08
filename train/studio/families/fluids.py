"""Families painted as fields, point by point: marble, clouds, wisps, ripples, contours, ink."""

import numpy as np

from train.studio.colour import FloatArray
from train.studio.families.layout import divide, focus, glaze
from train.studio.families.registry import family
from train.studio.families.staging import companions
from train.studio.noise import Noise, above, grid, slope
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, blob, ellipse, turned
from train.studio.surface import Scene


def _ladder(s: Scene, n: int, least: float = 16.0) -> list[int]:
    """N colours in a row, neighbours apart."""
    tones = [s.pick(0.05)]
    while len(tones) < n:
        tones.append(s.apart(tones[-1], least))
    return tones


def _far(x: FloatArray, y: FloatArray, at: tuple[float, float]) -> FloatArray:
    return np.asarray(np.hypot(x - at[0], y - at[1]), np.float32)


@family(contour=(0.4, 1), order=(-0.9, 0.1), density=(-0.2, 1), direction=(-0.2, 0.8),
        energy=(-0.5, 0.8), depth=(-0.5, 0.5), weight=(-0.35, 0.35), texture=(-1, 0.6))  # fmt: skip
def marble(s: Scene) -> None:
    """Paint floated on water and combed: folded bands, thin veins of another colour between."""
    rng = s.rng
    s.ground()
    s.traits |= {"marbled", "fluid", "flowing", "curved"}
    noise = Noise(rng)
    x, y = grid(s.size)
    bend, fold = noise.layer(2), noise.layer(2)
    power = s.mix("energy", 0.1, 0.24)
    cycles = s.mix("density", 1.1, 1.7)
    u = x + power * bend.at(x, y, cycles)
    v = y + power * fold.at(x, y, cycles)
    u2 = u + 0.5 * power * fold.at(u, v, cycles * 1.5)
    v2 = v + 0.5 * power * bend.at(u, v, cycles * 1.5)
    lean = rng.uniform(0, np.pi)
    way = u2 * np.cos(lean) + v2 * np.sin(lean)
    n = s.count(4, 7)
    field = (way + 0.8) * n * 1.1 + 0.5 * noise.layer(2).at(u2, v2, 2.0)
    tones = _ladder(s, int(rng.integers(3, 6)))
    vein = s.against(tones[0])
    steep = slope(field)
    levels = []
    low, high = int(np.floor(field.min())), int(np.ceil(field.max()))
    for k in range(low, high + 1):
        levels.append((above(field, k, steep), tones[k % len(tones)], 0.3 * np.sin(2.1 * k)))
        if k % 3 == 0:
            line = above(field, k, steep) * (1 - above(field, k + rng.uniform(0.1, 0.22), steep))
            levels.append((line, vein if k % 2 else ACCENT, 0.0))
    s.bands(levels)
    if rng.random() < 0.3:  # stones dropped on the bath
        for _ in range(int(rng.integers(3, 9))):
            px, py, r = *rng.uniform(0.05, 0.95, 2), rng.uniform(0.01, 0.045)
            s.many([blob(rng, px, py, r, 0.1)], s.pick(0.3))
            s.many([blob(rng, px, py, r * 0.5, 0.1)], vein)


@family(contour=(0.3, 1), order=(-0.35, 0.3), density=(-0.7, 0.8), direction=(-0.3, 0.5),
        energy=(-1, 0.35), depth=(0.2, 1), weight=(-0.8, 0.5), texture=(-0.8, 0.5))  # fmt: skip
def clouds(s: Scene) -> None:
    """Heaped clouds with round heads lit from one side, bank before bank."""
    rng = s.rng
    s.ground()
    s.wet = True
    s.traits |= {"cloudy", "curved", "atmospheric", "upright"}
    level = s.palette.lab[:, 0]
    if level[LIGHT] - level[GROUND] < 22:  # a sky against which pale clouds are seen
        s.ground(min(s.palette.main, key=lambda row: abs(level[LIGHT] - 36 - level[row])))
    dark = level[GROUND] < 45
    banks = int(rng.integers(3, 6))
    tones = [int(rng.choice([LIGHT, s.pick(0)])) for _ in range(banks)]
    if rng.random() < 0.4:
        sx, sy = rng.uniform(0.2, 0.8, 2)
        s.disc(sx, sy, rng.uniform(0.07, 0.15), ACCENT, gradient=0.2)
    if rng.random() < 0.2:
        _sky(s)
        return
    low_sky = rng.random() < 0.5
    for k in range(banks):
        tone = (
            tones[k] if abs(s.palette.lab[tones[k], 0] - s.palette.lab[GROUND, 0]) > 12 else LIGHT
        )
        tone = s.apart(GROUND) if tone == LIGHT and dark and rng.random() < 0.5 else tone
        base = 0.3 + 0.62 * k / banks + rng.normal(0, 0.03)
        heads = s.count(12, 26)
        middle, wide = (0.5, 0.75) if low_sky else (rng.uniform(0.2, 0.8), rng.uniform(0.22, 0.4))
        across = rng.uniform(-1, 1, heads)
        mound = np.sqrt(1 - 0.85 * across**2) if not low_sky else np.ones(heads)
        up = rng.uniform(0, 0.17, heads) * mound * s.mix("weight", 0.8, 1.3)
        radii = (0.085 - 0.2 * up) * rng.uniform(0.75, 1.2, heads) * s.mix("weight", 0.9, 1.3)
        radii = np.maximum(radii, 0.03)
        for layer, (off, shade) in enumerate(((0.0, -0.8), (-0.01, 0.0), (-0.022, 0.8))):
            for px, r, lift in zip(middle + wide * across, radii, up, strict=True):
                size = r * (1 - 0.17 * layer)
                s.fill(ellipse(px + off, base - lift + off, size * 1.2, size, 0, 30), tone,
                       shade=shade, soft=0.0015 + 0.008 * layer, gradient=0.3, alpha=0.95,
                       angle=0.0)  # fmt: skip
        s.fill(ellipse(middle, base + 0.05, wide * 1.15, 0.04, 0, 40), tone, shade=-0.5, soft=0.016,
               alpha=0.7, gradient=0.3, angle=0.0)  # fmt: skip


def _sky(s: Scene) -> None:
    """A sky of torn cloud, denser to one side, its undersides dark."""
    rng = s.rng
    noise = Noise(rng)
    x, y = grid(s.size)
    heap, wind = noise.layer(5, 0.56), noise.layer(1)
    cycles = s.mix("density", 1.2, 1.9)
    u = np.asarray(x + 0.05 * wind.at(x, y, 1.5), np.float32)
    v = np.asarray(1.35 * y, np.float32)
    field = heap.at(u, v, cycles)
    lit = heap.at(u - np.float32(0.02), v - np.float32(0.035), cycles)
    base = s.mix("density", 0.75, -0.15) - 0.7 * (y - 0.5)
    cover = np.asarray(np.clip((field - base) / 0.9, 0, 1) ** 0.8, np.float32)
    tone = LIGHT
    under = s.pick(0)
    s.bands([
        (0.95 * cover, tone, 0.4),
        (cover * np.clip((lit - field) * 0.75, 0, 0.85), under, -0.2),
        (cover * np.clip((field - lit) * 0.7 - 0.1, 0, 0.8), LIGHT, 0.8),
    ])  # fmt: skip


@family(contour=(0.4, 1), order=(-0.35, 0.3), density=(-1, 0.2), direction=(-0.4, 0.6),
        energy=(-0.7, 0.6), depth=(0.2, 1), weight=(-1, -0.2), texture=(-1, 0.1),
        contrast=(-1, 0.6))  # fmt: skip
def wisps(s: Scene) -> None:
    """Smoke: veils folded into threads that curl and thin out over an open ground."""
    rng = s.rng
    s.ground()
    s.wet = True
    s.traits |= {"wispy", "fluid", "flowing", "curved", "translucent", "atmospheric", "delicate"}
    t = np.linspace(0, 1, 70)
    for k in range(int(s.count(1, 4))):
        turn = rng.uniform(0, TAU) if k else rng.choice([-1.57, 0.3, -0.8, 2.0])
        knots_ = rng.normal(0, 1, (4, 3))
        tone = s.against(GROUND) if k == 0 else s.apart(GROUND, 40)
        sway = s.mix("energy", 0.07, 0.17)
        strands = 110 if k == 0 else 70
        y0, length = rng.normal(0, 0.1) * (k > 0), rng.uniform(0.9, 1.35)
        for v in np.linspace(-1, 1, strands):
            # a sheet seen edge on: where it folds, its threads lie close
            fold = np.sin(1.6 * v + knots_[0, 0] + 4.2 * t * (1 + 0.3 * knots_[0, 1]))
            fold = fold + 0.5 * np.sin(3.1 * v + 7.5 * t + knots_[1, 0])
            spread = 0.03 + 0.2 * t**1.3 * (1 + 0.4 * np.sin(5 * t + knots_[1, 1]))
            y = y0 + sway * t * np.sin(5.2 * t + knots_[2, 0] + 0.25 * v) + spread * fold
            x = length * (t - 0.5) + 0.06 * t * np.sin(4 * t + 2 * v + knots_[2, 1])
            line = turned(np.stack([x, y], 1), float(turn), 0.5, 0.5)
            s.line(line, tone, 0.009, shade=0.3 * np.sin(3 * v), alpha=0.13)
    companions(s)


@family(contour=(0.5, 1), order=(0, 1), density=(-0.6, 0.8), direction=(0.1, 1),
        energy=(-0.8, 0.35), depth=(-0.2, 0.8), weight=(-0.35, 0.3), texture=(-1, 0.3))  # fmt: skip
def ripples(s: Scene) -> None:
    """Rings that run out from drops and cross one another, or sand combed by water."""
    rng = s.rng
    s.ground()
    s.traits |= {"rippled", "fluid", "curved", "rhythmic"}
    x, y = grid(s.size)
    n = 1 if s.values["order"] > 0.7 else int(rng.integers(1, 4))
    cycles = s.mix("density", 5, 11) / (1.0 if n == 1 else 1.2)
    eyes = [focus(s)] + [tuple(rng.uniform(0.05, 0.95, 2)) for _ in range(n - 1)]
    field = np.zeros_like(x)
    sand = rng.random() < 0.3
    tones = _ladder(s, 3, 36)
    if sand:
        noise = Noise(rng)
        lean = float(rng.normal(0, 0.25))
        way = y * np.cos(lean) + x * np.sin(lean) + 0.045 * noise.layer(2).at(x, y, 1.6)
        field = np.sin(TAU * cycles * 0.8 * way)
    else:
        s.traits |= {"round"} | ({"concentric"} if n == 1 else set())
        total = np.full_like(x, 1e-6)
        for k, eye in enumerate(eyes):
            squash = float(rng.uniform(0.55, 1.0)) if s.values["depth"] > 0.2 else 1.0
            far = _far(x, y / np.float32(squash), (eye[0], eye[1] / squash))
            # the nearest drop's rings are the strongest, and all die away
            weight = np.exp(-9 * far)
            rings = np.exp(-1.1 * far) * np.sin(TAU * cycles * (far + 0.3 * far**2) + k)
            field, total = field + weight * rings, total + weight
        field = np.asarray(field / total, np.float32)
    down, right = np.gradient(field)
    tilt = np.asarray((down + right) * s.size / (TAU * cycles), np.float32)
    glint = np.asarray(0.7 * field - 0.5 * tilt, np.float32)
    steep = slope(field)
    soft = rng.choice([0.02, 0.5])
    # deep water, crests, glints on the side of the light
    s.bands([
        (above(x + 0.0 * y, 0.0, slope(x)), tones[0], 0.0),
        (above(y + 0.15 * field, rng.uniform(0.3, 0.7), slope(y), 0.5), tones[0], 0.6),
        (above(field, 0.12, steep, soft), tones[1], 0.0),
        (above(glint, 0.6, slope(glint), soft * 0.5), LIGHT, 0.0),
    ])  # fmt: skip
    if rng.random() < 0.4 and not sand:
        px, py = eyes[0]
        s.disc(px, py, rng.uniform(0.012, 0.03), ACCENT, gradient=0.3)


@family(contour=(0.3, 1), order=(-0.3, 0.35), density=(-0.5, 1), direction=(-0.1, 0.8),
        energy=(-0.7, 0.35), depth=(-0.3, 0.9), weight=(-0.8, 0.8), texture=(-1, 0.5))  # fmt: skip
def contours(s: Scene) -> None:
    """Heights of a land in closed steps, as on a map: filled like strata, or drawn as lines."""
    rng = s.rng
    s.ground()
    s.traits |= {"contoured", "curved"}
    noise = Noise(rng)
    x, y = grid(s.size)
    field = noise.layer(3, 0.35).at(x, y, rng.uniform(1.0, 2.2))
    field = field + 1.6 * np.exp(-(_far(x, y, focus(s)) ** 2) / 0.06)
    n = s.count(5, 11)
    low, high = float(np.quantile(field, 0.02)), float(np.quantile(field, 0.995))
    heights = np.linspace(low, high, n)
    steep = slope(field)
    tones = _ladder(s, int(rng.integers(2, 5)), 30)
    levels = []
    if rng.random() < 0.55:  # cut paper, each sheet throwing a shadow
        shift = max(s.size // 90, 1)
        fallen = np.roll(field, (shift, shift), (0, 1))
        for k, height in enumerate(heights):
            at = k / n * len(tones)
            cover = above(field, height, steep)
            if s.values["depth"] > -0.1:
                levels.append((0.45 * above(fallen, height, steep, 0.05) * (1 - cover), INK, -0.5))
            levels.append((cover, tones[int(at) % len(tones)], 0.9 * (2 * (at % 1) - 1)))
    else:
        pen = s.apart(GROUND, 46)
        wide = s.mix("weight", 0.008, 0.016) * s.size
        levels.append((above(field, heights[int(n * 0.6)], steep), s.pick(0.1), 0.0))
        for k, height in enumerate(heights):
            line = np.clip(wide * (1.8 if k % 4 == 0 else 1) / 2 + 0.5
                           - np.abs(field - height) / steep, 0, 1)  # fmt: skip
            levels.append((line, pen, 0.0))
    s.bands(levels)


def _drops(s: Scene, pools: list[tuple[float, float, float]], tone: int, mirror: bool) -> None:
    """Drops that pools of ink threw off, on both sides of the fold if there is one."""
    rng, drops = s.rng, []
    for x, y, r in pools:
        for _ in range(s.count(4, 18)):
            a, far = rng.uniform(0, TAU), r * rng.uniform(1.1, 2.3)
            size = r * 0.09 * rng.random() ** 2 + 0.002
            drop = blob(rng, x + far * np.cos(a), y + far * np.sin(a), size, 0.1)
            drops += [drop, (1, 0) + drop * (-1, 1)] if mirror else [drop]
    s.many(drops, tone, shade=-0.2)


@family(contour=(0.3, 1), order=(-0.6, 0.2), density=(-1, 0.5), direction=(-0.2, 0.6),
        energy=(-0.6, 0.7), depth=(0, 0.5), weight=(-0.5, 1), texture=(-0.4, 0.8))  # fmt: skip
def ink(s: Scene) -> None:
    """Ink let into wet paper: pools with feathered shores, a dense heart, drops thrown off."""
    rng = s.rng
    paper = LIGHT if rng.random() < 0.6 else GROUND
    s.ground(paper, shade=0.3)
    s.wet = True
    s.traits |= {"inked", "fluid", "curved"}
    noise = Noise(rng)
    x, y = grid(s.size)
    shore, run = noise.layer(3, 0.42), noise.layer(2, 0.4)
    fx, fy = focus(s)
    n = s.count(1, 6)
    pools = [(fx, fy, rng.uniform(0.16, 0.3) * s.mix("weight", 0.8, 1.25))]
    pools += [(*rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.15)) for _ in range(n - 1)]
    mirror = rng.random() < 0.5
    if mirror:
        s.traits |= {"symmetrical", "upright"}
        pools = [(0.5 + abs(px - 0.5), py, r) for px, py, r in pools]
        pools[0] = (0.5 + 0.5 * pools[0][2], fy, pools[0][2])
    # folded once down the middle, as children do it
    u = 0.5 + np.abs(x - 0.5) if mirror else x
    deep = np.full_like(x, -9.0)
    for px, py, r in pools:
        deep = np.maximum(deep, 1 - np.hypot(u - px, (y - py) * rng.uniform(0.8, 1.3)) / r)
    edge = deep + 0.26 * run.at(u, y, 1.8) + 0.1 * shore.at(u, y, 5.0)
    one = s.apart(paper, 34) if s.hues or rng.random() < 0.45 else s.against(paper)
    halo = s.apart(one, 14)
    steep = slope(edge)
    rim = above(edge, 0.0, steep, 0.02) * np.exp(-np.clip(edge, 0, 9) * 7)
    s.bands([
        (0.35 * above(edge, -0.35, steep, 0.25), halo, 0.5),
        (0.72 * above(edge, 0.0, steep, 0.03), one, 0.4),
        (0.6 * rim, one, -0.7),
        (above(edge, 0.22, steep, rng.choice([0.03, 0.35])), one, -0.3),
        (0.7 * above(edge + 0.2 * run.at(u, y, 5.0), 0.75, steep, 0.3), halo, 0.2),
    ])  # fmt: skip
    _drops(s, pools, one, mirror)
    if s.values["energy"] > 0 and not mirror:  # a brush drawn through
        s.traits.add("gestural")
        t = np.linspace(0, 1, 40)
        a = rng.uniform(0, TAU)
        line = np.stack([fx + 0.45 * (t - 0.4) * np.cos(a) + 0.1 * np.sin(5 * t),
                         fy + 0.45 * (t - 0.4) * np.sin(a) + 0.1 * np.cos(4 * t)], 1)  # fmt: skip
        width = s.mix("weight", 0.02, 0.07)
        s.stroke(line, one, width, taper=0.6, bristles=14, dry=0.5, uneven=0.2)


@family(contour=(0.2, 0.9), order=(-0.5, 0.2), density=(-0.8, 0.8), direction=(-0.9, -0.3),
        energy=(-0.4, 0.35), depth=(-0.4, 0.3), weight=(-0.6, 0.7),
        texture=(-0.6, 0.9))  # fmt: skip
def drips(s: Scene) -> None:
    """Wet paint that runs down the sheet from a loaded edge, each run ending in a drop."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    glaze(s, 2)
    s.traits |= {"dripping", "vertical", "fluid", "upright"}
    bars = [rng.uniform(-0.02, 0.12)] + [rng.uniform(0.25, 0.55)] * (rng.random() < 0.4)
    for top in bars:
        tone = s.apart(GROUND, 32)
        t = np.linspace(-0.1, 1.1, 60)
        edge = top + 0.05 + 0.02 * np.sin(7 * t + rng.uniform(0, TAU))
        if top > 0.2:  # a broad stroke that bleeds
            thick = rng.uniform(0.05, 0.12)
            s.fill(np.vstack([np.stack([t, edge - thick], 1), np.stack([t, edge], 1)[::-1]]), tone,
                   shade=0.0, gradient=0.2, angle=0.0)  # fmt: skip
        else:
            whole = np.vstack([np.stack([t, edge], 1), [[1.2, -0.2], [-0.2, -0.2]]])
            s.fill(whole, tone, shade=0.0, gradient=0.2, angle=0.0)
        runs = []
        for _ in range(s.count(7, 22)):
            x, w = rng.uniform(0.02, 0.98), s.mix("weight", 0.014, 0.03) * rng.uniform(0.6, 1.4)
            long = rng.gamma(2.0, 0.14)
            y0 = float(np.interp(x, t, edge)) - 0.01
            y = np.linspace(0, 1, 24)
            half = w * (0.42 + 1.1 * np.exp(-y * 14) + 0.12 * np.sin(9 * y + x * 40))
            bead = w * rng.uniform(0.8, 1.15)
            middle = x + 0.004 * np.sin(5 * y + 30 * x)
            runs.append(
                np.vstack(
                    [
                        np.stack([middle - half, y0 + long * y], 1),
                        np.stack([middle + half, y0 + long * y], 1)[::-1],
                    ]
                )
            )
            runs.append(ellipse(middle[-1], y0 + long, bead, bead * 1.35, 0, 20))
        for run in runs:
            s.many([run], tone, angle=np.pi / 2)
    companions(s)
