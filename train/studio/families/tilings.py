"""Families of tiles: checkers, triangles, honeycombs, mosaics, pixels, scales, plaid, patchwork."""

from collections import defaultdict

import numpy as np

from train.studio.families.layout import focus
from train.studio.families.registry import family
from train.studio.families.staging import companions, duo, plan, stage, warp
from train.studio.palette import ACCENT, GROUND, INK, LIGHT
from train.studio.shapes import TAU, Points, blob, box, ellipse, regular, span, turned
from train.studio.surface import Scene, path_of

Bins = dict[tuple[int, float], list[Points]]


def _lay(s: Scene, bins: Bins) -> None:
    for (tone, shade), pieces in bins.items():
        s.many(pieces, tone, shade=shade)


def _edge(a: Points, n: int) -> Points:
    """A polygon with n points on every side, so that it can be bent."""
    b = np.roll(a, -1, axis=0)
    return np.asarray((a[:, None] + (b - a)[:, None] * (np.arange(n) / n)[:, None]).reshape(-1, 2))


@family(contour=(-1, 0.2), order=(0.2, 1), density=(-0.6, 1), energy=(-1, 0.7),
        direction=(-0.6, -0.2), depth=(-1, 0.1), weight=(-0.3, 0.5))  # fmt: skip
def checkerboard(s: Scene) -> None:
    """Two colours by turns, flat or bent; some squares take a third, or a disc in the other."""
    rng = s.rng
    s.ground()
    s.traits |= {"checkered", "geometric", "regular", "structured", "blocky"}
    n = s.count(5, 13)
    bend, pick = warp(s), plan(s, 2)
    dark = s.pick(0) if s.hues else int(rng.choice([INK, s.pick(0)]))
    pair = (dark, s.apart(dark, 34))
    coloured = rng.choice([0.0, 0.0, 0.12, 1.0])
    discs = rng.random() < 0.3
    with s.within(stage(s, 0.55)):
        s.fill(span(-1, -1, 2, 2), pair[1], steady=True, gradient=0.1)
        for i in range(-n, 2 * n):
            for j in range(-n, 2 * n):
                x, y = (i + 0.5) / n, (j + 0.5) / n
                cell = bend(_edge(box(x, y, 1 / n, 1 / n), 4))
                middle = cell.mean(axis=0)
                if not (-0.2 < middle[0] < 1.2 and -0.2 < middle[1] < 1.2):
                    continue
                odd = (i + j) % 2
                if odd:
                    hued = rng.random() < coloured
                    tone, shade = pick(middle, i) if hued else (pair[0], 0.0)
                    tone = pair[0] if tone == pair[1] else tone
                    s.many([cell], tone, shade=shade)
                if discs:
                    r = 0.28 / n
                    s.many([bend(ellipse(x, y, r, r, 0, 20))], pair[odd])
    companions(s)


@family(contour=(-1, -0.4), order=(-0.2, 1), density=(-0.5, 1), energy=(-0.6, 0.8),
        direction=(-0.5, -0.2), depth=(-1, 0.3), weight=(-0.3, 0.45))  # fmt: skip
def triangles(s: Scene) -> None:
    """Triangles that fill the plane without a gap, colour by colour."""
    rng = s.rng
    s.ground()
    s.traits |= {"tessellated", "geometric", "angular", "sharp", "structured"}
    n = s.count(4, 8)
    high = 3**0.5 / 2
    pick, bend = plan(s, 3, 0.08), warp(s, 0.7)
    loose = 0.13 * (1 - s.values["order"]) / n
    rows = int(3 * n / high) + 2
    knot = (
        np.array(
            [
                [((i + 0.5 * (j % 2)) / n - 1, j * high / n - 1) for i in range(3 * n + 2)]
                for j in range(rows + 1)
            ]
        )
        + rng.normal(0, 1, (rows + 1, 3 * n + 2, 2)) * loose
    )
    knot = bend(knot)
    joint = rng.choice([0.0, 0.0, 0.1])
    empty = 0.25 * max(-s.values["density"], 0)
    with s.within(stage(s, 0.6)):
        for j in range(rows):
            for i in range(3 * n):
                lean = i + 1 - j % 2  # which corner of the row above a downward one hangs from
                for up, corners in enumerate((
                    (knot[j, i], knot[j, i + 1], knot[j + 1, i + j % 2]),
                    (knot[j + 1, i], knot[j + 1, i + 1], knot[j, lean]),
                )):  # fmt: skip
                    cell = np.array(corners)
                    middle = cell.mean(axis=0)
                    if not (-0.15 < middle[0] < 1.15 and -0.15 < middle[1] < 1.15):
                        continue
                    if rng.random() < empty:
                        continue
                    tone, shade = pick(middle, i + j)
                    cell = middle + (cell - middle) * (1.03 - joint)
                    s.many([cell], tone, shade=shade + (0.5 if up else -0.35))
    companions(s)


@family(contour=(-0.9, 0.1), order=(0.2, 1), density=(-0.5, 1), energy=(-0.8, 0.5),
        direction=(-0.3, 0.3), depth=(-1, 0.3))  # fmt: skip
def honeycomb(s: Scene) -> None:
    """Six-sided cells wall to wall, some open, some filled."""
    rng = s.rng
    s.ground()
    s.traits |= {"honeycombed", "regular", "structured"}
    r = 0.6 / s.count(4, 8)
    wall = s.apart(GROUND, 36)
    pick, bend = plan(s, 3, 0.05), warp(s, 0.5)
    open_ = rng.uniform(0.0, 0.35) if s.values["density"] < 0.5 else 0.0
    joint = s.mix("weight", 0.88, 0.76)
    rings = rng.random() < 0.3
    with s.within(stage(s, 0.45)):
        s.fill(span(-1, -1, 2, 2), wall, steady=True, gradient=0.1)
        for j in range(int(-0.6 / r), int(1.6 / (1.5 * r)) + 1):
            for i in range(int(-0.6 / r), int(1.6 / (3**0.5 * r)) + 1):
                x, y = (i + 0.5 * (j % 2)) * 3**0.5 * r, j * 1.5 * r
                cell = bend(regular(x, y, r * joint, 6, TAU / 12))
                middle = cell.mean(axis=0)
                if not (-0.15 < middle[0] < 1.15 and -0.15 < middle[1] < 1.15):
                    continue
                tone, shade = pick(middle, i + j)
                if rng.random() < open_ or tone == wall:
                    tone, shade = GROUND, 0.1
                s.many([cell], tone, shade=shade)
                if rings and rng.random() < 0.5:
                    inner = middle + (cell - middle) * 0.55
                    s.many(
                        [inner], s.apart(tone) if rng.random() < 0.3 else tone, shade=shade + 0.6
                    )
    companions(s)


@family(contour=(-0.35, 0.35), order=(-0.35, 0.45), density=(0.3, 1), energy=(-0.5, 0.35),
        direction=(-0.3, 0.8), depth=(-1, 0), texture=(-0.6, 1), weight=(-0.35, 0.3))  # fmt: skip
def mosaic(s: Scene) -> None:
    """Little stones in courses that run about one or two figures, pale mortar between."""
    rng = s.rng
    s.ground(LIGHT if rng.random() < 0.6 else INK, shade=-0.2)
    s.traits |= {"mosaic", "structured"}
    size = 1 / s.count(17, 32)
    fx, fy = focus(s)
    eyes = [(fx, fy)] + [tuple(rng.uniform(0.1, 0.9, 2)) for _ in range(int(rng.integers(0, 3)))]
    radii = [rng.uniform(0.2, 0.34)] + [rng.uniform(0.1, 0.2) for _ in eyes[1:]]
    tones = [s.pick(0)]
    for _ in range(5):
        tones.append(s.apart(tones[-1]))
    waves, phase = rng.uniform(1, 2.2, 2), rng.uniform(0, TAU, 2)
    step = rng.uniform(0.07, 0.13)
    bins: Bins = defaultdict(list)
    taken = np.zeros((96, 96), bool)

    def put(x: float, y: float, turn: float, tone: int) -> None:
        cell = (int(np.clip(y * 96, 0, 95)), int(np.clip(x * 96, 0, 95)))
        if taken[cell]:
            return
        k = max(int(size * 0.55 * 96), 1)
        taken[max(cell[0] - k, 0) : cell[0] + k, max(cell[1] - k, 0) : cell[1] + k] = True
        w, h = size * rng.uniform(0.74, 0.9, 2)
        shade = round(float(rng.uniform(-0.6, 0.6)) * 4) / 4
        stone = box(x, y, w, h, turn + rng.normal(0, 0.06)) + rng.normal(0, 0.05 * size, (4, 2))
        bins[tone, shade].append(stone)

    for (ex, ey), reach in zip(eyes, radii, strict=True):  # courses about each figure
        for ring in range(int(reach / size)):
            r = size * (ring + 0.5)
            count = max(int(TAU * r / size), 1)
            for k in range(count):
                a = TAU * k / count + ring
                put(ex + r * np.cos(a), ey + r * np.sin(a), a, tones[int(r / step) % 3])
    for j in range(int(1 / size) + 2):  # the ground in courses that wave
        for i in range(int(1 / size) + 2):
            x = (i + 0.5 * (j % 2)) * size
            lift = 0.035 * np.sin(TAU * waves[0] * x + phase[0])
            y = j * size + lift
            turn = float(np.arctan(0.035 * TAU * waves[0] * np.cos(TAU * waves[0] * x + phase[0])))
            band = int((y + 0.12 * np.sin(TAU * waves[1] * 0.5 * x + phase[1])) / 0.3)
            put(x, y, turn, tones[3 + band % 3])
    _lay(s, bins)


@family(contour=(-1, -0.6), order=(-0.2, 0.6), density=(-0.2, 1), direction=(-0.9, -0.3),
        energy=(-0.4, 0.35), depth=(-1, 0.2), texture=(-1, 0.2), weight=(-0.2, 0.7))  # fmt: skip
def pixels(s: Scene) -> None:
    """A plain scene of 12 to 24 squares across: discs, hills or a glow with stairs for edges."""
    rng = s.rng
    s.ground()
    s.traits |= {"pixelated", "blocky"}
    n = min(max(s.count(13, 22), 12), 24)
    fx, fy = focus(s)
    x, y = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(n) + 0.5) / n)
    level = np.zeros((n, n), int)
    kind = int(rng.integers(4))
    if kind == 0:  # discs before one another
        for k in range(1, 5):
            cx, cy, r = *rng.uniform(0.15, 0.85, 2), rng.uniform(0.16, 0.34)
            level[np.hypot(x - cx, y - cy) < r] = k
    elif kind == 1:  # hills under a sun
        level[np.hypot(x - fx, y - 0.3) < rng.uniform(0.12, 0.2)] = 4
        for k in range(1, 4):
            roll = np.sin(TAU * rng.uniform(0.5, 1.2) * x + rng.uniform(0, TAU))
            level[y > 0.3 + 0.17 * k + 0.13 * roll] = k
    elif kind == 2:  # a glow in steps
        level = np.minimum(np.hypot(x - fx, y - fy) * rng.uniform(5, 8), 4).astype(int)
    else:  # a creature of squares, mirrored as such are
        half = rng.random((8, 4)) < 0.55
        body = np.repeat(np.hstack([half, half[:, ::-1]]), 2, axis=1).repeat(2, axis=0)
        n = 20
        level = np.zeros((n, n), int)
        level[2:18, 2:18] = 1 + body
    tones = [s.pick(0)]
    for _ in range(4):
        tones.append(s.apart(tones[-1], 28))
    bins: Bins = defaultdict(list)
    for j in range(n):
        for i in range(n):
            shade = round(float(rng.uniform(-0.35, 0.35)) * 3) / 3
            bins[tones[level[j, i]], shade].append(
                span(i / n, j / n, (i + 1.03) / n, (j + 1.03) / n)
            )
    _lay(s, bins)


@family(contour=(0.3, 1), order=(0.2, 1), density=(0, 1), energy=(-0.8, 0.3),
        direction=(0.2, 0.7), depth=(0, 0.9), weight=(-0.3, 0.35))  # fmt: skip
def scales(s: Scene) -> None:
    """Arcs in rows, each over the joint of two below, as on fish, old roofs and drawn seas."""
    rng = s.rng
    s.ground()
    s.traits |= {"scaly", "overlapping", "regular", "curved", "rhythmic"}
    many, hued = bool(rng.random() < 0.4), bool(rng.random() < 0.4)
    n = s.count(4, 5 if many else 8)
    pick, bend = plan(s, 2, 0.04), warp(s, 0.2, turn=False)
    rim = s.pick(0)
    tint = s.apart(rim, 34)
    r, t = 0.5 / n, np.linspace(0, np.pi, 32)
    with s.within(stage(s, 0.5)):
        for j in range(int(1.8 * n * 2), -n, -1):
            for i in range(-n, 2 * n):
                x, y = (i + 0.5 * (j % 2)) / n, -0.2 + j * 0.5 / n
                if not (-0.4 < x < 1.4 and -0.4 < y < 1.4):
                    continue
                tone, shade = pick((x, y), i + j) if hued and j % 2 else (tint, 0.0)
                tone = tint if tone == rim else tone
                for k, size in enumerate((1.0, 0.8, 0.54, 0.28)[: 2 + 2 * many]):
                    plate = np.stack([x + r * size * np.cos(t), y + r * size * np.sin(t)], 1)
                    neck = [[x - r * size, y - r], [x + r * size, y - r]]
                    outline = bend(np.vstack([plate, neck]))
                    s.many([outline], tone if k % 2 else rim, shade=shade * (k % 2))
    companions(s)


@family(contour=(-1, -0.3), order=(0.1, 1), density=(-0.2, 1), direction=(-1, -0.5),
        energy=(-1, 0.1), depth=(-0.4, 0.5), weight=(-0.35, 0.35))  # fmt: skip
def plaid(s: Scene) -> None:
    """Bars and fine lines across one another, darker where they meet, as in cloth."""
    rng = s.rng
    cloth = s.pick(0)
    s.ground(cloth, shade=0.2)
    s.traits |= {"plaid", "structured", "regular"}
    turn = float(rng.choice([0, 0, np.pi / 4]))
    repeat = rng.uniform(0.26, 0.42) / (1 + 0.3 * max(s.values["density"], 0))
    bars, threads = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    sett = [
        (rng.uniform(0, 1), rng.uniform(0.3, 0.45), s.against(cloth)),
        *((rng.uniform(0, 1), rng.uniform(0.12, 0.3), s.apart(cloth, 34)) for _ in range(bars - 1)),
        *((rng.uniform(0, 1), rng.uniform(0.03, 0.06), s.apart(cloth)) for _ in range(threads)),
    ]
    with s.within(stage(s, 1.0)):
        for upright in (0.0, np.pi / 2):
            for k in range(int(-1 / repeat), int(2 / repeat) + 1):
                for at, width, tone in sett:
                    bar = box((k + at) * repeat - 0.5, 0, width * repeat, 3)
                    s.many([turned(bar, turn + upright, 0.5, 0.5)], tone, alpha=0.62,
                           angle=turn + upright)  # fmt: skip
    companions(s)


def _fill_patch(s: Scene, x: float, y: float, w: float, h: float, kind: int) -> None:
    """One patch of cloth with its own pattern."""
    rng = s.rng
    one, other = duo(s)
    s.many([span(x, y, x + w, y + h)], one, shade=rng.uniform(-0.3, 0.3))
    if kind == 0:
        return
    n = int(rng.integers(3, 6))
    step, pieces = max(w, h) / n, []
    for i in range(n + 1):
        if kind == 1:
            pieces.append(span(x + (i + 0.25) * step, y, x + (i + 0.7) * step, y + h))
            continue
        if kind == 2:
            pieces.append(span(x, y + (i + 0.25) * step, x + w, y + (i + 0.7) * step))
            continue
        for j in range(n + 1):
            px, py = x + (i + 0.5) * step, y + (j + 0.5) * step
            if kind == 3:
                pieces.append(ellipse(px, py, step * 0.27, step * 0.27, 0, 16))
            elif kind == 4 and (i + j) % 2:
                pieces.append(box(px, py, step, step))
            elif kind == 5:
                half = np.array([[-1, 1], [1, 1], [-1, -1]]) * step / 2
                pieces.append(half + np.array([px, py]))
    s.many(pieces, other)


@family(contour=(-1, 0), order=(-0.4, 0.8), density=(0.1, 1), direction=(-0.7, -0.2),
        energy=(-0.5, 0.35), depth=(-1, 0.2), weight=(-0.2, 0.45))  # fmt: skip
def patchwork(s: Scene) -> None:
    """Patches sewn together: plain ones, striped, dotted, checked ones, stitches at their seams."""
    rng = s.rng
    s.ground()
    s.traits |= {"patchwork", "structured", "blocky"}
    n = s.count(3, 6)
    cuts = []
    for _ in range(2):
        shares = rng.dirichlet(np.full(n, 12.0 + 40 * max(s.values["order"], 0)))
        cuts.append(np.concatenate([[0], np.cumsum(shares)]) * 1.02 - 0.01)
    stitch = s.against(GROUND)
    seams, last = [], -1
    for i in range(n):
        for j in range(n):
            x, y = cuts[0][i], cuts[1][j]
            w, h = cuts[0][i + 1] - x, cuts[1][j + 1] - y
            kind = int(rng.integers(7)) % 6
            kind = kind if kind != last else 0
            last = kind
            with s.within(path_of(span(x, y, x + w, y + h), True)):
                _fill_patch(s, x, y, w, h, kind)
            down, across = (
                y + np.arange(0.02, h - 0.01, 0.028),
                x + np.arange(0.02, w - 0.01, 0.028),
            )
            seams += [span(x - 0.0022, t, x + 0.0022, t + 0.015) for t in down]
            seams += [span(t, y - 0.0022, t + 0.015, y + 0.0022) for t in across]
    s.many(seams, stitch)
    if rng.random() < 0.5:
        x, y = rng.uniform(0.25, 0.75, 2)
        s.fill(blob(rng, x, y, 0.09, 0.2), ACCENT)
