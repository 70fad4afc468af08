"""Artefacts to measure without training anything: copies of the tiny bundles."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from t2a_edge.bundle import ENGINES, MANIFEST, engine_file, write_manifest

PLAIN = ("fp32", "int8")


def say_precision(folder: Path, precision: str) -> None:
    """Make a bundle say that it is of this precision, with hashes that agree."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["precision"] = precision
    del manifest["files"], manifest["format"]
    write_manifest(folder, manifest, [engine_file(name) for name in ENGINES])


@pytest.fixture(scope="session")
def pair(tiny_bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pair-fp32` and `pair-int8`, the tiny bundles."""
    root = tmp_path_factory.mktemp("pair")
    for precision in PLAIN:
        shutil.copytree(tiny_bundles / f"tiny-{precision}", root / f"pair-{precision}")
    return root


@pytest.fixture
def relabel():
    """Makes a bundle say that it is of a precision, with hashes that agree."""
    return say_precision


@pytest.fixture
def own_pair(pair: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    for precision in PLAIN:
        shutil.copytree(pair / f"pair-{precision}", tmp_path / f"pair-{precision}")
    return tmp_path


@pytest.fixture(scope="session")
def pair_fused(pair: Path) -> Path:
    """`pair-int8.onnx` beside the pair: the INT8 bundle as one file."""
    from export.pack import export_fused

    path = pair / "pair-int8.onnx"
    export_fused(pair / "pair-int8", path)
    return path


@pytest.fixture(scope="session")
def measured(pair: Path, pair_fused: Path, tmp_path_factory: pytest.TempPathFactory):
    """One short run of the whole command: exit code, output, and the folder of its files."""
    out = tmp_path_factory.mktemp("measured")
    budgets = out / "budgets.toml"
    budgets.write_text(
        "[[gate]]\nfigure = 'artefacts.int8.size_mb'\nbelow = 0.001\nwhy = 'a < b'\n"
        "[[gate]]\nfigure = 'artefacts.fp32.size_mb'\nbelow = 100\n"
        "[[gate]]\nfigure = 'artefacts.int8.cuda.threads_1.batch_1.pipeline_ms.p99'\nbelow = 9\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--bundles", str(pair), "--name", "pair",
         "--runs", "5", "--cold", "5", "--threads", "1", "--batch", "1", "--batch", "2",
         "--budgets", str(budgets), "--json", str(out / "b.json"), "--markdown",
         str(out / "b.md"), "--junit", str(out / "deep" / "b.xml"), "--plots", str(out / "plots")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, out
