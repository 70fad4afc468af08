"""The VQ-VAE: a multi-scale residual codec with one codebook for all scales.

    images (B, 3, H, W) in [-1, 1]
      -> encoder   -> latents (B, C, h, w)
      -> quantizer -> indices (B, N), canvas (B, C, h, w): codes of all scales, enlarged, summed
      -> decoder   -> images (B, 3, H, W), about [-1, 1]

Sources: van den Oord et al. 2017, arXiv:1711.00937 (VQ-VAE, codebook by moving average);
Tian et al. 2024, arXiv:2404.02905 (coarse-to-fine residual scales).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.checks import shown
from t2a_edge.scales import average_matrix, enlarge_matrix, scale_offsets
from train.checks import require
from train.models.qat import FakeQuantize, QatConv2d

BALANCE_BATCH = 16  # pictures
LOOKUP_AT_ONCE = 512  # vectors: their distances to all codes stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Shape of the VQ-VAE. Widths and blocks run from the latent grid outwards.

    Attributes:
        scales: grid sides, coarse to fine; the last is the side of the latent canvas.
        codebook_size, code_dim: the codebook that all scales share.
        encoder_widths, decoder_widths: channels at latent side x 1, 2, 4, ...
        encoder_blocks, decoder_blocks: residual blocks at the same sides.
        encoder_stem_pixels, decoder_stem_pixels: side of the pixel block that one outermost
            position covers.
        decay: of the codebook's moving average.
        commitment: weight of the loss that keeps latents near their codes.
        revive_below: a code with a smaller moving count is replaced by a latent of the batch.
        plain_steps: steps without codebook, before the k-means start.
        balance_rounds, balance_rate: how the use of codes is evened out at the end; see
            `train.models.codec.MultiScaleQuantizer.balance`.
    """

    scales: tuple[int, ...] = (1, 2, 4, 8, 16, 16)
    codebook_size: int = 512
    code_dim: int = 64
    encoder_widths: tuple[int, ...] = (128, 96, 64)
    encoder_blocks: tuple[int, ...] = (2, 1, 1)
    encoder_stem_pixels: int = 4
    decoder_widths: tuple[int, ...] = (128, 96, 64, 32)
    decoder_blocks: tuple[int, ...] = (3, 2, 1, 1)
    decoder_stem_pixels: int = 2
    decay: float = 0.99
    commitment: float = 0.25
    revive_below: float = 0.05
    plain_steps: int = 200
    balance_rounds: int = 0
    balance_rate: float = 0.002

    def __post_init__(self) -> None:
        require(
            bool(self.scales)
            and min(self.scales) >= 1
            and not any(self.scales[-1] % side for side in self.scales),
            f"codec.scales is {shown(list(self.scales))}; expected divisors of the last one, "
            "whole numbers from 1.",
        )
        for name in ("encoder", "decoder"):
            widths, blocks = getattr(self, f"{name}_widths"), getattr(self, f"{name}_blocks")
            require(
                len(widths) == len(blocks),
                f"codec.{name}_widths has {len(widths)} entries and codec.{name}_blocks "
                f"{len(blocks)}; expected one for each resolution in both.",
            )

    def pixels_per_latent(self, name: str) -> int:
        """Pixels along a side that a latent covers in the encoder or decoder, as `name` says."""
        levels = len(getattr(self, f"{name}_widths"))
        stem: int = getattr(self, f"{name}_stem_pixels")
        return int(stem * 2 ** (levels - 1))


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), then relu; every tensor passes a fake-quantiser."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = QatConv2d(channels, channels)
        self.second = QatConv2d(channels, channels)
        self.sum_quantizer = FakeQuantize()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; x must come from a fake-quantiser."""
        y = self.first(x)
        y = self.first.output_quantizer.again(F.relu(y))
        y = self.sum_quantizer(x + self.second(y))
        return self.sum_quantizer.again(F.relu(y))


class Encoder(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> latents (B, C, h, w); float only, it is not shipped."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        widths = config.encoder_widths[::-1]
        blocks = config.encoder_blocks[::-1]
        stem = config.encoder_stem_pixels
        layers: list[nn.Module] = [nn.PixelUnshuffle(stem), QatConv2d(3 * stem**2, widths[0])]
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            if level:
                layers.append(QatConv2d(widths[level - 1], width, stride=2))
            layers += [nn.ReLU(), *(ResidualBlock(width) for _ in range(count))]
        layers.append(QatConv2d(widths[-1], config.code_dim))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Encode, without codebook."""
        latents: Tensor = self.layers(images)
        return latents


class _Enlarge(nn.Module):
    """Repeat every position twice along both sides, then convolve to other channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = QatConv2d(inputs, outputs)

    def forward(self, x: Tensor, quantizer: FakeQuantize) -> Tensor:
        # the quantiser on both sides lets ONNX Runtime enlarge int8 values
        x = quantizer.again(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        y: Tensor = self.conv(x)
        return self.conv.output_quantizer.again(F.relu(y))


class Trunk(nn.Module):
    """Convolutions that enlarge a grid: each level has residual blocks and twice the side.

    Args:
        inputs: channels of the grid.
        widths: channels of each level, from the grid's side outwards.
        blocks: residual blocks of each level.
    """

    def __init__(self, inputs: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = QatConv2d(inputs, widths[0])
        self.levels = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width) for _ in range(count))
            for width, count in zip(widths, blocks, strict=True)
        )
        self.enlarge = nn.ModuleList(_Enlarge(a, b) for a, b in pairwise(widths))

    def enlarged(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, widths[-1], h', w'); x must come from a fake-quantiser."""
        x = self.stem(x)
        quantizer = self.stem.output_quantizer
        x = quantizer.again(F.relu(x))
        for level, blocks in enumerate(self.levels):
            if level:
                enlarge = self.enlarge[level - 1]
                assert isinstance(enlarge, _Enlarge)
                x = enlarge(x, quantizer)
                quantizer = enlarge.conv.output_quantizer
            assert isinstance(blocks, nn.ModuleList)
            for block in blocks:
                assert isinstance(block, ResidualBlock)
                x = block(x)
                quantizer = block.sum_quantizer
        return x


class Decoder(Trunk):
    """canvas (B, C, h, w) -> images (B, 3, H, W), about [-1, 1]."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__(config.code_dim, config.decoder_widths, config.decoder_blocks)
        self.canvas_quantizer = FakeQuantize()
        pixels = config.decoder_stem_pixels
        self.head = QatConv2d(config.decoder_widths[-1], 3 * pixels**2, output_amax=1.0)
        self.shuffle = nn.PixelShuffle(pixels)
        self._start_without_checkerboard(pixels)

    def _start_without_checkerboard(self, pixels: int) -> None:
        """Let all pixels of a block start alike (Aitken et al. 2017, arXiv:1707.02937)."""
        with torch.no_grad():
            weight = self.head.weight
            weight.copy_(weight[:: pixels**2].repeat_interleave(pixels**2, dim=0))

    def forward(self, canvas: Tensor) -> Tensor:
        """Decode; not clamped."""
        x = self.enlarged(self.canvas_quantizer(canvas))
        images: Tensor = self.shuffle(self.head(x))  # (B, 3, H, W)
        return images


class MultiScaleQuantizer(nn.Module):
    """One codebook that codes a canvas coarse to fine, each scale what the coarser ones left."""

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    bias: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        size, dim = config.codebook_size, config.code_dim
        self.register_buffer("codebook", torch.randn(size, dim))
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", self.codebook.clone())
        self.register_buffer("bias", torch.zeros(size))
        canvas = config.scales[-1]
        for side in sorted(set(config.scales)):
            average = torch.from_numpy(average_matrix(canvas, side).copy())
            enlarge = torch.from_numpy(enlarge_matrix(side, canvas).copy())
            self.register_buffer(f"average_{side}", average, persistent=False)
            self.register_buffer(f"enlarge_{side}", enlarge, persistent=False)

    def average(self, canvas: Tensor, side: int) -> Tensor:
        """(B, C, h, w) -> (B, C, side, side) by area."""
        matrix = self.get_buffer(f"average_{side}")
        return matrix @ canvas @ matrix.T

    def enlarge(self, grid: Tensor, side: int) -> Tensor:
        """(B, C, side, side) -> (B, C, h, w) by cubic interpolation."""
        matrix = self.get_buffer(f"enlarge_{side}")
        return matrix @ grid @ matrix.T

    def lookup(self, vectors: Tensor) -> Tensor:
        """Nearest code of each vector, by distance and bias: (M, C) -> (M,) int64."""
        lengths = self.codebook.square().sum(1) + self.bias
        found = [
            # of numpy: the argmin of torch takes as long as all else here on a processor
            torch.addmm(lengths, part, self.codebook.T, alpha=-2).cpu().numpy().argmin(1)
            for part in torch.split(vectors.detach(), LOOKUP_AT_ONCE)
        ]
        return torch.from_numpy(np.concatenate(found)).to(vectors.device)

    @torch.no_grad()
    def balance(self, latents: Tensor, rounds: int, rate: float) -> None:
        """Let overused codes give way where another is nearly as near.

        Each round adds to a code's bias in proportion to the logarithm of its use. Only choices
        between near-equal codes change, so the error hardly does, and the codebook is used more
        evenly. Source of the idea: Wang et al. 2024, arXiv:2408.15664, for experts.

        Args:
            latents: (B, C, h, w) float32 of training pictures.
            rate: of a round, as a share of the latents' mean squared length.
        """
        step = rate * float(latents.square().sum(1).mean())
        for _ in range(rounds):
            used = torch.cat(
                [self(part)[1].flatten() for part in torch.split(latents, BALANCE_BATCH)]
            )
            counts = torch.bincount(used, minlength=len(self.bias)).float() + 1
            self.bias += step * (counts / counts.mean()).log()
            self.bias -= self.bias.mean()

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Code float32 latents; in training, also move the codebook towards them.

        Returns:
            canvas (B, C, h, w), indices (B, N) int64, commitment loss.
        """
        with torch.autocast(latents.device.type, enabled=False):  # a lookup in bf16 errs
            return self._coded(latents)

    def _coded(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        residual, canvas = latents.detach(), torch.zeros_like(latents)
        commitment = latents.new_zeros(())
        all_vectors, all_indices, grids = [], [], []
        for side in self.config.scales:
            grid = self.average(residual, side)  # (B, C, side, side)
            vectors = grid.permute(0, 2, 3, 1).reshape(-1, grid.shape[1])  # (B·side², C)
            indices = self.lookup(vectors)
            codes = self.codebook[indices].view(-1, side, side, grid.shape[1])
            added = self.enlarge(codes.permute(0, 3, 1, 2), side)
            canvas, residual = canvas + added, residual - added
            commitment = commitment + F.mse_loss(latents, canvas)
            all_vectors.append(vectors)
            all_indices.append(indices)
            grids.append(indices.view(latents.shape[0], -1))
        if self.training:
            self._move_codebook(torch.cat(all_vectors), torch.cat(all_indices))
        return canvas, torch.cat(grids, dim=1), commitment / len(self.config.scales)

    def canvas_from_indices(self, indices: Tensor) -> Tensor:
        """(B, N) int64 -> canvas (B, C, h, w): the codes of all scales, enlarged and summed."""
        scales = self.config.scales
        codes = F.embedding(indices, self.codebook).transpose(1, 2)  # (B, C, N)
        grids = [
            self.enlarge(codes[:, :, start:end].reshape(codes.shape[0], -1, side, side), side)
            for side, (start, end) in zip(scales, pairwise(scale_offsets(scales)), strict=True)
        ]
        return sum(grids[1:], grids[0])

    @torch.no_grad()
    def _move_codebook(self, vectors: Tensor, indices: Tensor) -> None:
        decay, size = self.config.decay, self.config.codebook_size
        counts = torch.bincount(indices, minlength=size).to(vectors.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
        self.counts.mul_(decay).add_(counts, alpha=1 - decay)
        self.sums.mul_(decay).add_(sums, alpha=1 - decay)
        dead = (self.counts < self.config.revive_below).nonzero().flatten()
        if len(dead):
            picks = torch.randint(len(vectors), (len(dead),))
            self.counts[dead] = 1.0
            self.sums[dead] = vectors[picks]
        self.codebook.copy_(self.sums / self.counts.unsqueeze(1))

    @torch.no_grad()
    def start_from(self, latents: Tensor, rounds: int = 12) -> None:
        """K-means over the residuals that these latents show at every scale.

        Args:
            latents: (B, C, h, w) float32.
        """
        residual, parts = latents, []
        for side in self.config.scales[:-1]:
            grid = self.average(residual, side)
            parts.append(grid.permute(0, 2, 3, 1).reshape(-1, grid.shape[1]))
            # a scale never codes all it sees: keep a share for the next
            residual = residual - 0.8 * self.enlarge(grid, side)
        vectors = torch.cat(parts)
        size = self.config.codebook_size
        vectors = vectors[torch.randperm(len(vectors))[: 64 * size]]
        repeats = -(-size // len(vectors))
        self.codebook.copy_(vectors.repeat(repeats, 1)[:size])
        for _ in range(rounds):
            indices = self.lookup(vectors)
            counts = torch.bincount(indices, minlength=size)
            sums = torch.zeros_like(self.sums).index_add_(0, indices, vectors)
            used = counts > 0
            self.codebook[used] = sums[used] / counts[used].unsqueeze(1)
            empty = int((~used).sum())
            self.codebook[~used] = vectors[torch.randint(len(vectors), (empty,))]
        self.counts.fill_(1.0)
        self.sums.copy_(self.codebook)


@dataclass(frozen=True)
class CodecOutput:
    """What one training pass gives: images (B, 3, H, W), indices (B, N), scalar commitment loss."""

    images: Tensor
    indices: Tensor
    commitment: Tensor


class Codec(nn.Module):
    """Encoder, quantizer and decoder together."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.quantizer = MultiScaleQuantizer(config)
        self.decoder = Decoder(config)

    def latents(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, C, h, w) float32, outside any autocast."""
        latents: Tensor = self.encoder(images).float()
        return latents

    def forward(self, images: Tensor, *, plain: bool = False) -> CodecOutput:
        """Encode and decode; `plain` leaves the codebook out."""
        latents = self.latents(images)
        if plain:
            empty = torch.zeros(len(images), 0, dtype=torch.int64)
            return CodecOutput(self.decoder(latents).float(), empty, latents.new_zeros(()))
        canvas, indices, commitment = self.quantizer(latents)
        through = latents + (canvas - latents).detach()  # straight-through gradient
        return CodecOutput(self.decoder(through).float(), indices, commitment)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> indices (B, N) int64."""
        _, indices, _ = self.quantizer(self.latents(images))
        return indices  # type: ignore[no-any-return]

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Indices (B, N) int64 -> (B, 3, H, W) in [-1, 1]."""
        images: Tensor = self.decoder(self.quantizer.canvas_from_indices(indices))
        return images.float().clamp(-1, 1)


def colour_loss(x: Tensor, y: Tensor, block: int = 4) -> Tensor:
    """Mean absolute difference of red-green and yellow-blue over blocks of pixels.

    Squared error in RGB is mostly lightness: without this, pinks, greens and violets come last.
    """
    difference = F.avg_pool2d(x - y, block)
    red, green, blue = difference.unbind(1)
    return (red - green).abs().mean() + ((red + green) / 2 - blue).abs().mean()


def laplacian_loss(x: Tensor, y: Tensor, levels: int = 3) -> Tensor:
    """Mean absolute difference of the band-passed images, summed over octaves."""
    loss = x.new_zeros(())
    difference = x - y
    for _ in range(levels):
        coarse = F.avg_pool2d(difference, 2)
        band = difference - F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        loss = loss + band.abs().mean()
        difference = coarse
    return loss + difference.abs().mean()
