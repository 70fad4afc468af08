import numpy as np
import pytest

from t2a_edge.vocabulary import HUES, MOODS
from train.data.augment import is_colour, recoloured

SEEDS = range(8)


def picture(seed=1):
    return np.random.default_rng(seed).integers(90, 166, (24, 20, 3), dtype=np.uint8)


@pytest.mark.parametrize("word", ["warm", "dark", "vivid", "grey", "bold", *HUES, *MOODS])
def test_words_of_colour_and_mood_leave(word):
    assert is_colour(word)
    _, kept = recoloured(picture(), (word, "striped"), np.random.default_rng(1))
    assert kept == ("striped",)


def test_words_of_form_stay_in_their_order():
    words = ("rough", "curved", "dense", "vertical", "unheard-of", "heavy", "calm", "orderly")
    _, kept = recoloured(picture(), words, np.random.default_rng(1))
    assert kept == words


def test_shape_and_type_stay_and_the_input_is_left_alone():
    before = picture()
    square = before.copy()
    pixels, _ = recoloured(square, (), np.random.default_rng(1))
    assert (pixels.shape, pixels.dtype) == (before.shape, np.uint8)
    assert (square == before).all()
    assert (pixels != before).any()


def test_the_same_rng_gives_the_same_colours():
    first, again, other = (
        recoloured(picture(), (), np.random.default_rng(s))[0] for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_grey_ramp_stays_grey_and_in_order(seed):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    pixels, _ = recoloured(ramp, (), np.random.default_rng(seed))
    values = pixels[0].astype(int)
    assert (values.max(1) - values.min(1)).max() <= 1
    assert (np.diff(values[:, 1]) >= 0).all()
    assert values[0].max() == 0
    assert values[-1].min() >= 254


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_lighter_stays_lighter(seed):
    from skimage.color import rgb2lab

    before = picture()
    after, _ = recoloured(before, (), np.random.default_rng(seed))
    ranks = [rgb2lab(p)[..., 0].ravel().argsort().argsort() for p in (before, after)]
    assert np.corrcoef(*ranks)[0, 1] > 0.95
