"""Normal noise, and the streams of the generator that decides the whole picture at once."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from t2a_edge.noise import (
    LEVELS,
    OF_CHOICE,
    OF_CROP,
    OF_FORM,
    OF_LATENTS,
    choice_noise,
    crop_numbers,
    gumbel_noise,
    noise_levels,
    normal_noise,
    normal_table,
)
from t2a_edge.seeds import MAX_SEED

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "normals.json").read_text())


@pytest.mark.parametrize("row", VECTORS["table"])
def test_the_table_matches_the_test_vectors(row):
    assert normal_table()[row["level"]] == row["normal"]


@pytest.mark.parametrize("row", VECTORS["latents"] + VECTORS["forms"])
def test_normal_values_match_the_test_vectors(row):
    seed, positions, code = row["seed"], np.array([row["position"]]), row["code"]
    assert noise_levels(seed, positions, code + 1)[0, code] == row["level"]
    assert normal_noise(seed, positions, code + 1)[0, code] == row["normal"]


@pytest.mark.parametrize("row", VECTORS["choices"])
def test_noise_of_the_choice_matches_the_test_vectors(row):
    assert row["position"] == OF_CHOICE
    assert choice_noise(row["seed"], row["code"] + 1)[row["code"]] == row["gumbel"]


@pytest.mark.parametrize("row", VECTORS["crops"])
def test_crops_match_the_test_vectors(row):
    assert row["position"] == OF_CROP
    assert crop_numbers(row["seed"]).tolist() == [row["down"], row["across"]]


def test_the_table_follows_the_specification():
    table, exact = normal_table(), NormalDist()
    assert (table.shape, table.dtype) == ((LEVELS,), np.float32)
    for level in range(0, LEVELS, 97):
        wanted = exact.inv_cdf((level + 0.5) / LEVELS)
        assert abs(float(table[level]) - wanted) <= 0.5 / 4096 + 1e-12
    assert (np.diff(table) >= 0).all()


def test_no_value_is_near_to_where_it_would_be_rounded_the_other_way():
    probit = NormalDist().inv_cdf
    steps = np.array([probit((level + 0.5) / LEVELS) * 4096 for level in range(LEVELS // 2)])
    apart = np.abs(steps - np.floor(steps) - 0.5).min()
    assert apart / 4096 > 9e-10  # as docs/noise.md says


def test_the_table_is_symmetric_exact_and_without_a_negative_zero():
    table = normal_table()
    np.testing.assert_array_equal(table, -table[::-1])
    scaled = table.astype(np.float64) * 4096
    np.testing.assert_array_equal(scaled, np.round(scaled))
    assert not np.signbit(table[table == 0]).any()


def test_noise_is_the_table_at_the_levels():
    positions = np.array([OF_LATENTS, OF_LATENTS + 5, OF_FORM])
    noise = normal_noise(11, positions, 64)
    assert (noise.shape, noise.dtype) == ((3, 64), np.float32)
    np.testing.assert_array_equal(noise, normal_table()[noise_levels(11, positions, 64)])


@pytest.mark.parametrize("seed", [0, 7, MAX_SEED])
def test_noise_is_normal(seed):
    noise = np.sort(normal_noise(seed, OF_LATENTS + np.arange(2000), 64).astype(np.float64).ravel())
    count = noise.size
    assert abs(noise.mean()) < 5 / math.sqrt(count)
    assert abs(noise.std() - 1) < 5 / math.sqrt(2 * count)
    wanted = np.array([NormalDist().cdf(x) for x in noise[::50]])
    apart = np.abs(wanted - (np.arange(count)[::50] + 0.5) / count).max()
    assert apart < 1.95 / math.sqrt(count)  # Kolmogorov and Smirnov: 99.9 %


def test_streams_are_uncorrelated():
    numbers = np.arange(512)
    streams = [
        normal_noise(7, OF_LATENTS + numbers, 64),
        normal_noise(8, OF_LATENTS + numbers, 64),
        normal_noise(7, OF_LATENTS + 1 + numbers, 64),
        normal_noise(7, OF_FORM + numbers, 64),
    ]
    table = np.corrcoef([stream.ravel().astype(np.float64) for stream in streams])
    apart = np.abs(table - np.eye(len(streams))).max()
    assert apart < 5 / math.sqrt(streams[0].size)


def test_the_choice_is_gumbel_noise_of_its_own_position():
    noise = choice_noise(3, 2000)
    np.testing.assert_array_equal(noise, gumbel_noise(3, np.array([OF_CHOICE]), 2000)[0])
    np.testing.assert_array_equal(noise[:100], choice_noise(3, 100))


def test_every_crop_turns_up_about_as_often():
    found = np.array([crop_numbers(seed) for seed in range(4000)])
    assert found.dtype == np.int64
    for axis, count in enumerate((16, 32)):
        times = np.bincount(found[:, axis], minlength=count)
        assert len(times) == count
        chi_square = ((times - 4000 / count) ** 2 / (4000 / count)).sum()
        assert chi_square < count + 5 * math.sqrt(2 * count)
    assert abs(np.corrcoef(found.T)[0, 1]) < 5 / math.sqrt(len(found))
