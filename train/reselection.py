"""Another round of selection, from a finished model: `python -m train reselection`.

The first round is a stage of a run. This one needs nothing but the model's checkpoint and the
data, so a model can be taught further when the run that made it is gone.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from t2a_edge.errors import CheckpointError, ConfigError
from train.checkpoint import is_finished, load_module, load_stage, read_report
from train.config import Preset
from train.draw import BatchSampler
from train.generator_task import Generator
from train.model import Model
from train.selection_task import drawn_part, part_count
from train.stages import Run, drawing_key, fit_selection, training_indices

STAGE = "reselection"
SHAPES = ("codec", "text", "transformer", "refiner")  # of the preset: they shape the weights


def loaded_model(path: Path, preset: Preset) -> Model:
    """The finished model to start from, if the preset has its shapes.

    Raises:
        CheckpointError: it has others.
    """
    model = Model.load(path)
    other = [name for name in SHAPES if getattr(model.preset, name) != getattr(preset, name)]
    if other:
        raise CheckpointError(
            f"{path} has another {' and '.join(other)} than the preset; expected the shapes of the "
            "model that is trained further. Name the preset that it was trained with."
        )
    return model


def _sampler(model: Model, preset: Preset) -> BatchSampler:
    return BatchSampler(preset, model.codec, model.generator, model.refiner)


def _prepare(run: Run, path: Path, key: str, job: str | int) -> None:
    """One job of the workers, its result cached: the indices of a store, or pictures drawn.

    Args:
        job: "paintings", "studio", or the number of a part of the pictures to draw.
    """
    torch.set_num_threads(1)
    model = loaded_model(path, run.preset)
    if isinstance(job, int):
        folder = run.folder / "cache" / f"drawn-{STAGE}"
        config, drawing = run.preset.reselection, drawing_key(run, STAGE, model_sha256=key)
        drawn_part(_sampler(model, run.preset), config, job, folder, drawing)
        return
    store = run.pictures().stores[job == "studio"]
    training_indices(run, model.codec, key, store, studio=job == "studio")


def train_reselection(run: Run, path: Path) -> dict[str, Any]:
    """Train a finished model's generator on the best of what it draws; write the report.

    Args:
        path: checkpoint of the whole model.

    Raises:
        ConfigError: the preset has no such stage.
        CheckpointError: the model does not fit the preset, or shows no words.
    """
    preset = run.preset
    if not preset.reselection.draws:
        raise ConfigError(
            "The preset has no further selection: reselection.draws is 0; set it above "
            "reselection.keep."
        )
    if is_finished(run.folder / STAGE):
        return read_report(run.folder / STAGE)
    model, key = loaded_model(path, preset), sha256(path.read_bytes()).hexdigest()
    if run.workers > 1:
        run.pictures()  # decoded and painted once, before the workers ask for them
        studio = ["studio"] if preset.data.studio_pictures else []
        jobs = ["paintings", *studio, *range(part_count(preset.reselection))]
        with ProcessPoolExecutor(run.workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(_prepare, run, path, key), jobs))
    return fit_selection(run, STAGE, _sampler(model, preset), key, model_sha256=key)


def reselected_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with the generator of this run."""
    model, key = Model.load(path), sha256(path.read_bytes()).hexdigest()
    tensors, _ = load_stage(run.folder, STAGE, model_sha256=key)
    generator = Generator(run.preset)
    load_module(generator, tensors, "generator")
    data = run.preset.data
    report = read_report(run.folder / STAGE) | {
        "views": data.views,
        "studio_pictures": data.studio_pictures,
        "studio_views": data.studio_views,
    }
    card = {**model.card, "training": {**model.card["training"], STAGE: report}}
    preset = replace(
        model.preset,
        reselection=run.preset.reselection,
        reselection_fit=run.preset.reselection_fit,
        wording=run.preset.wording,
    )
    further = Model(preset, model.codec, generator, model.refiner, model.vocabulary, card)
    further.use_int8()
    return further
