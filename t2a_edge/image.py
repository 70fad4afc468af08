"""A picture on disk, with how it was made in its metadata."""

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import shown
from t2a_edge.errors import ImageError
from t2a_edge.files import write_whole
from t2a_edge.metadata import KEY, fitting, marked, object_of, texts_in
from t2a_edge.pixels import SENT, opened_picture
from t2a_edge.pixels import read_pixels as read_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

METADATA_KEY = KEY  # of the tEXt chunk, or the first word of the EXIF description
IMAGE_DESCRIPTION = 0x010E  # EXIF tag that holds the metadata as JSON, where there are no chunks
FORMATS = {
    "png": (".png",), "webp": (".webp",), "jpeg": (".jpg", ".jpeg"), "avif": (".avif",),
    "npy": (".npy",),
}  # fmt: skip
LONGEST_SIDE = {"webp": 16_383, "jpeg": 65_500, "avif": 65_535, "gif": 65_535}  # pixels
HOW: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True, "quality": 20, "method": 2},  # its effort: a quarter of the usual
    "jpeg": {"quality": 95},  # time, files 7% larger
    "avif": {"quality": 85, "speed": 9, "subsampling": "4:4:4"},
}
COMPRESSION = 3  # of PNG, 0 to 9: a third of the time of 6, files a tenth larger
WALKED = ("PNG", "JPEG", "MPO", "WEBP", "GIF")  # formats whose text `texts_in` finds
MAX_SLUG = 80  # characters of a file name that come from the prompt


def image_from_pixels(pixels: UInt8Array) -> "Image":
    """(H, W, 3) uint8 sRGB as a Pillow image; an ImageError for any other array."""
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ImageError(
            f"The pixels are {pixels.dtype} of shape {pixels.shape}; expected uint8 (H, W, 3)."
        )
    return Image.fromarray(pixels)


def encoded(pixels: UInt8Array, picture_format: str, metadata: Mapping[str, Any]) -> bytes:
    """A picture as the bytes of a file.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        picture_format: "png", "webp" (lossless), "jpeg", "avif" or "npy".
        metadata: JSON values; a .npy has no place for them. What does not fit, such as the recipe
            of a large picture in a JPEG, is left out: see `left_out`.

    Raises:
        ImageError: the pixels are no image, the metadata no JSON, or the format is another one
            or cannot hold so large a picture.
    """
    if not isinstance(picture_format, str) or picture_format not in FORMATS:
        raise ImageError(
            f"The picture format is {shown(picture_format)}; expected {', '.join(sorted(FORMATS))}."
        )
    stream = io.BytesIO()
    image = image_from_pixels(pixels)
    check_sides(picture_format, image.size)
    text = metadata_text(metadata, picture_format)[0]
    try:
        if picture_format == "npy":
            np.save(stream, pixels, allow_pickle=False)
        elif picture_format == "png":
            from PIL.PngImagePlugin import PngInfo

            about = PngInfo()
            about.add_text(METADATA_KEY, text)  # ASCII: tEXt, which more programs keep than iTXt
            image.save(stream, format="PNG", pnginfo=about, compress_level=COMPRESSION)
        else:
            exif = image.getexif()
            exif[IMAGE_DESCRIPTION] = text
            image.save(stream, format=picture_format.upper(), exif=exif, **HOW[picture_format])
    except KeyError as exc:  # AVIF, in a Pillow that was built without it
        raise ImageError(
            f"This Pillow cannot write {picture_format}; choose another format."
        ) from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(
            f"The picture cannot be written as {picture_format} ({reason}); choose another format."
        ) from exc
    return stream.getvalue()


def check_sides(picture_format: str, size: tuple[int, int]) -> None:
    """An ImageError if a format cannot hold a picture of this width and height."""
    most = LONGEST_SIDE.get(picture_format)
    if most is not None and max(size) > most:
        raise ImageError(
            f"The picture has {size[0]} x {size[1]} pixels; a {picture_format} file holds at most "
            f"{most} a side. Save a .png, or draw a smaller one."
        )


def metadata_text(metadata: Mapping[str, Any], picture_format: str) -> tuple[str, tuple[str, ...]]:
    """Metadata as text for a format, and the entries that did not fit into it.

    Raises:
        ImageError: the metadata is no JSON that can be read again.
    """
    try:
        return fitting(metadata, picture_format)
    except ValueError as exc:
        raise ImageError(
            f"The metadata cannot be written ({exc}); expected plain JSON values."
        ) from exc


def left_out(metadata: Mapping[str, Any], picture_format: str) -> tuple[str, ...]:
    """Which entries of the metadata a file of this format would be saved without.

    A JPEG holds 64 kB of it: of a picture over 640 x 640 pixels the recipe is left out.
    The file says so itself: its metadata has the names under `left_out`.
    """
    return () if picture_format == "npy" else metadata_text(metadata, picture_format)[1]


def picture_format_of(path: Path) -> str:
    """Which format a file's suffix stands for; an ImageError for another suffix."""
    for picture_format, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return picture_format
    every = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise ImageError(f"{path} ends in {path.suffix!r}; name a file that ends in {every}.")


def write_picture(
    pixels: UInt8Array, path: Path, metadata: Mapping[str, Any], picture_format: str | None = None
) -> tuple[str, ...]:
    """Write a picture whole or not at all, to where `cp` would write it (`t2a_edge.files`).

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        path: the file; its folder is made if it is missing.
        metadata: JSON values, kept under the key "t2a-edge".
        picture_format: of the file; None is that of its suffix.

    Returns:
        The names of the metadata's entries that the format has no room for; see `left_out`.

    Raises:
        ImageError: the pixels are no image, or the file cannot be written.
    """
    chosen = picture_format or picture_format_of(path)
    write_whole(path, encoded(pixels, chosen, metadata), error=ImageError)
    return left_out(metadata, chosen)


def read_metadata(path: Path | bytes) -> dict[str, Any]:
    """The metadata that `write_picture` put into a file, wherever another program has moved it.

    It is looked for in PNG text before and after the pixels, EXIF, XMP, JPEG and GIF comments, of
    pictures and of animations.

    Args:
        path: of the file, or its bytes.

    Returns:
        The entries; `left_out` names those that the format had no room for.

    Raises:
        ImageError: the file is no picture of ours.
    """
    name: Path | str = "The picture" if isinstance(path, bytes) else path
    for find in (_texts_walked_to, _texts_of_pillow):
        problem = None
        for text in find(path, name):
            try:
                return object_of(text, whole=False)
            except ValueError as exc:
                problem = problem or exc
        if problem is not None:
            raise ImageError(
                f"{name} has metadata that t2a-edge did not write ({problem}); name another "
                "picture."
            )
    raise ImageError(f"{name} has no {METADATA_KEY} metadata; name a picture that t2a-edge wrote.")


def _texts_walked_to(path: Path | bytes, name: Path | str) -> Iterator[str]:
    """Texts that may be metadata of ours, in the formats whose chunks we walk through."""
    try:
        with io.BytesIO(path) if isinstance(path, bytes) else path.open("rb") as source:
            yield from texts_in(source)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(f"{name} cannot be read ({reason}); name another file.") from exc


def _texts_of_pillow(path: Path | bytes, name: Path | str) -> Iterator[str]:
    """The same in other formats, such as TIFF; an ImageError for what is no picture."""
    opened = opened_picture(name)
    if isinstance(path, bytes):  # sent by somebody: fewer of Pillow's readers see it
        opened = opened_picture(name, io.BytesIO(path), (*SENT, "AVIF"))
    with opened as image:
        if image.format in WALKED:
            return
        fields = [image.getexif().get(IMAGE_DESCRIPTION), *map(image.info.get, ("comment", "xmp"))]
    for field in fields:
        block = field.encode("utf-8", "replace") if isinstance(field, str) else field
        if isinstance(block, bytes):
            yield from marked(block)


def file_name(prompt: str, seed: int | None) -> str:
    """A file name for a picture: letters and digits of the prompt, then the seed."""
    slug = re.sub(r"[^\w]+", "-", prompt).strip("-_")
    while len(slug.encode("utf-8")) > MAX_SLUG:
        slug = slug[:-1]
    return f"{slug or 'art'}{'' if seed is None else f'-{seed}'}.png"
