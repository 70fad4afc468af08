"""Counter-based noise: (seed, position, code) give the same numbers in every language.

Each position gets three keys; its codes get levels by a polynomial over them. `docs/noise.md` is
the specification, with test vectors. With P = 2^31 - 1, L = 32749 (a prime) and x -> x^5 modulo P,
which permutes the numbers modulo P:

    k = quintic(seed mod 2^30 + 0x1F123BB5)
    k = quintic(k + seed div 2^30 + 0x05491333)
    k = quintic(k + position * 0x2545F491 + 0x3C6EF372)
    k = quintic(k + 0x1B873593)
    key(i) = quintic(k + i * 0x27D4EB2F) mod L            for i = 1, 2, 3
    point(code) = (code + 4099)^5 mod L
    level(code) = (key(1) * point + key(2) * (point^2 mod L) + key(3)) mod L     in [0, 32749)
    gumbel(level) = round(-ln(-ln((level + 0.5) / L)) * 4096) / 4096
    normal(level) = round(probit((level + 0.5) / L) * 4096) / 4096

The sums are reduced modulo P before each quintic. Positions count through all scales, coarse to
fine. Any three codes of a position have independent levels, and the sum before the last modulo
stays below 2^31: one position's 512 levels take nothing but 32-bit integers. The last two lines are
tables of numbers with 12 binary digits behind the point: exact in float32, whatever a platform's
logarithm does in its last digit. Source of levels by a polynomial: Wegman and Carter 1981,
doi:10.1016/0022-0000(81)90033-7.

Neighbours may share noise, so that they choose alike. With g the noise of a code over the grid of a
scale, and weights w of the offsets d along an axis that add up to one,

    coherent(t) = max over d of g(t + d) + ln w(d)

along one axis, then along the other. The largest of Gumbel variables, moved by the logarithms of
such weights, is again a standard Gumbel variable: each position still chooses by the model's
probabilities, only together with those around it. The logarithms are rounded as the table is.
Source: moving maxima as a model of dependent extremes, de Haan 1984,
doi:10.1214/aop/1176993148.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

PRIME = 2**31 - 1
LEVELS = 32_749  # a prime; twice the square of it fits 31 bits
REACH = 2.5  # radii from a position to the farthest neighbour that shares its noise
CHUNK = 64  # positions whose noise is made at a time
OF_LATENTS = 2**20  # number of the first position of a picture's latents
OF_CHOICE = 2**21  # of the choice of a form
OF_CROP = OF_CHOICE + 1  # of the window that the form is cut to
OF_FORM = 2**22  # of the first row of a form
CROPS = (16, 32)  # windows down and across; the last 16 are mirrored


def _fold(x: Int64Array) -> Int64Array:
    """Reduce below 2^31 + 1, congruent modulo P; faster than the modulo operator on arrays."""
    x = (x & PRIME) + (x >> 31)
    return (x & PRIME) + (x >> 31)


def _quintic(x: Int64Array) -> Int64Array:
    """x^5 modulo P, up to one multiple of P left in."""
    square = _fold(x * x)
    return _fold(_fold(square * square) * x)


def position_keys(seed: int, positions: Int64Array) -> Int32Array:
    """The three keys of each position: (N,) -> (N, 3) int32 in [0, 32749)."""
    key = _quintic(_fold(np.asarray([seed % 2**30 + 0x1F123BB5], dtype=np.int64)))
    key = _quintic(_fold(key + seed // 2**30 + 0x05491333))
    key = _quintic(_fold(key + positions.astype(np.int64) * 0x2545F491 + 0x3C6EF372))
    key = _quintic(_fold(key + 0x1B873593))
    steps = np.arange(1, 4, dtype=np.int64) * 0x27D4EB2F
    keys: Int32Array = (_quintic(_fold(key[:, None] + steps)) % PRIME % LEVELS).astype(np.int32)
    return keys


@lru_cache(maxsize=4)
def code_points(codes: int) -> Int32Array:
    """The points of the codes and their squares, modulo 32749: (2, K) int32."""
    points = [pow(code + 4099, 5, LEVELS) for code in range(codes)]
    return np.array([points, [p * p % LEVELS for p in points]], dtype=np.int32)


def _level_chunks(
    seed: int, positions: Int64Array, codes: int
) -> Iterator[tuple[slice, Int32Array]]:
    """The levels of `CHUNK` positions at a time, in one buffer: what fits the cache is fast."""
    keys = position_keys(seed, positions)
    points, squares = code_points(codes)
    buffers = np.empty((2, CHUNK, codes), dtype=np.int32)
    for start in range(0, len(positions), CHUNK):
        rows = slice(start, start + CHUNK)
        part = keys[rows]
        levels, spare = buffers[:, : len(part)]
        np.multiply(part[:, :1], points, out=levels)
        np.multiply(part[:, 1:2], squares, out=spare)
        levels += spare
        levels += part[:, 2:]
        np.floor_divide(levels, LEVELS, out=spare)  # faster than the modulo operator
        spare *= LEVELS
        levels -= spare
        yield rows, levels


def noise_levels(seed: int, positions: Int64Array, codes: int) -> Int32Array:
    """Integers spread evenly over [0, 32749).

    Args:
        seed: 0 .. 2^53 - 1.
        positions: (N,) numbers of the positions, counted through all scales.
        codes: how many codes K each position chooses from.

    Returns:
        (N, K) int32.
    """
    levels = np.empty((len(positions), codes), dtype=np.int32)
    for rows, chunk in _level_chunks(seed, positions, codes):
        levels[rows] = chunk
    return levels


@lru_cache(maxsize=1)
def gumbel_table() -> Float32Array:
    """The 32,749 values of standard Gumbel noise, multiples of 1/4096."""
    middle = (np.arange(LEVELS) + 0.5) / LEVELS
    return (np.round(-np.log(-np.log(middle)) * 4096) / 4096).astype(np.float32)


def gumbel_noise(seed: int, positions: Int64Array, codes: int) -> Float32Array:
    """Standard Gumbel noise, (N, K) float32; see `noise_levels` for the arguments."""
    noise, table = np.empty((len(positions), codes), dtype=np.float32), gumbel_table()
    for rows, chunk in _level_chunks(seed, positions, codes):
        np.take(table, chunk, out=noise[rows], mode="clip")
    return noise


@lru_cache(maxsize=1)
def normal_table() -> Float32Array:
    """The 32,749 values of standard normal noise, multiples of 1/4096; none is -0."""
    from statistics import NormalDist  # here, not above: it brings fractions and decimals along

    probit = NormalDist().inv_cdf
    below = np.array([probit((level + 0.5) / LEVELS) for level in range(LEVELS // 2)])
    rounded = np.round(below * 4096) / 4096 + 0.0
    both = np.concatenate([rounded, [0.0], 0.0 - rounded[::-1]])
    table: Float32Array = both.astype(np.float32)
    return table


def normal_noise(seed: int, positions: Int64Array, codes: int) -> Float32Array:
    """Standard normal noise, (N, K) float32; see `noise_levels` for the arguments."""
    noise, table = np.empty((len(positions), codes), dtype=np.float32), normal_table()
    for rows, chunk in _level_chunks(seed, positions, codes):
        np.take(table, chunk, out=noise[rows], mode="clip")
    return noise


def choice_noise(seed: int, forms: int) -> Float32Array:
    """Standard Gumbel noise on the score of each form: (M,) float32."""
    noise: Float32Array = gumbel_noise(seed, np.array([OF_CHOICE]), forms)[0]
    return noise


def crop_numbers(seed: int) -> Int64Array:
    """Which windows a form is cut to, down and across: (2,) int64, in [0, 16) and [0, 32)."""
    levels = noise_levels(seed, np.array([OF_CROP]), len(CROPS))[0]
    numbers: Int64Array = levels.astype(np.int64) % np.array(CROPS)
    return numbers


@lru_cache(maxsize=64)
def neighbour_weights(side: int, radius: float, wrap: bool = False) -> tuple[range, Float32Array]:
    """Which neighbours along an axis share their noise, and how much: a bell of this radius.

    Args:
        side: of the grid.
        radius: standard deviation of the bell, in positions, above 0.
        wrap: whether the ends of the axis meet.

    Returns:
        The offsets, and the logarithms of their weights, (offsets, side) float32; -inf where the
        neighbour lies outside. Each position's weights add up to one.
    """
    reach = min(side - 1, math.ceil(REACH * radius))
    offsets = np.arange(-reach, reach + 1)
    neighbour = offsets[:, None] + np.arange(side)
    inside = wrap | ((neighbour >= 0) & (neighbour < side))
    with np.errstate(over="ignore", under="ignore"):  # of a radius next to 0
        weights = np.where(inside, np.exp(-0.5 * (offsets[:, None] / radius) ** 2), 0.0)
    weights /= weights.sum(0)
    with np.errstate(divide="ignore"):
        logs = np.round(np.log(weights) * 4096) / 4096
    return range(-reach, reach + 1), logs.astype(np.float32)


def coherent_noise(
    noise: Float32Array,
    radius: float,
    grid: tuple[int, int] | None = None,
    wrap: bool = False,
) -> Float32Array:
    """Noise that neighbours on the grid share, still of the standard Gumbel distribution.

    Args:
        noise: (N, K) standard Gumbel, positions row by row.
        radius: over how many positions it is shared; 0 changes nothing.
        grid: rows and columns; None is a square.
        wrap: whether opposite edges of the grid meet.

    Returns:
        (N, K) float32.
    """
    height, width = grid or (math.isqrt(len(noise)),) * 2
    if radius == 0 or len(noise) == 1:
        return noise
    field = noise.reshape(height, width, -1)
    for axis, side in enumerate((height, width)):
        offsets, logs = neighbour_weights(side, radius, wrap)
        field = np.moveaxis(field, axis, 0)
        shared = np.full(field.shape, -np.inf, dtype=np.float32)
        spare = np.empty_like(shared)  # one for all offsets: new memory costs more than the sum
        for offset, log in zip(offsets, logs, strict=True):
            if wrap:
                moved = np.add(np.roll(field, -offset, axis=0), log[:, None, None], out=spare)
                np.maximum(shared, moved, out=shared)
                continue
            to, source = slice(max(0, -offset), side - max(0, offset)), slice(max(0, offset), None)
            there = field[source][: to.stop - to.start]
            moved = np.add(there, log[to, None, None], out=spare[: len(there)])
            np.maximum(shared[to], moved, out=shared[to])
        field = np.moveaxis(shared, 0, axis)
    return np.ascontiguousarray(field).reshape(noise.shape)
