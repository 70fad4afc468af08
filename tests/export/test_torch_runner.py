"""The torch runner and the sampler on it against what training draws with."""

import numpy as np
import pytest
import torch

from export.torch_runner import TorchRunner
from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing
from t2a_edge.form import SIDE, resampling_matrices
from t2a_edge.layout import Layout, latent_numbers
from t2a_edge.noise import choice_noise, crop_numbers, normal_noise
from t2a_edge.prompt import parse_prompt
from t2a_edge.request import SamplingOptions
from t2a_edge.runner import FormInputs
from t2a_edge.sampler import composed, paint_steps
from tests.tiny import FORMS, tiny_spec
from tests.tiny_model import tiny_model
from train.models.painter import Words, painted

MODEL, SPEC = tiny_model(), tiny_spec()


@pytest.fixture(scope="module")
def runner():
    with TorchRunner(MODEL) as opened:
        yield opened


def told(runner, prompt):
    parsed = parse_prompt(prompt, max_words=SPEC.max_words, max_bytes=SPEC.max_bytes)
    return conditioning(runner, SPEC, parsed)


def form_inputs(runner, prompts, noise=None, crop=(0, 0)):
    words = [told(runner, prompt) for prompt in prompts]
    if noise is None:
        noise = np.zeros((len(prompts), FORMS), dtype=np.float32)
    return FormInputs(
        np.stack([each.text_embedding for each in words]),
        np.stack([each.form_weights for each in words]),
        noise,
        np.array([crop] * len(prompts)),
    )


def scores(runner, prompt):
    inputs = form_inputs(runner, [prompt])
    embedding, weights = (torch.from_numpy(part) for part in inputs[:2])
    with torch.no_grad():
        return MODEL.bank.scores(MODEL.query(embedding), weights)[0].numpy()


def test_words_choose_the_form_that_they_score_highest(runner):
    prompts = ["warm", "cool", "dark -busy", "pale:2"]
    forms, choice = runner.forms(form_inputs(runner, prompts))
    assert choice.tolist() == [scores(runner, prompt).argmax() for prompt in prompts]
    assert len(set(choice.tolist())) > 1
    expected = MODEL.bank.forms().numpy()[choice].astype(np.float32) / 32
    np.testing.assert_array_equal(forms, expected)


def test_noise_on_the_scores_chooses_by_their_softmax(runner):
    wanted = torch.from_numpy(scores(runner, "warm")).softmax(0).numpy()
    seeds = range(400)
    noise = np.stack([choice_noise(seed, FORMS) for seed in seeds])
    _, choice = runner.forms(form_inputs(runner, ["warm"] * len(seeds), noise))
    shares = np.bincount(choice, minlength=FORMS) / len(seeds)
    assert np.abs(shares - wanted).max() < 4 * 0.5 / len(seeds) ** 0.5


@pytest.mark.parametrize("crop", [(0, 16), (5, 7), (15, 31)])
def test_a_form_is_cut_exactly(runner, crop):
    forms, choice = runner.forms(form_inputs(runner, ["warm"], crop=crop))
    matrices = resampling_matrices().astype(np.int64)
    whole = MODEL.bank.forms().numpy()[choice[0]].astype(np.int64)
    exact = matrices[crop[0]] @ whole @ matrices[crop[1]].T
    np.testing.assert_array_equal(forms[0].astype(np.float64) * 64 * 64 * 32, exact)


def test_a_row_is_the_same_alone_and_in_a_batch(runner):
    inputs = form_inputs(runner, ["warm", "cool pale", "dark"], crop=(3, 20))
    forms, choice = runner.forms(inputs)
    for row in range(3):
        alone = runner.forms(FormInputs(*(part[row : row + 1] for part in inputs)))
        np.testing.assert_array_equal(alone[0][0], forms[row])
        assert alone[1][0] == choice[row]


@pytest.mark.parametrize("form_strength", [1.0, 0.25])
@pytest.mark.parametrize("prompt", ["warm dark", "cool -busy:2"])
def test_the_sampler_draws_what_training_does(runner, prompt, form_strength):
    seed, level = 7, np.float32(1 - form_strength)
    options = SamplingOptions(
        guidance_scale=3.0, steps=5, form_strength=form_strength, temperature=0.5
    )
    drawing = Drawing(told(runner, prompt), seed, options)
    steps = [latents.copy() for latents in paint_steps(runner, SPEC, [drawing])]

    noise = np.float32(0.5) * choice_noise(seed, FORMS)[None]
    form, _ = runner.forms(form_inputs(runner, [prompt], noise, crop_numbers(seed)))
    on_form = normal_noise(seed, 2**22 + np.arange(SIDE), SIDE)
    form = (1 - level) * form + level * on_form
    start = normal_noise(seed, latent_numbers(Layout(), SPEC.side), SPEC.depth)
    words = told(runner, prompt)
    expected = painted(
        MODEL.painter, torch.from_numpy(start[None]), torch.from_numpy(form),
        torch.full((1,), float(level)),
        Words(torch.from_numpy(words.text_embedding[None]),
              torch.from_numpy(words.word_weights[None])),
        steps=5, guidance_scale=3.0,
    ).numpy()  # fmt: skip
    assert len(steps) == 5
    np.testing.assert_allclose(steps[-1], expected, atol=1e-4)
    assert np.abs(steps[0] - expected).max() > 0.1  # it can fail


def test_indices_are_the_codes_of_the_composed_canvas(runner):
    latents = np.random.default_rng(1).normal(size=(3, 4, SPEC.depth)).astype(np.float32)
    options = SamplingOptions(guidance_scale=1.0, steps=1, form_strength=1.0, temperature=0.0)
    drawings = [Drawing(told(runner, "warm"), 1, options)] * 3
    found = composed(runner, SPEC, drawings, latents)
    canvas = MODEL.latent.compose(torch.from_numpy(latents))
    expected = MODEL.codec.quantizer(canvas)[1].numpy()
    assert (found == expected).mean() > 0.99  # but for float sums in another order


def test_the_encoder_undoes_the_composer_as_far_as_codes_can(runner):
    latents = runner.encoder(np.random.default_rng(2).integers(0, 32, (4, SPEC.positions)))
    assert latents.shape == (4, SPEC.side**2, SPEC.depth)
    again = runner.encoder(runner.composer(latents))
    lost = np.square(again - latents).mean() / np.square(latents - latents.mean()).mean()
    assert lost < 0.5


def test_pixels_are_those_of_the_codec(runner):
    indices = np.random.default_rng(3).integers(0, 32, (2, SPEC.positions))
    pixels = runner.decoder(indices)
    assert pixels.shape == (2, 32, 32, 3)
    assert pixels.dtype == np.uint8
    with torch.no_grad():
        images = MODEL.codec.decode(torch.from_numpy(indices)).permute(0, 2, 3, 1).numpy()
    expected = np.clip((images + 1) * 127.5, 0, 255)
    assert np.abs(pixels - expected).max() <= 0.51
