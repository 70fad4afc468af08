"""Words of form: given where they were drawn, and nowhere else."""

import numpy as np
import pytest

from t2a_edge.attributes import attribute_scores
from t2a_edge.vocabulary import FORMS as VOCABULARY_FORMS
from t2a_edge.vocabulary import known_words
from train.studio import FAMILIES, Composition, adjectives, form_words, paint_studied
from train.studio.forms import FORMS, UPRIGHT, VISIBLE, forms_shown
from train.studio.measure import visibility
from train.studio.record import Record

PLAIN = {"contrast": 0.6, "texture": -0.5}  # crisp and to be seen: whatever is drawn shows
# no word of form of theirs: what they show is in the shipped vocabulary
WITHOUT = {
    "amoebas", "bauhaus", "colour_fields", "columns", "discs", "jags", "mirrored", "rods",
    "solids", "spokes", "spray", "strata", "strewn", "suprematist", "veils", "whirl",
}  # fmt: skip


@pytest.fixture(scope="module")
def shown():
    """Each family painted once, in plain sight: name -> (composition, picture, study)."""
    made = {name: Composition(name, PLAIN, (), 3) for name in sorted(FAMILIES)}
    return {name: (c, *paint_studied(c, 64)) for name, c in made.items()}


def test_forms_have_their_own_words():
    assert len(form_words()) >= 100
    assert set(form_words()) & set(known_words()) == set(VOCABULARY_FORMS)
    assert all(word == word.casefold() and len(word.split()) == 1 for word in form_words())


def test_every_family_shows_its_form_and_every_form_has_a_family(shown):
    seen = {n: set(forms_shown(study.traits, study.visible)) for n, (_, _, study) in shown.items()}
    assert {name for name, marks in seen.items() if not marks} == WITHOUT
    assert set(FORMS) == set().union(*seen.values())


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("checkerboard", {"checkered", "chequered", "checked"}),
        ("pixels", {"pixelated", "pixellated"}),
        ("flowers", {"floral", "flowery", "blooming"}),
        ("weave", {"woven", "interwoven"}),
        ("shards", {"faceted"}),
        ("marble", {"marbled", "veined"}),
        ("stripes", {"banded", "barred"}),
    ],
)
def test_a_form_is_named_by_its_own_words_alone(shown, family, words):
    composition, _, study = shown[family]
    rng = np.random.default_rng(1)
    said = [set(adjectives(composition, rng, study, forms=True)) for _ in range(40)]
    named = set().union(*said) & set(form_words())
    assert named == words
    assert np.mean([bool(one & words) for one in said]) > 0.8  # prevalent
    assert all(len(one & words) <= 1 for one in said)  # one name, not all its synonyms


def test_words_of_form_are_said_only_when_asked(shown):
    composition, _, study = shown["checkerboard"]
    rng = np.random.default_rng(2)
    for _ in range(40):
        assert set(adjectives(composition, rng, study)) <= set(known_words())


def test_what_cannot_be_seen_is_not_named(shown):
    _, _, study = shown["checkerboard"]
    assert "checkered" in forms_shown(study.traits, VISIBLE)
    assert not forms_shown(study.traits, 0.9 * VISIBLE)
    fields = np.full((64, 64, 3), 40, np.uint8)
    fields[:, 32:] = 90
    lines = np.full((64, 64, 3), 90, np.uint8)
    lines[::8] = 84
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((8, 8)))[..., None] * [200, 180, 90]
    assert visibility(lines) < VISIBLE
    assert visibility(fields) < visibility(board.astype(np.uint8)) / 4


@pytest.mark.parametrize(
    ("measure", "shows", "others"),
    [
        ("symmetrical", ("kaleidoscope", "ornament"), ("branches", "drips", "tangle", "tilted")),
        ("vertical", ("drips",), ("ribbons", "cells", "stars")),
        ("order", ("checkerboard", "honeycomb", "scales"), ("tangle", "splatter", "ink")),
        ("density", ("mosaic", "patchwork", "marble"), ("wisps", "meander", "bubbles")),
        ("contour", ("cells", "bubbles", "scales"), ("zigzags", "labyrinth", "steps")),
    ],
)
def test_measures_agree_with_what_is_drawn(shown, measure, shows, others):
    def mean(names):
        return np.mean([attribute_scores(shown[n][1])[measure] for n in names if n in shown])

    assert mean(shows) > mean(others)


def test_a_record_comes_back_as_it_was(shown):
    composition, _, study = shown["flowers"]
    words = adjectives(composition, np.random.default_rng(4), study)
    record = Record(composition, study, words)
    back = Record.from_line(record.line())
    assert "\n" not in record.line()
    assert back.composition == composition
    assert back.words == words
    assert back.seen.traits == study.traits
    assert back.seen.values == pytest.approx(study.values)
    assert back.seen.measured.scores == pytest.approx(study.measured.scores, abs=1e-3)
    assert Record.from_line(back.line()).line() == back.line()


def test_pictures_with_a_top_say_so(shown):
    assert UPRIGHT in shown["drips"][2].traits
    assert UPRIGHT not in shown["checkerboard"][2].traits
