"""The studio as a specification: same picture every time and at every size, and true labels."""

from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from t2a_edge.errors import OptionError
from t2a_edge.vocabulary import AXIS_NAMES, FORMS, known_words, poles
from train.studio import FAMILIES, Composition, adjectives, paint, paint_studied, sample, study
from train.studio.colour import lab_from_rgb, rgb_from_lab
from train.studio.measure import HUE_REGIONS, SCALES
from train.studio.palette import HUES

STRONG = 0.5  # an axis set this far must show
TRUE_COLOUR = 0.97  # share of strong colour labels that must measure on their side
TRUE_HUE = 0.95  # share of named hues that must lead, or be seen beside the one that leads
LEADS, SEEN = 1 / 3, 0.08  # shares of the coloured area
SIZES_DIFFER = 6.0  # mean difference of 8-bit values to one painted twice as large, made smaller
FINE = {"marble", "ripples"}  # of finer lines than 64 pixels hold
SAMPLES = 150


@pytest.fixture(scope="module")
def gallery():
    """Samples with their studies, from small pictures."""
    compositions = [sample(seed) for seed in range(SAMPLES)]
    return [(c, paint_studied(c, 64)[1]) for c in compositions]


def test_colour_round_trip():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert np.abs(rgb_from_lab(lab_from_rgb(rgb)).astype(int) - rgb).max() <= 2


def test_colour_out_of_gamut_keeps_lightness_and_hue():
    lab = np.array([[50, 120, 0], [80, 0, -120], [20, -90, 90]], np.float32)
    back = lab_from_rgb(rgb_from_lab(lab))
    assert np.abs(back[:, 0] - lab[:, 0]).max() < 3
    turn = np.arctan2(back[:, 2], back[:, 1]) - np.arctan2(lab[:, 2], lab[:, 1])
    assert np.abs(np.degrees(turn)).max() < 6


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_families_paint_the_same_picture_at_any_size(family):
    composition = Composition(family, {"texture": 0.8}, (), 7)
    size = 128 if family in FINE else 64
    small, large = paint(composition, size), paint(composition, 2 * size)
    assert small.shape == (size, size, 3)
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, paint(composition, size))
    halved = np.asarray(Image.fromarray(large).resize((size, size), Image.Resampling.BOX))
    assert np.abs(halved.astype(float) - small).mean() < SIZES_DIFFER
    assert small.std() > 1  # something was drawn


def test_seeds_differ():
    one, other = (paint(Composition("flow", {}, (), seed), 64) for seed in (1, 2))
    assert np.abs(one.astype(int) - other).mean() > 5


def test_samples_repeat_and_keep_to_what_families_express():
    assert sample(5) == sample(5)
    for seed in range(300):
        composition = sample(seed)
        values = composition.values()
        assert set(values) == set(AXIS_NAMES)
        for axis, value in composition.attributes.items():
            assert values[axis] == pytest.approx(value)


def test_strong_colour_labels_are_true(gallery):
    hits = {axis: [] for axis in SCALES}
    for composition, seen in gallery:
        for axis, found in hits.items():
            asked = composition.attributes.get(axis, 0.0)
            if abs(asked) >= STRONG:
                found.append(asked * seen.measured.scores[axis] > 0)
    for axis, found in hits.items():
        assert len(found) > SAMPLES / 4
        assert np.mean(found) >= TRUE_COLOUR, axis


def test_hues_are_true(gallery):
    hits = []
    for composition, seen in gallery:
        shares = sorted((seen.measured.hues[hue] for hue in composition.hues), reverse=True)
        hits += [share >= least for share, least in zip(shares, (LEADS, SEEN), strict=False)]
    assert np.mean(hits) >= TRUE_HUE


def test_adjectives_are_known_few_and_never_opposed(gallery):
    rng = np.random.default_rng(1)
    for composition, seen in gallery:
        words = adjectives(composition, rng, seen)
        assert 3 <= len(words) <= 6
        assert set(words) <= set(known_words())
        assert len(set(words)) == len(words)
        ends = {poles()[word] for word in words if word in poles()}
        assert len(ends) == len(dict(ends))  # one end of an axis at most


def test_every_word_can_be_said(gallery):
    rng, said = np.random.default_rng(2), Counter()
    for composition, seen in gallery:
        for _ in range(40):  # other draws from the same truths
            said.update(adjectives(composition, rng, seen))
    plain = set(known_words()) - set(FORMS)  # forms are said on request
    missing = plain - set(said)
    # words of few pictures, each with a composition that shows it
    shows = {
        "white": Composition("stripes", {"lightness": 1, "chroma": -1, "contrast": -0.6}, (), 3),
        "black": Composition("stripes", {"lightness": -1, "contrast": -0.6}, (), 3),
    }
    for word in missing & set(shows):
        seen = study(shows[word])
        said.update(w for _ in range(200) for w in adjectives(shows[word], rng, seen))
    assert plain <= set(said), plain - set(said)


def test_words_follow_what_was_drawn():
    rng = np.random.default_rng(3)
    calm = Composition("stripes", {"energy": -0.9, "order": 0.8, "direction": -0.9}, (), 4)
    said = {w for _ in range(60) for w in adjectives(calm, rng)}
    assert "striped" in said
    assert not said & {"spiral", "splattered", "circular", "explosive", "chaotic"}


def test_hues_and_regions_name_the_same_hues():
    assert set(HUES) == set(HUE_REGIONS)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nothing",), "No family 'nothing'"),
        (("flow", {"warmth": 1.0}), "No axis 'warmth'"),
        (("flow", {"energy": 2.0}), r"energy is 2.0; expected a number in \[-1, 1\]"),
        (("flow", {"energy": float("nan")}), "energy is nan"),
        (("flow", {}, ("mauve",)), "mauve"),
        (("flow", {}, ("red", "blue", "green")), "at most two"),
        (("flow", {}, (), -1), "seed is -1"),
    ],
)
def test_bad_compositions_give_one_clear_error(arguments, expected):
    with pytest.raises(OptionError, match=expected):
        Composition(*arguments)


@pytest.mark.parametrize("size", [0, 31, 4096])
def test_bad_sizes_give_one_clear_error(size):
    with pytest.raises(OptionError, match="expected 32 to 2048"):
        paint(Composition("flow"), size)


def test_command_writes_both_sheets(tmp_path, monkeypatch):
    from train.__main__ import main
    from train.studio import sampling, sheet

    monkeypatch.setattr(sheet, "TILE", 32)
    monkeypatch.setattr(sheet, "SEEDS", 2)
    monkeypatch.setattr(sheet, "PAIRS", 1)
    few = ("bauhaus", "signs", "spiral", "suprematist", "waves")  # quicker than all
    monkeypatch.setattr(sheet, "FAMILIES", {name: FAMILIES[name] for name in few})
    monkeypatch.setattr(sampling, "FAMILIES", {name: FAMILIES[name] for name in few})
    result = CliRunner().invoke(main, ["studio", "--out", str(tmp_path), "--seed", "1"])
    assert result.exit_code == 0, result.output
    for name in ("families.png", "axes.png"):
        with Image.open(tmp_path / name) as page:
            assert page.width > 64
