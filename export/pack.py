"""From a checkpoint to a checked bundle: built, compared, written whole or not at all."""

import contextlib
import copy
import importlib.metadata
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx

from export.card import CARD, model_card
from export.compose import OPSET
from export.fused import fused_graph
from export.fused_parity import FusedParity, compare_fused
from export.graphs import PRECISIONS, engine_graphs
from export.integers import check_integer_kernels
from export.parity import Parity, compare_runners, parity_table
from export.torch_runner import TorchRunner
from t2a_edge.bundle import ENGINES, engine_file, load_bundle, write_manifest
from t2a_edge.errors import ExportError
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import OnnxRunner
from train.checkpoint import file_sha256
from train.models.qat import disable
from train.models.whole import WholeModel

NOISE_SPECIFICATION = "docs/noise.md"
DESCRIPTION = ("spec", "precision", "noise", "licence", "checkpoint_sha256", "source_commit")
METADATA = "t2a_edge"  # key of a fused graph's description among its metadata
FIGURES = ("card", "scores")  # of a manifest, which hold measured numbers
PARITY = "PARITY.md"
PARITY_TITLE = """\
# Parity

Both sides of a link are handed the same inputs; then each draws alone, with the same seeds.

"""
PACKAGES = ("torch", "onnx", "onnxruntime")


def export_bundle(
    model: WholeModel, checkpoint: Path, folder: Path, precision: str
) -> list[Parity]:
    """Write one bundle; returns how far each link of the way to it is from the one before.

    Args:
        model: as `WholeModel.load` gives it.
        checkpoint: the file it came from, named in the manifest by its sha256.
        folder: where the bundle goes; a bundle there is replaced.
        precision: "fp32", "fp16" or "int8".

    Raises:
        ExportError: the precision is unknown, INT8 does not run in INT8, or the engines do not
            match the model. Nothing is written then.
    """
    if precision not in PRECISIONS:
        raise ExportError(
            f"The precision is {precision!r}; expected one of {', '.join(PRECISIONS)}."
        )
    links, spec = [], model.spec
    with replaced(folder) as temporary:
        for module in model.modules.values():
            disable(module)
        source = TorchRunner(model)
        if precision == "int8":
            source = TorchRunner(copy.deepcopy(model))
            model.use_int8()
            quantised = TorchRunner(model)
            links.append(compare_runners(source, quantised, spec, "quantisation"))
            source = quantised
        kernels = {}
        for name, graph in engine_graphs(model, precision).items():
            if precision == "int8":
                kernels[name] = check_integer_kernels(name, graph)
            onnx.save(graph, temporary / engine_file(name))
        with OnnxRunner(temporary) as candidate:
            links.append(compare_runners(source, candidate, spec, precision))
        for link in links:
            link.check()
        report = {link.link: link.to_json() for link in links}
        manifest = _manifest(model, checkpoint, precision, report, kernels)
        (temporary / PARITY).write_text(PARITY_TITLE + parity_table(links) + "\n", encoding="utf-8")
        describe(temporary, manifest, [engine_file(name) for name in ENGINES])
    return links


def export_fused(folder: Path, target: Path) -> FusedParity:
    """Write a bundle's engines as one graph, which carries its own description.

    Args:
        folder: the bundle.
        target: the ONNX file; one that is there is replaced.

    Raises:
        BundleError: the bundle is missing or damaged.
        ExportError: the graph does not draw what the engines draw. Nothing is written then.
    """
    with TextToArt(folder) as engine:
        bundle = engine.bundle
        parts = {name: onnx.load(folder / engine_file(name)) for name in ENGINES}
        graph = fused_graph(parts, bundle.spec)
        parity = compare_fused(graph, engine)
    parity.check()
    about = {name: bundle.manifest.get(name, "") for name in DESCRIPTION}
    about |= {"bundle": bundle.bundle_hash, "title": bundle.about("title")}
    onnx.helper.set_model_props(graph, {METADATA: json.dumps(about, sort_keys=True)})
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    onnx.save(graph, temporary)
    temporary.replace(target)
    return parity


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` if nothing fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.urandom(8).hex()}")
    temporary.mkdir()  # of the mode that the umask leaves, unlike one of `tempfile`
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def rounded(value: Any) -> Any:
    """JSON values, numbers that are not whole to five significant digits."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def describe(folder: Path, manifest: Mapping[str, Any], files: list[str]) -> None:
    """Write manifest and model card beside the engines of a folder."""
    figures = {key: rounded(manifest[key]) for key in FIGURES if key in manifest}
    write_manifest(folder, {**manifest, **figures}, files)
    (folder / CARD).write_text(model_card(load_bundle(folder)), encoding="utf-8")


def _manifest(
    model: WholeModel,
    checkpoint: Path,
    precision: str,
    parity: dict[str, Any],
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
        "parity": parity,
        "about": asdict(model.preset.card),
        "licence": model.preset.card.licence,
        "card": model.card,
        "checkpoint_sha256": file_sha256(checkpoint),
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
