"""Drawing compositions at random: some axes set strongly, the rest left near neutral."""

import numpy as np

from t2a_edge.vocabulary import AXIS_NAMES
from train.studio.composition import Composition
from train.studio.families import FAMILIES

# hue -> (temperature, lightness) that it sits well with: lowest, highest
HUE_FITS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "red": ((0, 1), (-0.8, 0.4)),
    "orange": ((0, 1), (-0.4, 0.7)),
    "yellow": ((0, 1), (-0.3, 1)),
    "golden": ((0, 1), (-0.5, 0.7)),
    "green": ((-0.4, 0.1), (-0.7, 0.7)),
    "teal": ((-1, 0), (-0.7, 0.7)),
    "blue": ((-1, 0), (-0.9, 0.6)),
    "violet": ((-0.4, 0), (-0.8, 0.5)),
    "pink": ((-0.1, 0.4), (-0.3, 0.9)),
    "brown": ((0, 1), (-1, 0.2)),
    "earthy": ((0, 1), (-0.7, 0.4)),
}
SOFT_HUES = ("brown", "earthy")  # never vivid
# families with so much ground, or so few colours, that a second hue would be hard to find
OPEN = frozenset((
    "leaves", "dots", "signs", "mist", "washes", "orbits", "threads", "gesture",
    "constellation", "splinters", "weave", "loops", "pulse", "ripples", "clouds", "wisps",
    "ink", "tangle", "meander", "feathers", "cracks", "stipple", "drips", "labyrinth",
    "branches", "knots", "bubbles", "stars", "hatching", "brushwork", "lattice", "zigzags",
    "ribbons", "halftone", "discs", "columns", "beams", "rods", "whorl", "strewn", "solids",
    "amoebas", "spokes", "spray", "herringbone", "plaid", "scales", "spiral", "sunburst",
))  # fmt: skip
HUED = 0.5  # share of compositions with a named hue
STRONG = 0.5  # weakest value of an axis that is set


def sample(seed: int) -> Composition:
    """Draw a composition: family, a few strong axes that it can express, hues that suit them."""
    rng = np.random.default_rng((seed, 4))
    name = str(rng.choice(sorted(FAMILIES)))
    ranges = FAMILIES[name].ranges
    attributes: dict[str, float] = {}
    for axis in AXIS_NAMES:
        low, high = ranges.get(axis, (-1.0, 1.0))
        sides = [side for side in (-1, 1) if max(side * low, side * high) >= STRONG]
        if not sides or rng.random() > 0.5:
            continue
        side = int(rng.choice(sides))
        least, reach = sorted((side * low, side * high))
        least = max(least, STRONG)
        # more near the ends than near the middle: extremes are what people ask for
        attributes[axis] = side * float(least + (reach - least) * rng.random() ** 0.7)
    _reconcile(attributes, rng)
    hues = _hues(attributes, rng)
    if name in OPEN:
        hues = hues[:1]
    return Composition(name, attributes, hues, int(rng.integers(2**31)))


def _reconcile(attributes: dict[str, float], rng: np.random.Generator) -> None:
    """Give up what no picture can show at once, such as almost black and full of contrast."""
    light, contrast = attributes.get("lightness", 0.0), attributes.get("contrast", 0.0)
    if abs(light) > 0.6 and contrast > 0:
        attributes["lightness"] = float(np.sign(light)) * rng.uniform(0.5, 0.62)
        attributes["contrast"] = min(contrast, 0.7)
    if abs(light) > 0.7 and attributes.get("chroma", 0.0) > 0.4:
        attributes["lightness"] = float(np.sign(light)) * rng.uniform(0.5, 0.7)
        attributes["chroma"] = min(attributes["chroma"], 0.75)
    if attributes.get("chroma", 0.0) < -0.75:
        attributes.pop("temperature", None)  # grey has none
    if contrast < -0.4 and attributes.get("weight", 0.0) > 0.8:
        attributes["weight"] = 0.8


def _hues(attributes: dict[str, float], rng: np.random.Generator) -> tuple[str, ...]:
    chroma = attributes.get("chroma", 0.0)
    warmth, light = attributes.get("temperature", 0.0), attributes.get("lightness", 0.0)
    if chroma < -0.6 or rng.random() > HUED:
        return ()
    fits = []
    for hue, ((cool, warm), (dark, bright)) in HUE_FITS.items():
        suits = warmth == 0 or (warm >= 0.5 if warmth > 0 else cool <= -0.5)
        muted = hue in SOFT_HUES and chroma > 0.3
        strong = (
            hue not in SOFT_HUES and chroma < -0.5 and hue in ("red", "orange", "yellow", "golden")
        )
        if suits and dark <= light <= bright and not muted and not strong:
            fits.append(hue)
    if not fits:
        return ()
    count = min(1 if rng.random() < 0.72 else 2, len(fits))
    chosen = [str(hue) for hue in rng.choice(fits, count, replace=False)]
    return tuple(chosen)
