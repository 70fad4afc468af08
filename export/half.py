"""Float16 forms of float graphs, for GPUs and for half the bytes."""

import copy
import warnings
from collections.abc import Collection

import onnx

from export.compose import all_nodes
from t2a_edge.onnx_runtime import onnx_runtime

KEPT_IN_FLOAT32 = ("LayerNormalization", "Softmax", "DequantizeLinear")


def half_form(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in float16 and takes and gives float32, as the float graph does.

    Norms and softmax stay in float32: their sums leave float16's range or lose its few digits.
    """
    half = halved(copy.deepcopy(model), KEPT_IN_FLOAT32)
    onnx.checker.check_model(half)
    return half


def halved(model: onnx.ModelProto, kept: Collection[str]) -> onnx.ModelProto:
    """The model itself with its float parts as float16; inputs and outputs keep their types.

    Args:
        kept: operators that go on in float32.
    """
    float16 = onnx_runtime("transformers.float16")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one for each constant that float16 rounds to zero
        half: onnx.ModelProto = float16.convert_float_to_float16(
            model, keep_io_types=True, op_block_list=list(kept)
        )
    onnx_model = onnx_runtime("transformers.onnx_model")
    onnx_model.OnnxModel(half).topological_sort()  # the casts stand at the end
    for node in all_nodes(half.graph.node):
        node.name = ""
    del half.graph.value_info[:]
    return half
