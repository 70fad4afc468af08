"""Colour between sRGB and CIELAB (D65), by table and matrix, with chroma given up before lightness.

Lab arrays are (..., 3): L* in [0, 100], a* and b* in about [-110, 110]. Hue angles are degrees.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)
_XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375],
     [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]], np.float32)  # fmt: skip
_TO_XYZ = (_XYZ_OF_RGB / _WHITE[:, None]).T.copy()
_TO_RGB = np.linalg.inv(_TO_XYZ.astype(np.float64)).astype(np.float32)
_STEPS = 4096  # entries of the table from linear light to sRGB
_EPSILON = 216 / 24389
_KAPPA = 24389 / 27


@cache
def _linear_of_srgb() -> FloatArray:
    s = np.arange(256) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _srgb_of_linear() -> UInt8Array:
    # indexed by the square root of the light: a straight table is too coarse in the darks
    x = (np.arange(_STEPS) / (_STEPS - 1)) ** 2
    s = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.round(255 * s).astype(np.uint8)


def lab_from_rgb(rgb: UInt8Array) -> FloatArray:
    """(..., 3) uint8 sRGB to (..., 3) float32 Lab."""
    xyz = _linear_of_srgb()[rgb] @ _TO_XYZ
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    lab = np.empty_like(f)
    lab[..., 0] = 116 * f[..., 1] - 16
    lab[..., 1] = 500 * (f[..., 0] - f[..., 1])
    lab[..., 2] = 200 * (f[..., 1] - f[..., 2])
    return lab


def _linear_from_lab(lab: FloatArray) -> FloatArray:
    f = np.empty_like(lab)
    f[..., 1] = (lab[..., 0] + 16) / 116
    f[..., 0] = f[..., 1] + lab[..., 1] / 500
    f[..., 2] = f[..., 1] - lab[..., 2] / 200
    cubed = f * f * f
    xyz = np.where(cubed > _EPSILON, cubed, (116 * f - 16) / _KAPPA)
    return np.asarray(xyz @ _TO_RGB, np.float32)


def _outside(linear: FloatArray) -> npt.NDArray[np.bool_]:
    # channel by channel: reducing over an axis of three is many times slower
    r, g, b = (linear[..., i] for i in range(3))
    low, high = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    return np.asarray((low < -0.002) | (high > 1.004))


def rgb_from_lab(lab: npt.NDArray[np.floating]) -> UInt8Array:
    """(..., 3) Lab to (..., 3) uint8 sRGB; a colour outside sRGB keeps L* and hue, not chroma."""
    flat = np.asarray(lab, np.float32).reshape(-1, 3).copy()  # (pixels, 3)
    flat[:, 0] = np.clip(flat[:, 0], 0, 100)
    linear = _linear_from_lab(flat)
    wrong = np.flatnonzero(_outside(linear))
    if wrong.size:
        bad = flat[wrong]
        low, high = np.zeros(len(wrong), np.float32), np.ones(len(wrong), np.float32)
        for _ in range(6):
            middle = (low + high) / 2
            tried = bad.copy()
            tried[:, 1:] *= middle[:, None]
            out = _outside(_linear_from_lab(tried))
            low, high = np.where(out, low, middle), np.where(out, middle, high)
        bad[:, 1:] *= low[:, None]
        linear[wrong] = _linear_from_lab(bad)
    index = (np.sqrt(np.clip(linear, 0, 1)) * (_STEPS - 1) + 0.5).astype(np.int32)
    return _srgb_of_linear()[index].reshape(lab.shape)


def polar(lab: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chroma C* and hue angle in [0, 360) of (..., 3) Lab; both (...)."""
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    return chroma, hue.astype(np.float32)


def lch(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Lab of a lightness, a chroma and a hue angle in degrees."""
    turn = np.radians(hue)
    return lightness, float(chroma * np.cos(turn)), float(chroma * np.sin(turn))
