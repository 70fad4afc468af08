"""Functions of a model, from their text.

A constant in the text becomes one more input, behind those that the text names: calls share it,
and ONNX Runtime has nothing to fold for each of them. Names within a function become short.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
from onnx import FunctionProto, helper, numpy_helper

from export.graphs import OPSET

VERSION = 1  # of the domains


def parse(domain: str, name: str, body: str) -> tuple[FunctionProto, list[npt.NDArray[Any]]]:
    """A function, and what its last inputs have to be given.

    Args:
        body: inputs, outputs and nodes in ONNX's text form, `(x) => (y) { y = Neg (x) }`.
    """
    head = f'<domain: "{domain}", opset_import: ["" : {OPSET}]>'
    function: FunctionProto = onnx.parser.parse_function(f"{head} {name} {body}")
    constants = [node for node in function.node if node.op_type == "Constant"]
    nodes = [node for node in function.node if node.op_type != "Constant"]
    short: dict[str, str] = {}
    for node in (*constants, *nodes):
        for names in (node.input, node.output):
            names[:] = [short.setdefault(n, f"v{len(short)}") for n in names]
    inputs = [short.setdefault(n, f"v{len(short)}") for n in function.input]
    outputs = [short[n] for n in function.output]
    del function.node[:], function.input[:], function.output[:]
    function.node.extend(nodes)
    function.input.extend([*inputs, *(node.output[0] for node in constants)])
    function.output.extend(outputs)
    return function, [_value(node) for node in constants]


def _value(constant: onnx.NodeProto) -> npt.NDArray[Any]:
    about = constant.attribute[0]
    if about.name == "value":
        return numpy_helper.to_array(about.t)
    return np.array(helper.get_attribute_value(about), dtype=np.int64)  # value_ints


def add_functions(model: onnx.ModelProto, domain: str, functions: Iterable[FunctionProto]) -> None:
    """Give a model the functions that it calls."""
    found = sorted(functions, key=lambda function: function.name)
    if found:
        model.functions.extend(found)
        model.opset_import.append(helper.make_opsetid(domain, VERSION))
