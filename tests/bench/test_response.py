from collections import Counter

import numpy as np
import pytest

from bench.response import (
    WORDLESS,
    Drawn,
    Request,
    algebra_report,
    diversity_report,
    draw_request,
    effects,
    follow_report,
    is_monotone,
    ratio_of_means,
    requests,
    seen_targets,
    triple_report,
    triples,
    unseen_targets,
)
from bench.unseen import load_unseen
from t2a_edge.vocabulary import poles

TARGETS = seen_targets() | unseen_targets(load_unseen())
SCORES = sorted({target.score for target in TARGETS.values()})
SEEDS = range(1, 5)
TRIPLES = 12


def wish(request):
    """What a request asks of each score: weights and minus signs count, a blend is between."""
    asked = Counter()
    ends = [(request.prompt, 1 - request.amount), (request.blend or "", request.amount)]
    for prompt, share in ends:
        for token in prompt.split():
            word, _, weight = token.removeprefix("-").partition(":")
            sign = -1 if token.startswith("-") else 1
            target = TARGETS[word]
            asked[target.score] += share * sign * float(weight or 1) * target.sign
    return asked


def scored(obedience):
    """All requests, drawn by a model whose scores follow the words this much, by seed."""
    rng = np.random.default_rng(1)
    noise = {score: rng.normal(0, 0.05, len(SEEDS)) for score in SCORES}
    thumbnails = rng.normal(0, 10, (len(SEEDS), 32, 32, 3))
    found = {}
    for request in requests(load_unseen(), TRIPLES):
        asked = wish(request)
        scores = {s: noise[s] + 0.3 * obedience(s) * asked[s] for s in SCORES}
        found[request] = Drawn(scores, thumbnails)
    return found


@pytest.fixture(scope="module")
def obeyed():
    return scored(lambda score: 1)


@pytest.fixture(scope="module")
def defied():
    return scored(lambda score: -1)


@pytest.fixture(scope="module")
def order_defied():
    return scored(lambda score: -1 if score == "order" else 1)


def flat_pictures(obedience):
    """Grain of a colour that is as light and as warm as the prompt asks, or the other way."""

    def draw(request, seed):
        asked = wish(request)
        light, warm = (60 * obedience * asked[s] for s in ("lightness", "temperature"))
        colour = np.array([128 + light + warm / 2, 128 + light, 128 + light - warm / 2])
        grain = np.random.default_rng(seed).normal(0, 8, (40, 40, 1))
        return (colour + grain).clip(0, 255).astype(np.uint8)

    return draw


@pytest.mark.parametrize(("obedience", "share"), [(1, 1.0), (-1, 0.0)])
def test_pictures_are_measured_on_the_axis_of_the_word(obedience, share):
    words = ("warm", "icy", "dark", "pale")
    draw = flat_pictures(obedience)
    wanted = [Request(WORDLESS), *map(Request, words)]
    drawn = {request: draw_request(draw, request, (1, 2)) for request in wanted}
    assert drawn[wanted[0]].thumbnails.shape == (2, 32, 32, 3)
    report = follow_report(drawn, {word: TARGETS[word] for word in words})
    assert (report["words"], report["images"], report["count"]) == (share, share, 4)
    assert set(report["by_axis"]) == {"temperature", "lightness"}


@pytest.mark.parametrize(
    ("means", "rises"),
    [
        ((0, 1, 2), True),
        ((0, 2, 2), True),  # level is no fall
        ((2, 1, 0), False),
        ((1, 1, 1), False),  # nothing moves
        ((0, 2, 1), False),  # a fall on the way
        ((0, -1, 2), False),
    ],
)
def test_monotone_means_rise_and_never_fall(means, rises):
    noise = np.random.default_rng(1).normal(0, 5, 20)  # the same by seed: it cancels
    assert is_monotone([mean + noise for mean in means]) is rises


def test_a_fall_within_its_standard_error_is_forgiven():
    unsure = np.array([-1.0, 1.0, -1.0, 1.0])
    assert is_monotone([np.zeros(4), np.ones(4), 0.9 + unsure])
    assert not is_monotone([np.zeros(4), np.ones(4), 0.9 + 0.1 * unsure])


def test_following_is_counted_in_both_directions(obeyed, defied, order_defied):
    full, none, most = (follow_report(d, TARGETS) for d in (obeyed, defied, order_defied))
    assert (full["words"], full["missed"]) == (1.0, [])
    assert (none["words"], sorted(none["missed"])) == (0.0, sorted(TARGETS))
    assert full["images"] > 0.95
    assert none["images"] < 0.05
    assert most["by_axis"]["order"]["words"] == 0
    assert most["by_axis"]["hue"]["words"] == 1
    assert {TARGETS[word].score for word in most["missed"]} == {"order"}


def test_a_model_that_ignores_words_moves_none():
    report = follow_report(scored(lambda score: 0), TARGETS)
    assert report["words"] == 0
    axes = {name: part["images"] for name, part in report["by_axis"].items()}
    assert axes.pop("hue") < 0.1  # a trace of a hue is no colour
    assert set(axes.values()) == {0.5}


def test_a_triple_counts_if_all_three_poles_are_reached(obeyed, defied, order_defied):
    assert triple_report(obeyed, triples(TRIPLES)) == {
        "prompts": 1.0,
        "count": TRIPLES,
        "missed": [],
    }
    assert triple_report(defied, triples(TRIPLES))["prompts"] == 0
    partly = triple_report(order_defied, triples(TRIPLES))
    with_order = [t for t in triples(TRIPLES) if "order" in {poles()[w][0] for w in t}]
    assert 0 < len(with_order) < TRIPLES
    assert partly["prompts"] == pytest.approx(1 - len(with_order) / TRIPLES)
    for line, words in zip(partly["missed"], with_order, strict=True):
        lost = [word for word in words if poles()[word][0] == "order"]
        assert line == f"{' '.join(words)}: {lost[0]}"


def test_algebra_is_judged_in_both_directions(obeyed, defied, order_defied):
    kinds = ("weights", "blends", "negations")
    full, none, most = (algebra_report(d) for d in (obeyed, defied, order_defied))
    assert [full[kind] for kind in kinds] == [1, 1, 1]
    assert full["missed"] == []
    assert [none[kind] for kind in kinds] == [0, 0, 0]
    assert len(most["missed"]) == 5  # two weights, a blend, two negations
    assert "order" in most["missed"]


def test_diversity_is_none_for_equal_pictures_and_relative_to_the_training_pictures(obeyed):
    training = obeyed[Request(WORDLESS)].thumbnails
    report = diversity_report(obeyed, ["warm", "dark"], 2 * training)
    assert report["within_prompts"] == report["without_words"] > 0
    assert report["ratio"] == pytest.approx(0.5)
    same = {r: Drawn({}, np.zeros((3, 32, 32, 3))) for r in map(Request, (WORDLESS, "warm"))}
    report = diversity_report(same, ["warm"], None)
    assert report["within_prompts"] == 0
    assert "ratio" not in report
    assert "no folder" in report["not_measured"]


def test_triples_are_the_same_every_time_and_never_share_an_axis():
    assert triples(60) == triples(60)
    assert triples(60)[:5] == triples(5)
    for words in triples(60):
        assert len({poles()[word][0] for word in words}) == 3


def test_every_request_is_drawn_once():
    wanted = requests(load_unseen(), TRIPLES)
    assert wanted[0] == Request(WORDLESS)
    assert len(set(wanted)) == len(wanted)
    assert set(map(Request, TARGETS)) <= set(wanted)


def test_an_effect_is_the_way_from_the_wordless_picture_of_the_same_seed():
    thumbnails = np.zeros((2, 1, 1, 3))
    drawn = {
        Request(WORDLESS): Drawn({"lightness": np.array([0.5, 1.5])}, thumbnails),
        Request("bright"): Drawn({"lightness": np.array([2.5, 2.5])}, thumbnails),
        Request("dark"): Drawn({"lightness": np.array([0.5, -0.5])}, thumbnails),
    }
    targets = {word: TARGETS[word] for word in ("bright", "dark")}
    np.testing.assert_allclose(effects(drawn, targets), [1.0, 1.5])


def test_the_error_of_a_ratio_is_how_much_it_varies():
    rng = np.random.default_rng(1)
    pairs = rng.normal([0.9, 1.0], 0.2, size=(2000, 20, 2))
    pairs += rng.normal(0, 0.3, size=(2000, 20, 1))  # what both of a seed have in common
    found = np.array([ratio_of_means(a, b) for a, b in pairs.transpose(0, 2, 1)])
    assert found[:, 0].mean() == pytest.approx(0.9, abs=0.01)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.1)
    assert ratio_of_means(np.array([2.0, 4.0]), np.array([1.0, 2.0])) == (2.0, 0.0)
