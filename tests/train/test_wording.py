import numpy as np
import pytest

from bench.unseen import load_unseen
from t2a_edge.vocabulary import HUES, known_words, poles
from train.data.wording import (
    LEAST_HUE,
    LEAST_WORD,
    MEASURED,
    OF_THEIR_OWN,
    TWO_POLES,
    Extremes,
    Wording,
    WordingConfig,
    measured_scores,
    synonyms,
)

COLUMN = {name: number for number, name in enumerate(MEASURED)}


def scores_with(**values):
    scores = np.zeros(len(MEASURED), dtype=np.float32)
    for name, value in values.items():
        scores[COLUMN[name]] = value
    return scores


@pytest.fixture
def extremes():
    """Attributes are named from 0.5 on, those with two poles also from -0.5 down."""
    low = np.full(len(MEASURED), -np.inf, dtype=np.float32)
    low[:TWO_POLES] = -0.5
    high = np.full(len(MEASURED), 0.5, dtype=np.float32)
    return Extremes(low, high, np.zeros_like(high))


@pytest.fixture
def choose(extremes):
    def chosen(given, scores=None, *, most=8, seed=1, **settings):
        config = WordingConfig(**({"guidance_dropout": 0.0, "dropout": 0.0} | settings))
        scores = scores_with() if scores is None else scores
        rng = np.random.default_rng(seed)
        return Wording(config, extremes).choose(given, scores, most, rng)

    return chosen


def test_scores_come_in_the_order_of_the_names():
    scores = measured_scores(np.full((32, 32, 3), (250, 30, 30), dtype=np.uint8))
    assert scores.shape == (len(MEASURED),)
    hues = {hue: scores[COLUMN[hue]] for hue in HUES}
    assert max(hues, key=hues.get) == "red"
    assert scores[COLUMN["temperature"]] > 0


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_the_outer_shares_of_the_pictures_lie_beyond_the_ends(share):
    scores = np.random.default_rng(1).uniform(-1, 1, (4000, len(MEASURED))).astype(np.float32)
    ends = Extremes.of(scores, share)
    above, below = (scores > ends.high).mean(0), (scores < ends.low).mean(0)
    np.testing.assert_allclose(above[: TWO_POLES + len(HUES)], share, atol=0.002)
    np.testing.assert_allclose(below[:TWO_POLES], share, atol=0.002)
    assert (below[TWO_POLES:] == 0).all()  # hues and words have one side
    np.testing.assert_allclose((scores > ends.middle).mean(0), 0.5, atol=0.002)


def test_a_hue_that_is_hardly_there_is_not_named_however_rare():
    scores = np.random.default_rng(1).uniform(0, 0.2, (100, len(MEASURED)))
    ends = Extremes.of(scores, 0.25)
    words = TWO_POLES + len(HUES)
    assert (ends.high[TWO_POLES:words] == np.float32(LEAST_HUE)).all()
    assert (ends.high[words:] == np.float32(LEAST_WORD)).all()
    assert (ends.high[:TWO_POLES] < 0.2).all()


def test_ends_are_named_by_words_of_their_pole(extremes):
    scores = scores_with(temperature=0.9, lightness=-0.9, contrast=0.4, red=0.8, vertical=0.8)
    warm, dark, red, vertical = extremes.named(scores)
    assert all(poles()[word] == ("temperature", 1) for word in warm)
    assert all(poles()[word] == ("lightness", -1) for word in dark)
    assert (red, vertical) == (("red",), ("vertical",))
    assert extremes.named(scores_with(red=-0.9)) == []


def test_words_that_say_more_than_their_pole_do_not_name_it(extremes):
    named = extremes.named(scores_with(texture=0.9, chroma=-0.9, weight=0.9))
    assert len(named) == 3
    assert not OF_THEIR_OWN.intersection(*map(set, named))
    assert {"muted", "faded"} <= set(named[0])
    assert "grainy" not in named[1]


def test_without_dropout_all_given_words_are_shown_in_any_order(choose):
    given = ["warm", "striped", "dense"]
    shown = [choose(given, seed=seed) for seed in range(30)]
    assert all(sorted(words) == sorted(given) for words in shown)
    assert len({tuple(words) for words in shown}) > 3


def test_with_full_dropout_one_given_word_is_left(choose):
    shown = [choose(["warm", "striped", "dense"], dropout=1.0, seed=seed) for seed in range(30)]
    assert all(len(words) == 1 for words in shown)
    assert {word for (word,) in shown} == {"warm", "striped", "dense"}


def test_a_share_of_the_samples_loses_all_words(choose):
    shown = [choose(["warm"], guidance_dropout=0.2, seed=seed) for seed in range(1000)]
    assert np.mean([words == [] for words in shown]) == pytest.approx(0.2, abs=0.04)
    assert choose(["warm"], scores_with(red=1), guidance_dropout=1.0, measured=1.0) == []


def test_what_measures_strongly_is_named(choose):
    scores = scores_with(red=0.9, lightness=-0.9)
    for seed in range(20):
        words = choose(["striped"], scores, measured=1.0, seed=seed)
        assert {"striped", "red"} < set(words)
        assert [poles()[word] for word in set(words) - {"striped", "red"}] == [("lightness", -1)]
    assert choose(["striped"], scores, measured=0.0) == ["striped"]


@pytest.mark.parametrize("given", ["warm", "dark", "red", "airy"])
def test_a_measured_word_never_joins_a_shown_word_of_its_axis(choose, given):
    axis, sign = poles().get(given, (given, -1))
    scores = scores_with(**{axis: -0.9 * sign})
    assert choose([], scores, measured=1.0) != []
    assert all(choose([given], scores, measured=1.0, seed=s) == [given] for s in range(20))


def test_a_given_word_that_the_picture_does_not_bear_out_is_left_out(choose):
    given = ["warm", "angular", "dense", "red"]
    scores = scores_with(temperature=0.2, contour=0.2, density=-0.2, red=-1)
    shown = choose(given, scores, checked=True)
    assert sorted(shown) == ["red", "warm"]  # a hue has no other side
    assert sorted(choose(given, scores)) == sorted(given)
    assert choose(["angular"], scores, checked=True) == []


def test_nothing_is_said_of_an_axis_where_label_and_measure_differ(choose):
    scores = scores_with(contour=0.9, red=0.9)
    settings = {"checked": True, "measured": 1.0}
    assert all(choose(["angular"], scores, seed=s, **settings) == ["red"] for s in range(20))


def test_at_most_so_many_words_are_shown(choose):
    given = ["warm", "striped", "dense", "calm"]
    for most in (1, 3):
        shown = [choose(given, most=most, seed=seed) for seed in range(40)]
        assert all(len(set(words)) == most for words in shown)
        assert {word for words in shown for word in words} == set(given)


def test_a_picture_without_given_words_has_its_measured_ones(choose):
    assert choose([], measured=1.0) == []
    assert choose([], scores_with(violet=0.7), measured=1.0) == ["violet"]
    assert choose([], scores_with(violet=0.7), measured=0.0) == []


def test_the_same_rng_gives_the_same_words(choose):
    given, scores = ["warm", "striped", "dense"], scores_with(red=0.9, lightness=-0.9, order=0.9)
    settings = {"dropout": 0.5, "measured": 0.5, "synonyms": 0.5}
    first, again = ([choose(given, scores, seed=s, **settings) for s in range(9)] for _ in range(2))
    assert first == again
    assert len({tuple(words) for words in first}) > 5


def test_synonyms_are_neither_known_nor_on_the_zero_shot_list():
    others = {word for near in synonyms().values() for word in near}
    assert "scorching" in synonyms()["warm"]
    assert others.isdisjoint(known_words())
    assert others.isdisjoint(load_unseen().words)


def test_a_synonym_takes_a_words_place(choose):
    shown = [choose(["warm"], synonyms=1.0, seed=seed) for seed in range(20)]
    assert all(len(words) == 1 and words[0] in synonyms()["warm"] for words in shown)
    assert len({word for (word,) in shown}) > 5
    assert choose(["warm"], synonyms=0.0) == ["warm"]


def test_words_with_a_meaning_of_their_own_are_never_swapped(choose):
    words = sorted(OF_THEIR_OWN)
    assert set(words) <= set(known_words())
    assert sorted(choose(words, most=len(words), synonyms=1.0)) == words
    assert choose(["unheard-of"], synonyms=1.0) == ["unheard-of"]


def test_caps_make_most_samples_short():
    given, scores = ("warm", "fluid", "dense", "calm"), np.zeros(len(MEASURED), dtype=np.float32)
    config = WordingConfig(guidance_dropout=0, dropout=0, caps=(1, 1, 3))
    wording = Wording(config, Extremes(scores - 2, scores + 2, scores))
    rng = np.random.default_rng(1)
    counts = [len(wording.choose(given, scores, 8, rng)) for _ in range(300)]
    assert set(counts) == {1, 3}
    assert 0.55 < counts.count(1) / len(counts) < 0.78


def test_nothing_is_named_of_scores_whose_ends_are_nowhere():
    wording = Wording(
        WordingConfig(guidance_dropout=0, dropout=0, measured=1.0), Extremes.nowhere()
    )
    scores = scores_with(temperature=1.0)
    assert wording.choose(["dark"], scores, 8, np.random.default_rng(1)) == ["dark"]
