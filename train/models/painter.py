"""The painter: a flow over deep latents; every position sees all others at every step.

    latents (B, N, D) at noise level t (B,)      (1 - t) of a picture and t of noise
    form (B, 64, 64) at noise level s (B,)       (1 - s) of a picture's form and s of noise
    guidance (B,)                                how far the words are followed; 1 as was learned
    text_embedding (B, W, T), word_weights (B, W); 0 is no word, below 0 a word to avoid
      -> the clean latents (B, N, D)

A form at noise level 1 says nothing: then the painter composes by itself.

Sources: Lipman et al. 2023, arXiv:2210.02747, and Liu et al. 2023, arXiv:2209.03003 (flow
matching, straight paths); Esser et al. 2024, arXiv:2403.03206 (noise levels); Ho et al. 2022,
arXiv:2106.15282 (a condition that is noised by a level the model is told); Li and He 2025,
arXiv:2511.13720 (large patches, the clean picture predicted); Meng et al. 2023, arXiv:2210.03142
(guidance as an input); Chen et al. 2024, arXiv:2310.00426 (one modulation for all layers).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.checks import MAX_GUIDANCE, shown
from t2a_edge.form import SIDE, SPREAD
from t2a_edge.spec import BLOCK
from train.checks import require
from train.models.codec import Trunk
from train.models.qat import FakeQuantize, QatConv2d, QatLinear
from train.models.text import mean_word

HATS = 16  # supports of a number's piecewise linear features
HIDDEN_CHANNELS, LATENT_CHANNELS, FORM_CHANNELS = 16, 8, 4  # that the convolutions are given
NO_WORD = -1e4  # attention bias of a word with weight 0
LEAST_SQUARE = 1e-6  # added to a mean square that is divided by
LEAST_LEVEL = 0.05  # below it a loss as velocity would outweigh all others


@dataclass(frozen=True, kw_only=True)
class PainterConfig:
    """Shape of the painter, a flow over deep latents, and how it is taught.

    Attributes:
        layers, width, heads, mlp_ratio: as usual; heads divide width.
        norm: "rms" divides a vector by its root mean square; "layer" takes its mean out first, and
            has weights of its own.
        conv_width, conv_blocks: channels and residual blocks of the convolutions that add what a
            position's vector is too short for; a width of 0 leaves them out.
        form_dropout: share of samples whose form says nothing.
        form_noised: share whose form has noise of any level; the others have up to `form_noise`.
        form_noise: see above.
        level_mean: mean of the logit of the noise level that a sample is taught at.
        form_guidance: how far the form is followed, where 1 is the model's own strength.
        average: samples after which half of the averaged weights is new.
    """

    layers: int = 3
    width: int = 192
    heads: int = 3
    mlp_ratio: int = 4
    norm: str = "layer"
    conv_width: int = 0
    conv_blocks: int = 1
    form_dropout: float = 0.08
    form_noised: float = 0.25
    form_noise: float = 0.15
    level_mean: float = 0.4
    form_guidance: float = 1.6
    average: int = 40_000

    def __post_init__(self) -> None:
        require(
            self.width % self.heads == 0,
            f"painter.width is {self.width} and painter.heads {self.heads}; expected a width that "
            "the heads divide.",
        )
        require(
            self.norm in ("layer", "rms"),
            f"painter.norm is {shown(self.norm)}; expected layer or rms.",
        )
        require(
            self.form_dropout >= 0
            and self.form_noised >= 0
            and self.form_dropout + self.form_noised <= 1,
            f"painter.form_dropout is {self.form_dropout} and painter.form_noised "
            f"{self.form_noised}; expected shares that add up to at most 1.",
        )


@dataclass(frozen=True, kw_only=True)
class DistilConfig:
    """How the painter that ships is taught by the one that was trained.

    Attributes:
        parts: smaller steps of the teacher that one of the sampling's steps stands for.
    """

    parts: int = 2

    def __post_init__(self) -> None:
        require(self.parts >= 1, f"distil.parts is {self.parts}; expected at least 1.")


@dataclass(frozen=True)
class Words:
    """The words of each prompt, as the painter reads them.

    Attributes:
        embedding: (B, W, T) of the text engine.
        weights: (B, W); 0 is no word, below 0 a word to avoid.
    """

    embedding: Tensor
    weights: Tensor


def hats(values: Tensor) -> Tensor:
    """Numbers in [0, 1] as weights of the two supports they lie between: (B,) -> (B, HATS).

    Unlike sines these are the same bits on every machine.
    """
    supports = torch.arange(HATS, dtype=torch.float32, device=values.device)
    return F.relu(1 - (values[:, None] * (HATS - 1) - supports).abs())


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention: q (B, h, N, hd), k and v (B, h, M, hd), bias (B, 1, 1, M).

    Written out: with few, wide heads it trains nearly three times as fast on a processor as
    torch's fused attention with a mask.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, h, N, M)
    attended: Tensor = (scores + bias.to(q.dtype)).softmax(-1) @ v
    return attended


class RmsNorm(nn.Module):
    """Divides vectors by their root mean square (Zhang and Sennrich 2019, arXiv:1910.07467).

    What is multiplied and added behind is modulated; no weights of its own.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) float32 to the same shape."""
        return x * x.square().mean(-1, keepdim=True).add(LEAST_SQUARE).rsqrt()


def new_norm(config: PainterConfig) -> nn.Module:
    """The norm that the configuration names."""
    return RmsNorm() if config.norm == "rms" else nn.LayerNorm(config.width)


class PaintBlock(nn.Module):
    """Attention over words and all positions, and a perceptron."""

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = new_norm(config)
        self.qkv = QatLinear(width, 3 * width)
        self.text_kv = QatLinear(width, 2 * width)
        self.attention_out = QatLinear(width, width)
        self.mlp_norm = new_norm(config)
        self.mlp_in = QatLinear(width, config.mlp_ratio * width)
        self.mlp_out = QatLinear(config.mlp_ratio * width, width)
        self.modulation = nn.Parameter(torch.zeros(4, width))
        for layer in (self.attention_out, self.mlp_out):
            nn.init.normal_(layer.weight, std=0.02 / config.layers**0.5)

    def forward(self, x: Tensor, modulation: Tensor, text: Tensor, bias: Tensor) -> Tensor:
        """One layer.

        Args:
            x: (B, N, D), the positions row by row of a square grid.
            modulation: (B, 4, D), of all layers; each adds its own.
            text: (B, W, D).
            bias: (B, 1, 1, W + N), of attention.
        """
        scale, shift, mlp_scale, mlp_shift = torch.split(modulation + self.modulation, 1, dim=1)
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


class ConvHead(nn.Module):
    """Convolutions over 4 x 4 places of each position, which see form and noise themselves.

    A position's vector is of 192 numbers, and is to hold 64 of the form, 128 of the noised latents
    and all that attention found: contours do not fit. Here they are taken from the form, place by
    place, as a U-Net's skip connections do (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        patch: numbers of a position's form.
        depth: channels of a position of the latent.
        side: positions along each side of the picture.
    """

    def __init__(self, config: PainterConfig, patch: int, depth: int, side: int) -> None:
        super().__init__()
        self.side, places = side, BLOCK**2
        self.form_in = QatLinear(patch, FORM_CHANNELS * places)
        self.latents_in = QatLinear(depth, LATENT_CHANNELS * places)
        self.hidden_in = QatLinear(config.width, HIDDEN_CHANNELS * places)
        self.quantizer = FakeQuantize()
        given = FORM_CHANNELS + LATENT_CHANNELS + HIDDEN_CHANNELS
        self.trunk = Trunk(given, (config.conv_width,), (config.conv_blocks,))
        self.last = QatConv2d(config.conv_width, LATENT_CHANNELS)
        self.out = QatLinear(LATENT_CHANNELS * places, depth, quantized=True)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, patches: Tensor, latents: Tensor, hidden: Tensor) -> Tensor:
        """What is added to the clean latents, (B, N, D).

        Args:
            patches: of the form, (B, N, P).
            latents: noised, (B, N, D).
            hidden: what the layers made, normed, (B, N, W).
        """
        channels = [self.form_in(patches), self.latents_in(latents), self.hidden_in(hidden)]
        flat = torch.cat(channels, dim=-1).transpose(1, 2)  # (B, C * 16, N)
        grid = flat.view(*flat.shape[:2], self.side, self.side)
        x = self.quantizer(F.pixel_shuffle(grid, BLOCK))  # (B, C, 4 side, 4 side)
        x = self.trunk.enlarged(x.contiguous(memory_format=torch.channels_last))
        made = F.pixel_unshuffle(self.last(x), BLOCK).flatten(2).transpose(1, 2)
        added: Tensor = self.out(made)
        return added


class Painter(nn.Module):
    """Predicts the clean latents; see the module.

    Args:
        depth: D, channels of a position of the latent.
        text_width: T.
        side: positions along each side of the picture.
    """

    def __init__(self, config: PainterConfig, depth: int, text_width: int, side: int) -> None:
        super().__init__()
        width, self.side, patch = config.width, side, (SIDE // side) ** 2
        self.latents_in = QatLinear(depth, width)
        self.form_in = QatLinear(patch, width)
        self.position = nn.Parameter(0.02 * torch.randn(side * side, width))
        self.text_in = QatLinear(text_width, width)
        self.avoid_in = QatLinear(text_width, width)
        self.prompt_in = QatLinear(width, width)
        self.told_in = QatLinear(3 * HATS, width)
        self.told_out = QatLinear(width, width)
        self.modulate = QatLinear(width, 4 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        self.blocks = nn.ModuleList(PaintBlock(config) for _ in range(config.layers))
        self.norm = new_norm(config)
        self.head = QatLinear(width, depth)
        self.conv_head = ConvHead(config, patch, depth, side) if config.conv_width else None

    def forward(
        self,
        latents: Tensor,
        level: Tensor,
        form: Tensor,
        form_level: Tensor,
        guidance: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
    ) -> Tensor:
        """The clean latents; see the module for the shapes."""
        avoided = (word_weights < 0).unsqueeze(-1)  # (B, W, 1)
        text = torch.where(avoided, self.avoid_in(text_embedding), self.text_in(text_embedding))
        strength = word_weights.abs()
        prompt, worded = mean_word(text, strength)  # (B, 1, D), (B, 1, 1)
        told = self._told(level, form_level, guidance) + self.prompt_in(prompt) * worded
        modulation = self.modulate(F.gelu(told)).unflatten(-1, (4, -1)).squeeze(1)  # (B, 4, D)
        patches = form_patches(form, self.side)
        x = self.latents_in(latents) + self.form_in(patches)
        x = x + self.position + told  # (B, N, D)
        logarithm = strength.clamp_min(1e-6).log()
        bias = torch.where(strength > 0, logarithm, torch.full_like(logarithm, NO_WORD))
        bias = F.pad(bias, (0, self.side**2))[:, None, None]  # (B, 1, 1, W + N)
        for block in self.blocks:
            x = block(x, modulation, text, bias)
        x = self.norm(x)
        clean: Tensor = self.head(x)
        if self.conv_head is not None:
            clean = clean + self.conv_head(patches, latents, x)
        return clean.float()

    def _told(self, level: Tensor, form_level: Tensor, guidance: Tensor) -> Tensor:
        """Three numbers (B,) each -> (B, 1, D)."""
        numbers = [level, form_level, guidance / MAX_GUIDANCE]
        features = torch.cat([hats(number) for number in numbers], dim=-1)[:, None]
        told: Tensor = self.told_out(F.gelu(self.told_in(features)))  # of rank 3: INT8 needs it
        return told


def form_patches(form: Tensor, side: int) -> Tensor:
    """(B, 64, 64) -> the patch of each position, (B, side², (64 / side)²)."""
    count, patch = form.shape[0], form.shape[-1] // side  # len() would fix it in a traced graph
    cut = form.view(count, side, patch, side, patch).transpose(2, 3)
    return cut.reshape(count, side * side, patch * patch)


def floats_of_form(form: Tensor) -> Tensor:
    """int8 of spread 32 -> float32 of spread 1."""
    return form.float() * (1 / SPREAD)


def velocity_loss(clean: Tensor, predicted: Tensor, level: Tensor) -> Tensor:
    """Mean squared error of the velocity that a prediction of the clean latents stands for.

    At level t the latents are x + t v, so an error of the clean x is one of v, divided by t.

    Args:
        clean, predicted: (B, N, D).
        level: (B,) in (0, 1].
    """
    scale = level.clamp_min(LEAST_LEVEL)[:, None, None]
    return ((predicted - clean) / scale).square().mean()


class Led(nn.Module):
    """A painter that is not distilled, asked as a distilled one is: it follows its guidance input.

    It is asked with the words, with the words to avoid alone or none, and with neither words nor
    form. Source: Brooks et al. 2023, arXiv:2211.09800 (two conditions, each with its guidance).

    Args:
        form_guidance: how far the form is followed, where 1 is the painter's own strength.
    """

    def __init__(self, painter: nn.Module, form_guidance: float) -> None:
        super().__init__()
        self.painter, self.form_guidance = painter, form_guidance

    def forward(
        self,
        latents: Tensor,
        level: Tensor,
        form: Tensor,
        form_level: Tensor,
        guidance: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
    ) -> Tensor:
        """The clean latents; see the module for the shapes."""
        count, ones = len(latents), torch.ones(len(latents))
        wanted, avoided = word_weights.clamp_min(0), (-word_weights).clamp_min(0)
        forms, levels, weights = [form, form], [form_level, form_level], [wanted, avoided]
        if self.form_guidance != 1:
            forms.append(torch.randn(form.shape))
            levels.append(ones)
            weights.append(torch.zeros_like(wanted))
        asked = len(forms)
        clean: Tensor = self.painter(
            latents.repeat(asked, 1, 1), level.repeat(asked), torch.cat(forms), torch.cat(levels),
            ones.repeat(asked), text_embedding.repeat(asked, 1, 1), torch.cat(weights),
        )  # fmt: skip
        worded, wordless, *formless = torch.split(clean, count)
        led = wordless + guidance[:, None, None] * (worded - wordless)
        for nothing in formless:
            led = led + (self.form_guidance - 1) * (wordless - nothing)
        return led


@torch.no_grad()
def painted(
    painter: nn.Module, noise: Tensor, form: Tensor, form_level: Tensor, words: Words, *,
    steps: int, guidance_scale: float,
) -> Tensor:  # fmt: skip
    """Latents (B, N, D) of pictures, from noise in equal steps.

    Args:
        painter: distilled, or `Led`.
        noise: (B, N, D), standard normal.
        form, form_level: as the painter takes them.
        guidance_scale: 1 is the model's own strength of the words.
    """
    x, count = noise, len(noise)
    strength = torch.full((count,), guidance_scale)
    for step in range(steps, 0, -1):
        level = torch.full((count,), step / steps)
        clean = painter(x, level, form, form_level, strength, words.embedding, words.weights)
        x = x + (clean - x) / step  # of the way that is left, one step of `step`
    return x
