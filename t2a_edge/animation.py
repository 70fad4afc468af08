"""Frames as one file that moves: GIF, WebP or a video."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError
from t2a_edge.image import IMAGE_DESCRIPTION, check_sides, image_from_pixels, metadata_text
from t2a_edge.video import CODECS, encoded_video, ffmpeg

if TYPE_CHECKING:
    from t2a_edge.artwork import Artwork

UInt8Array = npt.NDArray[np.uint8]

WEBP_QUALITY = 90
OF_ONE_FRAME = ("amount", "recipe")  # entries of an artwork that are not those of the whole way
MOVED = 96  # grey levels between two frames from which a pixel shows something else


def about_frames(first: "Artwork", frames: int, fps: float) -> dict[str, Any]:
    """What an animation says about itself: how its frames are drawn again.

    Args:
        first: artwork of the way.
        frames: how many the file shows, before it begins anew.
        fps: frames a second.
    """
    shared = {key: value for key, value in first.metadata.items() if key not in OF_ONE_FRAME}
    return {**shared, "frames": frames, "fps": fps}


def steadied(frames: Sequence[UInt8Array], *, closed: bool) -> Iterator[UInt8Array]:
    """Frames without most of the flicker that comes of rounding each by itself.

    Codes, and 8-bit numbers, round two frames that are nearly the same to slightly different
    pixels. So each pixel takes up to a quarter of either neighbour in time, less where they differ
    more, and nothing from `MOVED` grey levels on: what moves stays sharp.

    Args:
        frames: (H, W, 3) uint8 each.
        closed: whether the first comes behind the last.
    """
    count = len(frames)
    for number, frame in enumerate(frames):
        here, change = frame.astype(np.int32), np.zeros(frame.shape, dtype=np.int32)
        for other in (number - 1, number + 1):
            if closed or 0 <= other < count:
                apart = frames[other % count] - here
                change += apart * np.maximum(MOVED - np.abs(apart).max(2, keepdims=True), 0)
        yield (here + (change + 2 * MOVED) // (4 * MOVED)).astype(np.uint8)


def check_animation_format(animation_format: str) -> None:
    """An OptionError where what a video needs is not installed."""
    if animation_format in CODECS:
        ffmpeg()


def encoded_animation(
    frames: Sequence[UInt8Array],
    animation_format: str,
    frame_ms: float,
    metadata: Mapping[str, Any],
    *,
    closed: bool = False,
) -> bytes:
    """Frames that are shown one after the other, as the bytes of a file; see `steadied`.

    A GIF or WebP says that they are shown for ever, a video leaves that to what plays it.

    Args:
        frames: (H, W, 3) uint8 sRGB each, of one size.
        animation_format: "gif" (256 colours a frame), "webp", "mp4" or "webm".
        frame_ms: how long each frame is shown; a GIF rounds it to hundredths of a second, a WebP
            to thousandths.
        metadata: JSON values.
        closed: whether the first frame goes on from the last.

    Raises:
        ImageError: the frames cannot be written so, or the metadata is no plain JSON.
        OptionError: a video is asked for, and imageio-ffmpeg is not installed.
    """
    steady = steadied(frames, closed=closed)
    if animation_format in CODECS:
        about, _ = metadata_text(metadata, animation_format)
        return encoded_video(steady, animation_format, frame_ms, about)
    first, *rest = (image_from_pixels(frame) for frame in steady)
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
            duration=round(frame_ms),
            loop=0,
            **how,
        )
    except (OSError, ValueError) as exc:
        raise ImageError(f"The frames cannot be written as {animation_format} ({exc}).") from exc
    return stream.getvalue()
