import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from export.qdq import SMALLEST_TABLE, store_tables
from train.models.qat import on_int8_grid

ROWS, DIM = 64, 16
LONG = "model/layers.0/embedding/weight"


def random_table(rows=ROWS):
    return np.random.default_rng(1).normal(size=(rows, DIM)).astype(np.float32)


def int8_table(rows=ROWS):
    return on_int8_grid(torch.from_numpy(random_table(rows))).numpy()


def lookup_graph(table, *, also_added=False):
    """Rows of a table, and perhaps the table once more as an addend; then a shift."""
    shift = np.full(DIM, 0.25, dtype=np.float32)
    addend = LONG if also_added else "model/shift"
    nodes = [
        helper.make_node("Gather", [LONG, "indices"], ["model/rows"], name="model/gather"),
        helper.make_node("Add", ["model/rows", addend], ["vectors"], name="model/add"),
    ]
    count = len(table)
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("indices", TensorProto.INT64, [count])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [count, DIM])],
        [numpy_helper.from_array(table, LONG), numpy_helper.from_array(shift, "model/shift")],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model, rows=ROWS):
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (vectors,) = session.run(["vectors"], {"indices": np.arange(rows)[::-1].copy()})
    return vectors


def stored_types(model):
    return {i.name: i.data_type for i in model.graph.initializer}


def test_a_table_on_int8_steps_is_stored_in_8_bits_and_read_the_same():
    model = lookup_graph(int8_table())
    before, size = run(model), model.ByteSize()
    store_tables(model)
    assert stored_types(model)[f"{LONG}_steps"] == TensorProto.UINT8
    assert LONG not in stored_types(model)
    assert size - model.ByteSize() > 2.5 * ROWS * DIM
    np.testing.assert_allclose(run(model), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("table", "also_added"),
    [
        (random_table(), False),  # off the steps
        (int8_table(SMALLEST_TABLE // DIM - 1), False),  # too small
        (np.zeros((ROWS, DIM), dtype=np.float32), False),  # no step
        (int8_table(), True),  # more than a table
    ],
)
def test_other_constants_are_left_alone(table, also_added):
    model = lookup_graph(table, also_added=also_added)
    before = model.SerializeToString()
    assert store_tables(model).SerializeToString() == before


def test_a_table_of_indices_is_left_alone():
    nodes = [helper.make_node("Gather", ["table", "indices"], ["rows"])]
    graph = helper.make_graph(
        nodes,
        "lookup",
        [helper.make_tensor_value_info("indices", TensorProto.INT64, [4])],
        [helper.make_tensor_value_info("rows", TensorProto.INT64, [4])],
        [numpy_helper.from_array(np.arange(2 * SMALLEST_TABLE), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert set(stored_types(store_tables(model))) == {"table"}
