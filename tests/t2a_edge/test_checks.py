"""One check for each kind of argument."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2a_edge.checks import file_path, number, sequence, shown, whole_number
from t2a_edge.errors import BundleError, OptionError

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


@pytest.mark.parametrize("value", [8, np.int64(24)])
def test_a_multiple_is_one(value: Any) -> None:
    assert whole_number("The width", value, 0, 100, step=8) == value
    with pytest.raises(OptionError, match=r"from 0 to 100, a multiple of 8\.$"):
        whole_number("The width", value + 1, 0, 100, step=8)


@pytest.mark.parametrize("value", [None, 5, b"a", ["a"], object])
def test_a_path_is_text_or_a_path(value: Any) -> None:
    assert file_path("The file", "a/b") == file_path("The file", Path("a/b")) == Path("a/b")
    with pytest.raises(OptionError, match=r"^The file is .*; expected a path\.$"):
        file_path("The file", value)


def test_a_path_has_an_end() -> None:
    with pytest.raises(OptionError, match=r"^The file has 5000 letters; expected a path of at m"):
        file_path("The file", "w" * 5000)


@pytest.mark.parametrize("value", [(3, 4), [3, 4], np.array([3, 4]), range(3, 5)])
def test_a_sequence_is_a_tuple_of_its_items(value: Any) -> None:
    assert sequence(value) == (3, 4)


@pytest.mark.parametrize("value", [None, 3, "34", b"34", {3, 4}, {3: 4}, np.array(3), iter([3])])
def test_what_has_no_order_or_no_items_is_no_sequence(value: Any) -> None:
    assert sequence(value) is None
