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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError, T2AEdgeError

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]

MAX_PIXELS = 100_000_000  # of a picture that is read: as many as a contact sheet may have
WHITE_16 = 65_535
SIXTEEN_BITS = ("PNG", "PPM")  # formats whose mode "I" has 16 bits without a sign
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


@contextmanager
def opened_picture(path: Path) -> Iterator["Image"]:
    """A picture whose header is read; whatever Pillow raises on it is one ImageError.

    Pillow's warnings are held back meanwhile, one picture at a time: the filters that do it
    belong to the whole process. What it logs goes to the handlers of the program, if it has any.
    """
    from PIL import Image, UnidentifiedImageError

    _SILENT.addHandler(_NOTHING)  # one that is there is not added again
    advice = "name a PNG or JPEG file"
    try:
        with _quiet, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            with Image.open(path) as image:
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


def _too_large(path: Path, pixels: str) -> str:
    return f"{path} has {pixels} pixels; expected at most {MAX_PIXELS:,}. Make the picture smaller."


def _check_size(path: Path, image: "Image") -> None:
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


def _rgb(path: Path, image: "Image", picture_format: str | None) -> "Image":
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


def _eight_bits(path: Path, image: "Image", picture_format: str | None) -> UInt8Array:
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
