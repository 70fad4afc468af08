"""Training of the refiner on cached indices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

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


@dataclass(frozen=True)
class Part:
    """One of the refiner's scales.

    Attributes:
        scale: its number.
        start, end: of its positions.
        pass_of: (N,) the pass that draws each of them.
        visible: of each run, (N,) which of them are in view.
    """

    scale: int
    start: int
    end: int
    pass_of: Tensor
    visible: Sequence[Tensor]

    @classmethod
    def of(cls, preset: Preset, scale: int, start: int, end: int) -> Self:
        """The passes of a preset, and those anew where it has any."""
        passes = preset.refiner.passes
        pass_of = torch.from_numpy(refiner_pass_of(preset.codec.scales[scale], passes))
        visible = [pass_of < number for number in range(passes)]
        if preset.spec.refiner_redraws[scale - len(preset.coarse_scales)]:
            visible += [pass_of != number for number in range(passes)]
        return cls(scale, start, end, pass_of, visible)


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
        coarse, offsets = len(preset.coarse_scales), scale_offsets(preset.codec.scales)
        self.parts = [
            Part.of(preset, number, *offsets[number : number + 2])
            for number in range(coarse, len(preset.codec.scales))
        ]

    def embedded(self, words: Sequence[Sequence[str]]) -> tuple[Tensor, Tensor]:
        """Words of each sample -> embedding (B, W, D), and weights (B, W)."""
        text_bytes, weights = batch_words(words, self.preset)
        with torch.no_grad():
            return self.text(text_bytes), weights

    def _logits(
        self, part: Part, indices: Tensor, drawn: Tensor, words: tuple[Tensor, Tensor]
    ) -> Tensor:
        with autocast():
            logits = self.module.logits_of(part.scale, indices, drawn, *words)
        return logits.float()

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of the positions that a random pass draws, what it sees in view.

        Of each scale by itself; `loss` is their mean.
        """
        config, size = self.preset.refiner, self.preset.codec.codebook_size
        samples = self.train.draw(rng, self.batch)
        chosen = chosen_words(self.wording, samples, self.preset.text.max_words, rng)
        words = self.embedded(chosen)
        figures = {}
        for part in self.parts:
            targets = samples.indices[:, part.start : part.end]
            runs = rng.integers(len(part.visible), size=len(targets))
            visible = torch.stack([part.visible[run] for run in runs])  # (B, N)
            here = part.pass_of == torch.from_numpy(runs % config.passes).unsqueeze(1)  # (B, N)
            drawn = torch.where(visible, corrupted(targets, config.corrupt, size, rng), -1)
            logits = self._logits(part, samples.seen[:, : part.start], drawn, words)
            losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            figures[f"loss_scale_{part.scale}"] = losses[here.flatten()].mean()
        return {"loss": torch.stack(list(figures.values())).mean(), **figures}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and accuracy of each pass on the validation split, true indices in view.

        Those that draw anew count on: after two passes, `loss_scale_5_pass_2` is of the first one
        anew, at scale number 5.
        """
        figures: dict[str, float] = {}
        means = []
        for part in self.parts:
            for number, visible in enumerate(part.visible):
                losses, correct = self._validated(part, number, visible)
                name = f"scale_{part.scale}_pass_{number}"
                figures[f"loss_{name}"] = float(losses.mean())
                figures[f"accuracy_{name}"] = float(correct.mean())
                means.append(figures[f"loss_{name}"])
        return {"loss": float(np.mean(means)), **figures}

    def _validated(self, part: Part, number: int, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Losses, and whether the likeliest code is right, of all positions that a run draws."""
        losses, correct = [], []
        for start in range(0, len(self.val.indices), EVALUATION_BATCH):
            indices = self.val.indices[start : start + EVALUATION_BATCH].long()
            words = self.embedded(self.val.adjectives[start : start + EVALUATION_BATCH])
            targets = indices[:, part.start : part.end]
            drawn = torch.where(visible, targets, -1)
            logits = self._logits(part, indices[:, : part.start], drawn, words)
            here = part.pass_of == number % self.preset.refiner.passes
            found, truth = logits[:, here].flatten(0, 1), targets[:, here].flatten()
            losses.append(F.cross_entropy(found, truth, reduction="none"))
            correct.append((found.argmax(-1) == truth).float())
        return torch.cat(losses), torch.cat(correct)

    def start_qat(self) -> None:
        """Fake-quantise the refiner."""
        prepare(self.module, self.preset.qat)
