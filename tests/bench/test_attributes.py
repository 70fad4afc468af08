import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench import attributes
from bench.attribute_fit import (
    AXIS_TERMS,
    TURNED,
    WORD_TERMS,
    Samples,
    auc,
    auc_interval,
    axis_signs,
    fit_logistic,
    fit_measure,
    ranks,
    spearman,
)
from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES, Measure, Term

RNG = np.random.default_rng(1)
WORDS = [("warm", "dense", "vertical"), ("cool", "sparse", "horizontal"), ("warm", "busy")]


def samples(count=200):
    pole = np.arange(count) % 2 * 2 - 1
    values = {
        "good": pole + RNG.normal(0, 1, count),
        "wrong": -pole + RNG.normal(0, 1, count),
    }
    words = [frozenset(["warm" if p > 0 else "icy"]) for p in pole]
    return Samples(values, words, np.arange(count) < count // 2)


def test_the_poles_of_words():
    words = [{"warm"}, {"icy", "dark"}, {"dark"}, {"warm", "icy"}, {"hot", "warm"}]
    assert axis_signs([frozenset(w) for w in words], "temperature").tolist() == [1, -1, 0, 0, 1]


def test_auc_counts_pairs_and_ties_half():
    signs = np.array([1, 1, -1, -1, 0])
    assert auc(np.array([3.0, 2, 1, 0, 9]), signs) == 1.0
    assert auc(np.array([0.0, 1, 2, 3, 9]), signs) == 0.0
    assert auc(np.array([1.0, 1, 1, 1, 9]), signs) == 0.5
    assert auc(np.array([3.0, 1, 2, 0, 9]), signs) == 0.75
    assert np.isnan(auc(np.array([1.0, 2]), np.array([1, 1])))


def test_the_interval_holds_the_auc():
    measured = samples()
    signs = axis_signs(measured.words, "temperature")
    low, high = auc_interval(measured.values["good"], signs)
    assert 0.5 < low < auc(measured.values["good"], signs) < high < 1


def test_ranks_and_spearman():
    assert ranks(np.array([5.0, 1, 5, 9])).tolist() == [1.5, 0, 1.5, 3]
    assert spearman(np.array([1.0, 2, 3]), np.array([1.0, 8, 27])) == pytest.approx(1)
    assert np.isnan(spearman(np.zeros(3), np.arange(3.0)))


def test_logistic_weights_do_not_depend_on_how_common_a_pole_is():
    x = RNG.normal(0, 1, (400, 1))
    signs = np.where(x[:, 0] + RNG.normal(0, 1, 400) > 0, 1, -1)
    few = np.r_[np.nonzero(signs > 0)[0], np.tile(np.nonzero(signs < 0)[0], 5)]
    np.testing.assert_allclose(fit_logistic(x, signs), fit_logistic(x[few], signs[few]), atol=1e-6)


def test_a_statistic_with_the_wrong_sign_is_dropped():
    measured = samples()
    signs = axis_signs(measured.words, "temperature")
    measure, dropped = fit_measure(measured, "+good +wrong", signs)
    assert [term.statistic for term in measure.terms] == ["good"]
    assert dropped == ["wrong"]
    kept, dropped = fit_measure(measured, "+good -wrong", signs)
    assert len(kept.terms) == 2
    assert dropped == []


def test_the_shipped_constants_have_the_expected_statistics_and_signs():
    for measures, wanted in ((AXIS_MEASURES, AXIS_TERMS), (WORD_MEASURES, WORD_TERMS)):
        assert measures.keys() == wanted.keys()
        for name, measure in measures.items():
            signed = {("+" if t.weight > 0 else "-") + t.statistic for t in measure.terms}
            assert signed <= set(wanted[name].split()), name


def test_vertical_and_horizontal_share_their_weights():
    for word, other in TURNED.items():
        ours = sorted(t.weight for t in WORD_MEASURES[word].terms)
        assert ours == pytest.approx(sorted(t.weight for t in WORD_MEASURES[other].terms))


def test_constants_are_written_as_python(tmp_path):
    measure = Measure(0.5, (Term("grain", 1.0, 2.0, -0.25),))
    text = attributes.table_source({"texture": measure}, {})
    names = {}
    exec(compile(text, "table", "exec"), names)  # noqa: S102
    assert names["AXIS_MEASURES"] == {"texture": measure}
    assert attributes.table_source(AXIS_MEASURES, WORD_MEASURES) == attributes.TABLE.read_text()


@pytest.fixture
def folder(tmp_path):
    """Pictures whose colour and stripes are what their words say."""
    lines = []
    for number in range(24):
        warm, upright = number % 3 != 1, number % 3 == 0
        picture = np.full((48, 48, 3), (210, 120, 50) if warm else (60, 110, 200), float)
        picture[:, :: 6 if upright else 48] *= 0.4
        picture[:: 48 if upright else 6] *= 0.4
        picture = (picture + RNG.normal(0, 5, picture.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        row = {"file": f"{number}.png", "adjectives": WORDS[number % 3]}
        row["split"] = "train" if number < 12 else "val" if number < 18 else "test"
        if number == 0:
            row["second_annotation"] = ["fiery"]
        lines.append(json.dumps(row))
    (tmp_path / "pictures.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_table_of_a_data_folder(folder):
    done = CliRunner().invoke(attributes.attributes, ["--data", str(folder)])
    assert done.exit_code == 0, done.output
    rows = {
        c[1].strip(): c for c in (line.split("|") for line in done.output.splitlines()) if c[1:]
    }
    assert "1.000" in rows["temperature"][5]
    assert rows["temperature"][8].strip().startswith("measured")
    assert rows["symmetrical"][8].strip() == "not measured"  # no picture bears the word
    assert "ms of processor time" in done.output
    assert "depth: " in done.output


def test_words_of_both_annotations_count(folder):
    assert attributes.annotated_words(folder)["0.png"] == {*WORDS[0], "fiery"}
