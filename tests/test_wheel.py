"""What a user does: the README's commands, in order, from the wheel in an empty environment."""

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from PIL import Image

from t2a_edge.bundle import ENGINES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
MADE = ("art.png", "sheet.png", "way.gif", "mask.png", "again.png", "preview.png", "served.png")
MOST_BYTES = 12_000_000  # of the wheel: model, code and page
PORT = "8080"  # of the README
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "ORT_DISABLE_TELEMETRY")  # of the tests' own run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def script(folder: Path, wheel: Path) -> str:
    """The blocks of "Use it" as one script; the package comes from the wheel, not from here.

    `bench` may end with 1: a figure beyond its limit is no failure of the command.
    """
    lines = []
    blocks = re.findall(r"```(sh|python|)\n(.*?)```", section("Use it"), flags=re.DOTALL)
    for number, (kind, block) in enumerate(blocks):
        if kind == "python":
            (folder / f"block-{number}.py").write_text(block, encoding="utf-8")
            block = f"python block-{number}.py\n"
        elif block.startswith("$ "):  # a command, and what it says
            command, said = block[2:].split("\n", 1)
            (folder / "expected.txt").write_text(said, encoding="utf-8")
            block = f"{command} > said.txt 2>&1\n"
        lines.append(block)
    text = "".join(lines)
    for source, taken in (
        ("pip install .\n", f"pip install --quiet '{wheel}'\n"),
        ('pip install ".[serve]"\n', f"pip install --quiet '{wheel}[serve]'\n"),
    ):
        assert text.count(source) == 1, f"the README does not say {source!r}"
        text = text.replace(source, taken)
    text = re.sub(r"^t2a-edge bench\b.*$", "t2a-edge bench || [ $? = 1 ]", text, flags=re.MULTILINE)
    end = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"  # the server, where a command fails
    return f"set -eo pipefail\n{end}{on_free_port(text)}wait || true\n"


def on_free_port(text: str) -> str:
    """The script as it is; with another port where something else has the README's."""
    assert text.count(PORT) == 1
    with socket.socket() as mine:
        try:
            mine.bind(("127.0.0.1", int(PORT)))
        except OSError:
            mine.bind(("127.0.0.1", 0))
            port = str(mine.getsockname()[1])
            return text.replace(PORT, port).replace("-edge serve", f"-edge serve --port {port}")
    return text


def clean_environment(folder: Path) -> dict[str, str]:
    """What a shell has on a fresh machine, whose python3 is the one that runs the tests."""
    (folder / "bin").mkdir()
    python = folder / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PATH": f"{python.parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel in the folder T2A_EDGE_DIST, as a release has it; else one that is built here."""
    if os.environ.get("T2A_EDGE_DIST"):
        folder = (ROOT / os.environ["T2A_EDGE_DIST"]).resolve()
    else:
        folder = tmp_path_factory.mktemp("wheel")
        built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
        subprocess.run([*built, folder, ROOT], check=True)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_runtime_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"t2a_edge"}
    assert "t2a_edge/bundles/base/decoder.onnx" in names


def get(url: str, **headers: str) -> tuple[bytes, Message]:
    """What a server answers, and its headers."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
        return answer.read(), answer.headers


@pytest.mark.skipif(not (ROOT / "web/dist/index.html").is_file(), reason="needs `make page`")
@pytest.mark.skipif(not (ROOT / "t2a_edge/page").is_dir(), reason="needs `make page`")
def test_a_server_from_the_wheel_has_the_page(wheel, tmp_path):
    """In an environment of its own: nothing of the repository is there but the wheel."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", f"{wheel}[serve]"]
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    subprocess.run(install, check=True, env=kept)
    assert wheel.stat().st_size < MOST_BYTES
    served = subprocess.Popen(
        [python, "-m", "t2a_edge", "serve", "--port", "0", "--drain-notice-s", "0"],
        cwd=tmp_path, env=kept, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{json.loads(served.stderr.readline())['port']}"
        built = [file for file in (ROOT / "web/dist").rglob("*") if file.is_file()]
        assert len(built) > len(ENGINES)
        for file in built:
            name = file.relative_to(ROOT / "web/dist").as_posix()
            content, headers = get(f"{url}/{'' if name == 'index.html' else name}")
            assert content == file.read_bytes(), name
            hashed = "immutable" in headers["Cache-Control"]
            assert hashed == name.startswith("assets/"), name
            packed, headers = get(f"{url}/{name}", **{"Accept-Encoding": "gzip"})
            if headers["Content-Encoding"] == "gzip":
                packed = gzip.decompress(packed)
            assert packed == content, name
    finally:
        served.terminate()
        served.communicate(timeout=60)
    assert served.returncode == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_readme_s_commands_run_in_order_from_the_wheel(wheel, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", "-c", script(work, wheel)], cwd=work, env=clean_environment(tmp_path),
        capture_output=True, text=True, check=False, timeout=1500,
    )  # fmt: skip
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said[-6000:]
    assert [name for name in MADE if not (work / name).is_file()] == []
    assert (work / "said.txt").read_text("utf-8") == (work / "expected.txt").read_text("utf-8")
    assert len(list((work / "pictures").glob("*.png"))) == 4
    with Image.open(work / "way.gif") as way, Image.open(work / "served.png") as served:
        assert (way.n_frames, served.size) == (46, (256, 256))
    with Image.open(work / "art.png") as art, Image.open(work / "again.png") as again:
        assert art.tobytes() == again.tobytes()
    packages = {p.name for p in (work / ".venv-art").glob("lib/python*/site-packages/*")}
    assert {"t2a_edge", "onnxruntime", "fastapi"} <= packages
    assert not {"torch", "onnx", "safetensors", "train", "export", "bench"} & packages


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_the_readme_s_two_make_commands(tmp_path):
    """The first draws in a copy of the repository; the second plans to run every check."""
    first, second = re.findall(r"```\n(make .*?)```", section("Start"), re.DOTALL)[0].splitlines()
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "t2a_edge", tmp_path / "t2a_edge")

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    environment = clean_environment(tmp_path)
    assert (tmp_path / shell(first).splitlines()[-1]).stat().st_size > 10_000
    planned = shell(f"{second} --dry-run")
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert tool in planned
