"""How words choose a form: words and forms in one space.

    text_embedding (B, W, T)  ->  vectors (B, W, Q) and biases (B, W) of the words
    form (B, 64, 64)          ->  key (B, Q)

A word's vector times a form's key, and its bias, is the logit of how likely the word is true of the
form. What a prompt says of a form is the sum over its words, each up to `ENOUGH`: all forms that a
word is true of are then as good as each other, and a word of colour, which is as true of one form
as of another, changes nothing. A word to avoid counts the other way round.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.qat import QatLinear

BLOCK = 4  # side of the block of a form that the encoder's outermost positions cover
ENOUGH = 4.0  # logit from which a word is as good as true
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
    """What words ask of a form; it is shipped."""

    def __init__(self, text_width: int, key: int) -> None:
        super().__init__()
        self.first = QatLinear(text_width, text_width)
        self.second = QatLinear(text_width, key + 1)

    def forward(self, text_embedding: Tensor) -> Tensor:
        """Words (..., T) -> their vectors and, behind, their biases (..., Q + 1)."""
        asked: Tensor = self.second(F.gelu(self.first(text_embedding)))
        return asked.float()


class Chooser(nn.Module):
    """Both sides."""

    def __init__(self, text_width: int, key: int) -> None:
        super().__init__()
        self.encoder = FormEncoder(key)
        self.query = Query(text_width, key)

    def forward(self, form: Tensor, words: Tensor) -> Tensor:
        """Forms (B, 64, 64) and words (V, T) -> logits (B, V) of each word on each form."""
        return logits_of(self.encoder(form), self.query(words))


def logits_of(keys: Tensor, asked: Tensor) -> Tensor:
    """How likely words are true of forms, as logits.

    Args:
        keys: (M, Q).
        asked: (..., Q + 1) of a query.

    Returns:
        (..., M) for words of more than one axis, else (M, V).
    """
    vectors, biases = asked[..., :-1], asked[..., -1:]
    logits: Tensor = vectors @ keys.T + biases
    return logits.T if logits.dim() == 2 else logits


def heard(logits: Tensor, word_weights: Tensor) -> Tensor:
    """What prompts say of forms: logits (B, W, M), weights (B, W), below 0 to avoid -> (B, M)."""
    weights = word_weights.unsqueeze(-1)
    return (weights.abs() * (weights.sign() * logits).clamp_max(ENOUGH)).sum(1)


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
