import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.compose import FLOAT, Composer, prune, split_graph, split_outputs
from export.functions import add_functions, parse

HALF = """(x) => (y) {
    by = Constant <value = float {2}> ()
    y = Div (x, by)
}"""
TOTAL = """(x) => (y) {
    last = Constant <value_ints = [-1]> ()
    y = ReduceSum <keepdims = 1> (x, last)
}"""


@pytest.fixture
def model():
    """words -> doubled; doubled and step -> sum; sum -> negative, absolute. One constant each."""
    nodes = [
        helper.make_node("Neg", ["two"], ["minus_two"]),  # of a constant alone
        helper.make_node("Mul", ["words", "minus_two"], ["doubled"]),
        helper.make_node("Mul", ["step", "two"], ["scaled"]),
        helper.make_node("Add", ["doubled", "scaled"], ["sum"]),
        helper.make_node("Neg", ["sum"], ["negative"]),
        helper.make_node("Abs", ["sum"], ["size"]),
        helper.make_node("Add", ["size", "words"], ["absolute"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "small",
        [value(name, FLOAT, ["n"]) for name in ("words", "step")],
        [value(name, FLOAT, ["n"]) for name in ("negative", "absolute")],
        [numpy_helper.from_array(np.float32(2), "two")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def names(values):
    return [value.name for value in values]


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {k: np.array(v, dtype=np.float32) for k, v in inputs.items()})


def composed(calls):
    """A model of calls in turn, by name; each takes what it names, inputs or earlier results."""
    g = Composer(20)
    values = {name: g.input(name, FLOAT, ["n"]) for name in ("words", "step")}
    for name, graph in calls:
        made = g.call(name, graph, {v.name: values[v.name] for v in graph.graph.input})
        values |= dict(zip(names(graph.graph.output), made, strict=True))
    for name in ("negative", "absolute"):
        if name in values:
            g.output(f"{name}_out", values[name], FLOAT, ["n"])
    return g.model("composed")


def test_the_first_part_needs_the_given_inputs_alone(model):
    before = model.SerializeToString()
    first, second = split_graph(model, ["words"])
    assert names(first.graph.input) == ["words"]
    assert names(first.graph.output) == ["doubled"]
    assert [n.op_type for n in first.graph.node] == ["Neg", "Mul"]
    assert names(second.graph.input) == ["words", "step", "doubled"]
    assert [n.op_type for n in second.graph.node] == ["Mul", "Add", "Neg", "Abs", "Add"]
    assert model.SerializeToString() == before


def test_the_parts_together_are_the_whole(model):
    parts = zip(("first", "second"), split_graph(model, ["words"]), strict=True)
    inputs = {"words": [1, -3], "step": [0.5, 2]}
    for found, wanted in zip(run(composed(parts), **inputs), run(model, **inputs), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_the_first_outputs_need_is_cut_from_the_rest(model):
    first, second = split_outputs(model, 1)
    assert names(first.graph.output) == ["negative", "sum"]
    assert [n.op_type for n in second.graph.node] == ["Abs", "Add"]
    assert names(second.graph.input) == ["words", "sum"]
    inputs = {"words": [1, -3], "step": [0.5, 2]}
    found = run(composed([("first", first), ("second", second)]), **inputs)
    for value, wanted in zip(found, run(model, **inputs), strict=True):
        np.testing.assert_array_equal(value, wanted)
    (alone,) = run(composed([("first", first)]), **inputs)  # without the second
    np.testing.assert_array_equal(alone, run(model, **inputs)[0])


def test_prune_keeps_what_an_output_needs(model):
    del model.graph.output[1:]
    used = prune(model.graph)
    assert [n.op_type for n in model.graph.node] == ["Neg", "Mul", "Mul", "Add", "Neg"]
    assert {"words", "step", "two"} <= used
    del model.graph.node[:]
    prune(model.graph)
    assert not model.graph.initializer


def test_functions_of_a_graph_go_with_it(model):
    """A function that a called graph calls: kept once, however many graphs call it."""
    function, constants = parse("here", "Half", HALF)
    assert len(function.input) == 2  # the constant is handed in
    assert constants == [np.float32(2)]
    for node in model.graph.node:
        if node.op_type == "Abs":
            node.op_type, node.domain = "Half", "here"
            node.input.append("two")
    add_functions(model, "here", [function])
    onnx.checker.check_model(model)
    g = Composer(20)
    inputs = {name: g.input(name, FLOAT, ["n"]) for name in ("words", "step")}
    for name in ("one", "another"):
        g.output(name, g.call(name, model, inputs)[1], FLOAT, ["n"])
    made = g.model("twice")
    assert [f.name for f in made.functions] == ["Half", "one", "another"]
    first, second = run(made, words=[1, -3], step=[0.5, 2])
    np.testing.assert_array_equal(first, np.float32([0.5, 2]))
    np.testing.assert_array_equal(first, second)


def test_a_constant_of_whole_numbers_is_handed_in_too():
    function, (axes,) = parse("here", "Total", TOTAL)
    assert axes.dtype == np.int64
    assert axes.tolist() == [-1]
    assert not [n for n in function.node if n.op_type == "Constant"]
    assert function.opset_import[0].version == 20
    assert numpy_helper.from_array(axes).data_type == TensorProto.INT64
