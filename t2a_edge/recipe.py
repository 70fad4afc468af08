"""A recipe: the indices of a picture as a short text that decodes to the same pixels.

The bytes, before they become URL-safe base64 without padding:

    1    version, 1
    8    first 16 hexadecimal digits of the sha256 of the checkpoint that the bundle was made from
    1    flags: bit 0, opposite edges meet
    2    rows and columns of the layout, in half windows; 2 and 2 are one window
    8    left, top, width and height of what is shown, in pixels, 16 bits each, big-endian
    ...  the indices, coarse to fine, each in as many bits as the codebook needs (9 for 512 codes),
         most significant bit first, filled with zeros to a whole byte
    4    CRC-32 of all before it, big-endian

A picture of 1,365 indices takes 1,560 bytes. They hardly compress: all codes are used about alike.
"""

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import shown
from t2a_edge.errors import RecipeError
from t2a_edge.layout import MOST_HALVES, Layout
from t2a_edge.spec import Spec
from t2a_edge.values import same_fields

Int64Array = npt.NDArray[np.int64]

VERSION = 1
MODEL_DIGITS = 16
HEAD = struct.Struct(">B8sBBBHHHH")
WRAP = 1
MOST_CHARACTERS = 2**24  # the largest picture of the largest codebook has a fifth of it
HALF = 2  # halves of a window that the image size is divided into


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a recipe says; equal ones say the same.

    Attributes:
        indices: (P,) int64, coarse to fine.
        layout: the windows that they are for.
        crop: left, top, width and height of what is shown, in pixels.
    """

    indices: Int64Array
    layout: Layout
    crop: tuple[int, int, int, int]

    def __eq__(self, other: object) -> bool:
        """Whether the other one says the same."""
        return same_fields(self, other) if isinstance(other, Recipe) else NotImplemented

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash((self.indices.astype(np.int64).tobytes(), self.layout, self.crop))


def _bits(codebook_size: int) -> int:
    return max(1, (codebook_size - 1).bit_length())


def pack_recipe(recipe: Recipe, spec: Spec, model: str) -> str:
    """The recipe as text.

    Args:
        spec: of the bundle.
        model: sha256 of the bundle's checkpoint, hexadecimal.
    """
    bits = _bits(spec.codebook_size)
    shifts = np.arange(bits - 1, -1, -1)
    packed = np.packbits((recipe.indices[:, None] >> shifts & 1).astype(np.uint8).ravel())
    layout = recipe.layout
    head = HEAD.pack(
        VERSION, bytes.fromhex(model[:MODEL_DIGITS]), WRAP if layout.wrap else 0,
        layout.rows, layout.columns, *recipe.crop,
    )  # fmt: skip
    body = head + packed.tobytes()
    whole = body + zlib.crc32(body).to_bytes(4, "big")
    return base64.urlsafe_b64encode(whole).decode("ascii").rstrip("=")


def unpack_recipe(text: str, spec: Spec, model: str) -> Recipe:
    """Read what `pack_recipe` wrote.

    Raises:
        RecipeError: the text is damaged, of another version or of another model.
    """
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise RecipeError(
            f"The recipe is {shown(text)}; expected text of at most {MOST_CHARACTERS} characters."
        )
    stripped = text.strip()
    try:
        whole = base64.b64decode(
            stripped + "=" * (-len(stripped) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError) as exc:
        raise RecipeError(
            "The recipe has characters that no recipe has; copy it whole, letters, digits, - and _."
        ) from exc
    body, check = whole[:-4], whole[-4:]
    if len(body) <= HEAD.size or zlib.crc32(body).to_bytes(4, "big") != check:
        raise RecipeError(
            f"The recipe, {len(stripped)} characters, is damaged or cut short; copy it whole."
        )
    version, digits, flags, rows, columns, *crop = HEAD.unpack_from(body)
    if version != VERSION or flags & ~WRAP:
        raise RecipeError(
            f"The recipe has version {version} and flags {flags}; this t2a-edge reads version "
            f"{VERSION}. Install the version that wrote it."
        )
    if digits.hex() != model[:MODEL_DIGITS]:
        raise RecipeError(
            f"The recipe is of the model {digits.hex()}; this bundle has {model[:MODEL_DIGITS]}. "
            "Name the bundle that drew the picture."
        )
    layout = Layout(rows, columns, bool(flags & WRAP))
    indices = _unpacked(body[HEAD.size :], layout, spec)
    left, top, width, height = crop
    half = spec.image_size // HALF
    fits = 0 < width <= columns * half - left and 0 < height <= rows * half - top
    if indices is None or not fits:
        raise RecipeError(
            f"The recipe's parts do not fit together ({rows} by {columns} half windows, "
            f"{len(body) - HEAD.size} bytes of indices, {width} x {height} pixels shown); it was "
            "written by a faulty program. Take the recipe from the picture again."
        )
    return Recipe(indices, layout, (left, top, width, height))


def _unpacked(packed: bytes, layout: Layout, spec: Spec) -> Int64Array | None:
    """The indices; None where they are not those of the layout."""
    if not all(2 <= halves <= MOST_HALVES for halves in (layout.rows, layout.columns)):
        return None
    count, bits = layout.positions(spec.scales), _bits(spec.codebook_size)
    if len(packed) != -(-count * bits // 8):
        return None
    spread = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    if spread[count * bits :].any():
        return None
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.int64)
    indices: Int64Array = spread[: count * bits].reshape(count, bits).astype(np.int64) @ weights
    return indices if (indices < spec.codebook_size).all() else None
