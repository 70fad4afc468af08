"""The next-scale transformer: words and all coarser scales in, logits of one scale's indices out.

    context  (B, N, C)   the canvas so far, averaged to the scale that is to be predicted
    position (N,)        which of the picture's positions these are
    text     (B, W, D)   one vector a word, with weights (B, W); weight 0 is no word
      -> logits (B, N, K)

Every position sees the words, all coarser scales and its own scale. In training all scales go
through in one block-causal pass; the engine does one scale a call and is handed the
keys and values of the coarser ones. Source: Tian et al. 2024, arXiv:2404.02905.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.scales import context_matrix, scale_offsets
from train.config import CodecConfig, TransformerConfig
from train.qat import QatEmbedding, QatLinear
from train.text import mean_word

NO_WORD = -1e4  # attention bias of a word with weight 0


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention: q (B, h, N, hd), k and v (B, h, M, hd), bias (B, 1, 1, M).

    Written out: with few, wide heads it trains nearly three times as fast on a processor as
    torch's fused attention with a mask.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, h, N, M)
    attended: Tensor = (scores + bias.to(q.dtype)).softmax(-1) @ v
    return attended


class Block(nn.Module):
    """Attention over words, past and present positions; then a multi-layer perceptron."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = QatLinear(width, 3 * width)  # one layer: three of them would lose INT8
        self.attention_out = QatLinear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = QatLinear(width, config.mlp_ratio * width)
        self.mlp_out = QatLinear(config.mlp_ratio * width, width)
        self.branch_dropout = config.branch_dropout

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, heads, N, D / heads)."""
        heads: Tensor = x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
        return heads

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> three of (B, heads, N, hd)."""
        q, k, v = self.qkv(self.attention_norm(x)).chunk(3, dim=-1)  # (B, N, D) each
        return self.split_heads(q), self.split_heads(k), self.split_heads(v)

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add what was attended to, (B, heads, N, hd), and the perceptron, to x (B, N, D)."""
        y = attended.transpose(1, 2).flatten(2)  # (B, N, D)
        x = x + self._maybe_drop(self.attention_out(y))
        return x + self._maybe_drop(self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x)))))

    def _maybe_drop(self, branch: Tensor) -> Tensor:
        """Leave the branch out of some samples (Huang et al. 2016, arXiv:1603.09382)."""
        if not (self.training and self.branch_dropout):
            return branch
        keep = 1 - self.branch_dropout
        kept = torch.rand(len(branch), 1, 1) < keep
        return branch * (kept / keep).to(branch.dtype)


class Transformer(nn.Module):
    """Predicts the indices of a scale from words and coarser scales.

    Args:
        coarse_scales: the scales that it predicts: all of the codec's, or all but the finest.
    """

    codebook: Tensor

    def __init__(
        self, config: TransformerConfig, codec: CodecConfig, coarse_scales: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.config, self.scales, self.coarse_scales = config, codec.scales, coarse_scales
        width, offsets = config.width, scale_offsets(coarse_scales)
        self.register_buffer("codebook", torch.zeros(codec.codebook_size, codec.code_dim))
        self.context_in = QatLinear(codec.code_dim, width)
        self.position = QatEmbedding(offsets[-1], width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.prompt_in = QatLinear(width, width)
        self.text_kv = QatLinear(width, 2 * config.layers * width)  # one layer, as in Block.qkv
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = QatLinear(width, codec.codebook_size)
        for block in self.blocks:
            assert isinstance(block, Block)
            for layer in (block.attention_out, block.mlp_out):
                nn.init.normal_(layer.weight, std=0.02 / config.layers**0.5)

    def text_bias(self, word_weights: Tensor) -> Tensor:
        """Attention bias of each word, its weight's logarithm: (B, W) -> (B, 1, 1, W)."""
        logarithm = word_weights.clamp_min(1e-6).log()
        bias = torch.where(word_weights > 0, logarithm, torch.full_like(logarithm, NO_WORD))
        spread: Tensor = bias[:, None, None]
        return spread

    def text_keys_values(self, text_embedding: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the words for every layer, (B, heads, W, hd) each."""
        parts = self.text_kv(text_embedding).chunk(2 * self.config.layers, dim=-1)  # (B, W, D) each
        heads = [p.unflatten(-1, (self.config.heads, -1)).transpose(1, 2) for p in parts]
        return list(zip(heads[::2], heads[1::2], strict=True))

    def positions_in(
        self, context: Tensor, positions: Tensor, text_embedding: Tensor, word_weights: Tensor
    ) -> Tensor:
        """What enters the first block: (B, N, D)."""
        prompt, worded = mean_word(text_embedding, word_weights)  # (B, 1, D), (B, 1, 1)
        added: Tensor = self.prompt_in(prompt) * worded + self.position(positions)  # (B, N, D)
        x: Tensor = self.context_in(context)
        return x + added

    def training_context(self, indices: Tensor) -> Tensor:
        """What every position sees of the coarser scales: (B, N) int64 -> (B, N, C)."""
        codes = F.embedding(indices, self.codebook)  # (B, N, C)
        offsets = scale_offsets(self.coarse_scales)
        parts = [torch.zeros_like(codes[:, : self.scales[0] ** 2])]
        for scale in range(1, len(self.coarse_scales)):
            matrix = torch.from_numpy(context_matrix(self.scales, scale))
            parts.append(matrix @ codes[:, : offsets[scale]])
        return torch.cat(parts, dim=1)

    def forward(self, context: Tensor, text_embedding: Tensor, word_weights: Tensor) -> Tensor:
        """All scales in one pass: context (B, N, C) -> logits (B, N, K)."""
        positions = torch.arange(context.shape[1])
        x = self.positions_in(context, positions, text_embedding, word_weights)
        bias = self.text_bias(word_weights)  # (B, 1, 1, W)
        words = bias.shape[-1]
        bias = F.pad(bias, (0, len(positions)))  # (B, 1, 1, W+N)
        for block, text in zip(self.blocks, self.text_keys_values(text_embedding), strict=True):
            assert isinstance(block, Block)
            q, k, v = block.queries_keys_values(x)
            k, v = torch.cat([text[0], k], dim=2), torch.cat([text[1], v], dim=2)
            # block-causal: a scale sees the words and all positions up to its own end
            attended = [
                attend(
                    q[:, :, a:b], k[:, :, : words + b], v[:, :, : words + b], bias[..., : words + b]
                )
                for a, b in pairwise(scale_offsets(self.coarse_scales))
            ]
            x = block.finish(x, torch.cat(attended, dim=2))
        logits: Tensor = self.head(self.norm(x))
        return logits

    def scale_step(
        self,
        context: Tensor,
        positions: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
        past: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One scale of one picture: what the engine computes.

        Args:
            context: (B, N, C) of the scale's positions.
            positions: (N,) int64.
            past: keys and values of all coarser positions, (layers, B, heads, P, hd) each.

        Returns:
            logits (B, N, K), and keys and values with this scale's appended.
        """
        x = self.positions_in(context, positions, text_embedding, word_weights)
        bias = self.text_bias(word_weights)  # (B, 1, 1, W)
        open_part = torch.zeros_like(past[0][0, :, :1, :, 0]).unsqueeze(1)  # (B, 1, 1, P)
        own_part = torch.zeros_like(context[..., 0]).unsqueeze(1).unsqueeze(1)  # (B, 1, 1, N)
        bias = torch.cat([bias, open_part, own_part], dim=-1)  # (B, 1, 1, W+P+N)
        keys, values = [], []
        for layer, text in enumerate(self.text_keys_values(text_embedding)):
            block = self.blocks[layer]
            assert isinstance(block, Block)
            q, k, v = block.queries_keys_values(x)
            k, v = torch.cat([past[0][layer], k], dim=2), torch.cat([past[1][layer], v], dim=2)
            keys.append(k)
            values.append(v)
            k, v = torch.cat([text[0], k], dim=2), torch.cat([text[1], v], dim=2)
            x = block.finish(x, attend(q, k, v, bias))
        return self.head(self.norm(x)), torch.stack(keys), torch.stack(values)
