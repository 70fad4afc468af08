"""An NVIDIA GPU without a deep-learning library: its driver, what it is, and its memory."""

import ctypes
import importlib
import importlib.metadata
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import BundleError, OptionError

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # numbers of attributes, cuda.h
RUNTIMES = ("cuda.bindings.runtime", "cuda.cudart")  # newest first
LEAST_BYTES = 256  # of a buffer: an empty tensor wants an address too


def _driver() -> Any:
    """The driver's library, or None."""
    try:
        return ctypes.CDLL(DRIVER)
    except OSError:
        return None


def missing_driver() -> str:
    """What keeps this machine from using a GPU, as the end of a sentence; "" if nothing does."""
    driver = _driver()
    if driver is None:
        return f"no driver ({DRIVER}) is installed"
    code = driver.cuInit(0)
    if code:
        return f"the driver does not start (CUDA error {code})"
    count = ctypes.c_int()
    code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code or count.value < 1:
        return "the driver sees no GPU"
    return ""


def check_driver() -> None:
    """Raise an OptionError if this machine cannot use a GPU."""
    missing = missing_driver()
    if missing:
        raise OptionError(
            f"TensorRT engines need an NVIDIA GPU and its driver; here {missing}. "
            "Run them on a machine with one, or draw with ONNX Runtime (--provider cpu)."
        )


def compute_capability(device: int = 0) -> str:
    """Of a GPU, "SM86" for 8.6.

    Raises:
        OptionError: there is no driver, or no GPU of this number.
    """
    check_driver()
    driver, handle = _driver(), ctypes.c_int()
    if driver.cuDeviceGet(ctypes.byref(handle), device):
        count = ctypes.c_int()
        driver.cuDeviceGetCount(ctypes.byref(count))
        raise OptionError(
            f"The GPU's number is {device}; expected 0 to {count.value - 1}. Name one of these."
        )
    parts = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, handle)
        parts.append(value.value)
    return f"SM{parts[0]}{parts[1]}"


def cuda_major(module: str) -> int:
    """The CUDA that a TensorRT package is built for: from its name, else the driver's; 0 unknown.

    Args:
        module: as it is imported, "tensorrt" or "tensorrt_rtx".
    """
    for name in importlib.metadata.packages_distributions().get(module, []):
        found = re.search(r"cu(\d+)", name)
        if found:
            return int(found[1])
    driver, version = _driver(), ctypes.c_int()
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)):
        return 0
    return version.value // 1000


class Memory:
    """A stream and named buffers on one GPU; a buffer grows as it is needed and is kept.

    Args:
        device: number of the GPU.

    Raises:
        OptionError: no package with CUDA's runtime is installed.
        BundleError: CUDA refuses, as every method.
    """

    def __init__(self, device: int = 0) -> None:
        self._cuda = _runtime()
        self._buffers: dict[str, tuple[int, int]] = {}  # name to address and bytes
        self._call("cudaSetDevice", device)
        self.stream: int = int(self._call("cudaStreamCreate"))

    def _call(self, function: str, *arguments: Any) -> Any:
        """Call CUDA's runtime: its result, if it has one."""
        code, *results = getattr(self._cuda, function)(*arguments)
        if int(code):
            name = getattr(code, "name", str(code))
            raise BundleError(
                f"CUDA refuses {function} ({name}); expected a GPU with enough free memory. "
                "End other programs on it, or draw with ONNX Runtime."
            )
        return results[0] if results else None

    def reserve(self, name: str, size_bytes: int) -> int:
        """The address of a buffer with at least so many bytes."""
        address, held = self._buffers.get(name, (0, 0))
        wanted = max(size_bytes, LEAST_BYTES)
        if held < wanted:
            if address:
                del self._buffers[name]
                self._call("cudaFree", address)
            address = int(self._call("cudaMalloc", wanted))
            self._buffers[name] = (address, wanted)
        return address

    def upload(self, name: str, array: npt.NDArray[Any]) -> int:
        """Copy a C-contiguous array into a buffer, in the order of the stream; its address."""
        address = self.reserve(name, array.nbytes)
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice")
        return address

    def download(self, name: str, array: npt.NDArray[Any]) -> None:
        """Copy a buffer into a C-contiguous array, in the order of the stream."""
        address, _ = self._buffers[name]
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost")

    def _copy(self, target: int, source: int, size_bytes: int, kind: str) -> None:
        if size_bytes:
            direction = getattr(self._cuda.cudaMemcpyKind, kind)
            self._call("cudaMemcpyAsync", target, source, size_bytes, direction, self.stream)

    def wait(self) -> None:
        """Wait until all that was put into the stream is done."""
        self._call("cudaStreamSynchronize", self.stream)

    def close(self) -> None:
        """Free the buffers and the stream; a second time does nothing."""
        for address, _ in self._buffers.values():
            self._call("cudaFree", address)
        self._buffers.clear()
        if self.stream:
            self._call("cudaStreamDestroy", self.stream)
            self.stream = 0


def _runtime() -> ModuleType:
    """CUDA's runtime for Python."""
    for name in RUNTIMES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError, RuntimeError):  # installed without its library, perhaps
            continue
    raise OptionError(
        "TensorRT engines need CUDA's runtime for Python to hold their data on the GPU; expected "
        f"one of the modules {', '.join(RUNTIMES)}. Install it with `pip install cuda-python`."
    )


def empty(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """A C-contiguous array to download into."""
    return np.empty(shape, dtype=np.dtype(dtype))
