"""`t2a-edge`: adjectives in, a picture out; and a picture in, how it measures."""

import json
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from t2a_edge import __version__
from t2a_edge.command import run_command
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.noise import MAX_SEED, check_seed

if TYPE_CHECKING:
    from t2a_edge.pipeline import Artwork, TextToArt

MAX_COUNT = 1000
AVOIDED = re.compile(r"^-(?=[^\W\d]{2}|[^\x00-\x7f])")  # the minus of -busy, not of -h or -5
SHOWN_HUE, SHOWN_FORM = 0.1, 0.5  # scores from which `measure` names a hue, a word of form
LIKELY = 0.5  # cosine similarity from which a known adjective is named as near


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="t2a-edge")
def main() -> None:
    """Turn a few adjectives into an abstract picture, offline, in a blink."""


class WordsCommand(click.Command):
    """A command whose words may begin with a minus: "-busy" is a word to avoid, no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the minus of such a word in a way that click leaves alone; not in a value."""
        options = [param for param in self.params if isinstance(param, click.Option)]
        before_value = {name for option in options if not option.is_flag for name in option.opts}
        written, value = [], False
        for text in args:
            written.append(text if value else AVOIDED.sub("\N{MINUS SIGN}", text))
            value = not value and text in before_value
        return super().parse_args(ctx, written)


@main.command(cls=WordsCommand)
@click.argument("words", nargs=-1)
@click.option("--blend", metavar="WORDS", help="A second prompt to move towards.")
@click.option(
    "--amount",
    type=float,
    default=0.5,
    show_default=True,
    help="How far towards it, from 0 to 1.",
)
@click.option(
    "--seed",
    type=int,
    help="Same seed, same picture; fresh by default, and named in the file's name.",
)
@click.option(
    "--count",
    type=int,
    default=1,
    show_default=True,
    help=f"How many pictures, 1 to {MAX_COUNT}, from consecutive seeds.",
)
@click.option("--guidance", type=float, help="How strongly the words pull, 0 to 30.")
@click.option("--temperature", type=float, help="How freely codes are drawn, 0 to 10.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A .png file, or a folder (default: the current one).",
)
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder of another model.")
@click.option("--threads", type=int, default=1, show_default=True, help="Cores to use.")
@click.option("--quiet", is_flag=True, help="Nothing on stderr but errors.")  # fmt: skip
def generate(
    words: tuple[str, ...],
    blend: str | None,
    amount: float,
    seed: int | None,
    count: int,
    guidance: float | None,
    temperature: float | None,
    out: Path,
    bundle: Path | None,
    threads: int,
    quiet: bool,
) -> None:
    """Draw WORDS, adjectives such as warm dark fluid.

    Writes PNG files and prints their paths. A word may have a weight from 0 to 4, as in dark:1.4;
    -busy is a word to avoid.

    \b
    Examples:
      t2a-edge generate warm dark fluid
      t2a-edge generate pale geometric --seed 7 --count 4 --out pictures
      t2a-edge generate "chaotic, dense" --out art.png
      t2a-edge generate warm:0.5 dark:2 -busy
      t2a-edge generate warm fluid --blend "icy geometric" --amount 0.3
    """  # noqa: D301
    check_count(count, out)
    if seed is not None:
        check_seed(seed)
        check_seed_range(seed, count)
    check_writable(out)
    from t2a_edge.pipeline import TextToArt  # here: --help and errors need no onnxruntime
    from t2a_edge.sampler import check_range

    with TextToArt(bundle, threads=threads) as engine:
        prompt = engine.parse(words)
        other = None if blend is None else engine.parse(blend)
        engine.options(guidance, temperature)
        check_range("amount", amount, 1)
        if not quiet:
            note_unknown_words(engine, (*prompt.words, *(other.words if other else ())))
        for number in range(count):
            progress = Progress(number, count, len(engine.spec.scales), show=not quiet)
            artwork = engine.generate(
                " ".join(words),
                seed=seed,
                blend=blend,
                amount=amount,
                guidance_scale=guidance,
                temperature=temperature,
                on_scale=progress.update,
            )
            progress.clear()
            click.echo(str(artwork.save(target_path(out, artwork))))
            seed = ((artwork.seed or 0) + 1) % (MAX_SEED + 1)


@main.command()
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def measure(pictures: tuple[Path, ...], as_json: bool) -> None:
    """Measure how strongly PICTURES show each visual attribute, from their pixels.

    \b
    Examples:
      t2a-edge measure art.png
      t2a-edge measure pictures/*.png --json
    """  # noqa: D301
    from t2a_edge.attributes import attribute_scores  # here: other commands need no measures
    from t2a_edge.image import read_pixels

    for picture in pictures:
        pixels = read_pixels(picture)
        try:
            scores = attribute_scores(pixels)
        except ImageError as exc:
            raise ImageError(f"{picture}: {exc}") from exc
        if as_json:
            rounded = {name: round(score, 4) for name, score in scores.items()}
            click.echo(json.dumps({"picture": str(picture), "scores": rounded}))
        else:
            click.echo("\n".join([str(picture), *score_lines(scores)]))


def score_lines(scores: dict[str, float]) -> list[str]:
    """Axes with the pole that they are at, one a line; then hues and words that show, on two."""
    from t2a_edge.attribute_table import WORD_MEASURES
    from t2a_edge.vocabulary import AXES, HUES

    lines = []
    for axis in AXES:
        if axis.name in scores:
            score = scores[axis.name]
            pole = axis.positive if score > 0 else axis.negative
            lines.append(f"  {axis.name:12}{score:+.2f}  {pole}")
    for title, names, low in (("hues", HUES, SHOWN_HUE), ("form", WORD_MEASURES, SHOWN_FORM)):
        shown = sorted((n for n in names if scores[n] >= low), key=lambda n: -scores[n])
        lines.append(f"  {title:12}{', '.join(f'{n} {scores[n]:.2f}' for n in shown) or 'none'}")
    return lines


def check_count(count: int, out: Path) -> None:
    """An OptionError unless 1 <= count <= MAX_COUNT, and 1 where `out` is one file."""
    if not 1 <= count <= MAX_COUNT:
        raise OptionError(f"The count is {count}; expected 1 to {MAX_COUNT}.")
    if count > 1 and out.suffix.lower() == ".png":
        raise OptionError(
            f"--out names one file, {str(out)!r}, and --count asks for {count} pictures; "
            "name a folder."
        )


def check_seed_range(seed: int, count: int) -> None:
    """An OptionError if consecutive seeds run past the largest one."""
    if seed + count - 1 > MAX_SEED:
        raise OptionError(
            f"{count} seeds from {seed} go past the largest, {MAX_SEED}; start lower."
        )


def check_writable(out: Path) -> None:
    """An OptionError if `out` plainly cannot be written; nothing is made or changed."""
    if "\0" in str(out):
        raise OptionError("--out has a NUL character; expected a path.")
    if out.suffix and out.suffix.lower() != ".png" and not out.is_dir():
        raise OptionError(f"--out is {str(out)!r}; expected a .png file or a folder.")
    folder = out.parent if out.suffix.lower() == ".png" else out
    if out.suffix.lower() == ".png" and out.is_dir():
        raise OptionError(f"--out {str(out)!r} is a folder; expected a file of that name.")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise OptionError(f"--out {str(out)!r} runs through {str(folder)!r}, which is no folder.")


def target_path(out: Path, artwork: "Artwork") -> Path:
    """The file that an artwork goes to."""
    return out if out.suffix.lower() == ".png" else out / artwork.file_name


def note_unknown_words(engine: "TextToArt", words: tuple[str, ...]) -> None:
    """Say on stderr which words training did not use, and what they are near to."""
    notes = []
    for word in dict.fromkeys(words):
        if word not in engine.bundle.vocabulary:
            near = [w for w, likeness in engine.nearest_words(word, 1) if likeness >= LIKELY]
            notes.append(f'"{word}" (near "{near[0]}")' if near else f'"{word}"')
    if notes:
        click.echo(
            f"note: not among the known adjectives: {', '.join(notes)}",
            err=True,
        )


class Progress:
    """One line on a terminal's stderr that vanishes when the picture is done."""

    def __init__(self, number: int, count: int, scales: int, *, show: bool) -> None:
        self._number, self._count, self._scales = number, count, scales
        self._show = show and sys.stderr.isatty()

    def update(self, done: int) -> None:
        """Show how many scales of the picture are drawn."""
        if self._show:
            bar = "■" * done + "·" * (self._scales - done)
            digits = int(math.log10(self._count)) + 1
            click.echo(f"\r{self._number + 1:{digits}}/{self._count} {bar}", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._show:
            click.echo("\r\033[K", nl=False, err=True)


def cli() -> None:
    """Entry point of the `t2a-edge` command."""
    run_command(main)
