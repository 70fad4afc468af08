"""Measurements of bundles: bytes, load, stages, cold processes, memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from t2a_edge.bundle import ENGINES, engines, load_bundle
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import (
    Float32Array,
    Int64Array,
    KeysValues,
    OnnxRunner,
    RefinerInputs,
    Runner,
    ScaleInputs,
    UInt8Array,
)

PROMPT = "warm dark fluid"
WARM_UP = 5
MEGABYTE = 1e6
PERCENTILES = (50, 90, 99)
STAGES = ENGINES


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How often things are measured.

    Attributes:
        runs: pictures drawn by each bundle, after the warm-up.
        loads: times each bundle is loaded.
        cold: processes started for each bundle.
    """

    runs: int = 100
    loads: int = 7
    cold: int = 9


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90 and p99 in milliseconds, with the number of samples."""
    values = np.percentile(np.asarray(seconds) * 1e3, PERCENTILES)
    figures = {f"p{p}": round(float(v), 3) for p, v in zip(PERCENTILES, values, strict=True)}
    return {**figures, "samples": len(seconds)}


class TimingRunner(Runner):
    """Passes every call on and adds up the seconds that each engine took."""

    def __init__(self, inner: Runner) -> None:
        self.inner = inner
        self.seconds = dict.fromkeys(STAGES, 0.0)

    def _timed(self, stage: str, call: Callable[..., Any], *inputs: Any) -> Any:
        started = time.perf_counter()
        result = call(*inputs)
        self.seconds[stage] += time.perf_counter() - started
        return result

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._timed("text", self.inner.text, text_bytes)
        return embedding

    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """See `Runner.transformer`."""
        result: tuple[Float32Array, KeysValues] = self._timed(
            "transformer", self.inner.transformer, inputs
        )
        return result

    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """See `Runner.refiner`."""
        logits: Float32Array = self._timed("refiner", self.inner.refiner, inputs)
        return logits

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = self._timed("decoder", self.inner.decoder, indices)
        return pixels

    def close(self) -> None:
        """Free the runner inside."""
        self.inner.close()


@dataclass
class _Candidate:
    """One bundle on one provider, with the seconds of its runs."""

    engine: TextToArt
    timing: TimingRunner
    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {stage: [] for stage in (*STAGES, "sampling", "pipeline")}
    )

    def draw(self, seed: int) -> None:
        """Draw a picture and note where its time went."""
        self.timing.seconds = dict.fromkeys(STAGES, 0.0)
        started = time.perf_counter()
        self.engine.generate(PROMPT, seed=seed)
        whole = time.perf_counter() - started
        for stage, seconds in self.timing.seconds.items():
            self.seconds[stage].append(seconds)
        self.seconds["sampling"].append(whole - sum(self.timing.seconds.values()))
        self.seconds["pipeline"].append(whole)


def measure_stages(
    bundles: dict[str, Path], provider: str, threads: int, effort: Effort
) -> dict[str, dict[str, Any]]:
    """Draw pictures with all bundles in turn, so that they share whatever disturbs the machine.

    Pipeline means prompt to pixels in memory, host copies included, PNG encoding not.

    Returns:
        By bundle: percentiles of each stage and of the whole, in milliseconds.
    """
    candidates = {}
    for name, folder in bundles.items():
        names = engines(load_bundle(folder).spec)
        timing = TimingRunner(OnnxRunner(folder, names, threads=threads, provider=provider))
        candidates[name] = _Candidate(TextToArt(folder, runner=timing), timing)
    for seed in range(WARM_UP + effort.runs):
        if seed == WARM_UP:
            for candidate in candidates.values():
                for samples in candidate.seconds.values():
                    samples.clear()
        for candidate in candidates.values():
            candidate.draw(seed)
    return {
        name: {f"{stage}_ms": percentiles(s) for stage, s in candidate.seconds.items()}
        for name, candidate in candidates.items()
    }


def measure_load(folder: Path, threads: int, effort: Effort) -> dict[str, float]:
    """From a folder to a pipeline that is ready: hashes checked, graphs optimised."""
    seconds = []
    for _ in range(effort.loads):
        started = time.perf_counter()
        with TextToArt(folder, threads=threads):
            seconds.append(time.perf_counter() - started)
    return percentiles(seconds)


def measure_size(folder: Path) -> dict[str, Any]:
    """Bytes of each file, and of the whole bundle in megabytes (10^6 bytes)."""
    bundle = load_bundle(folder)
    files = {name: int(entry["bytes"]) for name, entry in bundle.manifest["files"].items()}
    return {"size_bytes": files, "size_mb": round(bundle.size_bytes / MEGABYTE, 3)}


def measure_cold(folder: Path, effort: Effort) -> dict[str, Any]:
    """Start `python -m t2a_edge generate` as a new process, until its PNG is written.

    Returns:
        Percentiles of the time, and the largest resident memory of the processes in megabytes.
    """
    seconds, memory = [], []
    with tempfile.TemporaryDirectory() as out:
        arguments = [sys.executable, "-m", "t2a_edge", "generate", *PROMPT.split(), "--quiet",
                     "--seed", "7", "--out", out, "--bundle", str(folder)]  # fmt: skip
        for _ in range(effort.cold):
            started = time.perf_counter()
            process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds.append(time.perf_counter() - started)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, arguments)
            memory.append(usage.ru_maxrss * 1024)
    return {
        "cold_ms": percentiles(seconds),
        "peak_memory_mb": round(max(memory) / MEGABYTE, 1),
    }
