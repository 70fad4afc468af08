"""Pictures that are read: their pixels, what they say of themselves, masks."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image, features

from t2a_edge.animation import encoded_animation
from t2a_edge.commands.inspect import entry_lines
from t2a_edge.commands.pictures import read_mask
from t2a_edge.image import encoded, read_metadata, write_picture
from t2a_edge.pipeline import TextToArt
from t2a_edge.pixels import read_pixels
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import TEXTS, edited, edits, hostile, json_text, real

AVIF = ("avif",) if features.check("avif") else ()
SIDE = 16
PIXELS = np.arange(SIDE * SIDE * 3, dtype=np.uint8).reshape(SIDE, SIDE, 3)
ABOUT = {"prompt": "warm", "seed": 7, "recipe": "AAAA"}


def drawn(places: Places) -> list[bytes]:
    """A picture of the tiny model in every format that has metadata."""
    with TextToArt(places.bundle) as engine:
        art = engine.generate("warm dark", seed=7, blend="cool")
    return [art.encode(kind) for kind in ("png", "webp", "jpeg", *AVIF)]


def pictures(_: Places) -> list[bytes]:
    """Small pictures of many formats and modes."""
    found = [encoded(PIXELS, kind, ABOUT) for kind in ("png", "webp", "jpeg")]
    found += [encoded_animation([PIXELS, PIXELS], kind, 12, ABOUT) for kind in ("gif", "webp")]
    image = Image.fromarray(PIXELS)
    for mode, kind in (("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG"), ("LA", "PNG"),
                       ("I;16", "PNG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("F", "TIFF"),
                       ("I;16", "TIFF"), ("RGB", "TIFF"), ("RGB", "BMP"), ("P", "GIF"),
                       ("RGB", "PPM"), ("RGB", "TGA"), ("RGB", "ICO"),
                       ("RGBA", "WEBP")):  # fmt: skip
        stream = io.BytesIO()
        changed = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
        changed.save(stream, kind)
        found.append(stream.getvalue())
    return [*found, b"", b"\x93NUMPY"]


@target("picture", seeds=pictures)
def picture(places: Places) -> Iterator[Try]:
    path = places.scratch / "picture.png"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        pixels = read_pixels(path)
        must(pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8, "no picture")

    yield call


@target("mask", seeds=pictures)
def mask(places: Places) -> Iterator[Try]:
    path = places.scratch / "mask.png"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        marked = read_mask(path, (SIDE, SIDE))
        must(marked.shape == (SIDE, SIDE), "a mask of another size")

    yield call


@target("metadata-bytes", seeds=lambda places: drawn(places) + pictures(places))
def metadata_bytes(places: Places) -> Iterator[Try]:
    path = places.scratch / "metadata.png"

    def call(given: bytes) -> None:
        path.write_bytes(given)
        about = read_metadata(path)
        must(isinstance(about, dict) and all(isinstance(key, str) for key in about), "no table")
        must(all(isinstance(line, str) for line in entry_lines(about)), "a line that is none")

    yield call


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG, its check sum right."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png_with(chunks: bytes, *, after: bool = False) -> bytes:
    """A sound PNG with more chunks, before its pixels or after."""
    whole = encoded(PIXELS, "png", {})
    header, rest = whole[:33], whole[33:]
    end = len(rest) - 12
    plain = rest[rest.index(b"IDAT") - 4 : end]
    return header + (plain + chunks if after else chunks + plain) + rest[end:]


def chunk_contents(_: Places) -> list[bytes]:
    text = json.dumps(ABOUT).encode()
    return [b"\0t2a-edge\0\0\0\0\0" + text, b"\1t2a-edge\0" + text,
            b"\2t2a-edge\0\0" + zlib.compress(text), b"\3t2a-edge\0\1\0\0\0" + zlib.compress(text),
            b"\4II*\0\x08\0\0\0\0\0", b"\5t2a-edge\0" + b"[" * 50_000]  # fmt: skip


@target("png-text", seeds=chunk_contents)
def png_text(places: Places) -> Iterator[Try]:
    """Text chunks of a PNG whose check sums are right."""
    path = places.scratch / "text.png"

    def call(given: bytes) -> None:
        first = given[0] if given else 0
        kind = (b"iTXt", b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tEXt", b"iCCP")[first % 7]
        path.write_bytes(png_with(chunk(kind, given[1:]), after=bool(first & 8)))
        read_metadata(path)

    yield call


@target("metadata", values=edits(), slow=True)
def metadata(places: Places) -> Iterator[Try]:
    """A picture of ours that says something else."""
    path = places.scratch / "about.png"
    with TextToArt(places.bundle) as engine:
        art = engine.generate("warm dark", seed=7, blend="cool")

        def call(given: Any) -> None:
            text = json_text(edited(art.metadata, given)).encode("ascii")
            path.write_bytes(png_with(chunk(b"iTXt", b"t2a-edge\0\0\0\0\0" + text)))
            about = read_metadata(path)
            must(all(isinstance(line, str) for line in entry_lines(about)), "a line that is none")
            opened = engine.open(path)
            must(isinstance(opened.metadata, dict), "no metadata")
            must(opened.file_name.endswith(".png"), "a file name of another kind")

        yield call


WRITTEN = st.fixed_dictionaries(
    {
        "pixels": hostile(),
        "format": st.one_of(st.sampled_from(["png", "webp", "jpeg", "npy"]), hostile()),
        "suffix": st.sampled_from([".png", ".jpg", ".webp", ".npy", ".PNG", "", ".x", ".png/"]),
        "name": st.sampled_from(TEXTS),
        "about": st.sampled_from([{}, {"a": 1}, {"prompt": "x" * 70_000}, {"\ud800": "\ud800"}]),
    }
)


@target("written-picture", values=WRITTEN)
def written_picture(places: Places) -> Iterator[Try]:
    folder = places.scratch / "written"
    folder.mkdir()

    def call(given: Any) -> None:
        pixels = real(given["pixels"])
        if not isinstance(pixels, np.ndarray):
            pixels = PIXELS
        name = given["name"].replace("/", "_").replace("..", "")
        try:
            write_picture(pixels, folder / Path(f"a{name}{given['suffix']}"), given["about"])
        finally:
            left = [path for path in folder.iterdir() if path.name.startswith(".t2a-edge-")]
            for path in folder.iterdir():
                path.unlink()
            must(not left, "an unfinished file is left")
        content = encoded(pixels, real(given["format"]), given["about"])
        must(isinstance(content, bytes), "no bytes")

    yield call
