"""A deep latent: a whole picture in 8 x 8 positions, by a linear map of the codec's canvas.

    canvas (B, C, 32, 32)        as the codec's encoder gives it, or its codes, enlarged and summed
      -> components (B, K, 32, 32)   the strongest principal components of the canvas's vectors
      -> latents (B, N, D)           the strongest principal components of its blocks of 4 x 4
    latents (B, N, D)
      -> composed canvas (B, C, 32, 32), for the codec's quantizer

Both maps are fitted, not trained: eigenvectors of covariances. A component counts by the fourth
root of its variance, so that weak ones, which are edges within a block, are not lost.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.spec import BLOCK
from train.checks import require

LEAST_VARIANCE = 0.01  # of a component of the canvas, as a share of the strongest one's


@dataclass(frozen=True, kw_only=True)
class LatentConfig:
    """The deep latent, and which views of pictures it is fitted to and the painter learns from.

    Attributes:
        components: of the canvas's vectors that are kept.
        depth: numbers of each of the 8 x 8 positions.
        studio_pictures: pictures of the studio, a view of each.
        painting_views, more_views: squares of each annotated painting, and of each other picture.
        more_kinds: kinds of the other pictures that are used; all of them where empty.
        recoloured: share of the squares of paintings that get other colours.
        shares: of the studio, the annotated paintings and the others in what is trained on.
    """

    components: int = 12
    depth: int = 64
    studio_pictures: int = 40_000
    painting_views: int = 10
    more_views: int = 4
    more_kinds: tuple[str, ...] = ("abstract",)
    recoloured: float = 0.25
    shares: tuple[float, ...] = (0.5, 0.25, 0.25)

    def __post_init__(self) -> None:
        for name in ("components", "depth", "studio_pictures", "painting_views"):
            value = getattr(self, name)
            require(value >= 1, f"latent.{name} is {value}; expected at least 1.")
        require(
            len(self.shares) == 3 and min(self.shares) >= 0 and self.shares[0] > 0,
            f"latent.shares is {list(self.shares)}; expected one number for the studio, the "
            "annotated paintings and other pictures each.",
        )


class DeepLatent(nn.Module):
    """The linear maps between canvas, components and latents.

    Args:
        code_dim: C, channels of the canvas.
        components: K, of the canvas's vectors.
        depth: D, channels of a position of the latent.

    Attributes:
        mean: (C,) of the canvas's vectors.
        rows: (K, C), canvas vectors to components, each lifted.
        back: (C, K), the way back.
        block_mean: (K * 16,) of blocks of components.
        block_rows: (D, K * 16), blocks to latents of mean square 1.
        block_back: (K * 16, D), the way back.
    """

    mean: Tensor
    rows: Tensor
    back: Tensor
    block_mean: Tensor
    block_rows: Tensor
    block_back: Tensor

    def __init__(self, code_dim: int, components: int, depth: int) -> None:
        super().__init__()
        block = components * BLOCK**2
        for name, shape in (
            ("mean", (code_dim,)), ("rows", (components, code_dim)),
            ("back", (code_dim, components)), ("block_mean", (block,)),
            ("block_rows", (depth, block)), ("block_back", (block, depth)),
        ):  # fmt: skip
            self.register_buffer(name, torch.zeros(shape))

    @torch.no_grad()
    def fit(self, canvas: Tensor) -> None:
        """Take all maps from canvases (M, C, h, w) float32."""
        vectors = canvas.transpose(0, 1).flatten(1)  # (C, M h w)
        self.mean.copy_(vectors.mean(1))
        variances, axes = _principal(vectors, len(self.rows))
        lift = variances.clamp_min(LEAST_VARIANCE * float(variances[0])).pow(-0.25)
        self.rows.copy_(axes * lift[:, None])
        self.back.copy_((axes / lift[:, None]).T)
        blocks = F.pixel_unshuffle(self.components(canvas), BLOCK).transpose(0, 1).flatten(1)
        self.block_mean.copy_(blocks.mean(1))
        variances, axes = _principal(blocks, len(self.block_rows))
        scale = variances.pow(-0.25)
        scale /= (variances * scale.square()).mean().sqrt()
        self.block_rows.copy_(axes * scale[:, None])
        self.block_back.copy_((axes / scale[:, None]).T)

    def components(self, canvas: Tensor) -> Tensor:
        """Canvas (B, C, h, w) -> its strongest components (B, K, h, w)."""
        return torch.einsum("bchw,kc->bkhw", canvas - self.mean[:, None, None], self.rows)

    def latents(self, components: Tensor) -> Tensor:
        """Components (B, K, h, w) -> latents (B, N, D), position by position, row by row."""
        blocks = F.pixel_unshuffle(components, BLOCK).flatten(2).transpose(1, 2)  # (B, N, K * 16)
        return (blocks - self.block_mean) @ self.block_rows.T

    def compose(self, latents: Tensor) -> Tensor:
        """Latents (B, N, D) -> canvas (B, C, h, w)."""
        side = round(latents.shape[1] ** 0.5)
        blocks = latents @ self.block_back.T + self.block_mean  # (B, N, K * 16)
        grid = blocks.transpose(1, 2).reshape(len(latents), -1, side, side)
        components = F.pixel_shuffle(grid, BLOCK)  # (B, K, h, w)
        canvas = torch.einsum("bkhw,ck->bchw", components, self.back)
        return canvas + self.mean[:, None, None]


def _principal(vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Variances (count,) and axes (count, F) of vectors (F, M), the strongest first."""
    values, axes = torch.linalg.eigh(torch.cov(vectors))
    return values.flip(0)[:count].clamp_min(1e-8), axes.T.flip(0)[:count]
