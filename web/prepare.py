"""Puts what the page needs into `web/public/models`: the engines and a manifest.

`python -m web.prepare`; `make web-build` runs it.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from t2a_edge.bundle import ENGINES, Bundle, engine_file, load_bundle
from t2a_edge.errors import T2AEdgeError
from t2a_edge.vocabulary import AXES, HUES, MOODS

ROOT = Path(__file__).resolve().parents[1]
MODELS = Path(__file__).resolve().parent / "public" / "models"


def manifest(bundle: Bundle) -> dict[str, Any]:
    """What the page knows of the model and of the words."""
    axes = [
        {
            "name": axis.name,
            "negative": list(axis.negative_words[:1]),
            "positive": list(axis.positive_words[:1]),
        }
        for axis in AXES
    ]
    files = bundle.manifest["files"]
    return {
        "spec": bundle.spec.to_json(),
        "checkpoint": bundle.model,
        "bundle": bundle.bundle_hash,
        "vocabulary": list(bundle.vocabulary),
        "axes": axes,
        "hues": list(HUES),
        "moods": list(MOODS),
        "bytes": {name: files[engine_file(name)]["bytes"] for name in ENGINES},
    }


def prepare(models: Path = MODELS) -> None:
    """Write the shipped bundle's engines and the manifest; nothing else stays in the folder.

    Raises:
        BundleError: the bundle is missing or damaged.
    """
    bundle = load_bundle(None)
    shutil.rmtree(models, ignore_errors=True)
    models.mkdir(parents=True)
    for name in ENGINES:
        shutil.copyfile(bundle.folder / engine_file(name), models / engine_file(name))
    text = json.dumps(manifest(bundle), ensure_ascii=False, sort_keys=True)
    (models / "manifest.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        prepare()
    except (T2AEdgeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
