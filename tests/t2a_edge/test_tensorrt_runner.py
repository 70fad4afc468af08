"""The runner without a GPU: TensorRT, CUDA's runtime and the driver are stood in for.

The stand-in for TensorRT takes an ONNX file for an engine and computes it with ONNX Runtime, from
and into "device memory": bytes that only the stand-in for CUDA hands out. So what the runner does
between the two is checked number by number: shapes, addresses, copies, their order.
"""

import copy
import ctypes
import enum
import hashlib
import importlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from t2a_edge import TextToArt, gpu, tensorrt_runner
from t2a_edge.bundle import ENGINES, Bundle, engine_file, load_bundle
from t2a_edge.engine_header import (
    EngineHeader,
    ShapeRange,
    TensorInfo,
    engine_path,
    operating_system,
    processor,
    read_header,
    write_header,
)
from t2a_edge.errors import BundleError, ClosedError, OptionError
from t2a_edge.providers import TENSORRT_FOLDER
from t2a_edge.runner import session_options
from t2a_edge.spec import Spec
from t2a_edge.tensorrt_runner import TensorRtRunner, load_engines

VERSION = "1.7.1.116"
DTYPES = {
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
SPEC = Spec(
    image_size=32, scales=(1, 2, 4, 8), codebook_size=32, code_dim=8, max_words=8, max_bytes=32,
    depth=4, forms=6,
)  # fmt: skip


class FakeDriver:
    """libcuda, as far as it is asked."""

    def __init__(self, init=0, gpus=1, capability=(8, 6)):
        self.init, self.gpus, self.capability = init, gpus, capability

    def cuInit(self, flags):  # noqa: N802 - CUDA's names
        return self.init

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = self.gpus
        return 0

    def cuDeviceGet(self, handle, device):  # noqa: N802
        handle._obj.value = device
        return 0 if 0 <= device < self.gpus else 101

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = self.capability[{75: 0, 76: 1}[attribute]]
        return 0

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = 13010
        return 0


class Code(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815


class FakeCuda(ModuleType):
    """CUDA's runtime: device memory is blocks of bytes at addresses of their own."""

    def __init__(self):
        super().__init__("cuda.bindings.runtime")
        self.blocks, self.streams, self.waits, self.limit = {}, set(), 0, 2**40
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
        self.device = None

    def cudaSetDevice(self, device):  # noqa: N802
        self.device = device
        return (Code.cudaSuccess,)

    def cudaStreamCreate(self):  # noqa: N802
        self.streams.add(7)
        return Code.cudaSuccess, 7

    def cudaStreamDestroy(self, stream):  # noqa: N802
        self.streams.remove(stream)
        return (Code.cudaSuccess,)

    def cudaStreamSynchronize(self, stream):  # noqa: N802
        assert stream in self.streams
        self.waits += 1
        return (Code.cudaSuccess,)

    def cudaMalloc(self, size):  # noqa: N802
        if size > self.limit:
            return Code.cudaErrorMemoryAllocation, None
        block = ctypes.create_string_buffer(size)
        self.blocks[ctypes.addressof(block)] = block
        return Code.cudaSuccess, ctypes.addressof(block)

    def cudaFree(self, address):  # noqa: N802
        del self.blocks[address]
        return (Code.cudaSuccess,)

    def cudaMemcpyAsync(self, target, source, size, kind, stream):  # noqa: N802
        assert stream in self.streams
        device = target if kind == 1 else source
        assert size <= len(self.blocks[device])
        ctypes.memmove(target, source, size)
        return (Code.cudaSuccess,)


class FakeContext:
    def __init__(self, engine):
        self.engine, self.shapes, self.addresses, self.profile = engine, {}, {}, 0
        self.refused, self.missing, self.runs = (), [], True

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return name not in self.refused

    def set_tensor_address(self, name, address):
        assert address in self.engine.cuda.blocks
        self.addresses[name] = address
        return True

    def infer_shapes(self):
        zeros = {n: np.zeros(self.shapes[n], self.engine.dtypes[n]) for n in self.engine.inputs}
        results = self.engine.session.run(None, zeros)
        for name, result in zip(self.engine.outputs, results, strict=True):
            self.shapes[name] = result.shape
        return self.missing

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def set_optimization_profile_async(self, number, stream):
        self.profile = number
        return True

    def execute_async_v3(self, stream):
        assert stream in self.engine.cuda.streams
        given = {name: self._view(name).copy() for name in self.engine.inputs}
        for name, result in zip(
            self.engine.outputs, self.engine.session.run(None, given), strict=True
        ):
            self._view(name)[...] = result
        return self.runs

    def _view(self, name):
        block = self.engine.cuda.blocks[self.addresses[name]]
        shape, dtype = self.shapes[name], np.dtype(self.engine.dtypes[name])
        return np.frombuffer(block, dtype, count=int(np.prod(shape))).reshape(shape)


class FakeEngine:
    def __init__(self, cuda, content):
        self.cuda = cuda
        self.session = onnxruntime.InferenceSession(
            content, session_options(1), providers=["CPUExecutionProvider"]
        )
        values = [*self.session.get_inputs(), *self.session.get_outputs()]
        self.names = [value.name for value in values]
        self.inputs = self.names[: len(self.session.get_inputs())]
        self.outputs = self.names[len(self.inputs) :]
        self.dtypes = {value.name: DTYPES[value.type] for value in values}
        self.axes = {
            v.name: tuple(n if isinstance(n, int) else -1 for n in v.shape) for v in values
        }
        self.num_io_tensors = len(values)

    def get_tensor_name(self, number):
        return self.names[number]

    def get_tensor_dtype(self, name):
        return self.dtypes[name]

    def get_tensor_shape(self, name):
        return self.axes[name]

    def create_execution_context(self):
        self.context = FakeContext(self)
        return self.context


def fake_tensorrt(cuda):
    """A module like tensorrt_rtx."""
    trt = ModuleType("tensorrt_rtx")
    trt.__version__, trt.engines = VERSION, []

    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    class ILogger:
        def log(self, severity, text):
            raise NotImplementedError

    ILogger.Severity = Severity

    class Runtime:
        engine_host_code_allowed = False

        def __init__(self, logger):
            self.logger = logger
            trt.runtime = self

        def deserialize_cuda_engine(self, content):
            if content.startswith(b"foreign"):
                self.logger.log(Severity.ERROR, "Serialization assertion failed")
                self.logger.log(Severity.INFO, "nothing to see")
                return None
            trt.engines.append(FakeEngine(cuda, content))
            return trt.engines[-1]

    trt.ILogger, trt.Runtime, trt.nptype = ILogger, Runtime, np.dtype
    return trt


@pytest.fixture
def machine(monkeypatch):
    """A machine with a GPU of compute capability 8.6, TensorRT and CUDA's runtime."""
    cuda = FakeCuda()
    trt = fake_tensorrt(cuda)
    monkeypatch.setattr(gpu, "_driver", FakeDriver)
    monkeypatch.setattr(tensorrt_runner, "cuda_major", lambda module: 12)
    monkeypatch.setattr(tensorrt_runner, "_LOGGERS", {})
    real = importlib.import_module

    def imported(name, *rest):
        known = {"tensorrt_rtx": trt, "tensorrt": trt, "cuda.bindings.runtime": cuda}
        return known[name] if name in known else real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", imported)
    return SimpleNamespace(cuda=cuda, trt=trt)


def small_graph():
    """indices (batch, 2) int64 and rows (rows, 2) float32 -> their product, twice the first."""
    nodes = [
        helper.make_node("Cast", ["indices"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["rows"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["as_float", "turned"], ["product"]),
        helper.make_node("Add", ["indices", "indices"], ["twice"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("indices", TensorProto.INT64, ["batch", 2]),
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["rows", 2]),
        ],
        [
            helper.make_tensor_value_info("product", TensorProto.FLOAT, ["batch", "rows"]),
            helper.make_tensor_value_info("twice", TensorProto.INT64, ["batch", 2]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def range_of(axes, most):
    """From 0 to `most` along free axes."""
    ends = [tuple(free if axis < 0 else axis for axis in axes) for free in (0, most, most)]
    return ShapeRange(*ends)


def write_engine(folder, name, content, spec, sources, **values):
    """An engine that is an ONNX file, and its header."""
    shown = FakeEngine(None, content)
    tensors = [TensorInfo(n, shown.dtypes[n], shown.axes[n]) for n in shown.names]
    inputs = tuple(t for t in tensors if t.name in shown.inputs)
    header = EngineHeader(
        engine=name,
        backend="rtx",
        backend_version=VERSION,
        targets=("SM86",),
        compatibility="none",
        version_compatible=False,
        cuda_major=12,
        os=operating_system(),
        processor=processor(),
        precision="int8",
        float_type="float16",
        inputs=inputs,
        outputs=tuple(t for t in tensors if t.name in shown.outputs),
        profiles=({t.name: range_of(t.shape, 8) for t in inputs},),
        sources=sources,
        options=("--backend", "rtx", "--target", "SM86"),
        graph_sha256="",
        engine_sha256=hashlib.sha256(content).hexdigest(),
        engine_bytes=len(content),
        weight_memory_bytes=0,
        bundle="",
        spec=spec.to_json(),
    )
    engine_path(folder, name).write_bytes(content)
    write_header(engine_path(folder, name), replace(header, **values))


@pytest.fixture
def bundle(tmp_path):
    return Bundle(tmp_path / "base-int8", SPEC, (), "int8", "", {"files": {}})


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "rtx-int8"
    path.mkdir()
    write_engine(path, "small", small_graph().SerializeToString(), SPEC, {})
    return path


@pytest.fixture
def small(machine, folder, bundle):
    loaded, memory = load_engines(folder, bundle, ("small",))
    yield loaded["small"]
    loaded["small"].close()
    memory.close()


def inputs(batch=3, rows=5):
    rng = np.random.default_rng(batch)
    return {
        "indices": rng.integers(0, 9, (batch, 2)),
        "rows": rng.normal(size=(rows, 2)).astype(np.float32),
    }


def check(found, given):
    np.testing.assert_allclose(found["product"], given["indices"] @ given["rows"].T, atol=1e-4)
    np.testing.assert_array_equal(found["twice"], 2 * given["indices"])


def test_numbers_go_in_and_come_out(small, machine):
    given = inputs()
    found = small.run(given)
    check(found, given)
    assert found["product"].dtype == np.float32
    assert found["twice"].dtype == np.int64
    assert machine.cuda.waits == 1
    assert machine.cuda.device == 0


def test_shapes_may_change_from_run_to_run_and_buffers_grow_with_them(machine, folder, bundle):
    write_engine(
        folder, "small", small_graph().SerializeToString(), SPEC, {},
        profiles=({"indices": ShapeRange((0, 2), (1, 2), (500, 2)),
                   "rows": ShapeRange((0, 2), (1, 2), (500, 2))},),
    )  # fmt: skip
    loaded, memory = load_engines(folder, bundle, ("small",))
    for batch, rows in [(1, 1), (400, 300), (2, 7), (400, 1), (0, 3)]:
        given = inputs(batch, rows)
        check(loaded["small"].run(given), given)
    assert len(machine.cuda.blocks) == 4  # one for each tensor, however often it grew
    memory.close()
    memory.close()
    assert not machine.cuda.blocks
    assert not machine.cuda.streams


def test_an_empty_tensor_has_an_address_of_its_own(small, machine):
    small.run(inputs(batch=0))
    addresses = machine.trt.engines[0].context.addresses
    assert len(set(addresses.values())) == len(addresses) == 4


def test_a_transposed_array_is_laid_out_anew(small):
    given = inputs()
    given["rows"] = np.asfortranarray(given["rows"])
    check(small.run(given), given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (inputs(batch=9), r"indices has the shape \(9, 2\); it was built for \(0-8, 2\)"),
        ({**inputs(), "rows": np.zeros((2, 3), np.float32)}, r"rows has the shape \(2, 3\)"),
        ({**inputs(), "rows": np.zeros((2, 2))}, "rows was given as float64; expected float32"),
        ({"rows": inputs()["rows"]}, "indices was not given; expected int64"),
    ],
)
def test_an_input_that_does_not_fit_is_told(small, given, told):
    with pytest.raises(BundleError, match=f"engine small cannot run: {told}.*export.trt_build"):
        small.run(given)


def test_the_first_profile_that_holds_the_shapes_is_taken(machine, folder, bundle):
    little = {name: range_of((-1, 2), 2) for name in ("indices", "rows")}
    large = {name: range_of((-1, 2), 6) for name in ("indices", "rows")}
    content = small_graph().SerializeToString()
    write_engine(folder, "small", content, SPEC, {}, profiles=(little, large))
    loaded, _ = load_engines(folder, bundle, ("small",))
    chosen = []
    for batch in (1, 5, 6, 2):
        loaded["small"].run(inputs(batch, 1))
        chosen.append(machine.trt.engines[0].context.profile)
    assert chosen == [0, 1, 1, 0]
    with pytest.raises(BundleError, match=r"it was built for \(0-6, 2\)"):
        loaded["small"].run(inputs(7, 1))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"refused": ("rows",)}, r"refuses the shape \(5, 2\) of rows"),
        ({"missing": ["rows"]}, "misses the shapes of rows"),
        ({"runs": False}, "TensorRT cannot run it"),
    ],
)
def test_what_tensorrt_refuses_is_told(small, machine, fault, told):
    for name, value in fault.items():
        setattr(machine.trt.engines[0].context, name, value)
    with pytest.raises(BundleError, match=told):
        small.run(inputs())


def test_memory_that_is_not_to_be_had_is_told(small, machine):
    machine.cuda.limit = 0
    with pytest.raises(BundleError, match=r"CUDA refuses cudaMalloc .cudaErrorMemoryAllocation"):
        small.run(inputs())


def test_an_engine_that_cannot_be_loaded_is_told_with_tensorrt_s_reason(machine, folder, bundle):
    write_engine(folder, "other", small_graph().SerializeToString(), SPEC, {})
    foreign = b"foreign"
    engine_path(folder, "other").write_bytes(foreign)
    header = read_header(engine_path(folder, "other"))
    digest = hashlib.sha256(foreign).hexdigest()
    write_header(engine_path(folder, "other"), replace(header, engine_sha256=digest))
    with pytest.raises(BundleError, match="cannot be loaded by tensorrt_rtx") as caught:
        load_engines(folder, bundle, ("small", "other"))
    assert "Serialization assertion failed" in str(caught.value)
    assert "nothing to see" not in str(caught.value)
    assert not machine.cuda.blocks
    assert not machine.cuda.streams


def test_an_engine_with_other_tensors_than_its_header_is_told(machine, folder, bundle):
    header = read_header(engine_path(folder, "small"))
    write_header(engine_path(folder, "small"), replace(header, inputs=header.inputs[:1]))
    with pytest.raises(BundleError, match=r"has the inputs and outputs .*; its header names"):
        load_engines(folder, bundle, ("small",))


def test_a_version_compatible_engine_may_bring_its_own_runtime(machine, folder, bundle):
    content = small_graph().SerializeToString()
    load_engines(folder, bundle, ("small",))
    assert not machine.trt.runtime.engine_host_code_allowed
    write_engine(
        folder, "small", content, SPEC, {}, backend="tensorrt", version_compatible=True,
        backend_version="1.6.0",
    )  # fmt: skip
    load_engines(folder, bundle, ("small",))
    assert machine.trt.runtime.engine_host_code_allowed


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"backend_version": "1.7.0.1"}, r"tensorrt_rtx 1\.7\.0\.1; here it is 1\.7\.1\.116"),
        ({"targets": ("SM89",)}, "compute capability SM89; here it is SM86"),
        ({"os": "windows"}, "operating system windows"),
        ({"cuda_major": 13}, "CUDA major version 13; here it is 12"),
        ({"sources": {"small.onnx": "b" * 64}}, "stale"),
        ({"engine_sha256": "c" * 64}, "damaged"),
    ],
)
def test_headers_are_checked_before_anything_is_loaded(machine, folder, bundle, values, told):
    write_engine(
        folder, "small", small_graph().SerializeToString(), SPEC, **{"sources": {}, **values}
    )
    with pytest.raises(BundleError, match=told):
        load_engines(folder, bundle, ("small",))
    assert not machine.trt.engines


def test_a_missing_engine_is_told(machine, folder, bundle):
    with pytest.raises(BundleError, match=r"no text\.engine in"):
        TensorRtRunner(folder, bundle)


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        (None, r"no driver \((libcuda\.so\.1|nvcuda\.dll)\) is installed"),
        (FakeDriver(init=100), "the driver does not start .CUDA error 100"),
        (FakeDriver(gpus=0), "the driver sees no GPU"),
    ],
)
def test_without_a_driver_or_a_gpu_nothing_is_imported(
    monkeypatch, machine, folder, bundle, driver, told
):
    monkeypatch.setattr(gpu, "_driver", lambda: driver)
    monkeypatch.setattr(tensorrt_runner, "_tensorrt", None)
    with pytest.raises(OptionError, match=f"need an NVIDIA GPU.*{told}"):
        load_engines(folder, bundle, ("small",))


def test_another_gpu_than_there_is_is_told(machine, folder, bundle):
    with pytest.raises(OptionError, match="number is 3; expected 0 to 0"):
        load_engines(folder, bundle, ("small",), 3)


@pytest.mark.parametrize(
    ("backend", "told"),
    [("rtx", f"tensorrt_rtx {VERSION}.*pip install tensorrt-rtx-cu12=={VERSION}"),
     ("tensorrt", f"tensorrt {VERSION}.*pip install tensorrt=={VERSION}")],
)  # fmt: skip
def test_missing_tensorrt_is_told(monkeypatch, machine, folder, bundle, backend, told):
    write_engine(folder, "small", small_graph().SerializeToString(), SPEC, {}, backend=backend)

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(OptionError, match=told):
        load_engines(folder, bundle, ("small",))


def test_missing_cuda_for_python_is_told(monkeypatch, machine, folder, bundle):
    found = importlib.import_module

    def without_cuda(name):
        if name.startswith("cuda"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return found(name)

    monkeypatch.setattr(importlib, "import_module", without_cuda)
    with pytest.raises(OptionError, match="pip install cuda-python"):
        load_engines(folder, bundle, ("small",))


@pytest.mark.skipif(gpu._driver() is not None, reason="needs a machine without an NVIDIA driver")
def test_this_machine_s_missing_driver_is_found(folder, bundle):
    with pytest.raises(OptionError, match="no driver"):
        load_engines(folder, bundle, ("small",))


def test_the_major_version_of_cuda_is_in_the_package_s_name_or_the_driver_s(monkeypatch):
    packages = {"tensorrt_rtx": ["tensorrt_rtx_cu12"], "tensorrt": ["tensorrt"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: packages)
    monkeypatch.setattr(gpu, "_driver", FakeDriver)
    assert gpu.cuda_major("tensorrt_rtx") == 12
    assert gpu.cuda_major("tensorrt") == 13
    monkeypatch.setattr(gpu, "_driver", lambda: None)
    assert gpu.cuda_major("tensorrt") == 0


def write_engines(folder, bundle, **other):
    """Engines of a bundle; `other` names one to take in another's place."""
    folder.mkdir(exist_ok=True)
    for name in ENGINES:
        content = (bundle.folder / engine_file(other.get(name, name))).read_bytes()
        sources = {engine_file(other.get(name, name)): hashlib.sha256(content).hexdigest()}
        shown = FakeEngine(None, content)
        profile = {n: range_of(shown.axes[n], 300) for n in shown.inputs}
        write_engine(folder, name, content, bundle.spec, sources, profiles=(profile,))


def test_what_is_closed_or_forked_off_does_not_touch_the_gpu(machine, tiny_bundle, tmp_path):
    bundle, text = load_bundle(tiny_bundle), np.zeros((1, 8, 32), np.uint8)
    write_engines(tmp_path, bundle)
    runner = TensorRtRunner(tmp_path, bundle)
    runner.text(text)
    blocks = len(machine.cuda.blocks)
    forked = copy.copy(runner)
    forked.forked()  # as in a new process
    with pytest.raises(ClosedError, match="before this process was forked"):
        forked.text(text)
    forked.close()
    assert len(machine.cuda.blocks) == blocks
    runner.close()
    runner.close()
    assert not machine.cuda.blocks
    with pytest.raises(ClosedError, match="engines were closed"):
        runner.text(text)


def test_the_provider_holds_the_engines_against_the_spec(machine, tiny_bundle, tmp_path):
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    bundle = load_bundle(folder)
    write_engines(folder / TENSORRT_FOLDER, bundle)
    with TextToArt(folder, provider="tensorrt") as engine:
        assert engine.provider == "tensorrt"
    write_engines(folder / TENSORRT_FOLDER, bundle, decoder="text")
    with pytest.raises(BundleError, match="decoder has the inputs and outputs text_bytes"):
        TextToArt(folder, provider="tensorrt")
    assert not machine.cuda.blocks


def test_it_draws_what_onnx_runtime_draws(machine, tiny_bundle, tmp_path):
    bundle = load_bundle(tiny_bundle)
    write_engines(tmp_path, bundle)
    with (
        TextToArt(tiny_bundle) as plain,
        TextToArt(tiny_bundle, runner=TensorRtRunner(tmp_path, bundle)) as engine,
    ):
        for prompt in ("warm dark", "cool -striped"):
            expected, found = plain.generate(prompt, seed=3), engine.generate(prompt, seed=3)
            np.testing.assert_array_equal(found.indices, expected.indices)
            np.testing.assert_array_equal(found.pixels, expected.pixels)
        assert machine.cuda.blocks
    assert not machine.cuda.blocks
    assert not machine.cuda.streams


def test_the_module_imports_no_tensorrt():
    code = (
        "import sys, t2a_edge.tensorrt_runner; "
        "sys.exit(any(n.split('.')[0] in ('tensorrt', 'tensorrt_rtx', 'cuda') "
        "for n in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
