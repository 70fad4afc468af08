"""Copies the models to where the page finds them, with a manifest of what it must know of them."""

import json
import shutil
import sys
from pathlib import Path

from t2a_edge.bundle import engine_file, load_bundle
from t2a_edge.errors import BundleError, T2AEdgeError
from t2a_edge.prompt import MAX_WEIGHT, MINUS, SEPARATORS
from t2a_edge.vocabulary import AXES

ROOT = Path(__file__).resolve().parents[1]
FUSED = ROOT / "dist" / "base-int8.onnx"
MODELS = Path(__file__).resolve().parent / "public" / "models"


def folds() -> dict[str, str]:
    """Characters that Unicode case folding changes otherwise than lower case does."""
    characters = (chr(number) for number in range(sys.maxunicode + 1))
    return {c: c.casefold() for c in characters if c.casefold() != c.lower()}


def manifest() -> dict[str, object]:
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
        "prompt": {"separators": SEPARATORS, "minus": MINUS, "max_weight": MAX_WEIGHT},
        "folds": folds(),
    }


def prepare() -> None:
    """Write the models and the manifest."""
    if not FUSED.is_file():
        raise BundleError(f"{FUSED} is missing; run `make export` first.")
    described = manifest()
    MODELS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(FUSED, MODELS / "generator.onnx")
    shutil.copyfile(load_bundle(None).folder / engine_file("decoder"), MODELS / "decoder.onnx")
    text = json.dumps(described, ensure_ascii=False, sort_keys=True)
    (MODELS / "manifest.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        prepare()
    except (T2AEdgeError, OSError) as error:
        sys.exit(f"error: {error}")
