"""Commands that draw a prompt: generate, tile."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    asked_options,
    engine_options,
    output_options,
)
from t2a_edge.commands.output import Notes, Progress, Stopwatch, Writer, check_one_file, limited
from t2a_edge.commands.words import STANDARD_INPUT, WordsCommand, complete_words, prompts_from
from t2a_edge.request import HOW, SEEDS, Request

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.pipeline import TextToArt

Drawn = tuple["Artwork", float]  # and the milliseconds that it took
SOUND = "warm"  # stands for a prompt that is not read yet

words_argument = click.argument("words", nargs=-1, shell_complete=complete_words)


@click.command(cls=WordsCommand, short_help="Draw adjectives.")
@words_argument
@asked_options(*SEEDS)
@click.option("--grid", is_flag=True, help="All pictures in one file, a contact sheet.")
@asked_options("size", "blend", "amount", *HOW)
@output_options
@engine_options
def generate(
    words: tuple[str, ...],
    grid: bool,
    asked: Mapping[str, Any],
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
    draw_all(words, Request(SOUND, **asked), output, engine, grid=grid)


@click.command(cls=WordsCommand, short_help="Draw a picture whose opposite edges meet.")
@words_argument
@asked_options(*SEEDS, "size", *HOW)
@output_options
@engine_options
def tile(
    words: tuple[str, ...],
    asked: Mapping[str, Any],
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
    draw_all(words, Request(SOUND, tile=True, **asked), output, engine)


def draw_all(
    words: tuple[str, ...],
    request: Request,
    output: OutputOptions,
    engine: EngineOptions,
    *,
    grid: bool = False,
) -> None:
    """Draw the prompts of a command line, and save what comes of it.

    Args:
        request: what is asked for of each prompt.
        grid: all pictures go into one file.
    """
    if not grid:
        check_one_file(request.count, output.out)
    output.out.check(output.picture_format)
    with engine.load() as loaded:
        request = request.loaded()
        loaded.check(request)  # what all share, before a prompt is read
        prompts = limited(prompts_from(words, loaded.parse), output.out, one_file=grid)
        if grid:
            side = loaded.spec.image_size
            prompts = _fitting(prompts, request.count, request.size or (side, side))
        series = Series(loaded, request, show=not output.quiet)
        drawn = series.draw(prompts, None if words == STANDARD_INPUT else request.count)
        writer = Writer(output, loaded)
        if grid:
            _save_sheet(writer, list(drawn), request.count)
            return
        for artwork, ms in drawn:
            writer.save(artwork, ms)


class Series:
    """Pictures that are drawn one prompt after the other, with progress and notes.

    Args:
        request: what is asked for of each prompt.
        show: whether progress and notes on unknown words are shown.
    """

    def __init__(self, engine: "TextToArt", request: Request, *, show: bool) -> None:
        self._engine, self._request, self._show = engine, request, show
        self._notes = Notes(engine, show=show)
        self._number = 0

    def draw(self, prompts: Iterator[str], total: int | None) -> Iterator[Drawn]:
        """Each picture with its milliseconds, as soon as it is drawn.

        Args:
            total: how many pictures there will be, where it is known.
        """
        blend = self._request.blend
        for prompt in prompts:
            told = (prompt,) if blend is None else (prompt, blend)
            self._notes.tell(*map(self._engine.parse, told))
            yield from self.drawn(replace(self._request, prompt=prompt), total)

    def drawn(self, request: Request, total: int | None) -> Iterator[Drawn]:
        """The pictures of one request, several at a time."""
        usual = self._engine.spec if request.picture is None else request.picture.options
        steps = request.steps or usual.steps
        shown = [Progress(self._number, total, steps, show=self._show)]
        turns = self._engine.draw_in_turns(request, on_step=lambda done: shown[0].update(done))
        while True:
            with shown[0]:
                watch = Stopwatch()
                artworks = next(turns, None)
                ms = watch.ms
            if artworks is None:
                return
            for artwork in artworks:
                yield artwork, round(ms / len(artworks), 1)
            self._number += len(artworks)
            shown[0] = Progress(self._number, total, steps, show=self._show)


def _fitting(prompts: Iterator[str], count: int, size: tuple[int, int]) -> Iterator[str]:
    """The prompts, as long as a sheet can hold `count` pictures of this size of each.

    Raises:
        OptionError: it cannot.
    """
    from t2a_edge.commands.sheet import shape_of_sheet, size_of_sheet

    for rows, prompt in enumerate(prompts, 1):
        size_of_sheet(shape_of_sheet(rows, count), size)
        yield prompt


def _save_sheet(writer: Writer, drawn: list[Drawn], count: int) -> None:
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
