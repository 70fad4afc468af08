import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.kernels import DOMAIN, kernel_form
from export.plain_form import plain_form
from export.qdq import UINT8_ZERO_POINT, shorten

NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}


def graph(nodes, constants, shape=("batch", 3, 4, 5), rank=4):
    pair = [("step", np.float32(0.05)), ("zero", np.uint8(UINT8_ZERO_POINT))]
    made = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (*pair, *constants)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    return model


def between(middle, constants=(), step_behind="step", **attributes):
    """`middle` between two pairs of quantisers."""
    inputs = ["a", "", "scales"] if middle == "Resize" else ["a"]
    return graph(
        [
            helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["a"]),
            helper.make_node(middle, inputs, ["b"], **attributes),
            helper.make_node("QuantizeLinear", ["b", step_behind, "zero"], ["r"]),
            helper.make_node("DequantizeLinear", ["r", step_behind, "zero"], ["y"]),
        ],
        constants,
    )


def run(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})[0]


def twice(factors=(1, 1, 2, 2)):
    return [("scales", np.array(factors, np.float32))]


def domains(model):
    return [node.op_type for node in model.graph.node if node.domain == DOMAIN]


X = np.random.default_rng(1).normal(0, 3, (2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize(
    "model",
    [
        between("Relu"),
        between("Resize", twice(), nearest_mode="floor", **NEAREST),
        shorten(between("Resize", twice(), nearest_mode="floor", **NEAREST)),
    ],
    ids=["Relu", "Resize", "Resize in short"],
)
def test_it_computes_the_same_and_there_is_a_way_back(model):
    before = model.SerializeToString()
    after = kernel_form(model)
    assert domains(after) == [model.graph.node[2].op_type]
    assert [f.name for f in after.functions] == domains(after)
    np.testing.assert_array_equal(run(after, X), run(model, X))
    back = plain_form(after)
    assert not back.functions
    assert model.graph.node[2].op_type in {node.op_type for node in back.graph.node}
    np.testing.assert_array_equal(run(back, X), run(model, X))
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    "model",
    [
        between("Relu", [("other", np.float32(0.04))], step_behind="other"),
        between("Tanh"),
        between("Resize", twice((1, 1, 3, 2)), nearest_mode="floor", **NEAREST),
        between("Resize", twice(), nearest_mode="ceil", **NEAREST),
        between("Resize", twice(), mode="linear", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor"),
    ],
    ids=["another step", "Tanh", "three times", "ceil", "linear"],
)  # fmt: skip
def test_what_it_has_no_function_for_stays(model):
    after = kernel_form(model)
    assert domains(after) == []
    np.testing.assert_array_equal(run(after, X), run(model, X))


def test_one_function_after_another_has_one_step():
    """A Resize behind a Relu: the way back finds the step that both have."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("QuantizeLinear", ["b", "step", "zero"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "step", "zero"], ["c"]),
        helper.make_node("Resize", ["c", "", "scales"], ["d"], nearest_mode="floor", **NEAREST),
        helper.make_node("QuantizeLinear", ["d", "step", "zero"], ["s"]),
        helper.make_node("DequantizeLinear", ["s", "step", "zero"], ["y"]),
    ]
    model = graph(nodes, twice())
    after = kernel_form(model)
    assert domains(after) == ["Relu", "Resize"]
    for other in (after, plain_form(after)):
        np.testing.assert_array_equal(run(other, X), run(model, X))


def test_a_table_is_dequantised_after_the_lookup():
    table = np.random.default_rng(2).integers(0, 256, (50, 4)).astype(np.uint8)
    nodes = [
        helper.make_node("DequantizeLinear", ["table", "step", "zero"], ["rows"]),
        helper.make_node("Cast", ["x"], ["numbers"], to=TensorProto.INT64),
        helper.make_node("Gather", ["rows", "numbers"], ["y"]),
    ]
    model = graph(nodes, [("table", table)], ("batch",), 2)
    after = kernel_form(model)
    assert [n.op_type for n in after.graph.node] == ["Cast", "Gather", "DequantizeLinear"]
    x = np.array([3, 49, 0, 3], np.float32)
    for other in (after, plain_form(after)):
        np.testing.assert_array_equal(run(other, x), run(model, x))
    kinds = [n.op_type for n in plain_form(after).graph.node]
    assert kinds.index("DequantizeLinear") < kinds.index("Gather")
