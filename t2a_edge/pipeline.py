"""The whole way: `TextToArt().generate("warm dark fluid", seed=7)`."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from t2a_edge.bundle import load_bundle
from t2a_edge.image import file_name, image_from_pixels, write_png
from t2a_edge.noise import check_seed
from t2a_edge.prompt import Prompt, parse_prompt, text_bytes_from_words
from t2a_edge.runner import OnnxRunner, Runner
from t2a_edge.sampler import SamplingOptions, sample_indices

if TYPE_CHECKING:
    from PIL.Image import Image

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

FRESH_SEEDS = 2**32  # a seed that nobody named is drawn below this


@dataclass(frozen=True)
class Artwork:
    """One picture and how it was made.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB.
        prompt: the adjectives, as they were understood.
        unknown_words: those of them that training did not use.
        seed: the same seed, prompt, options and bundle give the same picture.
        options: guidance scale, temperature and top-k.
        bundle_hash: which model drew it.
        indices: (N,) int64, all scales, coarse to fine.
    """

    pixels: UInt8Array
    prompt: str
    unknown_words: tuple[str, ...]
    seed: int
    options: SamplingOptions
    bundle_hash: str
    indices: Int64Array

    @property
    def image(self) -> "Image":
        """The picture as a Pillow image."""
        return image_from_pixels(self.pixels)

    @property
    def metadata(self) -> dict[str, Any]:
        """What a saved picture says about itself."""
        return {
            "prompt": self.prompt,
            "seed": self.seed,
            "guidance_scale": self.options.guidance_scale,
            "temperature": self.options.temperature,
            "top_k": self.options.top_k,
            "bundle": self.bundle_hash,
        }

    @property
    def file_name(self) -> str:
        """A file name made of prompt and seed."""
        return file_name(self.prompt, self.seed)

    def save(self, path: Path | str) -> Path:
        """Write a PNG with the metadata inside; an ImageError if the path cannot be written."""
        write_png(self.pixels, Path(path), self.metadata)
        return Path(path)


class TextToArt:
    """Adjectives in, abstract picture out. Loads the model once; use it for many pictures.

    Args:
        bundle: folder of another bundle than the shipped one.
        threads: cores that one operation may use.
        runner: another way to run the engines than ONNX Runtime.

    Raises:
        BundleError: the bundle is missing or damaged.
        OptionError: `threads` is out of range.

    >>> TextToArt().generate("warm dark fluid", seed=7).pixels.shape
    (256, 256, 3)
    """

    def __init__(
        self, bundle: Path | str | None = None, *, threads: int = 1, runner: Runner | None = None
    ) -> None:
        self.bundle = load_bundle(bundle)
        self._runner: Runner = runner or OnnxRunner(self.bundle.folder, threads=threads)

    @property
    def spec(self) -> Any:
        """The bundle's shapes and sampling defaults."""
        return self.bundle.spec

    def options(
        self,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
    ) -> SamplingOptions:
        """Checked sampling options; what is None comes from the bundle."""
        spec = self.bundle.spec
        return SamplingOptions(
            guidance_scale=spec.guidance_scale if guidance_scale is None else guidance_scale,
            temperature=spec.temperature if temperature is None else temperature,
            top_k=spec.top_k if top_k is None else top_k,
        )

    def parse(self, prompt: str | Iterable[str]) -> Prompt:
        """The prompt's adjectives; a PromptError if it cannot be used."""
        spec = self.bundle.spec
        return parse_prompt(prompt, max_words=spec.max_words, max_bytes=spec.max_bytes)

    def generate(
        self,
        prompt: str | Iterable[str],
        *,
        seed: int | None = None,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        on_scale: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw one picture.

        Args:
            prompt: adjectives, "warm dark fluid" or a list of them; any word is accepted.
            seed: 0 .. 2^53 - 1; None draws a fresh one, which the artwork names.
            guidance_scale: 0 to 30; None is the bundle's default, as for the next two.
            temperature: 0 to 10.
            top_k: 0 (all codes) or more.
            on_scale: is told how many scales are done, after each.

        Raises:
            PromptError: the prompt cannot be used.
            OptionError: a number is out of range.
        """
        parsed = self.parse(prompt)
        options = self.options(guidance_scale, temperature, top_k)
        number = secrets.randbelow(FRESH_SEEDS) if seed is None else check_seed(seed)
        embedding, weights = self.embed(parsed.words)
        indices = sample_indices(
            self._runner, self.bundle.spec, embedding, weights, number, options, on_scale
        )
        pixels = self._runner.decoder(indices)[0]
        unknown = tuple(word for word in parsed.words if word not in self.bundle.vocabulary)
        return Artwork(
            pixels, parsed.text, unknown, number, options, self.bundle.bundle_hash, indices[0]
        )

    def embed(self, words: Iterable[str]) -> tuple[Float32Array, Float32Array]:
        """text_embedding (1, W, D) and word_weights (1, W) of parsed words."""
        spec = self.bundle.spec
        text_bytes, weights = text_bytes_from_words(tuple(words), spec.max_words, spec.max_bytes)
        return self._runner.text(text_bytes[None]), weights[None]

    @cached_property
    def _known_vectors(self) -> Float32Array:
        vocabulary = self.bundle.vocabulary
        text_bytes, _ = text_bytes_from_words(
            vocabulary, len(vocabulary), self.bundle.spec.max_bytes
        )
        return _unit_rows(self._runner.text(text_bytes[None])[0])  # (V, D)

    def nearest_words(self, word: str, count: int = 3) -> list[tuple[str, float]]:
        """Adjectives of the training vocabulary that a word lands nearest to.

        Returns:
            Up to `count` pairs of adjective and cosine similarity, nearest first.
        """
        embedding, _ = self.embed(self.parse(word).words[:1])
        similarity = self._known_vectors @ _unit_rows(embedding[0, :1])[0]
        best = np.argsort(-similarity)[:count]
        return [(self.bundle.vocabulary[i], float(similarity[i])) for i in best]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.close()


def _unit_rows(vectors: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    rows: Float32Array = vectors / np.maximum(lengths, np.float32(1e-8))
    return rows
