"""The six engines behind one interface, whatever runs them.

With N positions of depth D, T numbers a word, M forms, and P indices of all scales:

    text       bytes of words                      -> a vector a word
    forms      words, noise (B, M), crops          -> a form (B, 64, 64)
    painter    noisy latents (B, N, D), form, words -> clean latents (B, N, D)
    composer   latents (B, N, D)                   -> indices (B, P)
    encoder    indices (B, P)                      -> latents (B, N, D)
    decoder    indices (B, P)                      -> pixels
"""

import base64
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from t2a_edge.bundle import ENGINES, engine_file
from t2a_edge.checks import MAX_THREADS, whole_number
from t2a_edge.documents import read_bytes
from t2a_edge.errors import BundleError, ClosedError, OptionError
from t2a_edge.fork import in_child_processes, keep_for_ever
from t2a_edge.form import SIDE
from t2a_edge.interface import Shape, Tensors, fits, written
from t2a_edge.manifest import MOST_FILE_BYTES
from t2a_edge.onnx_runtime import onnx_runtime

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}
EXTERNAL = b"location"  # the key that every tensor has whose numbers are in another file

FOUR_PRODUCTS = (
    "CAoSADqUAQoYCgFhCgFiEgF5Ig1NYXRNdWxJbnRlZ2VyEgFwKksIBAgQEANCAWJKQH9/f39/f39/f39/f39/f39/"
    "f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39/f39aEwoBYRIOCgwIAhIICgIIAQoC"
    "CARiEwoBeRIOCgwIBhIICgIIAQoCCBBCBAoAEBQ="
)
"""An ONNX graph: y = MatMulInteger(a, b), a (1, 4) uint8, b (4, 16) int8, all 127; in base64."""


class FormInputs(NamedTuple):
    """What the forms engine is given.

    Attributes:
        text_embedding: (B, W, T).
        word_weights: (B, W); 0 is no word, below 0 a word to avoid.
        noise: (B, M), standard Gumbel times the temperature.
        crop: (B, 2) numbers of the windows down and across, see
            `t2a_edge.form.resampling_matrices`.
    """

    text_embedding: Float32Array
    word_weights: Float32Array
    noise: Float32Array
    crop: Int64Array


class PainterInputs(NamedTuple):
    """What the painter engine is given for one step.

    Attributes:
        latents: (B, N, D), 1 - level parts of a picture and level parts of noise.
        level: (B,) in (0, 1].
        form: (B, 64, 64) of spread 1, 1 - form_level parts of a form and form_level parts of noise.
        form_level: (B,) in [0, 1].
        guidance: (B,) how far the words are followed, 0 to 8; 1 is the model's own strength.
        text_embedding: (B, W, T).
        word_weights: (B, W); 0 is no word, below 0 a word to avoid.
    """

    latents: Float32Array
    level: Float32Array
    form: Float32Array
    form_level: Float32Array
    guidance: Float32Array
    text_embedding: Float32Array
    word_weights: Float32Array


class Runner(ABC):
    """Runs the six engines; a context manager that frees them."""

    @abstractmethod
    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """text_bytes (B, W, L) uint8 -> text_embedding (B, W, T) float32."""

    @abstractmethod
    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """Choose and cut a form.

        Returns:
            form (B, 64, 64) float32 of about spread 1, and which one it is of, (B,).
        """

    @abstractmethod
    def painter(self, inputs: PainterInputs) -> Float32Array:
        """Predict the clean latents, (B, N, D) float32."""

    @abstractmethod
    def composer(self, latents: Float32Array) -> Int64Array:
        """Latents (B, N, D) -> indices of all scales (B, P), coarse to fine."""

    @abstractmethod
    def encoder(self, indices: Int64Array) -> Float32Array:
        """Indices (B, P) -> latents (B, N, D) float32."""

    @abstractmethod
    def decoder(self, indices: Int64Array) -> UInt8Array:
        """Indices (B, P) -> (B, H, W, 3) uint8 sRGB."""

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


class OnnxRunner(Runner):
    """Runs a bundle's engines with ONNX Runtime on the processor.

    Several threads may use one at once. A process that is forked off loads the engines again when
    it first draws, as the threads of the old ones are not there; on a GPU that cannot be.

    Args:
        folder: holds the engines, `text.onnx` and so on.
        names: which to load.
        threads: cores that one operation may use, 1 to 256.
        provider: "cpu", or "cuda" where the installed onnxruntime has it.

    Raises:
        OptionError: `threads` is out of range, or the provider is not to be had.
        BundleError: an engine is missing or cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str] = ENGINES,
        *,
        threads: int = 1,
        provider: str = "cpu",
    ) -> None:
        self._threads = whole_number("The number of threads", threads, 1, MAX_THREADS)
        if provider not in available_providers():
            raise OptionError(
                f"The provider is {provider!r}; the installed onnxruntime has "
                f"{', '.join(available_providers())}. Name one of these, or install another."
            )
        self._provider, self._closed, self._forked = provider, False, False
        self._paths = {name: folder.absolute() / engine_file(name) for name in names}
        self._sessions = self._loaded()
        self._declared = {
            name: {tensor: shape for tensor, (_, shape) in tensors.outputs.items()}
            for name, tensors in self.tensors.items()
        }
        self._versions = {name: _version(path) for name, path in self._paths.items()}
        self._loading = threading.Lock()
        in_child_processes(self)

    def _loaded(self) -> dict[str, Any]:
        return {
            name: _session(path, self._threads, PROVIDERS[self._provider])
            for name, path in self._paths.items()
        }

    @property
    def tensors(self) -> dict[str, Tensors]:
        """Each engine's inputs and outputs."""
        return {name: _tensors(self._session(name)) for name in self._paths}

    def forked(self) -> None:
        """Let go of the parent's engines: their threads are not in this process."""
        keep_for_ever(self._sessions)
        self._sessions, self._loading, self._forked = {}, threading.Lock(), True

    def _session(self, engine: str) -> Any:
        session = self._sessions.get(engine)
        if session is not None:
            return session
        if self._closed or not self._forked:
            raise ClosedError("The engines were closed; load the model again.")
        if self._provider != "cpu":
            raise ClosedError(
                f"The engines were loaded on {self._provider} before this process was forked, "
                "which a forked process cannot use; load the model after the fork, or take "
                "multiprocessing's start method spawn."
            )
        with self._loading:
            if engine not in self._sessions:  # else another thread was faster
                for name, path in self._paths.items():
                    if _version(path) != self._versions[name]:
                        raise BundleError(
                            f"{path} has changed since it was loaded; load the model again."
                        )
                self._sessions = self._loaded()
            return self._sessions[engine]

    def _run(
        self, engine: str, inputs: dict[str, Any], outputs: Mapping[str, Shape]
    ) -> dict[str, Any]:
        """Run an engine; a BundleError where an output is not of the shape that it says or should.

        Args:
            outputs: name -> shape; None is an axis that the engine's own words tell.
        """
        session = self._session(engine)
        try:
            results = session.run(list(outputs), inputs)
        except Exception as exc:  # ONNX Runtime raises its own classes, all below Exception
            reason = " ".join(str(exc).split())[:200]
            raise BundleError(
                f"The engine {engine_file(engine)} cannot run ({reason}); "
                "restore or export it again."
            ) from exc
        found = dict(zip(outputs, results, strict=True))
        for name, wanted in outputs.items():
            for shape in (wanted, self._declared[engine][name]):
                if not fits(found[name].shape, shape):
                    raise BundleError(
                        f"The engine {engine_file(engine)} gives {name} of shape "
                        f"{found[name].shape}; expected {written(shape)}. "
                        "Restore or export it again."
                    )
        return found

    def text(self, text_bytes: UInt8Array) -> Float32Array:
        """See `Runner.text`."""
        shape = {"text_embedding": (*text_bytes.shape[:2], None)}
        found = self._run("text", {"text_bytes": text_bytes}, shape)
        embedding: Float32Array = found["text_embedding"]
        return embedding

    def forms(self, inputs: FormInputs) -> tuple[Float32Array, Int64Array]:
        """See `Runner.forms`."""
        batch = len(inputs.crop)
        shapes = {"form": (batch, SIDE, SIDE), "choice": (batch,)}
        found = self._run("forms", inputs._asdict(), shapes)
        return found["form"], found["choice"]

    def painter(self, inputs: PainterInputs) -> Float32Array:
        """See `Runner.painter`."""
        shape = {"clean": inputs.latents.shape}
        clean: Float32Array = self._run("painter", inputs._asdict(), shape)["clean"]
        return clean

    def composer(self, latents: Float32Array) -> Int64Array:
        """See `Runner.composer`."""
        shape = {"indices": (len(latents), None)}
        indices: Int64Array = self._run("composer", {"latents": latents}, shape)["indices"]
        return indices

    def encoder(self, indices: Int64Array) -> Float32Array:
        """See `Runner.encoder`."""
        shape = {"latents": (len(indices), None, None)}
        latents: Float32Array = self._run("encoder", {"indices": indices}, shape)["latents"]
        return latents

    def decoder(self, indices: Int64Array) -> UInt8Array:
        """See `Runner.decoder`."""
        shape = {"pixels": (len(indices), None, None, 3)}
        pixels: UInt8Array = self._run("decoder", {"indices": indices}, shape)["pixels"]
        return pixels

    def close(self) -> None:
        """Drop the sessions; one that runs in another thread ends first. Twice does nothing."""
        self._closed = True
        self._sessions = {}


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
    try:
        content = read_bytes(path, MOST_FILE_BYTES)
    except FileNotFoundError as exc:
        raise BundleError(
            f"The bundle has no {path.name}; expected it in {path.parent}. Restore it."
        ) from exc
    except OSError as exc:
        raise BundleError(f"{path} cannot be read ({exc.strerror}); restore it.") from exc
    if EXTERNAL in content:
        raise BundleError(
            f"{path} has weights in other files, or names something {EXTERNAL.decode()!r}; "
            "expected an engine that is whole. Export it again."
        )
    onnxruntime = onnx_runtime()  # here, not above: it is most of the start-up time
    try:
        session = onnxruntime.InferenceSession(
            content, session_options(threads), providers=[provider]
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


def _version(path: Path) -> tuple[int, ...]:
    """What changes where a file is replaced or written to."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _tensors(session: Any) -> Tensors:
    inputs, outputs = (
        {found.name: (TYPES.get(found.type, found.type), tuple(found.shape)) for found in tensors}
        for tensors in (session.get_inputs(), session.get_outputs())
    )
    return Tensors(inputs, outputs)
