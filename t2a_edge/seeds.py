"""Seeds: whole numbers that name a picture of a prompt. The one place that draws a fresh one."""

import os

from t2a_edge.checks import MAX_COUNT, whole_number
from t2a_edge.errors import OptionError

MAX_SEED = 2**53 - 1  # the largest integer that JavaScript holds exactly
FRESH_BYTES = 4
FRESH_SEEDS = 2 ** (8 * FRESH_BYTES)  # a seed that nobody named is drawn below this


def check_seed(seed: int) -> int:
    """The seed as an int; an OptionError unless it is a whole number from 0 to 2^53 - 1."""
    return whole_number("The seed", seed, 0, MAX_SEED)


def seed_or_fresh(seed: int | None) -> int:
    """The seed, checked; a fresh one below 2^32 for None."""
    return int.from_bytes(os.urandom(FRESH_BYTES), "big") if seed is None else check_seed(seed)


def run_of_seeds(seed: int | None, count: int, step: int = 1) -> list[int]:
    """The seeds of `count` pictures, a step apart; from a fresh one for None.

    Raises:
        OptionError: the seed, the count, the step, or the last of the seeds is out of range.

    >>> run_of_seeds(7, 3, 10)
    [7, 17, 27]
    """
    first = seed_or_fresh(seed)
    count = whole_number("The count", count, 1, MAX_COUNT)
    step = whole_number("The seed step", step, 1, MAX_SEED)
    seeds = [first + number * step for number in range(count)]
    if seed is None:  # nobody asked for this one: go on from 0
        return [own % (MAX_SEED + 1) for own in seeds]
    if seeds[-1] > MAX_SEED:
        apart = "" if step == 1 else f", {step} apart,"
        raise OptionError(
            f"{count} seeds from {first}{apart} go past the largest, {MAX_SEED}; start lower."
        )
    return seeds
