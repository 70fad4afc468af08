"""The zero-shot yardstick: adjectives without training labels, and the pole each plainly means."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.checks import shown
from t2a_edge.errors import DataError
from t2a_edge.vocabulary import AXES, HUES
from train.documents import parsed

SHIPPED = Path(__file__).parent / "unseen_adjectives.toml"


@dataclass(frozen=True)
class Unseen:
    """The list.

    Attributes:
        axes: word -> (axis, sign of its pole).
        hues: word -> hue.
    """

    axes: Mapping[str, tuple[str, int]]
    hues: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.axes, *self.hues)


def load_unseen(path: Path = SHIPPED) -> Unseen:
    """Read the list.

    Raises:
        DataError: the file is missing or not TOML, or names a word twice or an unknown pole.
    """
    try:
        loaded = parsed(tomllib.loads, path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:  # ValueError: TOML, text that is not UTF-8
        raise DataError(f"{path} cannot be read ({exc}); expected a TOML list of words.") from exc
    signs = {(axis.name, axis.negative): -1 for axis in AXES}
    signs |= {(axis.name, axis.positive): 1 for axis in AXES}
    axes: dict[str, tuple[str, int]] = {}
    hues: dict[str, str] = {}
    for axis, ends in _table(loaded, "axes", path).items():
        for pole in _table({axis: ends}, axis, path):
            if (axis, pole) not in signs:
                raise DataError(f"{path} has {pole!r} of {axis!r}; expected a pole of an axis.")
            for word in _words(ends[pole], {*axes, *hues}, path):
                axes[word] = (axis, signs[axis, pole])
    for hue, words in _table(loaded, "hues", path).items():
        if hue not in HUES:
            raise DataError(f"{path} has the hue {hue!r}; expected one of {', '.join(HUES)}.")
        for word in _words(words, {*axes, *hues}, path):
            hues[word] = hue
    return Unseen(axes, hues)


def _table(loaded: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    table = loaded.get(name, {})
    if not isinstance(table, Mapping):
        raise DataError(f"{path} has {shown(table)} for {shown(name)}; expected a table.")
    return table


def _words(words: Any, before: set[str], path: Path) -> list[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{path} has {shown(words)}; expected a list of words.")
    for number, word in enumerate(words):
        if word in before or word in words[:number]:
            raise DataError(f"{path} has {word!r} twice; keep one pole a word.")
    return words
