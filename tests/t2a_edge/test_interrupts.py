"""Ctrl-C ends the command with one line, whenever it comes."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import click
import pytest

from t2a_edge.command import run_command
from t2a_edge.interrupts import EXIT_INTERRUPTED, Interruptible, StopError

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

AT_IMPORT = """
import builtins, os, signal, sys
from t2a_edge.__main__ import main
real, name = builtins.__import__, sys.argv.pop(1)
def importing(wanted, *rest):
    if wanted == name:
        os.kill(os.getpid(), signal.SIGINT)
    return real(wanted, *rest)
builtins.__import__ = importing
main()
"""
MODULES = ["click", "t2a_edge.command", "t2a_edge.commands.output", "t2a_edge.pipeline", "numpy",
           "numpy._core.multiarray", "onnxruntime.capi", "PIL"]  # fmt: skip


@posix
@pytest.mark.parametrize("module", MODULES)
def test_ctrl_c_while_a_module_is_imported(module: str, tmp_path: Path) -> None:
    out = tmp_path / "art.png"
    command = [sys.executable, "-c", AT_IMPORT, module, "generate", "warm", "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (EXIT_INTERRUPTED, "error: stopped\n")
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize("after_s", [0.1, 0.25, 0.5, 0.8])
def test_ctrl_c_after_some_time(after_s: float, tmp_path: Path) -> None:
    code = "from t2a_edge.__main__ import main\nprint(1, flush=True)\nmain()"
    arguments = ["generate", "warm", "--count", "1000", "--out", str(tmp_path), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said) == (EXIT_INTERRUPTED, "error: stopped\n")
    assert not list(tmp_path.glob(".*"))  # nothing half-written


@posix
def test_a_program_that_is_not_to_be_interrupted_is_not() -> None:
    code = (
        "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from t2a_edge.__main__ import main\nfrom t2a_edge import command\nimport click\n"
        "@click.command()\ndef wait(): os.kill(os.getpid(), signal.SIGINT); print('done')\n"
        "from t2a_edge.interrupts import end_at_once\nend_at_once()\ncommand.run_command(wait, [])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def interrupted() -> NoReturn:
    signal.raise_signal(signal.SIGINT)
    raise AssertionError("the signal did not come")


class Freed:
    """An object that is freed as Ctrl-C comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@posix
@pytest.mark.parametrize("what", ["plain", "wrapped", "freed"])
def test_ctrl_c_ends_a_command_whatever_a_library_makes_of_it(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def command() -> None:
        try:
            if what == "freed":
                Freed()
                return
            interrupted()
        except BaseException as exc:
            if what == "wrapped":
                raise ImportError("initialisation failed") from exc
            raise

    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with pytest.raises(SystemExit) as ended:
        run_command(command, [])
    assert ended.value.code == EXIT_INTERRUPTED
    assert capsys.readouterr().err == "error: stopped\n"
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before


@posix
def test_ctrl_c_that_was_lost_comes_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("t2a_edge.interrupts.AGAIN_S", 0.01)

    @click.command()
    def command() -> None:
        Freed()
        time.sleep(60)

    with pytest.raises(SystemExit) as ended:
        run_command(command, [])
    assert (ended.value.code, capsys.readouterr().err) == (EXIT_INTERRUPTED, "error: stopped\n")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_other_errors_stay_what_they_are() -> None:
    @click.command()
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(command, [])


@posix
def test_the_handler_of_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(StopError), Interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
