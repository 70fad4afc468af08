"""What a picture measures on the colour axes, and the gentle pull towards what was asked.

Scores are 0 at the median of some 800 public-domain abstract paintings and +-1 at about their 5th
and 95th percentile, so "dark" means dark for a painting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from train.studio.colour import FloatArray, lab_from_rgb, polar, rgb_from_lab

# axis -> (5th percentile, median, 95th percentile) over the paintings at 128 px; the temperature
# of paintings leans to the warm side (old varnish, bare canvas), so its middle is put at 0.3
SCALES = {
    "lightness": (22.9, 55.0, 81.0),  # mean L*
    "chroma": (5.5, 18.2, 40.5),  # mean C*
    "contrast": (8.9, 19.9, 31.5),  # standard deviation of L*
    "temperature": (-0.6, 0.3, 0.95),  # share of chroma that is warm, less the cool share
}
KEEP = 0.55  # of the strength asked for; a picture that measures less is corrected up to it
BROAD = 4.0  # sigma of the blur that leaves no forms, in 64ths of the side
HUE_LIFT = 0.5  # L* that a step of hue may become, at most
MOST_GAIN = 2.2  # that faint lightness is spread by, at most
CHROMATIC = 13.0  # C* from which a pixel counts as coloured

# hue -> regions of (hue angle from, to, L* from, to, C* from, to)
HUE_REGIONS: dict[str, tuple[tuple[float, float, float, float, float, float], ...]] = {
    "red": ((12, 48, 8, 70, 20, 200),),
    "orange": ((42, 76, 42, 88, 26, 200),),
    "yellow": ((78, 116, 58, 100, 22, 200),),
    "golden": ((66, 98, 42, 93, 24, 200),),
    "green": ((112, 182, 10, 95, 9, 200),),
    "teal": ((168, 238, 10, 90, 9, 200),),
    "blue": ((225, 304, 8, 92, 9, 200),),
    "violet": ((290, 342, 8, 92, 9, 200),),
    "pink": ((322, 383, 45, 96, 10, 200), (383, 402, 62, 96, 10, 60)),
    "brown": ((20, 88, 8, 54, 9, 46),),
    "earthy": ((28, 112, 14, 78, 9, 48),),
}


@dataclass(frozen=True)
class Measured:
    """Statistics of one picture.

    Attributes:
        values: axis -> mean L*, mean C*, std of L*, warm less cool share (-1 to 1).
        scores: axis -> the same on a scale where 0 is a usual painting and 1 a strong one.
        hues: hue -> share of the coloured area in [0, 1]; regions overlap (brown is earthy).
        coloured: share of the picture that is coloured at all.
    """

    values: dict[str, float]
    scores: dict[str, float]
    hues: dict[str, float]
    coloured: float


def score(axis: str, value: float) -> float:
    """Place a statistic between the 5th percentile (-1), median (0) and 95th percentile (1)."""
    low, middle, high = SCALES[axis]
    return (value - middle) / ((high - middle) if value > middle else (middle - low))


def value_at(axis: str, wanted: float) -> float:
    """The statistic that has this score; the inverse of `score`."""
    low, middle, high = SCALES[axis]
    return middle + wanted * ((high - middle) if wanted > 0 else (middle - low))


def _warmth(chroma: FloatArray, hue: FloatArray) -> float:
    weight = np.where(chroma > 3, chroma, 0)
    warm = weight[(hue >= 12) & (hue <= 105)].sum()
    cool = weight[(hue >= 165) & (hue <= 305)].sum()
    return float((warm - cool) / max(float(weight.sum()), 1e-6))


def measure_lab(lab: FloatArray) -> Measured:
    """Statistics of (H, W, 3) Lab."""
    flat = lab.reshape(-1, 3)  # (pixels, 3)
    chroma, hue = polar(flat)
    values = {
        "lightness": float(flat[:, 0].mean()),
        "chroma": float(chroma.mean()),
        "contrast": float(flat[:, 0].std()),
        "temperature": _warmth(chroma, hue),
    }
    coloured = chroma >= CHROMATIC
    total = max(int(coloured.sum()), 1)
    hues = {}
    for name, regions in HUE_REGIONS.items():
        inside = np.zeros(len(flat), np.bool_)
        for h0, h1, l0, l1, c0, c1 in regions:
            turned = (hue - h0) % 360 <= h1 - h0
            tone = (flat[:, 0] >= l0) & (flat[:, 0] <= l1) & (chroma >= c0) & (chroma <= c1)
            inside |= turned & tone
        hues[name] = float((inside & coloured).sum() / total)
    scores = {axis: score(axis, value) for axis, value in values.items()}
    return Measured(values, scores, hues, float(coloured.mean()))


def measure(image: npt.NDArray[np.uint8]) -> Measured:
    """Statistics of (H, W, 3) uint8 sRGB."""
    return measure_lab(lab_from_rgb(image))


def visibility(image: npt.NDArray[np.uint8]) -> float:
    """How far a picture's forms stand off from what is about them, in L* alone.

    The root mean square of what a broad blur takes away, on a copy without grain: two plain
    fields side by side have almost none of it, and neither have lines as pale as their ground.
    Colour does not count: the form of a picture is taken from its lightness.

    Args:
        image: (H, W, 3) uint8 sRGB.
    """
    light = lab_from_rgb(shrink(image.astype(np.float32), 64).round().astype(np.uint8))[..., 0]
    return float(np.sqrt(((light - gaussian_filter(light, BROAD)) ** 2).mean()))


def lift(lab: FloatArray, least: float) -> FloatArray:
    """Bring forms into a picture's lightness where they lie in its hues, or are all too faint.

    Shapes of one lightness are told apart by their hue alone, and a grey copy loses them: the
    main way in which their hues differ is laid on their lightness, then all of it is spread.

    Args:
        lab: (H, W, 3) Lab.
        least: how far forms are to stand off, as `visibility`.

    Returns:
        (H, W, 3) Lab, possibly the same array.
    """
    small = shrink(lab, 64)
    off = small - gaussian_filter(small, (BROAD, BROAD, 0))  # (rows, columns, 3)
    seen = float(np.sqrt((off[..., 0] ** 2).mean()))
    if seen >= least:
        return lab
    flat = off.reshape(-1, 3)  # (pixels, 3)
    way = np.linalg.eigh(flat[:, 1:].T @ flat[:, 1:])[1][:, 1].astype(np.float32)
    along = flat[:, 1:] @ way
    with_light = float(along @ flat[:, 0])
    # hues join the lightness they go with; where they go with none, the warmer is the lighter
    way = way if (with_light or float(way.sum())) > 0 else -way
    reach = max(float(np.sqrt((along**2).mean())), 1e-3)
    share = min((least - seen) / reach, HUE_LIFT)
    light = lab[..., 0] + share * ((lab[..., 1:] - small[..., 1:].mean((0, 1))) @ way)
    off_light = flat[:, 0] + share * (flat[:, 1:] @ way)
    gain = np.clip(least / max(float(np.sqrt((off_light**2).mean())), 1e-3), 1.0, MOST_GAIN)
    lab = lab.copy()
    middle = float(small[..., 0].mean())
    lab[..., 0] = np.clip(middle + (light - float(light.mean())) * gain, 3, 97)
    return lab


def shrink(image: FloatArray, side: int) -> FloatArray:
    """Means over square blocks, to (about side, about side, C): a small copy for statistics."""
    step = max(image.shape[0] // side, 1)
    edge = image.shape[0] // step * step
    blocks = image[:edge, :edge].reshape(edge // step, step, edge // step, step, -1)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)  # (rows, columns, C)


def _tone(lab: FloatArray, wanted: Mapping[str, float], is_: Measured) -> FloatArray:
    light = lab[..., 0]
    for axis in ("contrast", "lightness"):
        target = _missed(axis, wanted, is_)
        if target is None:
            continue
        if axis == "contrast":
            gain = np.clip(target / max(is_.values[axis], 1.0), 0.35, 2.2)
            light = is_.values["lightness"] + (light - is_.values["lightness"]) * gain
        else:
            light = light + (target - is_.values[axis])
    # a soft shoulder and toe in place of clipping
    low, high = 4.0, 97.0
    light = np.where(light < 12, low + (12 - low) * np.exp((np.minimum(light, 12) - 12) / 8), light)
    light = np.where(
        light > 90, high - (high - 90) * np.exp((90 - np.maximum(light, 90)) / 7), light
    )
    lab = lab.copy()
    lab[..., 0] = light
    return lab


def _missed(axis: str, wanted: Mapping[str, float], is_: Measured) -> float | None:
    """The statistic to go to where a picture does not show what was asked of it."""
    asked = wanted.get(axis, 0.0)
    if abs(asked) < 0.2 or np.sign(asked) * is_.scores[axis] >= KEEP * abs(asked):
        return None
    return value_at(axis, np.sign(asked) * max((KEEP + 0.1) * abs(asked), 0.3))


def _corrected_once(lab: FloatArray, wanted: Mapping[str, float], is_: Measured) -> FloatArray:
    lab = _tone(lab, wanted, is_)
    target = _missed("chroma", wanted, is_)
    if target is not None:
        gain = np.clip(target / max(is_.values["chroma"], 1.5), 0.15, 2.0)
        # greys are left grey: paper that turns yellow would become a hue of its own
        chroma = np.hypot(lab[..., 1], lab[..., 2])
        shown = np.clip(chroma / 14, 0.25, 1) if gain > 1 else 1.0
        lab[..., 1:] *= np.asarray(1 + (gain - 1) * shown)[..., None]
    target = _missed("temperature", wanted, is_)
    if target is not None and wanted.get("chroma", 0) > -0.9:
        shift = 7 * np.sign(target - is_.values["temperature"])
        lab[..., 1] += shift * 0.5
        lab[..., 2] += shift * 0.85
    return lab


def correct(lab: FloatArray, wanted: Mapping[str, float]) -> FloatArray:
    """Shift and scale a picture until the colour axes that were asked for show.

    Args:
        lab: (H, W, 3) Lab.
        wanted: axis to number in [-1, 1]; weak and missing axes are left as they are.

    Returns:
        (H, W, 3) Lab, possibly the same array.
    """
    small = shrink(lab, 64)
    for _ in range(4):
        # what counts is what can be shown: measured after the way through sRGB
        is_ = measure(rgb_from_lab(small))
        if all(_missed(axis, wanted, is_) is None for axis in SCALES):
            break
        small = _corrected_once(small, wanted, is_)
        lab = _corrected_once(lab, wanted, is_)
    return lab
