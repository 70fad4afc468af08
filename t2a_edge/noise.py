"""Counter-based noise: (seed, position, code) give the same numbers in every language.

All integer arithmetic is modulo the prime P = 2^31 - 1, so every product fits a signed 64-bit
integer and nothing but multiply, add and modulo is needed. x -> x^5 permutes the numbers modulo P.

    key(seed, position):
        k = quintic(seed mod 2^30 + 0x1F123BB5)
        k = quintic(k + seed div 2^30 + 0x05491333)
        k = quintic(k + position * 0x2545F491 + 0x3C6EF372)
        k = quintic(k + 0x1B873593)
    level(seed, position, code) = quintic(key + (code + 1) * 0x27D4EB2F) div 2^15      in [0, 65536)
    gumbel(level) = round(-ln(-ln((level + 0.5) / 65536)) * 4096) / 4096

The sums are reduced modulo P before each quintic. Positions count through all scales, coarse to
fine. The last line is a table of 65,536 numbers with 12 binary digits behind the point: exact in
float32, whatever a platform's logarithm does in its last digit.

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

from t2a_edge.errors import OptionError

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

PRIME = 2**31 - 1
MAX_SEED = 2**53 - 1  # the largest integer that JavaScript holds exactly
LEVELS = 65_536
REACH = 2.5  # radii from a position to the farthest neighbour that shares its noise
CHUNK = 64  # positions whose noise is made at a time


def check_seed(seed: int) -> int:
    """The seed, if it is a whole number from 0 to 2^53 - 1; an OptionError otherwise."""
    if (
        isinstance(seed, bool)
        or not isinstance(seed, int | np.integer)
        or not 0 <= seed <= MAX_SEED
    ):
        raise OptionError(
            f"The seed is {seed!r}; expected a whole number from 0 to {MAX_SEED}. Give another one."
        )
    return int(seed)


def _fold(x: Int64Array) -> Int64Array:
    """Reduce below 2^31 + 1, congruent modulo P; faster than the modulo operator on arrays."""
    x = (x & PRIME) + (x >> 31)
    return (x & PRIME) + (x >> 31)


def _quintic(x: Int64Array) -> Int64Array:
    """x^5 modulo P, up to one multiple of P left in."""
    square = _fold(x * x)
    return _fold(_fold(square * square) * x)


def _keys(seed: int, positions: Int64Array) -> Int64Array:
    key = _quintic(_fold(np.asarray([seed % 2**30 + 0x1F123BB5], dtype=np.int64)))
    key = _quintic(_fold(key + seed // 2**30 + 0x05491333))
    key = _quintic(_fold(key + positions.astype(np.int64) * 0x2545F491 + 0x3C6EF372))
    return _quintic(_fold(key + 0x1B873593))


def _fold_into(x: Int64Array, spare: Int64Array) -> None:
    """One round of `_fold`, in place."""
    np.right_shift(x, 31, out=spare)
    np.bitwise_and(x, PRIME, out=x)
    np.add(x, spare, out=x)


def _level_chunks(
    seed: int, positions: Int64Array, codes: int
) -> Iterator[tuple[slice, Int64Array]]:
    """The levels of `CHUNK` positions at a time, in one buffer: what fits the cache is fast."""
    keys = _keys(seed, positions)
    steps = (np.arange(1, codes + 1, dtype=np.int64) * 0x27D4EB2F) % PRIME
    buffers = np.empty((3, CHUNK, codes), dtype=np.int64)
    for start in range(0, len(positions), CHUNK):
        rows = slice(start, start + CHUNK)
        x, power, spare = buffers[:, : len(keys[rows])]
        np.add(keys[rows, None], steps, out=x)
        _fold_into(x, spare)  # below 2^32 before, so one round is enough
        np.multiply(x, x, out=power)
        for _ in range(2):
            _fold_into(power, spare)
        np.multiply(power, power, out=power)
        for _ in range(2):
            _fold_into(power, spare)
        np.multiply(power, x, out=power)
        for _ in range(2):
            _fold_into(power, spare)
        power[power == PRIME] = 0
        np.right_shift(power, 15, out=power)
        yield rows, power


def noise_levels(seed: int, positions: Int64Array, codes: int) -> Int64Array:
    """Integers spread evenly over [0, 65536).

    Args:
        seed: 0 .. 2^53 - 1.
        positions: (N,) numbers of the positions, counted through all scales.
        codes: how many codes K each position chooses from.

    Returns:
        (N, K) int64.
    """
    levels = np.empty((len(positions), codes), dtype=np.int64)
    for rows, chunk in _level_chunks(seed, positions, codes):
        levels[rows] = chunk
    return levels


@lru_cache(maxsize=1)
def gumbel_table() -> Float32Array:
    """The 65,536 values of standard Gumbel noise, multiples of 1/4096."""
    middle = (np.arange(LEVELS) + 0.5) / LEVELS
    return (np.round(-np.log(-np.log(middle)) * 4096) / 4096).astype(np.float32)


def gumbel_noise(seed: int, positions: Int64Array, codes: int) -> Float32Array:
    """Standard Gumbel noise, (N, K) float32; see `noise_levels` for the arguments."""
    noise, table = np.empty((len(positions), codes), dtype=np.float32), gumbel_table()
    for rows, chunk in _level_chunks(seed, positions, codes):
        np.take(table, chunk, out=noise[rows], mode="clip")
    return noise


@lru_cache(maxsize=64)
def neighbour_weights(side: int, radius: float) -> tuple[range, Float32Array]:
    """Which neighbours along an axis share their noise, and how much: a bell of this radius.

    Args:
        side: of the grid.
        radius: standard deviation of the bell, in positions, above 0.

    Returns:
        The offsets, and the logarithms of their weights, (offsets, side) float32; -inf where the
        neighbour lies outside. Each position's weights add up to one.
    """
    reach = min(side - 1, math.ceil(REACH * radius))
    offsets = np.arange(-reach, reach + 1)
    neighbour = offsets[:, None] + np.arange(side)
    inside = (neighbour >= 0) & (neighbour < side)
    weights = np.where(inside, np.exp(-0.5 * (offsets[:, None] / radius) ** 2), 0.0)
    weights /= weights.sum(0)
    with np.errstate(divide="ignore"):
        logs = np.round(np.log(weights) * 4096) / 4096
    return range(-reach, reach + 1), logs.astype(np.float32)


def coherent_noise(noise: Float32Array, radius: float) -> Float32Array:
    """Noise that neighbours on the grid share, still of the standard Gumbel distribution.

    Args:
        noise: (N, K) standard Gumbel, positions row by row; N is a square.
        radius: over how many positions it is shared; 0 changes nothing.

    Returns:
        (N, K) float32.
    """
    side = math.isqrt(len(noise))
    if radius == 0 or side == 1:
        return noise
    offsets, logs = neighbour_weights(side, radius)
    field = noise.reshape(side, side, -1)
    for axis in (0, 1):
        field = np.moveaxis(field, axis, 0)
        shared = np.full(field.shape, -np.inf, dtype=np.float32)
        for offset, log in zip(offsets, logs, strict=True):
            to, source = slice(max(0, -offset), side - max(0, offset)), slice(max(0, offset), None)
            moved = field[source][: to.stop - to.start] + log[to, None, None]
            np.maximum(shared[to], moved, out=shared[to])
        field = np.moveaxis(shared, 0, axis)
    return np.ascontiguousarray(field).reshape(noise.shape)
