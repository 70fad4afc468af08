"""`t2a-edge bench`: its statistics, its outcomes, and that it measures what it says."""

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

import t2a_edge
from t2a_edge.cli import main
from t2a_edge.command import run_command
from t2a_edge.commands import bench
from t2a_edge.commands.gates import Figure, Gate, exact, missing, percentile, samples_needed

BUDGETS = Path(t2a_edge.__file__).parents[1] / "bench" / "budgets.toml"
FIGURES = {
    "size_mb": "artefacts.int8.size_mb",
    "p99_ms": "artefacts.int8.cuda.threads_1.batch_1.pipeline_ms.p99",
    "memory_mb": "artefacts.int8.peak_memory_mb",
}
LIMIT = Gate(name="p50_ms", below=60.0, why="instant", cpu=True)


@pytest.fixture
def run(capsys):
    def run_here(*arguments):
        with pytest.raises(SystemExit) as caught:
            run_command(main, ["bench", *map(str, arguments)])
        out, err = capsys.readouterr()
        return caught.value.code, out, err.splitlines()

    return run_here


def test_limits_are_those_of_the_bench():
    limits: dict[str, float] = {}
    for gate in tomllib.loads(BUDGETS.read_text(encoding="utf-8"))["gate"]:
        if "below" in gate:
            strictest = limits.get(gate["figure"], math.inf)
            limits[gate["figure"]] = min(gate["below"], strictest)
    ours = {gate.name: gate.below for gate in bench.GATES if gate.name in FIGURES}
    assert ours == {name: limits[figure] for name, figure in FIGURES.items()}


# ---- statistics


@pytest.mark.parametrize(("share", "needed"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_fewest_samples_that_give_a_percentile_an_upper_end(share, needed):
    assert samples_needed(share) == needed
    assert math.isfinite(percentile(range(needed), share).high)
    short = percentile(range(needed - 1), share)
    assert short.high == math.inf
    assert f"{needed - 1} of the {needed} samples" in short.note


@pytest.mark.parametrize(("share", "count"), [(0.5, 9), (0.5, 300), (0.99, 300), (0.9, 40)])
def test_each_end_is_beyond_the_true_percentile_about_19_times_in_20(share, count):
    rng = np.random.default_rng(5)
    low = high = 0
    for _ in range(400):
        figure = percentile(list(rng.random(count)), share)
        low += figure.low <= share
        high += figure.high >= share
        assert figure.low <= figure.value <= figure.high
    assert min(low, high) > 400 * 0.91


def test_no_samples_are_not_measured():
    assert percentile([], 0.5).value is None


# ---- outcomes


@pytest.mark.parametrize(
    ("figure", "outcome", "said"),
    [
        (Figure(value=50, low=48, high=59.9), "pass", "instant"),
        (Figure(value=70, low=60, high=90), "fail", "instant"),
        (exact(60), "fail", "instant"),
        (Figure(value=50, low=48, high=60), "not measured", "undecided"),
        (Figure(value=50, low=48, note="3 of the 5 samples"), "not measured", "3 of the 5"),
        (Figure(value=70, low=61, note="3 of the 5 samples"), "fail", "instant"),
        (missing("this system does not tell"), "not measured", "does not tell"),
    ],
)
def test_an_interval_decides(figure, outcome, said):
    judged = LIMIT.judge(figure, "cpu")
    assert judged["outcome"] == outcome
    assert said in judged["note"]
    json.dumps(judged, allow_nan=False)


def test_a_promise_about_the_processor_is_not_measured_on_a_gpu():
    judged = LIMIT.judge(exact(5), "cuda")
    assert (judged["outcome"], judged["value"]) == ("not measured", 5)
    assert "cuda drew" in judged["note"]


# ---- the command


def few(tiny_bundle, *more):
    return ["--bundle", tiny_bundle, "--pictures", 20, "--starts", 1, *more]


def test_figures_are_measured_and_judged(run, tiny_bundle):
    loose = ["--limit", "p50_ms=100000", "--limit", "memory_mb=100000"]
    code, out, err = run(*few(tiny_bundle, "--json", *loose))
    report = json.loads(out)
    gates = {entry["figure"]: entry for entry in report["gates"]}
    assert (code, err) == (0, [])
    assert list(gates) == [gate.name for gate in bench.GATES]
    files = sum(path.stat().st_size for path in tiny_bundle.glob("*.onnx"))
    files += (tiny_bundle / "bundle.json").stat().st_size
    assert gates["size_mb"]["value"] == pytest.approx(files / 1e6, abs=1e-3)
    assert gates["cold_ms"]["value"] > gates["p50_ms"]["value"] > 0
    assert gates["p99_ms"]["value"] >= gates["p50_ms"]["value"]
    assert 10 < gates["memory_mb"]["value"] < 1000
    assert gates["other_pixels"]["value"] == 0
    outcomes = {name: entry["outcome"] for name, entry in gates.items()}
    assert outcomes["size_mb"] == outcomes["p50_ms"] == outcomes["other_pixels"] == "pass"
    assert outcomes["p99_ms"] == outcomes["cold_ms"] == "not measured"
    assert report["outcome"] == "not measured"
    assert report["machine"]["cores"] >= 1


def stubbed(monkeypatch, **figures):
    """Stands in for the measuring, which the test above does for real."""
    found = {gate.name: exact(0.5) for gate in bench.GATES} | figures
    machine = {"processor": "one", "cores": 1, "load_before": 0.0}
    about = {
        "version": "1", "bundle": "b", "provider": "cpu", "threads": 1, "pictures": 1, "starts": 1,
        "load_ms": 1.0, "machine": machine,
    }  # fmt: skip
    monkeypatch.setattr(bench, "measure_all", lambda *_args, **_more: (found, about))


def test_a_figure_beyond_its_limit_fails(run, monkeypatch):
    stubbed(monkeypatch, p50_ms=exact(61), memory_mb=missing("not here"))
    code, out, _ = run()
    assert code == 1
    assert next(line for line in out.splitlines() if "p50_ms" in line).split()[4] == "fail"
    assert "not measured" in out


def test_what_is_not_measured_fails_only_where_that_is_asked_for(run, monkeypatch):
    stubbed(monkeypatch, memory_mb=missing("not here"))
    assert run()[0] == 0
    assert run("--strict")[0] == 3
    stubbed(monkeypatch)
    assert run("--strict")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pictures", 0], "pictures is 0"),
        (["--starts", -1], "starts is -1"),
        (["--limit", "speed=3"], "The limit is 'speed=3'; expected one of size_mb"),
        (["--limit", "p50_ms"], "The limit is 'p50_ms'"),
        (["--limit", "p50_ms=nan"], "The limit is 'p50_ms=nan'"),
        (["--limit", "p50_ms=-1"], "The limit is 'p50_ms=-1'"),
        (["--bundle", "missing"], "No bundle at"),
        (["--threads", 0], "threads is 0"),
    ],
)
def test_bad_input_is_one_line(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("error: ")
    assert said in err[0]
