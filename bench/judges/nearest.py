"""The nearest training picture of each: whether pictures are copies of what was trained on.

Two pictures are compared by the classifier's features, from the training pictures' mean and in
their spread, and by form (`t2a_edge.form`), both as cosines: 1 is the same. A picture is turned and
mirrored in all eight ways, and the nearest counts. How near is too near is said by pictures that
were kept from training, measured in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.judges.network import Classifier, FloatArray, UInt8Array
from bench.judges.pictures import Pictures
from bench.judges.sheet import write_sheet
from t2a_edge.form import form_of

Float32Array = npt.NDArray[np.float32]

KINDS = ("features", "form")
TURNS = 8
AT_ONCE = 64
FAINTEST = 1e-3  # spread of a feature
NEAR = 99.0  # percentile of held-out pictures, beyond which a picture is near
LISTED = 10


@dataclass(frozen=True)
class Seen:
    """Pictures as vectors: kind -> (M, D) float32."""

    vectors: dict[str, Float32Array]

    def __len__(self) -> int:
        return len(self.vectors["form"])


@dataclass(frozen=True)
class Nearest:
    """The nearest of a training set to each of some pictures.

    Attributes:
        cosine: (M,) in [-1, 1], of the nearest turn.
        index: (M,) numbers of the training pictures.
    """

    cosine: FloatArray
    index: npt.NDArray[np.int64]


def turns(square: UInt8Array) -> list[UInt8Array]:
    """The eight turns and mirror images of a square, itself first."""
    quarters = [np.rot90(square, quarter) for quarter in range(4)]
    return [*quarters, *(quarter[:, ::-1] for quarter in quarters)]


def view(classifier: Classifier, squares: Sequence[UInt8Array]) -> Seen:
    """Vectors of pictures, (S, S, 3) uint8 each."""
    features = classifier.read(squares).features.astype(np.float32)
    forms = np.stack([form_of(square).astype(np.float32).ravel() for square in squares])
    return Seen({"features": features, "form": forms})


def view_all(classifier: Classifier, pictures: Pictures, *, turned: bool) -> Seen:
    """Vectors of all pictures of a source; if `turned`, of the eight turns of each in a row."""
    parts = []
    step = AT_ONCE // TURNS if turned else AT_ONCE
    for start in range(0, len(pictures), step):
        squares = [pictures.square(i) for i in range(start, min(start + step, len(pictures)))]
        every = [turn for square in squares for turn in turns(square)] if turned else squares
        parts.append(view(classifier, every))
    return Seen({kind: np.concatenate([part.vectors[kind] for part in parts]) for kind in KINDS})


def _unit(vectors: Float32Array) -> Float32Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # a plain picture has no form, and is like none
    units: Float32Array = vectors / np.maximum(lengths, 1e-6)
    return units


def nearest_of(turned: Seen, training: Seen, kind: str) -> Nearest:
    """The nearest training picture of each picture, over its eight turns."""
    cosines, indices = [], []
    vectors, known = turned.vectors[kind], training.vectors[kind]
    if kind == "features":  # a form has no spread of its own to be measured in
        middle, spread = known.mean(0), np.maximum(known.std(0), FAINTEST)
        vectors, known = (vectors - middle) / spread, (known - middle) / spread
    vectors, known = _unit(vectors), _unit(known)
    for start in range(0, len(vectors), AT_ONCE * TURNS):
        part = vectors[start : start + AT_ONCE * TURNS]
        alike = (part @ known.T).reshape(len(part) // TURNS, TURNS, -1).max(1)
        indices.append(alike.argmax(1))
        cosines.append(alike.max(1).astype(np.float64))
    return Nearest(np.concatenate(cosines), np.concatenate(indices))


def copies_report(
    found: Nearest, held_out: Nearest, names: Sequence[str], training: Sequence[str]
) -> dict[str, Any]:
    """How near pictures are to training, beside pictures that were kept from it.

    Returns:
        For both the `median`, the 95th percentile `p95` and the `nearest` cosine. `limit`: the
        99th percentile of the held-out; `beyond`: the share of pictures nearer than that, about
        0.01 where nothing is copied. `pairs`: the nearest ones with their training pictures.
    """
    limit = float(np.percentile(held_out.cosine, NEAR))
    order = np.argsort(-found.cosine)[:LISTED]
    return {
        "pictures": _figures(found.cosine),
        "held_out": _figures(held_out.cosine),
        "limit": round(limit, 4),
        "beyond": round(float((found.cosine > limit).mean()), 4),
        "pairs": [
            [names[i], training[found.index[i]], round(float(found.cosine[i]), 4)] for i in order
        ],
    }


def _figures(cosine: FloatArray) -> dict[str, float]:
    named = {"median": 50, "p95": 95, "nearest": 100}
    return {k: round(float(np.percentile(cosine, p)), 4) for k, p in named.items()}


def pairs_sheet(
    path: Path, found: Mapping[str, Nearest], pictures: Pictures, training: Pictures
) -> None:
    """Write the nearest pairs of each kind, a picture beside its training picture."""
    tiles = []
    for kind, near in found.items():
        for i in np.argsort(-near.cosine)[:LISTED]:
            other = int(near.index[i])
            said = f"{kind} {near.cosine[i]:.3f}"
            tiles.append((pictures.square(int(i)), (pictures.names[i], said)))
            tiles.append((training.square(other), (training.names[other], "training")))
    write_sheet(path, tiles, 8)
