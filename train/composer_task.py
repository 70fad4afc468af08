"""Training of the deep latent on canvases of cached indices; the codec stays as it is."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from train.codec import Codec
from train.codec_task import EVALUATION_BATCH, autocast
from train.config import Preset
from train.generator_task import IndexMix, IndexStore
from train.models.composer import DeepLatent
from train.qat import prepare

START_PICTURES = 512  # whose canvases the components are taken from


def turned_canvas(canvas: Tensor, rng: np.random.Generator) -> Tensor:
    """A batch (B, C, h, h), turned by quarters and mirrored, all of it alike."""
    if rng.random() < 0.5:
        canvas = canvas.flip(3)
    return torch.rot90(canvas, int(rng.integers(4)), (2, 3))


def difference_loss(deep: DeepLatent, canvas: Tensor, composed: Tensor, edges: float) -> Tensor:
    """Squared error along the components, and `edges` times the error of the differences.

    Args:
        canvas, composed: (B, C, h, w).
    """
    error = deep.components_of(composed - canvas)
    down, along = error.diff(dim=2).abs().mean(), error.diff(dim=3).abs().mean()
    return error.square().mean() + edges * (down + along) / 2


class ComposerTask:
    """The deep latent's losses and validation; see `train.loop.Task`.

    Args:
        codec: whose canvases are composed.
        train, val: indices of the data.
    """

    def __init__(self, preset: Preset, codec: Codec, train: IndexMix, val: IndexStore) -> None:
        self.preset, self.codec, self.train, self.val = preset, codec.eval(), train, val
        torch.manual_seed(preset.composer_fit.seed)
        self.module = DeepLatent(preset.composer, preset.codec.code_dim)
        start = train.draw(np.random.default_rng(preset.composer_fit.seed), START_PICTURES)
        self.module.learn_components(self._canvas(start.indices))
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def _canvas(self, indices: Tensor) -> Tensor:
        canvas: Tensor = self.codec.quantizer.canvas_from_indices(indices.long())
        return canvas.contiguous(memory_format=torch.channels_last)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """How far the composed canvas is from that of the picture."""
        config = self.preset.composer
        samples = self.train.draw(rng, self.preset.composer_fit.batch)
        canvas = turned_canvas(self._canvas(samples.indices), rng)
        with autocast():
            latents = self.module.latents(canvas)
            composed = self.module.composer(latents + config.noise * torch.randn_like(latents))
        loss = difference_loss(self.module, canvas, composed.float(), config.edges)
        error = F.mse_loss(composed.float(), canvas)
        return {"loss": loss, "canvas": error / canvas.var()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Errors on the validation split: of the canvas, and of pixels beside the codec's own.

        `canvas` is the squared error as a share of the variance; `pixels` the mean squared error
        of pixels in [-1, 1] between the picture through the composer and the codec's own.
        """
        losses, errors, pixels, spread = [], [], [], []
        for rows in torch.split(self.val.indices, EVALUATION_BATCH):
            canvas = self._canvas(rows)
            with autocast():
                composed = self.module.composer(self.module.latents(canvas)).float()
            indices = self.codec.quantizer(composed)[1]  # float32: a code lookup in bf16 errs
            with autocast():
                own, again = self.codec.decode(rows.long()), self.codec.decode(indices)
            losses.append(
                difference_loss(self.module, canvas, composed, self.preset.composer.edges)
            )
            errors.append(F.mse_loss(composed, canvas))
            pixels.append(F.mse_loss(again, own))
            spread.append(canvas.var())
        means = [float(torch.stack(values).mean()) for values in (losses, errors, pixels, spread)]
        loss, error, pixel, variance = means
        return {"loss": loss, "canvas": error / variance, "pixels": pixel}

    def start_qat(self) -> None:
        """Fake-quantise the composer; the encoder is not shipped."""
        prepare(self.module.composer, self.preset.qat)
