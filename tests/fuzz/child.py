"""The process of one target: feeds it, notes what fails, and leaves a report."""

import functools
import json
import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.core import (
    Failure,
    Places,
    Target,
    as_bytes,
    clocked,
    little_memory,
    load_targets,
    outcome,
)
from tests.fuzz.engines import feed_bytes, feed_guided, feed_values, instrumented
from tests.fuzz.shrink import smaller

CURRENT, REPORT = "current", "report.json"  # files in the scratch folder
HEAD = struct.Struct("<qq")  # number of the input, and its bytes
LARGEST = 2**20  # bytes of an input that is kept
DISTINCT = 20  # failures of a target that are told


class Current:
    """The input that is being tried, where the parent sees it whatever becomes of this process."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(HEAD.size + LARGEST))
        with path.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 0)
        self.number = -1

    def note(self, content: bytes) -> None:
        """Another input begins."""
        self.number += 1
        kept = content[:LARGEST]
        self._map[: HEAD.size] = HEAD.pack(self.number, len(kept))
        self._map[HEAD.size : HEAD.size + len(kept)] = kept


def read_current(path: Path) -> tuple[int, bytes]:
    """The number of the input that was tried last, and the input; -1 where there was none."""
    if not path.is_file():
        return -1, b""
    content = path.read_bytes()
    if len(content) < HEAD.size:
        return -1, b""
    number, size = HEAD.unpack_from(content)
    return (number, content[HEAD.size : HEAD.size + size]) if size or number else (-1, b"")


class Session:
    """Tries inputs and keeps one of each kind of failure."""

    def __init__(self, owner: Target, places: Places, call: Any) -> None:
        self._owner, self._places, self._call = owner, places, call
        self._current = Current(places.scratch / CURRENT)
        self._started = time.monotonic()
        self.failures: dict[str, tuple[Any, Failure]] = {}

    def one(self, given: Any) -> None:
        """Try an input."""
        self._current.note(as_bytes(given))
        failure = outcome(self._call, given)
        if failure is not None and len(self.failures) < DISTINCT:
            self.failures.setdefault(failure.key, (given, failure))

    def report(self) -> None:
        """Make what failed small, and write what there is to say."""
        seconds = time.monotonic() - self._started
        told = {}
        for key, (given, failure) in self.failures.items():

            def alike(other: Any, key: str = key) -> bool:
                self._current.note(as_bytes(other))
                again = outcome(self._call, other)
                return again is not None and again.key == key

            hung = key.startswith("HungError")
            small = given if hung else smaller(given, alike)
            told[key] = {"input": as_bytes(small).hex(), "text": failure.text[-3000:]}
        content = {"inputs": self._tried, "seconds": seconds, "failures": told}
        path = self._places.scratch / REPORT
        path.with_suffix(".part").write_text(json.dumps(content))
        path.with_suffix(".part").replace(path)

    def done(self) -> None:
        """Note how many were tried; what follows is only made smaller."""
        self._tried = self._current.number + 1


def main() -> None:
    """Run as the parent says."""
    told = json.loads(sys.argv[1])
    name, count, seed, guided = (told[key] for key in ("target", "inputs", "seed", "guided"))
    load = functools.partial(load_targets, told["module"])
    targets = instrumented(load) if guided and told["bytes"] else load()
    owner, scratch, tiny = targets[name], Path(told["scratch"]), Path(told["tiny"])
    guided = guided and owner.values is None
    work = scratch / "work"
    work.mkdir()
    places = Places(bundle=tiny / "bundles" / "tiny-int8",
                    checkpoint=tiny / "run" / "model.safetensors", scratch=work)  # fmt: skip
    with clocked(), owner.opened(places) as call, little_memory():
        session = Session(owner, Places(bundle=places.bundle, checkpoint=places.checkpoint,
                                        scratch=scratch), call)  # fmt: skip

        def finished() -> None:
            session.done()
            session.report()
            sys.stdout.flush()
            os._exit(0)  # a guided run has no way back; the engines of others may hang

        if guided:
            feed_guided(owner, places, count, seed, session.one, finished)
        elif owner.values is None:
            feed_bytes(owner, places, count, seed, session.one)
        else:
            feed_values(owner, count, seed, session.one)
        finished()


if __name__ == "__main__":
    main()
