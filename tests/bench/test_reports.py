import copy
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from PIL import Image

import bench.matrix
from bench.gates import Gate
from bench.plots import batch_plot, check_matplotlib, draw_plots, size_plot, stage_plot
from bench.report import number, percentile_text
from bench.written import junit_report, markdown_report, markdown_table
from t2a_edge.errors import OptionError

SCHEMA = json.loads((Path(bench.matrix.__file__).parent / "schema.json").read_text())


@pytest.fixture
def report(measured):
    return json.loads((measured[1] / "b.json").read_text())


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["format"]["const"] == bench.matrix.FORMAT


def test_the_report_is_what_the_schema_says(report):
    jsonschema.validate(report, SCHEMA, jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("machine"),
        lambda r: r["artefacts"]["int8"].pop("size_mb"),
        lambda r: r["artefacts"]["int8"].update(colour="red"),
        lambda r: r["artefacts"]["int8"]["cpu"]["threads_1"]["batch_1"].pop("pipeline_ms"),
        lambda r: r["gates"][0].update(outcome="perhaps"),
        lambda r: r["artefacts"].update(int4={}),
    ],
)
def test_a_spoiled_report_is_not(report, spoil):
    spoil(report)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA, jsonschema.Draft202012Validator)


def test_markdown_has_gates_and_figures_in_whole_rows(measured):
    text = (measured[1] / "b.md").read_text()
    assert text.startswith("## Bench\n\n1 gates pass, 1 fail, 1 not measured, on ")
    assert "❌ fail" in text
    assert "PNG encoding not" in text
    columns = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        columns = columns or line.count("|")
        assert line.count("|") == columns


def test_bars_in_a_cell_are_escaped():
    assert markdown_table(("a",), [("x|y",)]).splitlines()[2] == "| x\\|y |"


def test_junit_counts_outcomes(measured):
    (suite,) = ElementTree.parse(measured[1] / "deep" / "b.xml").getroot()  # noqa: S314 - our own
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped")} == {
        "tests": "3", "failures": "1", "skipped": "1",
    }  # fmt: skip
    failure = suite.find("testcase/failure")
    assert failure.text == "a < b"
    assert "limit < 0.001" in failure.get("message")
    assert suite.find("testcase/skipped").get("message")


def test_junit_escapes_what_it_is_given():
    judgement = Gate(figure="a<b>&", below=1, why='"<&>').judge({"a<b>&": 2})
    (suite,) = ElementTree.fromstring(junit_report([judgement], "now"))  # noqa: S314 - our own
    assert suite.find("testcase").get("name") == "a<b>& < 1"


def test_plots_are_drawn(measured):
    files = sorted((measured[1] / "plots").iterdir())
    assert [f.name for f in files] == [
        "cost_by_batch.png", "latency_by_stage.png", "size_by_precision.png",
    ]  # fmt: skip
    for file in files:
        with Image.open(file) as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_nothing_to_plot_is_no_plot(report, tmp_path):
    bare = copy.deepcopy(report)
    bare["artefacts"] = {"fp16": {"form": "bundle", "precision": "fp16", "not_measured": "gone"}}
    assert [plot(bare) for plot in (stage_plot, size_plot, batch_plot)] == [None] * 3
    assert draw_plots(bare, tmp_path / "plots") == []


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(OptionError, match="pip install"):
        check_matplotlib()


def test_reports_with_a_gpu_and_energy_have_their_table(report):
    cell = report["artefacts"]["int8"]["cpu"]["threads_1"]["batch_1"]
    on_gpu = copy.deepcopy(cell)
    on_gpu |= {"gpu_memory_mb": 123.0, "gpu_only_ms": cell["pipeline_ms"]}
    cell["energy"] = {"joules_per_picture": 1.5, "samples": 5}
    report["artefacts"]["int8"]["cuda"] = {"threads_1": {"batch_1": on_gpu}}
    jsonschema.validate(report, SCHEMA, jsonschema.Draft202012Validator)
    text = markdown_report(report, [])
    assert "### Energy and GPU" in text
    assert "| 1.50 | - | - |" in text
    assert "| cuda | - | 123 |" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.12"), (4.56, "4.6"), (99.94, "99.9"), (819.2, "819")]
)
def test_numbers_have_the_digits_that_count(value, text):
    assert number(value) == text


def test_a_withheld_percentile_is_a_dash():
    assert percentile_text({"samples": 3, "intervals": {}}, "p50") == "-"
    assert percentile_text(None, "p50") == "-"
