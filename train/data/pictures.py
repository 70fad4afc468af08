"""A folder of images with adjectives: loading, checking, splitting, cutting.

The annotations are one JSON object a line (`*.jsonl` in the folder) with at least `file` and
`adjectives`. Optional: `id`, `split` (train, val, test) and `cluster`: near-duplicates share one
and never straddle two splits. Without `split`, clusters are dealt out 80 : 10 : 10 by a hash. The
file is UTF-8; one of another encoding is refused, as nothing in it says which.

A line that cannot be used is an error, since somebody wrote it. A picture that cannot be read is
left out and listed, as one of ten thousand downloads is always cut short; above
`MOST_UNREADABLE` of them it is an error too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from t2a_edge.checks import shown
from t2a_edge.documents import is_file, is_folder
from t2a_edge.errors import DataError, ImageError
from t2a_edge.files import write_whole
from t2a_edge.metadata import object_of
from t2a_edge.pixels import read_pixels
from train.checks import require

SPLITS = ("train", "val", "test")
MIN_IMAGES = 4  # a split smaller than this cannot be trained or validated on
MOST_UNREADABLE = 0.01  # of all pictures; one may always be
LISTED = 10  # of the pictures that were left out
READER = 2  # which reader the decoded pixels on disk are of
TURNED = {
    "horizontal": "vertical",
    "vertical": "horizontal",
}  # adjectives that a quarter turn swaps

UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How pictures are cut out of the training images, and which share the studio has.

    Attributes:
        image_size: side of the square that is trained on, in pixels.
        shorter_side: images are scaled so that their shorter side has this many pixels.
        studio_share: share of the studio's pictures in what the codec is trained on; the rest is
            the data folder's. Without such a folder all are the studio's.
        studio_seed: of the studio's first picture; the next ones count on.
    """

    image_size: int = 256
    shorter_side: int = 288
    studio_share: float = 0.5
    studio_seed: int = 0

    def __post_init__(self) -> None:
        require(
            self.shorter_side >= self.image_size,
            f"data.shorter_side is {self.shorter_side}; expected at least data.image_size, "
            f"{self.image_size}. Raise it, or lower data.image_size.",
        )
        require(
            0 <= self.studio_share < 1,
            f"data.studio_share is {self.studio_share}; expected a share in [0, 1).",
        )


class PictureStore(Protocol):
    """Pictures with adjectives, as the training stages ask for them."""

    @property
    def by_split(self) -> dict[str, list[int]]:
        """The numbers of the pictures in each split."""

    @property
    def key(self) -> str:
        """Names the pictures and adjectives; another set has another key."""

    def adjectives(self, index: int) -> tuple[str, ...]:
        """Of one picture."""

    def centre(self, index: int, size: int) -> UInt8Array:
        """The fixed view that validation uses, (size, size, 3) uint8."""

    def view(
        self, index: int, size: int, rng: np.random.Generator
    ) -> tuple[UInt8Array, tuple[str, ...]]:
        """A random view, (size, size, 3) uint8, with the adjectives that fit it."""


@dataclass(frozen=True)
class PictureMix:
    """Several stores, each with its share of what is drawn; the first is validated on.

    Attributes:
        shares: summing to 1.
    """

    stores: Sequence[PictureStore]
    shares: Sequence[float]

    @property
    def keys(self) -> list[str]:
        """What names the pictures of each store: a run does not go on with others."""
        return [store.key for store in self.stores]

    def draw(self, rng: np.random.Generator, count: int, size: int) -> list[UInt8Array]:
        """Random views of the training splits, (size, size, 3) uint8 each."""
        squares = []
        for number in rng.choice(len(self.stores), size=count, p=self.shares):
            store = self.stores[number]
            members = store.by_split["train"]
            squares.append(store.view(members[int(rng.integers(len(members)))], size, rng)[0])
        return squares


@dataclass(frozen=True, kw_only=True)
class Row:
    """One annotated image; `where` names its line for error messages."""

    id: str
    path: Path
    split: str
    cluster: str
    adjectives: tuple[str, ...]
    where: str


def find_annotations(root: Path) -> Path:
    """The one JSONL file of a data folder; a DataError where there is none, or several."""
    if not is_folder(root):
        raise DataError(
            f"No data folder at {root}; expected a folder of images with a .jsonl file."
        )
    found = sorted(root.glob("*.jsonl"))
    if len(found) != 1:
        raise DataError(
            f"{root} has {len(found)} .jsonl files; expected one, with a line "
            '{"file": "images/a.jpg", "adjectives": ["warm", "dark"]} for each image.'
        )
    return found[0]


def load_rows(root: Path) -> list[Row]:
    """Read and check the annotations of a data folder; images are checked when they are read.

    Raises:
        DataError: no annotations, a line that cannot be used, a missing file, a cluster in two
            splits, or too few images. The text names the line.
    """
    rows = [_row(named) for named in named_files(root)]
    _check_clusters(rows)
    _check_splits(find_annotations(root), rows)
    return rows


def _lines(source: Path) -> Iterator[tuple[str, str]]:
    """Where each line of a file stands, and its text; a DataError for one that is not UTF-8."""
    try:
        content = source.read_bytes()
    except OSError as exc:
        raise DataError(f"{source} cannot be read ({exc.strerror}); name another folder.") from exc
    for number, raw in enumerate(content.split(b"\n"), start=1):
        where = f"{source.name}, line {number}"
        try:
            yield where, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as exc:
            raise DataError(
                f"{where} is not valid UTF-8 (byte 0x{raw[exc.start]:02x} at {exc.start + 1}), but "
                "of another encoding such as Latin-1; save the file as UTF-8."
            ) from exc


def _check_splits(source: object, rows: Sequence[Row]) -> None:
    for split in ("train", "val"):
        count = sum(row.split == split for row in rows)
        if count < MIN_IMAGES:
            raise DataError(
                f"{source} has {count} images in the split {split!r}; expected at least "
                f'{MIN_IMAGES}. Add images, or give rows a "split".'
            )


@dataclass(frozen=True)
class Named:
    """A line that names a file.

    Attributes:
        where: names the line, for error messages.
        path: of the file.
        values: all that the line says.
    """

    where: str
    path: Path
    values: dict[str, Any]


def named_files(root: Path) -> list[Named]:
    """The files that the annotations of a data folder name, whatever else they say.

    Raises:
        DataError: no annotations, a line that is no object or names no file, or a missing file.
    """
    lines = _lines(find_annotations(root))
    return [_named(root, where, line) for where, line in lines if line.strip()]


def folder_sha256(root: Path) -> tuple[int, str]:
    """How many files a data folder names, and the sha256 of its annotations and of all of them."""
    digest = hashlib.sha256(find_annotations(root).read_bytes())
    files = named_files(root)
    for named in files:
        digest.update(file_digest(named.path))
    return len(files), digest.hexdigest()


def _named(root: Path, where: str, line: str) -> Named:
    try:
        values = object_of(line)
    except ValueError as exc:
        raise DataError(f"{where} is not JSON ({exc}); expected one object a line.") from exc
    if not isinstance(values.get("file"), str):
        raise DataError(f'{where} has no "file"; expected {{"file": ..., "adjectives": [...]}}.')
    path = root / values["file"]
    if not is_file(path):
        raise DataError(
            f"{where} names {shown(values['file'])}, which is missing; add it or delete the line."
        )
    return Named(where, path, values)


def _row(named: Named) -> Row:
    where, path, values = named.where, named.path, named.values
    adjectives = _adjectives(where, values.get("adjectives"))
    identity = str(values.get("id", values["file"]))
    cluster = str(values.get("cluster", identity))
    split = values.get("split", _dealt_split(cluster))
    if split not in SPLITS:
        raise DataError(
            f"{where} has the split {shown(split)}; expected one of {', '.join(SPLITS)}."
        )
    return Row(
        id=identity, path=path, split=split, cluster=cluster, adjectives=adjectives, where=where
    )


def _adjectives(where: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise DataError(f'{where} has no adjectives; expected a list such as ["warm", "dark"].')
    words = tuple(v.strip().casefold() if isinstance(v, str) else "" for v in values)
    if not all(words) or any(len(word.split()) != 1 for word in words):
        raise DataError(f"{where} has the adjectives {shown(values)}; expected single words.")
    return words


def _dealt_split(cluster: str) -> str:
    digit = int.from_bytes(hashlib.sha256(cluster.encode()).digest()[:4], "big") % 10
    return "train" if digit < 8 else "val" if digit == 8 else "test"


def _check_clusters(rows: Sequence[Row]) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.cluster, row)
        if first.split != row.split:
            raise DataError(
                f"{row.where} puts the cluster {shown(row.cluster)} in the split {row.split!r}, "
                f"and {first.where} in {first.split!r}; expected one split for near-duplicates."
            )


def read_image(row: Row, shorter_side: int) -> UInt8Array:
    """Decode one image, scaled so that its shorter side has `shorter_side` pixels.

    Returns:
        (H, W, 3) uint8 sRGB, read as `t2a_edge.pixels` says.

    Raises:
        DataError: it cannot be read.
    """
    try:
        image = Image.fromarray(read_pixels(row.path))
    except ImageError as exc:
        raise DataError(f"{row.where} cannot be used: {exc}") from exc
    factor = shorter_side / min(image.size)
    width, height = (max(shorter_side, round(side * factor)) for side in image.size)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def readable_images(rows: Sequence[Row], shorter_side: int) -> list[UInt8Array | str]:
    """Each image as `read_image` gives it, or one sentence on why it cannot be read.

    Raises:
        DataError: more than `MOST_UNREADABLE` of them, and more than one, cannot be.
    """
    images: list[UInt8Array | str] = []
    unreadable: list[str] = []
    most = max(1, int(MOST_UNREADABLE * len(rows)))
    for row in rows:
        try:
            images.append(read_image(row, shorter_side))
        except DataError as exc:
            images.append(str(exc))
            unreadable.append(str(exc))
        if len(unreadable) > most:
            raise DataError(
                f"More than {most} of {len(rows)} pictures cannot be read; replace them or delete "
                f"their lines. {' '.join(unreadable[:LISTED])}"
            )
    return images


def tell_left_out(reasons: Sequence[str], count: int) -> None:
    """Say on stderr which of so many pictures are left out, and why: a line each, up to a few."""
    if reasons:
        more = len(reasons) - LISTED
        lines = [f"note: {len(reasons)} of {count} pictures are left out:", *reasons[:LISTED]]
        click.echo("\n  ".join(lines + [f"and {more} more"] * (more > 0)), err=True)


class MappedFile:
    """A .npy file, mapped into memory; another process maps it anew, rather than get a copy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.array: npt.NDArray[Any] = np.load(path, mmap_mode="r")

    def __reduce__(self) -> tuple[type["MappedFile"], tuple[Path]]:
        return MappedFile, (self.path,)


class PixelStore:
    """All images of a data folder, decoded once and kept on disk as one flat array.

    Images that cannot be read are left out, and named on stderr.

    Args:
        rows: what to hold, in this order.
        shorter_side: pixels of each image's shorter side.
        cache: folder for the decoded pixels; an unchanged data set is not decoded again.

    Raises:
        DataError: too many images cannot be read, or too few are left.
    """

    def __init__(self, rows: Sequence[Row], shorter_side: int, cache: Path) -> None:
        key = hashlib.sha256(str(shorter_side).encode())
        for row in rows:
            key.update(file_digest(row.path))  # a copy is the same data
        words = hashlib.sha256(repr([(r.id, r.adjectives) for r in rows]).encode())
        self.key = f"{key.hexdigest()[:16]}-{words.hexdigest()[:16]}"
        base = cache / f"pixels-{READER}-{key.hexdigest()[:16]}"
        if not base.with_suffix(".json").is_file():
            _decode(rows, base, shorter_side)
        found = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
        tell_left_out([reason for reason in found if isinstance(reason, str)], len(rows))
        self.rows = [row for row, shape in zip(rows, found, strict=True) if isinstance(shape, list)]
        if len(self.rows) < len(rows):
            _check_splits("What is left", self.rows)
        self.by_split = {s: [i for i, r in enumerate(self.rows) if r.split == s] for s in SPLITS}
        self._shapes = [shape for shape in found if isinstance(shape, list)]
        self._starts = np.cumsum([0, *(h * w * 3 for h, w in self._shapes)])
        self._flat = MappedFile(base.with_suffix(".npy"))

    def leave_small_out(self, side: int) -> None:
        """Leave those out of training whose shorter side had fewer pixels: enlarged, they blur.

        Nothing is left out where nothing would be left.
        """
        sharp = [i for i in self.by_split["train"] if _shorter_side(self.rows[i].path) >= side]
        self.by_split["train"] = sharp or self.by_split["train"]

    def adjectives(self, index: int) -> tuple[str, ...]:
        """Of one picture."""
        return self.rows[index].adjectives

    def image(self, index: int) -> UInt8Array:
        """One whole image, (H, W, 3) uint8."""
        height, width = self._shapes[index]
        flat = self._flat.array[self._starts[index] : self._starts[index + 1]]
        return np.asarray(flat).reshape(height, width, 3)

    def centre(self, index: int, size: int) -> UInt8Array:
        """The middle square of `size` pixels: the fixed view that validation uses."""
        image = self.image(index)
        top, left = ((side - size) // 2 for side in image.shape[:2])
        return image[top : top + size, left : left + size]

    def view(
        self, index: int, size: int, rng: np.random.Generator
    ) -> tuple[UInt8Array, tuple[str, ...]]:
        """A random square, turned and flipped, with adjectives that turn along.

        Returns:
            (size, size, 3) uint8, and the adjectives of the image as turned.
        """
        image = self.image(index)
        top, left = (int(rng.integers(side - size + 1)) for side in image.shape[:2])
        square = image[top : top + size, left : left + size]
        return turned(square, self.rows[index].adjectives, rng)


def file_digest(path: Path) -> bytes:
    """sha256 of a file's bytes; of its name where it cannot be opened, as it is left out then."""
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return hashlib.sha256(path.name.encode("utf-8", "surrogateescape")).digest()


def _shorter_side(path: Path) -> int:
    with Image.open(path) as image:
        return min(image.size)


def _decode(rows: Sequence[Row], base: Path, shorter_side: int) -> None:
    """Write the pixels of all images, then the shape of each, or why there is none."""
    base.parent.mkdir(parents=True, exist_ok=True)
    images = readable_images(rows, shorter_side)
    flat = [image.reshape(-1) for image in images if not isinstance(image, str)]
    np.save(base.with_suffix(".npy"), np.concatenate(flat))
    found = [image if isinstance(image, str) else image.shape[:2] for image in images]
    write_whole(base.with_suffix(".json"), json.dumps(found).encode(), error=DataError)


def turned(
    square: UInt8Array, words: tuple[str, ...], rng: np.random.Generator
) -> tuple[UInt8Array, tuple[str, ...]]:
    """One of the eight turns and flips of a square, with adjectives that turn along."""
    square, quarter = turned_square(square, rng)
    return square, turned_words(words) if quarter else words


def turned_square(
    square: UInt8Array, rng: np.random.Generator, *, upright: bool = False
) -> tuple[UInt8Array, bool]:
    """One of the eight turns and flips of a square, and whether it lies on its side then.

    Args:
        upright: it has a top, so it is mirrored at most.
    """
    turns = 0 if upright else int(rng.integers(4))
    square = np.rot90(square, turns)
    if rng.integers(2):
        square = square[:, ::-1]
    return np.ascontiguousarray(square), turns % 2 == 1


def turned_words(words: Iterable[str]) -> tuple[str, ...]:
    """Adjectives of a picture that was turned by a quarter."""
    return tuple(TURNED.get(word, word) for word in words)
