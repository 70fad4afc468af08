"""Options that several commands share, each group as one value for the command."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.target import Target, TargetType
from t2a_edge.commands.words import complete_words
from t2a_edge.seeds import run_of_seeds

if TYPE_CHECKING:
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.pixels import UInt8Array

Command = Callable[..., None]
Decorator = Callable[[Command], Command]
PROVIDERS = ("auto", "cpu", "cuda", "tensorrt")
FORMATS = ("png", "webp", "jpeg", "avif", "npy")


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
class SamplingArguments:
    """How pictures are drawn, as `TextToArt` takes it; what is None comes from the bundle."""

    guidance_scale: float | None
    temperature: float | None
    steps: int | None
    form: Path | None
    form_strength: float | None

    def as_arguments(self) -> dict[str, Any]:
        """By name, with the form's pixels in place of its path; an ImageError if it has none."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**own, "form": read_form(self.form)}


@dataclass(frozen=True, kw_only=True)
class SeedOptions:
    """How many pictures of one prompt, and from which seeds; without one, from a fresh one."""

    seed: int | None
    count: int
    seed_step: int

    def all(self) -> list[int]:
        """The seeds, a step apart; an OptionError where one is out of range."""
        return run_of_seeds(self.seed, self.count, self.seed_step)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where pictures go and what is said of them."""

    out: Target
    picture_format: str | None
    as_json: bool
    quiet: bool


def read_size(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """A width and a height, as in 512x384; one number is both. They are checked where used."""
    if value is None:
        return None
    parts = value.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(p.isascii() and p.isdigit() and len(p) < 10 for p in parts):
        raise click.BadParameter(
            f"{value!r} is not a size; expected one such as 512x384.", param=param
        )
    return int(parts[0]), int(parts[-1])


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


def read_form(path: Path | None) -> "UInt8Array | None":
    """The pixels of a form that is given; an ImageError where they cannot be had."""
    from t2a_edge.pixels import read_pixels

    return None if path is None else read_pixels(path)


size_option = click.option(
    "--size",
    metavar="WIDTHxHEIGHT",
    callback=read_size,
    help="In pixels: 256 to 2048 each, multiples of 8.",
)
prompt_option = click.option(
    "--prompt",
    metavar="WORDS",
    shell_complete=complete_words,
    help="Other adjectives than the picture's own.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
json_lines_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
out_option = click.option(
    "--out",
    type=TargetType(),
    default=Target(),
    help="A file (.png .webp .jpg .avif .npy) or a folder; the current folder by default.",
)
seed_option = click.option("--seed", type=int, help="Same seed, same picture; fresh by default.")

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
steps_option = click.option(
    "--steps", type=int, help="From noise to the picture, 1 to 64; fewer are faster."
)
form_option = click.option(
    "--form",
    metavar="PICTURE",
    type=click.Path(path_type=Path),
    help="A picture whose composition is painted anew.",
)
form_strength_option = click.option(
    "--form-strength", type=float, help="How closely the form is followed, from 0 to 1."
)
sampling_options = grouped(
    "sampling",
    SamplingArguments,
    click.option(
        "--guidance", "guidance_scale", type=float, help="How strongly the words pull, 0 to 8."
    ),
    click.option("--temperature", type=float, help="How freely the words choose a form, 0 to 10."),
    steps_option,
    form_option,
    form_strength_option,
)
seed_options = grouped(
    "seeds",
    SeedOptions,
    seed_option,
    click.option(
        "--count", type=int, default=1, show_default=True, help="How many pictures, 1 to 1000."
    ),
    click.option(
        "--seed-step",
        type=int,
        default=1,
        show_default=True,
        help="From the seed of one picture to that of the next.",
    ),
)


def output_options_with(out: Decorator) -> Decorator:
    """`out`, --format, --json and --quiet as the argument `output`."""
    return grouped(
        "output",
        OutputOptions,
        out,
        click.option(
            "--format",
            "picture_format",
            type=click.Choice(FORMATS),
            help="Of the files in a folder; png by default.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print a JSON object for each picture."
        ),
        quiet_option,
    )


output_options = output_options_with(out_option)
