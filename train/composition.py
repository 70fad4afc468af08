"""Teach one row of words what the words say one by one: `python -m train composition`.

A prompt steers a picture as one row: the transformer reads all its words together. With a row of
its own for each word, whose pulls are added (Liu et al. 2022, arXiv:2206.01714), more prompts of
several words show every one of them, but each row costs time. So the model is its own teacher: it
draws pictures steered word by word, and learns to predict from one row what all of them said
(distilled guidance, Meng et al. 2022, arXiv:2210.03142). Nothing but the checkpoint is needed.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from t2a_edge.errors import ConfigError
from t2a_edge.sampler import scale_strengths, share_of_guidance
from t2a_edge.scales import scale_offsets
from t2a_edge.spec import Spec
from t2a_edge.vocabulary import HUES, known_words, poles
from train.checkpoint import file_sha256, is_finished, read_report, write_report
from train.codec_task import autocast
from train.config import HUE, CompositionConfig, Preset
from train.draw import heat_of, scale_context, scale_noise
from train.further import further_model, loaded_model
from train.generator_task import (
    Generator,
    batch_words,
    generator_figures,
    per_scale,
    scale_shares,
)
from train.model import Model
from train.qat import convert, disable, prepare
from train.stages import Run, stage_effort, stage_fit, validation_indices
from train.transformer import Transformer
from train.wording import synonyms

STAGE = "composition"
JUDGED_BATCHES = 4


@dataclass(frozen=True)
class Rows:
    """What steers a batch of B pictures: some rows of words each.

    Attributes:
        embedding: (R, W, D) of the words.
        weights: (R, W); 0 is a word of another row, or none.
        picture: (R,) int64, which picture a row steers.
        pull: (R,) how strongly; 1 is the plain pull.
    """

    embedding: Tensor
    weights: Tensor
    picture: Tensor
    pull: Tensor


def composed_rows(
    embedding: Tensor, weights: Tensor, pulls: Sequence[Sequence[float]], config: CompositionConfig
) -> Rows:
    """The teacher's rows: all words of a prompt together, and each alone.

    A prompt of one word, or none, has one row alone.

    Args:
        embedding, weights: (B, W, D) and (B, W), a prompt each.
        pulls: of each word of each prompt, when it pulls alone.
    """
    rows, pictures, strengths = [], [], []
    for number, (own, single) in enumerate(zip(weights, pulls, strict=True)):
        count = len(single)
        if count < 2:
            parts = [(own, single[0] if count else 1.0)]
        else:
            alone = config.share * min(1.0, config.most / count)
            parts = [(own, 1 - config.share)]
            for word, pull in enumerate(single):
                parts.append((F.one_hot(torch.tensor(word), len(own)).to(own), alone * pull))
        for row, strength in parts:
            if strength:
                rows.append(row)
                pictures.append(number)
                strengths.append(strength)
    picture = torch.tensor(pictures)
    return Rows(embedding[picture], torch.stack(rows), picture, torch.tensor(strengths))


@dataclass(frozen=True)
class Taught:
    """Pictures that the teacher drew, and what it predicted on the way.

    Attributes:
        indices: (B, N) int64, coarse scales.
        plain: (B, N, K) logits without words.
        steered: (B, N, K) logits with all that steers.
    """

    indices: Tensor
    plain: Tensor
    steered: Tensor


def guidance_strengths(spec: Spec, word_weights: Tensor) -> Tensor:
    """How strongly the words of each prompt pull at each scale: (B, W) -> (B, scales)."""
    strengths = [
        scale_strengths(spec, spec.guidance_scale, share_of_guidance(spec, count))
        for count in word_weights.count_nonzero(1).tolist()
    ]
    return torch.from_numpy(np.stack(strengths))


@torch.no_grad()
def teach(
    transformer: Transformer, spec: Spec, rows: Rows, strengths: Tensor, rng: np.random.Generator
) -> Taught:
    """Draw the coarse scales of some pictures, steered by rows.

    Args:
        strengths: (B, scales) of each picture; see `guidance_strengths`.
        rng: of the noise.
    """
    count = len(strengths)
    nothing = torch.zeros_like(rows.weights[:1]).expand(count, -1)
    embedding = torch.cat([rows.embedding, rows.embedding[:1].expand(count, -1, -1)])
    weights = torch.cat([rows.weights, nothing])
    past = torch.zeros(spec.layers, len(weights), spec.heads, 0, spec.head_dim)
    keys, values = past, past
    of_row = torch.cat([rows.picture, torch.arange(count)])
    offsets = scale_offsets(transformer.coarse_scales)
    drawn = torch.zeros((count, offsets[-1]), dtype=torch.int64)
    plains, mixtures = [], []
    for scale, (start, end) in enumerate(pairwise(offsets)):
        context = scale_context(transformer, drawn[of_row, :start], scale)
        logits, keys, values = transformer.scale_step(
            context, torch.arange(start, end), embedding, weights, (keys, values)
        )
        steering, plain = torch.split(logits.float(), [len(rows.picture), count])
        pull = (strengths[rows.picture, scale] * rows.pull)[:, None, None]
        mixed = plain.index_add(0, rows.picture, pull * (steering - plain[rows.picture]))
        noise = scale_noise(spec, scale, count, rng)
        drawn[:, start:end] = (mixed + heat_of(spec, scale) * noise).argmax(-1)
        plains.append(plain)
        mixtures.append(mixed)
    return Taught(drawn, torch.cat(plains, dim=1), torch.cat(mixtures, dim=1))


def composed_prompts(
    count: int, config: CompositionConfig, swapped: float, rng: np.random.Generator
) -> tuple[list[tuple[str, ...]], list[tuple[float, ...]]]:
    """Random prompts of known adjectives, no two of one axis.

    Args:
        swapped: share of the words that a synonym takes the place of, where one has any.

    Returns:
        The prompts, and how strongly each of their words pulls alone.
    """
    words, places = known_words(), poles()
    pull_of = dict(zip(config.axes, config.pulls, strict=True))
    prompts, pulls = [], []
    for _ in range(count):
        size = int(rng.choice(config.lengths))
        chosen: dict[str, str] = {}
        while len(chosen) < size:
            word = str(rng.choice(words))
            axis = places[word][0] if word in places else HUE if word in HUES else word
            if axis not in chosen:
                others = synonyms().get(word, ())
                swap = bool(others) and rng.random() < swapped
                chosen[axis] = str(rng.choice(others)) if swap else word
        prompts.append(tuple(chosen.values()))
        pulls.append(tuple(pull_of.get(axis, 1.0) for axis in chosen))
    return prompts, pulls


class CompositionTask:
    """How far one row is from what the words say one by one; see `train.loop.Task`.

    Args:
        generator: the teacher, and where the training of the student starts.
    """

    def __init__(self, preset: Preset, generator: Generator) -> None:
        self.preset = preset
        self.teacher = copy.deepcopy(generator).eval()
        self.teacher.requires_grad_(False)
        disable(self.teacher)
        self.module = Generator(preset, generator.text.state_dict())
        self.module.load_state_dict(generator.state_dict())
        disable(self.module.transformer)
        self.shares = scale_shares(preset.coarse_scales)
        self.cells = torch.tensor([side * side for side in preset.coarse_scales])

    def _divergence(self, rng: np.random.Generator, batch: int) -> Tensor:
        """Kullback-Leibler divergence of each scale, in nats: (scales,)."""
        preset, config = self.preset, self.preset.composition
        prompts, pulls = composed_prompts(batch, config, preset.wording.synonyms, rng)
        text_bytes, word_weights = batch_words(prompts, preset)
        with torch.no_grad():
            embedding = self.teacher.text(text_bytes)
        rows = composed_rows(embedding, word_weights, pulls, config)
        strengths = guidance_strengths(preset.spec, word_weights)  # (B, scales)
        with autocast():
            taught = teach(self.teacher.transformer, preset.spec, rows, strengths, rng)
            found = self.module(taught.indices, text_bytes, word_weights).float()
        worded = word_weights.any(1)[:, None, None]
        expected = torch.where(worded, taught.steered, taught.plain)
        strength = strengths[:, : len(self.cells)].repeat_interleave(self.cells, dim=1)  # (B, N)
        steered = taught.plain + strength[:, :, None] * (found - taught.plain)
        found = torch.where(worded, steered, found)
        apart = F.kl_div(
            found.log_softmax(-1), expected.log_softmax(-1), reduction="none", log_target=True
        ).sum(-1)  # (B, N)
        return per_scale(apart, preset.coarse_scales)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Divergence over all scales, weighted by side."""
        by_scale = self._divergence(rng, self.preset.composition_fit.batch)
        loss = (by_scale * self.shares).sum()
        return {"loss": loss, **{f"loss_scale_{i}": v for i, v in enumerate(by_scale)}}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The same over prompts and noise that training does not see."""
        config = self.preset.composition
        parts = [
            self._divergence(
                np.random.default_rng((config.seed, number)), self.preset.composition_fit.batch
            )
            for number in range(JUDGED_BATCHES)
        ]
        by_scale = torch.stack(parts).mean(0)
        figures = {"loss": float((by_scale * self.shares).sum())}
        return figures | {f"loss_scale_{i}": float(v) for i, v in enumerate(by_scale)}

    def start_qat(self) -> None:
        """Fake-quantise the transformer."""
        prepare(self.module.transformer, self.preset.qat)


def train_composition(run: Run, path: Path) -> dict[str, Any]:
    """Teach a finished model's generator from its own pictures; write the report.

    Args:
        path: checkpoint of the whole model.

    Raises:
        ConfigError: the preset has no such stage.
        CheckpointError: the model does not fit the preset.
    """
    preset, folder = run.preset, run.folder / STAGE
    if not preset.composition.share:
        raise ConfigError(
            "The preset does not teach words one by one: composition.share is 0; set it above 0, "
            "up to 1."
        )
    if is_finished(folder):
        return read_report(folder)
    task = CompositionTask(preset, loaded_model(path, preset).generator)
    sections = (STAGE, "sampling", "transformer", "text")
    fit = stage_fit(
        run, STAGE, task, preset.composition_fit, sections, model_sha256=file_sha256(path)
    )
    if not fit.state.history:
        task.module.eval()
        fit.state.history.append({"step": 0, **task.validate()})
    before = fit.state.history[0]
    state = fit.run()
    task.module.eval()
    if preset.composition_fit.qat_steps:
        convert(task.module)
    figures = {"before": before["loss"], "after": task.validate()["loss"]}
    return write_report(folder, {**stage_effort(state), "float_steps": state.float_end, **figures})


def composed_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with the generator of this run; its card has new figures.

    The figures are those of the validation split of the data folder.
    """
    report = read_report(run.folder / STAGE)
    model = further_model(run, path, STAGE, report, STAGE, f"{STAGE}_fit", "sampling", "card")
    val = validation_indices(run, model.codec, file_sha256(path), run.paintings())
    model.card["training"][STAGE]["val"] = generator_figures(model.generator, model.preset, val)
    return model
