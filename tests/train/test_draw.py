from dataclasses import replace

import numpy as np
import pytest
import torch

from export.torch_runner import TorchRunner
from t2a_edge.noise import coherent_noise
from t2a_edge.sampler import Conditioning, SamplingOptions, sample_indices
from train.draw import BatchSampler, coherent, draw_indices
from train.generator_task import batch_words
from train.model import Model
from train.wording import MEASURED

PROMPTS = [("warm",), ("dark", "striped"), ()]


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Model.load(tiny_checkpoint)


def draw(model, spec, prompts, seed=1):
    text_bytes, word_weights = batch_words(prompts, model.preset)
    with torch.no_grad():
        embedding = model.text(text_bytes)
    noise = np.random.default_rng(seed)
    return draw_indices(model.transformer, model.refiner, spec, embedding, word_weights, noise)


@pytest.mark.parametrize("guided", [(1.0, 1.0, 1.0, 1.0), (1.0, 0.5, 0.0, 0.0)])
def test_without_noise_it_draws_what_the_runtime_draws(model, guided):
    spec = replace(model.spec, temperature=0.0, guidance_scale=3.0, scale_guidance=guided)
    drawn = draw(model, spec, PROMPTS)
    options = SamplingOptions(guidance_scale=3.0, temperature=0.0, top_k=0)
    for row, prompt in enumerate(PROMPTS):
        text_bytes, weights = (t.numpy() for t in batch_words([prompt], model.preset))
        runner = TorchRunner(model)
        conditioning = Conditioning(runner.text(text_bytes), weights, (1.0,))
        expected = sample_indices(runner, spec, conditioning, 1, options)
        np.testing.assert_array_equal(drawn[row].numpy(), expected[0])


def test_the_seed_decides_the_noise(model):
    first, again, other = (draw(model, model.spec, PROMPTS, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0


@pytest.mark.parametrize("radius", [0, 0.8, 1.3])
def test_noise_is_shared_as_the_runtime_shares_it(radius):
    noise = torch.randn(2, 64, 5, generator=torch.Generator().manual_seed(1))
    shared = coherent(noise, radius)
    for row in range(2):
        expected = coherent_noise(noise[row].numpy(), radius)
        np.testing.assert_array_equal(shared[row].numpy(), expected)


def test_pictures_are_measured_one_by_one(model):
    sampler = BatchSampler.of(model, model.preset)
    prompts = [("warm",), ("pale",), ()] * 9  # more than one batch
    indices, scores = sampler.draw(prompts, 1)
    assert indices.shape == (len(prompts), model.spec.positions)
    assert scores.shape == (len(prompts), len(MEASURED))
    assert np.isfinite(scores).all()
