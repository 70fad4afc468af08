"""The stages of a training run, each resumable, each with a report."""

import json
from typing import TYPE_CHECKING, Any

from train.codec_task import CodecTask, centre_images, contact_sheet, evaluate_codec
from train.loop import Fit
from train.qat import convert
from train.tracking import make_tracker

if TYPE_CHECKING:
    from train.__main__ import Run

SHEET_IMAGES = 24


def train_codec(run: "Run") -> dict[str, Any]:
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions."""
    preset, folder = run.preset, run.folder / "codec"
    store = run.store()
    task = CodecTask(preset, store)
    about = {"data": preset.to_json()["data"], "codec": preset.to_json()["codec"]}
    tracker = make_tracker(folder, preset.to_json(), wandb=run.wandb)
    state = Fit(task, preset.codec_fit, folder, about, tracker).run()
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    report: dict[str, Any] = {"steps": state.step, "seconds": round(state.seconds)}
    for split in ("val", "test"):
        images = centre_images(store, split, preset.data.image_size)
        figures = evaluate_codec(task.module, images, preset.codec.codebook_size)
        report[split] = figures.to_json()
    shown = centre_images(store, "val", preset.data.image_size)[:SHEET_IMAGES]
    rebuilt = task.module.decode(task.module.encode(shown))
    contact_sheet([shown, rebuilt], 8, folder / "reconstructions.png")
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report
