"""Plots of a report: latency by stage, size by precision, cost against batch."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report import ROWS, cells_of, first_cell
from t2a_edge.errors import OptionError

DPI = 144
INK = "#262626"
PALE = "#d9d9d9"
STAGE_COLOURS = {
    "text": "#8c6bb1", "forms": "#c994c7", "painter": "#2166ac", "composer": "#67a9cf",
    "encoder": "#a6dba0", "decoder": "#ef8a62", "sampling": "#969696",
}  # fmt: skip
PRECISION_COLOURS = {"fp32": "#969696", "fp16": "#67a9cf", "int8": "#2166ac"}
MARKERS = {"fp32": "s", "fp16": "^", "int8": "o"}


def check_matplotlib() -> None:
    """An OptionError if there is no matplotlib to draw with."""
    if importlib.util.find_spec("matplotlib") is None:
        raise OptionError(
            "Plots need matplotlib, which is not installed; `pip install 'matplotlib>=3.9'`, or "
            "leave --plots out."
        )


def draw_plots(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw what the report has figures for.

    Returns:
        The PNG files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawings = {
        "latency_by_stage.png": stage_plot,
        "size_by_precision.png": size_plot,
        "cost_by_batch.png": batch_plot,
    }
    written = []
    for name, draw in drawings.items():
        figure = draw(report)
        if figure is not None:
            figure.savefig(folder / name, dpi=DPI, facecolor="white")
            written.append(folder / name)
    return written


def _axes(width: float, height: float) -> tuple[Any, Any]:
    """A figure and its axes: no frame but the axis that carries numbers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, length=0)
    axes.set_axisbelow(True)
    return figure, axes


def _title(axes: Any, title: str, report: Mapping[str, Any] | None = None) -> None:
    if report is None:
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
        return
    machine = report["machine"]
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=24)
    axes.text(0, 1.02, f"{machine['processor']}, ONNX Runtime {machine['onnxruntime']}",
              transform=axes.transAxes, fontsize=9, color="#6b6b6b", va="bottom")  # fmt: skip


def _label(name: str) -> str:
    """What an artefact is called beside a bar: "fused_int8" is "INT8, one file"."""
    precision = name.removeprefix("fused_").upper()
    return f"{precision}, one file" if name.startswith("fused_") else f"{precision} bundle"


def _threads(number: str) -> str:
    return "1 thread" if number == "1" else f"{number} threads"


def stage_plot(report: Mapping[str, Any]) -> Any:
    """A bar for each artefact, p50; of bundles its stages side by side, of fused files one."""
    cells = {name: first_cell(report, name) for name in report["artefacts"]}
    names = [name for name, cell in cells.items() if "p50" in cell.get("pipeline_ms", {})]
    if not names:
        return None
    figure, axes = _axes(8.2, 1.5 + 0.55 * len(names))
    longest = max(cells[name]["pipeline_ms"]["p50"] for name in names)
    labelled: set[str] = set()
    for place, name in enumerate(names):
        cell, left = cells[name], 0.0
        whole = cell["pipeline_ms"]["p50"]
        stages = [s for s in ROWS if s != "pipeline" and "p50" in cell.get(f"{s}_ms", {})]
        for stage in stages:
            width = cell[f"{stage}_ms"]["p50"]
            label = stage if stage not in labelled else None
            labelled.add(stage)
            axes.barh(place, width, left=left, height=0.62, color=STAGE_COLOURS[stage],
                      label=label, edgecolor="white", linewidth=0.8)  # fmt: skip
            if width > 0.045 * longest:
                axes.text(left + width / 2, place, f"{width:.0f}", ha="center", va="center",
                          color="white", fontsize=9)  # fmt: skip
            left += width
        if not stages:
            axes.barh(place, whole, height=0.62, color=PALE, edgecolor="white")
            axes.text(whole / 2, place, "whole graph", ha="center", va="center", color=INK,
                      fontsize=9)  # fmt: skip
        axes.text(max(left, whole) + 0.012 * longest, place, f"{whole:.1f} ms", va="center",
                  color=INK, fontsize=10, fontweight="bold")  # fmt: skip
    axes.set_yticks(range(len(names)), [_label(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.14)
    threads = _threads(next(number for found, _, number, _, _ in cells_of(report)
                            if found == names[0]))  # fmt: skip
    axes.set_xlabel(f"one picture, ms, p50, {threads}; host copies included, PNG encoding not",
                    color=INK, fontsize=9)  # fmt: skip
    axes.spines["left"].set_visible(False)
    if labelled:
        figure.legend(loc="outside lower center", ncols=len(labelled), frameon=False, fontsize=9,
                      handlelength=1.0)  # fmt: skip
    _title(axes, "Latency by stage", report)
    return figure


def size_plot(report: Mapping[str, Any]) -> Any:
    """Megabytes of every artefact, of bundles by file."""
    artefacts = {n: a for n, a in report["artefacts"].items() if "size_mb" in a}
    if not artefacts:
        return None
    figure, axes = _axes(8.2, 1.5 + 0.55 * len(artefacts))
    longest = max(artefact["size_mb"] for artefact in artefacts.values())
    labelled: set[str] = set()
    for place, artefact in enumerate(artefacts.values()):
        left = 0.0
        for file, size in artefact["size_bytes"].items():
            part = file.removesuffix(".onnx")
            colour = STAGE_COLOURS.get(part, PALE)
            label = part if part in STAGE_COLOURS and part not in labelled else None
            labelled |= {part} & STAGE_COLOURS.keys()
            axes.barh(place, size / 1e6, left=left, height=0.62, color=colour, label=label,
                      edgecolor="white", linewidth=0.8)  # fmt: skip
            if size / 1e6 > 0.034 * longest and part in STAGE_COLOURS:
                axes.text(left + size / 2e6, place, f"{size / 1e6:.1f}", ha="center",
                          va="center", color="white", fontsize=9)  # fmt: skip
            left += size / 1e6
        axes.text(artefact["size_mb"] + 0.012 * longest, place, f"{artefact['size_mb']:.2f} MB",
                  va="center", color=INK, fontsize=10, fontweight="bold")  # fmt: skip
    axes.set_yticks(range(len(artefacts)), [_label(name) for name in artefacts])
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.16)
    axes.set_xlabel("megabytes of 10⁶ bytes", color=INK, fontsize=9)
    axes.spines["left"].set_visible(False)
    if labelled:
        figure.legend(loc="outside lower center", ncols=len(labelled), frameon=False, fontsize=9,
                      handlelength=1.0)  # fmt: skip
    _title(axes, "Size by precision")
    return figure


def batch_plot(report: Mapping[str, Any]) -> Any:
    """Milliseconds a picture against pictures a call, for fused files; None without two batches."""
    lines: dict[tuple[str, str, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for name, provider, threads, batch, cell in cells_of(report):
        if name.startswith("fused_") and "p50" in cell["pipeline_ms"]:
            lines.setdefault((name, provider, threads), []).append((int(batch), cell))
    lines = {key: points for key, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    figure, axes = _axes(8.2, 4.6)
    ends: list[tuple[float, str, str]] = []
    top = 0.0
    batches = sorted({batch for points in lines.values() for batch, _ in points})
    for (name, provider, threads), points in lines.items():
        precision = name.removeprefix("fused_")
        xs, lows, mids, highs = _per_picture(points)
        colour, dashed = PRECISION_COLOURS[precision], threads != next(iter(lines))[2]
        axes.plot(xs, mids, color=colour, marker=MARKERS[precision], markersize=6,
                  linestyle="--" if dashed else "-", linewidth=1.8)  # fmt: skip
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.15, linewidth=0)
        top = max(top, *highs)
        where = "" if provider == "cpu" else f", {provider}"
        ends.append((mids[-1], f"{precision.upper()}, {_threads(threads)}{where}", colour))
    axes.set_ylim(0, 1.08 * top)
    _end_labels(axes, ends, batches[-1], 0.055 * top)
    axes.set_xscale("log", base=2)
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.minorticks_off()
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    axes.set_xlabel("pictures a call", color=INK, fontsize=9)
    axes.set_ylabel("ms a picture, p50 and interval", color=INK, fontsize=9)
    _title(axes, "Cost against batch, one file for the whole way", report)
    return figure


def _per_picture(
    points: Sequence[tuple[int, Mapping[str, Any]]],
) -> tuple[list[int], list[float], list[float], list[float]]:
    """Batches, and milliseconds a picture: low end, p50, high end."""
    ordered = sorted(points, key=lambda point: point[0])
    xs = [batch for batch, _ in ordered]
    times = [cell["pipeline_ms"] for _, cell in ordered]
    mids = [t["p50"] / batch for batch, t in zip(xs, times, strict=True)]
    lows, highs = (
        [t["intervals"]["p50"][end] / batch for batch, t in zip(xs, times, strict=True)]
        for end in (0, 1)
    )
    return xs, lows, mids, highs


def _end_labels(axes: Any, ends: list[tuple[float, str, str]], last: int, apart: float) -> None:
    """Names beside the ends of the lines, moved apart where they would overlap."""
    floor = 0.0
    for value, text, colour in sorted(ends):
        place = max(value, floor)
        floor = place + apart
        axes.annotate(text, (last, place), xytext=(10, 0), textcoords="offset points",
                      va="center", color=colour, fontsize=9, annotation_clip=False)  # fmt: skip
