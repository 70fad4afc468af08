"""How far two sets of pictures lie apart: the Frechet distance of their features.

Each set is taken for a Gaussian over the features of the classifier of forms. Few pictures give a
poor covariance, so it is drawn towards a round one, the more the fewer there are; and since what is
left of the error grows as pictures get fewer, all sets are compared by as many.

Sources: Frechet distance of Gaussians, Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X; of
features of pictures, Heusel et al. 2017, arXiv:1706.08500; shrinkage, Chen et al. 2010,
doi:10.1109/TSP.2010.2053029.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.judges.network import FloatArray
from t2a_edge.errors import DataError

DRAWS = 10  # of which a distance is the mean
SHARE = 0.8  # of the smallest set's pictures, in each draw
FEWEST = 10  # pictures of a set


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and covariance (D, D) of features."""

    mean: FloatArray
    covariance: FloatArray


def gaussian(features: FloatArray) -> Gaussian:
    """The Gaussian of (M, D) features, its covariance shrunk towards a round one.

    The share of the round one is that of the oracle approximating shrinkage estimator.

    Raises:
        DataError: fewer than `FEWEST` pictures.
    """
    count, size = features.shape
    if count < FEWEST:
        raise DataError(f"A set has {count} pictures; expected at least {FEWEST} to compare it.")
    mean = features.mean(0)
    apart = features - mean
    sample = apart.T @ apart / count
    trace, squares = float(np.trace(sample)), float(np.square(sample).sum())
    above = (1 - 2 / size) * squares + trace**2
    below = (count + 1 - 2 / size) * (squares - trace**2 / size)
    share = 1.0 if below <= 0 else min(above / below, 1.0)
    covariance = (1 - share) * sample + share * (trace / size) * np.eye(size)
    return Gaussian(mean, covariance)


def frechet(a: Gaussian, b: Gaussian) -> float:
    """Squared Frechet distance: 0 for the same Gaussian."""
    values, vectors = np.linalg.eigh(a.covariance)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    between = np.sqrt(np.linalg.eigvalsh(root @ b.covariance @ root).clip(0)).sum()
    apart = float(np.square(a.mean - b.mean).sum())
    spread = float(np.trace(a.covariance) + np.trace(b.covariance) - 2 * between)
    return max(apart + spread, 0.0)


def distances(
    sets: Mapping[str, FloatArray], reference: FloatArray, seed: int = 0
) -> dict[str, Any]:
    """The distance of each set to a reference, by draws of as many pictures of each.

    Args:
        sets: name -> (M, D) features.
        reference: (M, D), all of it in each draw.

    Returns:
        `each`, the number of pictures in a draw, and `sets`: name -> the mean of the distances and
        their spread over the draws. A figure is comparable with those beside it alone.

    Raises:
        DataError: a set has too few pictures.
    """
    rng = np.random.default_rng(seed)
    each = round(SHARE * min(len(features) for features in sets.values()))
    whole = gaussian(reference)
    found = {}
    for name, features in sets.items():
        drawn = [
            frechet(gaussian(features[rng.choice(len(features), each, replace=False)]), whole)
            for _ in range(DRAWS)
        ]
        found[name] = {
            "distance": round(float(np.mean(drawn)), 3), "spread": round(float(np.std(drawn)), 3),
            "pictures": len(features),
        }  # fmt: skip
    return {"each": each, "reference": len(reference), "sets": found}
