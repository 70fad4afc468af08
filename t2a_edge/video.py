"""Frames as a video: MP4 (H.264) or WebM (VP9), by the ffmpeg that imageio-ffmpeg brings along."""

import subprocess
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import ImageError, OptionError

UInt8Array = npt.NDArray[np.uint8]

CODECS = {
    "mp4": ("-c:v", "libx264", "-preset", "medium", "-crf", "16", "-movflags", "+faststart"),
    "webm": ("-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0", "-deadline", "good"),
}
"""How each format is encoded, at a quality at which one does not see it."""
COLOURS = (
    *("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv"),
    *("-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_range", "tv"),
)
"""What every player shows: even sides, half as many colours as pixels, the matrix of HDTV."""
MOST_PARTS = 1001  # of a second, for the time of a frame


def ffmpeg() -> str:
    """Where ffmpeg is; an OptionError where imageio-ffmpeg is missing or has none."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as exc:
        raise OptionError(
            f'A video needs imageio-ffmpeg ({exc}): pip install "t2a-edge[video]", or name a .gif '
            "or .webp."
        ) from exc


def encoded_video(
    frames: Iterable[UInt8Array], video_format: str, frame_ms: float, about: str
) -> bytes:
    """Frames as the bytes of a video file.

    Args:
        frames: (H, W, 3) uint8 sRGB each, of one size; at least one.
        video_format: "mp4" or "webm".
        frame_ms: how long each frame is shown.
        about: text that the file carries as its comment.

    Raises:
        OptionError: there is no ffmpeg.
        ImageError: it cannot write them.
    """
    more = iter(frames)
    first = next(more)
    height, width = first.shape[:2]
    rate = Fraction(1000 / frame_ms).limit_denominator(MOST_PARTS)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        target = Path(folder) / f"video.{video_format}"
        command = [
            *(ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-s", f"{width}x{height}", "-r", str(rate), "-i", "-", "-an"),
            *(*CODECS[video_format], *COLOURS, "-metadata", f"comment={about}"),
            *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1", str(target)),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        ) as process:
            try:
                assert process.stdin is not None  # noqa: S101 - it is a pipe
                for frame in chain([first], more):
                    process.stdin.write(np.ascontiguousarray(frame).tobytes())
            except BrokenPipeError:  # it ended: its own words say why
                pass
            except BaseException:
                process.kill()
                raise
            process.communicate()
        if process.returncode or not target.is_file():
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise ImageError(f"The frames cannot be written as {video_format} ({lines[-1]}).")
        return target.read_bytes()
