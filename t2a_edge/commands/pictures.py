"""Pictures that commands are given: files that were saved here, and masks."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError

if TYPE_CHECKING:
    pass

BoolArray = npt.NDArray[np.bool_]

GREY = 127  # a mask marks what is brighter


def read_mask(path: Path, size: tuple[int, int]) -> BoolArray:
    """What a mask's file marks: where it is brighter than mid-grey.

    Args:
        size: width and height that it must have.

    Returns:
        (H, W) bool.

    Raises:
        ImageError: the file is missing, no picture, or of another size.
    """
    from t2a_edge.image import read_pixels

    pixels = read_pixels(path)
    height, width = pixels.shape[:2]
    if (width, height) != size:
        raise ImageError(
            f"The mask {path} has {width} x {height} pixels and the picture {size[0]} x {size[1]}; "
            "give it the same size."
        )
    marked: BoolArray = pixels.mean(-1) > GREY
    return marked
