"""Keeps what the C library holds back of freed memory small."""

import ctypes
import os
import platform

ARENAS = 2  # heaps that all threads share; by default 8 for each core, and each keeps what it had
MAPPED = 8_388_608  # bytes from which on a block goes back to the system at once
TRIMMED = 16_777_216  # bytes free at the end of a heap, beyond which they go back
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1  # malloc.h
OWN_WISH = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def bound_heaps() -> bool:
    """Bound glibc's heaps, unless the environment says how; whether that was done.

    Without this its thresholds grow with what is freed, to 64 MB kept at the end of each heap.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in OWN_WISH):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wishes = {M_ARENA_MAX: ARENAS, M_MMAP_THRESHOLD: MAPPED, M_TRIM_THRESHOLD: TRIMMED}
    return all(mallopt(name, value) == 1 for name, value in wishes.items())
