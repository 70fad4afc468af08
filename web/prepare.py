"""Puts what the page needs into `web/public/models`: the engines and a manifest.

`python -m web.prepare`; `make web-build` runs it.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from t2a_edge.bundle import ENGINES, Bundle, engine_file, load_bundle
from t2a_edge.errors import T2AEdgeError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.vocabulary import AXES, HUES, MOODS

ROOT = Path(__file__).resolve().parents[1]
MODELS = Path(__file__).resolve().parent / "public" / "models"
# what would be written for this processor alone, and what only makes the files larger
LEFT_OUT = ["NchwcTransformer", "ConstantFolding"]
HASH_DIGITS = 8  # of a file's content, in its name


def optimized(source: Path, target: Path) -> None:
    """Write an engine as ONNX Runtime keeps it once it is loaded, so that loading it costs less."""
    ort = onnx_runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(
        source, options, providers=["CPUExecutionProvider"], disabled_optimizers=LEFT_OUT
    )


def write_engines(bundle: Bundle, folder: Path) -> dict[str, str]:
    """Write the engines of a bundle into a folder that is there.

    Returns:
        The file name of each engine; it changes when the content does, so that browsers and
        servers may keep a file for ever.
    """
    names = {}
    for name in ENGINES:
        written = folder / f"{name}.ort"
        optimized(bundle.folder / engine_file(name), written)
        digest = hashlib.sha256(written.read_bytes()).hexdigest()[:HASH_DIGITS]
        names[name] = f"{name}-{digest}.ort"
        written.rename(folder / names[name])
    return names


def knowledge(bundle: Bundle) -> dict[str, Any]:
    """What the page knows of the model and of the words."""
    axes = [
        {
            "name": axis.name,
            "negative": list(axis.negative_words[:1]),
            "positive": list(axis.positive_words[:1]),
        }
        for axis in AXES
    ]
    return {
        "spec": bundle.spec.to_json(),
        "checkpoint": bundle.model,
        "bundle": bundle.bundle_hash,
        "vocabulary": list(bundle.vocabulary),
        "axes": axes,
        "hues": list(HUES),
        "moods": list(MOODS),
    }


def write_models(bundle: Bundle, folder: Path) -> None:
    """Write engines and manifest.json; nothing else stays in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = write_engines(bundle, folder)
    sizes = {name: (folder / file).stat().st_size for name, file in files.items()}
    manifest = {**knowledge(bundle), "files": files, "bytes": sizes}
    text = json.dumps(manifest, ensure_ascii=False, sort_keys=True)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        write_models(load_bundle(None), MODELS)
    except (T2AEdgeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
