"""The quick gate on this device: size, cold start, time of a picture, memory."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge import __version__
from t2a_edge.checks import whole_number
from t2a_edge.commands.gates import (
    FAIL,
    NOT_MEASURED,
    PASS,
    Figure,
    Gate,
    exact,
    missing,
    percentile,
)
from t2a_edge.commands.options import EngineOptions, engine_options, json_option, quiet_option
from t2a_edge.commands.output import Progress
from t2a_edge.errors import EXIT_FAILED, EXIT_NOT_MEASURED, BundleError, OptionError

if TYPE_CHECKING:
    from t2a_edge.pipeline import TextToArt

GATES = (
    Gate(name="size_mb", below=5.0, why="small enough to load in a browser"),
    Gate(name="cold_ms", below=500.0, why="from shell to PNG, median", cpu=True),
    Gate(name="p50_ms", below=60.0, why="a picture on one thread, median", cpu=True),
    Gate(name="p99_ms", below=100.0, why="99 of 100 pictures"),
    Gate(name="memory_mb", below=200.0, why="resident, of a process that draws", cpu=True),
    Gate(name="other_pixels", below=1.0, why="of one seed, drawn in two processes"),
)
"""Size, memory and p99 as in bench/budgets.toml, which has ratios for a processor's times."""
MEGABYTE = 1e6
PROMPT = ("warm", "dark", "fluid")
SEED = 7  # of the cold starts; the warm pictures have the seeds that follow
WARM_UP = 5
MOST_RUNS = 100_000
BUSY = 0.5  # load for each core from which a machine is called busy


@click.command(short_help="Measure size, time and memory against limits.")
@click.option(
    "--pictures",
    type=int,
    default=300,
    show_default=True,
    help="How many are timed; p99 needs 299 or more.",
)
@click.option(
    "--starts", type=int, default=9, show_default=True, help="Cold starts; their median needs 5."
)
@click.option(
    "--limit",
    "limits",
    metavar="FIGURE=NUMBER",
    multiple=True,
    help="Another limit, as p99_ms=40; may be given several times.",
)
@click.option("--strict", is_flag=True, help="Exit code 3 where a figure was not measured.")
@json_option
@quiet_option
@engine_options
def bench(
    pictures: int,
    starts: int,
    limits: tuple[str, ...],
    strict: bool,
    as_json: bool,
    quiet: bool,
    engine: EngineOptions,
) -> None:
    """Measure the model on this device, and judge it by fixed limits.

    Takes about half a minute. Each figure passes, fails or is not measured: where its 95%
    confidence interval holds the limit, or where it cannot be had here. The exit code is 1 if one
    fails, else 0.

    \b
    Examples:
      t2a-edge bench
      t2a-edge bench --json > bench.json
      t2a-edge bench --threads 2 --limit p50_ms=30 --strict
    """  # noqa: D301
    whole_number("The number of pictures", pictures, 1, MOST_RUNS)
    whole_number("The number of starts", starts, 1, MOST_RUNS)
    gates = gates_with(limits)
    figures, about = measure_all(engine, pictures, starts, show=not quiet)
    judged = [gate.judge(figures[gate.name], about["provider"]) for gate in gates]
    outcomes = {entry["outcome"] for entry in judged}
    outcome = next((o for o in (FAIL, NOT_MEASURED) if o in outcomes), PASS)
    if as_json:
        click.echo(json.dumps({**about, "gates": judged, "outcome": outcome}, indent=1))
    else:
        click.echo("\n".join(report_lines(about, judged)))
    code = EXIT_FAILED if outcome == FAIL else 0
    if outcome == NOT_MEASURED and strict:
        code = EXIT_NOT_MEASURED
    click.get_current_context().exit(code)


def gates_with(limits: tuple[str, ...]) -> list[Gate]:
    """The gates, some with other limits.

    Raises:
        OptionError: a limit names no figure, or is no number.
    """
    names, changed = [gate.name for gate in GATES], {}
    for text in limits:
        name, _, number = text.partition("=")
        try:
            changed[name] = float(number)
        except ValueError:
            changed[name] = float("nan")
        if name not in names or not 0 < changed[name] < float("inf"):
            raise OptionError(
                f"The limit is {text!r}; expected one of {', '.join(names)}, an equals sign and a "
                "number above 0, such as p99_ms=40."
            )
    return [
        Gate(name=g.name, below=changed.get(g.name, g.below), why=g.why, cpu=g.cpu) for g in GATES
    ]


def measure_all(
    engine: EngineOptions, pictures: int, starts: int, *, show: bool
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """All figures by name, and what they are of."""
    load_before = _load_average()
    with tempfile.TemporaryDirectory() as scratch:
        drawn = Path(scratch) / "cold.png"
        cold = [cold_start(engine, drawn, number, starts, show=show) for number in range(starts)]
        memory = peak_memory(engine, drawn)
        started = time.perf_counter()
        with engine.load() as loaded:
            load_ms = (time.perf_counter() - started) * 1000
            times, other = draw_many(loaded, pictures, drawn, show=show)
            bundle, provider = loaded.bundle, loaded.provider
    figures = {
        "size_mb": exact(bundle.size_bytes / MEGABYTE),
        "cold_ms": percentile(cold, 0.5),
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "memory_mb": memory,
        "other_pixels": exact(other),
    }
    about = {
        "version": __version__,
        "bundle": bundle.bundle_hash,
        "provider": provider,
        "threads": engine.threads,
        "pictures": pictures,
        "starts": starts,
        "load_ms": round(load_ms, 1),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load_before": load_before,
        },
    }
    return figures, about


def cold_start(engine: EngineOptions, out: Path, number: int, count: int, *, show: bool) -> float:
    """Milliseconds from the start of a new process to its end with a PNG on the disk."""
    with Progress(number, count, 1, show=show) as progress:
        progress.update(0)
        started = time.perf_counter()
        _run_draw(engine, out, "t2a_edge")
        return (time.perf_counter() - started) * 1000


def peak_memory(engine: EngineOptions, out: Path) -> Figure:
    """Megabytes that a process which draws one picture has in memory at most."""
    printed = _run_draw(engine, out, "t2a_edge.commands.peak")
    last = printed.splitlines()[-1]
    return exact(int(last) / MEGABYTE) if last else missing("this system does not tell")


def _run_draw(engine: EngineOptions, out: Path, module: str) -> str:
    """Draw one picture in a new process: what it printed; a BundleError where it fails."""
    bundle = [] if engine.bundle is None else ["--bundle", str(engine.bundle)]
    command = [
        sys.executable, "-m", module, "generate", *PROMPT, "--seed", str(SEED), "--quiet",
        "--out", str(out), "--threads", str(engine.threads), "--provider", engine.provider, *bundle,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise BundleError(f"A picture could not be drawn: {said.removeprefix('error: ')}")
    return ended.stdout


def draw_many(
    engine: "TextToArt", pictures: int, reference: Path, *, show: bool
) -> tuple[list[float], int]:
    """Milliseconds of each picture, prompt to pixels in memory, after a warm-up.

    Args:
        reference: a picture of another process.

    Returns:
        The times, and how many numbers differ between that picture and ours of the same seed.
    """
    from t2a_edge.image import read_pixels

    prompt, times = " ".join(PROMPT), []
    ours = engine.generate(prompt, seed=SEED).pixels
    other = int((ours != read_pixels(reference)).sum())
    with Progress(0, None, 10, show=show) as progress:
        for number in range(WARM_UP + pictures):
            started = time.perf_counter()
            engine.generate(prompt, seed=SEED + number)
            if number >= WARM_UP:
                times.append((time.perf_counter() - started) * 1000)
                progress.update(10 * len(times) // pictures)
    return times, other


def report_lines(about: dict[str, Any], judged: list[dict[str, Any]]) -> list[str]:
    """A table for people."""
    machine = about["machine"]
    threads = f"{about['threads']} thread{'s' if about['threads'] > 1 else ''}"
    lines = [
        f"t2a-edge {about['version']}, bundle {about['bundle']}, {about['provider']}, {threads}",
        f"{machine['processor']}, {machine['cores']} cores; {about['pictures']} pictures, "
        f"{about['starts']} cold starts; loads in {about['load_ms']:.0f} ms",
        "",
        f"  {'figure':14}{'value':>9}{'limit':>9}  outcome",
    ]
    for entry in judged:
        value = "-" if entry["value"] is None else f"{entry['value']:.4g}"
        lines.append(
            f"  {entry['figure']:14}{value:>9}{'< ' + format(entry['below'], 'g'):>9}  "
            f"{entry['outcome']:14}{entry['note']}"
        )
    load, cores = machine["load_before"], machine["cores"] or 1
    if load is not None and load > BUSY * cores:
        lines += ["", f"The machine was busy (load {load:.1f} on {cores} cores): times mislead."]
    return lines


def _load_average() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows
        return None


def _processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
