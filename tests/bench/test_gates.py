import pytest

from bench.gates import BUDGETS, Gate, Outcome, judge_all, load_gates
from bench.statistics import time_figures
from t2a_edge.errors import ConfigError


def budgets(folder, text):
    path = folder / "budgets.toml"
    path.write_text(text)
    return path


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


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [([4.0, 4.9], Outcome.PASS), ([5.1, 6.0], Outcome.FAIL), ([4.9, 5.1], Outcome.NOT_MEASURED)],
)
@pytest.mark.parametrize("value", [4.5, 5.5])
def test_the_interval_decides_whatever_the_number_says(interval, outcome, value):
    report = {"a": {"p50": value, "intervals": {"p50": interval}}}
    judgement = Gate(figure="a.p50", below=5.0).judge(report)
    assert judgement.outcome is outcome
    assert judgement.interval == tuple(interval)
    assert judgement.undecided is (outcome is Outcome.NOT_MEASURED)


def test_an_undecided_gate_says_so():
    report = {"a": {"p50": 5.0, "intervals": {"p50": [4.9, 5.1]}}}
    judgement = Gate(figure="a.p50", above=5.0).judge(report)
    assert judgement.note == "undecided: the limit lies within the interval 4.9 to 5.1"


def test_a_missing_figure_is_not_measured_and_says_why():
    judgement = Gate(figure="int8.gpu.ms", below=5.0).judge(
        {"int8": {"gpu": {"not_measured": "no GPU"}}}
    )
    assert judgement.outcome is Outcome.NOT_MEASURED
    assert judgement.note == "no GPU"
    assert not judgement.undecided


def test_a_withheld_percentile_is_not_measured_and_says_why():
    judgement = Gate(figure="a.p99", below=5.0).judge({"a": time_figures([0.001] * 100)})
    assert judgement.outcome is Outcome.NOT_MEASURED
    assert judgement.note == "100 samples; p99 needs 299"


@pytest.mark.parametrize(
    ("machine", "outcome"),
    [
        ({"int8_sums_saturate": True}, Outcome.NOT_MEASURED),
        ({"int8_sums_saturate": False}, Outcome.FAIL),
        ({}, Outcome.FAIL),
    ],
    ids=["saturates", "exact", "unknown"],
)
def test_a_limit_for_dot_products_judges_only_processors_that_have_them(machine, outcome):
    gate = Gate(figure="ratio", above=1.5, needs="dot-products")
    judgement = gate.judge({"machine": machine, "ratio": 1.1})
    assert judgement.outcome is outcome
    assert not judgement.undecided
    assert ("no INT8 dot products" in judgement.note) == (outcome is Outcome.NOT_MEASURED)


def test_a_misspelt_figure_is_not_a_pass():
    (judgement,) = judge_all([Gate(figure="int8.sise", below=5.0)], {"int8": {"size": 1.0}})
    assert judgement.outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize(
    "text", ["", "[[gate]]\nfigure='a'\n", "[[gate]]\nfigure='a'\nbelow=1\nabove=2\n", "[gate\n",
             "[[gate]]\nfigure='a'\nunder=1\n", "[[gate]]\nfigure='a'\nbelow='5'\n",
             "[[gate]]\nfigure='a'\nbelow=5\nneeds='luck'\n", "gate = 3\n"]
)  # fmt: skip
def test_budgets_that_gate_nothing_are_refused(tmp_path, text):
    with pytest.raises(ConfigError):
        load_gates(budgets(tmp_path, text))


def test_the_shipped_limits_are_the_promised_ones():
    limits = {(g.figure, g.limit) for g in load_gates(BUDGETS)}
    fused = "artefacts.fused_int8.cpu.threads_1.batch_1.pipeline_ms.ratio_to_reference"
    assert limits >= {
        ("artefacts.int8.size_mb", "< 5"),
        ("artefacts.fused_int8.size_mb", "< 5"),
        ("artefacts.int8.parameters", "< 8e+06"),
        (f"{fused}.p50", "< 4"),
        (f"{fused}.p99", "< 8"),
        ("speedup.cpu.bundle.pipeline.ratio", "> 1.5"),
        ("artefacts.int8.peak_memory_mb", "< 200"),
    }
    gpu = [g for g in load_gates(BUDGETS) if g.needs == "gpu"]
    assert gpu
    assert all(g.figure.endswith("p99") and g.below == 100 for g in gpu)
