"""Training of the refiner on cached indices."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.scales import refiner_pass_of, scale_offsets
from train.checkpoint import load_module
from train.codec import Codec
from train.codec_task import EVALUATION_BATCH, autocast
from train.config import FitConfig, Preset
from train.generator_task import IndexMix, IndexStore, batch_words, chosen_words
from train.qat import convert, prepare
from train.refiner import Refiner
from train.text import TextEngine
from train.wording import Wording


def corrupted(
    indices: Tensor, chance: float, codebook_size: int, rng: np.random.Generator
) -> Tensor:
    """Replace each index by a random one with the given chance, as a sampler errs."""
    wrong = torch.from_numpy(rng.random(indices.shape) < chance)
    other = torch.from_numpy(rng.integers(codebook_size, size=indices.shape))
    return torch.where(wrong, other, indices)


class RefinerTask:
    """The refiner's losses and validation; see `train.loop.Task`.

    Args:
        text: weights of the trained text engine, which stays as it is.
        fit: schedule of the stage.
        start: weights to go on from; None starts anew.
    """

    def __init__(
        self,
        preset: Preset,
        codec: Codec,
        train: IndexMix,
        val: IndexStore,
        text: Mapping[str, Tensor],
        fit: FitConfig,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.preset, self.train, self.val, self.batch = preset, train, val, fit.batch
        self.wording = Wording(preset.wording, train.extremes(preset.wording.extreme_share))
        self.text = TextEngine(preset.text, preset.transformer.width)
        load_module(self.text, text, "text engine")
        convert(self.text)
        torch.manual_seed(fit.seed)
        self.module = Refiner(preset.refiner, preset.codec, preset.transformer.width)
        if start is not None:
            load_module(self.module, start, "refiner")
        self.module.codebook.copy_(codec.quantizer.codebook)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.coarse = scale_offsets(preset.coarse_scales)[-1]
        pass_of = refiner_pass_of(preset.codec.scales[-1], preset.refiner.passes)
        self.pass_of = torch.from_numpy(pass_of)
        self.visible = [self.pass_of < number for number in range(preset.refiner.passes)]
        if preset.sampling.refiner_redraws:
            self.visible += [self.pass_of != number for number in range(preset.refiner.passes)]

    def _logits(self, indices: Tensor, drawn: Tensor, words: Sequence[Sequence[str]]) -> Tensor:
        text_bytes, word_weights = batch_words(words, self.preset)
        with torch.no_grad():
            embedding = self.text(text_bytes)
        with autocast():
            logits: Tensor = self.module(indices, drawn, embedding, word_weights)
        return logits.float()

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the positions that a random pass draws, what it sees in view."""
        config, size = self.preset.refiner, self.preset.codec.codebook_size
        samples = self.train.draw(rng, self.batch)
        targets = samples.indices[:, self.coarse :]
        runs = rng.integers(len(self.visible), size=len(targets))
        visible = torch.stack([self.visible[run] for run in runs])  # (B, N)
        here = self.pass_of == torch.from_numpy(runs % config.passes).unsqueeze(1)  # (B, N)
        drawn = torch.where(visible, corrupted(targets, config.corrupt, size, rng), -1)
        words = chosen_words(self.wording, samples, self.preset.text.max_words, rng)
        logits = self._logits(samples.seen[:, : self.coarse], drawn, words)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return {"loss": losses[here.flatten()].mean()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each pass on the validation split, true indices in view.

        Those that draw anew count on: after two passes, `loss_pass_2` is of the first one anew.
        """
        passes = self.preset.refiner.passes
        losses: list[list[Tensor]] = [[] for _ in self.visible]
        correct: list[list[Tensor]] = [[] for _ in self.visible]
        for start in range(0, len(self.val.indices), EVALUATION_BATCH):
            indices = self.val.indices[start : start + EVALUATION_BATCH].long()
            words = self.val.adjectives[start : start + EVALUATION_BATCH]
            targets = indices[:, self.coarse :]
            for number, visible in enumerate(self.visible):
                drawn = torch.where(visible, targets, -1)
                logits = self._logits(indices[:, : self.coarse], drawn, words)
                here = self.pass_of == number % passes
                part, truth = logits[:, here].flatten(0, 1), targets[:, here].flatten()
                losses[number].append(F.cross_entropy(part, truth, reduction="none"))
                correct[number].append((part.argmax(-1) == truth).float())
        figures = {"loss": float(torch.cat([t for part in losses for t in part]).mean())}
        for number in range(len(self.visible)):
            figures[f"loss_pass_{number}"] = float(torch.cat(losses[number]).mean())
            figures[f"accuracy_pass_{number}"] = float(torch.cat(correct[number]).mean())
        return figures

    def start_qat(self) -> None:
        """Fake-quantise the refiner."""
        prepare(self.module, self.preset.qat)
