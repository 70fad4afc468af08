import numpy as np
import pytest

from t2a_edge.errors import CheckpointError
from t2a_edge.vocabulary import poles
from train.selection import Wordless, best, measurable_words, random_prompts
from train.selection_task import selected_pictures
from train.wording import MEASURED

COLUMN = {name: number for number, name in enumerate(MEASURED)}


def scores_of(**values) -> np.ndarray:
    """(1, A) scores, 0 where nothing is said."""
    row = np.zeros((1, len(MEASURED)), dtype=np.float32)
    for name, value in values.items():
        row[0, COLUMN[name]] = value
    return row


def test_prompts_are_measurable_words_of_different_axes():
    prompts = random_prompts(200, np.random.default_rng(1))
    assert {len(prompt) for prompt in prompts} == {1, 2, 3}
    for prompt in prompts:
        assert set(prompt) <= set(measurable_words())
        meanings = [poles().get(word, ("hue", 1))[0] for word in prompt]
        assert len(set(meanings)) == len(prompt)
    assert prompts == random_prompts(200, np.random.default_rng(1))


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


def test_a_model_that_shows_nothing_is_told_so(tmp_path):
    from train.config import load_preset

    class Grey:
        preset = load_preset("tiny")
        modules = ()

        def draw(self, prompts, seed):
            return None, np.zeros((len(prompts), len(MEASURED)), dtype=np.float32)

    with pytest.raises(CheckpointError, match=r"None of 32 pictures shows .* Train the generator"):
        selected_pictures(Grey(), tmp_path / "x.safetensors", "key")
    assert not list(tmp_path.iterdir())
