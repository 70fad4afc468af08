"""Teach a model by what its codes will measure: `python -m train reward`.

Selection and pairs say of a whole picture whether it shows its words, and leave open which of its
codes did. A critic (`train.critic`), which sees from the codes of a scale what a picture will
measure, says of each code how it would have to change: transformer and refiner draw a scale as they
do for a user, with guidance, and follow the critic's gradient through what they drew
(`train.redraw`; rewards with a gradient: Clark et al. 2023, arXiv:2309.17400). A word that is shown
well enough pulls no further, the losses on data go on, and what is drawn may not move far from what
was drawn before, least of all without words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.errors import ConfigError
from t2a_edge.scales import scale_offsets
from train.checkpoint import is_finished, read_report
from train.codec_task import autocast
from train.config import FitConfig
from train.critic import Critic, CriticTask
from train.draw import BatchSampler, heat_of
from train.further import drawer_model, drawer_tasks, own_pictures
from train.generator_task import IndexMix, IndexStore
from train.model import Model
from train.qat import disable
from train.redraw import Redraw, RefinerRedraw, TransformerRedraw
from train.selection import measurable_words
from train.selection_task import Drawn
from train.stages import (
    INDEX_SECTIONS,
    Run,
    finish,
    stage_fit,
)

STAGE = "reward"
CRITIC = "critic"
STEEPNESS = 3.0  # of the bend where a word is shown well enough, per spread
JUDGED = 320  # pictures of a validation


class RewardTask:
    """What the critics say beside the losses on data; see `train.loop.Task`.

    Args:
        sampler: what training starts from; it has a refiner.
        critics: by the number of the scale up to which they see the codes.
        drawn: pictures whose coarser codes are given where a scale is drawn anew.
        mix, val: indices of the data.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        critics: Mapping[int, Critic],
        drawn: Drawn,
        mix: IndexMix,
        val: IndexStore,
        fit: FitConfig,
    ) -> None:
        preset, config = sampler.preset, sampler.preset.reward
        self.preset, self.config, self.drawn, self.batch = preset, config, drawn, fit.batch
        # what is drawn anew is drawn as for a user, who skips no branch
        whole = replace(preset, transformer=replace(preset.transformer, branch_dropout=0.0))
        self.module, self.coarse, fine = drawer_tasks(replace(sampler, preset=whole), mix, val, fit)
        assert fine is not None
        self.fine = fine
        disable(self.coarse.module.transformer)
        disable(self.fine.module)
        self.critics = {scale: critic.eval().requires_grad_(False)
                        for scale, critic in critics.items()}  # fmt: skip
        self.redraws = [self._redraw(scale) for scale in critics]
        self.offsets = scale_offsets(preset.codec.scales)
        self.middle = torch.from_numpy(drawn.wordless.middle)
        self.spread = torch.from_numpy(drawn.wordless.spread)
        self.held_out = drawn.held_out(config.held_out)

    def _redraw(self, scale: int) -> Redraw:
        """What draws a scale anew."""
        spec = self.preset.spec
        if scale < len(spec.coarse_scales):
            return TransformerRedraw(self.coarse.module.transformer, spec, scale)
        part = self.fine.parts[scale - len(spec.coarse_scales)]
        return RefinerRedraw(self.fine.module, spec, part)

    def _margins(self, scores: Tensor, rows: Sequence[int]) -> Tensor:
        """By how much pictures show their words: scores (M, A) -> (all their words,), in spreads.

        Args:
            rows: numbers of the pictures, which say what words are meant.
        """
        distance = (scores - self.middle) / self.spread
        margins = []
        for own, row in zip(distance, rows, strict=True):
            meant = [measurable_words()[w] for w in self.drawn.prompts[row // self.drawn.draws]]
            margins += [own[column] * sign for column, sign in meant]
        return torch.stack(margins)

    def _judged(
        self, rows: Sequence[int], prompts: Sequence[Sequence[str]], plain: Sequence[int],
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:  # fmt: skip
        """What the critics say of some pictures of which a scale is drawn anew, a critic each.

        Args:
            rows: numbers of pictures with words.
            prompts: the words that each is drawn with; they mean what its prompt does.
            plain: numbers of pictures without words.

        Returns:
            figures of each critic; `loss_critics` is what they and the divergences come to.
        """
        config = self.config
        indices = torch.cat([self.drawn.indices[list(rows)], self.drawn.plain_indices[list(plain)]])
        indices, words = indices.long(), self.fine.embedded([*prompts, *([()] * len(plain))])
        count, figures, losses = len(rows), {}, []
        for redraw in self.redraws:
            redrawn = redraw(indices, words, rng)
            scale, offset = redraw.scale, self.offsets[redraw.scale]
            with autocast():
                canvas = self.fine.module.canvas_of(
                    scale, indices[:count, :offset], redrawn.codes[:count]
                )
                margins = self._margins(self.critics[scale](canvas), rows)
            by_word = F.softplus(STEEPNESS * (config.enough - margins)) / STEEPNESS
            short, divergence = by_word.mean(), redrawn.divergence
            figures[f"short_scale_{scale}"] = short
            figures[f"shown_scale_{scale}"] = (margins > 0).float().mean()
            figures[f"divergence_scale_{scale}"] = divergence
            losses.append(config.weight * short + config.divergence * divergence)
        return {"loss_critics": torch.stack(losses).sum(), **figures}

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """By how much words fall short, the divergence, and the losses on data."""
        drawn, draws = self.drawn, self.drawn.draws
        plain = int(rng.binomial(self.batch - 1, self.config.wordless_share))
        rows = rng.integers(self.held_out, len(drawn.indices), size=self.batch - plain)
        wording = self.fine.wording
        prompts = [wording.reworded(drawn.prompts[row // draws], rng) for row in rows]
        without = rng.integers(len(drawn.plain_indices), size=plain)
        figures = self._judged(rows.tolist(), prompts, without.tolist(), rng)
        data = {
            "loss_data": self.coarse.loss(step, rng)["loss"],
            "loss_data_refiner": self.fine.loss(step, rng)["loss"],
        }
        return {"loss": figures["loss_critics"] + sum(data.values()), **figures, **data}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same figures of other prompts, and those of generator and refiner on data."""
        draws, rng = self.drawn.draws, np.random.default_rng(self.config.noise_seed + 2)
        rows = range(self.held_out)[:: max(1, self.held_out // JUDGED)][:JUDGED]
        found: dict[str, float] = {}
        for start in range(0, len(rows), self.batch):
            own = list(rows[start : start + self.batch])
            prompts = [self.drawn.prompts[row // draws] for row in own]
            plain = own[: round(self.config.wordless_share * len(own))]
            plain = [row % len(self.drawn.plain_indices) for row in plain]
            for name, value in self._judged(own, prompts, plain, rng).items():
                found[name] = found.get(name, 0.0) + float(value) * len(own) / len(rows)
        data, refined = self.coarse.validate(), self.fine.validate()
        figures = {**data, "cross_entropy": data["loss"]}
        figures |= {f"refiner_{name}": value for name, value in refined.items()}
        total = found["loss_critics"] + data["loss"] + refined["loss"]
        return {**figures, **found, "loss": total}

    def start_qat(self) -> None:
        """Fake-quantise transformer and refiner."""
        self.coarse.start_qat()
        self.fine.start_qat()


def train_reward(run: Run, path: Path) -> dict[str, Any]:
    """Train critics on pictures of the model at `path`, and the model by them; write the report.

    Raises:
        ConfigError: the preset has no such stage or scale, no refiner, or draws at temperature 0.
        CheckpointError: the model does not fit the preset.
    """
    preset = run.preset
    config = preset.reward
    if not config.draws:
        raise ConfigError("The preset has no reward: reward.draws is 0; set it to 1 or more.")
    if not preset.refiner.passes:
        raise ConfigError(
            "The preset has no refiner that a reward could teach: refiner.passes is 0; set it to "
            "1, 2 or 4."
        )
    if max(config.scales) >= len(preset.codec.scales):
        raise ConfigError(
            f"reward.scales is {list(config.scales)} and codec.scales has "
            f"{len(preset.codec.scales)} entries; expected numbers below that, counted from 0."
        )
    cold = [scale for scale in range(max(config.scales) + 1) if not heat_of(preset.spec, scale)]
    if cold:
        raise ConfigError(
            f"The preset draws the scales {cold} at temperature 0, where no code has a gradient; "
            "expected more than 0 up to the last of reward.scales: set sampling.temperature and "
            "sampling.scale_temperature."
        )
    if is_finished(run.folder / STAGE):
        return read_report(run.folder / STAGE)
    own = own_pictures(run, STAGE, path)
    assert own.sampler.refiner is not None
    critics, reports = {}, {}
    for scale in config.scales:
        seen = CriticTask(own.sampler.refiner, scale, own.drawn, config, preset.critic_fit)
        side = preset.codec.scales[scale]
        fit = stage_fit(
            run, f"{CRITIC}-{side}", seen, preset.critic_fit, (),
            drawing=own.drawing, width=config.width, held_out=config.held_out,
        )  # fmt: skip
        critics[scale], reports[f"{side}"] = seen.module, finish(fit)
    task = RewardTask(own.sampler, critics, own.drawn, own.train, own.val, preset.reward_fit)
    sections = (*INDEX_SECTIONS, "transformer", "refiner", STAGE)
    fit = stage_fit(run, STAGE, task, preset.reward_fit, sections, model_sha256=own.key)
    pictures = len(own.drawn.indices)
    return finish(fit, shown_before=own.drawn.shown, pictures=pictures, critics=reports)


def rewarded_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with this run's transformer, refiner and way of drawing."""
    return drawer_model(run, path, STAGE, STAGE, "critic_fit", f"{STAGE}_fit")
