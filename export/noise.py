"""The noise of a whole picture as operators of one graph: a seed in, four streams of it out.

See `t2a_edge.noise`, which has the same numbers. There are few positions, so remainders are taken
by Mod, and the two tables are stored, in 16 bits: nothing depends on a platform's logarithm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.compose import FLOAT, INT32, INT64, Composer
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
ROUNDS = 5  # of x -> x^5 from a seed to a position's keys


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


def noise_of_seed(g: Composer, seed: str, positions: int, depth: int, forms: int) -> Noise:
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
    choice, crop = (
        g.op("Gather", levels, g.constant(np.array(row, dtype=np.int32)), axis=1) for row in (0, 1)
    )  # (B, M)
    choice = choice if forms >= len(CROPS) else g.slice(choice, 0, forms, 1)
    table = g.constant((gumbel_table() * STEPS + GUMBEL_ZERO).astype(np.uint16))
    steps = g.cast(g.op("Gather", table, choice, axis=0), FLOAT)
    gumbels = g.op("Mul", g.op("Sub", steps, g.number(GUMBEL_ZERO)), g.number(1 / STEPS))
    windows = g.slice(crop, 0, len(CROPS), 1)
    windows = g.op("Mod", windows, g.constant(np.array(CROPS, dtype=np.int32)))
    return Noise(latents, form, gumbels, g.cast(windows, INT64))


def _position_keys(g: Composer, seed: str, numbers: npt.NDArray[np.int64]) -> str:
    """`noise.position_keys`: seed (B,) int64 -> (B, positions, 3) int32.

    Every round is x -> x^5 modulo P and something added; all are of all keys, of which there are
    few.
    """

    def number(value: int) -> str:
        return g.constant(np.array(value, dtype=np.int64))

    added = np.zeros((ROUNDS, 1, len(numbers), 3), dtype=np.int64)  # behind each round
    added[0] = 0x05491333
    added[1] = ((numbers * 0x2545F491 + 0x3C6EF372) % PRIME)[:, None]
    added[2] = 0x1B873593
    added[3] = np.arange(1, 4, dtype=np.int64) * 0x27D4EB2F % PRIME
    first = np.zeros((ROUNDS, 1, 1, 1), dtype=np.int64)
    first[0] = 1  # the seed's high digits are added behind the first round
    start = np.full((1, len(numbers), 3), 0x1F123BB5, dtype=np.int64)
    spread = g.op("Unsqueeze", seed, g.integers(1, 2))  # (B, 1, 1)
    high, low = g.op("Div", spread, number(2**30)), g.op("Mod", spread, number(2**30))
    high = g.op("Mul", high, g.constant(first))  # (5, B, 1, 1)
    body, prime = Composer(prefix="n"), number(PRIME)
    key = body.op("Mod", body.input("key", INT64, None), prime)
    square = body.op("Mod", body.op("Mul", key, key), prime)
    fourth = body.op("Mod", body.op("Mul", square, square), prime)
    fifth = body.op("Mod", body.op("Mul", fourth, key), prime)
    following = body.op("Add", fifth, body.input("added", INT64, None))
    body.output("following", following, INT64, None)
    added_name = g.op("Add", high, g.constant(added))
    keys = g.scan(body, g.op("Add", low, g.constant(start)), added_name)
    return g.cast(g.op("Mod", keys, number(LEVELS)), INT32)


def _levels(g: Composer, keys: str, codes: int) -> str:
    """`noise.noise_levels`: keys (B, n, 3) -> (B, n, K) int32."""
    points = np.stack([*code_points(codes), np.ones(codes, dtype=np.int32)])  # (3, K)
    sums = g.op("MatMul", keys, g.constant(points.astype(np.int32)))
    return g.op("Mod", sums, g.constant(np.array(LEVELS, dtype=np.int32)))
