"""Masks that commands are given."""

from pathlib import Path

import numpy as np

from t2a_edge.errors import ImageError
from t2a_edge.pixels import UInt8Array, read_pixels


def read_mask(path: Path, size: tuple[int, int]) -> UInt8Array:
    """The grey levels of a mask's file, (H, W) uint8.

    Args:
        size: width and height that it must have.

    Raises:
        ImageError: the file is missing, no picture, or of another size.
    """
    pixels = read_pixels(path)
    height, width = pixels.shape[:2]
    if (width, height) != size:
        raise ImageError(
            f"The mask {path} has {width} x {height} pixels and the picture {size[0]} x {size[1]}; "
            "give it the same size."
        )
    grey: UInt8Array = np.rint(pixels.mean(-1)).astype(np.uint8)
    return grey
