"""Write parts of a uint8 graph in the words for which the processor has a faster kernel.

    Relu between two quantisers of one step     a bound on the 8-bit numbers
    Resize, nearest, twice the size             rows and columns laid side by side, channels last
    Gather of a dequantised table               dequantised after the lookup, not the whole table

The values stay the same, to the bit. The first two are functions of the model, of the domain
DOMAIN, with the name of the operator they stand for: `export.plain_form` puts the operators back.
"""

import copy

import onnx
from onnx import FunctionProto, NodeProto, helper, numpy_helper

from export.compose import prune
from export.functions import add_functions, parse
from export.qdq import UINT8_ZERO_POINT

DOMAIN = "t2a_edge.uint8"
TWICE = [1.0, 1.0, 2.0, 2.0]  # scales of a Resize

BODIES = {
    "Relu": f"""(x) => (y) {{
        zero = Constant <value = uint8 {{{UINT8_ZERO_POINT}}}> ()
        most = Constant <value = uint8 {{255}}> ()
        y = Clip (x, zero, most)
    }}""",
    # (B, C, H, W) -> (B, C, 2 H, 2 W), each number four times
    "Resize": """(x) => (y) {
        same = Constant <value_ints = [0]> ()
        rest = Constant <value_ints = [-1]> ()
        row = Constant <value_ints = [0, 0, -1]> ()
        channels = Shape <start = 1, end = 2> (x)
        height = Shape <start = 2, end = 3> (x)
        width = Shape <start = 3, end = 4> (x)
        last = Transpose <perm = [0, 2, 3, 1]> (x)
        columns = Concat <axis = 3> (last, last)
        wide_shape = Concat <axis = 0> (same, height, rest, channels)
        wide = Reshape (columns, wide_shape)
        flat = Reshape (wide, row)
        rows = Concat <axis = 2> (flat, flat)
        wider = Add (width, width)
        shape = Concat <axis = 0> (same, rest, wider, channels)
        large = Reshape (rows, shape)
        y = Transpose <perm = [0, 3, 1, 2]> (large)
    }""",
}


def kernel_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an engine in `export.qdq.cpu_form` with these parts in other words."""
    model = copy.deepcopy(model)
    graph = model.graph
    _look_up_first(graph)
    _on_uint8(model)
    onnx.checker.check_model(model)
    return model


def _look_up_first(graph: onnx.GraphProto) -> None:
    """Move DequantizeLinear of a table behind the Gathers that look rows of it up."""
    constants = {i.name for i in graph.initializer}
    nodes: list[NodeProto] = []
    tables = {}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            users = [n for n in graph.node if node.output[0] in n.input]
            if users and all(n.op_type == "Gather" and n.input[0] == node.output[0] for n in users):
                tables[node.output[0]] = node
                continue
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None:
            nodes.append(node)
            continue
        numbers, result = f"{node.output[0]}_numbers", node.output[0]
        node.input[0], node.output[0] = table.input[0], numbers
        nodes += [node, helper.make_node("DequantizeLinear", [numbers, *table.input[1:]], [result])]
    del graph.node[:]
    graph.node.extend(nodes)


def _on_uint8(model: onnx.ModelProto) -> None:
    """Call functions between two quantisers of one step."""
    graph = model.graph
    constants = {i.name: i for i in graph.initializer}
    producer = {name: node for node in graph.node for name in node.output}
    nodes: list[NodeProto] = []
    functions: dict[str, FunctionProto] = {}
    given: dict[str, list[str]] = {}
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "QuantizeLinear":
            continue
        middle = producer.get(node.input[0])
        before = producer.get(middle.input[0]) if middle is not None else None
        if middle is None or before is None or before.op_type != "DequantizeLinear":
            continue
        step, other = (numpy_helper.to_array(constants[n.input[1]]) for n in (before, node))
        users = [n for n in graph.node if middle.output[0] in n.input]
        if step.shape or step != other or len(users) != 1 or not _has_function(middle, constants):
            continue
        kind = middle.op_type
        if kind not in functions:
            functions[kind], values = parse(DOMAIN, kind, BODIES[kind])
            given[kind] = [f"{kind}_{number}" for number in range(len(values))]
            graph.initializer.extend(
                numpy_helper.from_array(value, name)
                for value, name in zip(values, given[kind], strict=True)
            )
        inputs, outputs = [before.input[0], *given[kind]], [node.output[0]]
        nodes[-1] = helper.make_node(kind, inputs, outputs, domain=DOMAIN)
        nodes.remove(middle)
    del graph.node[:]
    graph.node.extend(nodes)
    prune(graph)
    add_functions(model, DOMAIN, functions.values())


def _has_function(node: NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    if node.op_type == "Relu":
        return True
    if node.op_type != "Resize" or len(node.input) < 3 or node.input[2] not in constants:
        return False
    about = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    nearest = (
        about.get("mode", b"nearest"),  # the default, which `export.qdq.shorten` leaves out
        about.get("coordinate_transformation_mode"),
        about.get("nearest_mode"),
    )
    factors = numpy_helper.to_array(constants[node.input[2]]).tolist()
    return nearest == (b"nearest", b"asymmetric", b"floor") and factors == TWICE
