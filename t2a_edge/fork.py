"""What a forked process must not touch of its parent's: engines whose threads it has not got."""

import ctypes
import os
from functools import lru_cache
from typing import Protocol
from weakref import WeakSet


class Holder(Protocol):
    """Something that holds what a forked process cannot use."""

    def forked(self) -> None:
        """Let go of it; called in the new process, before anything else runs there."""


def in_child_processes(holder: Holder) -> None:
    """Call `holder.forked` in every process that is forked off from now on."""
    _holders().add(holder)


@lru_cache(maxsize=1)
def _holders() -> "WeakSet[Holder]":
    holders: WeakSet[Holder] = WeakSet()

    def tell_all() -> None:
        for holder in list(holders):
            holder.forked()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=tell_all)
    return holders


def keep_for_ever(thing: object) -> None:
    """Never free an object, even as the process ends: its end would wait for threads of its own."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
