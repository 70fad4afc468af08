"""The painter: a flow over deep latents; every position sees all others at every step.

    latents (B, D, h, w) at noise level t (B,)     (1 - t) of a picture and t of noise
    form (B, D, h, w), and 0 or 1 (B,) whether it is given
    text_embedding (B, W, T), word_weights (B, W)
      -> the clean latents (B, D, h, w)

Sources: Lipman et al. 2023, arXiv:2210.02747, and Liu et al. 2023, arXiv:2209.03003 (flow
matching, straight paths); Esser et al. 2024, arXiv:2403.03206 (noise levels).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.config import ComposerConfig, PainterConfig
from train.qat import QatConv2d, QatLinear
from train.text import mean_word
from train.transformer import NO_WORD, attend

FREQUENCIES = 32  # pairs of sine and cosine that tell a noise level
LEAST_LEVEL = 0.05  # below it a loss as velocity would outweigh all others


class PaintBlock(nn.Module):
    """A convolution between neighbours, attention over words and all positions, a perceptron."""

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.near_norm = nn.LayerNorm(width)
        self.near = QatConv2d(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = QatLinear(width, 3 * width)
        self.text_kv = QatLinear(width, 2 * width)
        self.attention_out = QatLinear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = QatLinear(width, config.mlp_ratio * width)
        self.mlp_out = QatLinear(config.mlp_ratio * width, width)
        self.modulate = QatLinear(width, 4 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        for layer in (self.attention_out, self.mlp_out, self.near):
            nn.init.normal_(layer.weight, std=0.02 / config.layers**0.5)

    def forward(self, x: Tensor, level: Tensor, text: Tensor, bias: Tensor) -> Tensor:
        """One layer.

        Args:
            x: (B, N, D), the positions row by row of a square grid.
            level: (B, 1, D), the noise level.
            text: (B, W, D).
            bias: (B, 1, 1, W + N), of attention.
        """
        side = math.isqrt(x.shape[1])
        scale, shift, mlp_scale, mlp_shift = self.modulate(level).chunk(4, dim=-1)
        y = self.near_norm(x).transpose(1, 2).reshape(len(x), -1, side, side)  # (B, D, h, w)
        x = x + F.relu(self.near(y)).flatten(2).transpose(1, 2)
        y = self.attention_norm(x) * (1 + scale) + shift
        q, k, v = (self._heads(part) for part in self.qkv(y).chunk(3, dim=-1))
        text_k, text_v = (self._heads(part) for part in self.text_kv(text).chunk(2, dim=-1))
        attended = attend(q, torch.cat([text_k, k], dim=2), torch.cat([text_v, v], dim=2), bias)
        x = x + self.attention_out(attended.transpose(1, 2).flatten(2))
        y = self.mlp_norm(x) * (1 + mlp_scale) + mlp_shift
        added: Tensor = self.mlp_out(F.gelu(self.mlp_in(y)))
        return x + added

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, heads, N, hd)."""
        heads: Tensor = x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
        return heads


class Painter(nn.Module):
    """Predicts the clean latents; see the module."""

    frequencies: Tensor

    def __init__(
        self, config: PainterConfig, composer: ComposerConfig, text_width: int, side: int
    ) -> None:
        super().__init__()
        width, depth = config.width, composer.depth
        self.latents_in = QatLinear(depth, width)
        self.form_in = QatLinear(depth, width)
        self.no_form = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(0.02 * torch.randn(side * side, width))
        self.text_in = QatLinear(text_width, width)
        self.prompt_in = QatLinear(width, width)
        self.level_in = QatLinear(2 * FREQUENCIES, width)
        self.level_out = QatLinear(width, width)
        self.blocks = nn.ModuleList(PaintBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = QatLinear(width, depth)
        steps = torch.logspace(0, 3, FREQUENCIES)
        self.register_buffer("frequencies", steps, persistent=False)

    def forward(
        self,
        latents: Tensor,
        levels: Tensor,
        form: Tensor,
        formed: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
    ) -> Tensor:
        """The clean latents; see the module for the shapes."""
        side = latents.shape[-1]
        text = self.text_in(text_embedding)  # (B, W, D)
        prompt, worded = mean_word(text, word_weights)  # (B, 1, D), (B, 1, 1)
        level = self._level(levels) + self.prompt_in(prompt) * worded  # (B, 1, D)
        x = self.latents_in(latents.flatten(2).transpose(1, 2)) + self.position  # (B, N, D)
        shown = self.form_in(form.flatten(2).transpose(1, 2))
        x = x + torch.where(formed[:, None, None] > 0, shown, self.no_form) + level
        logarithm = word_weights.clamp_min(1e-6).log()
        bias = torch.where(word_weights > 0, logarithm, torch.full_like(logarithm, NO_WORD))
        bias = F.pad(bias, (0, side * side))[:, None, None]  # (B, 1, 1, W + N)
        for block in self.blocks:
            x = block(x, level, text, bias)
        clean: Tensor = self.head(self.norm(x))  # (B, N, depth)
        return clean.transpose(1, 2).reshape(latents.shape).float()

    def _level(self, levels: Tensor) -> Tensor:
        """(B,) in [0, 1] -> (B, 1, D)."""
        angles = levels[:, None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)  # (B, 2 F)
        level: Tensor = self.level_out(F.gelu(self.level_in(waves)))
        return level[:, None]


def velocity_loss(clean: Tensor, predicted: Tensor, levels: Tensor) -> Tensor:
    """Mean squared error of the velocity that a prediction of the clean latents stands for.

    At level t the latents are x + t v, so an error of the clean x is one of v, divided by t.

    Args:
        clean, predicted: (B, D, h, w).
        levels: (B,) in (0, 1].
    """
    scale = levels.clamp_min(LEAST_LEVEL)[:, None, None, None]
    return ((predicted - clean) / scale).square().mean()


@torch.no_grad()
def painted(
    painter: Painter,
    noise: Tensor,
    form: Tensor,
    text_embedding: Tensor,
    word_weights: Tensor,
    *,
    steps: int,
    guidance_scale: float,
) -> Tensor:
    """Latents (B, D, h, w) of pictures, from noise in equal steps.

    Args:
        noise: (B, D, h, w), standard normal.
        form: (B, D, h, w).
        guidance_scale: 1 is the model's own strength of the words.
    """
    x, count = noise, len(noise)
    formed = torch.ones(2 * count)
    text = text_embedding.repeat(2, 1, 1)
    weights = torch.cat([word_weights, torch.zeros_like(word_weights)])
    for step in range(steps, 0, -1):
        level = step / steps
        levels = torch.full((2 * count,), level)
        both = painter(x.repeat(2, 1, 1, 1), levels, form.repeat(2, 1, 1, 1), formed, text, weights)
        with_words, without = both.chunk(2)
        clean = without + guidance_scale * (with_words - without)
        x = x + (clean - x) / step  # of the way that is left, one step of `step`
    return x
