"""Engines are really built where `tensorrt_rtx` is installed: it needs no GPU."""

import enum
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import trt_build, trt_worker
from export.gpu import NotAvailableError
from export.trt_build import axis_ranges, build_engines, profile_of, run_job
from export.trt_options import BuildOptions
from export.trt_worker import Job, build, weight_memory
from t2a_edge import gpu, tensorrt_runner
from t2a_edge.bundle import ENGINES, engine_file, load_bundle
from t2a_edge.command import run_command
from t2a_edge.engine_header import check_engine, engine_path, read_header
from t2a_edge.errors import ExportError, OptionError
from t2a_edge.layout import CHUNK

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None,
    reason="needs TensorRT for RTX: pip install -e '.[rtx]'",
)
needs_no_driver = pytest.mark.skipif(
    bool(not gpu.missing_driver()), reason="needs a machine without an NVIDIA GPU"
)
ONE = BuildOptions(targets=("SM86",))


def run(capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    with pytest.raises(SystemExit) as ended:
        run_command(trt_build.trt_build, list(map(str, arguments)))
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def small_model(nodes, outputs, constants=(), inputs=None):
    inputs = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])]
    graph = helper.make_graph(nodes, "small", inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def scaled_model():
    nodes = [helper.make_node("Mul", ["x", "factor"], ["y"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])]
    return small_model(nodes, outputs, [numpy_helper.from_array(np.float32(2), "factor")])


def small_job(folder, model, **values):
    (folder / "small.onnx").write_bytes(model.SerializeToString())
    usual = {
        "backend": "rtx",
        "graph": str(folder / "small.onnx"),
        "engine": str(folder / "small.engine"),
        "answer": str(folder / "small.answer.json"),
        "profiles": [{"x": [[1, 4], [2, 4], [3, 4]]}],
        "targets": ["SM86"],
    }
    return Job(**(usual | values))


# ---- options


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"backend": "cuda"}, "--backend is 'cuda'; expected one of rtx, tensorrt"),
        ({"targets": ("SM90",)}, "--target is 'SM90'; TensorRT for RTX builds for SM75, SM80"),
        ({"targets": ()}, "--target is not given"),
        ({"backend": "tensorrt", "targets": ("SM86",)}, "--target is SM86 with --backend tensorrt"),
        ({"float_type": "int4"}, "--float-type is 'int4'"),
        ({"max_pictures": 0}, "--max-pictures is 0; expected 1 to 64"),
        ({"level": 6}, "--level is 6; expected -1 to 5"),
        ({"timeout_s": 0}, "--timeout-s is 0"),
        ({"hardware": "all"}, "--hardware is 'all'"),
        ({"hardware": "ampere-plus"}, "--hardware is given with --backend rtx"),
        ({"version_compatible": True}, "--version-compatible is given with --backend rtx"),
        ({"timing_cache": Path("t")}, "--timing-cache is given with --backend rtx"),
    ],
)
def test_options_that_do_not_fit_are_told(values, told):
    with pytest.raises(OptionError, match=told):
        BuildOptions(**values)


def test_the_words_of_the_options_make_the_same_options():
    options = BuildOptions(
        backend="tensorrt", targets=(), names=("text",), fused=True, float_type="float32",
        max_pictures=2, hardware="ampere-plus", version_compatible=True, workspace_mib=64, level=5,
    )  # fmt: skip
    context = trt_build.trt_build.make_context("trt_build", list(options.words))
    values = {k: v for k, v in context.params.items() if k not in ("folder", "out")}
    assert BuildOptions(**values) == options
    assert BuildOptions().words[:4] == ("--backend", "rtx", "--target", "SM80")


def test_profiles_cover_what_a_runtime_asks_for(tiny_bundle):
    bundle = load_bundle(tiny_bundle)
    spec = bundle.spec
    ranges = axis_ranges(spec, len(bundle.vocabulary), CHUNK)
    found = {}
    for name in ENGINES:
        found[name] = profile_of(onnx.load(tiny_bundle / engine_file(name)).graph, ranges)
    most = CHUNK, 2 * spec.max_words  # a blend has the words of two prompts
    assert found["text"]["text_bytes"].holds((1, len(bundle.vocabulary), spec.max_bytes))
    assert found["text"]["text_bytes"].holds((*most, spec.max_bytes))
    for name in ("forms", "painter"):
        assert found[name]["word_weights"].holds(most)
        assert found[name]["word_weights"].holds((1, 1))
    for name in ("composer", "painter"):
        assert found[name]["latents"].holds((CHUNK, spec.side**2, spec.depth))
    assert found["decoder"]["indices"].holds((CHUNK, spec.positions))
    assert not found["decoder"]["indices"].holds((CHUNK + 1, spec.positions))


def test_a_free_axis_that_nobody_knows_is_told():
    with pytest.raises(ExportError, match="x has an axis 'batch'; expected one of rows"):
        profile_of(scaled_model().graph, {"rows": (1, 1, 1)})


# ---- what is refused before anything is built


def test_a_float_bundle_is_refused(tiny_bundles, tmp_path):
    bundle = load_bundle(tiny_bundles / "tiny-fp32")
    with pytest.raises(OptionError, match="a bundle in fp32; expected int8 or fp16"):
        build_engines(bundle, tmp_path / "out", ONE)
    bundle = load_bundle(tiny_bundles / "tiny-fp16")
    with pytest.raises(OptionError, match="--float-type is float32 with"):
        build_engines(bundle, tmp_path / "out", BuildOptions(float_type="float32"))
    assert not list(tmp_path.iterdir())


def test_a_missing_bundle_exits_with_2(capsys, tmp_path):
    code, out, said = run(capsys, "--bundle", tmp_path / "no", "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert said.startswith("error: No bundle at")
    assert said.count("\n") == 1


def test_a_folder_with_other_things_is_never_replaced(tiny_bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(OptionError, match="is no folder of engines"):
        build_engines(load_bundle(tiny_bundle), tmp_path / "out", ONE)
    assert (tmp_path / "out" / "diary.txt").read_text() == "mine"


def test_an_engine_that_the_bundle_lacks_is_told(tiny_bundle, tmp_path):
    with pytest.raises(OptionError, match="--engine is 'refiner'; this bundle has text, forms"):
        build_engines(load_bundle(tiny_bundle), tmp_path / "out", BuildOptions(names=("refiner",)))


@needs_no_driver
def test_full_tensorrt_without_a_gpu_exits_with_3_and_writes_nothing(capsys, tiny_bundle, tmp_path):
    code, out, said = run(
        capsys, "--bundle", tiny_bundle, "--out", tmp_path / "out", "--backend", "tensorrt"
    )
    assert (code, out) == (3, "")
    assert "needs an NVIDIA GPU and its driver; here no driver" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("backend", "install"),
    [("rtx", "pip install tensorrt-rtx-cu12"), ("tensorrt", "pip install tensorrt")],
)
def test_a_missing_package_exits_with_3_and_says_how_to_get_it(
    capsys, monkeypatch, tiny_bundle, tmp_path, backend, install
):
    monkeypatch.setattr("export.gpu.missing_driver", lambda: "")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, out, said = run(
        capsys, "--bundle", tiny_bundle, "--out", tmp_path / "out", "--backend", backend
    )
    assert (code, out) == (3, "")
    assert f"Install it with `{install}`" in said
    assert not list(tmp_path.iterdir())


# ---- the process that builds


def answering(text):
    """A worker that writes this as its answer."""
    return lambda job: [
        sys.executable, "-c",
        "import json, pathlib, sys; "
        "pathlib.Path(json.loads(pathlib.Path(sys.argv[1]).read_text())['answer'])"
        f".write_text({text!r})", str(job),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with SIGSEGV"),
        ("import sys; sys.exit('no room')", r"ended with code 1 \(no room\)"),
        ("pass", r"ended with code 0 \(it said nothing\)"),
    ],
)
def test_a_crash_is_one_clear_error(tmp_path, code, told):
    job = small_job(tmp_path, scaled_model())
    with pytest.raises(ExportError, match=told) as caught:
        run_job("small", job, tmp_path, 60, lambda path: [sys.executable, "-c", code])
    assert "nothing was written" in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_build_that_takes_too_long_is_told(tmp_path):
    job = small_job(tmp_path, scaled_model())
    worker = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ExportError, match="was not built within 1 s"):
        run_job("small", job, tmp_path, 1, lambda path: worker)


def test_a_refusal_and_a_missing_package_are_told_apart(tmp_path):
    job = small_job(tmp_path, scaled_model())
    refused = answering(json.dumps({"error": "no such thing", "missing": False}))
    with pytest.raises(ExportError, match="cannot be built, nothing was written: no such thing"):
        run_job("small", job, tmp_path, 60, refused)
    missing = answering(json.dumps({"error": "not here", "missing": True}))
    with pytest.raises(NotAvailableError, match=r"^not here$"):
        run_job("small", job, tmp_path, 60, missing)


def test_a_package_that_cannot_be_imported_is_told_by_the_worker(tmp_path, monkeypatch):
    job = small_job(tmp_path, scaled_model())
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    trt_worker.main(tmp_path / "job.json")
    answer = json.loads((tmp_path / "small.answer.json").read_text())
    assert answer["missing"]
    assert "pip install tensorrt-rtx-cu12" in answer["error"]


def test_engines_of_before_stay_where_a_build_fails(tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(trt_build, "check_available", lambda options: None)
    engine_path(tmp_path / "out", "text").parent.mkdir()
    engine_path(tmp_path / "out", "text").write_bytes(b"of before")
    refused = answering(json.dumps({"error": "no", "missing": False}))
    with pytest.raises(ExportError, match="text engine cannot be built"):
        build_engines(load_bundle(tiny_bundle), tmp_path / "out", ONE, refused)
    assert engine_path(tmp_path / "out", "text").read_bytes() == b"of before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_log_s_weight_memory_is_read():
    lines = ["[I] Total Weights Memory: 150016 bytes", "else", "Total Weights Memory: 78860 bytes"]
    assert weight_memory(lines) == 150016
    assert weight_memory([]) == 0


# ---- full TensorRT, stood in for: which options reach the builder


class Flag(enum.IntEnum):
    STRONGLY_TYPED = 1


def full_tensorrt(told, *, typed=True, cache_fits=True, engine=b"engine"):
    """A module like tensorrt 10, or 11, which has no flag for typing; notes what it is told."""

    class ILogger:
        Severity = enum.IntEnum("Severity", "ERROR WARNING INFO VERBOSE", start=1)

    class Builder:
        def __init__(self, logger):
            logger.log(ILogger.Severity.INFO, "Total Weights Memory: 42 bytes")
            logger.log(ILogger.Severity.ERROR, "no kernel fits")

        def create_network(self, flags):
            told["flags"] = flags
            x = SimpleNamespace(name="x", dtype="float32", shape=(-1, 4))
            y = SimpleNamespace(name="y", dtype="float16", shape=(-1, 4))
            return SimpleNamespace(
                num_inputs=1, num_outputs=1, get_input=[x].__getitem__, get_output=[y].__getitem__
            )

        def create_optimization_profile(self):
            return SimpleNamespace(
                set_shape=lambda name, *shapes: told.update(profile=(name, shapes))
            )

        def create_builder_config(self):
            cache = SimpleNamespace(serialize=lambda: b"new cache")
            return SimpleNamespace(
                add_optimization_profile=lambda profile: 0,
                set_flag=lambda flag: told.update(flag=flag),
                set_memory_pool_limit=lambda pool, size: told.update(pool=(pool, size)),
                create_timing_cache=lambda content: told.update(cache=content) or "cache",
                set_timing_cache=lambda cache, ignore_mismatch: cache_fits,
                get_timing_cache=lambda: cache,
            )

        def build_serialized_network(self, network, config):
            told["config"] = config
            return engine

    return SimpleNamespace(
        __name__="tensorrt",
        __version__="10.9.0.34",
        ILogger=ILogger,
        Builder=Builder,
        OnnxParser=lambda network, logger: SimpleNamespace(parse=lambda content: True),
        NetworkDefinitionCreationFlag=Flag if typed else SimpleNamespace(),
        BuilderFlag=SimpleNamespace(VERSION_COMPATIBLE="version compatible"),
        HardwareCompatibilityLevel=SimpleNamespace(AMPERE_PLUS="ampere and later"),
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        nptype=np.dtype,
    )


@pytest.fixture
def full_job(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorrt_runner, "_LOGGERS", {})
    return small_job(
        tmp_path, scaled_model(), backend="tensorrt", targets=[], hardware="ampere-plus",
        version_compatible=True, timing_cache=str(tmp_path / "cache"), workspace_mib=64, level=5,
    )  # fmt: skip


def test_the_options_of_full_tensorrt_reach_its_builder(full_job, tmp_path):
    (tmp_path / "cache").write_bytes(b"old cache")
    told = {}
    answer = build(full_tensorrt(told), full_job)
    assert answer["version"] == "10.9.0.34"
    assert answer["weight_memory_bytes"] == 42
    assert answer["outputs"] == [{"name": "y", "dtype": "float16", "shape": [-1, 4]}]
    assert told["flags"] == 1 << 1
    assert told["profile"] == ("x", ((1, 4), (2, 4), (3, 4)))
    assert told["flag"] == "version compatible"
    assert told["pool"] == ("workspace", 64 * 2**20)
    assert told["cache"] == b"old cache"
    assert told["config"].builder_optimization_level == 5
    assert told["config"].hardware_compatibility_level == "ampere and later"
    assert (tmp_path / "cache").read_bytes() == b"new cache"
    assert (tmp_path / "small.engine").read_bytes() == b"engine"


def test_tensorrt_11_needs_no_flag_for_typing(full_job):
    told = {}
    build(full_tensorrt(told, typed=False), full_job)
    assert told["flags"] == 0
    assert told["cache"] == b""


def test_a_timing_cache_of_another_version_is_told(full_job):
    with pytest.raises(ExportError, match=r"refuses the timing cache .*delete it or name another"):
        build(full_tensorrt({}, cache_fits=False), full_job)


def test_no_engine_is_told_with_tensorrt_s_reason(full_job, tmp_path):
    with pytest.raises(ExportError, match="cannot build it: no kernel fits"):
        build(full_tensorrt({}, engine=None), full_job)
    assert not (tmp_path / "small.engine").exists()


# ---- really built, with TensorRT for RTX


@pytest.fixture(scope="module")
def rtx_engines(tiny_bundles, tmp_path_factory):
    """Headers by precision and engine, and the folder; the INT8 engines with the fused graph."""
    folder = tmp_path_factory.mktemp("engines")
    headers = {}
    for precision in ("int8", "fp16"):
        bundle = load_bundle(tiny_bundles / f"tiny-{precision}")
        options = BuildOptions(targets=("SM80", "SM86"), fused=precision == "int8")
        built = build_engines(bundle, folder / precision, options)
        headers[precision] = {header.engine: header for header in built}
    return headers, folder


@needs_rtx
def test_every_engine_is_built_with_its_header(rtx_engines, tiny_bundle):
    headers, folder = rtx_engines
    bundle = load_bundle(tiny_bundle)
    names = (*ENGINES, "generator")
    assert tuple(headers["int8"]) == names
    expected = {f"{name}.engine{end}" for name in names for end in ("", ".json")}
    assert {path.name for path in (folder / "int8").iterdir()} == expected
    for name in names:
        path = engine_path(folder / "int8", name)
        header = read_header(path)
        assert header == headers["int8"][name]
        check_engine(header, path, bundle)
        assert header.backend_version.split(".")[0].isdigit()
        assert header.targets == ("SM80", "SM86")
        assert header.cuda_major in (12, 13)
        assert header.bundle == bundle.bundle_hash
    painter = headers["int8"]["painter"]
    graph = onnx.load(tiny_bundle / engine_file("painter")).graph
    assert [tensor.name for tensor in painter.inputs] == [value.name for value in graph.input]
    assert painter.profiles[0]["latents"].most[0] == CHUNK
    assert set(headers["int8"]["generator"].sources) == set(map(engine_file, ENGINES))


@needs_rtx
def test_int8_weights_take_less_memory_than_float16_ones(rtx_engines):
    headers, _ = rtx_engines
    for name in ("painter", "decoder"):
        int8, fp16 = (headers[p][name].weight_memory_bytes for p in ("int8", "fp16"))
        assert 0 < int8 < 0.8 * fp16  # half, and scales, which count in a model this tiny


@needs_rtx
def test_the_command_prints_the_folder_and_builds_the_same_again(
    capsys, tiny_bundle, tmp_path, rtx_engines
):
    headers, _ = rtx_engines
    code, out, said = run(
        capsys, "--bundle", tiny_bundle, "--out", tmp_path / "out", "--engine", "text",
        "--target", "SM80", "--target", "SM86",
    )  # fmt: skip
    assert code == 0, said
    assert out.strip() == str(tmp_path / "out")
    assert "text: " in said
    assert "weights" in said
    again = read_header(engine_path(tmp_path / "out", "text"))
    assert again.engine_sha256 == headers["int8"]["text"].engine_sha256


def compress():
    nodes = [helper.make_node("Compress", ["x", "kept"], ["y"], axis=1)]
    kept = numpy_helper.from_array(np.array([True, False, True, True]), "kept")
    return nodes, [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])], [kept]


def uint8_moved():
    nodes = [
        helper.make_node("Cast", ["x"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], ["y"], perm=[1, 0]),
    ]
    return nodes, [helper.make_tensor_value_info("y", TensorProto.UINT8, [4, "batch"])], []


@needs_rtx
@pytest.mark.parametrize(("parts", "operator"), [(compress, "Compress"), (uint8_moved, "Cast")])
def test_what_the_forms_are_for_the_parser_refuses_these(tmp_path, parts, operator):
    job = small_job(tmp_path, small_model(*parts()))
    with pytest.raises(ExportError, match=f"TensorRT's parser refuses .*{operator}"):
        run_job("small", job, tmp_path, 120, trt_build.worker_command)
    assert not (tmp_path / "small.engine").exists()


@needs_rtx
def test_double_is_taken_for_float32_without_a_word(tmp_path):
    """So the fused form stores its Gumbel table, which is computed in double elsewhere."""
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Log", ["wide"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["batch", 4])]
    job = small_job(tmp_path, small_model(nodes, outputs))
    answer = run_job("small", job, tmp_path, 120, trt_build.worker_command)
    assert answer["outputs"] == [{"name": "y", "dtype": "float32", "shape": [-1, 4]}]


@needs_rtx
def test_a_function_with_quantised_parts_is_refused_the_second_time(tmp_path):
    step = numpy_helper.from_array(np.float32(0.1), "step")
    zero = numpy_helper.from_array(np.int8(0), "zero")
    body = [
        helper.make_node("QuantizeLinear", ["a", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["b"]),
    ]
    function = helper.make_function(
        "own", "rounded", ["a", "s", "z"], ["b"], body, [helper.make_opsetid("", 20)]
    )
    nodes = [
        helper.make_node("rounded", ["x", "step", "zero"], ["once"], domain="own"),
        helper.make_node("Relu", ["once"], ["between"]),
        helper.make_node("rounded", ["between", "step", "zero"], ["y"], domain="own"),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])]
    model = small_model(nodes, outputs, [step, zero])
    model.functions.append(function)
    onnx.checker.check_model(model)
    with pytest.raises(ExportError, match=r"refuses QuantizeLinear: .*already in use"):
        run_job("small", small_job(tmp_path, model), tmp_path, 120, trt_build.worker_command)


@needs_rtx
def test_a_profile_that_cannot_be_is_told(tmp_path):
    job = small_job(tmp_path, scaled_model(), profiles=[{"x": [[3, 4], [2, 4], [1, 4]]}])
    with pytest.raises(ExportError, match="cannot be built, nothing was written"):
        run_job("small", job, tmp_path, 120, trt_build.worker_command)
