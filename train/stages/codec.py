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
    """Train the VQ-VAE; write its report and a sheet of originals over reconstructions."""
    preset, folder = run.preset, run.folder / "codec"
    if run.model is not None:
        raise ConfigError(
            f"The codec is that of {run.model}, so it is not trained; leave --model out to train "
            "one, or sharpen its decoder with `python -m train decoder`."
        )
    pictures = run.pictures()
    task = CodecTask(preset, pictures)
    fit = stage_fit(run, "codec", task, preset.codec_fit, (), **_pictures(run, pictures))
    if is_finished(folder):  # balancing again would change its sha256
        return read_report(folder)
    fit.run()
    task.balance()
    save_tensors(folder / BEST, task.module.state_dict(), fit.about)
    if preset.codec_fit.qat_steps:
        convert(task.module.decoder)
    figures = _codec_figures(task.module, pictures.stores[0], preset, folder)
    return write_record(run, fit, data=_data(run, pictures), inputs={}, **figures)


def train_decoder(run: Run) -> dict[str, Any]:
    """Sharpen the codec's decoder against a discriminator; write the report and a sheet.

    The codec is the run's own, or that of the checkpoint that the run names.
    """
    preset, folder = run.preset, run.folder / "decoder"
    if not preset.adversary.weight:
        raise ConfigError(
            "The preset leaves the decoder as the codec stage trained it: adversary.weight is 0; "
            "set it above 0, or leave this stage out."
        )
    codec, inputs = _before_sharpening(run)
    pictures = run.pictures()
    task = DecoderTask(preset, codec, pictures)
    about = _pictures(run, pictures) | {"codec_sha256": _key(inputs)}
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


def _before_sharpening(run: Run) -> tuple[Codec, dict[str, str]]:
    """The codec of the run's checkpoint where it names one, else of its stage; sha256 by name."""
    if run.model is None:
        return trained_codec(run, sharpened=False)
    start = start_of_checkpoint(run.model, run.preset)
    disable(start.codec.decoder)
    return start.codec, start.inputs


def _key(inputs: dict[str, str]) -> str:
    """Sha256 of the one file that a codec is of."""
    (key,) = inputs.values()
    return key


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
        files |= sharpened_decoder(run, codec, files)
    return codec.eval(), files


def sharpened_decoder(run: Run, codec: Codec, inputs: dict[str, str]) -> dict[str, str]:
    """Give a codec the decoder of the run's decoder stage; the sha256 of that by name.

    Args:
        inputs: sha256 of the file that the codec is of, by name.

    Raises:
        CheckpointError: the stage is not finished, or sharpened another codec's decoder.
    """
    tensors, own = load_stage(run.folder, "decoder", codec_sha256=_key(inputs))
    load_module(codec.decoder, with_prefix(tensors, "decoder"), "decoder")
    return {f"decoder/{BEST}": own}
