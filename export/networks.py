"""The networks of a whole model as operators: text engine, query, painter and decoder.

Each function adds one to a graph; torch has the same in `train.models.text`, `train.models` and
`train.models.codec`. Layers that share an input are one layer here, and what the painter makes of
words and form alone depends on nothing else, so that `export.compose.split_graph` can take it out
of a loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.compose import FLOAT, INT64
from export.layers import NO_SIGN, ZERO_POINT, Activation, Array, Network, Weights, numbers
from t2a_edge.checks import MAX_GUIDANCE
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.spec import BLOCK
from train.models.chooser import Query
from train.models.codec import Decoder, ResidualBlock, Trunk
from train.models.painter import HATS, ConvHead, PaintBlock, Painter
from train.models.qat import QatConv2d, QatLinear
from train.models.text import END, MODULUS, START, TextEngine

FIXED_BITS = 8  # behind the point, of keys and values: sums of products below 2^8 are exact
PIXEL_SCALE = 127.5  # [-1, 1] to [0, 255]

Int64Array = npt.NDArray[np.int64]


# ---- words


def hash_matrix(text: TextEngine) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """All hashes of a word as one product of integers.

    Returns:
        (L + 2, G), of the bytes with marks at both ends; (G,), the place before the last byte of
        each, or the first place: a hash counts if there is a byte.
    """
    length, sizes = text.config.max_bytes + 2, text.config.ngrams
    columns, lasts = [], []
    for number, size in enumerate(sizes):
        for start in range(length - size + 1):
            column = np.zeros(length, dtype=np.int32)
            column[start : start + size] = text.multipliers[number, :size].numpy()
            columns.append(column)
            lasts.append(max(0, start + size - 2))
    columns.append(text.whole_multipliers[:length].numpy().astype(np.int32))
    return np.stack(columns, axis=1), np.array([*lasts, 0], dtype=np.int32)


def _mark_of_end(length: int) -> Int64Array:
    """Turns places that have a byte into a mark where the first one has none: (L + 2, L + 2)."""
    mark = np.zeros((length, length), dtype=np.int64)
    before = np.arange(length - 1)
    mark[before, before + 1] = END
    mark[before[1:], before[1:]] = -END
    mark[-1, -1] = -END
    return mark


def text_network(g: Network, text: TextEngine, text_bytes: str) -> str:
    """(B, W, L) uint8 -> (B, W, T)."""
    hashes, lasts = hash_matrix(text)
    start = np.zeros(len(hashes), dtype=np.int64)
    start[0] = START
    values = g.cast(text_bytes, INT64)
    values = g.op("Pad", values, g.integers(0, 0, 1, 0, 0, 1))
    values = g.op("Add", values, g.constant(start))  # (B, W, L + 2)
    there = g.op("Min", values, g.constant(np.array(1, dtype=np.int64)))
    end = g.op("MatMul", there, g.constant(_mark_of_end(len(hashes))))
    multipliers = g.cast(g.constant(hashes), INT64)
    hashed = g.op("MatMul", g.op("Add", values, end), multipliers)  # (B, W, G)
    rows = g.op("Mod", hashed, g.constant(np.array(MODULUS, dtype=np.int64)))
    rows = g.op("Mod", rows, g.constant(np.array(text.config.table_size, dtype=np.int64)))
    vectors = g.table(text.table, rows)  # (B, W, G, T)
    valid = g.cast(g.op("Gather", there, g.constant(lasts), axis=2), FLOAT)  # (B, W, G)
    total = g.op("Einsum", valid, vectors, equation="bwg,bwgt->bwt")
    if not g.exact:
        total = g.op("Div", total, g.op("ReduceSum", valid, g.integers(2)))
    hidden = g.norm(total, text.norm)
    first, second = (Weights.of(layer, exact=g.exact) for layer in (text.first, text.second))
    return g.linear(g.gelu(hidden, first, second.input_step), second)


def query_network(g: Network, query: Query, text_embedding: str, factors: Array) -> str:
    """(B, W, T) -> what words ask (B, W, Q + 1), each output times a factor."""
    first, second = (Weights.of(layer, exact=g.exact) for layer in (query.first, query.second))
    hidden = g.gelu(text_embedding, first, second.input_step)
    return g.linear(hidden, second.scaled(factors))


# ---- painter


@dataclass(frozen=True)
class PainterInputs:
    """Names of the painter's inputs; see `t2a_edge.runner.PainterInputs` for the shapes."""

    latents: str
    level: str
    form: str
    form_level: str
    guidance: str
    text_embedding: str
    word_weights: str


def painter_network(g: Network, painter: Painter, given: PainterInputs) -> str:
    """The clean latents, (B, N, D)."""
    return _PainterGraph(g, painter).built(given)


class _PainterGraph:
    """A painter under construction."""

    def __init__(self, g: Network, painter: Painter) -> None:
        self.g, self.painter = g, painter
        self.blocks = [block for block in painter.blocks if isinstance(block, PaintBlock)]
        self.positions = painter.side**2
        self.width = painter.head.in_features
        self.heads, self.conv = self.blocks[0].heads, painter.conv_head
        self.depth = self.width // self.heads  # of a head

    def built(self, given: PainterInputs) -> str:
        """All of it."""
        g, painter = self.g, self.painter
        base, form_channels = self._of_form(given.form)
        text, strength = self._words(given)
        prompt = self._prompt(text, strength)
        keys = self._text_keys(text)
        bias = self._bias(strength)
        told = self._told(given, prompt)  # (B, 1, D)
        gains, shifts = self._modulations(told)
        x, latent_channels = self._shared(given.latents, painter.latents_in, "latents_in")
        x = g.op("Add", g.op("Add", x, base), told)
        for number, block in enumerate(self.blocks):
            own = slice(2 * number, 2 * number + 2)
            x = self._block(block, x, keys[number], bias, gains[own], shifts[own])
        normed = self._normed(x)
        clean, hidden_channels = self._shared(normed, painter.head, "hidden_in")
        if self.conv is None:
            return g.op("Add", clean, g.constant(numbers(painter.head.bias)))
        added = self._conv_head(self.conv, [form_channels, latent_channels, hidden_channels])
        biases = numbers(painter.head.bias) + numbers(self.conv.out.bias)
        return g.op("Add", g.op("Add", clean, added), g.constant(biases))

    def _weights(self, *layers: QatLinear) -> Weights:
        return Weights.of(*layers, exact=self.g.exact)

    def _shared(self, value: str | Activation, layer: QatLinear, name: str) -> tuple[str, str]:
        """A layer's product, and the convolutions' layer `name` on the same value, if any."""
        g = self.g
        if self.conv is None:
            return g.product(value, self._weights(layer)), ""
        own: QatLinear = getattr(self.conv, name)
        both = g.product(value, self._weights(layer, own))
        first, second = g.split(both, [layer.out_features, own.out_features], axis=2)
        return first, second

    # ---- before the steps

    def _of_form(self, form: str) -> tuple[str, str]:
        """What form, places and biases are at each position, (B, N, D); the form's channels."""
        g, painter, side = self.g, self.painter, self.painter.side
        patch = FORM_SIDE // side
        cut = g.reshape(form, 0, side, patch, side, patch)
        cut = g.op("Transpose", cut, perm=[0, 1, 3, 2, 4])
        patches = g.reshape(cut, 0, side * side, patch * patch)
        made, channels = self._shared(patches, painter.form_in, "form_in")
        biases = numbers(painter.form_in.bias) + numbers(painter.latents_in.bias)
        return g.op("Add", made, g.constant(numbers(painter.position) + biases)), channels

    def _words(self, given: PainterInputs) -> tuple[str, str]:
        """Words (B, W, D), and how much each counts, (B, 1, W), wide."""
        g, painter, width = self.g, self.painter, self.width
        both = g.linear(
            given.text_embedding, self._weights(painter.text_in, painter.avoid_in)
        )  # (B, W, 2 D)
        wanted, avoided = g.split(both, [width, width], axis=2)
        avoids = g.op("Less", given.word_weights, g.number(0))
        avoids = g.op("Unsqueeze", avoids, g.integers(2))
        text = g.op("Where", avoids, avoided, wanted)
        strength = g.wide(g.op("Abs", given.word_weights))
        return text, g.op("Unsqueeze", strength, g.integers(1))

    def _prompt(self, text: str, strength: str) -> str:
        """What the prompt as a whole adds, with the bias of what is told, (B, 1, D)."""
        g, painter = self.g, self.painter
        total = g.op("ReduceSum", strength, g.integers(2))  # (B, 1, 1)
        share = g.op("Div", strength, g.op("Max", total, g.wide_constant(1e-6)))
        mean = g.narrow(g.op("MatMul", share, g.wide(text)))  # (B, 1, D)
        weights = self._weights(painter.prompt_in)
        worded = g.narrow(g.op("Sign", total))
        bias = g.op("Mul", worded, g.constant(weights.bias))
        bias = g.op("Add", bias, g.constant(numbers(painter.told_out.bias)))
        return g.op("Add", g.product(mean, weights), bias)

    def _text_keys(self, text: str) -> list[str]:
        """Keys and values of the words for each block, (2, B, h, W, d)."""
        g, count = self.g, len(self.blocks)
        layers = [block.text_kv for block in self.blocks]
        weights = self._weights(*layers)
        both = g.fixed(text, weights, np.full(len(weights.bias), 2.0**-FIXED_BITS, np.float32))
        cut = g.op("Reshape", both, g.integers(0, 0, 2 * count, self.heads, self.depth))
        turned = g.op("Transpose", cut, perm=[2, 0, 3, 1, 4])
        return g.split(turned, [2] * count, axis=0)

    def _bias(self, strength: str) -> str:
        """Of attention, (B, 1, 1, W + N): a word without weight is at minus infinity."""
        g = self.g
        weights = g.op("Log", strength)
        padded = g.op("Pad", weights, g.integers(0, 0, 0, 0, 0, self.positions))
        return g.op("Unsqueeze", padded, g.integers(1))

    # ---- in every step

    def _told(self, given: PainterInputs, prompt: str) -> str:
        """The noise levels, the guidance and the prompt, (B, 1, D)."""
        g, painter = self.g, self.painter
        levels = g.op("Concat", given.level, given.form_level, given.guidance, axis=0)
        levels = g.reshape(levels, 3, -1, 1)
        factors = np.array([HATS - 1, HATS - 1, (HATS - 1) / MAX_GUIDANCE]).reshape(3, 1, 1)
        away = g.op("Sub", g.op("Mul", levels, g.array(factors)), g.array(np.arange(HATS)))
        hats = g.op("Sub", g.number(1), g.op("Abs", away))  # (3, B, 16)
        if not g.exact:
            hats = g.op("Relu", hats)
        hats = g.reshape(g.op("Transpose", hats, perm=[1, 0, 2]), 0, 1, 3 * HATS)
        first, second = self._weights(painter.told_in), self._weights(painter.told_out)
        rounded: str | Activation = hats
        if g.exact:
            rounded = g.rounded(hats, first.input_step, NO_SIGN)
        hidden = g.gelu(rounded, first, second.input_step)
        return g.op("Add", g.product(hidden, second), prompt)

    def _modulations(self, told: str) -> tuple[list[str], list[str]]:
        """What each norm is multiplied with, and what is added, (B, 1, D) each."""
        g, painter = self.g, self.painter
        weights = self._weights(painter.modulate)
        hidden = g.gelu_of(told, weights.input_step)
        norms = [n for block in self.blocks for n in (block.attention_norm, block.mlp_norm)]
        own = np.stack([numbers(block.modulation) for block in self.blocks])  # (L, 4, D)
        own = own + weights.bias.reshape(4, self.width)
        own[:, ::2] += 1  # scales
        plain = not isinstance(norms[0], torch.nn.LayerNorm)
        if plain:  # then all have one gain, which the scales take
            factors = np.ones((4, self.width), np.float32)
            factors[::2] = g.gain(norms[0], self.width)
            own, weights = own * factors, weights.scaled(factors.ravel())
        moved = g.op(
            "Add", g.product(hidden, weights), g.constant(own.reshape(len(own), -1))
        )  # (B, L, 4 D)
        count = len(norms)
        pairs = g.reshape(moved, 0, count, 2 * self.width)
        gains, shifts = g.split(pairs, [self.width] * 2, axis=2)  # (B, 2 L, D)
        if not plain:
            biases = [numbers(n.bias) for n in norms if isinstance(n, torch.nn.LayerNorm)]
            bias = g.constant(np.stack(biases))
            shifts = g.op("Add", g.op("Mul", gains, bias), shifts)
            gain = np.stack([g.gain(norm, self.width) for norm in norms])
            gains = g.op("Mul", gains, g.constant(gain))
        each = [1] * count
        return g.split(gains, each, axis=1), g.split(shifts, each, axis=1)

    def _block(
        self,
        block: PaintBlock,
        x: str,
        keys: str,
        bias: str,
        gains: Sequence[str],
        shifts: Sequence[str],
    ) -> str:
        g, heads, depth = self.g, self.heads, self.depth
        y = self._modulated(x, block.attention_norm, gains[0], shifts[0])
        qkv = self._weights(block.qkv)
        factors = np.ones(3 * self.width, dtype=np.float32)
        factors[: self.width] = depth**-0.5
        units = np.full(3 * self.width, 2.0**-FIXED_BITS, dtype=np.float32)
        units[: self.width] *= np.float32(2.0 ** np.floor(np.log2(depth**-0.5)))
        made = g.fixed(y, qkv.scaled(factors), units)
        cut = g.reshape(made, 0, self.positions, 3, heads, depth)
        turned = g.op("Transpose", cut, perm=[2, 0, 3, 1, 4])  # (3, B, h, N, d)
        query, own = g.split(turned, [1, 2], axis=0)
        every = g.op("Concat", keys, own, axis=3)  # (2, B, h, W + N, d)
        key, value = g.split(every, [1, 1], axis=0)
        scores = g.op("MatMul", query, g.op("Transpose", key, perm=[0, 1, 2, 4, 3]))
        if g.exact:
            shares = g.call("Shares", scores, bias)
        else:
            shares = g.op("Softmax", g.op("Add", scores, bias))
        seen = g.op("MatMul", shares, value)  # (1, B, h, N, d)
        seen = g.op("Transpose", seen, perm=[1, 3, 0, 2, 4])
        seen = g.reshape(seen, 0, self.positions, self.width)
        x = g.op("Add", x, g.linear(seen, self._weights(block.attention_out)))
        y = self._modulated(x, block.mlp_norm, gains[1], shifts[1])
        first, second = self._weights(block.mlp_in), self._weights(block.mlp_out)
        hidden = g.gelu(y, first, second.input_step, wide=self.positions)
        return g.op("Add", x, g.linear(hidden, second))

    def _modulated(self, x: str, norm: torch.nn.Module, gain: str, shift: str) -> str:
        g = self.g
        return g.op("Add", g.op("Mul", g.normal(x, norm), gain), shift)

    def _normed(self, x: str) -> str | Activation:
        """The last norm, in 8 bits where it is exact."""
        g, norm, head = self.g, self.painter.norm, self.painter.head
        if isinstance(norm, torch.nn.LayerNorm):
            return g.norm(x, norm)
        normal, root = g.normal(x, norm), np.float32(self.width**0.5)
        if not g.exact:
            return g.op("Mul", normal, g.number(float(root)))
        step = self._weights(head).input_step
        return Activation(g.rounded(normal, np.float32(step / root)).name, step)

    def _conv_head(self, conv: ConvHead, channels: Sequence[str]) -> str:
        """What the convolutions add to the clean latents, but for a bias, (B, N, D).

        Args:
            channels: of form, latents and hidden vectors, (B, N, C * 16) each, without biases.
        """
        g, side = self.g, self.painter.side
        layers = (conv.form_in, conv.latents_in, conv.hidden_in)
        bias = np.concatenate([numbers(layer.bias) for layer in layers])
        x = g.op("Add", g.op("Concat", *channels, axis=2), g.constant(bias))
        step = np.float32(conv.quantizer.scale.item())
        given = g.rounded(x, step) if g.exact else Activation(x)
        grid = g.op("Transpose", given.name, perm=[0, 2, 1])
        grid = g.reshape(grid, 0, 0, side, side)
        grid = g.op("DepthToSpace", grid, blocksize=BLOCK, mode="CRD")
        made = trunk(g, Activation(grid, given.step), conv.trunk, BLOCK * side)
        made = g.conv(made, conv.last, relu=False)
        flat = g.op("SpaceToDepth", made.name, blocksize=BLOCK)  # the places of a channel apart
        flat = g.reshape(flat, 0, 0, side * side)
        flat = g.op("Transpose", flat, perm=[0, 2, 1])
        weights = self._weights(conv.out)
        count = conv.last.out_channels
        order = np.arange(len(weights.values)).reshape(count, -1).T.ravel()
        return g.product(Activation(flat, made.step), weights.rows(order))


# ---- decoder


def decoder_network(g: Network, decoder: Decoder, canvas: str, unit: float, side: int) -> str:
    """Canvas (B, C, side, side), in units -> (B, H, W, 3) uint8 sRGB."""
    if g.exact:
        step = np.float32(decoder.canvas_quantizer.scale.item())
        rounded = g.rounded(canvas, np.float32(step / unit))
        x = Activation(rounded.name, step)
    else:
        x = Activation(g.op("Mul", canvas, g.number(unit)))
    x = g.conv(trunk(g, x, decoder, side), decoder.head, relu=False)
    return _grey_levels(g, x, decoder.shuffle.upscale_factor)


def trunk(g: Network, x: Activation, module: Trunk, side: int) -> Activation:
    """(B, C, side, side) in 8 bits -> (B, widths[-1], h, w)."""
    x = g.conv(x, module.stem, relu=True)
    for level, blocks in enumerate(module.levels):
        if level:
            conv = module.enlarge[level - 1].conv
            assert isinstance(conv, QatConv2d)
            x = g.conv(g.enlarged(x, side), conv, relu=True)
            side *= 2
        assert isinstance(blocks, torch.nn.ModuleList)
        for block in blocks:
            assert isinstance(block, ResidualBlock)
            x = residual(g, x, block)
    return x


def residual(g: Network, x: Activation, block: ResidualBlock) -> Activation:
    """(B, C, h, w) in 8 bits to the same shape."""
    inner = g.conv(g.conv(x, block.first, relu=True), block.second, relu=False)
    return g.sum(x, inner, block.sum_quantizer)


def _grey_levels(g: Network, images: Activation, block: int) -> str:
    """(B, 3 block², h, w) in [-1, 1] -> (B, H, W, 3) uint8."""
    shuffle: dict[str, Any] = {"blocksize": block, "mode": "CRD"}
    if g.exact:  # zero-point 1 makes -1 to 1 of the 8-bit numbers 0 to 2
        unit, lowest = np.float32(PIXEL_SCALE * images.step), ZERO_POINT - round(1 / images.step)
        grey = g.op("DequantizeLinear", images.name, g.step(unit), g.zero(lowest))
        levels = g.op("QuantizeLinear", grey, g.number(1), g.zero(0))
        levels = g.op("DepthToSpace", levels, **shuffle)
        return g.op("Transpose", levels, perm=[0, 2, 3, 1])
    pixels = g.op("DepthToSpace", images.name, **shuffle)
    pixels = g.op("Mul", g.op("Add", pixels, g.number(1)), g.number(PIXEL_SCALE))
    levels = g.op("Clip", g.op("Round", pixels), g.number(0), g.number(255))
    levels = g.op("Transpose", levels, perm=[0, 2, 3, 1])
    return g.cast(levels, 2)
