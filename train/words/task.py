"""Distillation of the text engine: any adjective's spelling to its meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.vocabulary import known_words
from train.models.qat import prepare
from train.models.text import TextEngine
from train.preset import Preset
from train.words.lexicon.labels import TWO_POLES, Labels
from train.words.lexicon.spelling import ENDINGS, inflected, misspelt, random_string

VALIDATION_WORDS = 1500
INFLECTED_BYTES = 9  # longer words take "more", not an ending
COMMON_RANK = 50_000  # a word of this rank counts half as common as the commonest
# How often a word is drawn, added up: any word, the commonest, one with a full axis score, a
# labelled one, one of the vocabulary.
ANY_WEIGHT, COMMON_WEIGHT, SHOWN_WEIGHT, LABELLED_WEIGHT, KNOWN_WEIGHT = 0.4, 0.6, 6.0, 2.0, 6.0


@dataclass(frozen=True)
class Lexicon:
    """What every word should mean.

    Attributes:
        words: all strings.
        teacher: (V, P) principal components of the teachers' vectors, of length 1.
        scores: (V, A) axis scores, columns as in `train.words.lexicon.labels.COLUMNS`.
        rank: (V,) place by commonness.
        antonyms: (M, 2) positions of words that must end apart.
        synonyms: (M, 2) positions of words of one sense; for the report alone.
    """

    words: tuple[str, ...]
    teacher: Tensor
    scores: Tensor
    rank: Tensor
    antonyms: Tensor
    synonyms: Tensor


def principal_components(x: Tensor, dim: int) -> Tensor:
    """(V, F) -> (V, P) of length 1, P the smaller of `dim` and F; signs are fixed."""
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    top = vectors[:, values.argsort(descending=True)[:dim]]
    signs = top.gather(0, top.abs().argmax(0, keepdim=True)).sign()
    return F.normalize(centred @ (top * signs), dim=-1)


def opposite_poles(
    labels: Labels, place: dict[str, int], strength: float = 0.8
) -> list[tuple[int, int]]:
    """Pairs of labelled words that stand at either pole of one axis."""
    pairs = []
    for axis in range(TWO_POLES):
        ends: tuple[list[int], list[int]] = ([], [])
        for i, word in enumerate(labels.words):
            value = float(labels.scores[i, axis])
            if word in place and abs(value) >= strength:
                ends[value > 0].append(place[word])
        pairs += [(a, b) for a in ends[0] for b in ends[1]]
    return pairs


def bytes_from_words(words: Sequence[str], length: int) -> Tensor:
    """Words -> text_bytes (M, L) uint8; bytes beyond L are cut."""
    out = np.zeros((len(words), length), dtype=np.uint8)
    for row, word in enumerate(words):
        raw = np.frombuffer(word.encode("utf-8")[:length], dtype=np.uint8)
        out[row, : len(raw)] = raw
    return torch.from_numpy(out)


def embed_words(engine: TextEngine, words: Sequence[str], batch: int = 1024) -> Tensor:
    """Words -> (M, D) float32, without gradients."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(words), batch):
            text_bytes = bytes_from_words(words[start : start + batch], engine.config.max_bytes)
            parts.append(engine(text_bytes.unsqueeze(0))[0])  # one prompt of many words
    return torch.cat(parts)


class WordsModule(nn.Module):
    """The text engine, and a linear head that only training has."""

    def __init__(self, preset: Preset, targets: int) -> None:
        super().__init__()
        self.text = TextEngine(preset.text)
        self.head = nn.Linear(preset.text.width, targets)

    def forward(self, text_bytes: Tensor) -> tuple[Tensor, Tensor]:
        """text_bytes (M, L) -> embeddings (M, D), predicted targets (M, P + A)."""
        embeddings: Tensor = self.text(text_bytes.unsqueeze(0))[0]
        return embeddings, self.head(embeddings)


class WordsTask:
    """Losses and validation of the distillation; see `train.loop.Task`."""

    def __init__(self, preset: Preset, lexicon: Lexicon, labelled: frozenset[str]) -> None:
        self.preset, self.lexicon, self.config = preset, lexicon, preset.words
        self.targets = torch.cat(
            [lexicon.teacher, lexicon.scores * preset.words.score_weight], dim=-1
        )  # (V, P + A)
        torch.manual_seed(preset.words_fit.seed)
        self.module = WordsModule(preset, self.targets.shape[1])
        self.known = frozenset(lexicon.words)
        seen = self._seen()
        self.chances = self._chances(labelled) * seen
        self.chances /= self.chances.sum()
        self.held_out = np.flatnonzero(~seen)
        kept = torch.from_numpy(seen)[lexicon.antonyms].all(1)
        self.antonyms = lexicon.antonyms[kept]
        rng = np.random.default_rng(preset.words_fit.seed)
        pool = self.held_out if len(self.held_out) else np.flatnonzero(seen)
        self.checked = rng.permutation(pool)[:VALIDATION_WORDS]
        self.slips = [misspelt(word, rng) for word in known_words() if word in self.known]

    def _seen(self) -> np.ndarray:
        rng = np.random.default_rng(self.preset.words_fit.seed)
        drawn = rng.random(len(self.lexicon.words)) >= self.config.held_out
        vocabulary = set(known_words())
        return np.asarray(drawn | np.array([word in vocabulary for word in self.lexicon.words]))

    def _chances(self, labelled: frozenset[str]) -> np.ndarray:
        """How often a word is drawn: more for common words and for those that show in pictures."""
        vocabulary = set(known_words())
        common = 1 / (1 + self.lexicon.rank.double().numpy() / COMMON_RANK)
        shown = self.lexicon.scores.abs().amax(1).double().numpy()
        words = self.lexicon.words
        told = np.array([word in labelled for word in words]) * LABELLED_WEIGHT
        base = np.array([word in vocabulary for word in words]) * KNOWN_WEIGHT
        weights = ANY_WEIGHT + COMMON_WEIGHT * common + SHOWN_WEIGHT * shown + told + base
        return np.asarray(weights)

    def _written(self, word: str, rng: np.random.Generator) -> str:
        """The word as somebody might type it."""
        roll = rng.random()
        other = word
        if roll < self.config.misspelt:
            other = misspelt(word, rng)
        elif roll < self.config.misspelt + self.config.inflected and len(word) < INFLECTED_BYTES:
            other = inflected(word, ENDINGS[int(rng.integers(len(ENDINGS)))])
        return word if other in self.known else other

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Distance to the targets, of pairwise cosines, and of antonyms that are too close."""
        batch = self.preset.words_fit.batch
        pairs = self.antonyms[torch.from_numpy(rng.integers(len(self.antonyms), size=batch // 8))]
        nonsense = int(batch * self.config.nonsense)
        drawn = rng.choice(len(self.chances), size=batch - nonsense, p=self.chances)
        picks = torch.cat([torch.from_numpy(drawn), pairs.flatten()])
        strings = [self._written(self.lexicon.words[int(i)], rng) for i in picks]
        strings += [random_string(rng) for _ in range(nonsense)]
        length = min(self.preset.text.max_bytes, max(map(len, strings)))
        embeddings, predicted = self.module(bytes_from_words(strings, length))
        targets = F.pad(self.targets[picks], (0, 0, 0, nonsense))  # no word: all zeros
        distance = (predicted - targets).square().sum(-1).mean()
        words = embeddings[: len(picks)]
        units = F.normalize(words, dim=-1)
        wanted = F.normalize(self.targets[picks], dim=-1)
        pairwise = (units @ units.T - wanted @ wanted.T).square().mean()
        a, b = units[len(drawn) :].view(len(pairs), 2, -1).unbind(1)  # (P, D) each
        antonym = F.relu((a * b).sum(-1) - self.config.antonym_cosine).mean()
        size = (words.square().mean() - 1).square()  # entries of about 1, whatever the width
        loss = (
            distance
            + self.config.pair_weight * pairwise
            + self.config.antonym_weight * antonym
            + 0.01 * size
        )
        return {"loss": loss, "distance": distance, "pairwise": pairwise, "antonym": antonym}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Distance to the targets of held-out words, or of a sample, and of misspelt known ones."""
        engine, head = self.module.text, self.module.head
        words = [self.lexicon.words[i] for i in self.checked]
        embeddings, targets = embed_words(engine, words), self.targets[self.checked]
        distance = (head(embeddings) - targets).square().sum(-1).mean()
        right = [word for word in known_words() if word in self.known]
        vocabulary = F.normalize(embed_words(engine, right), dim=-1)
        slips = F.normalize(embed_words(engine, self.slips), dim=-1)
        found = (slips @ vocabulary.T).argmax(1) == torch.arange(len(right))
        misread = 1 - float(found.float().mean())
        return {"loss": float(distance) + misread, "distance": float(distance), "misread": misread}

    def start_qat(self) -> None:
        """Fake-quantise the text engine; the head stays float."""
        prepare(self.module.text, self.preset.qat)
