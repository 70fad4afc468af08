"""The command that draws ways: from one prompt to another, from one seed to another."""

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
from t2a_edge.request import HOW, OPTIONS, Request

FRAMES = 8  # unless another number is named
ANIMATIONS = {".gif": "gif", ".webp": "webp", ".mp4": "mp4", ".webm": "webm"}
MOST_PIXELS = 200_000_000  # of all frames of one file: 600 MB
SLOWEST_FPS, FASTEST_FPS = 0.1, 50.0  # browsers slow a GIF down that is faster
NAME_ONE = f"name a {' '.join(ANIMATIONS)} with --out"


def read_seeds(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Two seeds, as in 3..9 or alice..bob."""
    if value is None:
        return None
    ends = value.split("..")
    if len(ends) != 2 or not all(ends):
        raise click.BadParameter(
            f"{value!r} is no way between seeds; expected two such as 3..9.", param=param
        )
    first, second = map(OPTIONS["seed"].from_text, ends)
    return first, second


@click.command(cls=WordsCommand, short_help="Draw the way between two prompts or two seeds.")
@click.argument("first", shell_complete=complete_words)
@click.argument("second", required=False, shell_complete=complete_words)
@asked_options("frames")
@click.option(
    "--fps", type=float, default=12, show_default=True, help="Frames a second of an animation."
)
@click.option("--bounce", is_flag=True, help="There and back over the same frames.")
@asked_options("loop", "seed")
@click.option(
    OPTIONS["to_seed"].flag,
    metavar="A..B",
    callback=read_seeds,
    help="From one seed's picture to another's, in place of --seed.",
)
@asked_options("size", *HOW)
@output_options_with(
    click.option(
        "--out",
        type=TargetType(ANIMATIONS),
        default=Target(),
        help="A folder for the frames, or a .gif .webp .mp4 .webm file; the current folder by "
        "default.",
    )
)
@engine_options
def interpolate(
    first: str,
    second: str | None,
    fps: float,
    bounce: bool,
    seeds: tuple[int, int] | None,
    asked: Mapping[str, Any],
    output: OutputOptions,
    engine: EngineOptions,
) -> None:
    """Draw the way from the prompt FIRST to the prompt SECOND, or between two seeds.

    Shapes move, colours turn, and the frames in between are pictures of their own. Writes numbered
    frames into a folder, or one file that moves. A prompt of several words stands in quotes. A .mp4
    or .webm needs the package of the extra: pip install "t2a-edge[video]".

    \b
    Examples:
      t2a-edge interpolate warm cool --frames 5 --seed 7 --out frames
      t2a-edge interpolate "dark calm" "bright busy" --frames 24 --out way.gif
      t2a-edge interpolate red blue --frames 24 --bounce --fps 20 --out way.webp
      t2a-edge interpolate "golden round" --seeds 3..9 --frames 48 --loop --out loop.webp
      t2a-edge interpolate calm stormy --frames 96 --fps 24 --loop --out loop.mp4
    """  # noqa: D301
    number("The number of frames a second", fps, SLOWEST_FPS, FASTEST_FPS)
    request = Request(first, blend=second, **way_of(asked, seeds))
    output.out.check(output.picture_format)
    moves = output.out.is_file
    if bounce and request.loop:
        raise OptionError("There are --bounce and --loop; expected one of them.")
    if bounce and not moves:
        raise OptionError(f"--bounce is for a file that moves; {NAME_ONE}.")
    if moves:
        check_format(output)
    with engine.load() as loaded:
        loaded.check(request)
        if moves:
            check_memory(request.frames or 0, request.size or (loaded.spec.image_size,) * 2)
        prompts = [first] if second is None else [first, second]
        Notes(loaded, show=not output.quiet).tell(*map(loaded.parse, prompts))
        drawn = Series(loaded, request, show=not output.quiet).drawn(request, request.frames)
        writer = Writer(output, loaded)
        if moves:
            save_animation(writer, list(drawn), fps, bounce=bounce, loop=request.loop)
            return
        digits = len(str((request.frames or 1) - 1))
        for i, (artwork, ms) in enumerate(drawn):
            writer.save(artwork, ms, f"{i:0{digits}}-{artwork.file_name}")


def way_of(asked: Mapping[str, Any], seeds: tuple[int, int] | None) -> dict[str, Any]:
    """What a request is made with; an OptionError where seeds are named twice."""
    frames = FRAMES if asked["frames"] is None else asked["frames"]
    if seeds is None:
        return {**asked, "frames": frames}
    if asked["seed"] is not None:
        raise OptionError("There are --seed and --seeds; expected one of them.")
    return {**asked, "frames": frames, "seed": seeds[0], "to_seed": seeds[1]}


def check_format(output: OutputOptions) -> None:
    """An OptionError if frames cannot be written as the one file that --out names."""
    from t2a_edge.animation import check_animation_format

    animation_format = output.out.format(output.picture_format)
    if animation_format not in ANIMATIONS.values():
        raise OptionError(
            f"--out {output.out.text!r} takes one file and --format is {output.picture_format}; "
            "expected webp, or no --format for a GIF."
        )
    check_animation_format(animation_format)


def check_memory(frames: int, size: tuple[int, int]) -> None:
    """An OptionError if all frames of an animation are more than can be kept at one time."""
    pixels = frames * size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise OptionError(
            f"{frames} frames of {size[0]} x {size[1]} pixels are {pixels:,} pixels in one file; "
            f"expected at most {MOST_PIXELS:,}. Draw fewer or smaller ones, or name a folder."
        )


def save_animation(
    writer: Writer, drawn: list[Drawn], fps: float, *, bounce: bool, loop: bool
) -> None:
    """Write all frames as one file."""
    from t2a_edge.animation import about_frames, encoded_animation

    pictures = [artwork.pixels for artwork, _ in drawn]
    if bounce:
        pictures += pictures[-2:0:-1]
    first = drawn[0][0]
    about = about_frames(first, len(pictures), fps)
    writer.write(
        first.file_name,
        lambda kind: encoded_animation(pictures, kind, 1000 / fps, about, closed=bounce or loop),
        about,
        {"ms": round(sum(ms for _, ms in drawn), 1)},
    )
