"""Help, the page made of it, what is loaded for it, and the options of the server."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

import t2a_edge
from t2a_edge import cli, server
from t2a_edge.command import run_command
from t2a_edge.commands import manual, options, serve
from t2a_edge.errors import OptionError
from t2a_edge.server.settings import Settings

ROOT = Path(t2a_edge.__file__).parents[1]
HEAVY = {"numpy", "onnxruntime", "PIL", "fastapi", "uvicorn", "t2a_edge.pipeline"}
COMMANDS = [name for section in cli.COMMANDS.values() for name in section]


@pytest.fixture
def run(capsys):
    def run_here(*arguments):
        with pytest.raises(SystemExit) as caught:
            run_command(cli.main, [str(argument) for argument in arguments])
        return caught.value.code, *capsys.readouterr()

    return run_here


def modules_after(program: str) -> set[str]:
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys\nprint(json.dumps([*sys.modules]))"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return set(json.loads(ended.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    modules = modules_after("import t2a_edge")
    assert "t2a_edge" in modules
    assert modules.isdisjoint(HEAVY | {"click"})


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    modules = modules_after(
        f"from t2a_edge.cli import main; main({arguments}, 't2a-edge', None, 0)"
    )
    assert "t2a_edge.cli" in modules
    assert modules.isdisjoint(HEAVY)


def test_the_help_of_every_command_loads_nothing_heavy():
    calls = "; ".join(f"main(['{name}', '--help'], 't2a-edge', None, 0)" for name in COMMANDS)
    modules = modules_after(f"from t2a_edge.cli import main; {calls}")
    assert {f"t2a_edge.commands.{name}" for name in ("draw", "change", "bench")} <= modules
    assert modules.isdisjoint(HEAVY)


def test_a_command_loads_no_other_group():
    modules = modules_after("from t2a_edge.cli import main; main(['tile', '-h'], 'x', None, 0)")
    assert "t2a_edge.commands.draw" in modules
    others = ("change", "bench", "info", "serve", "read", "inspect", "interpolate")
    assert modules.isdisjoint({f"t2a_edge.commands.{name}" for name in others})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(run, name):
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert f"t2a-edge {name}" in out.partition("Examples:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_explained(name):
    command = cli.main.get_command(click.Context(cli.main), name)
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, param.name


def test_examples_are_commands_that_can_be_parsed():
    parsed = 0
    for line in manual.manual().splitlines():
        words = line.strip().split(" #")[0].split(" < ")[0].split(" > ")[0]
        if not line.startswith("    t2a-edge ") or "COMMAND" in line:
            continue
        _, name, *rest = shlex.split(words)
        command = cli.main.get_command(click.Context(cli.main), name)
        with command.make_context(name, rest):
            parsed += 1  # a UsageError is raised for an option that is not there
    assert parsed > 2 * len(COMMANDS)


def test_the_page_of_commands_is_that_of_the_help():
    page = ROOT / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == manual.manual(), "run: make cli-docs"


def test_the_page_is_the_same_at_any_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    narrow = manual.manual()
    monkeypatch.setenv("COLUMNS", "200")
    assert manual.manual() == narrow
    assert max(map(len, narrow.splitlines())) <= 100


def test_the_page_can_be_written_elsewhere(tmp_path):
    with pytest.raises(SystemExit) as caught:
        run_command(manual.write_manual, ["--out", str(tmp_path / "cli.md")])
    assert caught.value.code == 0
    assert (tmp_path / "cli.md").read_text(encoding="utf-8") == manual.manual()


# ---- options that must agree with the library


def test_formats_and_providers_are_those_of_the_library():
    from t2a_edge.commands.target import FILE_SUFFIX, SUFFIXES
    from t2a_edge.image import FORMATS
    from t2a_edge.runner import PROVIDERS

    assert set(options.FORMATS) == set(FORMATS) == set(FILE_SUFFIX)
    assert {s: f for f, suffixes in FORMATS.items() for s in suffixes} == SUFFIXES
    assert {"auto", "tensorrt", *PROVIDERS} == set(options.PROVIDERS)


# ---- serve


def test_every_setting_of_the_server_is_an_option_with_help():
    names = {field.name for field in fields(Settings)}
    assert set(serve.HELP) == names
    assert {param.name for param in serve.serve.params} == names


def test_the_options_of_the_server_arrive(run, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(server, "serve", given.append)
    (tmp_path / "index.html").touch()
    monkeypatch.setenv("T2A_EDGE_TOKEN", "correct-horse")
    code, out, err = run(
        "serve", "--port", 0, "--origin", "https://a.example", "--origin", "https://b.example",
        "--max-wait-ms", 1.5, "--page", tmp_path, "--log-prompts", "--provider", "cpu",
    )  # fmt: skip
    assert (code, out, err) == (0, "", "")
    assert given == [
        Settings(
            port=0, origins=("https://a.example", "https://b.example"), max_wait_ms=1.5,
            page=tmp_path, log_prompts=True, provider="cpu", token="correct-horse",  # noqa: S106
        )
    ]  # fmt: skip


def test_every_option_of_the_server_comes_from_a_variable_too(run, monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(server, "serve", given.append)
    (tmp_path / "index.html").touch()
    wanted = {
        "host": "::1", "port": 81, "uds": tmp_path / "a.sock", "root_path": "/art", "workers": 2,
        "bundle": tmp_path, "provider": "cpu", "threads": 2, "token": "correct-horse",
        "origins": ("https://a.example", "https://b.example"), "allowed_hosts": ("a.b", "c.d"),
        "page": tmp_path, "max_batch": 4, "max_wait_ms": 1.5, "max_queue": 99, "deadline_s": 7.5,
        "max_body": 4096, "max_upload": 5000, "max_count": 3, "max_frames": 5, "max_size": 512,
        "max_prompt": 99, "max_connections": 9, "body_timeout_s": 1.5, "header_timeout_s": 2.5,
        "write_timeout_s": 3.5, "keep_alive_s": 3, "drain_s": 4.5, "drain_notice_s": 0.5,
        "log_prompts": True, "otel": True,
    }  # fmt: skip
    assert set(wanted) == {field.name for field in fields(Settings)}
    for name, value in wanted.items():
        text = ", ".join(value) if isinstance(value, tuple) else str(value)
        monkeypatch.setenv(serve.variable_of(serve.option_of(name)), text)
    assert run("serve") == (0, "", "")
    assert run("serve", "--port", 82, "--origin", "https://c.example") == (0, "", "")
    assert given[0] == Settings(**wanted)
    assert (given[1].port, given[1].origins) == (82, ("https://c.example",))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("PORT", "http", "T2A_EDGE_PORT: 'http' is not a valid integer"),
        ("PORT", " ", "T2A_EDGE_PORT is set and empty"),
        ("LOG_PROMPTS", "maybe", "T2A_EDGE_LOG_PROMPTS: 'maybe'"),
        ("PROVIDER", "abacus", "T2A_EDGE_PROVIDER: 'abacus'"),
        ("MAX_QUEUE", "1", "max_queue is 1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(run, monkeypatch, name, text, said):
    monkeypatch.setattr(server, "serve", lambda _: pytest.fail("it was started"))
    monkeypatch.setenv(f"T2A_EDGE_{name}", text)
    code, out, err = run("serve")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_port(run, monkeypatch):
    given = []
    monkeypatch.setattr(server, "serve", given.append)
    monkeypatch.setenv("T2A_EDGE_PORT", "tcp://10.96.0.12:8080")
    assert run("serve")[0] == 0
    assert given[0].port == 8080


def test_the_documentation_has_every_option_of_the_server_its_variable_and_its_default():
    text = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--\S+)`, `(T2A_EDGE_\S+)` \| (.*?) \|", text, re.MULTILINE)
    names = [serve.option_of(field.name) for field in fields(Settings)]
    assert [row[:2] for row in rows] == [(name, serve.variable_of(name)) for name in names]
    for (option, _, told), field in zip(rows, fields(Settings), strict=True):
        number = isinstance(field.default, int | float) and not isinstance(field.default, bool)
        if number or field.name in ("host", "provider"):
            assert told == (f"{field.default:.10g}" if number else field.default), option


def test_without_options_the_server_has_its_defaults(run, monkeypatch):
    given = []
    monkeypatch.setattr(server, "serve", given.append)
    monkeypatch.delenv("T2A_EDGE_TOKEN", raising=False)
    assert run("serve")[0] == 0
    assert given == [Settings()]


def test_a_server_without_its_packages_says_so(run, monkeypatch):
    def refuse(_settings):
        raise OptionError('The server needs uvicorn; run: pip install "t2a-edge[serve]"')

    monkeypatch.setattr(server, "serve", refuse)
    code, out, err = run("serve")
    assert (code, out) == (2, "")
    assert err == 'error: The server needs uvicorn; run: pip install "t2a-edge[serve]"\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "port is 70000"),
        (["--port", "http"], "'http' is not a valid integer"),
        (["--token", "short"], "8 or more visible"),
        (["--origin", "example.org"], "origins has 'example.org'"),
        (["--max-queue", "1"], "max_queue is 1"),
        (["--page", "missing"], "no index.html"),
        (["--colour", "red"], "No such option"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(run, monkeypatch, arguments, said):
    monkeypatch.setattr(server, "serve", lambda _settings: None)
    code, out, err = run("serve", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err
