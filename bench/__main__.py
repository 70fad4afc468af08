"""`python -m bench`: measure bundles, print a table, gate on budgets."""

import os
import platform
from pathlib import Path
from typing import Any

import click

from t2a_edge.command import run_command
from t2a_edge.errors import EXIT_FAILED, EXIT_NOT_MEASURED

DIST = Path("dist")
PRECISIONS = ("fp32", "int8")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import onnxruntime
    import psutil

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [x for x in cpuinfo.read_text(encoding="utf-8").splitlines() if "model name" in x]
        model = names[0].split(":", 1)[1].strip() if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "load_average": round(os.getloadavg()[0], 2),
    }


def measure_all(folders: dict[str, Path], threads: int, effort: Any) -> dict[str, Any]:
    """All figures of all bundles, as the JSON report has them."""
    from bench.measure import measure_cold, measure_load, measure_size, measure_stages
    from t2a_edge.runner import available_providers

    report: dict[str, Any] = {
        "machine": machine(),
        "threads": threads,
        "bundles": list(folders),
        **{name: measure_size(folder) for name, folder in folders.items()},
    }
    on_cpu = measure_stages(folders, "cpu", threads, effort)
    on_gpu = {}
    if "cuda" in available_providers():
        on_gpu = measure_stages(folders, "cuda", threads, effort)
    missing = {"not_measured": "no GPU that the installed onnxruntime can use"}
    for name, folder in folders.items():
        report[name]["load_ms"] = measure_load(folder, threads, effort)
        report[name] |= measure_cold(folder, effort)
        report[name]["cpu"] = on_cpu[name]
        report[name]["gpu"] = on_gpu.get(name, missing)
    ratios = {}
    for stage in ("transformer", "decoder", "pipeline"):
        fp32, int8 = (on_cpu[name][f"{stage}_ms"]["p50"] for name in PRECISIONS)
        ratios[stage] = round(fp32 / int8, 3)
    report["speedup"] = {"cpu": ratios}
    return report


@click.command()
@click.option(
    "--bundles",
    "dist",
    type=click.Path(path_type=Path),
    default=DIST,
    show_default=True,
    help="Folder with NAME-fp32 and NAME-int8.",
)
@click.option("--name", default="base", show_default=True, help="NAME of the bundles.")
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Pictures drawn with each bundle, after the warm-up.",
)
@click.option("--budgets", type=click.Path(path_type=Path), help="Other gates than the shipped.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write JSON here.")
@click.option("--require", type=click.Choice(["gpu"]), help="Exit 3 if not measured.")  # fmt: skip
@click.pass_context
def bench(
    context: click.Context,
    dist: Path,
    name: str,
    threads: int,
    runs: int,
    budgets: Path | None,
    json_path: Path | None,
    require: str | None,
) -> None:
    """Measure FP32 and INT8 bundles in one run; a failed gate exits with 1."""
    from rich.console import Console

    from bench.gates import BUDGETS, Outcome, judge_all, load_gates
    from bench.measure import Effort
    from bench.report import print_report, write_json

    gates = load_gates(budgets or BUDGETS)
    folders = {precision: dist / f"{name}-{precision}" for precision in PRECISIONS}
    report = measure_all(folders, threads, Effort(runs=runs))
    judgements = judge_all(gates, report)
    report["gates"] = [judgement.to_json() for judgement in judgements]
    print_report(report, judgements, Console(width=None if os.isatty(1) else 140))
    write_json(report, json_path)
    failed = [j for j in judgements if j.outcome is Outcome.FAIL]
    for judgement in failed:
        gate = judgement.gate
        click.echo(f"failed: {gate.figure} is {judgement.value:g}, limit {gate.limit}", err=True)
    if failed:
        context.exit(EXIT_FAILED)
    gpu = [j for j in judgements if ".gpu." in j.gate.figure]
    if require and (not gpu or any(j.outcome is Outcome.NOT_MEASURED for j in gpu)):
        click.echo("not measured: the GPU gates, which --require gpu asks for", err=True)
        context.exit(EXIT_NOT_MEASURED)


if __name__ == "__main__":
    run_command(bench)
