"""Where things go: placement from regular to chaotic, and shapes from angular to round."""

import numpy as np

from train.studio.shapes import TAU, Points, blob, box, ellipse, regular, turned
from train.studio.surface import Scene

GOLDEN = (0.382, 0.618)


def focus(s: Scene) -> tuple[float, float]:
    """The picture's focal point: near a golden section, or the middle when ordered."""
    x, y = s.rng.choice(GOLDEN, 2) + s.rng.normal(0, 0.04, 2)
    pull = max(s.values["order"], 0) * 0.8
    return float(x + (0.5 - x) * pull), float(y + (0.5 - y) * pull)


def places(s: Scene, n: int, margin: float = 0.06) -> Points:
    """N points: a lattice when ordered, spread out in the middle, thrown when not.

    Returns:
        (n, 2) points; fewer or more by a few on a lattice.
    """
    rng, order = s.rng, s.values["order"]
    if order > 0.45:
        columns = max(round(n**0.5 * rng.uniform(0.85, 1.15)), 1)
        rows = max(round(n / columns), 1)
        gx, gy = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
        grid = np.stack([gx.ravel(), gy.ravel()], axis=1)
        jitter = (1 - order) * 0.3 / max(columns, rows)
        s.traits.add("regular")
        rng.shuffle(grid)  # the largest come first, and are not to stand in one row
        return margin + (1 - 2 * margin) * grid + rng.normal(0, jitter + 1e-9, grid.shape)
    if order < -0.4:
        centres = rng.uniform(margin, 1 - margin, (max(n // 6, 2), 2))
        chosen = centres[rng.integers(0, len(centres), n)]
        near = chosen + rng.normal(0, 0.14, (n, 2))
        far = rng.uniform(0, 1, (n, 2))
        points = np.where(rng.random((n, 1)) < 0.4, near, far)
        return np.clip(points, -0.02, 1.02)
    kept = [rng.uniform(margin, 1 - margin, 2)]
    for _ in range(n - 1):  # best of a few candidates keeps them apart
        tried = rng.uniform(margin, 1 - margin, (7, 2))
        gap = np.min(np.hypot(*(tried[:, None] - np.array(kept)[None]).transpose(2, 0, 1)), axis=1)
        kept.append(tried[int(np.argmax(gap))])
    return np.array(kept)


def sizes(s: Scene, n: int, small: float, large: float) -> Points:
    """N radii, largest first: a few large, many small; alike when ordered and still."""
    rng = s.rng
    even = max(s.values["order"], 0) * 0.7
    steep = np.interp(s.values["energy"], [-1, 1], [1.0, 2.0])
    t = np.linspace(1, 0, n) ** steep if n > 1 else np.ones(1)
    radii = small + (large - small) * t * rng.uniform(0.8, 1.1, n)
    return np.asarray(radii * (1 - even) + even * (small * 0.5 + large * 0.5))


def shape(s: Scene, x: float, y: float, r: float) -> Points:
    """One closed shape: corners when the contour is straight, an organic outline when curved."""
    rng, contour = s.rng, s.values["contour"]
    turn = rng.uniform(0, TAU) * (1 if s.values["order"] < 0.4 else 0)
    if contour + rng.normal(0, 0.3) < 0:
        kind = rng.integers(4)
        if kind == 0:
            return regular(x, y, r * 1.1, 3, turn - TAU / 4)
        if kind == 1:
            return box(x, y, r * 2.2, r * rng.uniform(0.4, 1.0), turn)
        if kind == 2 and contour < -0.3:
            n = int(rng.integers(4, 7))
            angles = np.sort(rng.uniform(0, TAU, n))
            reach = r * rng.uniform(0.7, 1.4, n)
            return np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
        return box(x, y, r * 1.6, r * 1.6, turn)
    if contour > 0.35 and rng.random() < 0.7:
        return blob(rng, x, y, r, 0.12 + 0.25 * contour)
    return ellipse(x, y, r, r * rng.choice([1.0, 1.0, 0.7]), turn)


def direction(s: Scene) -> float:
    """An angle for things that run one way, with its word: level, upright or slanted."""
    kind = s.rng.choice(["horizontal", "vertical", "diagonal"])
    s.traits.add(str(kind))
    if kind == "diagonal":
        return float(s.rng.choice([1, -1]) * s.rng.uniform(0.55, 0.95))
    return 0.0 if kind == "horizontal" else float(np.pi / 2)


def depth_alpha(s: Scene, flat: float = 1.0, deep: float = 0.6) -> float:
    """Opacity of shapes that overlap: see-through when the picture is deep."""
    if s.values["depth"] > 0.35:
        s.traits.add("overlapping")
        if s.rng.random() < 0.7:
            s.traits.add("translucent")
            return deep
    return flat


def shadow(s: Scene, outline: Points, reach: float = 0.012) -> None:
    """A soft cast shadow under a shape, on deep pictures."""
    if s.values["depth"] > 0.35:
        s.fill(outline + reach, 1, shade=-0.6, alpha=0.35, soft=reach * 0.8, gradient=0)


def glaze(s: Scene, n: int = 3) -> None:
    """Broad faint veils over the ground: paint that has air in it."""
    rng = s.rng
    for _ in range(n):
        x, y = rng.uniform(0, 1, 2)
        r = rng.uniform(0.25, 0.5)
        s.fill(
            blob(rng, x, y, r, 0.3), s.pick(0), alpha=rng.uniform(0.08, 0.22), soft=0.09, gradient=0
        )


def divide(s: Scene) -> None:
    """A second field against the ground, where an open picture is to have contrast."""
    rng = s.rng
    want = s.values["contrast"] > 0.35 and s.values["density"] < 0.6
    if not want and rng.random() > 0.2:
        return
    levels = s.palette.lab[s.palette.main, 0]
    gap = np.abs(levels - s.palette.lab[0, 0])
    tone = s.palette.main[int(np.argmax(gap))] if rng.random() < 0.75 else s.against(0)
    if not want:
        tone = s.palette.main[int(np.argmin(gap))]
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    at = rng.choice([0.0, 0.12, 0.24])
    t = np.linspace(-1, 1, 40)
    swing = 0.12 * max(s.values["contour"], 0)
    edge = np.stack([t, at + swing * np.sin(4 * t + rng.uniform(0, TAU))], axis=1)
    field = np.vstack([edge, [[1, 1.5], [-1, 1.5]]])
    s.fill(turned(field, angle + rng.choice([0, np.pi]), 0.5, 0.5), tone, gradient=0.25)
