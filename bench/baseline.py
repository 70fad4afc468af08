"""Regressions: this report against an older one, both over their reference workloads.

Times are compared as ratios to the reference workload of the same run, so the older report may
come from another day or a similar machine; sizes and memory are compared as they are.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.gates import Gate
from bench.matrix import COLD_FIGURES, FORMAT
from bench.statistics import ratio_of_figures, samples_needed
from t2a_edge.checks import shown
from t2a_edge.errors import ConfigError
from train.documents import parsed

PLAIN = ("size_mb", "peak_memory_mb")
TIMES = ("pipeline_ms",)  # of a cell
CELL_SAMPLES = samples_needed(90)  # fewer, as beside the gated cells, decide nothing


def load_baseline(path: Path) -> dict[str, Any]:
    """Read an older report; a ConfigError if it cannot be used."""
    try:
        report = parsed(json.loads, path.read_text(encoding="utf-8"))
        found = report["format"]
        if not isinstance(report["artefacts"], dict):
            raise TypeError("artefacts is no table")
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"{path} cannot be used as a baseline ({shown(exc)}); expected a report that "
            "`python -m bench --json` wrote."
        ) from exc
    if found != FORMAT:
        raise ConfigError(
            f"The baseline {path} has report format {shown(found)}; this bench reads {FORMAT}. "
            "Measure the baseline again."
        )
    regressions(report, report)  # unreadable figures are better known before than after measuring
    return dict(report)


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every figure that is compared, with its place below `artefacts`."""
    for name, artefact in report["artefacts"].items():
        for key in (*PLAIN, *COLD_FIGURES):
            if key in artefact:
                yield (name, key), artefact[key]
        for provider in ("cpu", "cuda", "tensorrt"):
            for threads, batches in artefact.get(provider, {}).items():
                if not threads.startswith("threads_"):
                    continue
                for batch, cell in batches.items():
                    for key in TIMES:
                        yield (name, provider, threads, batch, key), cell.get(key, {})


def regressions(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """How many times as much or as long as in the older report, placed as below `artefacts`.

    What the older report has and this one lacks is `not_measured`.
    """
    try:
        old, new = dict(_figures(before)), dict(_figures(now))
        result: dict[str, Any] = {}
        for place, figure in old.items():
            *parents, last = place
            inner = result
            for key in parents:
                inner = inner.setdefault(key, {})
            inner[last] = _compared(new.get(place), figure, CELL_SAMPLES if parents[1:] else 0)
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as exc:
        raise ConfigError(
            f"The baseline's figures cannot be read ({shown(exc)}); measure the baseline again."
        ) from exc
    return result


def _compared(now: Any, before: Any, least: int) -> dict[str, Any]:
    if now is None:
        return {"not_measured": "the baseline has it, this run does not"}
    if isinstance(before, Mapping):
        samples = min(int(figures.get("samples", 0)) for figures in (now, before))
        if samples < least:
            return {"not_measured": f"{samples} samples; {least} are compared, see --runs"}
        compared = ratio_of_figures(now, before)
        return compared or {"not_measured": "too few samples in one of the two"}
    return {"ratio": float(f"{now / before:.5g}")}


def regression_gates(found: Mapping[str, Any], tolerance: float) -> list[Gate]:
    """A gate for every comparison: at most 1 + tolerance."""
    return [
        Gate(
            figure=f"regression.{name}.ratio",
            below=1 + tolerance,
            why="against the baseline",
            needs="gpu" if ".cuda." in name or ".tensorrt." in name else "",
        )
        for name in _names(found)
    ]


def _names(found: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in found.items():
        if "ratio" in value or "not_measured" in value:
            yield f"{prefix}{key}"
        else:
            yield from _names(value, f"{prefix}{key}.")


def other_processor(now: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """A note if the older report is from another processor; None if it is not."""
    then = before.get("machine", {}).get("processor")
    here = now["machine"]["processor"]
    if then == here:
        return None
    return (
        f"note: the baseline is from {then}, this run from {here}: ratios to the reference "
        "workload carry over roughly, not exactly"
    )
