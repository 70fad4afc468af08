import os
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from t2a_edge import files
from t2a_edge.errors import ImageError
from t2a_edge.image import encoded, file_name, image_from_pixels, read_metadata, write_picture

PIXELS = np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8)
METADATA = {"prompt": "warm 暖か 🔥", "seed": 2**53 - 1, "guidance_scale": 3.0, "steps": 8}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_pixels_and_metadata_can_be_read_back(tmp_path):
    write_picture(PIXELS, tmp_path / "art.png", METADATA)
    with Image.open(tmp_path / "art.png") as opened:
        assert opened.format == "PNG"
        assert opened.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(opened), PIXELS)
    assert read_metadata(tmp_path / "art.png") == METADATA


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_metadata_can_be_read_back(tmp_path_factory, metadata):
    path = tmp_path_factory.getbasetemp() / "metadata.png"
    write_picture(PIXELS[:1, :1], path, metadata)
    assert read_metadata(path) == metadata


KINDS = ["png", "webp", "jpeg", *(["avif"] if features.check("avif") else [])]


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_read_from_a_file_and_from_its_bytes(tmp_path, kind):
    path = tmp_path / f"art.{kind}"
    write_picture(PIXELS, path, METADATA)
    assert read_metadata(path) == read_metadata(path.read_bytes()) == METADATA
    with Image.open(path) as opened:
        assert (opened.format, opened.size) == (kind.upper(), (12, 8))
        if kind in ("png", "webp"):
            np.testing.assert_array_equal(np.asarray(opened), PIXELS)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"<svg/>"])
def test_bytes_that_are_no_picture_are_one_sentence(content):
    with pytest.raises(ImageError, match=r"^The picture (is not|cannot be|has no)"):
        read_metadata(content)


def test_a_pillow_without_avif_says_so(monkeypatch):
    monkeypatch.setattr(Image, "SAVE", {k: v for k, v in Image.SAVE.items() if k != "AVIF"})
    monkeypatch.setattr(Image, "init", lambda: None)
    with pytest.raises(ImageError, match="This Pillow cannot write avif; choose another format"):
        encoded(PIXELS, "avif", METADATA)


def test_the_same_picture_is_the_same_file(tmp_path):
    write_picture(PIXELS, tmp_path / "a.png", METADATA)
    write_picture(PIXELS, tmp_path / "b.png", dict(reversed(METADATA.items())))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["art.png", "暖か-7.png", "🔥.png", "été noir.png", "-7.png", "ART.PNG", "art.webp", "art.jpg"],
)
def test_any_name_can_be_written_and_nothing_else_is_left(tmp_path, name):
    write_picture(PIXELS, tmp_path / name, METADATA)
    assert files_below(tmp_path) == [name]
    assert read_metadata(tmp_path / name) == METADATA


def test_missing_folders_are_made(tmp_path):
    write_picture(PIXELS, tmp_path / "a" / "b" / "art.png", METADATA)
    assert files_below(tmp_path) == ["a/b/art.png"]


def test_a_file_that_is_there_is_replaced(tmp_path):
    (tmp_path / "art.png").write_text("old")
    write_picture(PIXELS, tmp_path / "art.png", METADATA)
    assert read_metadata(tmp_path / "art.png") == METADATA


def test_a_new_file_has_the_permissions_that_the_user_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        write_picture(PIXELS, tmp_path / "art.png", METADATA)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "art.png").stat().st_mode & 0o777 == 0o640


def test_a_path_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(ImageError, match="cannot be written"):
        write_picture(PIXELS, tmp_path / "file" / "art.png", METADATA)
    assert files_below(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "here first"


def test_a_path_that_is_a_folder_cannot_be_written(tmp_path):
    (tmp_path / "art.png").mkdir()
    with pytest.raises(ImageError, match="cannot be written"):
        write_picture(PIXELS, tmp_path / "art.png", METADATA)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "a\0b.png"])
def test_a_name_that_the_system_refuses_is_an_error(tmp_path, name):
    with pytest.raises(ImageError, match="cannot be written"):
        write_picture(PIXELS, tmp_path / name, METADATA)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["save", "replace"])
def test_a_write_that_stops_midway_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, step, error
):
    def stop(*_args, **_kwargs):
        raise error

    write_picture(PIXELS, tmp_path / "art.png", {"seed": 1})
    owner = {"save": Image.Image, "replace": files.os}[step]
    monkeypatch.setattr(owner, step, stop)
    with pytest.raises(ImageError if isinstance(error, OSError) else KeyboardInterrupt):
        write_picture(PIXELS, tmp_path / "art.png", {"seed": 2})
    assert files_below(tmp_path) == ["art.png"]
    assert read_metadata(tmp_path / "art.png") == {"seed": 1}


@pytest.mark.parametrize(
    "pixels",
    [
        PIXELS.astype(np.float32),
        PIXELS.astype(np.int64),
        PIXELS[..., 0],
        PIXELS[..., :1],
        PIXELS[None],
        np.zeros((4, 4, 4), dtype=np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}-{pixels.ndim}-{pixels.shape[-1]}",
)
def test_an_array_that_is_no_picture_is_an_error(tmp_path, pixels):
    with pytest.raises(ImageError, match=r"expected uint8 \(H, W, 3\)"):
        image_from_pixels(pixels)
    with pytest.raises(ImageError, match=f"{pixels.dtype} of shape"):
        write_picture(pixels, tmp_path / "art.png", METADATA)
    assert files_below(tmp_path) == []


def test_a_file_that_is_missing_or_no_picture_has_no_metadata(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    for name in ["missing.png", "text.png", "."]:
        with pytest.raises(ImageError, match=r"cannot be read|is not a picture"):
            read_metadata(tmp_path / name)


def test_a_picture_of_somebody_else_has_no_metadata(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "art.png")
    with pytest.raises(ImageError, match="has no t2a-edge metadata"):
        read_metadata(tmp_path / "art.png")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("warm dark fluid", "warm-dark-fluid-7.png"),
        ("暖か été", "暖か-été-7.png"),
        ("🔥", "art-7.png"),
        ("../../etc/passwd", "etc-passwd-7.png"),
        ("a/b\\c:d", "a-b-c-d-7.png"),
        ("--help", "help-7.png"),
        ("", "art-7.png"),
    ],
)
def test_a_file_is_named_after_prompt_and_seed(prompt, name):
    assert file_name(prompt, 7) == name


@given(st.text(), st.integers(0, 2**53 - 1))
def test_a_file_name_is_one_short_plain_name(prompt, seed):
    name = file_name(prompt, seed)
    assert name.endswith(f"-{seed}.png")
    assert Path(name).name == name
    assert len(name.encode("utf-8")) <= 255
    assert not set(name) & (set(string.whitespace) | set('/\\:*?"<>|\0'))
    assert name[0] not in ".-"
