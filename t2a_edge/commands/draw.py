"""Commands that draw a prompt: generate, tile."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.checks import number
from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    SamplingArguments,
    SeedOptions,
    engine_options,
    output_options,
    read_size,
    sampling_options,
    seed_options,
    size_option,
)
from t2a_edge.commands.output import (
    Notes,
    Progress,
    Stopwatch,
    Writer,
    check_count,
    limited,
)
from t2a_edge.commands.words import STANDARD_INPUT, WordsCommand, complete_words, prompts_from

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.prompt import Prompt

DrawOne = Callable[[str, int, Callable[[int], None]], "Artwork"]

words_argument = click.argument("words", nargs=-1, shell_complete=complete_words)


@click.command(cls=WordsCommand, short_help="Draw adjectives.")
@words_argument
@seed_options
@click.option("--grid", is_flag=True, help="All pictures in one file, a contact sheet.")
@size_option
@click.option("--blend", metavar="WORDS", help="A second prompt to move towards.")
@click.option(
    "--amount",
    type=float,
    default=0.5,
    show_default=True,
    help="How far towards it, from 0 to 1.",
)
@sampling_options
@output_options
@engine_options
def generate(
    words: tuple[str, ...],
    grid: bool,
    size: tuple[int, int] | None,
    blend: str | None,
    amount: float,
    seeds: SeedOptions,
    sampling: SamplingArguments,
    output: OutputOptions,
    engine: EngineOptions,
) -> None:
    """Draw WORDS, adjectives such as warm dark fluid.

    Writes files and prints their paths. Any adjective may be typed. A word may have a weight from
    0 to 4, as in dark:1.4; -busy, or not busy, is a word to avoid. Words such as a, and, picture
    are left out. In place of WORDS, - reads prompts from standard input, one a line, and draws
    each as it comes.

    \b
    Examples:
      t2a-edge generate warm dark fluid
      t2a-edge generate pale geometric --seed 7 --count 4 --out pictures
      t2a-edge generate "chaotic, dense" --out art.webp
      t2a-edge generate warm:0.5 dark:2 -busy
      t2a-edge generate warm fluid --blend "icy geometric" --amount 0.3
      t2a-edge generate golden round --count 9 --grid --out sheet.png
      t2a-edge generate calm blue --size 1024x512
      t2a-edge generate golden dark --form photo.jpg --form-strength 0.8
      t2a-edge generate - --seed 1 --json --out pictures < prompts.txt
    """  # noqa: D301
    check_count(seeds.count, output.out, one_file=grid)
    output.out.check(output.picture_format)
    seeds.all()  # an error before anything is loaded
    with engine.load() as loaded:
        arguments = {**sampling.as_arguments(), "size": size, "blend": blend, "amount": amount}
        check_arguments(loaded, arguments)

        def draw_one(prompt: str, seed: int, on_step: Callable[[int], None]) -> "Artwork":
            artwork: Artwork = loaded.generate(prompt, seed=seed, on_step=on_step, **arguments)
            return artwork

        prompts = limited(prompts_from(words, loaded.parse), output.out, one_file=grid)
        if grid:
            side = loaded.spec.image_size
            prompts = _fitting(prompts, seeds.count, size or (side, side))
        others = () if blend is None else (loaded.parse(blend),)
        series = Series(
            loaded, seeds, draw_one, steps=sampling.steps, show=not output.quiet, others=others
        )
        drawn = series.draw(prompts, None if words == STANDARD_INPUT else seeds.count)
        writer = Writer(output, loaded)
        if grid:
            _save_sheet(writer, list(drawn), seeds.count)
            return
        for artwork, ms in drawn:
            writer.save(artwork, ms)


@click.command(cls=WordsCommand, short_help="Draw a picture whose opposite edges meet.")
@words_argument
@seed_options
@click.option(
    "--size",
    metavar="WIDTHxHEIGHT",
    callback=read_size,
    help="In pixels: 256 to 2048 each, multiples of 128.",
)
@sampling_options
@output_options
@engine_options
def tile(
    words: tuple[str, ...],
    size: tuple[int, int] | None,
    seeds: SeedOptions,
    sampling: SamplingArguments,
    output: OutputOptions,
    engine: EngineOptions,
) -> None:
    """Draw WORDS as a tile: its opposite edges meet without a seam.

    \b
    Examples:
      t2a-edge tile mossy green --seed 5
      t2a-edge tile pale striped --size 512x256 --out stripes.webp
      t2a-edge tile - --count 2 --out tiles < prompts.txt
    """  # noqa: D301
    check_count(seeds.count, output.out)
    output.out.check(output.picture_format)
    seeds.all()
    with engine.load() as loaded:
        arguments = sampling.as_arguments()
        check_arguments(loaded, {**arguments, "size": size}, wrap=True)

        def draw_one(prompt: str, seed: int, on_step: Callable[[int], None]) -> "Artwork":
            return loaded.tile(prompt, seed=seed, size=size, on_step=on_step, **arguments)

        prompts = limited(prompts_from(words, loaded.parse), output.out)
        series = Series(loaded, seeds, draw_one, steps=sampling.steps, show=not output.quiet)
        writer = Writer(output, loaded)
        for artwork, ms in series.draw(prompts, None if words == STANDARD_INPUT else seeds.count):
            writer.save(artwork, ms)


class Series:
    """Pictures of some prompts, each from the seeds of the command line.

    Args:
        draw_one: draws a prompt with a seed, and tells how many steps are done.
        steps: of a picture; None is the model's number.
        show: whether progress and notes on unknown words are shown.
        others: prompts that are used beside each.
    """

    def __init__(
        self,
        engine: "TextToArt",
        seeds: SeedOptions,
        draw_one: DrawOne,
        *,
        steps: int | None,
        show: bool,
        others: Sequence["Prompt"] = (),
    ) -> None:
        self._engine, self._seeds, self._draw_one = engine, seeds, draw_one
        self._steps = engine.options(steps=steps).steps
        self._show, self._others = show, others
        self._notes = Notes(engine, show=show)

    def draw(self, prompts: Iterator[str], total: int | None) -> Iterator[tuple["Artwork", float]]:
        """Each picture with its milliseconds, as soon as it is drawn.

        Args:
            total: how many pictures there will be, where it is known.
        """
        number = 0
        for prompt in prompts:
            self._notes.tell(self._engine.parse(prompt), *self._others)
            for seed in self._seeds.all():
                with Progress(number, total, self._steps, show=self._show) as progress:
                    watch = Stopwatch()
                    artwork = self._draw_one(prompt, seed, progress.update)
                    ms = watch.ms
                yield artwork, ms
                number += 1


def check_arguments(engine: "TextToArt", arguments: dict[str, Any], *, wrap: bool = False) -> None:
    """A PromptError or OptionError if what all pictures share cannot be used.

    Args:
        arguments: of `TextToArt.generate`, beside prompt and seed.
        wrap: whether the edges of the pictures meet.
    """
    from t2a_edge.edit import layout_of_size
    from t2a_edge.request import SAMPLING

    if arguments.get("blend") is not None:
        engine.parse(arguments["blend"])
    engine.options(**{name: arguments[name] for name in SAMPLING})
    number("The amount", arguments.get("amount", 0), 0, 1)
    if arguments["size"] is not None:
        layout_of_size(engine.spec, arguments["size"], wrap=wrap)


def _fitting(prompts: Iterator[str], count: int, size: tuple[int, int]) -> Iterator[str]:
    """The prompts, as long as a sheet can hold `count` pictures of this size of each.

    Raises:
        OptionError: it cannot.
    """
    from t2a_edge.commands.sheet import shape_of_sheet, size_of_sheet

    for rows, prompt in enumerate(prompts, 1):
        size_of_sheet(shape_of_sheet(rows, count), size)
        yield prompt


def _save_sheet(writer: Writer, drawn: list[tuple["Artwork", float]], count: int) -> None:
    """Write all pictures as one, `count` of them a prompt."""
    from t2a_edge.commands.sheet import about_sheet, contact_sheet, shape_of_sheet
    from t2a_edge.image import encoded, file_name

    artworks = [artwork for artwork, _ in drawn]
    shape = shape_of_sheet(len(artworks) // count, count)
    about, pixels = about_sheet(artworks, shape), contact_sheet(artworks, shape)
    writer.write(
        file_name(f"{artworks[0].prompt} grid", artworks[0].seed),
        lambda picture_format: encoded(pixels, picture_format, about),
        about,
        {"ms": round(sum(ms for _, ms in drawn), 1)},
    )
