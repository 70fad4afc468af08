"""Train a finished model's refiner further: `python -m train refinement`.

The refiner stage of a run takes a share of its time. This one needs nothing but the model's
checkpoint and the data; where the preset draws parts of a scale anew, it teaches the refiner those
runs too, and where the preset's refiner has more scales than the model's, it takes them over from
the transformer.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from t2a_edge.errors import ConfigError
from t2a_edge.scales import scale_offsets
from train.checkpoint import file_sha256, is_finished, load_module, load_stage, read_report
from train.config import Preset
from train.further import check_shapes, report_with_data
from train.generator_task import Generator, generator_figures
from train.model import Model
from train.refiner import Refiner
from train.refiner_task import RefinerTask
from train.stages import (
    INDEX_SECTIONS,
    Run,
    finish,
    index_stores,
    stage_fit,
    validation_indices,
)

STAGE = "refinement"


def _start_model(path: Path, preset: Preset) -> Model:
    """The finished model to start from, with as many scales for the refiner as the preset has.

    Raises:
        CheckpointError: it has other shapes, or more scales for the refiner.
    """
    model = Model.load(path)
    if preset.refiner.passes and preset.refiner.scales > model.preset.refiner.scales:
        model = _taking_over(model, preset)
    check_shapes(model, preset, path)
    return model


def _taking_over(model: Model, wanted: Preset) -> Model:
    """The model with as many scales for the refiner as the preset wants, drawn with as it says.

    The transformer forgets the places of those.
    """
    assert model.refiner is not None
    count = wanted.refiner.scales
    preset = replace(
        model.preset, refiner=replace(model.preset.refiner, scales=count), sampling=wanted.sampling
    )
    generator = Generator(preset)
    places = scale_offsets(preset.coarse_scales)[-1]
    tensors = model.generator.state_dict()
    kept = {"transformer.position.weight": tensors["transformer.position.weight"][:places]}
    load_module(generator, {**tensors, **kept}, "generator")
    refiner = Refiner(preset.refiner, preset.codec, preset.transformer.width)
    before = model.refiner.state_dict()
    own = before["scale_in"]
    added = own[:1].expand(count - len(own), -1)
    load_module(refiner, {**before, "scale_in": torch.cat([added, own])}, "refiner")
    larger = Model(preset, model.codec, generator, refiner, model.vocabulary, model.card)
    larger.use_int8()
    return larger


def train_refinement(run: Run, path: Path) -> dict[str, Any]:
    """Train the refiner of the model at `path` further; write the report.

    Raises:
        ConfigError: the preset has no refiner.
        CheckpointError: the model does not fit the preset.
    """
    preset = run.preset
    if not preset.refiner.passes:
        raise ConfigError(
            "The preset has no refiner that could be trained further: refiner.passes is 0; set it "
            "to 1, 2 or 4."
        )
    if is_finished(run.folder / STAGE):
        return read_report(run.folder / STAGE)
    model, key = _start_model(path, preset), file_sha256(path)
    assert model.refiner is not None
    train, val = index_stores(run, model.codec, key)
    task = RefinerTask(
        preset, model.codec, train, val, model.text.state_dict(), preset.refinement_fit,
        model.refiner.state_dict(),
    )  # fmt: skip
    sections = (*INDEX_SECTIONS, "refiner")
    fit = stage_fit(
        run, STAGE, task, preset.refinement_fit, sections, model_sha256=key,
        redraws=list(map(bool, preset.spec.refiner_redraws)),
    )  # fmt: skip
    return finish(fit)


def refined_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with the refiner of this run, drawn with as its preset says.

    Its card has the figures of both trainings of the refiner, and of what the transformer predicts.
    """
    preset, key = run.preset, file_sha256(path)
    model = _start_model(path, preset)
    tensors, _ = load_stage(run.folder, STAGE, model_sha256=key)
    assert model.refiner is not None
    load_module(model.refiner, tensors, "refiner")
    val = validation_indices(run, model.codec, key, run.paintings())
    coarse = generator_figures(model.generator, model.preset, val)
    model.card["training"][STAGE] = report_with_data(run, STAGE) | {"generator_val": coarse}
    model.preset = replace(
        model.preset, sampling=preset.sampling, refinement_fit=preset.refinement_fit,
        card=preset.card,
    )  # fmt: skip
    model.use_int8()
    return model
