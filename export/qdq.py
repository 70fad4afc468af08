"""Graphs with QuantizeLinear and DequantizeLinear pairs, as quantisation without training has them.

`cpu_form` says the same in the words of ONNX Runtime's processor kernels: activations as uint8 with
zero-point 128, the same steps shifted. ONNX Runtime makes that shift itself, but only where a
quantised tensor has one reader: a residual block's input has two, and its convolution would stay in
float.

`without_zero_points` comes last: where a processor's kernels for uint8 x int8 saturate, ONNX
Runtime changes weights to uint8 as it makes a session (`t2a_edge.runner.session_options`), and that
fails on a zero-point that several weights share.
"""

import copy

import numpy as np
import onnx
from onnx import numpy_helper

from export.compose import prune
from export.layers import ON_A_STEP
from train.models.qat import QMAX

UINT8_ZERO_POINT = 128
SMALLEST_TABLE = 1024  # numbers; a smaller one is not worth a node
ZERO_POINT_NAME = "activation_zero_point"
WEIGHT_PATH = ("DequantizeLinear", "Transpose", "Reshape")  # from a constant to its use


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

    Works in place and returns the model.
    """
    graph = model.graph
    for constant, table in lookup_tables(graph):
        step = np.asarray(np.abs(table).max() / QMAX, dtype=np.float32)
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


def cpu_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with activations as uint8, zero-point 128: the same values, all kernels integer."""
    model = copy.deepcopy(model)
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    zero_point = np.array(UINT8_ZERO_POINT, dtype=np.uint8)
    graph.initializer.append(numpy_helper.from_array(zero_point, ZERO_POINT_NAME))
    for node in graph.node:
        is_pair = node.op_type in ("QuantizeLinear", "DequantizeLinear")
        of_value = is_pair and len(node.input) > 2 and node.input[0] not in constants
        if of_value and not constants[node.input[1]].dims:
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


def widen_biases(model: onnx.ModelProto) -> None:
    """Give the bias behind every MatMul the shape [1, 1, N]; works in place.

    Of another shape, ONNX Runtime makes a float Gemm of both.
    """
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
