"""ONNX graphs of the engines that decide a whole picture at once.

    text      text_bytes (B, W, L) uint8 -> text_embedding (B, W, T)
    forms     text_embedding, word_weights (B, W), noise (B, M), crop (B, 2) int64
              -> form (B, 64, 64), choice (B,) int64
    painter   latents (B, N, D), level (B,), form, form_level (B,), guidance (B,), text_embedding,
              word_weights -> clean (B, N, D)
    composer  latents (B, N, D) -> indices (B, P) int64
    encoder   indices (B, P) -> latents (B, N, D)
    decoder   indices (B, P) -> pixels (B, H, W, 3) uint8 sRGB

The networks are traced from torch. What stands around them is of whole numbers, put together here
operator by operator: see `export.flow_fixed`, which has the same in numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
import torch.nn.functional as F
from onnx import NodeProto, TensorProto, numpy_helper
from torch import Tensor, nn

from export.compose import FLOAT, INT64, UINT8, Composer
from export.flow_fixed import (
    CANVAS_UNIT,
    COMPONENT_UNIT,
    ENCODED_UNIT,
    INT8_MAX,
    LATENT_UNIT,
    MOST_CANVAS,
    MOST_COMPONENT,
    MOST_LATENT,
    MOST_VECTOR,
    VECTOR_UNIT,
    FixedCodec,
    FixedForms,
    FixedMap,
)
from export.graphs import OPSET, PIXEL_SCALE, GraphSource
from t2a_edge.bundle import ENGINES
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.form import WHOLE
from t2a_edge.scales import scale_offsets
from t2a_edge.spec import BLOCK
from train.codec import Decoder
from train.painting.model import WholeModel
from train.text import END, MODULUS, START, TextEngine

DOUBLE = TensorProto.DOUBLE
TRACED = ("text", "query", "painter", "pixels")  # networks
PATCHES = 8  # along each side of a form, as `train.painting.bank` cuts it

Graphs = Mapping[str, onnx.ModelProto]


class FlowTextGraph(nn.Module):
    """`export.graphs.TextGraph` in half of the nodes: all hashes are one product of integers."""

    hashes: Tensor
    lasts: Tensor

    def __init__(self, text: TextEngine) -> None:
        super().__init__()
        self.engine = text
        length, sizes = text.config.max_bytes + 2, text.config.ngrams
        columns, lasts = [], []
        for number, size in enumerate(sizes):
            for start in range(length - size + 1):
                column = torch.zeros(length, dtype=torch.int64)
                column[start : start + size] = text.multipliers[number, :size]
                columns.append(column)
                lasts.append(start + size - 1)
        columns.append(text.whole_multipliers[:length])
        lasts.append(0)  # the mark at the start: the whole word is always there
        self.register_buffer("hashes", torch.stack(columns, dim=1), persistent=False)
        self.register_buffer("lasts", torch.tensor(lasts), persistent=False)

    def forward(self, text_bytes: Tensor) -> Tensor:
        """Embed every word."""
        text = self.engine
        values = text_bytes.long()  # (B, W, L)
        before, body = F.pad(values, (1, 0), value=START), F.pad(values, (0, 1))
        ended = torch.where(body == 0, END * before.clamp_max(1), body)
        marked = F.pad(ended, (1, 0), value=START)  # (B, W, L + 2)
        rows = marked @ self.hashes % MODULUS % text.config.table_size  # (B, W, G)
        valid = marked[..., self.lasts] != 0
        vectors = text.table(rows) * valid.unsqueeze(-1).to(torch.float32)  # (B, W, G, T)
        mean = vectors.sum(-2) / valid.sum(-1, keepdim=True).to(torch.float32)
        embedding: Tensor = text.second(F.gelu(text.first(text.norm(mean))))
        return embedding


class PixelsGraph(nn.Module):
    """canvas (B, C, h, w) -> (B, H, W, 3) uint8 sRGB."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, canvas: Tensor) -> Tensor:
        """Decode to grey levels."""
        images = self.decoder(canvas)  # (B, 3, H, W)
        pixels = ((images + 1) * PIXEL_SCALE).round().clamp(0, 255).to(torch.uint8)
        grey: Tensor = pixels.permute(0, 2, 3, 1)  # (B, H, W, 3)
        return grey


def flow_sources(model: WholeModel) -> dict[str, GraphSource]:
    """The networks of a model, with example inputs: `TRACED`."""
    preset, dim = model.preset, torch.export.Dim
    batch, words = dim("batch", max=4096), dim("words", max=4096)
    generator = torch.Generator().manual_seed(1)
    width, positions = preset.transformer.width, model.painter.side**2
    size = preset.codec.scales[-1]
    text_bytes = torch.randint(97, 123, (2, 3, preset.text.max_bytes), generator=generator)
    embedding = torch.randn(2, 3, width, generator=generator)
    weights = torch.tensor([[1.0, 0.5, -1.0], [1.0, 0.0, 0.0]])
    worded: dict[str, dict[int, Any]] = {
        "text_embedding": {0: batch, 1: words}, "word_weights": {0: batch, 1: words},
    }  # fmt: skip
    return {
        "text": GraphSource(
            FlowTextGraph(model.text),
            {"text_bytes": text_bytes.to(torch.uint8)},
            ["text_embedding"],
            {"text_bytes": {0: batch, 1: words}},
        ),
        "query": GraphSource(
            model.query,
            {"text_embedding": embedding},
            ["asked"],
            {"text_embedding": worded["text_embedding"]},
        ),
        "painter": GraphSource(
            model.painter,
            {
                "latents": torch.randn(2, positions, preset.latent.depth, generator=generator),
                "level": torch.tensor([1.0, 0.3]),
                "form": torch.randn(2, FORM_SIDE, FORM_SIDE, generator=generator),
                "form_level": torch.tensor([0.0, 1.0]),
                "guidance": torch.tensor([2.5, 1.0]),
                "text_embedding": embedding,
                "word_weights": weights,
            },
            ["clean"],
            {
                **{
                    name: {0: batch}
                    for name in ("latents", "level", "form", "form_level", "guidance")
                },
                **worded,
            },
        ),
        "pixels": GraphSource(
            PixelsGraph(model.codec.decoder),
            {"canvas": torch.randn(2, preset.codec.code_dim, size, size, generator=generator)},
            ["pixels"],
            {"canvas": {0: batch}},
        ),
    }


def flow_graphs(model: WholeModel, networks: Graphs) -> dict[str, onnx.ModelProto]:
    """The engines, by name: `t2a_edge.bundle.ENGINES`.

    Args:
        networks: `TRACED`, in the form that a precision has.

    Raises:
        ExportError: the codec's sums would not be exact; see `export.flow_fixed`.
    """
    codec, forms = FixedCodec(model.codec.quantizer, model.latent), FixedForms(model.bank)
    depth, side = model.preset.latent.depth, model.painter.side
    text = model.preset.transformer.width
    latents: list[int | str] = ["batch", side * side, depth]
    indices: list[int | str] = ["batch", scale_offsets(codec.scales)[-1]]
    size = model.preset.data.image_size

    def built(name: str, build: Callable[["FlowComposer"], None]) -> onnx.ModelProto:
        g = FlowComposer(OPSET)
        build(g)
        return g.model(name)

    def build_forms(g: "FlowComposer") -> None:
        embedding = g.input("text_embedding", FLOAT, ["batch", "words", text])
        weights = g.input("word_weights", FLOAT, ["batch", "words"])
        noise = g.input("noise", FLOAT, ["batch", len(forms.codes)])
        crop = g.input("crop", INT64, ["batch", 2])
        (asked,) = g.splice(networks["query"], {"text_embedding": embedding})
        choice = g.choice(forms, asked, weights, noise)
        form = g.form(forms, choice, crop)
        g.output("form", form, FLOAT, ["batch", FORM_SIDE, FORM_SIDE])
        g.output("choice", choice, INT64, ["batch"])

    def build_composer(g: "FlowComposer") -> None:
        canvas = g.compose(codec, g.input("latents", FLOAT, latents))
        g.output("indices", g.code(codec, canvas), INT64, indices)

    def build_encoder(g: "FlowComposer") -> None:
        canvas = g.canvas(codec, g.input("indices", INT64, indices))
        g.output("latents", g.latents(codec, canvas), FLOAT, latents)

    def build_decoder(g: "FlowComposer") -> None:
        pixels = g.pixels(codec, networks["pixels"], g.input("indices", INT64, indices))
        g.output("pixels", pixels, UINT8, ["batch", size, size, 3])

    engines = {
        "text": networks["text"],
        "forms": built("forms", build_forms),
        "painter": networks["painter"],
        "composer": built("composer", build_composer),
        "encoder": built("encoder", build_encoder),
        "decoder": built("decoder", build_decoder),
    }
    assert tuple(engines) == ENGINES
    return engines


class FlowComposer(Composer):
    """A graph under construction, with what stands around the networks.

    Args:
        prefix: of the names of values; that of a loop's body differs from the graph's around it.
    """

    def __init__(self, opset: int, *, prefix: str = "v") -> None:
        super().__init__(opset)
        self.prefix = prefix

    def _name(self) -> str:
        self._count += 1
        return f"{self.prefix}{self._count}"

    def split(self, value: str, parts: Sequence[int], *, axis: int) -> list[str]:
        """Parts of an axis, of these lengths."""
        names = [self._name() for _ in parts]
        inputs = [value, self.integers(*parts)]
        self.nodes.append(onnx.helper.make_node("Split", inputs, names, axis=axis))
        return names

    def loop(self, body: "FlowComposer", count: str, start: str) -> str:
        """Run a graph so many times: its third input is its second output of the time before.

        Args:
            body: takes the number of the run and a condition first, and gives the condition first.
                It may use values of this graph.
            count: () int64.
            start: the first value.
        """
        inside = onnx.helper.make_graph(
            body.nodes, "body", body.inputs, body.outputs, list(body.constants.values())
        )
        end = self._name()
        self.nodes.append(onnx.helper.make_node("Loop", [count, "", start], [end], body=inside))
        return end

    def splice(self, model: onnx.ModelProto, inputs: Mapping[str, str]) -> list[str]:
        """Run another graph by its own nodes; see `Composer.call` for the arguments.

        A graph is spliced in once: its int8 constants are not shared.
        """
        graph = model.graph
        names = {"": "", **{value.name: inputs[value.name] for value in graph.input}}
        for constant in graph.initializer:
            if constant.data_type == TensorProto.INT8:  # ONNX Runtime may change it
                names[constant.name] = self._name()
                own = TensorProto()
                own.CopyFrom(constant)
                own.name = names[constant.name]
                self.constants[own.name] = own
            else:
                names[constant.name] = self.constant(numpy_helper.to_array(constant))
        for node in graph.node:
            names |= {name: self._name() for name in node.output if name}
            copied = NodeProto()
            copied.CopyFrom(node)
            copied.input[:] = [names[name] for name in node.input]
            copied.output[:] = [names[name] for name in node.output]
            self.nodes.append(copied)
        self.shared |= {(f.domain, f.name): f for f in model.functions}
        return [names[value.name] for value in graph.output]

    # ---- whole numbers

    def array(self, values: npt.ArrayLike) -> str:
        """A float32 constant."""
        return self.constant(np.asarray(values, dtype=np.float32))

    def widened(self, values: npt.NDArray[Any], kind: int) -> str:
        """A constant that is stored as it is and used as another type."""
        return self.cast(self.constant(values), kind)

    def bounded(self, value: str, most: float, unit: float) -> str:
        """Whole numbers, bounded."""
        ends = most / unit
        return self.op("Clip", value, self.number(-ends), self.number(ends))

    def whole(self, value: str, unit: float, most: float) -> str:
        """`flow_fixed.whole`."""
        steps = self.op("Mul", value, self.number(1 / unit)) if unit != 1 else value
        return self.bounded(self.op("Round", steps), most, unit)

    def mapped(self, fixed: FixedMap, numbers: str) -> str:
        """`FixedMap` of the last axis."""
        sums = self.op("MatMul", numbers, self.constant(fixed.weights))
        return self.op("Round", self.op("Add", sums, self.constant(fixed.offset)))

    def mapped_first(self, fixed: FixedMap, numbers: str) -> str:
        """`FixedMap` of the last axis but one: (B, I, ...) -> (B, O, ...)."""
        sums = self.op("MatMul", self.constant(fixed.weights.T), numbers)
        return self.op("Round", self.op("Add", sums, self.constant(fixed.offset[:, None])))

    def reshape(self, value: str, *shape: int) -> str:
        """0 keeps an axis."""
        return self.op("Reshape", value, self.integers(*shape))

    # ---- codec

    def compose(self, codec: FixedCodec, latents: str) -> str:
        """`FixedCodec.compose`: (B, N, D) -> (B, C, h, w)."""
        side, size, channels = codec.size // BLOCK, codec.size, codec.codes.shape[1]
        blocks = self.mapped(codec.compose_map, self.whole(latents, LATENT_UNIT, MOST_LATENT))
        blocks = self.bounded(blocks, MOST_COMPONENT, COMPONENT_UNIT)  # (B, N, K * 16)
        cut = self.reshape(blocks, 0, side, side, -1, BLOCK, BLOCK)
        grid = self.op("Transpose", cut, perm=[0, 3, 1, 4, 2, 5])  # (B, K, side, 4, side, 4)
        components = self.reshape(grid, 0, -1, size * size)  # (B, K, h w)
        canvas = self.mapped_first(codec.canvas_map, components)
        canvas = self.bounded(canvas, MOST_CANVAS, CANVAS_UNIT)
        return self.reshape(canvas, 0, channels, size, size)

    def code(self, codec: FixedCodec, canvas: str) -> str:
        """`FixedCodec.code`: (B, C, h, w) -> (B, P) int64."""
        channels, found = codec.codes.shape[1], []
        book = self.widened(codec.codes.astype(np.int8), FLOAT)  # (K, C)
        # a number behind each vector, always 1, times -halves: one product more, no sum
        behind = self.op("Concat", book, self.constant(-codec.halves[:, None]), axis=1)
        nearness_of = self.op("Transpose", behind, perm=[1, 0])  # (C + 1, K)
        ends, one = self.integers(0, 0, 0, 0, 0, 1), self.number(1)
        assert CANVAS_UNIT == VECTOR_UNIT
        for side in codec.scales:
            vectors, step = canvas, codec.size // side
            if step > 1:
                square = [step, step]
                vectors = self.op("AveragePool", vectors, kernel_shape=square, strides=square)
                vectors = self.op("Round", vectors)
            vectors = self.bounded(vectors, MOST_VECTOR, VECTOR_UNIT)
            vectors = self.reshape(vectors, 0, channels, side * side)
            vectors = self.op("Transpose", vectors, perm=[0, 2, 1])  # (B, side², C)
            nearness = self.op("MatMul", self.op("Pad", vectors, ends, one), nearness_of)
            chosen = self.op("ArgMax", nearness, axis=2, keepdims=0)  # (B, side²)
            found.append(chosen)
            if step > 1:
                codes = self.op("Gather", book, chosen, axis=0)  # (B, side², C)
                codes = self.op("Transpose", codes, perm=[0, 2, 1])
                codes = self.reshape(codes, 0, channels, side, side)
                down, across = codec.enlarge_matrices(side)
                part = self.op("Round", self.op("MatMul", self.constant(down), codes))
                part = self.op("MatMul", part, self.constant(across.T))
                canvas = self.op("Sub", canvas, self.op("Round", part))
        return self.op("Concat", *found, axis=1)

    def canvas(self, codec: FixedCodec, indices: str) -> str:
        """`FixedCodec.canvas`: (B, P) -> (B, C, h, w), in code steps.

        The grids of the coarse scales stand on the diagonal of one matrix, so that two products
        enlarge all of them.
        """
        offsets, (size_all, channels) = scale_offsets(codec.scales), codec.codes.shape
        places, size = codec.block_places(), codec.size
        nothing = np.zeros((1, channels), dtype=np.int8)  # the code of a place beside the diagonal
        book = self.constant(np.concatenate([codec.codes.astype(np.int8), nothing]))
        end = self.constant(np.array(size_all, dtype=np.int64))
        padded = self.op("Pad", indices, self.integers(0, 0, 0, 1), end)  # (B, P + 1)
        finest = np.arange(offsets[-2], offsets[-1])
        every = self.constant(np.concatenate([places.ravel(), finest]))
        codes = self.op("Gather", padded, every, axis=1)
        codes = self.op("Gather", book, codes, axis=0)  # (B, A² + h w, C)
        codes = self.cast(self.op("Transpose", codes, perm=[0, 2, 1]), DOUBLE)
        coarse, fine = self.split(codes, [places.size, size * size], axis=2)
        matrix = codec.block_enlarge()
        coarse = self.reshape(coarse, 0, 0, len(places), len(places))
        total = self.op("MatMul", self.constant(matrix), coarse)
        total = self.op("MatMul", total, self.constant(matrix.T))
        total = self.op("Add", total, self.reshape(fine, 0, 0, size, size))
        return self.cast(total, FLOAT)

    def latents(self, codec: FixedCodec, canvas: str) -> str:
        """`FixedCodec.latents`: (B, C, h, w) -> (B, N, D)."""
        side, size = codec.size // BLOCK, codec.size
        numbers = self.whole(canvas, ENCODED_UNIT, MOST_CANVAS)
        numbers = self.reshape(numbers, 0, 0, size * size)
        components = self.mapped_first(codec.component_map, numbers)  # (B, K, h w)
        components = self.bounded(components, MOST_COMPONENT, COMPONENT_UNIT)
        cut = self.reshape(components, 0, -1, side, BLOCK, side, BLOCK)
        cut = self.op("Transpose", cut, perm=[0, 2, 4, 1, 3, 5])  # (B, side, side, K, 4, 4)
        blocks = self.reshape(cut, 0, side * side, len(codec.latent_map.weights))
        return self.op("Mul", self.mapped(codec.latent_map, blocks), self.number(LATENT_UNIT))

    def pixels(self, codec: FixedCodec, network: onnx.ModelProto, indices: str) -> str:
        """Indices (B, P) -> (B, H, W, 3) uint8."""
        canvas = self.op("Mul", self.canvas(codec, indices), self.array(codec.step))
        (pixels,) = self.splice(network, {"canvas": canvas})
        return pixels

    # ---- forms

    def choice(self, forms: FixedForms, asked: str, weights: str, noise: str) -> str:
        """`FixedForms.choice`: (B, W, Q + 1), (B, W), (B, M) -> (B,)."""
        numbers = self.op("Round", self.op("Mul", asked, self.array(forms.asked_scale)))
        numbers = self.op("Max", numbers, self.array(-forms.most_asked))
        numbers = self.op("Min", numbers, self.array(forms.most_asked))
        weights = self.op("Unsqueeze", weights, self.integers(2))  # (B, W, 1)
        signed = self.op("Mul", numbers, self.op("Sign", weights))
        logits = self.op("MatMul", signed, self.widened(forms.columns, FLOAT))  # (B, W, M)
        logits = self.op("Clip", logits, self.number(forms.least), self.number(forms.enough))
        weights = self.op("Mul", self.op("Abs", weights), self.number(forms.weight_scale))
        heard = self.op("Round", self.op("Mul", logits, weights))
        scores = self.op("ReduceSum", heard, self.integers(1), keepdims=0)  # (B, M)
        scores = self.op("Mul", scores, self.number(forms.score_unit))
        return self.op("ArgMax", self.op("Add", scores, noise), axis=1, keepdims=0)

    def form(self, forms: FixedForms, choice: str, crop: str) -> str:
        """`FixedForms.form`: (B,), (B, 2) -> (B, 64, 64) of spread 1."""
        rows = self.op("Gather", self.constant(forms.places), choice, axis=0)  # (B, S N)
        rows = self.op("Add", self.cast(rows, INT64), self.constant(forms.starts))
        parts = self.op("Gather", self.constant(forms.rows), rows, axis=0)  # (B, S N, P) int8
        stages, patch = forms.codes.shape[2], FORM_SIDE // PATCHES
        split = self.reshape(self.cast(parts, FLOAT), 0, stages, PATCHES, PATCHES, patch, patch)
        form = self.op("ReduceSum", split, self.integers(1), keepdims=1)
        form = self.bounded(form, INT8_MAX, 1)  # (B, 1, 8, 8, p, p)
        form = self.op("Transpose", form, perm=[0, 1, 2, 4, 3, 5])
        form = self.reshape(form, 0, 1, FORM_SIDE, FORM_SIDE)
        return self._cropped(forms, form, crop)

    def _cropped(self, forms: FixedForms, form: str, crop: str) -> str:
        """(B, 1, 64, 64) whole numbers, (B, 2) -> (B, 64, 64) of spread 1."""
        at = self.op("Gather", self.constant(forms.crop_places), crop, axis=0)  # (B, 2, 64)
        at = self.op("Unsqueeze", at, self.integers(3))
        inputs = self.array(np.arange(FORM_SIDE) * WHOLE)
        away = self.op("Abs", self.op("Sub", at, inputs))  # (B, 2, 64, 64)
        matrices = self.op("Relu", self.op("Sub", self.number(WHOLE), away))
        down, across = self.split(matrices, [1, 1], axis=1)
        cut = self.op("MatMul", down, form)
        cut = self.op("MatMul", cut, self.op("Transpose", across, perm=[0, 1, 3, 2]))
        cut = self.op("Mul", cut, self.number(forms.form_unit))
        return self.reshape(cut, -1, FORM_SIDE, FORM_SIDE)
