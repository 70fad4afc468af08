"""Edges and grain of a picture as numbers: which way edges run, how many, how fine.

Edges are those of all three CIELAB channels together (Di Zenzo 1986,
doi:10.1016/0734-189X(86)90223-9), so that shapes of one lightness and two colours have an outline.
Lengths are pixels of the working picture (`attributes.WORKING_AREA`).
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge.attribute_colour import FloatArray, entropy, percentiles

BoolArray = npt.NDArray[np.bool_]

EDGE = 4.0  # CIELAB units a pixel from which a gradient is an edge
FLAT = 2.0  # standard deviation of L* below which a neighbourhood is flat
ANGLES = 36  # bins of the orientation histogram over half a turn
FIRST, BANDS = 0.0221, 9  # cycles a pixel, 1/8 two and a half octaves up; half octaves
PATCH = 16  # pixels, the side of a patch in which stripes are looked for


@dataclass(frozen=True)
class Edges:
    """The gradients of a picture, (H, W) each.

    Attributes:
        strength: largest change of colour a pixel, in CIELAB units.
        xx, yy, xy: the structure tensor, smoothed over 3 x 3 pixels.
        angle: of the gradient, from x to y, in [-pi / 2, pi / 2]; the edge is at right angles.
        thin: where the strength has a ridge and is above EDGE.
    """

    strength: FloatArray
    xx: FloatArray
    yy: FloatArray
    xy: FloatArray
    angle: FloatArray
    thin: BoolArray


def blur(image: FloatArray) -> FloatArray:
    """Binomial 1-2-1 along the first two axes, the border repeated."""
    half, quarter = np.float32(0.5), np.float32(0.25)
    for axis in (0, 1):
        source = np.swapaxes(image, 0, axis)
        quarters = source * quarter
        out = source * half
        out[1:] += quarters[:-1]
        out[:-1] += quarters[1:]
        out[0] += quarters[0]
        out[-1] += quarters[-1]
        image = np.swapaxes(out, 0, axis)
    return image


def halve(image: FloatArray) -> FloatArray:
    """Every 2 x 2 pixels averaged; an odd last row or column is left out."""
    height, width = (side - side % 2 for side in image.shape[:2])
    even = image[:height, :width]
    rows = even[::2] + even[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)


def find_edges(lab: FloatArray) -> Edges:
    """The gradients of a CIELAB picture (H, W, 3), H and W >= 8."""
    smooth = blur(lab)
    dx, dy = np.zeros_like(lab), np.zeros_like(lab)
    dx[:, 1:-1] = (smooth[:, 2:] - smooth[:, :-2]) * np.float32(0.5)
    dy[1:-1] = (smooth[2:] - smooth[:-2]) * np.float32(0.5)
    xx, yy, xy = (np.einsum("hwc,hwc->hw", p, q) for p, q in ((dx, dx), (dy, dy), (dx, dy)))
    strength = np.sqrt((xx + yy + _difference(xx, yy, xy)) * np.float32(0.5))
    xx, yy, xy = blur(xx), blur(yy), blur(xy)
    angle = np.arctan2(2 * xy, xx - yy) * np.float32(0.5)
    return Edges(strength, xx, yy, xy, angle, _thin(strength, angle))


def _difference(xx: FloatArray, yy: FloatArray, xy: FloatArray) -> FloatArray:
    """Larger less smaller eigenvalue of a structure tensor; their sum is xx + yy."""
    return np.sqrt((xx - yy) ** 2 + 4 * xy**2)


def _thin(strength: FloatArray, angle: FloatArray) -> BoolArray:
    """Non-maximum suppression along the nearest of four directions."""
    height, width = strength.shape
    inner = strength[1:-1, 1:-1]
    sector = np.rint(angle[1:-1, 1:-1] * np.float32(4 / np.pi)).astype(np.int8) % 4
    ridge = np.zeros(inner.shape, bool)
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = strength[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx]
        behind = strength[1 - dy : height - 1 - dy, 1 - dx : width - 1 - dx]
        ridge |= (sector == number) & (inner >= ahead) & (inner > behind)
    thin = np.zeros(strength.shape, bool)
    thin[1:-1, 1:-1] = ridge & (inner > EDGE)
    return thin


def orientation_statistics(edges: Edges) -> dict[str, float]:
    """Which ways the edges run, and how much of one mind they are; all in [0, 1].

    Returns:
        coherence_fine, coherence_coarse: of the structure tensor over 3 and over about 16 pixels:
            1 where all edges run one way, 0 where they run all ways.
        corner_share: 1 - coherence over about 5 pixels: edges that cross, end or are grain.
        orientation_entropy: of the histogram of edge directions.
        orientation_peak: share of the edges within 7.5 degrees of the commonest direction.
        horizontal_share, vertical_share, axis_share: within 7.5 degrees of that direction.
        diagonal_share, diagonal_peak: within 22.5 degrees of either diagonal; the highest peak
            more than 15 degrees off both axes.
    """
    difference, total = _difference(edges.xx, edges.yy, edges.xy), edges.xx + edges.yy
    weight = np.sqrt(total)
    clear = weight * difference / (total + 1e-6) * (weight > EDGE / 2)
    # a gradient along x is an upright line: bin 0 lies across, bin ANGLES / 2 upright
    bins = np.rint(edges.angle * np.float32(ANGLES / np.pi)).astype(np.int32) + ANGLES // 2
    histogram = np.bincount(bins.ravel() % ANGLES, clear.ravel(), minlength=ANGLES)
    share = histogram / (histogram.sum() + 1e-6)
    around = np.roll(share, 1) + share + np.roll(share, -1)
    from_axis = np.abs((np.arange(ANGLES) + ANGLES // 4) % (ANGLES // 2) - ANGLES // 4)
    across, upright = float(around[0]), float(around[ANGLES // 2])
    return {
        "coherence_fine": float(difference.sum() / (total.sum() + 1e-6)),
        "coherence_coarse": _coherence(edges, halvings=2, blurs=1),
        "corner_share": 1 - _coherence(edges, halvings=0, blurs=2),
        "orientation_entropy": entropy(histogram),
        "orientation_peak": float(around.max()),
        "horizontal_share": across,
        "vertical_share": upright,
        "axis_share": across + upright,
        "diagonal_share": float(share[from_axis > ANGLES // 8].sum()),
        "diagonal_peak": float(around[from_axis > 2].max()),
    }


def _coherence(edges: Edges, halvings: int, blurs: int) -> float:
    tensor = np.stack([edges.xx, edges.yy, edges.xy], axis=-1)
    for _ in range(halvings):
        tensor = halve(blur(tensor))
    for _ in range(blurs if not halvings else 0):
        tensor = blur(tensor)
    xx, yy, xy = np.moveaxis(tensor, -1, 0)
    return float(_difference(xx, yy, xy).sum() / ((xx + yy).sum() + 1e-6))


def texture_statistics(lab: FloatArray, edges: Edges) -> dict[str, float]:
    """How many edges there are from fine to coarse, how sharp they are, and the grain between.

    Returns:
        edge_density, edge_density_strong: share of the pixels above EDGE, above 3 EDGE.
        edge_density_half, edge_density_quarter: the same at half (2 EDGE), quarter size (3 EDGE).
        thin_density: share of the pixels on a thin edge.
        edge_mean, edge_p50, edge_p95: of the gradient, in CIELAB units a pixel.
        edge_sharpness: p95 of the gradient over that at half size; low where edges are soft.
        edge_sparseness: p95 over median: high where few hard edges stand on even ground.
        grain, grain_in_flats: what a blur takes away, in L*: the median, and the mean over the
            calmest quarter of the pixels; grain_ratio: log of the latter over
            edge_p95 (0.05 and EDGE added, so that one colour is smooth).
        local_spread: median over the picture of the standard deviation of L* in 5 x 5 pixels.
        local_entropy: mean entropy of L* in 8 x 8 pixels, in [0, 1].
        flat_share: share of the pixels whose 5 x 5 neighbourhood is flat.
    """
    lightness, strength = lab[..., 0], edges.strength
    half = halve(lab)
    half_strength, quarter_strength = _strength(half), _strength(halve(half))
    p25, p50, p95 = percentiles(strength, (25, 50, 95))
    fine = np.abs(lightness - blur(lightness))
    calm = float(fine[strength <= p25].mean())
    mean, square = blur(blur(lightness)), blur(blur(lightness**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    return {
        "edge_density": float((strength > EDGE).mean()),
        "edge_density_strong": float((strength > 3 * EDGE).mean()),
        "edge_density_half": float((half_strength > 2 * EDGE).mean()),
        "edge_density_quarter": float((quarter_strength > 3 * EDGE).mean()),
        "thin_density": float(edges.thin.mean()),
        "edge_mean": float(strength.mean()),
        "edge_p50": p50,
        "edge_p95": p95,
        "edge_sharpness": p95 / (percentiles(half_strength, (95,))[0] + 1e-3),
        "edge_sparseness": p95 / (p50 + 1.0),
        "grain": percentiles(fine, (50,))[0],
        "grain_in_flats": calm,
        "grain_ratio": math.log((calm + 0.05) / (p95 + EDGE)),
        "local_spread": percentiles(spread, (50,))[0],
        "local_entropy": _local_entropy(lightness),
        "flat_share": float((spread < FLAT).mean()),
    }


def _strength(lab: FloatArray) -> FloatArray:
    """Change of colour a pixel, (H - 2, W - 2)."""
    dx = (lab[1:-1, 2:] - lab[1:-1, :-2]) * np.float32(0.5)
    dy = (lab[2:, 1:-1] - lab[:-2, 1:-1]) * np.float32(0.5)
    squares: FloatArray = np.einsum("hwc,hwc->hw", dx, dx) + np.einsum("hwc,hwc->hw", dy, dy)
    return np.sqrt(squares)


def _local_entropy(lightness: FloatArray) -> float:
    height, width = (side // 8 * 8 for side in lightness.shape)
    levels = (lightness[:height, :width] * np.float32(0.16)).astype(np.int32).clip(0, 15)
    tile = (np.arange(height) // 8)[:, None] * (width // 8) + np.arange(width) // 8
    counts = np.bincount((tile * 16 + levels).ravel(), minlength=16 * (height * width // 64))
    p = counts / 64
    return float(-(p * np.log(p + (p == 0))).sum() / (height * width // 64) / np.log(16))


def spectrum_statistics(lightness: FloatArray) -> dict[str, float]:
    """Frequencies of L*, (H, W): of the whole picture, and of patches.

    Returns:
        spectral_slope: of log power over log frequency; near -2 for hard edges, 0 for noise.
        high_frequency_share: share of the power above 1/8 cycle a pixel.
        stripes: mean share of a patch's power that one frequency holds (0 in faint patches).
        stripes_area: share of the patches that one frequency rules.
    """
    height, width = lightness.shape
    bands, standing, numbers = _bands(height, width)
    signal = (lightness - lightness.mean()) * hann(height, width)
    power = np.abs(np.fft.rfft2(signal)) ** 2 * standing
    energy = np.bincount(bands.ravel(), power.ravel(), minlength=BANDS + 2)
    level = np.log(energy[1:-1] / np.maximum(numbers, 1) + 1e-3)
    step = np.arange(BANDS) - (BANDS - 1) / 2
    slope = (step * level).sum() / (step**2).sum() / (np.log(2) / 2)
    return {
        "spectral_slope": float(slope),
        "high_frequency_share": float(energy[6:].sum() / (energy[1:].sum() + 1e-3)),
        **_stripes(lightness),
    }


@lru_cache(maxsize=8)
def hann(height: int, width: int) -> FloatArray:
    """(height, width) weights that fade to 0 at the rim."""
    return np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)


@lru_cache(maxsize=8)
def _bands(height: int, width: int) -> tuple[npt.NDArray[np.int32], FloatArray, npt.NDArray[Any]]:
    """Half octaves of a half spectrum: 0 below FIRST, 1 to BANDS, BANDS + 1 in the corners.

    Also how many frequencies each place stands for, and how many are in each band.
    """
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    octaves = np.log2(np.maximum(frequency, 1e-4) / FIRST)
    bands: npt.NDArray[np.int32] = np.floor(octaves * 2 + 1).clip(0, BANDS + 1).astype(np.int32)
    standing = np.ones(frequency.shape)
    standing[:, 1 : (width + 1) // 2] = 2  # these stand for their mirror images too
    numbers = np.bincount(bands.ravel(), standing.ravel(), minlength=BANDS + 2)
    return bands, standing, numbers[1:-1]


def _stripes(lightness: FloatArray) -> dict[str, float]:
    every = np.lib.stride_tricks.sliding_window_view(lightness, (PATCH, PATCH))
    patches = every[:: PATCH // 2, :: PATCH // 2].reshape(-1, PATCH, PATCH)  # half overlapping
    patches = (patches - patches.mean(axis=(1, 2), keepdims=True)) * hann(PATCH, PATCH)
    half = np.abs(np.fft.rfft2(patches)) ** 2  # (N, PATCH, PATCH / 2 + 1)
    mirror = half[:, -np.arange(PATCH) % PATCH, PATCH // 2 - 1 : 0 : -1]
    power = np.concatenate([half, mirror], axis=-1)  # (N, PATCH, PATCH)
    cycles = np.hypot(np.fft.fftfreq(PATCH)[:, None], np.fft.fftfreq(PATCH)) * PATCH
    band = power * ((cycles >= 2.5) & (cycles < 7))
    each = np.arange(len(band))
    y, x = np.divmod(band.reshape(len(band), -1).argmax(axis=1), PATCH)
    around = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    peak = 2 * sum(band[each, v % PATCH, u % PATCH] for v, u in around)  # and its mirror image
    total = power.sum(axis=(1, 2))
    share = peak / (total + 1e-3) * (total > 5000)  # 5000: about 3 units of L*
    return {"stripes": float(share.mean()), "stripes_area": float((share > 0.4).mean())}
