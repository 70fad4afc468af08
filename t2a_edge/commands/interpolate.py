"""The command that draws the way from one prompt to another."""

from collections.abc import Mapping
from typing import Any

import click

from t2a_edge.checks import number
from t2a_edge.commands.draw import Drawn, Series
from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    asked_options,
    engine_options,
    output_options_with,
)
from t2a_edge.commands.output import Notes, Writer
from t2a_edge.commands.target import Target, TargetType
from t2a_edge.commands.words import WordsCommand, complete_words
from t2a_edge.errors import OptionError
from t2a_edge.request import HOW, Request

FRAMES = 8  # unless another number is named
ANIMATIONS = {".gif": "gif", ".webp": "webp"}
MOST_PIXELS = 200_000_000  # of all frames of one file: 600 MB
SLOWEST_FPS, FASTEST_FPS = 0.1, 50.0  # browsers slow a GIF down that is faster


@click.command(cls=WordsCommand, short_help="Draw the way from one prompt to another.")
@click.argument("first", shell_complete=complete_words)
@click.argument("second", shell_complete=complete_words)
@asked_options("frames")
@click.option(
    "--fps", type=float, default=12, show_default=True, help="Frames a second of an animation."
)
@click.option("--bounce", is_flag=True, help="There and back, so that the file has no jump.")
@asked_options("seed", "size", *HOW)
@output_options_with(
    click.option(
        "--out",
        type=TargetType(ANIMATIONS),
        default=Target(),
        help="A folder for the frames, or a .gif or .webp file; the current folder by default.",
    )
)
@engine_options
def interpolate(
    first: str,
    second: str,
    fps: float,
    bounce: bool,
    asked: Mapping[str, Any],
    output: OutputOptions,
    engine: EngineOptions,
) -> None:
    """Draw the way from the prompt FIRST to the prompt SECOND, all of one seed.

    Writes numbered frames into a folder, or one file that moves. A prompt of several words stands
    in quotes.

    \b
    Examples:
      t2a-edge interpolate warm cool --frames 5 --seed 7 --out frames
      t2a-edge interpolate "dark calm" "bright busy" --frames 24 --out way.gif
      t2a-edge interpolate red blue --frames 24 --bounce --fps 20 --out way.webp
    """  # noqa: D301
    number("The number of frames a second", fps, SLOWEST_FPS, FASTEST_FPS)
    request = Request(first, blend=second, **{**asked, "frames": asked["frames"] or FRAMES})
    output.out.check(output.picture_format)
    moves = output.out.is_file
    if moves and output.out.format(output.picture_format) not in ANIMATIONS.values():
        raise OptionError(
            f"--out {output.out.text!r} takes one file and --format is {output.picture_format}; "
            "expected webp, or no --format for a GIF."
        )
    if bounce and not moves:
        raise OptionError("--bounce is for a file that moves; name a .gif or .webp with --out.")
    with engine.load() as loaded:
        loaded.check(request)
        if moves:
            check_memory(request.frames or 0, request.size or (loaded.spec.image_size,) * 2)
        Notes(loaded, show=not output.quiet).tell(loaded.parse(first), loaded.parse(second))
        drawn = Series(loaded, request, show=not output.quiet).drawn(request, request.frames)
        writer = Writer(output, loaded)
        if moves:
            save_animation(writer, list(drawn), fps, bounce=bounce)
            return
        digits = len(str((request.frames or 1) - 1))
        for i, (artwork, ms) in enumerate(drawn):
            writer.save(artwork, ms, f"{i:0{digits}}-{artwork.file_name}")


def check_memory(frames: int, size: tuple[int, int]) -> None:
    """An OptionError if all frames of an animation are more than can be kept at one time."""
    pixels = frames * size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise OptionError(
            f"{frames} frames of {size[0]} x {size[1]} pixels are {pixels:,} pixels in one file; "
            f"expected at most {MOST_PIXELS:,}. Draw fewer or smaller ones, or name a folder."
        )


def save_animation(writer: Writer, drawn: list[Drawn], fps: float, *, bounce: bool) -> None:
    """Write all frames as one file."""
    from t2a_edge.animation import about_frames, encoded_animation

    pictures = [artwork.pixels for artwork, _ in drawn]
    if bounce:
        pictures += pictures[-2:0:-1]
    first = drawn[0][0]
    about = about_frames(first, len(pictures), fps)
    writer.write(
        first.file_name,
        lambda kind: encoded_animation(pictures, kind, round(1000 / fps), about),
        about,
        {"ms": round(sum(ms for _, ms in drawn), 1)},
    )
