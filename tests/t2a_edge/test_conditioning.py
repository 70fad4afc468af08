import numpy as np
import pytest

from t2a_edge.conditioning import conditioning
from t2a_edge.errors import OptionError
from t2a_edge.prompt import parse_prompt
from tests.tiny import tiny_spec

SPEC = tiny_spec()


class Lengths:
    """A text engine that tells how many bytes each word has."""

    def text(self, text_bytes):
        return (text_bytes > 0).sum(-1, keepdims=True).astype(np.float32)


def told(prompt, blend=None, amount=0.5):
    first, second = (
        None if text is None else parse_prompt(text, max_words=8, max_bytes=32)
        for text in (prompt, blend)
    )
    return conditioning(Lengths(), SPEC, first, second, amount)


def test_words_keep_their_order_weights_and_signs():
    found = told("warm dark:1.5 -busy pale:0")
    assert found.text_embedding.shape == (8, 1)
    assert found.text_embedding[:, 0].tolist() == [4, 4, 4, 4, 0, 0, 0, 0]
    assert found.word_weights.tolist() == [1, 1.5, -1, 0, 0, 0, 0, 0]
    assert found.word_weights.dtype == np.float32
    np.testing.assert_array_equal(found.form_weights, found.word_weights)


def test_the_words_of_a_blend_share_their_weights():
    found = told("warm -dark:2", "cool pale:0.5", 0.25)
    assert found.word_weights[:4].tolist() == [0.75, -1.5, 0.25, 0.125]


@pytest.mark.parametrize("amount", [0.25, 0.5, 0.75])
def test_each_prompt_of_a_blend_chooses_a_form_of_its_own(amount):
    found = told("warm -dark:2", "cool pale:0.5", amount)
    assert found.form_weights[:4].tolist() == [1, -2, 0, 0]
    assert found.other_weights[:4].tolist() == [0, 0, 1, 0.5]
    assert found.share == amount


@pytest.mark.parametrize(
    ("amount", "alone"), [(0, "warm dark"), (1, "cool -pale"), (1.0, "cool -pale")]
)
def test_either_end_of_a_blend_is_a_prompt_alone(amount, alone):
    found, expected = told("warm dark", "cool -pale", amount), told(alone)
    np.testing.assert_array_equal(found.text_embedding, expected.text_embedding)
    np.testing.assert_array_equal(found.word_weights, expected.word_weights)
    np.testing.assert_array_equal(found.form_weights, expected.form_weights)
    assert found.other_weights is None
    assert found.share == 0


def test_a_blend_of_many_words_has_room_for_all():
    first, second = "a1 b1 c1 d1 e1", "f1 g1 h1 i1 j1 k1"
    found = told(first, second)
    assert found.word_weights.tolist() == [0.5] * 11
    assert found.text_embedding.shape == (11, 1)


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan"), "half", True, None])
@pytest.mark.parametrize("blend", [None, "cool"])
def test_an_amount_out_of_range_is_an_error(amount, blend):
    with pytest.raises(OptionError, match=r"The amount is .*; expected a number from 0 to 1"):
        told("warm", blend, amount)
