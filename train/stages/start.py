"""What the painter starts from: a codec and a text engine, of this run or of a checkpoint."""

from dataclasses import replace
from pathlib import Path

from train.checkpoint import is_finished, load_stage, read_report
from train.lineage import BEST
from train.run import Run
from train.stages.codec import sharpened_decoder, trained_codec
from train.stages.given import Start, start_of_checkpoint
from train.words.stage import load_text_engine


def start_of(run: Run) -> Start:
    """The codec and the text engine of the run's checkpoint where it has one, else of its stages.

    The checkpoint's codec has the decoder that this run sharpened, where it did.

    Raises:
        CheckpointError: the checkpoint does not fit the preset, or a stage is not finished.
    """
    if run.model is None:
        return _of_stages(run)
    start, folder = start_of_checkpoint(run.model, run.preset), run.folder / "decoder"
    if not is_finished(folder):
        return start
    record = read_report(folder)
    if record["inputs"] != start.inputs:  # of the run's own codec
        return start
    inputs = start.inputs | sharpened_decoder(run, start.codec, start.inputs)
    return replace(start, inputs=inputs, lineage=[*start.lineage, record])


def _of_stages(run: Run) -> Start:
    codec, inputs = trained_codec(run)
    key = load_stage(run.folder, "words", "text engine")[1]
    inputs = {f"words/{BEST}": key} | inputs
    lineage = [read_report(run.folder / Path(name).parent) for name in inputs]
    return Start(codec, load_text_engine(run.folder, run.preset), inputs, lineage)
