"""Pictures of prompts by the stages of a run, before there is a bundle of them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from t2a_edge.form import resampling_matrices
from t2a_edge.prompt import Prompt
from train.codec_task import uint8_from_images
from train.data import UInt8Array
from train.models.chooser import Query
from train.models.painter import Guidance, Words, floats_of_form
from train.painting.model import Bank
from train.painting.stages import GUIDANCE, STEPS, Prepared, draw

TEMPERATURE = 0.5
WINDOWS = 16  # of a form, along each axis; as many more are mirrored


class Drawer:
    """Draws prompts with a painter, its query and its bank.

    Args:
        distilled: the painter takes guidance as an input.
    """

    def __init__(
        self, ready: Prepared, query: Query, bank: Bank, painter: nn.Module, *, distilled: bool
    ) -> None:
        self.ready, self.query, self.bank, self.painter = ready, query, bank, painter
        self.distilled = distilled
        self.matrices = torch.from_numpy(resampling_matrices())

    def words(self, prompts: Sequence[Prompt]) -> Words:
        """The words of prompts with their weights, those to avoid behind."""
        wanted = [[term for term in prompt.terms if term.weight > 0] for prompt in prompts]
        avoided = [[term for term in prompt.terms if term.weight < 0] for prompt in prompts]
        words = self.ready.table.of(
            [[term.word for term in terms] for terms in wanted],
            [[term.word for term in terms] for terms in avoided],
        )
        for row, terms in enumerate(zip(wanted, avoided, strict=True)):
            typed = [term.weight for part in terms for term in part]
            words.weights[row, : len(typed)] = torch.tensor(typed)
        return words

    @torch.no_grad()
    def choose(
        self, prompt: Prompt, rng: np.random.Generator, temperature: float, count: int
    ) -> Tensor:
        """Forms for a prompt, (count, 64, 64) float32 of spread 1."""
        words = self.words([prompt])
        scores = self.bank.scores(self.query(words.embedding), words.weights)[0].numpy()
        noise = rng.gumbel(size=(count, len(scores))) * temperature
        rows = torch.from_numpy((scores + noise).argmax(1))
        forms = self.bank.codec.decode(self.bank.codes[rows]).float()
        down = self.matrices[torch.from_numpy(rng.integers(WINDOWS, size=count))]
        along = self.matrices[torch.from_numpy(rng.integers(2 * WINDOWS, size=count))]
        return floats_of_form(down @ forms @ along.transpose(1, 2) / 64**2)

    def pictures(
        self, prompts: Sequence[Prompt], seed: int, *, temperature: float = TEMPERATURE,
        guidance: Guidance = GUIDANCE, steps: int = STEPS, form_level: float = 0.0,
    ) -> UInt8Array:  # fmt: skip
        """One picture of each prompt, (B, H, W, 3) uint8."""
        rng = np.random.default_rng(seed)
        forms = torch.cat([self.choose(prompt, rng, temperature, 1) for prompt in prompts])
        words = self.words(prompts)
        images = draw(
            self.ready, self.painter, words, forms, rng, steps=steps,
            guidance=guidance, form_level=form_level, distilled=self.distilled,
        )  # fmt: skip
        return uint8_from_images(images)
