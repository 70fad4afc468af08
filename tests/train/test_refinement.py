import json
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from t2a_edge.errors import CheckpointError, ConfigError
from train.__main__ import main
from train.config import load_preset
from train.model import Model
from train.refinement import refined_model, train_refinement
from train.stages import Run


@pytest.fixture(scope="module")
def refined(tiny_run, tiny_checkpoint, tmp_path_factory) -> Run:
    """A finished refinement of the tiny model, in a folder of its own."""
    preset = load_preset("tiny", ["sampling.refiner_redraws=3"])
    run = Run(preset, tmp_path_factory.mktemp("refined"), tiny_run.data)
    train_refinement(run, tiny_checkpoint)
    return run


def test_only_the_refiner_learns(refined, tiny_checkpoint):
    before, after = Model.load(tiny_checkpoint), refined_model(refined, tiny_checkpoint)
    assert not torch.equal(before.refiner.head.weight, after.refiner.head.weight)
    for part in ("codec", "generator"):
        old, new = (getattr(each, part).state_dict() for each in (before, after))
        for name, tensor in old.items():
            assert torch.equal(tensor, new[name]), f"{part}.{name}"


def test_training_goes_on_from_the_model_s_refiner(refined, tiny_checkpoint, tmp_path, tiny_run):
    still = ["refinement_fit.steps=1", "refinement_fit.qat_steps=1"]
    preset = load_preset("tiny", [*still, "refinement_fit.learning_rate=1e-9"])
    run = Run(preset, tmp_path, tiny_run.data)
    train_refinement(run, tiny_checkpoint)
    before, after = Model.load(tiny_checkpoint), refined_model(run, tiny_checkpoint)
    for name, weight in before.refiner.named_parameters():
        torch.testing.assert_close(after.refiner.get_parameter(name), weight, atol=1e-6, rtol=1e-6)


def test_what_comes_of_it_is_a_whole_checkpoint(refined, tiny_checkpoint, tmp_path):
    refined_model(refined, tiny_checkpoint).save(tmp_path / "refined.safetensors")
    loaded, before = Model.load(tmp_path / "refined.safetensors"), Model.load(tiny_checkpoint)
    assert loaded.spec == replace(before.spec, refiner_redraws=(3, 3))
    report = loaded.card["training"]["refinement"]
    assert report["steps"] == 10
    assert {f"loss_scale_{n}_pass_2" for n in (2, 3)} <= report["val"].keys()
    assert report["generator_val"]["loss_scale_1"] > 0
    assert loaded.card["training"]["refiner"] == before.card["training"]["refiner"]


def test_more_scales_are_taken_over_from_the_transformer(tiny_run, tiny_checkpoint, tmp_path):
    preset = load_preset("tiny", ["refiner.scales=3", "sampling.refiner_redraws=1"])
    run = Run(preset, tmp_path, tiny_run.data)
    before = Model.load(tiny_checkpoint)
    train_refinement(run, tiny_checkpoint)
    after = refined_model(run, tiny_checkpoint)
    after.save(tmp_path / "more.safetensors")
    loaded = Model.load(tmp_path / "more.safetensors")
    assert loaded.spec.coarse_scales == (1,)
    assert len(before.transformer.position.weight) == 1 + 4
    old, new = (model.generator.state_dict() for model in (before, loaded))
    place = "transformer.position.weight"
    torch.testing.assert_close(new.pop(place), old.pop(place)[:1], atol=1e-3, rtol=1e-3)
    assert all(torch.equal(tensor, new[name]) for name, tensor in old.items())
    assert loaded.refiner.scale_in.shape == (3, preset.codec.code_dim)
    assert "loss_scale_1" not in loaded.card["training"]["refinement"]["generator_val"]


def test_fewer_scales_than_the_model_s_are_refused(tiny_run, tiny_checkpoint, tmp_path):
    run = Run(
        load_preset("tiny", ["refiner.scales=1", "sampling.refiner_redraws=1"]),
        tmp_path,
        tiny_run.data,
    )
    with pytest.raises(CheckpointError, match="another refiner than the preset"):
        train_refinement(run, tiny_checkpoint)


def test_a_finished_refinement_is_not_trained_again(refined, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("train.refinement.RefinerTask", None)
    report = json.loads((refined.folder / "refinement" / "report.json").read_text())
    assert train_refinement(refined, tiny_checkpoint) == report


def test_a_refinement_of_another_model_is_refused(refined, tiny_checkpoint, tmp_path):
    other = Model.load(tiny_checkpoint)
    with torch.no_grad():
        other.transformer.head.weight.mul_(0.5)
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError):
        refined_model(refined, tmp_path / "other.safetensors")


def test_a_model_of_other_shapes_is_refused(tiny_run, tiny_checkpoint, tmp_path):
    run = Run(load_preset("tiny", ["refiner.width=8"]), tmp_path, tiny_run.data)
    with pytest.raises(CheckpointError, match="another refiner than the preset"):
        train_refinement(run, tiny_checkpoint)


def test_a_preset_without_refiner_is_refused(tiny_run, tiny_checkpoint, tmp_path):
    preset = load_preset("tiny", ["refiner.passes=0", "sampling.refiner_redraws=0"])
    with pytest.raises(ConfigError, match=r"refiner.passes is 0; set it to 1, 2 or 4"):
        train_refinement(Run(preset, tmp_path, tiny_run.data), tiny_checkpoint)


def test_the_command_writes_a_checkpoint(tiny_run, tiny_checkpoint, tmp_path):
    out = tmp_path / "refined.safetensors"
    paths = {"--data": tiny_run.data, "--run": tmp_path, "--model": tiny_checkpoint, "--out": out}
    given = [str(part) for pair in paths.items() for part in pair]
    result = CliRunner().invoke(main, ["refinement", "--preset", "tiny", *given])
    assert result.exit_code == 0, result.output
    assert Model.load(out).spec.refiner_redraws == (2, 1)
