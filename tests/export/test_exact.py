"""Operators that give the same bits wherever they run.

The functions run twice: in ONNX Runtime, and in ONNX's own reference evaluator, which is numpy:
other sums, other exponentials, no fused multiply-add. They have to agree in every bit.
"""

import math

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from export import exact_functions as exact
from export.exact import exact_form, near_step, shorten_ratios
from export.functions import add_functions, parse
from export.plain_form import plain_form
from t2a_edge.bundle import engine_file, engines, load_bundle

RNG = np.random.default_rng(5)


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)


def value(name, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, None)


def model_of(nodes, inputs, output, constants=(), functions=()):
    graph = helper.make_graph(
        nodes, "small", [value(name) for name in inputs], [value(output)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    add_functions(model, exact.DOMAIN, functions)
    return model


def calling(kind, inputs, constants=(), before=()):
    """A model of one call; `before` names functions without inputs whose results it takes first."""
    nodes, functions, named = [], [], list(constants)

    def call(name, given, output):
        function, values = parse(exact.DOMAIN, name, exact.BODIES[name])
        functions.append(function)
        own = [f"{name}_{number}" for number in range(len(values))]
        named.extend(zip(own, values, strict=True))
        nodes.append(helper.make_node(name, [*given, *own], [output], domain=exact.DOMAIN))

    tables = []
    for name, given in before:
        call(name, given, f"{name}_result")
        tables.append(f"{name}_result")
    names = [name for name, _ in constants if not any(name in given for _, given in before)]
    call(kind, [*inputs, *tables, *names], "y")
    return model_of(nodes, inputs, "y", named, functions)


class GatherElements(OpRun):
    """The evaluator's own takes no table of more than 64 rows."""

    op_domain = ""

    def _run(self, data, indices, axis=0):
        return (np.take_along_axis(data, indices % data.shape[axis], axis),)


def both(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, inputs)[0]
    inlined = onnx.inliner.inline_local_functions(model)
    reference = ReferenceEvaluator(inlined, new_ops=[GatherElements]).run(None, inputs)[0]
    np.testing.assert_array_equal(bits(found), bits(reference))
    return found


def test_softmax_is_a_softmax_to_its_table_s_steps():
    scores = RNG.normal(0, 3, (2, 3, 5, 349)).astype(np.float32)
    model = calling("Softmax", ["scores"], before=[("Powers", [])])
    shares = both(model, scores=scores * exact.STEPS)
    exps = np.exp(scores.astype(np.float64) - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(shares, exps / exps.sum(-1, keepdims=True), atol=2.0**-10)
    assert not (shares * 2.0**exact.SHARE_BITS % 1).any()  # whole multiples
    sums = shares.sum(-1, dtype=np.float64)
    np.testing.assert_allclose(sums, 1, atol=349 * 2.0 ** -(exact.SHARE_BITS + 1))


def test_a_word_without_weight_has_no_share():
    bias = np.array([0, exact.LEAST_BIAS, -30], np.float32) * exact.STEPS
    model = calling("Softmax", ["scores"], before=[("Powers", [])])
    np.testing.assert_array_equal(both(model, scores=bias[None, None, None])[0, 0, 0], [1, 0, 0])


def test_scores_are_exact_in_any_order():
    queries = RNG.normal(0, 1.2, (2, 3, 17, 64)).astype(np.float32)
    keys = RNG.normal(0, 1.2, (2, 3, 40, 64)).astype(np.float32)
    column = RNG.integers(-900, 900, (2, 1, 40, 1)).astype(np.float32) * 2.0**-exact.QUERY_BITS
    factor = np.float32(0.125 * exact.STEPS)
    model = calling("Scores", ["queries", "keys", "column"], [("factor", factor)])
    found = both(model, queries=queries, keys=keys, column=column)
    turned = np.random.default_rng(2).permutation(64)  # another order of the sum
    again = both(model, queries=queries[..., turned], keys=keys[..., turned], column=column)
    np.testing.assert_array_equal(bits(found), bits(again))
    plain = (queries.astype(float) @ keys.transpose(0, 1, 3, 2) + column.transpose(0, 1, 3, 2)) / 8
    np.testing.assert_allclose(found / exact.STEPS, plain, atol=0.02)


def test_the_bias_is_in_the_units_of_the_keys():
    bias = np.log(np.array([[[[1, 2, 0.25, 1e-6]]]], np.float32)).astype(np.float32)
    bias[..., -1] = -1e4
    factor = np.float32(0.125 * exact.STEPS)
    column = both(calling("Bias", ["bias"], [("factor", factor)]), bias=bias)
    assert column.shape == (1, 1, 4, 1)
    wanted = np.maximum(bias, exact.LEAST_BIAS).ravel() / 0.125
    np.testing.assert_allclose(column.ravel(), wanted, atol=2.0**-exact.QUERY_BITS)


def test_gelu_is_a_gelu_to_the_table_s_steps():
    end = exact.LEAST_REACH * exact.STEPS
    x = np.concatenate([RNG.normal(0, 2, 5000), [-6, 6, 5.99, 0, -1e4, 1e4]]).astype(np.float32)
    places = x * np.float32(exact.STEPS) + np.float32(end + 0.5)
    constants = [
        ("first", np.int64(-end)),
        ("end", np.int64(end)),
        ("last", np.float32(2 * end - 1)),
    ]
    model = calling("Gelu", ["places"], constants, before=[("GeluTable", ["first", "end"])])
    found = both(model, places=places)
    inside = np.abs(x) < exact.LEAST_REACH
    wanted = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x.tolist()])
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1.2 / exact.STEPS)
    assert found[-2] == pytest.approx(0, abs=1e-4)
    assert found[-1] == pytest.approx(exact.LEAST_REACH, abs=1 / exact.STEPS)


@pytest.mark.parametrize("spread", [1e-3, 1.0, 50.0])
def test_layer_normalisation(spread):
    x = RNG.normal(0.3, spread, (2, 9, 192)).astype(np.float32)
    scale, bias = RNG.normal(size=(2, 192)).astype(np.float32)
    constants = [("scale", scale), ("bias", bias), ("epsilon", np.float64(1e-5))]
    found = both(calling("LayerNormalization", ["x"], constants), x=x)
    wide = x.astype(np.float64)
    normal = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, normal * scale + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "shapes", "wanted"),
    [
        ("MatMul", [(4, 300), (300, 5)], lambda a, b: a @ b),
        ("MatMul2", [(4, 30), (30, 50), (50, 7)], lambda a, b, c: a @ b @ c),
        ("Log", [(40,)], np.log),
    ],
)
def test_float64_in_between(kind, shapes, wanted):
    inputs = {f"i{n}": np.abs(RNG.normal(size=s)).astype(np.float32) for n, s in enumerate(shapes)}
    found = both(calling(kind, list(inputs)), **inputs)
    np.testing.assert_allclose(
        found, wanted(*(v.astype(float) for v in inputs.values())), rtol=1e-6
    )


def test_sums_over_words():
    x = RNG.normal(size=(3, 8, 20)).astype(np.float32)
    found = both(calling("ReduceSum", ["x"], [("axes", np.array([1]))]), x=x)
    np.testing.assert_allclose(found, x.astype(float).sum(1, keepdims=True), rtol=1e-6)


# ---- steps of added tensors


def test_a_moved_step_has_a_short_ratio_and_is_near():
    for step, total in RNG.uniform(0.001, 0.2, (500, 2)).astype(np.float32):
        moved = near_step(step, total)
        ratio = np.float32(moved / total)
        assert abs(moved / step - 1) < 2e-3
        for number in (1, 127, 255):  # times a number of 8 bits: no digit is lost
            assert np.float32(np.float32(number) * ratio) == np.float64(number) * np.float64(ratio)


def test_both_sides_of_every_sum_get_short_ratios(tiny_bundle):
    sums = 0
    for name in engines(load_bundle(tiny_bundle).spec):
        graph = onnx.load(tiny_bundle / engine_file(name)).graph
        constants = {i.name: i for i in graph.initializer}
        producer = {n: node for node in graph.node for n in node.output}
        for node in graph.node:
            sources = [producer.get(n) for n in node.input]
            behind = [n for n in graph.node if set(node.output) & set(n.input)]
            pairs = [s for s in sources if s is not None and s.op_type == "DequantizeLinear"]
            if node.op_type != "Add" or len(pairs) < 2 or behind[0].op_type != "QuantizeLinear":
                continue
            sums += 1
            total = numpy_helper.to_array(constants[behind[0].input[1]])
            for pair in pairs:
                ratio = np.float32(numpy_helper.to_array(constants[pair.input[1]]) / total)
                assert np.float32(np.float32(255) * ratio) == 255 * np.float64(ratio)
    assert sums >= 2


def test_the_graph_that_it_is_given_stays_as_it_is(tiny_bundle):
    model = plain_form(onnx.load(tiny_bundle / "decoder.onnx"))
    before = model.SerializeToString()
    assert {node.domain for node in exact_form(model).graph.node} == {"", exact.DOMAIN}
    assert model.SerializeToString() == before


def test_a_graph_without_sums_keeps_its_steps(tiny_bundle):
    graph = onnx.load(tiny_bundle / "text.onnx").graph
    before = graph.SerializeToString()
    shorten_ratios(graph)
    assert graph.SerializeToString() == before


# ---- whole engines


def left_over(model):
    """Operators outside of functions whose last digits are the kernel's own."""
    graph = model.graph
    weights = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    found = []
    for node in graph.node:
        if node.domain or node.op_type not in ("Softmax", "LayerNormalization", "Gelu", "Log",
                                               "Exp", "Erf", "MatMul"):  # fmt: skip
            continue
        is_attention = any(n.op_type == "Softmax" and node.input[0] in n.output for n in graph.node)
        if not (node.op_type == "MatMul" and (node.input[1] in weights or is_attention)):
            found.append(node.op_type)
    return found


def test_no_engine_keeps_an_operator_that_rounds_by_kernel(tiny_bundle):
    for name in engines(load_bundle(tiny_bundle).spec):
        assert left_over(onnx.load(tiny_bundle / engine_file(name))) == []


def test_the_way_back_has_the_operators_again(tiny_bundle):
    """And draws about the same: the exact ones are finer than what they are rounded to."""
    model = onnx.load(tiny_bundle / "transformer.onnx")
    plain = plain_form(model)
    assert not plain.functions
    assert not [n for n in plain.graph.node if n.domain]
    kinds = [node.op_type for node in plain.graph.node]
    spec = load_bundle(tiny_bundle).spec
    assert kinds.count("Softmax") == kinds.count("Gelu") == spec.layers
    assert kinds.count("LayerNormalization") == 2 * spec.layers + 1
    assert left_over(plain)  # it would see them
    width = next(v for v in model.graph.input if v.name == "text_embedding")
    dim = width.type.tensor_type.shape.dim[2].dim_value
    inputs = {
        "indices": RNG.integers(0, spec.codebook_size, (2, 1)),
        "resample": np.ones((4, 1), np.float32),
        "positions": np.arange(1, 5),
        "text_embedding": RNG.normal(size=(2, 3, dim)).astype(np.float32),
        "word_weights": np.array([[1, 1, 0], [0, 0, 0]], np.float32),
        "past_keys": RNG.normal(size=(spec.layers, 2, spec.heads, 1, spec.head_dim)),
        "past_values": RNG.normal(size=(spec.layers, 2, spec.heads, 1, spec.head_dim)),
    }
    inputs |= {k: v.astype(np.float32) for k, v in inputs.items() if v.dtype == np.float64}
    logits = [
        onnxruntime.InferenceSession(m.SerializeToString()).run(["logits"], inputs)[0]
        for m in (model, plain)
    ]
    difference = np.abs(logits[0] - logits[1])
    assert difference.mean() < 0.05 * logits[1].std()
