import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from t2a_edge.errors import CheckpointError, ConfigError
from train.checkpoint import load_tensors, save_tensors
from train.loop import Fit, FitConfig, learning_rate
from train.models.qat import QatConfig, QatLinear, prepare
from train.tracking import NoTracker, make_tracker

FIT = FitConfig(
    steps=12, qat_steps=6, batch=4, learning_rate=0.01, warmup=2, validate_every=4,
    checkpoint_every=3,
)  # fmt: skip


class LineTask:
    """Fits a line through noisy points; dropout makes every step random."""

    def __init__(self):
        torch.manual_seed(1)
        self.module = nn.Sequential(nn.Dropout(0.2), QatLinear(2, 1))

    def loss(self, step, rng):
        x = torch.from_numpy(rng.normal(size=(4, 2)).astype(np.float32))
        y = x.sum(1, keepdim=True) + torch.randn(4, 1) * 0.1
        return {"loss": (self.module(x) - y).square().mean()}

    def validate(self):
        x = torch.ones(1, 2)
        return {"loss": float((self.module(x) - 2).square().mean())}

    def start_qat(self):
        prepare(self.module, QatConfig())


def fit(folder, config=FIT, task=None, about=None):
    return Fit(task or LineTask(), config, folder, about or {}, NoTracker())


@pytest.mark.parametrize("stop_at", [1, 5, 12, 14])
def test_a_run_that_was_killed_and_resumed_computes_what_an_unbroken_one_does(tmp_path, stop_at):
    whole = fit(tmp_path / "whole")
    whole.run()
    fit(tmp_path / "broken").run(stop_at=stop_at)
    resumed = fit(tmp_path / "broken")
    assert resumed.state.step == stop_at
    resumed.run()
    first, _ = load_tensors(tmp_path / "whole" / "state.safetensors")
    second, _ = load_tensors(tmp_path / "broken" / "state.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert whole.state.history == resumed.state.history


def test_a_kill_between_checkpoints_goes_back_to_the_last_one(tmp_path):
    class Killed(LineTask):
        def loss(self, step, rng):
            if step == 8:
                raise KeyboardInterrupt
            return super().loss(step, rng)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "broken", task=Killed()).run()
    resumed = fit(tmp_path / "broken")
    assert resumed.state.step == 6
    resumed.run()
    fit(tmp_path / "whole").run()
    first, _ = load_tensors(tmp_path / "whole" / "state.safetensors")
    second, _ = load_tensors(tmp_path / "broken" / "state.safetensors")
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("steps", [8, 20])
def test_a_run_goes_on_to_be_shorter_or_longer(tmp_path, steps):
    fit(tmp_path).run(stop_at=5)
    resumed = fit(tmp_path, replace(FIT, steps=steps, qat_steps=3))
    assert resumed.last_step == steps + 3
    assert resumed.run().float_end == steps
    over = fit(tmp_path, replace(FIT, steps=30, qat_steps=3))
    assert over.last_step == steps + 3  # a phase that is over stays as it was


def test_a_run_cannot_end_before_where_it_stands(tmp_path):
    fit(tmp_path).run(stop_at=5)
    with pytest.raises(ConfigError, match="is at step 5 and is to end at step 5"):
        fit(tmp_path, replace(FIT, steps=5))


def test_another_preset_is_not_resumed(tmp_path):
    fit(tmp_path).run(stop_at=2)
    with pytest.raises(CheckpointError, match="belongs to another preset"):
        fit(tmp_path, about={"codec": 1})
    with pytest.raises(CheckpointError, match="belongs to another preset"):
        fit(tmp_path, config=replace(FIT, learning_rate=0.02))


def test_the_float_phase_ends_early_when_validation_stops_improving(tmp_path):
    class Stale(LineTask):
        calls = 0

        def validate(self):
            Stale.calls += 1
            return {"loss": float(Stale.calls)}

    run = fit(tmp_path, config=replace(FIT, steps=100, patience=2), task=Stale())
    state = run.run()
    assert state.float_end == 12  # validations at 4, 8 and 12
    assert state.step == 12 + FIT.qat_steps


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    class Broken(LineTask):
        def loss(self, step, rng):
            return {"loss": super().loss(step, rng)["loss"] * math.nan}

    with pytest.raises(CheckpointError, match=r"The loss is nan at step 0.*Lower the learning"):
        fit(tmp_path, task=Broken()).run()


def test_the_learning_rate_warms_up_falls_and_ends_at_zero():
    config = FitConfig(steps=100, qat_steps=20, warmup=10, learning_rate=1.0)
    rates = [learning_rate(config, step, 100) for step in range(121)]
    assert rates[0] < rates[5] < rates[9]
    assert max(rates) <= 1.0
    assert rates[99] == pytest.approx(0.1, abs=0.01)
    assert rates[100] == pytest.approx(0.1)
    assert rates[120] == 0


def test_history_is_written_beside_the_checkpoint(tmp_path):
    fit(tmp_path).run()
    history = json.loads((tmp_path / "history.json").read_text())
    assert [entry["step"] for entry in history] == [4, 8, 12, 16, 18]


def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(tmp_path).run(stop_at=2)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        fit(tmp_path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.ones(2)}, {})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        save_tensors(path, {"a": torch.zeros(2)}, {})
    assert load_tensors(path)[0]["a"].tolist() == [1, 1]


def test_figures_go_to_tensorboard(tmp_path):
    tracker = make_tracker(tmp_path / "run", {}, wandb=False)
    tracker.log("train", 1, {"loss": 2.0})
    assert list((tmp_path / "run").glob("events.*"))


def test_wandb_that_is_not_installed_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        make_tracker(tmp_path, {}, wandb=True)
