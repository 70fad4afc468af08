"""How strongly a picture shows each visual attribute, measured from its pixels alone.

`attribute_statistics` gives raw numbers with a physical meaning; `attribute_scores` combines few of
them an axis, with weights from `attribute_table` that were fitted to annotated paintings by
`python -m bench.attributes --fit`. What each axis looks at, how well it agrees with annotators, and
what cannot be measured is in docs/attributes.md.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.attribute_colour import FloatArray, colour_statistics, hue_shares, lab_from_srgb
from t2a_edge.attribute_edges import (
    find_edges,
    halve,
    orientation_statistics,
    spectrum_statistics,
    texture_statistics,
)
from t2a_edge.attribute_layout import layout_statistics
from t2a_edge.attribute_lines import line_statistics
from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES, Measure
from t2a_edge.checks import shown
from t2a_edge.errors import ImageError
from t2a_edge.vocabulary import FORMS, MOODS

UInt8Array = npt.NDArray[np.uint8]

MIN_SIDE = 32  # pixels
WORKING_AREA = 128 * 128  # pixels that every picture is resampled to, its proportions kept
RIM = 4  # pixels of those, left out on all sides: scans show frames and canvas edges there
SHORTEST = 48  # pixels, of the shorter side of a long narrow picture
SOFT_LIMIT = 3.0  # standard deviations at which a statistic's pull levels off
UNMEASURABLE = {
    "depth": "its flat pole has no words, so no annotation says where flat ends and deep begins",
    "striped": "few annotations name it, and most of those for one small striped part",
    **dict.fromkeys(MOODS, "a mood is a reading of the picture, not a quantity in its pixels"),
    **dict.fromkeys(FORMS, "a form is told by how it was drawn; no annotated paintings name it"),
}


def attribute_scores(image: UInt8Array) -> dict[str, float]:
    """Measure how strongly each visual attribute shows in an image.

    Args:
        image: (H, W, 3) uint8 sRGB, H and W >= 32.

    Returns:
        Axis name to score in [-1, 1]; the sign is the pole (see vocabulary), and 0 is where
        annotators' use of the poles divides. Hue name to score in [0, 1]: the geometric mean of
        its share of the area and of the chroma. Word of `WORD_MEASURES` to score in [0, 1]; 0.5 is
        as likely to be named as not, were half of all pictures named so. What is in UNMEASURABLE
        has no score.

    Raises:
        ImageError: The array is not (H, W, 3) uint8, or too small.

    Source: colour-emotion scales, Ou et al. 2004, doi:10.1002/col.20010.
    """
    lab = _working_lab(image)
    return scores_from_statistics(_statistics(lab)) | hue_shares(halve(lab))


def attribute_statistics(image: UInt8Array) -> dict[str, float]:
    """Measure the raw quantities that the scores are made of, and a few more.

    Args:
        image: (H, W, 3) uint8 sRGB, H and W >= 32.

    Returns:
        Name to value. Units and ranges: `colour_statistics`, `orientation_statistics`,
        `texture_statistics`, `spectrum_statistics`, `line_statistics`, `layout_statistics`.
        Lengths are pixels of a picture of WORKING_AREA.

    Raises:
        ImageError: The array is not (H, W, 3) uint8, or too small.

    Source: see the modules; colour emotions, Ou et al. 2004, doi:10.1002/col.20010.
    """
    return _statistics(_working_lab(image))


def scores_from_statistics(statistics: dict[str, float]) -> dict[str, float]:
    """Axes in [-1, 1] and words in [0, 1] from `attribute_statistics`; hues need the pixels."""
    axes = {
        name: math.tanh(evidence(statistics, measure) / 2)
        for name, measure in AXIS_MEASURES.items()
    }
    words = {
        name: (1 + math.tanh(evidence(statistics, measure) / 2)) / 2
        for name, measure in WORD_MEASURES.items()
    }
    return axes | words


def evidence(statistics: dict[str, float], measure: Measure) -> float:
    """Log-odds of the positive pole, both poles held equally likely beforehand."""
    return measure.bias + sum(
        term.weight * soften((statistics[term.statistic] - term.mean) / term.spread)
        for term in measure.terms
    )


def soften(deviation: float) -> float:
    """A deviation that levels off at SOFT_LIMIT: an outlier counts, but does not rule."""
    return SOFT_LIMIT * math.tanh(deviation / SOFT_LIMIT)


def _statistics(lab: FloatArray) -> dict[str, float]:
    edges = find_edges(lab)
    return {
        **colour_statistics(lab),
        **orientation_statistics(edges),
        **line_statistics(edges),
        **texture_statistics(lab, edges),
        **spectrum_statistics(lab[..., 0]),
        **layout_statistics(lab, edges),
    }


def _working_lab(image: UInt8Array) -> FloatArray:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"The image is {shown(image)}; expected an array, uint8 (H, W, 3).")
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ImageError(
            f"The image is {image.dtype} of shape {image.shape}; expected uint8 (H, W, 3)."
        )
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"The image is {width} x {height} pixels; expected at least {MIN_SIDE} x {MIN_SIDE}."
        )
    scale = max((WORKING_AREA / (height * width)) ** 0.5, SHORTEST / min(height, width))
    rows, columns = round(height * scale), round(width * scale)
    lines: FloatArray = image.reshape(height, width * 3).astype(np.float32)
    lines = _resampling(height, rows) @ lines  # (rows, width * 3)
    pixels = _resampling(width, columns) @ lines.reshape(rows, width, 3)
    return lab_from_srgb(pixels[RIM:-RIM, RIM:-RIM])


@lru_cache(maxsize=32)
def _resampling(source: int, target: int) -> FloatArray:
    """(target, source) weights: linear up, area-weighted (a triangle two pixels wide) down."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale - 0.5
    away = np.abs(np.arange(source) - centres[:, None]) / max(1.0, scale)
    weights = np.maximum(0, 1 - away)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights, np.float32)
