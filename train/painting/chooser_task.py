"""Training of the choice of forms on encoded views and their words."""

import numpy as np
import torch
from torch import Tensor

from train.codec_task import autocast
from train.config import Preset
from train.models.chooser import Chooser, matching_loss
from train.painting.painter_task import ViewMix, WordTable
from train.qat import prepare

HELD_OUT_DRAWS = 4  # words drawn for each held-out view


class ChooserTask:
    """The loss and validation of words and forms in one space; see `train.loop.Task`."""

    def __init__(self, preset: Preset, mix: ViewMix, table: WordTable) -> None:
        self.preset, self.mix, self.table = preset, mix, table
        torch.manual_seed(preset.chooser_fit.seed)
        self.module = Chooser(preset.transformer.width, preset.form.key)
        self.module.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Each prompt finds its own form among those of the batch."""
        form, prompts = self.mix.draw_forms(rng, self.preset.chooser_fit.batch)
        return {"loss": self._loss(self._mirrored(form, rng), prompts)}

    def _loss(self, form: Tensor, prompts: list[list[str]]) -> Tensor:
        words = self.table.of(prompts)
        with autocast():
            keys = self.module.encoder(form)
            query = self.module.query(words.embedding, words.weights)
        return matching_loss(query.float(), keys.float())

    @staticmethod
    def _mirrored(form: Tensor, rng: np.random.Generator) -> Tensor:
        flip = torch.from_numpy(rng.random(len(form)) < 0.5)[:, None, None]
        return torch.where(flip, form.flip(2), form)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on held-out views of each source."""
        rng, losses = np.random.default_rng(0), []
        for _ in range(HELD_OUT_DRAWS):
            losses += [self._loss(b.form, b.prompts) for b in self.mix.held_out(rng)]
        return {"loss": float(torch.stack(losses).mean())}

    def start_qat(self) -> None:
        """Fake-quantise what is shipped: the query."""
        prepare(self.module.query, self.preset.qat)
