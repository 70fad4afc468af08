"""Colour and light of a picture as numbers: CIELAB, colour emotions, shares of the hues.

All functions take a CIELAB picture: (H, W, 3) float32, L* in [0, 100], D65 white.

Source: CIELAB, CIE 15:2004; colour-emotion scales, Ou et al. 2004, doi:10.1002/col.20010.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]  # float32, but for what numpy widens

_XYZ_FROM_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_TO_WHITE = (_XYZ_FROM_RGB / _WHITE[:, None]).T.astype(np.float32)
_LEVELS = 4095  # steps of the table from sRGB to linear light
_RAMP = np.arange(_LEVELS + 1) / _LEVELS
_LINEAR = np.where(_RAMP <= 0.04045, _RAMP / 12.92, ((_RAMP + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)

GREY_CHROMA = 8.0  # C*ab below which a colour reads as grey
# Hue -> centre and half-width of its CIELAB hue angle in degrees, then the L* and the C*ab
# from which and up to which it carries that name.
HUE_REGIONS: dict[str, tuple[float, float, tuple[float, float], tuple[float, float]]] = {
    "red": (32, 20, (20, 68), (28, 200)),
    "orange": (60, 16, (48, 85), (38, 200)),
    "yellow": (92, 16, (65, 101), (32, 200)),
    "golden": (80, 14, (48, 82), (32, 200)),
    "green": (145, 38, (15, 90), (12, 200)),
    "teal": (208, 34, (20, 85), (10, 200)),
    "blue": (272, 30, (10, 85), (12, 200)),
    "violet": (318, 24, (10, 75), (10, 200)),
    "pink": (12, 38, (58, 92), (12, 60)),
    "brown": (58, 28, (15, 52), (11, 50)),
    "earthy": (68, 26, (22, 72), (12, 48)),
}
_HUE_SOFT, _L_SOFT, _C_SOFT = 8.0, 6.0, 5.0  # widths over which a name fades out


def lab_from_srgb(rgb: FloatArray) -> FloatArray:
    """(H, W, 3) sRGB in [0, 255] -> CIELAB, D65."""
    steps = np.rint(rgb * np.float32(_LEVELS / 255)).astype(np.int32)
    xyz = _LINEAR[steps.clip(0, _LEVELS)] @ _TO_WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).astype(np.float32)
    lab: FloatArray = np.empty_like(f)
    lab[..., 0] = 116 * f[..., 1] - 16
    lab[..., 1] = 500 * (f[..., 0] - f[..., 1])
    lab[..., 2] = 200 * (f[..., 1] - f[..., 2])
    return lab


def colour_statistics(lab: FloatArray) -> dict[str, float]:
    """Lightness, chroma, warmth and colour emotions of a CIELAB picture.

    Returns:
        lightness_*: mean, percentiles, standard deviation, p95 - p5, all in L*.
        dark_share, light_share: of the area below L* 35, above L* 75.
        chroma_*: C*ab mean and percentiles; chroma_spread: distance of a*, b* from their mean.
        grey_share, warm_share, cool_share: of the area; warm is within 90 degrees of hue 50.
        warmth: mean of C* cos(h - 50), in C*ab.
        hue_entropy: of the chroma-weighted hues, in [0, 1].
        emotion_heat, emotion_weight, emotion_activity: means of the scales of Ou et al. 2004.
    """
    lightness = lab[..., 0].ravel()
    a, b = lab[..., 1].ravel(), lab[..., 2].ravel()
    chroma = np.hypot(a, b)
    dark, low, middle, high, bright = percentiles(lightness, (5, 25, 50, 75, 95))
    chroma_middle, chroma_high = percentiles(chroma, (50, 95))
    toward_50, toward_100 = _toward(a, b, 50), _toward(a, b, 100)
    heat = toward_50 * np.exp(np.float32(0.07) * np.log(chroma + np.float32(1e-6)))
    activity = np.sqrt((lightness - 50) ** 2 + (a - 3) ** 2 + ((b - 17) / 1.4) ** 2)
    chromatic = chroma > GREY_CHROMA
    return {
        "lightness_mean": float(lightness.mean()),
        "lightness_p5": dark,
        "lightness_p25": low,
        "lightness_p50": middle,
        "lightness_p75": high,
        "lightness_p95": bright,
        "lightness_std": float(lightness.std()),
        "lightness_range": bright - dark,
        "dark_share": float((lightness < 35).mean()),
        "light_share": float((lightness > 75).mean()),
        "chroma_mean": float(chroma.mean()),
        "chroma_p50": chroma_middle,
        "chroma_p95": chroma_high,
        "chroma_spread": float(np.sqrt(a.var() + b.var())),
        "grey_share": float((chroma < GREY_CHROMA).mean()),
        "warm_share": float((chromatic & (toward_50 > 0)).mean()),
        "cool_share": float((chromatic & (toward_50 < 0)).mean()),
        "warmth": float(toward_50.mean()),
        "hue_entropy": _hue_entropy(a, b, chroma),
        "emotion_heat": float(-0.5 + 0.02 * heat.mean()),  # C* ^ 1.07 cos(h - 50)
        "emotion_weight": float(
            -1.8 + 0.04 * (100 - lightness.mean()) + 0.45 * (toward_100 / (chroma + 1e-6)).mean()
        ),
        "emotion_activity": float(-2.1 + 0.06 * activity.mean()),
    }


def hue_shares(lab: FloatArray) -> dict[str, float]:
    """How much of the picture, and of its colour, each hue of `vocabulary.HUES` takes.

    Returns:
        Hue to the geometric mean of two shares in [0, 1]: of the area, and of the whole chroma
        (a clear accent has a small area but much of the chroma). The names overlap (golden with
        yellow, earthy with brown), so the shares do not add up to one.
    """
    lightness = lab[..., 0].ravel()
    a, b = lab[..., 1].ravel(), lab[..., 2].ravel()
    chroma = np.hypot(a, b)
    angle = np.degrees(np.arctan2(b, a))
    whole = float(chroma.sum()) + GREY_CHROMA * chroma.size  # so that a tint on grey stays small
    shares = {}
    for hue, (centre, width, (l_low, l_high), (c_low, c_high)) in HUE_REGIONS.items():
        away = np.abs((angle - centre + 180) % 360 - 180)
        belongs = _fade(width - away, _HUE_SOFT)
        belongs *= _fade(lightness - l_low, _L_SOFT) * _fade(l_high - lightness, _L_SOFT)
        belongs *= _fade(chroma - c_low, _C_SOFT) * _fade(c_high - chroma, _C_SOFT)
        area = float(belongs.mean())
        colour = min(1.0, float((belongs * chroma).sum()) / whole)
        shares[hue] = float(np.sqrt(area * colour))
    return shares


def _fade(margin: FloatArray, width: float) -> FloatArray:
    """0 where `margin` is below -width, 1 above width, a straight ramp between."""
    faded: FloatArray = np.clip(margin * np.float32(0.5 / width) + np.float32(0.5), 0, 1)
    return faded


def percentiles(values: FloatArray, shares: tuple[int, ...]) -> list[float]:
    """The values below which these percentages of all lie; nearest rank, no interpolation."""
    ranks = [round(share / 100 * (values.size - 1)) for share in shares]
    ordered = np.partition(values.ravel(), ranks)
    return [float(ordered[rank]) for rank in ranks]


def _toward(a: FloatArray, b: FloatArray, degrees: float) -> FloatArray:
    """C* cos(h - degrees): how far a colour lies toward a hue angle."""
    turn = np.radians(degrees)
    return a * np.float32(np.cos(turn)) + b * np.float32(np.sin(turn))


def _hue_entropy(a: FloatArray, b: FloatArray, chroma: FloatArray) -> float:
    """Entropy of the chroma-weighted hue histogram over 24 bins, in [0, 1]."""
    bins = ((np.arctan2(b, a) + np.float32(np.pi)) * np.float32(24 / (2 * np.pi))).astype(np.int32)
    return entropy(np.bincount(bins % 24, np.maximum(chroma - GREY_CHROMA, 0), minlength=24))


def entropy(weights: npt.NDArray[Any]) -> float:
    """Shannon entropy of a histogram as a share of the largest possible, in [0, 1]."""
    total = weights.sum()
    if total <= 1e-9:
        return 0.0
    p = weights[weights > 0] / total
    return float(-(p * np.log(p)).sum() / np.log(weights.size))
