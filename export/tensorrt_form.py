"""TensorRT forms of a bundle's graphs: the same values in the words that TensorRT takes.

A bundle's INT8 graphs are in the form of ONNX Runtime's processor kernels. `export.plain_form` is
the way back: standard operators, activations as int8 with zero-point 0. It needs no checkpoint,
only the bundle.

TensorRT is strongly typed: what is not INT8 runs in the type that the graph says. So the networks'
float parts become float16 in the graph, Q/DQ scales included; norms and softmax stay in float32,
and so do whole numbers, which need its digits.

uint8 may only be an input's or an output's type: the cast of the pixels is the last node.
"""

import copy
from collections.abc import Mapping

import onnx
import onnx.inliner
from onnx import TensorProto

from export.fused import fused_graph
from export.half import halved
from export.plain_form import plain_form
from t2a_edge.spec import Spec

FLOAT_TYPES = ("float16", "float32")
KEPT_IN_FLOAT32 = ("LayerNormalization", "Softmax")
NETWORKS = ("text", "painter")  # engines without whole numbers
MOVES = (
    "DepthToSpace",
    "Transpose",
    "Identity",
    "Reshape",
)  # change no value: a cast may come after them


def tensorrt_form(name: str, model: onnx.ModelProto, float_type: str) -> onnx.ModelProto:
    """A copy of one engine's graph for TensorRT.

    Args:
        name: of the engine.
        model: of a bundle, in any precision.
        float_type: "float16" or "float32", of what is not INT8 in the text engine and the painter;
            a float16 bundle's graphs are float16 already and stay as they are.
    """
    model = plain_form(model)
    uint8_cast_last(model.graph)
    if float_type == "float16" and name in NETWORKS and not _has_float16(model.graph):
        model = halved(model, KEPT_IN_FLOAT32)
    onnx.checker.check_model(model)
    return model


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


def tensorrt_fused(parts: Mapping[str, onnx.ModelProto], spec: Spec) -> onnx.ModelProto:
    """The fused graph for TensorRT, of engines that are in its form already."""
    model = plain_form(fused_graph(parts, spec))
    uint8_cast_last(model.graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model
