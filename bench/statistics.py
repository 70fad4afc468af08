"""Percentiles of times, how sure they are, and how many samples each of them needs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

PERCENTILES = (50, 90, 95, 99)
RATIO_PERCENTILES = (50, 99)  # of ratios to the reference workload
RATIO_NAMES = tuple(f"p{percentile}" for percentile in RATIO_PERCENTILES)
LOOKS = 3  # a gate may be looked at this often, with more samples each time
ERROR = 0.05  # chance that a gate is decided wrongly in any of its looks
CONFIDENCE = 1 - ERROR / LOOKS  # of every interval here (Bonferroni)
RESAMPLES = 2000
RESAMPLING_SEED = 20


def samples_needed(percentile: float) -> int:
    """Fewest samples whose largest is beyond the true percentile with 95% confidence.

    With fewer, the upper end of the percentile is not in the samples at all: 5 for p50, 29 for
    p90, 59 for p95, 299 for p99.
    """
    return math.ceil(math.log(ERROR) / math.log(percentile / 100))


def resample(values: Float64Array, seed: int = RESAMPLING_SEED) -> Float64Array:
    """Bootstrap resamples in blocks of neighbours: what disturbs a machine lasts for some runs.

    Args:
        values: (n,) in the order they were measured.

    Returns:
        (RESAMPLES, n), circular blocks of about the cube root of n.

    Source: Politis and Romano 1992, the circular block bootstrap.
    """
    count = len(values)
    length = max(1, round(count ** (1 / 3)))
    starts = np.random.default_rng(seed).integers(
        0, count, (RESAMPLES, math.ceil(count / length), 1)
    )
    places = (starts + np.arange(length)) % count  # (RESAMPLES, blocks, length)
    return values[places.reshape(RESAMPLES, -1)[:, :count]]


def _interval(drawn: Float64Array) -> list[float]:
    """The middle `CONFIDENCE` of bootstrapped figures (RESAMPLES,)."""
    tail = 50 * (1 - CONFIDENCE)
    return [_rounded(v) for v in np.percentile(drawn, (tail, 100 - tail))]


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def time_figures(seconds: Sequence[float], reference: Sequence[float] = ()) -> dict[str, Any]:
    """Percentiles in milliseconds, their intervals, and their ratios to the reference workload.

    Args:
        seconds: the samples, in order.
        reference: seconds of the reference workload beside each sample; or none.

    Returns:
        `p50` and so on, where the samples are enough; `withheld` says which are missing and why;
        `intervals` by percentile; `ratio_to_reference`, p50 and p99 of the ratios sample by
        sample, with their intervals; `samples`.
    """
    values = np.asarray(seconds, dtype=np.float64) * 1e3
    count = len(values)
    printed = [p for p in PERCENTILES if count >= samples_needed(p)]
    figures: dict[str, Any] = {"samples": count, "intervals": {}}
    withheld = {
        f"p{p}": f"{count} samples; p{p} needs {samples_needed(p)}"
        for p in PERCENTILES
        if p not in printed
    }
    if withheld:
        figures["withheld"] = withheld
    if not printed:
        return figures
    drawn = np.percentile(resample(values), printed, axis=1)  # (printed, RESAMPLES)
    exact = np.percentile(values, printed)
    for percentile, value, row in zip(printed, exact, drawn, strict=True):
        figures[f"p{percentile}"] = _rounded(value)
        figures["intervals"][f"p{percentile}"] = _interval(row)
    if len(reference):
        ratios = np.asarray(seconds) / np.asarray(reference)
        wanted = [p for p in printed if p in RATIO_PERCENTILES]
        drawn = np.percentile(resample(ratios), wanted, axis=1)
        exact = np.percentile(ratios, wanted)
        figures["ratio_to_reference"] = {
            **{f"p{p}": _rounded(float(value)) for p, value in zip(wanted, exact, strict=True)},
            "intervals": {f"p{p}": _interval(row) for p, row in zip(wanted, drawn, strict=True)},
        }
        missing = {p: note for p, note in withheld.items() if p in RATIO_NAMES}
        if missing:
            figures["ratio_to_reference"]["withheld"] = missing
    return figures


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """How many times as long the first takes as the second: the median over their pairs.

    The two of a pair are measured one after the other, so that a machine that is slower for a
    while is slower for both.

    Returns:
        `ratio` and `intervals`, or `not_measured` with the reason.
    """
    if len(above) < samples_needed(50):
        return {"not_measured": f"{len(above)} pairs; p50 needs {samples_needed(50)}"}
    ratios = np.asarray(above, dtype=np.float64) / np.asarray(below, dtype=np.float64)
    drawn = np.median(resample(ratios), axis=1)
    return {"ratio": _rounded(float(np.median(ratios))), "intervals": {"ratio": _interval(drawn)}}


def ratio_of_figures(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many times as long a p50 is as in an older report, both over the reference workload.

    Returns:
        `ratio` and `intervals` (the ends of the two intervals against each other, which is
        wider than need be), or None if either has no such figure.
    """
    parts = [figures.get("ratio_to_reference", {}) for figures in (now, before)]
    if any("p50" not in part for part in parts):
        return None
    (new, old), (new_ends, old_ends) = (
        [part["p50"] for part in parts],
        [part["intervals"]["p50"] for part in parts],
    )
    return {
        "ratio": _rounded(new / old),
        "intervals": {
            "ratio": [_rounded(new_ends[0] / old_ends[1]), _rounded(new_ends[1] / old_ends[0])]
        },
    }
