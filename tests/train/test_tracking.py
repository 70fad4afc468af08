"""Figures of every stage arrive, each in a run of its own."""

import os
import sys
import types

import pytest
import torch
from torch import nn

from train.loop import Fit, FitConfig
from train.tracking import make_tracker

FIT = FitConfig(
    steps=4, qat_steps=0, batch=1, learning_rate=0.01, warmup=1, validate_every=2,
    checkpoint_every=4,
)  # fmt: skip


class WandbRun:
    def __init__(self, module, options):
        self.module, self.options = module, options
        self.logged, self.last_step, self.exit_code = [], -1, None

    def log(self, figures, *, step):
        """As wandb does: steps that are behind are dropped, a finished run takes nothing."""
        assert self.exit_code is None, "the run is finished"
        if step >= self.last_step:
            self.logged.append((step, figures))
            self.last_step = step

    def finish(self, *, exit_code=0):
        self.exit_code = exit_code
        self.module.open = None


@pytest.fixture
def wandb(monkeypatch):
    """A module that gives the open run where there is one, as wandb does."""
    module = types.ModuleType("wandb")
    module.open, module.runs = None, []

    def init(**options):
        if module.open is None:
            module.open = WandbRun(module, options)
            module.runs.append(module.open)
        return module.open

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
    return module


class Task:
    def __init__(self, fails_at=None):
        self.module, self.fails_at = nn.Linear(1, 1), fails_at

    def loss(self, step, rng):
        if step == self.fails_at:
            raise KeyboardInterrupt
        return {"loss": self.module(torch.ones(1, 1)).square().sum()}

    def validate(self):
        return {"loss": 1.0}

    def start_qat(self):
        raise AssertionError


def stage(folder, name, **options):
    tracker = make_tracker(folder / name, {"width": 8}, wandb=True)
    return Fit(Task(**options), FIT, folder / name, {}, tracker)


def test_every_stage_has_a_run_with_all_its_figures(wandb, tmp_path):
    fits = [stage(tmp_path / "base", name) for name in ("codec", "generator")]
    assert wandb.runs == []  # none begins before it has figures
    for fit in fits:
        fit.run()
    assert [run.options["name"] for run in wandb.runs] == ["codec", "generator"]
    assert {run.options["group"] for run in wandb.runs} == {"base"}
    assert [run.exit_code for run in wandb.runs] == [0, 0]
    for run in wandb.runs:
        assert [step for step, figures in run.logged if "val/loss" in figures] == [2, 4]


def test_a_stage_that_is_interrupted_ends_its_run_as_failed(wandb, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path, "codec", fails_at=3).run()
    (run,) = wandb.runs
    assert run.exit_code == 1
    assert wandb.open is None


def test_a_stage_that_goes_on_has_another_run(wandb, tmp_path):
    fit = stage(tmp_path, "codec")
    fit.run(stop_at=2)
    stage(tmp_path, "codec").run()
    stage(tmp_path, "codec").run()  # over: no figures, no run
    assert [[step for step, _ in run.logged] for run in wandb.runs] == [[2], [4]]


def test_errors_of_wandb_are_not_reported_to_its_makers(wandb, tmp_path):
    make_tracker(tmp_path, {}, wandb=True)
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"


def test_event_files_are_closed(tmp_path):
    tracker = make_tracker(tmp_path / "run", {}, wandb=False)
    tracker.log("train", 1, {"loss": 2.0})
    tracker.close()
    assert [p.stat().st_size > 0 for p in (tmp_path / "run").glob("events.*")] == [True]
