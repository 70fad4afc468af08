"""The Dockerfile and compose.yaml, as far as they can be checked without an engine."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    found = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(name, rest) for name, rest in found]


def copied() -> list[str]:
    """What the image is built from."""
    sources = []
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            sources += rest.split()[:-1]
    return sources


def last(name: str) -> str:
    return [rest for found, rest in instructions() if found == name][-1]


def parsed_options(arguments: list[str]) -> dict:
    from t2a_edge.cli import main

    root = main.make_context("t2a-edge", [], resilient_parsing=True)
    command = main.get_command(root, "serve")
    return command.make_context("serve", list(arguments), parent=root).params


def test_what_is_copied_is_there_and_let_through():
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignore
    assert copied()
    for source in copied():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore, source


def test_the_image_runs_as_nobody_and_ends_on_sigterm():
    user, _, group = last("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert last("STOPSIGNAL") == "SIGTERM"
    assert json.loads(last("ENTRYPOINT")) == ["t2a-edge", "serve"]
    stages = [rest for name, rest in instructions() if name == "FROM"]
    assert all(re.fullmatch(r"python:3\.\d+-slim( AS \w+)?", stage) for stage in stages)


def test_its_command_is_one_that_serve_takes():
    options = parsed_options(json.loads(last("CMD")))
    assert (options["host"], options["port"]) == ("0.0.0.0", 8080)  # noqa: S104 - in a container
    assert last("EXPOSE") == "8080"


def test_the_health_check_tells_a_server_from_none(live):
    command = json.loads(re.search(r"CMD (\[.*\])", last("HEALTHCHECK")).group(1))
    assert (command[0], "127.0.0.1:8080" in command[2]) == ("python", True)

    def check(port: int) -> int:
        code = command[2].replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode

    assert check(live.port) == 0
    assert check(9) != 0


def test_the_compose_file_is_what_it_should_be():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    (service,) = compose["services"].values()
    assert service["build"] == "."
    options = parsed_options(service["command"])
    assert service["ports"] == [f"127.0.0.1:8080:{options['port']}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert int(service["stop_grace_period"].removesuffix("s")) > options["drain_s"]
    # passed on as it is in the shell, and unset where it is unset there: never as an empty one
    assert service["environment"] == {"T2A_EDGE_TOKEN": None}


@pytest.mark.slow
def test_what_is_copied_is_enough_for_the_wheel(tmp_path):
    (tmp_path / "src").mkdir()
    for source in copied():
        target = tmp_path / "src" / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir",
         str(tmp_path), str(tmp_path / "src")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("t2a_edge-*.whl"))) == 1
