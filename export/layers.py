"""Layers of the networks as operators, in float or in the integer kernels of ONNX Runtime.

In INT8 an activation is uint8, its step a number and its zero-point 128, or 0 where nothing is
below zero: then 8 bits cut off what a ReLU would. Weights are int8, a step for each output.
A linear layer is one of ONNX Runtime's own operators (`CONTRIB`), which its optimisation makes of
four standard ones at every start; so is the sum of two activations. The rest is standard ONNX, and
what is computed in float is exact (`export.functions`).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from export.compose import CONTRIB, DOUBLE, FLOAT, Composer
from export.functions import ALIGNED
from t2a_edge.errors import ExportError
from train.models.qat import QMAX, FakeQuantize, QatConv2d, QatEmbedding, QatLinear

Array = npt.NDArray[np.float32]

ZERO_POINT, NO_SIGN = 128, 0  # of uint8: of any number, and of one that is not below zero
STEPS = 256  # of Gelu's table, to one
LEAST_REACH = 6  # of the table: beyond, Gelu is 0 or its argument within 1e-8
ON_A_STEP = 1e-2  # of a step: how far from it an entry of a table may lie
RATIO_BITS = 16  # of the ratio of two steps: 8 more, those of a number, are what float32 has
FLOAT_STEP = np.float32(0)  # of what is not in 8 bits
LANES = 16  # outputs of a convolution: of 12, the kernel takes twice the time
MOST_SUM = 2**31 - 1  # of an integer kernel
FURTHEST = 64  # of RATIO_BITS: how far from a ratio another is looked for


def numbers(tensor: Tensor) -> Array:
    """A tensor as float32."""
    return tensor.detach().float().numpy()


@dataclass(frozen=True)
class Activation:
    """A value in 8 bits, or in float where `step` is 0.

    Attributes:
        name: of the value.
        step: of its numbers.
        zero: its zero-point.
    """

    name: str
    step: np.float32 = FLOAT_STEP
    zero: int = ZERO_POINT


@dataclass(frozen=True)
class Weights:
    """Weights of a linear layer.

    Attributes:
        values: (I, O) int8, or float32 where there is no step.
        steps: (O,).
        bias: (O,) float32.
        input_step: of its input; 0 in float, and where the input is in 8 bits already.
    """

    values: npt.NDArray[np.int8] | Array
    steps: Array
    bias: Array
    input_step: np.float32

    @classmethod
    def of(cls, *layers: QatLinear, exact: bool) -> "Weights":
        """Layers with one input, side by side."""
        bias = np.concatenate([numbers(layer.bias) for layer in layers])
        if not exact:
            values = np.concatenate([numbers(layer.weight).T for layer in layers], axis=1)
            return cls(values, np.ones(0, np.float32), bias, np.float32(0))
        steps = np.concatenate([numbers(layer.weight_scale) for layer in layers])
        whole = [
            np.rint(numbers(layer.quantized_weight()).T / numbers(layer.weight_scale))
            for layer in layers
        ]
        own = [layer.input_quantizer for layer in layers]
        steps_in = [np.float32(q.scale.item()) for q in own if isinstance(q, FakeQuantize)]
        step = max(steps_in, default=FLOAT_STEP)
        return cls(np.concatenate(whole, axis=1).astype(np.int8), steps, bias, step)

    def scaled(self, factors: Array) -> "Weights":
        """Outputs times factors, (O,)."""
        if not self.steps.size:
            return Weights(self.values * factors, self.steps, self.bias * factors, self.input_step)
        return Weights(self.values, self.steps * factors, self.bias * factors, self.input_step)

    def rows(self, order: npt.NDArray[np.int64]) -> "Weights":
        """Inputs in another order, (I,)."""
        return Weights(self.values[order], self.steps, self.bias, self.input_step)


class Network(Composer):
    """A network under construction.

    Args:
        exact: INT8 with the same bits everywhere; else float32.
    """

    def __init__(self, *, exact: bool, prefix: str = "v") -> None:
        super().__init__(prefix=prefix)
        self.exact = exact
        self._rounded: dict[tuple[str, bytes], Activation] = {}

    def wide(self, value: str) -> str:
        """In float64 where it is to be exact."""
        return self.cast(value, DOUBLE) if self.exact else value

    def narrow(self, value: str) -> str:
        """Back in float32."""
        return self.cast(value, FLOAT) if self.exact else value

    def wide_constant(self, values: npt.ArrayLike) -> str:
        """A constant of that type."""
        kind = np.float64 if self.exact else np.float32
        return self.constant(np.asarray(values, dtype=kind))

    # ---- 8 bits

    def step(self, step: np.float32) -> str:
        """A step as a constant."""
        return self.constant(np.array(step, dtype=np.float32))

    def zero(self, zero: int) -> str:
        """A zero-point as a constant."""
        return self.constant(np.array(zero, dtype=np.uint8))

    def rounded(self, value: str, step: np.float32, zero: int = ZERO_POINT) -> Activation:
        """A float value in 8 bits; the same one twice is rounded once."""
        key = (value, step.tobytes())
        if key not in self._rounded:
            name = self.op("QuantizeLinear", value, self.step(step), self.zero(zero))
            self._rounded[key] = Activation(name, step, zero)
        return self._rounded[key]

    # ---- linear layers

    def product(self, value: str | Activation, weights: Weights, zero: int = ZERO_POINT) -> str:
        """(..., I) -> (..., O) float32, without the bias.

        Args:
            zero: of the activation that a float value becomes.
        """
        if not self.exact:
            name = value.name if isinstance(value, Activation) else value
            return self.op("MatMul", name, self.constant(weights.values))
        if isinstance(value, str):
            value = self.rounded(value, weights.input_step, zero)
        return self.op(
            "MatMulIntegerToFloat", value.name, self.own(weights.values), self.step(value.step),
            self.own(weights.steps), self.zero(value.zero), domain=CONTRIB,
        )  # fmt: skip

    def linear(self, value: str | Activation, weights: Weights, zero: int = ZERO_POINT) -> str:
        """(..., I) -> (..., O) float32."""
        return self.op("Add", self.product(value, weights, zero), self.constant(weights.bias))

    def fixed(self, value: str | Activation, weights: Weights, units: Array) -> str:
        """`linear`, rounded to whole multiples of powers of two, (O,), where it is exact."""
        if not self.exact:
            return self.linear(value, weights)
        far = (ALIGNED * units).astype(np.float32)
        moved = (far + weights.bias).astype(np.float32)
        product = self.product(value, weights)
        return self.call("Rounded", product, self.constant(moved), self.constant(far))

    # ---- Gelu

    def gelu(
        self, value: str | Activation, weights: Weights, step: np.float32, *, wide: int = 0
    ) -> Activation:
        """Gelu of a linear layer, in 8 bits of a step.

        Args:
            step: of the next layer's input.
            wide: how many numbers a row of the value has, N, if there are many rows: (B, N, I).
        """
        if not self.exact:
            return Activation(self.op("Gelu", self.linear(value, weights)))
        end = _reach(step)
        scaled = weights.scaled(np.full(len(weights.bias), STEPS, np.float32))
        moved = scaled.bias + np.float32(end + 0.5)
        places = self.op("Add", self.product(value, scaled), self.constant(moved))
        shape = [-1, wide, len(weights.bias)] if wide else []
        return self._looked_up(places, step, shape)

    def gelu_of(self, value: str, step: np.float32) -> Activation:
        """Gelu of a float value, in 8 bits of a step."""
        if not self.exact:
            return Activation(self.op("Gelu", value))
        in_steps = self.op("Mul", value, self.number(STEPS))
        return self._looked_up(self.op("Add", in_steps, self.number(_reach(step) + 0.5)), step, [])

    def _looked_up(self, places: str, step: np.float32, shape: list[int]) -> Activation:
        end = _reach(step)
        table, last = gelu_table(end, step), self.number(2 * end - 1)
        if shape:
            row = self.constant(table[None])
            return Activation(self.call("WideGelu", places, row, last, self.integers(*shape)), step)
        return Activation(self.call("Gelu", places, self.constant(table), last), step)

    # ---- norms

    def normal(self, value: str, norm: nn.Module) -> str:
        """(..., D), normed but for `gain`; a layer norm takes the mean out first."""
        if not isinstance(norm, nn.LayerNorm):
            if self.exact:
                return self.call("Length", value)
            return self.op("LpNormalization", value, axis=-1, p=2)
        if self.exact:
            return self.call("Normal", value)
        (size,) = norm.normalized_shape
        ones, zeros = self.array(np.ones(size)), self.array(np.zeros(size))
        return self.op("LayerNormalization", value, ones, zeros, epsilon=norm.eps)

    def gain(self, norm: nn.Module, size: int) -> Array:
        """What `normal` leaves out: the root of a mean square, and weights of its own, (D,)."""
        root = np.full(size, math.sqrt(size), np.float32)
        if not isinstance(norm, nn.LayerNorm):
            return root
        return numbers(norm.weight) * (root if self.exact else np.float32(1))

    def norm(self, value: str, norm: nn.LayerNorm) -> str:
        """(..., D) -> (..., D)."""
        (size,) = norm.normalized_shape
        gained = self.op("Mul", self.normal(value, norm), self.constant(self.gain(norm, size)))
        return self.op("Add", gained, self.constant(numbers(norm.bias)))

    # ---- convolutions

    def conv(self, value: Activation, layer: QatConv2d, *, relu: bool) -> Activation:
        """A convolution of 3 x 3, in 8 bits of its own step.

        Args:
            relu: it stands behind.
        """
        assert layer.bias is not None
        weight, bias = layer.quantized_weight(), numbers(layer.bias)
        shape: dict[str, Any] = {"pads": [1, 1, 1, 1], "strides": list(layer.stride)}
        if not self.exact:
            weight_name, bias_name = self.constant(numbers(weight)), self.constant(bias)
            result = self.op("Conv", value.name, weight_name, bias_name, **shape)
            return Activation(self.op("Relu", result) if relu else result)
        steps = numbers(layer.weight_scale)
        whole = np.rint(numbers(weight) / steps[:, None, None, None]).astype(np.int8)
        sums = np.rint(bias / (steps.astype(np.float64) * value.step))
        count, spare = len(steps), -len(steps) % LANES
        whole, steps, sums = (_longer(part, spare) for part in (whole, steps, sums))
        if np.abs(sums).max() > MOST_SUM:
            raise ExportError(
                f"A bias of a convolution has {np.abs(sums).max():g} steps of input and weight; "
                "expected what 31 bits hold. Train longer with fake-quantisation, or raise "
                "train.models.qat.TINY."
            )
        step = np.float32(layer.output_quantizer.scale.item())
        zero = NO_SIGN if relu else ZERO_POINT
        name = self.op(
            "QLinearConv", value.name, self.step(value.step), self.zero(value.zero),
            self.own(whole), self.own(steps), self.own(np.array(0, dtype=np.int8)),
            self.step(step), self.zero(zero), self.own(sums.astype(np.int32)), **shape,
        )  # fmt: skip
        name = self.slice(name, 0, count, 1) if spare else name
        return Activation(name, step, zero)

    def sum(self, first: Activation, second: Activation, quantizer: FakeQuantize) -> Activation:
        """ReLU of a sum, in 8 bits of a step."""
        if not self.exact:
            return Activation(self.op("Relu", self.op("Add", first.name, second.name)))
        step = np.float32(quantizer.scale.item())
        parts = [
            (part.name, self.step(near_step(part.step, step)), self.zero(part.zero))
            for part in (first, second)
        ]
        name = self.op(
            "QLinearAdd", *parts[0], *parts[1], self.step(step), self.zero(NO_SIGN), domain=CONTRIB
        )
        return Activation(name, step, NO_SIGN)

    def enlarged(self, value: Activation, side: int) -> Activation:
        """(B, C, side, side) -> (B, C, 2 side, 2 side), each number four times."""
        if not self.exact:
            scales = self.array([1, 1, 2, 2])
            name = self.op(
                "Resize", value.name, "", scales, mode="nearest", nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )  # fmt: skip
            return Activation(name)
        places = self.constant(np.repeat(np.arange(side), 2))
        name = self.call("Enlarge", value.name, places, places)
        return Activation(name, value.step, value.zero)

    # ---- tables

    def table(self, layer: QatEmbedding, rows: str) -> str:
        """Rows of a table, float32; in 8 bits they are in steps, which a norm takes away."""
        if not self.exact:
            return self.op("Gather", self.constant(numbers(layer.weight)), rows)
        step = float(layer.weight_scale)
        whole = np.rint(numbers(layer.quantized_weight()) / step).astype(np.int8)
        return self.cast(self.op("Gather", self.constant(whole), rows), FLOAT)


def _longer(array: npt.NDArray[Any], spare: int) -> npt.NDArray[Any]:
    """An array with so many more entries of its first axis, all of them like the last."""
    return np.concatenate([array, np.repeat(array[-1:], spare, axis=0)])


def _reach(step: np.float32) -> int:
    """How far Gelu's table reaches on either side, in its steps."""
    return STEPS * max(LEAST_REACH, math.ceil(float(step) * QMAX))


def gelu_table(end: int, step: np.float32) -> npt.NDArray[np.uint8]:
    """Gelu from -end to end in 256ths, as 8-bit numbers of a step, (2 * end,)."""
    x = np.arange(-end, end) / STEPS
    share = 0.5 * (1 + torch.erf(torch.from_numpy(x) / math.sqrt(2)).numpy())
    whole = np.rint(x * share / np.float64(step)) + ZERO_POINT
    return whole.clip(0, 255).astype(np.uint8)


def near_step(step: np.float32, total: np.float32) -> np.float32:
    """The number near `step` whose quotient by `total`, in float32, has RATIO_BITS binary digits.

    ONNX Runtime's sum of two 8-bit tensors then rounds alike with and without fused multiply-add.
    `step` itself where there is none within a thousandth.
    """
    ratio, exponent = np.frexp(np.float64(step) / np.float64(total))
    digits = round(float(ratio) * 2**RATIO_BITS)
    for away in sorted(range(-FURTHEST, FURTHEST), key=abs):  # most divisions come out at once
        wanted = np.float32(np.ldexp((digits + away) / 2**RATIO_BITS, exponent))
        candidate = np.float32(wanted * total)
        if np.float32(candidate / total) == wanted:
            return candidate
    return step
