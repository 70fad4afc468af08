"""Palettes of a ground, an ink, a light, an accent and three to five main colours, in CIELAB."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from train.studio.colour import lch, rgb_from_lab

GROUND, INK, LIGHT, ACCENT, MAIN = range(5)  # rows of a palette; MAIN is the first of the rest
SHADES = 9  # steps of one colour from darker (-1) to lighter (1)
SIBLINGS = 5  # slight variations of each shade

# hue -> (hue angle, spread of it, usual L*, usual C*)
HUES: dict[str, tuple[float, float, float, float]] = {
    "red": (32, 7, 45, 66),
    "orange": (58, 6, 64, 68),
    "yellow": (93, 6, 84, 70),
    "golden": (82, 5, 70, 58),
    "green": (146, 18, 52, 46),
    "teal": (202, 14, 50, 34),
    "blue": (272, 16, 40, 52),
    "violet": (314, 9, 40, 50),
    "pink": (358, 11, 70, 40),
    "brown": (56, 10, 33, 28),
    "earthy": (70, 16, 48, 32),
}


class Palette:
    """Colours of one picture, with their shades ready as packed skia colours.

    Attributes:
        lab: (n, 3) Lab; rows GROUND, INK, LIGHT, ACCENT, then the main colours.
        main: indices of the main colours.
        weights: how often each main colour is picked; sums to 1.
    """

    def __init__(self, lab: npt.NDArray[np.float64], rng: np.random.Generator, step: float) -> None:
        self.lab = lab
        self.main = list(range(MAIN, len(lab)))
        weights = 0.72 ** np.arange(len(self.main))
        self.weights = weights / weights.sum()
        shade = np.linspace(-1, 1, SHADES)[None, :, None, None] * np.array([step, 0, 0])
        varied = rng.normal(0, 1, (len(lab), 1, SIBLINGS, 3)) * np.array([1.6, 1.8, 1.8])
        near = np.clip(np.hypot(lab[:, 1], lab[:, 2]) / 12, 0.25, 1.5)[:, None, None, None]
        table = lab[:, None, None, :] + shade + varied * near  # (n, SHADES, SIBLINGS, 3)
        rgb = rgb_from_lab(table).astype(np.int64)
        self._packed = (rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]).tolist()

    def packed(self, tone: int, shade: float, sibling: int) -> int:
        """0xRRGGBB of a colour, from darker (-1) to lighter (1)."""
        step = round((min(max(shade, -1.0), 1.0) + 1) / 2 * (SHADES - 1))
        return int(self._packed[tone][step][sibling % SIBLINGS])


# hues that painters put side by side, by the side of the wheel they lean to
_SCHEMES: dict[str, tuple[str, ...]] = {
    "any": (
        "red blue yellow", "golden blue red teal", "earthy blue orange brown", "orange teal yellow",
        "pink red golden blue", "blue golden teal", "green red earthy", "violet orange golden",
        "blue pink orange violet", "green red golden", "earthy green blue", "yellow blue red green",
        "pink blue golden", "blue earthy red", "golden violet pink", "green yellow blue orange",
    ),
    "warm": (
        "red orange yellow", "earthy golden brown", "orange red golden", "golden red brown",
        "red earthy orange", "yellow orange brown", "brown red golden", "earthy orange yellow",
    ),
    "cool": (
        "blue teal blue", "teal blue green", "blue blue violet", "blue teal violet",
        "blue green blue",
    ),
}  # fmt: skip
_NEUTRAL = "neutral"
_ACROSS = {
    "red": "blue", "orange": "blue", "yellow": "blue", "golden": "blue", "green": "red",
    "teal": "orange", "blue": "orange", "violet": "golden", "pink": "green", "brown": "golden",
    "earthy": "blue", _NEUTRAL: "red",
}  # fmt: skip


def _scheme(
    values: Mapping[str, float], hues: Sequence[str], count: int, rng: np.random.Generator
) -> list[str]:
    """Names of the main colours, the most used first."""
    warmth = values["temperature"]
    lean = "warm" if warmth > 0.4 else "cool" if warmth < -0.4 else "any"
    names = str(rng.choice(_SCHEMES[lean])).split()
    if lean != "cool":
        rng.shuffle(names)
    if hues:
        # the asked hue twice, then a rest for the eye, so that it leads without being alone
        other = names[0] if lean != "any" and rng.random() < 0.6 else _ACROSS[hues[0]]
        rest = other if rng.random() < 0.4 else _NEUTRAL
        names = [hues[0], hues[0], rest if len(hues) == 1 else hues[1], hues[0], hues[-1]]
    elif rng.random() < 0.4 and values["chroma"] < 0.6:
        names.insert(int(rng.integers(1, 4)), _NEUTRAL)
    return [names[i % len(names)] for i in range(count)]


def _lightness_plan(
    values: Mapping[str, float], hues: Sequence[str], count: int, rng: np.random.Generator
) -> tuple[float, float, float, npt.NDArray[np.float64]]:
    """(ground, darkest, lightest, main colours) as L*."""
    middle = 54 + 30 * values["lightness"] + rng.uniform(-6, 6)
    if hues:  # yellow is itself only where there is light, brown only where there is not
        middle += 0.5 * (1 - abs(values["lightness"])) * (HUES[hues[0]][2] - middle)
    spread = 58 + 34 * values["contrast"] + rng.uniform(-6, 6)
    low, high = middle - spread / 2, middle + spread / 2
    low, high = max(low, 5.0), min(high, 96.0)
    if high - low < spread:  # slide the window back into range
        low, high = max(5.0, min(low, high - spread)), min(96.0, max(high, low + spread))
    levels = np.linspace(low + 0.08 * spread, high - 0.08 * spread, count)
    levels = levels + rng.uniform(-4, 4, count)
    # most colours sit near the picture's own lightness, one or two stand against it
    levels = middle + (levels - middle) * np.where(rng.random(count) < 0.5, 0.75, 1.0)
    rng.shuffle(levels)
    side = values["lightness"] + rng.normal(0, 0.25)
    if side > 0.2:
        ground = high - rng.uniform(0, 0.15) * spread
    elif side < -0.2:
        ground = low + rng.uniform(0, 0.12) * spread
    else:
        ground = rng.choice([high - 0.1 * spread, middle, low + 0.1 * spread], p=[0.5, 0.3, 0.2])
    return ground, low, high, levels


def mix_palette(
    values: Mapping[str, float], hues: Sequence[str], rng: np.random.Generator
) -> Palette:
    """Draw a palette that suits the attributes.

    Args:
        values: every axis to a number in [-1, 1].
        hues: up to two names; the main colours keep to them, neutrals and the accent do not.
        rng: where chance comes from.
    """
    count = int(rng.integers(4, 6))
    ground_l, low, high, levels = _lightness_plan(values, hues, count, rng)
    vivid = float(np.interp(values["chroma"], [-1, -0.6, 0, 0.6, 1], [0.03, 0.3, 0.86, 1.2, 1.5]))
    vivid = max(vivid, 0.62 + 0.2 * (values["chroma"] > -0.4)) if hues else vivid
    names = _scheme(values, hues, count, rng)
    rows = [
        _colour(name, float(levels[i]), vivid, values, rng, name in hues)
        for i, name in enumerate(names)
    ]
    ground = _ground(names, ground_l, vivid, values, hues, rng)
    homes = [HUES[name][2] if name in hues else None for name in names]
    rows = _kept_apart(ground, rows, homes, values["contrast"])
    tint = HUES.get(names[0], HUES["earthy"])[0]
    ink = lch(max(low - 6, 4), min(12 * vivid, 12) * rng.uniform(0.2, 1), tint + 20)
    light = lch(min(high + 4, 97), min(10 * vivid, 10), _paper_hue(values, rng))
    accent_name = _ACROSS[names[0]] if rng.random() < 0.5 else names[-1]
    if abs(values["temperature"]) > 0.7 or (hues and rng.random() < 0.5):
        accent_name = names[0]
    if accent_name == _NEUTRAL:
        accent_name = names[0]
    middle = float(np.clip(HUES[accent_name][2], low, high))
    accent = _colour(accent_name, middle, vivid * 1.3, values, rng)
    step = float(np.interp(values["contrast"], [-1, 0, 1], [4, 9, 13]))
    return Palette(np.array([ground, ink, light, accent, *rows]), rng, step)


def _kept_apart(
    ground: tuple[float, float, float],
    rows: Sequence[tuple[float, float, float]],
    homes: Sequence[float | None],
    contrast: float,
) -> list[tuple[float, float, float]]:
    """Main colours that can be told from the ground and from one another.

    One that is too near to another goes lighter or darker, to the side where it has more room;
    a hue that was asked for keeps to lightnesses where it is itself.
    """
    least = float(np.interp(contrast, [-1, -0.4, 0.1, 1], [5, 11, 20, 26]))
    kept = [np.array(ground)]
    for row, home in zip(rows, homes, strict=True):
        colour = np.array(row)
        low, high = (7.0, 95.0) if home is None else (home - 10, home + 10)
        low, high = min(low, row[0]), max(high, row[0])
        for other in kept:
            gap = float(np.linalg.norm(colour - other))
            if gap < least:
                up = colour[0] >= other[0] if 20 < other[0] < 85 else other[0] < 50
                shift = (least - gap) * 0.9
                colour[0] = np.clip(colour[0] + (shift if up else -shift), low, high)
        kept.append(colour)
    return [(float(c[0]), float(c[1]), float(c[2])) for c in kept[1:]]


def _colour(
    name: str,
    level: float,
    vivid: float,
    values: Mapping[str, float],
    rng: np.random.Generator,
    asked: bool = False,
) -> tuple[float, float, float]:
    """Lab of a named colour, drawn from the planned L* towards where the hue is at home."""
    if name == _NEUTRAL:
        # grey of a middling lightness turns every neighbour to mud: paper or slate in its stead
        level += (
            float(np.clip(level - 52, -1, 1))
            * max(18 - abs(level - 52), 0)
            * (values["contrast"] > -0.4)
        )
        return lch(level, rng.uniform(0, 9) * min(vivid, 1), _paper_hue(values, rng))
    angle, spread, home, most = HUES[name]
    pull = float(np.interp(vivid, [0.1, 0.6, 1.3], [0.0, 0.5, 0.68]))
    pull *= float(np.interp(values["contrast"], [-1, -0.3, 0.4, 1], [0.5, 0.9, 1, 0.8]))
    pull = max(pull, 0.78) if asked else pull
    level += pull * (home - level)
    strength = most * min(vivid, 1.45) * rng.uniform(0.8, 1.1)
    return lch(level, strength, angle + spread * rng.uniform(-1, 1))


def _paper_hue(values: Mapping[str, float], rng: np.random.Generator) -> float:
    """The cast of whites and greys: old paper, or slate where the picture is cool."""
    cool = values["temperature"] + rng.normal(0, 0.15) < -0.25
    return float(rng.uniform(235, 275) if cool else rng.uniform(65, 95))


def _ground(
    names: Sequence[str],
    level: float,
    vivid: float,
    values: Mapping[str, float],
    hues: Sequence[str],
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """The ground: paper or slate most often, at times one of the colours, quieter."""
    plain = 0.55 - 0.5 * max(values["chroma"], 0)
    if len(hues) == 2:  # one hue under the other
        lightness, a, b = _colour(hues[1], level, vivid, values, rng, True)
        return 0.25 * level + 0.75 * lightness, 0.8 * a, 0.8 * b
    if rng.random() < plain * (0.6 if hues else 1):
        return lch(level, min(rng.uniform(3, 15) * min(vivid, 1), 7 if hues else 15),
                   _paper_hue(values, rng))  # fmt: skip
    name = names[0] if hues or rng.random() < 0.5 else str(rng.choice(names))
    if name == _NEUTRAL:
        name = names[0] if names[0] != _NEUTRAL else "earthy"
    lightness, a, b = _colour(name, level, vivid, values, rng)
    level = level + (0.7 if hues else 0.45) * (lightness - level)
    quiet = max(rng.uniform(0.35, 0.8), 0.9 * values["chroma"])
    return level, a * quiet, b * quiet
