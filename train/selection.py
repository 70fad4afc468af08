"""Which of the pictures that a model drew for a prompt show what the prompt says.

A picture shows a word if its measured attribute lies on the word's side of what the model draws
without words. It is as good as its weakest word, and from a certain margin on as good as any other:
the most extreme picture is not the best one.

Source of training on the selected part of one's own samples: Dong et al. 2023, arXiv:2304.06767.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES
from t2a_edge.vocabulary import AXES, HUES, poles
from train.wording import MEASURED, FloatArray

SHOWN_HUE = 0.1  # score from which a picture shows a hue, however rare it is without words
LEAST_SPREAD = 0.02  # of a score without words: what hardly varies is not divided by


@cache
def measurable_words() -> dict[str, tuple[int, int]]:
    """Known adjectives that a measure stands for -> (column of the scores, sign)."""
    column = {name: number for number, name in enumerate(MEASURED)}
    found = {w: (column[a], s) for w, (a, s) in poles().items() if a in AXIS_MEASURES}
    return found | {word: (column[word], 1) for word in (*HUES, *WORD_MEASURES)}


def random_prompts(
    count: int, rng: np.random.Generator, lengths: Sequence[int], odds: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Prompts of known adjectives, each on an axis of its own or a hue.

    Args:
        lengths: numbers of words, one of them for each prompt.
        odds: axis -> how many times as often it is named as an axis that is not in it, or a hue.
    """
    axes = [axis for axis in AXES if axis.name in AXIS_MEASURES]
    ends = [[list(axis.negative_words), list(axis.positive_words)] for axis in axes]
    groups = [*ends, [list(HUES)]]
    chances = np.array([*(odds.get(axis.name, 1.0) for axis in axes), 1.0])
    chances /= chances.sum()
    prompts = []
    for _ in range(count):
        size = int(rng.choice(lengths))
        chosen = rng.choice(len(groups), size=size, replace=False, p=chances)
        sides = [groups[i][int(rng.integers(len(groups[i])))] for i in chosen]
        prompts.append(tuple(str(rng.choice(words)) for words in sides))
    return prompts


@dataclass(frozen=True)
class Wordless:
    """Scores of pictures that are drawn without words.

    Attributes:
        middle: (A,) medians in the order of `train.wording.MEASURED`.
        spread: (A,) standard deviations.
    """

    middle: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, scores: FloatArray) -> "Wordless":
        """Of (M, A) scores."""
        middle = np.median(scores, axis=0).astype(np.float32)
        hues = slice(len(AXIS_MEASURES), len(AXIS_MEASURES) + len(HUES))
        middle[hues] = np.maximum(middle[hues], SHOWN_HUE)
        return cls(middle, np.maximum(scores.std(0), LEAST_SPREAD).astype(np.float32))

    def margin(self, prompt: Sequence[str], scores: FloatArray) -> FloatArray:
        """How far pictures lie on the side of all words, by the weakest one, in spreads.

        Args:
            prompt: measurable adjectives.
            scores: (M, A).

        Returns:
            (M,); above 0 shows every word.
        """
        words = [measurable_words()[word] for word in prompt]
        columns = [column for column, _ in words]
        signs = np.array([sign for _, sign in words], dtype=np.float32)
        distance = (scores[:, columns] - self.middle[columns]) / self.spread[columns]
        margins: FloatArray = (distance * signs).min(1)
        return margins


def best(margins: FloatArray, keep: int, enough: float) -> list[int]:
    """Which of a prompt's pictures to keep: at most `keep` that show every word, best first.

    Args:
        margins: (M,) of `Wordless.margin`.
        enough: margins from here on are alike; among them the first ones are kept.
    """
    order = np.argsort(-np.minimum(margins, enough), kind="stable")
    return [int(i) for i in order[:keep] if margins[i] > 0]
