import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bench.gates import BUDGETS, Gate, Outcome, judge_all, load_gates
from bench.measure import Effort, TimingRunner, measure_stages, percentiles
from t2a_edge.bundle import ENGINES, engine_file
from t2a_edge.errors import ConfigError
from t2a_edge.runner import OnnxRunner, RefinerInputs


def run_bench(bundles, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", "--bundles", str(bundles), "--name", "tiny", "--runs", "3",
         *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def budgets(folder, text):
    path = folder / "budgets.toml"
    path.write_text(text)
    return path


def test_percentiles_are_milliseconds():
    figures = percentiles(np.arange(1, 102) / 1000)
    assert figures == {"p50": 51.0, "p90": 91.0, "p99": 100.0, "samples": 101}


@pytest.mark.parametrize(
    ("gate", "value", "outcome"),
    [
        (Gate(figure="a.b", below=5.0), 4.9, Outcome.PASS),
        (Gate(figure="a.b", below=5.0), 5.0, Outcome.FAIL),
        (Gate(figure="a.b", above=1.0), 1.1, Outcome.PASS),
        (Gate(figure="a.b", above=1.0), 1.0, Outcome.FAIL),
    ],
)
def test_the_limit_itself_does_not_pass(gate, value, outcome):
    assert gate.judge({"a": {"b": value}}).outcome is outcome


def test_a_missing_figure_is_not_measured_and_says_why():
    judgement = Gate(figure="int8.gpu.ms", below=5.0).judge(
        {"int8": {"gpu": {"not_measured": "no GPU"}}}
    )
    assert judgement.outcome is Outcome.NOT_MEASURED
    assert judgement.note == "no GPU"


def test_a_misspelt_figure_is_not_a_pass():
    (judgement,) = judge_all([Gate(figure="int8.sise", below=5.0)], {"int8": {"size": 1.0}})
    assert judgement.outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize(
    "text", ["", "[[gate]]\nfigure='a'\n", "[[gate]]\nfigure='a'\nbelow=1\nabove=2\n", "[gate\n",
             "[[gate]]\nfigure='a'\nunder=1\n"]
)  # fmt: skip
def test_budgets_that_gate_nothing_are_refused(tmp_path, text):
    with pytest.raises(ConfigError):
        load_gates(budgets(tmp_path, text))


def test_the_shipped_budgets_name_figures_of_the_report(tiny_bundles, tmp_path):
    done = run_bench(tiny_bundles, "--json", tmp_path / "b.json")
    report = json.loads((tmp_path / "b.json").read_text())
    outcomes = {gate.figure: gate.judge(report) for gate in load_gates(BUDGETS)}
    for figure, judgement in outcomes.items():
        if ".gpu." not in figure:
            assert judgement.outcome is not Outcome.NOT_MEASURED, figure
    assert [g["figure"] for g in report["gates"]] == [g.figure for g in load_gates(BUDGETS)]
    assert "decoder on CPU" in done.stdout
    assert report["int8"]["peak_memory_mb"] > 10
    assert report["int8"]["size_bytes"].keys() == {engine_file(e) for e in ENGINES}


def test_a_failed_gate_exits_with_1_and_names_figure_and_limit(tiny_bundles, tmp_path):
    gates = budgets(tmp_path, "[[gate]]\nfigure = 'int8.size_mb'\nbelow = 0.001\n")
    done = run_bench(tiny_bundles, "--budgets", gates)
    assert done.returncode == 1
    assert done.stderr.startswith("failed: int8.size_mb is 0.")
    assert "limit < 0.001" in done.stderr


def test_not_measured_passes_unless_it_is_required(tiny_bundles, tmp_path):
    gates = budgets(tmp_path, "[[gate]]\nfigure = 'int8.gpu.none_ms.p99'\nbelow = 100\n")
    done = run_bench(tiny_bundles, "--budgets", gates)
    assert done.returncode == 0
    assert "not measured" in done.stdout
    assert run_bench(tiny_bundles, "--budgets", gates, "--require", "gpu").returncode == 3


def test_a_missing_bundle_is_one_line(tmp_path):
    done = run_bench(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No bundle at ")
    assert len(done.stderr.splitlines()) == 1


def test_stages_add_up_to_the_pipeline(tiny_bundles):
    folders = {p: tiny_bundles / f"tiny-{p}" for p in ("fp32", "int8")}
    figures = measure_stages(folders, "cpu", 1, Effort(runs=1))
    for parts in figures.values():
        total = sum(parts[f"{s}_ms"]["p50"] for s in (*ENGINES, "sampling"))
        assert total == pytest.approx(parts["pipeline_ms"]["p50"], abs=0.01)
        assert parts["pipeline_ms"]["samples"] == 1


def test_timing_does_not_change_the_answer(tiny_bundle):
    runners = [OnnxRunner(tiny_bundle, ENGINES) for _ in range(2)]
    with runners[0] as plain, TimingRunner(runners[1]) as timed:
        indices = (np.arange(21 + 64) % 32)[None]
        np.testing.assert_array_equal(plain.decoder(indices), timed.decoder(indices))
        words = np.ones((1, 2, 32), np.float32), np.ones((1, 2), np.float32)
        inputs = RefinerInputs(indices[:, :21], indices[:, 21:], *words)
        np.testing.assert_array_equal(plain.refiner(inputs), timed.refiner(inputs))
        assert timed.seconds["decoder"] > 0
        assert timed.seconds["refiner"] > 0
        assert timed.seconds["text"] == 0


def test_samples_are_a_grid(tiny_bundle, tmp_path):
    out = tmp_path / "grid.png"
    subprocess.run(
        [sys.executable, "-m", "bench.samples", "--bundle", str(tiny_bundle), "--out", str(out),
         "--seeds", "2", "--side", "32", "warm", "cool dark"],
        check=True, capture_output=True,
    )  # fmt: skip
    with Image.open(out) as sheet:
        assert sheet.size == (2 * 38 + 6, 2 * 60 + 6)
