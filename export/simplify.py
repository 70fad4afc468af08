"""Do at export what ONNX Runtime would do at every start: fold constants, drop what has no effect.

Its basic optimisation keeps to standard operators, so that the graph stays one for any runtime and
any machine; what depends on the processor is still done when a session is made.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from export.exact import exact_form
from export.kernels import kernel_form
from export.qdq import cpu_form, shorten, store_tables, without_zero_points
from t2a_edge.onnx_runtime import onnx_runtime

SIMPLIFIED = ("text", "transformer", "refiner", "query", "painter")  # a decoder loads no faster


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as ONNX Runtime's basic optimisation leaves it: the same values."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "simplified.onnx"
        onnxruntime = onnx_runtime()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4  # fatal only: what fails is raised
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        after = onnx.load(target)
    del after.graph.value_info[:]
    del after.opset_import[:]
    after.opset_import.extend(model.opset_import)  # it lists every domain that it knows
    return after


def integer_form(name: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """An engine's tidy Q/DQ graph in integer kernels, its float operators as they were."""
    graph = cpu_form(store_tables(model))
    if name in SIMPLIFIED:
        graph = shorten(simplified(graph))
    return without_zero_points(kernel_form(graph))


def packed_form(name: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """An engine's tidy Q/DQ graph as a bundle has it."""
    return exact_form(integer_form(name, model))
