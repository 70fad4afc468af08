"""One tiny seeded model, made through the real path: painted, trained, assembled, exported."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from t2a_edge.spec import Spec

WORDS = [("warm", "smooth"), ("cool", "striped"), ("dark", "vertical"), ("pale", "horizontal")]
COLOURS = [(220, 120, 60), (60, 120, 220), (40, 40, 50), (240, 235, 225)]
IMAGES = 32
FORMS = 12
VOCABULARY = tuple(sorted({word for pair in WORDS for word in pair}))
PRECISIONS = ("fp32", "fp16", "int8")


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


def tiny_lexicon() -> Any:
    """Random targets for the known adjectives: no teacher is asked."""
    import torch

    from t2a_edge.vocabulary import known_words
    from train.words.lexicon.labels import COLUMNS
    from train.words.task import Lexicon

    words, generator = known_words(), torch.Generator().manual_seed(1)
    teacher = torch.nn.functional.normalize(torch.randn(len(words), 4, generator=generator))
    scores = torch.rand(len(words), len(COLUMNS), generator=generator)
    pairs = torch.tensor([[words.index("warm"), words.index("cold")]])
    return Lexicon(words, teacher, scores, torch.arange(len(words)), pairs, pairs.flip(1))


def tiny_run_of(folder: Path, data: Path) -> Any:
    """The run of the tiny preset in a folder, whether it is trained yet or not."""
    from train.preset import load_preset
    from train.run import Run

    return Run(load_preset("tiny"), folder, data, workers=1)


def fill_run(folder: Path, data: Path) -> None:
    """Run the whole recipe with the tiny preset."""
    from train.stages.recipe import train_all
    from train.words.lexicon.teachers import Sources

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.words.stage.build_lexicon", lambda *_: (tiny_lexicon(), {}))
        train_all(tiny_run_of(folder, data), Sources())


def base_spec() -> Spec:
    """The shapes of the model that ships."""
    from train.preset import load_preset

    preset = load_preset("base")
    return preset.spec(preset.bank.size)


def tiny_spec() -> Spec:
    """The shapes of the tiny bundle."""
    from train.preset import load_preset

    return replace(load_preset("tiny").spec(FORMS), steps=4)


def fill_bundle(folder: Path, precision: str) -> None:
    """A bundle of random weights, traced as an export does it.

    Args:
        folder: is filled; it gets a checkpoint too, which is none of a training.
    """
    import hashlib

    import onnx

    from export.graphs import engine_graphs
    from t2a_edge.bundle import engine_file, write_manifest
    from tests.export.small_model import random_model
    from train.preset import load_preset

    model = random_model(load_preset("tiny"), FORMS, VOCABULARY)
    parts = engine_graphs(model, precision)
    for name, graph in parts.items():
        onnx.save(graph, folder / engine_file(name))
    manifest = {
        "spec": tiny_spec().to_json(),
        "vocabulary": list(VOCABULARY), "precision": precision,
        "checkpoint_sha256": hashlib.sha256(b"tiny").hexdigest(),
        "about": {"title": "tiny", "licence": "MIT", "data": "none", "limits": "random"},
        "parameters": sum(p.numel() for m in model.modules.values() for p in m.parameters()),
    }  # fmt: skip
    write_manifest(folder, manifest, [engine_file(name) for name in parts])
