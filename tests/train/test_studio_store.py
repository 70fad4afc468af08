from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from train.data import studio_store
from train.data.pictures import TURNED, PictureMix, turned_square
from train.data.studio_store import VAL_EVERY, StudioStore, paint_chunk
from train.data.views import StudioViews, all_views
from train.models.images import images_from_uint8
from train.preset import load_preset
from train.studio import sample
from train.studio.forms import UPRIGHT
from train.studio.record import Record

SIZE, COUNT = 32, 21


class Inline:
    """A pool of processes that is none: the test need not start any."""

    def __init__(self, *_args, **_options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    map = staticmethod(map)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("studio")


@pytest.fixture
def make(cache, monkeypatch):
    monkeypatch.setattr(studio_store, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(studio_store, "studio_version", lambda: "one")
    return lambda count=COUNT, seed=5, **how: StudioStore(count, SIZE, seed, cache, **how)


def test_pictures_are_those_of_consecutive_seeds_with_their_adjectives(make):
    store = make()
    squares, lines = paint_chunk([5, 6, 7], SIZE)
    for index in range(3):
        np.testing.assert_array_equal(store.centre(index, SIZE), squares[index])
        assert store.adjectives(index) == Record.from_line(lines[index]).words
    assert store.centre(0, SIZE).shape == (SIZE, SIZE, 3)
    assert store.centre(0, SIZE).dtype == np.uint8


def test_every_picture_has_adjectives(make):
    store = make()
    assert all(store.adjectives(index) for index in range(COUNT))


def test_one_picture_in_twenty_is_kept_from_training(make):
    store = make()
    assert store.by_split["val"] == [0, VAL_EVERY]
    assert sorted(store.by_split["val"] + store.by_split["train"]) == list(range(COUNT))
    assert store.by_split["test"] == []


def test_an_unchanged_studio_does_not_paint_again(make, monkeypatch):
    first = make()
    monkeypatch.setattr(studio_store, "_paint_all", None)
    again = make()
    assert again.key == first.key
    np.testing.assert_array_equal(again.centre(3, SIZE), first.centre(3, SIZE))
    with pytest.raises(TypeError):  # it would paint
        make(seed=6)
    monkeypatch.setattr(studio_store, "studio_version", lambda: "two")
    with pytest.raises(TypeError):
        make()


def test_a_view_is_the_picture_turned_with_its_adjectives(make):
    store = make()
    for seed in range(12):
        square, words = store.view(4, SIZE, np.random.default_rng(seed))
        original, given = store.centre(4, SIZE), store.adjectives(4)
        eight = [np.rot90(side, k) for side in (original, original[:, ::-1]) for k in range(4)]
        assert any(np.array_equal(square, turned) for turned in eight)
        assert words in (given, tuple(TURNED.get(word, word) for word in given))


def test_painting_that_was_stopped_goes_on_where_it_was(tmp_path, make, monkeypatch):
    monkeypatch.setattr(studio_store, "CHUNK", 2)
    calls = []

    def paint(seeds, size):
        calls.append(list(seeds))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return paint_chunk(seeds, size)

    monkeypatch.setattr(studio_store, "paint_chunk", paint)
    with pytest.raises(KeyboardInterrupt):
        StudioStore(7, SIZE, 5, tmp_path)
    (part,) = tmp_path.glob("*.part.jsonl")
    with part.open("a") as lines:
        lines.write('{"family": "half a li')
    store = StudioStore(7, SIZE, 5, tmp_path)
    assert calls[3:] == [[9, 10], [11]]  # the first four were kept
    assert not list(tmp_path.glob("*.part.*"))
    whole = make()
    for index in range(7):
        np.testing.assert_array_equal(store.centre(index, SIZE), whole.centre(index, SIZE))
        assert store.adjectives(index) == whole.adjectives(index)


def test_a_picture_with_a_top_is_mirrored_only(make):
    store = make()
    index = next(i for i in range(COUNT) if UPRIGHT in store.record(i).seen.traits)
    square = store.centre(index, SIZE)
    sides = (square, square[:, ::-1])
    for seed in range(8):
        view, quarter = turned_square(square, np.random.default_rng(seed), upright=True)
        assert any(np.array_equal(view, side) for side in sides)
        assert not quarter
    views = list(all_views(StudioViews(store)))
    assert any(np.array_equal(views[index].square, side) for side in sides)
    assert not views[index].quarter


def test_command_paints_a_corpus(tmp_path, monkeypatch):
    from train.__main__ import main

    monkeypatch.setattr(studio_store, "ProcessPoolExecutor", Inline)
    arguments = ["studio-corpus", "--cache", str(tmp_path), "--count", "2", "--size", "32"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    pixels, lines = result.stdout.splitlines()
    assert np.load(pixels).shape == (2, 32, 32, 3)
    told = Path(lines).read_text().splitlines()
    assert [Record.from_line(line).composition for line in told] == [sample(0), sample(1)]


class OneColour:
    """A store of training pictures of one grey level."""

    def __init__(self, level: int) -> None:
        self.level, self.by_split = level, {"train": list(range(10)), "val": [], "test": []}

    def view(self, _index, size, _rng):
        return np.full((size, size, 3), self.level, np.uint8), ("grey",)


def test_the_codec_is_trained_on_stores_by_their_shares():
    preset = load_preset("tiny", ["codec_fit.batch=400"])
    pictures = PictureMix([OneColour(0), OneColour(255)], [0.75, 0.25])
    drawn = pictures.draw(np.random.default_rng(1), preset.codec_fit.batch, preset.data.image_size)
    images = images_from_uint8(drawn)
    assert images.shape == (400, 3, 32, 32)
    assert set(torch.unique(images).tolist()) == {-1.0, 1.0}
    assert float((images[:, 0, 0, 0] < 0).float().mean()) == pytest.approx(0.75, abs=0.06)
