"""`python -m bench.words`: whether the text engine puts adjectives where they belong.

Zero-shot accuracy, misspellings, antonyms and nearest neighbours of a trained text engine. Only
the vocabulary and the labelled training lexicon give prototypes and the readout; the words that
are judged are in neither.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.report import write_json
from bench.unseen import Unseen, load_unseen
from t2a_edge.command import run_command
from t2a_edge.vocabulary import AXES, AXIS_NAMES, HUES, known_words
from train.models.text import TextEngine
from train.words.lexicon.labels import COLUMNS, Labels, load_labels
from train.words.lexicon.spelling import misspelt
from train.words.task import embed_words

RIDGE = 3.0  # of the readout, in squared length of a centred, unit embedding
UNNAMED = 0.15  # weight of the 0 of an axis that a label does not name
SLIPS = 5  # misspellings of each known word
NEIGHBOURS = 5
STRONG = 0.8  # a label this strong makes a hue's or an empty pole's prototype
SHOWN = """
warm cold dark bright vivid muted soft bold angular fluid chaotic orderly sparse crowded calm
energetic smooth rough layered striped swirling airy massive red teal golden melancholic
crimson frosty murky gossamer gnarled tranquil garish azure ponderous cluttered
"""


@dataclass(frozen=True)
class Readout:
    """A linear map from embeddings to axis scores, fitted on the labelled lexicon alone."""

    mean: Tensor
    weights: Tensor  # (D + 1, A)

    def __call__(self, embeddings: Tensor) -> Tensor:
        """(M, D) -> (M, A), columns as in `COLUMNS`."""
        return _design(embeddings - self.mean) @ self.weights


def _design(centred: Tensor) -> Tensor:
    units = F.normalize(centred, dim=-1)
    return torch.cat([units, torch.ones(len(units), 1)], dim=-1)


def fit_readout(engine: TextEngine, labels: Labels) -> Readout:
    """Ridge regression from the labelled words' embeddings to their scores."""
    embeddings = embed_words(engine, labels.words)
    mean = embeddings.mean(0)
    x = _design(embeddings - mean)
    columns = []
    for axis in range(len(COLUMNS)):
        weight = torch.where(labels.named[:, axis], 1.0, UNNAMED).unsqueeze(-1)
        system = x.T @ (weight * x) + RIDGE * torch.eye(x.shape[1])
        columns.append(torch.linalg.solve(system, x.T @ (weight[:, 0] * labels.scores[:, axis])))
    return Readout(mean, torch.stack(columns, dim=-1))


def prototypes(engine: TextEngine, labels: Labels) -> tuple[Tensor, Tensor]:
    """Mean direction of the vocabulary's words at either pole, and of each hue.

    A pole without known words takes the labelled words of full strength.

    Returns:
        poles (axes, 2, D), negative first; hues (hues, D): the hue's own word.
    """

    def mean(words: tuple[str, ...]) -> Tensor:
        return F.normalize(F.normalize(embed_words(engine, words), dim=-1).mean(0), dim=-1)

    ends = []
    for number, axis in enumerate(AXES):
        for sign, words in ((-1, axis.negative_words), (1, axis.positive_words)):
            full = labels.scores[:, number] * sign >= STRONG
            spare = tuple(w for w, keep in zip(labels.words, full, strict=True) if keep)
            ends.append(mean(words or spare))
    hues = torch.stack([mean((hue,)) for hue in HUES])
    return torch.stack(ends).view(len(AXES), 2, -1), hues


def zero_shot(engine: TextEngine, labels: Labels, unseen: Unseen) -> dict[str, Any]:
    """Shares of unseen words with the right pole or hue, by readout and by nearer prototype.

    Raises:
        ValueError: an unseen word is in the labelled lexicon.
    """
    leaked = set(unseen.words) & {*labels.words, *known_words()}
    if leaked:
        raise ValueError(f"unseen words in the training lexicon: {sorted(leaked)}")
    read = fit_readout(engine, labels)
    poles, hue_prototypes = prototypes(engine, labels)
    words = list(unseen.axes)
    embeddings = embed_words(engine, words)
    units, scores = F.normalize(embeddings, dim=-1), read(embeddings)
    right: dict[str, list[bool]] = {"readout": [], "prototype": []}
    by_axis: dict[str, list[bool]] = {}
    wrong = []
    for i, word in enumerate(words):
        axis, sign = unseen.axes[word]
        column = AXIS_NAMES.index(axis)
        low, high = (poles[column] @ units[i]).tolist()
        right["readout"].append(float(scores[i, column]) * sign > 0)
        right["prototype"].append((high - low) * sign > 0)
        by_axis.setdefault(axis, []).append(right["readout"][-1])
        if not right["readout"][-1]:
            wrong.append(word)
    hues, hue_right = list(unseen.hues), {"readout": 0, "prototype": 0}
    embeddings = embed_words(engine, hues)
    first = len(AXES)
    picks = {
        "readout": read(embeddings)[:, first : first + len(HUES)].argmax(1).tolist(),
        "prototype": (F.normalize(embeddings, dim=-1) @ hue_prototypes.T).argmax(1).tolist(),
    }
    for kind, found in picks.items():
        hue_right[kind] = sum(HUES[j] == unseen.hues[w] for w, j in zip(hues, found, strict=True))
    return {
        "poles": {kind: _share(values) for kind, values in right.items()},
        "poles_by_axis": {axis: _share(values) for axis, values in by_axis.items()},
        "hues": {kind: round(n / len(hues), 4) for kind, n in hue_right.items()},
        "words": {"poles": len(words), "hues": len(hues)},
        "wrong_pole": wrong,
        "wrong_hue": {
            w: HUES[j]
            for w, j in zip(hues, picks["readout"], strict=True)
            if HUES[j] != unseen.hues[w]
        },
    }


def _share(values: list[bool]) -> float:
    return round(sum(values) / max(1, len(values)), 4)


def misspellings(engine: TextEngine, seed: int = 7) -> float:
    """Share of misspelt known words whose nearest known word is the right one."""
    rng = np.random.default_rng(seed)
    known = known_words()
    vocabulary = F.normalize(embed_words(engine, known), dim=-1)
    right = total = 0
    for number, word in enumerate(known):
        slips = [s for s in (misspelt(word, rng) for _ in range(SLIPS)) if s not in known]
        if slips:
            nearest = (F.normalize(embed_words(engine, slips), dim=-1) @ vocabulary.T).argmax(1)
            right += int((nearest == number).sum())
            total += len(slips)
    return round(right / total, 4)


def closeness(engine: TextEngine) -> dict[str, float]:
    """Mean cosine of known words at the same pole and at opposite poles, in [-1, 1]."""
    same, opposite = [], []
    for axis in AXES:
        ends = [
            F.normalize(embed_words(engine, words), dim=-1)
            for words in (axis.negative_words, axis.positive_words)
            if words
        ]
        for end in ends:
            above = torch.triu_indices(len(end), len(end), 1)
            same.append((end @ end.T)[above[0], above[1]])
        if len(ends) == 2:
            opposite.append((ends[0] @ ends[1].T).flatten())
    return {
        "same_pole": round(float(torch.cat(same).mean()), 4),
        "opposite_poles": round(float(torch.cat(opposite).mean()), 4),
    }


def nearest(engine: TextEngine, pool: tuple[str, ...]) -> dict[str, list[str]]:
    """The nearest words of `pool` to each of `SHOWN`, the nearest first, itself left out."""
    vectors = F.normalize(embed_words(engine, pool), dim=-1)
    found = {}
    for word in SHOWN.split():
        own = F.normalize(embed_words(engine, [word]), dim=-1)[0]
        order = (vectors @ own).argsort(descending=True).tolist()
        found[word] = [pool[i] for i in order if pool[i] != word][:NEIGHBOURS]
    return found


def judge(engine: TextEngine) -> dict[str, Any]:
    """All figures of one engine."""
    labels, unseen = load_labels(), load_unseen()
    pool = tuple(sorted({*labels.words, *unseen.words}))
    return {
        "zero_shot": zero_shot(engine, labels, unseen),
        "misspelt_top1": misspellings(engine),
        "closeness": closeness(engine),
        "nearest": nearest(engine, pool),
    }


@click.command()
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs/words"),
    show_default=True,
    help="A run whose stage `words` is over.",
)
@click.option(
    "--preset",
    default="base",
    show_default=True,
    help="A shipped preset, or the path of a .toml file.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Change a value of the preset; repeatable.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path),
              help="Also write the figures here.")  # fmt: skip
def words(folder: Path, preset: str, overrides: tuple[str, ...], json_path: Path | None) -> None:
    """Judge a text engine on words that no training label contains."""
    from train.preset import load_preset
    from train.words.stage import load_text_engine

    engine = load_text_engine(folder, load_preset(preset, overrides))
    report = judge(engine)
    write_json(report, json_path)
    click.echo(json.dumps(report, indent=1))


if __name__ == "__main__":
    run_command(words)
