"""Commands that make another picture of one: vary, inpaint, outpaint."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.options import (
    Decorator,
    EngineOptions,
    OutputOptions,
    SeedOptions,
    engine_options,
    grouped,
    output_options,
    prompt_option,
    seed_options,
)
from t2a_edge.commands.output import (
    Notes,
    Progress,
    Stopwatch,
    Writer,
    check_count,
)
from t2a_edge.errors import PromptError

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.pipeline import TextToArt

DEFAULT_SCALE = 3
Edit = Callable[["TextToArt", "Artwork", dict[str, Any]], "Artwork"]
"""Changes an artwork; the last argument holds seed, prompt and on_scale of the method."""

picture_argument = click.argument("picture", type=click.Path(path_type=Path))


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """What every change is asked for with beside its own options."""

    prompt: str | None
    seeds: SeedOptions
    output: OutputOptions
    engine: EngineOptions


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """--prompt and the options of seeds, output and engine as the argument `change`."""
    options: list[Decorator] = [prompt_option, seed_options, output_options, engine_options]
    return grouped("change", ChangeOptions, *options)(command)


@click.command(short_help="Draw the finer scales of a picture anew.")
@picture_argument
@click.option(
    "--from-scale",
    type=int,
    default=DEFAULT_SCALE,
    show_default=True,
    help="First scale that is drawn anew: 0 keeps nothing, 5 changes the finest marks alone.",
)
@change_options
def vary(picture: Path, from_scale: int, change: ChangeOptions) -> None:
    """Keep the coarse scales of PICTURE and draw the finer ones anew.

    PICTURE is a file that t2a-edge wrote: the recipe inside it says what to keep. The first scale
    has one cell for the whole picture, each further one twice as many along a side.

    \b
    Examples:
      t2a-edge vary art.png
      t2a-edge vary art.png --from-scale 2 --count 6 --out variations
      t2a-edge vary art.png --from-scale 1 --prompt "cool dark fluid" --seed 7
    """  # noqa: D301

    def edit(engine: "TextToArt", artwork: "Artwork", common: dict[str, Any]) -> "Artwork":
        return engine.vary(artwork, from_scale=from_scale, **common)

    make_changes(picture, change, edit)


@click.command(short_help="Draw a part of a picture anew.")
@picture_argument
@click.argument("mask", type=click.Path(path_type=Path))
@click.option(
    "--feather",
    type=int,
    help="Pixels around the mask in which old becomes new, 0 to 8; 8 by default.",
)
@change_options
def inpaint(picture: Path, mask: Path, feather: int | None, change: ChangeOptions) -> None:
    """Draw a part of PICTURE anew: where MASK is white.

    PICTURE is a file that t2a-edge wrote, MASK any picture of the same size: white is what is
    brighter than mid-grey, and what is transparent. Cells of 8 x 8 pixels are drawn anew where the
    mask covers half of them, to fit what is around them. Outside the mask and its feather every
    pixel stays as it is.

    \b
    Examples:
      t2a-edge inpaint art.png mask.png
      t2a-edge inpaint art.png mask.png --feather 0 --seed 5
      t2a-edge inpaint art.png mask.png --prompt "red bold" --count 4 --out parts
    """  # noqa: D301

    def edit(engine: "TextToArt", artwork: "Artwork", common: dict[str, Any]) -> "Artwork":
        from t2a_edge.commands.pictures import read_mask

        return engine.inpaint(artwork, read_mask(mask, artwork.size), feather=feather, **common)

    make_changes(picture, change, edit)


@click.command(short_help="Draw on beyond the edges of a picture.")
@picture_argument
@click.option("--left", type=int, default=0, help="Pixels to add, a multiple of 8.")
@click.option("--right", type=int, default=0, help="The same at the right.")
@click.option("--top", type=int, default=0, help="The same at the top.")
@click.option("--bottom", type=int, default=0, help="The same at the bottom.")
@change_options
def outpaint(
    picture: Path, left: int, right: int, top: int, bottom: int, change: ChangeOptions
) -> None:
    """Draw on beyond the edges of PICTURE, a file that t2a-edge wrote.

    \b
    Examples:
      t2a-edge outpaint art.png --right 256
      t2a-edge outpaint art.png --left 64 --right 64 --top 64 --bottom 64 --out wider.png
    """  # noqa: D301

    def edit(engine: "TextToArt", artwork: "Artwork", common: dict[str, Any]) -> "Artwork":
        return engine.outpaint(artwork, left=left, right=right, top=top, bottom=bottom, **common)

    make_changes(picture, change, edit)


def make_changes(picture: Path, change: ChangeOptions, edit: Edit) -> None:
    """Open a picture, change it once for each seed, and save what comes of it."""
    check_count(change.seeds.count, change.output.out)
    change.output.out.check(change.output.picture_format)
    seeds, show = change.seeds.all(), not change.output.quiet

    with change.engine.load() as engine:
        artwork = engine.open(picture)
        if not artwork.prompt and change.prompt is None:
            raise PromptError(
                f"{picture} does not say its adjectives, as it was drawn from a recipe; name some "
                "with --prompt."
            )
        prompt = artwork.prompt if change.prompt is None else change.prompt
        Notes(engine, show=show).tell(engine.parse(prompt))
        writer = Writer(change.output, engine)
        for number, seed in enumerate(seeds):
            steps = len(engine.spec.scales)
            with Progress(number, len(seeds), steps, show=show) as progress:
                common = {"seed": seed, "prompt": change.prompt, "on_scale": progress.update}
                watch = Stopwatch()
                changed = edit(engine, artwork, common)
                ms = watch.ms
            writer.save(changed, ms)
