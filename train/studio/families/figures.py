"""Families of one plain figure: webs, flames, fans, lozenges, camouflage."""

import numpy as np

from train.studio.families.layout import divide, focus, glaze, places, sizes
from train.studio.families.registry import family
from train.studio.families.staging import companions, plan, stage, warp
from train.studio.noise import Noise, above, grid, slope
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, box, ellipse, smooth, turned, wedge
from train.studio.surface import Scene


@family(contour=(-0.6, 0.3), order=(-0.3, 1), density=(-0.7, 0.6), direction=(-0.1, 0.8),
        energy=(-0.7, 0.35), depth=(-0.5, 0.4), weight=(-1, 0.2), texture=(-1, 0.6))  # fmt: skip
def web(s: Scene) -> None:
    """A spider's web: spokes, and threads that sag from spoke to spoke; torn at times."""
    rng = s.rng
    s.ground(shade=-0.2)
    divide(s)
    glaze(s, 2)
    s.traits |= {"webbed", "radial", "delicate"}
    fx, fy = focus(s)
    spokes, turns = s.count(9, 14), s.count(5, 9)
    loose = 0.35 * (1 - s.values["order"]) / 2
    a = TAU * (np.arange(spokes) + rng.normal(0, loose, spokes)) / spokes + rng.uniform(0, TAU)
    reach = rng.uniform(0.55, 1.1, spokes) if rng.random() < 0.4 else np.full(spokes, 1.2)
    tone = s.against(GROUND)
    width = s.mix("weight", 0.009, 0.014)
    d = np.stack([np.cos(a), np.sin(a)], 1)
    for k in range(spokes):
        s.line(np.array([[fx, fy], (fx, fy) + d[k] * reach[k]]), tone, width * 1.3)
    most = rng.uniform(0.55, 0.95)
    sag = rng.uniform(0.78, 0.9)
    torn = 0.16 * max(-s.values["order"], 0)
    for turn in range(1, turns + 1):
        for k in range(spokes):
            m = (k + 1) % spokes
            r0 = most * ((turn + k / spokes) / turns) ** 1.15
            r1 = most * ((turn + (k + 1) / spokes) / turns) ** 1.15
            if rng.random() < torn or r0 > reach[k] or r1 > reach[m]:
                continue
            ends = np.array([d[k] * r0, (d[k] * r0 + d[m] * r1) / 2 * sag, d[m] * r1])
            ends = ends + np.array([fx, fy])
            s.line(smooth(ends, 9), tone, width)
            if rng.random() < 0.05:  # dew
                x, y = ends[1]
                s.disc(x, y, rng.uniform(0.006, 0.015), s.pick(0.5), gradient=0.3)


@family(contour=(0.2, 0.8), order=(-0.5, 0.35), density=(-0.6, 0.9), direction=(-0.8, 0.1),
        energy=(0.1, 1), depth=(0, 0.9), weight=(-0.5, 0.8), texture=(-1, 0.5))  # fmt: skip
def flames(s: Scene) -> None:
    """Tongues of fire that leap from a bed, each within a paler one, their tips licking aside."""
    rng = s.rng
    s.ground(shade=-0.3)
    s.traits |= {"flaming", "flowing", "curved", "upright"}
    tones = [s.apart(GROUND, 36)]
    for _ in range(3):
        tones.append(s.apart(tones[-1], 24))
    tones.sort(key=lambda row: float(s.palette.lab[row, 0]))
    fires = [(rng.uniform(0.4, 0.6), rng.uniform(0.7, 1.0))] if rng.random() < 0.4 else [
        (x + rng.normal(0, 0.03), rng.uniform(0.4, 0.9))
        for x in np.linspace(0.1, 0.9, min(s.count(3, 9), 12))
    ]  # fmt: skip
    for layer, tone in enumerate(tones):
        for x, tall in fires:
            for k in range(3 if len(fires) > 1 else 7):
                spread = 0.5 if len(fires) == 1 else 0.12
                foot = x + (k / (2 if len(fires) > 1 else 6) - 0.5) * spread * (1 - 0.2 * layer)
                high = tall * (1 - 0.23 * layer) * rng.uniform(0.6, 1.15)
                high *= 1 - 1.3 * (foot - x) ** 2 / spread**2
                wide = s.mix("weight", 0.07, 0.13) * (1 - 0.16 * layer) * rng.uniform(0.8, 1.2)
                t = np.linspace(0, 1, 30)
                lick = 0.09 * s.mix("energy", 0.5, 1.2)
                middle = foot + lick * t * np.sin(4.2 * t + rng.uniform(0, TAU))
                half = wide * (1 - t) ** 0.75 * (0.75 + 0.5 * np.sin(np.pi * t) ** 0.8)
                rise = 1.04 - high * t
                tongue = np.vstack([np.stack([middle - half, rise], 1),
                                    np.stack([middle + half, rise], 1)[::-1]])  # fmt: skip
                s.fill(tongue, tone, shade=0.2 * layer - 0.2, gradient=0.25, angle=np.pi / 2,
                       steady=True)  # fmt: skip
    for _ in range(s.count(4, 26)):  # sparks
        x, y, r = rng.uniform(0.05, 0.95), rng.uniform(0.03, 0.6), rng.uniform(0.003, 0.009)
        s.many([ellipse(x, y, r, r * 1.8, 0, 12)], tones[-1])


@family(contour=(-0.3, 0.9), order=(-0.6, 0.9), density=(-0.8, 0.8), direction=(0, 0.8),
        energy=(-0.5, 0.35), depth=(-0.4, 0.8), weight=(-0.4, 0.5), texture=(-1, 0.5))  # fmt: skip
def fans(s: Scene) -> None:
    """Open fans: blades spread from a pivot, in bands of colour, one great or several."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"fanned", "radial", "rhythmic", "structured"}
    n = s.count(1, 9)
    for (x, y), r in zip(places(s, n, 0.2), sizes(s, n, 0.2, 0.62 if n < 4 else 0.4), strict=False):
        blades = int(rng.integers(7, 14))
        sweep, start = rng.uniform(1.9, 3.1), 0.0
        start = -TAU / 4 - sweep / 2 + (rng.normal(0, 0.8) if s.values["order"] < 0.4 else 0.0)
        px, py = x, y + r * 0.4
        tones = [s.apart(GROUND, 24)]
        tones += [s.apart(tones[0], 18), s.apart(tones[0], 18)]
        bands = np.sort(rng.uniform(0.35, 0.92, int(rng.integers(1, 4))))
        step = sweep / blades
        for k in range(blades):
            a = start + k * step
            edges = [0.16, *bands, 1.0]
            for m in range(len(edges) - 1):
                tone = tones[(m + (k % 2) * (len(bands) == 1)) % 3]
                blade = wedge(px, py, edges[m] * r, edges[m + 1] * r, a, step * 1.01)
                s.fill(blade, tone, shade=-0.45 + 0.9 * (k % 2), gradient=0.2, steady=True,
                       angle=a)  # fmt: skip
            d = np.array([np.cos(a), np.sin(a)])
            s.line(np.array([(px, py) + d * 0.04 * r, (px, py) + d * r]), s.against(tones[0]),
                   max(0.008 * r, 0.002))  # fmt: skip
        s.disc(px, py, r * 0.07, ACCENT, gradient=0.2)
    companions(s)


@family(contour=(-1, -0.4), order=(0.1, 1), density=(-0.6, 0.9), direction=(-0.9, -0.3),
        energy=(-0.9, 0.6), depth=(-0.8, 0.35), weight=(-0.35, 0.5), texture=(-1, 0.5))  # fmt: skip
def diamonds(s: Scene) -> None:
    """Tall lozenges side by side like a harlequin's coat, fine lines across them at times."""
    rng = s.rng
    s.ground()
    s.traits |= {"harlequin", "geometric", "angular", "regular", "structured"}
    n = s.count(4, 7)
    tall = rng.uniform(1.4, 2.1)
    pick, bend = plan(s, 3, 0.05), warp(s, 0.5, turn=False)
    w, h = 1 / n, tall / n
    unit = np.array([[0, -h / 2], [w / 2, 0], [0, h / 2], [-w / 2, 0]]) * 1.01
    lines: list[Points] = []
    with s.within(stage(s, 0.7)):
        for i in range(-n, 4 * n):
            for j in range(-int(n / tall) - 1, int(4 * n / tall) + 2):
                x, y = (i / 2) / n, (j + 0.5 * (i % 2)) * h
                cell = unit + np.array([x, y])
                edges = np.array([cell[k] + (cell[(k + 1) % 4] - cell[k]) * u
                                  for k in range(4) for u in (0.0, 0.33, 0.66)])  # fmt: skip
                cell = bend(edges)
                middle = cell.mean(0)
                if not (-0.15 < middle[0] < 1.15 and -0.2 < middle[1] < 1.2):
                    continue
                tone, shade = pick(middle, i % 2 + 2 * (j % 2))
                tone = GROUND if (i + j) % 3 == 0 and s.values["density"] < 0.1 else tone
                s.many([cell], tone, shade=shade + (0.3 if i % 2 else -0.3))
                lines.append(bend(np.array([(x - w / 2, y), (x, y + h / 2), (x + w / 2, y)])))
                lines.append(bend(np.array([(x - w / 2, y), (x, y - h / 2), (x + w / 2, y)])))
        if rng.random() < 0.55:
            pen = s.against(s.palette.main[0])
            for line in lines:
                s.line(line, pen, 0.003)
    companions(s)


@family(contour=(0.3, 0.9), order=(-0.8, -0.1), density=(0, 1), direction=(-0.3, 0.3),
        energy=(-0.6, 0.35), depth=(-0.8, 0.3), weight=(-0.3, 0.6), texture=(-1, 0.7))  # fmt: skip
def camouflage(s: Scene) -> None:
    """Patches of three or four colours with bays and islands, as on an animal or in leaf shade."""
    rng = s.rng
    s.ground()
    s.traits |= {"camouflaged", "organic", "curved"}
    noise = Noise(rng)
    x, y = grid(s.size)
    cycles = s.mix("density", 1.5, 2.6)
    stretch = np.float32(rng.choice([1.0, 1.0, 0.6, 1.7]))
    tones = [s.pick(0)]
    for _ in range(3):
        tones.append(s.apart(tones[-1], 32))
    levels = [(np.ones_like(x), tones[0], 0.0)]
    for tone in tones[1 : int(rng.integers(3, 5))]:
        field = noise.layer(3, 0.38).at(x, np.asarray(y * stretch, np.float32), cycles)
        levels.append((above(field, rng.uniform(0.25, 0.6), slope(field)), tone, 0.0))
    if rng.random() < 0.4:  # dark little islands over all
        field = noise.layer(2, 0.4).at(x, y, cycles * 1.8)
        levels.append((above(field, 1.15, slope(field)), int(rng.choice([INK, LIGHT])), 0.0))
    s.bands(levels)
    if rng.random() < 0.3:
        fx, fy = focus(s)
        s.fill(turned(box(0, 0, 0.16, 0.16), 0.3, fx, fy), ACCENT, gradient=0.1)
