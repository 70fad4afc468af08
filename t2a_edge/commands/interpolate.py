"""The command that draws ways: from one prompt to another, from one seed to another."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from t2a_edge.checks import MAX_FRAMES, number, whole_number
from t2a_edge.commands.draw import check_arguments
from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    SamplingArguments,
    engine_options,
    output_options_with,
    sampling_options,
    seed_option,
    size_option,
)
from t2a_edge.commands.output import (
    Notes,
    Progress,
    Stopwatch,
    Writer,
)
from t2a_edge.commands.target import Target, TargetType
from t2a_edge.commands.words import WordsCommand, complete_words
from t2a_edge.errors import OptionError
from t2a_edge.seeds import check_seed, seed_or_fresh

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

ANIMATIONS = {".gif": "gif", ".webp": "webp", ".mp4": "mp4", ".webm": "webm"}
MOST_PIXELS = 200_000_000  # of all frames of one file: 600 MB
SLOWEST_FPS, FASTEST_FPS = 0.1, 50.0  # browsers slow a GIF down that is faster
NAME_ONE = f"name a {' '.join(ANIMATIONS)} with --out"
TWO_SEEDS = re.compile(r"(\d+)\.\.(\d+)")


def read_seeds(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Two seeds, as in 3..9."""
    if value is None:
        return None
    found = TWO_SEEDS.fullmatch(value)
    if found is None or not value.isascii():
        raise click.BadParameter(
            f"{value!r} is no way between seeds; expected two such as 3..9.", param=param
        )
    return check_seed(int(found[1])), check_seed(int(found[2]))


@click.command(cls=WordsCommand, short_help="Draw the way between two prompts or two seeds.")
@click.argument("first", shell_complete=complete_words)
@click.argument("second", required=False, shell_complete=complete_words)
@click.option(
    "--frames",
    type=int,
    default=8,
    show_default=True,
    help="How many, 2 to 1000, both ends included.",
)
@click.option(
    "--fps", type=float, default=12, show_default=True, help="Frames a second of an animation."
)
@click.option("--bounce", is_flag=True, help="There and back over the same frames.")
@click.option("--loop", is_flag=True, help="There and back by other frames; no jump at the end.")
@seed_option
@click.option(
    "--seeds",
    metavar="A..B",
    callback=read_seeds,
    help="From one seed's picture to another's, in place of --seed.",
)
@size_option
@sampling_options
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
    frames: int,
    fps: float,
    bounce: bool,
    loop: bool,
    seed: int | None,
    seeds: tuple[int, int] | None,
    size: tuple[int, int] | None,
    sampling: SamplingArguments,
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
    check_frames(frames, fps)
    output.out.check(output.picture_format)
    moves = output.out.is_file
    check_ends(second, seed, seeds, bounce=bounce, loop=loop, moves=moves)
    if moves:
        check_format(output)
    own_seed, to_seed = seeds or (seed_or_fresh(seed), None)
    with engine.load() as loaded:
        arguments = {**sampling.as_arguments(), "size": size}
        check_arguments(loaded, {**arguments, "blend": second})
        steps = loaded.options(steps=sampling.steps).steps
        if moves:
            check_memory(frames, size or (loaded.spec.image_size,) * 2)
        prompts = [first] if second is None else [first, second]
        Notes(loaded, show=not output.quiet).tell(*map(loaded.parse, prompts))

        def draw_all() -> Iterator[tuple["Artwork", float]]:
            shown: Progress
            drawn = loaded.walk(
                first, second, frames=frames, seed=own_seed, to_seed=to_seed, loop=loop,
                on_step=lambda done: shown.update(done), **arguments,
            )  # fmt: skip
            for i in range(frames):
                with Progress(i, frames, steps, show=not output.quiet) as shown:
                    watch = Stopwatch()
                    artwork = next(drawn)
                    ms = watch.ms
                yield artwork, ms

        writer = Writer(output, loaded)
        if moves:
            save_animation(writer, list(draw_all()), fps, bounce=bounce, loop=loop)
            return
        digits = len(str(frames - 1))
        for i, (artwork, ms) in enumerate(draw_all()):
            writer.save(artwork, ms, f"{i:0{digits}}-{artwork.file_name}")


def check_ends(
    second: str | None,
    seed: int | None,
    seeds: tuple[int, int] | None,
    *,
    bounce: bool,
    loop: bool,
    moves: bool,
) -> None:
    """An OptionError if options exclude each other, or the way leads nowhere."""
    if seed is not None and seeds is not None:
        raise OptionError("There are --seed and --seeds; expected one of them.")
    if second is None and (seeds is None or seeds[0] == seeds[1]):
        raise OptionError(
            "Both ends of the way are the same; expected a second prompt, or two seeds such as "
            "--seeds 3..9."
        )
    if bounce and loop:
        raise OptionError("There are --bounce and --loop; expected one of them.")
    if bounce and not moves:
        raise OptionError(f"--bounce is for a file that moves; {NAME_ONE}.")


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


def check_frames(frames: int, fps: float) -> None:
    """An OptionError if a number is out of range."""
    whole_number("The number of frames", frames, 2, MAX_FRAMES)
    number("The number of frames a second", fps, SLOWEST_FPS, FASTEST_FPS)


def check_memory(frames: int, size: tuple[int, int]) -> None:
    """An OptionError if all frames of an animation are more than can be kept at one time."""
    pixels = frames * size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise OptionError(
            f"{frames} frames of {size[0]} x {size[1]} pixels are {pixels:,} pixels in one file; "
            f"expected at most {MOST_PIXELS:,}. Draw fewer or smaller ones, or name a folder."
        )


def save_animation(
    writer: Writer, drawn: list[tuple["Artwork", float]], fps: float, *, bounce: bool, loop: bool
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
