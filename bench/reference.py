"""A fixed workload that every run measures along, so that two machines can be compared.

It is numpy alone, on one thread: products of float32 matrices, and copies that leave the caches.
A figure divided by it keeps little of the machine's clock, load and memory; it does keep what
only one of the two uses, such as integer instructions.
"""

import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

SIDE = 384  # of the matrices
PRODUCTS = 4
COPY_BYTES = 16 * 2**20
SEED = 7
WORKLOAD = (
    f"{PRODUCTS} products of float32 matrices {SIDE} x {SIDE}, and one copy of "
    f"{COPY_BYTES // 2**20} MiB; numpy, one thread"
)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                    "VECLIB_MAXIMUM_THREADS")  # fmt: skip
ONE_THREAD = 1.2  # seconds of processor over seconds of clock: more is more than one thread


def use_one_thread() -> None:
    """Tell numpy's matrix library to use one thread; only works before numpy is imported."""
    if "numpy" not in sys.modules:
        for name in THREAD_VARIABLES:
            os.environ[name] = "1"


@dataclass
class Reference:
    """The workload with the seconds of its runs.

    Attributes:
        seconds: of the whole, `matmul` and `copy` one after the other.
        matmul, copy: the parts.
        processor_seconds: of all threads of this process while it ran.
    """

    seconds: list[float] = field(default_factory=list)
    matmul: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    processor_seconds: float = 0.0

    def __post_init__(self) -> None:
        import numpy as np

        rng = np.random.default_rng(SEED)
        self._matrix = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
        self._product = np.empty_like(self._matrix)
        self._source = np.ones(COPY_BYTES, dtype=np.uint8)
        self._target = np.zeros_like(self._source)
        self._multiply = np.matmul
        self._copy = np.copyto

    def run(self) -> None:
        """Do it once and note the seconds."""
        busy, started = time.process_time(), time.perf_counter()
        for _ in range(PRODUCTS):
            self._multiply(self._matrix, self._matrix, out=self._product)
        between = time.perf_counter()
        self._copy(self._target, self._source)
        ended = time.perf_counter()
        self.processor_seconds += time.process_time() - busy
        self.matmul.append(between - started)
        self.copy.append(ended - between)
        self.seconds.append(ended - started)

    def forget(self) -> None:
        """Drop what was noted: it was the warm-up."""
        for samples in (self.seconds, self.matmul, self.copy):
            samples.clear()
        self.processor_seconds = 0.0

    def figures(self) -> dict[str, Any]:
        """What was run and the percentiles of its times in milliseconds."""
        from bench.statistics import time_figures

        busy = self.processor_seconds / max(sum(self.seconds), 1e-9)
        return {
            "workload": WORKLOAD,
            "one_thread": busy < ONE_THREAD,
            "workload_ms": time_figures(self.seconds),
            "matmul_ms": time_figures(self.matmul),
            "copy_ms": time_figures(self.copy),
        }
