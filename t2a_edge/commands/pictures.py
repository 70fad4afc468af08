"""Masks that commands are given."""

from pathlib import Path

from t2a_edge.edit import mask_of
from t2a_edge.pixels import UInt8Array, read_pixels


def read_mask(path: Path, size: tuple[int, int]) -> UInt8Array:
    """The grey levels of a mask's file, (H, W) uint8.

    Args:
        size: width and height that it must have.

    Raises:
        ImageError: the file is missing, no picture, or of another size.
    """
    return mask_of(f"The mask {path}", read_pixels(path), size, "give it the same size.")
