"""From words to indices: scale by scale, coarse to fine, every position of a scale in parallel."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import MAX_GUIDANCE, MAX_TEMPERATURE, MAX_TOP_K, number, whole_number
from t2a_edge.layout import (
    Layout,
    position_numbers,
    window_cells,
    window_indices,
    window_weights,
)
from t2a_edge.noise import coherent_noise, gumbel_noise
from t2a_edge.runner import RefinerInputs, Runner, ScaleInputs, empty_past
from t2a_edge.scales import axis_matrices, context_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

PLAIN = Layout()
CHUNK = 4  # windows that go through the engines at once: what these need grows with them

PULL_ABOVE_ONE = 0.5  # how much of a weight above 1 counts
NOTHING = 1e-6  # a smaller pull or share is none


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How indices are drawn.

    Attributes:
        guidance_scale: how strongly the words pull, 0 to 30; 1 is the model's own strength,
            0 ignores the words.
        temperature: factor on the noise, 0 to 10; 0 always takes the likeliest code.
        top_k: number of likeliest codes to draw from, 0 to 2^31 - 1; 0 is all.

    Raises:
        OptionError: a value is out of range or not a number.
    """

    guidance_scale: float
    temperature: float
    top_k: int

    def __post_init__(self) -> None:
        checked = {
            "guidance_scale": number("The guidance scale", self.guidance_scale, 0, MAX_GUIDANCE),
            "temperature": number("The temperature", self.temperature, 0, MAX_TEMPERATURE),
            "top_k": whole_number("The top-k", self.top_k, 0, MAX_TOP_K),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # as a plain number, which JSON can say


def choose_indices(logits: Float32Array, noise: Float32Array, top_k: int) -> Int64Array:
    """Draw one code a position: argmax of logits plus Gumbel noise.

    Args:
        logits: (N, K) float32.
        noise: (N, K) float32, standard Gumbel times the temperature.
        top_k: see `SamplingOptions`.

    Returns:
        (N,) int64.
    """
    if 0 < top_k < logits.shape[-1]:
        kth = -np.partition(-logits, top_k - 1, axis=-1)[:, top_k - 1 : top_k]
        logits = np.where(logits >= kth, logits, np.float32(-np.inf))
    chosen: Int64Array = (logits + noise).argmax(-1)
    return chosen


def share_of_guidance(spec: Spec, words: int) -> np.float32:
    """How much of what the guidance scale has above 1 a prompt of so many words gets.

    Several words share a picture and need more of it than one alone.
    """
    shares = spec.guidance_by_words or (1.0,)
    return np.float32(shares[min(max(words, 1), len(shares)) - 1])


def scale_strengths(spec: Spec, guidance_scale: float, share: float | np.float32) -> Float32Array:
    """Guidance of each scale: what the guidance scale has above 1 is multiplied by its factor.

    Args:
        share: of what the guidance scale has above 1; see `share_of_guidance`.

    Returns:
        (scales,) float32.
    """
    guidance = np.float32(guidance_scale)
    above = np.maximum(guidance - 1, np.float32(0)) * np.float32(share)
    factors = np.asarray(spec.scale_guidance, dtype=np.float32)
    strengths: Float32Array = np.minimum(guidance, np.float32(1)) + above * factors
    return strengths


def relative_weights(typed: Float32Array) -> tuple[Float32Array, float]:
    """The words with a weight above 0, relative to their mean.

    Args:
        typed: (1, W) weights as they were typed.

    Returns:
        (1, W), 1 on average over the words with a weight above 0 and 0 elsewhere; and their mean,
        0 where there is none.
    """
    wanted = np.maximum(typed, np.float32(0))
    count = np.float32(np.count_nonzero(wanted))
    mean = wanted.sum() / max(count, np.float32(1))
    return wanted / max(mean, np.float32(NOTHING)), float(mean)


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Conditioning:
    """What steers a picture: one row for each set of words that pulls on it.

    Attributes:
        text_embedding: (R, W, D) float32.
        word_weights: (R, W) float32, relative weights of the words of a row, 1 on average; 0 is a
            word of another row, or none.
        pulls: of each row: above 0 towards its words, below 0 away from them; 1 is the plain pull.
    """

    text_embedding: Float32Array
    word_weights: Float32Array
    pulls: tuple[float, ...]


def pull_of_weight(weight: float) -> float:
    """How strongly a row pulls whose words have this weight on average; 1 is the plain pull.

    Colour is strong from a small pull on and hardly grows beyond 1: the cube below 1 and half of
    what is above spread the response over the weights that people type.

    >>> [pull_of_weight(weight) for weight in (0.5, 1.0, 2.0)]
    [0.125, 1.0, 1.5]
    """
    typed, one = np.float32(weight), np.float32(1)
    below = np.minimum(typed, one)
    above = np.maximum(typed - one, np.float32(0))
    return float(below * below * below + above * np.float32(PULL_ABOVE_ONE))


def row_factors(
    spec: Spec, pulls: Sequence[float], guidance_scale: float, words: Sequence[int]
) -> Float32Array:
    """How much each row's logits count at each scale; the last row is the one without words.

    With u the logits without words, strength s and rows r of pull p: u + sum of s p (r - u) over
    the rows with p > 0, and of (s - 1) p (r - u) over those with p < 0, since steering away is
    guidance alone, whatever the number of words.

    Args:
        words: how many words each row has.

    Returns:
        (scales, R + 1) float32; each scale's factors sum to one.
    """
    one = np.float32(1)
    columns = []
    for pull, count in zip(pulls, words, strict=True):
        if pull > 0:
            share = share_of_guidance(spec, count)
            strengths = scale_strengths(spec, guidance_scale, share)
        else:
            strengths = np.maximum(scale_strengths(spec, guidance_scale, 1) - one, np.float32(0))
        columns.append(np.float32(pull) * strengths)
    factors = np.stack(columns, axis=1)
    rest = one - factors.sum(1, keepdims=True)
    rest = np.where(np.abs(rest) < NOTHING, np.float32(0), rest)
    return np.concatenate([factors, rest], axis=1)


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Drawing:
    """One picture that is to be drawn.

    Attributes:
        conditioning: what steers it.
        seed: 0 .. 2^53 - 1.
        options: how its indices are drawn.
        given: (P,) int64, codes to keep and -1 where one is to be drawn; None draws all.
    """

    conditioning: Conditioning
    seed: int
    options: SamplingOptions
    given: Int64Array | None = None


class _Rows:
    """The rows of some windows that are still computed: those that a later scale makes use of."""

    def __init__(self, spec: Spec, drawings: Sequence[Drawing]) -> None:
        factors, plain, embeddings, weights, windows = [], [], [], [], []
        for window, drawing in enumerate(drawings):
            steered = drawing.conditioning
            words = np.count_nonzero(steered.word_weights, axis=1)
            guidance = drawing.options.guidance_scale
            own = row_factors(spec, steered.pulls, guidance, words.tolist())
            factors.append(own.T)
            plain.append(row_factors(spec, steered.pulls, min(guidance, 1.0), words.tolist()).T)
            embeddings += [steered.text_embedding, steered.text_embedding[:1]]
            weights += [steered.word_weights, np.zeros_like(steered.word_weights[:1])]
            windows += [window] * own.shape[1]
        self.factors = np.concatenate(factors)  # (R, scales)
        self.plain = np.concatenate(plain)  # (R, scales), where nothing is guided
        self.embedding, self.weights = np.concatenate(embeddings), np.concatenate(weights)
        self.window = np.asarray(windows)  # (R,)
        self.past = empty_past(spec, len(self.weights))
        self.coarse = len(spec.coarse_scales)
        unguided = [
            scale >= self.coarse and not all(run.guided for run in spec.refiner_runs(scale))
            for scale in range(len(spec.scales))
        ]
        self.plain *= np.asarray(unguided, dtype=np.float32)

    def _keep(self, kept: Int64Array) -> None:
        self.factors, self.plain = self.factors[kept], self.plain[kept]
        self.embedding, self.weights = self.embedding[kept], self.weights[kept]
        self.window = self.window[kept]

    def drop_unused(self, scale: int) -> None:
        """Leave rows out that no scale from this one on makes use of."""
        used = self.factors[:, scale:].any(1) | self.plain[:, scale:].any(1)
        if used.all():
            return
        kept = np.flatnonzero(used)
        self._keep(kept)
        if scale < self.coarse:  # the refiner has no use for it
            self.past = (self.past[0][:, kept], self.past[1][:, kept])

    def unguided(self, scale: int) -> "_Rows":
        """Those that count in runs over a scale that are not guided, as much as they do there."""
        rows = copy.copy(self)
        rows.factors = self.plain
        rows._keep(np.flatnonzero(self.plain[:, scale]))
        return rows

    def repeat(self, indices: Int64Array) -> Int64Array:
        """(windows, T) -> (rows, T)."""
        repeated: Int64Array = indices[self.window]
        return repeated

    def mix(self, logits: Float32Array, scale: int) -> Float32Array:
        """(rows, N, K) -> (windows, N, K), by the factors of the scale."""
        own = self.factors[:, scale]
        starts = np.flatnonzero(np.diff(self.window, prepend=-1))
        if len(starts) == len(own) and (own == 1).all():
            return logits
        mixed = np.empty((len(starts), *logits.shape[1:]), dtype=np.float32)
        part = np.empty_like(mixed[0])  # one for all rows: new memory costs more than the product
        for total, rows in zip(mixed, np.split(np.arange(len(own)), starts[1:]), strict=True):
            np.multiply(logits[rows[0]], own[rows[0]], out=total)
            for row in rows[1:]:
                np.multiply(logits[row], own[row], out=part)
                total += part
        return mixed


class _Canvas:
    """The indices of some pictures of one layout while they are drawn, and their windows."""

    def __init__(self, spec: Spec, drawings: Sequence[Drawing], layout: Layout) -> None:
        self.spec, self.drawings, self.layout = spec, drawings, layout
        self.offsets = layout.offsets(spec.scales)
        self.indices = np.zeros((len(drawings), self.offsets[-1]), dtype=np.int64)
        places = [(p, window) for p in range(len(drawings)) for window in layout.windows]
        self.chunks = [places[i : i + CHUNK] for i in range(0, len(places), CHUNK)]
        self.rows = [_Rows(spec, [drawings[p] for p, _ in chunk]) for chunk in self.chunks]

    def coarser(self, chunk: Sequence[tuple[int, tuple[int, int]]], scale: int) -> Int64Array:
        """Indices of all scales before this one in some windows: (windows, T); zeros before all."""
        if scale == 0:
            return np.zeros((len(chunk), 1), dtype=np.int64)
        scales = self.spec.scales[:scale]
        return np.stack([window_indices(self.indices[p], self.layout, scales, w) for p, w in chunk])

    def merged(self, scale: int, predictions: Iterable[Float32Array]) -> Float32Array:
        """Predictions of the windows, (windows, side², K) a chunk -> of the grids, (B, h w, K)."""
        if self.layout.is_plain:
            parts = list(predictions)
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        side = self.spec.scales[scale]
        cells, codes = self.offsets[scale + 1] - self.offsets[scale], self.spec.codebook_size
        total = np.zeros((len(self.drawings), cells, codes), dtype=np.float32)
        weight = np.zeros((len(self.drawings), cells, 1), dtype=np.float32)
        shares = window_weights(side)[:, None]
        for chunk, found in zip(self.chunks, predictions, strict=True):
            for (picture, window), logits in zip(chunk, found, strict=True):
                here = window_cells(self.layout, side, window)
                total[picture, here] += shares * logits
                weight[picture, here] += shares
        total /= weight
        return total

    def noise(self, scale: int) -> list[Float32Array]:
        """Noise of each picture's grid times its temperature, (h w, K)."""
        spec, grid = self.spec, self.layout.grid(self.spec.scales[scale])
        numbers = position_numbers(self.layout, spec.scales, scale)
        made = []
        for drawing in self.drawings:
            noise = gumbel_noise(drawing.seed, numbers, spec.codebook_size)
            noise = coherent_noise(noise, spec.scale_coherence[scale], grid, self.layout.wrap)
            heat = np.float32(drawing.options.temperature)
            noise *= heat * np.float32(spec.scale_temperature[scale])
            made.append(noise)
        return made

    def given(self, scale: int) -> Int64Array:
        """Codes of this scale that are kept, (B, h w); -1 where there is none."""
        here = slice(self.offsets[scale], self.offsets[scale + 1])
        kept = np.full((len(self.drawings), here.stop - here.start), -1, dtype=np.int64)
        for row, drawing in zip(kept, self.drawings, strict=True):
            if drawing.given is not None:
                row[:] = drawing.given[here]
        return kept


def sample_scales(
    runner: Runner, spec: Spec, drawings: Sequence[Drawing], layout: Layout = PLAIN
) -> Iterator[Int64Array]:
    """Draw pictures scale by scale, all of them at once.

    Args:
        runner: runs the transformer and refiner engines.
        layout: of every picture.

    Yields:
        (B, P) int64 after each scale, coarse to fine; scales to come are 0. It is one array that
        is filled: copy what is to be kept.
    """
    canvas = _Canvas(spec, drawings, layout)
    for scale in range(len(spec.scales)):
        here = slice(canvas.offsets[scale], canvas.offsets[scale + 1])
        given = canvas.given(scale)
        if (given >= 0).all() and not _is_needed_later(canvas, scale):
            canvas.indices[:, here] = given
        elif scale < len(spec.coarse_scales):
            logits = canvas.merged(scale, _predicted(runner, canvas, scale))
            drawn = _chosen(canvas, logits, canvas.noise(scale))
            canvas.indices[:, here] = np.where(given >= 0, given, drawn)
        else:
            canvas.indices[:, here] = _refined(runner, canvas, scale, given)
        yield canvas.indices


def _is_needed_later(canvas: _Canvas, scale: int) -> bool:
    """Whether the transformer has to see this scale although all of it is given.

    It keeps keys and values of every scale, for those that it still has to predict.
    """
    coarse = range(scale + 1, len(canvas.spec.coarse_scales))
    return any((canvas.given(later) < 0).any() for later in coarse)


def _chosen(
    canvas: _Canvas,
    logits: Float32Array,
    noise: Sequence[Float32Array],
) -> Int64Array:
    """Draw the codes of a scale, or of some of its positions: (B, N, K) -> (B, N)."""
    return np.stack(
        [
            choose_indices(mixed, own, drawing.options.top_k)
            for drawing, mixed, own in zip(canvas.drawings, logits, noise, strict=True)
        ]
    )


def _predicted(runner: Runner, canvas: _Canvas, scale: int) -> Iterator[Float32Array]:
    """What the transformer predicts for the windows of each chunk: (windows, side², K)."""
    spec = canvas.spec
    offsets = scale_offsets(spec.scales)
    positions = np.arange(offsets[scale], offsets[scale + 1], dtype=np.int64)
    resample = context_matrix(spec.scales, scale)
    for chunk, rows in zip(canvas.chunks, canvas.rows, strict=True):
        rows.drop_unused(scale)
        seen = rows.repeat(canvas.coarser(chunk, scale))
        logits, rows.past = runner.transformer(
            ScaleInputs(seen, resample, positions, rows.embedding, rows.weights, *rows.past)
        )
        yield rows.mix(logits, scale)


def _refined(runner: Runner, canvas: _Canvas, scale: int, given: Int64Array) -> Int64Array:
    """The refiner's passes over one of its scales: codes that are kept (B, h w) -> (B, h w).

    A position that is drawn anew has the noise of the first time.
    """
    spec, layout = canvas.spec, canvas.layout
    side, passes = spec.scales[scale], spec.refiner_passes
    noise, grid = canvas.noise(scale), given.copy()
    height, width = layout.grid(side)
    in_window = refiner_pass_of(side, passes).reshape(side, side)
    repeats = -(-height // side), -(-width // side)
    pass_of = np.tile(in_window, repeats)[:height, :width].ravel()
    parts = [pass_of == number for number in range(passes)]
    heard = [[own[here] for own in noise] for here in parts]
    for run in spec.refiner_runs(scale):
        here = parts[run.part]
        others = np.where(here, given, grid)
        predictions = _refinements(runner, canvas, scale, others, here, run.guided)
        logits = canvas.merged(scale, predictions)
        logits = logits if layout.is_plain else logits[:, here]
        drawn = _chosen(canvas, logits, heard[run.part])
        grid[:, here] = np.where(given[:, here] >= 0, given[:, here], drawn)
    return grid


def _refinements(
    runner: Runner,
    canvas: _Canvas,
    scale: int,
    grid: Int64Array,
    here: npt.NDArray[np.bool_],
    guided: bool,
) -> Iterator[Float32Array]:
    """What the refiner predicts for the windows of each chunk: (windows, side², K).

    Where one window is the picture, only for the positions of this pass: (windows, n, K).
    """
    spec, last = canvas.spec, len(canvas.spec.scales) - 1
    resample = axis_matrices(spec.scales, scale)
    number = np.array([scale - len(spec.coarse_scales)], dtype=np.int64)
    for chunk, every in zip(canvas.chunks, canvas.rows, strict=True):
        every.drop_unused(scale)
        rows = every if guided else every.unguided(scale)
        side = spec.scales[scale]
        seen = rows.repeat(canvas.coarser(chunk, last))
        fine = np.stack([grid[p][window_cells(canvas.layout, side, w)] for p, w in chunk])
        drawn = rows.repeat(fine).reshape(-1, side, side)
        inputs = RefinerInputs(seen, resample, number, drawn, rows.embedding, rows.weights)
        logits = runner.refiner(inputs)
        yield rows.mix(logits[:, here] if canvas.layout.is_plain else logits, scale)


def sample_indices(
    runner: Runner,
    spec: Spec,
    conditioning: Conditioning,
    seed: int,
    options: SamplingOptions,
    on_scale: Callable[[int], None] | None = None,
) -> Int64Array:
    """Draw the indices of one picture of one window.

    Args:
        runner: runs the transformer and refiner engines.
        seed: 0 .. 2^53 - 1.
        on_scale: is told how many scales are done, after each.

    Returns:
        (1, N) int64, all scales, coarse to fine.
    """
    drawn = np.zeros((1, spec.positions), dtype=np.int64)
    drawings = [Drawing(conditioning, seed, options)]
    for done, indices in enumerate(sample_scales(runner, spec, drawings), 1):
        drawn = indices
        if on_scale is not None:
            on_scale(done)
    return drawn


def decode_indices(
    runner: Runner, spec: Spec, indices: Int64Array, layout: Layout = PLAIN
) -> UInt8Array:
    """Pictures from indices: (B, P) -> (B, H, W, 3) uint8 sRGB; overlapping windows are blended."""
    if layout.is_plain:
        parts = [runner.decoder(indices[i : i + CHUNK]) for i in range(0, len(indices), CHUNK)]
        return np.concatenate(parts)
    size, windows = spec.image_size, layout.windows
    height, width = layout.grid(size)
    shares = window_weights(size).reshape(size, size, 1)
    pictures = []
    for own in indices:
        total = np.zeros((height, width, 3), dtype=np.float32)
        weight = np.zeros((height, width, 1), dtype=np.float32)
        for start in range(0, len(windows), CHUNK):
            chunk = windows[start : start + CHUNK]
            decoded = runner.decoder(
                np.stack([window_indices(own, layout, spec.scales, w) for w in chunk])
            )
            for (row, column), pixels in zip(chunk, decoded, strict=True):
                rows = (row * size // 2 + np.arange(size)) % height
                columns = (column * size // 2 + np.arange(size)) % width
                total[np.ix_(rows, columns)] += shares * pixels
                weight[np.ix_(rows, columns)] += shares
        pictures.append(np.rint(total / weight).astype(np.uint8))
    return np.stack(pictures)
