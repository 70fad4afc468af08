"""A smaller input that fails in the same way."""

import time
from collections.abc import Callable, Iterator
from typing import Any

SECONDS = 20.0


def smaller(given: Any, fails: Callable[[Any], bool]) -> Any:
    """The smallest input that is found in a while by leaving parts out."""
    ends = time.monotonic() + SECONDS
    found = True
    while found:
        found = False
        for candidate in _bytes(given) if isinstance(given, bytes) else _values(given):
            if time.monotonic() > ends:
                return given
            if fails(candidate):
                given, found = candidate, True
                break
    return given


def _bytes(content: bytes) -> Iterator[bytes]:
    size = len(content) // 2
    while size:
        for start in range(0, len(content), size):
            yield content[:start] + content[start + size :]
        size //= 2


def _values(value: Any) -> Iterator[Any]:
    """JSON values with one part less, or with a simpler one."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield value[:number] + value[number + 1 :]
            yield from ([*value[:number], v, *value[number + 1 :]] for v in _values(item))
    elif isinstance(value, dict) and "$" not in value:
        for key, item in value.items():
            rest = {k: v for k, v in value.items() if k != key}
            yield rest
            yield from ({**value, key: v} for v in _values(item))
    elif isinstance(value, str) and len(value) > 1:
        yield value[: len(value) // 2]
        yield value[len(value) // 2 :]
