"""How every command of the project ends: an error is one line on stderr and an exit code."""

import contextlib
import io
import os
import sys
from typing import NoReturn

import click

from t2a_edge.errors import EXIT_USAGE, T2AEdgeError

EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C


def run_command(command: click.Command, arguments: list[str] | None = None) -> NoReturn:
    """Run a click command and leave the process with its exit code.

    Args:
        arguments: of the command line; None takes those of the process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # any path can be printed
    try:
        code = command.main(arguments, standalone_mode=False)
        if sys.stdout is not None:  # a shell's >&-
            sys.stdout.flush()
    except click.exceptions.Exit as exc:
        code = exc.exit_code
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", EXIT_INTERRUPTED)
    except click.ClickException as exc:
        if isinstance(exc, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            click.echo(exc.format_message(), err=True)  # the help; from click 8.2 an exception
            sys.exit(EXIT_USAGE)
        _fail(exc.format_message(), EXIT_USAGE)
    except T2AEdgeError as exc:
        _fail(str(exc), exc.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: nothing left to say
        _discard_output()
        code = EXIT_USAGE
    except OSError as exc:  # a path or an output that the system refuses
        _discard_output()
        _fail(str(exc), EXIT_USAGE)
    sys.exit(code if isinstance(code, int) else 0)


def _discard_output() -> None:
    """Python flushes stdout once more as it ends; let that go nowhere."""
    with contextlib.suppress(OSError):  # a stdout without a file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(text: str, code: int) -> NoReturn:
    line = " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")
    click.echo(f"error: {line}", err=True)
    sys.exit(code)
