"""Metadata is found wherever a format has room for it, and nothing that is damaged does harm."""

import contextlib
import html
import io
import json
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from t2a_edge import metadata
from t2a_edge.animation import encoded_animation
from t2a_edge.errors import ImageError
from t2a_edge.image import (
    IMAGE_DESCRIPTION,
    encoded,
    left_out,
    read_metadata,
    read_pixels,
    write_picture,
)

PIXELS = np.random.default_rng(1).integers(0, 256, (8, 12, 3), dtype=np.uint8)
ABOUT = {"prompt": 'warm "暖か" 🔥 <&> \x01', "seed": 7, "recipe": "A" * 2080}
TEXT = json.dumps(ABOUT)
MARKED = f"t2a-edge {TEXT}".encode()


def plain(picture_format: str, **how) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, picture_format, **how)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return struct.pack(">I", len(content)) + kind + content + check


def png_with(*chunks: bytes, after: bool = False) -> bytes:
    """A PNG with chunks before its pixels, or behind them."""
    png = plain("PNG")
    place = png.index(b"IEND") - 4 if after else png.index(b"IDAT") - 4
    return png[:place] + b"".join(chunks) + png[place:]


def jpeg_with(marker: int, content: bytes, *, after: bool = False) -> bytes:
    jpeg = plain("JPEG", progressive=True)
    place = jpeg.rindex(b"\xff\xda") if after else 2
    return (
        jpeg[:place]
        + b"\xff"
        + bytes([marker])
        + struct.pack(">H", len(content) + 2)
        + content
        + jpeg[place:]
    )


def webp_with(kind: bytes, content: bytes) -> bytes:
    webp = plain("WEBP", lossless=True)
    added = (
        webp[12:] + kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)
    )
    return b"RIFF" + struct.pack("<I", len(added) + 4) + b"WEBP" + added


def gif_with(block: bytes, *, after: bool = False) -> bytes:
    gif = plain("GIF", save_all=True, append_images=[Image.fromarray(PIXELS[::-1])])
    place = len(gif) - 1 if after else 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    return gif[:place] + block + gif[place:]


def sub_blocks(content: bytes) -> bytes:
    parts = [content[i : i + 255] for i in range(0, len(content), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def exif(**fields: bytes) -> bytes:
    tags = Image.Exif()
    tags[IMAGE_DESCRIPTION] = MARKED.decode()
    return tags.tobytes()


XMP = b"<x:xmpmeta><rdf:li>" + html.escape(MARKED.decode()).encode() + b"</rdf:li></x:xmpmeta>"
PROFILE = b"\nexif\n %8d\n" % len(exif()) + exif().hex().encode()
PLACES = {
    "PNG tEXt": png_with(chunk(b"tEXt", b"t2a-edge\0" + TEXT.encode())),
    "PNG tEXt after": png_with(chunk(b"tEXt", b"t2a-edge\0" + TEXT.encode()), after=True),
    "PNG iTXt": png_with(chunk(b"iTXt", b"t2a-edge\0\0\0en\0T\0" + TEXT.encode())),
    "PNG iTXt UTF-8": png_with(
        chunk(b"iTXt", b"t2a-edge\0\0\0\0\0" + json.dumps(ABOUT, ensure_ascii=False).encode())
    ),
    "PNG tEXt UTF-8": png_with(
        chunk(b"tEXt", b"t2a-edge\0" + json.dumps(ABOUT, ensure_ascii=False).encode())
    ),
    "PNG iTXt packed after": png_with(
        chunk(b"iTXt", b"t2a-edge\0\1\0\0\0" + zlib.compress(TEXT.encode())), after=True
    ),
    "PNG zTXt after": png_with(
        chunk(b"zTXt", b"T2A-Edge\0\0" + zlib.compress(TEXT.encode())), after=True
    ),
    "PNG comment": png_with(chunk(b"tEXt", b"Comment\0" + MARKED)),
    "PNG XMP": png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "PNG eXIf": png_with(chunk(b"eXIf", exif()[6:]), after=True),
    "PNG profile": png_with(
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(PROFILE)), after=True
    ),
    "JPEG EXIF": jpeg_with(0xE1, exif()),
    "JPEG comment": jpeg_with(0xFE, MARKED),
    "JPEG comment between scans": jpeg_with(0xFE, MARKED, after=True),
    "JPEG XMP": jpeg_with(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    "JPEG user comment": jpeg_with(0xE1, b"Exif\0\0UNICODE\0" + MARKED.decode().encode("utf-16le")),
    "WebP EXIF": webp_with(b"EXIF", exif()),
    "WebP XMP": webp_with(b"XMP ", XMP),
    "GIF comment": gif_with(b"!\xfe" + sub_blocks(MARKED)),
    "GIF comment after": gif_with(b"!\xfe" + sub_blocks(MARKED), after=True),
    "GIF XMP": gif_with(b"!\xff\x0bXMP DataXMP" + XMP + b"\1" + bytes(range(255, -1, -1)) + b"\0"),
    "TIFF": plain("TIFF", tiffinfo={IMAGE_DESCRIPTION: MARKED.decode()}),
    "GIF animation": encoded_animation([PIXELS, PIXELS[::-1]], "gif", 50, ABOUT),
    "WebP animation": encoded_animation([PIXELS, PIXELS[::-1]], "webp", 50, ABOUT),
}


@pytest.fixture
def file(tmp_path):
    def written(content: bytes, name: str = "picture"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written


@pytest.mark.parametrize("place", PLACES)
def test_metadata_is_found_at(file, place):
    path = file(PLACES[place])
    assert read_metadata(path) == ABOUT
    with Image.open(path) as opened:  # the file is one that others read too
        opened.load()


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animations_of_other_programs_have_it_too(file, kind):
    """Pillow writes the comment, the EXIF or the chunk; APNG included."""
    about = PngInfo()
    about.add_text("t2a-edge", TEXT)
    how = {"gif": {"comment": MARKED}, "webp": {"exif": exif()}, "png": {"pnginfo": about}}[kind]
    frames = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    stream = io.BytesIO()
    frames[0].save(stream, kind.upper(), save_all=True, append_images=frames[1:], **how)
    assert read_metadata(file(stream.getvalue())) == ABOUT


@pytest.mark.parametrize("suffix", [".gif", ".jpg"])
def test_a_comment_outlives_pillow(tmp_path, suffix):
    source = tmp_path / f"a{suffix}"
    source.write_bytes(PLACES["GIF comment" if suffix == ".gif" else "JPEG comment"])
    with Image.open(source) as opened:
        opened.save(tmp_path / f"b{suffix}")
    assert read_metadata(tmp_path / f"b{suffix}") == ABOUT


@pytest.mark.skipif(os.name != "posix", reason="needs a FIFO")
def test_it_is_found_in_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    content = PLACES["PNG tEXt after"]
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content))
    writer.start()
    assert read_metadata(tmp_path / "pipe") == ABOUT
    writer.join(30)


def test_the_first_place_with_whole_metadata_counts(file):
    broken = chunk(b"tEXt", b"t2a-edge\0{broken")
    wrong = bytearray(chunk(b"tEXt", b't2a-edge\0{"seed": 9}'))
    wrong[-1] ^= 1  # its checksum
    good = chunk(b"tEXt", b"t2a-edge\0" + TEXT.encode())
    assert read_metadata(file(png_with(broken, bytes(wrong), good))) == ABOUT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", "more than 32 deep"),
        ("[]", "no JSON object"),
        ('[["seed", 7]]', "no JSON object"),
        ("7", "no JSON object"),
        ("null", "no JSON object"),
        ('{"seed": NaN}', "not finite"),
        ('{"seed": 1e999}', "not finite"),
        ('{"seed": -Infinity}', "not finite"),
        ('{"seed": ' + "9" * 400 + "}", "too many digits"),
        ('{"seed": ' + "9" * 5000 + "}", "did not write"),
        ('{"prompt": "\\ud800"}', "half a surrogate pair"),
        ('{"\\udfff": 1}', "half a surrogate pair"),
        ("{", "did not write"),
        ("", "did not write"),
        ("\ufeff{}", "did not write"),
    ],
    ids=lambda value: str(value)[:12],
)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt"])
def test_metadata_that_is_no_plain_object_is_one_sentence(file, text, said, kind):
    body = text.encode()
    body = body if kind == "tEXt" else b"\0" + zlib.compress(body)
    with pytest.raises(ImageError, match=said) as caught:
        read_metadata(file(png_with(chunk(kind.encode(), b"t2a-edge\0" + body))))
    assert len(str(caught.value)) < 500


def test_many_other_texts_do_not_hide_it(file):
    others = [chunk(b"tEXt", b"Comment\0other")] * 500
    good = chunk(b"tEXt", b"t2a-edge\0" + TEXT.encode())
    assert read_metadata(file(png_with(*others, good))) == ABOUT
    jpeg = jpeg_with(0xFE, MARKED)
    other = b"\xff\xe2\0\x08MPF123"
    assert read_metadata(file(jpeg[:2] + other * 500 + jpeg[2:])) == ABOUT


@pytest.mark.parametrize("key", [b"Comment", b"Raw profile type exif"])
def test_bombs_of_another_key_end_somewhere(file, monkeypatch, key):
    sizes = []
    monkeypatch.setattr(metadata, "marked", lambda block, _key: sizes.append(len(block)) or ())
    bomb = zlib.compress(b"x" * 2**24)
    chunks = [chunk(b"zTXt", key + b"\0\0" + bomb)] * 99
    list(metadata.texts_in(io.BytesIO(png_with(*chunks))))
    assert sum(sizes) <= metadata.MOST_UNPACKED + metadata.LONGEST


def test_a_bomb_is_not_unpacked(file, monkeypatch):
    bomb = zlib.compress(b'{"prompt": "' + b" " * 2**24)
    chunks = [chunk(b"zTXt", b"t2a-edge\0\0" + bomb) for _ in range(50)]
    sizes = []
    of_block = metadata._decoded
    monkeypatch.setattr(metadata, "_decoded", lambda b: sizes.append(len(b)) or of_block(b[:99]))
    with pytest.raises(ImageError, match="did not write"):
        read_metadata(file(png_with(*chunks)))
    assert max(sizes) <= metadata.LONGEST
    assert len(sizes) <= metadata.MOST_TEXTS


@given(st.sampled_from(sorted(PLACES)), st.data())
def test_a_damaged_file_is_read_or_one_sentence(tmp_path_factory, place, data):
    content = bytearray(PLACES[place])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for read in (read_metadata, read_pixels):
        with contextlib.suppress(ImageError):  # anything else fails
            read(path)


# ---- what does not fit


def test_a_jpeg_is_saved_without_what_does_not_fit_and_says_so(tmp_path):
    about = {**ABOUT, "recipe": "A" * 70_000}
    for suffix, missing in {".jpg": ("recipe",), ".png": (), ".webp": ()}.items():
        path = tmp_path / f"a{suffix}"
        assert write_picture(PIXELS, path, about) == missing
        assert left_out(about, suffix[1:].replace("jpg", "jpeg")) == missing
        expected = {k: v for k, v in about.items() if k not in missing}
        expected |= {"left_out": ["recipe"]} if missing else {}
        assert read_metadata(path) == expected
        assert read_pixels(path).shape == PIXELS.shape


@pytest.mark.parametrize("length", [64_000, 64_900, 65_000, 65_450, 65_600])
def test_a_jpeg_holds_what_is_near_its_limit(tmp_path, length):
    missing = write_picture(PIXELS, tmp_path / "a.jpg", {"recipe": "A" * length, "seed": 7})
    about = read_metadata(tmp_path / "a.jpg")
    assert about["seed"] == 7
    assert (about.get("recipe") == "A" * length) == (missing == ())


def test_the_largest_entries_go_first():
    about = {"pictures": ["x" * 9000] * 9, "recipe": "A" * 66_000, "seed": 7}
    text, missing = metadata.fitting(about, "jpeg")
    assert missing == ("pictures", "recipe")
    assert metadata.object_of(text.removeprefix("t2a-edge ")) == {
        "seed": 7, "left_out": ["pictures", "recipe"],
    }  # fmt: skip


def test_what_is_written_can_be_read_again_however_long(tmp_path):
    about = {"long": "x" * (metadata.LONGEST_WRITTEN + 1), "seed": 7}
    assert write_picture(PIXELS, tmp_path / "a.png", about) == ("long",)
    assert read_metadata(tmp_path / "a.png") == {"seed": 7, "left_out": ["long"]}
    about["long"] = "x" * (metadata.LONGEST_WRITTEN - 40)
    for name in ("a.png", "a.webp"):
        assert write_picture(PIXELS, tmp_path / name, about) == ()
        assert read_metadata(tmp_path / name) == about
    with pytest.raises(ImageError, match="names of its entries are too long"):
        encoded(PIXELS, "jpeg", {"x" * 70_000: 1})


@pytest.mark.parametrize(
    "about",
    [{"seed": float("nan")}, {"seed": object()}, {"prompt": "\ud800"}, {"seed": 10**400}],
    ids=["nan", "object", "surrogate", "digits"],
)
@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_metadata_that_could_not_be_read_again_is_refused(picture_format, about):
    with pytest.raises(ImageError, match="The metadata cannot be written"):
        encoded(PIXELS, picture_format, about)


def test_metadata_that_holds_itself_is_refused():
    about: dict = {}
    about["self"] = about
    with pytest.raises(ImageError, match="deep"):
        encoded(PIXELS, "png", about)


@pytest.mark.parametrize(("picture_format", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_a_picture_too_long_for_a_format_is_refused(picture_format, side):
    with pytest.raises(ImageError, match="file holds at most"):
        encoded(np.zeros((1, side, 3), np.uint8), picture_format, {})
