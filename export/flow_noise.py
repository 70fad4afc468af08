"""The noise of a whole picture as operators of one graph: a seed in, four streams of it out.

See `t2a_edge.noise`, which has the same numbers. There are few positions, so remainders are taken
by Mod, and the two tables are stored, in 16 bits: nothing depends on a platform's logarithm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.compose import FLOAT, INT32, INT64
from export.flow_graphs import FlowComposer
from t2a_edge.form import SIDE
from t2a_edge.noise import (
    CROPS,
    LEVELS,
    OF_CHOICE,
    OF_CROP,
    OF_FORM,
    OF_LATENTS,
    PRIME,
    code_points,
    gumbel_table,
    normal_table,
)

STEPS = 4096  # of the tables, to one
GUMBEL_ZERO = 2**14  # what stands for 0 in the stored table: most numbers are above


@dataclass(frozen=True)
class Noise:
    """Values of one graph.

    Attributes:
        latents: (B, N, D), standard normal.
        form: (B, 64, 64), standard normal.
        choice: (B, M), standard Gumbel.
        crop: (B, 2) int64, numbers of windows.
    """

    latents: str
    form: str
    choice: str
    crop: str


def noise_of_seed(g: FlowComposer, seed: str, positions: int, depth: int, forms: int) -> Noise:
    """What a picture of a seed is drawn with.

    Args:
        seed: (B,) int64.
        positions, depth: N and D of the latents.
        forms: M, of the bank.
    """
    numbers = np.concatenate([
        OF_LATENTS + np.arange(positions), OF_FORM + np.arange(SIDE), [OF_CHOICE, OF_CROP],
    ])  # fmt: skip
    keys = _position_keys(g, seed, numbers)  # (B, N + 64 + 2, 3)
    of_normals, of_choice = g.split(keys, [positions + SIDE, 2], axis=1)
    table = g.constant((normal_table() * STEPS).astype(np.int16))
    levels = _levels(g, of_normals, max(depth, SIDE))
    steps = g.cast(g.op("Gather", table, levels, axis=0), FLOAT)
    normals = g.op("Mul", steps, g.number(1 / STEPS))
    latents, form = g.split(normals, [positions, SIDE], axis=1)
    latents = latents if depth >= SIDE else g.slice(latents, 0, depth, 2)
    form = form if depth <= SIDE else g.slice(form, 0, SIDE, 2)
    levels = _levels(g, of_choice, max(forms, len(CROPS)))  # (B, 2, M)
    choice, crop = g.split(levels, [1, 1], axis=1)
    table = g.constant((gumbel_table() * STEPS + GUMBEL_ZERO).astype(np.uint16))
    steps = g.cast(g.op("Gather", table, choice, axis=0), FLOAT)
    gumbels = g.op("Mul", g.op("Sub", steps, g.number(GUMBEL_ZERO)), g.number(1 / STEPS))
    windows = g.slice(g.reshape(crop, 0, -1), 0, len(CROPS), 1)
    windows = g.op("Mod", windows, g.constant(np.array(CROPS, dtype=np.int32)))
    choice = g.slice(g.reshape(gumbels, 0, -1), 0, forms, 1)
    return Noise(latents, form, choice, g.cast(windows, INT64))


def _quintic(g: FlowComposer, value: str) -> str:
    """x^5 modulo P; x below 2^63."""
    prime = g.constant(np.array(PRIME, dtype=np.int64))
    value = g.op("Mod", value, prime)
    square = g.op("Mod", g.op("Mul", value, value), prime)
    fourth = g.op("Mod", g.op("Mul", square, square), prime)
    return g.op("Mod", g.op("Mul", fourth, value), prime)


def _position_keys(g: FlowComposer, seed: str, numbers: npt.NDArray[np.int64]) -> str:
    """`noise.position_keys`: seed (B,) int64 -> (B, positions, 3) int32."""

    def number(value: int) -> str:
        return g.constant(np.array(value, dtype=np.int64))

    high, low = g.op("Div", seed, number(2**30)), g.op("Mod", seed, number(2**30))
    key = _quintic(g, g.op("Add", low, number(0x1F123BB5)))
    key = _quintic(g, g.op("Add", g.op("Add", key, high), number(0x05491333)))
    moved = (numbers * 0x2545F491 + 0x3C6EF372) % PRIME
    key = g.op("Unsqueeze", key, g.integers(1, 2))  # (B, 1, 1)
    key = _quintic(g, g.op("Add", key, g.constant(moved[:, None])))  # (B, positions, 1)
    key = _quintic(g, g.op("Add", key, number(0x1B873593)))
    steps = np.arange(1, 4, dtype=np.int64) * 0x27D4EB2F % PRIME
    keys = _quintic(g, g.op("Add", key, g.constant(steps)))  # (B, positions, 3)
    return g.cast(g.op("Mod", keys, number(LEVELS)), INT32)


def _levels(g: FlowComposer, keys: str, codes: int) -> str:
    """`noise.noise_levels`: keys (B, n, 3) -> (B, n, K) int32."""
    points, squares = (g.constant(row) for row in code_points(codes))
    first, second, third = g.split(keys, [1, 1, 1], axis=2)
    sums = g.op("Add", g.op("Mul", first, points), g.op("Mul", second, squares))
    return g.op("Mod", g.op("Add", sums, third), g.constant(np.array(LEVELS, dtype=np.int32)))
