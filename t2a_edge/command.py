"""How every command of the project ends: an error is one line on stderr and an exit code."""

import contextlib
import io
import os
import sys
from typing import NamedTuple, NoReturn

import click

from t2a_edge.errors import EXIT_USAGE, T2AEdgeError
from t2a_edge.interrupts import EXIT_INTERRUPTED, Interruptible, StopError


class Ended(NamedTuple):
    """How a command ended: the exit code, and what is to be said on stderr."""

    code: int
    said: str = ""


STOPPED = Ended(EXIT_INTERRUPTED, "error: stopped")


def run_command(command: click.Command, arguments: list[str] | None = None) -> NoReturn:
    """Run a click command and leave the process with its exit code.

    Args:
        arguments: of the command line; None takes those of the process.
    """
    ended, interrupts = STOPPED, Interruptible()
    try:
        with interrupts:
            ended = _run(command, arguments)
    except StopError:
        interrupts.__exit__()
    except Exception:
        if not interrupts.happened:  # else a library made another error of it
            raise
    if interrupts.happened:
        ended = STOPPED
    if ended.said:
        click.echo(ended.said, err=True)
    sys.exit(ended.code)


def _run(command: click.Command, arguments: list[str] | None) -> Ended:
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # any path can be printed
    try:
        code = command.main(arguments, standalone_mode=False)
        if sys.stdout is not None:  # a shell's >&-
            sys.stdout.flush()
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        return STOPPED
    except click.ClickException as exc:
        if isinstance(exc, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            return Ended(EXIT_USAGE, exc.format_message())  # the help; from click 8.2 an exception
        return _failed(exc.format_message(), EXIT_USAGE)
    except T2AEdgeError as exc:
        return _failed(str(exc), exc.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: nothing left to say
        _discard_output()
        return Ended(EXIT_USAGE)
    except OSError as exc:  # a path or an output that the system refuses
        _discard_output()
        return _failed(str(exc), EXIT_USAGE)
    return Ended(code if isinstance(code, int) else 0)


def _discard_output() -> None:
    """Python flushes stdout once more as it ends; let that go nowhere."""
    with contextlib.suppress(OSError):  # a stdout without a file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(text: str, code: int) -> Ended:
    line = " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")
    return Ended(code, f"error: {line}")
