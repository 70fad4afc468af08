"""`python -m tests.fuzz --inputs 1000000`: many inputs for every target, shared out by speed.

Each target runs in a process of its own with a limit of memory. What fails is made small, printed,
and written to --keep: put it into tests/fuzz/corpus once it is mended.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests import tiny
from tests.fuzz.child import CURRENT, REPORT, read_current
from tests.fuzz.core import ROOT, TARGETS, as_bytes, from_bytes, keep, load_targets
from tests.fuzz.engines import NO_ATHERIS, has_atheris

FIRST = 0.1  # share of the inputs that all targets get alike, to see how fast they are
LEAST = 20  # inputs of a target in any case
STUCK_S = 120.0  # without a new input until a process is ended
DEATHS = 5  # of a target's processes, after which it gets no more inputs


@dataclass
class Tally:
    """What became of a target's inputs."""

    inputs: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)  # what went wrong -> file of the input
    deaths: int = 0

    @property
    def speed(self) -> float:
        """Inputs a second."""
        return self.inputs / max(self.seconds, 1e-3)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What all processes are told."""

    tiny: Path
    kept: Path
    seed: int
    guided: bool

    def run(self, name: str, count: int, tally: Tally) -> None:
        """Give a target so many inputs, in one process or, where it dies, in several."""
        wanted = tally.inputs + count
        while tally.inputs < wanted and tally.deaths < DEATHS:
            before = tally.inputs
            self._process(name, wanted - tally.inputs, tally)
            if tally.inputs == before:
                tally.deaths += 1

    def _process(self, name: str, count: int, tally: Tally) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            arguments = {
                "target": name, "module": TARGETS[name].module,
                "bytes": TARGETS[name].values is None, "inputs": count, "tiny": str(self.tiny),
                "scratch": scratch, "seed": self.seed + 7919 * tally.inputs + tally.deaths,
                "guided": self.guided,
            }  # fmt: skip
            started = time.monotonic()
            with (folder / "output").open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.fuzz.child", json.dumps(arguments)],
                    cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
                self._wait(process, folder / CURRENT)
            self._note(name, folder, process.returncode, time.monotonic() - started, tally)

    @staticmethod
    def _wait(process: "subprocess.Popen[bytes]", current: Path) -> None:
        """Until the process ends; one that is stuck is ended."""
        last, since = -1, time.monotonic()
        while process.poll() is None:
            time.sleep(0.05)
            number, _ = read_current(current)
            if number != last:
                last, since = number, time.monotonic()
            elif time.monotonic() - since > STUCK_S:
                process.kill()
                process.wait()

    def _note(self, name: str, folder: Path, code: int, seconds: float, tally: Tally) -> None:
        report = folder / REPORT
        number, content = read_current(folder / CURRENT)
        if report.is_file():
            told = json.loads(report.read_text())
            tally.inputs += told["inputs"]
            tally.seconds += told["seconds"]
            for key, failure in told["failures"].items():
                given = from_bytes(TARGETS[name], bytes.fromhex(failure["input"]))
                self._failed(name, key, given, failure["text"], tally)
            return
        tally.inputs += max(0, number)
        tally.seconds += seconds
        tally.deaths += 1
        output = (folder / "output").read_text(errors="replace")[-2000:]
        given = from_bytes(TARGETS[name], content) if content else content
        self._failed(name, f"the process ended with {code}", given, output, tally)

    def _failed(self, name: str, key: str, given: object, text: str, tally: Tally) -> None:
        if key in tally.failures:
            return
        path = keep(TARGETS[name], given, self.kept)
        tally.failures[key] = str(path)
        click.echo(f"\nFAILED {name}: {key}\n  input {path}: {as_bytes(given)[:300]!r}\n{text}")


def make_tiny(folder: Path) -> Path:
    """The tiny model's checkpoint and bundles, unless they are there."""
    if not (folder / "bundles" / "tiny-int8").is_dir():
        click.echo("training and exporting the tiny model", err=True)
        for part in ("data", "run", "bundles/tiny-int8"):
            (folder / part).mkdir(parents=True)
        tiny.fill_data(folder / "data")
        tiny.fill_run(folder / "run", folder / "data")
        tiny.fill_bundle(folder / "bundles" / "tiny-int8", "int8")
    return folder


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=1_000_000, show_default=True,
              help="Of all targets together.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--target", "names", multiple=True, help="This one alone; repeatable.")
@click.option("--guided/--by-chance", default=True, show_default=True,
              help="Bytes by coverage, with atheris; or by chance.")  # fmt: skip
@click.option("--tiny", "tiny_folder", type=click.Path(path_type=Path),
              help="Folder that keeps the tiny model from one run to the next.")  # fmt: skip
@click.option("--keep", "kept", type=click.Path(path_type=Path), default=Path("dist/fuzz"),
              show_default=True, help="Folder for inputs that fail.")  # fmt: skip
def fuzz(
    inputs: int, seed: int, names: tuple[str, ...], guided: bool, tiny_folder: Path | None,
    kept: Path,
) -> None:  # fmt: skip
    """Try many inputs; exit code 1 where one ends in another way than an error of ours."""
    every = load_targets()
    unknown = set(names) - set(every)
    if unknown:
        raise click.UsageError(f"No target {sorted(unknown)[0]!r}; there are {', '.join(every)}.")
    chosen = list(names) or list(every)
    if guided and not has_atheris():
        click.echo(f"note: {NO_ATHERIS}", err=True)
    with tempfile.TemporaryDirectory() as scratch:
        session = Session(tiny=make_tiny(tiny_folder or Path(scratch)), kept=kept, seed=seed,
                          guided=guided and has_atheris())  # fmt: skip
        tallies = {name: Tally() for name in chosen}
        first = max(LEAST, int(FIRST * inputs / len(chosen)))
        for name in chosen:
            session.run(name, first, tallies[name])
        share_out(session, tallies, inputs)
    total = sum(tally.inputs for tally in tallies.values())
    failed = sum(len(tally.failures) for tally in tallies.values())
    for name, tally in tallies.items():
        click.echo(f"{name:20} {tally.inputs:9,} inputs {tally.speed:9,.0f} a second "
                   f"{len(tally.failures):3} failures")  # fmt: skip
    click.echo(f"{total:,} inputs, {failed} failures")
    if failed:
        raise SystemExit(1)


def share_out(session: Session, tallies: dict[str, Tally], inputs: int) -> None:
    """The inputs that are left, so that each target runs about as long."""
    left = inputs - sum(tally.inputs for tally in tallies.values())
    alive = {name: tally for name, tally in tallies.items() if tally.deaths < DEATHS}
    speeds = {name: tally.speed for name, tally in alive.items()}
    total = sum(speeds.values())
    for name, speed in speeds.items():
        count = round(left * speed / total)
        if count > 0:
            session.run(name, count, tallies[name])


if __name__ == "__main__":
    fuzz()
