from dataclasses import replace

import numpy as np
import pytest
import torch

from train.config import load_preset
from train.critic import Critic, CriticTask
from train.model import Model
from train.selection_task import Drawn
from train.wording import MEASURED, TWO_POLES

SCALE = 2  # of the tiny model's four, 4 x 4
PICTURES = 4


@pytest.fixture(scope="module")
def refiner(tiny_checkpoint):
    return Model.load(tiny_checkpoint).refiner


@pytest.fixture(scope="module")
def drawn(refiner) -> Drawn:
    """Random codes; what is measured is how high the first channel of their canvas is."""
    rng = np.random.default_rng(3)
    prompts = [("dark",)] * 100
    indices = torch.from_numpy(rng.integers(32, size=(100 * PICTURES + 20, 85)).astype(np.int16))
    codes = refiner.codebook[indices[:, 5:21].long()]
    canvas = refiner.canvas_of(SCALE, indices[:, :5].long(), codes)
    level = canvas[:, 0].mean((1, 2)).unsqueeze(1)
    scores = level.expand(-1, len(MEASURED)).numpy().astype(np.float32)
    return Drawn(prompts, indices[20:], scores[20:], indices[:20], scores[:20])


@pytest.fixture
def task(refiner, drawn) -> CriticTask:
    preset = load_preset("tiny")
    fit = replace(preset.critic_fit, batch=64)
    return CriticTask(refiner, SCALE, drawn, preset.reward, fit)


def test_a_critic_reads_any_canvas_and_answers_in_the_units_of_the_scores():
    critic = Critic(8, 16).eval()
    canvas = torch.randn(3, 8, 4, 4)
    critic.mean.fill_(2.0)
    critic.spread.fill_(0.5)
    scores = critic(canvas)
    assert scores.shape == (3, len(MEASURED))
    torch.testing.assert_close(scores, critic.scaled(canvas) * 0.5 + 2.0)
    assert critic(torch.randn(1, 8, 6, 6)).shape == (1, len(MEASURED))


def test_a_critic_s_answer_has_a_gradient_in_every_place():
    canvas = torch.randn(1, 8, 4, 4, requires_grad=True)
    torch.manual_seed(0)
    Critic(8, 16).eval()(canvas).sum().backward()
    assert (canvas.grad.abs().sum(1) > 0).all()


def test_a_critic_learns_what_pictures_measure(task, fitted):
    before, after = fitted(task, 150, 3e-3)
    assert before["r2"] < 0.2
    assert after["r2"] > 0.6
    assert after["loss"] < before["loss"]
    assert {f"r2_{name}" for name in MEASURED[:TWO_POLES]} < after.keys()


def test_pictures_of_the_first_prompts_are_not_learnt(task, drawn):
    share = load_preset("tiny").reward.held_out
    held_out = round(share * len(drawn.prompts)) * PICTURES
    assert torch.equal(task.judged[0], drawn.indices[:held_out])
    assert len(task.indices) == len(drawn.indices) - held_out + len(drawn.plain_indices)


def test_the_canvas_is_what_the_refiner_goes_on_from(refiner, drawn):
    """Finer scales start from the canvas of all coarser ones."""
    indices = drawn.indices[:2].long()
    codes = refiner.codebook[indices[:, 5:21]]
    canvas = refiner.canvas_of(SCALE, indices[:, :5], codes)
    assert canvas.shape == (2, 8, 4, 4)
    zero = refiner.canvas_of(SCALE, indices[:, :5], torch.zeros_like(codes))
    own = codes.transpose(1, 2).reshape(2, 8, 4, 4)
    torch.testing.assert_close(canvas - zero, own)
    one = refiner.canvas_of(0, indices[:, :0], refiner.codebook[indices[:, :1]])
    torch.testing.assert_close(one.flatten(1), refiner.codebook[indices[:, 0]])
