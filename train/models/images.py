"""Pictures as tensors, and the precision that networks over them compute in."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from train.data.pictures import UInt8Array


def images_from_uint8(squares: list[UInt8Array]) -> Tensor:
    """(H, W, 3) uint8 each -> (B, 3, H, W) float32 in [-1, 1], channels last in memory."""
    stacked = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
    return (stacked.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def uint8_from_images(images: Tensor) -> UInt8Array:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) uint8."""
    pixels = images.permute(0, 2, 3, 1).add(1).mul(127.5).round().clamp(0, 255)
    grey: UInt8Array = pixels.to(torch.uint8).contiguous().numpy()
    return grey


@cache
def multiplies_bf16() -> bool:
    """Whether the processor has instructions for bf16 (AVX-512 BF16, AMX, Arm's BF16)."""
    return any(there and "bf16" in name for name, there in torch.cpu.get_capabilities().items())


def autocast() -> torch.autocast:
    """bf16 where the processor multiplies it, about nine times as fast as float32, else float32.

    Without such instructions bf16 is worked out in float32: ten times as slow as float32 itself.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bf16())
