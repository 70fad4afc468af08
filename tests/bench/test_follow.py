import numpy as np
import pytest

from bench.follow import draw_chunk, training_thumbnails
from bench.response import Request


@pytest.fixture
def generated(monkeypatch):
    """What was asked of a stand-in for the pipeline, which draws grain."""
    asked = []

    class Engine:
        def __init__(self, *_):
            self.pixels = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def generate(self, prompt, *, seed, blend, amount):
            asked.append((prompt, seed, blend, amount))
            rng = np.random.default_rng(seed)
            self.pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            return self

    monkeypatch.setattr("t2a_edge.pipeline.TextToArt", Engine)
    return asked


def test_a_chunk_is_drawn_with_every_seed_and_its_blend(generated):
    drawn = draw_chunk(None, [Request("warm"), Request("cool", "warm", 0.25)], [1, 2])
    assert generated == [
        ("warm", 1, None, 0.0), ("warm", 2, None, 0.0),
        ("cool", 1, "warm", 0.25), ("cool", 2, "warm", 0.25),
    ]  # fmt: skip
    assert [len(d.scores["temperature"]) for d in drawn] == [2, 2]
    first, second = drawn[0].thumbnails
    assert (first != second).any()


def test_training_pictures_have_thumbnails_or_are_missing(data_folder, tmp_path):
    assert training_thumbnails(data_folder).shape == (24, 32, 32, 3)
    assert training_thumbnails(tmp_path / "none") is None
