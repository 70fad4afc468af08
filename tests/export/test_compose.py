import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.compose import (
    CONTRIB,
    FLOAT,
    INT64,
    Composer,
    all_nodes,
    needed,
    node_counts,
    prune,
    split_graph,
)
from export.functions import BODIES, DOMAIN, parsed_function


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


def spliced(graphs):
    """A model of graphs in turn; each takes what it names, inputs or earlier results."""
    g = Composer()
    values = {name: g.input(name, FLOAT, ["n"]) for name in ("words", "step")}
    for graph in graphs:
        made = g.splice(graph, {v.name: values[v.name] for v in graph.graph.input})
        values |= dict(zip(names(graph.graph.output), made, strict=True))
    for name in ("negative", "absolute"):
        g.output(f"{name}_out", values[name], FLOAT, ["n"])
    return g.model("spliced")


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
    inputs = {"words": [1, -3], "step": [0.5, 2]}
    found = run(spliced(split_graph(model, ["words"])), **inputs)
    for value, wanted in zip(found, run(model, **inputs), strict=True):
        np.testing.assert_array_equal(value, wanted)


def test_prune_keeps_what_an_output_needs(model):
    del model.graph.output[1:]
    used = prune(model.graph)
    assert [n.op_type for n in model.graph.node] == ["Neg", "Mul", "Mul", "Add", "Neg"]
    assert {"words", "step", "two"} <= used
    del model.graph.node[:]
    prune(model.graph)
    assert not model.graph.initializer


def test_graphs_share_equal_constants_but_not_weights_of_integer_kernels():
    def part():
        g = Composer()
        x = g.input("x", TensorProto.UINT8, [1, 2])
        weights = g.own(np.array([[1], [2]], dtype=np.int8))
        step, steps = g.number(0.5), g.own(np.array([0.25], dtype=np.float32))
        zero = g.constant(np.array(128, dtype=np.uint8))
        made = g.op("MatMulIntegerToFloat", x, weights, step, steps, zero, domain=CONTRIB)
        g.output("y", g.op("Mul", made, g.number(0.5)), FLOAT, [1, 1])
        return g.model("part")

    g = Composer()
    x = g.input("x", TensorProto.UINT8, [1, 2])
    for name in ("one", "two"):
        g.output(name, g.splice(part(), {"x": x})[0], FLOAT, [1, 1])
    kinds = [c.data_type for c in g.model("both").graph.initializer]
    assert kinds.count(TensorProto.INT8) == 2
    assert kinds.count(TensorProto.UINT8) == 1
    halves = [c for c in g.constants.values() if numpy_helper.to_array(c).tolist() == 0.5]
    assert len(halves) == 1


def looped():
    """x doubled `count` times; then the sums of x and each of two constants, one after another."""
    g = Composer()
    x, count = g.input("x", FLOAT, ["n"]), g.input("count", INT64, [])
    body = Composer(prefix="b")
    body.input("number", INT64, [])
    going = body.input("going", TensorProto.BOOL, [])
    value = body.input("value", FLOAT, None)
    body.output("on", body.op("Identity", going), TensorProto.BOOL, [])
    body.output("next", body.op("Mul", value, body.number(2)), FLOAT, None)
    doubled = g.loop(body, count, x)
    each = Composer(prefix="b")
    total, part = each.input("total", FLOAT, ["n"]), each.input("part", FLOAT, ["n"])
    each.output("following", each.op("Add", each.op("Add", total, part), x), FLOAT, ["n"])
    sums = g.scan(each, doubled, g.array([[1.0], [10.0]]))
    g.output("y", sums, FLOAT, ["n"])
    return g.model("looped")


def run_looped(model, x, count):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = {"x": np.float32(x), "count": np.array(count)}
    return session.run(None, given)[0].tolist()


def test_loops_may_use_what_is_around_them():
    model = looped()
    assert run_looped(model, [3], 2) == [12 + 1 + 3 + 10 + 3]
    assert node_counts(model) == (2 + 2 + 2, 2 + 2 + 2)
    assert "x" in needed(next(n for n in model.graph.node if n.op_type == "Scan"))


def test_a_graph_with_loops_is_spliced_in_with_new_names():
    g = Composer()
    x, count = g.input("x", FLOAT, ["n"]), g.input("count", INT64, [])
    (once,) = g.splice(looped(), {"x": x, "count": count})
    (twice,) = g.splice(looped(), {"x": once, "count": count})
    g.output("y", twice, FLOAT, ["n"])
    model = g.model("twice")
    made = [name for node in all_nodes(model.graph.node) for name in node.output]
    assert len(made) == len(set(made))
    assert run_looped(model, [3], 2) == [4 * 29 + 11 + 2 * 29]


def test_an_output_is_what_a_node_makes_under_another_name():
    g = Composer()
    x = g.input("x", FLOAT, ["n"])
    half = g.op("Mul", x, g.number(0.5))
    more = g.op("Add", half, half)
    g.output("half", half, FLOAT, ["n"])
    g.output("whole", more, FLOAT, ["n"])
    model = g.model("named")
    assert [n.op_type for n in model.graph.node] == ["Mul", "Add"]
    half, whole = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"x": np.float32([3])}
    )
    assert (half, whole) == ([1.5], [3.0])


@pytest.mark.parametrize("name", BODIES)
def test_constants_of_a_function_are_handed_in(name):
    function, constants = parsed_function(name)
    assert not [n for n in function.node if n.op_type == "Constant"]
    assert function.domain == DOMAIN
    assert function.opset_import[0].version == 20
    assert len(function.input) > len(constants)


def test_calls_of_a_function_share_its_constants():
    g = Composer()
    x = g.input("x", FLOAT, ["n", 4])
    first = g.call("Normal", x)
    g.output("y", g.call("Normal", first), FLOAT, ["n", 4])
    model = g.model("twice")
    assert len(model.functions) == len(model.graph.initializer) == 1
    given = np.float32([[1, 2, 3, 6]])
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": given})
    centred = given - 3
    np.testing.assert_allclose(found, centred / np.sqrt(np.square(centred).sum()), atol=1e-6)
