"""The pixels of a picture file, of whatever kind: the one reader of commands, bench and training.

| what a file has | what is read |
| --- | --- |
| EXIF orientation | the picture turned the way it says |
| transparency of any kind | what shows on white |
| a palette, grey, black and white, YCbCr, HSV, CMYK, Lab | their colours |
| a colour profile other than sRGB | the colours that it stands for, where it can be used |
| 16 bits a sample | 8 bits, rounded |
| floating point, grey | 0 is black and 1 is white; other values are refused |
| whole numbers of 32 bits, or with a sign | refused: the file does not say which is white |
| several frames or pages | the first |
| more than `MAX_PIXELS` | refused before it is decoded |
"""

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.checks import file_path
from t2a_edge.errors import ImageError, T2AEdgeError

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

MAX_PIXELS = 100_000_000  # of a picture that is read: as many as a contact sheet may have
WHITE_16 = 65_535
SIXTEEN_BITS = ("PNG", "PPM")  # formats whose mode "I" has 16 bits without a sign
SENT = ("PNG", "JPEG", "WEBP")  # formats of what somebody sends to a server
PROGRAMS = ("EPS", "WMF")  # not pixels: Pillow would run another program to draw them
ROUNDING = 1e-6  # that a number of 0 to 1 may be beyond
_quiet = threading.RLock()
_SILENT, _NOTHING = logging.getLogger("PIL"), logging.NullHandler()


def read_pixels(path: Path) -> UInt8Array:
    """(H, W, 3) uint8 sRGB of a picture in any format that Pillow reads; see the table above.

    Raises:
        ImageError: the file is missing, no picture, damaged, too large, or of values whose range
            it does not say.
    """
    with opened_picture(path) as image:
        _check_size(path, image)
        if image.format in PROGRAMS:
            raise ImageError(
                f"{path} is a drawing of the kind {image.format}, no pixels; save it as a PNG."
            )
        return np.asarray(_rgb(path, _turned(image), image.format))


def sent_pixels(name: str, content: bytes, *, most: int) -> UInt8Array:
    """(H, W, 3) uint8 sRGB of the bytes of a PNG, JPEG or WebP that somebody sent.

    Args:
        name: how an error's sentence begins.
        most: pixels that it may have.

    Raises:
        ImageError: it is none of these, damaged, or larger.
    """
    with opened_picture(name, io.BytesIO(content), SENT) as image:
        width, height = image.size
        if not 0 < width * height <= most:
            raise ImageError(f"{name} has {width} x {height} pixels; expected 1 to {most:,}.")
        return np.asarray(_rgb(name, _turned(image), image.format))


def pixels_of(name: str, picture: Any, *, most: int = MAX_PIXELS) -> UInt8Array:
    """(H, W, 3) uint8 sRGB of what somebody gives for a picture.

    Args:
        name: how an error's sentence begins.
        picture: a path; the bytes of a PNG, JPEG or WebP; a Pillow image; or uint8 sRGB, (H, W, 3)
            or grey (H, W), of anything that numpy takes for an array, such as an artwork.
        most: pixels that it may have where it is bytes.

    Raises:
        ImageError: it is none of these, or the file cannot be read.
    """
    if isinstance(picture, str | PurePath):
        return read_pixels(file_path(name, picture, error=ImageError))
    if isinstance(picture, bytes):
        return sent_pixels(name, picture, most=most)
    if hasattr(picture, "getbands"):  # a Pillow image, without an import of Pillow
        _check_size(name, picture)
        try:
            return np.asarray(_rgb(name, picture, picture.format))
        except T2AEdgeError:
            raise
        except Exception as exc:  # what is read late may be damaged, as above
            raise ImageError(f"{name} cannot be read ({exc}); expected a picture.") from exc
    try:
        array = np.asarray(picture)
    except Exception as exc:  # rows of several lengths, or an array that raises errors of its own
        raise ImageError(f"{name} is no array ({exc}); expected a picture.") from exc
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not fits or not 0 < array.size <= 3 * MAX_PIXELS:
        raise ImageError(
            f"{name} is {array.dtype} of shape {array.shape}; expected a path, a Pillow image, or "
            "uint8 of shape (H, W, 3) or (H, W)."
        )
    return array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2)


@contextmanager
def opened_picture(
    path: Path | str, content: io.BytesIO | None = None, formats: tuple[str, ...] | None = None
) -> Iterator["Image"]:
    """A picture whose header is read; whatever Pillow raises on it is one ImageError.

    Args:
        path: of the file; or what an error calls it, where its content is given.
        formats: that are tried, by Pillow's names; None is all.

    Pillow's warnings are held back meanwhile, one picture at a time: the filters that do it
    belong to the whole process. What it logs goes to the handlers of the program, if it has any.
    """
    from PIL import Image, UnidentifiedImageError

    _SILENT.addHandler(_NOTHING)  # one that is there is not added again
    advice = "name a PNG or JPEG file"
    try:
        with _quiet, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            with Image.open(content or path, formats=formats) as image:
                yield image
    except T2AEdgeError:
        raise
    except UnidentifiedImageError as exc:
        raise ImageError(f"{path} is not a picture that can be read; {advice}.") from exc
    except Image.DecompressionBombError as exc:
        raise ImageError(_too_large(path, "far more")) from exc
    except Exception as exc:  # a damaged file makes Pillow raise errors of any kind
        reason = getattr(exc, "strerror", None) or exc or type(exc).__name__
        raise ImageError(f"{path} cannot be read ({reason}); {advice}.") from exc


def _too_large(path: Path | str, pixels: str) -> str:
    return f"{path} has {pixels} pixels; expected at most {MAX_PIXELS:,}. Make the picture smaller."


def _check_size(path: Path | str, image: "Image") -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(path, f"{width} x {height}"))
    if width * height < 1:
        raise ImageError(f"{path} has {width} x {height} pixels; expected 1 or more a side.")


def _turned(image: "Image") -> "Image":
    """The picture as its EXIF says; as it is stored where that is damaged."""
    from PIL import ImageOps

    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of any kind, as above; the pixels are read already
        return image


def _rgb(path: Path | str, image: "Image", picture_format: str | None) -> "Image":
    """The picture on white in the mode RGB."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(path, image, picture_format)).convert("RGB")
    profile, alpha = image.info.get("icc_profile"), None
    if image.has_transparency_data:
        if image.mode == "La":  # no other mode knows it
            image = image.convert("LA")
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    colours = _profiled(image, profile) or image.convert("RGB")
    if alpha is None:
        return colours
    return Image.composite(colours, Image.new("RGB", image.size, "white"), alpha)


def _eight_bits(path: Path | str, image: "Image", picture_format: str | None) -> UInt8Array:
    """Grey of more than 8 bits as (H, W) uint8, by the range that its kind of number has."""
    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # NaN fails too
            raise ImageError(
                f"{path} has floating-point values from {low:g} to {high:g}; expected 0 (black) to "
                "1 (white). Save it with 8 or 16 bits."
            )
        rounded: UInt8Array = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
        return rounded
    if image.mode == "I" and picture_format not in SIXTEEN_BITS:
        raise ImageError(
            f"{path} has whole numbers of 32 bits or with a sign, and does not say which is "
            "white; save it with 8 or 16 bits."
        )
    sixteen = np.clip(values, 0, WHITE_16).astype(np.uint32)
    grey: UInt8Array = ((sixteen * 255 + WHITE_16 // 2) // WHITE_16).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[sixteen == clear] = 255
    return grey


def _profiled(image: "Image", profile: Any) -> "Image | None":
    """Colours by the picture's own profile; None where it has none that is of use."""
    from PIL import features

    if not (profile or image.mode == "LAB") or not features.check("littlecms2"):
        return None
    from PIL import ImageCms

    try:
        if image.mode == "LAB":
            own = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" in ImageCms.getProfileDescription(own):
                return None
        if image.mode not in ("RGB", "L", "CMYK", "LAB"):
            image = image.convert("RGB")
        return ImageCms.profileToProfile(
            image, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a profile of other colours
        return None
