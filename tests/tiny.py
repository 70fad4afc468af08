"""One tiny seeded model, made through the real path: painted, trained, assembled, exported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WORDS = [("warm", "smooth"), ("cool", "striped"), ("dark", "vertical"), ("pale", "horizontal")]
COLOURS = [(220, 120, 60), (60, 120, 220), (40, 40, 50), (240, 235, 225)]
IMAGES = 32
CHECKPOINT = "tiny.safetensors"
FORMS = ("traced-float", "traced-int8")


def paint(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A small picture of one of four kinds: a colour with stripes and grain."""
    height, width = 44, 44 + 4 * int(rng.integers(4))
    rows, columns = np.mgrid[:height, :width]
    wave = np.sin((columns if kind % 2 else rows) * (0.3 + 0.3 * rng.random()))
    grain = rng.normal(0, 8, (height, width, 1))
    picture = np.array(COLOURS[kind]) + 25 * wave[..., None] + grain
    return picture.clip(0, 255).astype(np.uint8)


def fill_data(root: Path) -> None:
    """A folder of generated images that stands in for the paintings."""
    (root / "images").mkdir()
    rng = np.random.default_rng(1)
    lines = []
    for number in range(IMAGES):
        kind = number % 4
        name = f"images/{number:02}.png"
        Image.fromarray(paint(kind, rng)).save(root / name)
        split = "val" if number >= IMAGES - 8 else "train"
        split = "test" if number >= IMAGES - 4 else split
        row = {"id": str(number), "file": name, "split": split, "adjectives": WORDS[kind]}
        lines.append(json.dumps(row))
    (root / "pictures.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def judge_quickly(patch: pytest.MonkeyPatch) -> None:
    """A selection of the tiny model is judged by fewer pictures: what they show is chance."""
    patch.setattr("train.selection_task.JUDGED_WORDLESS", 16)
    patch.setattr("train.selection_task.JUDGED_DRAWS", 1)


def tiny_run_of(folder: Path, data: Path) -> Any:
    """The run of the tiny preset in a folder, whether it is trained yet or not."""
    from train.config import load_preset
    from train.stages import Run

    return Run(load_preset("tiny"), folder, data)


def fill_run(folder: Path, data: Path) -> None:
    """Train every stage of the tiny preset."""
    from train.stages import train_all

    train_all(tiny_run_of(folder, data))


def fill_checkpoint(folder: Path, run: Any) -> None:
    """The model of a finished run in one file."""
    from train.stages import assemble_model

    assemble_model(run).save(folder / CHECKPOINT)


def form_of(precision: str) -> str:
    """Which graphs a precision starts from: INT8 has its quantisers, the others are alike."""
    return FORMS[precision == "int8"]


def fill_exports(folder: Path, checkpoint: Path, form: str) -> None:
    """The bundles `tiny-...` that start from a form of graphs, and the graphs as torch traced them.

    Args:
        form: one of `FORMS`.
    """
    import onnx

    from export.graphs import onnx_from_module
    from export.pack import PRECISIONS, export_bundle
    from train.model import Model

    def trace(name: str, source: Any) -> onnx.ModelProto:
        path = traced / f"{name}.onnx"
        if not path.exists():  # FP16 starts from the graphs of FP32
            onnx.save(onnx_from_module(name, source), path)
        return onnx.load(path)

    model, traced = Model.load(checkpoint), folder / form
    traced.mkdir()
    for precision in [p for p in PRECISIONS if form_of(p) == form]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("export.pack.onnx_from_module", trace)
            export_bundle(model, checkpoint, folder / f"tiny-{precision}", precision)
