"""Many clients against a server of our own on loopback: `python -m bench.load --clients 64`.

Every answer is checked against the library's own picture of the same prompt and seed. A request is
lost when it gets no answer, or another picture than its own.
"""

import hashlib
import http.client
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED, OptionError

if TYPE_CHECKING:
    from prometheus_client import Metric

PROMPTS = ("warm dark fluid", "icy geometric", "pale -busy", "zesty:2 calm")
PICTURES = 16  # different ones that are asked for
ALONE_RUNS = 24  # pictures drawn one after another for the batch-1 latency
PATIENCE_S = 60.0  # that a client waits for an answer
TAIL = 1 / 6  # of each half of the run: where its memory is read
SAMPLE_S = 0.25  # between two looks at the server's memory
MOST_GROWTH = 0.05  # of resident memory from the end of the first half to that of the second
STOP_S = 60.0  # that the server may take to end
MEGABYTE = 1e6
PROGRAM = (
    "import json, sys; from t2a_edge.server import Settings, serve; "
    "serve(Settings(port=0, **json.loads(sys.argv[1])))"
)


@dataclass(frozen=True)
class Asked:
    """A request, and the sha256 of the PNG that answers it."""

    body: bytes
    sha256: str


@dataclass
class Seen:
    """What one client saw."""

    seconds: list[float] = field(default_factory=list)  # of answers with status 200
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


def references(bundle: Path | None) -> tuple[list[Asked], list[float]]:
    """Requests with their answers, and the seconds of pictures drawn alone and encoded."""
    from t2a_edge.pipeline import TextToArt

    asked, seconds = [], []
    with TextToArt(bundle) as engine:
        for seed in range(max(PICTURES, ALONE_RUNS) + 1):
            prompt = PROMPTS[seed % len(PROMPTS)]
            started = time.perf_counter()
            content = engine.generate(prompt, seed=seed).encode("png")
            seconds.append(time.perf_counter() - started)
            body = json.dumps({"prompt": prompt, "seed": seed}).encode()
            asked.append(Asked(body, hashlib.sha256(content).hexdigest()))
    return asked[:PICTURES], seconds[1:]  # the first one warms up


@contextmanager
def served(settings: dict[str, Any], log: Path | None) -> Iterator[tuple[Any, int]]:
    """A server in a process of its own, and its port; it is ended with SIGTERM.

    Raises:
        OptionError: it did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(settings)], stderr=subprocess.PIPE, text=True
    )
    errors = process.stderr
    assert errors is not None
    first = errors.readline()
    reader = threading.Thread(target=_keep, args=(errors, log), daemon=True)
    try:
        if '"listening"' not in first:
            raise OptionError(
                f"The server did not start: {(first + errors.read()).strip()[-300:] or 'no word'}"
            )
        reader.start()
        yield process, int(json.loads(first)["port"])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if reader.ident:
            reader.join()
        errors.close()


def _keep(lines: Any, log: Path | None) -> None:
    """Read the server's log to its end, so that it never waits for a reader."""
    if log is None:
        for _ in lines:
            pass
    else:
        with log.open("w", encoding="utf-8") as out:
            out.writelines(lines)


def drive(port: int, asked: Sequence[Asked], first: int, ends: float, seen: Seen) -> None:
    """One client: requests one after another on one connection, until the time is over."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    number = first
    while time.monotonic() < ends:
        one = asked[number % len(asked)]
        number += 1
        started = time.perf_counter()
        try:
            connection.request(
                "POST", "/v1/generate", one.body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            seen.lost.append(f"no answer: {exc!r}")
            connection.close()
            continue
        seen.statuses[answer.status] += 1
        if answer.status == 200:
            seen.seconds.append(time.perf_counter() - started)
            if hashlib.sha256(content).hexdigest() != one.sha256:
                seen.lost.append("another picture than the library's")
        elif answer.status == 429:
            time.sleep(min(float(answer.headers["Retry-After"]), max(0, ends - time.monotonic())))
    connection.close()


def watch(pid: int, started: float, ends: float, samples: list[tuple[float, int]]) -> None:
    """Note the resident memory of a process: seconds since the start, and bytes."""
    import psutil

    process = psutil.Process(pid)
    while time.monotonic() < ends:
        samples.append((time.monotonic() - started, process.memory_info().rss))
        time.sleep(SAMPLE_S)


def memory_figures(samples: Sequence[tuple[float, int]], seconds: float) -> dict[str, float]:
    """Resident memory at the end of each half of a run, and how much it grew between them."""
    tail = TAIL * seconds / 2
    halves = []
    for end in (seconds / 2, seconds):
        here = [size for at, size in samples if end - tail <= at <= end]
        halves.append(statistics.mean(here) if here else float("nan"))
    return {
        "first_half_mb": round(halves[0] / MEGABYTE, 2),
        "second_half_mb": round(halves[1] / MEGABYTE, 2),
        "peak_mb": round(max(size for _, size in samples) / MEGABYTE, 2),
        "growth": round(halves[1] / halves[0] - 1, 4),
    }


def batch_sizes(port: int) -> dict[str, float]:
    """How many runs of the engines had up to so many pictures, and their mean."""
    from prometheus_client.parser import text_string_to_metric_families

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    family = next(
        family
        for family in text_string_to_metric_families(text)
        if family.name == "t2a_edge_batch_pictures"
    )
    return _histogram(family)


def _histogram(family: "Metric") -> dict[str, float]:
    counted, before, figures = 0.0, 0.0, {}
    total = next(s.value for s in family.samples if s.name.endswith("_sum"))
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            counted = sample.value
            if counted > before:
                figures[f"up_to_{sample.labels['le']}"] = counted - before
            before = counted
    figures["mean"] = round(total / counted, 2) if counted else 0.0
    return figures


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the 99th percentile, in milliseconds."""
    import numpy as np

    if not seconds:
        return {"p50_ms": float("nan"), "p99_ms": float("nan")}
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"p50_ms": round(1000 * float(p50), 1), "p99_ms": round(1000 * float(p99), 1)}


def report_of(
    seen: Sequence[Seen], alone: Sequence[float], seconds: float, memory: dict[str, float]
) -> dict[str, Any]:
    """The figures of a run, and what is wrong with them."""
    statuses: Counter[int] = sum((one.statuses for one in seen), Counter())
    lost = [why for one in seen for why in one.lost]
    answered = [s for one in seen for s in one.seconds]
    failures = [f"{count} answers {status}" for status, count in sorted(statuses.items())
                if status not in (200, 429)]  # fmt: skip
    if lost:
        failures.append(f"{len(lost)} requests lost, the first: {lost[0]}")
    if not answered:
        failures.append("no picture was drawn")
    if not memory["growth"] < MOST_GROWTH:
        failures.append(f"memory grew by {memory['growth']:.1%}, limit {MOST_GROWTH:.0%}")
    return {
        "clients": len(seen),
        "seconds": seconds,
        "requests": statuses.total() + sum(why.startswith("no answer") for why in lost),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "lost": len(lost),
        "pictures_per_second": round(len(answered) / seconds, 2),
        "loaded": percentiles_ms(answered),
        "alone": percentiles_ms(alone),
        "memory": memory,
        "failures": failures,
    }


def measure(clients: int, seconds: float, settings: dict[str, Any], log: Path | None) -> Any:
    """Start a server, drive it, and end it; the report."""
    bundle = settings.get("bundle")
    asked, alone = references(None if bundle is None else Path(bundle))
    seen = [Seen() for _ in range(clients)]
    samples: list[tuple[float, int]] = []
    with served(settings, log) as (process, port):
        started = time.monotonic()
        ends = started + seconds
        threads = [
            threading.Thread(target=drive, args=(port, asked, number, ends, one))
            for number, one in enumerate(seen)
        ]
        threads.append(threading.Thread(target=watch, args=(process.pid, started, ends, samples)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sizes = batch_sizes(port)
    report = report_of(seen, alone, seconds, memory_figures(samples, seconds))
    report["batches"] = sizes
    if process.returncode != 0:
        report["failures"].append(f"the server ended with {process.returncode}")
    return report


@click.command()
@click.option("--clients", type=click.IntRange(1, 1000), default=64, show_default=True)
@click.option("--seconds", type=click.FloatRange(2, 3600), default=120, show_default=True)
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--max-batch", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--max-queue", type=click.IntRange(49), default=64, show_default=True)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.option("--log", type=click.Path(path_type=Path), help="Write the server's log here.")
@click.pass_context
def load(
    context: click.Context,
    /,
    *,
    clients: int,
    seconds: float,
    bundle: Path | None,
    max_batch: int,
    max_queue: int,
    threads: int,
    json_path: Path | None,
    log: Path | None,
) -> None:
    """Drive a server of our own; an error but 429, a lost request or growth exits with 1."""
    from bench.machine import machine

    settings: dict[str, Any] = {
        "max_batch": max_batch, "max_queue": max_queue, "threads": threads,
        "max_connections": max(512, clients + 8),
        **({} if bundle is None else {"bundle": str(bundle)}),
    }  # fmt: skip
    report = {"machine": machine(), **measure(clients, seconds, settings, log)}
    text = json.dumps(report, indent=2)
    click.echo(text)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(text + "\n", encoding="utf-8")
    for failure in report["failures"]:
        click.echo(f"failed: {failure}", err=True)
    if report["failures"]:
        context.exit(EXIT_FAILED)


if __name__ == "__main__":
    run_command(load)
