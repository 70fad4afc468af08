"""Quantisation-aware training: symmetric fake-quantisation, prepared and converted as one.

Every layer below is an ordinary float layer until `prepare` switches the fake-quantisers on.
`convert` freezes them; `export` writes a converted model in ONNX Runtime's 8-bit operators, or in
Q/DQ pairs that TensorRT accepts: symmetric int8, zero-points 0, weights per channel, activations
per tensor, biases in float. Norms and softmax stay float.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2a_edge.errors import CheckpointError
from train.checks import require

QMIN, QMAX = -128, 127
TINY = 2.0**-17
"""Smallest step. An all-zero channel divides by it, and an integer kernel has its bias in 32 bits,
in steps of input times weight: with a much smaller one a bias of 1 does not fit."""


@dataclass(frozen=True, kw_only=True)
class QatConfig:
    """Quantisation-aware steps: symmetric INT8, weights per channel, activations per tensor.

    Attributes:
        momentum: of the moving average of each activation's largest magnitude.
    """

    momentum: float = 0.05

    def __post_init__(self) -> None:
        require(0 < self.momentum <= 1, f"qat.momentum is {self.momentum}; expected (0, 1].")


class Mode(Enum):
    """What the fake-quantisers do."""

    OFF = "off"
    OBSERVE = "observe"
    FROZEN = "frozen"


def _register_meta_kernel() -> None:
    """Teach torch the shapes of a fake-quantised tensor: dynamic-shape export lacks this kernel."""

    def shapes(x: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        return torch.empty_like(x), torch.empty_like(x, dtype=torch.bool)

    name = "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams"
    try:
        torch.library.impl(name, "Meta")(shapes)
    except RuntimeError:  # a torch that brings its own
        return


_register_meta_kernel()


class _StraightThrough(torch.autograd.Function):
    """The same rounding as torch's fake-quantise, several times as fast in bf16 on a processor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limit = float(scale) * (QMAX + 0.5)
        step = float(scale)
        return (x * (1 / step)).round_().clamp_(QMIN, QMAX).mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * (x.abs() <= ctx.limit), None


class FakeQuantize(nn.Module):
    """Round a tensor to 256 symmetric steps; the gradient passes straight through.

    The step follows a moving average of the largest magnitude seen in training, or is fixed.

    Args:
        fixed_amax: largest magnitude, where it is known from the value range.
    """

    amax: Tensor
    scale: Tensor
    zero_point: Tensor

    def __init__(self, *, fixed_amax: float | None = None) -> None:
        super().__init__()
        self.fixed = fixed_amax is not None
        self.register_buffer("amax", torch.tensor(fixed_amax or 0.0))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.int32), persistent=False)
        self.register_buffer("scale", torch.ones(()), persistent=False)
        self.mode = Mode.OFF
        self.momentum = 0.0

    def _observe(self, x: Tensor) -> None:
        low, high = x.detach().aminmax()
        seen = torch.maximum(-low, high).float()
        self.amax.copy_(torch.where(self.amax == 0, seen, self.amax.lerp(seen, self.momentum)))

    def update_scale(self) -> None:
        """Derive the step from the largest magnitude."""
        self.scale.copy_((self.amax / QMAX).clamp_min(TINY))

    def forward(self, x: Tensor) -> Tensor:
        """The tensor on its steps, any shape; untouched while QAT is off."""
        if self.mode is Mode.OFF:
            return x
        if self.mode is Mode.OBSERVE and self.training:
            if not self.fixed:
                self._observe(x)
            self.update_scale()
            y: Tensor = _StraightThrough.apply(x, self.scale)  # type: ignore[no-untyped-call]
            return y
        return torch.fake_quantize_per_tensor_affine(
            x.float(), self.scale, self.zero_point, QMIN, QMAX
        )

    def again(self, x: Tensor) -> Tensor:
        """Fake-quantise values that already lie on this quantiser's steps (after relu, nearest).

        It changes nothing, so training skips it; the exported graph needs the node: ONNX Runtime
        runs an operation in int8 only between two of them.
        """
        y: Tensor = self(x) if self.mode is Mode.FROZEN else x
        return y


class _QatWeight(nn.Module):
    """Mixin: fake-quantises `self.weight` per output channel (axis 0)."""

    weight: Tensor
    weight_scale: Tensor
    weight_zero_point: Tensor
    mode: Mode

    def _init_weight_quantizer(self, channels: int) -> None:
        self.mode = Mode.OFF
        self.register_buffer("weight_scale", torch.ones(channels), persistent=False)
        zeros = torch.zeros(channels, dtype=torch.int32)
        self.register_buffer("weight_zero_point", zeros, persistent=False)

    def update_weight_scale(self) -> None:
        """Derive each channel's step from its largest weight."""
        amax = self.weight.detach().abs().flatten(1).amax(1)
        self.weight_scale.copy_((amax / QMAX).clamp_min(TINY))

    def quantized_weight(self) -> Tensor:
        """The weight as the integer kernels will see it, or as it is while QAT is off."""
        if self.mode is Mode.OFF:
            return self.weight
        if self.mode is Mode.OBSERVE and self.training:
            self.update_weight_scale()
        return torch.fake_quantize_per_channel_affine(
            self.weight, self.weight_scale, self.weight_zero_point, 0, QMIN, QMAX
        )


class QatLinear(nn.Linear, _QatWeight):
    """A linear layer that fake-quantises its input and its weight.

    Args:
        quantized: whether the input comes from a `FakeQuantize` and needs none.
    """

    input_quantizer: FakeQuantize | nn.Identity

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = True, quantized: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias=bias)
        self.input_quantizer = nn.Identity() if quantized else FakeQuantize()
        self._init_weight_quantizer(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(self.input_quantizer(x), self.quantized_weight(), self.bias)


class QatConv2d(nn.Conv2d, _QatWeight):
    """A convolution that fake-quantises its weight and its output.

    Its input must come from a `FakeQuantize`: ONNX Runtime fuses an integer convolution only
    between two of them.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, output_amax: float | None = None
    ) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, padding=1)
        self.output_quantizer = FakeQuantize(fixed_amax=output_amax)
        self._init_weight_quantizer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        y = self._conv_forward(x, self.quantized_weight(), self.bias)
        quantized: Tensor = self.output_quantizer(y)
        return quantized


class QatEmbedding(nn.Embedding, _QatWeight):
    """A table whose rows are fake-quantised, one step for the whole table."""

    def __init__(self, rows: int, dim: int) -> None:
        super().__init__(rows, dim)
        self._init_weight_quantizer(1)

    def update_weight_scale(self) -> None:
        """Derive the step from the table's largest entry."""
        self.weight_scale.copy_((self.weight.detach().abs().amax() / QMAX).clamp_min(TINY))

    def quantized_weight(self) -> Tensor:
        """The table as the engines will see it, or as it is while QAT is off."""
        if self.mode is Mode.OFF:
            return self.weight
        if self.mode is Mode.OBSERVE and self.training:
            self.update_weight_scale()
        return torch.fake_quantize_per_tensor_affine(
            self.weight, self.weight_scale[0], self.weight_zero_point[0], QMIN, QMAX
        )

    def forward(self, indices: Tensor) -> Tensor:
        """Indices of any shape -> (..., dim)."""
        return F.embedding(indices, self.quantized_weight())


def on_int8_grid(table: Tensor) -> Tensor:
    """A float table rounded to 255 symmetric steps, so that INT8 can store it exactly."""
    step = (table.abs().amax() / QMAX).clamp_min(TINY)
    return (table / step).round() * step


def _switch(module: nn.Module, mode: Mode, momentum: float | None = None) -> None:
    for part in module.modules():
        if isinstance(part, FakeQuantize | _QatWeight):
            part.mode = mode
        if isinstance(part, FakeQuantize) and momentum is not None:
            part.momentum = momentum


def prepare(module: nn.Module, config: QatConfig) -> None:
    """Switch the fake-quantisers on: they observe while the module trains."""
    _switch(module, Mode.OBSERVE, config.momentum)


def convert(module: nn.Module) -> None:
    """Freeze the fake-quantisers at the module's present weights and observed magnitudes.

    Raises:
        CheckpointError: a fake-quantiser has seen nothing, so it would clip everything to zero.
    """
    for name, part in module.named_modules():
        if isinstance(part, FakeQuantize):
            if part.amax == 0:
                raise CheckpointError(
                    f"The fake-quantiser {name} has observed nothing; train the stage with "
                    "qat_steps above 0."
                )
            part.update_scale()
        elif isinstance(part, _QatWeight):
            part.update_weight_scale()
    _switch(module, Mode.FROZEN)
    module.eval()


def disable(module: nn.Module) -> None:
    """Switch the fake-quantisers off: the module computes in float again."""
    _switch(module, Mode.OFF)
