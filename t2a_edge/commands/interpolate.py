"""The command that draws the way from one prompt to another."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2a_edge.commands.draw import check_arguments
from t2a_edge.commands.options import (
    EngineOptions,
    OutputOptions,
    SamplingArguments,
    SeedOptions,
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
    all_seeds,
    check_writable,
    is_file_name,
)
from t2a_edge.commands.words import WordsCommand, complete_words
from t2a_edge.errors import OptionError

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

ANIMATIONS = {".gif": "gif", ".webp": "webp"}
MOST_FRAMES = 1000
SLOWEST_FPS, FASTEST_FPS = 0.1, 50.0  # browsers slow a GIF down that is faster


@click.command(cls=WordsCommand, short_help="Draw the way from one prompt to another.")
@click.argument("first", shell_complete=complete_words)
@click.argument("second", shell_complete=complete_words)
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
@click.option("--bounce", is_flag=True, help="There and back, so that the file has no jump.")
@seed_option
@size_option
@sampling_options
@output_options_with(
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path(),
        help="A folder for the frames, or a .gif or .webp file; the current folder by default.",
    )
)
@engine_options
def interpolate(
    first: str,
    second: str,
    frames: int,
    fps: float,
    bounce: bool,
    seed: int | None,
    size: tuple[int, int] | None,
    sampling: SamplingArguments,
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
    check_frames(frames, fps)
    check_writable(output.out, output.picture_format, ANIMATIONS)
    moves = is_file_name(output.out, ANIMATIONS)
    if bounce and not moves:
        raise OptionError("--bounce is for a file that moves; name a .gif or .webp with --out.")
    (number,) = all_seeds(SeedOptions(seed=seed, count=1, seed_step=1))
    with engine.load() as loaded:
        arguments = {**sampling.as_arguments(), "size": size, "blend": second}
        check_arguments(loaded, arguments)
        Notes(loaded, show=not output.quiet).tell(loaded.parse(first), loaded.parse(second))

        def draw_all() -> Iterator[tuple["Artwork", float]]:
            for i in range(frames):
                with Progress(i, frames, len(loaded.spec.scales), show=not output.quiet) as shown:
                    watch = Stopwatch()
                    amount = round(i / (frames - 1), 6)
                    artwork = loaded.generate(
                        first, seed=number, amount=amount, on_scale=shown.update, **arguments
                    )
                    ms = watch.ms
                yield artwork, ms

        writer = Writer(output, loaded)
        if moves:
            save_animation(writer, output.out, list(draw_all()), fps, bounce=bounce)
            return
        digits = len(str(frames - 1))
        for i, (artwork, ms) in enumerate(draw_all()):
            writer.save(artwork, ms, f"{i:0{digits}}-{artwork.file_name}")


def check_frames(frames: int, fps: float) -> None:
    """An OptionError if a number is out of range."""
    if not 2 <= frames <= MOST_FRAMES:
        raise OptionError(
            f"The frames are {frames}; expected a whole number from 2 to {MOST_FRAMES}."
        )
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:  # NaN fails too
        raise OptionError(
            f"The frames a second are {fps}; expected a number from {SLOWEST_FPS:g} to "
            f"{FASTEST_FPS:g}."
        )


def save_animation(
    writer: Writer,
    path: Path,
    drawn: list[tuple["Artwork", float]],
    fps: float,
    *,
    bounce: bool,
) -> None:
    """Write all frames as one file."""
    from t2a_edge.commands.animation import encoded_animation
    from t2a_edge.image import write_whole

    pictures = [artwork.pixels for artwork, _ in drawn]
    if bounce:
        pictures += pictures[-2:0:-1]
    about: dict[str, Any] = {
        key: value for key, value in drawn[0][0].metadata.items() if key not in ("amount", "recipe")
    } | {"frames": len(pictures), "fps": fps}
    encoded = encoded_animation(pictures, ANIMATIONS[path.suffix.lower()], fps, about)
    write_whole(path, encoded)
    writer.say(path, {**about, "ms": round(sum(ms for _, ms in drawn), 1)})
