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
    form_option,
    form_strength_option,
    grouped,
    output_options,
    prompt_option,
    read_form,
    seed_options,
    steps_option,
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

DEFAULT_STRENGTH = 0.5
Edit = Callable[["TextToArt", "Artwork", dict[str, Any]], "Artwork"]
"""Changes an artwork; the last argument holds what all changes take."""

picture_argument = click.argument("picture", type=click.Path(path_type=Path))


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """What every change is asked for with beside its own options."""

    prompt: str | None
    steps: int | None
    form: Path | None
    form_strength: float | None
    seeds: SeedOptions
    output: OutputOptions
    engine: EngineOptions


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """--prompt, --steps, a form, seeds, output and engine as the argument `change`."""
    options: list[Decorator] = [
        prompt_option, steps_option, form_option, form_strength_option,
        seed_options, output_options, engine_options,
    ]  # fmt: skip
    return grouped("change", ChangeOptions, *options)(command)


@click.command(short_help="Draw on from a picture.")
@picture_argument
@click.option(
    "--strength",
    type=float,
    default=DEFAULT_STRENGTH,
    show_default=True,
    help="How much changes: 0 is nothing, 1 a new picture.",
)
@change_options
def vary(picture: Path, strength: float, change: ChangeOptions) -> None:
    """Draw on from PICTURE: nearly the same, or hardly.

    PICTURE is a file that t2a-edge wrote: the recipe inside it says what it is made of. Up to a
    strength of 0.5 its composition stays; from there on it fades.

    \b
    Examples:
      t2a-edge vary art.png
      t2a-edge vary art.png --strength 0.7 --count 6 --out variations
      t2a-edge vary art.png --strength 0.3 --prompt "cool dark fluid" --seed 7
    """  # noqa: D301

    def edit(engine: "TextToArt", artwork: "Artwork", common: dict[str, Any]) -> "Artwork":
        return engine.vary(artwork, strength=strength, **common)

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
    brighter than mid-grey, and what is transparent. Parts of 32 x 32 pixels are drawn anew where
    the mask covers half of a cell of 8 x 8 pixels in them, to fit what is around them. Outside the
    mask and its feather every pixel stays as it is.

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
        shared = {
            "prompt": change.prompt, "steps": change.steps, "form": read_form(change.form),
            "form_strength": change.form_strength,
        }  # fmt: skip
        steps = engine.options(
            steps=artwork.options.steps if change.steps is None else change.steps,
            form_strength=change.form_strength,
        ).steps
        Notes(engine, show=show).tell(engine.parse(prompt))
        writer = Writer(change.output, engine)
        for number, seed in enumerate(seeds):
            with Progress(number, len(seeds), steps, show=show) as progress:
                common = {"seed": seed, "on_step": progress.update, **shared}
                watch = Stopwatch()
                changed = edit(engine, artwork, common)
                ms = watch.ms
            writer.save(changed, ms)
