"""Other colours for a picture, and the adjectives that still hold for it."""

import warnings

import numpy as np
import numpy.typing as npt
from skimage.color import lab2rgb, rgb2lab

from t2a_edge.vocabulary import HUES, MOODS, poles

UInt8Array = npt.NDArray[np.uint8]

COLOUR_AXES = frozenset(("temperature", "lightness", "chroma", "contrast"))
MOST_TURN = np.pi  # of the hue, radians
CHROMA = (0.5, 1.5)  # factor
LIGHTNESS = (0.7, 1.4)  # exponent over L* / 100


def recoloured(
    square: UInt8Array, words: tuple[str, ...], rng: np.random.Generator
) -> tuple[UInt8Array, tuple[str, ...]]:
    """Turn the hue, scale the chroma and bend the lightness in CIELAB.

    Words of colour and of mood no longer hold and are left out; measured attributes can name the
    new ones.

    Args:
        square: (H, W, 3) uint8 sRGB.

    Returns:
        The picture in other colours, and the adjectives of form and surface.
    """
    lab = rgb2lab(square).astype(np.float32)
    turn, factor = rng.uniform(-MOST_TURN, MOST_TURN), rng.uniform(*CHROMA)
    cos, sin = factor * np.cos(turn), factor * np.sin(turn)
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 0] = 100 * (lab[..., 0].clip(0, 100) / 100) ** rng.uniform(*LIGHTNESS)
    lab[..., 1], lab[..., 2] = cos * a - sin * b, sin * a + cos * b
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # colours outside sRGB are clipped
        rgb = lab2rgb(lab)
    pixels = np.rint(rgb * 255).clip(0, 255).astype(np.uint8)
    return pixels, tuple(word for word in words if not is_colour(word))


def is_colour(word: str) -> bool:
    """Whether an adjective says something of colour, or of a mood that colour makes."""
    axis, _ = poles().get(word, ("", 0))
    return axis in COLOUR_AXES or word in HUES or word in MOODS
