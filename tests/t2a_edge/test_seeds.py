"""Seeds: what is one, fresh ones, and those of several pictures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from t2a_edge.errors import OptionError
from t2a_edge.seeds import FRESH_SEEDS, MAX_SEED, check_seed, run_of_seeds, seed_or_fresh

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "seeds.json").read_text())


@pytest.mark.parametrize("seed", [0, 7, MAX_SEED, np.int64(7), np.uint8(7)])
def test_whole_numbers_in_range_are_seeds(seed: Any) -> None:
    assert check_seed(seed) == seed
    assert type(check_seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 10**30, 1.0, float("nan"), b"7", True, None])
def test_anything_else_is_no_seed(seed: Any) -> None:
    with pytest.raises(OptionError, match="expected a whole number from 0 to 9007199254740991"):
        check_seed(seed)


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: ascii(row["text"])[:20])
def test_texts_are_seeds_as_the_vectors_say(row: dict[str, Any]) -> None:
    if row["seed"] is None:
        with pytest.raises(OptionError, match=r"^The seed is .*; expected a whole number from 0"):
            check_seed(row["text"])
    else:
        assert check_seed(row["text"]) == row["seed"]
        assert run_of_seeds(row["text"], 2)[0] == row["seed"]


def test_a_text_is_its_sha256_as_anybody_computes_it() -> None:
    digest = hashlib.sha256("тёплый".encode()).hexdigest()
    assert check_seed("тёплый") == int(digest[:16], 16) % 2**53


def test_a_seed_is_kept_and_a_missing_one_is_fresh() -> None:
    assert seed_or_fresh(7) == 7
    fresh = {seed_or_fresh(None) for _ in range(20)}
    assert len(fresh) > 1
    assert all(0 <= seed < FRESH_SEEDS for seed in fresh)
    with pytest.raises(OptionError, match=r"The seed is -1; expected a whole number from 0"):
        seed_or_fresh(-1)


def test_a_run_of_seeds_counts_on_by_its_step() -> None:
    assert run_of_seeds(7, 3) == [7, 8, 9]
    assert run_of_seeds(np.int64(7), np.int8(3), np.int16(10)) == [7, 17, 27]  # type: ignore[arg-type]
    assert run_of_seeds(MAX_SEED, 1) == [MAX_SEED]


def test_a_run_from_a_fresh_seed_begins_anew_after_the_largest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.urandom", lambda size: b"\0" * (size - 1) + b"\5")
    assert run_of_seeds(None, 3, MAX_SEED) == [5, 4, 3]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((7, 0), "The count is 0"),
        ((7, 1001), "The count is 1001"),
        ((7, 2.0), "The count is 2.0"),
        ((7, 1, 0), "The seed step is 0"),
        ((None, 1, "2"), "The seed step is '2'"),
        ((MAX_SEED, 2), "2 seeds from 9007199254740991 go past the largest"),
        ((MAX_SEED - 9, 2, 10), "2 seeds from 9007199254740982, 10 apart, go past the largest"),
    ],
)
def test_a_run_that_cannot_be_is_told(arguments: Any, told: str) -> None:
    with pytest.raises(OptionError, match=f"^{told}"):
        run_of_seeds(*arguments)
