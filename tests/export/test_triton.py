import importlib.util
import json
import subprocess
import sys
from concurrent import futures
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.pack import METADATA, export_fused
from export.triton import (
    CONFIG,
    MODEL,
    ServerOptions,
    config_from_text,
    export_triton,
    model_config,
    read_fused,
    text_from_config,
)
from t2a_edge import TextToArt
from t2a_edge.errors import OptionError

SPEC = {"max_words": 3, "max_bytes": 4, "guidance_scale": 2.0, "temperature": 1.0}
ABOUT = {"spec": SPEC, "precision": "int8", "bundle": "0123abcd", "licence": "Apache-2.0"}
PAGE = Path(__file__).parents[2] / "docs" / "triton.md"

needs_schema = pytest.mark.skipif(
    importlib.util.find_spec("tritonclient") is None or importlib.util.find_spec("grpc") is None,
    reason="needs tritonclient with gRPC: pip install -e '.[triton]'",
)


def small_fused(first_axis="batch", about=ABOUT, word_axes=(3, 4)):
    """Seeds as pixels: a graph with the inputs of a fused one, of every kind that it has."""
    inputs = [
        helper.make_tensor_value_info("text_bytes", TensorProto.UINT8, [first_axis, *word_axes]),
        helper.make_tensor_value_info("seed", TensorProto.INT64, [first_axis]),
        helper.make_tensor_value_info("guidance_scale", TensorProto.FLOAT, [first_axis]),
    ]
    nodes = [
        helper.make_node("Cast", ["seed"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["as_float", "guidance_scale"], ["product"]),
        helper.make_node("Cast", ["product"], ["numbers"], to=TensorProto.UINT8),
        helper.make_node("ReduceMax", ["text_bytes", "last"], ["most"], keepdims=0),
        helper.make_node("Unsqueeze", ["numbers", "end"], ["column"]),
        helper.make_node("Max", ["most", "column"], ["pixels"]),
    ]
    constants = [
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("end", TensorProto.INT64, [1], [1]),
    ]
    outputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [first_axis, 3])]
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if about is not None:
        helper.set_model_props(model, {METADATA: json.dumps(about)})
    onnx.checker.check_model(model)
    return model


@pytest.fixture
def fused(tmp_path):
    path = tmp_path / "small-int8.onnx"
    onnx.save(small_fused(), path)
    return path


def options(**values):
    return ServerOptions(**{"name": "small", **values})


def shapes_of_requests(config):
    """Input name -> shape of one picture as clients send it."""
    return {value.name: tuple(value.dims) for value in config.input}


def as_the_graph_sees(config, name, value):
    """What the server does to an input before it reaches the graph: a reshape, where it is told."""
    described = next(i for i in config.input if i.name == name)
    if not described.HasField("reshape"):
        return value
    return value.reshape(len(value), *described.reshape.shape)


# ---- what is written


@needs_schema
def test_the_configuration_says_what_the_file_says(fused):
    config = model_config(read_fused(fused), options())
    assert shapes_of_requests(config) == {
        "text_bytes": (3, 4), "seed": (1,), "guidance_scale": (1,),
    }  # fmt: skip
    kinds = {value.name: value.data_type for value in (*config.input, *config.output)}
    names = type(config.input[0]).DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    assert {k: names[v].name for k, v in kinds.items()} == {
        "text_bytes": "TYPE_UINT8", "seed": "TYPE_INT64", "guidance_scale": "TYPE_FP32",
        "pixels": "TYPE_UINT8",
    }  # fmt: skip
    assert config.backend == "onnxruntime"
    assert dict(config.metric_tags) == {"precision": "int8", "bundle": "0123abcd"}
    assert json.loads(config.parameters["t2a_edge.spec"].string_value) == SPEC
    assert config.parameters["t2a_edge.licence"].string_value == "Apache-2.0"


@needs_schema
def test_the_options_are_in_the_configuration(fused):
    chosen = options(
        max_batch_size=16, preferred_batch_sizes=(16, 4), queue_delay_us=500, device="gpu",
        instances=2, gpus=(0, 1), threads=3,
    )  # fmt: skip
    config = config_from_text(text_from_config(model_config(read_fused(fused), chosen)))
    assert config.max_batch_size == 16
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 16]
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    (group,) = config.instance_group
    assert (group.Kind.Name(group.kind), group.count, list(group.gpus)) == ("KIND_GPU", 2, [0, 1])
    assert config.parameters["intra_op_thread_count"].string_value == "3"


@needs_schema
def test_a_free_axis_is_told_as_any_size(tmp_path):
    path = tmp_path / "free.onnx"
    onnx.save(small_fused(word_axes=(3, "bytes")), path)
    config = model_config(read_fused(path), options())
    assert shapes_of_requests(config)["text_bytes"] == (3, -1)


@needs_schema
def test_the_repository_is_what_the_server_reads(fused, tmp_path):
    folder = export_triton(fused, tmp_path / "models", options())
    assert folder == tmp_path / "models" / "small"
    files = {str(p.relative_to(tmp_path / "models")) for p in folder.rglob("*") if p.is_file()}
    assert files == {f"small/{CONFIG}", f"small/{MODEL}"}
    assert (folder / MODEL).read_bytes() == fused.read_bytes()
    config = config_from_text((folder / CONFIG).read_text(encoding="utf-8"))
    assert config == model_config(read_fused(fused), options())
    assert config.default_model_filename == Path(MODEL).name
    assert config.name == folder.name  # else the server refuses it


@needs_schema
def test_another_model_of_the_repository_stays(fused, tmp_path):
    for name, threads in (("one", 1), ("two", 1), ("one", 2)):
        export_triton(fused, tmp_path / "models", options(name=name, threads=threads))
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == ["one", "two"]
    config = config_from_text((tmp_path / "models" / "one" / CONFIG).read_text(encoding="utf-8"))
    assert config.parameters["intra_op_thread_count"].string_value == "2"


# ---- what the server will do with it


@needs_schema
@pytest.mark.parametrize("batch", [1, 8])
def test_requests_as_told_fit_the_graph(fused, batch):
    config = model_config(read_fused(fused), options())
    session = onnxruntime.InferenceSession(fused, providers=["CPUExecutionProvider"])
    types = {"tensor(uint8)": np.uint8, "tensor(int64)": np.int64, "tensor(float)": np.float32}
    kinds = {value.name: types[value.type] for value in session.get_inputs()}
    request = {
        name: np.ones((batch, *shape), kinds[name])
        for name, shape in shapes_of_requests(config).items()
    }
    given = {name: as_the_graph_sees(config, name, value) for name, value in request.items()}
    (pixels,) = session.run(["pixels"], given)
    assert pixels.shape == (batch, *config.output[0].dims)


@needs_schema
def test_the_example_in_the_documentation_draws_what_the_library_draws(
    tiny_bundle, tmp_path, monkeypatch
):
    """Over gRPC, with the server's own protocol; the server is a stand-in of a few lines."""
    fused = tmp_path / "base-int8.onnx"
    export_fused(tiny_bundle, fused)
    folder = export_triton(fused, tmp_path / "models", options(name="base-int8"))
    example = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    server, port = stand_in(folder)
    names: dict = {}
    try:
        exec(example.replace("localhost:8001", f"localhost:{port}"), names)  # noqa: S102
        names["client"].close()
    finally:
        server.stop(None).wait()
    with TextToArt(tiny_bundle) as engine:
        art = engine.generate("warm dark:1.4 -busy", seed=7)
    np.testing.assert_array_equal(names["pixels"], art.pixels)


def stand_in(folder):
    """Answers as Triton would, one request a run; returns the gRPC server and its port."""
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc
    from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

    config = config_from_text((folder / CONFIG).read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(folder / MODEL, providers=["CPUExecutionProvider"])

    class Service(service_pb2_grpc.GRPCInferenceServiceServicer):
        def ModelConfig(self, request, context):  # noqa: N802
            return service_pb2.ModelConfigResponse(config=config)

        def ModelInfer(self, request, context):  # noqa: N802
            given = {}
            for described, raw in zip(request.inputs, request.raw_input_contents, strict=True):
                value = np.frombuffer(raw, triton_to_np_dtype(described.datatype))
                assert described.shape[1:] == next(
                    i.dims for i in config.input if i.name == described.name
                )
                value = value.reshape(described.shape)
                given[described.name] = as_the_graph_sees(config, described.name, value)
            answer = service_pb2.ModelInferResponse(model_name=request.model_name)
            outputs = [value.name for value in config.output]
            for name, value in zip(outputs, session.run(outputs, given), strict=True):
                kind = np_to_triton_dtype(value.dtype)
                answer.outputs.add(name=name, datatype=kind, shape=value.shape)
                answer.raw_output_contents.append(value.tobytes())
            return answer

    server = grpc.server(futures.ThreadPoolExecutor(1))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    return server, port


# ---- what cannot be used


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "a b"}, "name is 'a b'; expected letters"),
        ({"name": ""}, "name is ''"),
        ({"name": ".."}, "name is '..'"),
        ({"max_batch_size": 0}, "--max-batch-size is 0; expected a whole number from 1"),
        ({"preferred_batch_sizes": (9,)}, "--preferred is 9; expected 1 to --max-batch-size"),
        ({"queue_delay_us": -1}, "--queue-delay-us is -1"),
        ({"instances": 0}, "--instances is 0"),
        ({"threads": -1}, "--threads is -1"),
        ({"device": "tpu"}, "--device is 'tpu'; expected one of cpu, gpu, auto"),
        ({"gpus": (0,)}, "--gpu is 0 with --device cpu"),
    ],
)
def test_options_that_cannot_be_used_are_told(values, told):
    with pytest.raises(OptionError, match=told):
        options(**values)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (small_fused(about=None), "does not describe itself"),
        (small_fused(about=[1]), "does not describe itself"),
        (small_fused(first_axis=1), r"text_bytes of type UINT8 and shape \[1, 3, 4\]"),
        (b"no model", "cannot be read as an ONNX model"),
        (None, "cannot be read as an ONNX model"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(model, told, tmp_path):
    path = tmp_path / "given.onnx"
    if model is not None:
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(OptionError, match=told):
        read_fused(path)


@needs_schema
def test_something_else_of_that_name_is_not_replaced(fused, tmp_path):
    kept = tmp_path / "models" / "small" / "thesis.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    with pytest.raises(OptionError, match=r"is there and has no config\.pbtxt"):
        export_triton(fused, tmp_path / "models", options())
    assert kept.read_text() == "kept"


@needs_schema
def test_nothing_is_left_of_a_repository_that_could_not_be_written(fused, tmp_path, monkeypatch):
    folder = export_triton(fused, tmp_path / "models", options())
    before = (folder / CONFIG).read_text()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="no space left"):
        export_triton(fused, tmp_path / "models", replace(options(), threads=4))
    assert (folder / CONFIG).read_text() == before
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["small"]


@needs_schema
def test_a_text_that_is_not_of_the_schema_is_told():
    with pytest.raises(OptionError, match="is not of Triton's schema"):
        config_from_text("max_batch: 8")


def test_a_missing_client_is_one_sentence(fused, monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient.grpc.model_config_pb2", None)
    with pytest.raises(OptionError, match=r"Install it with `pip install -e '\.\[triton\]'`"):
        model_config(read_fused(fused), options())


def test_the_command_prints_the_folder_or_one_line(fused, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "export.triton", "--fused", fused, "--out", tmp_path / "models",
             *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    wrong = run("--max-batch-size", "0")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: --max-batch-size is 0; ")
    assert len(wrong.stderr.splitlines()) == 1
    if importlib.util.find_spec("tritonclient") is not None:
        done = run("--max-batch-size", "2")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == str(tmp_path / "models" / "small-int8")
