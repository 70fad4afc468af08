"""A picture on disk, with how it was made in its metadata."""

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

METADATA_KEY = "t2a-edge"  # of the iTXt chunk, or the first word of the EXIF description
IMAGE_DESCRIPTION = 0x010E  # EXIF tag that holds the metadata as JSON, where there are no chunks
FORMATS = {
    "png": (".png",), "webp": (".webp",), "jpeg": (".jpg", ".jpeg"), "npy": (".npy",),
}  # fmt: skip
COMPRESSION = 3  # of PNG, 0 to 9: a third of the time of 6, files a tenth larger
MAX_SLUG = 80  # characters of a file name that come from the prompt


def image_from_pixels(pixels: UInt8Array) -> "Image":
    """(H, W, 3) uint8 sRGB as a Pillow image; an ImageError for any other array."""
    from PIL import Image

    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise ImageError(
            f"The pixels are {pixels.dtype} of shape {pixels.shape}; expected uint8 (H, W, 3)."
        )
    return Image.fromarray(pixels)


def encoded(pixels: UInt8Array, picture_format: str, metadata: Mapping[str, Any]) -> bytes:
    """A picture as the bytes of a file.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        picture_format: "png", "webp" (lossless), "jpeg" or "npy".
        metadata: JSON values; a .npy has no place for them.

    Raises:
        ImageError: the pixels are no image, or the format is another one.
    """
    stream = io.BytesIO()
    image = image_from_pixels(pixels)
    if picture_format == "npy":
        np.save(stream, pixels, allow_pickle=False)
    elif picture_format == "png":
        from PIL.PngImagePlugin import PngInfo

        about = PngInfo()
        about.add_itxt(METADATA_KEY, json.dumps(metadata, ensure_ascii=False, sort_keys=True))
        image.save(stream, format="PNG", pnginfo=about, compress_level=COMPRESSION)
    elif picture_format in ("webp", "jpeg"):
        exif = image.getexif()
        exif[IMAGE_DESCRIPTION] = f"{METADATA_KEY} {json.dumps(metadata, sort_keys=True)}"
        how: dict[str, Any] = {"lossless": True} if picture_format == "webp" else {"quality": 95}
        image.save(stream, format=picture_format.upper(), exif=exif, **how)
    else:
        raise ImageError(
            f"The picture format is {picture_format!r}; expected {', '.join(sorted(FORMATS))}."
        )
    return stream.getvalue()


def picture_format_of(path: Path) -> str:
    """Which format a file's suffix stands for; an ImageError for another suffix."""
    for picture_format, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return picture_format
    every = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise ImageError(f"{path} ends in {path.suffix!r}; name a file that ends in {every}.")


def write_picture(pixels: UInt8Array, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a picture whole or not at all.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        path: the file, in the format of its suffix; its folder is made if it is missing.
        metadata: JSON values, kept under the key "t2a-edge".

    Raises:
        ImageError: the pixels are no image, or the file cannot be written.
    """
    picture_format = picture_format_of(path)
    try:
        content = encoded(pixels, picture_format, metadata)
    except OSError as exc:
        raise _unwritable(path, exc) from exc
    write_whole(path, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; an ImageError where that cannot be done."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=".t2a-edge-", suffix=path.suffix
        )
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        Path(temporary).chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _unwritable(path, exc) from exc
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def _unwritable(path: Path, exc: Exception) -> ImageError:
    reason = getattr(exc, "strerror", None) or exc
    return ImageError(f"{path} cannot be written ({reason}); name a path that can.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_pixels(path: Path) -> UInt8Array:
    """(H, W, 3) uint8 sRGB of a picture in any format that Pillow reads.

    Turned the way its EXIF says; what is transparent shows white.

    Raises:
        ImageError: the file is missing, or no picture.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as exc:
        raise ImageError(f"{path} is not a picture; name a PNG or JPEG file.") from exc
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(f"{path} cannot be read ({reason}); name a PNG or JPEG file.") from exc


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata that `write_picture` put into a file.

    Raises:
        ImageError: the file is no picture of ours.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            text = opened.info.get(METADATA_KEY)
            if text is None:
                described = str(opened.getexif().get(IMAGE_DESCRIPTION, ""))
                text = described.removeprefix(METADATA_KEY) if METADATA_KEY in described else None
        if text is not None:
            return dict(json.loads(text))
    except UnidentifiedImageError as exc:
        raise ImageError(f"{path} is not a picture; name one that t2a-edge wrote.") from exc
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(f"{path} cannot be read ({reason}); name another file.") from exc
    raise ImageError(f"{path} has no {METADATA_KEY} metadata; name a picture that t2a-edge wrote.")


def file_name(prompt: str, seed: int | None) -> str:
    """A file name for a picture: letters and digits of the prompt, then the seed."""
    slug = re.sub(r"[^\w]+", "-", prompt).strip("-_")
    while len(slug.encode("utf-8")) > MAX_SLUG:
        slug = slug[:-1]
    return f"{slug or 'art'}{'' if seed is None else f'-{seed}'}.png"
