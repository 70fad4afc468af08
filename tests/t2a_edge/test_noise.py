import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2a_edge.noise import (
    gumbel_noise,
    gumbel_table,
    noise_levels,
    position_keys,
)
from t2a_edge.seeds import MAX_SEED

PRIME = 2**31 - 1
LEVELS = 32749
SHOWN = 300  # codes that a comparison with the reference looks at
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "noise.json").read_text())


def quintic(x: int) -> int:
    return pow(x % PRIME, 5, PRIME)


def reference_keys(seed: int, position: int) -> list[int]:
    """The specification in docs/noise.md, with integers of any size."""
    k = quintic(seed % 2**30 + 0x1F123BB5)
    k = quintic(k + seed // 2**30 + 0x05491333)
    k = quintic(k + position * 0x2545F491 + 0x3C6EF372)
    k = quintic(k + 0x1B873593)
    return [quintic(k + i * 0x27D4EB2F) % LEVELS for i in (1, 2, 3)]


def reference_level(seed: int, position: int, code: int) -> int:
    a, b, c = reference_keys(seed, position)
    point = pow(code + 4099, 5, LEVELS)
    return (a * point + b * (point**2 % LEVELS) + c) % LEVELS


@pytest.mark.parametrize(
    ("seed", "position", "code", "level", "gumbel"),
    [tuple(row.values()) for row in VECTORS["levels"]],
)
def test_levels_match_the_test_vectors(seed, position, code, level, gumbel):
    positions = np.array([position])
    assert noise_levels(seed, positions, code + 1)[0, code] == level
    assert reference_level(seed, position, code) == level
    assert gumbel_noise(seed, positions, code + 1)[0, code] == gumbel


@pytest.mark.parametrize("row", VECTORS["keys"])
def test_keys_match_the_test_vectors(row):
    seed, position = row["seed"], row["position"]
    assert position_keys(seed, np.array([position]))[0].tolist() == row["keys"]
    assert reference_keys(seed, position) == row["keys"]


@given(
    seed=st.integers(0, MAX_SEED),
    position=st.integers(0, 100_000),
    code=st.integers(0, SHOWN - 1),
)
def test_levels_match_the_specification(seed, position, code):
    levels = noise_levels(seed, np.array([position, position + 1]), SHOWN)
    assert levels[0, code] == reference_level(seed, position, code)
    assert levels[1, code] == reference_level(seed, position + 1, code)


def test_levels_depend_on_the_position_and_not_on_what_else_is_asked_for():
    together = noise_levels(7, np.arange(21), 32)
    for position in range(21):
        alone = noise_levels(7, np.array([position]), 16)
        np.testing.assert_array_equal(alone[0], together[position, :16])


def test_levels_are_spread_evenly():
    levels = noise_levels(3, np.arange(1000), 512)
    assert levels.min() >= 0
    assert levels.max() < LEVELS
    counts = np.bincount(levels.ravel() // 512, minlength=64)
    expected = np.bincount(np.arange(LEVELS) // 512) * (levels.size / LEVELS)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 63 + 5 * math.sqrt(2 * 63)  # five standard deviations above its mean


@pytest.mark.parametrize(
    ("level", "gumbel"),
    [(0, -2.406005859375), (1, -2.3017578125), (16374, 0.366455078125), (32748, 11.08984375)],
)
def test_the_gumbel_table_matches_the_test_vectors(level, gumbel):
    assert gumbel_table()[level] == gumbel


def test_the_gumbel_table_follows_the_specification():
    table = gumbel_table()
    assert table.shape == (LEVELS,)
    assert table.dtype == np.float32
    for level in range(0, LEVELS, 97):
        exact = -math.log(-math.log((level + 0.5) / LEVELS))
        assert abs(float(table[level]) - exact) <= 0.5 / 4096 + 1e-12
    assert (np.diff(table) >= 0).all()


def test_gumbel_values_are_exact_in_12_binary_digits():
    scaled = gumbel_table().astype(np.float64) * 4096
    np.testing.assert_array_equal(scaled, np.round(scaled))


def test_noise_is_the_table_at_the_levels():
    positions = np.array([0, 5, 20])
    noise = gumbel_noise(11, positions, 32)
    assert noise.shape == (3, 32)
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, gumbel_table()[noise_levels(11, positions, 32)])


def test_noise_has_the_mean_and_the_deviation_of_a_gumbel_distribution():
    noise = gumbel_noise(7, np.arange(2000), 512).astype(np.float64)
    deviation = math.pi / math.sqrt(6)
    error = deviation / math.sqrt(noise.size)
    assert abs(noise.mean() - np.euler_gamma) < 5 * error
    assert abs(noise.std() - deviation) < 0.01


def test_noise_of_neighbouring_seeds_positions_and_codes_is_uncorrelated():
    noise = gumbel_noise(7, np.arange(501), 501).astype(np.float64)
    next_seed = gumbel_noise(8, np.arange(501), 501).astype(np.float64)
    pairs = {
        "seed": (noise, next_seed),
        "position": (noise[:-1], noise[1:]),
        "code": (noise[:, :-1], noise[:, 1:]),
    }
    for name, (left, right) in pairs.items():
        correlation = np.corrcoef(left.ravel(), right.ravel())[0, 1]
        assert abs(correlation) < 5 / math.sqrt(left.size), name


@pytest.mark.parametrize("seed", [0, 7, MAX_SEED])
def test_argmax_of_noisy_logits_draws_from_their_softmax(seed):
    logits = np.array([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0, -3.0], dtype=np.float32)
    draws = 20_000
    chosen = (logits + gumbel_noise(seed, np.arange(draws), len(logits))).argmax(-1)
    shares = np.exp(logits) / np.exp(logits).sum()
    counts = np.bincount(chosen, minlength=len(logits))
    chi_square = ((counts - draws * shares) ** 2 / (draws * shares)).sum()
    assert chi_square < 29.9  # 99.99 % of a chi-square distribution with 7 degrees of freedom
