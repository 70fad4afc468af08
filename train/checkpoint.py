"""Weights and training state on disk: safetensors, written whole or not at all."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from t2a_edge.checks import shown
from t2a_edge.documents import is_file
from t2a_edge.errors import CheckpointError
from t2a_edge.files import write_whole
from train.documents import json_object

FORMAT = 1
REPORT = "report.json"
SOURCES = {"key": "codec, text engine or deep latent"}  # what a name of a source stands for


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON description; an interrupted write leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    metadata = {"about": json.dumps({"format": FORMAT, **about}, sort_keys=True)}
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises:
        CheckpointError: the file is missing, damaged or of another format.
    """
    if not is_file(path):
        raise CheckpointError(
            f"No checkpoint at {path}; train one with `make train`, or name another."
        )
    try:
        with safe_open(path, framework="pt") as opened:
            about = json_object((opened.metadata() or {}).get("about", "{}"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as exc:  # ValueError: its JSON
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint ({exc}); restore it, or train again."
        ) from exc
    if about.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {shown(about.get('format'))}; expected {FORMAT}. "
            "Train again."
        )
    return tensors, about


def cached_tensors(
    path: Path, key: str, make: Callable[[], Mapping[str, Tensor]]
) -> Mapping[str, Tensor]:
    """Tensors that were made once, as a file has them; one with another key is replaced.

    Args:
        key: names all that they are made of.
        make: makes them.
    """
    if is_file(path):
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            return tensors
    made = make()
    save_tensors(path, made, {"key": key})
    return made


def is_finished(folder: Path) -> bool:
    """Whether the stage of this folder has written its report, the last thing that it does."""
    return is_file(folder / REPORT)


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a finished stage; a CheckpointError where it cannot be read."""
    path = folder / REPORT
    try:
        return json_object(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise CheckpointError(
            f"{path} cannot be read as a report ({exc}); delete it and run the stage again."
        ) from exc


def write_report(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Write the report that marks a stage as finished, and return it."""
    text = json.dumps(report, indent=1) + "\n"
    write_whole(folder / REPORT, text.encode(), error=CheckpointError)
    return report


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def load_stage(
    run_folder: Path, stage: str, what: str = "", **sources: str
) -> tuple[dict[str, Tensor], str]:
    """The best weights of a finished stage, and the sha256 of their file.

    Args:
        what: the stage trains, for an error message; the stage's name by default.
        sources: what the weights' description must name as their sources, by name.

    Raises:
        CheckpointError: the stage is not finished, or was trained on other sources.
    """
    folder = run_folder / stage
    if not is_finished(folder):
        raise CheckpointError(
            f"{run_folder} has no finished {what or stage}; run `python -m train {stage}` first."
        )
    path = folder / "best.safetensors"
    tensors, about = load_tensors(path)
    for name, key in sources.items():
        if about["preset"].get(name) != key:
            raise CheckpointError(
                f"{path} was trained on another {SOURCES.get(name, name.removesuffix('_sha256'))} "
                f"than the one in this run; delete {folder} and run `python -m train {stage}` "
                "again."
            )
    return tensors, file_sha256(path)


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors below `prefix.`, by the rest of their names."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> None:
    """Load weights strictly: every name and shape must match.

    Raises:
        CheckpointError: names or shapes differ.
    """
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        module.load_state_dict(floats, strict=True)
    except RuntimeError as exc:
        first = " ".join(str(exc).split())[:300]
        raise CheckpointError(
            f"The checkpoint's {what} does not fit the preset ({first}); "
            "use the preset it was trained with."
        ) from exc


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as flat names: `index.key`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
