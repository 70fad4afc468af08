"""A deep latent: a whole picture in 8 x 8 positions, and the composer that makes a canvas of it.

    canvas (B, C, 32, 32)          the codes of all scales, enlarged and summed
      -> encoder  -> latents (B, D, 8, 8), each channel of mean 0 and spread 1
      -> composer -> canvas (B, C, 32, 32), for the codec's quantizer

The form of a picture is what the same encoder makes of its canvas without colour and contrast:
the strongest component of the canvas alone, about lightness, of mean 0 and spread 1.
"""

import torch
from torch import Tensor, nn

from train.codec import ResidualBlock, Trunk
from train.config import ComposerConfig
from train.qat import FakeQuantize, QatConv2d

STEM = 2  # side of the block of the canvas that one outermost position of the encoder covers
LEAST_VARIANCE = 0.01  # of a component of the canvas, as a share of the strongest one's


class DeepEncoder(nn.Module):
    """canvas (B, C, h, w) -> latents (B, D, h', w'), before they are normalised; float only."""

    def __init__(self, config: ComposerConfig, code_dim: int) -> None:
        super().__init__()
        widths, blocks = config.encoder_widths[::-1], config.encoder_blocks[::-1]
        layers: list[nn.Module] = [
            nn.PixelUnshuffle(STEM), QatConv2d(STEM**2 * code_dim, widths[0]),
        ]  # fmt: skip
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            if level:
                layers.append(QatConv2d(widths[level - 1], width, stride=2))
            layers += [nn.ReLU(), *(ResidualBlock(width) for _ in range(count))]
        layers.append(QatConv2d(widths[-1], config.depth))
        self.layers = nn.Sequential(*layers)

    def forward(self, canvas: Tensor) -> Tensor:
        """Encode."""
        latents: Tensor = self.layers(canvas)
        return latents


class Composer(Trunk):
    """latents (B, D, h, w) -> canvas (B, C, h', w')."""

    def __init__(self, config: ComposerConfig, code_dim: int) -> None:
        super().__init__(config.depth, config.widths, config.blocks)
        self.latent_quantizer = FakeQuantize()
        self.head = QatConv2d(config.widths[-1], code_dim)

    def forward(self, latents: Tensor) -> Tensor:
        """Compose."""
        canvas: Tensor = self.head(self.enlarged(self.latent_quantizer(latents)))
        return canvas


class DeepLatent(nn.Module):
    """Encoder and composer, and what they know of canvases.

    Attributes:
        mean: (C,) of the canvas.
        components: (C, C), its principal components as rows, strongest first.
        spreads: (C,) the standard deviation along each.
    """

    mean: Tensor
    components: Tensor
    spreads: Tensor

    def __init__(self, config: ComposerConfig, code_dim: int) -> None:
        super().__init__()
        self.encoder = DeepEncoder(config, code_dim)
        self.normalise = nn.BatchNorm2d(config.depth, affine=False, momentum=0.02)
        self.composer = Composer(config, code_dim)
        self.register_buffer("mean", torch.zeros(code_dim))
        self.register_buffer("components", torch.eye(code_dim))
        self.register_buffer("spreads", torch.ones(code_dim))

    @torch.no_grad()
    def learn_components(self, canvas: Tensor) -> None:
        """Take mean and principal components from canvases, (B, C, h, w)."""
        vectors = canvas.transpose(0, 1).flatten(1)  # (C, M)
        self.mean.copy_(vectors.mean(1))
        values, rows = torch.linalg.eigh(torch.cov(vectors))
        self.components.copy_(rows.T.flip(0))
        self.spreads.copy_(values.flip(0).clamp_min(1e-8).sqrt())

    def latents(self, canvas: Tensor) -> Tensor:
        """Canvas (B, C, h, w) -> latents (B, D, h', w')."""
        encoded: Tensor = self.normalise(self.encoder(canvas).float())
        return encoded

    @torch.no_grad()
    def form(self, canvas: Tensor) -> Tensor:
        """What is left of the latents of canvases (B, C, h, w) without colour and contrast."""
        strongest = self.components[0]
        grey = torch.einsum("bchw,c->bhw", canvas - self.mean[:, None, None], strongest)
        grey = grey - grey.mean((1, 2), keepdim=True)
        spread = grey.flatten(1).std(1).clamp_min(0.05 * self.spreads[0])
        grey = grey / spread[:, None, None] * self.spreads[0]
        return self.latents(
            self.mean[None, :, None, None] + grey[:, None] * strongest[None, :, None, None]
        )

    def components_of(self, difference: Tensor) -> Tensor:
        """Differences of canvases along the components, the weak ones lifted: same shape.

        A component counts as the fourth root of its variance, so that the strong ones, which are
        lightness and the main colours, still count most.
        """
        variances = self.spreads.square()
        weights = variances.clamp_min(LEAST_VARIANCE * float(variances[0])).pow(-0.25)
        rows = self.components * weights[:, None]
        return torch.einsum("bchw,dc->bdhw", difference, rows)
