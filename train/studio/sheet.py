"""Contact sheets: every family in a row, and every axis from pole to pole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from t2a_edge.vocabulary import AXES
from train.studio.composition import Composition, paint
from train.studio.families import FAMILIES
from train.studio.sampling import sample

COLUMNS = 8
TILE = 128  # pixels
CAPTION = 16  # pixels of height for a row's name
PAPER, TYPE = (250, 249, 246), (40, 40, 44)


def _sheet(rows: Sequence[tuple[str, Sequence[Composition]]], tile: int, path: Path) -> Path:
    """Rows of pictures, each under its caption."""
    gap = max(tile // 32, 2)
    columns = max(len(pictures) for _, pictures in rows)
    width, height = columns * (tile + gap) + gap, len(rows) * (tile + gap + CAPTION) + gap
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (caption, pictures) in enumerate(rows):
        y = gap + i * (tile + gap + CAPTION)
        draw.text((gap, y), caption, fill=TYPE)
        for j, composition in enumerate(pictures):
            picture = Image.fromarray(paint(composition, tile))
            page.paste(picture, (gap + j * (tile + gap), y + CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


def _samples(names: Sequence[str], count: int, seed: int) -> dict[str, list[Composition]]:
    """The first samples of each family, in the order of their seeds."""
    found: dict[str, list[Composition]] = {name: [] for name in names}
    at = seed * 100_000
    while any(len(drawn) < count for drawn in found.values()):
        drawn = sample(at)
        at += 1
        if len(found.get(drawn.family, [drawn] * count)) < count:
            found[drawn.family].append(drawn)
    return found


def contact_sheet(path: Path, seed: int = 0, tile: int = 128, families: Sequence[str] = ()) -> Path:
    """Write a sheet with eight samples of every family, one family a row.

    Args:
        path: of the picture to write.
        seed: of the samples.
        tile: side of each picture in pixels, 128 when not given.
        families: names to show; all when empty.
    """
    names = list(families) or sorted(FAMILIES)
    return _sheet(list(_samples(names, COLUMNS, seed).items()), tile or TILE, path)


def axes_sheet(path: Path, seed: int = 0, tile: int | None = None) -> Path:
    """Write a sheet with one row an axis: four families at its negative and its positive pole.

    The two of a pair differ in that axis alone.
    """
    rng = np.random.default_rng((seed, 5))
    rows = []
    for axis in AXES:
        able = []
        for name, family in sorted(FAMILIES.items()):
            low, high = family.ranges.get(axis.name, (-1.0, 1.0))
            if low <= -0.5 and high >= 0.5:
                able.append(name)
        pictures = []
        for name in rng.choice(able, min(COLUMNS // 2, len(able)), replace=False):
            number = int(rng.integers(2**31))
            pictures += [Composition(str(name), {axis.name: s}, (), number) for s in (-0.95, 0.95)]
        rows.append((f"{axis.name}: {axis.negative} | {axis.positive}", pictures))
    return _sheet(rows, tile or TILE, path)
