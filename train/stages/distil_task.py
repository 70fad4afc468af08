"""Distillation of the painter: guidance, words to avoid and smaller steps become one evaluation."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from t2a_edge.checks import MAX_GUIDANCE
from t2a_edge.vocabulary import known_words
from train.models.images import autocast
from train.models.painter import Led, Painter, Words, velocity_loss
from train.models.qat import prepare
from train.preset import Preset
from train.stages.painter_task import LEVELS, ViewMix, WordTable, noised_form

TOLD = 2.5  # guidance that is validated
MOST_AVOIDED = 2


def stepped(
    painter: nn.Module, x: Tensor, level: Tensor, *given: Tensor, length: float, parts: int
) -> Tensor:
    """Clean latents to which one step leads where several smaller ones of a painter do.

    Args:
        x: (B, N, D) at noise levels `level`, (B,).
        given: what else the painter takes.
        length: of the step, of noise levels; it ends at 0 at the lowest.
        parts: how many smaller steps.
    """
    end = (level - length).clamp_min(0)
    way, now = (level - end) / parts, x
    for part in range(parts):
        at = level - part * way
        clean = painter(now, at, *given)
        now = now + (clean - now) * (way / at)[:, None, None]
    return x + (now - x) * (level / (level - end))[:, None, None]


class DistilTask:
    """Student and teacher; see `train.loop.Task`.

    The teacher is asked three times, see `train.models.painter.Led`, at each of the smaller steps
    that it takes; the student is told all of it at once, and how far to follow the words. Sources:
    Meng et al. 2023, arXiv:2210.03142 (guidance); Salimans and Ho 2022, arXiv:2202.00512 (steps).

    Args:
        teacher: the painter as it was trained, in float.
        count: samples a step.
    """

    def __init__(
        self, preset: Preset, mix: ViewMix, table: WordTable, teacher: Painter, count: int
    ) -> None:
        self.preset, self.mix, self.table = preset, mix, table
        frozen = teacher.eval().requires_grad_(False)
        self.teacher = Led(frozen, preset.painter.form_guidance)
        self.count, self.words = count, sorted(known_words())
        self.module: nn.Module = copy.deepcopy(teacher).requires_grad_(True)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Squared difference of the velocities of student and guided teacher."""
        batch, config = self.mix.draw(rng, self.count), self.preset.painter
        words = self.table.of(batch.prompts, self._avoided(batch.prompts, rng))
        level = torch.sigmoid(config.level_mean + torch.randn(self.count))
        form, form_level = noised_form(batch.form, config, rng)
        scale = 1 + (MAX_GUIDANCE - 1) * torch.rand(self.count).square()
        spread = level[:, None, None]
        x = (1 - spread) * batch.latents + spread * torch.randn_like(batch.latents)
        return {"loss": self._difference(x, level, form, form_level, words, scale)}

    def _difference(
        self, x: Tensor, level: Tensor, form: Tensor, form_level: Tensor, words: Words,
        scale: Tensor,
    ) -> Tensor:  # fmt: skip
        given = (x, level, form, form_level, scale, words.embedding, words.weights)
        with torch.no_grad(), autocast():
            wanted = stepped(
                self.teacher, *given, length=1 / self.preset.sampling.steps,
                parts=self.preset.distil.parts,
            )  # fmt: skip
        with autocast():
            clean = self.module(*given)
        return velocity_loss(wanted, clean, level)

    def _avoided(self, prompts: list[list[str]], rng: np.random.Generator) -> list[list[str]]:
        """Known words to avoid, that are not asked for; none for most prompts."""
        avoided = []
        for prompt in prompts:
            count = int(rng.integers(1, MOST_AVOIDED + 1)) if rng.random() < 0.3 else 0
            words = [str(word) for word in rng.choice(self.words, count, replace=False)]
            avoided.append([word for word in words if word not in prompt])
        return avoided

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on held-out views at fixed levels, without and with words to avoid."""
        rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
        found: dict[str, list[Tensor]] = {"plain": [], "avoiding": []}
        for batch in self.mix.held_out(rng):
            ones = torch.ones(len(batch.latents))
            avoided = [[str(rng.choice(self.words))] for _ in batch.prompts]
            for at in LEVELS:
                noise = torch.randn(batch.latents.shape, generator=generator)
                x = (1 - at) * batch.latents + at * noise
                for name, words in (
                    ("plain", self.table.of(batch.prompts)),
                    ("avoiding", self.table.of(batch.prompts, avoided)),
                ):
                    found[name].append(
                        self._difference(x, at * ones, batch.form, 0 * ones, words, TOLD * ones)
                    )
        means = {name: float(torch.stack(values).mean()) for name, values in found.items()}
        return {"loss": sum(means.values()) / len(means), **means}

    def start_qat(self) -> None:
        """Fake-quantise the student."""
        prepare(self.module, self.preset.qat)
