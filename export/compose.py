"""Build an ONNX graph out of operators and of other graphs.

A graph that is used several times becomes a function of the model: its nodes are stored once, and
its constants are handed in, so that every call shares them, and functions share equal ones. int8
constants can be stored within the function: ONNX Runtime may change one (see
`export.qdq.cpu_form`), which fails where nodes share it.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "t2a_edge"  # of the functions


class Composer:
    """A graph under construction; values are their names.

    Args:
        opset: of the operators.
        own_int8: every call of a graph has its own int8 constants; else they are shared too.
    """

    def __init__(self, opset: int, *, own_int8: bool = True) -> None:
        self.opset, self.own_int8 = opset, own_int8
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.functions: dict[str, tuple[onnx.FunctionProto, list[str]]] = {}
        self.shared: dict[tuple[str, str], onnx.FunctionProto] = {}  # that other functions call
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Declare an input of the graph; names in the shape are free dimensions."""
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[int | str]) -> None:
        """Declare a value as an output of the graph."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def constant(self, array: npt.NDArray[Any]) -> str:
        """The name of a constant; equal ones are stored once."""
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = name = self._name()
            self.constants[name] = numpy_helper.from_array(array.copy(order="C"), name)
        return self._names[key]

    def integers(self, *values: int) -> str:
        """A constant (n,) int64."""
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """A float32 constant without axes."""
        return self.constant(np.array(value, dtype=np.float32))

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output."""
        name = self._name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def cast(self, value: str, kind: int) -> str:
        """Convert to another element type."""
        return self.op("Cast", value, to=kind)

    def slice(self, value: str, start: int, end: int, axis: int) -> str:
        """Part of an axis."""
        parts = (self.integers(start), self.integers(end), self.integers(axis))
        return self.op("Slice", value, *parts)

    def call(self, name: str, graph: onnx.ModelProto, inputs: Mapping[str, str]) -> list[str]:
        """Run another graph.

        Args:
            name: of its function; the first call with a name stores the graph.
            graph: functions of its own are taken over; equal names are equal functions.
            inputs: of the graph -> values.

        Returns:
            The values of its outputs.
        """
        if name not in self.functions:
            self.functions[name] = self._function(name, graph)
        function, weights = self.functions[name]
        given = [inputs[value.name] for value in graph.graph.input]
        results = [self._name() for _ in function.output]
        self.nodes.append(helper.make_node(name, [*given, *weights], results, domain=DOMAIN))
        return results

    def _function(self, name: str, model: onnx.ModelProto) -> tuple[onnx.FunctionProto, list[str]]:
        graph = model.graph
        kept = (TensorProto.INT8,) if self.own_int8 else ()
        own = [i for i in graph.initializer if i.data_type in kept]
        handed = [i for i in graph.initializer if i.data_type not in kept]
        constants = [helper.make_node("Constant", [], [i.name], value=i) for i in own]
        function = helper.make_function(
            DOMAIN,
            name,
            [value.name for value in graph.input] + [i.name for i in handed],
            [value.name for value in graph.output],
            [*constants, *graph.node],
            [helper.make_opsetid("", self.opset), *_domains(model)],
        )
        self.shared |= {(f.domain, f.name): f for f in model.functions}
        return function, [self.constant(numpy_helper.to_array(i)) for i in handed]

    def model(self, name: str) -> onnx.ModelProto:
        """The finished graph, checked."""
        graph = helper.make_graph(
            self.nodes, name, self.inputs, self.outputs, list(self.constants.values())
        )
        shared = list(self.shared.values())
        domains = sorted({DOMAIN, *(function.domain for function in shared)})
        opsets = [
            helper.make_opsetid("", self.opset),
            *(helper.make_opsetid(d, 1) for d in domains),
        ]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            functions=[*shared, *(function for function, _ in self.functions.values())],
            ir_version=10,
            producer_name="t2a-edge",
        )
        onnx.checker.check_model(model)
        return model


def split_graph(
    model: onnx.ModelProto, given: Collection[str]
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Cut a graph in two: what follows from some of its inputs alone, and the rest.

    Where a graph is called several times with the same values of some inputs, the first part is
    called once.

    Args:
        model: it stays as it is.
        given: names of inputs.

    Returns:
        A graph that takes those inputs, and one that takes all inputs and the first one's outputs;
        inputs that a part does not use are left out. Both are for `Composer.call` alone: the values
        between them have no types.
    """
    graph = model.graph
    fixed = {i.name for i in graph.initializer}  # constants, and what follows from them alone
    known = set(given)
    first: list[onnx.NodeProto] = []
    second: list[onnx.NodeProto] = []
    for node in graph.node:
        values = {name for name in node.input if name} - fixed
        if not values:
            fixed.update(node.output)
            both = node.domain == ""  # a function is a table: the first part hands it on
            first.append(node)
            if both:
                second.append(node)
        elif values <= known:
            known.update(node.output)
            first.append(node)
        else:
            second.append(node)
    own = {name for node in second for name in node.output}
    made = [name for node in first for name in node.output if name not in own]
    wanted = {name for node in second for name in node.input}
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


def split_outputs(model: onnx.ModelProto, count: int) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Cut a graph in two: what its first outputs need, and what is done for the others alone.

    Where a call has no use for the others, the second part is not called.

    Args:
        model: it stays as it is.
        count: of first outputs.

    Returns:
        A graph with those outputs and the values that the second one takes; and the second one,
        which also takes the inputs that it uses. Both are for `Composer.call` alone.
    """
    first, second = copy.deepcopy(model), copy.deepcopy(model)
    del first.graph.output[count:]
    del second.graph.output[:count]
    prune(first.graph)
    prune(second.graph)
    done = {name for node in first.graph.node for name in node.output}
    alone = [node for node in second.graph.node if not done.intersection(node.output)]
    del second.graph.node[:]
    second.graph.node.extend(alone)
    used = prune(second.graph)
    between = [helper.make_empty_tensor_value_info(name) for name in sorted(done & used)]
    first.graph.output.extend(between)
    inputs = [v for v in [*second.graph.input, *between] if v.name in used]
    del second.graph.input[:]
    second.graph.input.extend(inputs)
    return first, second


def prune(graph: onnx.GraphProto) -> set[str]:
    """Take away nodes and constants that no output needs; works in place.

    Returns:
        The names of all values that are needed.
    """
    used = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            kept.append(node)
            used.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for constant in [i for i in graph.initializer if i.name not in used]:
        graph.initializer.remove(constant)
    return used


def _domains(model: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """The domains of a graph's own functions."""
    names = sorted({function.domain for function in model.functions})
    return [helper.make_opsetid(name, 1) for name in names]


BOOL, FLOAT, INT32, INT64, UINT8 = (
    TensorProto.BOOL, TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8,
)  # fmt: skip
