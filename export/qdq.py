"""Turn a traced Q/DQ graph into one that is small and runs in integer kernels.

`tidy` leaves symmetric int8 throughout, as TensorRT wants it: weights folded to int8 constants, a
MatMul's bias as [1, 1, N] (else ONNX Runtime makes a float Gemm of it), no leftovers of the tracer.

`cpu_form` then says the same in the words of ONNX Runtime's processor kernels: activations as
uint8 with zero-point 128, the same steps shifted. ONNX Runtime makes that shift itself, but only
where a quantised tensor has one reader: a residual block's input has two, and its convolution
would stay in float.

`without_zero_points` comes last: where a processor's kernels for uint8 x int8 saturate, ONNX
Runtime changes weights to uint8 as it makes a session (`t2a_edge.runner.session_options`), and that
fails on a zero-point that several weights share.
"""

import copy
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import numpy_helper

from export.compose import prune
from t2a_edge.errors import ExportError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.runner import session_options

INT8_MIN, INT8_MAX = -128, 127
UINT8_ZERO_POINT = 128
SMALLEST_TABLE = 1024  # numbers; a smaller one is not worth a node
ON_A_STEP = 1e-2  # of a step: how far from it a number may lie
ZERO_POINT_NAME = "activation_zero_point"
ONE_BY_DEFAULT = ("strides", "dilations")  # of a Conv
WEIGHT_PATH = ("DequantizeLinear", "Transpose", "Reshape")  # from a constant to its use
INTEGER_KERNELS = {
    "conv": ("QLinearConv",),
    "linear": ("MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "DynamicQuantizeMatMul"),
}


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold weights, reshape biases, drop leftovers; the graph computes the same.

    Works in place and returns the model.
    """
    _fold_weights(model)
    _widen_biases(model)
    prune(model.graph)
    return shorten(model)


def shorten(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take away long names, what only the tracer needed, and attributes that say the default.

    Works in place and returns the model.
    """
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = node.name = ""
        _drop_defaults(node, opset)
    _shorten_names(graph)
    for value in (*graph.input, *graph.output):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]
    del model.functions[:]
    onnx.checker.check_model(model)
    return model


def _drop_defaults(node: onnx.NodeProto, opset: int) -> None:
    """Take away attributes whose value is the operator's default."""
    if node.domain:
        return
    known = onnx.defs.get_schema(node.op_type, opset).attributes
    for own in list(node.attribute):
        value, default = onnx.helper.get_attribute_value(own), known[own.name].default_value
        is_default = default.type and value == onnx.helper.get_attribute_value(default)
        is_one = node.op_type == "Conv" and own.name in ONE_BY_DEFAULT and set(value) == {1}
        is_known = node.op_type == "Conv" and own.name == "kernel_shape"  # by the weight
        if is_default or is_one or is_known:
            node.attribute.remove(own)


def lookup_tables(graph: onnx.GraphProto) -> list[tuple[onnx.TensorProto, np.ndarray]]:
    """Large float constants that rows are looked up in and nothing else, with their numbers."""
    found = []
    for constant in graph.initializer:
        users = [n for n in graph.node if constant.name in n.input]
        is_table = all(n.op_type == "Gather" and n.input[0] == constant.name for n in users)
        if constant.data_type != onnx.TensorProto.FLOAT or not users or not is_table:
            continue
        table = numpy_helper.to_array(constant)
        if table.size >= SMALLEST_TABLE and table.any():
            found.append((constant, table))
    return found


def store_tables(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep float tables that lie on 255 symmetric steps in 8 bits, scaled where they are used.

    The codebook is such a table: each engine has a copy, a quarter of the size this way. Works in
    place and returns the model.
    """
    graph = model.graph
    for constant, table in lookup_tables(graph):
        step = np.asarray(np.abs(table).max() / INT8_MAX, dtype=np.float32)
        steps = np.rint(table / step)
        if np.abs(steps * step - table).max() > step * ON_A_STEP:
            continue
        name = constant.name
        graph.initializer.remove(constant)
        zero_point = np.array(UINT8_ZERO_POINT, dtype=np.uint8)
        parts: list[np.ndarray] = [(steps + zero_point).astype(np.uint8), step, zero_point]
        names = [f"{name}_steps", f"{name}_step", f"{name}_zero_point"]
        graph.initializer.extend(
            numpy_helper.from_array(part, own) for part, own in zip(parts, names, strict=True)
        )
        node = onnx.helper.make_node("DequantizeLinear", names, [name])
        graph.node.insert(0, node)
    onnx.checker.check_model(model)
    return model


def _shorten_names(graph: onnx.GraphProto) -> None:
    """Number the tensors between inputs and outputs: the tracer's names are as long as paths."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    short: dict[str, str] = {"": ""}

    def renamed(name: str) -> str:
        return name if name in kept else short.setdefault(name, f"t{len(short)}")

    for initializer in graph.initializer:
        initializer.name = renamed(initializer.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]


def cpu_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with activations as uint8, zero-point 128: the same values, all kernels integer."""
    model = copy.deepcopy(model)
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    zero_point = np.array(UINT8_ZERO_POINT, dtype=np.uint8)
    graph.initializer.append(numpy_helper.from_array(zero_point, ZERO_POINT_NAME))
    for node in graph.node:
        is_pair = node.op_type in ("QuantizeLinear", "DequantizeLinear")
        if is_pair and node.input[0] not in constants and not constants[node.input[1]].dims:
            node.input[2] = ZERO_POINT_NAME
    prune(graph)
    onnx.checker.check_model(model)
    return model


def without_zero_points(model: onnx.ModelProto) -> onnx.ModelProto:
    """Leave out the zero-points of int8 weights: 0 is what a missing one means.

    Works in place and returns the model.
    """
    graph = model.graph
    weights = {i.name for i in graph.initializer if i.data_type == onnx.TensorProto.INT8}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            del node.input[2:]
    prune(graph)
    onnx.checker.check_model(model)
    return model


def _fold_weights(model: onnx.ModelProto) -> None:
    """Replace QuantizeLinear of a constant by the int8 constant itself."""
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    for node in list(graph.node):
        if node.op_type != "QuantizeLinear" or node.input[0] not in constants:
            continue
        weight, scale = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
        if scale.ndim:
            axis = next(a.i for a in node.attribute if a.name == "axis")
            shape = [1] * weight.ndim
            shape[axis] = -1
            scale = scale.reshape(shape)
        # the reciprocal is what torch's fake-quantise multiplies with: the same rounding
        steps = np.rint(weight * (np.float32(1) / scale))
        folded = np.clip(steps, INT8_MIN, INT8_MAX).astype(np.int8)
        graph.initializer.append(numpy_helper.from_array(folded, node.output[0]))
        graph.node.remove(node)


def _widen_biases(model: onnx.ModelProto) -> None:
    """Give the bias behind every MatMul the shape [1, 1, N]."""
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    producer = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for other, bias in ((0, 1), (1, 0)):
            source, name = producer.get(node.input[other]), node.input[bias]
            is_bias = name in constants and len(constants[name].dims) == 1
            if source is not None and source.op_type == "MatMul" and is_bias:
                wide = numpy_helper.to_array(constants[name])[None, None]
                graph.initializer.append(numpy_helper.from_array(wide, f"{name}_wide"))
                node.input[bias] = f"{name}_wide"
                break


def optimised_operators(content: bytes) -> Counter[str]:
    """Operators that ONNX Runtime really runs for a graph, after its own optimisation."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "optimised.onnx"
        options = session_options(threads=1)
        options.optimized_model_filepath = str(target)
        onnx_runtime().InferenceSession(content, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(target).graph
    return Counter(node.op_type for node in graph.node)


def expected_kernels(model: onnx.ModelProto) -> dict[str, int]:
    """Convolutions and linear layers whose weight is an int8 constant."""
    constants = {i.name for i in model.graph.initializer if i.data_type == onnx.TensorProto.INT8}
    quantized: set[str] = set()
    for node in model.graph.node:  # follow weights through layout changes
        source = constants if node.op_type == "DequantizeLinear" else quantized
        if node.op_type in WEIGHT_PATH and node.input[0] in source:
            quantized.add(node.output[0])
    counts = {"conv": 0, "linear": 0}
    for node in model.graph.node:
        if len(node.input) > 1 and node.input[1] in quantized:
            if node.op_type == "Conv":
                counts["conv"] += 1
            elif node.op_type in ("MatMul", "Gemm"):
                counts["linear"] += 1
    return counts


def check_integer_kernels(name: str, model: onnx.ModelProto) -> dict[str, int]:
    """Count the integer kernels in the session's optimised graph.

    Returns:
        "conv" and "linear": how many run in integers.

    Raises:
        ExportError: a convolution or linear layer with INT8 weights runs in float.
    """
    expected = expected_kernels(model)
    operators = optimised_operators(model.SerializeToString())
    found = {kind: sum(operators[o] for o in names) for kind, names in INTEGER_KERNELS.items()}
    if found != expected:
        raise ExportError(
            f"The {name} engine runs {found['conv']} of {expected['conv']} convolutions and "
            f"{found['linear']} of {expected['linear']} linear layers in integer kernels; expected "
            "all. Check where the fake-quantisers stand (train/qat.py)."
        )
    return found
