"""One check for each kind of argument."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from t2a_edge.checks import number, shown, whole_number
from t2a_edge.errors import BundleError, OptionError
from t2a_edge.seeds import FRESH_SEEDS, MAX_SEED, check_seed, seed_or_fresh

HUGE = pytest.param(10**5000, id="huge")  # of more digits than Python writes


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.int64(3)])
def test_a_whole_number_comes_back_as_an_int(value: Any) -> None:
    found = whole_number("The count", value, 1, 5)
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize(
    "value",
    [0, 6, True, np.True_, 3.0, np.float32(3), "3", None, math.nan, HUGE, [3], np.arange(3)],
)
def test_what_is_no_whole_number_in_range_is_told_in_one_sentence(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^The count is .*; expected a whole number from 1 to 5"):
        whole_number("The count", value, 1, 5)


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float16(0.5), np.int32(1), Fraction(1, 2)])
def test_a_number_comes_back_as_a_plain_one(value: Any) -> None:
    found = number("The amount", value, 0, 1)
    assert found == value
    assert type(found) in (int, float)


@pytest.mark.parametrize(
    "value", [-0.1, 1.1, math.nan, math.inf, True, np.True_, "0.5", None, 1j, HUGE, np.ones(2)]
)
def test_what_is_no_number_in_range_is_told_in_one_sentence(value: Any) -> None:
    with pytest.raises(OptionError, match=r"^The amount is .*; expected a number from 0 to 1\.$"):
        number("The amount", value, 0, 1)


def test_the_error_is_the_callers_kind() -> None:
    with pytest.raises(BundleError, match="The width is 'a'; expected a whole number from 1 to 2"):
        whole_number("The width", "a", 1, 2, error=BundleError)


def test_what_is_shown_is_one_short_line() -> None:
    assert shown(np.arange(4).reshape(2, 2)) == "array([[0, 1], [2, 3]])"
    assert len(shown("a" * 1000)) < 70
    assert shown(10**5000) == "a value of type int that cannot be shown"


def test_a_seed_is_kept_and_a_missing_one_is_fresh() -> None:
    assert check_seed(np.int64(MAX_SEED)) == MAX_SEED
    assert seed_or_fresh(7) == 7
    assert len({seed_or_fresh(None) for _ in range(20)}) > 1
    assert 0 <= seed_or_fresh(None) < FRESH_SEEDS
    with pytest.raises(OptionError, match=r"The seed is -1; expected a whole number from 0"):
        seed_or_fresh(-1)
