import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from bench.__main__ import end, measure_and_judge
from bench.artefacts import METADATA, Artefact, find_artefacts, load_bundle_artefact
from bench.gates import BUDGETS, Gate, Outcome, load_gates
from bench.matrix import Matrix, Plan
from bench.measure import BundleDrawer, Cell, FusedDrawer, Group, TimingRunner, provider_problem
from bench.processes import run_process
from bench.reference import Reference
from bench.statistics import LOOKS
from t2a_edge.bundle import ENGINES, engine_file, load_bundle
from t2a_edge.errors import BundleError
from t2a_edge.runner import OnnxRunner
from tests.tiny import base_spec

PIPELINE = "cpu.threads_1.batch_1.pipeline_ms"


def run_bench(bundles, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", "--bundles", str(bundles), "--name", "pair",
         *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def stand_in(name):
    """An artefact that nothing is behind."""
    form = "fused" if name.startswith("fused_") else "bundle"
    return Artefact(
        name=name, form=form, precision=name.removeprefix("fused_"), path=Path(name),
        spec=base_spec(), sizes={"a.onnx": 1000}, size_bytes=1000, bundle_hash="0" * 16,
    )  # fmt: skip


class Clockwork:
    """A drawer that claims to take what it is told."""

    def __init__(self, seconds):
        self.seconds, self.drawn = seconds, 0

    def draw(self, seed):
        self.drawn += 1
        return {"pipeline": self.seconds[seed % len(self.seconds)]}

    def close(self):
        pass


@pytest.fixture
def clockwork(monkeypatch):
    """Makes a matrix of stand-ins that take the seconds given by name; no processes."""
    monkeypatch.setattr("bench.processes.Processes.run", lambda *_: None)

    def make(seconds, **plan):
        artefacts = [stand_in(name) for name in seconds]
        matrix = Matrix(artefacts, {}, Plan(providers=("cpu",), **plan))
        for group in matrix.groups.values():
            group.open_drawer = lambda artefact, *_: Clockwork(seconds[artefact.name])
        return matrix

    return make


# ---- the command


def test_a_failed_gate_exits_with_1_and_names_figure_and_limit(measured):
    done, _ = measured
    assert done.returncode == 1
    assert "failed: artefacts.int8.size_mb is 0." in done.stderr
    assert "limit < 0.001" in done.stderr


def test_the_tables_show_every_artefact_and_what_is_included(measured):
    done, _ = measured
    for text in ("fused_int8", "decoder", "Reference workload", "PNG encoding not", "p50 / refer"):
        assert text in done.stdout
    assert "there is no pair-fp16.onnx" in done.stdout
    assert "has no TensorrtExecutionProvider" in done.stdout


def test_the_report_has_every_figure(measured):
    report = json.loads((measured[1] / "b.json").read_text())
    int8 = report["artefacts"]["int8"]
    assert int8["size_bytes"].keys() == {engine_file(e) for e in ENGINES}
    assert int8["parameters"] > 1000
    assert 50 < int8["peak_memory_mb"] < 400  # its own, not that of the process that measures
    for key in ("cold_ms", "load_ms", "first_run_ms"):
        assert int8[key]["p50"] > 0
        assert int8[key]["ratio_to_reference"]["p50"] > 0
    cell = int8["cpu"]["threads_1"]["batch_1"]
    assert cell["pipeline_ms"]["samples"] == 5
    assert "p50" in cell["pipeline_ms"]
    assert "p99" not in cell["pipeline_ms"]
    assert cell["decoder_ms"]["p50"] < cell["pipeline_ms"]["p50"]
    fused = report["artefacts"]["fused_int8"]
    assert fused["agreement"] > 0.99
    assert fused["cpu"]["threads_1"].keys() == {"batch_1", "batch_2"}
    assert report["artefacts"]["fused_fp32"]["not_measured"]


def test_the_shipped_budgets_name_figures_of_the_report(measured):
    report = json.loads((measured[1] / "b.json").read_text())
    notes = {gate.figure: gate.judge(report).note for gate in load_gates(BUDGETS)}
    assert "the report has no such figure" not in notes.values()


@pytest.mark.parametrize(
    "arguments",
    [["--runs", "4"], ["--threads", "0"], ["--batch", "0"], ["--provider", "abacus"],
     ["--tolerance", "-1"], ["--require", "luck"], ["--budgets", "none.toml"],
     ["--baseline", "none.json"], ["--bundles", "nowhere"], ["--json", "bench"],
     ["--junit", "pyproject.toml/b.xml"], ["--plots", "pyproject.toml"], ["--patience", "-1"]],
)  # fmt: skip
def test_a_bad_option_is_one_line(pair, arguments):
    done = run_bench(pair, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_bundle_is_one_line(tmp_path):
    done = run_bench(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No bundle at ")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_hash_is_the_loaders_error(own_pair):
    (own_pair / "pair-int8" / "decoder.onnx").write_bytes(b"other")
    done = run_bench(own_pair)
    assert done.returncode == 2
    assert "has the sha256" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_bundle_under_a_wrong_name_is_refused(own_pair, relabel):
    relabel(own_pair / "pair-fp32", "int8")
    done = run_bench(own_pair)
    assert done.returncode == 2
    assert "of precision int8; its name says fp32" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no graph at all"])
def test_a_damaged_fused_file_is_one_line(own_pair, content):
    (own_pair / "pair-int8.onnx").write_bytes(content)
    done = run_bench(own_pair)
    assert done.returncode == 2
    assert "cannot be read as a fused graph" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---- gates bite


@pytest.mark.parametrize("percentile", ["p50", "p99"])
def test_a_slowed_file_fails_the_latency_gate_and_a_fast_one_passes(clockwork, percentile):
    figure = f"artefacts.fused_int8.{PIPELINE}.ratio_to_reference.{percentile}"
    (gate,) = [g for g in load_gates(BUDGETS) if g.figure == figure]
    for seconds, outcome in ((1e3, Outcome.FAIL), (1e-9, Outcome.PASS)):
        matrix = clockwork({"fused_int8": [seconds]}, runs=300)
        matrix.measure()
        judgement = gate.judge(matrix.report())
        assert judgement.outcome is outcome
        assert judgement.interval is not None


def test_milliseconds_are_gates_on_a_gpu_alone():
    plain = [g for g in load_gates(BUDGETS) if "_ms." in g.figure and "ratio" not in g.figure]
    assert plain
    assert {g.needs for g in plain} == {"gpu"}


def test_a_padded_bundle_fails_the_size_gate(own_pair, relabel):
    folder = own_pair / "pair-int8"
    with (folder / "decoder.onnx").open("ab") as file:
        file.write(bytes(5_000_000))
    relabel(folder, "int8")  # hashes agree again
    figures = load_bundle_artefact(folder, "int8").figures()
    (gate,) = [
        g for g in load_gates(BUDGETS) if (g.figure, g.below) == ("artefacts.int8.size_mb", 5)
    ]
    assert gate.judge({"artefacts": {"int8": figures}}).outcome is Outcome.FAIL


def test_a_padded_fused_file_fails_the_size_gate(pair, pair_fused, own_pair):
    padded = own_pair / "pair-int8.onnx"
    padding = b"\x9a\x3e" + b"\xc0\x96\xb1\x02" + bytes(5_000_000)  # an unknown field of protobuf
    padded.write_bytes(pair_fused.read_bytes() + padding)
    found, _ = find_artefacts(own_pair, "pair")
    figures = {a.name: a.figures() for a in found}
    (gate,) = [g for g in load_gates(BUDGETS)
               if (g.figure, g.below) == ("artefacts.fused_int8.size_mb", 5)]  # fmt: skip
    assert gate.judge({"artefacts": figures}).outcome is Outcome.FAIL


# ---- more samples where they are needed


def test_a_clear_figure_is_decided_at_the_first_look(clockwork):
    matrix = clockwork({"int8": [0.04, 0.041], "fp32": [0.1]}, runs=40)
    gate = Gate(figure=f"artefacts.int8.{PIPELINE}.p50", below=60.0)
    report, (judgement,) = measure_and_judge(matrix, [gate])
    assert judgement.outcome is Outcome.PASS
    assert report["looks_taken"] == 1
    assert (
        report["artefacts"]["int8"]["cpu"]["threads_1"]["batch_1"]["pipeline_ms"]["samples"] == 40
    )


def test_an_interval_over_the_limit_takes_more_samples_and_says_so(clockwork):
    rng = np.random.default_rng(5)
    matrix = clockwork({"int8": list(0.06 + rng.normal(0, 0.02, 997)), "fp32": [0.1]}, runs=40)
    gate = Gate(figure=f"artefacts.int8.{PIPELINE}.p50", below=60.0)
    report, (judgement,) = measure_and_judge(matrix, [gate])
    assert judgement.outcome is Outcome.NOT_MEASURED
    assert judgement.note.startswith("undecided: ")
    assert report["looks_taken"] == LOOKS
    cells = {name: a["cpu"]["threads_1"]["batch_1"]["pipeline_ms"]["samples"]
             for name, a in report["artefacts"].items()}  # fmt: skip
    assert cells == {"int8": 40 * 2 ** (LOOKS - 1), "fp32": 10}  # the other draws no more


def test_an_undecided_speedup_draws_both_of_its_sides(clockwork):
    rng = np.random.default_rng(6)
    matrix = clockwork({"int8": list(rng.uniform(1, 2, 97)), "fp32": list(rng.uniform(1.5, 3, 89)),
                        "fp16": [1.0]}, runs=40)  # fmt: skip
    gate = Gate(figure="speedup.cpu.bundle.pipeline.ratio", above=1.5)
    measure_and_judge(matrix, [gate])
    counts = {cell.artefact.name: len(cell.seconds["pipeline"])
              for cell in matrix.groups["cpu", 1, 1].cells}  # fmt: skip
    assert counts["int8"] > 40
    assert counts["fp32"] > 10
    assert counts["fp16"] == 10


def test_a_figure_without_samples_is_not_extended(clockwork):
    matrix = clockwork({"int8": [0.04], "fp32": [0.1]}, runs=40)
    assert not matrix.extend(["artefacts.int8.size_mb", "speedup", "artefacts.other.thing"])


def test_the_matrix_varies_each_option_alone_unless_told():
    artefacts = [stand_in(name) for name in ("fp32", "int8", "fused_int8")]
    plan = {"providers": ("cpu",), "threads": (1, 2), "batches": (1, 4)}
    alone = Matrix(artefacts, {}, Plan(**plan))
    assert set(alone.groups) == {("cpu", 1, 1), ("cpu", 1, 4), ("cpu", 2, 1)}
    assert set(Matrix(artefacts, {}, Plan(**plan, cross=True)).groups) == {
        *alone.groups, ("cpu", 2, 4),
    }  # fmt: skip
    assert [c.artefact.name for c in alone.groups["cpu", 1, 4].cells] == ["fused_int8"]


# ---- exit codes


def ended(judgements, *require):
    @click.command()
    @click.pass_context
    def command(context):
        end(context, judgements, require)

    result = CliRunner().invoke(command, [])
    return result.exit_code


def test_not_measured_passes_unless_it_is_required():
    missing = Gate(figure="a", below=1, needs="gpu").judge({})
    fine = Gate(figure="b", below=1).judge({"b": 0.5})
    assert ended([missing, fine]) == 0
    assert ended([missing, fine], "gpu") == 3
    assert ended([fine], "gpu") == 3  # no GPU gate at all


def test_a_failure_comes_before_what_was_not_measured():
    missing = Gate(figure="a", below=1, needs="gpu").judge({})
    assert ended([missing, Gate(figure="b", below=1).judge({"b": 2})], "gpu") == 1


def test_undecided_passes_unless_decisions_are_required():
    undecided = Gate(figure="b.p50", below=1).judge(
        {"b": {"p50": 1.0, "intervals": {"p50": [0.9, 1.1]}}}
    )
    assert ended([undecided]) == 0
    assert ended([undecided], "decided") == 3


# ---- measuring


def test_stages_add_up_to_the_pipeline(tiny_bundle):
    drawer = BundleDrawer(load_bundle_artefact(tiny_bundle, "int8"), "cpu", 1)
    parts = drawer.draw(3)
    drawer.close()
    assert sum(s for n, s in parts.items() if n != "pipeline") == pytest.approx(parts["pipeline"])
    assert parts.keys() == {*ENGINES, "sampling", "pipeline"}


def test_timing_does_not_change_the_answer(tiny_bundle):
    spec = load_bundle(tiny_bundle).spec
    with OnnxRunner(tiny_bundle) as plain, TimingRunner(OnnxRunner(tiny_bundle)) as timed:
        indices = (np.arange(spec.positions) % spec.codebook_size)[None]
        np.testing.assert_array_equal(plain.decoder(indices), timed.decoder(indices))
        assert timed.seconds["decoder"] > 0
        assert timed.seconds["text"] == 0


def test_pictures_of_a_batch_have_seeds_of_their_own(pair, pair_fused):
    fused = next(a for a in find_artefacts(pair, "pair")[0] if a.form == "fused")
    drawer = FusedDrawer(fused, "cpu", 1, 3)
    seeds = [drawer.inputs(seed)["seed"].tolist() for seed in (0, 1)]
    assert seeds == [[0, 1, 2], [3, 4, 5]]
    assert len(drawer.device_seconds(2, device="cpu")) == 2


def test_the_key_of_a_fused_description_is_the_one_that_export_writes():
    from export.pack import METADATA as WRITTEN

    assert METADATA == WRITTEN


def test_cells_take_turns_and_the_slow_ones_rest():
    order = []

    class Noting(Clockwork):
        def __init__(self, name):
            super().__init__([1.0])
            self.name = name

        def draw(self, seed):
            order.append(self.name)
            return super().draw(seed)

    cells = [Cell(stand_in("int8"), "cpu", 1, 1), Cell(stand_in("fp32"), "cpu", 1, 1, every=2)]
    group = Group(cells, open_drawer=lambda artefact, *_: Noting(artefact.name))
    group.run(4)
    assert order[10:] == ["int8", "fp32", "int8", "int8", "fp32", "int8"]
    assert len(group.reference.seconds) == 4


def test_a_missing_provider_has_a_reason():
    assert provider_problem("cpu", stand_in("int8")) is None
    assert "has no TensorrtExecutionProvider" in provider_problem("tensorrt", stand_in("int8"))


def test_the_reference_is_measured_in_parts():
    reference = Reference()
    for _ in range(6):
        reference.run()
    figures = reference.figures()
    assert figures["workload_ms"]["samples"] == 6
    for whole, one, other in zip(reference.seconds, reference.matmul, reference.copy, strict=True):
        assert whole == pytest.approx(one + other)


def test_a_process_that_fails_is_one_sentence():
    with pytest.raises(BundleError, match=r"ended with 3 while it was measured \(too bad\)"):
        run_process(["-c", "import sys; print('too bad', file=sys.stderr); sys.exit(3)"])


def test_memory_is_that_of_the_process_alone():
    ballast = np.ones(300_000_000, dtype=np.uint8)
    assert run_process(["-S", "-c", "pass"]).peak_bytes < 100_000_000
    assert ballast.size


def test_samples_are_a_grid(tiny_bundle, tmp_path):
    out = tmp_path / "grid.png"
    subprocess.run(
        [sys.executable, "-m", "bench.samples", "--bundle", str(tiny_bundle), "--out", str(out),
         "--seeds", "2", "--side", "32", "warm", "cool dark"],
        check=True, capture_output=True,
    )  # fmt: skip
    with Image.open(out) as sheet:
        assert sheet.size == (2 * 38 + 6, 2 * 60 + 6)


def test_patience_ends_before_the_looks_do(clockwork):
    rng = np.random.default_rng(5)
    matrix = clockwork({"int8": list(0.06 + rng.normal(0, 0.02, 997)), "fp32": [0.1]}, runs=40)
    gate = Gate(figure=f"artefacts.int8.{PIPELINE}.p50", below=60.0)
    report, (judgement,) = measure_and_judge(matrix, [gate], patience=0)
    assert judgement.undecided
    assert report["looks_taken"] == 1


def test_a_sweep_has_a_line_for_every_setting_and_a_sheet(tiny_bundle, tmp_path, monkeypatch):
    from bench import sweep

    monkeypatch.setattr(sweep, "WORD_STEP", 60)
    monkeypatch.setattr(sweep, "TRIPLES", 1)
    out = tmp_path / "sheet.png"
    result = CliRunner().invoke(
        sweep.sweep, ["--bundle", str(tiny_bundle), "--guidance", "1,4", "--temperature", "0",
                      "--seeds", "2", "--out", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "guidance 1, temperature 0" in result.output
    assert "guidance 4, temperature 0" in result.output
    with Image.open(out) as sheet:
        assert sheet.size == (2 * len(sweep.SHEET_PROMPTS) * sweep.TILE, 2 * sweep.TILE)
