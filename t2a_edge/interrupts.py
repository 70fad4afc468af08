"""Ctrl-C: one line on stderr and exit code 130, at whatever moment it comes.

As long as modules are imported, and after the last output, the process ends at once. While a
command runs, Ctrl-C raises an exception, so that what is half-written is taken away.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C
LINE = b"error: stopped\n"
AGAIN_S = 0.5


class StopError(BaseException):
    """Ctrl-C; no KeyboardInterrupt, which click would answer with a line of its own."""


def end_at_once() -> None:
    """From here on Ctrl-C ends the process; for the first line of a program, not of a library."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as below nohup
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    try:
        os.write(2, LINE)
    finally:  # a closed stderr too
        os._exit(EXIT_INTERRUPTED)


class Interruptible:
    """While it is entered, Ctrl-C raises a StopError, and again until it is left.

    One alone can be lost: in an object that is just freed, or a callback of the import system,
    Python ignores whatever is raised.

    Attributes:
        happened: whether it came, even where some library took the exception for its own.
    """

    def __init__(self) -> None:
        self.happened = False
        self._alarm: Any = None
        self._before: Any = signal.getsignal(signal.SIGINT)
        self._told: Callable[[Any], object] = sys.unraisablehook

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if not self.happened and hasattr(signal, "setitimer"):
            self._alarm = signal.signal(signal.SIGALRM, self._interrupt)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)
        self.happened = True
        raise StopError

    def _unraisable(self, about: Any) -> None:
        if about.exc_type is not StopError:  # it came while an object was freed: nothing to tell
            self._told(about)

    def __enter__(self) -> "Interruptible":
        if self._before is not signal.SIG_IGN:
            sys.unraisablehook = self._unraisable
            _set(self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self.happened and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            _set(self._alarm, signal.SIGALRM)
        _set(self._before)
        sys.unraisablehook = self._told


def _set(handler: Any, number: int = signal.SIGINT) -> None:
    try:
        signal.signal(number, handler)
    except (TypeError, ValueError):  # set outside of Python, or not in the main thread
        return
