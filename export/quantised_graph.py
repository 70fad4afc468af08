"""One engine's graph quantised without training: which layers, and what is mended afterwards.

The layers are those that training fake-quantises. What is between them stays in float, so such a
bundle does not give the same bits everywhere.
"""

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from export.integers import INTEGER_KERNELS, optimised_operators
from export.qdq import (
    cpu_form,
    expected_kernels,
    lookup_tables,
    store_tables,
    widen_biases,
    without_zero_points,
)
from export.quantisers import Inputs, Settings, place_pairs
from t2a_edge.bundle import engine_file
from t2a_edge.errors import ExportError, OptionError
from train.models.qat import QMAX

FOLLOWING = ("Relu", "Resize")  # between layers: 8-bit too, or the layers' integers end there


def layers(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes to quantise: convolutions, linear layers, and what stands between convolutions.

    A linear layer is a MatMul with a matrix of float32; attention has none.
    """
    convolved = {node.output[0] for node in graph.node if node.op_type == "Conv"}
    weights = {c.name for c in graph.initializer if c.data_type == TensorProto.FLOAT}
    found = []
    for node in graph.node:
        has_weight = len(node.input) > 1 and node.input[1] in weights
        is_linear = node.op_type == "MatMul" and has_weight
        is_conv = node.op_type == "Conv" and has_weight
        is_residual = node.op_type == "Add" and bool(convolved & set(node.input))
        if is_linear or is_conv or is_residual or node.op_type in FOLLOWING:
            found.append(node)
    return found


def round_tables(graph: onnx.GraphProto) -> None:
    """Round the large float tables that rows are looked up in to 255 symmetric steps.

    `export.qdq.store_tables` then keeps them in 8 bits. Works in place.
    """
    for table, values in lookup_tables(graph):
        step = np.float32(np.abs(values).max() / QMAX)
        table.CopyFrom(numpy_helper.from_array(np.rint(values / step) * step, table.name))


def quantised_graph(
    name: str, model: onnx.ModelProto, calls: Sequence[Inputs], settings: Settings
) -> onnx.ModelProto:
    """An engine with INT8 layers, in the form that the processor runs.

    Args:
        name: of the engine.
        model: in FP32.
        calls: what the engine was given while pictures were drawn.

    Raises:
        OptionError: the library is not installed.
        ExportError: the library cannot quantise the graph.
    """
    round_tables(model.graph)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"  # by which the libraries tell them apart
    wanted = layers(model.graph)
    kinds = sorted({node.op_type for node in wanted})
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / engine_file(name)
        onnx.save(model, source)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # where the libraries tell progress
                nodes = [node.name for node in wanted]
                quantised = place_pairs(source, calls, nodes, kinds, settings)
        except OptionError:
            raise
        except Exception as exc:  # whatever the libraries raise
            reason = " ".join(str(exc).split())[:200]
            raise ExportError(
                f"{settings.library} cannot quantise the {name} engine ({type(exc).__name__}: "
                f"{reason}); nothing was written. Try the other library with --with."
            ) from exc
    if settings.float_outputs:
        linear_outputs_in_float(quantised.graph)
    widen_biases(quantised)
    return without_zero_points(cpu_form(store_tables(quantised)))


def linear_outputs_in_float(graph: onnx.GraphProto) -> None:
    """Take the Q/DQ pair from behind linear layers: their sums stay in float for the bias.

    Works in place.
    """
    produced = {node.output[0]: node for node in graph.node}

    def made_by(node: onnx.NodeProto, place: int, kind: str) -> onnx.NodeProto | None:
        found = produced.get(node.input[place])
        return found if found is not None and found.op_type == kind else None

    instead: dict[str, str] = {}
    for node in graph.node:
        rounding = made_by(node, 0, "QuantizeLinear")
        product = rounding and made_by(rounding, 0, "MatMul")
        if rounding and product and made_by(product, 1, "DequantizeLinear"):
            instead[node.output[0]] = rounding.input[0]
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
    rounded = set(instead.values())
    for node in list(graph.node):
        is_rounding = node.op_type == "QuantizeLinear" and node.input[0] in rounded
        if node.output[0] in instead or is_rounding:
            graph.node.remove(node)


def integer_kernels(model: onnx.ModelProto) -> dict[str, int]:
    """How many convolutions and linear layers ONNX Runtime runs in integers, and of how many.

    Returns:
        "conv" and "linear", and "conv_layers" and "linear_layers" for those with INT8 weights.
    """
    operators = optimised_operators(model.SerializeToString())
    found = {kind: sum(operators[o] for o in names) for kind, names in INTEGER_KERNELS.items()}
    return found | {f"{kind}_layers": n for kind, n in expected_kernels(model).items()}
