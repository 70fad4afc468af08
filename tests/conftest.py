"""One tiny seeded model for the whole test run: trained and exported through the real path."""

import json
import os
from collections.abc import Callable
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


def shared_folder(
    factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]
) -> Path:
    """A folder that is filled once in a test run; workers of pytest-xdist wait for each other."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        fill(folder)
        return folder
    import fcntl  # here: a run without workers needs no locks, nor does Windows

    root = factory.getbasetemp().parent  # of all workers
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():  # one who failed leaves the next one to fail for himself
            folder.mkdir(exist_ok=True)
            fill(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated images that stands in for the paintings."""

    def fill(root: Path) -> None:
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

    return shared_folder(tmp_path_factory, "data", fill)


@pytest.fixture(scope="session")
def quick_judging():
    """A selection of the tiny model is judged by fewer pictures: what they show is chance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.selection_task.JUDGED_WORDLESS", 16)
        patch.setattr("train.selection_task.JUDGED_DRAWS", 1)
        yield


@pytest.fixture(scope="session")
def tiny_run(data_folder: Path, quick_judging: None, tmp_path_factory: pytest.TempPathFactory):
    """A finished run of the tiny preset: every stage trained, reports written."""
    from train.config import load_preset
    from train.stages import Run, train_all

    def run(folder: Path) -> Run:
        return Run(load_preset("tiny"), folder, data_folder)

    return run(shared_folder(tmp_path_factory, "run", lambda folder: train_all(run(folder))))


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in one safetensors file."""
    from train.stages import assemble_model

    def fill(folder: Path) -> None:
        assemble_model(tiny_run).save(folder / "tiny.safetensors")

    return shared_folder(tmp_path_factory, "checkpoint", fill) / "tiny.safetensors"


@pytest.fixture(scope="session")
def tiny_exports(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model's bundles, and with the graphs that torch traced for them."""
    from export.graphs import onnx_from_module
    from export.pack import PRECISIONS, export_bundle
    from train.model import Model

    def fill(folder: Path) -> None:
        model = Model.load(tiny_checkpoint)
        for precision in PRECISIONS:
            traced = folder / form_of(precision)
            traced.mkdir(exist_ok=True)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("export.pack.onnx_from_module", kept_tracing(traced))
                export_bundle(model, tiny_checkpoint, folder / f"tiny-{precision}", precision)

    def kept_tracing(traced: Path):
        def trace(name: str, source):
            path = traced / f"{name}.onnx"
            if not path.exists():  # FP16 starts from the graphs of FP32
                onnx.save(onnx_from_module(name, source), path)
            return onnx.load(path)

        return trace

    import onnx

    return shared_folder(tmp_path_factory, "bundles", fill)


def form_of(precision: str) -> str:
    """Which graphs a precision starts from: "int8" has its quantisers, the others are alike."""
    return "traced-int8" if precision == "int8" else "traced-float"


@pytest.fixture(scope="session")
def tiny_tracing(tiny_exports: Path):
    """`tiny_tracing(precision)` stands in for `onnx_from_module` of the tiny model: no tracing."""
    import onnx

    def stand_in(precision: str):
        traced = tiny_exports / form_of(precision)
        return lambda name, _source: onnx.load(traced / f"{name}.onnx")

    return stand_in


@pytest.fixture(scope="session")
def tiny_bundles(tiny_exports: Path) -> Path:
    """A folder with the tiny model's bundles, `tiny-fp32`, `tiny-fp16` and `tiny-int8`."""
    return tiny_exports


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
