"""The stages `codec` and `decoder`: the VQ-VAE, and the sharpening of its decoder."""

from pathlib import Path
from typing import Any

import torch

from t2a_edge.errors import ConfigError
from train.checkpoint import (
    is_finished,
    load_module,
    load_stage,
    read_report,
    save_tensors,
    with_prefix,
)
from train.data.pictures import PictureMix, PictureStore
from train.lineage import BEST, data_record, write_record
from train.models.codec import Codec
from train.models.qat import convert, disable, on_int8_grid
from train.preset import Preset
from train.run import Run, stage_fit
from train.stages.codec_task import CodecTask, centre_images, contact_sheet, rebuild
from train.stages.decoder_task import DecoderTask
from train.stages.given import start_of_checkpoint
from train.stages.metrics import codec_report

SHEET_IMAGES = 24
HELD_OUT = ("val", "test")
TOGETHER = "held_out"  # name of the figures over both
PICTURE_KEYS = ("image_size", "shorter_side", "studio_share", "studio_seed")


def _pictures(run: Run, pictures: PictureMix) -> dict[str, Any]:
    """What says which pictures a codec is trained on, beside its shape."""
    values = run.preset.to_json()
    data = {key: values["data"][key] for key in PICTURE_KEYS}
    return {"data": data, "codec": values["codec"], "stores": pictures.keys}


def train_codec(run: Run) -> dict[str, Any]:
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions.

    A run that names a checkpoint goes on with its codec: with codebook and decoder, for the same
    encoder.
    """
    preset, folder = run.preset, run.folder / "codec"
    pictures = run.pictures()
    start = None if run.model is None else start_of_checkpoint(run.model, preset)
    inputs = {} if start is None else start.inputs
    task = CodecTask(preset, pictures, None if start is None else start.codec)
    about = _pictures(run, pictures) | inputs
    fit = stage_fit(run, "codec", task, preset.codec_fit, (), **about)
    if is_finished(folder):  # balancing again would change its sha256
        return read_report(folder)
    fit.run()
    task.balance()
    save_tensors(folder / BEST, task.module.state_dict(), fit.about)
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    figures = _codec_figures(task.module, pictures.stores[0], preset, folder)
    return write_record(run, fit, data=_data(run, pictures), inputs=inputs, **figures)


def train_decoder(run: Run) -> dict[str, Any]:
    """Sharpen the codec's decoder against a discriminator; write the report and a sheet."""
    preset, folder = run.preset, run.folder / "decoder"
    if not preset.adversary.weight:
        raise ConfigError(
            "The preset leaves the decoder as the codec stage trained it: adversary.weight is 0; "
            "set it above 0, or leave this stage out."
        )
    codec, inputs = trained_codec(run, sharpened=False)
    pictures = run.pictures()
    task = DecoderTask(preset, codec, pictures)
    about = _pictures(run, pictures) | {"codec_sha256": inputs["codec/best.safetensors"]}
    fit = stage_fit(run, "decoder", task, preset.decoder_fit, ("adversary",), **about)
    if is_finished(folder):
        return read_report(folder)
    fit.run()
    figures: dict[str, Any] = {}
    if preset.decoder_fit.qat_steps:
        disable(task.module.decoder)
        figures["without_fake_quantisation"] = task.validate()
        convert(task.module.decoder)
    figures |= _codec_figures(codec, pictures.stores[0], preset, folder)
    return write_record(run, fit, data=_data(run, pictures), inputs=inputs, **figures)


def _data(run: Run, pictures: PictureMix) -> dict[str, Any]:
    return data_record(run, studio=run.data is None or len(pictures.stores) > 1)


def _codec_figures(
    codec: Codec, store: PictureStore, preset: Preset, folder: Path
) -> dict[str, Any]:
    """Figures on the held-out splits and all of them; a sheet of originals over reconstructions."""
    size, codes = preset.data.image_size, preset.codec.codebook_size
    figures, parts = {}, []
    for split in HELD_OUT:
        if store.by_split[split]:
            images = centre_images(store, split, size)
            rebuilt, indices = rebuild(codec, images)
            parts.append((images, rebuilt, indices))
            figures[split] = codec_report(images, rebuilt, indices, codes).to_json()
    if len(parts) > 1:
        images, rebuilt, indices = (torch.cat(part) for part in zip(*parts, strict=True))
        figures[TOGETHER] = codec_report(images, rebuilt, indices, codes).to_json()
    shown = centre_images(store, "val", size)[:SHEET_IMAGES]
    contact_sheet([shown, rebuild(codec, shown)[0]], 8, folder / "reconstructions.png")
    return figures


def trained_codec(run: Run, *, sharpened: bool = True) -> tuple[Codec, dict[str, str]]:
    """The best codec of the run, and the sha256 of its files by name.

    Args:
        sharpened: with the decoder of the decoder stage, where the preset has that stage.
    """
    tensors, key = load_stage(run.folder, "codec")
    codec, files = Codec(run.preset.codec), {f"codec/{BEST}": key}
    load_module(codec, tensors, "codec")
    book = codec.quantizer.codebook
    book.copy_(on_int8_grid(book))  # every later stage sees what INT8 stores
    if sharpened and run.preset.adversary.weight:
        tensors, own = load_stage(run.folder, "decoder", codec_sha256=key)
        load_module(codec.decoder, with_prefix(tensors, "decoder"), "decoder")
        files[f"decoder/{BEST}"] = own
    return codec.eval(), files
