from collections.abc import Callable

import numpy as np
import pytest
import torch

from train.config import load_preset
from train.draw import BatchSampler
from train.loop import Task
from train.model import Model


@pytest.fixture
def sampler(tiny_checkpoint) -> BatchSampler:
    """The tiny model, drawing as its preset says."""
    return BatchSampler.of(Model.load(tiny_checkpoint), load_preset("tiny"))


@pytest.fixture
def fitted() -> Callable[[Task, int, float], tuple[dict[str, float], dict[str, float]]]:
    """What a task's validation says before and after some plain steps of training."""

    def fit(task: Task, steps: int, rate: float) -> tuple[dict[str, float], dict[str, float]]:
        task.module.eval()
        before = task.validate()
        parameters = [p for p in task.module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=rate)
        task.module.train()
        for step in range(steps):
            torch.manual_seed(step)
            loss = task.loss(step, np.random.default_rng(step))["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        task.module.eval()
        return before, task.validate()

    return fit
