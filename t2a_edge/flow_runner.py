"""The engines of the generator that decides the whole picture at once, behind one interface.

With N positions of depth D, T numbers a word, M forms, and P indices of all scales:

    text       bytes of words                      -> a vector a word
    forms      words, noise (B, M), crops          -> a form (B, 64, 64)
    painter    noisy latents (B, N, D), form, words -> clean latents (B, N, D)
    composer   latents (B, N, D)                   -> indices (B, P)
    encoder    indices (B, P)                      -> latents (B, N, D)
    decoder    indices (B, P)                      -> pixels
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]


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


class FlowRunner(ABC):
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
