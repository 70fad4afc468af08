"""How words choose a form: words and forms in one space.

    text_embedding (B, W, T), word_weights (B, W)  ->  query (B, Q): the weighted sum of the words'
    form (B, 64, 64)                               ->  key (B, Q)

A query times a key is the sum of what each word says of the form, about the logarithm of how much
likelier the word is on such a form than on any: words add up, a word of colour adds nothing, a
word to avoid is taken away. Source: Radford et al. 2021, arXiv:2103.00020 (the loss).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.qat import QatLinear

BLOCK = 4  # side of the block of a form that the encoder's outermost positions cover
WIDTHS = (64, 128, 128)  # of the encoder, from 16 x 16 positions to 4 x 4


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
        self.key = nn.Linear(2 * WIDTHS[-1], key)

    def forward(self, form: Tensor) -> Tensor:
        """(B, 64, 64) float32 of spread 1 -> (B, Q)."""
        seen = self.layers(_last(form.unsqueeze(1))).flatten(2)  # (B, C, 16)
        keys: Tensor = self.key(torch.cat([seen.mean(-1), seen.amax(-1)], dim=-1))
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

    def forward(self, text_embedding: Tensor, word_weights: Tensor) -> Tensor:
        """(B, W, T) and (B, W), below 0 a word to avoid -> (B, Q)."""
        words: Tensor = self.second(F.gelu(self.first(text_embedding))).float()  # (B, W, Q)
        return (words * word_weights.unsqueeze(-1)).sum(1)


class Chooser(nn.Module):
    """Both sides."""

    def __init__(self, text_width: int, key: int) -> None:
        super().__init__()
        self.encoder = FormEncoder(key)
        self.query = Query(text_width, key)


def matching_loss(query: Tensor, keys: Tensor) -> Tensor:
    """How badly queries and keys of the same row find each other among all: (B, Q) each."""
    logits, own = query @ keys.T, torch.arange(len(keys))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
