"""Teach the refiner by what its codes will measure: `python -m train reward`.

Selection and pairs say of a whole picture whether it shows its words, and leave open which of its
codes did. A critic (`train.critic`), which sees from the codes what a picture will measure, says of
each code how it would have to change: the refiner draws its coarsest scale as it does for a user,
with guidance, and follows the critic's gradient through what it drew (straight-through
Gumbel-softmax, Jang et al. 2016, arXiv:1611.01144; rewards with a gradient: Clark et al. 2023,
arXiv:2309.17400). A word that is shown well enough pulls no further, the losses on data go on, and
what is drawn may not move far from what was drawn before, least of all without words.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.errors import ConfigError
from t2a_edge.sampler import row_factors
from train.checkpoint import file_sha256, is_finished, load_module, load_stage, read_report
from train.codec_task import autocast
from train.config import FitConfig
from train.critic import Critic, CriticTask
from train.draw import BatchSampler, scale_noise
from train.further import loaded_model, report_with_data
from train.generator_task import IndexMix, IndexStore, batch_words
from train.model import Model
from train.qat import disable
from train.refiner import Refiner
from train.refiner_task import RefinerTask
from train.reselection import prepare_drawing
from train.selection import measurable_words
from train.selection_task import Drawn, drawn_pictures
from train.stages import (
    INDEX_SECTIONS,
    Run,
    drawing_folder,
    drawing_key,
    finish,
    index_stores,
    stage_fit,
)

STAGE = "reward"
CRITIC = "critic"
STEEPNESS = 3.0  # of the bend where a word is shown well enough, per spread
MOST_NOISE = 20.0  # a uniform number of 0 would make it infinite
JUDGED = 320  # pictures of a validation


class RewardTask:
    """What the critic says beside the losses on data; see `train.loop.Task`.

    Args:
        sampler: what training starts from; it has a refiner.
        critic: of canvases drawn up to the refiner's coarsest scale.
        drawn: pictures whose coarser codes are given, and whose own scale is drawn anew.
        mix, val: indices of the data.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        critic: Critic,
        drawn: Drawn,
        mix: IndexMix,
        val: IndexStore,
        fit: FitConfig,
    ) -> None:
        assert sampler.refiner is not None
        preset, config = sampler.preset, sampler.preset.reward
        self.preset, self.config, self.drawn, self.batch = preset, config, drawn, fit.batch
        self.fine = RefinerTask(
            preset, sampler.codec, mix, val, sampler.generator.text.state_dict(), fit,
            sampler.refiner.state_dict(),
        )  # fmt: skip
        self.module, self.part = self.fine.module, self.fine.parts[0]
        disable(self.module)
        self.before = copy.deepcopy(self.module).eval().requires_grad_(False)
        self.critic = critic.eval().requires_grad_(False)
        self.middle = torch.from_numpy(drawn.wordless.middle)
        self.spread = torch.from_numpy(drawn.wordless.spread)
        self.held_out = drawn.held_out(config.held_out)

    def _guided(
        self, module: Refiner, indices: Tensor, others: Tensor, words: tuple[Tensor, Tensor],
        factors: Tensor,
    ) -> Tensor:  # fmt: skip
        """Logits of a part as they are drawn from: (B, N, K).

        What the row without words says is taken as it is: words are to pull, not to be pushed off.

        Args:
            others: (B, N) indices of the scale; -1 where they are to be drawn.
            factors: (B, 2) of the rows with and without words.
        """
        embedding, weights = words
        scale, here = self.part.scale, others[0] < 0
        with autocast():
            worded = module.logits_of(scale, indices, others, embedding, weights)[:, here].float()
            if not factors[:, 1].any():
                return worded
            with torch.no_grad():
                without = torch.zeros_like(weights)
                plain = module.logits_of(scale, indices, others, embedding, without)[:, here]
        return factors[:, :1, None] * worded + factors[:, 1:, None] * plain.float()

    def _factors(self, prompts: Sequence[Sequence[str]]) -> Tensor:
        """What the rows with and without words count where the scale is drawn last: (B, 2)."""
        spec, scale = self.preset.spec, self.part.scale
        guided = spec.refiner_runs(scale)[-1].guided
        strength = spec.guidance_scale if guided else min(spec.guidance_scale, 1.0)
        rows = [row_factors(spec, (1.0,), strength, (len(words),))[scale] for words in prompts]
        return torch.from_numpy(np.stack(rows))

    def _redrawn(
        self, indices: Tensor, prompts: Sequence[Sequence[str]], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw the scale anew, part by part, as often as a picture does or less often.

        Args:
            indices: (B, N) of all scales.

        Returns:
            codes (B, h w, C) with a gradient, and the divergence from what the model drew before,
            per position, (B,).
        """
        spec, part = self.preset.spec, self.part
        seen, scale = indices[:, : part.start], part.scale
        current = indices[:, part.start : part.end].clone()
        heat = spec.temperature * spec.scale_temperature[scale]
        noise = scale_noise(spec, scale, len(indices), rng).clamp_max(MOST_NOISE)
        text_bytes, weights = batch_words(prompts, self.preset)
        with torch.no_grad():
            words = self.fine.text(text_bytes), weights
        factors, order = self._factors(prompts), rng.permutation(self.preset.refiner.passes)
        rounds = max(1, spec.refiner_redraws[0] // len(order))
        codes = torch.zeros(*current.shape, self.module.codebook.shape[1])
        divergence = torch.zeros(len(indices))
        last = int(rng.integers(rounds))
        for turn in range(last + 1):
            for number in order.tolist():
                here = part.pass_of == number
                others = torch.where(here, -1, current)
                with torch.set_grad_enabled(torch.is_grad_enabled() and turn == last):
                    logits = self._guided(self.module, seen, others, words, factors)
                heated = logits + heat * noise[:, here]
                current[:, here] = chosen = heated.argmax(-1)
                if turn < last:
                    continue
                with torch.no_grad():
                    usual = self._guided(self.before, seen, others, words, factors)
                divergence = divergence + _divergence(logits / heat, usual / heat)
                soft = (heated / heat).softmax(-1)
                hard = F.one_hot(chosen, soft.shape[-1]).to(soft.dtype)
                own = (hard - soft.detach() + soft) @ self.module.codebook
                codes = codes.index_copy(1, here.nonzero().flatten(), own)
        return codes, divergence / len(order)

    def _judged(
        self, rows: Sequence[int], prompts: Sequence[Sequence[str]], plain: Sequence[int],
        rng: np.random.Generator,
    ) -> dict[str, Tensor]:  # fmt: skip
        """What the critic says of some pictures whose scale is drawn anew.

        Args:
            rows: numbers of pictures with words.
            prompts: the words that each is drawn with; they mean what its prompt does.
            plain: numbers of pictures without words.
        """
        indices = torch.cat([self.drawn.indices[list(rows)], self.drawn.plain_indices[list(plain)]])
        every = [*prompts, *([()] * len(plain))]
        codes, divergence = self._redrawn(indices.long(), every, rng)
        count = len(rows)
        seen = indices[:count, : self.part.start].long()
        with autocast():
            scores = self.critic(self.module.canvas_of(self.part.scale, seen, codes[:count]))
        distance = (scores - self.middle) / self.spread  # (B, A)
        margins = []
        for own, row in zip(distance, rows, strict=True):
            meant = [measurable_words()[w] for w in self.drawn.prompts[row // self.drawn.draws]]
            margins += [own[column] * sign for column, sign in meant]
        by_word = torch.stack(margins)
        short = F.softplus(STEEPNESS * (self.config.enough - by_word)) / STEEPNESS
        return {
            "short": short.mean(),
            "divergence": divergence.mean(),
            "shown": (by_word > 0).float().mean(),
        }

    def _total(self, figures: dict[str, Tensor]) -> Tensor:
        config = self.config
        return config.weight * figures["short"] + config.divergence * figures["divergence"]

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """By how much words fall short, the divergence, and the refiner's loss on data."""
        drawn, draws = self.drawn, self.drawn.draws
        plain = int(rng.binomial(self.batch - 1, self.config.wordless_share))
        rows = rng.integers(self.held_out, len(drawn.indices), size=self.batch - plain)
        wording = self.fine.wording
        prompts = [wording.reworded(drawn.prompts[row // draws], rng) for row in rows]
        without = rng.integers(len(drawn.plain_indices), size=plain)
        figures = self._judged(rows.tolist(), prompts, without.tolist(), rng)
        figures["loss_data"] = self.fine.loss(step, rng)["loss"]
        return {"loss": self._total(figures) + figures["loss_data"], **figures}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same figures of other prompts, and the refiner's on data; `shown` is of words."""
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
        data = self.fine.validate()
        total = float(self._total({name: torch.tensor(value) for name, value in found.items()}))
        return {**data, **found, "cross_entropy": data["loss"], "loss": total + data["loss"]}

    def start_qat(self) -> None:
        """Fake-quantise the refiner."""
        self.fine.start_qat()


def _divergence(logits: Tensor, usual: Tensor) -> Tensor:
    """How far usual draws are from what is drawn now: (B, N, K) each -> (B,), nats a position."""
    now, before = logits.log_softmax(-1), usual.log_softmax(-1)
    return F.kl_div(now, before, reduction="none", log_target=True).sum(-1).mean(1)


def train_reward(run: Run, path: Path) -> dict[str, Any]:
    """Train a critic on pictures of the model at `path`, and its refiner by it; write the report.

    Raises:
        ConfigError: the preset has no such stage, or no refiner.
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
    if is_finished(run.folder / STAGE):
        return read_report(run.folder / STAGE)
    model, key = loaded_model(path, preset), file_sha256(path)
    assert model.refiner is not None
    prepare_drawing(run, STAGE, path, key)
    sampler = BatchSampler.of(model, preset)
    train, val = index_stores(run, model.codec, key)
    drawing = drawing_key(run, STAGE, model_sha256=key)
    drawn = drawn_pictures(sampler, config, drawing_folder(run, STAGE), drawing)
    coarsest = len(preset.coarse_scales)
    task = CriticTask(model.refiner, coarsest, drawn, config, preset.critic_fit)
    seeing = stage_fit(
        run, CRITIC, task, preset.critic_fit, (),
        drawing=drawing, width=config.width, held_out=config.held_out,
    )  # fmt: skip
    sees = finish(seeing)
    reward = RewardTask(sampler, task.module, drawn, train, val, preset.reward_fit)
    sections = (*INDEX_SECTIONS, "refiner", STAGE)
    fit = stage_fit(run, STAGE, reward, preset.reward_fit, sections, model_sha256=key)
    shown = float((drawn.margins() > 0).mean())
    return finish(fit, shown_before=shown, pictures=len(drawn.indices), critic=sees)


def rewarded_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with this run's refiner and way of drawing."""
    preset = run.preset
    model = loaded_model(path, preset)
    tensors, _ = load_stage(run.folder, STAGE, model_sha256=file_sha256(path))
    assert model.refiner is not None
    load_module(model.refiner, tensors, "refiner")
    model.card["training"][STAGE] = report_with_data(run, STAGE)
    model.preset = replace(
        model.preset, reward=preset.reward, critic_fit=preset.critic_fit,
        reward_fit=preset.reward_fit, sampling=preset.sampling, card=preset.card,
    )  # fmt: skip
    model.use_int8()
    return model
