"""Contact sheets: every family in a row, and every axis from pole to pole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from t2a_edge.vocabulary import AXES
from train.studio.composition import Composition, paint, paint_studied
from train.studio.families import FAMILIES
from train.studio.forms import forms_shown
from train.studio.sampling import sample

SEEDS = 4  # pictures of a family
PAIRS = 4  # families to an axis
ACROSS = 3  # families side by side
TILE = 128  # pixels
CAPTION = 16  # pixels of height for a row's name
PAPER, TYPE = (250, 249, 246), (40, 40, 44)

Row = tuple[str, list[npt.NDArray[np.uint8]]]


def _sheet(rows: Sequence[Row], tile: int, path: Path, across: int = 1) -> Path:
    """Rows of pictures, each under its caption, `across` of them side by side."""
    gap = max(tile // 32, 2)
    wide = max(len(pictures) for _, pictures in rows) * (tile + gap) + 2 * gap
    high = tile + gap + CAPTION
    lines = -(-len(rows) // across)
    page = Image.new("RGB", (across * wide, lines * high + gap), PAPER)
    draw = ImageDraw.Draw(page)
    for i, (caption, pictures) in enumerate(rows):
        x, y = gap + i // lines * wide, gap + i % lines * high
        draw.text((x, y), caption, fill=TYPE)
        for j, picture in enumerate(pictures):
            page.paste(Image.fromarray(picture), (x + j * (tile + gap), y + CAPTION))
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


def contact_sheet(
    path: Path, seed: int = 0, tile: int | None = None, families: Sequence[str] = ()
) -> Path:
    """Write a sheet with four samples of every family, under its name and its words of form.

    Args:
        path: of the picture to write.
        seed: of the samples.
        tile: side of each picture in pixels, 128 when not given.
        families: names to show; all when empty.
    """
    tile = tile or TILE
    rows: list[Row] = []
    for name, compositions in _samples(list(families) or sorted(FAMILIES), SEEDS, seed).items():
        painted = [paint_studied(composition, tile) for composition in compositions]
        words = dict.fromkeys(
            word for _, seen in painted
            for words in forms_shown(seen.traits, seen.visible).values() for word in words
        )  # fmt: skip
        rows.append((f"{name}: {', '.join(words)}", [picture for picture, _ in painted]))
    return _sheet(rows, tile, path, ACROSS)


def axes_sheet(path: Path, seed: int = 0, tile: int | None = None) -> Path:
    """Write a sheet with one row an axis: four families at its negative and its positive pole.

    The two of a pair differ in that axis alone.
    """
    tile = tile or TILE
    rng = np.random.default_rng((seed, 5))
    rows: list[Row] = []
    for axis in AXES:
        able = []
        for name, family in sorted(FAMILIES.items()):
            low, high = family.ranges.get(axis.name, (-1.0, 1.0))
            if low <= -0.5 and high >= 0.5:
                able.append(name)
        pictures = []
        for name in rng.choice(able, min(PAIRS, len(able)), replace=False):
            number = int(rng.integers(2**31))
            pair = [Composition(str(name), {axis.name: s}, (), number) for s in (-0.95, 0.95)]
            pictures += [paint(composition, tile) for composition in pair]
        rows.append((f"{axis.name}: {axis.negative} | {axis.positive}", pictures))
    return _sheet(rows, tile, path)
