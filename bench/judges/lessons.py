"""The studio's pictures as the classifier of forms learns from them.

A lesson is a picture cropped, turned where its marks allow, bent a little, in other colours, of
the other polarity, blurred, grainy or through JPEG: what is left in common is its form.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from bench.judges.network import MARKS, SIDE, TRAITS, FloatArray, UInt8Array, standard
from t2a_edge.documents import is_file, is_folder
from t2a_edge.errors import DataError
from train.data.pictures import TURNED
from train.data.studio_store import VAL_EVERY
from train.studio.forms import UPRIGHT, forms_shown

READ_SIDE = 128  # pixels to which a picture is averaged before anything else
WHOLE = 0.4  # share of lessons that show nearly all of a picture
LEAST_CROP = 0.7  # of the side
MOST_TILT = 0.14  # radians
BENT = 0.03  # spread of where a bent picture's points lie, in half sides
RECOLOURED, MIXED = 0.3, 0.3  # shares with turned hues, and with channels mixed at will
GAMMA = 0.5  # spread of the exponent's logarithm
WORN = 0.25  # share of a batch that is blurred, and that goes through JPEG
QUALITY = (20, 80)  # of that JPEG
GRAINY = 0.3  # share of lessons with noise
MOST_GRAIN = 0.3  # spread of noise, in spreads of the picture
MOST_CARRIED, LEAST_CARRIED = 0.5, 0.5  # see `carriers`
DIRECTIONS = ("diagonal", "horizontal", "vertical")  # no mark stands for one

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Corpus:
    """Painted pictures of the studio with what is known of each.

    Attributes:
        pixels: (M, S, S, 3) uint8, read from the disk as they are used.
        marks: (M, 80) float32, a picture's shown marks sharing 1; all 0 where it shows none.
        traits: (M, T) bool.
        upright: (M,) bool, pictures that are mirrored but never turned.
    """

    pixels: UInt8Array
    marks: Float32Array
    traits: npt.NDArray[np.bool_]
    upright: npt.NDArray[np.bool_]
    path: Path

    def __len__(self) -> int:
        return len(self.marks)

    @property
    def held_out(self) -> npt.NDArray[np.int64]:
        """Numbers of the pictures that are kept from training."""
        return np.arange(0, len(self), VAL_EVERY)

    @property
    def training(self) -> npt.NDArray[np.int64]:
        """Numbers of all others."""
        return np.flatnonzero(np.arange(len(self)) % VAL_EVERY)

    def words(self, index: int) -> tuple[str, ...]:
        """The words of form that hold for a picture, the plainest of each mark, then traits."""
        marks = [MARKS[i] for i in np.flatnonzero(self.marks[index])]
        return (*marks, *(TRAITS[i] for i in np.flatnonzero(self.traits[index])))


def corpus_file(path: Path) -> Path:
    """The pixels of a corpus, given them or the folder that `studio-corpus` wrote.

    Raises:
        DataError: there are none, or several.
    """
    if not is_folder(path):
        return path
    found = [p for p in sorted(path.glob("studio-*.npy")) if is_file(p.with_suffix(".jsonl"))]
    if len(found) != 1:
        raise DataError(
            f"{path} has {len(found)} painted corpora; expected one studio-*.npy with its .jsonl. "
            "Paint one with `python -m train studio-corpus`, or name the .npy file."
        )
    return found[0]


def load_corpus(path: Path) -> Corpus:
    """Open a corpus: a .npy of pictures with a .jsonl of the studio's lines beside it.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other.
    """
    path = corpus_file(path)
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        named = [forms_shown(line["traits"], line["visible"]) for line in told]
        drawn = [[trait for trait in line["traits"] if trait in TRAITS] for line in told]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(
            f"{path} cannot be read as a corpus of the studio ({exc}); paint one with "
            "`python -m train studio-corpus`."
        ) from exc
    square = pixels.ndim == 4 and pixels.shape[1] == pixels.shape[2] and pixels.shape[3] == 3
    if not square or pixels.dtype != np.uint8 or len(pixels) != len(lines) or not lines:
        raise DataError(
            f"{path} has pixels {pixels.shape} {pixels.dtype} and {len(lines)} lines; expected "
            "(M, S, S, 3) uint8 and a line for each picture."
        )
    marks = _table(named, MARKS).astype(np.float32)
    marks /= np.maximum(marks.sum(1, keepdims=True), 1)
    traits = _table(drawn, TRAITS)
    upright = np.array([UPRIGHT in line["traits"] for line in told])
    return Corpus(pixels, marks, traits, upright, path)


def _table(rows: Sequence[Iterable[str]], columns: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which of some names each row has: (M, C) bool."""
    place = {name: number for number, name in enumerate(columns)}
    table = np.zeros((len(rows), len(columns)), dtype=np.bool_)
    for number, row in enumerate(rows):
        table[number, [place[name] for name in row]] = True
    return table


def carriers(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    """The marks that stand for a trait: most of their pictures have it.

    A trait is left out where these marks have not most of its pictures, and where it is a
    direction: no mark stands for it then.
    """
    marks, traits = corpus.marks[corpus.training] > 0, corpus.traits[corpus.training]
    found = {}
    for number, trait in enumerate(TRAITS):
        has = traits[:, number]
        shares = (marks & has[:, None]).sum(0) / np.maximum(marks.sum(0), 1)
        carried = shares >= MOST_CARRIED
        covered = (marks[:, carried].any(1) & has).sum() / max(int(has.sum()), 1)
        if trait not in DIRECTIONS and covered >= LEAST_CARRIED:
            found[trait] = tuple(np.array(MARKS)[carried].tolist())
    return found


def shrunk(pictures: UInt8Array) -> UInt8Array:
    """(B, S, S, 3) uint8 averaged to (B, 128, 128, 3); another side is resampled."""
    images, size = [Image.fromarray(picture) for picture in pictures], pictures.shape[1]
    if size % READ_SIDE == 0:
        return np.stack([np.asarray(image.reduce(size // READ_SIDE)) for image in images])
    box, side = Image.Resampling.BOX, (READ_SIDE, READ_SIDE)
    return np.stack([np.asarray(image.resize(side, box)) for image in images])


@dataclass(frozen=True)
class Lessons:
    """Batches of a corpus.

    Attributes:
        through: number of a training picture -> (128, 128, 3) uint8, the same picture through a
            codec; half of its lessons are of this.
    """

    corpus: Corpus
    through: Mapping[int, UInt8Array]

    def batch(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, 3, 96, 96), marks (B, 80) and traits (B, T) as they hold for the turned."""
        corpus = self.corpus
        members = np.sort(rng.choice(corpus.training, count))
        pictures = shrunk(np.asarray(corpus.pixels[members]))
        for place, member in enumerate(members):
            if int(member) in self.through and rng.random() < 0.5:
                pictures[place] = self.through[int(member)]
        quarters = np.where(corpus.upright[members], 0, rng.integers(4, size=count))
        traits = corpus.traits[members].astype(np.float32)
        swapped = traits[:, [TRAITS.index(TURNED.get(trait, trait)) for trait in TRAITS]]
        traits = np.where((quarters % 2 == 1)[:, None], swapped, traits)
        seen = lesson_pictures(pictures, quarters, rng)
        return seen, torch.from_numpy(corpus.marks[members]), torch.from_numpy(traits)


def lesson_pictures(
    pictures: UInt8Array, quarters: npt.NDArray[np.int64], rng: np.random.Generator
) -> Tensor:
    """(B, 128, 128, 3) uint8 -> (B, 3, 96, 96): cut, turned, recoloured and worn by chance."""
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    grid = _grid(len(pictures), quarters, rng)
    cut = F.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)
    cut = _worn(cut.clamp(0, 1), rng)
    exponent = np.exp(rng.uniform(-GAMMA, GAMMA, len(pictures))).astype(np.float32)
    bent = cut.clamp_min(1e-4) ** torch.from_numpy(exponent).view(-1, 1, 1, 1)
    mixed = torch.einsum("bij,bjhw->bihw", torch.from_numpy(_mixes(len(bent), rng)), bent)
    plain = standard(mixed)
    for place in np.flatnonzero(rng.random(len(plain)) < GRAINY):
        noise = torch.from_numpy(rng.standard_normal((3, SIDE, SIDE), dtype=np.float32))
        grain = float(rng.uniform(0, MOST_GRAIN))
        plain[place] = (plain[place] + grain * noise) / (1 + grain**2) ** 0.5
    return plain


def _grid(count: int, quarters: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """Where each pixel is taken from: (B, 96, 96, 2) in [-1, 1]."""
    least = np.where(rng.random(count) < WHOLE, 0.95, LEAST_CROP)
    side = rng.uniform(least, 1.0)
    stretch = np.exp(rng.uniform(-0.1, 0.1, count))
    angle = quarters * (np.pi / 2) + rng.uniform(-MOST_TILT, MOST_TILT, count)
    cos, sin, mirror = np.cos(angle), np.sin(angle), rng.choice([-1.0, 1.0], count)
    wide, high = side * np.minimum(stretch, 1), side * np.minimum(1 / stretch, 1)
    # mirrored first: a picture with a top is then only mirrored
    rows = [[cos * wide * mirror, -sin * high], [sin * wide * mirror, cos * high]]
    turn = np.stack([np.stack(row, -1) for row in rows], -2)  # (B, 2, 2)
    shift = rng.uniform(-1, 1, (count, 2)) * (1 - side)[:, None]
    theta = np.concatenate([turn, shift[..., None]], -1).astype(np.float32)
    grid = F.affine_grid(torch.from_numpy(theta), [count, 3, SIDE, SIDE], align_corners=False)
    bends = rng.normal(0, BENT, (count // 2, 2, 5, 5)).astype(np.float32)
    smooth = F.interpolate(torch.from_numpy(bends), (SIDE, SIDE), mode="bicubic")
    grid[: count // 2] += smooth.permute(0, 2, 3, 1)  # (B / 2, 96, 96, 2)
    return grid


def _mixes(count: int, rng: np.random.Generator) -> Float32Array:
    """Matrices over the channels, (B, 3, 3): as it is, hues turned, or anything orthogonal."""
    found = np.tile(np.eye(3), (count, 1, 1))
    kind = rng.random(count)
    for place in np.flatnonzero(kind < RECOLOURED + MIXED):
        if kind[place] < RECOLOURED:
            polarity = rng.choice([-1.0, 1.0])
            found[place] = polarity * _hue_turn(rng.uniform(0, 2 * np.pi), rng.uniform(0, 1.5))
        else:
            found[place] = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    return found.astype(np.float32)


def _hue_turn(angle: float, chroma: float) -> FloatArray:
    """Turns colours about grey, and scales what they have of colour."""
    grey = np.full((3, 3), 1 / 3)
    axis = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turned: FloatArray = grey + chroma * (np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * axis)
    return turned


def _worn(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Some of a batch without their finest detail, others as JPEG leaves them."""
    count = len(pictures)
    order, part = rng.permutation(count), int(count * WORN)
    soft, coded = order[:part], order[part : 2 * part]
    if part:
        side = int(rng.integers(SIDE // 3, SIDE))
        small = F.interpolate(pictures[soft], (side, side), mode="bilinear", antialias=True)
        pictures[soft] = F.interpolate(small, (SIDE, SIDE), mode="bilinear")
    for place in coded:
        square = (pictures[place] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        with io.BytesIO() as held:
            Image.fromarray(square).save(held, "JPEG", quality=int(rng.integers(*QUALITY)))
            with Image.open(held) as again:
                pixels = np.asarray(again, dtype=np.float32)
        pictures[place] = torch.from_numpy(pixels / 255).permute(2, 0, 1)
    return pictures


def corpus_key(corpus: Corpus) -> str:
    """Names the pictures of a corpus: its file, their number and side."""
    return json.dumps([corpus.path.name, *corpus.pixels.shape[:2]])
