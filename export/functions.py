"""Functions of our graphs: parts that every processor computes to the same bits.

Integer kernels are exact. The float operators between them are not: a sum depends on its order, a
product that is added on whether the processor rounds in between, and every library has an
exponential of its own. A difference in the last digit, rounded to 8 bits, is now and then one step;
from there on another picture is drawn. What is left is what IEEE 754 defines to the last bit, and
what is so much finer than the numbers it is rounded to that a difference is lost:

- Attention's products are of fixed-point numbers with so few bits that a float32 sum of them is
  exact in any order. Softmax is of float64, rounded to fixed-point shares.
- Gelu is a table of 8-bit numbers, those that the next layer takes.
- What a LayerNorm measures is of float64, rounded to float32 at the end.

A constant in the text becomes one more input, behind those that the text names: calls share it.
`export.plain_form` puts the operators back that a function stands for.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.parser
from onnx import FunctionProto, helper, numpy_helper

DOMAIN = "t2a_edge"
OPSET = 20
ALIGNED = 1.5 * 2.0**23  # plus this, minus this: rounded to whole numbers
SHARE_BITS = 13  # behind the point, of softmax

BODIES = {
    # x -> x + bias in whole multiples of a unit; far is 1.5 * 2^23 units, moved is far + bias
    "Rounded": """(x, moved, far) => (rounded) {
        sum = Add (x, moved)
        rounded = Sub (sum, far)
    }""",
    # (..., D) -> with a mean of 0 and a length of 1 along the last axis
    "Normal": """(x) => (y) {
        last = Constant <value_ints = [-1]> ()
        double = Cast <to = 11> (x)
        mean = ReduceMean <keepdims = 1> (double, last)
        centred = Sub (double, mean)
        normal = LpNormalization <axis = -1, p = 2> (centred)
        y = Cast <to = 1> (normal)
    }""",
    # (..., D) -> with a length of 1 along the last axis
    "Length": """(x) => (y) {
        double = Cast <to = 11> (x)
        normal = LpNormalization <axis = -1, p = 2> (double)
        y = Cast <to = 1> (normal)
    }""",
    # scores, and the bias of the keys in float64 -> shares, multiples of 2^-SHARE_BITS
    "Shares": f"""(scores, bias) => (shares) {{
        far = Constant <value = float {{{ALIGNED * 2.0**-SHARE_BITS}}}> ()
        double = Cast <to = 11> (scores)
        sum = Add (double, bias)
        share = Softmax <axis = -1> (sum)
        single = Cast <to = 1> (share)
        moved = Add (single, far)
        shares = Sub (moved, far)
    }}""",
    # places in a table, counted from its start and rounded down -> its 8-bit numbers
    "Gelu": """(places, table, last) => (y) {
        least = Constant <value = float {0}> ()
        within = Clip (places, least, last)
        number = Cast <to = 6> (within)
        y = Gather (table, number)
    }""",
    # the same of very many places: faster than a Gather; table (1, n), shape of the places
    "WideGelu": """(places, table, last, shape) => (y) {
        row = Constant <value_ints = [1, -1]> ()
        least = Constant <value = float {0}> ()
        within = Clip (places, least, last)
        number = Cast <to = 6> (within)
        flat = Reshape (number, row)
        found = GatherElements <axis = 1> (table, flat)
        y = Reshape (found, shape)
    }""",
    # (B, C, H, W) of 8 bits -> (B, C, 2 H, 2 W), each number four times
    "Enlarge": """(x, rows, columns) => (y) {
        last = Transpose <perm = [0, 2, 3, 1]> (x)
        down = Gather <axis = 1> (last, rows)
        across = Gather <axis = 2> (down, columns)
        y = Transpose <perm = [0, 3, 1, 2]> (across)
    }""",
}


@lru_cache
def parsed_function(name: str) -> tuple[FunctionProto, tuple[npt.NDArray[Any], ...]]:
    """A function of `BODIES`, and what its last inputs have to be given."""
    head = f'<domain: "{DOMAIN}", opset_import: ["" : {OPSET}]>'
    function: FunctionProto = onnx.parser.parse_function(f"{head} {name} {BODIES[name]}")
    constants = [node for node in function.node if node.op_type == "Constant"]
    nodes = [node for node in function.node if node.op_type != "Constant"]
    inputs = list(function.input)
    del function.node[:], function.input[:]
    function.node.extend(nodes)
    function.input.extend([*inputs, *(node.output[0] for node in constants)])
    return function, tuple(_value(node) for node in constants)


def _value(constant: onnx.NodeProto) -> npt.NDArray[Any]:
    about = constant.attribute[0]
    if about.name == "value":
        return numpy_helper.to_array(about.t)
    return np.array(helper.get_attribute_value(about), dtype=np.int64)  # value_ints
