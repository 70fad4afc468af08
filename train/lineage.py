"""What each stage writes of itself; in order, these records are a model's lineage.

A record says which command made which files (by sha256) of which (by sha256), from what data, with
what seed, how long it took and on what machine; the stage's figures follow.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from train.checkpoint import file_sha256, write_report
from train.data.pictures import folder_sha256
from train.loop import Fit
from train.run import Run

BEST = "best.safetensors"


def machine() -> dict[str, Any]:
    """What a stage ran on; no names of hosts or people."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "system": platform.system(), "python": platform.python_version(),
        "torch": torch.__version__,
    }  # fmt: skip


def data_record(run: Run, *, studio: bool = True, more: bool = False) -> dict[str, Any]:
    """What pictures a stage learned from, each kind with a sha256.

    Args:
        studio: whether it saw the studio's.
        more: whether it saw the pictures without words.
    """
    found: dict[str, Any] = {}
    if studio:
        store = run.studio()
        found["studio"] = {
            "pictures": len(store), "seed": run.preset.data.studio_seed, "code": store.version,
            "sha256": file_sha256(store.lines),
        }  # fmt: skip
    for name, folder in (("paintings", run.data), ("more", run.more if more else None)):
        if folder is not None:
            count, digest = folder_sha256(folder)
            found[name] = {"pictures": count, "sha256": digest}
    return found


def write_record(
    run: Run, fit: Fit, *, data: Mapping[str, Any], inputs: Mapping[str, str],
    outputs: Sequence[str] = (BEST,), **figures: Any,
) -> dict[str, Any]:  # fmt: skip
    """Write the report that marks a stage as finished: its record, then its figures.

    Args:
        fit: of the stage, run to its end.
        data: what it learned from, by kind.
        inputs: sha256 of the files of earlier stages that it used, by name.
        outputs: files in its folder that it made.
    """
    state, batch = fit.state, fit.fit.batch
    samples = state.step * batch
    record = {
        "stage": fit.folder.name, "command": run.command, "overrides": list(run.overrides),
        "seed": fit.fit.seed, "data": dict(data), "inputs": dict(inputs),
        "outputs": {f"{fit.folder.name}/{n}": file_sha256(fit.folder / n) for n in outputs},
        "steps": state.step, "float_steps": state.float_end, "samples": samples,
        "seconds": round(state.seconds, 1),
        "samples_per_second": round(samples / max(state.seconds, 1e-9), 1),
        "processes": run.together.size, "machine": machine(),
    }  # fmt: skip
    return write_report(fit.folder, record | figures)
