"""One check for each kind of argument: the library, the command line and the server share them.

A value that passes comes back as a plain Python number, whatever kind of number it was.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any

from t2a_edge.errors import OptionError, T2AEdgeError

SHOWN = 60  # characters of a value, in an error
MAX_THREADS = 256
MAX_COUNT = 1000  # pictures of one command or request
MAX_FRAMES = 1000  # of an interpolation
MAX_GUIDANCE = 8.0  # that the painter can be told
MAX_STEPS = 64
MAX_TEMPERATURE = 10.0
MAX_PATH = 4096  # letters


def whole_number(
    name: str,
    value: Any,
    least: int,
    most: int,
    *,
    step: int = 1,
    error: type[T2AEdgeError] = OptionError,
) -> int:
    """A whole number from `least` to `most`, numpy's integers included; no bool, no 3.0.

    Args:
        step: what it has to be a multiple of.

    Raises:
        T2AEdgeError: as `error`, the value is none; the sentence begins with the name.

    >>> whole_number("The seed", 7, 0, 10)
    7
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most or value % step:
        multiple = "" if step == 1 else f", a multiple of {step}"
        raise error(
            f"{name} is {shown(value)}; expected a whole number from {least} to {most}{multiple}."
        )
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


def file_path(name: str, value: Any, *, error: type[T2AEdgeError] = OptionError) -> Path:
    """A path, of text or of a path.

    Raises:
        T2AEdgeError: as `error`, the value is none; the sentence begins with the name.
    """
    if not isinstance(value, str | PurePath):
        raise error(f"{name} is {shown(value)}; expected a path.")
    letters = len(str(value))
    if letters > MAX_PATH:  # no system has such a file, and errors show paths whole
        raise error(f"{name} has {letters} letters; expected a path of at most {MAX_PATH}.")
    return Path(value)


def sequence(value: Any) -> tuple[Any, ...] | None:
    """The items of a list, a tuple, an array or the like; None for text and for what has none.

    >>> sequence([512, 384]), sequence("512"), sequence(512)
    ((512, 384), None, None)
    """
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)
    if not listed and not hasattr(value, "__array__"):
        return None
    try:
        return tuple(value)
    except TypeError:  # an array without an axis
        return None


def shown(value: Any) -> str:
    """A value as it stands in an error: its `repr` on one line, cut short where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python writes, or a repr that fails
        text = f"a value of type {type(value).__name__} that cannot be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
