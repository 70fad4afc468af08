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

The sums are reduced modulo P before each quintic. What the noise is for tells its position: see
`OF_LATENTS` and those after it. Any three codes of a position have independent levels, and the sum
before the last modulo stays below 2^31: a position's levels take nothing but 32-bit integers. The
last two lines are tables of numbers with 12 binary digits behind the point: exact in float32,
whatever a platform's logarithm does in its last digit. Source of levels by a polynomial: Wegman and
Carter 1981, doi:10.1016/0022-0000(81)90033-7.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

PRIME = 2**31 - 1
LEVELS = 32_749  # a prime; twice the square of it fits 31 bits
CHUNK = 64  # positions whose noise is made at a time
OF_LATENTS = 2**20  # number of the first position of a picture's latents
OF_CHOICE = 2**21  # of the choice of a form
OF_CROP = OF_CHOICE + 1  # of the window that the form is cut to
OF_FORM = 2**22  # of the first row of a form
TO_THE_SIDE = 2**23  # added to positions of latents and forms: the third noise of a loop
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
        positions: (N,) numbers of the positions.
        codes: how many numbers K each position has.

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
