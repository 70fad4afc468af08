"""`python -m bench`: measure bundles and fused files, print tables, gate on budgets."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.reference import use_one_thread
from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED, EXIT_NOT_MEASURED

if TYPE_CHECKING:
    from bench.gates import Gate, Judgement
    from bench.matrix import Matrix

DIST = Path("dist")
PROVIDERS = ("cpu", "cuda", "tensorrt")
CORES = min(os.cpu_count() or 1, 4)
PATH = click.Path(path_type=Path)


def measure_and_judge(
    matrix: "Matrix",
    gates: Sequence["Gate"],
    baseline: Mapping[str, Any] | None = None,
    tolerance: float = 0.0,
    patience: float = math.inf,
) -> tuple[dict[str, Any], list["Judgement"]]:
    """Measure, judge, and double the samples of what is undecided, `LOOKS` - 1 times at most.

    Args:
        baseline: an older report; its figures become gates of their own.
        tolerance: share by which a figure may be worse than in the baseline.
        patience: seconds after which nothing more is begun.
    """
    from bench.baseline import regression_gates, regressions
    from bench.gates import judge_all
    from bench.statistics import LOOKS

    started = time.monotonic()
    matrix.measure()
    for look in range(1, LOOKS + 1):
        report, every = matrix.report(), list(gates)
        if baseline is not None:
            report["regression"] = regressions(report, baseline)
            every += regression_gates(report["regression"], tolerance)
        judgements = judge_all(every, report)
        undecided = [j.gate.figure for j in judgements if j.undecided]
        tired = look == LOOKS or time.monotonic() - started > patience
        if tired or not undecided or not matrix.extend(undecided):
            break
    report["looks_taken"] = look
    report["gates"] = [judgement.to_json() for judgement in judgements]
    return report, judgements


def end(context: click.Context, judgements: Sequence["Judgement"], require: Sequence[str]) -> None:
    """Say what failed or was not decided, and leave with the exit code."""
    from bench.gates import Outcome

    failed = [j for j in judgements if j.outcome is Outcome.FAIL]
    undecided = [j for j in judgements if j.undecided]
    for j in failed:
        click.echo(f"failed: {j.gate.figure} is {j.value:g}, limit {j.gate.limit}", err=True)
    for j in undecided:
        click.echo(f"{j.gate.figure}, limit {j.gate.limit}: {j.note}", err=True)
    if failed:
        context.exit(EXIT_FAILED)
    gpu = [j for j in judgements if j.gate.needs == "gpu"]
    if "gpu" in require and (not gpu or any(j.outcome is Outcome.NOT_MEASURED for j in gpu)):
        click.echo("not measured: the GPU gates, which --require gpu asks for", err=True)
        context.exit(EXIT_NOT_MEASURED)
    if "decided" in require and undecided:
        context.exit(EXIT_NOT_MEASURED)


@click.command()
@click.option("--bundles", "dist", type=PATH, default=DIST, show_default=True,
              help="Folder with NAME-fp32, NAME-int8; perhaps NAME-fp16, NAME-*.onnx.")  # fmt: skip
@click.option("--name", default="base", show_default=True, help="NAME of bundles and files.")
@click.option("--provider", "providers", multiple=True, type=click.Choice(PROVIDERS),
              default=PROVIDERS, show_default=True, help="Where to run; repeatable.")  # fmt: skip
@click.option("--threads", multiple=True, type=click.IntRange(1, 256),
              default=tuple(sorted({1, CORES})), show_default=True,
              help="Of the processor; repeatable, the gated number first.")  # fmt: skip
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1, 256),
              default=(1, 2, 4), show_default=True,
              help="Pictures a call of the fused file; repeatable.")  # fmt: skip
@click.option("--runs", type=click.IntRange(5), default=300, show_default=True,
              help="Pictures drawn with each INT8 artefact, after the warm-up.")  # fmt: skip
@click.option("--cold", type=click.IntRange(5), default=9, show_default=True,
              help="Processes started for each artefact.")  # fmt: skip
@click.option("--cross", is_flag=True,
              help="Every batch with all threads; else each is varied alone.")  # fmt: skip
@click.option("--budgets", type=PATH, help="Other gates than the shipped.")
@click.option("--baseline", type=PATH, help="An older JSON report, to gate regressions against.")
@click.option("--tolerance", type=click.FloatRange(0, 10), default=0.1, show_default=True,
              help="Share by which a figure may be worse than in the baseline.")  # fmt: skip
@click.option("--patience", type=click.FloatRange(0), default=240, show_default=True,
              help="Seconds after which undecided gates get no more samples.")  # fmt: skip
@click.option("--json", "json_path", type=PATH, help="Also write JSON here.")
@click.option("--markdown", "markdown_path", type=PATH, help="Also write Markdown here.")
@click.option("--junit", "junit_path", type=PATH, help="Also write JUnit XML here.")
@click.option("--plots", "plots_folder", type=PATH, help="Also draw plots into this folder.")
@click.option("--require", multiple=True, type=click.Choice(["gpu", "decided"]),
              help="Exit 3 if a GPU gate was not measured, or any gate was undecided.")  # fmt: skip
@click.pass_context
def bench(
    context: click.Context,
    /,
    *,
    dist: Path,
    name: str,
    budgets: Path | None,
    baseline: Path | None,
    tolerance: float,
    patience: float,
    json_path: Path | None,
    markdown_path: Path | None,
    junit_path: Path | None,
    plots_folder: Path | None,
    require: tuple[str, ...],
    **plan: Any,
) -> None:
    """Measure every artefact in one run; a failed gate exits with 1."""
    use_one_thread()
    from rich.console import Console

    from bench.artefacts import find_artefacts
    from bench.baseline import load_baseline, other_processor
    from bench.gates import BUDGETS, load_gates
    from bench.matrix import Matrix, Plan
    from bench.plots import check_matplotlib, draw_plots
    from bench.report import check_outputs, print_report, write_json, write_text
    from bench.written import junit_report, markdown_report

    gates = load_gates(budgets or BUDGETS)
    before = None if baseline is None else load_baseline(baseline)
    check_outputs([json_path, markdown_path, junit_path], plots_folder)
    if plots_folder is not None:
        check_matplotlib()
    matrix = Matrix(*find_artefacts(dist, name), Plan(**plan))
    with Console(stderr=True).status("measuring"):
        report, judgements = measure_and_judge(matrix, gates, before, tolerance, patience)
    write_json(report, json_path)
    print_report(report, judgements, Console(width=None if os.isatty(1) else 170))
    if markdown_path is not None:
        write_text(markdown_report(report, judgements), markdown_path)
    if junit_path is not None:
        write_text(junit_report(judgements, report["created"]), junit_path)
    if plots_folder is not None:
        draw_plots(report, plots_folder)
    note = None if before is None else other_processor(report, before)
    if note:
        click.echo(note, err=True)
    end(context, judgements, require)


if __name__ == "__main__":
    run_command(bench)
