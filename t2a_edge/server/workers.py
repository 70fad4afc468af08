"""Several processes that serve one socket: who starts them, replaces them and ends them."""

import json
import logging
import mmap
import os
import signal
import struct
import time
import zlib
from collections.abc import Callable
from types import FrameType
from typing import Any

from t2a_edge.errors import EXIT_USAGE, OptionError, T2AEdgeError
from t2a_edge.server.logs import log

ROOM = 262_144  # bytes of the memory that a worker shares with the others
HEAD = struct.Struct("<?III")  # ready; where a value starts, its bytes, their checksum
HALVES = (HEAD.size, HEAD.size + (ROOM - HEAD.size) // 2)  # where a value can start
LOOK_S = 0.1  # between two looks at the workers
AGAIN_S = 1.0  # before a worker that ended is replaced
TRIES = 3  # to read a value, in case its owner has written two more meanwhile


class Worker:
    """One process's place among several: what they know of each other.

    Args:
        number: from 1 up; one that takes another's place takes its number.
        shared: memory of all of them, `ROOM` bytes each.
    """

    def __init__(self, number: int, shared: mmap.mmap) -> None:
        self.number, self._shared = number, shared
        self._parent = os.getppid()

    @property
    def orphaned(self) -> bool:
        """Whether the process that started it has gone."""
        return os.getppid() != self._parent

    @property
    def ready(self) -> bool:
        """Whether it has said so since it was started."""
        return bool(self._head(self.number)[0])

    def tell_ready(self, ready: bool = True) -> None:
        """Say that it draws."""
        struct.pack_into("<?", self._shared, self._start(self.number), ready)

    def publish(self, told: Any) -> None:
        """Let the others read a JSON value, in place of the last one; too long a one is left.

        The last one stays where it is until the new one is whole: who reads always finds one.
        """
        content = zlib.compress(json.dumps(told).encode(), level=1)
        if HALVES[1] + len(content) > ROOM:
            return
        own, place = self._start(self.number), self._head(self.number)[1]
        place = HALVES[1] if place == HALVES[0] else HALVES[0]
        self._shared[own + place : own + place + len(content)] = content
        about = HEAD.pack(self.ready, place, len(content), zlib.crc32(content))
        self._shared[own : own + HEAD.size] = about

    def published(self, number: int | None = None) -> Any:
        """What a worker has published, or this one's predecessor; None where that is nothing."""
        own = self.number if number is None else number
        for _ in range(TRIES):
            _, place, length, checksum = self._head(own)
            start = self._start(own) + place
            content = self._shared[start : start + length]
            if length and zlib.crc32(content) == checksum:
                return json.loads(zlib.decompress(content))
        return None

    def others(self) -> list[Any]:
        """What the others have published."""
        every = range(1, len(self._shared) // ROOM + 1)
        told = [self.published(number) for number in every if number != self.number]
        return [one for one in told if one is not None]

    def _start(self, number: int) -> int:
        return (number - 1) * ROOM

    def _head(self, number: int) -> tuple[bool, int, int, int]:
        ready, place, length, checksum = HEAD.unpack_from(self._shared, self._start(number))
        return ready, place, length, checksum


def supervise(count: int, work: Callable[[Worker], None]) -> None:
    """Run as many processes until SIGTERM or Ctrl-C, which each of them is passed.

    One that ends by itself is replaced, unless none of them ever came so far as to draw.

    Args:
        work: runs in each process, which ends with it.

    Raises:
        OptionError: this system cannot fork; or no worker could start.
    """
    if not hasattr(os, "fork"):
        raise OptionError("This system cannot share a socket between workers; serve with one.")
    _Supervisor(count, work).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[Worker], None]) -> None:
        self._shared = mmap.mmap(-1, count * ROOM)
        self._count, self._work = count, work
        self._numbers: dict[int, int] = {}  # of workers, by process
        self._due: dict[int, float] = dict.fromkeys(range(1, count + 1), 0.0)  # when to start them
        self._ending = self._failed = False

    def run(self) -> None:
        before = {sig: signal.signal(sig, self._pass_on) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            while self._numbers or not self._ending:
                for number, due in list(self._due.items()):
                    if time.monotonic() >= due and not self._ending:
                        del self._due[number]
                        self._start(number)
                time.sleep(LOOK_S)
                self._look()
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
        if self._failed:
            raise OptionError("No worker could be started; the log says why.")
        log("stopped")

    def _start(self, number: int) -> None:
        Worker(number, self._shared).tell_ready(False)
        asked = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, asked)  # none is lost between fork and note
        try:
            process = os.fork()
            if process:
                self._numbers[process] = number
                return
            for sig in asked:
                signal.signal(sig, signal.SIG_DFL)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)
        self._be(number)

    def _be(self, number: int) -> None:
        """A worker's whole life, in its own process."""
        code = 1
        try:
            os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the process above, which passes it on
            self._work(Worker(number, self._shared))
            code = 0
        except T2AEdgeError as exc:
            log("a worker failed", logging.ERROR, error=" ".join(str(exc).split()))
            code = EXIT_USAGE
        except Exception:
            log("a worker failed", logging.ERROR, exc=True)
        finally:
            os._exit(code)

    def _look(self) -> None:
        """Note which ended, and when to replace them."""
        for process in list(self._numbers):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                continue
            number = self._numbers.pop(process)
            if self._ending:
                continue
            ready = [Worker(one, self._shared).ready for one in (number, *self._numbers.values())]
            if not any(ready):
                self._failed = True
                self._pass_on(signal.SIGTERM, None)
                continue
            log("a worker ended and is replaced", logging.ERROR, number=number,
                status=os.waitstatus_to_exitcode(status))  # fmt: skip
            self._due[number] = time.monotonic() + AGAIN_S

    def _pass_on(self, sig: int, _: FrameType | None) -> None:
        self._ending = True
        for process in self._numbers:
            os.kill(process, sig)
