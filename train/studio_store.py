"""Pictures of the studio, painted once and kept on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from train.data import SPLITS, UInt8Array, code_version, turned

STUDIO = Path(__file__).parent / "studio"
CHUNK = 32  # pictures that a worker paints at a time
VAL_EVERY = 20  # every twentieth picture is kept from training


def paint_chunk(seeds: Sequence[int], size: int) -> tuple[UInt8Array, list[tuple[str, ...]]]:
    """Paint the compositions of some seeds: (B, size, size, 3) uint8, and their adjectives."""
    # in the worker: drawing libraries are heavy
    from train.studio import adjectives, paint_studied, sample

    pictures, words = [], []
    for seed in seeds:
        composition = sample(seed)
        picture, seen = paint_studied(composition, size)
        pictures.append(picture)
        words.append(adjectives(composition, np.random.default_rng(seed), seen))
    return np.stack(pictures), words


def studio_version() -> str:
    """Names the studio's code: other code paints other pictures."""
    return code_version(*sorted(STUDIO.rglob("*.py")))


class StudioStore:
    """A `train.data.PictureStore` of painted compositions.

    Args:
        count: how many pictures.
        size: side of a picture in pixels; views have the same size.
        seed: of the first composition; the next ones count on.
        cache: folder for the pixels; an unchanged studio does not paint again.
        workers: processes that paint.
    """

    def __init__(self, count: int, size: int, seed: int, cache: Path, workers: int = 1) -> None:
        self.size = size
        self.key = f"{studio_version()}-{count}-{size}-{seed}"
        base = cache / f"studio-{hashlib.sha256(self.key.encode()).hexdigest()[:16]}"
        if not base.with_suffix(".json").is_file():
            _paint_all(range(seed, seed + count), size, base, workers)
        self._words = [tuple(words) for words in json.loads(base.with_suffix(".json").read_text())]
        self._pixels = np.load(base.with_suffix(".npy"), mmap_mode="r")
        self.by_split: dict[str, list[int]] = {split: [] for split in SPLITS}
        for index in range(count):
            self.by_split["train" if index % VAL_EVERY else "val"].append(index)

    def adjectives(self, index: int) -> tuple[str, ...]:
        """Of one picture."""
        return self._words[index]

    def centre(self, index: int, size: int) -> UInt8Array:
        """The picture as it was painted; `size` must be that of the store."""
        assert size == self.size
        return np.asarray(self._pixels[index])

    def view(
        self, index: int, size: int, rng: np.random.Generator
    ) -> tuple[UInt8Array, tuple[str, ...]]:
        """The picture, turned and flipped, with adjectives that turn along."""
        return turned(self.centre(index, size), self._words[index], rng)


def _paint_all(seeds: range, size: int, base: Path, workers: int) -> None:
    base.parent.mkdir(parents=True, exist_ok=True)
    unfinished = base.with_suffix(".part.npy")
    shape = (len(seeds), size, size, 3)
    pixels = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    words: list[tuple[str, ...]] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = pool.map(paint_chunk, chunks, [size] * len(chunks))
        for part, adjectives in tqdm(done, total=len(chunks), desc="studio", unit="chunk"):
            pixels[len(words) : len(words) + len(part)] = part
            words += adjectives
    pixels.flush()
    os.replace(unfinished, base.with_suffix(".npy"))
    listed = base.with_suffix(".part.json")
    listed.write_text(json.dumps(words), encoding="utf-8")
    os.replace(listed, base.with_suffix(".json"))  # last: it says that all is there
