"""The text engine: raw UTF-8 bytes to one vector a word, without tokenizer or vocabulary.

Byte n-grams of each word, with marks at its ends, and the word as a whole are hashed to rows of
one table; their mean goes through a small projection. Words that share spelling share rows, so a
misspelt word lands near the right one.

Source of the hashing: Bojanowski et al. 2017, arXiv:1607.04606 (subword vectors).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.checks import require
from train.models.qat import QatEmbedding, QatLinear

MODULUS = 2**31 - 1
START, END = 1, 2  # marks at the ends of a word; control bytes, which no prompt contains
HASH_SEED = 20_241  # fixed for ever: another one would move every row


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Shape of the tokenizer-free word embedding.

    Attributes:
        width: dimensions of a word's vector.
        table_size: rows that byte n-grams are hashed to.
        table_dim: dimensions of a row.
        ngrams: lengths of the byte n-grams, boundary marks included.
        max_words, max_bytes: most adjectives in a prompt and bytes in one.
    """

    width: int = 192
    table_size: int = 4096
    table_dim: int = 64
    ngrams: tuple[int, ...] = (2, 3, 4)
    max_words: int = 8
    max_bytes: int = 32

    def __post_init__(self) -> None:
        require(
            bool(self.ngrams) and all(1 <= n <= 6 for n in self.ngrams),
            f"text.ngrams is {list(self.ngrams)}; expected lengths from 1 to 6.",
        )


@dataclass(frozen=True, kw_only=True)
class WordsConfig:
    """What the text engine is distilled towards, and how words are written meanwhile.

    Attributes:
        teacher_dim: principal components of the teachers' vectors that are kept.
        score_weight: length of a full axis score beside a teacher vector of length 1.
        pair_weight, antonym_weight: of the pairwise-similarity and the antonym loss.
        antonym_cosine: antonyms end at most this close.
        misspelt, inflected, nonsense: shares of a batch that are written with a slip, with an
            ending, or that are no words at all.
        held_out: share of the lexicon's strings that training never sees, to measure spelling.
    """

    teacher_dim: int = 48
    score_weight: float = 1.4
    pair_weight: float = 4.0
    antonym_weight: float = 1.0
    antonym_cosine: float = 0.0
    misspelt: float = 0.3
    inflected: float = 0.1
    nonsense: float = 0.05
    held_out: float = 0.0

    def __post_init__(self) -> None:
        require(self.teacher_dim >= 1, f"words.teacher_dim is {self.teacher_dim}; expected >= 1.")
        shares = self.misspelt + self.inflected + self.nonsense
        require(
            0 <= shares < 1,
            f"words.misspelt, inflected and nonsense add up to {shares:g}; expected less than 1.",
        )
        require(
            0 <= self.held_out < 1,
            f"words.held_out is {self.held_out}; expected from 0 to below 1.",
        )


def mean_word(text_embedding: Tensor, word_weights: Tensor) -> tuple[Tensor, Tensor]:
    """The words of each prompt as one vector, by their weights.

    Args:
        text_embedding: (B, W, D).
        word_weights: (B, W); 0 is no word.

    Returns:
        Their mean (B, 1, D), and 1 where there is any word, else 0, (B, 1, 1).
    """
    weights = word_weights.unsqueeze(-1)  # (B, W, 1)
    total = (text_embedding * weights).sum(1, keepdim=True)
    mean = total / weights.sum(1, keepdim=True).clamp_min(1e-6)  # (B, 1, D)
    worded = (word_weights.sum(1) > 0).to(mean.dtype).unsqueeze(-1).unsqueeze(-1)
    return mean, worded


class TextEngine(nn.Module):
    """text_bytes (B, W, L) uint8 -> text_embedding (B, W, D) float32."""

    multipliers: Tensor
    whole_multipliers: Tensor

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        rng = np.random.default_rng(HASH_SEED)
        longest = max(config.ngrams)
        multipliers = rng.integers(1, MODULUS, (len(config.ngrams), longest))
        whole = rng.integers(1, MODULUS, config.max_bytes + 2)
        self.register_buffer("multipliers", torch.from_numpy(multipliers), persistent=False)
        self.register_buffer("whole_multipliers", torch.from_numpy(whole), persistent=False)
        self.table = QatEmbedding(config.table_size, config.table_dim)
        nn.init.normal_(self.table.weight, std=0.5)
        self.norm = nn.LayerNorm(config.table_dim)
        self.first = QatLinear(config.table_dim, config.width)
        self.second = QatLinear(config.width, config.width)

    def marked(self, text_bytes: Tensor) -> Tensor:
        """Put marks around each word: (B, W, L) uint8 -> (B, W, L + 2) int64."""
        values = text_bytes.long()
        start = torch.full_like(values[..., :1], START)
        body = torch.cat([values, torch.zeros_like(start)], dim=-1)  # (B, W, L+1)
        before = torch.cat([start, values], dim=-1)  # (B, W, L+1): the byte before each of body
        ends = (body == 0) & (before != 0)
        return torch.cat([start, body + END * ends.long()], dim=-1)  # (B, W, L+2)

    def rows(self, text_bytes: Tensor) -> tuple[Tensor, Tensor]:
        """Table rows of each word's n-grams, and which of them are real.

        Returns:
            rows (B, W, G) int64, valid (B, W, G) bool.
        """
        marked = self.marked(text_bytes)
        length = marked.shape[-1]
        rows, valid = [], []
        for number, n in enumerate(self.config.ngrams):
            count = length - n + 1
            hashed = torch.zeros_like(marked[..., :count])
            for offset in range(n):
                window = marked[..., offset : offset + count]
                hashed = hashed + window * self.multipliers[number, offset]
            rows.append(hashed % MODULUS % self.config.table_size)
            valid.append(marked[..., n - 1 :] != 0)
        whole = (marked * self.whole_multipliers[:length]).sum(-1, keepdim=True)
        rows.append(whole % MODULUS % self.config.table_size)
        valid.append(torch.ones_like(whole, dtype=torch.bool))
        return torch.cat(rows, dim=-1), torch.cat(valid, dim=-1)

    def forward(self, text_bytes: Tensor) -> Tensor:
        """Embed every word; a word of zero bytes is embedded too, and masked by its weight."""
        rows, valid = self.rows(text_bytes)
        if self.training:  # the same mean in a third of the time, but no graph can be made of it
            ends = valid.flatten(0, 1).sum(-1).cumsum(0)  # (B*W,)
            mean = F.embedding_bag(
                rows[valid], self.table.quantized_weight(), F.pad(ends[:-1], (1, 0)), mode="mean"
            ).view(*rows.shape[:2], -1)  # (B, W, T)
        else:
            vectors = self.table(rows) * valid.unsqueeze(-1).to(torch.float32)  # (B, W, G, T)
            mean = vectors.sum(-2) / valid.sum(-1, keepdim=True).to(torch.float32)  # (B, W, T)
        x = F.gelu(self.first(self.norm(mean)))
        embedding: Tensor = self.second(x)
        return embedding
