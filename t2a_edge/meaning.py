"""What an adjective is taken to mean: the known adjectives near it, and the axes that it moves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.prompt import Term
from t2a_edge.vocabulary import AXES, HUES

Float32Array = npt.NDArray[np.float32]

NEAREST = 3
LEAST_PULL = 0.25  # difference of similarities from which an axis is named
LEAST_HUE = 0.5  # similarity from which a hue is named


@dataclass(frozen=True)
class Meaning:
    """What one adjective of a prompt is taken to mean.

    Attributes:
        word, weight: as they were understood.
        known: whether training used the word.
        nearest: known adjectives near it with their cosine similarity, nearest first.
        axes: what it moves: axis, pole and strength, strongest first. The strength is how much more
            similar the word is to the adjectives of this pole than to those of the other, 0 to 2;
            of a hue, the similarity to its name.
    """

    word: str
    weight: float
    known: bool
    nearest: tuple[tuple[str, float], ...]
    axes: tuple[tuple[str, str, float], ...]


def unit_rows(vectors: Float32Array) -> Float32Array:
    """Each row at length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    rows: Float32Array = vectors / np.maximum(lengths, np.float32(1e-8))
    return rows


def meanings(
    terms: Sequence[Term],
    embedding: Float32Array,
    words: Sequence[str],
    vectors: Float32Array,
    vocabulary: Sequence[str],
) -> list[Meaning]:
    """Compare the adjectives of a prompt with known ones.

    Args:
        embedding: (W, D), of the terms.
        words: the vocabulary and the words of the axes.
        vectors: (V, D), of these words, each of length 1.
        vocabulary: what training used.
    """
    column = {word: number for number, word in enumerate(words)}
    similarity = unit_rows(embedding) @ vectors.T  # (W, V)
    found = []
    for term, row in zip(terms, similarity, strict=True):
        axes: list[tuple[str, str, float]] = []
        for axis in AXES:
            if not axis.negative_words or not axis.positive_words:
                continue
            low, high = (
                float(row[[column[word] for word in side]].mean())
                for side in (axis.negative_words, axis.positive_words)
            )
            pole = axis.positive if high > low else axis.negative
            axes.append((axis.name, pole, abs(high - low)))
        axes = [entry for entry in axes if entry[2] >= LEAST_PULL]
        axes += [("hue", h, float(row[column[h]])) for h in HUES if row[column[h]] >= LEAST_HUE]
        order = [i for i in np.argsort(-row) if words[i] in vocabulary and words[i] != term.word]
        found.append(
            Meaning(
                word=term.word,
                weight=term.weight,
                known=term.word in vocabulary,
                nearest=tuple((words[i], float(row[i])) for i in order[:NEAREST]),
                axes=tuple(sorted(axes, key=lambda entry: -entry[2])),
            )
        )
    return found
