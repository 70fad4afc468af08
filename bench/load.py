"""Many clients against a server of our own on loopback: `python -m bench.load --clients 64`.

Every answer is checked against the library's own picture of the same prompt and seed. A request is
lost when it gets no answer, or another picture than its own. Beside the good clients there are some
that misbehave, and one that asks whether the server is alive and ready.
"""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench.load_clients import PATIENCE_S, Probed, Seen, drive, probe, references
from bench.load_report import batch_figures, memory_figures, report_of
from bench.misbehave import KINDS, Misbehaved, misbehave
from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED, OptionError

SAMPLE_S = 0.25  # between two looks at the server's memory
STOP_S = 60.0  # that the server may take to end
SERVE = [sys.executable, "-m", "t2a_edge", "serve", "--port", "0", "--drain-notice-s", "0"]


@contextmanager
def served(options: Sequence[str], log: Path | None) -> Iterator[tuple[Any, int]]:
    """A server in processes of its own, and its port; it is ended with SIGTERM.

    Raises:
        OptionError: it did not start.
    """
    process = subprocess.Popen([*SERVE, *options], stderr=subprocess.PIPE, text=True)
    errors = process.stderr
    assert errors is not None
    told: list[str] = []
    workers = max(1, sum(int(one.partition("=")[2]) for one in options if "--workers=" in one))
    reader = threading.Thread(target=_keep, args=(errors, log), daemon=True)
    try:
        while sum('"ready"' in line for line in told) < workers:
            told.append(errors.readline())
            if not told[-1]:
                said = "".join(told).strip()[-300:]
                raise OptionError(f"The server did not start: {said or 'no word'}")
        reader.start()
        yield process, next(json.loads(line)["port"] for line in told if '"listening"' in line)
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


def watch(pid: int, started: float, ends: float, samples: list[tuple[float, int]]) -> None:
    """Note the resident memory of a process and its workers: seconds since the start, and bytes."""
    import psutil

    process = psutil.Process(pid)
    while time.monotonic() < ends:
        every = (process, *process.children())
        samples.append((time.monotonic() - started, sum(one.memory_info().rss for one in every)))
        time.sleep(SAMPLE_S)


def batch_sizes(port: int) -> dict[str, float]:
    """How many pictures shared a run of the engines, by the server's own count."""
    from prometheus_client.parser import text_string_to_metric_families

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return batch_figures(
        next(
            family
            for family in text_string_to_metric_families(text)
            if family.name == "t2a_edge_batch_pictures"
        )
    )


def run_all(threads: Sequence[threading.Thread]) -> None:
    """Start them, and wait for all."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(
    clients: int, bad: int, seconds: float, bundle: Path | None, options: Sequence[str],
    log: Path | None,
) -> Any:  # fmt: skip
    """Start a server, drive it, and end it; the report."""
    asked, alone = references(bundle)
    seen = [Seen() for _ in range(clients)]
    kinds = [KINDS[number % len(KINDS)] for number in range(bad)]
    misbehaved = {kind.__name__: Misbehaved() for kind in kinds}
    probed, samples = Probed(), list[tuple[float, int]]()
    with served(options, log) as (process, port):
        started = time.monotonic()
        ends = started + seconds
        good = [(port, asked, number, ends, one) for number, one in enumerate(seen)]
        wrong = [(port, kind, ends, misbehaved[kind.__name__]) for kind in kinds]
        run_all([
            *(threading.Thread(target=drive, args=one) for one in good),
            *(threading.Thread(target=misbehave, args=one) for one in wrong),
            threading.Thread(target=probe, args=(port, ends, probed)),
            threading.Thread(target=watch, args=(process.pid, started, ends, samples)),
        ])  # fmt: skip
        sizes = batch_sizes(port)
    report = report_of(seen, alone, seconds, memory_figures(samples, seconds), probed, misbehaved)
    report["batches"] = sizes
    if process.returncode != 0:
        report["failures"].append(f"the server ended with {process.returncode}")
    return report


@click.command()
@click.option("--clients", type=click.IntRange(1, 1000), default=64, show_default=True)
@click.option(
    "--misbehaving",
    "bad",
    type=click.IntRange(0, 60),
    default=7,
    show_default=True,
    help="Further clients, of seven kinds in turn.",
)
@click.option("--seconds", type=click.FloatRange(2, 3600), default=300, show_default=True)
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--max-batch", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--max-queue", type=click.IntRange(49), default=64, show_default=True)
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.option("--log", type=click.Path(path_type=Path), help="Write the server's log here.")
@click.pass_context
def load(
    context: click.Context,
    /,
    *,
    clients: int,
    bad: int,
    seconds: float,
    bundle: Path | None,
    max_batch: int,
    max_queue: int,
    threads: int,
    workers: int,
    json_path: Path | None,
    log: Path | None,
) -> None:
    """Drive a server of our own; an error but 429, a lost request or growth exits with 1."""
    from bench.machine import machine

    options = [
        f"--max-batch={max_batch}", f"--max-queue={max_queue}", f"--threads={threads}",
        f"--max-connections={max(512, clients + bad + 8)}", f"--workers={workers}",
        *([] if bundle is None else [f"--bundle={bundle}"]),
    ]  # fmt: skip
    report = {"machine": machine(), **measure(clients, bad, seconds, bundle, options, log)}
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
