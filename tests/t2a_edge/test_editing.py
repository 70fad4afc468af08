"""Sizes, tiles, variations, masks, room around a picture, previews and recipes."""

import threading
from pathlib import Path

import numpy as np
import pytest

from t2a_edge import TextToArt
from t2a_edge.edit import blended, covered
from t2a_edge.errors import ImageError, OptionError, PromptError, RecipeError
from t2a_edge.pipeline import Request

SIZE, HALF, CELL, CODES = 32, 16, 4, 32  # of the tiny model


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path):
    with TextToArt(tiny_bundle) as opened:
        yield opened


@pytest.fixture(scope="module")
def artwork(engine):
    return engine.generate("warm dark", seed=7)


@pytest.fixture(scope="module")
def shipped():
    with TextToArt(threads=2) as opened:
        yield opened


def assert_same(one, other):
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.pixels, other.pixels)


def seam_share(pixels: np.ndarray, column: int) -> float:
    """Mean step between the columns at a seam, as a share of the mean step elsewhere."""
    steps = np.abs(np.diff(pixels.astype(float), axis=1, append=pixels[:, :1])).mean((0, 2))
    elsewhere = np.delete(steps, [column - 1, len(steps) - 1])
    return float(steps[column - 1] / elsewhere.mean())


# ---- progress


def test_every_way_to_draw_tells_how_far_it_is(engine, artwork):
    ways = {
        "tile": lambda told: engine.tile("warm", seed=1, size=(SIZE, SIZE), on_step=told),
        "vary": lambda told: engine.vary(artwork, seed=1, on_step=told),
        "inpaint": lambda told: engine.inpaint(
            artwork, np.full((SIZE, SIZE), 255), seed=1, on_step=told
        ),
        "outpaint": lambda told: engine.outpaint(artwork, right=HALF, seed=1, on_step=told),
    }
    for name, draw in ways.items():
        done: list[int] = []
        draw(done.append)
        assert done == [1, 2, 3, 4], name


# ---- batches


def test_prompts_of_a_list_are_drawn_as_each_alone(engine):
    prompts = ["warm dark", "pale -striped", "cool:2"]
    together = engine.generate(prompts, seed=[7, 8, 9], temperature=0.7)
    for prompt, seed, drawn in zip(prompts, [7, 8, 9], together, strict=True):
        assert_same(drawn, engine.generate(prompt, seed=seed, temperature=0.7))


def test_one_seed_is_for_every_prompt_and_none_is_a_fresh_one_each(engine):
    assert [art.seed for art in engine.generate(["warm", "cool"], seed=3)] == [3, 3]
    fresh = engine.generate(["warm"] * 3)
    assert len({art.seed for art in fresh}) == 3
    assert engine.generate([]) == []


def test_as_many_seeds_as_prompts(engine):
    with pytest.raises(OptionError, match="2 seeds and 1 prompts"):
        engine.generate(["warm"], seed=[1, 2])


def test_requests_with_their_own_options_are_drawn_as_each_alone(engine):
    requests = [
        Request("warm", seed=1, guidance_scale=0.0),
        Request("pale", seed=2, blend="cool", amount=0.3, steps=3),
        Request("dark", seed=3, temperature=0.0),
    ]
    one, two, three = engine.draw(requests)
    assert_same(one, engine.generate("warm", seed=1, guidance_scale=0.0))
    assert_same(two, engine.generate("pale", seed=2, blend="cool", amount=0.3, steps=3))
    assert_same(three, engine.generate("dark", seed=3, temperature=0.0))


def test_one_bad_prompt_of_a_list_is_an_error(engine):
    with pytest.raises(PromptError):
        engine.generate(["warm", "dark:9"], seed=1)


def test_threads_share_one_engine(engine, artwork):
    drawn = []

    def draw():
        drawn.append(engine.generate("warm dark", seed=7))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 4
    for other in drawn:
        assert_same(other, artwork)


# ---- sizes and tiles


@pytest.mark.parametrize("size", [(48, 32), (32, 64), (60, 36), (SIZE, SIZE)])
def test_a_picture_has_the_size_that_was_asked_for(engine, size):
    drawn = engine.generate("warm", seed=1, size=size)
    assert drawn.size == size
    assert drawn.pixels.shape == (size[1], size[0], 3)
    assert drawn.indices.min() >= 0
    assert_same(engine.decode(drawn.recipe), drawn)


@pytest.mark.parametrize("size", [(SIZE, SIZE), SIZE, f"{SIZE}x{SIZE}", f" {SIZE} "])
def test_the_trained_size_is_the_plain_picture(engine, artwork, size):
    assert_same(engine.generate("warm dark", seed=7, size=size), artwork)


@pytest.mark.parametrize(
    "size",
    [
        (31, 32),
        (32, 34),
        (16, 32),
        (32, 4096),
        (32,),
        31,
        "32x",
        "32x32x32",
        (True, 32),
        (32.0, 32),
    ],
)
def test_a_size_that_cannot_be_had_is_an_error(engine, size):
    with pytest.raises(
        OptionError, match=r"expected (width and height|a whole.*from (1 to 65535|32 to 256))"
    ):
        engine.generate("warm", seed=1, size=size)


@pytest.mark.parametrize("margin", [np.zeros(0), [], (8,), "8", False])
def test_a_margin_that_is_no_number_is_an_error(engine, artwork, margin):
    with pytest.raises(OptionError, match="The margin at the left is"):
        engine.outpaint(artwork, left=margin, right=16)


def test_a_tile_is_a_whole_number_of_half_windows(engine):
    drawn = engine.tile("warm", seed=1, size=(48, 32))
    assert (drawn.size, drawn.layout.wrap, drawn.metadata["tile"]) == ((48, 32), True, True)
    assert_same(engine.decode(drawn.recipe), drawn)
    with pytest.raises(OptionError, match=r"width of the size is 36; .* a multiple of 16"):
        engine.tile("warm", seed=1, size=(36, 32))


SEEN = ("warm dark fluid", "pale geometric", "dense chaotic", "calm blue", "rough earthy",
        "golden swirling")  # fmt: skip
SEAMLESS, SEAM = 1.8, 5.0  # medians: a shape may end at the column by chance


@pytest.fixture(scope="module")
def seen(shipped):
    """A plain picture of each prompt, with seeds from 1 up."""
    return [shipped.generate(prompt, seed=seed).pixels for seed, prompt in enumerate(SEEN, 1)]


def rolled_shares(pixels: np.ndarray) -> list[float]:
    """Seam shares of the edges, brought to the middle: of columns and of rows."""
    half = len(pixels) // 2
    return [
        seam_share(np.roll(picture, half, axis=1), half)
        for picture in (pixels, pixels.transpose(1, 0, 2))
    ]


def test_the_edges_of_a_tile_meet_as_its_inside_does(shipped, seen):
    tiles, plain = [], []
    for seed, (prompt, picture) in enumerate(zip(SEEN, seen, strict=True), 1):
        tiles += rolled_shares(shipped.tile(prompt, seed=seed).pixels)
        plain += rolled_shares(picture)
    assert np.median(tiles) < SEAMLESS
    assert np.median(plain) > SEAM  # it can fail


def test_windows_leave_no_seam(shipped, seen):
    shares, glued = [], []
    for seed, (prompt, picture) in enumerate(zip(SEEN, seen, strict=True), 1):
        pixels = shipped.generate(prompt, seed=seed, size=(512, 256)).pixels
        shares += [seam_share(pixels, column) for column in (128, 256, 384)]
        other = shipped.generate(prompt, seed=seed + 50).pixels
        glued.append(seam_share(np.concatenate([picture, other], axis=1), 256))
    assert np.median(shares) < SEAMLESS
    assert np.median(glued) > SEAM  # it can fail


# ---- variations


def test_a_variation_of_no_strength_is_the_picture(engine, artwork):
    assert_same(engine.vary(artwork, strength=0, seed=99), artwork)


def test_a_variation_of_any_strength_is_another_picture(engine, artwork):
    seen = {artwork.recipe}
    for strength in (0.1, 0.5, 1):
        varied = engine.vary(artwork, strength=strength, seed=99)
        assert (varied.changed, varied.seed, varied.prompt) == ("vary", 99, "warm dark")
        seen.add(varied.recipe)
    assert len(seen) == 4


def test_a_variation_may_have_other_words_another_form_and_other_steps(engine, artwork):
    plain = engine.vary(artwork, seed=7)
    other = engine.vary(artwork, seed=7, prompt="cool pale", steps=2)
    assert (other.prompt, other.options.steps) == ("cool pale", 2)
    formed = engine.vary(artwork, seed=7, form=artwork.pixels[::-1], form_strength=0.5)
    assert (formed.options.form_strength, formed.form != "") == (0.5, True)
    for drawn in (other, formed):
        assert (drawn.indices != plain.indices).any()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), "1", True])
def test_a_strength_out_of_range_is_an_error(engine, artwork, strength):
    with pytest.raises(OptionError, match=r"strength is .*; expected a number from 0 to 1"):
        engine.vary(artwork, strength=strength)


# ---- masks


def mask_of(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def test_latents_outside_a_mask_stay(engine, artwork):
    drawn = engine.inpaint(artwork, mask_of(16, 16, 32, 32), seed=5)
    assert (drawn.indices != artwork.indices).any()
    assert drawn.changed == "inpaint"
    np.testing.assert_array_equal(drawn.pixels[: 16 - CELL], artwork.pixels[: 16 - CELL])


def test_a_mask_of_grey_levels_is_one_of_bools(engine, artwork):
    mask = mask_of(0, 0, 16, 16)
    assert_same(
        engine.inpaint(artwork, mask.astype(np.uint8) * 255, seed=5),
        engine.inpaint(artwork, mask, seed=5),
    )


def distances(mask: np.ndarray) -> np.ndarray:
    """(H, W) pixels to the nearest of a mask, by trying each."""
    marked = np.argwhere(mask)
    places = np.stack(np.indices(mask.shape), axis=-1)
    return np.sqrt(((places[:, :, None] - marked) ** 2).sum(-1).min(-1))


@pytest.mark.parametrize("feather", [0, 1, 3, CELL, None])
def test_outside_a_mask_and_its_feather_every_pixel_stays(engine, artwork, feather):
    mask = mask_of(8, 12, 24, 25)
    mask[14:17, 20] = False  # a hole
    drawn = engine.inpaint(artwork, mask, seed=5, feather=feather)
    reach, away = CELL if feather is None else feather, distances(mask)
    np.testing.assert_array_equal(drawn.pixels[away > reach], artwork.pixels[away > reach])
    plain = engine.inpaint(artwork, mask, seed=5, feather=0)
    np.testing.assert_array_equal(drawn.pixels[mask], plain.pixels[mask])
    changed = (drawn.pixels != artwork.pixels).any(-1)
    assert changed[mask].any()
    assert changed[(away > 0) & (away <= reach)].any() == (reach > 0)


def test_a_feather_goes_from_new_to_old_step_by_step():
    under, over = np.zeros((1, 16, 3), np.uint8), np.full((1, 16, 3), 200, np.uint8)
    mask = np.zeros((1, 16), bool)
    mask[0, :4] = True
    levels = blended(under, over, mask, 4, wrap=False)[0, :, 0]
    assert levels.tolist() == [200] * 4 + [160, 120, 80, 40] + [0] * 8
    levels = blended(under, over, mask, 4, wrap=True)[0, :, 0]
    assert levels.tolist() == [200] * 4 + [160, 120, 80, 40] + [0] * 4 + [40, 80, 120, 160]


def test_the_feather_of_a_tile_runs_across_its_edges(engine):
    tile = engine.tile("warm", seed=1)
    mask = mask_of(0, 0, 8, SIZE)
    drawn = engine.inpaint(tile, mask, seed=5)
    changed = (drawn.pixels != tile.pixels).any((0, 2))
    assert changed[-CELL:].any()
    assert not changed[8 + CELL : -CELL].any()
    assert_same(engine.decode(drawn.recipe), drawn)


@pytest.mark.parametrize("feather", [-1, CELL + 1, 1.0, True, "2"])
def test_a_feather_out_of_range_is_an_error(engine, artwork, feather):
    with pytest.raises(OptionError, match=f"The feather is .* from 0 to {CELL}"):
        engine.inpaint(artwork, mask_of(0, 0, 16, 16), feather=feather)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_picture_inpainted_twice_is_opened_as_it_was(engine, artwork, tmp_path, suffix):
    once = engine.inpaint(artwork, mask_of(0, 0, 16, 16), seed=5)
    once = engine.open(once.save(tmp_path / f"once{suffix}"))
    mask = mask_of(16, 16, 32, 32)
    twice = engine.inpaint(once, mask, seed=6, feather=2)
    away = distances(mask) > 2
    np.testing.assert_array_equal(twice.pixels[away], once.pixels[away])
    assert_same(engine.decode(twice.recipe), twice)
    assert_same(engine.open(twice.save(tmp_path / f"twice{suffix}")), twice)


def test_a_picture_inpainted_too_often_is_told_before_it_is_drawn(engine, artwork, monkeypatch):
    monkeypatch.setattr("t2a_edge.recipe.MOST_PASTED", 1)
    once = engine.inpaint(artwork, mask_of(0, 0, 16, 16), seed=5)
    monkeypatch.setattr("t2a_edge.pipeline.paint_steps", None)
    with pytest.raises(RecipeError, match=r"inpainted 2 times over.*one mask"):
        engine.inpaint(once, mask_of(0, 0, 16, 16), seed=5)


@pytest.mark.parametrize(
    ("kind", "dark", "bright"),
    [
        ("u1", 127, 128),
        ("u2", 983, 32_768),
        ("u4", 255, 2**31),
        ("i8", 127, 128),
        ("f4", 0.5, 0.51),
    ],
)
def test_a_mask_of_numbers_marks_what_is_nearer_to_white(kind, dark, bright):
    mask = np.array([[dark, bright]], kind)
    assert covered(mask, (2, 1)).tolist() == [[False, True]]


@pytest.mark.parametrize("values", [np.array([[-1, 0]]), np.array([[0, 256]]), [[0.0, 255.0]],
                                    [[0.0, np.nan]]])  # fmt: skip
def test_a_mask_of_numbers_out_of_range_is_an_error(values):
    with pytest.raises(ImageError, match="expected 0 to"):
        covered(values, (2, 1))


def test_a_mask_over_everything_draws_everything(engine, artwork):
    drawn = engine.inpaint(artwork, np.ones((SIZE, SIZE), bool), seed=5)
    assert engine.decode(drawn.recipe).pixels.tolist() == drawn.pixels.tolist()
    assert (drawn.pixels != artwork.pixels).mean() > 0.5


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((SIZE, SIZE), bool),
        np.zeros((SIZE, SIZE - 1), bool),
        np.zeros((SIZE, SIZE, 3), np.uint8),
        np.full((SIZE, SIZE), "x"),
        None,
    ],
    ids=["nothing", "size", "colour", "text", "none"],
)
def test_a_mask_that_cannot_be_used_is_an_error(engine, artwork, mask):
    with pytest.raises(ImageError, match="mask"):
        engine.inpaint(artwork, mask)


# ---- more room


def test_the_codes_of_a_picture_stay_when_it_grows(engine, artwork):
    grown = engine.outpaint(artwork, right=16, bottom=8, seed=5)
    assert grown.size == (48, 40)
    positions = engine.spec.positions
    np.testing.assert_array_equal(grown.indices[:positions], artwork.indices)
    assert (grown.indices[positions:] != 0).any()


def test_a_form_is_for_what_is_new(engine, artwork):
    plain = engine.outpaint(artwork, right=16, seed=5)
    formed = engine.outpaint(artwork, right=16, seed=5, form=artwork.pixels[::-1])
    positions = engine.spec.positions
    np.testing.assert_array_equal(formed.indices[:positions], plain.indices[:positions])
    assert (formed.indices[positions:] != plain.indices[positions:]).any()


def test_a_picture_grows_to_the_left_and_the_top_and_once_more(engine, artwork):
    grown = engine.outpaint(artwork, left=4, top=20, seed=5)
    assert grown.size == (36, 52)
    again = engine.outpaint(grown, left=12, right=4, seed=6)  # room that is there already
    assert again.size == (52, 52)
    assert again.layout.columns == 4
    assert_same(engine.decode(again.recipe), again)


@pytest.mark.parametrize("margins", [{}, {"left": -4}, {"top": 3}, {"right": 4.0}, {"left": 512}])
def test_room_that_cannot_be_had_is_an_error(engine, artwork, margins):
    with pytest.raises(OptionError):
        engine.outpaint(artwork, **margins)


def test_a_tile_has_no_room_around_it(engine):
    with pytest.raises(OptionError, match="edges meet"):
        engine.outpaint(engine.tile("warm", seed=1), right=16)


def test_an_old_edge_shows_no_seam(shipped):
    drawn = shipped.generate("warm dark fluid", seed=3)
    pixels = shipped.outpaint(drawn, right=128, seed=1).pixels
    assert seam_share(pixels, 256) < 2.5  # one column in ten elsewhere has more than 1.9
    glued = np.concatenate([drawn.pixels, shipped.generate("pale", seed=9).pixels[:, :128]], 1)
    assert seam_share(glued, 256) > 4  # it can fail


# ---- previews


def test_the_last_preview_is_the_picture(engine, artwork):
    previews = list(engine.stream("warm dark", seed=7))
    assert len(previews) == 4
    assert_same(previews[-1], artwork)
    near = [float(np.mean(preview.indices == artwork.indices)) for preview in previews]
    assert near[0] < near[-1]


def test_previews_stop_when_they_are_asked_to(engine):
    previews = engine.stream("warm", seed=1)
    next(previews)
    previews.close()
    assert list(previews) == []


def test_a_stream_s_errors_come_before_its_first_preview(engine):
    with pytest.raises(PromptError):
        engine.stream("dark:9")
    with pytest.raises(OptionError):
        engine.stream("warm", seed=-1)


def test_an_interpolation_goes_from_one_prompt_to_the_other(engine):
    frames = engine.interpolate("warm dark", "pale cool", frames=3, seed=7)
    assert [art.blend for art in frames] == [("pale cool", a) for a in (0.0, 0.5, 1.0)]
    assert_same(frames[0], engine.generate("warm dark", seed=7))
    assert_same(frames[2], engine.generate("pale cool", seed=7))
    for bad in (1, 1001, 2.0, True):
        with pytest.raises(OptionError, match="from 2 to 1000"):
            engine.interpolate("warm", "cool", frames=bad)


def test_a_way_leads_from_one_seed_to_another(engine):
    first, middle, last = engine.interpolate("warm", seed=7, to_seed=8, frames=3)
    assert_same(first, engine.generate("warm", seed=7))
    assert_same(last, engine.generate("warm", seed=8))
    assert [art.to_seed for art in (first, middle, last)] == [(8, 0.0), (8, 0.5), (8, 1.0)]
    assert (middle.pixels != first.pixels).any()
    assert (middle.pixels != last.pixels).any()


def test_prompt_and_seed_change_together(engine):
    frames = engine.interpolate("warm dark", "pale cool", seed=7, to_seed=8, frames=3)
    assert_same(frames[0], engine.generate("warm dark", seed=7))
    assert_same(frames[2], engine.generate("pale cool", seed=8))


@pytest.mark.parametrize(("second", "to_seed"), [(None, 8), ("cool", None), ("cool", 8)])
def test_a_loop_comes_back_by_other_pictures(engine, second, to_seed):
    frames = engine.interpolate("warm", second, seed=7, to_seed=to_seed, frames=6, loop=True)
    assert_same(frames[0], engine.generate("warm", seed=7))
    assert_same(frames[3], engine.generate(second or "warm", seed=to_seed or 7))
    for there, back in ((1, 5), (2, 4)):
        assert (frames[there].pixels != frames[back].pixels).any()
    assert {art.changed for art in frames} == {"loop"}


@pytest.mark.parametrize("loop", [False, True])
def test_a_frame_of_a_way_is_a_picture_of_its_own(engine, loop):
    asked = {"seed": "alice", "to_seed": "bob", "loop": loop, "size": (48, 32)}
    steps = []
    frames = engine.interpolate("warm", "cool", frames=5, on_step=steps.append, **asked)
    assert steps == list(range(1, engine.spec.steps + 1))
    place = 0.4 if loop else 0.5
    assert_same(frames[2], engine.generate("warm", blend="cool", amount=place, **asked))
    assert frames[2].size == (48, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Both ends of the way are the same"),
        ({"to_seed": 7}, "Both ends of the way are the same"),
        ({"to_seed": -1}, "seed is -1"),
        ({"to_seed": 8, "loop": 1}, "The loop is 1; expected true or false"),
        ({"to_seed": 8, "loop": True, "frames": 2}, "of a loop is 2"),
        ({"to_seed": 8, "size": (9, 9)}, "width of the size is 9"),
        ({"to_seed": 8, "steps": 0}, "number of steps is 0"),
    ],
)
def test_a_way_that_leads_nowhere_is_refused_at_once(engine, arguments, said):
    with pytest.raises(OptionError, match=said):
        engine.interpolate("warm", seed=7, **arguments)


def test_a_frame_between_seeds_opens_as_it_was_saved(engine, tmp_path):
    frame = engine.interpolate("warm", seed=7, to_seed=8, frames=3)[1]
    opened = engine.open(frame.save(tmp_path / "frame.png"))
    assert opened == frame


# ---- files and recipes


def test_a_recipe_gives_the_same_pixels(engine, artwork):
    decoded = engine.decode(artwork.recipe)
    assert_same(decoded, artwork)
    assert (decoded.prompt, decoded.seed) == ("", None)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_saved_picture_is_opened_as_it_was(engine, suffix, tmp_path):
    drawn = engine.generate("warm -été", seed=7, blend="pale 🔥", amount=0.25, steps=3)
    opened = engine.open(drawn.save(tmp_path / f"art{suffix}"))
    assert_same(opened, drawn)
    assert opened.metadata == drawn.metadata
    assert opened.unknown_words == drawn.unknown_words
    assert_same(engine.vary(opened, seed=1), engine.vary(drawn, seed=1))


def test_an_array_has_no_metadata(engine, artwork, tmp_path):
    np.testing.assert_array_equal(np.load(artwork.save(tmp_path / "art.npy")), artwork.pixels)
    with pytest.raises(ImageError):
        engine.open(tmp_path / "art.npy")


def test_a_picture_of_another_model_is_told(engine, shipped, artwork, tmp_path):
    path = shipped.generate("warm", seed=1).save(tmp_path / "other.png")
    with pytest.raises(RecipeError, match="is of the model"):
        engine.open(path)
    with pytest.raises(RecipeError, match="is of the model"):
        shipped.vary(artwork)


def test_a_picture_of_a_recipe_has_no_words_to_vary_with(engine, artwork):
    decoded = engine.decode(artwork.recipe)
    with pytest.raises(PromptError):
        engine.vary(decoded)
    assert engine.vary(decoded, prompt="warm", seed=1).prompt == "warm"


# ---- meanings


def test_words_are_explained_by_axes_and_neighbours(shipped):
    icy, avoided, unknown = shipped.explain("icy -busy glacial")
    assert (icy.word, icy.weight) == ("icy", 1.0)
    assert (avoided.word, avoided.weight) == ("busy", -1.0)
    assert ("temperature", "cool") in {(axis, pole) for axis, pole, _ in icy.axes}
    assert len(icy.nearest) == 3
    assert "icy" not in [word for word, _ in icy.nearest]
    likeness = [value for _, value in icy.nearest]
    assert likeness == sorted(likeness, reverse=True)
    assert unknown.known == ("glacial" in shipped.bundle.vocabulary)
    assert ("temperature", "cool") in {(axis, pole) for axis, pole, _ in unknown.axes}
