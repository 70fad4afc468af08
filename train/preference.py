"""Teach a model which of its pictures show their words better: `python -m train preference`.

The model draws every prompt several times; measured attributes say which of two pictures shows its
words better. Selection learns from the better ones alone; here the transformer and the refiner
learn from the difference: the better picture is to become likelier than the worse one, by more than
it was before (direct preference optimisation, Rafailov et al. 2023, arXiv:2305.18290). The usual
losses on the data go on beside it, so that pictures stay what they were.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.scales import scale_offsets
from train.checkpoint import (
    is_finished,
    read_report,
)
from train.codec_task import autocast
from train.config import FitConfig, PreferenceConfig
from train.draw import BatchSampler, Drawer
from train.further import drawer_model, drawer_tasks, own_pictures
from train.generator_task import (
    IndexMix,
    IndexStore,
    batch_words,
    cross_entropies,
)
from train.model import Model
from train.qat import disable
from train.refiner_task import Part
from train.selection_task import Drawn
from train.stages import (
    INDEX_SECTIONS,
    Run,
    finish,
    stage_fit,
)
from train.wording import FloatArray

STAGE = "preference"
JUDGED_BATCH = 32  # pairs of a validation that are judged at once


@dataclass(frozen=True)
class Pairs:
    """Pictures of one prompt each, of which the first shows its words better.

    Attributes:
        better, worse: (M, N) int16 indices.
        prompts: of each pair.
    """

    better: Tensor
    worse: Tensor
    prompts: list[tuple[str, ...]]

    def take(self, rows: Sequence[int]) -> "Pairs":
        """Some of them."""
        numbers = list(rows)
        return Pairs(self.better[numbers], self.worse[numbers], [self.prompts[n] for n in numbers])


def ranked(margins: FloatArray, gap: float) -> list[tuple[int, int]]:
    """Which pictures of a prompt make pairs: the best with the worst, the next ones, and so on.

    Args:
        margins: (M,) how far each shows its words.
        gap: least difference of a pair.

    Returns:
        (better, worse) numbers of pictures; none is in two pairs.
    """
    order = np.argsort(-margins, kind="stable").tolist()
    pairs = zip(order, reversed(order), strict=True)
    every = [pair for pair, _ in zip(pairs, range(len(order) // 2), strict=False)]
    return [(a, b) for a, b in every if margins[a] - margins[b] >= gap]


def pairs_of(drawn: Drawn, config: PreferenceConfig) -> tuple[Pairs, Pairs]:
    """Pair what shows its words better or worse.

    Returns:
        Pairs to train on, and those of other prompts to validate on.

    Raises:
        CheckpointError: either has none.
    """
    prompts, indices, margins = drawn.prompts, drawn.indices, drawn.margins
    held_out = drawn.held_out(config.held_out)
    found: tuple[list[tuple[int, int, int]], ...] = ([], [])
    for number, own in enumerate(margins):
        start = number * drawn.draws
        pairs = ranked(np.minimum(own, config.enough), config.gap)
        found[start < held_out].extend((number, start + a, start + b) for a, b in pairs)
    if not all(found):
        raise CheckpointError(
            f"{len(indices)} pictures make {len(found[0])} pairs to train on and {len(found[1])} "
            f"to validate on whose margins differ by {config.gap:g}; expected some of both. Draw "
            "more, or lower preference.gap."
        )
    train, val = (
        Pairs(indices[[b for _, b, _ in own]], indices[[w for _, _, w in own]],
              [prompts[n] for n, _, _ in own])
        for own in found
    )  # fmt: skip
    return train, val


def preference_losses(pairs: Tensor, before: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """How far the better pictures are from being likelier than the worse ones.

    Args:
        pairs: (2, M) log-likelihoods of better and worse pictures.
        before: the same by the model that training started from.
        strength: how much a difference in nats counts; the larger, the nearer the model stays.

    Returns:
        (M,) losses, and whether the better one gained more, (M,) float32.
    """
    gained = pairs - before
    difference = gained[0] - gained[1]
    return -F.logsigmoid(strength * difference), (difference > 0).float()


class PreferenceTask:
    """Losses of pairs beside those of the data; see `train.loop.Task`.

    Args:
        sampler: what training starts from, and what its likelihoods are compared with.
        pairs, judged: to train and to validate on.
        mix, val: indices of the data.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        pairs: Pairs,
        judged: Pairs,
        mix: IndexMix,
        val: IndexStore,
        fit: FitConfig,
    ) -> None:
        self.preset, self.pairs, self.judged = sampler.preset, pairs, judged
        self.batch = fit.batch
        self.module, self.coarse, self.fine = drawer_tasks(sampler, mix, val, fit)
        disable(self.module)
        self.before = copy.deepcopy(self.module).eval().requires_grad_(False)

    def _coarse_likelihoods(
        self, module: Drawer, indices: Tensor, text_bytes: Tensor, word_weights: Tensor
    ) -> Tensor:
        """Of the transformer's scales: (M, N) -> (M,), in nats."""
        own = indices[:, : scale_offsets(self.preset.coarse_scales)[-1]]
        with autocast():
            logits = module.generator(own, text_bytes, word_weights)
        return -cross_entropies(logits, own).sum(1)

    def _fine_likelihoods(
        self, module: Drawer, part: Part, run: int, indices: Tensor, words: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Of the positions that a run over one of the refiner's scales draws: (M, N) -> (M,)."""
        assert module.refiner is not None
        own = indices[:, part.start : part.end]
        drawn = torch.where(part.visible[run], own, -1)
        with autocast():
            logits = module.refiner.logits_of(part.scale, indices[:, : part.start], drawn, *words)
        here = part.pass_of == run % self.preset.refiner.passes
        return -cross_entropies(logits[:, here], own[:, here]).sum(1)

    def _judged(
        self, pairs: Pairs, prompts: Sequence[Sequence[str]], runs: Sequence[int]
    ) -> dict[str, Tensor]:
        """Mean losses of some pairs, and how often the better picture gained more.

        Args:
            prompts: the words that each pair is shown with.
            runs: of the refiner over its coarsest scale, which are averaged: there edges begin.
        """
        strength = self.preset.preference.strength
        text_bytes, weights = (part.repeat(2, *[1] * (part.dim() - 1))
                               for part in batch_words(prompts, self.preset))  # fmt: skip
        indices = torch.cat([pairs.better, pairs.worse]).long()
        found: dict[str, list[Tensor]] = {}

        def compare(name: str, now: Tensor, before: Tensor) -> None:
            halves = now.view(2, -1), before.view(2, -1)
            losses, right = preference_losses(*halves, strength)
            found.setdefault(f"loss_{name}", []).append(losses.mean())
            found.setdefault(f"preferred_{name}", []).append(right.mean())

        with torch.no_grad():
            before = self._coarse_likelihoods(self.before, indices, text_bytes, weights)
            embedded = self.before.generator.text(text_bytes), weights
        now = self._coarse_likelihoods(self.module, indices, text_bytes, weights)
        compare("transformer", now, before)
        for run in runs:
            assert self.fine is not None
            given = self.fine.parts[0], run, indices, embedded
            with torch.no_grad():
                before = self._fine_likelihoods(self.before, *given)
            compare("refiner", self._fine_likelihoods(self.module, *given), before)
        return {name: torch.stack(values).mean() for name, values in found.items()}

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Losses of the pairs and of the data; `loss` is their sum."""
        pairs = self.pairs.take(rng.integers(len(self.pairs.prompts), size=self.batch).tolist())
        prompts = [self.coarse.wording.reworded(prompt, rng) for prompt in pairs.prompts]
        run = [] if self.fine is None else [int(rng.integers(len(self.fine.parts[0].visible)))]
        figures = self._judged(pairs, prompts, run)
        figures["loss_data"] = self.coarse.loss(step, rng)["loss"]
        if self.fine is not None:
            figures["loss_data_refiner"] = self.fine.loss(step, rng)["loss"]
        total = torch.stack([v for name, v in figures.items() if name.startswith("loss")]).sum()
        return {"loss": total, **figures}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The figures of the generator and the refiner on data, and of pairs of other prompts."""
        count, parts = len(self.judged.prompts), []
        runs = [] if self.fine is None else range(len(self.fine.parts[0].visible))
        for start in range(0, count, JUDGED_BATCH):
            pairs = self.judged.take(range(start, min(start + JUDGED_BATCH, count)))
            found = self._judged(pairs, pairs.prompts, runs)
            parts.append({k: float(v) * len(pairs.prompts) / count for k, v in found.items()})
        figures = {name: sum(part[name] for part in parts) for name in parts[0]}
        total = sum(value for name, value in figures.items() if name.startswith("loss"))
        data = self.coarse.validate()
        figures |= {**data, "cross_entropy": data["loss"]}
        total += data["loss"]
        if self.fine is not None:
            refined = self.fine.validate()
            figures |= {f"refiner_{name}": value for name, value in refined.items()}
            total += refined["loss"]
        return {**figures, "loss": total}

    def start_qat(self) -> None:
        """Fake-quantise transformer and refiner."""
        self.coarse.start_qat()
        if self.fine is not None:
            self.fine.start_qat()


def train_preference(run: Run, path: Path) -> dict[str, Any]:
    """Teach the model at `path` which of its pictures show their words better; write the report.

    Raises:
        ConfigError: the preset has no such stage.
        CheckpointError: the model does not fit the preset, or its pictures make no pairs.
    """
    preset = run.preset
    config = preset.preference
    if not config.draws:
        raise ConfigError(
            "The preset does not compare pictures: preference.draws is 0; set it to 2 or more."
        )
    if is_finished(run.folder / STAGE):
        return read_report(run.folder / STAGE)
    own = own_pictures(run, STAGE, path)
    pairs, judged = pairs_of(own.drawn, config)
    task = PreferenceTask(own.sampler, pairs, judged, own.train, own.val, preset.preference_fit)
    sections = (*INDEX_SECTIONS, "transformer", "refiner", STAGE)
    fit = stage_fit(run, STAGE, task, preset.preference_fit, sections, model_sha256=own.key)
    counts = {"pairs": len(pairs.prompts), "held_out": len(judged.prompts)}
    return finish(fit, shown_before=own.drawn.shown, **counts)


def preferred_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with this run's transformer, refiner and way of drawing."""
    return drawer_model(run, path, STAGE, STAGE, f"{STAGE}_fit")
