"""The zero-shot yardstick: adjectives without training labels, and the pole each plainly means."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from t2a_edge.errors import DataError
from t2a_edge.vocabulary import AXES, HUES

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
        loaded = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} cannot be read ({exc}); expected a TOML list of words.") from exc
    signs = {(axis.name, axis.negative): -1 for axis in AXES}
    signs |= {(axis.name, axis.positive): 1 for axis in AXES}
    axes: dict[str, tuple[str, int]] = {}
    hues: dict[str, str] = {}
    for axis, ends in loaded.get("axes", {}).items():
        for pole, words in ends.items():
            if (axis, pole) not in signs:
                raise DataError(f"{path} has {pole!r} of {axis!r}; expected a pole of an axis.")
            for word in words:
                _once(word, {*axes, *hues}, path)
                axes[word] = (axis, signs[axis, pole])
    for hue, words in loaded.get("hues", {}).items():
        if hue not in HUES:
            raise DataError(f"{path} has the hue {hue!r}; expected one of {', '.join(HUES)}.")
        for word in words:
            _once(word, {*axes, *hues}, path)
            hues[word] = hue
    return Unseen(axes, hues)


def _once(word: str, before: set[str], path: Path) -> None:
    if word in before:
        raise DataError(f"{path} has {word!r} twice; keep one pole a word.")
