"""The stages of a training run, each resumable, each with a report."""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2a_edge.errors import CheckpointError
from train.checkpoint import load_module, load_tensors
from train.codec import Codec
from train.codec_task import CodecTask, centre_images, contact_sheet, evaluate_codec
from train.config import Preset
from train.data import PixelStore, load_rows
from train.generator_task import Generator, GeneratorTask, IndexStore, cache_indices
from train.loop import Fit
from train.model import Model
from train.qat import convert
from train.tracking import make_tracker

SHEET_IMAGES = 24
HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class Run:
    """What every stage of one run shares.

    Attributes:
        preset: shapes and schedules.
        folder: checkpoints, logs and figures go below it.
        data: folder of images with one .jsonl of adjectives.
        wandb: log to Weights & Biases, not to TensorBoard.
    """

    preset: Preset
    folder: Path
    data: Path
    wandb: bool = False

    def store(self) -> PixelStore:
        """The decoded images of the data folder."""
        rows = load_rows(self.data)
        return PixelStore(rows, self.preset.data.shorter_side, self.folder / "cache")


def _write_report(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(report, indent=1) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    return report


def train_codec(run: Run) -> dict[str, Any]:
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions."""
    preset, folder = run.preset, run.folder / "codec"
    store = run.store()
    task = CodecTask(preset, store)
    values = preset.to_json()
    about = {"data": values["data"], "codec": values["codec"]}
    tracker = make_tracker(folder, values, wandb=run.wandb)
    state = Fit(task, preset.codec_fit, folder, about, tracker).run()
    task.module.eval()
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    report: dict[str, Any] = {"steps": state.step, "seconds": round(state.seconds)}
    size = preset.data.image_size
    for split in HELD_OUT:
        if store.by_split[split]:
            images = centre_images(store, split, size)
            figures = evaluate_codec(task.module, images, preset.codec.codebook_size)
            report[split] = figures.to_json()
    shown = centre_images(store, "val", size)[:SHEET_IMAGES]
    rebuilt = task.module.decode(task.module.encode(shown))
    contact_sheet([shown, rebuilt], 8, folder / "reconstructions.png")
    return _write_report(folder, report)


def trained_codec(run: Run) -> tuple[Codec, str]:
    """The best codec of the run, and the sha256 of its file."""
    path = run.folder / "codec" / "best.safetensors"
    if not (run.folder / "codec" / "report.json").is_file():
        raise CheckpointError(
            f"{run.folder} has no finished codec; run `python -m train codec` first."
        )
    tensors, _ = load_tensors(path)
    codec = Codec(run.preset.codec)
    load_module(codec, tensors, "codec")
    return codec.eval(), hashlib.sha256(path.read_bytes()).hexdigest()


def index_stores(run: Run, codec: Codec, key: str, store: PixelStore) -> dict[str, IndexStore]:
    """Cached indices of the training and validation splits."""
    annotations = hashlib.sha256(repr([(r.id, r.adjectives) for r in store.rows]).encode())
    full_key = f"{key}-{annotations.hexdigest()[:16]}-{run.preset.data}"
    return {
        split: cache_indices(
            codec,
            store,
            run.preset,
            split,
            run.folder / "cache" / f"indices-{split}.safetensors",
            full_key,
        )
        for split in ("train", "val")
    }


def train_generator(run: Run) -> dict[str, Any]:
    """Train text engine and transformer on the codec's indices; write their report."""
    preset, folder = run.preset, run.folder / "generator"
    codec, key = trained_codec(run)
    started = time.monotonic()
    stores = index_stores(run, codec, key, run.store())
    caching = time.monotonic() - started
    task = GeneratorTask(preset, codec, stores["train"], stores["val"])
    values = preset.to_json()
    about = {k: values[k] for k in ("data", "codec", "text", "transformer")} | {"codec_sha256": key}
    tracker = make_tracker(folder, values, wandb=run.wandb)
    state = Fit(task, preset.transformer_fit, folder, about, tracker).run()
    task.module.eval()
    if preset.transformer_fit.qat_steps:
        convert(task.module)
    report = {
        "steps": state.step,
        "float_steps": state.float_end,
        "seconds": round(state.seconds),
        "caching_seconds": round(caching),
        "val": task.validate(),
    }
    return _write_report(folder, report)


def assemble_model(run: Run) -> Model:
    """Codec and generator of a finished run as one model, with its card."""
    codec, key = trained_codec(run)
    path = run.folder / "generator" / "best.safetensors"
    if not (run.folder / "generator" / "report.json").is_file():
        raise CheckpointError(
            f"{run.folder} has no finished generator; run `python -m train generator` first."
        )
    tensors, about = load_tensors(path)
    if about["preset"].get("codec_sha256") != key:
        raise CheckpointError(
            f"{path} was trained on another codec than the one in {run.folder}; "
            "run `python -m train generator` again in a new run folder."
        )
    generator = Generator(run.preset)
    load_module(generator, tensors, "generator")
    rows = load_rows(run.data)
    words = {word for row in rows if row.split == "train" for word in row.adjectives}
    card = {
        "training": {
            stage: json.loads((run.folder / stage / "report.json").read_text(encoding="utf-8"))
            for stage in ("codec", "generator")
        },
        "data": {
            "images": {s: sum(row.split == s for row in rows) for s in ("train", *HELD_OUT)},
        },
    }
    model = Model(run.preset, codec, generator, tuple(sorted(words)), card)
    model.use_int8()
    return model
