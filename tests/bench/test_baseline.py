import copy
import json

import pytest

from bench.baseline import load_baseline, other_processor, regression_gates, regressions
from bench.gates import Outcome, judge_all
from bench.statistics import time_figures
from t2a_edge.errors import ConfigError

PIPELINE = "regression.int8.cpu.threads_1.batch_1.pipeline_ms.ratio"


def report(pipeline, reference, size=3.9):
    """A report with an INT8 bundle alone, its times in seconds."""
    cell = {"pipeline_ms": time_figures(pipeline, reference)}
    int8 = {
        "size_mb": size, "peak_memory_mb": 115.0, "cold_ms": time_figures([0.4] * 9, [0.01] * 9),
        "load_ms": time_figures([0.1] * 3), "cpu": {"threads_1": {"batch_1": cell}},
        "cuda": {"not_measured": "no GPU"},
    }  # fmt: skip
    return {"format": 2, "machine": {"processor": "A"}, "artefacts": {"int8": int8}}


BEFORE = report([0.050, 0.051] * 50, [0.010] * 100)


def outcomes(now, before=BEFORE, tolerance=0.1):
    found = regressions(now, before)
    gates = regression_gates(found, tolerance)
    judged = judge_all(gates, {"regression": found})
    return {j.gate.figure: j.outcome for j in judged}


def test_the_same_again_passes():
    assert outcomes(BEFORE)[PIPELINE] is Outcome.PASS


def test_a_machine_of_half_the_speed_passes():
    slower = report([0.100, 0.102] * 50, [0.020] * 100)
    assert outcomes(slower)[PIPELINE] is Outcome.PASS


def test_a_slower_pipeline_fails_whatever_the_machine():
    slower = report([0.060, 0.0612] * 50, [0.010] * 100)
    assert outcomes(slower)[PIPELINE] is Outcome.FAIL
    assert outcomes(slower, tolerance=0.5)[PIPELINE] is Outcome.PASS
    twice_as_fast = report([0.030, 0.0306] * 50, [0.005] * 100)
    assert outcomes(twice_as_fast)[PIPELINE] is Outcome.FAIL


def test_noise_around_the_tolerance_is_undecided():
    noisy = report([0.045, 0.065] * 50, [0.010] * 100)
    assert outcomes(noisy)[PIPELINE] is Outcome.NOT_MEASURED


def test_sizes_are_compared_as_they_are():
    assert outcomes(report([0.05] * 100, [0.01] * 100, size=4.4))[
        "regression.int8.size_mb.ratio"
    ] is Outcome.FAIL  # fmt: skip


def test_what_this_run_lacks_is_not_measured():
    now = copy.deepcopy(BEFORE)
    now["artefacts"]["int8"]["cpu"] = {"not_measured": "gone"}
    assert outcomes(now)[PIPELINE] is Outcome.NOT_MEASURED
    assert outcomes(now)["regression.int8.load_ms.ratio"] is Outcome.NOT_MEASURED  # 3 samples


def test_few_samples_of_a_cell_are_not_compared():
    few = report([0.05] * 12, [0.01] * 12)
    assert outcomes(few)[PIPELINE] is Outcome.NOT_MEASURED
    found = regressions(few, BEFORE)["int8"]["cpu"]["threads_1"]["batch_1"]["pipeline_ms"]
    assert found["not_measured"].startswith("12 samples; 29 are compared")


def test_another_processor_is_named():
    assert other_processor(BEFORE, BEFORE) is None
    assert "is from B, this run from A" in other_processor(BEFORE, {"machine": {"processor": "B"}})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 2, "artefacts": []}',
             '{"format": 1, "artefacts": {}}']
)  # fmt: skip
def test_a_file_that_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_baseline(path)


@pytest.mark.parametrize(
    "artefacts", [{"int8": 3}, {"int8": {"size_mb": "big"}}, {"int8": {"size_mb": 0}},
                  {"int8": {"cpu": {"threads_1": 3}}},
                  {"int8": {"cold_ms": {"ratio_to_reference": {"p50": 1}}}}]
)  # fmt: skip
def test_figures_that_are_none_are_refused(tmp_path, artefacts):
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"format": 2, "artefacts": artefacts}))
    with pytest.raises(ConfigError, match="measure the baseline again"):
        regressions(BEFORE, load_baseline(path))
