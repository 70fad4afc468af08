"""Seeds: whole numbers that name a picture of a prompt, or texts that stand for one.

The one place that draws a fresh one. Texts are specified in docs/noise.md, with vectors.
"""

import os
import re
from typing import Any

from t2a_edge.checks import MAX_COUNT, shown, whole_number
from t2a_edge.errors import OptionError

MAX_SEED = 2**53 - 1  # the largest integer that JavaScript holds exactly
FRESH_BYTES = 4
FRESH_SEEDS = 2 ** (8 * FRESH_BYTES)  # a seed that nobody named is drawn below this
HASHED_BYTES = 8  # of a text's SHA-256, that its seed is made of
WHITE_SPACE = " \t\n\v\f\r"  # around a text, that does not count
DIGITS = re.compile(r"0*([0-9]{1,16})")
LETTER = re.compile(r"[A-Za-z]|[^\x00-\x7f]")  # what a text has that is no number


def seed_of_text(text: str) -> int:
    """The seed that a text stands for: the number of its digits, or 53 bits of its SHA-256.

    Raises:
        OptionError: it has neither digits alone nor a letter, or a number that is out of range.

    >>> seed_of_text("7"), seed_of_text("alice")
    (7, 6762861930873007)
    """
    import hashlib  # here: --help needs no hashes

    own = text.strip(WHITE_SPACE)
    digits = DIGITS.fullmatch(own)
    if digits:
        return whole_number("The seed", int(digits[1]), 0, MAX_SEED)
    try:
        content = own.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        content = b""
    if not content or not LETTER.search(own):
        raise OptionError(
            f"The seed is {shown(text)}; expected a whole number from 0 to {MAX_SEED}, or a text "
            "that has a letter, such as alice."
        )
    start = hashlib.sha256(content).digest()[:HASHED_BYTES]
    return int.from_bytes(start, "big") % (MAX_SEED + 1)


def check_seed(seed: Any) -> int:
    """The seed as an int; an OptionError unless it is a whole number from 0 to 2^53 - 1, or a text.

    Args:
        seed: a whole number of any kind, or a text as in `seed_of_text`.
    """
    if isinstance(seed, str):
        return seed_of_text(seed)
    return whole_number("The seed", seed, 0, MAX_SEED)


def seed_or_fresh(seed: int | str | None) -> int:
    """The seed, checked; a fresh one below 2^32 for None."""
    return int.from_bytes(os.urandom(FRESH_BYTES), "big") if seed is None else check_seed(seed)


def run_of_seeds(seed: int | str | None, count: int, step: int = 1) -> list[int]:
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
    if seed is None or isinstance(seed, str):  # nobody asked for this number: go on from 0
        return [own % (MAX_SEED + 1) for own in seeds]
    if seeds[-1] > MAX_SEED:
        apart = "" if step == 1 else f", {step} apart,"
        raise OptionError(
            f"{count} seeds from {first}{apart} go past the largest, {MAX_SEED}; start lower."
        )
    return seeds
