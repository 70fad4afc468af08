"""Several pictures in one: a contact sheet."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import OptionError

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

UInt8Array = npt.NDArray[np.uint8]

GAP = 8  # pixels between pictures, and around them
PAPER = 255  # grey level between them
MOST_PIXELS = 100_000_000  # of a sheet
LONGEST_SIDE = 16_383  # pixels; a WebP file has no more


def shape_of_sheet(prompts: int, count: int) -> tuple[int, int]:
    """Rows and columns: a row for each prompt that has several pictures, else nearly a square."""
    if prompts > 1 and count > 1:
        return prompts, count
    pictures = prompts * count
    columns = math.ceil(math.sqrt(pictures))
    return math.ceil(pictures / columns), columns


def size_of_sheet(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Width and height in pixels of rows and columns of pictures of this size.

    Raises:
        OptionError: the sheet would be too large.
    """
    rows, columns = shape
    width = columns * (size[0] + GAP) + GAP
    height = rows * (size[1] + GAP) + GAP
    if max(width, height) > LONGEST_SIDE or width * height > MOST_PIXELS:
        raise OptionError(
            f"The sheet would have {width} x {height} pixels; expected at most {LONGEST_SIDE} a "
            f"side and {MOST_PIXELS:,} in all. Draw fewer or smaller pictures, or leave --grid out."
        )
    return width, height


def contact_sheet(artworks: Sequence["Artwork"], shape: tuple[int, int]) -> UInt8Array:
    """Pictures of one size on white, row by row.

    Returns:
        (H, W, 3) uint8 sRGB.
    """
    columns = shape[1]
    size = artworks[0].size
    width, height = size_of_sheet(shape, size)
    sheet = np.full((height, width, 3), PAPER, dtype=np.uint8)
    for number, artwork in enumerate(artworks):
        row, column = divmod(number, columns)
        top, left = GAP + row * (size[1] + GAP), GAP + column * (size[0] + GAP)
        sheet[top : top + size[1], left : left + size[0]] = artwork.pixels
    return sheet


def about_sheet(artworks: Sequence["Artwork"], shape: tuple[int, int]) -> dict[str, Any]:
    """What a sheet says about itself: how each of its pictures is drawn again, row by row.

    Recipes are left out: prompt, seed and options draw the same pictures.
    """
    pictures = [
        {key: value for key, value in artwork.metadata.items() if key not in ("recipe", "bundle")}
        for artwork in artworks
    ]
    return {"grid": list(shape), "bundle": artworks[0].bundle_hash, "pictures": pictures}
