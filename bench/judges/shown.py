"""Whether pictures show the forms that their words name.

A word of form stands for marks: "tartan" for plaid, "radial" for every mark that is mostly radial
in the studio. A picture shows it if one of those is the first that the classifier sees in it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from bench.judges.network import MARKS, TRAITS, Classifier, FloatArray, Reading
from bench.judges.pictures import Pictures
from bench.judges.sheet import write_sheet
from train.studio.forms import FORMS

FIRSTS = 3  # ranks that are counted
SURE = 1.96  # standard errors of a 95% interval
COMMON = 12  # first marks that are listed
LIKELY = 3  # marks that are listed where another was first


@dataclass(frozen=True)
class Target:
    """What a word stands for.

    Attributes:
        marks: any of which shows it; none where no mark stands for the word.
        trait: whose probability is its score; None takes that of the marks.
    """

    marks: tuple[str, ...]
    trait: str | None = None


def targets(carriers: Mapping[str, Sequence[str]]) -> dict[str, Target]:
    """Every word of form that can be judged.

    Args:
        carriers: of a classifier.
    """
    found = {trait: Target(tuple(carriers.get(trait, ())), trait) for trait in TRAITS}
    for mark, words in FORMS.items():
        for word in words:
            before = found.get(word, Target(()))
            if before.trait is None:
                found[word] = Target((*before.marks, mark))
    return found


def forms_report(classifier: Classifier, pictures: Pictures, reading: Reading) -> dict[str, Any]:
    """How often pictures show their words' forms.

    Args:
        reading: of the pictures.

    Returns:
        `marks` and `traits`: `pairs` of a picture and a word, the shares `top1` and `top3` with
        the 95% interval of the first; of marks also `any_top1`, the share of pictures where one
        of all named marks is the first. `words`: the same of each; `instead`, how many pictures
        have which other mark first; `elsewhere`, the share of pictures without the word where
        one of its marks is the first all the same; `auc`, the chance that a picture of the word
        scores above one without. `first`: marks that are first most often, with their share.
    """
    known = targets(classifier.carriers)
    said = [tuple(word for word in words if word in known) for words in pictures.words]
    order = np.argsort(-reading.marks, axis=1)
    words = {
        word: _word_figures(word, known, said, reading, order)
        for word in sorted({word for each in said for word in each})
    }
    marks = _pooled(words, known, of_traits=False) | _of_any(known, said, order)
    first = Counter(MARKS[i] for i in order[:, 0])
    shares = {mark: round(n / len(pictures), 4) for mark, n in first.most_common(COMMON)}
    return {
        "classifier": classifier.sha256, "pictures": len(pictures),
        "without_words_of_form": sum(not each for each in said),
        "marks": marks,
        "traits": _pooled(words, known, of_traits=True),
        "first": shares, "words": words,
    }  # fmt: skip


def _word_figures(
    word: str, known: Mapping[str, Target], said: Sequence[Sequence[str]], reading: Reading,
    order: npt.NDArray[np.int64],
) -> dict[str, Any]:  # fmt: skip
    target = known[word]
    columns = [MARKS.index(mark) for mark in target.marks]
    has = np.array([word in each for each in said])
    # other names of the same form, or of one of its forms, are no counter-examples
    alike = {w for w, t in known.items() if t.marks and set(t.marks) <= set(target.marks)}
    other = np.array([bool(each) and not alike & {*each} for each in said]) & ~has
    if target.trait is not None:
        scores = reading.traits[:, TRAITS.index(target.trait)]
    else:
        scores = reading.marks[:, columns].sum(1)
    figures: dict[str, Any] = {"pictures": int(has.sum()), "marks": list(target.marks)}
    if columns:
        is_one = np.isin(order[:, :FIRSTS], columns)  # (M, 3)
        top1, top3 = is_one[:, 0], is_one.sum(1) > 0
        figures |= {"top1": _share(top1[has]), "top3": _share(top3[has])}
        wrong = Counter(MARKS[i] for i in order[has & ~top1, 0])
        figures["instead"] = dict(wrong.most_common(LIKELY))
        figures["elsewhere"] = _share(top1[other]) if other.any() else None
    figures["auc"] = _auc(scores[has], scores[other])
    return figures


def _of_any(
    known: Mapping[str, Target], said: Sequence[Sequence[str]], order: npt.NDArray[np.int64]
) -> dict[str, Any]:
    right = []
    for words, first in zip(said, order[:, 0], strict=True):
        named = {m for w in words if known[w].trait is None for m in known[w].marks}
        if named:
            right.append(MARKS[first] in named)
    return {"any_top1": _share(np.array(right)), "any_pictures": len(right)} if right else {}


def _share(right: npt.NDArray[np.bool_]) -> float:
    return round(float(right.mean()), 4)


def _auc(above: FloatArray, below: FloatArray) -> float | None:
    """The chance that one of `above` is larger than one of `below`; None without either."""
    if not (len(above) and len(below)):
        return None
    ranks = rankdata(np.concatenate([above, below]))[: len(above)]
    return round(float((ranks.mean() - (len(above) + 1) / 2) / len(below)), 4)


def _pooled(
    words: Mapping[str, Mapping[str, Any]], known: Mapping[str, Target], *, of_traits: bool
) -> dict[str, Any]:
    kept = [f for w, f in words.items() if (known[w].trait is not None) == of_traits]
    counted = [f for f in kept if "top1" in f]
    pairs = sum(f["pictures"] for f in counted)
    figures: dict[str, Any] = {"pairs": pairs}
    for name in ("top1", "top3") if pairs else ():
        figures[name] = round(sum(f[name] * f["pictures"] for f in counted) / pairs, 4)
    if pairs:
        figures["top1_interval"] = wilson(figures["top1"], pairs)
    areas = [f["auc"] for f in kept if f["auc"] is not None]
    figures["mean_auc"] = round(float(np.mean(areas)), 4) if areas else None
    return figures


def wilson(share: float, count: int) -> list[float]:
    """The 95% interval of a share of so many. Source: Wilson 1927, doi:10.2307/2276774."""
    square = SURE**2 / count
    middle = (share + square / 2) / (1 + square)
    half = SURE / (1 + square) * ((share * (1 - share) + square / 4) / count) ** 0.5
    return [round(max(middle - half, 0.0), 4), round(min(middle + half, 1.0), 4)]


def forms_sheet(path: Path, pictures: Pictures, reading: Reading, tiles: int) -> None:
    """Write pictures, evenly over all, each above its words and its three likeliest marks."""
    shown = []
    for i in np.unique(np.linspace(0, len(pictures) - 1, tiles).astype(int)):
        likely = np.argsort(-reading.marks[i])[:FIRSTS]
        marks = [f"{MARKS[n]} {reading.marks[i, n]:.2f}" for n in likely]
        shown.append((pictures.square(int(i)), (" ".join(pictures.words[i]), *marks)))
    write_sheet(path, shown, 10)
