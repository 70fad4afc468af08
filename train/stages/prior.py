"""The stage `prior`: a flow that draws forms, in place of choosing them from a bank.

It is a painter whose latents are the patches of a form. What it learns, and what it draws, has no
colour: a small network may do.
"""

import copy
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from t2a_edge.errors import ConfigError
from t2a_edge.form import SIDE, SPREAD
from train.checkpoint import is_finished, load_module, load_stage, read_report, with_prefix
from train.lineage import data_record, write_record
from train.models.images import autocast
from train.models.painter import Led, Painter, Words, form_patches, painted, velocity_loss
from train.preset import Preset
from train.run import Run, stage_fit
from train.stages.painter import Prepared
from train.stages.painter_task import LEVELS, Averaged, ViewMix, WordTable, half_kept
from train.studio.forms import FORMS

STEPS, GUIDANCE = 16, 2.5
SHEET_WORDS, SHEET_FORMS = 40, 10


def new_prior(preset: Preset) -> Painter:
    """An untrained prior of the preset's shape."""
    patch = (SIDE // preset.latent_side) ** 2
    return Painter(preset.prior, patch, preset.text.width, preset.latent_side)


def asked(prior: torch.nn.Module, x: Tensor, level: Tensor, words: Words) -> Tensor:
    """Clean patches (B, N, P); that a painter would be given a form is left out."""
    nothing, ones = torch.zeros(len(x), SIDE, SIDE), torch.ones(len(x))
    clean: Tensor = prior(x, level, nothing, ones, ones, words.embedding, words.weights)
    return clean


class PriorTask:
    """The prior's losses and validation; see `train.loop.Task`.

    Args:
        count: samples a step.
    """

    def __init__(self, preset: Preset, mix: ViewMix, table: WordTable, count: int) -> None:
        self.preset, self.table, self.count = preset, table, count
        self.mix = copy.copy(mix)
        self.mix.coded = 0  # forms as they are, not as codes leave them
        torch.manual_seed(preset.prior_fit.seed)
        kept = half_kept(preset.prior.average, preset.prior_fit.batch)
        self.module = Averaged(new_prior(preset), kept)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity at random levels of noise."""
        self.module.follow(step)
        batch = self.mix.draw(rng, self.count)
        words, x = self.table.of(batch.prompts), form_patches(batch.form, self.preset.latent_side)
        level = torch.sigmoid(self.preset.prior.level_mean + torch.randn(self.count))
        spread = level[:, None, None]
        noised = (1 - spread) * x + spread * torch.randn_like(x)
        with autocast():
            clean = asked(self.module.painter, noised, level, words)
        return {"loss": velocity_loss(x, clean, level)}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss on held-out forms at fixed levels, with words and without."""
        generator = torch.Generator().manual_seed(0)
        found: dict[str, list[Tensor]] = {"loss": [], "without_words": []}
        for batch in self.mix.held_out(np.random.default_rng(0)):
            x, words = (
                form_patches(batch.form, self.preset.latent_side),
                self.table.of(batch.prompts),
            )
            silent = Words(words.embedding, 0 * words.weights)
            for at in LEVELS:
                noised = (1 - at) * x + at * torch.randn(x.shape, generator=generator)
                level = torch.full((len(x),), at)
                for name, told in (("loss", words), ("without_words", silent)):
                    with autocast():
                        clean = asked(self.module.average, noised, level, told)
                    found[name].append(velocity_loss(x, clean, level))
        return {name: float(torch.stack(values).mean()) for name, values in found.items()}

    def start_qat(self) -> None:
        """It is not fake-quantised: it does not ship."""
        raise ConfigError("prior_fit.qat_steps is above 0; expected 0.")


def train_prior(run: Run, ready: Prepared) -> dict[str, Any]:
    """Train the prior on the forms of the encoded views; write the report and a sheet of forms."""
    config = run.preset.prior_fit
    task = PriorTask(run.preset, ready.mix, ready.table, config.batch)
    fit = stage_fit(run, "prior", task, config, ("prior", "wording"), key=ready.key)
    if is_finished(fit.folder):
        return read_report(fit.folder)
    fit.run()
    task.module.eval()
    words = [names[0] for names in FORMS.values()][:SHEET_WORDS]
    told = ready.table.of([[word] for word in words for _ in range(SHEET_FORMS)])
    drawn = drawn_forms(run.preset, task.module.average, told, np.random.default_rng(0))
    grey = (drawn * SPREAD + 128).clamp(0, 255).to(torch.uint8).numpy()
    rows = grey.reshape(len(words), SHEET_FORMS, SIDE, SIDE).transpose(0, 2, 1, 3)
    Image.fromarray(rows.reshape(len(words) * SIDE, -1)).save(fit.folder / "forms.png")
    return write_record(
        run, fit, data=data_record(run, more=True), inputs=ready.inputs, val=task.validate()
    )


def trained_prior(run: Run) -> Painter:
    """The averaged prior of the run."""
    tensors, _ = load_stage(run.folder, "prior")
    prior = new_prior(run.preset)
    load_module(prior, with_prefix(tensors, "average"), "prior")
    return prior.eval()


@torch.no_grad()
def drawn_forms(preset: Preset, prior: Painter, words: Words, rng: np.random.Generator) -> Tensor:
    """Forms of prompts, (B, 64, 64) float32 of mean 0 and spread 1."""
    side = preset.latent_side
    shape = (len(words.weights), side * side, (SIDE // side) ** 2)
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    nothing, ones = torch.zeros(shape[0], SIDE, SIDE), torch.ones(shape[0])
    with autocast():
        found = painted(
            Led(prior, 1.0), noise, nothing, ones, words, steps=STEPS, guidance_scale=GUIDANCE
        )
    form = form_of_patches(found.float(), side)
    form = form - form.mean((1, 2), keepdim=True)
    return form / form.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-3)


def form_of_patches(patches: Tensor, side: int) -> Tensor:
    """The patch of each position, (B, side², (64 / side)²) -> (B, 64, 64)."""
    patch = SIDE // side
    cut = patches.view(len(patches), side, side, patch, patch).transpose(2, 3)
    return cut.reshape(len(patches), SIDE, SIDE)
