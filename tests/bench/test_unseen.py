import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from bench.unseen import load_unseen
from bench.words import closeness, fit_readout, misspellings, prototypes, words, zero_shot
from t2a_edge.errors import DataError
from t2a_edge.vocabulary import AXES, HUES, known_words
from train.models.text import TextEngine
from train.preset import TextConfig
from train.studio.forms import form_words
from train.words.lexicon.labels import COLUMNS, load_labels
from train.words.lexicon.spelling import ENDINGS, inflected
from train.words.lexicon.wordnet import DEFAULT, load_wordnet

PAINTINGS = Path("../shared/data/paintings/paintings.jsonl")


@pytest.fixture(scope="module")
def engine() -> TextEngine:
    torch.manual_seed(0)
    return TextEngine(TextConfig(width=16, table_size=256, table_dim=8)).eval()


def test_the_list_covers_every_pole_and_hue():
    unseen = load_unseen()
    assert len(unseen.words) >= 160
    assert set(unseen.axes.values()) == {(axis.name, sign) for axis in AXES for sign in (-1, 1)}
    assert set(unseen.hues.values()) == set(HUES)


def test_no_unseen_word_is_in_the_vocabulary_the_studio_s_or_the_labelled_lexicon():
    unseen = set(load_unseen().words)
    assert not unseen & set(known_words())
    assert not unseen & set(form_words())
    assert not unseen & set(load_labels().words)


def test_no_inflection_of_an_unseen_word_is_labelled():
    unseen = load_unseen().words
    forms = {inflected(word, ending) for word in unseen for ending in ENDINGS} - set(known_words())
    assert not forms & set(load_labels().words)


@pytest.mark.skipif(not PAINTINGS.is_file(), reason="needs the paintings' annotations")
def test_no_unseen_word_is_an_annotation():
    lines = PAINTINGS.read_text(encoding="utf-8").splitlines()
    annotated = {word for line in lines for word in json.loads(line)["adjectives"]}
    assert not set(load_unseen().words) & annotated


def test_nothing_in_train_reads_the_list():
    for path in Path("train").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "unseen_adjectives" not in text, path
        assert "bench" not in text, path


@pytest.mark.slow
@pytest.mark.skipif(not (DEFAULT / "data.adj").is_file(), reason="needs `apt install wordnet-base`")
def test_every_unseen_word_is_an_adjective_of_the_dictionary():
    assert set(load_unseen().words) <= set(load_wordnet().words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[axes.temperature]\nmild = ["balmy"]', "expected a pole of an axis"),
        ('[axes.temperature]\nwarm = ["balmy", "balmy"]', "twice"),
        ('[hues]\nplaid = ["tartan"]', "expected one of red"),
        ("[axes", "cannot be read"),
        ("axes = 1", "has 1 for 'axes'; expected a table"),
        ("[axes]\ntemperature = 1", "has 1 for 'temperature'; expected a table"),
        ("[axes.temperature]\nwarm = 1", "has 1; expected a list of words"),
        ("[hues]\nred = [1]", r"has \[1\]; expected a list of words"),
    ],
)
def test_a_bad_list_is_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / "list.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_unseen(path)


def test_an_engine_that_knows_nothing_scores_about_half(engine):
    figures = zero_shot(engine, load_labels(), load_unseen())
    assert 0.3 < figures["poles"]["prototype"] < 0.8
    assert figures["words"]["poles"] + figures["words"]["hues"] == len(load_unseen().words)


def test_a_leaked_word_stops_the_measurement(engine):
    labels = load_labels()
    leaked = type(labels)((*labels.words, "balmy"), labels.scores, labels.named)
    with pytest.raises(ValueError, match="balmy"):
        zero_shot(engine, leaked, load_unseen())


def test_readout_and_prototypes_have_a_column_for_each_axis(engine):
    labels = load_labels()
    assert fit_readout(engine, labels)(torch.randn(3, 16)).shape == (3, len(COLUMNS))
    poles, hues = prototypes(engine, labels)
    assert poles.shape == (len(AXES), 2, 16)
    assert hues.shape == (len(HUES), 16)
    assert torch.isfinite(poles).all()  # also of the pole without known words


def test_misspellings_and_closeness_are_shares(engine):
    assert 0 <= misspellings(engine) <= 1
    assert all(-1 <= value <= 1 for value in closeness(engine).values())


def test_the_command_names_a_missing_stage(tmp_path: Path):
    result = CliRunner().invoke(words, ["--run", str(tmp_path)])
    assert "run `python -m train words` first" in str(result.exception)
