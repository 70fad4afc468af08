"""Train a finished model's refiner further: `python -m train refinement`.

The refiner stage of a run takes a share of its time. This one needs nothing but the model's
checkpoint and the data; where the preset draws parts of the finest scale anew, it teaches the
refiner those runs too.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from t2a_edge.errors import ConfigError
from train.checkpoint import file_sha256, is_finished, load_module, load_stage, read_report
from train.further import loaded_model, report_with_data
from train.model import Model
from train.refiner_task import RefinerTask
from train.stages import INDEX_SECTIONS, Run, finish, index_stores, stage_fit

STAGE = "refinement"


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
    model, key = loaded_model(path, preset), file_sha256(path)
    assert model.refiner is not None
    train, val = index_stores(run, model.codec, key)
    task = RefinerTask(
        preset, model.codec, train, val, model.text.state_dict(), preset.refinement_fit,
        model.refiner.state_dict(),
    )  # fmt: skip
    sections = (*INDEX_SECTIONS, "refiner")
    fit = stage_fit(
        run, STAGE, task, preset.refinement_fit, sections, model_sha256=key,
        redraws=preset.sampling.refiner_redraws,
    )  # fmt: skip
    return finish(fit)


def refined_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with the refiner of this run, drawn with as its preset says.

    Its card has the figures of both trainings of the refiner.
    """
    preset = run.preset
    model = loaded_model(path, preset)
    tensors, _ = load_stage(run.folder, STAGE, model_sha256=file_sha256(path))
    assert model.refiner is not None
    load_module(model.refiner, tensors, "refiner")
    model.card["training"][STAGE] = report_with_data(run, STAGE)
    model.preset = replace(
        model.preset, sampling=preset.sampling, refinement_fit=preset.refinement_fit,
        card=preset.card,
    )  # fmt: skip
    model.use_int8()
    return model
