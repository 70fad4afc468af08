"""Artefacts to measure without training anything: copies of the shipped bundle."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from t2a_edge.bundle import ENGINES, MANIFEST, SHIPPED, engine_file, write_manifest

PLAIN = ("fp32", "int8")


def say_precision(folder: Path, precision: str) -> None:
    """Make a bundle say that it is of this precision, with hashes that agree."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["precision"] = precision
    del manifest["files"], manifest["format"]
    write_manifest(folder, manifest, [engine_file(name) for name in ENGINES])


@pytest.fixture(scope="session")
def shipped_pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pair-fp32` and `pair-int8`, both the shipped INT8 bundle in truth."""
    root = tmp_path_factory.mktemp("pair")
    for precision in PLAIN:
        shutil.copytree(SHIPPED, root / f"pair-{precision}")
    say_precision(root / "pair-fp32", "fp32")
    return root


@pytest.fixture
def relabel():
    """Makes a bundle say that it is of a precision, with hashes that agree."""
    return say_precision


@pytest.fixture
def own_pair(shipped_pair: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    for precision in PLAIN:
        shutil.copytree(shipped_pair / f"pair-{precision}", tmp_path / f"pair-{precision}")
    return tmp_path


@pytest.fixture(scope="session")
def shipped_fused(shipped_pair: Path) -> Path:
    """`pair-int8.onnx` beside the pair: the shipped bundle as one file."""
    from export.pack import export_fused

    path = shipped_pair / "pair-int8.onnx"
    export_fused(shipped_pair / "pair-int8", path)
    return path


@pytest.fixture(scope="session")
def measured(shipped_pair: Path, shipped_fused: Path, tmp_path_factory: pytest.TempPathFactory):
    """One short run of the whole command: exit code, output, and the folder of its files."""
    out = tmp_path_factory.mktemp("measured")
    budgets = out / "budgets.toml"
    budgets.write_text(
        "[[gate]]\nfigure = 'artefacts.int8.size_mb'\nbelow = 0.001\nwhy = 'a < b'\n"
        "[[gate]]\nfigure = 'artefacts.fp32.size_mb'\nbelow = 100\n"
        "[[gate]]\nfigure = 'artefacts.int8.cuda.threads_1.batch_1.pipeline_ms.p99'\nbelow = 9\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--bundles", str(shipped_pair), "--name", "pair",
         "--runs", "5", "--cold", "5", "--threads", "1", "--batch", "1", "--batch", "2",
         "--budgets", str(budgets), "--json", str(out / "b.json"), "--markdown",
         str(out / "b.md"), "--junit", str(out / "deep" / "b.xml"), "--plots", str(out / "plots")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, out
