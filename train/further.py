"""What stages share that start from a finished model's checkpoint, not from a run."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from t2a_edge.errors import CheckpointError
from train.checkpoint import file_sha256, load_module, load_stage, read_report
from train.config import FitConfig, Preset
from train.draw import BatchSampler, Drawer
from train.generator_task import Generator, GeneratorTask, IndexMix, IndexStore
from train.model import Model
from train.refiner_task import RefinerTask
from train.selection_task import Drawn, drawn_part, drawn_pictures, part_count
from train.stages import Run, drawing_folder, drawing_key, index_stores, training_indices

SHAPES = ("codec", "text", "transformer", "refiner")  # of the preset: they shape the weights


def loaded_model(path: Path, preset: Preset) -> Model:
    """The finished model to start from, if the preset has its shapes.

    Raises:
        CheckpointError: it has others.
    """
    model = Model.load(path)
    check_shapes(model, preset, path)
    return model


def check_shapes(model: Model, preset: Preset, path: Path) -> None:
    """A CheckpointError unless the model has the preset's shapes.

    Args:
        path: where the model comes from.
    """
    other = [name for name in SHAPES if getattr(model.preset, name) != getattr(preset, name)]
    if other:
        raise CheckpointError(
            f"{path} has another {' and '.join(other)} than the preset; expected the shapes of the "
            "model that is trained further. Name the preset that it was trained with."
        )


def _prepare(run: Run, stage: str, path: Path, key: str, job: str | int) -> None:
    """One job of the workers, its result cached: the indices of a store, or pictures drawn.

    Args:
        job: "paintings", "studio", or the number of a part of the pictures to draw.
    """
    torch.set_num_threads(1)
    model = loaded_model(path, run.preset)
    if isinstance(job, int):
        sampler, config = BatchSampler.of(model, run.preset), getattr(run.preset, stage)
        drawing = drawing_key(run, stage, model_sha256=key)
        drawn_part(sampler, config, job, drawing_folder(run, stage), drawing)
        return
    store = run.pictures().stores[job == "studio"]
    training_indices(run, model.codec, key, store, studio=job == "studio")


def prepare_drawing(run: Run, stage: str, path: Path, key: str) -> None:
    """Encode the data and draw the pictures of a stage in several processes, all of it cached.

    Args:
        stage: names the section of the preset that says what is drawn.
        path, key: of the model that draws, and the sha256 of its file.
    """
    if run.workers == 1:
        return
    run.pictures()  # decoded and painted once, before the workers ask for them
    studio = ["studio"] if run.preset.data.studio_pictures else []
    jobs = ["paintings", *studio, *range(part_count(getattr(run.preset, stage)))]
    with ProcessPoolExecutor(run.workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(_prepare, run, stage, path, key), jobs))


@dataclass(frozen=True)
class OwnPictures:
    """A finished model, and what it drew for a stage that learns from its own pictures.

    Attributes:
        train, val: indices of the data.
        key: sha256 of the model's file.
        drawing: names what was drawn; see `train.stages.drawing_key`.
    """

    sampler: BatchSampler
    drawn: Drawn
    train: IndexMix
    val: IndexStore
    key: str
    drawing: str


def own_pictures(run: Run, stage: str, path: Path) -> OwnPictures:
    """Draw what a stage learns from with the model at `path`, and encode the data; all cached.

    Args:
        stage: names the section of the preset that says what is drawn.

    Raises:
        CheckpointError: the model does not fit the preset.
    """
    model, key = loaded_model(path, run.preset), file_sha256(path)
    prepare_drawing(run, stage, path, key)
    sampler = BatchSampler.of(model, run.preset)
    train, val = index_stores(run, model.codec, key)
    drawing = drawing_key(run, stage, model_sha256=key)
    config = getattr(run.preset, stage)
    drawn = drawn_pictures(sampler, config, drawing_folder(run, stage), drawing)
    return OwnPictures(sampler, drawn, train, val, key, drawing)


def drawer_tasks(
    sampler: BatchSampler, mix: IndexMix, val: IndexStore, fit: FitConfig
) -> tuple[Drawer, GeneratorTask, RefinerTask | None]:
    """What a stage trains that teaches all that draws, and the losses on data of its two parts.

    Args:
        sampler: where training starts; without a refiner there is no task of one.
        mix, val: indices of the data.
        fit: schedule of the stage.
    """
    preset, text = sampler.preset, sampler.generator.text.state_dict()
    coarse = GeneratorTask(preset, sampler.codec, mix, val, text)
    coarse.module.load_state_dict(sampler.generator.state_dict())
    coarse.batch = fit.batch
    if sampler.refiner is None:
        return Drawer(coarse.module, None), coarse, None
    start = sampler.refiner.state_dict()
    fine = RefinerTask(preset, sampler.codec, mix, val, text, fit, start)
    return Drawer(coarse.module, fine.module), coarse, fine


def report_with_data(run: Run, stage: str) -> dict[str, Any]:
    """The report of a finished stage, and how much data it saw."""
    data = run.preset.data
    return read_report(run.folder / stage) | {
        "views": data.views,
        "studio_pictures": data.studio_pictures,
        "studio_views": data.studio_views,
    }


def further_model(
    run: Run, path: Path, stage: str, report: dict[str, Any], *sections: str
) -> Model:
    """The finished model at `path` with the generator that a stage of this run made of it.

    Args:
        report: of the stage, for the model's card.
        sections: of the run's preset, which take the place of the model's.
    """
    model = Model.load(path)
    tensors, _ = load_stage(run.folder, stage, model_sha256=file_sha256(path))
    generator = Generator(run.preset)
    load_module(generator, tensors, "generator")
    card = {**model.card, "training": {**model.card["training"], stage: report}}
    preset = replace(model.preset, **{name: getattr(run.preset, name) for name in sections})
    further = Model(preset, model.codec, generator, model.refiner, model.vocabulary, card)
    further.use_int8()
    return further


def drawer_model(run: Run, path: Path, stage: str, *sections: str) -> Model:
    """The finished model at `path` with what a stage of this run made of all that draws.

    Args:
        stage: has a `train.draw.Drawer`.
        sections: of the run's preset, which take the place of the model's, as its way of drawing
            and its card do.
    """
    preset = run.preset
    model = loaded_model(path, preset)
    tensors, _ = load_stage(run.folder, stage, model_sha256=file_sha256(path))
    load_module(Drawer(model.generator, model.refiner), tensors, "generator and refiner")
    model.card["training"][stage] = report_with_data(run, stage)
    taken = {name: getattr(preset, name) for name in (*sections, "sampling", "card")}
    model.preset = replace(model.preset, **taken)
    model.use_int8()
    return model


def resampled_model(path: Path, preset: Preset) -> Model:
    """The finished model at `path`, drawn with as the preset says; its weights stay.

    The preset's card takes the place of the model's text: it says how what is drawn looks.

    Raises:
        CheckpointError: the model does not fit the preset.
    """
    model = loaded_model(path, preset)
    model.preset = replace(model.preset, sampling=preset.sampling, card=preset.card)
    return model


def mean_model(first: Path, second: Path) -> Model:
    """A model between two of one lineage: the mean of their generators' weights, tensor by tensor.

    The rest is the second one's. Of two models that one training led from one to the other, the
    mean often keeps most of what was learnt and forgets less (Wortsman et al. 2022,
    arXiv:2109.01903).

    Raises:
        CheckpointError: they have other shapes.
    """
    one, other = Model.load(first), Model.load(second)
    check_shapes(one, other.preset, first)
    before, after = one.generator.state_dict(), other.generator.state_dict()
    if set(before) != set(after):
        odd = sorted(set(before) ^ set(after))[0]
        raise CheckpointError(
            f"{first} and {second} do not have the same tensors: {odd} is in one alone; expected "
            "two checkpoints of one model, the second trained from the first."
        )
    mean = {
        name: (value + after[name]) / 2 if value.is_floating_point() else after[name]
        for name, value in before.items()
    }
    load_module(other.generator, mean, "generator")
    other.card["training"]["mean"] = {"of": [file_sha256(first), file_sha256(second)]}
    other.use_int8()
    return other
