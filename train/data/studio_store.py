"""Pictures of the studio, painted once and kept on disk with what they show."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from train.data.pictures import SPLITS, MappedFile, UInt8Array, turned

if TYPE_CHECKING:
    from train.studio.record import Record

STUDIO = Path(__file__).parents[1] / "studio"
CHUNK = 32  # pictures that a worker paints at a time
VAL_EVERY = 20  # every twentieth picture is kept from training


def paint_chunk(seeds: Sequence[int], size: int) -> tuple[UInt8Array, list[str]]:
    """Paint the compositions of some seeds.

    Returns:
        (B, size, size, 3) uint8, and the line of each one's `train.studio.record.Record`.
    """
    # in the worker: drawing libraries are heavy
    from train.studio import adjectives, paint_studied, sample
    from train.studio.record import Record

    pictures, lines = [], []
    for seed in seeds:
        composition = sample(seed)
        picture, seen = paint_studied(composition, size)
        words = adjectives(composition, np.random.default_rng(seed), seen)
        pictures.append(picture)
        lines.append(Record(composition, seen, words).line())
    return np.stack(pictures), lines


def studio_version() -> str:
    """Names the studio's code: other code paints other pictures."""
    digest = hashlib.sha256()
    for path in sorted(STUDIO.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class StudioStore:
    """A `train.data.pictures.PictureStore` of painted compositions.

    Painting that was stopped goes on where it was the next time.

    Args:
        count: how many pictures.
        size: side of a picture in pixels; views have the same size.
        seed: of the first composition; the next ones count on.
        cache: folder for the pixels; an unchanged studio does not paint again.
        workers: processes that paint.
    """

    def __init__(self, count: int, size: int, seed: int, cache: Path, workers: int = 1) -> None:
        self.size, self.version = size, studio_version()
        self.key = f"{self.version}-{count}-{size}-{seed}"
        base = cache / f"studio-{hashlib.sha256(self.key.encode()).hexdigest()[:16]}"
        self.pixels, self.lines = base.with_suffix(".npy"), base.with_suffix(".jsonl")
        if not self.lines.is_file():
            _paint_all(range(seed, seed + count), size, base, workers)
        self._lines = self.lines.read_text(encoding="utf-8").splitlines()
        self._pixels = MappedFile(self.pixels)
        self.by_split: dict[str, list[int]] = {split: [] for split in SPLITS}
        for index in range(count):
            self.by_split["train" if index % VAL_EVERY else "val"].append(index)

    def __len__(self) -> int:
        return len(self._lines)

    def record(self, index: int) -> "Record":
        """What was painted and what can be seen in it."""
        from train.studio.record import Record

        return Record.from_line(self._lines[index])

    def adjectives(self, index: int) -> tuple[str, ...]:
        """Of one picture: those that were drawn when it was painted."""
        return self.record(index).words

    def centre(self, index: int, size: int) -> UInt8Array:
        """The picture as it was painted; `size` must be that of the store."""
        assert size == self.size
        return np.asarray(self._pixels.array[index])

    def view(
        self, index: int, size: int, rng: np.random.Generator
    ) -> tuple[UInt8Array, tuple[str, ...]]:
        """The picture, turned and flipped, with adjectives that turn along."""
        return turned(self.centre(index, size), self.adjectives(index), rng)


def _paint_all(seeds: range, size: int, base: Path, workers: int) -> None:
    base.parent.mkdir(parents=True, exist_ok=True)
    pixels_part, lines_part = base.with_suffix(".part.npy"), base.with_suffix(".part.jsonl")
    done = _done(lines_part) if pixels_part.is_file() else 0
    shape = (len(seeds), size, size, 3)
    pixels = np.lib.format.open_memmap(
        pixels_part, mode="r+" if done else "w+", dtype=np.uint8, shape=shape
    )
    left = seeds[done:]
    chunks = [left[start : start + CHUNK] for start in range(0, len(left), CHUNK)]
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        lines_part.open("a" if done else "w", encoding="utf-8") as written,
    ):
        painted = pool.map(paint_chunk, chunks, [size] * len(chunks))
        for part, lines in tqdm(painted, total=len(chunks), desc="studio", unit="chunk"):
            pixels[done : done + len(part)] = part
            pixels.flush()
            # after the pixels: a line says that its picture is there
            written.write("".join(f"{line}\n" for line in lines))
            written.flush()
            done += len(part)
    os.replace(pixels_part, base.with_suffix(".npy"))
    os.replace(lines_part, base.with_suffix(".jsonl"))  # last: it says that all is there


def _done(lines: Path) -> int:
    """How many pictures an earlier painting finished; half a last line is cut off."""
    if not lines.is_file():
        return 0
    whole = lines.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    lines.write_bytes(whole)
    return whole.count(b"\n")
