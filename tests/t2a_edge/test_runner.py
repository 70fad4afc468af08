import base64

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from t2a_edge.runner import FOUR_PRODUCTS, int8_sums_saturate, session_options

EXACT = 4 * 255 * 127


def four_products(options: onnxruntime.SessionOptions) -> np.ndarray:
    content = base64.b64decode(FOUR_PRODUCTS)
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"a": np.full((1, 4), 255, np.uint8)})
    return sums


def test_the_graph_of_four_products_is_what_it_is_said_to_be():
    graph = onnx.load_from_string(base64.b64decode(FOUR_PRODUCTS)).graph
    assert [node.op_type for node in graph.node] == ["MatMulInteger"]
    weight = numpy_helper.to_array(graph.initializer[0])
    assert (weight.dtype, weight.shape) == (np.int8, (4, 16))
    assert (weight == 127).all()


def test_saturation_is_seen_where_it_is():
    plain = onnxruntime.SessionOptions()
    assert int8_sums_saturate() == bool((four_products(plain) != EXACT).any())


def test_our_sessions_add_exactly_on_any_processor():
    assert (four_products(session_options(threads=1)) == EXACT).all()
