import json
import subprocess
import sys

import numpy as np
import onnx
import pytest

from bench.gates import BUDGETS, load_gates
from bench.roofline import Gpu, count, load_gpus
from t2a_edge.errors import ConfigError, OptionError

GPU = Gpu(title="x", fp32_tflops=1.0, fp16_tflops=2.0, bandwidth_gbs=1.0, launch_us=10.0, source="")
FLOAT = onnx.TensorProto.FLOAT


def graph(nodes, inputs, outputs, weights):
    """An ONNX model of float inputs and outputs with weights."""
    value = onnx.helper.make_tensor_value_info
    made = onnx.helper.make_graph(
        nodes, "g", [value(n, FLOAT, s) for n, s in inputs.items()],
        [value(n, FLOAT, s) for n, s in outputs.items()],
        [onnx.numpy_helper.from_array(w, n) for n, w in weights.items()],
    )  # fmt: skip
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 20)])


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs, outputs, **attributes)


def test_a_product_counts_multiply_and_add():
    model = graph([node("MatMul", ["x", "w"], ["y"])], {"x": ["batch", 8]}, {"y": ["batch", 4]},
                  {"w": np.ones((8, 4), np.float32)})  # fmt: skip
    counts = count(model, {"x": (3, 8)}, "fp32")
    assert counts.operations == 2 * 3 * 8 * 4
    assert counts.size_bytes == counts.floor_bytes == 4 * (3 * 8 + 8 * 4 + 3 * 4)
    assert count(model, {"x": (3, 8)}, "fp16").size_bytes == counts.size_bytes // 2


def test_a_convolution_counts_its_window():
    model = graph(
        [node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]), node("Relu", ["y"], ["z"])],
        {"x": [1, 2, "h", "w"]}, {"z": [1, 5, "h", "w"]},
        {"w": np.ones((5, 2, 3, 3), np.float32)},
    )  # fmt: skip
    counts = count(model, {"x": (1, 2, 6, 7)}, "fp32")
    assert [k.operations for k in counts.kernels] == [2 * 5 * 42 * 18, 5 * 42]


def test_views_and_shapes_launch_nothing_and_a_lookup_reads_its_rows():
    model = graph(
        [node("Shape", ["i"], ["s"]), node("Cast", ["i"], ["c"], to=onnx.TensorProto.INT64),
         node("Gather", ["w", "c"], ["r"]), node("Unsqueeze", ["r", "a"], ["y"])],
        {"i": ["n"]}, {"y": [1, "n", 4]},
        {"w": np.ones((1000, 4), np.float32), "a": np.array([0])},
    )  # fmt: skip
    counts = count(model, {"i": (20,)}, "fp32")
    assert [k.op_type for k in counts.kernels] == ["Cast", "Gather"]
    assert counts.kernels[1].size_bytes == 2 * 20 * 4 * 4 + 20 * 8


def test_the_roof_is_the_larger_of_arithmetic_and_memory():
    assert GPU.seconds(1e12, 0, "fp32") == pytest.approx(1)
    assert GPU.seconds(1e12, 0, "fp16") == pytest.approx(0.5)
    assert GPU.seconds(1, 3e9, "fp32") == pytest.approx(3)


def test_a_shape_that_depends_on_values_is_refused():
    model = graph([node("NonZero", ["x"], ["y"]), node("Cast", ["y"], ["z"], to=FLOAT)],
                  {"x": [4]}, {"z": [1, "n"]}, {})  # fmt: skip
    with pytest.raises(OptionError, match="cannot be inferred"):
        count(model, {"x": (4,)}, "fp32")


def test_every_gpu_names_its_source(tmp_path):
    gpus = load_gpus()
    assert "t4" in gpus
    for gpu in gpus.values():
        assert "data sheet" in gpu.source
    bad = tmp_path / "gpus.toml"
    for text in ("[a]\ntitle='a'\n", "[a\n", "a = 3\n"):
        bad.write_text(text)
        with pytest.raises(ConfigError):
            load_gpus(bad)


def test_no_gate_reads_an_estimate():
    assert not [g for g in load_gates(BUDGETS) if "estimate" in g.figure or "roof" in g.figure]


def run_roofline(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.roofline", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_bundle_is_estimated_and_called_an_estimate(pair, tmp_path):
    done = run_roofline("--bundle", pair / "pair-fp32", "--json", tmp_path / "r.json")
    assert done.returncode == 0, done.stderr
    assert "ESTIMATE, nothing was measured: NVIDIA T4" in done.stdout
    written = json.loads((tmp_path / "r.json").read_text())
    whole = written["engines"].pop("pipeline")
    assert written["estimate"] is True
    for key in whole:
        assert whole[key] == pytest.approx(sum(e[key] for e in written["engines"].values()))
    assert whole["floor_ms"] < whole["op_by_op_ms"]
    assert whole["gflop"] > 0.001


@pytest.mark.parametrize("arguments", [["--gpu", "abacus"], ["--bundle", "nowhere"]])
def test_bad_input_is_one_line(pair, arguments):
    done = run_roofline("--bundle", pair / "pair-fp32", *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_another_precision_is_refused(pair):
    done = run_roofline("--bundle", pair / "pair-int8")
    assert done.returncode == 2
    assert "is no FP32 bundle" in done.stderr
