import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge import sampler
from t2a_edge.errors import OptionError
from t2a_edge.noise import coherent_noise, gumbel_noise
from t2a_edge.sampler import (
    Conditioning,
    SamplingOptions,
    choose_indices,
    row_factors,
    sample_indices,
)
from t2a_edge.scales import axis_matrices, context_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec

SPEC = Spec(
    image_size=32,
    scales=(1, 2, 4),
    codebook_size=32,
    code_dim=8,
    max_words=8,
    max_bytes=32,
    layers=2,
    heads=2,
    head_dim=16,
    guidance_scale=3.0,
    temperature=1.0,
    top_k=0,
    scale_guidance=(1.0, 1.0, 1.0),
    scale_temperature=(1.0, 1.0, 1.0),
)
OFFSETS = scale_offsets(SPEC.scales)
EMBEDDING = np.ones((1, 8, 16), dtype=np.float32)
WEIGHTS = np.array([[1, 1, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
PLAIN = Conditioning(EMBEDDING, WEIGHTS, (1.0,))
REFINED = replace(SPEC, refiner_passes=2)
FINEST = slice(OFFSETS[-2], OFFSETS[-1])


class FakeRunner:
    """Fixed logits, one set with words and one without; keeps what the engines are given.

    The logits with words are multiplied by the first number of a row's embedding.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        shape = (SPEC.positions, SPEC.codebook_size)
        self.with_words = rng.normal(size=shape).astype(np.float32)
        self.without_words = rng.normal(size=shape).astype(np.float32)
        self.calls: list[dict[str, np.ndarray]] = []
        self.refiner_calls: list[dict[str, np.ndarray]] = []
        self.pasts: list[list[np.ndarray]] = []
        self.returned: list[tuple[np.ndarray, np.ndarray]] = []

    def text(self, text_bytes):
        raise NotImplementedError

    def decoder(self, indices):
        raise NotImplementedError

    def transformer(self, inputs):
        indices, resample, positions, text_embedding, word_weights, *past = inputs
        call = {"indices": indices, "resample": resample, "positions": positions}
        call |= {"text_embedding": text_embedding, "word_weights": word_weights}
        self.calls.append({name: value.copy() for name, value in call.items()})
        self.pasts.append(past)
        logits = self.logits(positions, text_embedding, word_weights)
        mark = (text_embedding[:, 0, 0] * word_weights.any(axis=1))[None, :, None, None, None]
        assert (past[0] == mark).all()  # each row is given its own past
        added = mark * np.ones((*past[0].shape[:3], len(positions), past[0].shape[4]), np.float32)
        keys = np.concatenate([past[0], added], axis=3)
        values = np.concatenate([past[1], -added], axis=3)
        self.returned.append((keys, values))
        return logits, self.returned[-1]

    def refiner(self, inputs):
        self.refiner_calls.append({k: v.copy() for k, v in inputs._asdict().items()})
        side = inputs.drawn.shape[-1]
        start = OFFSETS[SPEC.scales.index(side)]
        positions = np.arange(start, start + side * side)
        return self.logits(positions, inputs.text_embedding, inputs.word_weights)

    def logits(self, positions, text_embedding, word_weights):
        spoken = word_weights.any(axis=1)[:, None, None]
        worded = text_embedding[:, :1, :1] * self.with_words[positions]
        return np.where(spoken, worded, self.without_words[positions])

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        pass


def options(guidance_scale=1.0, temperature=1.0, top_k=0) -> SamplingOptions:
    return SamplingOptions(guidance_scale=guidance_scale, temperature=temperature, top_k=top_k)


def sample(runner=None, seed=7, on_scale=None, spec=SPEC, conditioning=PLAIN, **changed):
    runner = runner or FakeRunner()
    return sample_indices(runner, spec, conditioning, seed, options(**changed), on_scale)


def rows(*pulls: float) -> Conditioning:
    """A conditioning of several rows that the fake runner tells apart."""
    embedding = np.stack([EMBEDDING[0] * (row + 1) for row in range(len(pulls))])
    return Conditioning(embedding, np.repeat(WEIGHTS, len(pulls), axis=0), pulls)


def test_indices_are_codes_of_every_position():
    indices = sample()
    assert indices.shape == (1, SPEC.positions)
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < SPEC.codebook_size


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_the_same_seed_gives_the_same_indices_and_another_seed_others(guidance_scale):
    first = sample(seed=7, guidance_scale=guidance_scale)
    np.testing.assert_array_equal(first, sample(seed=7, guidance_scale=guidance_scale))
    assert (first != sample(seed=8, guidance_scale=guidance_scale)).any()


def test_temperature_zero_takes_the_likeliest_code_whatever_the_seed():
    expected = FakeRunner().with_words.argmax(-1)
    np.testing.assert_array_equal(sample(seed=7, temperature=0.0)[0], expected)
    np.testing.assert_array_equal(sample(seed=8, temperature=0.0)[0], expected)


def test_top_k_one_takes_the_likeliest_code_whatever_the_seed():
    expected = FakeRunner().with_words.argmax(-1)
    np.testing.assert_array_equal(sample(seed=7, top_k=1, temperature=10.0)[0], expected)
    np.testing.assert_array_equal(sample(seed=8, top_k=1, temperature=10.0)[0], expected)


def test_noise_is_that_of_the_seed_and_of_positions_counted_through_all_scales():
    noise = gumbel_noise(7, np.arange(SPEC.positions), SPEC.codebook_size)
    expected = (FakeRunner().with_words + np.float32(0.5) * noise).argmax(-1)
    np.testing.assert_array_equal(sample(seed=7, temperature=0.5)[0], expected)


@pytest.mark.parametrize("top_k", [2, 5, 31])
def test_top_k_draws_from_the_k_likeliest_codes_only(top_k):
    ranks = (-FakeRunner().with_words).argsort(-1)
    seen = set()
    for seed in range(20):
        chosen = sample(seed=seed, top_k=top_k, temperature=10.0)[0]
        seen |= set(np.argwhere(ranks == chosen[:, None])[:, 1].tolist())
    assert max(seen) < top_k
    assert len(seen) > 1


@pytest.mark.parametrize("top_k", [SPEC.codebook_size, SPEC.codebook_size + 1, 10**9])
def test_top_k_of_the_whole_codebook_or_more_is_all_codes(top_k):
    np.testing.assert_array_equal(sample(top_k=top_k), sample(top_k=0))


def test_guidance_one_sends_the_words_alone():
    runner = FakeRunner()
    sample(runner, guidance_scale=1.0)
    for call in runner.calls:
        np.testing.assert_array_equal(call["text_embedding"], EMBEDDING)
        np.testing.assert_array_equal(call["word_weights"], WEIGHTS)
        assert len(call["indices"]) == 1


def test_guidance_zero_sends_the_row_without_words_alone():
    runner = FakeRunner()
    sample(runner, guidance_scale=0.0)
    for call in runner.calls:
        np.testing.assert_array_equal(call["word_weights"], 0 * WEIGHTS)


@pytest.mark.parametrize("guidance_scale", [0.5, 3.0])
def test_any_other_guidance_sends_a_second_row_without_words(guidance_scale):
    runner = FakeRunner()
    sample(runner, guidance_scale=guidance_scale)
    for call in runner.calls:
        np.testing.assert_array_equal(call["text_embedding"], np.repeat(EMBEDDING, 2, axis=0))
        np.testing.assert_array_equal(call["word_weights"], [WEIGHTS[0], 0 * WEIGHTS[0]])
        np.testing.assert_array_equal(call["indices"][0], call["indices"][1])


def test_guidance_zero_ignores_the_words():
    chosen = sample(guidance_scale=0.0, temperature=0.0)[0]
    np.testing.assert_array_equal(chosen, FakeRunner().without_words.argmax(-1))


@pytest.mark.parametrize("guidance_scale", [0.5, 3.0, 30.0])
def test_guidance_goes_from_without_words_towards_and_past_with_words(guidance_scale):
    runner = FakeRunner()
    pull = runner.with_words - runner.without_words
    expected = (runner.without_words + np.float32(guidance_scale) * pull).argmax(-1)
    chosen = sample(guidance_scale=guidance_scale, temperature=0.0)[0]
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize("guidance_scale", [0.0, 0.5, 1.0])
def test_scale_factors_leave_guidance_up_to_one_alone(guidance_scale):
    spec = replace(SPEC, scale_guidance=(1.5, 0.5, 0.0))
    np.testing.assert_array_equal(
        sample(spec=spec, guidance_scale=guidance_scale), sample(guidance_scale=guidance_scale)
    )


def test_scale_factors_multiply_guidance_above_one():
    spec = replace(SPEC, scale_guidance=(1.5, 0.5, 0.0))
    chosen = sample(spec=spec, guidance_scale=5.0, temperature=0.0)[0]
    for scale, strength in enumerate([7.0, 3.0, 1.0]):
        part = slice(*OFFSETS[scale : scale + 2])
        same = sample(guidance_scale=strength, temperature=0.0)[0]
        np.testing.assert_array_equal(chosen[part], same[part])


def test_scale_factors_multiply_the_temperature():
    spec = replace(SPEC, scale_temperature=(2.0, 1.0, 0.0))
    chosen = sample(spec=spec, temperature=0.5)[0]
    for scale, temperature in enumerate([1.0, 0.5, 0.0]):
        part = slice(*OFFSETS[scale : scale + 2])
        np.testing.assert_array_equal(chosen[part], sample(temperature=temperature)[0][part])


def test_each_scale_shares_its_noise_over_its_own_radius():
    spec = replace(SPEC, scale_coherence=(0.0, 0.0, 1.0))
    shared, plain = sample(spec=spec)[0], sample()[0]
    fine = slice(OFFSETS[2], None)
    np.testing.assert_array_equal(shared[: OFFSETS[2]], plain[: OFFSETS[2]])
    runner, positions = FakeRunner(), np.arange(OFFSETS[2], OFFSETS[3])
    noise = coherent_noise(gumbel_noise(7, positions, SPEC.codebook_size), 1.0)
    expected = choose_indices(runner.with_words[fine], noise, 0)
    alone = sample(spec=spec, guidance_scale=1.0, temperature=1.0)[0]
    np.testing.assert_array_equal(alone[fine], expected)
    assert not np.array_equal(shared[fine], plain[fine])


@pytest.mark.parametrize(("guidance_scale", "batch"), [(1.0, 1), (3.0, 2)])
def test_the_past_starts_empty_and_is_handed_on(guidance_scale, batch):
    runner = FakeRunner()
    sample(runner, guidance_scale=guidance_scale)
    empty = (SPEC.layers, batch, SPEC.heads, 0, SPEC.head_dim)
    assert [array.shape for array in runner.pasts[0]] == [empty, empty]
    for past, returned in zip(runner.pasts[1:], runner.returned[:-1], strict=True):
        assert past[0] is returned[0]
        assert past[1] is returned[1]


def test_every_scale_sees_the_indices_drawn_before_it():
    runner = FakeRunner()
    drawn = sample(runner)
    offsets = scale_offsets(SPEC.scales)
    assert len(runner.calls) == len(SPEC.scales)
    for scale, call in enumerate(runner.calls):
        start, end = offsets[scale : scale + 2]
        assert call["positions"].tolist() == list(range(start, end))
        np.testing.assert_array_equal(call["resample"], context_matrix(SPEC.scales, scale))
        np.testing.assert_array_equal(
            call["indices"], drawn[:, :start] if start else np.zeros((1, 1))
        )


def test_progress_is_told_after_each_scale():
    done: list[int] = []
    sample(on_scale=done.append)
    assert done == [1, 2, 3]


# ---- rows of words


guidances = st.floats(0, 30)
SCALED = replace(SPEC, scale_guidance=(1.5, 0.5, 0.0))


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=4), guidances)
def test_the_factors_of_a_scale_sum_to_one(pulls, guidance_scale):
    factors = row_factors(SCALED, pulls, guidance_scale, [1] * len(pulls))
    assert factors.shape == (len(SPEC.scales), len(pulls) + 1)
    assert factors.dtype == np.float32
    np.testing.assert_allclose(factors.astype(np.float64).sum(1), 1, atol=1e-4)


@given(guidances)
def test_a_plain_prompt_goes_from_without_words_by_the_strength_of_the_scale(guidance_scale):
    factors = row_factors(SCALED, (1.0,), guidance_scale, (1,))
    for (words, nothing), factor in zip(factors, SCALED.scale_guidance, strict=True):
        strength = 1 + (guidance_scale - 1) * factor if guidance_scale > 1 else guidance_scale
        assert words == pytest.approx(strength, abs=1e-5)
        assert nothing == pytest.approx(1 - strength, abs=1e-5)


def test_guidance_one_needs_the_words_alone():
    assert row_factors(SPEC, (1.0,), 1.0, (1,)).tolist() == [[1, 0]] * 3
    assert row_factors(SPEC, (0.3, 0.7), 1.0, (1, 2))[:, -1].tolist() == [
        0,
        0,
        0,
    ]  # however it rounds


def test_more_words_get_more_of_the_guidance():
    spec = replace(SPEC, guidance_by_words=(0.5, 0.75, 1.0))
    strengths = [row_factors(spec, (1.0,), 3.0, (words,))[0, 0] for words in (1, 2, 3, 8)]
    assert strengths == [2.0, 2.5, 3.0, 3.0]
    for words in (1, 2, 3):  # at 1 it is the model's own strength, below it a share of that
        assert row_factors(spec, (1.0,), 1.0, (words,)).tolist() == [[1, 0]] * 3
        assert row_factors(spec, (1.0,), 0.5, (words,))[0].tolist() == [0.5, 0.5]
        assert row_factors(spec, (-1.0,), 3.0, (words,)).tolist() == [[-2, 3]] * 3
    both = row_factors(spec, (1.0, 0.5), 3.0, (3, 1))  # each row by its own words
    assert both.tolist() == [[3, 1, -3]] * 3


def test_steering_away_is_guidance_alone():
    assert row_factors(SPEC, (-1.0,), 3.0, (1,)).tolist() == [[-2, 3]] * 3
    assert row_factors(SPEC, (1.0, -0.5), 3.0, (1, 1)).tolist() == [[3, -1, -1]] * 3
    for guidance_scale in (0.0, 0.5, 1.0):
        assert row_factors(SPEC, (-1.0,), guidance_scale, (1,)).tolist() == [[0, 1]] * 3


@pytest.mark.parametrize("pulls", [(1.0,), (2.5,), (-1.0,), (1.0, -1.0), (0.3, 0.7), (0.0, 1.0)])
def test_logits_are_mixed_by_the_factors(pulls):
    runner = FakeRunner()
    nothing = runner.without_words
    expected = nothing.copy()
    for row, pull in enumerate(pulls, start=1):
        strength = 3.0 if pull > 0 else 2.0
        expected += strength * pull * (row * runner.with_words - nothing)
    chosen = sample(runner, conditioning=rows(*pulls), guidance_scale=3.0, temperature=0.0)[0]
    np.testing.assert_array_equal(chosen, expected.argmax(-1))


@pytest.mark.parametrize(
    "spec",
    [
        SCALED,
        replace(SCALED, refiner_passes=2),
        replace(SCALED, refiner_passes=2, refiner_redraws=(2,)),
    ],
)
@pytest.mark.parametrize("guidance_scale", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("pulls", [(1.0,), (-1.0,), (1.0, -1.0), (0.5, 0.5), (1.0, 0.0, -2.0)])
def test_leaving_out_unused_rows_gives_the_same_indices(monkeypatch, spec, guidance_scale, pulls):
    arguments = {"spec": spec, "conditioning": rows(*pulls), "guidance_scale": guidance_scale}
    chosen = sample(**arguments)
    monkeypatch.setattr(sampler._Rows, "drop_unused", lambda *_: None)
    np.testing.assert_array_equal(sample(**arguments), chosen)


def test_a_row_is_computed_up_to_the_last_scale_that_makes_use_of_it():
    runner = FakeRunner()
    spec = replace(SPEC, scale_guidance=(1.0, 0.0, 0.0))
    sample(runner, spec=spec, conditioning=rows(1.0, -0.5), guidance_scale=3.0)
    assert [len(call["word_weights"]) for call in runner.calls] == [3, 1, 1]
    runner = FakeRunner()
    spec = replace(SPEC, scale_guidance=(0.0, 1.0, 0.0))  # unused at first, wanted later
    sample(runner, spec=spec, guidance_scale=3.0)
    assert [len(call["word_weights"]) for call in runner.calls] == [2, 2, 1]


# ---- passes of the refiner


def test_the_refiner_draws_the_finest_scale_and_the_transformer_the_others():
    runner = FakeRunner()
    drawn = sample(runner, spec=REFINED)
    assert drawn.shape == (1, SPEC.positions)
    assert [len(call["positions"]) for call in runner.calls] == [1, 4]
    assert len(runner.refiner_calls) == 2
    for call in runner.refiner_calls:
        np.testing.assert_array_equal(call["indices"], drawn[:, : FINEST.start])
    np.testing.assert_array_equal(drawn, sample())  # the logits, and so the noise, are the same


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_every_pass_sees_what_the_passes_before_it_drew(passes):
    runner = FakeRunner()
    drawn = sample(runner, spec=replace(SPEC, refiner_passes=passes))[:, FINEST]
    pass_of = refiner_pass_of(SPEC.scales[-1], passes)
    assert len(runner.refiner_calls) == passes
    for number, call in enumerate(runner.refiner_calls):
        seen = call["drawn"].reshape(1, -1)
        np.testing.assert_array_equal(seen, np.where(pass_of < number, drawn, -1))


def test_the_refiner_draws_as_many_of_the_finest_scales_as_the_spec_says():
    runner = FakeRunner()
    spec = replace(REFINED, refiner_scales=2, refiner_redraws=(1, 1))
    drawn = sample(runner, spec=spec)
    assert [len(call["positions"]) for call in runner.calls] == [1]
    assert [call["drawn"].shape for call in runner.refiner_calls] == 3 * [(1, 2, 2)] + 3 * [
        (1, 4, 4)
    ]
    for number, call in enumerate(runner.refiner_calls):
        scale = 1 + number // 3
        np.testing.assert_array_equal(call["scale"], [scale - 1])
        np.testing.assert_array_equal(call["resample"], axis_matrices(SPEC.scales, scale))
        coarser = slice(0, OFFSETS[scale])
        assert call["indices"].shape == (1, OFFSETS[2])
        np.testing.assert_array_equal(call["indices"][:, coarser], drawn[:, coarser])
    np.testing.assert_array_equal(drawn, sample())  # the logits, and so the noise, are the same


def test_each_of_the_refiner_s_scales_has_its_own_guidance():
    runner = FakeRunner()
    spec = replace(REFINED, refiner_scales=2, refiner_redraws=(), scale_guidance=(1.0, 1.0, 0.0))
    sample(runner, spec=spec, guidance_scale=3.0)
    assert [len(call["drawn"]) for call in runner.refiner_calls] == [2, 2, 1, 1]


@pytest.mark.parametrize(("passes", "redraws"), [(2, 1), (2, 2), (2, 5), (4, 3)])
def test_a_part_is_drawn_anew_with_all_others_in_view(passes, redraws):
    runner = FakeRunner()
    spec = replace(SPEC, refiner_passes=passes, refiner_redraws=(redraws,))
    sample(runner, spec=spec)
    pass_of = refiner_pass_of(SPEC.scales[-1], passes)
    shown = [call["drawn"].ravel() >= 0 for call in runner.refiner_calls]
    assert len(shown) == passes + redraws
    for number, seen in enumerate(shown[passes:]):
        np.testing.assert_array_equal(seen, pass_of != number % passes)


@pytest.mark.parametrize("pulls", [(1.0,), (0.5,), (-1.0,), (0.3, 0.7), (1.0, -1.0)])
@pytest.mark.parametrize("guidance_scale", [0.0, 0.5, 1.0, 3.0])
def test_passes_of_which_nothing_stays_are_not_guided(pulls, guidance_scale):
    spec = replace(SPEC, refiner_passes=2, refiner_redraws=(2,))
    runner, plain = FakeRunner(), FakeRunner()
    given = {"conditioning": rows(*pulls), "temperature": 0.0}
    sample(runner, spec=spec, guidance_scale=guidance_scale, **given)
    sample(plain, spec=spec, guidance_scale=min(guidance_scale, 1.0), **given)
    wanted = [pull for pull in pulls if pull > 0]
    needed = (len(wanted) if guidance_scale else 0) + (min(guidance_scale, 1) * sum(wanted) != 1)
    batches = [len(call["drawn"]) for call in runner.refiner_calls]
    assert batches[:2] == [needed] * 2
    # what the first pass drew, which the second sees, is what it draws without guidance
    seen = [own.refiner_calls[1]["drawn"][0] for own in (runner, plain)]
    np.testing.assert_array_equal(*seen)


def test_the_last_draw_of_a_position_counts():
    class Wavering(FakeRunner):
        def refiner(self, inputs):
            logits = super().refiner(inputs)
            logits[..., len(self.refiner_calls)] += 100  # each run has a code of its own
            return logits

    spec = replace(SPEC, refiner_passes=2, refiner_redraws=(1,))
    drawn = sample(Wavering(), spec=spec)[0, FINEST]
    pass_of = refiner_pass_of(SPEC.scales[-1], 2)
    np.testing.assert_array_equal(drawn, np.where(pass_of == 0, 3, 2))


def test_drawing_anew_has_the_noise_of_the_first_time():
    class Blind(FakeRunner):
        def refiner(self, inputs):
            return np.zeros_like(super().refiner(inputs))

    once, anew = (
        sample(Blind(), spec=replace(SPEC, refiner_passes=2, refiner_redraws=(redraws,)))
        for redraws in (0, 2)
    )
    np.testing.assert_array_equal(once, anew)


@pytest.mark.parametrize(("guidance_scale", "batch"), [(0.0, 1), (1.0, 1), (3.0, 2)])
def test_the_refiner_is_given_the_rows_that_the_guidance_needs(guidance_scale, batch):
    runner = FakeRunner()
    sample(runner, spec=REFINED, guidance_scale=guidance_scale)
    for call in runner.refiner_calls:
        rows = [len(value) for name, value in call.items() if name not in ("resample", "scale")]
        assert set(rows) == {batch}


def test_the_factors_of_the_finest_scale_are_the_refiners():
    spec = replace(REFINED, scale_guidance=(1.0, 1.0, 0.5), scale_temperature=(1.0, 1.0, 0.25))
    drawn = sample(spec=spec, guidance_scale=5.0)[0, FINEST]
    same = sample(spec=REFINED, guidance_scale=3.0, temperature=0.25)[0, FINEST]
    np.testing.assert_array_equal(drawn, same)


def test_progress_with_a_refiner_counts_scales_not_passes():
    done: list[int] = []
    sample(spec=REFINED, on_scale=done.append)
    assert done == [1, 2, 3]


# ---- options


@given(st.integers(0, 2**32 - 1), st.integers(0, 10), st.floats(0, 10, width=32))
def test_what_is_chosen_has_the_most_logit_plus_noise_among_the_k_likeliest(seed, top_k, heat):
    rng = np.random.default_rng(seed)
    logits, noise = rng.normal(size=(2, 5, 8)).astype(np.float32)
    noise *= np.float32(heat)
    chosen = choose_indices(logits, noise, top_k)
    for row in range(5):
        likeliest = np.argsort(-logits[row])[: top_k or None]
        scores = logits[row] + noise[row]
        assert chosen[row] == likeliest[scores[likeliest].argmax()]


@pytest.mark.parametrize(
    ("guidance_scale", "temperature", "top_k"), [(0, 0, 0), (30, 10, 10**6), (1.5, 0.7, 1)]
)
def test_options_in_range_are_accepted(guidance_scale, temperature, top_k):
    accepted = options(guidance_scale, temperature, top_k)
    assert (accepted.guidance_scale, accepted.top_k) == (guidance_scale, top_k)


NO_NUMBERS = [math.nan, math.inf, -math.inf, -0.001, 10**400, "1", None, True]


@pytest.mark.parametrize("value", [*NO_NUMBERS, 30.001])
def test_a_guidance_scale_out_of_range_is_an_error(value):
    with pytest.raises(OptionError, match=r"guidance scale is .*; expected a number from 0 to 30"):
        options(guidance_scale=value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 10.001])
def test_a_temperature_out_of_range_is_an_error(value):
    with pytest.raises(OptionError, match=r"temperature is .*; expected a number from 0 to 10"):
        options(temperature=value)


@pytest.mark.parametrize("value", [-1, 1.0, math.nan, "1", None, True])
def test_a_top_k_that_is_no_whole_number_is_an_error(value):
    with pytest.raises(OptionError, match=r"top-k is .*; expected a whole number"):
        options(top_k=value)
