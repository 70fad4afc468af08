"""From a checkpoint to a checked bundle: traced, compared, packed, written whole or not at all."""

import contextlib
import hashlib
import importlib.metadata
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from export.card import CARD, model_card
from export.graphs import OPSET, graph_sources, onnx_from_module
from export.parity import Parity, compare_runners
from export.qdq import check_integer_kernels, cpu_form, store_tables, tidy
from export.torch_runner import TorchRunner
from t2a_edge.bundle import engine_file, engines, load_bundle, write_manifest
from t2a_edge.errors import ExportError
from t2a_edge.runner import OnnxRunner
from train.model import Model
from train.qat import disable

PRECISIONS = ("fp32", "int8")
NOISE_SPECIFICATION = "t2a_edge.noise, version 1"
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime")


def export_bundle(model: Model, checkpoint: Path, folder: Path, precision: str) -> Parity:
    """Write one bundle.

    Args:
        model: as `Model.load` gives it.
        checkpoint: the file it came from, named in the manifest by its sha256.
        folder: where the bundle goes; a bundle there is replaced.
        precision: "fp32" or "int8".

    Raises:
        ExportError: the precision is unknown, a graph cannot be traced, INT8 does not run in
            INT8, or the graphs do not match the model. Nothing is written then.
    """
    if precision not in PRECISIONS:
        raise ExportError(
            f"The precision is {precision!r}; expected one of {', '.join(PRECISIONS)}."
        )
    if precision == "int8":
        model.use_int8()
    else:
        for module in model.modules:
            disable(module)
    with replaced(folder) as temporary:
        kernels = _write_engines(model, temporary, precision)
        names = engines(model.spec)
        with OnnxRunner(temporary, names) as candidate:
            parity = compare_runners(TorchRunner(model), candidate, model.spec, precision)
        parity.check()
        manifest = _manifest(model, checkpoint, precision, parity, kernels)
        describe(temporary, manifest, [engine_file(name) for name in names])
    return parity


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` if nothing fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def describe(folder: Path, manifest: Mapping[str, Any], files: list[str]) -> None:
    """Write manifest and model card beside the engines of a folder."""
    write_manifest(folder, manifest, files)
    (folder / CARD).write_text(model_card(load_bundle(folder)), encoding="utf-8")


def _write_engines(model: Model, folder: Path, precision: str) -> dict[str, dict[str, int]]:
    """Trace, tidy and save the engines; returns the integer kernels of each."""
    kernels = {}
    for name, source in graph_sources(model).items():
        graph = tidy(onnx_from_module(name, source))
        if precision == "int8":
            graph = cpu_form(store_tables(graph))
            kernels[name] = check_integer_kernels(name, graph)
        onnx.save(graph, folder / engine_file(name))
    return kernels


def _manifest(
    model: Model,
    checkpoint: Path,
    precision: str,
    parity: Parity,
    kernels: dict[str, dict[str, int]],
) -> dict[str, Any]:
    return {
        "spec": model.spec.to_json(),
        "vocabulary": list(model.vocabulary),
        "precision": precision,
        "opset": OPSET,
        "noise": NOISE_SPECIFICATION,
        "parameters": model.parameter_count(),
        "integer_kernels": kernels,
        "parity": parity.to_json(),
        "about": asdict(model.preset.card),
        "licence": model.preset.card.licence,
        "card": model.card,
        "checkpoint_sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "source_commit": source_commit(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def source_commit() -> str:
    """The commit that the export ran from, "-dirty" if files differ; "unknown" without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
