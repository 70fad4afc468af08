"""Whether pictures follow the words: measured attributes of drawn pictures against the prompt.

Everything is compared with pictures of the same model drawn without words. A word moves its axis
if the mean of its pictures lies on the named side of their mean; a single picture follows if it
lies on the named side of their median.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.unseen import Unseen
from t2a_edge.attribute_table import AXIS_MEASURES
from t2a_edge.attributes import attribute_scores
from t2a_edge.vocabulary import AXES, HUES, poles

FloatArray = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]

WORDLESS = "warm:0"  # a prompt whose only word has no weight
WEIGHTS = (0.5, 1.0, 1.5, 2.0)
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
TRIPLE_SEED = 20_261  # of the list of three-adjective prompts
SHOWN_HUE = 0.1  # score from which a single picture shows a hue
DISTANCE_SIDE = 32  # pixels of the thumbnails whose distance is measured


@dataclass(frozen=True)
class Request:
    """One prompt, as it is drawn with several seeds."""

    prompt: str
    blend: str | None = None
    amount: float = 0.0


@dataclass(frozen=True)
class Drawn:
    """What came of a request.

    Attributes:
        scores: name -> (seeds,) of `attribute_scores`.
        thumbnails: (seeds, 32, 32, 3) CIELAB.
    """

    scores: Mapping[str, FloatArray]
    thumbnails: FloatArray


@dataclass(frozen=True)
class Target:
    """What a word should do: the score of this name goes up (1) or down (-1)."""

    score: str
    sign: int


Draw = Callable[[Request, int], UInt8Array]  # a request and a seed to (H, W, 3) uint8


def draw_request(draw: Draw, request: Request, seeds: Iterable[int]) -> Drawn:
    """Draw and measure one request with every seed."""
    scores: dict[str, list[float]] = {}
    thumbnails = []
    for seed in seeds:
        pixels = draw(request, seed)
        thumbnails.append(thumbnail(pixels))
        for name, value in attribute_scores(pixels).items():
            scores.setdefault(name, []).append(value)
    return Drawn({k: np.asarray(v) for k, v in scores.items()}, np.stack(thumbnails))


def thumbnail(pixels: UInt8Array) -> FloatArray:
    """(H, W, 3) uint8 sRGB -> (32, 32, 3) CIELAB of the picture scaled down."""
    from PIL import Image
    from skimage.color import rgb2lab

    side = (DISTANCE_SIDE, DISTANCE_SIDE)
    small = Image.fromarray(pixels).resize(side, Image.Resampling.BOX)
    return np.asarray(rgb2lab(np.asarray(small)), dtype=np.float64)


def mean_distance(thumbnails: FloatArray) -> float:
    """Mean distance of all pairs of (M, 32, 32, 3) CIELAB thumbnails, in Delta E a pixel."""
    pairs = [
        float(np.sqrt(np.square(a - b).sum(-1)).mean()) for a, b in combinations(thumbnails, 2)
    ]
    return float(np.mean(pairs))


def seen_targets() -> dict[str, Target]:
    """Every known adjective of a measurable axis, and the hues."""
    axes = {w: Target(a, s) for w, (a, s) in poles().items() if a in AXIS_MEASURES}
    return axes | {hue: Target(hue, 1) for hue in HUES}


def unseen_targets(unseen: Unseen) -> dict[str, Target]:
    """The same for the words of the zero-shot list."""
    axes = {w: Target(a, s) for w, (a, s) in unseen.axes.items() if a in AXIS_MEASURES}
    return axes | {word: Target(hue, 1) for word, hue in unseen.hues.items()}


def triples(count: int, seed: int = TRIPLE_SEED) -> list[tuple[str, str, str]]:
    """Prompts of three known adjectives on three measurable axes, the same list every time."""
    rng = np.random.default_rng(seed)
    axes = [axis for axis in AXES if axis.name in AXIS_MEASURES]
    prompts = []
    for _ in range(count):
        chosen = [axes[i] for i in rng.choice(len(axes), size=3, replace=False)]
        ends = [(axis.negative_words, axis.positive_words)[rng.integers(2)] for axis in chosen]
        first, second, third = (str(rng.choice(words)) for words in ends)
        prompts.append((first, second, third))
    return prompts


def requests(unseen: Unseen, triple_count: int) -> list[Request]:
    """Everything that has to be drawn, each once."""
    prompts = [*seen_targets(), *unseen_targets(unseen)]
    prompts += [" ".join(words) for words in triples(triple_count)]
    wanted = [Request(WORDLESS), *map(Request, prompts)]
    for negative, positive in _ends():
        wanted += [Request(f"{word}:{w:g}") for word in (negative, positive) for w in WEIGHTS]
        wanted += [Request(negative, positive, amount) for amount in AMOUNTS]
        wanted += [Request(f"-{negative}"), Request(f"-{positive}")]
    return list(dict.fromkeys(wanted))


def _ends() -> list[tuple[str, str]]:
    """The first word of either pole of each measurable axis."""
    measurable = [axis for axis in AXES if axis.name in AXIS_MEASURES]
    return [(axis.negative_words[0], axis.positive_words[0]) for axis in measurable]


def follow_report(drawn: Mapping[Request, Drawn], targets: Mapping[str, Target]) -> dict[str, Any]:
    """How many words move their axis, and how many single pictures follow, whole and by axis."""
    base = drawn[Request(WORDLESS)].scores
    words: dict[str, list[float]] = {}
    images: dict[str, list[float]] = {}
    missed = []
    for word, target in targets.items():
        values = drawn[Request(word)].scores[target.score] * target.sign
        group = "hue" if target.score in HUES else target.score
        moved = values.mean() > base[target.score].mean() * target.sign
        words.setdefault(group, []).append(float(moved))
        middle = float(np.median(base[target.score])) * target.sign
        if group == "hue":  # wordless pictures hardly show some hues: a trace is no colour
            middle = max(middle, SHOWN_HUE)
        on_side = values > middle
        images.setdefault(group, []).append(float(on_side.mean()))
        if not moved:
            missed.append(word)
    return {
        "words": float(np.mean([v for part in words.values() for v in part])),
        "images": float(np.mean([v for part in images.values() for v in part])),
        "count": len(targets),
        "by_axis": {
            name: {"words": float(np.mean(words[name])), "images": float(np.mean(images[name]))}
            for name in words
        },
        "missed": missed,
    }


def effects(drawn: Mapping[Request, Drawn], targets: Mapping[str, Target]) -> FloatArray:
    """Mean way that words move their score from that of the wordless picture of the same seed.

    Returns:
        (seeds,), above 0 towards the poles.
    """
    base = drawn[Request(WORDLESS)].scores
    moved = [
        (drawn[Request(word)].scores[t.score] - base[t.score]) * t.sign
        for word, t in targets.items()
    ]
    by_seed: FloatArray = np.mean(moved, axis=0)
    return by_seed


def effect(drawn: Mapping[Request, Drawn], targets: Mapping[str, Target]) -> float:
    """Mean of `effects` over the seeds."""
    return float(effects(drawn, targets).mean())


def ratio_of_means(found: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """Ratio of two means and its standard error: (M,) each, pairs of one seed.

    Source: the usual estimate for a ratio of paired means (Cochran, Sampling Techniques, 1977).
    """
    ratio = float(found.mean() / expected.mean())
    left = found - ratio * expected
    error = left.std(ddof=1) / np.sqrt(len(left)) / abs(expected.mean())
    return ratio, float(error)


def triple_report(
    drawn: Mapping[Request, Drawn], prompts: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    """How many three-adjective prompts reach all three named poles, on the mean of their seeds."""
    base, known = drawn[Request(WORDLESS)].scores, poles()
    reached, missed = [], []
    for words in prompts:
        scores = drawn[Request(" ".join(words))].scores
        hit = [
            (scores[axis].mean() - base[axis].mean()) * sign > 0
            for axis, sign in (known[word] for word in words)
        ]
        reached.append(all(hit))
        if not all(hit):
            lost = [word for word, there in zip(words, hit, strict=True) if not there]
            missed.append(f"{' '.join(words)}: {', '.join(lost)}")
    return {"prompts": float(np.mean(reached)), "count": len(prompts), "missed": missed}


def algebra_report(drawn: Mapping[Request, Drawn]) -> dict[str, Any]:
    """Whether weights, blending and negation do to the axes what they say."""
    base = drawn[Request(WORDLESS)].scores
    weights, blends, negations = {}, {}, {}
    for axis, (negative, positive) in zip(
        [a for a in AXES if a.name in AXIS_MEASURES], _ends(), strict=True
    ):
        name = axis.name
        for word, sign in ((negative, -1), (positive, 1)):
            steps = [drawn[Request(f"{word}:{w:g}")].scores[name] * sign for w in WEIGHTS]
            weights[word] = is_monotone(steps)
            away = drawn[Request(f"-{word}")].scores[name].mean()
            negations[f"-{word}"] = bool((away - base[name].mean()) * sign < 0)
        steps = [drawn[Request(negative, positive, a)].scores[name] for a in AMOUNTS]
        blends[name] = is_monotone(steps)
    return {
        "weights": float(np.mean(list(weights.values()))),
        "blends": float(np.mean(list(blends.values()))),
        "negations": float(np.mean(list(negations.values()))),
        "missed": [k for part in (weights, blends, negations) for k, ok in part.items() if not ok],
    }


def is_monotone(steps: Sequence[FloatArray]) -> bool:
    """Whether means rise from first to last, and no step falls by more than its standard error.

    The arrays are paired by seed, so the error is that of the paired difference.
    """
    if not steps[-1].mean() > steps[0].mean():
        return False
    for before, after in pairwise(steps):
        difference = after - before
        error = difference.std() / max(1, len(difference)) ** 0.5
        if difference.mean() < -error:
            return False
    return True


def diversity_report(
    drawn: Mapping[Request, Drawn], targets: Iterable[str], training: FloatArray | None
) -> dict[str, Any]:
    """How much pictures of one prompt differ, against how much the training pictures do.

    Args:
        training: (M, 32, 32, 3) thumbnails of training pictures; None leaves the ratio out.
    """
    within = float(np.mean([mean_distance(drawn[Request(w)].thumbnails) for w in targets]))
    report: dict[str, Any] = {
        "within_prompts": within,
        "without_words": mean_distance(drawn[Request(WORDLESS)].thumbnails),
    }
    if training is None:
        return report | {"not_measured": "no folder of training pictures was given"}
    among = mean_distance(training)
    return report | {"training": among, "ratio": within / among}
