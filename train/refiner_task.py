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
from train.config import Preset
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
    """

    def __init__(
        self,
        preset: Preset,
        codec: Codec,
        train: IndexMix,
        val: IndexStore,
        text: Mapping[str, Tensor],
    ) -> None:
        self.preset, self.train, self.val = preset, train, val
        self.wording = Wording(preset.wording, train.extremes(preset.wording.extreme_share))
        self.text = TextEngine(preset.text, preset.transformer.width)
        load_module(self.text, text, "text engine")
        convert(self.text)
        torch.manual_seed(preset.refiner_fit.seed)
        self.module = Refiner(preset.refiner, preset.codec, preset.transformer.width)
        self.module.codebook.copy_(codec.quantizer.codebook)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.coarse = scale_offsets(preset.coarse_scales)[-1]
        pass_of = refiner_pass_of(preset.codec.scales[-1], preset.refiner.passes)
        self.pass_of = torch.from_numpy(pass_of)

    def _logits(self, indices: Tensor, drawn: Tensor, words: Sequence[Sequence[str]]) -> Tensor:
        text_bytes, word_weights = batch_words(words, self.preset)
        with torch.no_grad():
            embedding = self.text(text_bytes)
        with autocast():
            logits: Tensor = self.module(indices, drawn, embedding, word_weights)
        return logits.float()

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the positions that a random pass draws, those before it in view."""
        config, size = self.preset.refiner, self.preset.codec.codebook_size
        samples = self.train.draw(rng, self.preset.refiner_fit.batch)
        targets = samples.indices[:, self.coarse :]
        number = torch.from_numpy(rng.integers(config.passes, size=(len(targets), 1)))
        before = corrupted(targets, config.corrupt, size, rng)
        drawn = torch.where(self.pass_of < number, before, -1)
        words = chosen_words(self.wording, samples, self.preset.text.max_words, rng)
        logits = self._logits(samples.seen[:, : self.coarse], drawn, words)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        here = (self.pass_of == number).flatten()
        return {"loss": losses[here].mean()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each pass on the validation split, true indices in view."""
        passes = self.preset.refiner.passes
        losses: list[list[Tensor]] = [[] for _ in range(passes)]
        correct: list[list[Tensor]] = [[] for _ in range(passes)]
        for start in range(0, len(self.val.indices), EVALUATION_BATCH):
            indices = self.val.indices[start : start + EVALUATION_BATCH].long()
            words = self.val.adjectives[start : start + EVALUATION_BATCH]
            targets = indices[:, self.coarse :]
            for number in range(passes):
                drawn = torch.where(self.pass_of < number, targets, -1)
                logits = self._logits(indices[:, : self.coarse], drawn, words)
                here = self.pass_of == number
                part, truth = logits[:, here].flatten(0, 1), targets[:, here].flatten()
                losses[number].append(F.cross_entropy(part, truth, reduction="none"))
                correct[number].append((part.argmax(-1) == truth).float())
        figures = {"loss": float(torch.cat([t for part in losses for t in part]).mean())}
        for number in range(passes):
            figures[f"loss_pass_{number}"] = float(torch.cat(losses[number]).mean())
            figures[f"accuracy_pass_{number}"] = float(torch.cat(correct[number]).mean())
        return figures

    def start_qat(self) -> None:
        """Fake-quantise the refiner."""
        prepare(self.module, self.preset.qat)
