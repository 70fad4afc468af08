"""TensorRT forms of a bundle's graphs: the same values in the words that TensorRT takes.

A bundle's INT8 graphs are in the form of ONNX Runtime's processor kernels (`export.qdq.cpu_form`).
`tensorrt_form` is the way back: the operators for which the graph calls functions, activations as
int8 with zero-point 0. It needs no checkpoint, only the bundle.

TensorRT is strongly typed: what is not INT8 runs in the type that the graph says. So float parts
become float16 in the graph, Q/DQ scales included; norms and softmax stay in float32.

uint8 may only be an input's or an output's type: the cast of the pixels is the last node.
"""

import copy
from collections.abc import Mapping

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto, numpy_helper

from export.compose import Composer, prune
from export.fused import ROWS, _Fused
from export.graphs import OPSET
from export.half import halved
from export.plain_form import plain_form
from export.qdq import UINT8_ZERO_POINT
from t2a_edge.errors import ExportError
from t2a_edge.noise import gumbel_table
from t2a_edge.spec import Spec

FLOAT_TYPES = ("float16", "float32")
KEPT_IN_FLOAT32 = ("LayerNormalization", "Softmax")
MOVES = ("Transpose", "Identity", "Reshape")  # change no value: a cast may come after them


def tensorrt_form(model: onnx.ModelProto, float_type: str) -> onnx.ModelProto:
    """A copy of one engine's graph for TensorRT.

    Args:
        model: of a bundle, in any precision.
        float_type: "float16" or "float32", of what is not INT8; a float16 bundle's graph is
            float16 already and stays as it is.

    Raises:
        ExportError: a zero-point is neither 0 nor the processor form's 128.
    """
    model = plain_form(model)
    _float_biases(model.graph)
    _symmetric(model.graph)
    uint8_cast_last(model.graph)
    if float_type == "float16" and not _has_float16(model.graph):
        model = halved(model, KEPT_IN_FLOAT32)
    onnx.checker.check_model(model)
    return model


def _float_biases(graph: onnx.GraphProto) -> None:
    """Biases that are dequantised from int32, as float: TensorRT dequantises 8 bits and fewer."""
    constants = {i.name: i for i in graph.initializer}
    for node in list(graph.node):
        source = constants.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if source is None or source.data_type != TensorProto.INT32:
            continue
        steps, size = (numpy_helper.to_array(constants[name]) for name in node.input[:2])
        bias = (steps * size.astype(np.float64)).astype(np.float32)  # one size, or one each
        graph.initializer.append(numpy_helper.from_array(bias, node.output[0]))
        graph.node.remove(node)
    prune(graph)


def _symmetric(graph: onnx.GraphProto) -> None:
    """Activations and weights as int8 with zero-point 0."""
    _signed_weights(graph)
    zero_points = {
        node.input[2]
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2
    }
    for constant in graph.initializer:
        if constant.name not in zero_points:
            continue
        values = numpy_helper.to_array(constant)
        if values.dtype == np.uint8 and (values == UINT8_ZERO_POINT).all():
            zeros = np.zeros(values.shape, dtype=np.int8)
            constant.CopyFrom(numpy_helper.from_array(zeros, constant.name))
        elif values.dtype != np.int8 or values.any():
            raise ExportError(
                f"A zero-point of the graph is {values.dtype} {values.flat[0]}; TensorRT takes "
                f"int8 0, which uint8 {UINT8_ZERO_POINT} can be turned into. Export the bundle "
                "again with `make export`."
            )


def _signed_weights(graph: onnx.GraphProto) -> None:
    """Constants that are dequantised from uint8 with zero-point 128 as int8, the same steps."""
    constants = {i.name: i for i in graph.initializer if i.data_type == TensorProto.UINT8}
    weights = {n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    for name in weights & constants.keys():
        steps = numpy_helper.to_array(constants[name]).astype(np.int16) - UINT8_ZERO_POINT
        constants[name].CopyFrom(numpy_helper.from_array(steps.astype(np.int8), name))


def uint8_cast_last(graph: onnx.GraphProto) -> None:
    """Put casts to uint8 behind the nodes that only move their result; works in place."""
    outputs = {value.name for value in graph.output}
    while True:
        pair = _cast_and_move(graph, outputs)
        if pair is None:
            return
        cast, move = (copy.deepcopy(node) for node in pair)
        place = list(graph.node).index(move)
        value, between, result = cast.input[0], cast.output[0], move.output[0]
        graph.node[place].input[0], graph.node[place].output[0] = value, between
        graph.node.remove(cast)
        cast.input[0], cast.output[0] = between, result
        graph.node.insert(place, cast)  # behind: the place before it has just gone


def _cast_and_move(
    graph: onnx.GraphProto, outputs: set[str]
) -> tuple[onnx.NodeProto, onnx.NodeProto] | None:
    """A cast to uint8 within the graph, and the node behind it that only moves its result."""
    for cast in graph.node:
        if cast.op_type != "Cast" or cast.attribute[0].i != TensorProto.UINT8:
            continue
        users = [node for node in graph.node if cast.output[0] in node.input]
        moved = len(users) == 1 and users[0].op_type in MOVES
        if moved and cast.output[0] not in outputs:
            return cast, users[0]
    return None


def _has_float16(graph: onnx.GraphProto) -> bool:
    return any(i.data_type == TensorProto.FLOAT16 for i in graph.initializer)


class _TensorRtFused(_Fused):
    """The fused graph without Compress, which TensorRT's parser refuses, and without double.

    TensorRT takes double for float32, without a word: the Gumbel table would be another one.
    """

    def __init__(self, engines: Mapping[str, onnx.ModelProto], spec: Spec) -> None:
        super().__init__(engines, spec)
        self.g = Composer(
            OPSET, own_int8=False
        )  # one copy of each weight, however often it is used

    def _gumbel_table(self) -> str:
        return self.g.constant(gumbel_table()[None])  # (1, levels) float32

    def _rows_in_use(self, factors: str, scale: int) -> str:
        """All three rows, always; one that nothing uses has the factor 0."""
        return self.g.integers(*range(ROWS))


def tensorrt_fused(parts: Mapping[str, onnx.ModelProto], spec: Spec) -> onnx.ModelProto:
    """The fused graph for TensorRT, of engines that are in its form already.

    The functions are inlined: called a second time, their Q/DQ nodes' names collide in TensorRT's
    parser.
    """
    model: onnx.ModelProto = onnx.inliner.inline_local_functions(
        _TensorRtFused(parts, spec).build()
    )
    graph = model.graph
    outputs = {value.name for value in graph.output}
    for node in [n for n in graph.node if n.op_type == "Identity" and n.output[0] in outputs]:
        _rename(graph, node.input[0], node.output[0])
        graph.node.remove(next(n for n in graph.node if list(n.input) == list(n.output)))
    uint8_cast_last(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
