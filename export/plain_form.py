"""Standard operators for what our INT8 graphs have for ONNX Runtime's processor kernels.

Functions (`export.functions`), integer kernels and 8-bit activations become the float operators
that they stand for, with a QuantizeLinear and DequantizeLinear pair for each activation: symmetric
int8, zero-point 0. The networks give about the same values. Whole numbers stay exact where float32
sums of them are, which is everywhere but in the canvas of all codes.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from export.compose import CONTRIB, DOUBLE, FLOAT, UINT8, all_nodes, prune
from export.functions import DOMAIN
from export.layers import NO_SIGN, STEPS, ZERO_POINT

Array = npt.NDArray[Any]
LEAST = 1e-6  # below it a length counts as nothing
STEP_OF = {"MatMulIntegerToFloat": 2, "QLinearConv": 1}  # input of the step of their first one
MOVES = ("DepthToSpace", "Reshape", "Slice", "SpaceToDepth", "Transpose")
FEW_BITS = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16)


def plain_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in standard operators, without float64 and without 8-bit values but in pairs."""
    model = copy.deepcopy(model)
    _Plain(model.graph).rewrite()
    kept = [entry for entry in model.opset_import if entry.domain not in (DOMAIN, CONTRIB)]
    del model.functions[:], model.opset_import[:]
    model.opset_import.extend(kept)
    _in_float32(model.graph)
    _in_int32(model.graph)
    prune(model.graph)
    onnx.checker.check_model(model)
    return model


def _in_float32(graph: GraphProto) -> None:
    """Constants and casts of float64 as float32; works in place."""
    for constant in graph.initializer:
        if constant.data_type == DOUBLE:
            single = numpy_helper.to_array(constant).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(single, constant.name))
    for node in all_nodes(graph.node):
        for about in node.attribute:
            if node.op_type == "Cast" and about.name == "to" and about.i == TensorProto.DOUBLE:
                about.i = FLOAT


def _in_int32(graph: GraphProto) -> None:
    """Tables of few bits as int32, but for weights; works in place."""
    weights = {
        name
        for node in all_nodes(graph.node)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
        for name in node.input
    }
    for constant in graph.initializer:
        if constant.data_type in FEW_BITS and constant.name not in weights:
            wide = numpy_helper.to_array(constant).astype(np.int32)
            constant.CopyFrom(numpy_helper.from_array(wide, constant.name))


@dataclass(frozen=True)
class _Rounded:
    """What became of an 8-bit value: a float value behind a pair, its step and zero-point."""

    name: str
    step: np.float32
    zero: int


@dataclass(frozen=True)
class _Scaled:
    """The step of a value, and that of it as its users take it: they may count in other units."""

    before: Array
    behind: Array


class _Plain:
    """One graph that is being rewritten, node by node."""

    def __init__(self, graph: GraphProto) -> None:
        self.graph = graph
        self.constants = {i.name: i for i in graph.initializer}
        self.users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
        self.nodes: list[NodeProto] = []
        self.rounded: dict[str, _Rounded] = {}
        self.pairs: set[str] = set()
        self._count = 0
        self.replacements: dict[str, Callable[[NodeProto], None]] = {
            "QuantizeLinear": self._quantize, "DequantizeLinear": self._dequantize,
            "MatMulIntegerToFloat": self._linear, "QLinearConv": self._conv,
            "QLinearAdd": self._sum, "Rounded": self._fixed, "Normal": self._normal,
            "Length": self._length, "Shares": self._shares, "Gelu": self._gelu,
            "WideGelu": self._gelu, "Enlarge": self._enlarge,
            **dict.fromkeys(MOVES, self._moved),
        }  # fmt: skip

    def rewrite(self) -> None:
        """Replace the graph's nodes."""
        for node in list(self.graph.node):
            replace = self.replacements.get(node.op_type)
            own = node.domain in (DOMAIN, CONTRIB) or node.op_type != "Gelu"
            if replace is not None and own:
                replace(node)
            elif not self._integer_product(node):
                self.nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)

    # ---- building

    def _name(self) -> str:
        self._count += 1
        return f"plain{self._count}"

    def _op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or self._name()
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def _constant(self, array: npt.ArrayLike, kind: Any = np.float32) -> str:
        name = self._name()
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(array, kind), name))
        return name

    def _value(self, name: str) -> Array:
        return numpy_helper.to_array(self.constants[name])

    def _pair(self, output: str, value: str, step: "Array | _Scaled", zero: int) -> None:
        """Round a float value to 8 bits and back; `output` is what it was called in 8 bits."""
        if zero == NO_SIGN:
            value = self._op("Relu", value)
        own = step if isinstance(step, _Scaled) else _Scaled(step, step)
        nothing = self._constant(0, np.int8)
        whole = self._op("QuantizeLinear", value, self._constant(own.before), nothing)
        back = self._op("DequantizeLinear", whole, self._constant(own.behind), nothing)
        self.rounded[output] = _Rounded(back, np.float32(own.behind), zero)

    def _weights(self, name: str, steps: str, axis: int) -> str:
        """int8 weights in float."""
        return self._op("DequantizeLinear", name, steps, axis=axis)

    # ---- 8 bits

    def _quantize(self, node: NodeProto) -> None:
        value, step, zero = node.input
        if self.constants[zero].data_type == TensorProto.INT8:  # of a pair that is there already
            self.pairs.add(node.output[0])
            self.nodes.append(node)
            return
        users = [user for user in self._taken_by(node.output[0]) if user.op_type in STEP_OF]
        if not users:
            self._levels(node)
            return
        steps = [self._value(user.input[STEP_OF[user.op_type]]) for user in users]
        own = _Scaled(self._value(step), steps[0])
        self._pair(node.output[0], value, own, int(self._value(zero)))

    def _taken_by(self, name: str) -> list[NodeProto]:
        """What computes with a value, moved or not."""
        users = []
        for user in self.users.get(name, []):
            users += self._taken_by(user.output[0]) if user.op_type in MOVES else [user]
        return users

    def _levels(self, node: NodeProto) -> None:
        """Grey levels, which are 8 bits to the end."""
        value = self._op("Round", node.input[0])
        grey = self._op("Clip", value, self._constant(0), self._constant(255))
        self._op("Cast", grey, to=UINT8, output=node.output[0])

    def _dequantize(self, node: NodeProto) -> None:
        source = self.rounded.get(node.input[0])
        if node.input[0] in self.pairs:
            self.nodes.append(node)
            return
        if source is None:
            self._table(node)
            return
        step, zero = self._value(node.input[1]), int(self._value(node.input[2]))
        value = self._op("Mul", source.name, self._constant(step / source.step))
        moved = np.float32((source.zero - zero) * step)
        self._op("Add", value, self._constant(moved), output=node.output[0])

    def _table(self, node: NodeProto) -> None:
        """A constant in steps, or rows of one."""
        name, step = node.input[:2]
        if name not in self.constants:
            whole = self._op("Cast", name, to=FLOAT)
            self._op("Mul", whole, step, output=node.output[0])
        elif self.constants[name].data_type == TensorProto.INT8:
            self.nodes.append(node)
        else:
            values = self._value(name).astype(np.float32) * self._value(step)
            self.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))

    def _linear(self, node: NodeProto) -> None:
        source = self.rounded[node.input[0]]
        weights = self._weights(node.input[1], node.input[3], 1)
        self._op("MatMul", source.name, weights, output=node.output[0])

    def _conv(self, node: NodeProto) -> None:
        source, (_, steps) = self.rounded[node.input[0]], node.input[3:5]
        weights = self._weights(node.input[3], steps, 0)
        sums = self._value(node.input[8]).astype(np.float64)
        bias = self._constant(sums * self._value(steps) * source.step)
        about = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        made = self._op("Conv", source.name, weights, bias, **about)
        zero = int(self._value(node.input[7]))
        self._pair(node.output[0], made, self._value(node.input[6]), zero)

    def _sum(self, node: NodeProto) -> None:
        parts = [self.rounded[name].name for name in (node.input[0], node.input[3])]
        zero = int(self._value(node.input[7]))
        self._pair(node.output[0], self._op("Add", *parts), self._value(node.input[6]), zero)

    def _moved(self, node: NodeProto) -> None:
        """Numbers in other places, of an 8-bit value or of another."""
        source = self.rounded.get(node.input[0])
        if source is None:
            self.nodes.append(node)
            return
        about = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        moved = self._op(node.op_type, source.name, *node.input[1:], **about)
        self.rounded[node.output[0]] = _Rounded(moved, source.step, source.zero)

    # ---- functions

    def _fixed(self, node: NodeProto) -> None:
        value, moved, far = node.input
        bias = self._value(moved).astype(np.float64) - self._value(far)
        self._op("Add", value, self._constant(bias), output=node.output[0])

    def _normal(self, node: NodeProto) -> None:
        """Its length is 1; a LayerNormalization's is the root of how many numbers there are."""
        (gain,) = self.users[node.output[0]]
        size = self._sizes(gain, node.output[0])
        ones, zeros = self._constant(np.full(size, size**-0.5)), self._constant(np.zeros(size))
        self._op("LayerNormalization", node.input[0], ones, zeros, epsilon=LEAST,
                 output=node.output[0])  # fmt: skip

    def _length(self, node: NodeProto) -> None:
        self._op("LpNormalization", node.input[0], axis=-1, p=2, output=node.output[0])

    def _sizes(self, product: NodeProto, own: str) -> int:
        """How many numbers a norm is over, by the constant that it or its gains are made of."""
        (other,) = (name for name in product.input if name != own)
        made_by = {name: node for node in self.graph.node for name in node.output}
        while other not in self.constants:
            source = made_by[other]
            constants = [n for n in source.input if n in self.constants and self._float(n)]
            other = constants[0] if constants else source.input[0]
        return int(self.constants[other].dims[-1])

    def _float(self, name: str) -> bool:
        return bool(self.constants[name].data_type == FLOAT)

    def _shares(self, node: NodeProto) -> None:
        scores = self._op("Add", *node.input[:2])
        self._op("Softmax", scores, axis=-1, output=node.output[0])

    def _gelu(self, node: NodeProto) -> None:
        middle = (float(self._value(node.input[2])) + 1) / 2 + 0.5
        steps = self._op("Sub", node.input[0], self._constant(middle))
        made = self._op("Gelu", self._op("Mul", steps, self._constant(1 / STEPS)))
        (user,) = self.users[node.output[0]]
        self._pair(node.output[0], made, self._value(user.input[2]), ZERO_POINT)

    def _enlarge(self, node: NodeProto) -> None:
        source = self.rounded[node.input[0]]
        scales = self._constant([1, 1, 2, 2])
        larger = self._op(
            "Resize", source.name, "", scales, mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
        self._pair(node.output[0], larger, np.asarray(source.step), ZERO_POINT)
        self.rounded[node.output[0]] = _Rounded(
            self.rounded[node.output[0]].name, source.step, source.zero
        )

    def _integer_product(self, node: NodeProto) -> bool:
        """A product of integers with a constant matrix, by products and sums."""
        if node.op_type != "MatMul" or not self._is_whole(node.input[1]):
            return False
        spread = self._op("Unsqueeze", node.input[0], self._constant([-1], np.int64))
        products = self._op("Mul", spread, node.input[1])  # (..., I, O)
        axis = self._constant([-2], np.int64)
        self._op("ReduceSum", products, axis, keepdims=0, output=node.output[0])
        return True

    def _is_whole(self, name: str) -> bool:
        integers = (TensorProto.INT32, TensorProto.INT64)
        if name in self.constants:
            return bool(self.constants[name].data_type in integers)
        makers = [node for node in self.nodes if name in node.output and node.op_type == "Cast"]
        kinds = {a.i for node in makers for a in node.attribute if a.name == "to"}
        return bool(kinds.intersection(integers))
