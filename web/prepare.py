"""Copies the models to where the page finds them, with a manifest: `python -m web.prepare`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from t2a_edge.bundle import engine_file, load_bundle
from t2a_edge.errors import BundleError, T2AEdgeError
from t2a_edge.prompt import MAX_WEIGHT, MINUS, SEPARATORS
from t2a_edge.vocabulary import AXES, HUES, MOODS

ROOT = Path(__file__).resolve().parents[1]
FUSED = ROOT / "dist" / "base-int8.onnx"
MODELS = Path(__file__).resolve().parent / "public" / "models"


def folds() -> str:
    """Unicode case folding: each changed character, what becomes of it, and a space."""
    characters = (chr(number) for number in range(sys.maxunicode + 1))
    return " ".join(c + c.casefold() for c in characters if c.casefold() != c)


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
        "prompt": {"separators": SEPARATORS, "minus": MINUS, "max_weight": MAX_WEIGHT},
        "folds": folds(),
    }


def prepare(fused: Path = FUSED, models: Path = MODELS) -> None:
    """Write the models and the manifest.

    Raises:
        BundleError: the fused graph is missing, or of another checkpoint than the bundle.
    """
    if not fused.is_file():
        raise BundleError(f"{fused} is missing; run `make export` first.")
    described = manifest()
    check_same_checkpoint(fused, str(described["checkpoint"]))
    models.mkdir(parents=True, exist_ok=True)
    files = {"generator": fused, "decoder": load_bundle(None).folder / engine_file("decoder")}
    for name, file in files.items():
        shutil.copyfile(file, models / f"{name}.onnx")
    described["bytes"] = {name: file.stat().st_size for name, file in files.items()}
    text = json.dumps(described, ensure_ascii=False, sort_keys=True)
    (models / "manifest.json").write_text(text, encoding="utf-8")


def check_same_checkpoint(fused: Path, checkpoint: str) -> None:
    """A BundleError unless the graph was made from the checkpoint that the bundle names."""
    import onnxruntime

    session = onnxruntime.InferenceSession(fused, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["t2a_edge"])
    if about["checkpoint_sha256"] != checkpoint:
        raise BundleError(
            f"{fused} is of the checkpoint {about['checkpoint_sha256'][:16]}, the bundle of "
            f"{checkpoint[:16]}; run `make export` again."
        )


if __name__ == "__main__":
    try:
        prepare()
    except (T2AEdgeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
