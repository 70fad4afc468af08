"""What commands write: pictures, a line on each, notes and progress on stderr."""

import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from t2a_edge.commands.options import OutputOptions, SeedOptions
from t2a_edge.errors import OptionError

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.prompt import Prompt

MAX_COUNT = 1000
LIKELY = 0.5  # cosine similarity from which a known adjective is named as near
SUFFIXES = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg", ".npy": "npy"}
FILE_SUFFIX = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "npy": ".npy"}


def check_count(count: int, out: Path, *, one_file: bool = False) -> None:
    """An OptionError unless 1 <= count <= MAX_COUNT, and 1 where `out` is one file.

    Args:
        one_file: all pictures go into one.
    """
    if not 1 <= count <= MAX_COUNT:
        raise OptionError(f"The count is {count}; expected 1 to {MAX_COUNT}.")
    if count > 1 and is_file_name(out) and not one_file:
        raise OptionError(
            f"--out names one file, {str(out)!r}, and --count asks for {count} pictures; "
            "name a folder."
        )


def all_seeds(seeds: SeedOptions) -> list[int]:
    """The seeds of one prompt's pictures, a step apart; from a fresh one where none is named.

    Raises:
        OptionError: the seed, the step, or the last of the seeds is out of range.
    """
    import secrets

    from t2a_edge.noise import MAX_SEED, check_seed
    from t2a_edge.pipeline import FRESH_SEEDS

    if not 1 <= seeds.seed_step <= MAX_SEED:
        raise OptionError(f"The seed step is {seeds.seed_step}; expected 1 to {MAX_SEED}.")
    if seeds.seed is None:
        first = secrets.randbelow(FRESH_SEEDS)
        return [(first + i * seeds.seed_step) % (MAX_SEED + 1) for i in range(seeds.count)]
    first = check_seed(seeds.seed)
    if first + (seeds.count - 1) * seeds.seed_step > MAX_SEED:
        apart = "" if seeds.seed_step == 1 else f", {seeds.seed_step} apart,"
        raise OptionError(
            f"{seeds.count} seeds from {first}{apart} go past the largest, {MAX_SEED}; start lower."
        )
    return [first + i * seeds.seed_step for i in range(seeds.count)]


def is_file_name(out: Path, suffixes: Collection[str] = SUFFIXES.keys()) -> bool:
    """Whether `out` names a file by its suffix, and not a folder."""
    return out.suffix.lower() in suffixes


def check_writable(
    out: Path, picture_format: str | None = None, suffixes: Mapping[str, str] = SUFFIXES
) -> None:
    """An OptionError if `out` plainly cannot be written; nothing is made or changed.

    Args:
        picture_format: that was asked for.
        suffixes: of files that can be written, and their formats.
    """
    if "\0" in str(out):
        raise OptionError("--out has a NUL character; expected a path.")
    is_file = is_file_name(out, suffixes)
    if out.suffix and not is_file and not out.is_dir():
        raise OptionError(
            f"--out is {str(out)!r}; expected a {' '.join(suffixes)} file or a folder."
        )
    if is_file and out.is_dir():
        raise OptionError(f"--out {str(out)!r} is a folder; expected a file of that name.")
    if is_file and picture_format not in (None, suffixes[out.suffix.lower()]):
        raise OptionError(
            f"--out is {str(out)!r} and --format is {picture_format}; leave --format out, or "
            "name a file or folder that fits it."
        )
    folder = out.parent if is_file else out
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise OptionError(f"--out {str(out)!r} runs through {str(folder)!r}, which is no folder.")


def target_path(out: Path, file_name: str, picture_format: str | None = None) -> Path:
    """The file that a picture goes to; `file_name` ends in .png."""
    if is_file_name(out):
        return out
    return out / Path(file_name).with_suffix(FILE_SUFFIX[picture_format or "png"])


class Writer:
    """Saves pictures and prints a line on each: its path, or a JSON object."""

    def __init__(self, output: OutputOptions, engine: "TextToArt") -> None:
        self._output, self._engine = output, engine
        self._written: set[Path] = set()

    def path(self, file_name: str) -> Path:
        """Where a picture goes; no two of one command go to one file."""
        path = target_path(self._output.out, file_name, self._output.picture_format)
        unique, number = path, 1
        while unique in self._written:
            number += 1
            unique = path.with_stem(f"{path.stem}-{number}")
        self._written.add(unique)
        return unique

    def save(self, artwork: "Artwork", ms: float, file_name: str | None = None) -> None:
        """Write one picture, which took so many milliseconds, and say so."""
        path = artwork.save(self.path(file_name or artwork.file_name))
        about = {**artwork.metadata, "unknown_words": list(artwork.unknown_words), "ms": ms}
        self.say(path, about)

    def say(self, path: Path, about: Mapping[str, Any]) -> None:
        """Print the path, or the JSON object with what else is known of the picture."""
        line = str(path)
        if self._output.as_json:
            line = json.dumps({"path": line, **about, "provider": self._engine.provider})
        click.echo(line)


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def ms(self) -> float:
        """To a tenth."""
        return round((time.perf_counter() - self._started) * 1000, 1)


class Notes:
    """Says on stderr how a prompt was read, and which words training did not use; each once."""

    def __init__(self, engine: "TextToArt", *, show: bool, unknown: bool = True) -> None:
        self._engine, self._show, self._unknown = engine, show, unknown
        self._told: set[str] = set()

    def tell(self, *prompts: "Prompt") -> None:
        """Name what was typed beside the adjectives; the unknown adjectives and what is near."""
        if not self._show:
            return
        for prompt in prompts:
            others = [word for word in prompt.other_words if word not in self._told]
            self._told.update(others)
            if others:
                text = f'note: read as "{prompt.text}"; no adjectives: {", ".join(others)}'
                click.echo(text, err=True)
        if not self._unknown:
            return
        notes = []
        for word in dict.fromkeys(word for prompt in prompts for word in prompt.words):
            if word not in self._told and word not in self._engine.bundle.vocabulary:
                self._told.add(word)
                near = [w for w, like in self._engine.nearest_words(word, 1) if like >= LIKELY]
                notes.append(f'"{word}" (near "{near[0]}")' if near else f'"{word}"')
        if notes:
            click.echo(f"note: not among the known adjectives: {', '.join(notes)}", err=True)


class Progress:
    """One line on a terminal's stderr that vanishes when the picture is done, or fails.

    Args:
        number: of the picture, from 0.
        count: of pictures; None where it is not known.
        steps: of one picture.
    """

    def __init__(self, number: int, count: int | None, steps: int, *, show: bool) -> None:
        of_all = "" if count is None else f"/{count}"
        self._place = f"{number + 1:{len(str(count or 1))}}{of_all}"
        self._steps = steps
        self._show = show and sys.stderr is not None and sys.stderr.isatty()

    def update(self, done: int) -> None:
        """Show how many steps of the picture are done."""
        if self._show:
            bar = "■" * done + "·" * (self._steps - done)
            click.echo(f"\r{self._place} {bar}", nl=False, err=True)

    def clear(self) -> None:
        """Take the line away."""
        if self._show:
            click.echo("\r\033[K", nl=False, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()


def limited(prompts: Iterator[str], out: Path, *, one_file: bool = False) -> Iterator[str]:
    """The prompts, none of them before it is known that `out` can take all of their pictures.

    Raises:
        OptionError: there are more than one, and `out` is one file.
    """
    first = next(prompts)
    if is_file_name(out) and not one_file:
        second = next(prompts, None)
        if second is not None:
            raise OptionError(
                f"--out names one file, {str(out)!r}, and standard input has more than one "
                "line; name a folder."
            )
    yield first
    yield from prompts
