"""Puts the models where the page finds them, with a manifest: `python -m web.prepare`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from export.pack import export_fused
from t2a_edge.bundle import engine_file, load_bundle
from t2a_edge.errors import T2AEdgeError
from t2a_edge.vocabulary import AXES, HUES, MOODS

ROOT = Path(__file__).resolve().parents[1]
FUSED = ROOT / "dist" / "base-int8.onnx"
MODELS = Path(__file__).resolve().parent / "public" / "models"


def manifest() -> dict[str, Any]:
    """What the page knows of the model and of the words."""
    bundle = load_bundle(None)
    axes = [
        {
            "name": axis.name,
            "negative": axis.negative_words[:1],
            "positive": axis.positive_words[:1],
        }
        for axis in AXES
    ]
    return {
        "spec": bundle.spec.to_json(),
        "checkpoint": bundle.manifest["checkpoint_sha256"],
        "bundle": bundle.bundle_hash,
        "licence": bundle.manifest["licence"],
        "vocabulary": list(bundle.vocabulary),
        "axes": axes,
        "hues": list(HUES),
        "moods": list(MOODS),
    }


def prepare(models: Path = MODELS) -> None:
    """Write the models and the manifest.

    The fused graph is that of `make export` where it is of the shipped bundle; otherwise it is
    made from the bundle, which takes half a minute.
    """
    models.mkdir(parents=True, exist_ok=True)
    bundle, generator = load_bundle(None), models / "generator.onnx"
    if bundle_of(generator) != bundle.bundle_hash:
        if bundle_of(FUSED) == bundle.bundle_hash:
            shutil.copyfile(FUSED, generator)
        else:
            export_fused(bundle.folder, generator)
    decoder = models / "decoder.onnx"
    shutil.copyfile(bundle.folder / engine_file("decoder"), decoder)
    sizes = {file.stem: file.stat().st_size for file in (generator, decoder)}
    text = json.dumps({**manifest(), "bytes": sizes}, ensure_ascii=False, sort_keys=True)
    (models / "manifest.json").write_text(text, encoding="utf-8")


def bundle_of(fused: Path) -> str | None:
    """Hash of the bundle that a fused graph was made of; None where there is no such graph."""
    try:
        about = {entry.key: entry.value for entry in onnx.load(fused).metadata_props}
        return str(json.loads(about["t2a_edge"])["bundle"])
    except (OSError, DecodeError, KeyError, ValueError):
        return None


if __name__ == "__main__":
    try:
        prepare()
    except (T2AEdgeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
