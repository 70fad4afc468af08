"""Cold starts: every sample is a new process, with its largest resident memory."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.artefacts import MEGABYTE, Artefact
from bench.measure import PROMPT, FusedDrawer
from bench.reference import Reference
from bench.statistics import time_figures
from t2a_edge.errors import BundleError

ROOT = Path(__file__).resolve().parents[1]
LAUNCHER = Path(__file__).with_name("launch.py").resolve()


@dataclass(frozen=True)
class Ended:
    """A process that has ended well.

    Attributes:
        seconds: from before its start to its end.
        peak_bytes: its largest resident memory.
        output: what it printed.
    """

    seconds: float
    peak_bytes: int
    output: str


def run_process(arguments: list[str]) -> Ended:
    """Run a Python program to its end, from a launcher that is smaller than it.

    Args:
        arguments: of the interpreter.

    Raises:
        BundleError: it failed; the last line that it printed says why.
    """
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), sys.executable]
    done = subprocess.run(
        [*launcher, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it printed nothing"]
        raise BundleError(
            f"`{' '.join(arguments[:3])}` ended with {done.returncode} while it was "
            f"measured ({lines[-1][:200]}); run it by hand to see more."
        )
    measured = json.loads(done.stdout)
    return Ended(measured["seconds"], measured["peak_bytes"], done.stderr)


@dataclass
class ColdSamples:
    """Samples of one artefact: seconds, bytes of memory, the reference workload beside them."""

    cold: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    first_run: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)


@dataclass
class Processes:
    """Cold starts of all artefacts in turn, the reference workload in between.

    For a bundle the cold process is `t2a-edge generate`, which ends with the PNG on the disk. A
    fused file has no such program: its process loads it, draws once and ends, without a PNG.
    """

    artefacts: list[Artefact]
    threads: int = 1
    reference: Reference = field(default_factory=Reference)
    samples: dict[str, ColdSamples] = field(default_factory=dict)
    rounds: int = 0

    def run(self, rounds: int, only: set[str] | None = None) -> None:
        """Start the processes of every artefact, or of those named, so many times."""
        chosen = [a for a in self.artefacts if only is None or a.name in only]
        with tempfile.TemporaryDirectory() as scratch:
            given = {a.name: self._given(a, Path(scratch)) for a in chosen}
            for number in range(rounds + (self.rounds == 0)):  # the first fills the disk's cache
                for artefact in chosen:
                    self.reference.run()
                    samples = self._start(artefact, given[artefact.name], Path(scratch))
                    if self.rounds or number:
                        self._note(artefact.name, samples)
                if not self.rounds and not number:
                    self.reference.forget()
        self.rounds += rounds

    def _given(self, artefact: Artefact, scratch: Path) -> str:
        """The prompt, or for a fused file its inputs in a file."""
        if artefact.form == "bundle":
            return PROMPT
        path = scratch / f"{artefact.name}.npz"
        np.savez(path, **FusedDrawer(artefact, "cpu", 1, 1).inputs(7))
        return str(path)

    def _start(self, artefact: Artefact, given: str, scratch: Path) -> ColdSamples:
        path = str(artefact.path.resolve())
        probe = run_process(
            ["-m", "bench.probe", artefact.form, path, given,
             str(self.threads)]
        )  # fmt: skip
        times = json.loads(probe.output.splitlines()[-1])
        whole = probe
        if artefact.form == "bundle":
            whole = run_process(
                ["-m", "t2a_edge", "generate", *PROMPT.split(), "--quiet",
                 "--seed", "7", "--out", str(scratch), "--bundle", path]
            )  # fmt: skip
        return ColdSamples(
            [whole.seconds], [times["load"]], [times["first_run"]], [whole.peak_bytes],
            self.reference.seconds[-1:],
        )  # fmt: skip

    def _note(self, name: str, new: ColdSamples) -> None:
        kept = self.samples.setdefault(name, ColdSamples())
        kept.cold += new.cold
        kept.load += new.load
        kept.first_run += new.first_run
        kept.peak_bytes += new.peak_bytes
        kept.reference += new.reference

    def figures(self, name: str) -> dict[str, Any]:
        """Times in milliseconds and the largest memory in megabytes of an artefact."""
        samples = self.samples[name]
        return {
            "cold_ms": time_figures(samples.cold, samples.reference),
            "load_ms": time_figures(samples.load, samples.reference),
            "first_run_ms": time_figures(samples.first_run, samples.reference),
            "peak_memory_mb": round(max(samples.peak_bytes) / MEGABYTE, 1),
        }
