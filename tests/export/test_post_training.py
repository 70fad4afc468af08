import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.calibration import RecordingRunner, calibration_prompts
from export.parity import TOLERANCES
from export.post_training import PRECISION, export_post_training
from export.qdq import expected_kernels
from export.quantised_graph import (
    integer_kernels,
    layers,
    linear_outputs_in_float,
    quantised_graph,
    round_tables,
)
from export.quantisers import Settings
from t2a_edge import TextToArt
from t2a_edge.bundle import ENGINES, load_bundle
from t2a_edge.errors import BundleError, ExportError, OptionError
from t2a_edge.runner import FormInputs, PainterInputs, Runner, session_options

WIDTH, CODES, SIDE = 16, 40, 8
rng = np.random.default_rng(5)

needs_optimum = pytest.mark.skipif(
    importlib.util.find_spec("optimum") is None,
    reason="needs optimum-onnx: pip install -e '.[post-training]'",
)
LIBRARIES = ["onnxruntime", pytest.param("optimum", marks=needs_optimum)]


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def small_engine():
    """A table, a linear layer, attention, a matrix without bias, and a residual block."""
    op = helper.make_node
    weights = {
        "table": normal(CODES * 2, WIDTH),
        "linear": normal(WIDTH, WIDTH),
        "bias": normal(1, 1, WIDTH),
        "scaling": normal(SIDE, SIDE),
        "conv": normal(WIDTH, 1, 3, 3),
        "conv_bias": normal(WIDTH),
        "last": normal(WIDTH, WIDTH, 1, 1),
        "axis": np.array([1]),
    }
    nodes = [
        op("Gather", ["table", "indices"], ["vectors"]),  # (B, 8, 16)
        op("MatMul", ["vectors", "linear"], ["product"]),
        op("Add", ["product", "bias"], ["queries"]),
        op("Transpose", ["queries"], ["keys"], perm=[0, 2, 1]),
        op("MatMul", ["queries", "keys"], ["attention"]),  # (B, 8, 8)
        op("MatMul", ["attention", "scaling"], ["scaled"]),
        op("Unsqueeze", ["scaled", "axis"], ["field"]),  # (B, 1, 8, 8)
        op("Conv", ["field", "conv", "conv_bias"], ["first"], pads=[1, 1, 1, 1]),
        op("Relu", ["first"], ["lit"]),
        op("Conv", ["lit", "last"], ["second"]),
        op("Add", ["lit", "second"], ["sum"]),
        op("Relu", ["sum"], ["pixels"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("indices", TensorProto.INT64, ["batch", SIDE])],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", WIDTH, SIDE, SIDE])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def calls(count=6):
    """Batches of different sizes, as the sampler makes them."""
    return [{"indices": rng.integers(CODES * 2, size=(1 + n % 3, SIDE))} for n in range(count)]


def run(model, inputs):
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(
        content, session_options(1), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


# ---- which layers


def test_layers_are_what_training_fake_quantises():
    found = [(node.op_type, node.output[0]) for node in layers(small_engine().graph)]
    assert found == [
        ("MatMul", "product"), ("MatMul", "scaled"), ("Conv", "first"), ("Relu", "lit"),
        ("Conv", "second"), ("Add", "sum"), ("Relu", "pixels"),
    ]  # fmt: skip


def test_tables_are_rounded_to_255_steps_and_nothing_else_is():
    model = small_engine()
    before = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    round_tables(model.graph)
    after = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    step = np.abs(before["table"]).max() / 127
    steps = after["table"] / step
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    assert np.abs(after["table"] - before["table"]).max() <= step / 2 * 1.001
    for name in before.keys() - {"table"}:
        np.testing.assert_array_equal(after[name], before[name])


# ---- one engine


@pytest.mark.parametrize(
    ("library", "method"),
    [
        ("onnxruntime", "minmax"),
        pytest.param("optimum", "minmax", marks=needs_optimum),
        pytest.param("optimum", "percentile", marks=needs_optimum),
    ],
)
def test_an_engine_runs_in_integers_and_stays_near(library, method):
    engine, given = small_engine(), calls()
    expected = run(engine, given[2])
    quantised = quantised_graph("small", engine, given, Settings(library=library, method=method))
    assert integer_kernels(quantised) == {
        "conv": 2, "conv_layers": 2, "linear": 2, "linear_layers": 2,
    }  # fmt: skip
    difference = np.abs(run(quantised, given[2]) - expected).mean()
    assert 0 < difference < 0.03 * expected.std()


def test_the_steps_are_symmetric_and_weights_are_per_channel():
    quantised = quantised_graph("small", small_engine(), calls(), Settings(library="onnxruntime"))
    constants = {i.name: numpy_helper.to_array(i) for i in quantised.graph.initializer}
    for node in quantised.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        zero_point = constants[node.input[2]]
        expected = 128 if zero_point.dtype == np.uint8 else 0  # the processor's form, or weights
        assert (zero_point == expected).all()
    weights = [v for v in constants.values() if v.dtype in (np.int8, np.uint8) and v.ndim > 1]
    assert sorted(w.shape for w in weights) == [
        (8, 8), (16, 1, 3, 3), (16, 16), (16, 16, 1, 1), (80, 16),
    ]  # fmt: skip
    channels = [v for v in constants.values() if v.dtype == np.float32 and v.shape == (16,)]
    assert len(channels) >= 3


def test_outputs_of_linear_layers_are_float_unless_asked_for():
    given = calls()
    rounded, plain = (
        quantised_graph(
            "small", small_engine(), given, Settings(library="onnxruntime", float_outputs=chosen)
        )
        for chosen in (False, True)
    )
    assert expected_kernels(rounded) == expected_kernels(plain)

    def readers(model):
        """What takes the sums of the linear layer that has a bias."""
        (weight,) = (i.name for i in model.graph.initializer if list(i.dims) == [WIDTH, WIDTH])
        (back,) = (n.output[0] for n in model.graph.node if weight in n.input)
        (product,) = (n.output[0] for n in model.graph.node if back in n.input)
        return [n.op_type for n in model.graph.node if product in n.input]

    assert readers(rounded) == ["QuantizeLinear"]
    assert readers(plain) == ["Add"]


def test_a_pair_behind_another_matmul_stays():
    """It is the input of the next layer, not the output of one."""
    op = helper.make_node
    nodes = [
        op("MatMul", ["a", "b"], ["mixed"]),
        op("QuantizeLinear", ["mixed", "step", "zero"], ["integers"]),
        op("DequantizeLinear", ["integers", "step", "zero"], ["numbers"]),
    ]
    graph = helper.make_graph(nodes, "pair", [], [])
    linear_outputs_in_float(graph)
    assert [node.op_type for node in graph.node] == [node.op_type for node in nodes]


def test_what_a_library_cannot_do_is_one_sentence():
    with pytest.raises(ExportError, match="onnxruntime cannot quantise the small engine"):
        quantised_graph("small", small_engine(), [], Settings(library="onnxruntime"))


def test_a_missing_library_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "optimum", None)
    monkeypatch.setitem(sys.modules, "optimum.onnxruntime", None)
    with pytest.raises(OptionError, match=r"optimum cannot be imported .*--with onnxruntime"):
        quantised_graph("small", small_engine(), calls(), Settings(library="optimum"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"library": "torch"}, "--with is 'torch'; expected one of optimum, onnxruntime"),
        ({"method": "guess"}, "--method is 'guess'; expected one of minmax, percentile"),
        ({"library": "onnxruntime", "method": "percentile"}, "--method is percentile with --with"),
        ({"pictures": 0}, "--pictures is 0; expected a whole number from 1"),
    ],
)
def test_settings_that_cannot_be_used_are_told(values, told):
    with pytest.raises(OptionError, match=told):
        Settings(**values)


# ---- calibration


def test_prompts_are_the_same_for_the_same_seed():
    words = ["warm", "dark", "calm", "pale", "busy"]
    prompts = calibration_prompts(words, 50, 1)
    assert prompts == calibration_prompts(words, 50, 1) != calibration_prompts(words, 50, 2)
    assert {len(prompt.split()) for prompt in prompts} == {1, 2, 3}
    assert {word for prompt in prompts for word in prompt.split()} == set(words)
    assert calibration_prompts(["warm"], 2, 1) == ["warm", "warm"]


def test_recorded_inputs_are_kept_as_they_were():
    class Nothing(Runner):
        def text(self, text_bytes):
            return np.zeros((1, 1, 1), np.float32)

        def forms(self, inputs):
            return np.zeros((1, 64, 64), np.float32), np.zeros(1, np.int64)

        def painter(self, inputs):
            return inputs.latents

        def composer(self, latents):
            return np.zeros((1, 4), np.int64)

        def encoder(self, indices):
            return np.zeros((1, 1, 1), np.float32)

        def decoder(self, indices):
            return np.zeros((1, 1, 1, 3), np.uint8)

    runner = RecordingRunner(Nothing())
    latents = np.full((1, 4, 2), 0.5, np.float32)
    runner.painter(PainterInputs(latents, *[np.zeros(1, np.float32)] * 6))
    latents[:] = 7  # the sampler goes on with the same array
    runner.forms(FormInputs(*[np.zeros(1, np.float32)] * 4))
    runner.text(np.zeros((1, 2, 3), np.uint8))
    runner.composer(latents)
    runner.encoder(np.zeros((1, 4), np.int64))
    runner.decoder(np.zeros((1, 4), np.int64))
    (painted,) = runner.calls["painter"]
    assert set(painted) == set(PainterInputs._fields)
    assert (painted["latents"] == 0.5).all()
    assert {name: len(part) for name, part in runner.calls.items()} == dict.fromkeys(ENGINES, 1)


# ---- a bundle


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bundle_draws_and_says_what_it_is(tiny_bundles, tmp_path, library):
    source = tiny_bundles / "tiny-fp32"
    parity = export_post_training(source, tmp_path / "ptq", Settings(library=library, pictures=3))
    limit = TOLERANCES["quantisation"]
    assert parity.psnr_db >= limit.psnr_db
    assert all(parity.mean_share[name] <= limit.mean_share for name in ("text", "painter"))
    bundle, reference = load_bundle(tmp_path / "ptq"), load_bundle(source)
    assert bundle.spec == reference.spec
    assert bundle.precision == PRECISION
    assert bundle.size_bytes < 0.8 * reference.size_bytes
    about = bundle.manifest["post_training"]
    assert about["reference"] == reference.bundle_hash
    assert (about["library"], about["pictures"]) == (library, 3)
    kernels = bundle.manifest["integer_kernels"]
    assert set(kernels) == {"text", "forms", "painter", "decoder"}
    assert kernels["decoder"]["conv"] == kernels["decoder"]["conv_layers"] > 3
    assert kernels["painter"]["linear"] > 0.8 * kernels["painter"]["linear_layers"] > 10
    with TextToArt(tmp_path / "ptq") as engine:
        first, again = (engine.generate("warm -striped", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_a_bundle_that_is_not_float_is_refused(tiny_bundle, tmp_path):
    with pytest.raises(OptionError, match="has the precision int8; expected fp32"):
        export_post_training(tiny_bundle, tmp_path / "ptq", Settings())
    assert not list(tmp_path.iterdir())


def test_a_missing_bundle_is_told(tmp_path):
    with pytest.raises(BundleError, match="No bundle at"):
        export_post_training(tmp_path / "no", tmp_path / "ptq", Settings())


def test_the_command_ends_with_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "export.post_training", "--bundle", tmp_path / "no",
         "--out", tmp_path / "ptq"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: No bundle at ")
    assert len(done.stderr.splitlines()) == 1


def test_the_manifest_is_plain_json(tiny_bundles, tmp_path):
    settings = Settings(library="onnxruntime", pictures=1)
    export_post_training(tiny_bundles / "tiny-fp32", tmp_path / "ptq", settings)
    manifest = json.loads((tmp_path / "ptq" / "bundle.json").read_text())
    assert not {"scores", "parity"} & set(manifest)


def test_the_comparison_in_the_documentation_runs(tiny_bundles, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "post-training.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    effort = "RUNS, SEEDS, WORDS = 60, 10, 13"
    assert effort in example
    (tmp_path / "dist").mkdir()
    for name in ("fp32", "int8"):
        (tmp_path / "dist" / f"base-{name}").symlink_to(tiny_bundles / f"tiny-{name}")
    ptq = tmp_path / "dist" / "base-ptq"
    export_post_training(
        tiny_bundles / "tiny-fp32", ptq, Settings(library="onnxruntime", pictures=2)
    )
    (tmp_path / "dist" / "base-ptq-percentile").symlink_to(ptq)
    monkeypatch.chdir(tmp_path)
    exec(example.replace(effort, "RUNS, SEEDS, WORDS = 1, 2, 2"), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "FP32", "QAT INT8", "PTQ minmax", "PTQ percentile",
    ]  # fmt: skip
    assert "99.0 dB, forms 100.0%" in lines[0]
