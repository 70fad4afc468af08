import numpy as np
import onnx
import onnx.inliner
import onnx.shape_inference
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.fused import fused_graph
from export.fused_parity import compare_fused
from export.qdq import cpu_form
from export.tensorrt_form import tensorrt_form, tensorrt_fused, uint8_cast_last
from t2a_edge import TextToArt
from t2a_edge.bundle import SHIPPED, engine_file, engines, load_bundle
from t2a_edge.errors import ExportError


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


def int8_graph(zero_point=0):
    """A linear layer with INT8 weights and activations, as `export.qdq.tidy` leaves one."""
    weight = np.random.default_rng(1).integers(-127, 128, (4, 3)).astype(np.int8)
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "step", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_step", "zeros"], ["w"], axis=1),
        helper.make_node("MatMul", ["rounded", "w"], ["y"]),
    ]
    return made(
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        {
            "step": np.float32(0.05),
            "zero": np.int8(zero_point),
            "weight": weight,
            "weight_step": np.array([0.01, 0.02, 0.03], np.float32),
            "zeros": np.zeros(3, np.int8),
        },
    )


def biased_graph():
    """A convolution whose bias is kept in int32, as ONNX Runtime leaves one beside INT8 weights."""
    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "step", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_step"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_step"], ["b"], axis=0),
        helper.make_node("Conv", ["rounded", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weight_step = np.array([0.01, 0.02, 0.03], np.float32)
    return made(
        nodes,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 5, 5])],
        {
            "step": np.float32(0.05),
            "zero": np.int8(0),
            "weight": rng.integers(-127, 128, (3, 2, 3, 3)).astype(np.int8),
            "weight_step": weight_step,
            "bias": np.array([12_345, -67_890, 1], np.int32),
            "bias_step": np.float32(0.05) * weight_step,
        },
    )


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


def test_the_way_back_from_the_processor_form_is_exact():
    before = int8_graph()
    after = tensorrt_form(cpu_form(before), "float32")
    assert [n.op_type for n in after.graph.node] == [n.op_type for n in before.graph.node]
    constants = {i.name: numpy_helper.to_array(i) for i in after.graph.initializer}
    zero_points = [constants[n.input[2]] for n in after.graph.node if len(n.input) > 2]
    assert {z.dtype for z in zero_points} == {np.dtype(np.int8)}
    assert not any(z.any() for z in zero_points)
    x = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(run(after, x=x), run(before, x=x))


def test_the_graph_that_it_is_given_stays_as_it_is():
    model = cpu_form(int8_graph())
    before = model.SerializeToString()
    tensorrt_form(model, "float16")
    assert model.SerializeToString() == before


def test_float_parts_become_float16_with_their_scales():
    after = tensorrt_form(cpu_form(int8_graph()), "float16")
    types = {i.name: i.data_type for i in after.graph.initializer}
    assert types["step"] == types["weight_step"] == TensorProto.FLOAT16
    assert types["weight"] == TensorProto.INT8
    kinds = {v.type.tensor_type.elem_type for v in (*after.graph.input, *after.graph.output)}
    assert kinds == {TensorProto.FLOAT}
    x = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(run(after, x=x), run(int8_graph(), x=x), atol=0.1)


def test_another_zero_point_is_told():
    with pytest.raises(ExportError, match="zero-point of the graph is int8 3; TensorRT takes"):
        tensorrt_form(int8_graph(3), "float32")


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


def test_a_bias_in_int32_becomes_float():
    before = biased_graph()
    after = tensorrt_form(before, "float32")
    assert dequantised_types(after) == {TensorProto.INT8}
    x = np.random.default_rng(2).normal(size=(2, 2, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(run(after, x=x), run(before, x=x), rtol=1e-6, atol=1e-6)
    assert dequantised_types(tensorrt_form(before, "float16")) == {TensorProto.INT8}


def test_the_shipped_engines_dequantise_nothing_but_int8():
    """TensorRT's parser refuses every other type but those of 4 bits and float8."""
    for name in engines(load_bundle().spec):
        model = onnx.load(SHIPPED / engine_file(name))
        assert dequantised_types(tensorrt_form(model, "float16")) == {TensorProto.INT8}, name


@pytest.mark.parametrize("precision", ["int8", "fp16"])
@pytest.mark.parametrize("float_type", ["float32", "float16"])
def test_a_bundle_s_decoder_draws_nearly_the_same(tiny_bundles, precision, float_type):
    folder = tiny_bundles / f"tiny-{precision}"
    spec = load_bundle(folder).spec
    model = onnx.load(folder / engine_file("decoder"))
    indices = np.random.default_rng(1).integers(0, spec.codebook_size, (2, spec.positions))
    before = run(model, indices=indices).astype(int)
    after = run(tensorrt_form(model, float_type), indices=indices).astype(int)
    assert np.abs(after - before).mean() < 1
    assert not [i for i in tensorrt_form(model, float_type).graph.initializer
                if i.data_type == TensorProto.UINT8]  # fmt: skip


def test_the_plain_fused_graph_is_what_tensorrt_does_not_take(tiny_bundles):
    """It has both things that the fused form is for, and the test below would see them."""
    folder = tiny_bundles / "tiny-fp32"
    spec = load_bundle(folder).spec
    parts = {name: onnx.load(folder / engine_file(name)) for name in engines(spec)}
    graph = onnx.inliner.inline_local_functions(fused_graph(parts, spec))
    assert "Compress" in {node.op_type for node in graph.graph.node}
    assert TensorProto.DOUBLE in element_types(graph)


def test_the_fused_form_draws_what_the_engines_draw(tiny_bundles):
    folder = tiny_bundles / "tiny-fp32"
    with TextToArt(folder) as engine:
        parts = {
            name: tensorrt_form(onnx.load(folder / engine_file(name)), "float32")
            for name in engines(engine.spec)
        }
        graph = tensorrt_fused(parts, engine.spec)
        parity = compare_fused(graph, engine)
    assert parity.agreement == 1.0
    assert parity.max_absdiff <= 1
    assert not graph.functions
    assert "Compress" not in {node.op_type for node in graph.graph.node}
    assert TensorProto.DOUBLE not in element_types(graph)
    last = {output: n.op_type for n in graph.graph.node for output in n.output}
    assert last["pixels"] == "Cast"


def test_the_fused_form_stores_every_weight_once(tiny_bundle):
    spec = load_bundle(tiny_bundle).spec
    parts = {
        name: tensorrt_form(onnx.load(tiny_bundle / engine_file(name)), "float16")
        for name in engines(spec)
    }
    stored = [
        i for i in tensorrt_fused(parts, spec).graph.initializer if i.data_type == TensorProto.INT8
    ]
    weights = [i for part in parts.values() for i in part.graph.initializer
               if i.data_type == TensorProto.INT8 and i.dims]  # fmt: skip
    assert sum(i.ByteSize() for i in stored) < 1.05 * sum(i.ByteSize() for i in weights)
