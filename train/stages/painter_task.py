"""Training of the painter on encoded views, with the words that they show."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from t2a_edge.errors import ConfigError
from train.data.pictures import turned_words
from train.data.views import Views
from train.data.wording import Extremes, FloatArray, Wording, WordingConfig
from train.models.images import autocast
from train.models.latents import DeepLatent
from train.models.painter import Painter, PainterConfig, Words, floats_of_form, velocity_loss
from train.models.text import TextEngine
from train.preset import Preset
from train.studio.words import adjectives
from train.words.task import embed_words

Int8Array = npt.NDArray[np.int8]

LEVELS = (0.3, 0.6, 0.9)  # of noise, at which it is validated
VALIDATED = 192  # views of each source


class WordTable:
    """The text engine's vectors of words, each asked for once."""

    def __init__(self, text: TextEngine, most: int) -> None:
        self.text, self.most = text.eval(), most
        self._rows: dict[str, Tensor] = {}

    def of(self, prompts: Sequence[Sequence[str]], avoided: Sequence[Sequence[str]] = ()) -> Words:
        """The words of each prompt, then those to avoid, cut to `most`."""
        behind = avoided or [()] * len(prompts)
        both = [(list(p) + list(a))[: self.most] for p, a in zip(prompts, behind, strict=True)]
        fresh = sorted({word for words in both for word in words} - self._rows.keys())
        if fresh:
            self._rows |= dict(zip(fresh, embed_words(self.text, fresh), strict=True))
        width = max(1, max(len(words) for words in both))
        weights = torch.zeros(len(both), width)
        embedding = torch.zeros(len(both), width, self.text.second.out_features)
        for row, words in enumerate(both):
            if words:
                embedding[row, : len(words)] = torch.stack([self._rows[word] for word in words])
                weights[row, : len(words)] = 1
                weights[row, len(prompts[row]) : len(words)] = -1
        return Words(embedding, weights)


def extremes_of(measured: Sequence[FloatArray], share: float) -> Extremes:
    """The extremes of equal numbers of views of each source that is measured.

    Args:
        measured: scores of each source, (M, A); where there is none, nothing is extreme.
    """
    if not measured:
        return Extremes.nowhere()
    fewest = min(len(scores) for scores in measured)
    strided = [s[np.linspace(0, len(s) - 1, fewest).astype(int)] for s in measured]
    return Extremes.of(np.concatenate(strided), share)


@dataclass(frozen=True)
class Batch:
    """What a step is taught on.

    Attributes:
        latents: (B, N, D).
        form: (B, 64, 64) float32 of spread 1.
        prompts: the words shown for each.
    """

    latents: Tensor
    form: Tensor
    prompts: list[list[str]]


class ViewMix:
    """Batches of views of several sources, by their shares.

    Args:
        again: of each source, its forms as their codes leave them.
        coded: share of the forms that is seen as that.
    """

    def __init__(
        self, deep: DeepLatent, sources: Sequence[Views], shares: Sequence[float],
        wording: WordingConfig, most_words: int, again: Sequence[Int8Array],
        coded: float,
    ) -> None:  # fmt: skip
        self.deep, self.sources, self.shares = deep, sources, np.asarray(shares) / sum(shares)
        self.most, self.coded, self.again = most_words, coded, again
        self.train = [np.flatnonzero(~source.held_out) for source in sources]
        measured = [s.scores for s in sources if s.records is None]
        self.wording = Wording(wording, extremes_of(measured, wording.extreme_share))

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Views of the training splits, with words drawn anew."""
        return self.batch(self.places(rng, count), rng)

    def places(self, rng: np.random.Generator, count: int) -> list[tuple[int, int]]:
        """Random views of the training splits: the number of a source, and a row of it."""
        picked = rng.choice(len(self.sources), size=count, p=self.shares)
        return [(int(number), int(rng.choice(self.train[number]))) for number in picked]

    def form(self, number: int, row: int, rng: np.random.Generator) -> Int8Array:
        """The form of a view, (64, 64); a share of them is as its codes leave it."""
        held = self.again if rng.random() < self.coded else [s.forms for s in self.sources]
        form: Int8Array = held[number][row]
        return form

    def held_out(self, rng: np.random.Generator) -> list[Batch]:
        """Some held-out views of each source that has any."""
        batches = []
        for number, source in enumerate(self.sources):
            rows = np.flatnonzero(source.held_out)[:VALIDATED]
            if len(rows):
                batches.append(self.batch([(number, int(row)) for row in rows], rng))
        return batches

    def batch(self, places: Sequence[tuple[int, int]], rng: np.random.Generator) -> Batch:
        """Views by source and row."""
        components = np.stack([self.sources[n].components[row] for n, row in places])
        forms = [self.form(number, row, rng) for number, row in places]
        latents = self.deep.latents(torch.from_numpy(components).float())
        prompts = [self.words(n, row, rng) for n, row in places]
        return Batch(latents, floats_of_form(torch.from_numpy(np.stack(forms))), prompts)

    def words(self, number: int, row: int, rng: np.random.Generator) -> list[str]:
        """Words for one view; none for guidance."""
        source = self.sources[number]
        if source.records is None:
            return self.wording.choose(source.words[row], source.scores[row], self.most, rng)
        config, record = self.wording.config, source.records[row]
        if rng.random() < config.guidance_dropout:
            return []
        said = adjectives(record.composition, rng, record.seen, forms=True)
        if source.quarter[row]:
            said = turned_words(said)
        words = self.wording.reworded(said, rng)
        return words[: int(rng.choice(config.caps or (self.most,)))]


class Averaged(nn.Module):
    """A painter, and the moving average of its weights, which is what draws.

    Args:
        kept: how much of the average is kept each step.
    """

    def __init__(self, painter: Painter, kept: float) -> None:
        super().__init__()
        self.painter, self.kept = painter, kept
        self.average = copy.deepcopy(painter).requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the average; the first steps weigh all weights so far alike."""
        kept = min(self.kept, step / (step + 10))
        pairs = zip(self.average.parameters(), self.painter.parameters(), strict=True)
        for average, weights in pairs:
            average.lerp_(weights, 1 - kept)


class PainterTask:
    """The painter's losses and validation; see `train.loop.Task`.

    Args:
        count: samples a step.
    """

    def __init__(self, preset: Preset, mix: ViewMix, table: WordTable, count: int) -> None:
        self.preset, self.config, self.mix, self.table = preset, preset.painter, mix, table
        self.count = count
        torch.manual_seed(preset.painter_fit.seed)
        self.module = Averaged(
            new_painter(preset), half_kept(self.config.average, preset.painter_fit.batch)
        )

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity at random levels of noise."""
        self.module.follow(step)
        batch = self.mix.draw(rng, self.count)
        words, x = self.table.of(batch.prompts), batch.latents
        level = torch.sigmoid(self.config.level_mean + torch.randn(self.count))
        form, form_level = noised_form(batch.form, self.config, rng)
        spread = level[:, None, None]
        noised = (1 - spread) * x + spread * torch.randn_like(x)
        with autocast():
            clean = self.module.painter(
                noised, level, form, form_level, torch.ones(self.count), words.embedding,
                words.weights,
            )  # fmt: skip
        return {"loss": velocity_loss(x, clean, level), "error": (clean - x).square().mean()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on held-out views at fixed levels, with form and words, and without."""
        generator, painter = torch.Generator().manual_seed(0), self.module.average
        found: dict[str, list[Tensor]] = {"loss": [], "without_words": [], "without_form": []}
        for batch in self.mix.held_out(np.random.default_rng(0)):
            words, ones = self.table.of(batch.prompts), torch.ones(len(batch.latents))
            nothing = torch.randn(batch.form.shape, generator=generator)
            for at in LEVELS:
                noise = torch.randn(batch.latents.shape, generator=generator)
                noised, level = (1 - at) * batch.latents + at * noise, at * ones
                for name, form, form_level, weights in (
                    ("loss", batch.form, 0 * ones, words.weights),
                    ("without_words", batch.form, 0 * ones, 0 * words.weights),
                    ("without_form", nothing, ones, words.weights),
                ):
                    with autocast():
                        clean = painter(
                            noised, level, form, form_level, ones, words.embedding, weights
                        )
                    found[name].append(velocity_loss(batch.latents, clean, level))
        return {name: float(torch.stack(values).mean()) for name, values in found.items()}

    def start_qat(self) -> None:
        """It is fake-quantised where it is distilled."""
        raise ConfigError("painter_fit.qat_steps is above 0; expected 0. Raise distil_fit's.")


def new_painter(preset: Preset) -> Painter:
    """An untrained painter of the preset's shape."""
    return Painter(preset.painter, preset.latent.depth, preset.text.width, preset.latent_side)


def half_kept(samples: int, batch: int) -> float:
    """How much of an average is kept each step, for half of it to be of the last `samples`."""
    return math.exp(math.log(0.5) * batch / samples)


def noised_form(
    form: Tensor, config: PainterConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Forms (B, 64, 64) at random noise levels, many near 0 and some at 1, and the levels (B,)."""
    kind = torch.from_numpy(rng.random(len(form))).float()
    share = torch.rand(len(form))
    level = torch.where(
        kind < config.form_dropout + config.form_noised, share, config.form_noise * share
    )
    level = torch.where(kind < config.form_dropout, torch.ones_like(level), level)
    spread = level[:, None, None]
    return (1 - spread) * form + spread * torch.randn_like(form), level
