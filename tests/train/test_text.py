import numpy as np
import torch

from t2a_edge.prompt import text_bytes_from_words
from train.models.text import END, START, TextEngine
from train.preset import load_preset

CONFIG = load_preset("tiny").text


def text_bytes(*words: str) -> torch.Tensor:
    return torch.from_numpy(text_bytes_from_words(words, max(1, len(words)), CONFIG.max_bytes)[0])[
        None
    ]


def engine(**changes) -> TextEngine:
    from dataclasses import replace

    torch.manual_seed(1)
    return TextEngine(replace(CONFIG, width=16, **changes)).eval()


def test_words_are_marked_at_both_ends():
    marked = engine().marked(text_bytes("ab"))[0, 0].tolist()
    assert marked[:5] == [START, ord("a"), ord("b"), END, 0]
    assert len(marked) == CONFIG.max_bytes + 2


def test_a_word_that_fills_its_row_still_has_its_end():
    word = "x" * CONFIG.max_bytes
    assert engine().marked(text_bytes(word))[0, 0, -1].item() == END


def test_ngrams_outside_the_word_do_not_count():
    rows, valid = engine().rows(text_bytes("ab"))
    marked = 4  # start, a, b, end
    assert int(valid.sum()) == sum(marked - n + 1 for n in CONFIG.ngrams) + 1  # and the whole word
    assert rows.max() < CONFIG.table_size


def test_rows_match_an_independent_hash():
    text = engine()
    rows, _ = text.rows(text_bytes("ab"))
    rng = np.random.default_rng(20_241)
    multipliers = rng.integers(1, 2**31 - 1, (3, 4))
    marked = [START, ord("a"), ord("b"), END]
    expected = sum(int(m) * b for m, b in zip(multipliers[0], marked[:2], strict=False))
    assert rows[0, 0, 0].item() == expected % (2**31 - 1) % CONFIG.table_size


def test_the_embedding_of_a_word_does_not_depend_on_its_neighbours():
    text = engine()
    alone, both = text(text_bytes("warm")), text(text_bytes("dark", "warm"))
    torch.testing.assert_close(alone[0, 0], both[0, 1])


def test_misspelt_words_land_nearer_than_others():
    text = engine(table_size=4096, table_dim=64)
    vectors = torch.nn.functional.normalize(text(text_bytes("swirling", "swirlling", "grey"))[0])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_any_bytes_are_words():
    assert torch.isfinite(engine()(text_bytes("тёмный", "🎨", "x"))).all()
