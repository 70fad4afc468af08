"""The axes that adjectives move along, and the known adjectives at their ends.

An axis has two poles, negative and positive; a score on it lies in [-1, 1] and its sign is the
pole. Hues, moods and forms have no opposite: each is its own scale, from 0 (absent) to 1. A form
says what is drawn and how: its words are the plainest names of what the studio can draw.
Any adjective may be typed; these are the ones whose effect is labelled and measured.
"""

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Axis:
    """One visual dimension with two ends.

    Attributes:
        name: of the axis, "temperature".
        negative, positive: names of the poles, ("cool", "warm").
        negative_words, positive_words: known adjectives at either pole.
    """

    name: str
    negative: str
    positive: str
    negative_words: tuple[str, ...]
    positive_words: tuple[str, ...]


def _axis(name: str, negative: str, negative_words: str, positive: str, words: str) -> Axis:
    return Axis(name, negative, positive, tuple(negative_words.split()), tuple(words.split()))


AXES = (
    _axis("temperature", "cool", "cool cold icy wintry", "warm", "warm hot fiery sunny"),
    _axis(
        "lightness",
        "dark", "dark shadowy black nocturnal",
        "light", "bright luminous pale white",
    ),
    _axis(
        "chroma",
        "muted", "muted faded dusty monochrome grey",
        "vivid", "vibrant vivid saturated colorful",
    ),
    _axis("contrast", "low", "subtle soft hazy blurred", "high", "bold stark crisp contrasting"),
    _axis(
        "contour",
        "straight", "geometric angular sharp jagged rigid",
        "curved", "fluid flowing curved organic wavy",
    ),
    _axis(
        "order",
        "disordered", "chaotic scattered turbulent irregular messy",
        "ordered", "orderly structured symmetrical regular balanced",
    ),
    _axis(
        "density",
        "sparse", "minimal sparse spacious empty simple",
        "dense", "dense crowded busy intricate complex",
    ),
    _axis(
        "energy",
        "still", "calm serene still quiet",
        "moving", "dynamic energetic rhythmic explosive restless",
    ),
    _axis(
        "texture",
        "smooth", "smooth flat clean polished",
        "rough", "textured rough gestural splattered grainy",
    ),
    _axis("depth", "flat", "", "deep", "layered overlapping translucent atmospheric deep"),
    _axis(
        "direction",
        "straight", "linear striped vertical horizontal diagonal",
        "round", "swirling circular radial spiral round",
    ),
    _axis(
        "weight",
        "light", "airy delicate weightless fragile",
        "heavy", "heavy solid massive blocky",
    ),
)  # fmt: skip
HUES = (
    "red",
    "orange",
    "yellow",
    "golden",
    "green",
    "teal",
    "blue",
    "violet",
    "pink",
    "brown",
    "earthy",
)
MOODS = (
    "playful",
    "joyful",
    "melancholic",
    "mysterious",
    "tense",
    "dreamy",
    "aggressive",
    "harmonious",
    "cosmic",
    "elegant",
)

FORMS = (
    "arched", "banded", "biomorphic", "braided", "branching", "brushed", "bubbly", "calligraphic",
    "camouflaged", "cellular", "checkered", "cloudy", "coiled", "collaged", "concentric",
    "contoured", "cracked", "crystalline", "cubist", "dabbed", "dotted", "dripping", "faceted",
    "feathery", "fanned", "flaming", "floral", "folded", "fragmented", "gridded", "halftone",
    "harlequin", "hatched", "herringbone", "hieroglyphic", "honeycombed", "inked", "jumbled",
    "kaleidoscopic", "knotted", "labyrinthine", "latticed", "leafy", "looped", "marbled",
    "meandering", "misty", "mosaic", "nested", "orbital", "ornamental", "patchwork", "pebbled",
    "pixelated", "plaid", "pointillist", "rayed", "ribboned", "ringed", "rippled", "scaly",
    "speckled", "spiky", "splashed", "stacked", "starry", "stepped", "stippled", "streaming",
    "tangled", "tessellated", "tilted", "threadlike", "tiled", "undulating", "washed", "webbed",
    "wispy", "woven", "zigzag",
)  # fmt: skip

AXIS_NAMES = tuple(axis.name for axis in AXES)


@cache
def poles() -> dict[str, tuple[str, int]]:
    """Each known adjective of a two-pole axis -> (axis, sign of its pole).

    >>> poles()["icy"]
    ('temperature', -1)
    """
    found: dict[str, tuple[str, int]] = {}
    for axis in AXES:
        found |= dict.fromkeys(axis.negative_words, (axis.name, -1))
        found |= dict.fromkeys(axis.positive_words, (axis.name, 1))
    return found


@cache
def known_words() -> tuple[str, ...]:
    """All known adjectives: of the axes, then hues, then moods, then forms."""
    return (*poles(), *HUES, *MOODS, *FORMS)
