import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2a_edge.errors import CheckpointError, ConfigError
from train.checkpoint import load_tensors, save_tensors
from train.preset import load_preset
from train.run import Run
from train.stages.codec import train_codec, train_decoder, trained_codec
from train.stages.codec_task import centre_images
from train.stages.decoder_task import DecoderTask

SHORT = [
    "codec_fit.steps=6", "codec_fit.qat_steps=2", "codec_fit.validate_every=4",
    "adversary.weight=0.3", "adversary.width=4", "adversary.ramp_steps=4",
    "decoder_fit.steps=6", "decoder_fit.qat_steps=2", "decoder_fit.batch=4",
    "decoder_fit.validate_every=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def coded_run(data_folder, tmp_path_factory):
    """A run that has a codec and no decoder stage."""
    run = Run(load_preset("tiny", SHORT), tmp_path_factory.mktemp("coded"), data_folder)
    train_codec(run)
    return run


@pytest.fixture(scope="module")
def sharp_run(coded_run, tmp_path_factory):
    """The same with its decoder sharpened."""
    run = replace(coded_run, folder=tmp_path_factory.mktemp("sharp"))
    shutil.copytree(coded_run.folder, run.folder, dirs_exist_ok=True)
    train_decoder(run)
    return run


@pytest.fixture
def task(coded_run):
    codec, _ = trained_codec(coded_run, sharpened=False)
    return DecoderTask(coded_run.preset, codec, coded_run.pictures())


def gradients(loss, module):
    parameters = list(module.parameters())
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


def is_zero(found):
    return all(bool((g == 0).all()) for g in found)


def test_each_loss_teaches_its_own_side(task):
    figures = task.loss(100, np.random.default_rng(1))
    own, decoders = figures["discriminator"], figures["loss"] - figures["discriminator"]
    critic, decoder = task.module.discriminator, task.module.decoder
    assert is_zero(gradients(own, decoder))
    assert is_zero(gradients(decoders, critic))
    assert not is_zero(gradients(own, critic))
    assert not is_zero(gradients(decoders, decoder))


def test_the_verdict_comes_in_with_the_ramp(task):
    at = [task.loss(step, np.random.default_rng(1))["loss"].item() for step in (0, 2, 4, 100)]
    assert at[3] == at[2]  # the ramp is over
    assert at[2] - at[0] == pytest.approx(2 * (at[1] - at[0]), rel=1e-3)
    assert at[2] != at[0]


def test_only_decoder_and_discriminator_learn(task):
    task.loss(100, np.random.default_rng(1))["loss"].backward()
    assert all(p.grad is None for p in task.codec.encoder.parameters())
    assert all(p.grad is not None for p in task.module.parameters())


def test_validation_weighs_errors_of_pixels_and_of_fine_detail(task):
    report = task.validate()
    weighed = task.preset.adversary.band_weight * report["band_energy_error"]
    assert report["loss"] == pytest.approx(report["mse"] + weighed)
    assert report["band_energy_error"] > 0


def test_the_stage_leaves_every_index_its_meaning(sharp_run):
    plain, files = trained_codec(sharp_run, sharpened=False)
    sharp, more = trained_codec(sharp_run)
    assert more == files | {"decoder/best.safetensors": more["decoder/best.safetensors"]}
    for part in ("encoder", "quantizer"):
        before, after = (getattr(codec, part).state_dict() for codec in (plain, sharp))
        assert all(torch.equal(before[name], after[name]) for name in before)
    stores = sharp_run.pictures().stores
    images = centre_images(stores[0], "val", sharp_run.preset.data.image_size)
    indices = plain.encode(images)
    assert torch.equal(sharp.encode(images), indices)
    assert not torch.equal(sharp.decode(indices), plain.decode(indices))


def test_the_stage_writes_its_report_and_a_sheet(sharp_run):
    folder = sharp_run.folder / "decoder"
    report = json.loads((folder / "report.json").read_text())
    assert report["steps"] == 8
    assert set(report) >= {"val", "test"}
    assert (folder / "reconstructions.png").is_file()


def test_a_preset_without_an_adversary_has_no_decoder_stage(coded_run, sharp_run):
    preset = load_preset("tiny", [*SHORT, "adversary.weight=0"])
    with pytest.raises(ConfigError, match=r"adversary\.weight is 0; set it above 0"):
        train_decoder(replace(coded_run, preset=preset))
    codec, _ = trained_codec(replace(sharp_run, preset=preset))
    plain, _ = trained_codec(sharp_run, sharpened=False)
    assert torch.equal(codec.decoder.head.weight, plain.decoder.head.weight)


def test_a_missing_stage_is_named(coded_run, tmp_path):
    with pytest.raises(CheckpointError, match="run `python -m train decoder` first"):
        trained_codec(coded_run)
    with pytest.raises(CheckpointError, match="run `python -m train codec` first"):
        train_decoder(replace(coded_run, folder=tmp_path))


def test_a_decoder_of_another_codec_is_refused(sharp_run, tmp_path):
    shutil.copytree(sharp_run.folder, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "codec" / "best.safetensors"
    tensors, about = load_tensors(path)
    save_tensors(path, {name: t + 1 for name, t in tensors.items()}, about)
    run = replace(sharp_run, folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"another codec .* `python -m train decoder` again"):
        trained_codec(run)
    trained_codec(run, sharpened=False)
