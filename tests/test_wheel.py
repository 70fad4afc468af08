"""The wheel in an empty environment: what a user installs."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_holds_the_runtime_alone_and_draws(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path),
         str(ROOT)], check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"t2a_edge"}
    assert "t2a_edge/bundles/base/decoder.onnx" in names
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    done = subprocess.run(
        [tmp_path / "env" / "bin" / "t2a-edge", "generate", "warm", "dark", "--seed", "7",
         "--out", str(tmp_path / "art")], check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()).stat().st_size > 10_000
