"""ONNX graphs of the engines.

    text      text_bytes (B, W, L) uint8 -> text_embedding (B, W, T)
    forms     text_embedding, word_weights (B, W), noise (B, M), crop (B, 2) int64
              -> form (B, 64, 64), choice (B,) int64
    painter   latents (B, N, D), level (B,), form, form_level (B,), guidance (B,), text_embedding,
              word_weights -> clean (B, N, D)
    composer  latents (B, N, D) -> indices (B, P) int64
    encoder   indices (B, P) -> latents (B, N, D)
    decoder   indices (B, P) -> pixels (B, H, W, 3) uint8 sRGB

Between and around the networks (`export.networks`) are whole numbers, the same in every precision:
see `export.fixed`, which has them in numpy.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx

from export.compose import DOUBLE, FLOAT, INT32, INT64, UINT8
from export.fixed import (
    CANVAS_UNIT,
    COMPONENT_UNIT,
    ENCODED_UNIT,
    INT8_MAX,
    LATENT_UNIT,
    LIMIT,
    MOST_CANVAS,
    MOST_COMPONENT,
    MOST_LATENT,
    MOST_VECTOR,
    VECTOR_UNIT,
    FixedCodec,
    FixedForms,
    FixedMap,
    Int64Array,
)
from export.half import half_form
from export.layers import Array, Network
from export.networks import (
    PainterInputs,
    decoder_network,
    painter_network,
    query_network,
    text_network,
)
from t2a_edge.bundle import ENGINES
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.form import SPREAD, WHOLE
from t2a_edge.scales import scale_offsets
from t2a_edge.spec import BLOCK
from train.models.qat import disable
from train.models.whole import WholeModel

PRECISIONS = ("fp32", "fp16", "int8")
LARGE = 4096  # weights: so many are worth two nodes

Graphs = Mapping[str, onnx.ModelProto]


def engine_graphs(model: WholeModel, precision: str) -> dict[str, onnx.ModelProto]:
    """The engines, by name: `t2a_edge.bundle.ENGINES`.

    Args:
        model: it is left as the precision computes.
        precision: "fp32", "fp16" or "int8". In FP16 the networks are float16 inside; whole numbers
            need the digits of float32.

    Raises:
        ExportError: the codec's sums would not be exact; see `export.fixed`.
    """
    if precision == "int8":
        model.use_int8()
    else:
        for module in model.modules.values():
            disable(module)
    return _Engines(model, precision).built()


class _Engines:
    """The engines of a model under construction."""

    def __init__(self, model: WholeModel, precision: str) -> None:
        self.model, self.preset, self.precision = model, model.preset, precision
        self.codec = FixedCodec(model.codec.quantizer, model.latent)
        self.forms = FixedForms(model.bank)
        self.width = model.text.second.out_features
        self.words: list[int | str] = ["batch", "words", self.width]
        self.weights: list[int | str] = ["batch", "words"]
        self.form: list[int | str] = ["batch", FORM_SIDE, FORM_SIDE]
        self.latents: list[int | str] = ["batch", model.painter.side**2, self.preset.latent.depth]
        self.indices: list[int | str] = ["batch", scale_offsets(self.codec.scales)[-1]]

    def built(self) -> dict[str, onnx.ModelProto]:
        """All of them."""
        builders: dict[str, Callable[[EngineGraph], None]] = {
            "text": self._text, "forms": self._forms, "painter": self._painter,
            "composer": self._composer, "encoder": self._encoder, "decoder": self._decoder,
        }  # fmt: skip
        assert tuple(builders) == ENGINES
        engines = {}
        for name, build in builders.items():
            g = EngineGraph(exact=self.precision == "int8")
            build(g)
            engine = g.model(name)
            whole = self.precision == "fp16" and name in ("text", "painter")
            engines[name] = half_form(engine) if whole else engine
        return engines

    def _network(
        self, g: "EngineGraph", build: Callable[[Network, str], str], given: str,
        shape: Sequence[int | str], kind: int, made_shape: Sequence[int | str],
    ) -> str:  # fmt: skip
        """Add a network to a graph, in float16 where that is the precision.

        Args:
            build: adds it, by the name of its input.
            given: that input, float32 of `shape`.
            kind, made_shape: of its output.
        """
        if self.precision != "fp16":
            return build(g, given)
        own = Network(exact=False)
        made = build(own, own.input("given", FLOAT, shape))
        own.output("made", made, kind, made_shape)
        (result,) = g.splice(half_form(own.model("network")), {"given": given})
        return result

    def _text(self, g: "EngineGraph") -> None:
        text_bytes = g.input("text_bytes", UINT8, ["batch", "words", self.preset.text.max_bytes])
        embedding = text_network(g, self.model.text, text_bytes)
        g.output("text_embedding", embedding, FLOAT, self.words)

    def _forms(self, g: "EngineGraph") -> None:
        embedding = g.input("text_embedding", FLOAT, self.words)
        weights = g.input("word_weights", FLOAT, self.weights)
        noise = g.input("noise", FLOAT, ["batch", len(self.forms.codes)])
        crop = g.input("crop", INT64, ["batch", 2])

        def query(g: Network, embedding: str) -> str:
            return query_network(g, self.model.query, embedding, self.forms.asked_scale)

        made: list[int | str] = ["batch", "words", len(self.forms.asked_scale)]
        asked = self._network(g, query, embedding, self.words, FLOAT, made)
        choice = g.choice(self.forms, asked, weights, noise)
        g.output("form", g.form(self.forms, choice, crop), FLOAT, self.form)
        g.output("choice", choice, INT64, ["batch"])

    def _painter(self, g: "EngineGraph") -> None:
        numbers = {n: g.input(n, FLOAT, ["batch"]) for n in ("level", "form_level", "guidance")}
        given = PainterInputs(
            latents=g.input("latents", FLOAT, self.latents),
            form=g.input("form", FLOAT, self.form),
            text_embedding=g.input("text_embedding", FLOAT, self.words),
            word_weights=g.input("word_weights", FLOAT, self.weights),
            **numbers,
        )
        g.output("clean", painter_network(g, self.model.painter, given), FLOAT, self.latents)

    def _composer(self, g: "EngineGraph") -> None:
        canvas = g.compose(self.codec, g.input("latents", FLOAT, self.latents))
        g.output("indices", g.code(self.codec, canvas), INT64, self.indices)

    def _encoder(self, g: "EngineGraph") -> None:
        canvas = g.canvas(self.codec, g.input("indices", INT64, self.indices))
        g.output("latents", g.encoded(self.codec, canvas), FLOAT, self.latents)

    def _decoder(self, g: "EngineGraph") -> None:
        canvas = g.canvas(self.codec, g.input("indices", INT64, self.indices))
        size, unit = self.preset.data.image_size, float(self.codec.step)

        def network(g: Network, canvas: str) -> str:
            return decoder_network(g, self.model.codec.decoder, canvas, unit, self.codec.size)

        side = self.codec.size
        made: list[int | str] = ["batch", size, size, 3]
        shape: list[int | str] = ["batch", self.codec.codes.shape[1], side, side]
        pixels = self._network(g, network, canvas, shape, UINT8, made)
        g.output("pixels", pixels, UINT8, made)


class EngineGraph(Network):
    """A graph under construction, with what stands around the networks."""

    def bounded(self, value: str, most: float, unit: float) -> str:
        """Whole numbers, bounded."""
        ends = most / unit
        return self.op("Clip", value, self.number(-ends), self.number(ends))

    def whole(self, value: str, unit: float, most: float) -> str:
        """`fixed.whole`."""
        steps = self.op("Mul", value, self.number(1 / unit)) if unit != 1 else value
        return self.bounded(self.op("Round", steps), most, unit)

    def mapped(self, fixed: FixedMap, numbers: str) -> str:
        """`FixedMap` of the last axis."""
        sums = self.op("MatMul", numbers, self._weights(fixed.weights, fixed.units))
        return self.op("Round", self.op("Add", sums, self.constant(fixed.offset)))

    def mapped_first(self, fixed: FixedMap, numbers: str) -> str:
        """`FixedMap` of the second axis: (B, I, h, w) -> (B, O, h, w)."""
        kernel, units = fixed.weights.T[:, :, None, None], fixed.units[:, None, None, None]
        sums = self.op("Conv", numbers, self._weights(kernel, units), self.constant(fixed.offset))
        return self.op("Round", sums)

    def _weights(self, weights: Array, units: Array) -> str:
        """Weights of a map; many are stored in 16 bits."""
        if weights.size < LARGE:
            return self.constant(weights)
        whole = np.rint(weights / units).astype(np.int16)
        return self.op("Mul", self.cast(self.constant(whole), FLOAT), self.constant(units))

    # ---- codec

    def compose(self, codec: FixedCodec, latents: str) -> str:
        """`FixedCodec.compose`: (B, N, D) -> (B, C, h, w)."""
        side = codec.size // BLOCK
        numbers = self.op(
            "Transpose", self.whole(latents, LATENT_UNIT, MOST_LATENT), perm=[0, 2, 1]
        )
        numbers = self.reshape(numbers, 0, 0, side, side)  # (B, D, side, side)
        blocks = self.mapped_first(codec.compose_map, numbers)
        blocks = self.bounded(blocks, MOST_COMPONENT, COMPONENT_UNIT)  # (B, K * 16, side, side)
        components = self.op("DepthToSpace", blocks, blocksize=BLOCK, mode="CRD")
        canvas = self.mapped_first(codec.canvas_map, components)
        return self.bounded(canvas, MOST_CANVAS, CANVAS_UNIT)

    def code(self, codec: FixedCodec, canvas: str) -> str:
        """`FixedCodec.code`: (B, C, h, w) -> (B, P) int64."""
        assert CANVAS_UNIT == VECTOR_UNIT
        book = _Book(self, codec)
        base = codec.coarse[-1]
        average = self.op(
            "DequantizeLinear", self.constant(np.rint(codec.average * base**2).astype(np.uint8)),
            self.number(1 / base**2),
        )  # fmt: skip
        averaged = self._rows(self._averaged(canvas, codec.size // base), base)
        vectors = self.op("MatMul", average, averaged)  # (B, A, C)
        masks = codec.masks()
        if len(masks):
            body = EngineGraph(exact=self.exact, prefix="c")
            body.input("vectors", FLOAT, None)
            body.input("mask", FLOAT, None)
            codes = body.op("Gather", book.codes, book.nearest(body, "vectors"), axis=0)
            masked = body.op("Mul", codes, "mask")
            left = body.op("MatMul", book.left, masked)
            body.output("remaining", body.op("Sub", "vectors", left), FLOAT, None)
            vectors = self.scan(body, vectors, self.constant(masks))
        found = [book.nearest(self, vectors)]
        residual = self._without(codec, canvas, book.whole, found[0], codec.coarse)
        sides = codec.scales[len(codec.coarse) :]
        for number, side in enumerate(sides):
            if number:
                before = (sides[number - 1],)
                residual = self._without(codec, residual, book.whole, found[-1], before)
            step = codec.size // side
            grid = self._averaged(residual, step) if step > 1 else residual
            found.append(book.nearest(self, self._rows(grid, side), whole=step == 1))
        return self.op("Concat", *found, axis=1)

    def _rows(self, grid: str, side: int) -> str:
        """(B, C, side, side) -> (B, side², C)."""
        return self.op("Transpose", self.reshape(grid, 0, 0, side * side), perm=[0, 2, 1])

    def _averaged(self, grid: str, step: int) -> str:
        square = [step, step]
        return self.op("AveragePool", grid, kernel_shape=square, strides=square)

    def _without(
        self, codec: FixedCodec, canvas: str, book: str, chosen: str, scales: Sequence[int]
    ) -> str:
        """A canvas without the part that some scales' codes (B, n) have in it."""
        places = codec.block_places(scales).ravel() if len(scales) > 1 else None
        codes = self._codes(codec, book, chosen, places)
        part = self._enlarged(codec, codes, scales, CANVAS_UNIT)
        return self.op("Sub", canvas, self.cast(self.op("Round", part), FLOAT))

    def _codes(self, codec: FixedCodec, book: str, chosen: str, places: Int64Array | None) -> str:
        """Codes of indices (B, n), or of some of their places, n for none: (B, C, A) float64.

        Args:
            book: (K + 1, C) int8; the last code is nothing.
        """
        if places is not None:
            none = self.constant(np.array(len(codec.codes), dtype=np.int64))
            chosen = self.op("Pad", chosen, self.integers(0, 0, 0, 1), none)
            chosen = self.op("Gather", chosen, self.constant(places.astype(np.int32)), axis=1)
        codes = self.op("Gather", book, chosen, axis=0)  # (B, A, C)
        return self.cast(self.op("Transpose", codes, perm=[0, 2, 1]), DOUBLE)

    def _enlarged(
        self, codec: FixedCodec, codes: str, scales: Sequence[int], unit: float = 1
    ) -> str:
        """`FixedCodec.enlarged`, in units: codes (B, C, A²) -> (B, C, h, w) float64.

        The grids stand on the diagonal of one matrix, so that two products enlarge all of them.
        """
        codes = self.reshape(codes, 0, 0, sum(scales), sum(scales))
        if tuple(scales) == (codec.size,):
            return self.op("Mul", codes, self.constant(np.array(1 / unit)))
        matrix = codec.block_enlarge(scales)
        down = self.op("MatMul", self.constant(matrix), codes)
        return self.op("MatMul", down, self.constant(matrix.T / unit))

    def canvas(self, codec: FixedCodec, indices: str) -> str:
        """`FixedCodec.canvas`: (B, P) -> (B, C, h, w), in code steps."""
        size, count = codec.size, scale_offsets(codec.scales)[-1]
        coarser = [side for side in codec.scales if side < size]
        places, start = codec.block_places(coarser).ravel(), scale_offsets(coarser)[-1]
        places[places == start] = count  # nothing is behind all of them
        every = np.concatenate([places, np.arange(start, count)])
        codes = self._codes(codec, self.constant(_extended(codec)), indices, every)
        whole = [size * size] * codec.scales.count(size)
        coarse, *fine = self.split(codes, [len(places), *whole], axis=2)
        total = self._enlarged(codec, coarse, coarser)
        for grid in fine:
            total = self.op("Add", total, self.reshape(grid, 0, 0, size, size))
        return self.cast(total, FLOAT)

    def encoded(self, codec: FixedCodec, canvas: str) -> str:
        """`FixedCodec.latents`: (B, C, h, w) -> (B, N, D)."""
        side = codec.size // BLOCK
        numbers = self.whole(canvas, ENCODED_UNIT, MOST_CANVAS)
        components = self.mapped_first(codec.component_map, numbers)  # (B, K, h, w)
        components = self.bounded(components, MOST_COMPONENT, COMPONENT_UNIT)
        cut = self.reshape(components, 0, -1, side, BLOCK, side, BLOCK)
        cut = self.op("Transpose", cut, perm=[0, 2, 4, 1, 3, 5])  # (B, side, side, K, 4, 4)
        blocks = self.reshape(cut, 0, side * side, len(codec.latent_map.weights))
        return self.op("Mul", self.mapped(codec.latent_map, blocks), self.number(LATENT_UNIT))

    # ---- forms

    def choice(self, forms: FixedForms, numbers: str, weights: str, noise: str) -> str:
        """`FixedForms.choice`: (B, W, Q + 1), times `asked_scale`, (B, W), (B, M) -> (B,)."""
        numbers = self.op("Round", numbers)
        numbers = self.op("Max", numbers, self.array(-forms.most_asked))
        numbers = self.op("Min", numbers, self.array(forms.most_asked))
        weights = self.op("Unsqueeze", weights, self.integers(2))  # (B, W, 1)
        signed = self.op("Mul", numbers, self.op("Sign", weights))
        unit = forms.weight_scale
        columns = self.op("DequantizeLinear", self.constant(forms.columns), self.number(unit))
        logits = self.op("MatMul", signed, columns)  # (B, W, M) in units
        ends = self.number(forms.least * unit), self.number(forms.enough * unit)
        logits = self.op("Clip", logits, *ends)
        heard = self.op("Round", self.op("Mul", logits, self.op("Abs", weights)))
        scores = self.op("ReduceSum", heard, self.integers(1), keepdims=0)  # (B, M)
        scores = self.op("Mul", scores, self.number(forms.score_unit))
        return self.op("ArgMax", self.op("Add", scores, noise), axis=1, keepdims=0)

    def form(self, forms: FixedForms, choice: str, crop: str) -> str:
        """`FixedForms.form`: (B,), (B, 2) -> (B, 64, 64) of spread 1."""
        stages, patch = forms.codes.shape[2], forms.patch
        side = FORM_SIDE // patch
        places = forms.places.reshape(-1, stages, side, side)
        starts = forms.starts.reshape(stages, side, side)
        tables = forms.rows.reshape(-1, patch, patch)
        rows = self.op("Gather", self.constant(places), choice, axis=0)  # (B, S, n, n)
        rows = self.op("Add", self.cast(rows, INT32), self.constant(starts.astype(np.int32)))
        parts = self.op("Gather", self.constant(tables), rows, axis=0)
        parts = self.op("DequantizeLinear", parts, self.number(1 / SPREAD))
        form = self.op("ReduceSum", parts, self.integers(1), keepdims=0)  # (B, n, n, p, p)
        form = self.bounded(form, INT8_MAX / SPREAD, 1)
        form = self.op("Transpose", form, perm=[0, 1, 3, 2, 4])
        return self._cropped(forms, self.reshape(form, 0, 1, FORM_SIDE, FORM_SIDE), crop)

    def _cropped(self, forms: FixedForms, form: str, crop: str) -> str:
        """(B, 1, 64, 64) of spread 1, (B, 2) -> (B, 64, 64)."""
        places = self.constant(forms.crop_places[..., None] / np.float32(WHOLE))
        at = self.op("Gather", places, crop, axis=0)  # (B, 2, 64, 1)
        away = self.op("Abs", self.op("Sub", at, self.array(np.arange(FORM_SIDE))))
        matrices = self.op("Relu", self.op("Sub", self.number(1), away))
        down, across = self.split(matrices, [1, 1], axis=1)
        turned = self.op("Transpose", across, perm=[0, 1, 3, 2])
        cut = self.op("MatMul", self.op("MatMul", down, form), turned)
        return self.reshape(cut, 0, -1, FORM_SIDE)


def _extended(codec: FixedCodec) -> np.ndarray:
    """The codes, and behind them one that is nothing: (K + 1, C) int8."""
    return np.concatenate([codec.codes, np.zeros_like(codec.codes[:1])]).astype(np.int8)


class _Book:
    """The codebook's constants in a graph.

    Attributes:
        whole: (K + 1, C) int8; the last one is nothing, and never the nearest.
        codes: the same as float32.
        columns: (C, K + 1).
        offset: half the squared lengths, below zero: (K + 1,).
        left: what codes leave in finer scales.
    """

    def __init__(self, g: EngineGraph, codec: FixedCodec) -> None:
        self.whole = g.constant(_extended(codec))
        self.codes = g.cast(self.whole, FLOAT)
        self.columns = g.op("Transpose", self.codes, perm=[1, 0])
        halves = np.append(codec.halves, np.float32(LIMIT - 1))
        self.offset = g.array(-halves)
        self.left = g.constant(codec.left)
        self.bound = g.number(-MOST_VECTOR / VECTOR_UNIT), g.number(MOST_VECTOR / VECTOR_UNIT)

    def nearest(self, g: EngineGraph, vectors: str, *, whole: bool = False) -> str:
        """`FixedCodec._nearest`: (B, n, C), whole numbers or not -> (B, n)."""
        numbers = g.op("Clip", vectors if whole else g.op("Round", vectors), *self.bound)
        near = g.op("Add", g.op("MatMul", numbers, self.columns), self.offset)
        return g.op("ArgMax", near, axis=2, keepdims=0)
