"""Variations, masks and room around a picture, of the generator that decides all at once."""

from dataclasses import replace

import numpy as np
import pytest

from export.torch_runner import TorchRunner
from t2a_edge.edit import encoded, extended, extended_layout, masked, varied
from t2a_edge.errors import ImageError, OptionError
from t2a_edge.fields import field_of
from t2a_edge.form import SIDE
from t2a_edge.layout import Layout, latent_numbers, window_cells
from t2a_edge.noise import normal_noise
from t2a_edge.sampler import decoded, draw_indices, paint_steps, previews
from tests.fake_runner import SPEC, FakeRunner, drawing_of
from tests.tiny import tiny_spec
from tests.tiny_model import picture, tiny_model

PLAIN, WIDE, TILE = Layout(), Layout(2, 4), Layout(2, 2, wrap=True)
LAYOUTS = [PLAIN, WIDE, Layout(3, 3), TILE]
TINY = tiny_spec()
SIZE, HALF, CELL = 32, 16, 4


@pytest.fixture(scope="module")
def runner():
    with TorchRunner(tiny_model()) as opened:
        yield opened


class Old:
    """A picture that is there."""

    def __init__(self, runner, spec, layout=PLAIN, seed=7, prompt="warm dark"):
        self.runner, self.spec, self.layout = runner, spec, layout
        drawing = drawing_of(runner, spec, prompt, seed)
        self.indices = draw_indices(runner, spec, [drawing], layout)[0]
        self.pixels = decoded(runner, spec, self.indices[None], layout)[0]
        self.given = encoded(runner, spec, self.indices, layout)
        self.crop = (0, 0, self.pixels.shape[1], self.pixels.shape[0])

    def varied(self, strength):
        return varied(self.given, self.layout, self.pixels, strength)

    def masked(self, mask):
        return masked(self.spec, self.given, self.layout, self.pixels, self.crop, mask)

    def mask(self, left, top, right, bottom):
        mask = np.zeros(self.pixels.shape[:2], dtype=bool)
        mask[top:bottom, left:right] = True
        return mask

    def drawn(self, given, seed=5, layout=None, **changed):
        drawing = drawing_of(self.runner, self.spec, "cool", seed, given=given, **changed)
        return draw_indices(self.runner, self.spec, [drawing], layout or self.layout)[0]

    def latents(self, given, seed=5, layout=None, **changed):
        drawing = drawing_of(self.runner, self.spec, "cool", seed, given=given, **changed)
        walked = paint_steps(self.runner, self.spec, [drawing], layout or self.layout)
        return [latents[0].copy() for latents in walked]


# ---- encoding


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_the_latents_of_a_picture_are_those_of_its_windows(layout):
    fake = FakeRunner()
    height, width = layout.grid(SPEC.side)
    whole = np.random.default_rng(1).integers(-8, 9, (height * width, SPEC.depth))
    whole = (whole * 0.25).astype(np.float32)
    windows = np.stack([whole[window_cells(layout, SPEC.side, w)] for w in layout.windows])
    given = encoded(fake, SPEC, fake.composer(windows).ravel(), layout)
    np.testing.assert_allclose(given.latents, whole, atol=1e-5)
    assert given.stays.all()
    assert given.indices.shape == (len(layout.windows), SPEC.positions)


# ---- variations


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_variation_of_strength_0_is_the_picture(layout):
    fake = FakeRunner()
    old = Old(fake, SPEC, layout)
    fake.painted.clear()
    fake.composed = 0
    np.testing.assert_array_equal(old.drawn(old.varied(0)), old.indices)
    assert not fake.painted
    assert fake.composed == 0


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75, 1.0])
def test_a_variation_starts_from_a_share_of_noise(strength):
    fake = FakeRunner()
    old = Old(fake, SPEC)
    given = old.varied(strength)
    fake.painted.clear()
    fake.chosen.clear()
    old.latents(given, seed=5, steps=5)
    share = np.float32(strength)
    noise = normal_noise(5, latent_numbers(PLAIN, SPEC.side), SPEC.depth)
    start = (np.float32(1) - share) * given.latents + share * noise
    np.testing.assert_array_equal(fake.painted[0].latents[0], start)
    for k, inputs in zip(range(5, 0, -1), fake.painted, strict=True):
        assert inputs.level.tolist() == [np.float32(strength * k / 5)]
        assert inputs.form_level.tolist() == [np.float32(max(0, 2 * strength - 1))]
    assert not fake.chosen


def test_the_form_of_a_slight_variation_is_the_picture_s_own():
    fake = FakeRunner()
    old = Old(fake, SPEC)
    fake.painted.clear()
    old.latents(old.varied(0.5))
    for inputs in fake.painted:
        np.testing.assert_array_equal(inputs.form[0], field_of(old.pixels, PLAIN))


def test_more_strength_changes_more():
    class Timid(FakeRunner):
        """Takes every picture for clean."""

        def painter(self, inputs):
            return inputs.latents.copy()

    old = Old(Timid(), SPEC)
    apart = [
        np.square(old.latents(old.varied(strength))[-1] - old.given.latents).mean()
        for strength in (0.02, 0.3, 1.0)
    ]
    assert 0 < apart[0] < apart[1] < apart[2]


def test_a_variation_of_strength_1_has_nothing_of_the_picture(runner):
    first, second = Old(runner, TINY), Old(runner, TINY, seed=8, prompt="pale")
    assert (first.indices != second.indices).any()
    for strength, alike in ((1.0, True), (0.6, False)):
        found = first.drawn(first.varied(strength)), second.drawn(second.varied(strength))
        assert np.array_equal(*found) == alike


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "1", True, None])
def test_a_strength_out_of_range_is_an_error(strength):
    old = Old(FakeRunner(), SPEC)
    with pytest.raises(OptionError, match=r"The strength is .*; expected a number from 0 to 1"):
        old.varied(strength)


# ---- masks


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_what_is_outside_a_mask_stays_at_every_step(runner, layout):
    old = Old(runner, TINY, layout)
    given = old.masked(old.mask(0, 0, HALF, HALF))
    assert given.stays.sum() == len(given.stays) - 1
    steps = old.latents(given)
    for latents in steps:
        np.testing.assert_array_equal(latents[given.stays], old.given.latents[given.stays])
        assert (latents[~given.stays] != old.given.latents[~given.stays]).any()


def test_what_stays_has_the_noise_of_the_step():
    fake = FakeRunner()
    old = Old(fake, SPEC)
    given = old.masked(old.mask(HALF, 0, SIZE, SIZE))
    fake.painted.clear()
    old.latents(given, seed=5, steps=4)
    noise = normal_noise(5, latent_numbers(PLAIN, SPEC.side), SPEC.depth)
    for inputs in fake.painted:
        (level,) = inputs.level
        expected = (1 - level) * given.latents + level * noise
        stays = given.stays
        np.testing.assert_allclose(inputs.latents[0][stays], expected[stays], atol=1e-6)


def test_windows_without_a_mask_keep_their_indices(runner):
    old = Old(runner, TINY, WIDE)
    drawn = old.drawn(old.masked(old.mask(0, 0, HALF, SIZE))).reshape(3, -1)
    before = old.indices.reshape(3, -1)
    assert (drawn[0] != before[0]).any()
    np.testing.assert_array_equal(drawn[1:], before[1:])


def test_previews_of_a_masked_picture_keep_what_stays(runner):
    old = Old(runner, TINY, WIDE)
    given = old.masked(old.mask(0, 0, HALF, SIZE))
    drawing = drawing_of(runner, TINY, "cool", 5, given=given)
    shown = [indices.reshape(3, -1) for indices in previews(runner, TINY, [drawing], WIDE)]
    assert len(shown) == drawing.options.steps
    for indices in shown:
        np.testing.assert_array_equal(indices[1:], old.indices.reshape(3, -1)[1:])


@pytest.mark.parametrize(
    ("box", "drawn"),
    [
        ((0, 0, 4, 4), [0]),
        ((14, 14, 18, 18), None),  # a quarter of each of four cells
        ((12, 12, 20, 20), [0, 1, 2, 3]),
        ((15, 0, 32, 16), [1]),
        ((0, 16, 32, 32), [2, 3]),
        ((0, 0, 32, 32), [0, 1, 2, 3]),
    ],
)
def test_a_position_is_drawn_anew_where_half_of_a_cell_is_masked(box, drawn):
    old = Old(FakeRunner(), SPEC)
    if drawn is None:
        with pytest.raises(ImageError, match=r"marks 16 pixels and covers no cell of 4 x 4"):
            old.masked(old.mask(*box))
    else:
        assert np.flatnonzero(~old.masked(old.mask(*box)).stays).tolist() == drawn


def test_a_mask_is_of_what_is_shown():
    old = Old(FakeRunner(), SPEC, WIDE)
    old.crop = (20, 4, 24, 12)
    mask = np.zeros((12, 24), dtype=bool)
    mask[:, 16:] = True  # columns 36 to 43, rows 4 to 15
    given = old.masked(mask)
    assert np.flatnonzero(~given.stays).tolist() == [2]
    cells = given.share > 0
    rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    assert (rows[0], rows[-1]) == (4 * 2, 16 * 2 - 1)
    assert (columns[0], columns[-1]) == (36 * 2, 44 * 2 - 1)


def test_a_masked_part_has_a_form_of_its_own():
    fake = FakeRunner()
    old = Old(fake, SPEC)
    mask = old.mask(HALF, 0, SIZE, SIZE)
    given = old.masked(mask)
    assert (given.share[:, :32] == 0).all()
    assert (given.share[:, 40:] == 1).all()
    fake.painted.clear()
    fake.chosen.clear()
    old.latents(given, seed=5)
    assert len(fake.chosen) == 1
    own = field_of(old.pixels, PLAIN)[:, :32]
    found = fake.painted[0].form[0]
    assert abs(found.mean()) < 1e-5
    assert found.std() == pytest.approx(1, abs=1e-5)
    like = [np.corrcoef(own.ravel(), part.ravel())[0, 1] for part in (found[:, :32], found[:, 32:])]
    assert like[0] == pytest.approx(1, abs=1e-5)
    assert like[1] < 0.9


def test_a_mask_over_everything_leaves_nothing(runner):
    first, second = Old(runner, TINY), Old(runner, TINY, seed=8, prompt="pale")
    found = [old.drawn(old.masked(old.mask(0, 0, SIZE, SIZE))) for old in (first, second)]
    np.testing.assert_array_equal(*found)
    part = [old.drawn(old.masked(old.mask(0, 0, SIZE, HALF))) for old in (first, second)]
    assert (part[0] != part[1]).any()  # it can fail


def test_the_form_around_a_mask_runs_across_edges_that_meet():
    given = {}
    for layout in (PLAIN, TILE):
        old = Old(FakeRunner(), SPEC, layout)
        given[layout] = old.masked(old.mask(0, 0, HALF, SIZE))
    assert given[TILE].share[0, 0] < 1  # what stays lies beyond the edge
    assert given[PLAIN].share[0, 0] == 1


def test_a_masked_picture_takes_a_given_form_too():
    fake = FakeRunner()
    old = Old(fake, SPEC)
    given = old.masked(old.mask(HALF, 0, SIZE, SIZE))
    fake.chosen.clear()
    form = field_of(picture(64, 64), PLAIN)
    fake.painted.clear()
    old.latents(given, form=form)
    assert not fake.chosen
    like = np.corrcoef(fake.painted[0].form[0][:, 40:].ravel(), form[:, 40:].ravel())[0, 1]
    assert like == pytest.approx(1, abs=1e-5)


def test_a_given_picture_in_a_batch_is_the_same_alone(runner):
    old = Old(runner, TINY, WIDE)
    drawings = [
        drawing_of(runner, TINY, "cool", 1, given=old.varied(0.4)),
        drawing_of(runner, TINY, "pale", 2, steps=2),
        drawing_of(runner, TINY, "cool", 3, given=old.masked(old.mask(0, 0, HALF, HALF))),
        drawing_of(runner, TINY, "warm", 4, given=old.varied(0)),
    ]
    together = draw_indices(runner, TINY, drawings, WIDE)
    for drawing, drawn in zip(drawings, together, strict=True):
        np.testing.assert_array_equal(draw_indices(runner, TINY, [drawing], WIDE)[0], drawn)
    np.testing.assert_array_equal(together[3], old.indices)


# ---- more room


def grown(old, left=0, right=0, top=0, bottom=0):
    margins = left, right, top, bottom
    larger, shown, at = extended_layout(old.spec, old.layout, old.crop, margins)
    given = extended(old.spec, old.given, old.layout, old.pixels, larger, at)
    return larger, shown, at, given


@pytest.mark.parametrize(
    ("margins", "layout", "shown", "at"),
    [
        ({"right": 16}, Layout(2, 3), (0, 0, 48, 32), (0, 0)),
        ({"right": 4}, Layout(2, 3), (0, 0, 36, 32), (0, 0)),
        ({"left": 4, "top": 20}, Layout(4, 3), (12, 12, 36, 52), (2, 1)),
        ({"bottom": 32, "left": 16}, Layout(4, 3), (0, 0, 48, 64), (0, 1)),
    ],
)
def test_room_is_a_number_of_half_windows(margins, layout, shown, at):
    old = Old(FakeRunner(), SPEC)
    larger, found, place, given = grown(old, **margins)
    assert (larger, found, place) == (layout, shown, at)
    assert given.stays.sum() == 4


def test_room_that_is_there_already_is_used():
    old = Old(FakeRunner(), SPEC, Layout(2, 3))
    old.crop = (12, 0, 36, 32)
    larger, shown, at, _ = grown(old, left=12, bottom=4)
    assert (larger, shown, at) == (Layout(3, 3), (0, 0, 48, 36), (0, 0))


@pytest.mark.parametrize("at", [(0, 0), (0, 1), (2, 1)])
def test_the_windows_of_a_picture_stay_when_it_grows(runner, at):
    old = Old(runner, TINY, Layout(2, 3))
    margins = {"left": HALF * at[1], "top": HALF * at[0], "right": HALF, "bottom": HALF}
    larger, _, place, given = grown(old, **margins)
    assert place == at
    indices = old.drawn(given, layout=larger).reshape(len(larger.windows), -1)
    found = dict(zip(larger.windows, indices, strict=True))
    for (row, column), before in zip(old.layout.windows, old.given.indices, strict=True):
        np.testing.assert_array_equal(found.pop((row + at[0], column + at[1])), before)
    assert all(own.any() for own in found.values())


def test_what_is_there_stays_when_a_picture_grows_and_the_rest_is_new(runner):
    old = Old(runner, TINY)
    larger, _, at, given = grown(old, left=HALF, top=HALF)
    *_, last = old.latents(given, layout=larger)
    grid = last.reshape(3, 3, -1)
    np.testing.assert_array_equal(grid[1:, 1:], old.given.latents.reshape(2, 2, -1))
    assert (np.abs(grid[0]).max(-1) > 0).all()
    assert at == (1, 1)


def test_the_form_of_a_picture_stays_when_it_grows():
    old = Old(FakeRunner(), SPEC)
    larger, _, _, given = grown(old, left=HALF)
    assert given.form.shape == given.share.shape == larger.grid(SIDE)
    np.testing.assert_array_equal(given.form[:, 32:], field_of(old.pixels, PLAIN))
    np.testing.assert_array_equal(given.form[:, 0], given.form[:, 32])
    assert (given.share[:, 32:] == 0).all()
    assert (given.share[:, :26] == 1).all()


@pytest.mark.parametrize(
    ("margins", "told"),
    [
        ({}, r"All four margins are 0; .* a multiple of 4"),
        ({"left": -4}, r"The margin at the left is -4"),
        ({"top": 3}, r"The margin at the top is 3; .*a multiple of 4"),
        ({"right": 4.0}, r"The margin at the right is 4\.0"),
        ({"bottom": True}, r"The margin at the bottom is True"),
        ({"left": 256}, r"The picture would have 288 x 32 pixels; expected at most 256 a side"),
    ],
)
def test_room_that_cannot_be_had_is_an_error(margins, told):
    old = Old(FakeRunner(), SPEC)
    with pytest.raises(OptionError, match=told):
        grown(old, **margins)


def test_a_tile_has_no_room_around_it():
    old = Old(FakeRunner(), SPEC, TILE)
    with pytest.raises(OptionError, match="edges meet"):
        grown(old, right=HALF)


def test_a_picture_that_grew_and_was_varied_is_drawn_on(runner):
    old = Old(runner, TINY)
    larger, _, _, given = grown(old, right=HALF)
    indices = old.drawn(given, layout=larger)
    new = replace(encoded(runner, TINY, indices, larger), level=0.3)
    pixels = decoded(runner, TINY, indices[None], larger)[0]
    again = old.drawn(varied(new, larger, pixels, 0.3), layout=larger)
    assert again.shape == indices.shape
    assert (again != indices).any()
