"""From words to indices: scale by scale, coarse to fine, every position of a scale in parallel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import OptionError
from t2a_edge.noise import coherent_noise, gumbel_noise
from t2a_edge.runner import RefinerInputs, Runner, ScaleInputs, empty_past
from t2a_edge.scales import context_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MAX_GUIDANCE = 30.0
MAX_TEMPERATURE = 10.0
NOTHING = 1e-6  # a smaller share of the row without words is none


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How indices are drawn.

    Attributes:
        guidance_scale: how strongly the words pull, 0 to 30; 1 is the model's own strength,
            0 ignores the words.
        temperature: factor on the noise, 0 to 10; 0 always takes the likeliest code.
        top_k: number of likeliest codes to draw from; 0 is all.

    Raises:
        OptionError: a value is out of range or not a number.
    """

    guidance_scale: float
    temperature: float
    top_k: int

    def __post_init__(self) -> None:
        check_range("guidance scale", self.guidance_scale, MAX_GUIDANCE)
        check_range("temperature", self.temperature, MAX_TEMPERATURE)
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, int) or self.top_k < 0:
            raise OptionError(
                f"The top-k is {self.top_k!r}; expected a whole number, 0 (all codes) or more."
            )


def check_range(name: str, value: float, most: float) -> None:
    """An OptionError unless the value is a number from 0 to `most`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:  # NaN fails too
        raise OptionError(f"The {name} is {value!r}; expected a number from 0 to {most:g}.")


def choose_indices(
    logits: Float32Array, noise: Float32Array, temperature: float, top_k: int
) -> Int64Array:
    """Draw one code a position: argmax of logits plus Gumbel noise.

    Args:
        logits, noise: (N, K) float32.
        temperature, top_k: see `SamplingOptions`.

    Returns:
        (N,) int64.
    """
    if 0 < top_k < logits.shape[-1]:
        kth = -np.partition(-logits, top_k - 1, axis=-1)[:, top_k - 1 : top_k]
        logits = np.where(logits >= kth, logits, np.float32(-np.inf))
    chosen: Int64Array = (logits + np.float32(temperature) * noise).argmax(-1)
    return chosen


def scale_strength(guidance_scale: float, factor: float) -> float:
    """Guidance of one scale: what the guidance scale has above 1 is multiplied by the factor."""
    if guidance_scale <= 1:
        return guidance_scale
    return 1 + (guidance_scale - 1) * factor


@dataclass(frozen=True)
class Conditioning:
    """What steers a picture: one row for each set of words that pulls on it.

    Attributes:
        text_embedding: (R, W, D) float32.
        word_weights: (R, W) float32, relative weights of the words in a row, 1 on average; 0 is no
            word.
        pulls: of each row: above 0 towards its words, below 0 away from them; 1 is the plain pull.
    """

    text_embedding: Float32Array
    word_weights: Float32Array
    pulls: tuple[float, ...]


def row_factors(spec: Spec, pulls: Sequence[float], guidance_scale: float) -> Float32Array:
    """How much each row's logits count at each scale; the last row is the one without words.

    With u the logits without words, strength s and rows r of pull p: u + sum of s p (r - u) over
    the rows with p > 0, and of (s - 1) p (r - u) over those with p < 0, since steering away is
    guidance alone.

    Returns:
        (scales, R + 1) float32; each scale's factors sum to one.
    """
    factors = np.zeros((len(spec.scales), len(pulls) + 1), dtype=np.float32)
    for scale, factor in enumerate(spec.scale_guidance):
        strength = scale_strength(guidance_scale, factor)
        for row, pull in enumerate(pulls):
            factors[scale, row] = pull * (strength if pull > 0 else max(0.0, strength - 1))
    rest = 1 - factors.sum(1)
    factors[:, -1] = np.where(np.abs(rest) < NOTHING, 0, rest)
    return factors


class _Rows:
    """The rows that are still computed: those that this scale or a later one makes use of."""

    def __init__(self, spec: Spec, conditioning: Conditioning, guidance_scale: float) -> None:
        embedding, weights = conditioning.text_embedding, conditioning.word_weights
        self.factors = row_factors(spec, conditioning.pulls, guidance_scale)
        self.embedding = np.concatenate([embedding, embedding[:1]])
        self.weights = np.concatenate([weights, np.zeros_like(weights[:1])])
        self.past = empty_past(spec, len(self.weights))

    def drop_unused(self, scale: int) -> None:
        """Leave rows out that no scale from this one on makes use of."""
        kept = np.flatnonzero(self.factors[scale:].any(0))
        if len(kept) == self.factors.shape[1]:
            return
        self.factors = self.factors[:, kept]
        self.embedding, self.weights = self.embedding[kept], self.weights[kept]
        self.past = (self.past[0][:, kept], self.past[1][:, kept])

    def repeat(self, indices: Int64Array) -> Int64Array:
        """(1, T) -> (rows, T)."""
        return np.repeat(indices, len(self.weights), axis=0)

    def mix(self, logits: Float32Array, scale: int) -> Float32Array:
        """(rows, N, K) -> (N, K), by the factors of the scale."""
        mixed = self.factors[scale, 0] * logits[0]
        for row, factor in zip(logits[1:], self.factors[scale, 1:], strict=True):
            mixed += factor * row
        return mixed  # type: ignore[no-any-return]


def sample_indices(
    runner: Runner,
    spec: Spec,
    conditioning: Conditioning,
    seed: int,
    options: SamplingOptions,
    on_scale: Callable[[int], None] | None = None,
) -> Int64Array:
    """Draw the indices of one picture.

    Args:
        runner: runs the transformer and refiner engines.
        seed: 0 .. 2^53 - 1.
        on_scale: is told how many scales are done, after each.

    Returns:
        (1, N) int64, all scales, coarse to fine.
    """
    offsets = scale_offsets(spec.scales)
    drawn = np.zeros((1, spec.positions), dtype=np.int64)
    rows = _Rows(spec, conditioning, options.guidance_scale)
    for scale in range(len(spec.scales)):
        start, end = offsets[scale], offsets[scale + 1]
        rows.drop_unused(scale)
        positions = np.arange(start, end, dtype=np.int64)
        noise = gumbel_noise(seed, positions, spec.codebook_size)
        noise = coherent_noise(noise, spec.scale_coherence[scale])
        temperature = options.temperature * spec.scale_temperature[scale]
        coarser = drawn[:, : max(1, start)]
        if scale < len(spec.coarse_scales):
            resample = context_matrix(spec.scales, scale)
            seen = rows.repeat(coarser)
            logits, rows.past = runner.transformer(
                ScaleInputs(seen, resample, positions, rows.embedding, rows.weights, *rows.past)
            )
            mixed = rows.mix(logits, scale)
            drawn[0, start:end] = choose_indices(mixed, noise, temperature, options.top_k)
        else:
            drawn[0, start:end] = _refine(
                runner, spec, rows, coarser, noise, temperature, options.top_k
            )
        if on_scale is not None:
            on_scale(scale + 1)
    return drawn


def _refine(
    runner: Runner,
    spec: Spec,
    rows: _Rows,
    coarser: Int64Array,
    noise: Float32Array,
    temperature: float,
    top_k: int,
) -> Int64Array:
    """The refiner's passes over the finest scale: coarser indices (1, T) -> (N,) int64."""
    seen, grid = rows.repeat(coarser), np.full((1, len(noise)), -1, dtype=np.int64)
    pass_of = refiner_pass_of(spec.scales[-1], spec.refiner_passes)
    for number in range(spec.refiner_passes):
        here = pass_of == number
        inputs = RefinerInputs(seen, rows.repeat(grid), rows.embedding, rows.weights)
        mixed = rows.mix(runner.refiner(inputs)[:, here], len(spec.scales) - 1)
        grid[0, here] = choose_indices(mixed, noise[here], temperature, top_k)
    refined: Int64Array = grid[0]
    return refined
