"""Another round of selection, from a finished model: `python -m train reselection`.

The first round is a stage of a run. This one needs nothing but the model's checkpoint and the
data, so a model can be taught further when the run that made it is gone.
"""

from pathlib import Path
from typing import Any

from t2a_edge.errors import ConfigError
from train.checkpoint import file_sha256, is_finished, read_report
from train.draw import BatchSampler
from train.further import further_model, loaded_model, prepare_drawing, report_with_data
from train.model import Model
from train.stages import Run, fit_selection

STAGE = "reselection"


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
