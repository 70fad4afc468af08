"""The stages of the generator that decides the whole picture at once: composer, then painter.

Both start from a finished model's codec and text engine, which stay as they are.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.checkpoint import file_sha256, load_module, load_stage, write_report
from train.codec import Codec
from train.codec_task import autocast, contact_sheet
from train.composer_task import ComposerTask
from train.generator_task import batch_words
from train.model import Model
from train.models.composer import DeepLatent
from train.models.painter import Painter, painted
from train.painter_task import PainterTask
from train.qat import convert
from train.stages import INDEX_SECTIONS, Run, index_stores, stage_effort, stage_fit

SHEET = 24  # pictures
PROMPTS = (
    "warm dark fluid", "cool pale geometric", "vibrant chaotic dense", "red bold angular",
    "circular blue", "golden spiral", "pale green spiral", "horizontal colorful",
    "radial red dark", "symmetrical teal", "wavy pink", "golden swirling organic",
    "monochrome stark linear", "jagged violet black", "layered translucent orange",
    "splattered blue white",
)  # fmt: skip
SEEDS, STEPS, GUIDANCE = 6, 12, 2.5


def without_slips(run: Run) -> Run:
    """The run with codes as the codec chose them: slips teach what draws scale by scale alone."""
    data = replace(run.preset.data, slips=0.0)
    return replace(run, preset=replace(run.preset, data=data))


def train_composer(run: Run, model_path: Path) -> dict[str, Any]:
    """Train the deep latent on canvases of a model's codec; write the report and a sheet."""
    model, key = Model.load(model_path), file_sha256(model_path)
    train, val = index_stores(without_slips(run), model.codec, key)
    task = ComposerTask(run.preset, model.codec, train, val)
    fit = stage_fit(
        run, "composer", task, run.preset.composer_fit, ("data", "codec", "composer"),
        model_sha256=key,
    )  # fmt: skip
    state = fit.run()
    task.module.eval()
    if run.preset.composer_fit.qat_steps:
        convert(task.module.composer)
    folder = run.folder / "composer"
    for name, store in (("paintings", val), ("studio", train.stores[-1])):
        shown = store.indices[:: max(1, len(store.indices) // SHEET)][:SHEET].long()
        pictures = [model.codec.decode(shown), recomposed(model.codec, task.module, shown)]
        contact_sheet(pictures, 8, folder / f"{name}.png")
    report = {**stage_effort(state), "float_steps": state.float_end}
    return write_report(folder, {**report, "val": task.validate()})


@torch.no_grad()
def recomposed(codec: Codec, deep: DeepLatent, indices: Tensor) -> Tensor:
    """Pictures through the deep latent: indices (B, N) -> images (B, 3, H, W) in [-1, 1]."""
    return from_latents(codec, deep, deep.latents(codec.quantizer.canvas_from_indices(indices)))


@torch.no_grad()
def from_latents(codec: Codec, deep: DeepLatent, latents: Tensor) -> Tensor:
    """Latents (B, D, h, w) -> images (B, 3, H, W) in [-1, 1], by way of the codec's indices."""
    with autocast():
        canvas = deep.composer(latents).float()
    indices = codec.quantizer(canvas)[1]  # float32: a code lookup in bf16 errs
    with autocast():
        images: Tensor = codec.decode(indices)
    return images.float().contiguous()


def trained_composer(run: Run, model_key: str) -> tuple[DeepLatent, str]:
    """The best deep latent of the run, and the sha256 of its file."""
    tensors, key = load_stage(run.folder, "composer", model_sha256=model_key)
    deep = DeepLatent(run.preset.composer, run.preset.codec.code_dim)
    load_module(deep, tensors, "composer")
    if run.preset.composer_fit.qat_steps:
        convert(deep.composer)
    return deep.eval(), key


def train_painter(run: Run, model_path: Path) -> dict[str, Any]:
    """Train the painter on the deep latents; write the report and a sheet of prompts."""
    model, key = Model.load(model_path), file_sha256(model_path)
    deep, deep_key = trained_composer(run, key)
    train, val = index_stores(without_slips(run), model.codec, key)
    task = PainterTask(run.preset, model.codec, deep, model.text, train, val)
    fit = stage_fit(
        run, "painter", task, run.preset.painter_fit, (*INDEX_SECTIONS, "composer", "painter"),
        model_sha256=key, composer_sha256=deep_key,
    )  # fmt: skip
    state = fit.run()
    task.module.eval()
    if run.preset.painter_fit.qat_steps:
        convert(task.module)
    folder = run.folder / "painter"
    pictures = prompt_sheet(task, model, deep)
    contact_sheet([pictures], SEEDS, folder / "prompts.png")
    report = {**stage_effort(state), "float_steps": state.float_end}
    return write_report(folder, {**report, "val": task.validate()})


@torch.no_grad()
def prompt_sheet(task: PainterTask, model: Model, deep: DeepLatent) -> Tensor:
    """Pictures of `PROMPTS`, `SEEDS` of each, with forms of training pictures by their words."""
    rng, pictures = np.random.default_rng(0), []
    for prompt in PROMPTS:
        words = prompt.split()
        form = chosen_forms(task, words, SEEDS, rng)
        text_bytes, weights = batch_words([words] * SEEDS, task.preset)
        noise = torch.from_numpy(rng.standard_normal(form.shape, dtype=np.float32))
        painter = task.module
        assert isinstance(painter, Painter)
        with autocast():
            latents = painted(
                painter, noise, form, model.text(text_bytes), weights, steps=STEPS,
                guidance_scale=GUIDANCE,
            )  # fmt: skip
        pictures.append(from_latents(model.codec, deep, latents))
    return torch.cat(pictures)


def chosen_forms(
    task: PainterTask, words: list[str], count: int, rng: np.random.Generator
) -> Tensor:
    """Forms of training pictures whose adjectives have most of the words: (count, D, h, w)."""
    rows, scores = [], []
    for store in task.train.stores:
        rows.append(store.indices[:, 0])
        scores += [len(set(words) & set(given)) for given in store.adjectives]
    best = torch.tensor(scores) == max(scores)
    able = torch.cat(rows)[best].numpy()
    picked = rng.choice(able, count, replace=len(able) < count)
    return task.forms(torch.from_numpy(picked))
