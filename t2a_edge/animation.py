"""Frames as one file that moves: GIF or WebP."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError
from t2a_edge.image import IMAGE_DESCRIPTION, check_sides, image_from_pixels, metadata_text

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

UInt8Array = npt.NDArray[np.uint8]

WEBP_QUALITY = 90
OF_ONE_FRAME = ("amount", "recipe")  # entries of an artwork that are not those of the whole way


def about_frames(first: "Artwork", frames: int, fps: float) -> dict[str, Any]:
    """What an animation says about itself: how its frames are drawn again.

    Args:
        first: artwork of the way.
        frames: how many the file shows, before it begins anew.
        fps: frames a second.
    """
    shared = {key: value for key, value in first.metadata.items() if key not in OF_ONE_FRAME}
    return {**shared, "frames": frames, "fps": fps}


def encoded_animation(
    frames: Sequence[UInt8Array], animation_format: str, frame_ms: int, metadata: Mapping[str, Any]
) -> bytes:
    """Frames that are shown for ever, one after the other, as the bytes of a file.

    Args:
        frames: (H, W, 3) uint8 sRGB each, of one size.
        animation_format: "gif" (256 colours a frame) or "webp".
        frame_ms: how long each frame is shown; a GIF rounds it to hundredths of a second.
        metadata: JSON values.

    Raises:
        ImageError: the frames cannot be written so, or the metadata is no plain JSON.
    """
    first, *rest = (image_from_pixels(frame) for frame in frames)
    check_sides(animation_format, first.size)
    about, _ = metadata_text(metadata, animation_format)
    how: dict[str, Any] = {"comment": about.encode("ascii")}
    if animation_format == "webp":
        exif = first.getexif()
        exif[IMAGE_DESCRIPTION] = about
        every = {"kmin": 1, "kmax": 1, "minimize_size": False}  # whole frames: quick to write
        how = {"exif": exif, "quality": WEBP_QUALITY, **every}
    stream = io.BytesIO()
    try:
        first.save(
            stream,
            format=animation_format.upper(),
            save_all=True,
            append_images=rest,
            duration=frame_ms,
            loop=0,
            **how,
        )
    except (OSError, ValueError) as exc:
        raise ImageError(f"The frames cannot be written as {animation_format} ({exc}).") from exc
    return stream.getvalue()
