"""Further training of the generator on those of its own pictures that show what was asked for."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from t2a_edge.errors import CheckpointError
from train.checkpoint import load_tensors, save_tensors
from train.config import DrawingConfig, FitConfig, SelectionConfig
from train.draw import BatchSampler
from train.generator_task import GeneratorTask, IndexMix, IndexStore
from train.qat import disable
from train.selection import Wordless, best, measurable_words, random_prompts
from train.wording import FloatArray

PART = 40  # prompts whose pictures are drawn, and kept on disk, together
JUDGED_WORDLESS = 96  # pictures of a validation that are drawn without words
JUDGED_DRAWS = 3  # of each known adjective


def prompts_of(config: DrawingConfig) -> list[tuple[str, ...]]:
    """What pictures are drawn for."""
    odds = dict(zip(config.favoured, config.odds, strict=True))
    rng = np.random.default_rng(config.seed)
    return random_prompts(config.prompts, rng, config.lengths, odds)


def part_count(config: DrawingConfig) -> int:
    """How many parts `drawn_part` has: the pictures without words, then those of the prompts."""
    return 1 + -(-config.prompts // PART)


def drawn_part(
    sampler: BatchSampler, config: DrawingConfig, number: int, folder: Path, key: str
) -> tuple[Tensor, FloatArray]:
    """Draw one part of the pictures, without fake-quantisation; cached.

    Args:
        number: 0 is the pictures without words, from 1 on they are `draws` of each of `PART`
            prompts.
        key: names the weights that draw; a cache with another key is replaced.

    Returns:
        indices (M, N) int16, and (M, A) scores in the order of `train.wording.MEASURED`.
    """
    path = folder / f"{number:03}.safetensors"
    if path.is_file():
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            return tensors["indices"], tensors["scores"].numpy()
    for module in sampler.modules:
        disable(module.eval())
    every: list[tuple[str, ...]] = [()] * config.wordless
    seed = (config.noise_seed, 0)
    if number:
        prompts = prompts_of(config)[(number - 1) * PART : number * PART]
        every = [prompt for prompt in prompts for _ in range(config.draws)]
        seed = (config.noise_seed + 1, number)
    drawn, scores = sampler.draw(every, seed)
    indices = drawn.to(torch.int16)
    save_tensors(path, {"indices": indices, "scores": torch.from_numpy(scores)}, {"key": key})
    return indices, scores


@dataclass(frozen=True)
class Drawn:
    """Pictures that a model drew, D of each of P prompts, and some without words.

    Attributes:
        prompts: P of them.
        indices: (P D, N) int16, prompt after prompt.
        scores: (P D, A) in the order of `train.wording.MEASURED`.
        plain_indices, plain_scores: (M, N) and (M, A) of the pictures without words.
    """

    prompts: list[tuple[str, ...]]
    indices: Tensor
    scores: FloatArray
    plain_indices: Tensor
    plain_scores: FloatArray

    @property
    def draws(self) -> int:
        """D."""
        return len(self.indices) // len(self.prompts)

    @cached_property
    def wordless(self) -> Wordless:
        """What pictures without words measure."""
        return Wordless.of(self.plain_scores)

    def held_out(self, share: float) -> int:
        """How many pictures belong to the first prompts, a share of all of them."""
        return round(share * len(self.prompts)) * self.draws

    @cached_property
    def margins(self) -> FloatArray:
        """By how much each picture shows its prompt's words: (P, D)."""
        by_prompt = self.scores.reshape(len(self.prompts), self.draws, -1)
        every = zip(self.prompts, by_prompt, strict=True)
        return np.stack([self.wordless.margin(prompt, own) for prompt, own in every])

    @property
    def shown(self) -> float:
        """Share of the pictures that show all of their words."""
        return float((self.margins > 0).mean())


def drawn_pictures(sampler: BatchSampler, config: DrawingConfig, folder: Path, key: str) -> Drawn:
    """Draw every prompt several times; see `drawn_part`."""
    parts = [drawn_part(sampler, config, n, folder, key) for n in range(part_count(config))]
    return Drawn(
        prompts_of(config),
        torch.cat([indices for indices, _ in parts[1:]]),
        np.concatenate([scores for _, scores in parts[1:]]),
        *parts[0],
    )


def selected_pictures(
    sampler: BatchSampler, config: SelectionConfig, folder: Path, key: str
) -> tuple[IndexStore, float]:
    """Draw every prompt several times and keep what shows all of its words.

    Args:
        folder: of what was drawn; see `drawn_part`.

    Returns:
        What was kept, and the share of the drawn pictures that showed all of their words.

    Raises:
        CheckpointError: no picture shows its words.
    """
    drawn = drawn_pictures(sampler, config, folder, key)
    margins = drawn.margins
    kept: list[int] = []
    words: list[tuple[str, ...]] = []
    for number, (prompt, own) in enumerate(zip(drawn.prompts, margins, strict=True)):
        start = number * drawn.draws
        found = best(own, config.keep, config.enough)
        kept += [start + i for i in found]
        words += [prompt] * len(found)
    if not kept:
        raise CheckpointError(
            f"None of {len(drawn.scores)} pictures shows the words that it was drawn for; expected "
            "some. Train the generator longer, or leave the selection stage out: "
            "selection.draws = 0."
        )
    codes, prompted = drawn.indices[kept], [True] * len(kept)
    store = IndexStore(codes, codes, words, torch.from_numpy(drawn.scores[kept]), prompted)
    return store, drawn.shown


class SelectionTask(GeneratorTask):
    """The generator's losses over data and selected pictures; validated by what it draws.

    Args:
        train: the stages' indices and the selected ones.
        sampler: draws the pictures of a validation, without fake-quantisation; its generator is
            where training starts.
        config, fit: of the selection whose pictures these are, and of the training.
    """

    def __init__(
        self,
        sampler: BatchSampler,
        train: IndexMix,
        val: IndexStore,
        config: SelectionConfig,
        fit: FitConfig,
    ) -> None:
        preset = sampler.preset
        super().__init__(preset, sampler.codec, train, val, sampler.generator.text.state_dict())
        self.module.load_state_dict(sampler.generator.state_dict())
        disable(self.module.transformer)
        self.batch = fit.batch
        self.seed = config.noise_seed + 2
        self.sampler = BatchSampler(preset, sampler.codec, self.module, sampler.refiner)
        for module in self.sampler.modules[1:]:
            disable(module.eval())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The generator's figures, and how often its pictures show a known adjective.

        `loss` is the mean margin by which they do, capped at one spread either way and negated.
        """
        figures = super().validate()
        plain: list[tuple[str, ...]] = [()] * JUDGED_WORDLESS
        prompts = [(word,) for word in measurable_words()] * JUDGED_DRAWS
        _, scores = self.sampler.draw([*plain, *prompts], self.seed)
        wordless = Wordless.of(scores[:JUDGED_WORDLESS])
        margins = np.array(
            [
                wordless.margin(prompt, row[None])[0]
                for prompt, row in zip(prompts, scores[JUDGED_WORDLESS:], strict=True)
            ]
        )
        figures["cross_entropy"] = figures["loss"]
        figures["shown"] = float((margins > 0).mean())
        figures["loss"] = -float(margins.clip(-1, 1).mean())
        return figures
