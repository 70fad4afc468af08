"""One check for each kind of argument: the library, the command line and the server share them.

A value that passes comes back as a plain Python number, whatever kind of number it was.
"""

from numbers import Integral, Real
from typing import Any

from t2a_edge.errors import OptionError, T2AEdgeError

SHOWN = 60  # characters of a value, in an error


def whole_number(
    name: str, value: Any, least: int, most: int, *, error: type[T2AEdgeError] = OptionError
) -> int:
    """A whole number from `least` to `most`, numpy's integers included; no bool, no 3.0.

    Raises:
        T2AEdgeError: as `error`, the value is none; the sentence begins with the name.

    >>> whole_number("The seed", 7, 0, 10)
    7
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise error(f"{name} is {shown(value)}; expected a whole number from {least} to {most}.")
    return int(value)


def number(
    name: str,
    value: Any,
    least: float,
    most: float,
    *,
    error: type[T2AEdgeError] = OptionError,
) -> float:
    """A number from `least` to `most`, numpy's kinds included; no bool, no NaN, no text.

    Raises:
        T2AEdgeError: as `error`, the value is none; the sentence begins with the name.

    >>> number("The amount", 0.5, 0, 1)
    0.5
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not least <= value <= most:  # NaN fails too
        raise error(f"{name} is {shown(value)}; expected a number from {least:g} to {most:g}.")
    return value if isinstance(value, int) else float(value)


def shown(value: Any) -> str:
    """A value as it stands in an error: its `repr` on one line, cut short where it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # a whole number of more digits than Python writes
        text = f"a number of type {type(value).__name__} too long to show"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
