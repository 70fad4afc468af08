import json
import shutil
from dataclasses import replace

import pytest
import torch

from t2a_edge.errors import CheckpointError, ConfigError
from train.config import load_preset
from train.model import Model
from train.reselection import reselected_model, train_reselection
from train.stages import Run


@pytest.fixture(scope="module")
def further(tiny_run, tiny_checkpoint, tmp_path_factory) -> Run:
    """A finished further selection of the tiny model, in a folder of its own."""
    preset = load_preset("tiny", ["data.views=1"])
    run = Run(preset, tmp_path_factory.mktemp("further"), tiny_run.data, workers=2)
    train_reselection(run, tiny_checkpoint)
    return run


def test_a_finished_model_is_trained_further(further, tiny_checkpoint):
    before, after = Model.load(tiny_checkpoint), reselected_model(further, tiny_checkpoint)
    assert not torch.equal(before.transformer.head.weight, after.transformer.head.weight)
    for part in ("codec", "text", "refiner"):
        old, new = (getattr(model, part).state_dict() for model in (before, after))
        for name, tensor in old.items():
            assert torch.equal(tensor, new[name]), f"{part}.{name}"


def test_what_comes_of_it_is_a_whole_checkpoint(further, tiny_checkpoint, tmp_path):
    made = reselected_model(further, tiny_checkpoint)
    made.save(tmp_path / "further.safetensors")
    loaded = Model.load(tmp_path / "further.safetensors")
    assert loaded.vocabulary == made.vocabulary
    assert loaded.preset.reselection == further.preset.reselection
    assert loaded.preset.data == Model.load(tiny_checkpoint).preset.data
    report = loaded.card["training"]["reselection"]
    assert report["views"] == 1
    assert report["kept"] > 0
    assert loaded.card["training"]["selection"]["kept"] > 0  # the first round is still told of


def test_workers_leave_what_one_process_makes(further, tiny_checkpoint, tmp_path):
    """Nothing depends on how many processes prepared the training."""
    alone = replace(further, folder=tmp_path, workers=1)
    ignored = ("seconds", "drawing_seconds")
    reports = [
        {k: v for k, v in train_reselection(run, tiny_checkpoint).items() if k not in ignored}
        for run in (further, alone)
    ]
    assert reports[0] == reports[1]


def test_a_finished_reselection_is_not_drawn_again(further, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("train.reselection.fit_selection", None)
    report = json.loads((further.folder / "reselection" / "report.json").read_text())
    assert train_reselection(further, tiny_checkpoint) == report


def test_a_further_selection_belongs_to_one_model(further, tiny_checkpoint, tmp_path):
    model = Model.load(tiny_checkpoint)
    model.card["title"] = "another"
    model.save(tmp_path / "another.safetensors")
    with pytest.raises(CheckpointError, match="trained on another model than the one in this run"):
        reselected_model(further, tmp_path / "another.safetensors")


def test_a_preset_without_reselection_has_no_such_stage(further, tiny_checkpoint, tmp_path):
    preset = load_preset("tiny", ["reselection.draws=0"])
    with pytest.raises(ConfigError, match="preset has no further selection"):
        train_reselection(replace(further, preset=preset, folder=tmp_path), tiny_checkpoint)


def test_preparation_that_was_cut_off_goes_on(further, tiny_checkpoint, tmp_path):
    shutil.copytree(further.folder / "cache", tmp_path / "cache")
    parts = sorted((tmp_path / "cache" / "drawn-reselection").iterdir())
    stamps = {part: part.stat().st_mtime_ns for part in parts[1:]}
    parts[0].unlink()
    train_reselection(replace(further, folder=tmp_path, workers=1), tiny_checkpoint)
    assert parts[0].is_file()
    assert {part: part.stat().st_mtime_ns for part in parts[1:]} == stamps
