"""The adjectives that are labelled by hand, as one array of axis scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from t2a_edge.errors import DataError
from t2a_edge.vocabulary import AXIS_NAMES, HUES, MOODS

SHIPPED = Path(__file__).parent / "adjectives.tsv"
COLUMNS = (*AXIS_NAMES, *HUES, *MOODS)  # two-pole axes first, then what has no opposite
TWO_POLES = len(AXIS_NAMES)


@dataclass(frozen=True)
class Labels:
    """What is known of some words.

    Attributes:
        words: sorted.
        scores: (V, A) float32 in [-1, 1], columns as in `COLUMNS`; 0 where nothing is said.
        named: (V, A) bool: the label names this axis, or says that the word shows on none.
    """

    words: tuple[str, ...]
    scores: Tensor
    named: Tensor


def load_labels(path: Path = SHIPPED) -> Labels:
    """Read `word<TAB>axis:strength axis:strength` lines; `-` in place of axes is "on none".

    Raises:
        DataError: the file is missing, or a line of it does not fit.
    """
    if not path.is_file():
        raise DataError(f"No labelled adjectives at {path}; expected a .tsv file. Restore it.")
    rows: dict[str, dict[str, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        word, tab, entries = line.partition("\t")
        if not (word and tab and entries):
            raise DataError(
                f"{path}:{number} is {line!r}; expected a word, a tab, and axis:strength entries."
            )
        if word in rows:
            raise DataError(f"{path}:{number} labels {word!r} again; keep one line a word.")
        rows[word] = {} if entries == "-" else dict(
            _entry(entry, f"{path}:{number}") for entry in entries.split()
        )  # fmt: skip
    return labels_from_rows(rows)


def labels_from_rows(rows: dict[str, dict[str, float]]) -> Labels:
    """Axis scores by word -> `Labels`."""
    words = tuple(sorted(rows))
    scores = torch.zeros(len(words), len(COLUMNS))
    named = torch.zeros(len(words), len(COLUMNS), dtype=torch.bool)
    for i, word in enumerate(words):
        for axis, value in rows[word].items():
            scores[i, COLUMNS.index(axis)] = value
            named[i, COLUMNS.index(axis)] = True
        if not rows[word]:
            named[i] = True
    return Labels(words, scores, named)


def _entry(text: str, where: str) -> tuple[str, float]:
    axis, _, strength = text.partition(":")
    if axis not in COLUMNS:
        raise DataError(f"{where} names {axis!r}; expected one of {', '.join(COLUMNS)}.")
    try:
        value = float(strength)
    except ValueError:
        value = float("nan")
    lowest = -1.0 if axis in AXIS_NAMES else 0.0
    if not lowest <= value <= 1:
        raise DataError(
            f"{where} has {text!r}; expected a strength from {lowest:g} to 1 after {axis}:."
        )
    return axis, value


def subset(labels: Labels, picks: Sequence[int]) -> Labels:
    """Some of the words, by position."""
    index = torch.tensor(list(picks), dtype=torch.long)
    words = tuple(labels.words[i] for i in picks)
    return Labels(words, labels.scores[index], labels.named[index])
