"""Whole numbers: the same bits in any order of the sums, and what rounding to them costs."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from export.fixed import (
    COMPONENT_UNIT,
    ENCODED_UNIT,
    LATENT_UNIT,
    LIMIT,
    MOST_CANVAS,
    MOST_COMPONENT,
    MOST_LATENT,
    MOST_LOGIT,
    MOST_VECTOR,
    SCORE_UNIT,
    VECTOR_UNIT,
    FixedCodec,
    FixedForms,
    FixedMap,
    fixed_map,
    whole,
    whole_enlarge_matrix,
)
from t2a_edge.errors import ExportError
from t2a_edge.form import SIDE, resampling_matrices
from t2a_edge.scales import enlarge_matrix
from tests.export.small_model import FORMS, SCALES, small_model
from train.models.bank import FormCodec, patches
from train.models.chooser import ENOUGH

RNG = np.random.default_rng(4)
POSITIONS = sum(side * side for side in SCALES)
MOST = {
    "compose_map": MOST_LATENT / LATENT_UNIT, "canvas_map": MOST_COMPONENT / COMPONENT_UNIT,
    "component_map": MOST_CANVAS / ENCODED_UNIT, "latent_map": MOST_COMPONENT / COMPONENT_UNIT,
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def codec(model):
    return FixedCodec(model.codec.quantizer, model.latent)


def random_indices(model, count=3):
    return RNG.integers(0, model.preset.codec.codebook_size, (count, POSITIONS))


def latents_of(model, indices):
    """Latents of coded canvases, with some noise, so that they are not on any grid."""
    with torch.no_grad():
        canvas = model.codec.quantizer.canvas_from_indices(torch.from_numpy(indices))
        latents = model.latent.latents(model.latent.components(canvas)).numpy()
    return latents + RNG.normal(0, 0.1, latents.shape).astype(np.float32)


def in_float64(codec):
    """The same numbers, computed with in float64 throughout."""
    wide = copy.deepcopy(codec)
    for name in MOST:
        fixed = getattr(wide, name)
        offset = fixed.offset.astype(np.float64)
        setattr(wide, name, FixedMap(fixed.weights.astype(np.float64), offset, fixed.units))
    wide.codes, wide.halves = codec.codes.astype(np.float64), codec.halves.astype(np.float64)
    return wide


def turned(codec, latents):
    """The same sums in another order: latents, components and codes' entries permuted."""
    other = copy.deepcopy(codec)
    depth, dim = latents.shape[-1], codec.codes.shape[1]
    order, entries = RNG.permutation(depth), RNG.permutation(dim)
    compose, canvas = codec.compose_map, codec.canvas_map
    other.compose_map = FixedMap(compose.weights[order], compose.offset, compose.units)
    other.canvas_map = FixedMap(
        canvas.weights[:, entries], canvas.offset[entries], canvas.units[entries]
    )
    other.codes = codec.codes[:, entries]
    return other, latents[..., order]


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_the_composer_s_sums_are_exact(model, codec, spread):
    latents = latents_of(model, random_indices(model)) * np.float32(spread)
    expected = codec.composer(latents)
    np.testing.assert_array_equal(in_float64(codec).composer(latents), expected)
    other, again = turned(codec, latents)
    np.testing.assert_array_equal(other.composer(again), expected)
    np.testing.assert_array_equal(
        codec.composer(latents[:, :, ::-1][..., ::-1].copy()), expected
    )  # another layout in memory


def test_the_encoder_s_sums_are_exact(model, codec):
    indices = random_indices(model)
    expected = codec.encoder(indices)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(in_float64(codec).encoder(indices), expected)
    entries = RNG.permutation(codec.codes.shape[1])
    other = copy.deepcopy(codec)
    other.codes = codec.codes[:, entries]
    fixed = codec.component_map
    other.component_map = FixedMap(fixed.weights[entries], fixed.offset, fixed.units)
    np.testing.assert_array_equal(other.encoder(indices), expected)


@pytest.mark.parametrize("name", MOST)
def test_the_largest_sums_of_a_map_are_below_the_limit(codec, name):
    fixed = getattr(codec, name)
    unit = np.exp2(np.floor(np.log2(np.abs(fixed.weights).max(0)))) * 2.0**-30
    steps = 1 / np.gcd.reduce(np.rint(fixed.weights / unit).astype(np.int64), axis=0) / unit
    worst = np.sign(fixed.weights.T) * MOST[name]  # (O, I): the largest sum of each output
    sums = np.abs(np.einsum("oi,io->o", worst, fixed.weights.astype(np.float64)))
    assert (sums + np.abs(fixed.offset) < LIMIT / steps).all()
    found = np.diagonal(worst.astype(np.float32) @ fixed.weights)
    np.testing.assert_array_equal(found, np.einsum("oi,io->o", worst, fixed.weights))


def test_products_with_codes_are_below_the_limit(codec):
    most = MOST_VECTOR / VECTOR_UNIT * np.abs(codec.codes).sum(1) + np.abs(codec.halves)
    assert most.max() < LIMIT


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("bits", [7, 11, 16])
def test_weights_that_enlarge_are_whole_and_add_up_to_one(side, bits):
    matrix = whole_enlarge_matrix(side, 32, bits)
    np.testing.assert_array_equal(matrix.sum(1), 1)
    assert not (matrix * 2.0**bits % 1).any()
    np.testing.assert_allclose(matrix, enlarge_matrix(side, 32), atol=2.0 ** (1 - bits))


def test_numbers_are_rounded_to_even_and_bounded():
    found = whole(np.array([0.5, 1.5, -0.5, 9, -9, 0.26], np.float32), 1.0, 4.0)
    np.testing.assert_array_equal(found, [0, 2, 0, 4, -4, 0])
    assert whole(np.array([0.26], np.float32), 0.25, 4.0)[0] == 1


# ---- what it costs


def test_a_composed_canvas_is_the_float_one_but_for_rounding(model, codec):
    latents = latents_of(model, random_indices(model))
    found = codec.compose(latents) / 32 * codec.step
    with torch.no_grad():
        expected = model.latent.compose(torch.from_numpy(latents)).numpy()
    assert np.sqrt(np.square(found - expected).mean()) < 0.01 * expected.std()


def test_a_fixed_canvas_is_coded_as_well_as_the_float_one(model, codec):
    latents, quantizer = latents_of(model, random_indices(model)), model.codec.quantizer
    with torch.no_grad():
        canvas = model.latent.compose(torch.from_numpy(latents))
        expected = quantizer(canvas)[1].numpy()
    found = codec.composer(latents)
    assert (found == expected).mean() > 0.8
    errors = [
        float((quantizer.canvas_from_indices(torch.from_numpy(own)) - canvas).square().mean())
        for own in (expected, found)
    ]
    assert errors[1] < 1.02 * errors[0]


def test_the_canvas_of_codes_is_the_codec_s(model, codec):
    indices = random_indices(model)
    expected = model.codec.quantizer.canvas_from_indices(torch.from_numpy(indices)).numpy()
    np.testing.assert_allclose(codec.canvas(indices) * codec.step, expected, atol=2e-4)


def test_encoded_latents_are_the_float_ones_but_for_rounding(model, codec):
    indices = random_indices(model)
    with torch.no_grad():
        canvas = model.codec.quantizer.canvas_from_indices(torch.from_numpy(indices))
        expected = model.latent.latents(model.latent.components(canvas)).numpy()
    found = codec.encoder(indices)
    assert np.sqrt(np.square(found - expected).mean()) < 0.02 * expected.std()


def test_a_picture_that_is_encoded_and_composed_looks_the_same(model, codec):
    """The latents keep less than the canvas has: the two canvases are near, not equal."""
    indices = random_indices(model)
    with torch.no_grad():
        canvas = torch.from_numpy(codec.canvas(indices) * codec.step)
        kept = model.latent.compose(model.latent.latents(model.latent.components(canvas))).numpy()
    found = codec.compose(codec.encoder(indices)) / 32 * codec.step
    assert np.sqrt(np.square(found - kept).mean()) < 0.03 * kept.std()


# ---- what cannot be


def test_a_codebook_between_the_steps_is_refused(model):
    quantizer = copy.deepcopy(model.codec.quantizer)
    quantizer.codebook += 0.3 * quantizer.codebook.abs().max() / 127
    with pytest.raises(ExportError, match="does not lie on 255 symmetric steps"):
        FixedCodec(quantizer, model.latent)


def test_a_canvas_that_is_too_large_is_refused(model):
    quantizer = copy.deepcopy(model.codec.quantizer)
    quantizer.config = replace(quantizer.config, scales=(1, 64))
    with pytest.raises(ExportError, match=r"64 x 64 .* expected below 2"):
        FixedCodec(quantizer, model.latent)


def test_a_map_of_too_many_inputs_is_refused():
    with pytest.raises(ExportError, match="5000 inputs of up to 4096 steps"):
        fixed_map(np.ones((5000, 2)), np.zeros(2), 4096)


# ---- forms


def test_the_form_is_the_bank_s_cut_by_whole_numbers(model):
    forms, bank = FixedForms(model.bank), model.bank.forms().numpy().astype(np.float64)
    choice = np.array([0, 5, FORMS - 1, 5])
    crop = np.array([[0, 0], [3, 20], [15, 31], [7, 16]])
    found, matrices = forms.form(choice, crop), resampling_matrices().astype(np.float64)
    for form, number, (down, across) in zip(found, choice, crop, strict=True):
        cut = matrices[down] @ bank[number] @ matrices[across].T / 64 / 64 / 32
        np.testing.assert_array_equal(form, cut)


def test_places_of_a_crop_make_its_matrix(model):
    places = FixedForms(model.bank).crop_places
    hats = np.maximum(0, 64 - np.abs(places[:, :, None] - 64 * np.arange(SIDE)))
    np.testing.assert_array_equal(hats, resampling_matrices())


def asked_of_words(model, spread=0.25, count=50):
    """What words ask (B, 8, Q + 1) and weights (B, 8); the first prompt is of no words."""
    asked = RNG.normal(0, spread, (count, 8, model.preset.form.key + 1)).astype(np.float32)
    weights = RNG.choice([0, 0, 1, 1, 0.3, 4, -1, -1.7], (count, 8)).astype(np.float32)
    weights[0] = 0
    return asked, weights


def test_scores_are_the_bank_s_but_for_rounding(model):
    asked, weights = asked_of_words(model)
    found = FixedForms(model.bank).scores(asked, weights) * SCORE_UNIT
    expected = model.bank.scores(torch.from_numpy(asked), torch.from_numpy(weights)).numpy()
    assert (expected.max(1) > 0.5).any()
    assert expected.min() < -20
    errors = np.abs(found - expected) / np.abs(weights).sum(1, keepdims=True).clip(1)
    assert errors.max() < 0.05
    assert errors.mean() < 0.01


def test_scores_are_whole_numbers_and_exact_in_any_order(model):
    forms, (asked, weights) = FixedForms(model.bank), asked_of_words(model)
    scores = forms.scores(asked, weights)
    assert scores.dtype == np.float32
    assert not (scores % 1).any()
    key = asked.shape[2] - 1
    entries, words = [*RNG.permutation(key), key], RNG.permutation(8)
    other = copy.copy(forms)
    other.columns = forms.columns[entries]
    other.asked_scale, other.most_asked = forms.asked_scale[entries], forms.most_asked[entries]
    again = other.scores(asked[:, words][..., entries], weights[:, words])
    np.testing.assert_array_equal(again, scores)

    signed = np.rint(asked * forms.asked_scale).clip(-forms.most_asked, forms.most_asked)
    signed = (signed * np.sign(weights)[..., None]).astype(np.int64)
    logits = signed @ forms.columns.astype(np.int64)
    logits = logits.clip(round(forms.least), round(forms.enough)).astype(np.float32)
    heard = np.rint(logits * (np.abs(weights) * np.float32(forms.weight_scale))[..., None])
    np.testing.assert_array_equal(heard.astype(np.int64).sum(1), scores)


def test_the_largest_sums_of_scores_are_below_the_limit(model):
    forms = FixedForms(model.bank)
    sums = forms.most_asked.astype(np.float64) @ np.abs(forms.columns.astype(np.float64))
    assert sums.max() < LIMIT
    heaviest = 4.0 * 64  # weights of the most words that a prompt can have
    assert heaviest * MOST_LOGIT / SCORE_UNIT < LIMIT
    asked = 1e6 * np.sign(asked_of_words(model, count=2)[0])  # bounded, not overflowing
    scores = forms.scores(asked.astype(np.float32), np.full((2, 8), 4, np.float32)) * SCORE_UNIT
    assert scores.max() <= 4 * 8 * ENOUGH
    assert scores.min() >= -4 * 8 * MOST_LOGIT
    assert np.ptp(scores) > 32


def test_a_prompt_of_no_words_says_the_same_of_all_forms(model):
    forms, (asked, weights) = FixedForms(model.bank), asked_of_words(model, count=1)
    np.testing.assert_array_equal(forms.scores(asked, weights), np.zeros((1, FORMS)))
    noise = RNG.gumbel(size=(1, FORMS)).astype(np.float32)
    np.testing.assert_array_equal(forms.choice(asked, weights, noise), noise.argmax(1))


def test_forms_that_a_word_is_true_of_are_alike(model):
    forms, (asked, _) = FixedForms(model.bank), asked_of_words(model, count=9)
    for weight in (1.5, -1.5):
        weights = np.zeros((9, 8), dtype=np.float32)
        weights[:, 3] = weight
        scores = forms.scores(asked, weights) * SCORE_UNIT
        best = scores == 1.5 * ENOUGH
        assert 1 < best.sum(1).mean() < FORMS
        assert scores.max() == 1.5 * ENOUGH


def test_the_choice_is_the_likeliest(model):
    forms, (asked, weights) = FixedForms(model.bank), asked_of_words(model)
    noise = RNG.gumbel(size=(50, FORMS)).astype(np.float32)
    scores = model.bank.scores(torch.from_numpy(asked), torch.from_numpy(weights)).numpy() + noise
    choice = forms.choice(asked, weights, noise)
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] > 0.2
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(choice[clear], scores.argmax(1)[clear])


@pytest.mark.parametrize(("count", "kind"), [(16, np.uint8), (256, np.uint8), (257, np.int16)])
def test_a_code_of_few_is_one_byte(model, count, kind):
    generator = torch.Generator().manual_seed(8)
    tables = torch.randint(-40, 41, (3, count, 64), generator=generator).to(torch.int8)
    codes = torch.randint(count, (5, 64, 3), generator=generator).to(torch.int16)
    codes[0, 0], codes[0, 1] = 0, count - 1
    bank = replace(model.bank, codec=FormCodec(tables), codes=codes, keys=model.bank.keys[:5])
    forms = FixedForms(bank)
    assert forms.places.dtype == kind
    assert forms.places.shape == (5, 3 * 64)
    parts = forms.rows[forms.places + forms.starts].reshape(5, 3, 64, 64)
    found = parts.astype(int).sum(1).clip(-127, 127)
    np.testing.assert_array_equal(found, patches(bank.forms(), 8).numpy())
