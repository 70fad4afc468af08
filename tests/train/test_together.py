"""One training in several processes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from t2a_edge.errors import ConfigError
from train.loop import Fit, FitConfig
from train.together import ALONE, Together, run_together
from train.tracking import NoTracker


class LineTask:
    """A line through points that each process draws for itself."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.module = nn.Linear(2, 1)
        self.seen: list[float] = []

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        points = torch.from_numpy(rng.standard_normal((8, 2), dtype=np.float32))
        self.seen.append(float(points[0, 0]))
        wanted = points @ torch.tensor([[2.0], [-1.0]])
        return {"loss": (self.module(points) - wanted).square().mean()}

    def validate(self) -> dict[str, float]:
        wanted = torch.tensor([[2.0, -1.0]])
        return {"loss": float((self.module.weight.detach() - wanted).square().mean())}

    def start_qat(self) -> None:
        raise AssertionError("no such steps here")


def fit_line(together: Together, folder: str) -> None:
    """Fit the line; each process tells its weights and what it saw."""
    task, config = LineTask(), FitConfig(steps=60, qat_steps=0, learning_rate=0.1, warmup=1,
                                         validate_every=20, checkpoint_every=60)  # fmt: skip
    Fit(task, config, Path(folder), {}, NoTracker(), together).run()
    told = {"weights": task.module.weight.tolist(), "seen": task.seen}
    (Path(folder) / f"{together.rank}.json").write_text(json.dumps(told))


def test_processes_see_different_samples_and_end_with_the_same_weights(tmp_path):
    run_together(2, fit_line, str(tmp_path))
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert told[0]["weights"] == told[1]["weights"]
    assert told[0]["seen"] != told[1]["seen"]
    assert told[0]["weights"][0] == pytest.approx([2, -1], abs=0.1)


def test_one_process_runs_here(tmp_path):
    run_together(1, fit_line, str(tmp_path))
    assert (tmp_path / "0.json").is_file()


def test_a_batch_that_cannot_be_shared_is_refused():
    assert Together(1, 2).part(64) == 32
    assert ALONE.part(5) == 5
    with pytest.raises(ConfigError, match="A batch of 5 cannot be shared by 2 processes"):
        Together(0, 2).part(5)


def test_patience_needs_one_process(tmp_path):
    with pytest.raises(ConfigError, match="patience"):
        Fit(LineTask(), FitConfig(patience=2), tmp_path, {}, NoTracker(), Together(0, 2))
