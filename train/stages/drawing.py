"""Pictures of prompts by the stages of a run, before there is a bundle of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from t2a_edge.form import WINDOWS, resampling_matrices
from t2a_edge.image import file_name
from t2a_edge.prompt import Prompt
from train.models.chooser import Query
from train.models.images import uint8_from_images
from train.models.painter import Painter, Words, floats_of_form
from train.models.whole import Bank
from train.preset import Preset
from train.stages.painter import Parts, draw
from train.stages.painter_task import WordTable
from train.stages.prior import drawn_forms

AT_ONCE = 16


class Drawer:
    """Draws prompts with a painter, its query and its bank.

    Args:
        painter: distilled, or led.
        prior: what draws forms; None chooses them from the bank.
    """

    def __init__(
        self, start: Parts, query: Query, bank: Bank, painter: nn.Module, preset: Preset,
        prior: Painter | None = None,
    ) -> None:  # fmt: skip
        self.start, self.query, self.bank, self.painter = start, query, bank, painter
        self.preset, self.sampling, self.prior = preset, preset.sampling, prior
        self.table = WordTable(start.text, preset.text.max_words)
        self.matrices = torch.from_numpy(resampling_matrices())

    def words(self, prompts: Sequence[Prompt]) -> Words:
        """The words of prompts with their weights, those to avoid behind."""
        wanted = [[term for term in prompt.terms if term.weight > 0] for prompt in prompts]
        avoided = [[term for term in prompt.terms if term.weight < 0] for prompt in prompts]
        words = self.table.of(
            [[term.word for term in terms] for terms in wanted],
            [[term.word for term in terms] for terms in avoided],
        )
        for row, terms in enumerate(zip(wanted, avoided, strict=True)):
            typed = [term.weight for part in terms for term in part]
            words.weights[row, : len(typed)] = torch.tensor(typed)
        return words

    @torch.no_grad()
    def forms(self, words: Words, rng: np.random.Generator) -> Tensor:
        """A form for each prompt: (B, 64, 64) float32 of spread 1.

        One of the bank is cut and mirrored by chance.
        """
        if self.prior is not None:
            return drawn_forms(self.preset, self.prior, words, rng)
        scores = self.bank.scores(self.query(words.embedding), words.weights).numpy()
        noise = rng.gumbel(size=scores.shape) * self.sampling.temperature
        rows = torch.from_numpy((scores + noise).argmax(1))
        forms = self.bank.codec.decode(self.bank.codes[rows]).float()
        down = self.matrices[torch.from_numpy(rng.integers(len(WINDOWS), size=len(rows)))]
        along = self.matrices[torch.from_numpy(rng.integers(len(self.matrices), size=len(rows)))]
        return floats_of_form(down @ forms @ along.transpose(1, 2) / 64**2)

    def save(self, prompts: Sequence[Prompt], seeds: Sequence[int], folder: Path) -> None:
        """Write a picture of each prompt for each seed, named by both."""
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            rng = np.random.default_rng(seed)
            for at in range(0, len(prompts), AT_ONCE):
                part = prompts[at : at + AT_ONCE]
                words = self.words(part)
                form = self.forms(words, rng)
                images = draw(self.start, self.painter, words, form, self.sampling, rng)
                for prompt, pixels in zip(part, uint8_from_images(images), strict=True):
                    Image.fromarray(pixels).save(folder / file_name(prompt.text, seed))
