"""Further training of the generator on those of its own pictures that show what was asked for."""

from pathlib import Path

import numpy as np
import torch

from t2a_edge.errors import CheckpointError
from train.checkpoint import load_tensors, save_tensors
from train.draw import BatchSampler
from train.generator_task import GeneratorTask, IndexMix, IndexStore
from train.qat import disable
from train.selection import Wordless, best, measurable_words, random_prompts

JUDGED_WORDLESS = 96  # pictures of a validation that are drawn without words
JUDGED_DRAWS = 3  # of each known adjective


def selected_pictures(sampler: BatchSampler, path: Path, key: str) -> tuple[IndexStore, float]:
    """Draw every prompt several times and keep what shows all of its words; cached.

    Args:
        key: names the weights that draw; a cache with another key is replaced.

    Returns:
        What was kept, and the share of the drawn pictures that showed all of their words.

    Raises:
        CheckpointError: no picture shows its words.
    """
    if path.is_file():
        tensors, about = load_tensors(path)
        if about.get("key") == key:
            words = [tuple(a) for a in about["adjectives"]]
            store = IndexStore(tensors["indices"], tensors["indices"], words, tensors["scores"])
            return store, float(about["shown"])
    config = sampler.preset.selection
    rng = np.random.default_rng(config.seed)
    for module in sampler.modules:
        disable(module.eval())
    _, plain = sampler.draw([()] * config.wordless, config.seed)
    wordless = Wordless.of(plain)
    prompts = random_prompts(config.prompts, rng)
    every = [prompt for prompt in prompts for _ in range(config.draws)]
    indices, scores = sampler.draw(every, config.seed + 1)
    kept: list[int] = []
    shown = 0
    for number, prompt in enumerate(prompts):
        start = number * config.draws
        margins = wordless.margin(prompt, scores[start : start + config.draws])
        shown += int((margins > 0).sum())
        kept += [start + i for i in best(margins, config.keep, config.enough)]
    if not kept:
        raise CheckpointError(
            f"None of {len(every)} pictures shows the words that it was drawn for; expected some. "
            "Train the generator longer, or leave the selection stage out: selection.draws = 0."
        )
    share = shown / len(every)
    tensors = {"indices": indices[kept].to(torch.int16), "scores": torch.from_numpy(scores[kept])}
    words = [every[i] for i in kept]
    save_tensors(path, tensors, {"key": key, "adjectives": words, "shown": share})
    return IndexStore(tensors["indices"], tensors["indices"], words, tensors["scores"]), share


class SelectionTask(GeneratorTask):
    """The generator's losses over data and selected pictures; validated by what it draws.

    Args:
        train: the stages' indices and the selected ones.
        sampler: draws the pictures of a validation; its generator is trained in place.
    """

    def __init__(self, sampler: BatchSampler, train: IndexMix, val: IndexStore) -> None:
        preset = sampler.preset
        super().__init__(preset, sampler.codec, train, val, sampler.generator.text.state_dict())
        self.module.load_state_dict(sampler.generator.state_dict())
        disable(self.module.transformer)
        self.batch = preset.selection_fit.batch
        self.sampler = BatchSampler(preset, sampler.codec, self.module, sampler.refiner)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The generator's figures, and how often its pictures show a known adjective.

        `loss` is the mean margin by which they do, capped at one spread either way and negated.
        """
        figures = super().validate()
        plain: list[tuple[str, ...]] = [()] * JUDGED_WORDLESS
        prompts = [(word,) for word in measurable_words()] * JUDGED_DRAWS
        seed = self.preset.selection.seed + 2
        _, scores = self.sampler.draw([*plain, *prompts], seed)
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
