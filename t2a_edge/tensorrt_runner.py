"""The engines with TensorRT or TensorRT for RTX, behind the interface of `t2a_edge.runner`.

Engines come from `python -m export.trt_build`. Driver and headers are checked before TensorRT is
imported: it can end the process where there is no driver, and so can a foreign engine.
"""

import importlib
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from t2a_edge.bundle import ENGINES, Bundle
from t2a_edge.engine_header import (
    BACKENDS,
    EngineHeader,
    Machine,
    TensorInfo,
    check_engine,
    check_machine,
    engine_path,
    operating_system,
    processor,
    read_header,
    rebuild_command,
)
from t2a_edge.errors import BundleError, ClosedError, OptionError
from t2a_edge.fork import in_child_processes, keep_for_ever
from t2a_edge.gpu import Memory, check_driver, compute_capability, cuda_major, empty
from t2a_edge.interface import Tensors
from t2a_edge.runner import (
    Float32Array,
    FormInputs,
    Int64Array,
    PainterInputs,
    Runner,
    UInt8Array,
)

INSTALL = {
    "rtx": "pip install tensorrt-rtx-cu12",
    "tensorrt": "pip install tensorrt",
}
"""How to get what runs a backend's engines."""
GENERATOR = "generator"  # the fused graph's engine

MOST_CHARACTERS = 400  # of TensorRT's own words in a message
MOST_MESSAGES = 10_000  # that are kept; older ones are dropped

Array = npt.NDArray[Any]
_LOGGERS: dict[str, Any] = {}  # TensorRT knows one a process; it must outlive all else


def logger_of(trt: Any, least: str = "WARNING") -> Any:
    """The process's logger of a TensorRT module: keeps (severity, text) pairs in `messages`.

    Args:
        trt: the module.
        least: severity from which messages are kept: "VERBOSE", "INFO", "WARNING" or "ERROR".
    """
    if trt.__name__ not in _LOGGERS:
        kept = int(getattr(trt.ILogger.Severity, least))  # 0 is the worst

        class Log(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)
                self.messages: deque[tuple[str, str]] = deque(maxlen=MOST_MESSAGES)

            def log(self, severity: Any, text: str) -> None:
                if int(severity) <= kept:
                    self.messages.append((severity.name, text))

        _LOGGERS[trt.__name__] = Log()
    return _LOGGERS[trt.__name__]


def last_errors(logger: Any) -> str:
    """What a logger was told of errors, newest last, in one line."""
    found = [text for severity, text in logger.messages if "ERROR" in severity]
    return " ".join(" ".join(found[-3:]).split())[:MOST_CHARACTERS] or "it gave no reason"


class TensorRtEngine:
    """One loaded engine. The engines of a runner share a stream and have buffers of their own.

    Args:
        trt: the TensorRT module.
        path: the engine's file, checked.
        header: beside it.
        memory: on the GPU.
        rebuild: the command that builds it again, for messages.

    Raises:
        BundleError: TensorRT cannot load it, or it is not what the header says.
    """

    def __init__(
        self, trt: Any, path: Path, header: EngineHeader, memory: Memory, rebuild: str
    ) -> None:
        self.header, self._memory, self._rebuild = header, memory, rebuild
        logger = logger_of(trt)
        runtime = trt.Runtime(logger)
        if header.version_compatible:
            runtime.engine_host_code_allowed = True  # such an engine brings its own runtime
        self._engine = runtime.deserialize_cuda_engine(path.read_bytes())
        self._context: Any = None
        if self._engine is not None:
            self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BundleError(
                f"{path} cannot be loaded by {trt.__name__} {trt.__version__} "
                f"({last_errors(logger)}); build it again: {rebuild}"
            )
        self._runtime, self._profile = runtime, 0
        self._check_tensors(trt, path)

    def _check_tensors(self, trt: Any, path: Path) -> None:
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        dtypes = {n: np.dtype(trt.nptype(engine.get_tensor_dtype(n))).name for n in names}
        found = {n: (dtypes[n], tuple(engine.get_tensor_shape(n))) for n in names}
        told = (*self.header.inputs, *self.header.outputs)
        expected = {tensor.name: (tensor.dtype, tensor.shape) for tensor in told}
        if found != expected:
            raise BundleError(
                f"{path} has the inputs and outputs {found}; its header names {expected}. "
                f"Build it again: {self._rebuild}"
            )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run it once: copy in, compute, copy out, wait.

        Args:
            inputs: all of the header's, with its element types, within one of its profiles.

        Raises:
            BundleError: an input is not as the engine takes it, or TensorRT cannot run.
        """
        given = {t.name: self._checked(t, inputs) for t in self.header.inputs}
        context, memory = self._context, self._memory
        self._choose_profile(given)
        for name, array in given.items():
            address = memory.upload(self._buffer(name), array)
            if not context.set_input_shape(name, array.shape):
                self._fail(f"TensorRT refuses the shape {array.shape} of {name}")
            context.set_tensor_address(name, address)
        missing = context.infer_shapes()
        if missing:
            self._fail(f"TensorRT misses the shapes of {', '.join(missing)}")
        results = {}
        for tensor in self.header.outputs:
            shape = tuple(context.get_tensor_shape(tensor.name))
            if min(shape, default=0) < 0:
                self._fail(f"TensorRT leaves the shape {shape} of {tensor.name} open")
            results[tensor.name] = empty(shape, tensor.dtype)
            address = memory.reserve(self._buffer(tensor.name), results[tensor.name].nbytes)
            context.set_tensor_address(tensor.name, address)
        if not context.execute_async_v3(memory.stream):
            self._fail("TensorRT cannot run it")
        for name, array in results.items():
            memory.download(self._buffer(name), array)
        memory.wait()
        return results

    def _buffer(self, tensor: str) -> str:
        return f"{self.header.engine}.{tensor}"

    def _checked(self, tensor: TensorInfo, inputs: Mapping[str, Array]) -> Array:
        if tensor.name not in inputs:
            self._fail(f"{tensor.name} was not given; expected {tensor.dtype}")
        array = inputs[tensor.name]
        if array.dtype != np.dtype(tensor.dtype):
            self._fail(f"{tensor.name} was given as {array.dtype}; expected {tensor.dtype}")
        return np.ascontiguousarray(array)

    def _choose_profile(self, given: Mapping[str, Array]) -> None:
        """Take the first profile that holds all shapes."""
        shapes = {name: array.shape for name, array in given.items()}
        for number, profile in enumerate(self.header.profiles):
            outside = [name for name, built in profile.items() if not built.holds(shapes[name])]
            if not outside:
                if number != self._profile:
                    self._context.set_optimization_profile_async(number, self._memory.stream)
                    self._profile = number
                return
        name = outside[0]
        self._fail(f"{name} has the shape {shapes[name]}; it was built for {profile[name]}")

    def _fail(self, what: str) -> NoReturn:
        raise BundleError(
            f"The engine {self.header.engine} cannot run: {what}. If it should, build it again, "
            f"with larger limits perhaps: {self._rebuild}"
        )

    def close(self) -> None:
        """Drop the context, then the engine, then the runtime."""
        self._context = self._engine = self._runtime = None


def load_engines(
    folder: Path, bundle: Bundle, names: tuple[str, ...], device: int = 0
) -> tuple[dict[str, TensorRtEngine], Memory]:
    """Check and load engines of a folder.

    Args:
        folder: what `python -m export.trt_build` wrote.
        bundle: that they were built from.
        names: which; "generator" is the fused graph's.
        device: number of the GPU.

    Returns:
        The engines by name, and the GPU memory that they share.

    Raises:
        OptionError: driver, TensorRT or CUDA's runtime for Python are missing.
        BundleError: an engine is missing, damaged, stale or foreign.
    """
    check_driver()
    headers = {name: read_header(engine_path(folder, name)) for name in names}
    for name, header in headers.items():
        check_engine(header, engine_path(folder, name), bundle)
    trt = _tensorrt(next(iter(headers.values())))
    for name, header in headers.items():
        machine = this_machine(trt, header, device)
        check_machine(header, machine, engine_path(folder, name), bundle)
    memory = Memory(device)
    loaded: dict[str, TensorRtEngine] = {}
    try:
        for name, header in headers.items():
            rebuild = rebuild_command(header, bundle.folder, folder)
            path = engine_path(folder, name)
            loaded[name] = TensorRtEngine(trt, path, header, memory, rebuild)
    except BaseException:
        for engine in loaded.values():
            engine.close()
        memory.close()
        raise
    return loaded, memory


def _tensorrt(header: EngineHeader) -> Any:
    module = BACKENDS[header.backend]
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as exc:
        reason = " ".join(str(exc).split())[:200]
        raise OptionError(
            f"The engines need {module} {header.backend_version}, which cannot be imported "
            f"({reason}). Install it with "
            f"`{INSTALL[header.backend]}=={header.backend_version}`."
        ) from exc


def this_machine(trt: Any, header: EngineHeader, device: int) -> Machine:
    """What engines are held against."""
    return Machine(
        backend_version=trt.__version__,
        cuda_major=cuda_major(BACKENDS[header.backend]),
        os=operating_system(),
        processor=processor(),
        compute_capability=compute_capability(device),
    )


def _tensors(header: EngineHeader) -> Tensors:
    inputs, outputs = (
        {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors}
        for tensors in (header.inputs, header.outputs)
    )
    return Tensors(inputs, outputs)


class TensorRtRunner(Runner):
    """Runs a bundle's engines with TensorRT.

    Arrays come from and go to the computer's memory at every call. Threads take turns, as the
    engines share a stream and buffers; a process that is forked off gets a ClosedError, since it
    cannot use the GPU of its parent.

    Args:
        folder: what `python -m export.trt_build` wrote.
        bundle: that they were built from.
        device: number of the GPU.

    Raises:
        OptionError: driver, TensorRT or CUDA's runtime for Python are missing.
        BundleError: an engine is missing, damaged, stale or foreign.

    >>> TextToArt(bundle, runner=TensorRtRunner(folder, load_bundle(bundle)))  # doctest: +SKIP
    """

    def __init__(self, folder: Path | str, bundle: Bundle, *, device: int = 0) -> None:
        self._engines, self._memory = load_engines(Path(folder), bundle, ENGINES, device)
        self.tensors = {name: _tensors(engine.header) for name, engine in self._engines.items()}
        self._turn, self._gone = threading.Lock(), ""
        in_child_processes(self)

    def forked(self) -> None:
        """Let go of the parent's engines and of its GPU."""
        keep_for_ever((self._engines, self._memory))
        self._engines, self._turn = {}, threading.Lock()
        self._gone = (
            "The engines were loaded on the GPU before this process was forked, which a forked "
            "process cannot use; load the model after the fork, or take multiprocessing's start "
            "method spawn."
        )

    def _run(self, engine: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        with self._turn:
            if self._gone:
                raise ClosedError(self._gone)
            return self._engines[engine].run(inputs)

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        return self._run("text", {"text_bytes": text_bytes})["text_embedding"]

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        found = self._run("forms", inputs._asdict())
        return found["form"], found["choice"]

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        return self._run("painter", inputs._asdict())["clean"]

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        return self._run("composer", {"latents": latents})["indices"]

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        return self._run("encoder", {"indices": indices})["latents"]

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        return self._run("decoder", {"indices": indices})["pixels"]

    def close(self) -> None:
        """Drop the engines and free the GPU's memory; a second time does nothing."""
        with self._turn:
            if self._gone:
                return
            self._gone = "The engines were closed; load the model again."
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
            self._memory.close()
