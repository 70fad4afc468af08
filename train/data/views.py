"""Views of pictures as the painter learns from them, encoded once and kept on disk.

A view is the strongest components of a picture's canvas, its form, and what says its words: a line
of the studio, an annotator's adjectives, or measured attributes alone.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from t2a_edge.documents import is_file
from t2a_edge.form import form_of
from t2a_edge.pixels import read_pixels
from train.data.augment import recoloured
from train.data.pictures import PixelStore, UInt8Array, named_files, turned, turned_square
from train.data.studio_store import StudioStore
from train.data.wording import measured_scores
from train.models.codec import Codec
from train.models.images import autocast, images_from_uint8
from train.models.latents import DeepLatent
from train.studio.forms import UPRIGHT
from train.studio.record import Record

ENCODED_AT_ONCE = 32
LEAST_CROP = 0.7  # of a picture's shorter side, where crops of more paintings begin
FIT_PICTURES = 1500  # whose canvases the deep latent is fitted to


@dataclass(frozen=True)
class View:
    """One square of a picture.

    Attributes:
        square: (H, W, 3) uint8.
        words: its adjectives, as turned; empty where nobody said any.
        line: the studio's line on it, or "".
        quarter: whether it was turned by a quarter.
        held_out: kept from training.
    """

    square: UInt8Array
    words: tuple[str, ...]
    line: str = ""
    quarter: bool = False
    held_out: bool = False


class Source(Protocol):
    """Where views come from; the same each time."""

    @property
    def key(self) -> str:
        """Names the pictures."""

    @property
    def each(self) -> int:
        """Views of a picture of the training split, which follow each other and come first."""

    @property
    def pictures(self) -> int:
        """How many pictures views are taken of."""

    def __len__(self) -> int:
        """How many views."""

    def views_of(self, pictures: range) -> Iterator[View]:
        """The views of some pictures, in order."""


@dataclass(frozen=True)
class StudioViews:
    """Each picture of the studio once, turned and mirrored by chance; upright ones mirrored."""

    store: StudioStore

    @property
    def key(self) -> str:
        """Names the pictures."""
        return self.store.key

    @property
    def each(self) -> int:
        """See `Source`."""
        return 1

    @property
    def pictures(self) -> int:
        """See `Source`."""
        return sum(len(members) for members in self.store.by_split.values())

    def __len__(self) -> int:
        return self.pictures

    def views_of(self, pictures: range) -> Iterator[View]:
        """See `Source`."""
        held_out = set(self.store.by_split["val"])
        for index in pictures:
            rng = np.random.default_rng((7, index))
            record = self.store.record(index)
            square, quarter = turned_square(
                self.store.centre(index, self.store.size), rng,
                upright=UPRIGHT in record.seen.traits,
            )  # fmt: skip
            yield View(square, record.words, record.line(), quarter, index in held_out)


@dataclass(frozen=True)
class PaintingViews:
    """Squares of annotated paintings, and the middle of each held-out one.

    Attributes:
        count: squares of each painting of the training split.
        size: their side in pixels.
        recolour: share of them that get other colours.
    """

    store: PixelStore
    count: int
    size: int
    recolour: float

    @property
    def key(self) -> str:
        """Names the pictures."""
        return f"{self.store.key}-{self.count}-{self.size}-{self.recolour}"

    @property
    def each(self) -> int:
        """See `Source`."""
        return self.count

    @property
    def pictures(self) -> int:
        """See `Source`."""
        return len(self.store.by_split["train"]) + len(self.store.by_split["val"])

    def __len__(self) -> int:
        split = self.store.by_split
        return self.count * len(split["train"]) + len(split["val"])

    def views_of(self, pictures: range) -> Iterator[View]:
        """See `Source`."""
        split = self.store.by_split
        members = np.random.default_rng(11).permutation(split["train"])
        for number in pictures:
            if number >= len(members):
                index = split["val"][number - len(members)]
                square = self.store.centre(index, self.size)
                yield View(square, self.store.adjectives(index), held_out=True)
                continue
            index = int(members[number])
            rng = np.random.default_rng((11, index))
            for _ in range(self.count):
                square, words = self.store.view(index, self.size, rng)
                if rng.random() < self.recolour:
                    square, words = recoloured(square, words, rng)
                yield View(square, words)


@dataclass(frozen=True)
class WordlessViews:
    """Squares of a folder of pictures that nobody described.

    Attributes:
        folder: with one .jsonl, a "file" in each line.
        kinds: of its lines' "kind", those that are used; all of them where empty.
        count, size, recolour: as in `PaintingViews`.
    """

    folder: Path
    kinds: tuple[str, ...]
    count: int
    size: int
    recolour: float
    files: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        named = named_files(self.folder)
        kept = [n.path for n in named if not self.kinds or n.values.get("kind") in self.kinds]
        order = np.random.default_rng(13).permutation(len(kept))
        object.__setattr__(self, "files", [kept[number] for number in order])

    @property
    def key(self) -> str:
        """Names the pictures."""
        return f"{len(self.files)}-{self.kinds}-{self.count}-{self.size}-{self.recolour}"

    @property
    def each(self) -> int:
        """See `Source`."""
        return self.count

    @property
    def pictures(self) -> int:
        """See `Source`."""
        return len(self.files)

    def __len__(self) -> int:
        return self.count * len(self.files)

    def views_of(self, pictures: range) -> Iterator[View]:
        """See `Source`."""
        for index in pictures:
            pixels, rng = read_pixels(self.files[index]), np.random.default_rng((13, index))
            for _ in range(self.count):
                shorter = min(pixels.shape[:2])
                least = max(LEAST_CROP, min(1, self.size / shorter))  # enlarged, it would blur
                side = int(shorter * rng.uniform(least, 1))
                top, left = (int(rng.integers(length - side + 1)) for length in pixels.shape[:2])
                cut = Image.fromarray(pixels[top : top + side, left : left + side])
                whole = np.asarray(cut.resize((self.size, self.size), Image.Resampling.LANCZOS))
                square, words = turned(whole, (), rng)
                if rng.random() < self.recolour:
                    square, words = recoloured(square, words, rng)
                yield View(square, words)


@dataclass(frozen=True)
class Views:
    """Encoded views.

    Attributes:
        components: (M, K, h, w) float16, of the encoder's canvas.
        forms: (M, 64, 64) int8.
        words: given adjectives of each, as turned.
        scores: (M, A) float32, measured attributes; 0 where the studio says the words.
        records: the studio's, None for other views.
        quarter, held_out: (M,) bool, as in `View`.
    """

    components: npt.NDArray[np.float16]
    forms: npt.NDArray[np.int8]
    words: list[tuple[str, ...]]
    scores: npt.NDArray[np.float32]
    records: list[Record] | None
    quarter: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.forms)


def all_views(source: Source) -> Iterator[View]:
    """Every view of a source, in order."""
    return source.views_of(range(source.pictures))


def batched(views: Iterator[View], size: int) -> Iterator[list[View]]:
    """Lists of so many views, the last one shorter."""
    while batch := list(islice(views, size)):
        yield batch


@torch.no_grad()
def encoded(codec: Codec, squares: Sequence[UInt8Array]) -> Tensor:
    """Canvases of pictures as the encoder gives them, not coded: (B, C, h, w) float32.

    A code stands for many vectors. What it leaves out is no part of the picture, and a painter
    that learned from codes would learn to paint it.
    """
    return canvas_of(codec, images_from_uint8(list(squares)))


@torch.no_grad()
def canvas_of(codec: Codec, images: Tensor) -> Tensor:
    """The same of images (B, 3, H, W) in [-1, 1]."""
    with autocast():
        canvas: Tensor = codec.latents(images)
    return canvas.float()


def fitted(codec: Codec, sources: Sequence[Source], components: int, depth: int) -> DeepLatent:
    """A deep latent of equal numbers of views of each source: the first ones of each."""
    count = FIT_PICTURES // len(sources)
    canvas = torch.cat(
        [
            encoded(codec, [view.square for view in batch])
            for source in sources
            for batch in batched(islice(all_views(source), count), ENCODED_AT_ONCE)
        ]
    )
    deep = DeepLatent(canvas.shape[1], components, depth)
    deep.fit(canvas)
    return deep


def cached_views(
    codec: Codec, deep: DeepLatent, source: Source, base: Path, key: str, workers: int = 1
) -> Views:
    """Encode all views of a source once; a cache with another key is replaced.

    Args:
        base: path of the cache's files, without their endings.
        key: names the codec and the deep latent.
        workers: processes that encode.
    """
    key = f"{key}-{source.key}"
    about, flat, grey = (base.with_suffix(end) for end in (".json", ".npy", ".forms.npy"))
    told: dict[str, Any] = {}
    if is_file(about):
        told = json.loads(about.read_text(encoding="utf-8"))
    if told.get("key") != key:
        told = _encode_all(codec, deep, source, flat, grey, workers) | {"key": key}
        about.write_text(json.dumps(told), encoding="utf-8")
    records = [Record.from_line(line) for line in told["lines"]] if any(told["lines"]) else None
    return Views(
        np.load(flat, mmap_mode="r"), np.load(grey), [tuple(w) for w in told["words"]],
        np.asarray(told["scores"], dtype=np.float32), records,
        np.asarray(told["quarter"]), np.asarray(told["held_out"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Encoded:
    """The encoded views of some pictures; `told` is what each view says, by name."""

    components: npt.NDArray[np.float16]
    forms: npt.NDArray[np.int8]
    told: dict[str, list[Any]]


@dataclass(frozen=True)
class Encoder:
    """What encodes the views of a source; a process that does is given it once."""

    codec: Codec
    deep: DeepLatent
    source: Source

    def encode(self, pictures: range) -> Encoded:
        """The views of some pictures."""
        views = list(self.source.views_of(pictures))
        parts = [
            self.deep.components(encoded(self.codec, [view.square for view in batch]))
            for batch in batched(iter(views), ENCODED_AT_ONCE)
        ]
        told: dict[str, list[Any]] = {
            "words": [view.words for view in views],
            "lines": [view.line for view in views],
            "scores": [_scores(view) for view in views],
            "quarter": [view.quarter for view in views],
            "held_out": [view.held_out for view in views],
        }
        forms = np.stack([form_of(view.square) for view in views])
        return Encoded(torch.cat(parts).numpy().astype(np.float16), forms, told)


_encoder: Encoder  # of a process that encodes


def _take(encoder: Encoder) -> None:
    global _encoder
    torch.set_num_threads(1)
    _encoder = encoder


def _encode(pictures: range) -> Encoded:
    return _encoder.encode(pictures)


@contextmanager
def _encoding(encoder: Encoder, workers: int, chunks: list[range]) -> Iterator[Iterator[Encoded]]:
    """What becomes of each chunk of pictures, in order: here, or in several processes."""
    if workers == 1:
        yield map(encoder.encode, chunks)
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_take, initargs=(encoder,)) as pool:
        yield pool.map(_encode, chunks)


def _scores(view: View) -> list[float]:
    """Measured attributes; none where the studio says the words."""
    return [] if view.line else [round(float(s), 4) for s in measured_scores(view.square)]


def _encode_all(
    codec: Codec, deep: DeepLatent, source: Source, flat: Path, grey: Path, workers: int
) -> dict[str, list[Any]]:
    """Write components and forms; what the views say goes back."""
    flat.parent.mkdir(parents=True, exist_ok=True)
    side = codec.quantizer.config.scales[-1]
    out = np.lib.format.open_memmap(
        flat, mode="w+", dtype=np.float16, shape=(len(source), len(deep.rows), side, side)
    )
    step = -(-ENCODED_AT_ONCE * source.pictures // len(source))
    starts = range(0, source.pictures, step)
    chunks = [range(start, min(start + step, source.pictures)) for start in starts]
    forms: list[npt.NDArray[np.int8]] = []
    told: dict[str, list[Any]] = {}
    done = 0
    with _encoding(Encoder(codec, deep, source), workers, chunks) as parts:
        for part in tqdm(parts, total=len(chunks), desc=flat.stem, unit="chunk"):
            out[done : done + len(part.forms)] = part.components
            done += len(part.forms)
            forms.append(part.forms)
            for name, values in part.told.items():
                told.setdefault(name, []).extend(values)
    out.flush()
    np.save(grey, np.concatenate(forms))
    return told
