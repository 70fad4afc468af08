import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from t2a_edge.errors import CheckpointError
from train.checkpoint import load_tensors, save_tensors
from train.model import Model
from train.stages import assemble_model, index_stores, train_generator, trained_codec


def test_the_report_has_loss_and_accuracy_of_each_scale(tiny_run):
    report = json.loads((tiny_run.folder / "generator" / "report.json").read_text())
    for scale in range(len(tiny_run.preset.codec.scales)):
        assert report["val"][f"loss_scale_{scale}"] > 0
        assert 0 <= report["val"][f"accuracy_scale_{scale}"] <= 1


def test_training_makes_the_generator_better(tiny_run):
    history = json.loads((tiny_run.folder / "generator" / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]


def test_indices_are_cached_with_their_adjectives(tiny_run):
    codec, key = trained_codec(tiny_run)
    stores = index_stores(tiny_run, codec, key, tiny_run.store())
    images = 24 * tiny_run.preset.data.views
    assert stores["train"].indices.shape == (images, 21)
    assert len(stores["train"].adjectives) == images
    cached, _ = load_tensors(tiny_run.folder / "cache" / "indices-train.safetensors")
    assert torch.equal(cached["indices"].long(), stores["train"].indices)


def test_a_generator_needs_a_finished_codec(tiny_run, tmp_path):
    with pytest.raises(CheckpointError, match="run `python -m train codec` first"):
        train_generator(replace(tiny_run, folder=tmp_path))


def test_a_model_survives_its_checkpoint(tiny_run, tiny_checkpoint):
    model, loaded = assemble_model(tiny_run), Model.load(tiny_checkpoint)
    assert loaded.spec == model.spec
    assert loaded.vocabulary == tuple(sorted({"warm", "smooth", "cool", "striped", "dark",
                                              "vertical", "pale", "horizontal"}))  # fmt: skip
    assert loaded.parameter_count() == model.parameter_count()
    for name, tensor in model.generator.state_dict().items():
        other = loaded.generator.state_dict()[name]
        torch.testing.assert_close(other, tensor, rtol=2e-3, atol=1e-4)  # float16 on disk
    assert torch.equal(loaded.transformer.codebook, loaded.codec.quantizer.codebook)


def test_a_checkpoint_that_does_not_fit_its_preset_is_refused(tiny_checkpoint, tmp_path):
    tensors, about = load_tensors(tiny_checkpoint)
    about["preset"]["transformer"]["layers"] = 3
    save_tensors(tmp_path / "other.safetensors", tensors, about)
    with pytest.raises(CheckpointError, match="generator does not fit the preset"):
        Model.load(tmp_path / "other.safetensors")


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="expected a checkpoint of a whole model"):
        Model.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["codec", "--data", "nowhere"], "No data folder at nowhere"),
        (["codec", "--set", "codec.scale=[1]"], "did you mean scales"),
        (["generator", "--preset", "huge"], "No preset 'huge'"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_the_command_answers_bad_input_in_one_line(arguments, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "train", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
