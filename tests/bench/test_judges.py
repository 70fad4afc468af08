"""The judges: a classifier taught a little, known distances, known copies, and bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from bench.judges.__main__ import judges
from bench.judges.distance import Gaussian, distances, frechet, gaussian
from bench.judges.lessons import (
    carriers,
    corpus_file,
    lesson_pictures,
    load_corpus,
    shrunk,
)
from bench.judges.nearest import copies_report, nearest_of, turns, view, view_all
from bench.judges.network import MARKS, SIDE, TRAITS, Classifier, FormNet, Reading, seen
from bench.judges.pictures import Pictures, load_pictures, words_of_name
from bench.judges.shown import forms_report, targets, wilson
from bench.judges.task import FormTask, codec_lessons, train_classifier
from t2a_edge.errors import CheckpointError, DataError
from t2a_edge.pixels import read_pixels
from train.preset import FitConfig
from train.studio import Composition, adjectives, paint_studied
from train.studio.record import Record

FAMILIES = ("spiral", "stripes", "checkerboard", "sunburst")
PICTURES = 44  # of which 0, 20 and 40 are held out
STEPS = 4
SHIPPED = Path(__file__).parents[2] / "checkpoints" / "base.safetensors"


@pytest.fixture(scope="module")
def corpus_path(tmp_path_factory):
    """A corpus as `studio-corpus` leaves it, of four families at 64 pixels."""
    pixels, lines = [], []
    for seed in range(PICTURES):
        made = Composition(FAMILIES[seed % 4], {"contrast": 0.6}, (), seed)
        picture, study = paint_studied(made, 64)
        words = adjectives(made, np.random.default_rng(seed), study)
        pixels.append(picture)
        lines.append(Record(made, study, words).line())
    path = tmp_path_factory.mktemp("corpus") / "studio-0123.npy"
    np.save(path, np.stack(pixels))
    path.with_suffix(".jsonl").write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def trained(corpus_path, tmp_path_factory):
    """The command that makes a classifier: its file, its run and what it printed."""
    folder = tmp_path_factory.mktemp("classifier")
    out = folder / "forms.safetensors"
    done = run("classifier", "--cache", corpus_path.parent, "--out", out, "--steps", STEPS,
               "--batch", 8)  # fmt: skip
    return out, folder / "forms.run", json.loads(done.stdout)


@pytest.fixture(scope="module")
def classifier(trained):
    return Classifier.load(trained[0])


@pytest.fixture
def drawn(corpus_path, tmp_path):
    """A folder of a generator's pictures, named by prompt: the corpus's first ones."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    pixels = np.load(corpus_path)
    for number, word in enumerate(("spiral", "striped", "checkered", "radial")):
        for seed in range(3):
            Image.fromarray(pixels[number + 4 * seed]).save(folder / f"warm-{word}-{seed}.png")
    return folder


def run(*arguments):
    done = CliRunner().invoke(judges, [str(a) for a in arguments])
    if done.exception is not None:
        raise done.exception
    return done


# what is learnt from


def test_a_corpus_has_the_marks_that_were_drawn_and_can_be_seen(corpus_path):
    corpus = load_corpus(corpus_path.parent)
    assert corpus_file(corpus_path.parent) == corpus_path
    assert corpus.words(0)[:1] == ("coiled",)
    assert "spiral" in corpus.words(0)
    assert corpus.words(2)[0] == "checkered"
    assert np.allclose(corpus.marks.sum(1), 1)
    assert corpus.held_out.tolist() == [0, 20, 40]
    assert sorted([*corpus.training, *corpus.held_out]) == list(range(PICTURES))


def test_a_trait_is_carried_by_marks_that_mostly_have_it(corpus_path):
    found = carriers(load_corpus(corpus_path))
    assert found["spiral"] == ("coiled",)
    assert found["radial"] == ("rayed",)
    assert found["geometric"] == ("checkered",)
    assert not {"horizontal", "vertical", "diagonal"} & found.keys()


def test_a_damaged_corpus_is_refused(corpus_path, tmp_path):
    with pytest.raises(DataError, match="0 painted corpora"):
        load_corpus(tmp_path)
    path = tmp_path / "studio-1.npy"
    np.save(path, np.load(corpus_path)[:5])
    lines = corpus_path.with_suffix(".jsonl").read_text()
    path.with_suffix(".jsonl").write_text(lines)
    with pytest.raises(DataError, match=r"\(5, 64, 64, 3\) uint8 and 44 lines"):
        load_corpus(path)
    path.with_suffix(".jsonl").write_text('{"traits": []}\n')
    with pytest.raises(DataError, match="cannot be read as a corpus"):
        load_corpus(path)


def test_pictures_of_any_side_are_averaged():
    checks = np.kron([[0, 200], [200, 0]], np.ones((2, 2)))
    picture = np.tile(checks, (64, 64))[..., None].repeat(3, 2).astype(np.uint8)
    assert (shrunk(picture[None]) == picture[::2, ::2]).all()
    assert shrunk(picture[None, :192, :192]).shape == (1, 128, 128, 3)


def test_lessons_keep_the_form_and_lose_the_colours():
    """Half black, half white, in any colours: two halves stay, and a top stays on top."""
    half = np.zeros((64, 128, 128, 3), dtype=np.uint8)
    half[:, :64] = (250, 240, 30)
    pictures = lesson_pictures(half, np.zeros(64, dtype=int), np.random.default_rng(1))
    assert pictures.shape == (64, 3, SIDE, SIDE)
    top, bottom = pictures[:, :, 10:30], pictures[:, :, -30:-10]
    apart = (top.mean((2, 3)) - bottom.mean((2, 3))).norm(dim=1)
    inside = top.std((1, 2, 3))
    assert (apart > 1).all()
    assert len({tuple(np.sign(p.mean((1, 2)).numpy())) for p in top}) > 3
    assert inside.mean() < 1.2


def test_a_quarter_turn_swaps_horizontal_and_vertical(corpus_path):
    task = FormTask(load_corpus(corpus_path), 64, {})
    _, marks, traits = task.lessons.batch(np.random.default_rng(3), 64)
    stripes = marks[:, MARKS.index("banded")] > 0
    across, along = (traits[stripes, TRAITS.index(t)] for t in ("horizontal", "vertical"))
    assert across.any()
    assert along.any()
    assert not (across * along).any()


def test_what_went_through_a_codec_is_shown_in_its_place(corpus_path):
    corpus = load_corpus(corpus_path)
    black = np.zeros((128, 128, 3), dtype=np.uint8)
    task = FormTask(corpus, 64, dict.fromkeys(corpus.training.tolist(), black))
    pictures, _, _ = task.lessons.batch(np.random.default_rng(5), 64)
    plain = (pictures[:, :, ::8, ::8].abs().amax((1, 2, 3)) < 2) & (pictures.std((1, 2, 3)) < 0.5)
    assert 16 < plain.sum() < 48


def test_pictures_go_through_the_codec_once(tmp_path, monkeypatch):
    picture, study = paint_studied(Composition("spiral", {"contrast": 0.8}, (), 3), 256)
    line = Record(Composition("spiral", {}, (), 3), study, ()).line()
    path = tmp_path / "studio-9.npy"
    np.save(path, np.stack([picture] * 3))
    path.with_suffix(".jsonl").write_text(f"{line}\n" * 3)
    corpus = load_corpus(path)
    assert codec_lessons(corpus, None, 2, tmp_path) == {}
    found = codec_lessons(corpus, SHIPPED, 1, tmp_path / "run")
    assert list(found) == [1]
    apart = found[1].astype(float) - shrunk(picture[None])[0]
    assert 0 < np.abs(apart).mean() < 0.5 * picture.std()
    monkeypatch.setattr("bench.judges.task.through_codec", None)
    assert np.array_equal(codec_lessons(corpus, SHIPPED, 1, tmp_path / "run")[1], found[1])


# the classifier


def test_the_command_trains_reports_and_writes_a_small_file(trained, classifier):
    out, run_folder, told = trained
    assert told["steps"] == STEPS
    assert told["samples"] == STEPS * 8
    assert told["held_out"]["pictures"] == 3
    assert out.stat().st_size < 2_100_000
    assert json.loads((run_folder / "history.json").read_text())[-1]["step"] == STEPS
    assert classifier.held_out == told["held_out"]
    assert classifier.carriers["spiral"] == ("coiled",)


def test_training_lowers_the_loss_and_goes_on_where_it_stopped(corpus_path, tmp_path):
    corpus = load_corpus(corpus_path)
    fit = FitConfig(steps=12, qat_steps=0, batch=16, learning_rate=2e-3, warmup=1,
                    validate_every=6, checkpoint_every=6)  # fmt: skip
    torch.manual_seed(0)
    made, effort = train_classifier(corpus, fit, tmp_path / "run", {})
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]
    again, after = train_classifier(corpus, fit, tmp_path / "run", {})
    assert after == effort
    squares = list(corpus.pixels[:4])
    assert np.array_equal(made.read(squares).marks, again.read(squares).marks)


def test_a_classifier_comes_back_from_its_file_and_no_other_is_taken(trained, classifier, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    first = classifier.read([picture])
    assert np.isclose(first.marks.sum(), 1)
    again = tmp_path / "again.safetensors"
    classifier.save(again)
    assert np.array_equal(Classifier.load(again).read([picture]).features, first.features)
    with pytest.raises(CheckpointError, match="No checkpoint"):
        Classifier.load(tmp_path / "none.safetensors")
    from train.checkpoint import save_tensors

    save_tensors(again, FormNet().state_dict(), {"marks": ["spiral"], "traits": list(TRAITS)})
    with pytest.raises(CheckpointError, match="no classifier of the forms"):
        Classifier.load(again)


def test_lightness_contrast_and_cast_are_not_seen():
    picture = np.random.default_rng(0).integers(0, 100, (96, 96, 3), dtype=np.uint8)
    other = picture * np.uint8(2) + np.array([10, 30, 0], dtype=np.uint8)
    a, b = seen([picture]), seen([other])
    assert torch.allclose(a, b, atol=1e-4)
    assert seen([np.full((40, 40, 3), 7, dtype=np.uint8)]).abs().max() < 1e-4


# where pictures come from


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("golden-spiral-3", ("golden", "spiral")),
        ("warm-not-dark-7", ("warm",)),
        ("tartan-512x512-12", ("tartan",)),
        ("warm-0-5-cubist-1", ("warm", "cubist")),
        ("0001", ()),
        ("not", ()),
    ],
)
def test_a_name_says_the_words(name, words):
    assert words_of_name(name) == words


def test_pictures_are_found_in_folders_and_lists(drawn, data_folder, corpus_path, tmp_path):
    found = load_pictures(str(drawn))
    assert len(found) == 12
    assert found.words[0] == ("warm", "checkered")
    assert found.square(0).shape == (64, 64, 3)
    below = tmp_path / "below" / "golden spiral"
    below.mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(below / "1.png")
    found = load_pictures(str(below.parent))
    assert found.words == [("golden", "spiral")]
    assert found.square(0).shape == (30, 30, 3)
    listed = drawn / "list.json"
    listed.write_text(json.dumps([
        ["warm-spiral-0.png", "golden spiral -dark"], ["warm-radial-1.png", ["Rayed", "rayed"]],
    ]))  # fmt: skip
    assert load_pictures(str(listed)).words == [("golden", "spiral"), ("rayed",)]
    sides = [load_pictures(f"{data_folder}{side}") for side in ("", "@train", "@held-out")]
    assert [len(side) for side in sides] == [32, 24, 8]
    assert sides[1].words[0] == ("warm", "smooth")
    held_out = load_pictures(f"{corpus_path}@held-out")
    assert held_out.names == ["0", "20", "40"]
    assert held_out.words[0][0] == "coiled"
    assert load_pictures(str(corpus_path.parent), most=3).names == ["0", "22", "43"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("{}", "expected a list of pairs"),
        ('[["a.png"]]', "expected a list of pairs"),
        ('[["a.png", 3]]', "words are a text or a list"),
        ('[["a.png", "not"]]', "ends with"),
        ('[["none.png", "warm"]]', "none.png is missing"),
        ("[]", "has no pictures"),
    ],
)
def test_a_bad_list_is_refused_in_one_sentence(text, said, tmp_path):
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        load_pictures(str(path))


def test_a_source_that_is_none_is_refused(tmp_path, drawn):
    with pytest.raises(DataError, match="No pictures at"):
        load_pictures(str(tmp_path / "none"))
    with pytest.raises(DataError, match="has no pictures"):
        load_pictures(str(_empty(tmp_path)))
    with pytest.raises(DataError, match="leave @train out"):
        load_pictures(f"{drawn}@train")
    rows = _empty(tmp_path) / "rows.jsonl"
    rows.write_text('{"adjectives": ["warm"]}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 1"):
        load_pictures(str(rows.parent))


def _empty(folder):
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    return empty


# forms


def made_up(marks, traits=None):
    """A reading in which these marks are first, in this order."""
    seen_marks = np.full((len(marks), len(MARKS)), 0.001)
    for row, names in enumerate(marks):
        for rank, name in enumerate(names):
            seen_marks[row, MARKS.index(name)] = 0.5 / (rank + 1)
    seen_traits = np.zeros((len(marks), len(TRAITS)))
    for row, names in enumerate(traits or []):
        seen_traits[row, [TRAITS.index(name) for name in names]] = 0.9
    return Reading(seen_marks, seen_traits, np.zeros((len(marks), 2)))


def said(*words):
    return Pictures([str(i) for i in range(len(words))], words, lambda _: np.zeros((4, 4, 3)))


def test_words_stand_for_marks():
    known = targets({"radial": ("rayed", "webbed")})
    assert known["radial"].marks == ("rayed", "webbed")
    assert known["tartan"].marks == ("plaid",)
    assert known["flecked"].marks == ("pointillist", "speckled")
    assert known["horizontal"].marks == ()
    assert "warm" not in known


def test_forms_are_counted(classifier):
    pictures = said(("tartan", "red"), ("plaid",), ("radial",), ("horizontal",), ("red",))
    reading = made_up(
        [["plaid"], ["woven", "plaid"], ["rayed"], ["plaid"], ["misty"]],
        [[], [], ["radial"], ["horizontal"], []],
    )
    report = forms_report(classifier, pictures, reading)
    assert report["pictures"] == 5
    assert report["without_words_of_form"] == 1
    assert report["marks"]["pairs"] == 2
    assert report["marks"]["top1"] == 0.5
    assert report["marks"]["top3"] == 1.0
    assert (report["marks"]["any_top1"], report["marks"]["any_pictures"]) == (0.5, 2)
    assert report["traits"] == {
        "pairs": 1, "top1": 1.0, "top3": 1.0, "top1_interval": wilson(1.0, 1), "mean_auc": 1.0,
    }  # fmt: skip
    # the picture of "plaid" is no counter-example to "tartan", that of "horizontal" is
    assert report["words"]["tartan"]["elsewhere"] == 0.5
    assert report["words"]["plaid"]["instead"] == {"woven": 1}
    assert report["words"]["tartan"]["auc"] == 0.75
    assert "top1" not in report["words"]["horizontal"]
    assert report["first"]["plaid"] == 0.4


def test_an_interval_holds_the_share_and_narrows():
    low, high = wilson(0.5, 100)
    assert low == pytest.approx(0.4038, abs=1e-4)
    assert high == pytest.approx(0.5962, abs=1e-4)
    assert wilson(0.0, 10)[0] == 0.0
    assert wilson(0.5, 1000)[1] < high


def test_the_command_judges_a_folder(trained, drawn, tmp_path):
    out = tmp_path / "deep" / "forms.json"
    done = run("forms", drawn, "--classifier", trained[0], "--json", out, "--sheet",
               tmp_path / "sheet.png", "--tiles", 4)  # fmt: skip
    report = json.loads(done.stdout)
    assert json.loads(out.read_text()) == report
    assert report["pictures"] == 12
    assert set(report["words"]) == {"checkered", "radial", "spiral", "striped"}
    assert read_pixels(tmp_path / "sheet.png").shape[1] > 600


# distance


def test_the_distance_of_known_gaussians():
    a = Gaussian(np.zeros(2), np.diag([4.0, 9.0]))
    b = Gaussian(np.array([3.0, 4.0]), np.diag([1.0, 16.0]))
    assert frechet(a, b) == pytest.approx(25 + (2 - 1) ** 2 + (3 - 4) ** 2)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(b, a) == pytest.approx(frechet(a, b))


def test_few_pictures_are_shrunk_more_and_many_hardly():
    rng = np.random.default_rng(0)
    true = np.diag(np.linspace(0.2, 3, 40))
    few, many = (
        gaussian(rng.multivariate_normal(np.zeros(40), true, size)) for size in (12, 20_000)
    )
    assert np.linalg.eigvalsh(few.covariance).min() > 0.05
    assert np.abs(many.covariance - true).max() < 0.1
    with pytest.raises(DataError, match="3 pictures; expected at least 10"):
        gaussian(np.zeros((3, 2)))


def test_sets_are_compared_by_as_many_pictures():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((400, 8))
    sets = {"same": rng.standard_normal((50, 8)), "far": rng.standard_normal((300, 8)) + 1}
    report = distances(sets, reference)
    assert report["each"] == 40
    same, far = (report["sets"][name] for name in sets)
    assert far["distance"] > 3 * same["distance"]
    assert far["distance"] == pytest.approx(8 + same["distance"], rel=0.3)
    assert report == distances(sets, reference)


def test_the_command_measures_distances(trained, corpus_path, data_folder):
    done = run("distance", f"{corpus_path}@train", data_folder, "--to", f"{corpus_path}",
               "--classifier", trained[0])  # fmt: skip
    sets = json.loads(done.stdout)["sets"]
    assert sets[f"{corpus_path}@train"]["distance"] < sets[str(data_folder)]["distance"]


# nearest


def test_a_turned_copy_is_found_and_others_are_not(classifier, corpus_path):
    corpus = load_pictures(str(corpus_path))
    known = view_all(classifier, corpus, turned=False)
    copy = np.ascontiguousarray(np.rot90(corpus.square(10), 3)[:, ::-1])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    squares = [copy, noise]
    pictures = Pictures(["copy", "noise"], [(), ()], squares.__getitem__)
    turned = view_all(classifier, pictures, turned=True)
    assert len(turned) == 16
    for kind in ("features", "form"):
        near = nearest_of(turned, known, kind)
        assert near.index[0] == 10
        assert near.cosine[0] == pytest.approx(1, abs=1e-4)
    assert near.cosine[1] < 0.5  # by form


def test_other_colours_have_the_same_form(classifier):
    rng = np.random.default_rng(2)
    grey = rng.integers(40, 200, (64, 64, 1), dtype=np.uint8)
    red = (grey * np.array([0.9, 0.3, 0.2])).astype(np.uint8)
    one, other = (view(classifier, [square] * 8) for square in (grey.repeat(3, 2), red))
    assert nearest_of(one, other, "form").cosine[0] > 0.99


def test_eight_turns_are_all_different():
    square = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert len({turn.tobytes() for turn in turns(square)}) == 8
    assert (turns(square)[0] == square).all()


def test_the_limit_is_that_of_held_out_pictures():
    from bench.judges.nearest import Nearest

    held_out = Nearest(np.linspace(0, 0.5, 101), np.zeros(101, dtype=int))
    found = Nearest(np.array([0.2, 0.99, 0.4, 0.51]), np.array([3, 1, 0, 2]))
    report = copies_report(found, held_out, list("abcd"), list("ABCD"))
    assert report["limit"] == pytest.approx(0.495)
    assert report["beyond"] == 0.5
    assert report["pairs"][0] == ["b", "B", 0.99]
    assert report["held_out"]["nearest"] == 0.5


def test_the_command_finds_copies(trained, drawn, corpus_path, tmp_path):
    done = run("nearest", drawn, "--training", f"{corpus_path}@train", "--held-out",
               f"{corpus_path}@held-out", "--classifier", trained[0], "--sheet",
               tmp_path / "pairs.png")  # fmt: skip
    report = json.loads(done.stdout)
    assert report["training"] == 41
    # the folder holds the corpus's pictures 0 to 11, of which 0 was held out
    assert report["form"]["pictures"]["nearest"] == 1.0
    assert report["form"]["beyond"] >= 11 / 12
    assert read_pixels(tmp_path / "pairs.png").shape[0] > 300


def test_bad_input_is_one_error(trained, drawn, tmp_path):
    with pytest.raises(DataError):
        run("forms", tmp_path / "none", "--classifier", trained[0])
    with pytest.raises(CheckpointError):
        run("forms", drawn, "--classifier", tmp_path / "none.safetensors")
    with pytest.raises(DataError, match="expected one studio"):
        run("classifier", "--cache", tmp_path, "--out", tmp_path / "x.safetensors")
