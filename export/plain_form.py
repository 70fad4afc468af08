"""Standard operators for the functions of a bundle's INT8 graphs.

`export.exact` and `export.kernels` write parts of a graph as functions that ONNX Runtime's kernels
for processors run exactly, and fast. Another runtime has its own kernels for what they stand for.
"""

import copy
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from export import exact_functions as exact
from export import kernels
from export.compose import prune

SAME_INPUTS = {"MatMul": 2, "Log": 1, "LayerNormalization": 3}  # how many of the function's


def plain_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without functions of `export.exact` and `export.kernels`: about the same values.

    Other functions stay.
    """
    model = copy.deepcopy(model)
    domains = (exact.DOMAIN, kernels.DOMAIN)
    plain = _Plain(model.graph)
    plain.rewrite()
    others = [f for f in model.functions if f.domain not in domains]
    opsets = [entry for entry in model.opset_import if entry.domain not in domains]
    del model.functions[:], model.opset_import[:]
    model.functions.extend(others)
    model.opset_import.extend(opsets)
    prune(model.graph)
    onnx.checker.check_model(model)
    return model


class _Plain:
    """One graph whose calls are replaced, node by node."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {i.name: i for i in graph.initializer}
        self.producer = {name: node for node in graph.node for name in node.output}
        self.nodes: list[NodeProto] = []
        self._count = 0

    def rewrite(self) -> None:
        """Replace the graph's nodes."""
        for node in self.graph.node:
            if node.domain == kernels.DOMAIN:
                self._on_floats(node)
            elif node.domain == exact.DOMAIN:
                self._exact(node)
            elif not self._table_first(node):
                self.nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)

    def _op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        self._count += 1
        output = output or f"plain{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _number(self, value: float) -> str:
        self._count += 1
        array = np.array(value, dtype=np.float32)
        self.graph.initializer.append(numpy_helper.from_array(array, f"plain{self._count}"))
        return f"plain{self._count}"

    def _constant(self, name: str) -> float:
        return float(numpy_helper.to_array(self.constants[name]))

    def _on_floats(self, node: NodeProto) -> None:
        """Between a dequantiser and a quantiser of the step that the numbers have."""
        source = self.producer[node.input[0]]
        while source.op_type != "QuantizeLinear":
            source = self.producer[source.input[0]]
        pair = source.input[1:]
        value = self._op("DequantizeLinear", node.input[0], *pair)
        if node.op_type == "Relu":
            value = self._op("Relu", value)
        else:
            scales = np.array(kernels.TWICE, dtype=np.float32)
            self._count += 1
            name = f"plain{self._count}"
            self.graph.initializer.append(numpy_helper.from_array(scales, name))
            value = self._op(
                "Resize", value, "", name, mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )  # fmt: skip
        self._op("QuantizeLinear", value, *pair, output=node.output[0])

    def _exact(self, node: NodeProto) -> None:
        kind, inputs, output = node.op_type, list(node.input), node.output[0]
        if kind in SAME_INPUTS:
            about = {}
            if kind == "LayerNormalization":
                about = {"axis": -1, "epsilon": self._constant(inputs[3])}
            self._op(kind, *inputs[: SAME_INPUTS[kind]], output=output, **about)
        elif kind == "ReduceSum":
            self._op("ReduceSum", *inputs[:2], output=output, keepdims=1)
        elif kind == "Round":
            self._op("Identity", inputs[0], output=output)
        elif kind == "MatMul2":
            self._op("MatMul", self._op("MatMul", *inputs[:2]), inputs[2], output=output)
        elif kind == "Scores":
            factor = self._number(self._constant(inputs[3]) / exact.STEPS)
            turned = self._op("Transpose", inputs[1], perm=[0, 1, 3, 2])
            product = self._op("MatMul", self._op("Mul", inputs[0], factor), turned)
            self._op("Add", product, self.producer[inputs[2]].input[0], output=output)
        elif kind == "Softmax":
            self._op("Softmax", inputs[0], output=output, axis=-1)
        elif kind == "Gelu":
            middle = self._number((self._constant(inputs[2]) + 1) / 2 + 0.5)
            steps = self._op("Sub", inputs[0], middle)
            x = self._op("Mul", steps, self._number(1 / exact.STEPS))
            self._op("Gelu", x, output=output)

    def _table_first(self, node: NodeProto) -> bool:
        """Dequantise a table before rows of it are looked up."""
        source = self.producer.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if source is None or source.op_type != "Gather" or source.input[0] not in self.constants:
            return False
        table = self._op("DequantizeLinear", source.input[0], *node.input[1:])
        self._op("Gather", table, source.input[1], output=node.output[0])
        return True
