"""The bench's figures as a table for a terminal, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.gates import Judgement, Outcome
from bench.measure import STAGES

STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.NOT_MEASURED: "yellow"}
ROWS = (*STAGES, "sampling", "pipeline")


def _times(figures: Mapping[str, float] | None) -> str:
    if not figures:
        return "not measured"
    return f"{figures['p50']:.1f} / {figures['p90']:.1f} / {figures['p99']:.1f}"


def figures_table(report: Mapping[str, Any]) -> Table:
    """FP32 beside INT8, times as p50 / p90 / p99 in milliseconds."""
    names = report["bundles"]
    table = Table(title=f"One prompt, {report['threads']} thread(s); ms are p50 / p90 / p99")
    table.add_column("figure")
    for name in names:
        table.add_column(name, justify="right")

    def row(title: str, cells: Sequence[str]) -> None:
        table.add_row(title, *cells)

    for file in report[names[0]]["size_bytes"]:
        row(f"{file}, MB", [f"{report[n]['size_bytes'][file] / 1e6:.2f}" for n in names])
    row("bundle, MB", [f"{report[n]['size_mb']:.2f}" for n in names])
    row("load, ms", [_times(report[n]["load_ms"]) for n in names])
    for stage in ROWS:
        cells = [_times(report[n]["cpu"].get(f"{stage}_ms")) for n in names]
        row(f"{stage} on CPU, ms", cells)
    row("pipeline on GPU, ms", [_times(report[n]["gpu"].get("pipeline_ms")) for n in names])
    row("cold process to PNG, ms", [_times(report[n]["cold_ms"]) for n in names])
    row("peak memory, MB", [f"{report[n]['peak_memory_mb']:.0f}" for n in names])
    return table


def gates_table(judgements: Sequence[Judgement]) -> Table:
    """Every gate with figure, limit and outcome."""
    table = Table(title="Gates")
    for column in ("figure", "measured", "limit", "outcome", "note"):
        table.add_column(column)
    for judgement in judgements:
        value = "-" if judgement.value is None else f"{judgement.value:.4g}"
        outcome = f"[{STYLES[judgement.outcome]}]{judgement.outcome.value}[/]"
        table.add_row(
            judgement.gate.figure, value, judgement.gate.limit, outcome,
            judgement.note or judgement.gate.why,
        )  # fmt: skip
    return table


def write_json(report: Any, path: Path | None) -> None:
    """Write figures as JSON, its folder made if it is missing; None writes nothing."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def print_report(
    report: Mapping[str, Any], judgements: Sequence[Judgement], console: Console
) -> None:
    """Machine, figures and gates."""
    machine = ", ".join(f"{k} {v}" for k, v in report["machine"].items())
    console.print(machine)
    console.print(figures_table(report))
    ratio = report["speedup"]["cpu"]
    console.print(
        "INT8 is faster than FP32 by a factor of "
        + ", ".join(f"{value:.2f} ({stage})" for stage, value in ratio.items())
    )
    console.print(gates_table(judgements))
