"""How well a codec keeps pictures, over a whole split at once."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor

SMALLEST_DETAIL = 0.004  # half a grey level: below it there is none to be seen
PEAK = 2.0  # span of pixel values in [-1, 1]


@dataclass(frozen=True, kw_only=True)
class CodecReport:
    """Figures of a codec on one split.

    Attributes:
        mse: mean squared error, pixels in [-1, 1].
        relative_mse: the same, divided by the variance of the split's pixels.
        psnr_db: of the mean squared error.
        ciede2000: mean colour difference.
        usage: share of the codebook that the split uses, all scales together, in [0, 1].
        perplexity: exponential of the entropy of the split's indices.
        images: how many pictures the split has.
    """

    mse: float
    relative_mse: float
    psnr_db: float
    ciede2000: float
    usage: float
    perplexity: float
    images: int

    def to_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def codebook_figures(indices: Tensor, codebook_size: int) -> tuple[float, float]:
    """Usage in [0, 1] and perplexity of indices of any shape, counted over all of them."""
    counts = torch.bincount(indices.flatten(), minlength=codebook_size).double()
    shares = counts / counts.sum()
    present = shares[shares > 0]
    entropy = -(present * present.log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())


def mean_ciede2000(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> float:
    """Mean CIEDE2000 difference of two pictures, (H, W, 3) sRGB in [0, 1]."""
    difference = deltaE_ciede2000(rgb2lab(x), rgb2lab(y))  # type: ignore[no-untyped-call]
    return float(difference.mean())


def codec_report(
    images: Tensor, reconstructions: Tensor, indices: Tensor, codebook_size: int
) -> CodecReport:
    """Compare pictures with what the codec made of them.

    Args:
        images, reconstructions: (B, 3, H, W) in [-1, 1].
        indices: (B, N) int64.
    """
    mse = float((images - reconstructions).double().square().mean())
    usage, perplexity = codebook_figures(indices, codebook_size)
    pairs = zip(_unit_pixels(images), _unit_pixels(reconstructions), strict=True)
    return CodecReport(
        mse=mse,
        relative_mse=mse / float(images.double().var()),
        psnr_db=float(10 * np.log10(PEAK**2 / max(mse, 1e-12))),
        ciede2000=float(np.mean([mean_ciede2000(x, y) for x, y in pairs])),
        usage=usage,
        perplexity=perplexity,
        images=len(images),
    )


def band_energy_error(images: Tensor, reconstructions: Tensor, levels: int = 3) -> float:
    """How far the fine detail of reconstructions is from that of the pictures, whatever its place.

    Each picture's detail is the standard deviation of each of its finest octaves; the figure is
    the mean absolute logarithm of the ratio, in nats: 0 is as crisp as the pictures, 0.7 is half
    or twice the detail.

    Args:
        images, reconstructions: (B, 3, H, W) in [-1, 1].
    """
    errors = []
    for _ in range(levels):
        spreads = []
        halves = []
        for batch in (images, reconstructions):
            half = F.avg_pool2d(batch, 2)
            band = batch - F.interpolate(half, scale_factor=2.0, mode="nearest")
            spreads.append(band.flatten(1).std(1).clamp_min(SMALLEST_DETAIL))
            halves.append(half)
        errors.append((spreads[0] / spreads[1]).log().abs())
        images, reconstructions = halves
    return float(torch.stack(errors).mean())


def _unit_pixels(images: Tensor) -> npt.NDArray[np.float32]:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) in [0, 1]."""
    pixels = images.permute(0, 2, 3, 1).add(1).div(2).clamp(0, 1)
    return pixels.float().numpy()
