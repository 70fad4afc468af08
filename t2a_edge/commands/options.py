"""Options that several commands share, each group as one value for the command."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.target import Target, TargetType
from t2a_edge.commands.words import complete_words
from t2a_edge.kinds import Choice, Flag, Picture, Words
from t2a_edge.request import FORMATS as FORMATS
from t2a_edge.request import OPTIONS, Option

if TYPE_CHECKING:
    from t2a_edge.pipeline import TextToArt

Command = Callable[..., None]
Decorator = Callable[[Command], Command]
PROVIDERS = ("auto", "cpu", "cuda", "tensorrt")


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Which model draws, and on what."""

    bundle: Path | None
    threads: int
    provider: str

    def load(self) -> "TextToArt":
        """The model; a context manager."""
        from t2a_edge.pipeline import TextToArt  # here: --help and errors need no onnxruntime

        return TextToArt(self.bundle, threads=self.threads, provider=self.provider)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where pictures go and what is said of them."""

    out: Target
    picture_format: str | None
    as_json: bool
    quiet: bool


def typed(option: Option) -> Callable[[Any], Any]:
    """Reads what is typed for an option of a request; the errors are the request's own."""
    return lambda value: option.from_text(value) if isinstance(value, str) else value


def option_of(name: str, argument: str = "") -> Decorator:
    """The option of the command line for a field of `t2a_edge.request.Request`.

    Args:
        argument: of the command that gets the value; the field's name by default.
    """
    option, how = OPTIONS[name], dict[str, Any]()
    if isinstance(option.kind, Flag):
        how = {"is_flag": True}
    elif isinstance(option.kind, Picture):
        how = {"type": click.Path(path_type=Path), "metavar": option.kind.metavar}
    elif isinstance(option.kind, Choice):
        how = {"type": click.Choice(option.kind.of)}
    elif isinstance(option.kind, Words):
        how = {"metavar": option.kind.metavar, "shell_complete": complete_words}
    else:
        how = {"type": typed(option), "metavar": option.kind.metavar}
    if option.default is not None and not isinstance(option.kind, Flag):
        how["show_default"] = True
    return click.option(
        option.flag, argument or name, help=option.help, default=option.default, **how
    )


def asked_options(*names: str) -> Decorator:
    """Fields of a request as options that come to a command as one mapping, `asked`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(*args: Any, **given: Any) -> None:
            own = {name: given.pop(name) for name in names}
            before = given.pop("asked", {})  # of a decorator around this one
            command(*args, **given, asked={**before, **own})

        decorated: Command = wrapped
        for name in reversed(names):
            decorated = option_of(name)(decorated)
        return decorated

    return decorate


def grouped(name: str, kind: Callable[..., Any], *options: Decorator) -> Decorator:
    """Options that come to a command as one value.

    Args:
        name: of the command's argument.
        kind: a dataclass; its fields are the options' names.
        options: in the order of the help.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(*args: Any, **given: Any) -> None:
            own = {option: given.pop(option) for option in names}
            command(*args, **given, **{name: kind(**own)})

        decorated: Command = wrapped
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


quiet_option = click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
json_lines_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
out_option = click.option(
    "--out",
    type=TargetType(),
    default=Target(),
    help="A file (.png .webp .jpg .npy) or a folder; the current folder by default.",
)

engine_options = grouped(
    "engine",
    EngineOptions,
    click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model."),
    click.option("--threads", type=int, default=1, show_default=True, help="Cores to use."),
    click.option(
        "--provider",
        type=click.Choice(PROVIDERS),
        default="auto",
        show_default=True,
        help="What runs the model; auto takes the best that works here.",
    ),
)


def output_options_with(out: Decorator) -> Decorator:
    """`out`, --format, --json and --quiet as the argument `output`."""
    return grouped(
        "output",
        OutputOptions,
        out,
        option_of("format", "picture_format"),
        click.option(
            "--json", "as_json", is_flag=True, help="Print a JSON object for each picture."
        ),
        quiet_option,
    )


output_options = output_options_with(out_option)
