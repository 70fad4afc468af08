"""Which adjectives a training step shows for a picture.

A picture comes with given adjectives, by an annotator or by the studio, and with its measured
attributes. A step shows some of the given ones (on request only those that the picture bears
out), some words for what measures strongly, and synonyms in the place of some of both: whoever
types a prompt knows none of our labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F

from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES
from t2a_edge.attributes import attribute_scores
from t2a_edge.vocabulary import AXES, HUES, known_words, poles
from train.checks import require
from train.words.lexicon.labels import load_labels

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

MEASURED = (*AXIS_MEASURES, *HUES, *WORD_MEASURES)  # columns of the scores, in this order
TWO_POLES = len(AXIS_MEASURES)
LEAST_HUE = 0.35  # a hue with a lower score is not named, however rare higher ones are
LEAST_WORD = 0.75  # the same for a word that is measured itself: three to one
ALIKE = 0.8  # cosine of labels from which a word can stand for another
OF_THEIR_OWN = frozenset(
    (*WORD_MEASURES, "striped", "linear", "spiral", "radial", "circular", "round", "swirling",
     "splattered", "grainy", "jagged", "wavy", "layered", "overlapping", "translucent", "blocky")
)  # fmt: skip
"""Known adjectives that say more than their pole: no synonym takes their place."""
NARROW = OF_THEIR_OWN | frozenset(
    ("fiery", "sunny", "icy", "wintry", "black", "nocturnal", "white", "luminous", "empty",
     "explosive", "blurred", "massive", "jagged", "gestural")
)  # fmt: skip
"""Known adjectives that a measured pole alone does not bear out."""


@dataclass(frozen=True, kw_only=True)
class WordingConfig:
    """Which adjectives a training step shows for a picture; see `train.data.wording`.

    Attributes:
        guidance_dropout: share of samples that lose all their adjectives.
        dropout: chance of each given adjective to be left out otherwise.
        checked: whether a given adjective is left out where the picture measures on the other side
            of the middle of all pictures.
        measured: chance of each strongly measured attribute to be named.
        extreme_share: of the pictures that count as strong at either end of an attribute.
        synonyms: chance of each word to be replaced by one of the lexicon that means the same.
        caps: a step shows at most one of these numbers of words, drawn anew for each sample; none
            given is no cap.
    """

    guidance_dropout: float = 0.1
    dropout: float = 0.5
    checked: bool = False
    measured: float = 0.0
    extreme_share: float = 0.25
    synonyms: float = 0.0
    caps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("guidance_dropout", "dropout", "measured", "synonyms"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"wording.{name} is {value}; expected 0 to 1.")
        require(
            0 < self.extreme_share <= 0.5,
            f"wording.extreme_share is {self.extreme_share}; expected above 0, at most 0.5.",
        )
        require(
            all(cap >= 1 for cap in self.caps),
            f"wording.caps is {list(self.caps)}; expected numbers from 1.",
        )


def measured_scores(square: UInt8Array) -> FloatArray:
    """(H, W, 3) uint8 -> (A,) float32 in the order of `MEASURED`."""
    scores = attribute_scores(square)
    return np.array([scores[name] for name in MEASURED], dtype=np.float32)


@dataclass(frozen=True)
class Extremes:
    """From which score on an attribute is named, by the pictures that are trained on.

    Attributes:
        low, high: (A,) scores of the outer shares; a hue or word has no low end.
        middle: (A,) medians.
    """

    low: FloatArray
    high: FloatArray
    middle: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, share: float) -> "Extremes":
        """Of (M, A) scores; `share` of the pictures lie beyond either end."""
        shares = [share, 0.5, 1 - share]
        low, middle, high = np.quantile(scores, shares, axis=0).astype(np.float32)
        low[TWO_POLES:] = -np.inf
        words = TWO_POLES + len(HUES)
        high[TWO_POLES:words] = np.maximum(high[TWO_POLES:words], LEAST_HUE)
        high[words:] = np.maximum(high[words:], LEAST_WORD)
        return cls(low, high, middle)

    @classmethod
    def nowhere(cls) -> "Extremes":
        """Ends that no score is beyond."""
        ends = np.full(len(MEASURED), np.inf, dtype=np.float32)
        return cls(-ends, ends, np.zeros_like(ends))

    def bears_out(self, word: str, scores: FloatArray) -> bool:
        """Whether a picture lies on the side of an adjective's pole; True if none is measured."""
        axis, sign = _meaning(word)
        if axis not in AXIS_MEASURES:
            return True
        column = MEASURED.index(axis)
        return bool((scores[column] - self.middle[column]) * sign > 0)

    def named(self, scores: FloatArray) -> list[tuple[str, ...]]:
        """For each attribute beyond an end, the words that could name it."""
        found: list[tuple[str, ...]] = []
        for column, (name, score) in enumerate(zip(MEASURED, scores, strict=True)):
            if score > self.high[column]:
                found.append(_pole_words()[name, 1])
            elif score < self.low[column]:
                found.append(_pole_words()[name, -1])
        return found


@cache
def _pole_words() -> dict[tuple[str, int], tuple[str, ...]]:
    """Words for either end of what is measured, the narrow ones left out."""
    words: dict[tuple[str, int], tuple[str, ...]] = {}
    words |= {(name, 1): (name,) for name in (*HUES, *WORD_MEASURES)}
    for axis in AXES:
        for sign, members in ((-1, axis.negative_words), (1, axis.positive_words)):
            plain = tuple(word for word in members if word not in NARROW)
            words[axis.name, sign] = plain or members
    return words


@cache
def synonyms() -> Mapping[str, tuple[str, ...]]:
    """Known adjective -> labelled words of the lexicon that mean nearly the same."""
    labels = load_labels()
    unit = F.normalize(labels.scores, dim=1)
    rows = {word: number for number, word in enumerate(labels.words)}
    known, found = set(known_words()), {}
    for word in (known & rows.keys()) - OF_THEIR_OWN:  # the lexicon has not every word of form
        likeness = unit @ unit[rows[word]]
        near = [labels.words[i] for i in (likeness > ALIKE).nonzero().flatten().tolist()]
        found[word] = tuple(other for other in near if other not in known)
    return found


def _meaning(word: str) -> tuple[str, int]:
    """What a word speaks of, an axis or itself; and the sign of its pole."""
    return poles().get(word, (word, 1))


class Wording:
    """Chooses the words of a training step.

    Args:
        extremes: where measured attributes are named.
    """

    def __init__(self, config: WordingConfig, extremes: Extremes) -> None:
        self.config, self.extremes = config, extremes

    def choose(
        self, given: Sequence[str], scores: FloatArray, most: int, rng: np.random.Generator
    ) -> list[str]:
        """Up to `most` adjectives for one picture, in random order; none for guidance.

        Args:
            given: its adjectives.
            scores: (A,) its measured attributes.
        """
        config = self.config
        if rng.random() < config.guidance_dropout:
            return []
        shown = [w for w in given if not config.checked or self.extremes.bears_out(w, scores)]
        words = [word for word in shown if rng.random() >= config.dropout]
        said = dict(_meaning(word) for word in given)  # axis -> sign, also of what is left out
        taken = {_meaning(word)[0] for word in words}
        for choices in self.extremes.named(scores):
            if rng.random() < config.measured:
                word = str(rng.choice(choices))
                axis, sign = _meaning(word)
                if axis not in taken and said.get(axis, sign) == sign:
                    words.append(word)
                    taken.add(axis)
        if not words and shown:
            words = [shown[int(rng.integers(len(shown)))]]
        if config.caps:
            most = min(most, int(rng.choice(config.caps)))
        return self.reworded(words, rng)[:most]

    def reworded(self, words: Sequence[str], rng: np.random.Generator) -> list[str]:
        """All of some words in random order, synonyms in the place of some."""
        return [self._maybe_swap(words[number], rng) for number in rng.permutation(len(words))]

    def _maybe_swap(self, word: str, rng: np.random.Generator) -> str:
        if rng.random() >= self.config.synonyms:
            return word
        others = synonyms().get(word, ())
        return str(rng.choice(others)) if others else word
