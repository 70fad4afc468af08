"""Frames as one file that moves: GIF or WebP."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from t2a_edge.image import IMAGE_DESCRIPTION, METADATA_KEY, image_from_pixels

UInt8Array = npt.NDArray[np.uint8]

WEBP_QUALITY = 90


def encoded_animation(
    frames: Sequence[UInt8Array], animation_format: str, fps: float, metadata: Mapping[str, Any]
) -> bytes:
    """Frames that are shown for ever, one after the other, as the bytes of a file.

    Args:
        frames: (H, W, 3) uint8 sRGB each, of one size.
        animation_format: "gif" (256 colours a frame) or "webp".
        fps: frames a second; a GIF rounds the time of a frame to hundredths of a second.
        metadata: JSON values.
    """
    first, *rest = (image_from_pixels(frame) for frame in frames)
    about = f"{METADATA_KEY} {json.dumps(metadata, sort_keys=True)}"
    how: dict[str, Any] = {"comment": about.encode("ascii")}
    if animation_format == "webp":
        exif = first.getexif()
        exif[IMAGE_DESCRIPTION] = about
        how = {"exif": exif, "quality": WEBP_QUALITY, "method": 4}
    stream = io.BytesIO()
    first.save(
        stream,
        format=animation_format.upper(),
        save_all=True,
        append_images=rest,
        duration=round(1000 / fps),
        loop=0,
        **how,
    )
    return stream.getvalue()
