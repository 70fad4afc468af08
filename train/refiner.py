"""The refiner: a small convolutional network that predicts the indices of the finest scales.

    canvas (B, C, h, w)   codes of all coarser scales, brought to the scale's side and summed
    drawn  (B, h, w)      indices of the scale that are drawn already; -1 where none is
    text   (B, W, D)      one vector a word, with weights (B, W)
      -> logits (B, h w, K)

Where edges run and how they go on is a local matter, and a convolution over a grid costs a fraction
of attention between its positions. One set of weights serves all of the refiner's scales, which
differ by a vector that is added to the canvas. It runs in a few passes, each drawing a part of the
positions with the parts before it in view, so that neighbours agree (Chang et al. 2022,
arXiv:2202.04200, has the idea of masked passes).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.scales import axis_matrices, scale_offsets
from train.codec import ResidualBlock, canvas_from_codes
from train.config import CodecConfig, RefinerConfig
from train.qat import FakeQuantize, QatConv2d, QatLinear
from train.text import mean_word


class Refiner(nn.Module):
    """Predicts the indices of one of the finest scales from the coarser ones and the words."""

    codebook: Tensor

    def __init__(self, config: RefinerConfig, codec: CodecConfig, text_width: int) -> None:
        super().__init__()
        self.scales, self.count = codec.scales, config.scales
        width, dim = config.width, codec.code_dim
        self.register_buffer("codebook", torch.zeros(codec.codebook_size, dim))
        self.scale_in = nn.Parameter(torch.zeros(config.scales, dim))
        self.canvas_quantizer = FakeQuantize()
        self.prompt_in = QatLinear(text_width, dim)
        self.stem = QatConv2d(2 * dim + 1, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(config.blocks))
        self.head = QatLinear(width, codec.codebook_size)

    def coarse_canvas(self, indices: Tensor, resample: Tensor) -> Tensor:
        """Indices of all but the finest scale (B, T) -> canvas so far (B, C, h, w).

        Args:
            resample: (h, sum of their sides), `t2a_edge.scales.axis_matrices`.
        """
        scales = self.scales[:-1]
        axes = torch.split(resample, list(scales), dim=1)
        return canvas_from_codes(
            indices, self.codebook, scales, lambda grid, n: axes[n] @ grid @ axes[n].T
        )

    def drawn_canvas(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Indices drawn so far (B, h, w) -> codes (B, C, h, w), and where any is (B, 1, h, w)."""
        known = (drawn >= 0).to(self.codebook.dtype).unsqueeze(-1)  # (B, h, w, 1)
        codes = F.embedding(drawn.clamp_min(0), self.codebook) * known  # (B, h, w, C)
        return codes.permute(0, 3, 1, 2), known.permute(0, 3, 1, 2)

    def forward(
        self,
        indices: Tensor,
        resample: Tensor,
        scale: Tensor,
        drawn: Tensor,
        text_embedding: Tensor,
        word_weights: Tensor,
    ) -> Tensor:
        """Predict one scale: what the engine computes.

        Args:
            indices: (B, T) of all but the finest scale; those that are not coarser do not matter.
            resample: (h, sum of all sides but the finest), `t2a_edge.scales.axis_matrices`.
            scale: (1,) int64, which of the refiner's scales, counted from 0.
            drawn: (B, h, w) indices of the scale so far; -1 where none is drawn yet.
            text_embedding, word_weights: (B, W, D) and (B, W).

        Returns:
            logits (B, h w, K).
        """
        prompt, worded = mean_word(text_embedding, word_weights)  # (B, 1, D), (B, 1, 1)
        words = self.prompt_in(prompt) * worded + self.scale_in[scale]  # (B, 1, C)
        canvas = self.coarse_canvas(indices, resample) + words.transpose(1, 2).unsqueeze(-1)
        codes, known = self.drawn_canvas(drawn)
        x = self.canvas_quantizer(torch.cat([canvas, codes, known], dim=1))  # (B, 2C+1, h, w)
        x = self.stem(x)
        x = self.stem.output_quantizer.again(F.relu(x))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x.flatten(2).transpose(1, 2))  # (B, N, K)
        return logits

    def _coarser(self, scale: int, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (B, T) of all scales before this one, and how they come to its side."""
        rest = scale_offsets(self.scales)[-2] - indices.shape[1]
        return F.pad(indices, (0, rest)), torch.from_numpy(axis_matrices(self.scales, scale))

    def canvas_of(self, scale: int, indices: Tensor, codes: Tensor) -> Tensor:
        """A picture as far as it is drawn with scale number `scale`: (B, C, h, w).

        Args:
            indices: (B, T) of all coarser scales.
            codes: (B, h w, C) of the scale itself.
        """
        side = self.scales[scale]
        own = codes.transpose(1, 2).reshape(len(codes), -1, side, side)  # (B, C, h, w)
        return self.coarse_canvas(*self._coarser(scale, indices)) + own

    def logits_of(
        self, scale: int, indices: Tensor, drawn: Tensor, text_embedding: Tensor, weights: Tensor
    ) -> Tensor:
        """Predict scale number `scale` of the picture.

        Args:
            indices: (B, T) of all coarser scales.
            drawn: (B, h w) indices of the scale so far.
        """
        side = self.scales[scale]
        logits: Tensor = self(
            *self._coarser(scale, indices),
            torch.tensor([scale - len(self.scales) + self.count]),
            drawn.reshape(-1, side, side),
            text_embedding,
            weights,
        )
        return logits
