"""How words choose a form: words and forms in one space.

    text_embedding (B, W, T), word_weights (B, W)  ->  query (B, Q): the weighted sum of the words'
    form (B, 64, 64)                               ->  key (B, Q)

A word's vector times a form's key is how much likelier the word is on such a form than on any, as
the logit of a probability. Words add up, a word of colour adds nothing, a word to avoid is taken
away.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.qat import QatLinear

BLOCK = 4  # side of the block of a form that the encoder's outermost positions cover
WIDTHS = (64, 128, 160)  # of the encoder, from 16 x 16 positions to 4 x 4


class FormEncoder(nn.Module):
    """Forms to keys; float only, the bank carries the keys."""

    def __init__(self, key: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.PixelUnshuffle(BLOCK)]
        for level, (inputs, width) in enumerate(zip((BLOCK**2, *WIDTHS), WIDTHS, strict=False)):
            layers += [
                nn.Conv2d(inputs, width, 3, stride=2 if level else 1, padding=1), nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers)
        self.hidden = nn.Linear(2 * WIDTHS[-1], 2 * WIDTHS[-1])
        self.key = nn.Linear(2 * WIDTHS[-1], key)

    def forward(self, form: Tensor) -> Tensor:
        """(B, 64, 64) float32 of spread 1 -> (B, Q)."""
        seen = self.layers(_last(form.unsqueeze(1))).flatten(2)  # (B, C, 16)
        pooled = torch.cat([seen.mean(-1), seen.amax(-1)], dim=-1)
        keys: Tensor = self.key(F.relu(self.hidden(pooled)))
        return keys.float()


def _last(images: Tensor) -> Tensor:
    """Channels last in memory, which processors convolve fastest."""
    return images.contiguous(memory_format=torch.channels_last)


class Query(nn.Module):
    """Words to a query; it is shipped."""

    def __init__(self, text_width: int, key: int) -> None:
        super().__init__()
        self.first = QatLinear(text_width, text_width)
        self.second = QatLinear(text_width, key)

    def of_words(self, text_embedding: Tensor) -> Tensor:
        """Vectors of words of any shape (..., T) -> (..., Q)."""
        vectors: Tensor = self.second(F.gelu(self.first(text_embedding)))
        return vectors.float()

    def forward(self, text_embedding: Tensor, word_weights: Tensor) -> Tensor:
        """(B, W, T) and (B, W), below 0 a word to avoid -> (B, Q)."""
        return (self.of_words(text_embedding) * word_weights.unsqueeze(-1)).sum(1)


class Chooser(nn.Module):
    """Both sides, and how likely each word is on any form, which training alone has."""

    def __init__(self, text_width: int, key: int) -> None:
        super().__init__()
        self.encoder = FormEncoder(key)
        self.query = Query(text_width, key)
        self.commonness = nn.Sequential(nn.Linear(text_width, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, form: Tensor, words: Tensor) -> Tensor:
        """Forms (B, 64, 64) and words (V, T) -> logits (B, V) of each word on each form."""
        common = self.commonness(words).float().squeeze(-1)
        logits: Tensor = self.encoder(form) @ self.query.of_words(words).T + common
        return logits


def naming_loss(logits: Tensor, labels: Tensor, doubt: float = 0.0) -> Tensor:
    """How badly forms are named: mean cross-entropy of what is known.

    Args:
        logits: (B, V).
        labels: (B, V), 1 where the word is true, 0 where it is not, below 0 where nobody knows.
        doubt: how likely a label is wrong; it keeps the logits from growing without end.
    """
    known = (labels >= 0).float()
    wanted = doubt + (1 - 2 * doubt) * labels.clamp_min(0).float()
    losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (losses * known).sum() / known.sum().clamp_min(1)
