"""How a picture was made, as text inside its file: what fits into a format, and finding it again.

A PNG has it in a tEXt chunk of the key "t2a-edge"; WebP and JPEG as the EXIF description, a GIF as
its comment, in both after the word "t2a-edge". Programs that save a picture anew move it: behind
the pixels, into another kind of chunk, a comment, XMP, or a profile in hexadecimal. All of these
are looked through; pixels are not decoded, and nothing large is read.
"""

import html
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

from t2a_edge.documents import TOO_DEEP, check_plain

KEY = "t2a-edge"
LEFT_OUT = "left_out"  # entry that names those that did not fit into the file
LONGEST = 4 * 2**20  # bytes of one text that is read
LONGEST_WRITTEN = LONGEST - 4096  # the key and the fields around it are read along
MOST_TEXTS = 16  # after our key that are looked at in one file
MOST_UNPACKED = 16 * LONGEST  # bytes of the packed texts of one file
MOST_JPEG = MOST_PIPED = 2**28  # bytes of a JPEG, or of a pipe, that are searched
ROOM = {"jpeg": 65_000}  # bytes of text that a format holds, where that is less

Chunk = tuple[bytes, bytes]  # a key, b"" where there is none, and the text or block
MARK = re.compile(KEY.encode() + rb"\s*\{")
PNG, JPEG, RIFF, GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF", b"GIF8"
NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # after a scan of a JPEG
PROFILE = re.compile(
    rb"\s{0,9}\w{1,99}\s{1,99}\d{1,99}\s"
)  # before the digits of a profile in hexadecimal


# ---- text from values and back


def object_of(text: str, *, whole: bool = True) -> dict[str, Any]:
    """The JSON object of a text.

    Args:
        whole: nothing but white space may follow it.

    Raises:
        ValueError: there is none, or it is too long, too deep, or not plain.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has more than {LONGEST} characters")
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    if whole and text.lstrip()[end:].strip():
        raise ValueError("text follows the JSON object")
    check_plain(value)
    return value


def fitting(metadata: Mapping[str, Any], picture_format: str) -> tuple[str, tuple[str, ...]]:
    """Metadata as the text for a format, without the largest entries where it holds no more.

    Returns:
        The text, and the names of the entries that were left out; the text has them as `left_out`.

    Raises:
        ValueError: the metadata is no plain JSON.
    """
    try:
        check_plain(metadata)
        kept = dict(metadata)
        text = _written(kept, picture_format)
        left_out: list[str] = []
        while len(text) > min(LONGEST_WRITTEN, ROOM.get(picture_format, LONGEST_WRITTEN)):
            if not kept:
                raise ValueError("the names of its entries are too long")
            largest = max(kept, key=lambda name: len(json.dumps(kept[name])))
            del kept[largest]
            left_out.append(largest)
            text = _written({**kept, LEFT_OUT: sorted(left_out)}, picture_format)
    except TypeError as exc:
        raise ValueError(str(exc)) from exc
    return text, tuple(sorted(left_out))


def _written(metadata: Mapping[str, Any], picture_format: str) -> str:
    """ASCII; a PNG has chunks with a key, and in the fields of other formats it stands before."""
    text = json.dumps(metadata, sort_keys=True)
    return text if picture_format == "png" else f"{KEY} {text}"


# ---- text in files


def texts_in(source: BinaryIO) -> Iterator[str]:
    """Texts of a PNG, JPEG, WebP or GIF that may be our metadata: each begins with a brace.

    Args:
        source: at its beginning; of one that cannot be searched, such as a pipe, all is read.
    """
    if not source.seekable():
        source = io.BytesIO(source.read(MOST_PIPED))
    head = source.read(12)
    source.seek(0)
    chunks: Iterator[Chunk] = iter(())
    if head.startswith(PNG):
        chunks = _png(source)
    elif head.startswith(JPEG):
        chunks = _jpeg(source.read(MOST_JPEG))
    elif head.startswith(RIFF) and head.endswith(b"WEBP"):
        chunks = _webp(source)
    elif head.startswith(GIF):
        chunks = _gif(source)
    texts = (text for key, block in chunks for text in marked(block, key))
    yield from islice(texts, MOST_TEXTS)


def marked(block: bytes, key: bytes = b"") -> Iterator[str]:
    """What follows our key in a block of any kind: plain, in UTF-16, or escaped as in XML."""
    if key.lower() == KEY.encode():
        yield _decoded(block)
        return
    if not MARK.search(block):
        block = block.replace(b"\0", b"")  # UTF-16 of ASCII
    for found in MARK.finditer(block):
        text = _decoded(block[found.end() - 1 :])
        yield text
        if "&" in text:
            yield html.unescape(text)


def _decoded(block: bytes) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("latin-1")


def _png(source: BinaryIO) -> Iterator[Chunk]:
    """Texts before and after the pixels; a chunk whose checksum is wrong is passed over."""
    source.seek(len(PNG))
    unpacked = 0
    while len(head := source.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") or length > LONGEST:
            source.seek(length + 4, 1)
            continue
        content = source.read(length)
        if zlib.crc32(kind + content).to_bytes(4, "big") == source.read(4):
            found = (b"", content) if kind == b"eXIf" else _png_text(kind, content)
            unpacked += len(found[1]) if kind in (b"zTXt", b"iTXt") else 0
            yield found
            if unpacked > MOST_UNPACKED:
                return


def _png_text(kind: bytes, content: bytes) -> Chunk:
    """Key and text; no text where it is damaged."""
    key, _, text = content.partition(b"\0")
    packed = kind == b"zTXt"
    if packed:
        text = text[1:]
    elif kind == b"iTXt":
        packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
    if packed:
        try:
            text = zlib.decompressobj().decompress(text, LONGEST)  # no further: a bomb ends here
        except zlib.error:
            text = b""
    if key.startswith(b"Raw profile type"):
        head = PROFILE.match(text)
        try:
            text = bytes.fromhex(text[head.end() if head else 0 :].decode("latin-1"))
        except ValueError:
            text = b""
    return key, text


def _jpeg(content: bytes) -> Iterator[Chunk]:
    """Application segments and comments, between the scans too."""
    place = 2
    while found := NEXT_MARKER.search(content, place):
        code = content[found.end() - 1]
        place = found.end()
        if code == 0xD9:  # the end of the picture; another may follow
            return
        if code in (0x01, 0xD8):  # markers without a segment
            continue
        length = int.from_bytes(content[place : place + 2], "big")
        if 0xE0 <= code <= 0xEF or code == 0xFE:
            yield b"", content[place + 2 : place + length]
        place += max(2, length)


def _webp(source: BinaryIO) -> Iterator[Chunk]:
    source.seek(12)
    while len(head := source.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"EXIF", b"XMP ") and length <= LONGEST:
            yield b"", source.read(length)
            source.seek(length & 1, 1)
        else:
            source.seek(length + (length & 1), 1)


def _gif(source: BinaryIO) -> Iterator[Chunk]:
    """Comments and XMP before, between and after the frames."""
    head = source.read(13)
    source.seek(_colours(head[10]) if len(head) == 13 else 0, 1)
    while (kind := source.read(1)) in (b"!", b","):
        if kind == b",":
            place = source.read(9)
            source.seek(_colours(place[8]) + 1 if len(place) == 9 else 0, 1)
            _sub_blocks(source)
            continue
        label = source.read(1)
        blocks, raw = _sub_blocks(source)
        if label == b"\xfe":
            yield b"", blocks
        elif label == b"\xff" and blocks.startswith(b"XMP"):
            yield b"", raw  # XMP is not cut into blocks: what would be their lengths is text


def _colours(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(source: BinaryIO) -> tuple[bytes, bytes]:
    """Joined blocks, and the same with their lengths; no more than the longest text of them."""
    blocks, raw = bytearray(), bytearray()
    while (length := source.read(1)) not in (b"", b"\0"):
        block = source.read(length[0])
        if len(raw) <= LONGEST:
            blocks += block
            raw += length + block
    return bytes(blocks), bytes(raw)
