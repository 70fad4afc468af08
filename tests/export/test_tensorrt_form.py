import numpy as np
import onnx
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.compose import all_nodes, own_constants
from export.fused import fused_graph
from export.fused_parity import compare_fused
from export.plain_form import plain_form
from export.tensorrt_form import tensorrt_form, tensorrt_fused, uint8_cast_last
from t2a_edge import TextToArt
from t2a_edge.bundle import ENGINES, engine_file, load_bundle
from tests.export.small_model import session, small_engines, small_spec
from tests.export.test_graphs import GIVEN

FEW_BITS = {TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16, TensorProto.DOUBLE}
MOST = {"text": 0.03, "forms": 0, "painter": 0.05, "composer": 0, "encoder": 0.001, "decoder": 0.02}
"""Mean difference from the INT8 engines as a share of their spread."""


def made(nodes, inputs, outputs, constants):
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        outputs,
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def pixels_graph():
    """Numbers to uint8, then moved, as the decoder's graph ends."""
    nodes = [
        helper.make_node("Round", ["x"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], ["moved"], perm=[1, 0]),
        helper.make_node("Identity", ["moved"], ["pixels"]),
    ]
    return made(
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [4, "batch"])],
        {},
    )


def element_types(model):
    """Of every constant and of every value between the nodes."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    found = {value.name: value.type.tensor_type.elem_type for value in values}
    made = {name for node in model.graph.node for name in node.output if name}
    assert made <= found.keys()  # no value is left out
    return {*found.values(), *(i.data_type for i in model.graph.initializer)}


def run(model, **inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def parts_of(folder, float_type):
    return {
        name: tensorrt_form(name, onnx.load(folder / engine_file(name)), float_type)
        for name in ENGINES
    }


@pytest.mark.parametrize("name", ENGINES)
def test_a_plain_engine_has_standard_operators_and_about_the_same_values(name):
    engine = small_engines("int8")[name]
    before = engine.SerializeToString()
    plain = plain_form(engine)
    assert engine.SerializeToString() == before
    assert not plain.functions
    assert {node.domain for node in all_nodes(plain.graph.node)} == {""}
    assert not {constant.data_type for constant in plain.graph.initializer} & FEW_BITS
    given = GIVEN[name]()
    found = session(plain).run(None, given)[0].astype(float)
    expected = session(engine).run(None, given)[0].astype(float)
    assert np.abs(found - expected).mean() <= MOST[name] * expected.std()


@pytest.mark.parametrize("name", ["text", "forms", "painter", "decoder"])
def test_every_weight_stays_in_8_bits_behind_a_dequantiser(name):
    engine = small_engines("int8")[name]
    weights = own_constants(engine.graph)
    expected = [i.dims for i in engine.graph.initializer
                if i.name in weights and i.data_type == TensorProto.INT8 and i.dims]  # fmt: skip
    plain = plain_form(engine)
    used = {n.input[0] for n in plain.graph.node if n.op_type == "DequantizeLinear"}
    found = [i.dims for i in plain.graph.initializer
             if i.name in used and i.data_type == TensorProto.INT8]  # fmt: skip
    assert len(found) >= len(expected) > 1
    for shape in expected:
        assert shape in found


def test_zero_points_are_0_and_every_activation_is_a_pair():
    plain = plain_form(small_engines("int8")["decoder"])
    constants = {i.name: numpy_helper.to_array(i) for i in plain.graph.initializer}
    rounded = [n for n in plain.graph.node if n.op_type == "QuantizeLinear"]
    assert rounded
    for node in rounded:
        zero = constants[node.input[2]]
        assert (zero.dtype, int(zero)) == (np.int8, 0)
        users = [n.op_type for n in plain.graph.node if node.output[0] in n.input]
        assert users == ["DequantizeLinear"]


def test_float_parts_of_the_networks_become_float16_with_their_scales():
    after = tensorrt_form("painter", small_engines("int8")["painter"], "float16")
    constants = {i.name: i.data_type for i in after.graph.initializer}
    steps = {constants[n.input[1]] for n in after.graph.node
             if n.op_type in ("QuantizeLinear", "DequantizeLinear")}  # fmt: skip
    assert steps == {TensorProto.FLOAT16}
    kinds = {v.type.tensor_type.elem_type for v in (*after.graph.input, *after.graph.output)}
    assert kinds == {TensorProto.FLOAT}


def test_whole_numbers_stay_in_float32():
    for name in ("forms", "composer", "encoder", "decoder"):
        after = tensorrt_form(name, small_engines("int8")[name], "float16")
        assert TensorProto.FLOAT16 not in {i.data_type for i in after.graph.initializer}


def test_the_cast_to_uint8_goes_last():
    model = pixels_graph()
    x = np.random.default_rng(1).uniform(0, 255, (3, 4)).astype(np.float32)
    before = run(model, x=x)
    uint8_cast_last(model.graph)
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["Round", "Transpose", "Identity", "Cast"]
    assert model.graph.node[-1].output[0] == "pixels"
    np.testing.assert_array_equal(run(model, x=x), before)


def dequantised_types(model):
    """Of the constants that the graph dequantises."""
    constants = {i.name: i.data_type for i in model.graph.initializer}
    inputs = [n.input[0] for n in model.graph.node if n.op_type == "DequantizeLinear"]
    return {constants[name] for name in inputs if name in constants}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("float_type", ["float16", "float32"])
def test_the_engines_dequantise_nothing_but_int8(name, float_type):
    """TensorRT's parser refuses every other type but those of 4 bits and float8."""
    after = tensorrt_form(name, small_engines("int8")[name], float_type)
    assert dequantised_types(after) <= {TensorProto.INT8}


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.parametrize("float_type", ["float32", "float16"])
def test_a_bundle_s_decoder_draws_nearly_the_same(tiny_bundles, precision, float_type):
    folder = tiny_bundles / f"tiny-{precision}"
    spec = load_bundle(folder).spec
    model = onnx.load(folder / engine_file("decoder"))
    indices = np.random.default_rng(1).integers(0, spec.codebook_size, (2, spec.positions))
    before = session(model).run(None, {"indices": indices})[0].astype(int)
    after = tensorrt_form("decoder", model, float_type)
    found = run(after, indices=indices).astype(int)
    assert np.abs(found - before).mean() < 1
    last = {output: n.op_type for n in after.graph.node for output in n.output}
    assert last["pixels"] == "Cast"


def test_the_plain_fused_graph_is_what_tensorrt_does_not_take():
    """It has what the fused form is for, and the test below would see it."""
    graph = fused_graph(small_engines("int8"), small_spec())
    assert graph.functions
    assert {i.data_type for i in graph.graph.initializer} >= FEW_BITS


def test_the_fused_form_draws_what_the_engines_draw(tiny_bundles):
    folder = tiny_bundles / "tiny-fp32"
    with TextToArt(folder) as engine:
        graph = tensorrt_fused(parts_of(folder, "float32"), engine.spec)
        parity = compare_fused(graph, engine)
    assert parity.agreement > 0.98
    assert parity.max_absdiff <= 1
    assert not graph.functions
    assert not {i.data_type for i in graph.graph.initializer} & FEW_BITS
    last = {output: n.op_type for n in graph.graph.node for output in n.output}
    assert last["pixels"] == "Cast"


def test_the_fused_int8_form_draws_nearly_what_the_engines_draw(tiny_bundle):
    with TextToArt(tiny_bundle) as engine:
        graph = tensorrt_fused(parts_of(tiny_bundle, "float32"), engine.spec)
        parity = compare_fused(graph, engine)
    assert parity.agreement > 0.5  # the networks' sums are rounded otherwise
