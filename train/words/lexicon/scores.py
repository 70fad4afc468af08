"""Axis scores of every adjective: learned from the labelled ones, spread along the dictionary.

Kernel ridge regression from teacher vectors to axis scores gives a first guess for each word. Then
guesses, labels and links are weighed against each other: words of one sense or of similar senses
share their scores, antonyms have opposite ones. That is a linear system, solved by iteration.

Source: label propagation, Zhou et al. 2004 (Learning with local and global consistency).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.vocabulary import HUES
from train.words.lexicon.labels import TWO_POLES, Labels, subset
from train.words.lexicon.teachers import Teachers
from train.words.lexicon.wordnet import WordNet

MILD = 0.7  # weight of the weaker blocks of the features
KERNEL_WIDTH = 0.5  # in cosine distance
RIDGE = 0.1
UNNAMED = 0.15  # confidence in the 0 of an axis that a label does not name
LABEL, SIMILAR, OPPOSITE = 10.0, 1.0, 0.5  # weights beside the guess's 1
UNNAMED_LABEL = 0.5
ITERATIONS = 30
STRONG = 0.5  # labels at least this strong count for the sign's accuracy
FOLDS = 5


@dataclass(frozen=True)
class Links:
    """A weighted graph over the lexicon: strength of an edge from `rows` to `columns`, all (E,)."""

    rows: Tensor
    columns: Tensor
    strengths: Tensor

    def total(self, size: int) -> Tensor:
        """Strengths of each word's edges, (V, 1)."""
        return torch.zeros(size).index_add_(0, self.rows, self.strengths).unsqueeze(-1)

    def sum(self, values: Tensor) -> Tensor:
        """Weighted sum over linked words, (V, F) -> (V, F)."""
        moved = values[self.columns] * self.strengths.unsqueeze(-1)  # (E, F)
        return torch.zeros_like(values).index_add_(0, self.rows, moved)


def _links(edges: Sequence[tuple[int, int, float]]) -> Links:
    rows, columns, strengths = zip(*edges, strict=True) if edges else ((), (), ())
    return Links(
        torch.tensor(rows, dtype=torch.long),
        torch.tensor(columns, dtype=torch.long),
        torch.tensor(strengths, dtype=torch.float32),
    )


def dictionary_links(words: Sequence[str], wordnet: WordNet) -> tuple[Links, Links]:
    """Edges between similar words, and between antonyms."""
    place = {word: i for i, word in enumerate(words)}
    similar = [
        (i, place[other], strength)
        for i, word in enumerate(words)
        for other, strength in wordnet.neighbours(word).items()
        if other in place
    ]
    opposite = []
    for a, b in wordnet.antonyms():
        if a in place and b in place:
            opposite += [(place[a], place[b], 1.0), (place[b], place[a], 1.0)]
    return _links(similar), _links(opposite)


def features(teachers: Teachers, similar: Links) -> Tensor:
    """All teachers of a word beside the mean of its neighbours', (V, F)."""

    def centred(x: Tensor) -> Tensor:
        return F.normalize(x - x.mean(0), dim=-1)

    own = torch.cat(
        [
            MILD * centred(teachers.plain),
            MILD * centred(teachers.template),
            centred(teachers.gloss),
            teachers.glove,
        ],
        dim=-1,
    )
    around = F.normalize(similar.sum(own), dim=-1)
    return torch.cat([own, MILD * around], dim=-1)


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    cosine = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
    return torch.exp((cosine - 1) / KERNEL_WIDTH)


def ridge(x: Tensor, at: Tensor, labels: Labels) -> Tensor:
    """First guess: kernel ridge regression from features (V, F) to scores (V, A).

    Args:
        at: rows of the labelled words.
    """
    kernel, everywhere = _kernel(x[at], x[at]), _kernel(x, x[at])
    columns = []
    for axis in range(labels.scores.shape[1]):
        confidence = torch.where(labels.named[:, axis], 1.0, UNNAMED)
        system = kernel + torch.diag(RIDGE / confidence)
        columns.append(everywhere @ torch.linalg.solve(system, labels.scores[:, axis]))
    return torch.stack(columns, dim=-1)


def spread(guess: Tensor, at: Tensor, labels: Labels, similar: Links, opposite: Links) -> Tensor:
    """Weigh guess, labels and links against each other, (V, A) -> (V, A) in [-1, 1]."""
    size = len(guess)
    confidence, told = torch.zeros_like(guess), torch.zeros_like(guess)
    confidence[at] = torch.where(labels.named, LABEL, UNNAMED_LABEL)
    told[at] = labels.scores
    flips = torch.ones(guess.shape[1])
    flips[TWO_POLES:] = 0  # a hue has no opposite
    weight = (
        1 + confidence + SIMILAR * similar.total(size) + OPPOSITE * flips * opposite.total(size)
    )
    scores = guess
    for _ in range(ITERATIONS):
        linked = SIMILAR * similar.sum(scores) - OPPOSITE * flips * opposite.sum(scores)
        scores = (guess + confidence * told + linked) / weight
    scores = scores.clamp(-1, 1)
    scores[:, TWO_POLES:] = scores[:, TWO_POLES:].clamp_min(0)
    return scores


@dataclass(frozen=True)
class Scorer:
    """Axis scores for one lexicon.

    Attributes:
        words: the lexicon.
        x: features (V, F).
        similar, opposite: links of the dictionary.
    """

    words: tuple[str, ...]
    x: Tensor
    similar: Links
    opposite: Links

    def scores(self, labels: Labels) -> Tensor:
        """(V, A) float32 in [-1, 1], columns as in `COLUMNS`; labels outside the lexicon drop."""
        place = {word: i for i, word in enumerate(self.words)}
        known = subset(labels, [i for i, w in enumerate(labels.words) if w in place])
        at = torch.tensor([place[word] for word in known.words], dtype=torch.long)
        guess = ridge(self.x, at, known)
        return spread(guess, at, known, self.similar, self.opposite)

    def cross_validate(self, labels: Labels, folds: int = FOLDS, seed: int = 0) -> dict[str, Any]:
        """How well labels that were held back are predicted, over `folds` parts of the words.

        Returns:
            sign_accuracy: share of held-back labels of strength 0.5 or more with the right pole.
            correlation: Pearson, mean over the two-pole axes.
            hue_accuracy: share of words of a hue whose highest hue is the right one.
        """
        shuffle = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(labels.words), generator=shuffle).tolist()
        place = {word: i for i, word in enumerate(self.words)}
        predicted = torch.zeros_like(labels.scores)
        for fold in range(folds):
            back = order[fold::folds]
            kept = subset(labels, [i for i in order if i not in set(back)])
            scores = self.scores(kept)
            for i in back:
                if labels.words[i] in place:
                    predicted[i] = scores[place[labels.words[i]]]
        return agreement(predicted, labels)


def agreement(predicted: Tensor, labels: Labels) -> dict[str, float]:
    """Predicted scores (V, A) against labels; see `Scorer.cross_validate`."""
    two = torch.arange(labels.scores.shape[1]) < TWO_POLES
    strong = labels.named & (labels.scores.abs() >= STRONG) & two
    right = (predicted * labels.scores)[strong] > 0
    correlations = []
    for axis in range(TWO_POLES):
        told = labels.named[:, axis]
        pair = torch.stack([predicted[told, axis], labels.scores[told, axis]])
        if told.sum() > 2 and bool((pair.std(1) > 0).all()):
            correlations.append(float(torch.corrcoef(pair)[0, 1]))
    hues = slice(TWO_POLES, TWO_POLES + len(HUES))
    full = labels.scores[:, hues] >= 1
    rows = full.any(1)
    best = predicted[rows, hues].argmax(1, keepdim=True)
    return {
        "words": len(labels.words),
        "sign_accuracy": round(float(right.float().mean()), 4),
        "correlation": round(sum(correlations) / max(1, len(correlations)), 4),
        "hue_accuracy": round(float(full[rows].gather(1, best).float().mean()), 4),
    }
