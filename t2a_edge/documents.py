"""Files that somebody else may have written: regular ones of a bounded size, and strict JSON."""

import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from t2a_edge.checks import shown

MOST_JSON_BYTES = 4_000_000  # of a document
DEEPEST = 32  # lists and objects inside each other
TOO_DEEP = f"its lists and objects are more than {DEEPEST} deep"
LARGEST = 2**1023  # whole numbers below it have a float
MOST_DIGITS = 20  # of a whole number
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_file(path: Path) -> bool:
    """Whether there is a file; False also for a name that none can have, where `Path` raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, in a circle of links; a NUL
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; see `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def opened(path: Path, most_bytes: int) -> Iterator[BufferedReader]:
    """A regular file of at most so many bytes, open for reading.

    A link is followed, as the caches of model hubs are made of links; a device, a pipe or a folder
    is not even opened.

    Raises:
        OSError: it is missing, no regular file, too large, or may not be read; `strerror` says so.
        ValueError: the path has a NUL.
    """
    _check(path.stat(), most_bytes)
    with os.fdopen(os.open(path, FLAGS), "rb") as file:
        _check(os.fstat(file.fileno()), most_bytes)  # another may have taken its place
        yield file


def _check(found: os.stat_result, most_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    if found.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes; expected at most {most_bytes}")


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file; see `opened` for the errors."""
    with opened(path, most_bytes) as file:
        # no more is asked for than there should be: all of it is set aside at once
        content = file.read(os.fstat(file.fileno()).st_size + 1)
    if len(content) > most_bytes:  # it grew
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
    return content


def sha256_of(path: Path, most_bytes: int) -> str:
    """The sha256 of a regular file, hexadecimal; see `opened` for the errors."""
    with opened(path, most_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """The JSON of a regular file of at most 4 MB.

    Raises:
        OSError: as `opened`.
        ValueError: as `parse_json`.
    """
    return parse_json(read_bytes(path, MOST_JSON_BYTES))


def parse_json(content: bytes | str) -> Any:
    """JSON as the standard has it, in UTF-8, of numbers and depths that mean something.

    Raises:
        ValueError: it is none: it is no UTF-8, a key stands twice, a number is no finite one or
            has more than 20 digits, text has half a surrogate pair, or it is more than 32
            deep. Its text is short.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        value = json.loads(
            text,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as exc:  # its own text has all that was read
        raise ValueError(f"byte {exc.start} is no UTF-8") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    check_plain(value)
    return value


def _check_pairs(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # its own text has all of this one
        raise ValueError("a text has half a surrogate pair") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise ValueError("a number is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {shown(name)} stands twice")
        found[name] = value
    return found


def check_plain(value: Any) -> None:
    """A ValueError unless a value is plain JSON: not deep, finite, of valid Unicode.

    Without recursion, and of tuples and any mapping as well: also for what is to be written.
    """
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(TOO_DEEP)
        if isinstance(part, str):
            _check_pairs(part)
        elif isinstance(part, float) and not math.isfinite(part):
            raise ValueError("it has a number that is not finite")
        elif isinstance(part, int) and abs(part) >= LARGEST:
            raise ValueError("it has a number of too many digits")
        elif isinstance(part, Mapping):
            waiting += [(item, depth + 1) for pair in part.items() for item in pair]
        elif isinstance(part, list | tuple):
            waiting += [(item, depth + 1) for item in part]
