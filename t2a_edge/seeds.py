"""Seeds: whole numbers that name a picture of a prompt. The one place that draws a fresh one."""

import secrets

from t2a_edge.checks import whole_number

MAX_SEED = 2**53 - 1  # the largest integer that JavaScript holds exactly
FRESH_SEEDS = 2**32  # a seed that nobody named is drawn below this


def check_seed(seed: int) -> int:
    """The seed as an int; an OptionError unless it is a whole number from 0 to 2^53 - 1."""
    return whole_number("The seed", seed, 0, MAX_SEED)


def seed_or_fresh(seed: int | None) -> int:
    """The seed, checked; a fresh one below 2^32 for None."""
    return secrets.randbelow(FRESH_SEEDS) if seed is None else check_seed(seed)
