"""The refiner: a small convolutional network that predicts the finest scale's indices.

    canvas (B, C, h, w)   codes of all coarser scales, enlarged and summed
    drawn  (B, N)         indices of the finest scale that are drawn already; -1 where none is
    text   (B, W, D)      one vector a word, with weights (B, W)
      -> logits (B, N, K)

Fine texture is a local matter, and a convolution over 32 x 32 positions costs a fraction of
attention between them. It runs in a few passes, each drawing a part of the positions with the
parts before it in view, so that neighbours agree (Chang et al. 2022, arXiv:2202.04200, has the
idea of masked passes).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.scales import enlarge_matrix
from train.codec import ResidualBlock, canvas_from_codes
from train.config import CodecConfig, RefinerConfig
from train.qat import FakeQuantize, QatConv2d, QatLinear
from train.text import mean_word


class Refiner(nn.Module):
    """Predicts the indices of the finest scale from the coarser ones and the words."""

    codebook: Tensor

    def __init__(self, config: RefinerConfig, codec: CodecConfig, text_width: int) -> None:
        super().__init__()
        self.scales = codec.scales
        width, dim, side = config.width, codec.code_dim, codec.scales[-1]
        self.register_buffer("codebook", torch.zeros(codec.codebook_size, dim))
        for coarse in sorted(set(codec.scales[:-1])):
            matrix = torch.from_numpy(enlarge_matrix(coarse, side).copy())
            self.register_buffer(f"enlarge_{coarse}", matrix, persistent=False)
        self.canvas_quantizer = FakeQuantize()
        self.prompt_in = QatLinear(text_width, dim)
        self.stem = QatConv2d(2 * dim + 1, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(config.blocks))
        self.head = QatLinear(width, codec.codebook_size)

    def coarse_canvas(self, indices: Tensor) -> Tensor:
        """Indices of all coarser scales (B, T) -> canvas so far (B, C, h, w)."""
        return canvas_from_codes(indices, self.codebook, self.scales[:-1], self.enlarge)

    def enlarge(self, grid: Tensor, side: int) -> Tensor:
        """(B, C, side, side) -> (B, C, h, w) by cubic interpolation."""
        matrix = self.get_buffer(f"enlarge_{side}")
        return matrix @ grid @ matrix.T

    def drawn_canvas(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Indices drawn so far (B, N) -> codes (B, C, h, w), and where any is (B, 1, h, w)."""
        side = self.scales[-1]
        known = (drawn >= 0).to(self.codebook.dtype).unsqueeze(-1)  # (B, N, 1)
        codes = F.embedding(drawn.clamp_min(0), self.codebook) * known  # (B, N, C)
        both = torch.cat([codes, known], dim=-1).transpose(1, 2)  # (B, C+1, N)
        grid = both.reshape(both.shape[0], -1, side, side)  # (B, C+1, h, w)
        return grid[:, :-1], grid[:, -1:]

    def forward(
        self, indices: Tensor, drawn: Tensor, text_embedding: Tensor, word_weights: Tensor
    ) -> Tensor:
        """Coarser indices (B, T), drawn (B, N), words -> logits (B, N, K)."""
        prompt, worded = mean_word(text_embedding, word_weights)  # (B, 1, D), (B, 1, 1)
        words = (self.prompt_in(prompt) * worded).transpose(1, 2).unsqueeze(-1)  # (B, C, 1, 1)
        canvas = self.coarse_canvas(indices) + words
        codes, known = self.drawn_canvas(drawn)
        x = self.canvas_quantizer(torch.cat([canvas, codes, known], dim=1))  # (B, 2C+1, h, w)
        x = self.stem(x)
        x = self.stem.output_quantizer.again(F.relu(x))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x.flatten(2).transpose(1, 2))  # (B, N, K)
        return logits
