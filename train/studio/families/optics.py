"""Families for the eye alone: nested figures, arches, swelling lines, mirrors, folds, mazes."""

import numpy as np

from train.studio.families.layout import divide, focus
from train.studio.families.registry import family
from train.studio.families.staging import companions, duo, plan, stage
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, arc, box, ellipse, regular, span, turned
from train.studio.surface import Scene, path_of


@family(order=(0.1, 1), density=(-0.7, 0.8), direction=(-0.4, 0.3), energy=(-1, 0.35),
        depth=(-0.5, 0.35), contour=(-1, -0.3), weight=(-0.35, 0.35),
        texture=(-1, 0.7))  # fmt: skip
def nested(s: Scene) -> None:
    """One figure with corners within itself, again and again, to one point: never round."""
    rng = s.rng
    s.ground()
    s.traits |= {"nested", "structured", "rhythmic", "geometric", "angular"}
    sides = int(rng.choice([4, 4, 4, 4, 3, 3, 5, 6]))
    n = s.count(4, 10)
    several = s.values["density"] > 0.2 and rng.random() < 0.35
    if several:  # a field of four, each in other colours
        nests = [((i + 0.5) / 2, (j + 0.5) / 2, 0.235) for i in range(2) for j in range(2)]
        n = int(np.clip(n // 2, 3, 5))
    else:
        nests = [(*focus(s), 0.95 if rng.random() < 0.4 else rng.uniform(0.4, 0.46))]
        nests[0] = (0.5, 0.5, nests[0][2]) if rng.random() < 0.5 else nests[0]
    spin = float(rng.choice([0, 0, 0, 0.1, 0.16]))
    sink = rng.uniform(-0.35, 0.35, 2) * (s.values["order"] < 0.6)
    even = rng.random() < 0.6
    for x, y, r in nests:
        tones = [s.pick(0), 0, 0]
        tones[1] = s.apart(tones[0], 32)
        tones[2] = s.apart(tones[1], 32)
        if several:
            s.many(
                [span(x - r * 1.07, y - r * 1.07, x + r * 1.07, y + r * 1.07)], s.apart(tones[0])
            )
        for k in range(n):
            u = k / n if even else (k / n) ** 0.75
            size = r * (1 - u)
            mx, my = np.array([x, y]) + sink * r * u * 0.6
            tone = tones[k % 2] if n > 6 else tones[k % 3]
            tone = ACCENT if k == n - 1 else tone
            far = size * {4: 1.35, 3: 1.3}.get(sides, 1.1)
            outline = regular(mx, my + 0.15 * size * (sides == 3), far, sides,
                              (TAU / 8 if sides == 4 else -TAU / 4) + spin * k)  # fmt: skip
            s.fill(outline, tone, shade=0.2 * np.sin(2.4 * k), gradient=0.12, steady=True)
    if not several and s.values["order"] > 0.5 and not spin:
        s.traits.add("symmetrical" if nests[0][:2] == (0.5, 0.5) and not sink.any() else "balanced")


@family(contour=(0.3, 1), order=(-0.1, 1), density=(-0.7, 0.9), direction=(0.1, 0.8),
        energy=(-1, 0.35), depth=(-0.6, 0.4), weight=(-0.35, 0.45), texture=(-1, 0.6))  # fmt: skip
def arches(s: Scene) -> None:
    """Arches in arches, set side by side or row over row, like bridges, hills and rainbows."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"arched", "curved", "rhythmic", "structured", "upright"}
    kind = int(rng.integers(3))
    if kind == 0:
        spots = [(*(0.5 + rng.normal(0, 0.1, 1)), 0.92, rng.uniform(0.42, 0.6))]
        spots += [(x, 0.98, rng.uniform(0.16, 0.24)) for x in (0.08, 0.95) if rng.random() < 0.6]
    elif kind == 1:
        n = int(rng.integers(2, 4))
        spots = [((i + 0.5) / n, (j + 1) / n, 0.5 / n) for j in range(n) for i in range(n)]
    else:
        n = s.count(4, 16)
        feet = rng.uniform(0.05, 1.02, (n, 2))
        feet = feet[np.argsort(feet[:, 1])]  # the near ones in front
        spots = [(x, y, rng.uniform(0.12, 0.28)) for x, y in feet]
    for x, y, r in spots:
        rings = max(s.count(3, 8) if r > 0.2 else s.count(3, 5), 3)
        leg = rng.choice([0.0, 0.0, 0.6]) * r
        last = -1
        for k in range(rings):
            size = r * (1 - k / (rings + 0.35))
            tone = s.apart(last, 16) if last >= 0 else s.apart(GROUND)
            last = tone
            bow = arc(x, y - leg, size, np.pi, np.pi, 40)
            outline = np.vstack([bow, [[x + size, y], [x - size, y]]])
            s.fill(outline, tone, shade=rng.uniform(-0.2, 0.3), gradient=0.2, steady=True)
        hole = r * 0.35 / (rings + 0.35)
        door = np.vstack([arc(x, y - leg, hole, np.pi, np.pi, 24), [[x + hole, y], [x - hole, y]]])
        s.many([door], GROUND)


@family(contour=(0.4, 1), order=(0.1, 1), density=(0, 1), direction=(-0.6, 0.5),
        energy=(0.1, 1), depth=(-0.2, 0.5), weight=(-0.35, 0.35), texture=(-1, -0.1))  # fmt: skip
def pulse(s: Scene) -> None:
    """Many even lines that swell and pinch until the flat sheet seems to heave."""
    rng = s.rng
    s.ground()
    s.traits |= {"undulating", "wavy", "rhythmic", "flowing", "regular", "shows:wavy"}
    one = s.pick(0) if s.hues else int(rng.choice([INK, s.pick(0)]))
    other = s.apart(one, 40)
    third = s.apart(one) if rng.random() < 0.35 else one
    n = s.count(7, 14)
    t = np.linspace(-0.3, 1.3, 90)
    waves, phase = rng.uniform(0.8, 1.8), rng.uniform(0, TAU)
    swing, slip = s.mix("energy", 0.06, 0.12), rng.uniform(0.6, 2.4) * rng.choice([-1, 1])
    knot = rng.uniform(0.3, 0.7, 2)
    kind = int(rng.integers(3))
    turn = float(rng.choice([0, np.pi / 2]))
    s.fill(span(-0.1, -0.1, 1.1, 1.1), other, steady=True, gradient=0)
    pieces: list[list[Points]] = [[], []]
    for i in range(-n // 2, n + n // 2):
        edges = []
        for side in (0.0, 0.5):
            y = np.full_like(t, (i + side) / n)
            if kind == 0:  # the phase slips from line to line
                y = y + swing * np.sin(TAU * waves * t + phase + slip * y)
            elif kind == 1:  # a ball under the cloth
                d2 = (t - knot[0]) ** 2 + (y - knot[1]) ** 2
                y = y + (y - knot[1]) * 1.6 * np.exp(-d2 / 0.05)
                y = y + 0.5 * swing * np.sin(TAU * t + phase)
            else:  # tide: amplitude grows to one side
                y = y + swing * 1.7 * t * np.sin(TAU * waves * 1.4 * t + phase + 1.5 * y)
            edges.append(np.stack([t, y], 1))
        outline = turned(np.vstack([edges[0], edges[1][::-1]]) - 0.5, turn, 0.5, 0.5)
        pieces[i % 2].append(outline)
    s.many(pieces[0], one, strength=0.3)
    s.many(pieces[1], third, strength=0.3)


@family(order=(0.6, 1), density=(0, 1), direction=(0.2, 1), energy=(-0.6, 0.35),
        contour=(-1, -0.2), depth=(-0.3, 0.35), texture=(-1, 0.3),
        weight=(-0.35, 0.35))  # fmt: skip
def kaleidoscope(s: Scene) -> None:
    """Chance splinters mirrored round the middle, as in a tube of coloured glass."""
    rng = s.rng
    s.ground()
    s.traits |= {"kaleidoscopic", "symmetrical", "structured", "sharp", "shows:symmetrical"}
    folds = int(rng.choice([3, 4, 6, 6, 8]))
    slice_ = np.pi / folds
    n = s.count(16, 30)
    turn = rng.uniform(0, TAU) if rng.random() < 0.5 else -TAU / 4
    glass = path_of(ellipse(0.5, 0.5, 0.49, 0.47, 0, 96), True)
    whole = path_of(span(-0.1, -0.1, 1.1, 1.1), True)
    tone = s.pick(0)
    with s.within(glass if rng.random() < 0.25 else whole):
        for k in range(n):
            r = 0.78 * np.sqrt(rng.uniform(0.0, 1))
            a = rng.uniform(0, slice_)
            size = (0.24 * (1 - k / n) + 0.05) * (0.5 + r)
            corners = np.sort(rng.uniform(0, TAU, int(rng.integers(3, 5))))
            far: Points = size * rng.uniform(0.6, 1.5, len(corners))
            piece = np.stack([far * np.cos(corners), far * np.sin(corners)], 1)
            piece = piece + r * np.array([np.cos(a), np.sin(a)])
            tone = s.apart(tone, 30) if rng.random() < 0.8 else int(rng.choice([INK, LIGHT]))
            shade = rng.uniform(-0.5, 0.5)
            for m in range(folds):
                for flip in (1, -1):
                    copy = turned(piece * (1, flip), turn + 2 * slice_ * m, 0.5, 0.5)
                    s.many([copy], tone, shade=shade + 0.15 * flip, alpha=0.94)
    s.many([regular(0.5, 0.5, 0.05, folds * 2, turn)], ACCENT)


@family(contour=(-1, -0.2), order=(0, 1), density=(-0.5, 0.9), direction=(-1, -0.3),
        energy=(-0.8, 0.35), depth=(0.1, 1), weight=(-0.35, 0.45), texture=(-1, 0.4))  # fmt: skip
def pleats(s: Scene) -> None:
    """Paper folded in rows and columns: its faces are lit and shaded by turns."""
    rng = s.rng
    s.ground()
    s.traits |= {"folded", "structured", "rhythmic"}
    n, rows = s.count(4, 9), int(rng.integers(2, 5))
    pick = plan(s, 2)
    turn = float(rng.choice([0, np.pi / 2, rng.normal(0, 0.3)]))
    wide, high = rng.choice([0.86, 1.5]), rng.choice([0.84, 1.5])
    rows = rows if high < 1 else rows + 2
    columns = 2 * n
    slant, lift = wide / columns * rng.uniform(0.3, 0.7), high / rows * rng.uniform(0.18, 0.34)
    i, j = np.meshgrid(np.arange(columns + 1), np.arange(rows + 1), indexing="ij")
    x = (i / columns - 0.5) * wide + slant * (j % 2)
    y = (j / rows - 0.5) * high + lift * (i % 2)
    knot = np.stack([x, y], -1) + rng.normal(
        0, 0.15 * (1 - s.values["order"]) / n / 2, (*x.shape, 2)
    )
    knot = turned(knot, turn, *(np.array(focus(s)) * 0.4 + 0.3))
    s.fill(np.vstack([knot[:, 0], knot[::-1, -1]]) + 0.02, INK, alpha=0.25, soft=0.012,
           gradient=0)  # fmt: skip
    for c in range(columns):
        for r in range(rows):
            face = np.array([knot[c, r], knot[c + 1, r], knot[c + 1, r + 1], knot[c, r + 1]])
            tone, shade = pick(face.mean(0), r)
            lit = (0.7 if c % 2 else -0.55) + (0.25 if r % 2 else -0.2)
            grown = face.mean(0) + (face - face.mean(0)) * 1.02
            s.fill(grown, tone, shade=0.3 * shade + lit, gradient=0.3, steady=True,
                   angle=turn + np.pi / 2)  # fmt: skip


@family(contour=(-1, -0.4), order=(0, 1), density=(-0.6, 0.8), direction=(-0.8, -0.3),
        energy=(-0.6, 0.35), depth=(0, 1), weight=(0, 1), texture=(-1, 0.5))  # fmt: skip
def steps(s: Scene) -> None:
    """Stairs: blocks with a light top and a dark side that climb across the sheet."""
    rng = s.rng
    s.ground()
    divide(s)
    s.traits |= {"stepped", "blocky", "structured", "rhythmic", "upright"}
    if rng.random() < 0.5:
        x, y = rng.uniform(0.15, 0.85), rng.uniform(0.1, 0.4)
        s.disc(x, y, rng.uniform(0.06, 0.14), ACCENT, gradient=0.3)
    pick = plan(s, 2, 0.05)
    n = s.count(4, 9)
    way = rng.choice([-1, 1])
    for row in range(int(rng.integers(1, 4))):
        w = 1.1 / n
        low = 0.55 + 0.28 * row + rng.normal(0, 0.04)
        rise = rng.uniform(0.45, 0.8) / n
        lean = w * rng.uniform(0.3, 0.55)
        start = rng.uniform(-0.2, 0.1)
        for i in range(n + 2):
            x = start + i * w
            top = low - i * rise
            tone, shade = pick((x, top), i)
            ends = [[x, top], [x + w, top], [x + w + lean, top - lean * 0.6],
                    [x + lean, top - lean * 0.6]]  # fmt: skip
            faces = [(span(x, top, x + w, 1.6), 0.1), (np.array(ends), 0.85),
                     (np.array([[x + w, top], [x + w + lean, top - lean * 0.6],
                                [x + w + lean, 1.6], [x + w, 1.6]]), -0.8)]  # fmt: skip
            for face, lit in faces:
                piece = face if way > 0 else np.array([1.0, 0]) + face * (-1, 1)
                s.fill(piece, tone, shade=0.3 * shade + lit, gradient=0.12, steady=True)


@family(contour=(-1, -0.3), order=(-0.2, 1), density=(-0.4, 1), direction=(-0.9, -0.2),
        energy=(0.1, 1), depth=(-1, 0.2), weight=(-0.6, 0.9), texture=(-1, 0.6))  # fmt: skip
def zigzags(s: Scene) -> None:
    """Bands that turn sharply back and forth, nested from edge to edge or few on a ground."""
    rng = s.rng
    s.ground()
    s.traits |= {"zigzag", "jagged", "angular", "sharp", "rhythmic"}
    n = s.count(4, 11)
    turn = float(rng.choice([0, np.pi / 2, np.pi / 4]))
    teeth = int(rng.integers(2, 6)) if s.values["energy"] < 0.5 else int(rng.integers(4, 8))
    xs = np.linspace(-0.5, 1.5, 4 * teeth + 1)
    swing = rng.uniform(0.5, 0.9) / teeth * 0.5
    loose = 0.35 * (1 - s.values["order"]) / 2
    knock = rng.normal(0, loose, len(xs))
    xs = xs + rng.normal(0, loose, len(xs)) * 0.25 / teeth
    few = s.values["density"] < 0.1 and rng.random() < 0.7
    tones = [s.pick(0), 0, 0, 0]
    for k in range(1, 4):
        tones[k] = s.apart(tones[k - 1], 36)
    colours = int(rng.integers(2, 5))
    pitch = 1.0 / n
    with s.within(stage(s, 2.0 if few else 0.65)):
        for i in range(-4, n + 5):
            if few and i % 3:
                continue
            base = i * pitch + rng.normal(0, 0.1 * pitch * loose)
            up = np.where(np.arange(len(xs)) % 2, 1, -1) * (1 + knock)
            y = base + swing * up
            thick = pitch * (0.85 if few else 1.04) * s.mix("weight", 0.6, 1.0)
            outline = np.vstack([np.stack([xs, y], 1), np.stack([xs, y + thick], 1)[::-1]])
            tone = tones[(i + 8) % colours] if rng.random() < 0.92 else ACCENT
            s.fill(turned(outline - 0.5, turn, 0.5, 0.5), tone, shade=rng.uniform(-0.2, 0.2),
                   gradient=0.15, steady=True, angle=turn)  # fmt: skip


@family(contour=(-1, -0.3), order=(0.1, 1), density=(0, 1), direction=(-1, -0.4),
        energy=(-0.6, 0.35), depth=(-0.8, 0.4), weight=(-0.4, 0.9), texture=(-1, 0.8))  # fmt: skip
def herringbone(s: Scene) -> None:
    """Bricks laid at right angles, the end of each against the side of the next, like parquet."""
    rng = s.rng
    one = s.pick(0)
    joint = s.against(one)
    s.ground(joint)
    level = s.palette.lab[:, 0]
    clear = [row for row in s.palette.main if abs(level[row] - level[joint]) > 26]
    other = int(rng.choice([*clear, one]))
    s.traits |= {"herringbone", "regular", "structured", "rhythmic"}
    long = int(rng.choice([2, 3, 3, 4]))  # of a brick, in its widths
    w = 1 / (long * rng.uniform(2.6, 4.2))  # of a brick, share of the side
    turn = np.pi / 4 + float(rng.choice([0, np.pi / 2]))
    gap = w * s.mix("weight", 0.26, 0.15)
    pick = plan(s, 2)
    zones = rng.random() < 0.35
    reach = int(0.95 / w) + long
    with s.within(stage(s, 0.6)):
        for i in range(-reach, reach):
            for j in range(-reach, reach):
                k = (i - j) % (2 * long)
                if k not in (0, 2 * long - 1):
                    continue
                wide, high = (long, 1) if k == 0 else (1, long)
                brick = box((i + wide / 2) * w, (j + high / 2) * w, wide * w - gap, high * w - gap)
                brick = turned(brick, turn, 0.5, 0.5)
                at = brick.mean(0)
                if not (-0.3 < at[0] < 1.3 and -0.3 < at[1] < 1.3):
                    continue
                tone = one if k == 0 else other
                tone = pick(at, k)[0] if zones else tone
                tone = tone if tone in clear else one
                s.many([brick], tone, shade=rng.uniform(-0.25, 0.25) + 0.15 * (1 - 2 * (k == 0)),
                       angle=turn + np.pi / 2 * (k != 0))  # fmt: skip


@family(contour=(-0.9, 0.2), order=(-0.1, 1), density=(-0.2, 1), direction=(-0.9, -0.2),
        energy=(-0.8, 0.2), depth=(-1, 0.1), weight=(-0.6, 0.9), texture=(-1, 0.5))  # fmt: skip
def labyrinth(s: Scene) -> None:
    """A maze of one width of path: cut in straight passages, or in a round with gates."""
    rng = s.rng
    s.ground()
    s.traits |= {"labyrinthine", "structured"}
    one, other = duo(s)
    other = s.apart(one, 36)
    n = min(s.count(7, 13), 14)
    seen = np.zeros((n, n), bool)
    at = (int(rng.integers(n)), int(rng.integers(n)))
    stack: list[tuple[int, int]] = []
    passages: list[Points] = []
    seen[at] = True
    wide = s.mix("weight", 0.62, 0.4)
    straight, last = 0.35 + 0.4 * max(s.values["order"], 0), (0, 1)
    while True:
        ways = [d for d in ((0, 1), (1, 0), (0, -1), (-1, 0))
                if 0 <= at[0] + d[0] < n and 0 <= at[1] + d[1] < n
                and not seen[at[0] + d[0], at[1] + d[1]]]  # fmt: skip
        if not ways:
            if not stack:
                break
            at = stack.pop()
            continue
        d = last if last in ways and rng.random() < straight else ways[int(rng.integers(len(ways)))]
        to = (at[0] + d[0], at[1] + d[1])
        seen[to] = True
        stack.append(at)
        mid = (np.array(at) + to) / 2 + 0.5
        w, h = wide + abs(d[1]), wide + abs(d[0])
        passages.append(box(mid[1], mid[0], w, h))
        at, last = to, d
    turn = float(rng.choice([0, 0, 0, np.pi / 4]))
    scale = 1.06 if not turn else 1.5
    with s.within(stage(s, 0.6)):
        s.fill(span(-0.1, -0.1, 1.1, 1.1), one, steady=True, gradient=0.2)
        moved = [turned((p / n - 0.5) * scale, turn, 0.5, 0.5) for p in passages]
        s.many(moved, other)
        for p in moved[: int(len(moved) * rng.choice([0, 0.15, 0.4]))]:
            s.many([p], ACCENT)  # the way so far
    companions(s)
