"""The whole recipe: every stage of a run, one after the other, then one checkpoint of all.

    words       text engine: spelling to meaning
    codec       pictures to indices and back
    decoder     its decoder sharpened, where the preset says so
    forms       the bank of forms, and how words choose from it
    painter     the flow over deep latents
    distilled   the painter that ships: guided in one evaluation, fake-quantised

A run that names a checkpoint takes codec and text engine from it and starts with `forms`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from train.checkpoint import load_stage, read_report
from train.data.pictures import SPLITS, load_rows
from train.models.whole import WholeModel
from train.run import Run
from train.stages.chooser_task import named_words
from train.stages.codec import train_codec, train_decoder
from train.stages.forms import train_forms, trained_forms
from train.stages.painter import (
    Prepared,
    latent_key,
    opened,
    prepared,
    train_distilled,
    train_painter,
    trained_distilled,
    trained_latent,
)
from train.stages.start import start_of
from train.together import Together, run_together
from train.words.lexicon.teachers import Sources
from train.words.stage import train_words

MODEL = "model.safetensors"
SHARED: dict[str, Callable[[Run, Prepared], dict[str, Any]]] = {
    "painter": train_painter, "distilled": train_distilled,
}  # fmt: skip
"""Stages that several processes can train."""


def train_all(run: Run, sources: Sources, processes: int = 1) -> Path:
    """Run every stage that is not over; the path of the checkpoint of the whole model.

    Args:
        sources: the teachers of the text engine.
        processes: that train each stage of `SHARED`.
    """
    if run.model is None:
        train_words(run, sources)
        train_codec(run)
        if run.preset.adversary.weight:
            train_decoder(run)
    train_forms(run, prepared(run, opened(run)))
    for stage in SHARED:
        train_shared(run, stage, processes)
    path = run.folder / MODEL
    assembled(run).save(path)
    return path


def train_shared(run: Run, stage: str, processes: int = 1) -> dict[str, Any]:
    """Train one of `SHARED`, in one process or in several that share each batch; its report."""
    if processes > 1:
        prepared(run, opened(run))  # encodes what is not yet: the others read it
    run_together(processes, _share, stage, run)
    return read_report(run.folder / stage)


def _share(together: Together, stage: str, run: Run) -> None:
    run = replace(run, together=together)
    SHARED[stage](run, prepared(run, opened(run)))


def assembled(run: Run) -> WholeModel:
    """The parts of a finished run as one model, with what its card is told from.

    Raises:
        CheckpointError: a stage is not finished, or was trained on what this run has no more.
    """
    start = start_of(run)
    key = latent_key(run, start)
    for stage in ("forms", "painter"):
        load_stage(run.folder, stage, key=key)
    load_stage(run.folder, "distilled", painter_sha256=load_stage(run.folder, "painter")[1])
    query, bank = trained_forms(run)
    stages = [read_report(run.folder / stage) for stage in ("forms", *SHARED)]
    rows = load_rows(run.data) if run.data else []
    said = {word for row in rows if row.split == "train" for word in row.adjectives}
    card = {
        "lineage": [*start.lineage, *stages],
        "data": {
            "images": {split: sum(row.split == split for row in rows) for split in SPLITS},
            "studio_pictures": run.preset.latent.studio_pictures,
        },
    }
    model = WholeModel(
        run.preset, start.text, query, bank, trained_distilled(run)[0], trained_latent(run),
        start.codec, tuple(sorted(said | {*named_words()})), card,
    )  # fmt: skip
    model.use_int8()
    return model
