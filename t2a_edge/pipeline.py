"""The whole way: `TextToArt().generate("warm dark fluid", seed=7)`."""

import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from t2a_edge.bundle import engines, load_bundle
from t2a_edge.image import file_name, image_from_pixels, write_png
from t2a_edge.noise import check_seed
from t2a_edge.prompt import Prompt, parse_prompt, text_bytes_from_words
from t2a_edge.runner import OnnxRunner, Runner
from t2a_edge.sampler import Conditioning, SamplingOptions, check_range, sample_indices

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
        prompt: the adjectives and their weights, as they were understood.
        blend: the second prompt, where two were blended; and its share, 0 to 1.
        unknown_words: those of them that training did not use.
        seed: the same seed, prompt, options and bundle give the same picture.
        options: guidance scale, temperature and top-k.
        bundle_hash: which model drew it.
        indices: (N,) int64, all scales, coarse to fine.
    """

    pixels: UInt8Array
    prompt: str
    blend: tuple[str, float] | None
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
        blend = {} if self.blend is None else {"blend": self.blend[0], "amount": self.blend[1]}
        return {
            "prompt": self.prompt,
            **blend,
            "seed": self.seed,
            "guidance_scale": self.options.guidance_scale,
            "temperature": self.options.temperature,
            "top_k": self.options.top_k,
            "bundle": self.bundle_hash,
        }

    @property
    def file_name(self) -> str:
        """A file name made of prompt, blend and seed."""
        blend = "" if self.blend is None else f" to {self.blend[0]} {self.blend[1]:g}"
        spelled = re.sub(r"(^| )-", r"\1not ", self.prompt + blend)  # a slug has no minus
        return file_name(spelled, self.seed)

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
        self._runner: Runner = runner or OnnxRunner(
            self.bundle.folder, engines(self.bundle.spec), threads=threads
        )

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
        blend: str | Iterable[str] | None = None,
        amount: float = 0.5,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        on_scale: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw one picture.

        Args:
            prompt: adjectives, "warm dark:1.4 -busy" or a list of them; any word is accepted.
            seed: 0 .. 2^53 - 1; None draws a fresh one, which the artwork names.
            blend: a second prompt to move towards.
            amount: how far, from 0 (the first prompt) to 1 (the second).
            guidance_scale: 0 to 30; None is the bundle's default, as for the next two.
            temperature: 0 to 10.
            top_k: 0 (all codes) or more.
            on_scale: is told how many scales are done, after each.

        Raises:
            PromptError: the prompt cannot be used.
            OptionError: a number is out of range.
        """
        parsed = self.parse(prompt)
        other = None if blend is None else self.parse(blend)
        options = self.options(guidance_scale, temperature, top_k)
        number = secrets.randbelow(FRESH_SEEDS) if seed is None else check_seed(seed)
        conditioning = self.conditioning(parsed, other, amount)
        indices = sample_indices(
            self._runner, self.bundle.spec, conditioning, number, options, on_scale
        )
        words = (*parsed.words, *(other.words if other else ()))
        return Artwork(
            pixels=self._runner.decoder(indices)[0],
            prompt=parsed.text,
            blend=None if other is None else (other.text, amount),
            unknown_words=tuple(word for word in words if word not in self.bundle.vocabulary),
            seed=number,
            options=options,
            bundle_hash=self.bundle.bundle_hash,
            indices=indices[0],
        )

    def conditioning(
        self, prompt: Prompt, blend: Prompt | None = None, amount: float = 0.5
    ) -> Conditioning:
        """What steers the sampler: a row for the wanted words of a prompt, one for the avoided.

        Args:
            blend, amount: a second prompt and its share, 0 to 1.

        Raises:
            OptionError: the amount is out of range.
        """
        check_range("amount", amount, 1)
        shares = [(prompt, 1.0)]
        if blend is not None:
            shares = [(prompt, 1 - amount), (blend, amount)]
        rows: list[tuple[Float32Array, Float32Array, float]] = []
        for part, share in shares:
            for sign in (1, -1):
                terms = [term for term in part.terms if term.weight * sign > 0]
                if terms and share > 0:
                    pull = sum(term.weight for term in terms) / len(terms)
                    embedding, present = self.embed(term.word for term in terms)
                    weights = present.copy()
                    weights[0, : len(terms)] = [term.weight / pull for term in terms]
                    rows.append((embedding, weights, share * pull))
        if not rows:  # every weight is 0: no words
            embedding, present = self.embed(())
            rows.append((embedding, present, 1.0))
        embeddings, weights_of_rows, pulls = zip(*rows, strict=True)
        return Conditioning(np.concatenate(embeddings), np.concatenate(weights_of_rows), pulls)

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
