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

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.compose import FLOAT, INT64, UINT8, Composer, split_graph, split_outputs
from export.fused_noise import NoiseGraph
from export.graphs import OPSET
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.sampler import NOTHING, PULL_ABOVE_ONE, SamplingOptions
from t2a_edge.scales import axis_matrices, axis_matrix, refiner_pass_of, scale_offsets
from t2a_edge.spec import Spec

GRAPH_NAME = "generator"
HERE = "here"  # input of the refiner's function: positions that are drawn in a pass
ONCE_A_SCALE = ("indices", "resample", "scale", "text_embedding", "word_weights")
WANTED, AVOIDED, NOTHING_SAID = range(3)  # rows of each picture
ROWS = 3


class _Fused:
    """The steps of one fused graph.

    Args:
        engines: text, transformer, decoder and perhaps refiner.
    """

    def __init__(self, engines: Mapping[str, onnx.ModelProto], spec: Spec) -> None:
        self.engines, self.spec = engines, spec
        self.words, step = split_graph(engines["transformer"], ("text_embedding", "word_weights"))
        self.step, self.state = split_outputs(step, 1)
        if spec.refiner_passes:
            parts = split_graph(_at_positions(engines["refiner"]), ONCE_A_SCALE)
            self.canvas, self.refiner = parts
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
        (embedding,) = g.call("text", self.engines["text"], {"text_bytes": text_bytes})
        weights, pulls = self._rows_of_words(typed)
        factors = self._factors(typed, pulls, guidance)  # (3, B, scales)
        unguided = self._factors(typed, pulls, g.op("Min", guidance, g.number(1)))
        noise = NoiseGraph(g, spec, seed, temperature, self._gumbel_table())
        kept = self._rows_in_use(factors, 0)
        rows = self._rows(embedding, weights, factors, kept)
        ends = g.integers(spec.layers), g.integers(spec.heads, 0, spec.head_dim)
        past_shape = g.op("Concat", ends[0], self._row_count(rows), ends[1], axis=0)
        zero = onnx.helper.make_tensor("value", FLOAT, [1], [0.0])
        past = g.op("ConstantOfShape", past_shape, value=zero)
        state = [past, past]
        of_words = self._once(
            "words", self.words, {"text_embedding": rows[0], "word_weights": rows[1]}
        )
        parts: list[str] = []
        for scale, (start, end) in enumerate(pairwise(self.offsets)):
            coarser = g.op("Concat", *parts, axis=1) if parts else ""
            kept_codes = g.slice(given, start, end, 1)  # (B, n)
            if scale < len(spec.coarse_scales):
                logits, *state = self._transformer(rows, of_words, coarser, scale, state)
                mixed = self._mixed(logits, rows[2], scale)
                found = self._likeliest(mixed, noise.of_scale(scale))
                parts.append(self._kept(kept_codes, found))
            else:
                fine = {}
                for guided in sorted({run.guided for run in spec.refiner_runs(scale)}):
                    own = factors if guided else unguided
                    again = self._rows_in_use(own, scale)
                    fine[guided] = self._rows(embedding, weights, own, again)
                parts.append(self._refined(fine, coarser, scale, noise, kept_codes))
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

    def _share_of_guidance(self, typed: str) -> str:
        """`sampler.share_of_guidance` of the wanted words: (B, W) -> (B, 1)."""
        g, shares = self.g, self.spec.guidance_by_words
        wanted = g.cast(g.op("Greater", typed, g.number(0)), INT64)
        count = g.op("ReduceSum", wanted, g.integers(1), keepdims=1)
        place = g.op("Sub", count, g.integers(1))
        place = g.op("Max", g.op("Min", place, g.integers(len(shares) - 1)), g.integers(0))
        return g.op("Gather", g.constant(np.asarray(shares, dtype=np.float32)), place, axis=0)

    def _factors(self, typed: str, pulls: str, guidance: str) -> str:
        """`sampler.row_factors`: words (B, W), pulls (2, B), guidance (B,) -> (3, B, scales)."""
        g = self.g
        zero, one = g.number(0), g.number(1)
        above = g.op("Max", g.op("Sub", guidance, one), zero)  # (B,)
        above = g.op("Unsqueeze", above, g.integers(1))  # (B, 1)
        plain = g.op("Unsqueeze", g.op("Min", guidance, one), g.integers(1))
        by_scale = g.constant(np.asarray(self.spec.scale_guidance, dtype=np.float32))
        whole = g.op("Add", plain, g.op("Mul", above, by_scale))  # (B, scales)
        beyond = g.op("Max", g.op("Sub", whole, one), zero)
        strengths = whole
        if self.spec.guidance_by_words:
            shared = g.op("Mul", above, self._share_of_guidance(typed))
            strengths = g.op("Add", plain, g.op("Mul", shared, by_scale))
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

    def _gumbel_table(self) -> str | None:
        """A constant with the table of the noise, or None: the graph computes it."""
        return None

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
        rows = g.op("Reshape", logits, shape)  # (R, B, N, K)
        count, zero = g.op("Shape", here, end=1), g.number(0)
        last = g.op("Sub", count, g.integers(1))
        mixed = ""
        for number in range(ROWS):  # a row that is not there counts nothing; ReduceSum is slower
            row = g.op("Min", g.integers(number), last)
            factor = g.op("Squeeze", g.op("Gather", here, row, axis=0), g.integers(0))
            factor = g.op("Where", g.op("Less", g.integers(number), count), factor, zero)
            own = g.op("Squeeze", g.op("Gather", rows, row, axis=0), g.integers(0))
            part = g.op("Mul", own, factor)
            mixed = g.op("Add", mixed, part) if mixed else part
        return mixed

    def _likeliest(self, logits: str, noise: str) -> str:
        """(B, N) int64: the code with the largest sum."""
        g = self.g
        return g.op("ArgMax", g.op("Add", logits, noise), axis=-1, keepdims=0)

    def _kept(self, given: str, drawn: str) -> str:
        """Given codes, and drawn ones where there is none: (B, N) int64."""
        g = self.g
        return g.op("Where", g.op("Less", given, g.constant(np.array(0))), drawn, given)

    # ---- scales

    def _once(self, name: str, graph: onnx.ModelProto, inputs: Mapping[str, str]) -> dict[str, str]:
        """The first part of a graph in two, and its inputs: what the second part is handed."""
        made = self.g.call(name, graph, inputs)
        return {
            **inputs,
            **{v.name: value for v, value in zip(graph.graph.output, made, strict=True)},
        }

    def _transformer(
        self,
        rows: tuple[str, str, str],
        of_words: Mapping[str, str],
        coarser: str,
        scale: int,
        past: Sequence[str],
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
            "past_keys": past[0],
            "past_values": past[1],
        }
        given = {**of_words, **inputs}
        logits, *between = g.call("transformer", self.step, given)
        if scale == len(self.spec.coarse_scales) - 1:
            return [logits]  # nothing comes after it that would see its keys and values
        names = [value.name for value in self.step.graph.output[1:]]
        given |= dict(zip(names, between, strict=True))
        return [logits, *g.call("state", self.state, given)]

    def _context_matrix(self, scale: int) -> str:
        """`scales.context_matrix`, from one axis: the products of its entries would be stored."""
        g, scales = self.g, self.spec.scales
        side = scales[scale]
        if scale == 0:
            return g.constant(np.zeros((side * side, 1), dtype=np.float32))
        blocks = []
        for number, coarser in enumerate(scales[:scale]):
            axis = axis_matrix(scales, number, scale)  # (side, coarser)
            down = g.constant(axis[:, None, :, None])
            along = g.constant(axis[None, :, None, :])
            product = g.op("Mul", down, along)  # (side, side, coarser, coarser)
            blocks.append(g.op("Reshape", product, g.integers(side * side, coarser * coarser)))
        return blocks[0] if len(blocks) == 1 else g.op("Concat", *blocks, axis=1)

    def _all_but_the_finest(self, coarser: str, scale: int, rows: tuple[str, str, str]) -> str:
        """The indices of all coarser scales, zeros for others but the finest: (R B, T)."""
        g, missing = self.g, self.offsets[-2] - self.offsets[scale]
        if missing:
            ends = g.integers(0, 0, 0, missing)
            coarser = g.op("Pad", coarser, ends, g.constant(np.array(0)))
        return self._repeated(coarser, rows)

    def _canvas_of(self, rows: tuple[str, str, str], coarser: str, scale: int) -> dict[str, str]:
        """What all runs of the refiner over a scale see: its first part, computed once."""
        g, spec = self.g, self.spec
        fixed = {
            "indices": self._all_but_the_finest(coarser, scale, rows),
            "resample": g.constant(axis_matrices(spec.scales, scale)),
            "scale": g.integers(scale - len(spec.coarse_scales)),
            "text_embedding": rows[0],
            "word_weights": rows[1],
        }
        return self._once("canvas", self.canvas, fixed)

    def _refined(
        self,
        rows: Mapping[bool, tuple[str, str, str]],
        coarser: str,
        scale: int,
        noise: NoiseGraph,
        given: str,
    ) -> str:
        """The refiner's runs over a scale, which see the codes that are kept: (B, N) int64.

        Args:
            rows: of the runs that are guided, or not.
        """
        g, spec = self.g, self.spec
        side = spec.scales[scale]
        pass_of = refiner_pass_of(side, spec.refiner_passes)
        seen = {guided: self._canvas_of(own, coarser, scale) for guided, own in rows.items()}
        places = [g.constant(np.flatnonzero(pass_of == n)) for n in range(spec.refiner_passes)]
        kept = [g.op("Gather", given, here, axis=1) for here in places]
        heard = [noise.of_scale(scale, here) for here in places]
        back = g.constant(np.argsort(np.argsort(pass_of, kind="stable")))  # from passes to places

        def together(parts: Sequence[str]) -> str:
            joined = g.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
            return g.op("Gather", joined, back, axis=1)

        drawn = list(kept)
        for step, (number, guided) in enumerate(spec.refiner_runs(scale)):
            others = [*drawn[:number], kept[number], *drawn[number + 1 :]]
            grid = together(others) if step else given
            own = rows[guided]
            square = g.op("Reshape", self._repeated(grid, own), g.integers(-1, side, side))
            inputs = {**seen[guided], "drawn": square, HERE: places[number]}
            (logits,) = g.call("refiner", self.refiner, inputs)
            mixed = self._mixed(logits, own[2], scale)
            drawn[number] = self._kept(kept[number], self._likeliest(mixed, heard[number]))
        return together(drawn)


def _at_positions(refiner: onnx.ModelProto) -> onnx.ModelProto:
    """A refiner that predicts some positions: they are picked before its last layer."""
    model = copy.deepcopy(refiner)
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    layer = producer[graph.output[0].name]
    while layer.op_type != "MatMul":
        layer = producer[layer.input[0]]
    source = producer[layer.input[0]]
    user = source if source.op_type == "DequantizeLinear" else layer  # 8 bits, where it has them
    picked = f"{user.input[0]}_{HERE}"
    gather = onnx.helper.make_node("Gather", [user.input[0], HERE], [picked], axis=1)
    user.input[0] = picked
    graph.node.insert(list(graph.node).index(user), gather)
    graph.input.append(onnx.helper.make_tensor_value_info(HERE, INT64, ["positions"]))
    return model


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


def fused_graph(engines: Mapping[str, onnx.ModelProto], spec: Spec) -> onnx.ModelProto:
    """The whole pipeline as one graph; see the module's description.

    Args:
        engines: the graphs of the engines by name, with the refiner where the spec has one.
    """
    return _Fused(engines, spec).build()
