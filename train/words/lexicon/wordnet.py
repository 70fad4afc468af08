"""Adjectives of WordNet: definitions, similar-to clusters and antonyms.

Reads `data.adj` and `index.adj` as Princeton distributes them; nothing of WordNet is in this
repository. Format: the manual page wndb(5WN).

Source: Miller 1995, WordNet: a lexical database for English, doi:10.1145/219717.219748.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from t2a_edge.documents import is_file
from t2a_edge.errors import DataError

DEFAULT = Path("/usr/share/wordnet")
WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")  # lower-case, alphabetic or hyphenated
SIMILAR, ANTONYM = "&", "!"  # pointer symbols


@dataclass(frozen=True)
class Synset:
    """One sense.

    Attributes:
        words: that share it.
        gloss: definition, without the examples.
        pointers: (symbol, offset of the other synset, own word number, other word number); a
            number of 0 means all words.
    """

    words: tuple[str, ...]
    gloss: str
    pointers: tuple[tuple[str, str, int, int], ...]


@dataclass(frozen=True)
class WordNet:
    """The adjectives.

    Attributes:
        synsets: by offset.
        senses: of each word, the commonest first, as offsets.
    """

    synsets: dict[str, Synset]
    senses: dict[str, tuple[str, ...]]

    @property
    def words(self) -> list[str]:
        """All single-word adjectives, sorted."""
        return sorted(self.senses)

    def definition(self, word: str, senses: int = 1) -> str:
        """The glosses of a word's commonest senses, as one line; empty for an unknown word."""
        found = self.senses.get(word, ())[:senses]
        return "; ".join(self.synsets[offset].gloss for offset in found)

    def neighbours(self, word: str, senses: int = 2) -> dict[str, float]:
        """Words of the same and of similar senses, with the strength of the link in (0, 1].

        Args:
            senses: how many of the word's commonest senses count; a later sense counts less.
        """
        found: dict[str, float] = defaultdict(float)
        for rank, offset in enumerate(self.senses.get(word, ())[:senses]):
            synset = self.synsets[offset]
            share = 1 / (1 + rank)
            linked = [(other, share) for other in synset.words]
            for symbol, target, _, _ in synset.pointers:
                if symbol == SIMILAR:
                    linked += [(w, 0.5 * share) for w in self.synsets[target].words]
            for other, strength in linked:
                if other in self.senses and other != word:
                    found[other] = max(found[other], strength)
        return dict(found)

    def antonyms(self) -> list[tuple[str, str]]:
        """Pairs of direct antonyms, each once, alphabetically."""
        pairs = set()
        for synset in self.synsets.values():
            for symbol, target, own, other in synset.pointers:
                if symbol != ANTONYM or not own or not other or target not in self.synsets:
                    continue
                a, b = synset.words[own - 1], self.synsets[target].words[other - 1]
                if a in self.senses and b in self.senses and a != b:
                    pairs.add((min(a, b), max(a, b)))
        return sorted(pairs)


def load_wordnet(folder: Path = DEFAULT) -> WordNet:
    """Read the adjectives of an installed WordNet.

    Args:
        folder: holds `data.adj` and `index.adj`.

    Raises:
        DataError: a file is missing or has a line of another format.
    """
    for name in ("data.adj", "index.adj"):
        if not is_file(folder / name):
            raise DataError(
                f"{folder} has no {name}; expected the folder of WordNet's database. Install it "
                "with `apt install wordnet-base`, or name its folder with --wordnet."
            )
    synsets: dict[str, Synset] = {}
    for number, line in _lines(folder / "data.adj"):
        try:
            offset, synset = _synset(line)
        except (ValueError, IndexError) as exc:
            raise DataError(
                f"{folder / 'data.adj'}:{number} is not a synset ({exc}); expected the format of "
                "wndb(5WN). Install WordNet again."
            ) from exc
        synsets[offset] = synset
    senses: dict[str, tuple[str, ...]] = {}
    for number, line in _lines(folder / "index.adj"):
        fields = line.split()
        offsets = tuple(f for f in fields[4:] if len(f) == 8 and f in synsets)
        if len(fields) < 6 or not offsets:
            raise DataError(
                f"{folder / 'index.adj'}:{number} names no known synset; expected files of one "
                "version of WordNet. Install it again."
            )
        if WORD.fullmatch(fields[0]):
            senses[fields[0]] = offsets
    return WordNet(synsets, senses)


def _lines(path: Path) -> list[tuple[int, str]]:
    text = path.read_text(encoding="utf-8")
    return [(i, s) for i, s in enumerate(text.splitlines(), 1) if s and not s.startswith("  ")]


def _synset(line: str) -> tuple[str, Synset]:
    head, _, gloss = line.partition("|")
    fields = head.split()
    count = int(fields[3], 16)
    words = tuple(re.sub(r"\(.*\)", "", fields[4 + 2 * i]).lower() for i in range(count))
    start = 4 + 2 * count
    pointers = []
    for i in range(int(fields[start])):
        symbol, target, part, numbers = fields[start + 1 + 4 * i : start + 5 + 4 * i]
        if part in "as":  # to adjectives only
            pointers.append((symbol, target, int(numbers[:2], 16), int(numbers[2:], 16)))
    definition = gloss.split('; "')[0].strip().strip('"')
    return fields[0], Synset(words, definition, tuple(pointers))
