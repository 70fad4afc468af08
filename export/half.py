"""Float16 forms of float graphs, for GPUs and for half the bytes."""

import copy
import warnings

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

KEPT_IN_FLOAT32 = ("LayerNormalization", "Softmax", "DequantizeLinear")


def half_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in float16 and takes and gives float32, as the float graph does.

    Norms and softmax stay in float32: their sums leave float16's range or lose its few digits.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each constant that float16 rounds to zero
        half: onnx.ModelProto = convert_float_to_float16(
            copy.deepcopy(model), keep_io_types=True, op_block_list=list(KEPT_IN_FLOAT32)
        )
    OnnxModel(half).topological_sort()  # the casts stand at the end
    for node in half.graph.node:
        node.name = ""
    del half.graph.value_info[:]
    onnx.checker.check_model(half)
    return half
