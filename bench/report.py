"""The bench's figures as tables for a terminal, and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.gates import Judgement, Outcome
from bench.measure import STAGES
from bench.statistics import PERCENTILES
from t2a_edge.errors import OptionError
from t2a_edge.files import write_whole

STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.NOT_MEASURED: "yellow"}
ROWS = (*STAGES, "sampling", "pipeline")
SHOWN_SPEEDUPS = ("painter", "decoder", "pipeline")
NONE = "-"
Rows = list[tuple[str, ...]]

ARTEFACT_COLUMNS = (
    "artefact", "MB", "load, ms", "first run, ms", "cold process, ms", "peak memory, MB",
)  # fmt: skip
CELL_COLUMNS = (
    "artefact", "provider", "threads", "batch", "p50, ms", "p90", "p95", "p99", "images/s",
    "p50 / reference", "samples",
)  # fmt: skip
EXTRA_COLUMNS = ("artefact", "provider", "energy, J/picture", "GPU memory, MB", "GPU only, ms")
GATE_COLUMNS = ("figure", "measured", "interval", "limit", "outcome", "note")


def cells_of(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, Mapping[str, Any]]]:
    """Artefact, provider, threads and batch of every measured cell, with its figures."""
    for name, artefact in report["artefacts"].items():
        for provider in ("cpu", "cuda", "tensorrt"):
            for threads, batches in artefact.get(provider, {}).items():
                if threads.startswith("threads_"):
                    for batch, cell in batches.items():
                        number = threads.removeprefix("threads_")
                        yield name, provider, number, batch.removeprefix("batch_"), cell


def first_cell(report: Mapping[str, Any], name: str, provider: str = "cpu") -> Mapping[str, Any]:
    """The figures of an artefact with the fewest threads and the smallest batch; or none."""
    for found, where, _, _, cell in cells_of(report):
        if (found, where) == (name, provider):
            return cell
    return {}


def number(value: float) -> str:
    """Three digits that count, without an exponent: 0.123, 45.6, 123."""
    digits = 2 if abs(value) < 1 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f}"


def percentile_text(figures: Mapping[str, Any] | None, percentile: str) -> str:
    """A percentile with its interval: "45.6 (45.1-46.3)"; "-" where it is withheld."""
    if not figures or percentile not in figures:
        return NONE
    low, high = figures["intervals"][percentile]
    return f"{number(figures[percentile])} ({number(low)}–{number(high)})"


def artefact_rows(report: Mapping[str, Any]) -> Rows:
    """Size, load, cold process and memory of every artefact; columns `ARTEFACT_COLUMNS`."""
    rows: Rows = []
    for name, artefact in report["artefacts"].items():
        if "size_mb" not in artefact:
            rows.append((name, "not measured", *[NONE] * 4))
            continue
        memory = artefact.get("peak_memory_mb")
        rows.append((
            name,
            f"{artefact['size_mb']:.2f}",
            *(percentile_text(artefact.get(key), "p50")
              for key in ("load_ms", "first_run_ms", "cold_ms")),
            NONE if memory is None else f"{memory:.0f}",
        ))  # fmt: skip
    return rows


def cell_rows(report: Mapping[str, Any]) -> Rows:
    """The pipeline in every configuration; columns `CELL_COLUMNS`."""
    rows: Rows = []
    for *place, cell in cells_of(report):
        whole = cell["pipeline_ms"]
        ratio = whole.get("ratio_to_reference", {}).get("p50")
        rows.append((
            *place,
            *(percentile_text(whole, f"p{p}") for p in PERCENTILES),
            f"{cell['images_per_second']:.1f}",
            NONE if ratio is None else f"{ratio:.2f}",
            str(whole["samples"]),
        ))  # fmt: skip
    return rows


def not_measured_notes(report: Mapping[str, Any]) -> list[str]:
    """One line for each reason why something was not measured, and for what."""
    reasons: dict[str, list[str]] = {}
    missing = [f"{name}: {artefact['not_measured']}" for name, artefact
               in report["artefacts"].items() if "not_measured" in artefact]  # fmt: skip
    for name, artefact in report["artefacts"].items():
        for provider in ("cpu", "cuda", "tensorrt"):
            note = artefact.get(provider, {}).get("not_measured")
            if note:
                reasons.setdefault(f"{provider}: {note}", []).append(name)
    notes = [f"{reason} ({', '.join(names)})" for reason, names in reasons.items()]
    kinds: dict[str, str] = {}
    for *_, cell in cells_of(report):
        for key in ("energy", "gpu_memory_mb", "gpu_only_ms"):
            if isinstance(cell[key], Mapping) and "not_measured" in cell[key]:
                kinds.setdefault(key, cell[key]["not_measured"])
    return missing + notes + [f"{key}: {note}" for key, note in kinds.items()]


def stage_rows(report: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Where a picture's time goes, p50 of each stage: columns, and a row a stage."""
    found = [(name, first_cell(report, name)) for name in report["artefacts"]]
    bundles = [(name, cell) for name, cell in found if "sampling_ms" in cell]
    rows: Rows = [
        (stage, *(percentile_text(cell.get(f"{stage}_ms"), "p50") for _, cell in bundles))
        for stage in ROWS
    ]
    return ("stage", *(f"{name}, ms" for name, _ in bundles)), rows


def extra_rows(report: Mapping[str, Any]) -> Rows:
    """Energy and what only a GPU has, where any of it was measured; columns `EXTRA_COLUMNS`."""
    rows: Rows = []
    for name, provider, threads, batch, cell in cells_of(report):
        energy = cell["energy"].get("joules_per_picture")
        memory, only = cell["gpu_memory_mb"], cell["gpu_only_ms"]
        texts = (
            NONE if energy is None else f"{energy:.2f}",
            NONE if isinstance(memory, Mapping) else number(memory),
            percentile_text(only, "p50"),
        )
        if set(texts) != {NONE}:
            rows.append((f"{name}, {threads} thread(s), batch {batch}", provider, *texts))
    return rows


def gate_rows(judgements: Sequence[Judgement]) -> Rows:
    """Every gate; columns `GATE_COLUMNS`."""
    rows: Rows = []
    for judgement in judgements:
        ends = judgement.interval
        rows.append((
            judgement.gate.figure.removeprefix("artefacts."),
            NONE if judgement.value is None else f"{judgement.value:.4g}",
            NONE if ends is None else f"{ends[0]:.4g}–{ends[1]:.4g}",
            judgement.gate.limit,
            judgement.outcome.value,
            judgement.note or judgement.gate.why,
        ))  # fmt: skip
    return rows


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """The reference workload and the speed-up, a sentence each."""
    reference = report["reference"]
    once = percentile_text(reference["workload_ms"], "p50")
    lines = [f"Reference workload: {reference['workload']}: {once} ms, p50."]
    if not reference["one_thread"]:
        lines.append("The reference used more than one thread: do not compare ratios with it.")
    machine = report["machine"]
    if machine["load_average"] > (machine["cores_allowed"] or 1) / 2:
        lines.append(
            f"The machine was busy before the run (load {machine['load_average']:.1f} on "
            f"{machine['cores_allowed']} cores): milliseconds are too long, ratios hold better."
        )
    for provider, forms in report["speedup"].items():
        for form, stages in forms.items():
            shown = [(s, stages[s]) for s in SHOWN_SPEEDUPS if "ratio" in stages.get(s, {})]
            ratios = [f"{figures['ratio']:.2f} ({stage})" for stage, figures in shown]
            if ratios:
                lines.append(f"INT8 against FP32, {form}, {provider}: {', '.join(ratios)} times "
                             "as fast.")  # fmt: skip
    return lines


def included_lines(report: Mapping[str, Any]) -> list[str]:
    """What each figure includes."""
    return [f"{name}: {text}." for name, text in report["workload"]["included"].items()]


def _table(title: str, columns: Sequence[str], rows: Rows, left: int = 1) -> Table:
    table = Table(title=title)
    for place, column in enumerate(columns):
        justify: Any = "left" if place < left else "right"
        table.add_column(column, justify=justify, no_wrap=place == 0 and left < len(columns),
                         overflow="fold")  # fmt: skip
    for row in rows:
        table.add_row(*row)
    return table


def gates_table(judgements: Sequence[Judgement]) -> Table:
    """Every gate with figure, limit and outcome in its colour."""
    rows = gate_rows(judgements)
    outcome = GATE_COLUMNS.index("outcome")
    coloured = [
        (*row[:outcome], f"[{STYLES[j.outcome]}]{row[outcome]}[/]", *row[outcome + 1 :])
        for row, j in zip(rows, judgements, strict=True)
    ]
    return _table("Gates", GATE_COLUMNS, coloured, left=len(GATE_COLUMNS))


def write_json(report: Any, path: Path | None) -> None:
    """Write figures as JSON, its folder made if it is missing; None writes nothing."""
    if path is not None:
        write_text(json.dumps(report, indent=1) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a file whole or not at all, its folder made if it is missing."""
    write_whole(path, text.encode())


def check_outputs(files: Sequence[Path | None], folder: Path | None) -> None:
    """Make the folders of what will be written: better known before than after measuring.

    Raises:
        OptionError: a file cannot be written there.
    """
    for path in files:
        if path is not None and path.is_dir():
            raise OptionError(f"{path} is a folder; expected the name of a file to write.")
    wanted = [path.parent for path in files if path is not None]
    for parent in [*wanted, *([folder] if folder else [])]:
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OptionError(f"{parent} cannot be made a folder ({exc}); name another.") from exc


def print_report(
    report: Mapping[str, Any], judgements: Sequence[Judgement], console: Console
) -> None:
    """Machine, figures, what they include, and gates."""
    machine = ", ".join(f"{k} {v}" for k, v in report["machine"].items())
    sure = f"in brackets the {report['confidence']:.1%} interval"
    console.print(machine, markup=False)
    console.print(_table(f"Artefacts; times are p50, {sure}", ARTEFACT_COLUMNS,
                         artefact_rows(report)))  # fmt: skip
    console.print(_table(f"Pipeline, prompt to pixels in memory; {sure}", CELL_COLUMNS,
                         cell_rows(report), left=2))  # fmt: skip
    console.print(_table("Stages of bundles on the processor, p50", *stage_rows(report)))
    extra = extra_rows(report)
    if extra:
        console.print(_table("Energy and GPU", EXTRA_COLUMNS, extra, left=2))
    for line in [*summary_lines(report), "", "What is included:", *included_lines(report)]:
        console.print(line, markup=False, highlight=False)
    for note in not_measured_notes(report):
        console.print(f"not measured: {note}", markup=False, highlight=False)
    console.print(gates_table(judgements))
