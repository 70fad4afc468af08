"""Where pictures and their words come from, whatever drew them.

    a folder of pictures       named by prompt, as `t2a-edge generate` names them:
                               golden-spiral-3.png, or golden spiral/3.png
    a .json file               a list of pairs, [["a.png", "golden spiral"], ["b.png", ["warm"]]]
    a folder with one .jsonl   pictures with adjectives, as training reads them, or without
    studio-*.npy, its folder   a corpus of the studio with its marks and traits

`@train` or `@held-out` behind a path keeps that side of the last two.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.judges.lessons import load_corpus
from bench.judges.network import UInt8Array
from t2a_edge.checks import shown
from t2a_edge.documents import is_file, is_folder
from t2a_edge.errors import DataError, PromptError
from t2a_edge.pixels import read_pixels
from t2a_edge.prompt import parse_prompt
from train.data.pictures import named_files

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
SIDES = ("train", "held-out")
MOST_WORDS, MOST_BYTES = 64, 200
SHAPE = 'expected a list of pairs such as [["a.png", "golden spiral"]]'


@dataclass(frozen=True)
class Pictures:
    """Pictures that are read when they are asked for.

    Attributes:
        names: to tell them apart in a report.
        words: adjectives of each, those that it should show; empty where nobody said any.
    """

    names: Sequence[str]
    words: Sequence[tuple[str, ...]]
    read: Callable[[int], UInt8Array]

    def __len__(self) -> int:
        return len(self.names)

    def square(self, index: int) -> UInt8Array:
        """The middle square of one, (S, S, 3) uint8; an ImageError where it cannot be read."""
        pixels = self.read(index)
        side = min(pixels.shape[:2])
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        return np.asarray(pixels[top : top + side, left : left + side])

    def some(self, most: int | None) -> "Pictures":
        """At most so many of them, evenly over the whole."""
        if most is None or most >= len(self):
            return self
        kept = np.linspace(0, len(self) - 1, most).round().astype(int).tolist()
        return Pictures(
            [self.names[i] for i in kept], [self.words[i] for i in kept],
            lambda index: self.read(kept[index]),
        )  # fmt: skip


def load_pictures(source: str, most: int | None = None) -> Pictures:
    """Find the pictures of a source; see the module's text.

    Args:
        source: a path, perhaps with `@train` or `@held-out` behind it.
        most: keep so many of them, evenly over the whole.

    Raises:
        DataError: there are none, or what describes them cannot be used; one sentence says why.
    """
    name, _, side = source.rpartition("@") if source.endswith(tuple(f"@{s}" for s in SIDES)) else (
        source, "", ""
    )  # fmt: skip
    path = Path(name)
    found = _of_kind(path, side)
    if not len(found):
        raise DataError(f"{source} has no pictures; name a folder of PNGs, or see docs/judges.md.")
    return found.some(most)


def _of_kind(path: Path, side: str) -> Pictures:
    if path.suffix == ".npy" or (is_folder(path) and any(path.glob("studio-*.npy"))):
        return _painted(path, side)
    if is_folder(path) and any(path.glob("*.jsonl")):
        return _described(path, side)
    if side:
        raise DataError(
            f"{path} has no sides; leave @{side} out, or name a folder with a .jsonl, or a corpus."
        )
    if path.suffix == ".json":
        return _listed(path)
    if is_folder(path):
        return _named(path)
    raise DataError(f"No pictures at {path}; name a folder, a .json list or a corpus.")


def _painted(path: Path, side: str) -> Pictures:
    corpus = load_corpus(path)
    chosen = {"train": corpus.training, "held-out": corpus.held_out}
    kept = chosen.get(side, np.arange(len(corpus))).tolist()
    return Pictures(
        [str(i) for i in kept], [corpus.words(i) for i in kept],
        lambda index: np.asarray(corpus.pixels[kept[index]]),
    )  # fmt: skip


def _described(folder: Path, side: str) -> Pictures:
    rows: list[tuple[str, tuple[str, ...]]] = []
    for named in named_files(folder):
        told = named.values
        try:
            row = told["file"], _words(told.get("adjectives", []))
        except ValueError as exc:
            raise DataError(
                f"{named.where} cannot be used ({exc}); expected "
                '{"file": ..., "adjectives": [...]}.'
            ) from exc
        if not side or (told.get("split", "train") == "train") == (side == "train"):
            rows.append(row)
    return _files(folder, rows)


def _listed(path: Path) -> Pictures:
    try:
        told = json.loads(_text(path))
    except ValueError as exc:
        raise DataError(f"{path} is not JSON ({exc}); {SHAPE}.") from exc
    if not isinstance(told, list):
        raise DataError(f"{path} has {shown(told)}; {SHAPE}.")
    rows = []
    for pair in told:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise DataError(f"{path} has {shown(pair)}; {SHAPE}.")
        try:
            rows.append((pair[0], _words(pair[1])))
        except ValueError as exc:
            raise DataError(f"{path} has {shown(pair)} ({exc}); {SHAPE}.") from exc
    return _files(path.parent, rows)


def _named(folder: Path) -> Pictures:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS)
    rows = []
    for file in files:
        own = file.relative_to(folder)
        said = words_of_name(own.stem) or words_of_name(own.parent.name)
        rows.append((str(own), said))
    return _files(folder, rows)


def _files(folder: Path, rows: Sequence[tuple[str, tuple[str, ...]]]) -> Pictures:
    paths = [folder / name for name, _ in rows]
    missing = [path for path in paths if not is_file(path)]
    if missing:
        raise DataError(f"{missing[0]} is missing; add it, or take it out of the list.")
    return Pictures(
        [name for name, _ in rows], [words for _, words in rows],
        lambda index: read_pixels(paths[index]),
    )  # fmt: skip


def words_of_name(name: str) -> tuple[str, ...]:
    """The adjectives in a file's name, those to avoid left out; parts with digits are none.

    >>> words_of_name("golden-spiral-not-dark-512x512-3")
    ('golden', 'spiral')
    """
    parts = [part for part in re.split(r"[\W_]+", name) if part and not re.search(r"\d", part)]
    try:
        return _words(" ".join(parts)) if parts else ()
    except ValueError:
        return ()


def _words(told: Any) -> tuple[str, ...]:
    """Adjectives that should show, of a prompt or a list of words; a ValueError for another."""
    if isinstance(told, str):
        try:
            prompt = parse_prompt(told, max_words=MOST_WORDS, max_bytes=MOST_BYTES)
        except PromptError as exc:
            raise ValueError(str(exc)) from exc
        return tuple(dict.fromkeys(term.word for term in prompt.terms if term.weight > 0))
    if isinstance(told, list) and all(isinstance(word, str) for word in told):
        return tuple(dict.fromkeys(word.strip().casefold() for word in told))
    raise ValueError("words are a text or a list of texts")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} cannot be read as UTF-8 text ({exc}); restore it.") from exc
