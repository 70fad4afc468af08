"""From words to indices: scale by scale, coarse to fine, every position of a scale in parallel."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import OptionError
from t2a_edge.noise import gumbel_noise
from t2a_edge.runner import Runner, ScaleInputs, empty_past
from t2a_edge.scales import context_matrix, scale_offsets
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MAX_GUIDANCE = 30.0
MAX_TEMPERATURE = 10.0


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
        _check_range("guidance scale", self.guidance_scale, MAX_GUIDANCE)
        _check_range("temperature", self.temperature, MAX_TEMPERATURE)
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, int) or self.top_k < 0:
            raise OptionError(
                f"The top-k is {self.top_k!r}; expected a whole number, 0 (all codes) or more."
            )


def _check_range(name: str, value: float, most: float) -> None:
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


def sample_indices(
    runner: Runner,
    spec: Spec,
    text_embedding: Float32Array,
    word_weights: Float32Array,
    seed: int,
    options: SamplingOptions,
    on_scale: Callable[[int], None] | None = None,
) -> Int64Array:
    """Draw the indices of one picture.

    Args:
        runner: runs the transformer engine.
        text_embedding: (1, W, D) float32.
        word_weights: (1, W) float32.
        seed: 0 .. 2^53 - 1.
        on_scale: is told how many scales are done, after each.

    Returns:
        (1, N) int64, all scales, coarse to fine.
    """
    guided = options.guidance_scale != 1.0
    if guided:  # with the words in row 0, without them in row 1
        text_embedding = np.repeat(text_embedding, 2, axis=0)
        word_weights = np.concatenate([word_weights, np.zeros_like(word_weights)])
    batch = len(text_embedding)
    offsets = scale_offsets(spec.scales)
    past = empty_past(spec, batch)
    drawn = np.zeros((1, spec.positions), dtype=np.int64)
    for scale in range(len(spec.scales)):
        start, end = offsets[scale], offsets[scale + 1]
        positions = np.arange(start, end, dtype=np.int64)
        seen = np.repeat(drawn[:, : max(1, start)], batch, axis=0)
        resample = context_matrix(spec.scales, scale)
        logits, past = runner.transformer(
            ScaleInputs(seen, resample, positions, text_embedding, word_weights, *past)
        )
        row = logits[0]
        if guided:
            strength = scale_strength(options.guidance_scale, spec.scale_guidance[scale])
            row = logits[1] + np.float32(strength) * (logits[0] - logits[1])
        temperature = options.temperature * spec.scale_temperature[scale]
        noise = gumbel_noise(seed, positions, spec.codebook_size)
        drawn[0, start:end] = choose_indices(row, noise, temperature, options.top_k)
        if on_scale is not None:
            on_scale(scale + 1)
    return drawn
