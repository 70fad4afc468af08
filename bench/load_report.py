"""What a run under load showed, and what is wrong with it."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.load_clients import Probed, Seen
from bench.misbehave import Misbehaved

if TYPE_CHECKING:
    from prometheus_client import Metric

MEGABYTE = 1e6
MINUTE_S = 60.0
TAIL_S = 10.0  # at the end of a minute: where its memory is read
PLATEAU = 2 / 5  # of a run, at its end, in which memory may grow no more: 2 of 5 minutes
MOST_GROWTH = 0.05  # of resident memory in that part
MOST_PROBE_S = 3.0  # that a health probe waits for its answer
MOST_HELD_S = 60.0  # for which a client that misbehaves holds its connection


def memory_figures(samples: Sequence[tuple[float, int]], seconds: float) -> dict[str, Any]:
    """Resident memory at the end of each minute, and how much it grew at the end of the run.

    Args:
        samples: seconds since the start, and bytes.
    """

    def at(end: float) -> float:
        tail = min(TAIL_S, seconds / 10)
        here = [size for moment, size in samples if end - tail <= moment <= end]
        return statistics.mean(here) / MEGABYTE if here else float("nan")

    minutes = int(seconds // MINUTE_S)
    before, last = at(seconds * (1 - PLATEAU)), at(seconds)
    return {
        "start_mb": round(samples[0][1] / MEGABYTE, 2),
        "minutes_mb": [round(at(MINUTE_S * (minute + 1)), 2) for minute in range(minutes)],
        "end_mb": round(last, 2),
        "peak_mb": round(max(size for _, size in samples) / MEGABYTE, 2),
        "growth": round(last / before - 1, 4),
    }


def batch_figures(family: "Metric") -> dict[str, float]:
    """How many runs of the engines had up to so many pictures, and their mean."""
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
    seen: Sequence[Seen],
    alone: Sequence[float],
    seconds: float,
    memory: dict[str, Any],
    probed: Probed,
    misbehaved: Mapping[str, Misbehaved],
) -> dict[str, Any]:
    """The figures of a run, and what is wrong with them."""
    statuses: Counter[int] = sum((one.statuses for one in seen), Counter())
    lost = [why for one in seen for why in one.lost]
    drawn = [s for one in seen for s in one.seconds]
    slowest = max(probed.seconds, default=float("nan"))
    return {
        "clients": len(seen),
        "seconds": seconds,
        "requests": statuses.total() + sum(why.startswith("no answer") for why in lost),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "lost": len(lost),
        "answers_per_second": round(statuses[200] / seconds, 2),
        "loaded": percentiles_ms(drawn),
        "alone": percentiles_ms(alone),
        "memory": memory,
        "probes": {"answered": len(probed.seconds), "slowest_s": round(slowest, 3)},
        "misbehaving": {
            name: {"connections": one.times, "longest_s": round(one.longest_s, 1)}
            for name, one in misbehaved.items()
        },
        "failures": [
            *_failures(statuses, lost, memory, bool(drawn)),
            *_probe_failures(probed, slowest),
            *_held(misbehaved),
        ],
    }


def _failures(
    statuses: Mapping[int, int], lost: Sequence[str], memory: Mapping[str, Any], drawn: bool
) -> list[str]:
    failures = [f"{count} answers {status}" for status, count in sorted(statuses.items())
                if status not in (200, 429)]  # fmt: skip
    if lost:
        failures.append(f"{len(lost)} requests lost, the first: {lost[0]}")
    if not drawn:
        failures.append("no picture was drawn")
    if not memory["growth"] < MOST_GROWTH:
        failures.append(
            f"memory grew by {memory['growth']:.1%} at the end, limit {MOST_GROWTH:.0%}"
        )
    return failures


def _probe_failures(probed: Probed, slowest: float) -> list[str]:
    failures = []
    if probed.failures:
        failures.append(f"{len(probed.failures)} probes failed, the first: {probed.failures[0]}")
    if not slowest <= MOST_PROBE_S:
        failures.append(f"a probe took {slowest:.2f} s, limit {MOST_PROBE_S:g} s")
    return failures


def _held(misbehaved: Mapping[str, Misbehaved]) -> list[str]:
    return [
        f"{name} held its connection for {one.longest_s:.1f} s, limit {MOST_HELD_S:g} s"
        for name, one in misbehaved.items()
        if one.longest_s > MOST_HELD_S
    ]
