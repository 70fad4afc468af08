"""A recipe: the indices of a picture as a short text that decodes to the same pixels.

The bytes, before they become URL-safe base64 without padding:

    1    version, 3
    8    first 16 hexadecimal digits of the sha256 of the checkpoint that the bundle was made from
    1    flags: bit 0, opposite edges meet
    2    rows and columns of the layout, in half windows; 2 and 2 are one window
    8    left, top, width and height of what is shown, in pixels, 16 bits each, big-endian
    ...  the indices of each window, row by row of windows: coarse to fine, each in as many bits as
         the codebook needs (9 for 512 codes), most significant bit first; filled with zeros to a
         whole byte
    4    CRC-32 of all before it, big-endian

The recipe of an inpainted picture has the version 4, and before the CRC-32:

    1    pixels of the soft edge around the mask
    4    bytes of the mask, big-endian
    ...  the mask, a bit a pixel, row by row, most significant bit first, compressed with zlib
    ...  the recipe of the picture around it, whole, of either version

A picture of 2,389 indices takes 2,712 bytes. They hardly compress: all codes are used about alike.
Versions 1 and 2 had one grid of indices for all windows; no model that this t2a-edge runs has such
pictures.
"""

import base64
import binascii
import struct
import zlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import shown
from t2a_edge.errors import RecipeError
from t2a_edge.layout import MOST_HALVES, Layout
from t2a_edge.spec import Spec
from t2a_edge.values import same_fields

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

VERSION, PASTED_VERSION = 3, 4
OLD_VERSIONS = (1, 2)  # of models that drew scale by scale
MODEL_DIGITS = 16
HEAD = struct.Struct(">B8sBBBHHHH")
PASTE = struct.Struct(">BI")
WRAP = 1
HALF = 2  # halves of a window that the image size is divided into
MOST_PASTED = 16  # pictures that one is inpainted over
LONGEST = 4_000_000  # characters of a recipe


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a recipe says; equal ones say the same.

    Attributes:
        indices: (windows * P,) int64: of each window all scales, coarse to fine.
        layout: the windows that they are for.
        crop: left, top, width and height of what is shown, in pixels.
        pasted: what is around a masked part; None where the indices give all pixels.
    """

    indices: Int64Array
    layout: Layout
    crop: tuple[int, int, int, int]
    pasted: "Pasted | None" = None

    def __eq__(self, other: object) -> bool:
        """Whether the other one says the same."""
        return same_fields(self, other) if isinstance(other, Recipe) else NotImplemented

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash((self.indices.astype(np.int64).tobytes(), self.layout, self.crop))


@dataclass(frozen=True, eq=False)
class Pasted:
    """How a picture lies in another one.

    Attributes:
        mask: (H, W) bool; where it is true, the picture shows.
        feather: pixels around the mask in which one becomes the other.
        under: the recipe of the other one.
    """

    mask: BoolArray
    feather: int
    under: Recipe

    def __eq__(self, other: object) -> bool:
        """Whether the other one says the same."""
        return same_fields(self, other) if isinstance(other, Pasted) else NotImplemented

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash((self.mask.tobytes(), self.feather, self.under))


def _bits(codebook_size: int) -> int:
    return max(1, (codebook_size - 1).bit_length())


def pack_recipe(recipe: Recipe, spec: Spec, model: str) -> str:
    """The recipe as text.

    Args:
        spec: of the bundle.
        model: sha256 of the bundle's checkpoint, hexadecimal.

    Raises:
        RecipeError: the picture was inpainted too often, and its recipe would be too long.
    """
    text = base64.urlsafe_b64encode(_packed(recipe, spec, model)).decode("ascii").rstrip("=")
    if len(text) > LONGEST or _times_pasted(recipe) > MOST_PASTED:
        raise RecipeError(
            f"The picture would be inpainted {_times_pasted(recipe)} times over, with a recipe of "
            f"{len(text)} characters; expected at most {MOST_PASTED} times and {LONGEST}. Mark "
            "all that is to change in one mask."
        )
    return text


def _times_pasted(recipe: Recipe) -> int:
    times = 0
    while recipe.pasted is not None:
        recipe, times = recipe.pasted.under, times + 1
    return times


def _packed(recipe: Recipe, spec: Spec, model: str) -> bytes:
    bits = _bits(spec.codebook_size)
    shifts = np.arange(bits - 1, -1, -1)
    packed = np.packbits((recipe.indices[:, None] >> shifts & 1).astype(np.uint8).ravel())
    layout, pasted = recipe.layout, recipe.pasted
    head = HEAD.pack(
        VERSION if pasted is None else PASTED_VERSION,
        bytes.fromhex(model[:MODEL_DIGITS]), WRAP if layout.wrap else 0,
        layout.rows, layout.columns, *recipe.crop,
    )  # fmt: skip
    body = head + packed.tobytes()
    if pasted is not None:
        mask = zlib.compress(np.packbits(pasted.mask).tobytes(), 9)
        body += PASTE.pack(pasted.feather, len(mask)) + mask + _packed(pasted.under, spec, model)
    return body + zlib.crc32(body).to_bytes(4, "big")


def unpack_recipe(text: str, spec: Spec, model: str) -> Recipe:
    """Read what `pack_recipe` wrote.

    Raises:
        RecipeError: the text is damaged, of another version or of another model.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise RecipeError(
            f"The recipe is {shown(text)}; expected text of at most {LONGEST} characters."
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
    return _recipe_of(whole, len(stripped), spec, model, 0)


def _recipe_of(whole: bytes, length: int, spec: Spec, model: str, times: int) -> Recipe:
    """The recipe of its bytes.

    Args:
        length: characters of the text, for an error's.
        times: how many pictures lie over this one.
    """
    body = _checked_body(whole, length, model)
    version, _, flags, rows, columns, left, top, width, height = HEAD.unpack_from(body)
    layout, half = Layout(rows, columns, bool(flags & WRAP)), spec.image_size // HALF
    packed, rest = _divided(body[HEAD.size :], layout, spec, version)
    indices = _unpacked(packed, layout, spec)
    fits = 0 < width <= columns * half - left and 0 < height <= rows * half - top
    if indices is None or not fits:
        raise RecipeError(
            f"The recipe's parts do not fit together ({rows} by {columns} half windows, "
            f"{len(packed)} bytes of indices, {width} x {height} pixels shown); it was "
            "written by a faulty program. Take the recipe from the picture again."
        )
    recipe = Recipe(indices, layout, (left, top, width, height))
    if version == VERSION:
        return recipe
    pasted = _mask_of(rest, (width, height), spec)
    if pasted is None or times == MOST_PASTED:
        raise RecipeError(
            f"The recipe's mask does not fit a picture of {width} x {height} pixels, or lies over "
            f"more than {MOST_PASTED} pictures; take the recipe from the picture again."
        )
    mask, feather, around = pasted
    under = _recipe_of(around, length, spec, model, times + 1)
    if under.crop[2:] != (width, height):
        raise RecipeError(
            f"The recipe's picture has {width} x {height} pixels, and the one around it "
            f"{under.crop[2]} x {under.crop[3]}; take the recipe from the picture again."
        )
    return replace(recipe, pasted=Pasted(mask, feather, under))


def _checked_body(whole: bytes, length: int, model: str) -> bytes:
    """All but the checksum, which agrees; a RecipeError for another version or model."""
    body, check = whole[:-4], whole[-4:]
    if len(body) <= HEAD.size or zlib.crc32(body).to_bytes(4, "big") != check:
        raise RecipeError(
            f"The recipe, {length} characters, is damaged or cut short; copy it whole."
        )
    version, digits, flags = HEAD.unpack_from(body)[:3]
    if version in OLD_VERSIONS:
        raise RecipeError(
            f"The recipe has version {version}: a model that drew scale by scale made it, and this "
            f"t2a-edge reads versions {VERSION} and {PASTED_VERSION}. Install the one that wrote "
            "it, or draw its words anew."
        )
    if version not in (VERSION, PASTED_VERSION) or flags & ~WRAP:
        raise RecipeError(
            f"The recipe has version {version} and flags {flags}; this t2a-edge reads versions "
            f"{VERSION} and {PASTED_VERSION}. Install the version that wrote it."
        )
    if digits.hex() != model[:MODEL_DIGITS]:
        raise RecipeError(
            f"The recipe is of the model {digits.hex()}; this bundle has {model[:MODEL_DIGITS]}. "
            "Name the bundle that drew the picture."
        )
    return body


def _divided(content: bytes, layout: Layout, spec: Spec, version: int) -> tuple[bytes, bytes]:
    """The indices, and what follows them in a recipe of an inpainted picture."""
    if version == VERSION:
        return content, b""
    size = -(-_count(layout, spec) * _bits(spec.codebook_size) // 8)
    return content[:size], content[size:]


def _count(layout: Layout, spec: Spec) -> int:
    """How many indices a picture has."""
    return len(layout.windows) * spec.positions


def _mask_of(
    content: bytes, size: tuple[int, int], spec: Spec
) -> tuple[BoolArray, int, bytes] | None:
    """Mask, feather and the bytes of the recipe around them; None where they are damaged."""
    if len(content) < PASTE.size:
        return None
    feather, length = PASTE.unpack_from(content)
    packed, around = content[PASTE.size :][:length], content[PASTE.size + length :]
    width, height = size
    expected = -(-width * height // 8)
    try:
        bits = zlib.decompressobj().decompress(packed, expected + 1)
    except zlib.error:
        return None
    if len(bits) != expected or feather > spec.image_size // spec.scales[-1]:
        return None
    mask = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=width * height)
    return mask.reshape(height, width).astype(np.bool_), feather, around  # (H, W)


def _unpacked(packed: bytes, layout: Layout, spec: Spec) -> Int64Array | None:
    """The indices; None where they are not those of the layout."""
    if not all(2 <= halves <= MOST_HALVES for halves in (layout.rows, layout.columns)):
        return None
    count, bits = _count(layout, spec), _bits(spec.codebook_size)
    if len(packed) != -(-count * bits // 8):
        return None
    spread = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    if spread[count * bits :].any():
        return None
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.int64)
    indices: Int64Array = spread[: count * bits].reshape(count, bits).astype(np.int64) @ weights
    return indices if (indices < spec.codebook_size).all() else None
