"""Which integer kernels ONNX Runtime runs for an engine, after its own optimisation."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from export.compose import WEIGHTS, all_nodes
from t2a_edge.errors import ExportError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.runner import session_options

KINDS = {"MatMulIntegerToFloat": "linear", "QLinearConv": "conv"}
INTEGER_KERNELS = {
    "conv": ("QLinearConv",),
    "linear": ("MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "DynamicQuantizeMatMul"),
}


def optimised_operators(content: bytes) -> Counter[str]:
    """Operators that ONNX Runtime really runs for a graph, those within loops included."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "optimised.onnx"
        options = session_options(threads=1)
        options.optimized_model_filepath = str(target)
        onnx_runtime().InferenceSession(content, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(target).graph
    return Counter(node.op_type for node in all_nodes(graph.node))


def check_integer_kernels(name: str, model: onnx.ModelProto) -> dict[str, int]:
    """Count the integer kernels in the session's optimised graph.

    Returns:
        "conv" and "linear": how many run in integers.

    Raises:
        ExportError: one that the graph has is not run.
    """
    expected = dict.fromkeys(INTEGER_KERNELS, 0)
    for node in all_nodes(model.graph.node):
        if node.op_type in WEIGHTS:
            expected[KINDS[node.op_type]] += 1
    operators = optimised_operators(model.SerializeToString())
    found = {kind: sum(operators[o] for o in names) for kind, names in INTEGER_KERNELS.items()}
    if found != expected:
        raise ExportError(
            f"The {name} engine runs {found['conv']} of {expected['conv']} convolutions and "
            f"{found['linear']} of {expected['linear']} linear layers in integer kernels; expected "
            "all. Check the installed onnxruntime against pyproject.toml."
        )
    return found
