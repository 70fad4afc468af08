"""Build an ONNX graph out of operators, of functions and of other graphs.

Constants of equal value are stored once. Weights of integer kernels are the exception: ONNX Runtime
changes them as it makes a session, where a processor's kernels would saturate
(`t2a_edge.runner.session_options`), and each then has to be one node's own.
"""

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from export.functions import DOMAIN, parsed_function

OPSET = 20  # 21 with int8 activations fails in ONNX Runtime
IR_VERSION = 10
CONTRIB = "com.microsoft"  # domain of ONNX Runtime's own operators
BOOL, DOUBLE, FLOAT, INT32, INT64, UINT8 = (
    TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64,
    TensorProto.UINT8,
)  # fmt: skip
WEIGHTS = {"MatMulIntegerToFloat": (1,), "QLinearConv": (3, 5)}  # inputs that are a node's own


class Composer:
    """A graph under construction; values are their names.

    Args:
        prefix: of the names of values; that of a loop's body differs from the graph's around it.
    """

    def __init__(self, *, prefix: str = "v") -> None:
        self.prefix = prefix
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self.functions: dict[str, onnx.FunctionProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    def input(self, name: str, kind: int, shape: Sequence[int | str] | None) -> str:
        """Declare an input of the graph; names in the shape are free dimensions."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[int | str] | None) -> None:
        """Declare a value that a node makes as an output of the graph, under another name."""
        for node in self.nodes:
            _rename(node, {value: name})
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    # ---- constants

    def constant(self, array: npt.NDArray[Any]) -> str:
        """The name of a constant; equal ones are stored once."""
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = self.own(array)
        return self._names[key]

    def own(self, array: npt.NDArray[Any]) -> str:
        """The name of a constant that nothing else has."""
        name = self._name()
        self.constants[name] = numpy_helper.from_array(array.copy(order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """A constant (n,) int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """A float32 constant without axes."""
        return self.constant(np.array(value, dtype=np.float32))

    def array(self, values: npt.ArrayLike) -> str:
        """A float32 constant."""
        return self.constant(np.asarray(values, dtype=np.float32))

    # ---- nodes

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output; "" is an input that is left out."""
        name = self._name()
        node = helper.make_node(kind, list(inputs), [name], domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def call(self, kind: str, *inputs: str) -> str:
        """Call a function of `export.functions`; it is handed the constants that it names."""
        function, constants = parsed_function(kind)
        self.functions[kind] = function
        given = [self.constant(constant) for constant in constants]
        return self.op(kind, *inputs, *given, domain=DOMAIN)

    def cast(self, value: str, kind: int) -> str:
        """Convert to another element type."""
        return self.op("Cast", value, to=kind)

    def reshape(self, value: str, *shape: int) -> str:
        """0 keeps an axis."""
        return self.op("Reshape", value, self.integers(*shape))

    def slice(self, value: str, start: int, end: int, axis: int) -> str:
        """Part of an axis."""
        parts = (self.integers(start), self.integers(end), self.integers(axis))
        return self.op("Slice", value, *parts)

    def split(self, value: str, parts: Sequence[int], *, axis: int) -> list[str]:
        """Parts of an axis, of these lengths."""
        names = [self._name() for _ in parts]
        inputs = [value, self.integers(*parts)]
        self.nodes.append(helper.make_node("Split", inputs, names, axis=axis))
        return names

    # ---- graphs

    def loop(self, body: "Composer", count: str, start: str) -> str:
        """Run a graph so many times: its third input is its second output of the time before.

        Args:
            body: takes the number of the run and a condition first, and gives the condition first.
                It may use values of this graph.
            count: () int64.
            start: the first value.
        """
        return self._inside("Loop", [count, "", start], body)

    def scan(self, body: "Composer", start: str, parts: str) -> str:
        """Run a graph for each part of a value's first axis.

        Args:
            body: takes its own output of the time before, and a part. It may use values of this
                graph.
            start: the first value.
            parts: (n, ...).
        """
        return self._inside("Scan", [start, parts], body, num_scan_inputs=1)

    def _inside(self, kind: str, inputs: list[str], body: "Composer", **attributes: Any) -> str:
        self.functions |= body.functions
        graph = helper.make_graph(
            body.nodes, "body", body.inputs, body.outputs, list(body.constants.values())
        )
        end = self._name()
        self.nodes.append(helper.make_node(kind, inputs, [end], body=graph, **attributes))
        return end

    def splice(self, model: onnx.ModelProto, inputs: Mapping[str, str]) -> list[str]:
        """Run another graph by its own nodes.

        Args:
            model: it is spliced in once.
            inputs: of the graph -> values.

        Returns:
            The values of its outputs.
        """
        graph = model.graph
        names = {value.name: inputs[value.name] for value in graph.input}
        weights = own_constants(graph)
        for constant in graph.initializer:
            array = numpy_helper.to_array(constant)
            keep = self.own if constant.name in weights else self.constant
            names[constant.name] = keep(array)
        for node in graph.node:
            copied = NodeProto()
            copied.CopyFrom(node)
            copied.name = ""
            self._rename_all(copied, names)
            self.nodes.append(copied)
        self.functions |= {function.name: function for function in model.functions}
        return [names[value.name] for value in graph.output]

    def _rename_all(self, node: NodeProto, names: dict[str, str]) -> None:
        """New names for what a node and the graphs within it make; works in place."""
        node.input[:] = [names[name] if name else "" for name in node.input]
        for body in _bodies(node):
            inner = dict(names)
            for value in (*body.input, *body.initializer):
                inner[value.name] = value.name = self._name()
            for own in body.node:
                self._rename_all(own, inner)
            for value in body.output:
                value.name = inner[value.name]
        names |= {name: self._name() for name in node.output if name}
        node.output[:] = [names[name] if name else "" for name in node.output]

    def model(self, name: str) -> onnx.ModelProto:
        """The finished graph, checked."""
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, list(self.constants.values())
        )
        prune(graph)
        domains = {node.domain for node in all_nodes(graph.node)}
        domains |= {node.domain for f in self.functions.values() for node in f.node}
        model = helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", OPSET),
                *(helper.make_opsetid(domain, 1) for domain in sorted(domains - {""})),
            ],
            functions=[self.functions[key] for key in sorted(self.functions)],
            ir_version=IR_VERSION,
            producer_name="t2a-edge",
        )
        onnx.checker.check_model(model)
        return model


def own_constants(graph: GraphProto) -> set[str]:
    """Names of the constants that are one node's own."""
    return {
        node.input[place]
        for node in all_nodes(graph.node)
        for place in WEIGHTS.get(node.op_type, ())
    }


def all_nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those of graphs within them."""
    for node in nodes:
        yield node
        for body in _bodies(node):
            yield from all_nodes(body.node)


def _bodies(node: NodeProto) -> list[GraphProto]:
    return [a.g for a in node.attribute if a.type == AttributeProto.GRAPH]


def needed(node: NodeProto) -> set[str]:
    """Names of the values that a node takes, those of graphs within it included."""
    found = {name for name in node.input if name}
    for body in _bodies(node):
        own = {value.name for value in (*body.input, *body.initializer)}
        own |= {name for inner in body.node for name in inner.output}
        inside = {name for inner in body.node for name in needed(inner)}
        found |= (inside | {value.name for value in body.output}) - own
    return found


def _rename(node: NodeProto, names: Mapping[str, str]) -> None:
    """Other names for some values; works in place."""
    for own in (node.input, node.output):
        own[:] = [names.get(name, name) for name in own]
    for body in _bodies(node):
        for inner in body.node:
            _rename(inner, names)


def split_graph(
    model: onnx.ModelProto, given: Collection[str]
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Cut a graph in two: what follows from some of its inputs alone, and the rest.

    Where a graph is run several times with the same values of some inputs, the first part is run
    once.

    Args:
        model: it stays as it is.
        given: names of inputs.

    Returns:
        A graph that takes those inputs, and one that takes all inputs and the first one's outputs;
        inputs that a part does not use are left out. Both are for `Composer.splice` alone: the
        values between them have no types.
    """
    graph = model.graph
    known = set(given) | {constant.name for constant in graph.initializer}
    first: list[NodeProto] = []
    second: list[NodeProto] = []
    for node in graph.node:
        if needed(node) <= known:
            known.update(node.output)
            first.append(node)
        else:
            second.append(node)
    made = [name for node in first for name in node.output]
    wanted = {name for node in second for name in needed(node)}
    wanted |= {value.name for value in graph.output}
    between = [helper.make_empty_tensor_value_info(name) for name in made if name in wanted]
    parts = []
    for nodes, extra, outputs in ((first, [], between), (second, between, list(graph.output))):
        part = copy.deepcopy(model)
        del part.graph.node[:], part.graph.input[:], part.graph.output[:]
        part.graph.node.extend(nodes)
        part.graph.output.extend(outputs)
        used = prune(part.graph)
        part.graph.input.extend(v for v in [*graph.input, *extra] if v.name in used)
        parts.append(part)
    return parts[0], parts[1]


def prune(graph: GraphProto) -> set[str]:
    """Take away nodes and constants that no output needs; works in place.

    Returns:
        The names of all values that are needed.
    """
    used = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            kept.append(node)
            used.update(needed(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for constant in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(constant)
    return used


def node_counts(model: onnx.ModelProto) -> tuple[int, int]:
    """Nodes as they are stored, each function once; and with every call in its place."""
    stored = sum(1 for _ in all_nodes(model.graph.node))
    stored += sum(len(function.node) for function in model.functions)
    inlined = onnx.inliner.inline_local_functions(model)
    return stored, sum(1 for _ in all_nodes(inlined.graph.node))
