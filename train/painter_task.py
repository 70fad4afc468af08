"""Training of the painter on deep latents of cached indices, with their forms and words."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from train.codec import Codec
from train.codec_task import EVALUATION_BATCH, autocast
from train.config import Preset
from train.generator_task import IndexMix, IndexStore, batch_words, chosen_words
from train.models.composer import DeepLatent
from train.models.painter import Painter, velocity_loss
from train.qat import prepare
from train.text import TextEngine
from train.wording import Wording

ENCODED_AT_ONCE = 64
LEVELS = (0.25, 0.5, 0.75, 0.95)  # of noise, at which it is validated


class Latents:
    """Latents and forms of some stores of indices, in memory, and where each row of them is.

    Args:
        codec, deep: trained, frozen.

    Attributes:
        latents, forms: (M, D, h, w) float16, of all views of all stores.
        stores: as given, their indices replaced by the numbers of the rows above, (M, 1).
    """

    def __init__(self, codec: Codec, deep: DeepLatent, stores: Sequence[IndexStore]) -> None:
        latents, forms, self.stores = [], [], []
        count = 0
        for store in stores:
            rows = torch.arange(count, count + len(store.indices))[:, None]
            self.stores.append(replace(store, indices=rows, seen=rows))
            count += len(rows)
            for indices in torch.split(store.indices, ENCODED_AT_ONCE):
                with torch.no_grad(), autocast():
                    canvas = codec.quantizer.canvas_from_indices(indices.long())
                    latents.append(deep.latents(canvas).half())
                    forms.append(deep.form(canvas).half())
        self.latents, self.forms = torch.cat(latents), torch.cat(forms)

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Latents and forms of rows (B, 1): (B, D, h, w) float32 each."""
        return self.latents[rows[:, 0]].float(), self.forms[rows[:, 0]].float()


class PainterTask:
    """The painter's losses and validation; see `train.loop.Task`.

    Args:
        codec, deep, text: trained, frozen.
        train, val: indices of the data.
    """

    def __init__(
        self,
        preset: Preset,
        codec: Codec,
        deep: DeepLatent,
        text: TextEngine,
        train: IndexMix,
        val: IndexStore,
    ) -> None:
        self.preset, self.text = preset, text.eval()
        self._cached = Latents(codec.eval(), deep.eval(), [*train.stores, val])
        *stores, self.val = self._cached.stores
        self.train = IndexMix(stores, train.shares)
        self.wording = Wording(preset.wording, train.extremes(preset.wording.extreme_share))
        torch.manual_seed(preset.painter_fit.seed)
        self.module: nn.Module = new_painter(preset)

    def forms(self, rows: Tensor) -> Tensor:
        """Forms of rows (B,) of `train`: (B, D, h, w) float32."""
        return self._cached.of(rows[:, None])[1]

    @torch.no_grad()
    def _words(self, words: list[list[str]]) -> tuple[Tensor, Tensor]:
        text_bytes, word_weights = batch_words(words, self.preset)
        return self.text(text_bytes), word_weights

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity at random levels of noise."""
        config, count = self.preset.painter, self.preset.painter_fit.batch
        samples = self.train.draw(rng, count)
        latents, form = self._cached.of(samples.indices)
        words = chosen_words(self.wording, samples, self.preset.text.max_words, rng)
        embedding, weights = self._words(words)
        levels = torch.sigmoid(config.level_mean + torch.randn(count))
        formed = (torch.rand(count) >= config.form_dropout).float()
        form = form + config.form_noise * torch.randn_like(form)
        spread = levels[:, None, None, None]
        noised = (1 - spread) * latents + spread * torch.randn_like(latents)
        with autocast():
            predicted = self.module(noised, levels, form, formed, embedding, weights)
        loss = velocity_loss(latents, predicted, levels)
        return {"loss": loss, "error": (predicted - latents).square().mean()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on the validation split at fixed levels, with form and words, and without."""
        generator = torch.Generator().manual_seed(self.preset.painter_fit.seed)
        found: dict[str, list[Tensor]] = {"loss": [], "without_words": [], "without_form": []}
        for start in range(0, len(self.val.indices), EVALUATION_BATCH):
            rows = self.val.indices[start : start + EVALUATION_BATCH]
            latents, form = self._cached.of(rows)
            embedding, weights = self._words(
                [list(w) for w in self.val.adjectives[start : start + EVALUATION_BATCH]]
            )
            ones = torch.ones(len(rows))
            for level in LEVELS:
                noise = torch.randn(latents.shape, generator=generator)
                noised, levels = (1 - level) * latents + level * noise, level * ones
                for name, formed, weighted in (
                    ("loss", ones, weights),
                    ("without_words", ones, 0 * weights),
                    ("without_form", 0 * ones, weights),
                ):
                    with autocast():
                        clean = self.module(noised, levels, form, formed, embedding, weighted)
                    found[name].append(velocity_loss(latents, clean, levels))
        return {name: float(torch.stack(values).mean()) for name, values in found.items()}

    def start_qat(self) -> None:
        """Fake-quantise the painter."""
        prepare(self.module, self.preset.qat)


def new_painter(preset: Preset) -> Painter:
    """An untrained painter of the preset's shape."""
    side = preset.codec.scales[-1] // 2 ** (len(preset.composer.widths) - 1)
    return Painter(preset.painter, preset.composer, preset.transformer.width, side)
