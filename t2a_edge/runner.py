"""The three engines behind one interface, whatever runs them."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from t2a_edge.bundle import Bundle, engine_file, engines
from t2a_edge.errors import BundleError, OptionError
from t2a_edge.onnx_runtime import onnx_runtime
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
KeysValues = tuple[Float32Array, Float32Array]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
MAX_THREADS = 256
TENSORRT_FOLDER = "tensorrt"  # of a bundle's folder, where engines for TensorRT are looked for

FOUR_PRODUCTS = (
    "CAoSADqUAQoYCgFhCgFiEgF5Ig1NYXRNdWxJbnRlZ2VyEgFwKksIBAgQEANCAWJKQH9/f39/f39/f39/f39/f39/"
    "f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39aEwoBYRIOCgwIAhIICgIIAQoC"
    "CARiEwoBeRIOCgwIBhIICgIIAQoCCBBCBAoAEBQ="
)
"""An ONNX graph: y = MatMulInteger(a, b), a (1, 4) uint8, b (4, 16) int8, all 127; in base64."""


class ScaleInputs(NamedTuple):
    """What the transformer engine is given for one scale.

    Attributes:
        indices: (B, T) of all coarser positions; at scale 0 one column of zeros.
        resample: (N, T), `t2a_edge.scales.context_matrix` of the scale.
        positions: (N,) numbers of the scale's positions, counted through all scales.
        text_embedding: (B, W, D).
        word_weights: (B, W); 0 is no word.
        past_keys, past_values: of the coarser positions, (layers, B, heads, P, hd) each.
    """

    indices: Int64Array
    resample: Float32Array
    positions: Int64Array
    text_embedding: Float32Array
    word_weights: Float32Array
    past_keys: Float32Array
    past_values: Float32Array


class RefinerInputs(NamedTuple):
    """What the refiner engine is given for one pass over one of its scales.

    Attributes:
        indices: (B, T) of all scales but the finest; those that are not coarser do not matter.
        resample: (side, A), `t2a_edge.scales.axis_matrices` of the scale.
        scale: (1,) which of the refiner's scales, counted from 0.
        drawn: (B, side, side) indices of the scale so far; -1 where none is drawn yet.
        text_embedding: (B, W, D).
        word_weights: (B, W); 0 is no word.
    """

    indices: Int64Array
    resample: Float32Array
    scale: Int64Array
    drawn: Int64Array
    text_embedding: Float32Array
    word_weights: Float32Array


class Runner(ABC):
    """Runs text, transformer, refiner and decoder; a context manager that frees them."""

    @abstractmethod
    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """text_bytes (B, W, L) uint8 -> text_embedding (B, W, D) float32."""

    @abstractmethod
    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """Predict one scale.

        Returns:
            logits (B, N, K), and keys and values with this scale's appended.
        """

    @abstractmethod
    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """Predict one of the finest scales: logits (B, side², K)."""

    @abstractmethod
    def decoder(self, indices: Int64Array) -> UInt8Array:
        """Indices of all scales (B, N) -> (B, H, W, 3) uint8 sRGB."""

    def close(self) -> None:  # noqa: B027 - a runner that holds nothing need not say so
        """Free what the runner holds; nothing by default."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def empty_past(spec: Spec, batch: int) -> KeysValues:
    """Keys and values before the first scale: (layers, B, heads, 0, hd) each."""
    shape = (spec.layers, batch, spec.heads, 0, spec.head_dim)
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32)


class OnnxRunner(Runner):
    """Runs a bundle's engines with ONNX Runtime on the processor.

    Args:
        folder: holds the engines, `text.onnx` and so on.
        names: which engines to load, `t2a_edge.bundle.engines` of the bundle's spec.
        threads: cores that one operation may use.
        provider: "cpu", or "cuda" where the installed onnxruntime has it.

    Raises:
        OptionError: `threads` is out of range, or the provider is not to be had.
        BundleError: an engine is missing or cannot be loaded.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], *, threads: int = 1, provider: str = "cpu"
    ) -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise OptionError(f"The threads are {threads}; expected 1 to {MAX_THREADS}.")
        if provider not in available_providers():
            raise OptionError(
                f"The provider is {provider!r}; the installed onnxruntime has "
                f"{', '.join(available_providers())}. Name one of these, or install another."
            )
        self._sessions = {
            name: _session(folder / engine_file(name), threads, PROVIDERS[provider])
            for name in names
        }

    def _run(self, engine: str, outputs: list[str] | None, inputs: dict[str, Any]) -> list[Any]:
        session = self._sessions[engine]
        try:
            results: list[Any] = session.run(outputs, inputs)
        except Exception as exc:  # ONNX Runtime raises its own classes, all below Exception
            reason = " ".join(str(exc).split())[:200]
            raise BundleError(
                f"The engine {engine_file(engine)} cannot run ({reason}); "
                "restore or export it again."
            ) from exc
        return results

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        embedding: Float32Array = self._run("text", None, {"text_bytes": text_bytes})[0]
        return embedding

    def transformer(self, inputs: ScaleInputs) -> tuple[Float32Array, KeysValues]:
        """See `Runner.transformer`."""
        outputs = ["logits", "keys", "values"]
        logits, keys, values = self._run("transformer", outputs, inputs._asdict())
        return logits, (keys, values)

    def refiner(self, inputs: RefinerInputs) -> Float32Array:
        """See `Runner.refiner`."""
        logits: Float32Array = self._run("refiner", None, inputs._asdict())[0]
        return logits

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        pixels: UInt8Array = self._run("decoder", None, {"indices": indices})[0]
        return pixels

    def close(self) -> None:
        """Drop the sessions."""
        self._sessions.clear()


def make_runner(bundle: Bundle, provider: str, threads: int) -> tuple[Runner, str]:
    """What runs a bundle's engines, and the name of the provider that was chosen.

    Args:
        provider: "cpu", "cuda", "tensorrt", or "auto": cuda where the installed onnxruntime has
            it, else cpu.

    Raises:
        OptionError: the provider is unknown, or is not to be had here.
        BundleError: an engine is missing or damaged.
    """
    if provider not in ("auto", "tensorrt", *PROVIDERS):
        raise OptionError(
            f"The provider is {provider!r}; expected auto, {', '.join(PROVIDERS)} or tensorrt."
        )
    if provider == "tensorrt":
        from t2a_edge.tensorrt_runner import TensorRtRunner

        return TensorRtRunner(bundle.folder / TENSORRT_FOLDER, bundle), provider
    chosen = provider
    if provider == "auto":
        chosen = "cuda" if "cuda" in available_providers() else "cpu"
    names = engines(bundle.spec)
    return OnnxRunner(bundle.folder, names, threads=threads, provider=chosen), chosen


@lru_cache(maxsize=1)
def int8_sums_saturate() -> bool:
    """Whether this processor's kernels for uint8 x int8 add in 16 bits, which saturate.

    Those of AVX2 and of AVX-512 without VNNI do. Four products are added to see it, in about 2 ms:
    ONNX Runtime's own answer is yes for every x86 processor, also where nothing saturates.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        base64.b64decode(FOUR_PRODUCTS), options, providers=["CPUExecutionProvider"]
    )
    (sums,) = session.run(None, {"a": np.full((1, 4), 255, np.uint8)})
    return bool((sums != 4 * 255 * 127).any())


def session_options(threads: int) -> Any:
    """ONNX Runtime's options as every session here uses them.

    Where sums of products saturate, weights become uint8 as the session is made: exact and slower.
    Source: onnxruntime_session_options_config_keys.h, "session.x64quantprecision".
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: what fails is raised, and told in one line
    if int8_sums_saturate():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def available_providers() -> list[str]:
    """Which of our providers the installed onnxruntime has: "cpu" always, "cuda" perhaps."""
    installed = onnx_runtime().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider in installed]


def _session(path: Path, threads: int, provider: str) -> Any:
    if not path.is_file():
        raise BundleError(
            f"The bundle has no {path.name}; expected it in {path.parent}. Restore it."
        )
    onnxruntime = onnx_runtime()  # here, not above: it is most of the start-up time
    try:
        session = onnxruntime.InferenceSession(
            str(path), session_options(threads), providers=[provider]
        )
    except Exception as exc:  # ONNX Runtime raises its own classes, all below Exception
        reason = " ".join(str(exc).split())[:200]
        raise BundleError(
            f"{path} cannot be loaded as an ONNX model ({reason}); restore or export it again."
        ) from exc
    if provider not in session.get_providers():  # ONNX Runtime goes on without, and says nothing
        raise OptionError(
            f"{provider} cannot be started here, so {path.name} would run on the processor; "
            "install what the provider needs, or take the provider cpu."
        )
    return session
