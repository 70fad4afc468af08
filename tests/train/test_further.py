from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from t2a_edge.errors import CheckpointError
from train.checkpoint import file_sha256
from train.config import load_preset
from train.further import loaded_model, mean_model, resampled_model
from train.model import Model


@pytest.fixture
def other(tiny_checkpoint, tmp_path):
    """A checkpoint like the tiny one with another transformer."""
    model = Model.load(tiny_checkpoint)
    with torch.no_grad():
        model.transformer.head.weight.mul_(0.5)
    model.save(tmp_path / "other.safetensors")
    return tmp_path / "other.safetensors"


def test_the_mean_lies_halfway(tiny_checkpoint, other, tmp_path):
    mean_model(tiny_checkpoint, other).save(tmp_path / "mean.safetensors")
    made, start = Model.load(tmp_path / "mean.safetensors"), Model.load(tiny_checkpoint)
    for name, tensor in start.generator.state_dict().items():
        factor = 0.75 if name == "transformer.head.weight" else 1.0
        torch.testing.assert_close(
            made.generator.state_dict()[name], tensor * factor, atol=1e-3, rtol=1e-3, msg=name
        )
    assert made.card["training"]["mean"]["of"] == [file_sha256(tiny_checkpoint), file_sha256(other)]
    assert made.vocabulary == start.vocabulary


def test_a_model_and_itself_have_its_weights_as_mean(tiny_checkpoint):
    made, start = mean_model(tiny_checkpoint, tiny_checkpoint), Model.load(tiny_checkpoint)
    for name, tensor in start.generator.state_dict().items():
        assert torch.equal(made.generator.state_dict()[name], tensor), name


def test_a_model_of_other_shapes_is_refused(tiny_checkpoint):
    preset = load_preset("tiny", ["transformer.width=16", "refiner.width=8"])
    with pytest.raises(CheckpointError, match="another transformer and refiner than the preset"):
        loaded_model(tiny_checkpoint, preset)


def test_another_way_to_draw_leaves_the_weights(tiny_checkpoint, tmp_path):
    preset = load_preset("tiny", ["sampling.guidance_by_words=[0.25]", 'card.limits="none seen"'])
    resampled_model(tiny_checkpoint, preset).save(tmp_path / "other.safetensors")
    before, after = Model.load(tiny_checkpoint), Model.load(tmp_path / "other.safetensors")
    assert after.spec.guidance_by_words == (0.25,)
    assert after.preset.card.limits == "none seen"
    assert after.spec == replace(before.spec, guidance_by_words=(0.25,))
    assert after.card == before.card
    one, other = (load_file(p) for p in (tiny_checkpoint, tmp_path / "other.safetensors"))
    assert one.keys() == other.keys()
    for name, tensor in one.items():  # a codebook is put on its INT8 steps as it is loaded
        torch.testing.assert_close(other[name], tensor, atol=1e-3, rtol=1e-3, msg=name)


def test_another_way_to_draw_needs_the_model_s_shapes(tiny_checkpoint):
    with pytest.raises(CheckpointError, match="another transformer than the preset"):
        resampled_model(tiny_checkpoint, load_preset("tiny", ["transformer.layers=3"]))
