import numpy as np
import pytest

from bench.statistics import (
    CONFIDENCE,
    RESAMPLES,
    paired_ratio,
    ratio_of_figures,
    resample,
    samples_needed,
    time_figures,
)


def test_percentiles_are_milliseconds():
    figures = time_figures(np.arange(1, 302) / 1000)
    assert [figures[p] for p in ("p50", "p90", "p95", "p99")] == [151.0, 271.0, 286.0, 298.0]
    assert figures["samples"] == 301
    assert "withheld" not in figures


@pytest.mark.parametrize(("percentile", "least"), [(50, 5), (90, 29), (95, 59), (99, 299)])
def test_a_percentile_needs_samples_beyond_it(percentile, least):
    assert samples_needed(percentile) == least
    assert f"p{percentile}" in time_figures([0.001] * least)
    short = time_figures([0.001] * (least - 1))
    assert f"p{percentile}" not in short
    assert short["withheld"][f"p{percentile}"].endswith(f"p{percentile} needs {least}")


def test_intervals_hold_their_percentile_and_narrow_with_samples():
    rng = np.random.default_rng(1)
    widths = []
    for count in (300, 4800):
        figures = time_figures(rng.gamma(20, 0.002, count))
        for percentile, (low, high) in figures["intervals"].items():
            assert low <= figures[percentile] <= high
        low, high = figures["intervals"]["p50"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(200):
        low, high = time_figures(rng.exponential(1.0, 60))["intervals"]["p50"]
        covered.append(low <= 1000 * np.log(2) <= high)
    assert np.mean(covered) > CONFIDENCE - 0.05


def test_resamples_keep_neighbours_together():
    drawn = resample(np.arange(1000.0))
    assert drawn.shape == (RESAMPLES, 1000)
    steps = np.diff(drawn, axis=1) % 1000
    assert np.mean(steps == 1) > 0.85  # blocks of ten


def test_ratios_are_taken_pair_by_pair():
    rng = np.random.default_rng(3)
    load = np.repeat(rng.choice([1.0, 2.0], 20), 10)  # the machine is slower for a while
    reference = 0.01 * load
    figures = time_figures(0.03 * load * rng.normal(1, 0.01, 200), reference)
    low, high = figures["ratio_to_reference"]["intervals"]["p50"]
    assert low < 3 < high
    assert high - low < 0.05
    low, high = figures["intervals"]["p50"]
    assert high - low > 10  # of the times themselves


def test_a_ratio_needs_pairs():
    assert paired_ratio([1.0] * 4, [1.0] * 4) == {"not_measured": "4 pairs; p50 needs 5"}
    assert paired_ratio([2.0] * 5, [1.0] * 5)["ratio"] == 2


def test_a_faster_machine_is_no_regression():
    slow = time_figures([0.04, 0.042] * 20, [0.01] * 40)
    fast = time_figures([0.02, 0.021] * 20, [0.005] * 40)
    compared = ratio_of_figures(fast, slow)
    assert compared["ratio"] == pytest.approx(1)
    low, high = compared["intervals"]["ratio"]
    assert low < 1 < high
    assert ratio_of_figures(fast, time_figures([0.01])) is None
