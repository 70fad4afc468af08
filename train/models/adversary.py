"""A patch discriminator: tells whether a neighbourhood of about 40 pixels is painted or decoded.

Its verdict on the decoder's pictures is the loss that makes texture crisp, with no pretrained
weights from outside: it learns from the training pictures alone. Sources: Isola et al. 2017,
arXiv:1611.07004 (patches); Esser et al. 2021, arXiv:2012.09841 (its use in a VQ-VAE, the adaptive
weight); Wang et al. 2018, arXiv:1711.11585 (feature matching).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky relu


@dataclass(frozen=True, kw_only=True)
class AdversaryConfig:
    """How the decoder is sharpened against a discriminator.

    Attributes:
        weight: of the discriminator's verdict, where 1 pulls as hard as the pixel losses; 0 leaves
            the stage out.
        width: channels of the discriminator's first layer.
        ramp_steps: over which the weight rises.
        band_weight: of the error of fine detail in the validation loss, beside the squared error.
    """

    weight: float = 0.0
    width: int = 32
    ramp_steps: int = 100
    band_weight: float = 0.05


class Discriminator(nn.Module):
    """images (B, 3, H, W) in [-1, 1] -> features of every layer; the last is (B, 1, H/8, W/8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)
        )
        self.verdict = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of each layer, then the verdict: high is real."""
        features, x = [], images
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            features.append(x)
        return [*features, self.verdict(x)]


def discriminator_loss(real: Tensor, decoded: Tensor) -> Tensor:
    """Hinge loss of verdicts on real and decoded pictures."""
    return (F.relu(1 - real.float()).mean() + F.relu(1 + decoded.float()).mean()) / 2


def feature_loss(real: list[Tensor], decoded: list[Tensor]) -> Tensor:
    """Mean absolute difference of the discriminator's features, relative to their size."""
    parts = [
        (a.detach() - b).float().abs().mean() / a.detach().float().abs().mean().clamp_min(1e-4)
        for a, b in zip(real[:-1], decoded[:-1], strict=True)
    ]
    return torch.stack(parts).mean()


def adaptive_weight(
    reconstruction: Tensor, adversarial: Tensor, last: Tensor, most: float = 100.0
) -> Tensor:
    """What makes both losses pull equally on the decoder's last weight; no gradient."""
    (by_pixels,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (by_verdict,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    ratio: Tensor = by_pixels.norm() / (by_verdict.norm() + 1e-6)
    return ratio.detach().clamp(0, most)
