import subprocess

import numpy as np
import pytest

from t2a_edge.animation import encoded_animation, steadied
from t2a_edge.errors import ImageError
from t2a_edge.video import ffmpeg

ABOUT = {"prompt": "warm", "seed": 7}


def flickering(count=6):
    """A still picture with noise of its own in each frame."""
    generator = np.random.default_rng(4)
    still = generator.integers(40, 200, (24, 32, 3))
    return [
        (still + generator.integers(-8, 9, still.shape)).clip(0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def changes(frames):
    return np.abs(np.diff(np.asarray(frames, dtype=float), axis=0)).mean()


def test_frames_that_flicker_are_steadied():
    frames = flickering()
    steady = list(steadied(frames, closed=True))
    assert len(steady) == len(frames)
    assert steady[0].dtype == np.uint8
    assert changes(steady) < 0.5 * changes(frames)


def test_what_moves_stays_sharp():
    frames = [np.zeros((8, 32, 3), dtype=np.uint8) for _ in range(5)]
    for number, frame in enumerate(frames):
        frame[:, 4 * number : 4 * number + 6] = 230
    np.testing.assert_array_equal(list(steadied(frames, closed=False)), frames)


def test_a_still_picture_stays_as_it_is():
    frames = flickering(1) * 3
    np.testing.assert_array_equal(list(steadied(frames, closed=True)), frames)


def test_only_a_loop_joins_its_ends():
    first, *others = flickering(4)
    opened = list(steadied([first, first, *others], closed=False))
    closed = list(steadied([first, first, *others], closed=True))
    np.testing.assert_array_equal(opened[0], first)
    assert (closed[0] != first).any()


@pytest.fixture
def program():
    pytest.importorskip("imageio_ffmpeg", reason="videos need imageio-ffmpeg")
    return ffmpeg()


@pytest.mark.parametrize("kind", ["mp4", "webm"])
@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_a_video_shows_its_frames(program, tmp_path, kind, size):
    ramp = np.linspace(30, 220, size[1])
    frames = [
        np.broadcast_to((ramp + shift)[:, None], (*size, 3)).astype(np.uint8)
        for shift in range(0, 30, 5)
    ]
    path = tmp_path / f"way.{kind}"
    path.write_bytes(encoded_animation(frames, kind, 1000 / 24, ABOUT))
    command = [program, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt"]
    done = subprocess.run([*command, "rgb24", "-"], capture_output=True, check=True)
    height, width = (side + side % 2 for side in size)
    shown = np.frombuffer(done.stdout, dtype=np.uint8).reshape(-1, height, width, 3)
    assert len(shown) == len(frames)
    for number in (0, 5):
        apart = shown[number, : size[0], : size[1]].astype(float) - frames[number]
        assert np.abs(apart).mean() < 4
    about = subprocess.run([program, "-i", str(path)], capture_output=True, check=False).stderr
    assert b'"prompt": "warm"' in about
    assert b"24 fps" in about


def test_a_video_is_the_same_bytes_again(program):
    frames = flickering(3)
    one, other = (encoded_animation(frames, "mp4", 40, ABOUT) for _ in range(2))
    assert one == other


def test_what_ffmpeg_says_is_told(program, monkeypatch):
    monkeypatch.setitem(encoded_animation.__globals__["CODECS"], "mp4", ("-c:v", "no-such-codec"))
    with pytest.raises(ImageError, match=r"cannot be written as mp4 \(.+\)"):
        encoded_animation(flickering(3), "mp4", 40, ABOUT)
