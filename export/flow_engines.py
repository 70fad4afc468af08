"""The engines of a whole model in the form of a precision: traced, packed, put together."""

import copy

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from export.exact import exact_form
from export.flow_graphs import TRACED, Graphs, flow_graphs, flow_sources
from export.graphs import onnx_from_module
from export.half import half_form
from export.plain_form import plain_form
from export.qdq import store_tables, tidy
from export.simplify import integer_form
from train.painting.model import WholeModel
from train.qat import disable

PRECISIONS = ("fp32", "fp16", "int8")


def traced_networks(model: WholeModel, precision: str) -> dict[str, onnx.ModelProto]:
    """The networks as torch traces them, fake-quantised for INT8; the model is left that way.

    Raises:
        ExportError: torch cannot export one.
    """
    if precision == "int8":
        model.use_int8()
    else:
        for module in (model.text, model.query, model.painter, model.codec.decoder):
            disable(module)
        model.codec.eval()
    sources = flow_sources(model)
    return {name: tidy(onnx_from_module(name, sources[name])) for name in TRACED}


def packed_networks(networks: Graphs, precision: str, *, exact: bool = True) -> Graphs:
    """The traced networks in the form that a precision has.

    Args:
        exact: INT8 gives the same bits everywhere, by `export.exact`.
    """
    packed = {}
    for name, graph in networks.items():
        if precision == "int8":
            integers = integer_form(name, copy.deepcopy(graph))
            packed[name] = exact_form(integers) if exact else integers
        elif precision == "fp16":
            packed[name] = half_form(store_tables(copy.deepcopy(graph)))
        else:
            packed[name] = copy.deepcopy(graph)
    return packed


def flow_engines(model: WholeModel, precision: str) -> dict[str, onnx.ModelProto]:
    """All engines of a model: `t2a_edge.bundle.ENGINES`.

    Args:
        precision: "fp32", "fp16" or "int8"; the model is left as that computes.

    Raises:
        ExportError: a network cannot be traced, or the codec's sums would not be exact.
    """
    networks = traced_networks(model, precision)
    return flow_graphs(model, packed_networks(networks, precision))


def plain_engine(engine: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in standard operators, for runtimes with kernels of their own and without float64.

    The networks give about the same values. Whole numbers stay exact, but for the canvas of all
    codes, which float32 sums round.
    """
    model = plain_form(engine)
    for constant in model.graph.initializer:
        if constant.data_type == TensorProto.DOUBLE:
            single = numpy_helper.to_array(constant).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(single, constant.name))
    for node in model.graph.node:
        for about in node.attribute:
            if node.op_type == "Cast" and about.name == "to" and about.i == TensorProto.DOUBLE:
                about.i = TensorProto.FLOAT
    onnx.checker.check_model(model)
    return model
