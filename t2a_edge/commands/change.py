"""Commands that make another picture of one: vary, inpaint, outpaint."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.draw import Series
from t2a_edge.commands.options import (
    Command,
    EngineOptions,
    OutputOptions,
    asked_options,
    engine_options,
    output_options,
)
from t2a_edge.commands.output import Notes, Writer, check_one_file
from t2a_edge.commands.words import complete_words
from t2a_edge.request import HOW, MARGINS, SEEDS, Request

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

Given = Callable[["Artwork"], dict[str, Any]]
"""What hangs on the artwork that is changed, such as a mask of its size."""

picture_argument = click.argument("picture", type=click.Path(path_type=Path))
prompt_option = click.option(
    "--prompt",
    metavar="WORDS",
    shell_complete=complete_words,
    help="Other adjectives than the picture's own.",
)


def change_options(*names: str) -> Callable[[Command], Command]:
    """--prompt, the options of a request that all changes take and these, output and engine."""

    def decorate(command: Command) -> Command:
        for decorator in (
            engine_options, output_options, asked_options(*HOW, *SEEDS), prompt_option,
            asked_options(*names), picture_argument,
        ):  # fmt: skip
            command = decorator(command)
        return command

    return decorate


@click.command(short_help="Draw on from a picture.")
@change_options("strength")
def vary(picture: Path, **options: Any) -> None:
    """Draw on from PICTURE: nearly the same, or hardly.

    PICTURE is a file that t2a-edge wrote: the recipe inside it says what it is made of. Up to a
    strength of 0.5 its composition stays; from there on it fades.

    \b
    Examples:
      t2a-edge vary art.png
      t2a-edge vary art.png --strength 0.7 --count 6 --out variations
      t2a-edge vary art.png --strength 0.3 --prompt "cool dark fluid" --seed 7
    """  # noqa: D301
    make_changes(picture, **options)


@click.command(short_help="Draw a part of a picture anew.")
@change_options("feather")
@click.argument("mask", type=click.Path(path_type=Path))
def inpaint(picture: Path, mask: Path, **options: Any) -> None:
    """Draw a part of PICTURE anew: where MASK is white.

    PICTURE is a file that t2a-edge wrote, MASK any picture of the same size: white is what is
    brighter than mid-grey, and what is transparent. Parts of 32 x 32 pixels are drawn anew where
    the mask covers half of a cell of 8 x 8 pixels in them, to fit what is around them. Outside the
    mask and its feather every pixel stays as it is.

    \b
    Examples:
      t2a-edge inpaint art.png mask.png
      t2a-edge inpaint art.png mask.png --feather 0 --seed 5
      t2a-edge inpaint art.png mask.png --prompt "red bold" --count 4 --out parts
    """  # noqa: D301

    def given(artwork: "Artwork") -> dict[str, Any]:
        from t2a_edge.commands.pictures import read_mask

        return {"mask": read_mask(mask, artwork.size)}

    make_changes(picture, given, **options)


@click.command(short_help="Draw on beyond the edges of a picture.")
@change_options(*MARGINS)
def outpaint(picture: Path, **options: Any) -> None:
    """Draw on beyond the edges of PICTURE, a file that t2a-edge wrote.

    \b
    Examples:
      t2a-edge outpaint art.png --right 256
      t2a-edge outpaint art.png --left 64 --right 64 --top 64 --bottom 64 --out wider.png
    """  # noqa: D301
    asked = options.pop("asked")
    margins = {name: asked[name] or 0 for name in MARGINS}  # even where none is named
    make_changes(picture, asked={**asked, **margins}, **options)


def make_changes(
    picture: Path,
    given: Given = lambda _: {},
    *,
    prompt: str | None,
    asked: Mapping[str, Any],
    output: OutputOptions,
    engine: EngineOptions,
) -> None:
    """Open a picture, change it once for each seed, and save what comes of it.

    Args:
        given: says what else the request has.
    """
    check_one_file(asked["count"], output.out)
    output.out.check(output.picture_format)
    with engine.load() as loaded:
        artwork = loaded.open(picture)
        request = Request(prompt, picture=artwork, **given(artwork), **asked)
        loaded.check(request)
        show = not output.quiet
        Notes(loaded, show=show).tell(loaded.parse(prompt or artwork.prompt))
        writer = Writer(output, loaded)
        for changed, ms in Series(loaded, request, show=show).drawn(request, request.count):
            writer.save(changed, ms)
