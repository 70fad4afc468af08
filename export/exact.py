"""Write an INT8 engine's float operators so that they give the same bits wherever they run.

Integer kernels are exact. The float operators between them are not: a sum depends on its order, a
product that is added on whether the processor rounds in between, and every library has an
exponential of its own. A difference in the last digit, rounded to 8 bits, is now and then one step;
a logit moves, another code wins, and from there on another picture is drawn. What is left in
`exact_form`'s graph is what IEEE 754 defines to the last bit, and what is so much finer than the
numbers it is rounded to that a difference is lost:

- Attention's products are of fixed-point numbers with so few bits that a float32 sum of them is
  exact in any order. Softmax looks its exponential up in a table, by a whole number.
- Gelu is a table as well. Tables are computed in the graph, in float64, and rounded to a grid.
- LayerNorm's mean and variance, sums over words, and products with constant matrices (averages,
  enlarging) are float64, rounded to float32 at the end.
- Where two quantised tensors are added, the steps are chosen such that their ratios have few
  digits: ONNX Runtime's kernel then rounds alike with and without fused multiply-add.

Each is a function of the model, of the domain DOMAIN: `export.plain_form` puts the operators back
that they stand for.
"""

import copy
from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from export.compose import prune
from export.exact_functions import ALIGNED, BODIES, DOMAIN, LEAST_REACH, STEPS, VALUE_BITS
from export.functions import add_functions, parse
from export.qdq import INT8_MAX, WEIGHT_PATH

Array = npt.NDArray[Any]

EPSILON = 1e-5  # of a LayerNormalization that names none
FURTHEST = 64  # of RATIO_BITS: how far from a ratio another is looked for
RATIO_BITS = 16  # of the ratio of two steps: 8 more, those of a number, are what float32 has


def exact_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an INT8 engine that gives the same bits wherever it runs.

    Args:
        model: in the form of ONNX Runtime's processor kernels, as `export.simplify.packed_form`
            has it. Attention is (queries times a factor) @ transposed keys + weights of the words;
            a Gelu stands before a quantiser.
    """
    model = copy.deepcopy(model)
    shorten_ratios(model.graph)
    _Exact(model).rewrite()
    prune(model.graph)
    onnx.checker.check_model(model)
    return model


def shorten_ratios(graph: onnx.GraphProto) -> None:
    """Move the steps of added tensors a little, so that their ratios to the sum's step are short.

    From the last sum back to the first: the sum of one block is an input of the next. Works in
    place.
    """
    constants = {i.name: i for i in graph.initializer}
    producer = {name: node for node in graph.node for name in node.output}
    users = _users(graph)
    moved: dict[bytes, np.float32] = {}
    for node in reversed(graph.node):
        behind = users[node.output[0]] if node.op_type == "Add" else []
        sources = [producer.get(name) for name in node.input]
        pairs = [s for s in sources if s is not None and s.op_type == "DequantizeLinear"]
        if len(pairs) < 2 or [n.op_type for n in behind] != ["QuantizeLinear"]:
            continue
        total = _step(constants[behind[0].input[1]])
        total = moved.get(total.tobytes(), total)
        for source in pairs:
            step = _step(constants[source.input[1]])
            moved[step.tobytes()] = near_step(step, total)
    for constant in graph.initializer:  # a quantiser's pairs have a constant each, of equal value
        if constant.data_type == TensorProto.FLOAT and not constant.dims:
            new = moved.get(_step(constant).tobytes())
            if new is not None:
                constant.CopyFrom(numpy_helper.from_array(np.asarray(new), constant.name))


def near_step(step: np.float32, total: np.float32) -> np.float32:
    """The number near `step` whose quotient by `total`, in float32, has RATIO_BITS binary digits.

    `step` itself where there is none within a thousandth.
    """
    ratio, exponent = np.frexp(np.float64(step) / np.float64(total))
    digits = round(float(ratio) * 2**RATIO_BITS)
    for away in sorted(range(-FURTHEST, FURTHEST), key=abs):  # most divisions come out at once
        wanted = np.float32(np.ldexp((digits + away) / 2**RATIO_BITS, exponent))
        candidate = np.float32(wanted * total)
        if np.float32(candidate / total) == wanted:
            return candidate
    return step


def _step(constant: TensorProto) -> np.float32:
    return np.float32(numpy_helper.to_array(constant))


def _users(graph: onnx.GraphProto) -> dict[str, list[NodeProto]]:
    users: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    return users


class _Exact:
    """One graph that is being rewritten, node by node."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.graph = model, model.graph
        self.constants = {i.name: i for i in self.graph.initializer}
        self.producer = {name: node for node in self.graph.node for name in node.output}
        self.users = _users(self.graph)
        self.nodes: list[NodeProto] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._shared: dict[tuple[str, ...], str] = {}
        self._functions: dict[str, FunctionProto] = {}
        self._count = 0

    def rewrite(self) -> None:
        """Replace the graph's nodes and add the functions that they call."""
        replacements = {
            "MatMul": self._matmul,
            "Add": self._add,
            "Softmax": self._softmax,
            "LayerNormalization": self._layernorm,
            "Gelu": self._gelu,
            "ReduceSum": self._sum,
            "Log": self._log,
        }
        for node in self.graph.node:
            replace = replacements.get(node.op_type)
            if replace is None or not replace(node):
                self.nodes.append(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        add_functions(self.model, DOMAIN, self._functions.values())

    # ---- building

    def _name(self) -> str:
        self._count += 1
        return f"x{self._count}"

    def _op(self, kind: str, *inputs: str, output: str = "", domain: str = "", **more: Any) -> str:
        output = output or self._name()
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **more))
        return output

    def _call(self, kind: str, *inputs: str, output: str = "") -> str:
        function, constants = parse(DOMAIN, kind, BODIES[kind])
        self._functions[kind] = function
        given = [self._constant(constant) for constant in constants]
        return self._op(kind, *inputs, *given, output=output, domain=DOMAIN)

    def _constant(self, array: Array) -> str:
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = name = self._name()
            self.graph.initializer.append(numpy_helper.from_array(array, name))
        return self._names[key]

    def _number(self, value: float, kind: type = np.float32) -> str:
        return self._constant(np.array(value, dtype=kind))

    def _once(self, kind: str, *inputs: str) -> str:
        """What several places of the graph use, computed once."""
        key = (kind, *inputs)
        if key not in self._shared:
            self._shared[key] = self._call(kind, *inputs)
        return self._shared[key]

    # ---- what is replaced

    def _is_weight(self, name: str) -> bool:
        node = self.producer.get(name)
        while node is not None and node.op_type in WEIGHT_PATH:
            if node.input[0] in self.constants:
                return True
            node = self.producer.get(node.input[0])
        return False

    def _only_user(self, name: str, kind: str) -> NodeProto | None:
        users = self.users[name]
        return users[0] if len(users) == 1 and users[0].op_type == kind else None

    def _next(self, node: NodeProto) -> NodeProto | None:
        """The product that the result of a first one is the left side of, and nothing else."""
        if node.op_type != "MatMul" or self._is_weight(node.input[1]):
            return None
        behind = self._only_user(node.output[0], "MatMul")
        is_left = behind is not None and behind.input[0] == node.output[0]
        return behind if behind is not None and is_left else None

    def _matmul(self, node: NodeProto) -> bool:
        left, right = node.input
        constant = self.constants.get(right)
        if self._is_weight(right) or (constant and constant.data_type == TensorProto.INT64):
            return False  # an integer kernel
        before = self.producer.get(left)
        added = self._only_user(node.output[0], "Add")
        if before is not None and before.op_type == "Softmax":
            far = self._number(ALIGNED * 2.0**-VALUE_BITS)
            values = self._call("Round", right, far)
            self._op("MatMul", left, values, output=node.output[0])
        elif added is None or self._only_user(added.output[0], "Softmax") is None:
            if self._next(node) is not None:
                return True  # with the product behind it
            if before is not None and self._next(before) is node:
                self._call("MatMul2", *before.input, right, output=node.output[0])
            else:
                self._call("MatMul", left, right, output=node.output[0])
        return True  # scores are made where the bias is added

    def _add(self, node: NodeProto) -> bool:
        """Scaled queries times transposed keys, and the words' weights."""
        if self._only_user(node.output[0], "Softmax") is None:
            return False
        scaled, turned = (self.producer[name] for name in self.producer[node.input[0]].input)
        factor = float(numpy_helper.to_array(self.constants[scaled.input[1]]))
        in_steps = self._number(factor * STEPS)
        column = self._once("Bias", node.input[1], in_steps)
        inputs = scaled.input[0], self._keys(turned), column, in_steps
        self._call("Scores", *inputs, output=node.output[0])
        return True

    def _keys(self, turned: NodeProto) -> str:
        """What was transposed, (B, h, M, d): two transpositions may have become one."""
        first, second, *last = next(list(a.ints) for a in turned.attribute if a.name == "perm")
        if [first, second] == [0, 1]:
            return str(turned.input[0])
        return self._op("Transpose", turned.input[0], perm=[first, second, *last[::-1]])

    def _softmax(self, node: NodeProto) -> bool:
        self._call("Softmax", node.input[0], self._once("Powers"), output=node.output[0])
        return True

    def _layernorm(self, node: NodeProto) -> bool:
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), EPSILON)
        number = self._number(epsilon, np.float64)
        self._call("LayerNormalization", *node.input, number, output=node.output[0])
        return True

    def _gelu(self, node: NodeProto) -> bool:
        (quantise,) = self.users[node.output[0]]
        step = float(_step(self.constants[quantise.input[1]]))
        end = STEPS * max(LEAST_REACH, int(np.ceil(step * INT8_MAX)))
        table = self._once("GeluTable", *(self._number(n, np.int64) for n in (-end, end)))
        places = self._places_of_layer(node, end) or self._places_of_sum(node, end)
        self._call("Gelu", places, table, self._number(2 * end - 1), output=node.output[0])
        return True

    def _places_of_layer(self, node: NodeProto, end: int) -> str:
        """A layer's scales and bias turn its output into places in the table, half a step on."""
        added = self.producer[node.input[0]]
        product = self.producer.get(added.input[0])
        if (
            added.op_type != "Add" or added.input[1] not in self.constants
            or product is None or product.op_type != "MatMul"
        ):  # fmt: skip
            return ""
        weight, bias = self.producer[product.input[1]], self.constants[added.input[1]]
        scales = numpy_helper.to_array(self.constants[weight.input[1]])
        weight.input[1] = self._constant(scales * np.float32(STEPS))
        moved = numpy_helper.to_array(bias) * np.float32(STEPS) + np.float32(end + 0.5)
        return self._op("Add", product.output[0], self._constant(moved))

    def _places_of_sum(self, node: NodeProto, end: int) -> str:
        """Of a sum of layers: times a power of two, so it matters not whether that is rounded."""
        in_steps = self._op("Mul", node.input[0], self._number(STEPS))
        return self._op("Add", in_steps, self._number(end + 0.5))

    def _log(self, node: NodeProto) -> bool:
        self._call("Log", *node.input, output=node.output[0])
        return True

    def _sum(self, node: NodeProto) -> bool:
        if self._is_whole(node.input[0]):
            return False
        keeps = next((a.i for a in node.attribute if a.name == "keepdims"), 1)
        total = self._call("ReduceSum", *node.input, output=node.output[0] if keeps else "")
        if not keeps:
            self._op("Squeeze", total, node.input[1], output=node.output[0])
        return True

    def _is_whole(self, name: str) -> bool:
        """Whether a value is int64: by what it is cast to, or a constant that it is made with."""
        node = self.producer.get(name)
        if node is None:
            return False
        if node.op_type == "Cast":
            return any(a.i == TensorProto.INT64 for a in node.attribute if a.name == "to")
        kinds = [self.constants[i].data_type for i in node.input if i in self.constants]
        return node.op_type == "Mul" and TensorProto.INT64 in kinds
