"""One graph for the whole way: words and a seed in, pixels out, every scale unrolled.

    text_bytes (B, W, L) uint8      adjectives as zero-padded UTF-8; W and L are fixed
    word_weights (B, W) float32     1 is plain, 0 is no word, below 0 avoids the word
    seed (B,) int64                 0 .. 2^53 - 1
    guidance_scale (B,) float32, temperature (B,) float32
    given (B, N) int64              codes to keep; -1 where one is to be drawn
      -> pixels (B, H, W, 3) uint8 sRGB, indices (B, N) int64

It is composed of the engines, as they are, and of what `t2a_edge.sampler` and `t2a_edge.noise` do
between them, so it draws the indices that they draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from export.compose import FLOAT, INT32, INT64, UINT8, Composer
from export.graphs import OPSET
from t2a_edge.errors import ExportError
from t2a_edge.noise import LEVELS, PRIME, code_points, neighbour_weights
from t2a_edge.pipeline import TextToArt
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.runner import session_options
from t2a_edge.sampler import NOTHING, PULL_ABOVE_ONE, SamplingOptions
from t2a_edge.scales import average_matrix, enlarge_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec

GRAPH_NAME = "generator"
FAR = -1e4  # stands for a neighbour outside the grid: its noise is never the largest
WANTED, AVOIDED, NOTHING_SAID = range(3)  # rows of each picture
PARITY_PROMPTS = (
    "warm dark fluid", "pale geometric", "chaotic -busy", "dark:1.4 cold", "-busy", "warm:0",
    "calm:0.5 blue", "golden:2 -dark:0.7 swirling",
)  # fmt: skip
LEAST_AGREEMENT = {"fp16": 0.8}  # float16 rounds otherwise where other operators are fused
SAME = 0.999  # of the indices, in any other precision
MOST_GREY_LEVELS = 1


class _Fused:
    """The steps of one fused graph.

    Args:
        engines: text, transformer, decoder and perhaps refiner.
    """

    def __init__(self, engines: Mapping[str, onnx.ModelProto], spec: Spec) -> None:
        self.engines, self.spec = engines, spec
        self.offsets = scale_offsets(spec.scales)
        self.g = Composer(OPSET)

    def build(self) -> onnx.ModelProto:
        """Put the steps together."""
        g, spec = self.g, self.spec
        text_bytes = g.input("text_bytes", UINT8, ["batch", spec.max_words, spec.max_bytes])
        typed = g.input("word_weights", FLOAT, ["batch", spec.max_words])
        seed = g.input("seed", INT64, ["batch"])
        guidance = g.input("guidance_scale", FLOAT, ["batch"])
        temperature = g.input("temperature", FLOAT, ["batch"])
        given = g.input("given", INT64, ["batch", spec.positions])
        self.batch_size = g.op("Shape", seed)  # (1,)
        (embedding,) = g.call("text", self.engines["text"], {"text_bytes": text_bytes})
        weights, pulls = self._rows_of_words(typed)
        factors = self._factors(pulls, guidance)  # (3, B, scales)
        keys = self._position_keys(seed)  # (B, N, 3)
        table = self._gumbel_table()
        kept = self._rows_in_use(factors, 0)
        rows = self._rows(embedding, weights, factors, kept)
        ends = g.integers(spec.layers), g.integers(spec.heads, 0, spec.head_dim)
        past_shape = g.op("Concat", ends[0], self._row_count(rows), ends[1], axis=0)
        zero = onnx.helper.make_tensor("value", FLOAT, [1], [0.0])
        past = g.op("ConstantOfShape", past_shape, value=zero)
        state = [past, past]
        parts: list[str] = []
        for scale, (start, end) in enumerate(pairwise(self.offsets)):
            noise = self._noise(g.slice(keys, start, end, 1), table, scale)
            heat = g.op("Mul", temperature, g.number(spec.scale_temperature[scale]))
            heat = g.op("Unsqueeze", heat, g.integers(1, 2))  # (B, 1, 1)
            noise = g.op("Mul", noise, heat)  # (B, N, K)
            coarser = g.op("Concat", *parts, axis=1) if parts else ""
            kept_codes = g.slice(given, start, end, 1)  # (B, n)
            if scale < len(spec.coarse_scales):
                logits, *state = self._transformer(rows, coarser, scale, state)
                mixed = self._mixed(logits, rows[2], scale)
                parts.append(self._kept(kept_codes, self._likeliest(mixed, noise)))
            else:
                again = self._rows_in_use(factors, scale)
                fine = self._rows(embedding, weights, factors, again)
                parts.append(self._refined(fine, coarser, noise, kept_codes))
        indices = g.op("Concat", *parts, axis=1)
        (pixels,) = g.call("decoder", self.engines["decoder"], {"indices": indices})
        side = spec.image_size
        g.output("pixels", pixels, UINT8, ["batch", side, side, 3])
        g.output("indices", indices, INT64, ["batch", spec.positions])
        return g.model(GRAPH_NAME)

    # ---- words

    def _rows_of_words(self, typed: str) -> tuple[str, str]:
        """`sampler.relative_weights` of wanted and avoided words: (3, B, W), and pulls (2, B)."""
        g = self.g
        zero, one = g.number(0), g.number(1)
        rows, pulls = [], []
        for sign in ("wanted", "avoided"):
            signed = typed if sign == "wanted" else g.op("Neg", typed)
            wanted = g.op("Max", signed, zero)  # (B, W)
            present = g.cast(g.op("Greater", wanted, zero), FLOAT)
            count = g.op("ReduceSum", present, g.integers(1), keepdims=1)
            total = g.op("ReduceSum", wanted, g.integers(1), keepdims=1)
            mean = g.op("Div", total, g.op("Max", count, one))  # (B, 1)
            rows.append(g.op("Div", wanted, g.op("Max", mean, g.number(NOTHING))))
            pull = self._pull_of_weight(mean)
            pulls.append(pull if sign == "wanted" else g.op("Neg", pull))
        rows.append(g.op("Mul", typed, zero))
        stacked = g.op("Concat", *[g.op("Unsqueeze", r, g.integers(0)) for r in rows], axis=0)
        both = g.op("Concat", *[g.op("Transpose", p, perm=[1, 0]) for p in pulls], axis=0)
        return stacked, both

    def _pull_of_weight(self, weight: str) -> str:
        """`sampler.pull_of_weight`, any shape."""
        g = self.g
        one = g.number(1)
        below = g.op("Min", weight, one)
        above = g.op("Max", g.op("Sub", weight, one), g.number(0))
        cube = g.op("Mul", g.op("Mul", below, below), below)
        return g.op("Add", cube, g.op("Mul", above, g.number(PULL_ABOVE_ONE)))

    def _factors(self, pulls: str, guidance: str) -> str:
        """`sampler.row_factors`: pulls (2, B), guidance (B,) -> (3, B, scales)."""
        g = self.g
        zero, one = g.number(0), g.number(1)
        above = g.op("Max", g.op("Sub", guidance, one), zero)  # (B,)
        above = g.op("Unsqueeze", above, g.integers(1))  # (B, 1)
        plain = g.op("Unsqueeze", g.op("Min", guidance, one), g.integers(1))
        by_scale = g.constant(np.asarray(self.spec.scale_guidance, dtype=np.float32))
        strengths = g.op("Add", plain, g.op("Mul", above, by_scale))  # (B, scales)
        beyond = g.op("Max", g.op("Sub", strengths, one), zero)
        both = g.op(
            "Concat", g.op("Unsqueeze", strengths, g.integers(0)),
            g.op("Unsqueeze", beyond, g.integers(0)), axis=0,
        )  # fmt: skip
        factors = g.op("Mul", g.op("Unsqueeze", pulls, g.integers(2)), both)  # (2, B, scales)
        rest = g.op("Sub", one, g.op("ReduceSum", factors, g.integers(0), keepdims=1))
        tiny = g.op("Less", g.op("Abs", rest), g.number(NOTHING))
        rest = g.op("Where", tiny, zero, rest)
        return g.op("Concat", factors, rest, axis=0)

    def _rows_in_use(self, factors: str, scale: int) -> str:
        """Numbers (R,) of the rows that any picture uses from this scale on; the first always."""
        g = self.g
        part = g.slice(factors, scale, len(self.spec.scales), 2)
        most = g.op("ReduceMax", g.op("Abs", part), g.integers(1, 2), keepdims=0)  # (3,)
        used = g.op("Greater", most, g.number(0))
        used = g.op("Or", used, g.constant(np.array([True, False, False])))
        return g.op("Compress", g.integers(WANTED, AVOIDED, NOTHING_SAID), used, axis=0)

    def _rows(self, embedding: str, weights: str, factors: str, kept: str) -> tuple[str, str, str]:
        """Embedding (R B, W, D) and weights (R B, W) of the rows in use, and factors (R, B, S)."""
        g = self.g
        weights = g.op("Gather", weights, kept, axis=0)  # (R, B, W)
        count = g.op("Shape", kept)
        flat = g.op("Reshape", weights, g.integers(-1, self.spec.max_words))
        repeats = g.op("Concat", count, g.integers(1, 1), axis=0)
        return g.op("Tile", embedding, repeats), flat, g.op("Gather", factors, kept, axis=0)

    def _row_count(self, rows: tuple[str, str, str]) -> str:
        return self.g.op("Shape", rows[1], end=1)

    def _repeated(self, indices: str, rows: tuple[str, str, str]) -> str:
        """(B, T) -> (R B, T)."""
        g = self.g
        repeats = g.op("Concat", g.op("Shape", rows[2], end=1), g.integers(1), axis=0)
        return g.op("Tile", indices, repeats)

    def _mixed(self, logits: str, factors: str, scale: int) -> str:
        """(R B, N, K) -> (B, N, K), by the factors of the scale."""
        g = self.g
        here = g.op("Gather", factors, g.integers(scale), axis=2)  # (R, B, 1)
        here = g.op("Unsqueeze", here, g.integers(3))  # (R, B, 1, 1)
        shape = g.op("Concat", g.op("Shape", here, end=2), g.op("Shape", logits, start=1), axis=0)
        parts = g.op("Mul", g.op("Reshape", logits, shape), here)
        return g.op("ReduceSum", parts, g.integers(0), keepdims=0)

    def _likeliest(self, logits: str, noise: str) -> str:
        """(B, N) int64: the code with the largest sum."""
        g = self.g
        return g.op("ArgMax", g.op("Add", logits, noise), axis=-1, keepdims=0)

    def _kept(self, given: str, drawn: str) -> str:
        """Given codes, and drawn ones where there is none: (B, N) int64."""
        g = self.g
        return g.op("Where", g.op("Less", given, g.constant(np.array(0))), drawn, given)

    # ---- scales

    def _transformer(
        self, rows: tuple[str, str, str], coarser: str, scale: int, past: Sequence[str]
    ) -> list[str]:
        g = self.g
        if scale:
            seen = self._repeated(coarser, rows)
        else:
            shape = g.op("Concat", self._row_count(rows), g.integers(1), axis=0)
            zero = onnx.helper.make_tensor("value", INT64, [1], [0])
            seen = g.op("ConstantOfShape", shape, value=zero)
        start, end = self.offsets[scale : scale + 2]
        inputs = {
            "indices": seen,
            "resample": self._context_matrix(scale),
            "positions": g.constant(np.arange(start, end, dtype=np.int64)),
            "text_embedding": rows[0],
            "word_weights": rows[1],
            "past_keys": past[0],
            "past_values": past[1],
        }
        return g.call("transformer", self.engines["transformer"], inputs)

    def _context_matrix(self, scale: int) -> str:
        """`scales.context_matrix`, from one axis: the products of its entries would be stored."""
        g, scales = self.g, self.spec.scales
        side, size = scales[scale], scales[-1]
        if scale == 0:
            return g.constant(np.zeros((side * side, 1), dtype=np.float32))
        blocks = []
        for coarser in scales[:scale]:
            axis = average_matrix(size, side) @ enlarge_matrix(coarser, size)  # (side, coarser)
            down = g.constant(axis[:, None, :, None])
            along = g.constant(axis[None, :, None, :])
            product = g.op("Mul", down, along)  # (side, side, coarser, coarser)
            blocks.append(g.op("Reshape", product, g.integers(side * side, coarser * coarser)))
        return blocks[0] if len(blocks) == 1 else g.op("Concat", *blocks, axis=1)

    def _refined(self, rows: tuple[str, str, str], coarser: str, noise: str, given: str) -> str:
        """The refiner's passes, which see the codes that are kept: (B, N) int64."""
        g, spec = self.g, self.spec
        scale = len(spec.scales) - 1
        pass_of = refiner_pass_of(spec.scales[-1], spec.refiner_passes)
        seen = self._repeated(coarser, rows)
        grid = given
        order = np.argsort(pass_of, kind="stable")  # positions in the order they are drawn
        drawn: list[str] = []
        for number in range(spec.refiner_passes):
            here = g.constant(np.flatnonzero(pass_of == number))
            inputs = {
                "indices": seen,
                "drawn": self._repeated(grid, rows),
                "text_embedding": rows[0],
                "word_weights": rows[1],
            }
            (logits,) = g.call("refiner", self.engines["refiner"], inputs)
            mixed = self._mixed(g.op("Gather", logits, here, axis=1), rows[2], scale)
            found = self._likeliest(mixed, g.op("Gather", noise, here, axis=1))
            drawn.append(self._kept(g.op("Gather", given, here, axis=1), found))
            later = np.flatnonzero(pass_of > number)
            later = later[np.argsort(pass_of[later], kind="stable")]
            rest = [g.op("Gather", given, g.constant(later), axis=1)] if len(later) else []
            parts = g.op("Concat", *drawn, *rest, axis=1) if len(drawn + rest) > 1 else drawn[0]
            grid = g.op("Gather", parts, g.constant(np.argsort(order)), axis=1)
        return grid

    # ---- noise

    def _modulo(self, value: str, divisor: int, kind: type[np.generic]) -> str:
        """The remainder of a number from 0, by division: several times as fast as Mod."""
        g = self.g
        by = g.constant(np.array(divisor, dtype=kind))
        return g.op("Sub", value, g.op("Mul", g.op("Div", value, by), by))

    def _quintic(self, value: str) -> str:
        g = self.g
        value = self._modulo(value, PRIME, np.int64)
        square = self._modulo(g.op("Mul", value, value), PRIME, np.int64)
        fourth = self._modulo(g.op("Mul", square, square), PRIME, np.int64)
        return self._modulo(g.op("Mul", fourth, value), PRIME, np.int64)

    def _position_keys(self, seed: str) -> str:
        """`noise.position_keys` of every position: seed (B,) int64 -> (B, N, 3) int32."""
        g = self.g

        def number(value: int) -> str:
            return g.constant(np.array(value, dtype=np.int64))

        high = g.op("Div", seed, number(2**30))
        low = g.op("Sub", seed, g.op("Mul", high, number(2**30)))
        key = self._quintic(g.op("Add", low, number(0x1F123BB5)))
        key = self._quintic(g.op("Add", g.op("Add", key, high), number(0x05491333)))
        key = g.op("Unsqueeze", key, g.integers(1))  # (B, 1)
        steps = np.arange(self.spec.positions, dtype=np.int64) * 0x2545F491 + 0x3C6EF372
        key = self._quintic(g.op("Add", key, g.constant(steps % PRIME)))  # (B, N)
        key = self._quintic(g.op("Add", key, number(0x1B873593)))
        key = g.op("Unsqueeze", key, g.integers(2))
        steps = np.arange(1, 4, dtype=np.int64) * 0x27D4EB2F
        keys = self._quintic(g.op("Add", key, g.constant(steps % PRIME)))  # (B, N, 3)
        return g.cast(self._modulo(keys, LEVELS, np.int64), INT32)

    def _gumbel_table(self) -> str:
        """`noise.gumbel_table` as (1, levels), computed: it would be the largest constant."""
        g = self.g

        def number(value: float) -> str:
            return g.constant(np.array(value, dtype=np.float64))

        level = g.cast(g.op("Range", number(0), number(LEVELS), number(1)), onnx.TensorProto.DOUBLE)
        share = g.op("Div", g.op("Add", level, number(0.5)), number(LEVELS))
        value = g.op("Neg", g.op("Log", g.op("Neg", g.op("Log", share))))
        steps = g.op("Round", g.op("Mul", value, number(4096)))
        return g.op("Unsqueeze", g.cast(g.op("Div", steps, number(4096)), FLOAT), g.integers(0))

    def _noise(self, keys: str, table: str, scale: int) -> str:
        """Gumbel noise of one scale: keys (B, N, 3) int32 -> (B, N, K)."""
        g = self.g
        points, squares = (g.constant(row) for row in code_points(self.spec.codebook_size))
        first, second, third = (g.slice(keys, i, i + 1, 2) for i in range(3))  # (B, N, 1)
        levels = g.op("Add", g.op("Mul", first, points), g.op("Mul", second, squares))
        levels = self._modulo(g.op("Add", levels, third), LEVELS, np.int32)
        flat = g.op("Reshape", levels, g.integers(1, -1))
        found = g.op("GatherElements", table, flat, axis=1)  # Gather takes ten times as long here
        noise = g.op("Reshape", found, g.op("Shape", levels))
        radius, side = self.spec.scale_coherence[scale], self.spec.scales[scale]
        return noise if radius == 0 or side == 1 else self._coherent(noise, side, radius)

    def _coherent(self, noise: str, side: int, radius: float) -> str:
        """`noise.coherent_noise`: (B, N, K) -> (B, N, K)."""
        g, codes = self.g, self.spec.codebook_size
        offsets, logs = neighbour_weights(side, radius)
        reach = -offsets[0]
        shape = g.op("Concat", self.batch_size, g.integers(side, side, codes), axis=0)
        field = g.op("Reshape", noise, shape)  # (B, side, side, K)
        for axis in (1, 2):
            margin = [0, 0, 0, 0]
            margin[axis] = reach
            padded = g.op("Pad", field, g.integers(*margin, *margin), g.number(FAR))
            moved = []
            for number, log in enumerate(logs):
                finite = np.where(np.isneginf(log), np.float32(FAR), log)
                weights = finite.reshape((side, 1, 1) if axis == 1 else (side, 1))
                part = g.slice(padded, number, number + side, axis)
                moved.append(g.op("Add", part, g.constant(weights)))
            field = g.op("Max", *moved)
        shape = g.op("Concat", self.batch_size, g.integers(side * side, codes), axis=0)
        return g.op("Reshape", field, shape)


def fused_inputs(
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    options: SamplingOptions,
    spec: Spec,
    given: npt.NDArray[np.int64] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """What the fused graph is given for a picture of each prompt.

    Args:
        prompts, seeds: B of either.
        given: (B, N) codes to keep and -1 where one is to be drawn; None draws all.
    """
    layout = [text_bytes_from_words(p.words, spec.max_words, spec.max_bytes)[0] for p in prompts]
    weights = np.zeros((len(prompts), spec.max_words), dtype=np.float32)
    for row, prompt in zip(weights, prompts, strict=True):
        row[: len(prompt.terms)] = [term.weight for term in prompt.terms]
    if given is None:
        given = np.full((len(prompts), spec.positions), -1, dtype=np.int64)
    return {
        "text_bytes": np.stack(layout),
        "word_weights": weights,
        "seed": np.asarray(seeds, dtype=np.int64),
        "guidance_scale": np.full(len(prompts), options.guidance_scale, dtype=np.float32),
        "temperature": np.full(len(prompts), options.temperature, dtype=np.float32),
        "given": given,
    }


@dataclass(frozen=True)
class FusedParity:
    """How far the fused graph is from the engines and the sampler, for the same seeds.

    Attributes:
        agreement: share of equal indices.
        max_absdiff: of the pixels, in grey levels, where all indices of a picture are equal.
        pictures: how many were compared.
        precision: of the engines.
    """

    agreement: float
    max_absdiff: int
    pictures: int
    precision: str

    def check(self) -> None:
        """Raise an ExportError if the fused graph does not draw the same pictures."""
        least = LEAST_AGREEMENT.get(self.precision, SAME)
        if not (self.agreement >= least and self.max_absdiff <= MOST_GREY_LEVELS):
            raise ExportError(
                f"The fused graph does not draw what the engines draw: {self.agreement:.3%} of the "
                f"indices agree and pixels differ by up to {self.max_absdiff} grey levels; "
                f"expected at least {least:.1%} and at most {MOST_GREY_LEVELS}. Nothing "
                "was written; mend the export."
            )


def compare_fused(graph: onnx.ModelProto, engine: TextToArt) -> FusedParity:
    """Draw prompts with the fused graph, one by one and all at once, and with the engines."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    spec, options = engine.spec, engine.options()
    prompts = [engine.parse(prompt) for prompt in PARITY_PROMPTS]
    seeds = list(range(1, len(prompts) + 1))
    drawn = [engine.generate(p.text, seed=s) for p, s in zip(prompts, seeds, strict=True)]
    same: list[float] = []
    largest = 0
    batches = [(i, i + 1) for i in range(len(prompts))] + [(0, len(prompts))]
    for start, end in batches:
        inputs = fused_inputs(prompts[start:end], seeds[start:end], options, spec)
        pixels, indices = session.run(["pixels", "indices"], inputs)
        for art, picture, row in zip(drawn[start:end], pixels, indices, strict=True):
            equal = row == art.indices
            same.append(float(equal.mean()))
            if equal.all():
                difference = np.abs(picture.astype(int) - art.pixels.astype(int))
                largest = max(largest, int(difference.max()))
    return FusedParity(float(np.mean(same)), largest, len(same), engine.bundle.precision)


def fused_graph(engines: Mapping[str, onnx.ModelProto], spec: Spec) -> onnx.ModelProto:
    """The whole pipeline as one graph; see the module's description.

    Args:
        engines: the graphs of the engines by name, with the refiner where the spec has one.
    """
    return _Fused(engines, spec).build()
