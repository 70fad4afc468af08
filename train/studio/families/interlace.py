"""Families of bands over and under one another: ribbons, braids, knots, lattices, coils."""

import numpy as np

from train.studio.families.layout import divide, focus, glaze
from train.studio.families.registry import family
from train.studio.families.staging import companions, duo, plan, stage
from train.studio.palette import GROUND
from train.studio.shapes import TAU, Points, ribbon, smooth, turned
from train.studio.surface import Scene


def _band(s: Scene, line: Points, width: float, tone: int, shade: float, rim: int) -> None:
    """A flat band with a dark edge and a lit middle, so that crossings read."""
    s.many([ribbon(line, width * 1.22)], rim, shade=-0.4)
    d = line[-1] - line[0]
    angle = float(np.arctan2(d[1], d[0]))
    s.many([ribbon(line, width)], tone, shade=shade, angle=angle)
    s.many([ribbon(line, width * 0.42)], tone, shade=shade + 0.45, angle=angle)


@family(contour=(0.5, 1), order=(-0.45, 0.35), density=(-0.9, 0.7), direction=(-0.5, 0.5),
        energy=(-0.4, 0.9), depth=(0.2, 1), weight=(-0.8, 0.6), texture=(-1, 0.5))  # fmt: skip
def ribbons(s: Scene) -> None:
    """Broad ribbons that cross the sheet and turn over: each side has its own shade."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    s.traits |= {"ribboned", "flowing", "curved", "fluid", "overlapping"}
    t = np.linspace(0, 1, 90)
    for k in range(s.count(2, 8)):
        turn = rng.uniform(0, TAU)
        drift = rng.normal(0, 0.16)
        waves = rng.uniform(0.7, 1.6) * s.mix("energy", 0.8, 1.5)
        y = drift + s.mix("energy", 0.08, 0.2) * np.sin(TAU * waves * t + rng.uniform(0, TAU))
        line = turned(np.stack([1.7 * t - 0.85, y + 0.1 * np.sin(5 * t + k)], 1), turn, 0.5, 0.5)
        width = s.mix("weight", 0.05, 0.15) * rng.uniform(0.7, 1.3)
        flips = rng.uniform(1.2, 2.8)
        phase = rng.uniform(0, TAU)
        face = np.cos(TAU * flips * t / 2 + phase)  # 1 towards us, -1 from behind
        lean = rng.uniform(0.6, 1.2)
        away = np.stack([np.sin(turn + lean), -np.cos(turn + lean)], -1) * width
        one, back = duo(s)
        upper, lower = line + away * face[:, None], line - away * face[:, None]
        s.many([np.vstack([upper + 0.012, lower[::-1] + 0.012])], 1, alpha=0.16, strength=0)
        for i in range(len(t) - 1):
            middle = (face[i] + face[i + 1]) / 2
            j = min(i + 2, len(t) - 1)  # over the next one: no seams
            piece = np.array([upper[i], upper[j], lower[j], lower[i]])
            tone = one if middle > 0 else back
            shade = 0.75 * abs(middle) - 0.45 + 0.3 * np.sin(2 * TAU * t[i] * flips)
            s.many([piece], tone, shade=float(shade), angle=turn)
        for edge in (upper, lower):
            s.line(edge, back, 0.0025, shade=-0.8, alpha=0.8)
    companions(s)


@family(contour=(0.2, 1), order=(0.1, 1), density=(-0.5, 0.9), direction=(-0.6, 0.3),
        energy=(-0.6, 0.35), depth=(0, 1), weight=(-0.5, 1), texture=(-1, 0.8))  # fmt: skip
def braid(s: Scene) -> None:
    """One to four plaits of three strands, across an open ground."""
    rng = s.rng
    s.ground()
    divide(s)
    glaze(s, 2)
    s.traits |= {"braided", "overlapping", "rhythmic", "curved"}
    n = min(s.count(1, 4), 5)
    turn = float(rng.choice([0, np.pi / 2, np.pi / 4, -np.pi / 4]))
    pitch = 0.86 / n
    reach = min(pitch * 0.36, 0.15)
    bow = rng.normal(0, 0.06)
    t = np.linspace(-0.9, 0.9, 361)
    for row in range(n):
        tones = [s.apart(GROUND)]
        tones += [s.apart(tones[0], 16), s.apart(GROUND)]
        rim = s.against(tones[0])
        length = reach * rng.uniform(5.0, 6.4)
        y0 = (row - (n - 1) / 2) * pitch
        lines, levels = [], []
        for k in range(3):
            phase = TAU * t / length + TAU * k / 3
            lines.append(np.stack([t, y0 + reach * np.sin(phase) + bow * np.sin(3 * t + row)], 1))
            levels.append(np.sin(phase * 2))  # a strand dives twice a turn
        width = reach * s.mix("weight", 0.55, 0.76)
        step = 12
        starts = range(0, len(t) - step, step)
        pieces = [(float(levels[k][i + step // 2]), k, i) for i in starts for k in range(3)]
        for level, k, i in sorted(pieces):
            part = turned(lines[k][max(i - 3, 0) : i + step + 4], turn, 0.5, 0.5)
            s.many([ribbon(part, width * 1.2)], rim, shade=-0.4)
            inner = turned(lines[k][max(i - 5, 0) : i + step + 6], turn, 0.5, 0.5)
            s.many([ribbon(inner, width)], tones[k], shade=0.3 * level, angle=turn)
            s.many([ribbon(inner, width * 0.3)], tones[k], shade=0.3 * level + 0.6, angle=turn)


@family(contour=(0.2, 1), order=(0.3, 1), density=(-0.3, 1), direction=(0, 0.8),
        energy=(-0.6, 0.35), depth=(0.1, 1), weight=(-0.6, 1))  # fmt: skip
def knots(s: Scene) -> None:
    """An endless band that weaves through itself: a rosette of loops, or a plaited panel."""
    rng = s.rng
    s.ground()
    s.traits |= {"knotted", "overlapping", "curved", "structured"}
    one = s.apart(GROUND, 38)
    other = s.apart(one, 20)
    rim = s.against(one)
    t, turn = np.linspace(0, 1, 721), rng.uniform(0, TAU)
    x, y = (0.5, 0.5) if s.values["order"] > 0.5 else 0.5 + rng.uniform(-0.06, 0.06, 2)
    if rng.random() < 0.4 and s.values["density"] > 0:  # a panel filled to its corners
        p, q = [(3, 4), (4, 5), (3, 5), (2, 3)][int(rng.integers(4))]
        line = np.stack([x + 0.38 * np.cos(TAU * p * t), y + 0.38 * np.cos(TAU * q * t + 0.5)], 1)
        level, p = np.cos(TAU * (p + q) * t + 0.25), p + 1
    else:
        p, q = [(2, 3), (2, 5), (3, 4), (3, 5), (2, 7), (3, 7), (4, 5)][int(rng.integers(7))]
        if s.values["density"] < 0.1:
            p, q = [(2, 3), (2, 5)][int(rng.integers(2))]
        r, swing = rng.uniform(0.24, 0.28), rng.uniform(0.12, 0.17)
        if rng.random() < 0.6:
            s.disc(x, y, (r + swing) * rng.uniform(1.0, 1.12), s.apart(one, 30), gradient=0.2)
        a, far = TAU * p * t + turn, r + swing * np.cos(q * TAU * t)
        line = np.stack([x + far * np.cos(a), y + far * np.sin(a)], 1)
        level = np.sin(q * TAU * t)
    width = s.mix("weight", 0.055, 0.09) * (3 / (p + 1)) ** 0.8
    step = 6
    order = sorted(range(0, 720, step), key=lambda i: float(level[min(i + step // 2, 720)]))
    for i in order:
        part = line[np.arange(i - 2, i + step + 3) % 720]
        longer = line[np.arange(i - 4, i + step + 5) % 720]
        high = float(level[i])
        s.many([ribbon(part, width * 1.35)], rim, shade=-0.4)
        s.many([ribbon(longer, width)], one, shade=0.4 * high)
        s.many([ribbon(longer, width * 0.34)], other, shade=0.3)


@family(contour=(-1, -0.2), order=(0, 1), density=(-0.7, 0.9), direction=(-1, -0.4),
        energy=(-0.8, 0.35), depth=(-0.2, 1), weight=(-1, 0.4))  # fmt: skip
def lattice(s: Scene) -> None:
    """Slats crossed on the slant with gaps one looks through, at a few soft suns behind."""
    rng = s.rng
    s.ground(shade=0.2)
    s.traits |= {"latticed", "overlapping", "structured"}
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.1, 0.9, 2)
        s.disc(x, y, rng.uniform(0.1, 0.26), s.pick(0.3), gradient=0.5)
    n = s.count(3, 6)
    one, other = s.apart(GROUND, 40), s.apart(GROUND, 40)
    rim = s.against(one)
    width = s.mix("weight", 0.16, 0.36) / n
    lean = np.pi / 4 + rng.normal(0, 0.06)
    jitter = 0.12 * (1 - s.values["order"]) / n
    with s.within(stage(s, 0.55)):
        at = np.arange(-n, n + 1) / n * 0.75 + rng.normal(0, jitter, (2, 2 * n + 1))
        for k, (turn, tone) in enumerate(((lean, one), (-lean, other))):
            for off in at[k]:
                line = turned(np.array([[-1.2, off], [0, off], [1.2, off]]), turn, 0.5, 0.5)
                s.many([ribbon(line, width * 1.3)], rim, shade=-0.3)
                s.many([ribbon(line, width)], tone, shade=0.2 - 0.4 * k, angle=turn)
        over, d = [], np.array([np.cos(lean), np.sin(lean)])
        for i, u in enumerate(at[0]):
            for j, v in enumerate(at[1]):
                x = 0.5 + (v - u) / (2 * np.sin(lean))
                y = 0.5 + (u + v) / (2 * np.cos(lean))
                if (i + j) % 2:  # here the first goes over
                    over.append(np.array([(x, y) - d * width, (x, y), (x, y) + d * width]))
        s.many([ribbon(piece, width * 1.3) for piece in over], rim, shade=-0.3)
        longer = [p[1] + (p - p[1]) * 1.25 for p in over]
        s.many([ribbon(piece, width) for piece in longer], one, shade=0.2, angle=lean)


@family(contour=(0.6, 1), order=(-0.9, 0.6), density=(-0.8, 0.9), direction=(0, 0.8),
        energy=(0, 0.6), depth=(-0.6, 0.3), weight=(-1, 0.2), texture=(-1, 0.7))  # fmt: skip
def loops(s: Scene) -> None:
    """A line that writes rows of loops, or winds one great coil over the sheet."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    s.traits |= {"looped", "curved", "flowing", "gestural", "rhythmic"}
    n = s.count(1, 5)
    turn = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
    t = np.linspace(0, 1, 420)
    for row in range(n):
        y0 = (row + 0.5) / n - 0.5 if s.values["order"] > -0.4 else rng.uniform(-0.4, 0.4)
        r = min(0.42 / n, 0.2) * rng.uniform(0.75, 1.0)
        count = rng.uniform(0.95, 1.15) / r * 0.75
        swell = 1 - 0.45 * np.cos(TAU * t * rng.uniform(0.6, 1.4) + rng.uniform(0, TAU)) ** 2
        a = TAU * count * t
        x = 1.25 * t - 0.62 + 1.15 * r * swell * np.cos(a)
        y = y0 + r * swell * np.sin(a) + 0.05 * np.sin(4 * t + row)
        line = turned(np.stack([x, y], 1), turn, 0.5, 0.5)
        tone = s.apart(GROUND, 46)
        wide = s.mix("weight", 0.016, 0.034) * (1 + 0.5 / n)
        width = wide * (0.75 + 0.4 * np.sin(a + 0.8))
        s.many([ribbon(line[i : i + 36], width[i : i + 36]) for i in range(0, 420, 34)], tone)
    companions(s)


@family(contour=(0.3, 1), order=(-0.9, 0.2), density=(0, 1), direction=(-0.1, 0.6),
        energy=(0, 1), depth=(-0.6, 0.4), weight=(-1, 0.1), texture=(-0.7, 0.8))  # fmt: skip
def tangle(s: Scene) -> None:
    """One thread or a few, run over themselves into a knot of scribble that leaves room."""
    rng = s.rng
    s.ground(shade=0.2)
    divide(s)
    glaze(s, 2)
    s.traits |= {"tangled", "gestural", "messy", "turbulent"}
    for k in range(int(rng.integers(1, 4))):
        fx, fy = focus(s) if k == 0 else rng.uniform(0.2, 0.8, 2)
        reach = s.mix("density", 0.26, 0.42) * (1 if k == 0 else rng.uniform(0.4, 0.7))
        knots_ = s.count(22, 60) if k == 0 else 16
        far = reach * rng.uniform(0.1, 1, knots_) ** 0.6
        a = np.cumsum(rng.normal(1.9, 1.1, knots_) * rng.choice([-1, 1], knots_, p=[0.3, 0.7]))
        wild = 0.8 + 0.4 * rng.random()
        points = np.stack([fx + far * np.cos(a) * wild, fy + far * np.sin(a) / wild], 1)
        loose = [points[0] + rng.normal(0, 0.45, 2)] if rng.random() < 0.6 else []
        line = smooth(np.vstack([*loose, points]), 10 * knots_)
        tone = s.against(GROUND) if k == 0 else s.apart(GROUND, 36)
        width = s.mix("weight", 0.009, 0.018) * rng.uniform(0.8, 1.3)
        s.line(line, tone, width)
        if rng.random() < 0.4:
            s.line(line + 0.006, s.apart(GROUND, 24), width * 0.4)


@family(contour=(0.6, 1), order=(-0.35, 0.35), density=(-1, 0.4), direction=(-0.2, 0.4),
        energy=(-0.7, 0.4), depth=(-0.8, 0.3), weight=(-0.7, 0.9), texture=(-1, 0.7))  # fmt: skip
def meander(s: Scene) -> None:
    """One river that winds down the sheet in wide bends, with banks, and fields about it."""
    rng = s.rng
    s.ground()
    if rng.random() < 0.6:
        pick = plan(s, 3)
        for i in range(7):  # fields
            x, y = rng.uniform(0, 1, 2)
            tone, shade = pick((x, y), i)
            s.fill(turned(np.array([[-0.3, -0.2], [0.3, -0.2], [0.3, 0.2], [-0.3, 0.2]]),
                          rng.normal(0, 0.3), x, y), tone, shade=shade, gradient=0.2)  # fmt: skip
    s.traits |= {"meandering", "curved", "flowing", "fluid"}
    bends = max(round(s.mix("energy", 2, 5)), 2)
    turn = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
    t = np.linspace(-0.1, 1.1, 300)
    a = TAU * bends / 2 * t + rng.uniform(0, TAU)
    swing = rng.uniform(0.2, 0.3) * (1 + 0.3 * np.sin(TAU * t * 0.7 + rng.uniform(0, TAU)))
    y = swing * np.sin(a)
    x = 1.25 * (t - 0.5) - 0.35 / bends * np.sin(2 * a)  # bends lean over
    line = turned(np.stack([x, y], 1), turn, 0.5, 0.5)
    river = s.apart(GROUND, 34)
    width = s.mix("weight", 0.035, 0.11) * (0.8 + 0.5 * t + 0.15 * np.sin(7 * t))
    for k in range(int(rng.integers(0, 3)), 0, -1):
        s.many([ribbon(line, width * (1 + 0.5 * k))], s.apart(river, 18), shade=0.3 * k - 0.4)
    s.many([ribbon(line, width)], river)
    for k in range(int(rng.integers(0, 4))):
        off = (k - 1.2) * 0.25
        d = np.gradient(line, axis=0)
        normal = np.stack([-d[:, 1], d[:, 0]], 1) / np.hypot(d[:, 0], d[:, 1])[:, None]
        s.line(line + normal * (width * off)[:, None], river, 0.003, shade=0.8)
    companions(s)
