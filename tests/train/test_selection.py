from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2a_edge.errors import CheckpointError
from t2a_edge.vocabulary import poles
from train.config import load_preset
from train.selection import Wordless, best, measurable_words, random_prompts
from train.selection_task import PART, drawn_part, part_count, prompts_of, selected_pictures
from train.wording import MEASURED

COLUMN = {name: number for number, name in enumerate(MEASURED)}


def scores_of(**values) -> np.ndarray:
    """(1, A) scores, 0 where nothing is said."""
    row = np.zeros((1, len(MEASURED)), dtype=np.float32)
    for name, value in values.items():
        row[0, COLUMN[name]] = value
    return row


def test_prompts_are_measurable_words_of_different_axes():
    prompts = random_prompts(200, np.random.default_rng(1), (1, 1, 2, 3), {})
    assert {len(prompt) for prompt in prompts} == {1, 2, 3}
    for prompt in prompts:
        assert set(prompt) <= set(measurable_words())
        meanings = [poles().get(word, ("hue", 1))[0] for word in prompt]
        assert len(set(meanings)) == len(prompt)
    assert prompts == random_prompts(200, np.random.default_rng(1), (1, 1, 2, 3), {})


def test_favoured_axes_are_named_as_often_as_the_odds_say():
    prompts = random_prompts(4000, np.random.default_rng(3), (1,), {"contour": 5, "texture": 0.5})
    named = Counter(poles().get(prompt[0], ("hue", 1))[0] for prompt in prompts)
    others = [count for name, count in named.items() if name not in ("contour", "texture")]
    assert len(others) == 10
    assert named["contour"] / np.mean(others) == pytest.approx(5, rel=0.15)
    assert named["texture"] / np.mean(others) == pytest.approx(0.5, rel=0.2)


def test_words_that_nothing_measures_are_not_asked_for():
    assert not {"layered", "dreamy"} & set(measurable_words())
    assert measurable_words()["icy"] == (COLUMN["temperature"], -1)
    assert measurable_words()["violet"] == (COLUMN["violet"], 1)


def test_a_margin_is_that_of_the_weakest_word_in_spreads():
    rng = np.random.default_rng(2)
    plain = rng.normal(0.3, 0.1, (4000, len(MEASURED))).astype(np.float32)
    wordless = Wordless.of(plain)
    picture = scores_of(temperature=0.5, lightness=0.2, density=0.3)
    assert wordless.margin(["warm"], picture)[0] == pytest.approx(2, abs=0.15)
    assert wordless.margin(["dark"], picture)[0] == pytest.approx(1, abs=0.15)
    assert wordless.margin(["warm", "dark"], picture)[0] == pytest.approx(1, abs=0.15)
    assert wordless.margin(["cool"], picture)[0] == pytest.approx(-2, abs=0.15)


def test_a_hue_that_is_rare_without_words_must_still_show():
    wordless = Wordless.of(np.zeros((10, len(MEASURED)), dtype=np.float32))
    assert wordless.margin(["pink"], scores_of(pink=0.05))[0] < 0
    assert wordless.margin(["pink"], scores_of(pink=0.2))[0] > 0


@pytest.mark.parametrize(
    ("margins", "kept"),
    [
        ([-0.1, -2.0, 0.0], []),
        ([0.2, -1.0, 0.5, 0.1], [2, 0]),
        ([1.2, 0.9, 3.0, 1.1], [0, 2]),  # beyond enough, the first ones
    ],
)
def test_the_best_show_every_word_and_need_not_be_extreme(margins, kept):
    assert best(np.array(margins), keep=2, enough=1.0) == kept


class Painter:
    """Draws pictures of which every other one shows all of its words."""

    modules = ()

    def __init__(self, strength: float = 0.5) -> None:
        self.strength = strength
        self.drawn: list[tuple] = []

    def draw(self, prompts, seed):
        scores = np.zeros((len(prompts), len(MEASURED)), dtype=np.float32)
        for number, prompt in enumerate(prompts):
            for column, sign in (measurable_words()[word] for word in prompt):
                scores[number, column] = sign * self.strength * (number % 2)
        self.drawn.append((tuple(prompts), seed))
        return torch.arange(len(prompts))[:, None], scores


CONFIG = replace(load_preset("tiny").selection, prompts=PART + 2)


def test_what_shows_its_words_is_kept_with_its_prompt(tmp_path):
    store, shown = selected_pictures(Painter(), CONFIG, tmp_path, "key")
    assert shown == 0.5
    prompts = prompts_of(CONFIG)
    assert store.adjectives == [prompt for prompt in prompts for _ in range(CONFIG.keep)]
    assert all(store.prompted)
    assert len(store.prompted) == len(store.indices) == len(store.scores)
    assert (store.indices % 2 == 1).all()


def test_a_selection_that_was_stopped_draws_only_what_is_missing(tmp_path):
    assert part_count(CONFIG) == 3
    first = Painter()
    whole, _ = selected_pictures(first, CONFIG, tmp_path, "key")
    seeds = [seed for _, seed in first.drawn]
    assert len(set(seeds)) == 3
    (tmp_path / "002.safetensors").unlink()
    again = Painter()
    resumed, _ = selected_pictures(again, CONFIG, tmp_path, "key")
    assert again.drawn == first.drawn[2:]
    assert torch.equal(resumed.indices, whole.indices)
    assert resumed.adjectives == whole.adjectives


def test_other_weights_draw_again(tmp_path):
    drawn_part(Painter(), CONFIG, 1, tmp_path, "key")
    again = Painter()
    drawn_part(again, CONFIG, 1, tmp_path, "another")
    assert len(again.drawn) == 1


def test_a_model_that_shows_nothing_is_told_so(tmp_path):
    count = CONFIG.prompts * CONFIG.draws
    with pytest.raises(CheckpointError, match=rf"None of {count} pictures shows .* Train the gen"):
        selected_pictures(Painter(0), CONFIG, tmp_path, "key")
