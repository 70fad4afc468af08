from dataclasses import replace

import numpy as np
import pytest

from export.torch_runner import TorchRunner
from t2a_edge.drawing import Travel
from t2a_edge.errors import OptionError
from t2a_edge.fields import chosen_forms, field_of, stretched, windows_of
from t2a_edge.form import evened
from t2a_edge.layout import (
    CHUNK,
    MOST_HALVES,
    Layout,
    latent_numbers,
    merged,
    window_cells,
    window_weights,
)
from t2a_edge.morph import form_between
from t2a_edge.noise import OF_CHOICE, OF_LATENTS, normal_noise
from t2a_edge.sampler import composed, decoded, draw_indices, paint_steps, previews
from t2a_edge.seeds import MAX_SEED
from tests.fake_runner import PLACES, SPEC, FakeRunner, drawing_of, options
from tests.tiny import tiny_spec
from tests.tiny_model import picture, tiny_model

PLAIN, WIDE, TALL = Layout(), Layout(2, 5), Layout(4, 3)
TILE, TILES = Layout(2, 2, wrap=True), Layout(3, 4, wrap=True)
TINY = tiny_spec()


@pytest.fixture
def fake():
    return FakeRunner()


@pytest.fixture(scope="module")
def runner():
    with TorchRunner(tiny_model()) as opened:
        yield opened


def finished(runner, spec, drawing, layout=PLAIN):
    """The last latents of a drawing, (n, D)."""
    *_, last = paint_steps(runner, spec, [drawing], layout)
    return last[0].copy()


# ---- options


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("guidance_scale", 8.01, "The guidance scale is 8.01; expected a number from 0 to 8"),
        ("guidance_scale", -1, "The guidance scale"),
        ("guidance_scale", float("nan"), "The guidance scale is nan"),
        ("guidance_scale", "3", "The guidance scale is '3'"),
        ("guidance_scale", None, "The guidance scale is None"),
        ("steps", 0, "The number of steps is 0; expected a whole number from 1 to 64"),
        ("steps", 65, "The number of steps"),
        ("steps", 4.0, "The number of steps"),
        ("steps", True, "The number of steps"),
        ("form_strength", 1.1, "The form strength is 1.1; expected a number from 0 to 1"),
        ("form_strength", -0.1, "The form strength"),
        ("temperature", 11, "The temperature is 11; expected a number from 0 to 10"),
        ("temperature", -1, "The temperature"),
    ],
)
def test_an_option_out_of_range_is_an_error(name, value, told):
    with pytest.raises(OptionError, match=told):
        options(**{name: value})


def test_options_are_plain_numbers():
    found = options(guidance_scale=np.float32(2), steps=np.int64(3), form_strength=np.float64(0.5))
    assert (type(found.guidance_scale), type(found.steps)) == (float, int)
    assert type(found.form_strength) is float


# ---- one picture


@pytest.mark.parametrize("steps", [1, 3, 8])
def test_each_step_goes_one_part_of_the_way_that_is_left(fake, steps):
    drawing = drawing_of(fake, SPEC, "warm", steps=steps)
    drawn = [latents[0].copy() for latents in paint_steps(fake, SPEC, [drawing])]
    x = normal_noise(7, OF_LATENTS + np.arange(PLACES), SPEC.depth)
    other = FakeRunner()
    for k, inputs, shown in zip(range(steps, 0, -1), fake.painted, drawn, strict=True):
        assert inputs.level.tolist() == [np.float32(k / steps)]
        np.testing.assert_array_equal(inputs.latents[0], x)
        clean = other.painter(inputs)[0]
        difference = np.subtract(clean, x, dtype=np.float32)
        part = np.multiply(difference, np.float32(1 / k), dtype=np.float32)
        x = np.add(x, part, dtype=np.float32)
        np.testing.assert_array_equal(shown, x if k == 1 else clean)


def test_the_engines_are_told_what_was_asked_for(fake):
    drawing = drawing_of(fake, SPEC, "warm:2 -busy", guidance_scale=3.5, form_strength=0.75)
    list(paint_steps(fake, SPEC, [drawing]))
    assert len(fake.painted) == 4
    for inputs in fake.painted:
        assert inputs.guidance.tolist() == [3.5]
        assert inputs.form_level.tolist() == [0.25]
        assert inputs.word_weights.tolist() == [[2, -1, 0, 0]]
        assert {part.dtype for part in inputs} == {np.dtype(np.float32)}
    (chosen,) = fake.chosen
    assert chosen.word_weights.tolist() == [[2, -1, 0, 0]]
    assert (chosen.noise.dtype, chosen.crop.dtype) == (np.float32, np.int64)
    assert chosen.crop.tolist() == [[11, 14]]  # tests/vectors/normals.json


@pytest.mark.parametrize("temperature", [0, 0.5, 2.0])
def test_the_temperature_is_a_factor_on_the_noise_of_the_choice(fake, temperature):
    list(paint_steps(fake, SPEC, [drawing_of(fake, SPEC, "warm", temperature=temperature)]))
    list(paint_steps(fake, SPEC, [drawing_of(fake, SPEC, "warm", temperature=1)]))
    found, plain = (inputs.noise for inputs in fake.chosen)
    np.testing.assert_array_equal(found, plain * np.float32(temperature))


@pytest.mark.parametrize("seed", [0, 7, MAX_SEED])
def test_a_seed_names_a_picture(runner, seed):
    first, again, other = (
        draw_indices(runner, TINY, [drawing_of(runner, TINY, "warm", own)])
        for own in (seed, seed, (seed + 1) % MAX_SEED)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first.shape, first.dtype) == ((1, TINY.positions), np.int64)


def test_nothing_to_draw_is_no_picture(fake):
    assert draw_indices(fake, SPEC, []).shape == (0, SPEC.positions)
    assert list(previews(fake, SPEC, [])) == []


# ---- previews


@pytest.mark.parametrize("layout", [PLAIN, WIDE, TILES], ids=str)
def test_previews_end_with_the_picture(runner, layout):
    drawing, told = drawing_of(runner, TINY, "warm dark", steps=5), []
    shown = list(previews(runner, TINY, [drawing], layout))
    picture = draw_indices(runner, TINY, [drawing], layout, told.append)
    assert len(shown) == 5
    assert told == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(shown[-1], picture)
    assert len({indices.tobytes() for indices in shown}) == 5


def test_a_stream_may_end_early(fake):
    steps = paint_steps(fake, SPEC, [drawing_of(fake, SPEC, "warm", steps=8)])
    next(steps)
    steps.close()
    assert len(fake.painted) == 1


# ---- batches


def various(runner, spec):
    """Drawings that differ in all that they may."""
    form = field_of(picture(64, 64), PLAIN)
    many = "a1 b1 c1 d1 e1 f1 g1"
    return [
        drawing_of(runner, spec, "warm dark", 7),
        drawing_of(runner, spec, "cool -busy:2", 8, steps=2),
        drawing_of(runner, spec, "warm", 9, blend="cool pale", amount=0.3, guidance_scale=1.0),
        drawing_of(runner, spec, many, 7, blend=many.upper() + " h1", steps=6),
        drawing_of(runner, spec, "pale", 3, form=form, form_strength=0.5),
        drawing_of(runner, spec, "warm dark", 7, temperature=0, steps=1),
    ]


@pytest.mark.parametrize("layout", [PLAIN, Layout(2, 3), TILE], ids=str)
def test_a_picture_is_the_same_alone_and_in_a_batch(runner, layout):
    drawings = [each for each in various(runner, TINY) if layout == PLAIN or each.form is None]
    together = draw_indices(runner, TINY, drawings, layout)
    for drawing, drawn in zip(drawings, together, strict=True):
        np.testing.assert_array_equal(draw_indices(runner, TINY, [drawing], layout)[0], drawn)
    assert len({drawn.tobytes() for drawn in together}) == len(drawings)


def test_a_finished_picture_stays_while_others_are_drawn(runner):
    drawings = [drawing_of(runner, TINY, "warm", steps=steps) for steps in (2, 5)]
    seen = [latents.copy() for latents in paint_steps(runner, TINY, drawings)]
    assert len(seen) == 5
    for later in seen[2:]:
        np.testing.assert_array_equal(later[0], seen[1][0])
    np.testing.assert_array_equal(seen[-1][0], finished(runner, TINY, drawings[0]))
    np.testing.assert_array_equal(seen[-1][1], finished(runner, TINY, drawings[1]))


def test_engines_are_given_some_windows_at_a_time(fake):
    drawings = [drawing_of(fake, SPEC, "warm", seed) for seed in range(2 * CHUNK + 1)]
    draw_indices(fake, SPEC, drawings)
    assert [len(inputs.level) for inputs in fake.painted] == [CHUNK, CHUNK, 1] * 4
    assert [len(inputs.crop) for inputs in fake.chosen] == [CHUNK, CHUNK, 1]


# ---- words


def test_the_order_of_words_hardly_matters(runner):
    one, other = (
        drawing_of(runner, TINY, prompt) for prompt in ("warm dark -busy", "-busy dark warm")
    )
    np.testing.assert_array_equal(*chosen_forms(runner, TINY, [one, other]))
    apart = finished(runner, TINY, one) - finished(runner, TINY, other)
    assert np.abs(apart).max() < 1e-4


def test_a_word_of_weight_0_does_nothing(runner):
    np.testing.assert_array_equal(
        finished(runner, TINY, drawing_of(runner, TINY, "warm dark cool:0")),
        finished(runner, TINY, drawing_of(runner, TINY, "warm dark")),
    )


def test_prompts_of_weight_0_are_all_alike(runner):
    first, second = (
        finished(runner, TINY, drawing_of(runner, TINY, prompt))
        for prompt in ("warm:0", "cool:0 dark:0")
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - finished(runner, TINY, drawing_of(runner, TINY, "warm"))).max() > 0.1


def test_words_weights_signs_and_guidance_change_the_picture(runner):
    drawings = [
        drawing_of(runner, TINY, prompt, guidance_scale=guidance)
        for prompt, guidance in (
            ("warm dark", 2.5), ("warm dark:2", 2.5), ("warm -dark", 2.5), ("warm", 2.5),
            ("warm dark", 1.0), ("warm pale", 2.5),
        )
    ]  # fmt: skip
    drawn = draw_indices(runner, TINY, drawings)
    assert len({indices.tobytes() for indices in drawn}) == len(drawings)


def test_a_weight_fades_to_nothing(runner):
    plain = finished(runner, TINY, drawing_of(runner, TINY, "warm"))
    apart = [
        np.abs(
            finished(runner, TINY, drawing_of(runner, TINY, f"warm cool:{weight}")) - plain
        ).max()
        for weight in (0.001, 0.00001)
    ]
    assert apart[1] < apart[0] < 0.1


# ---- blends


def test_a_blend_of_nothing_is_the_first_prompt(runner):
    np.testing.assert_array_equal(
        finished(runner, TINY, drawing_of(runner, TINY, "warm -busy", blend="cool", amount=0)),
        finished(runner, TINY, drawing_of(runner, TINY, "warm -busy")),
    )


def test_the_form_of_a_blend_lies_between_those_of_its_prompts(runner):
    drawings = [
        drawing_of(runner, TINY, "warm", blend="-warm", amount=amount, temperature=0)
        for amount in (0, 0.001, 0.3, 0.7, 0.999, 1)
    ]
    drawings.append(drawing_of(runner, TINY, "-warm", temperature=0))
    *forms, second = chosen_forms(runner, TINY, drawings)
    first, last = forms[0], forms[-1]
    np.testing.assert_array_equal(last, second)
    assert (first != second).any()  # it can fail
    for share, form in zip((0.3, 0.7), forms[2:4], strict=True):
        np.testing.assert_array_equal(form, form_between(first, second, share))
    for near, end in ((forms[1], first), (forms[4], last)):
        assert 0 < np.abs(near - end).mean() < 0.02 * np.abs(first - last).mean()


def test_a_travelling_drawing_is_that_of_its_seeds_at_either_end(runner):
    plain = [drawing_of(runner, TINY, "warm", seed, form_strength=0.5) for seed in (7, 8)]
    ends = [
        replace(plain[0], travel=Travel(8, share, weights))
        for share, weights in ((0.0, (1.0, 0.0, 0.0)), (1.0, (0.0, 1.0, 0.0)))
    ]
    for end, drawing in zip(ends, plain, strict=True):
        np.testing.assert_array_equal(finished(runner, TINY, end), finished(runner, TINY, drawing))
    middle = replace(plain[0], travel=Travel(8, 0.5, (0.6, 0.64, -0.48)))
    found = finished(runner, TINY, middle)
    for drawing in plain:
        assert np.abs(found - finished(runner, TINY, drawing)).max() > 0.01


def test_the_noise_of_a_travelling_drawing_stays_standard_normal(runner):
    numbers = np.arange(4096)
    drawing = replace(drawing_of(runner, TINY, "warm"), travel=Travel(8, 0.5, (0.6, 0.64, -0.48)))
    noise = drawing.noise(lambda seed, offset: normal_noise(seed, numbers + offset, 16))
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert noise.dtype == np.float32


def test_a_blend_goes_smoothly_from_one_prompt_to_the_other(runner):
    amounts = np.linspace(0, 1, 41)
    way = np.stack(
        [
            finished(runner, TINY, drawing_of(runner, TINY, "warm", blend="cool", amount=amount))
            for amount in amounts.tolist()
        ]
    )
    steps = np.sqrt(np.square(np.diff(way, axis=0)).mean((1, 2)))
    whole = np.sqrt(np.square(way[-1] - way[0]).mean())
    assert whole > 0.05
    assert steps.max() < 0.25 * max(whole, steps.sum())


# ---- forms


def test_a_given_form_takes_the_place_of_a_chosen_one(fake):
    form = field_of(picture(32, 32), PLAIN)
    drawing = drawing_of(fake, SPEC, "warm", form=form)
    list(paint_steps(fake, SPEC, [drawing]))
    assert not fake.chosen
    for inputs in fake.painted:
        np.testing.assert_array_equal(inputs.form[0], form)


def test_another_form_is_another_picture_unless_it_has_no_strength(runner):
    forms = [field_of(picture(64, 64, seed), PLAIN) for seed in (1, 2)]
    for strength, differ in ((1.0, True), (0.3, True), (0.0, False)):
        one, other = (
            finished(runner, TINY, drawing_of(runner, TINY, "warm", form=f, form_strength=strength))
            for f in forms
        )
        assert (one != other).any() == differ


# ---- windows


@pytest.mark.parametrize("layout", [PLAIN, WIDE, TALL, TILES], ids=str)
@pytest.mark.parametrize("side", [2, 8])
def test_numbers_of_positions_are_those_of_the_specification(layout, side):
    height, width = layout.grid(side)
    numbers = latent_numbers(layout, side).reshape(height, width)
    for y in range(height):
        for x in range(width):
            tile = y // side * 64 + x // side
            assert numbers[y, x] == 2**20 + tile * side**2 + y % side * side + x % side
    assert len(np.unique(numbers)) == numbers.size
    inside = numbers[:side, :side].ravel()
    np.testing.assert_array_equal(inside, latent_numbers(PLAIN, side))


def test_the_largest_picture_takes_no_number_of_another_stream():
    assert latent_numbers(Layout(MOST_HALVES, MOST_HALVES), 8).max() < OF_CHOICE


@pytest.mark.parametrize("layout", [WIDE, TALL, TILE, TILES], ids=str)
def test_overlapping_windows_share_their_predictions_at_each_step(fake, layout):
    drawing = drawing_of(fake, SPEC, "warm", steps=3)
    drawn = [latents[0].copy() for latents in paint_steps(fake, SPEC, [drawing], layout)]
    other, shares = FakeRunner(), window_weights(SPEC.side)[:, None]
    x = normal_noise(7, latent_numbers(layout, SPEC.side), SPEC.depth)
    calls = iter(fake.painted)
    for k, shown in zip((3, 2, 1), drawn, strict=True):
        total, weight = np.zeros_like(x), np.zeros_like(x[:, :1])
        windows = iter(layout.windows)
        for _ in range(0, len(layout.windows), CHUNK):
            inputs = next(calls)
            for latents, clean in zip(inputs.latents, other.painter(inputs), strict=True):
                here = window_cells(layout, SPEC.side, next(windows))
                np.testing.assert_array_equal(latents, x[here])
                total[here] += shares * clean
                weight[here] += shares
        clean = total / weight
        x = x + (clean - x) * np.float32(1 / k)
        np.testing.assert_allclose(shown, x if k == 1 else clean, atol=1e-6)


@pytest.mark.parametrize("layout", [PLAIN, WIDE, TALL, TILE, TILES], ids=str)
def test_windows_that_agree_keep_what_they_agree_on(layout):
    height, width = layout.grid(SPEC.side)
    whole = np.random.default_rng(1).normal(size=(height * width, SPEC.depth)).astype(np.float32)
    parts = {
        number: whole[window_cells(layout, SPEC.side, window)]
        for number, window in enumerate(layout.windows)
    }
    np.testing.assert_allclose(merged(SPEC, layout, parts), whole, atol=1e-6)


def test_each_window_sees_its_part_of_a_stretched_form_evened(fake):
    drawing = drawing_of(fake, SPEC, "warm", steps=1)
    (chosen,) = chosen_forms(fake, SPEC, [drawing])
    list(paint_steps(fake, SPEC, [drawing], TALL))
    expected = evened(windows_of(stretched(chosen, TALL), TALL))
    found = np.concatenate([inputs.form for inputs in fake.painted])
    np.testing.assert_array_equal(found, expected)
    assert len(found) == 6


def test_a_tile_looks_the_same_from_each_of_its_windows(fake):
    """What a painter says of a place in its window counts alike wherever the window lies."""

    class Ramps(FakeRunner):
        def painter(self, inputs):
            ramp = np.arange(PLACES * SPEC.depth, dtype=np.float32).reshape(PLACES, SPEC.depth)
            return np.repeat(ramp[None], len(inputs.level), axis=0)

    def grid(layout):
        latents = finished(Ramps(), SPEC, drawing_of(fake, SPEC, "warm", steps=1), layout)
        return latents.reshape(*layout.grid(SPEC.side), SPEC.depth)

    tile, apart = grid(Layout(4, 4, wrap=True)), grid(Layout(4, 4))
    np.testing.assert_allclose(np.roll(tile, 1, axis=0), tile, atol=1e-5)
    np.testing.assert_allclose(np.roll(tile, 1, axis=1), tile, atol=1e-5)
    assert np.abs(np.roll(apart, 1, axis=0) - apart).max() > 1  # it can fail


# ---- indices and pixels


@pytest.mark.parametrize("layout", [PLAIN, WIDE, TILES], ids=str)
def test_each_window_has_indices_of_its_own(fake, layout):
    drawing = drawing_of(fake, SPEC, "warm")
    latents = finished(fake, SPEC, drawing, layout)
    indices = composed(fake, SPEC, [drawing], latents[None], layout)
    assert indices.shape == (1, len(layout.windows) * SPEC.positions)
    for window, own in zip(layout.windows, indices.reshape(-1, SPEC.positions), strict=True):
        cut = latents[window_cells(layout, SPEC.side, window)]
        np.testing.assert_array_equal(own, fake.composer(cut[None])[0])


def test_one_window_is_decoded_as_it_is(fake):
    indices = np.random.default_rng(1).integers(0, 32, (CHUNK + 3, SPEC.positions))
    np.testing.assert_array_equal(decoded(fake, SPEC, indices), fake.decoder(indices))


@pytest.mark.parametrize("layout", [WIDE, TALL, TILE, TILES], ids=str)
def test_windows_are_blended_without_a_seam(fake, layout):
    indices = np.zeros((2, len(layout.windows), SPEC.positions), dtype=np.int64)
    indices[1] = 20
    pictures = decoded(fake, SPEC, indices.reshape(2, -1), layout)
    assert pictures.shape == (2, *layout.grid(32), 3)
    assert pictures.dtype == np.uint8
    assert (pictures[0] == 0).all()
    assert (pictures[1] == 160).all()


def test_pixels_run_from_one_window_to_the_next(fake):
    layout = Layout(2, 3)
    indices = np.zeros((2, SPEC.positions), dtype=np.int64)
    indices[1] = 25
    lines = decoded(fake, SPEC, indices.reshape(1, -1), layout)[0, :, :, 0].astype(int)
    assert (lines[:, :16] == 0).all()
    assert (lines[:, 32:] == 200).all()
    steps = np.diff(lines[:, 15:33], axis=1)
    assert (steps >= 0).all()
    assert steps.max() < 30


def test_pixels_of_a_tile_run_across_its_edges(fake):
    indices = np.repeat([[0], [10], [20], [31]], SPEC.positions, axis=1)  # each window is plain
    tile = decoded(fake, SPEC, indices.reshape(1, -1), TILE)[0].astype(int)
    assert np.ptp(tile) > 100
    for lines in (tile, tile.transpose(1, 0, 2)):
        across = np.abs(lines[0] - lines[-1]).max()
        assert across <= np.abs(np.diff(lines, axis=0)).max() < 30
