"""One reader of pictures: every kind is read as people see it, or refused in one sentence."""

import io
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from t2a_edge import pixels
from t2a_edge.errors import ImageError
from t2a_edge.pixels import pixels_of, read_pixels, sent_pixels

RAMP = np.tile(np.linspace(0, 1, 8), (4, 1))  # black to white
GREY = np.rint(RAMP * 255).astype(np.uint8)
SIXTEEN = np.rint(RAMP * 65535).astype(np.uint16)


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(levels, dtype=np.uint8)[..., None], 3, axis=2)


def saved(folder: Path, image: Image.Image, name: str, **how) -> Path:
    image.save(folder / name, **how)
    return folder / name


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG of any kind, written by hand."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


# ---- kinds of numbers


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_scaled_and_not_cut(tmp_path, name):
    path = saved(tmp_path, Image.fromarray(SIXTEEN), name)
    np.testing.assert_array_equal(read_pixels(path), grey(GREY))


def test_a_dark_grey_of_16_bits_is_dark(tmp_path):
    dark = np.full((4, 4), 983, np.uint16)  # 1.5 %
    path = saved(tmp_path, Image.fromarray(dark), "dark.png")
    assert read_pixels(path).max() == 4


def test_16_bits_of_either_byte_order_and_of_pgm(tmp_path):
    big = saved(tmp_path, Image.fromarray(SIXTEEN.astype(">u2")), "big.tif")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 4 65535\n" + SIXTEEN.astype(">u2").tobytes())
    for path in (big, tmp_path / "a.pgm"):
        np.testing.assert_array_equal(read_pixels(path), grey(GREY))


def test_16_bits_in_colour(tmp_path):
    rgb = np.repeat(SIXTEEN[..., None], 3, axis=2).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in rgb)
    (tmp_path / "a.png").write_bytes(png_of(8, 4, 16, 2, rows))
    assert np.abs(read_pixels(tmp_path / "a.png").astype(int) - grey(GREY)).max() <= 1


def test_floats_are_0_to_1(tmp_path):
    path = saved(tmp_path, Image.fromarray(RAMP.astype(np.float32)), "a.tif")
    np.testing.assert_array_equal(read_pixels(path), grey(np.floor(RAMP * 255 + 0.5)))


@pytest.mark.parametrize("values", [[0, 255], [-0.5, 1], [np.nan, 0], [0, np.inf]])
def test_floats_of_another_range_are_refused(tmp_path, values):
    image = Image.fromarray(np.tile(np.array(values, np.float32), (4, 2)))
    with pytest.raises(ImageError, match=r"floating-point values from .* expected 0 \(black\)"):
        read_pixels(saved(tmp_path, image, "a.tif"))


def test_whole_numbers_of_32_bits_are_refused(tmp_path):
    image = Image.fromarray(np.arange(32, dtype=np.int32).reshape(4, 8))
    with pytest.raises(ImageError, match="does not say which is white; save it with 8 or 16 bits"):
        read_pixels(saved(tmp_path, image, "a.tif"))


# ---- colours


@pytest.mark.parametrize(
    ("mode", "name", "tolerance"),
    [
        ("1", "a.png", 0), ("L", "a.png", 0), ("P", "a.png", 0), ("P", "a.gif", 0),
        ("RGB", "a.png", 0), ("RGB", "a.bmp", 0), ("RGB", "a.webp", 40), ("RGB", "a.jpg", 30),
        ("L", "a.jpg", 12), ("CMYK", "a.tif", 1), ("CMYK", "a.jpg", 30), ("YCbCr", "a.tif", 3),
        ("LAB", "a.tif", 3), ("RGBX", "a.tif", 0),
    ],
)  # fmt: skip
def test_colours_are_those_that_are_seen(tmp_path, mode, name, tolerance):
    seen = np.zeros((16, 16, 3), np.uint8)
    seen[:8] = 255
    if mode not in ("1", "L"):
        seen[:, 8:] = (250, 40, 30)
    image = Image.fromarray(seen)
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = image.quantize(8) if mode == "P" else image.convert(mode)
    found = read_pixels(saved(tmp_path, image, name))
    assert (found.shape, found.dtype) == (seen.shape, np.uint8)
    middles = found[4::8, 4::8].astype(int) - seen[4::8, 4::8]
    assert np.abs(middles).max() <= tolerance


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA", "P"])
def test_what_is_transparent_shows_white(tmp_path, mode):
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 2, 2))
    if mode == "P":
        image = Image.new("P", (4, 2), 1)
        image.putpalette([9, 9, 9, 0, 0, 0])
        image.paste(0, (0, 0, 2, 2))
        image.info["transparency"] = 0
    elif mode != "RGBA":
        image = image.convert("LA")
    path = saved(tmp_path, image, "a.gif" if mode == "P" else "a.png")
    np.testing.assert_array_equal(read_pixels(path)[0, :, 0], [255, 255, 0, 0])


def test_half_transparent_shows_half_of_white(tmp_path):
    path = saved(tmp_path, Image.new("RGBA", (2, 2), (0, 0, 0, 127)), "a.png")
    np.testing.assert_array_equal(read_pixels(path), 128)


@pytest.mark.parametrize(("depth", "colour"), [(8, 0), (16, 0), (8, 2)])
def test_a_colour_that_stands_for_nothing_shows_white(tmp_path, depth, colour):
    samples = 3 if colour == 2 else 1
    levels = np.array([10, 200], "u1") if depth == 8 else np.array([10, 200 * 257], ">u2")
    clear = struct.pack(f">{samples}H", *[10] * samples)
    check = zlib.crc32(b"tRNS" + clear).to_bytes(4, "big")
    chunk = struct.pack(">I", len(clear)) + b"tRNS" + clear + check
    rows = b"\0" + levels.repeat(samples).tobytes()
    (tmp_path / "a.png").write_bytes(png_of(2, 1, depth, colour, rows, chunk))
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png")[0, :, 0], [255, 200])


def test_a_profile_of_other_colours_is_applied(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16be"), "xRGB".encode("utf-16be"))
    image = Image.new("RGB", (2, 2), (200, 100, 50))
    cases = [(srgb, (200, 100, 50)), (b"damaged", (200, 100, 50)), (swapped, (100, 200, 50))]
    for profile, expected in cases:
        found = read_pixels(saved(tmp_path, image, "a.png", icc_profile=profile))
        assert np.abs(found[0, 0].astype(int) - expected).max() <= 2


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    upright = np.zeros((6, 4, 3), np.uint8)
    upright[0, 0] = 255
    stored = {
        3: upright[::-1, ::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        8: np.rot90(upright, -1),
    }
    for orientation, turned in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(np.ascontiguousarray(turned))
        np.testing.assert_array_equal(
            read_pixels(saved(tmp_path, image, "a.png", exif=exif)), upright
        )


def test_a_damaged_exif_turns_nothing(tmp_path):
    path = saved(tmp_path, Image.fromarray(grey(GREY)), "a.png", exif=b"Exif\0\0MM\0*broken")
    np.testing.assert_array_equal(read_pixels(path), grey(GREY))


def test_of_several_frames_the_first_is_read(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    for name in ("a.gif", "a.tif", "a.webp", "a.png"):
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:])
        assert read_pixels(path).min() > 250


# ---- what is refused


def test_too_many_pixels_are_refused_by_the_header(tmp_path):
    for side, said in ((10_001, "10001 x 10001 pixels"), (60_000, "far more pixels")):
        (tmp_path / "a.png").write_bytes(png_of(side, side, 8, 0, b"\0"))
        with pytest.raises(ImageError, match=f"{said}; expected at most 100,000,000"):
            read_pixels(tmp_path / "a.png")


def test_the_largest_size_is_not_refused_for_it(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(10_000, 10_000, 1, 0, b"\0"))
    with pytest.raises(ImageError, match="cannot be read"):  # it is cut short
        read_pixels(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.tif", "a.bmp"])
def test_a_truncated_picture_is_refused(tmp_path, name):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=r"cannot be read|not a picture"):
        read_pixels(path)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a\0\0\0\0\0\0\0"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match="name a PNG or JPEG file"):
        read_pixels(tmp_path / "a.png")


def test_a_missing_file_a_folder_and_a_nul_are_refused(tmp_path):
    for path in (tmp_path / "missing.png", tmp_path, Path("a\0.png")):
        with pytest.raises(ImageError, match="cannot be read"):
            read_pixels(path)


def test_a_drawing_that_another_program_would_draw_is_refused(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (4, 4)), "a.eps")
    with pytest.raises(ImageError, match="EPS, no pixels"):
        read_pixels(path)


def test_no_warning_of_pillow_is_heard_and_no_filter_stays(tmp_path):
    (tmp_path / "large.png").write_bytes(png_of(9_999, 9_999, 1, 0, b"\0"))  # it warns above 89 M
    paths = [saved(tmp_path, Image.fromarray(GREY), f"{i}.png") for i in range(4)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        with pytest.raises(ImageError, match="cannot be read"):
            read_pixels(tmp_path / "large.png")
        threads = [threading.Thread(target=read_pixels, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == filters


def test_what_pillow_logs_is_not_printed(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (4, 4)), "a.tif")
    content = path.read_bytes()
    samples = struct.pack("<HHIHH", 277, 3, 1, 3, 0)  # samples per pixel
    assert content.count(samples) == 1
    path.write_bytes(content.replace(samples, struct.pack("<HHIHH", 277, 3, 1, 999, 0)))
    program = """
import sys
from pathlib import Path
from t2a_edge.errors import ImageError
from t2a_edge.pixels import pixels_of, read_pixels, sent_pixels
try:
    read_pixels(Path(sys.argv[1]))
except ImageError as exc:
    print("refused")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, path],
        env={**os.environ, "PYTHONPATH": str(Path(pixels.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("refused\n", "")


def test_the_limit_is_ours_and_lets_our_largest_sheet_through():
    from t2a_edge.commands.sheet import MOST_PIXELS

    assert pixels.MAX_PIXELS >= MOST_PIXELS
    assert Image.MAX_IMAGE_PIXELS is not None  # Pillow's own is left alone


def test_a_picture_of_anything_that_can_be_saved_is_read(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(grey(GREY)).save(stream, "PPM")
    (tmp_path / "no-suffix").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read_pixels(tmp_path / "no-suffix"), grey(GREY))


# ---- pictures that are no files


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def test_a_picture_may_be_a_path_an_image_or_an_array(tmp_path):
    pixels = picture()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    for one in (pixels, Image.fromarray(pixels), path, str(path)):
        np.testing.assert_array_equal(pixels_of("It", one), pixels)


def test_grey_levels_are_a_picture_and_transparency_shows_white():
    grey = picture()[..., 0]
    np.testing.assert_array_equal(pixels_of("It", grey), np.stack([grey] * 3, axis=-1))
    clear = Image.new("RGBA", (4, 2), (10, 20, 30, 0))
    assert (pixels_of("It", clear) == 255).all()


@pytest.mark.parametrize(
    "bad",
    [7, None, [[1], [1, 2]], np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8),
     np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8), object(), "missing.png", "a\0b"],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_picture_is_told(bad):
    with pytest.raises(ImageError):
        pixels_of("It", bad)


def sent(picture_format: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture()).save(stream, format=picture_format, lossless=True)
    return stream.getvalue()


@pytest.mark.parametrize("picture_format", ["PNG", "WEBP", "JPEG"])
def test_a_picture_that_was_sent_is_read(picture_format):
    read = sent_pixels("It", sent(picture_format), most=54)
    assert read.shape == (6, 9, 3)
    if picture_format != "JPEG":
        np.testing.assert_array_equal(read, picture())


def test_a_picture_that_was_sent_has_bounds():
    with pytest.raises(ImageError, match=r"It has 9 x 6 pixels; expected 1 to 53\."):
        sent_pixels("It", sent("PNG"), most=53)
    for content in (b"", b"?", sent("BMP"), sent("PNG")[:60]):
        with pytest.raises(ImageError, match=r"^It "):
            sent_pixels("It", content, most=54)
