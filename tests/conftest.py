"""One tiny seeded model for the whole test run: trained and exported through the real path."""

import json
import os
from pathlib import Path

# One thread: the tests share the machine with whatever else runs, and stay exact.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# Hypothesis without its clock: a busy machine is no failure.
settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")

WORDS = [("warm", "smooth"), ("cool", "striped"), ("dark", "vertical"), ("pale", "horizontal")]
COLOURS = [(220, 120, 60), (60, 120, 220), (40, 40, 50), (240, 235, 225)]
IMAGES = 32


def paint(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A small picture of one of four kinds: a colour with stripes and grain."""
    height, width = 44, 44 + 4 * int(rng.integers(4))
    rows, columns = np.mgrid[:height, :width]
    wave = np.sin((columns if kind % 2 else rows) * (0.3 + 0.3 * rng.random()))
    grain = rng.normal(0, 8, (height, width, 1))
    picture = np.array(COLOURS[kind]) + 25 * wave[..., None] + grain
    return picture.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated images that stands in for the paintings."""
    root = tmp_path_factory.mktemp("data")
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
    return root


@pytest.fixture(scope="session")
def tiny_run(data_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """A finished run of the tiny preset: every stage trained, reports written."""
    from train.config import load_preset
    from train.stages import Run, train_all

    run = Run(load_preset("tiny"), tmp_path_factory.mktemp("run"), data_folder)
    train_all(run)
    return run


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in one safetensors file."""
    from train.stages import assemble_model

    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    assemble_model(tiny_run).save(path)
    return path


@pytest.fixture(scope="session")
def tiny_bundles(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model's bundles, `tiny-fp32` and `tiny-int8`."""
    from export.pack import PRECISIONS, export_bundle
    from train.model import Model

    folder = tmp_path_factory.mktemp("bundles")
    model = Model.load(tiny_checkpoint)
    for precision in PRECISIONS:
        export_bundle(model, tiny_checkpoint, folder / f"tiny-{precision}", precision)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tiny_bundles: Path) -> Path:
    """The tiny model's INT8 bundle."""
    return tiny_bundles / "tiny-int8"


@pytest.fixture
def observed():
    """Makes a module look as if its fake-quantisers had seen activations."""
    from train.qat import FakeQuantize

    def observe(module):
        for part in module.modules():
            if isinstance(part, FakeQuantize):
                part.amax.fill_(4.0)
        return module

    return observe
