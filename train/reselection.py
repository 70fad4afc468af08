"""Another round of selection, from a finished model: `python -m train reselection`.

The first round is a stage of a run. This one needs nothing but the model's checkpoint and the
data, so a model can be taught further when the run that made it is gone.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from t2a_edge.errors import ConfigError
from train.checkpoint import file_sha256, is_finished, read_report
from train.draw import BatchSampler
from train.further import further_model, loaded_model, report_with_data
from train.model import Model
from train.selection_task import drawn_part, part_count
from train.stages import Run, drawing_folder, drawing_key, fit_selection, training_indices

STAGE = "reselection"


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
    model, key = loaded_model(path, preset), file_sha256(path)
    prepare_drawing(run, STAGE, path, key)
    return fit_selection(run, STAGE, BatchSampler.of(model, preset), key, model_sha256=key)


def reselected_model(run: Run, path: Path) -> Model:
    """The finished model at `path` with the generator of this run."""
    report = report_with_data(run, STAGE)
    return further_model(run, path, STAGE, report, STAGE, f"{STAGE}_fit", "wording")
