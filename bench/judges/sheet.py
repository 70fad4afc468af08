"""Sheets of pictures with what the judges say of each, to look at."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.judges.network import UInt8Array
from t2a_edge.files import write_whole

GAP, LINE = 6, 14  # pixels between tiles, and for a line of a caption

Tile = tuple[UInt8Array, Sequence[str]]


def write_sheet(path: Path, tiles: Sequence[Tile], across: int, side: int = 160) -> None:
    """Write a PNG of square pictures, each above its lines of text, `across` of them in a row."""
    lines = max(len(caption) for _, caption in tiles)
    wide, high = side + GAP, side + GAP + lines * LINE
    rows = -(-len(tiles) // across)
    page = Image.new("RGB", (across * wide + GAP, rows * high + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=11)
    for number, (square, caption) in enumerate(tiles):
        left, top = GAP + number % across * wide, GAP + number // across * high
        page.paste(Image.fromarray(square).resize((side, side)), (left, top))
        for place, line in enumerate(caption):
            cut = line
            while cut and draw.textlength(cut, font=font) > side:
                cut = cut[:-1]
            draw.text((left, top + side + place * LINE), cut, fill="black", font=font)
    with io.BytesIO() as held:
        page.save(held, "PNG")
        write_whole(path, held.getvalue())
