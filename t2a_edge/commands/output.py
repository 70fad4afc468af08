"""What commands write: pictures, a line on each, notes and progress on stderr."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from t2a_edge.commands.options import OutputOptions
from t2a_edge.commands.target import Target
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.files import write_new, write_whole

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork
    from t2a_edge.pipeline import TextToArt
    from t2a_edge.prompt import Prompt

LIKELY = 0.5  # cosine similarity from which a known adjective is named as near


def check_one_file(count: int, out: Target) -> None:
    """An OptionError where several pictures of one prompt would go into one file."""
    if count > 1 and out.is_file:
        raise OptionError(
            f"--out names one file, {out.text!r}, and --count asks for {count} pictures; "
            "name a folder."
        )


class Writer:
    """Saves pictures and prints a line on each: its path, or a JSON object.

    A file that --out names is replaced, as `cp` would do it. A file in a folder has a name that
    nobody typed: it gets a number where another file has that name, whoever wrote it.
    """

    def __init__(self, output: OutputOptions, engine: "TextToArt") -> None:
        self._output, self._engine = output, engine
        self._one_file = output.out.is_file
        self._on_stderr = output.out.is_standard_output
        self._written: set[Path] = set()
        self._told: set[tuple[str, ...]] = set()

    def save(self, artwork: "Artwork", ms: float, file_name: str | None = None) -> None:
        """Write one picture, which took so many milliseconds, and say so."""
        name, metadata = file_name or artwork.file_name, artwork.metadata
        more = {"unknown_words": list(artwork.unknown_words), "ms": ms}
        self.write(name, artwork.encode, metadata, more)

    def write(
        self,
        file_name: str,
        encode: Callable[[str], bytes],
        metadata: Mapping[str, Any],
        more: Mapping[str, Any],
    ) -> None:
        """Write one file, and say so.

        Args:
            file_name: where --out names a folder; it ends in .png.
            encode: gives the file's bytes in a format, with the metadata inside.
            more: what is said beside the metadata.
        """
        from t2a_edge.image import left_out

        asked = self._output.picture_format
        picture_format = self._output.out.format(asked)
        path, content = self._output.out.file(file_name, asked), encode(picture_format)
        if self._one_file:
            write_whole(path, content, error=ImageError)
        else:  # no two of one command go to one file, even of the same picture
            path = write_new(path, content, self._written, error=ImageError)
            self._written.add(path)
        missing = left_out(metadata, picture_format)
        self._tell(path, missing)
        self._say(path, {**metadata, **({"left_out": missing} if missing else {}), **more})

    def _tell(self, path: Path, missing: tuple[str, ...]) -> None:
        """A note, once, on what did not fit into a file."""
        if missing and missing not in self._told and not self._output.quiet:
            self._told.add(missing)
            names = ", ".join(missing)
            click.echo(
                f"note: {path} has no {names} inside: a JPEG holds 64 kB of it; save a .png or "
                ".webp to keep it",
                err=True,
            )

    def _say(self, path: Path, about: Mapping[str, Any]) -> None:
        """Print the path, or the JSON object with what else is known of the picture."""
        line = str(path)
        if self._output.as_json:
            line = json.dumps({"path": line, **about, "provider": self._engine.provider})
        if not (self._on_stderr and self._output.quiet):
            click.echo(line, err=self._on_stderr)


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


def limited(prompts: Iterator[str], out: Target, *, one_file: bool = False) -> Iterator[str]:
    """The prompts, none of them before it is known that `out` can take all of their pictures.

    Raises:
        OptionError: there are more than one, and `out` is one file.
    """
    first = next(prompts)
    if out.is_file and not one_file:
        second = next(prompts, None)
        if second is not None:
            raise OptionError(
                f"--out names one file, {out.text!r}, and standard input has more than one "
                "line; name a folder."
            )
    yield first
    yield from prompts
