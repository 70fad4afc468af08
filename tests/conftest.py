"""One tiny seeded model for the whole test run: trained and exported through the real path."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

# One thread: the tests share the machine with whatever else runs, and stay exact.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests that import onnxruntime themselves, or have Node or C++ do so, send nothing either.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests import tiny

# Hypothesis without its clock: a busy machine is no failure.
settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def shared_root(factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, the same for all workers of pytest-xdist."""
    return factory.getbasetemp().parent if WORKER else factory.getbasetemp()


def once(folder: Path, part: str, fill: Callable[[Path], object]) -> Path:
    """A folder whose part is filled once in a test run; workers wait for each other."""
    if not WORKER:
        if not folder.exists():
            folder.mkdir()
            fill(folder)
        return folder
    import fcntl  # here: a run without workers needs no locks, nor does Windows

    done = folder.with_name(f"{folder.name}-{part}.done")
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():  # one who failed leaves the next one to fail for himself
            folder.mkdir(exist_ok=True)
            fill(folder)
            done.touch()
    return folder


def shared_folder(
    factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]
) -> Path:
    """A folder that is filled once in a test run."""
    return once(shared_root(factory) / name, "all", fill)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated images that stands in for the paintings."""
    return shared_folder(tmp_path_factory, "data", tiny.fill_data)


@pytest.fixture(scope="session")
def tiny_run(data_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """A finished run of the tiny preset: every stage trained, reports written."""
    folder = shared_folder(tmp_path_factory, "run", lambda f: tiny.fill_run(f, data_folder))
    return tiny.tiny_run_of(folder, data_folder)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_run) -> Path:
    """The tiny model in one safetensors file."""
    from train.stages.recipe import MODEL

    return Path(tiny_run.folder / MODEL)


def filled_bundle(factory: pytest.TempPathFactory, precision: str) -> Path:
    """A tiny bundle of random weights, made once in a test run."""
    root = shared_root(factory) / "bundles"
    root.mkdir(exist_ok=True)
    fill = functools.partial(tiny.fill_bundle, precision=precision)
    return once(root / f"tiny-{precision}", "all", fill)


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model's bundles, `tiny-fp32`, `tiny-fp16` and `tiny-int8`."""
    found = [filled_bundle(tmp_path_factory, precision) for precision in tiny.PRECISIONS]
    return found[0].parent


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's INT8 bundle."""
    return filled_bundle(tmp_path_factory, "int8")


@pytest.fixture
def observed():
    """Makes a module look as if its fake-quantisers had seen activations."""
    from train.models.qat import FakeQuantize

    def observe(module):
        for part in module.modules():
            if isinstance(part, FakeQuantize):
                part.amax.fill_(4.0)
        return module

    return observe
