"""Fit and judge the attribute measures: which statistics, their signs, ridge logistic, AUC."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from t2a_edge.attribute_table import Measure, Term
from t2a_edge.attributes import soften
from t2a_edge.vocabulary import poles

Floats = npt.NDArray[np.float64]
Signs = npt.NDArray[np.int_]

RIDGE = 0.1  # on standardised weights, against a log-loss averaged over pictures
STEPS = 50  # of Newton's method
DRAWS = 1000  # of the bootstrap

# Axis -> statistics and the sign that each must have toward the positive pole; one that the fit
# gives the other sign is dropped. Chosen by cross-validation within the training split.
AXIS_TERMS = {
    "temperature": "+emotion_heat +warm_share -cool_share",
    "lightness": "+lightness_mean +light_share -dark_share",
    "chroma": "+chroma_spread +chroma_p95 +chroma_mean +hue_entropy",
    "contrast": "+lightness_std +lightness_range +edge_p95 +edge_sharpness",
    "contour": "+bent_edges_far +bent_edges -long_lines +orientation_entropy",
    "order": "+long_lines +axis_share +repetition +symmetry -corner_share",
    "density": "+thin_density +area_small_count -empty_cells -flat_share",
    "energy": "+edge_p95 +diagonal_share -coherence_coarse",
    "texture": "+grain_ratio +grain_in_flats",
    "direction": "+bent_edges_far +circle_share +ring_share +orientation_entropy",
    "weight": "+coarse_spread +emotion_weight -spectral_slope -stripes",
}
# The same for single words, against all pictures that do not bear the word.
WORD_TERMS = {
    "vertical": "+vertical_share -horizontal_share",
    "horizontal": "+horizontal_share -vertical_share",
    "diagonal": "+diagonal_peak +diagonal_share",
    "symmetrical": "+symmetry +symmetry_mirror",
    "monochrome": "-chroma_spread -chroma_p95",
    "grey": "+grey_share -chroma_mean",
}
# Turned by a quarter, a picture swaps these two; so they share their weights.
TURNED = {"vertical": "horizontal", "horizontal": "vertical"}


@dataclass(frozen=True)
class Samples:
    """Measured pictures: N of them.

    Attributes:
        values: statistic -> (N,) values.
        words: of each picture, from all its annotations.
        fitted: (N,) whether the picture is in the training split.
    """

    values: dict[str, Floats]
    words: Sequence[frozenset[str]]
    fitted: npt.NDArray[np.bool_]


def axis_signs(words: Sequence[frozenset[str]], axis: str) -> Signs:
    """(N,) the pole that the words name: 1, -1, or 0 for neither or both."""
    found = []
    for bag in words:
        signs = {sign for name, sign in (poles().get(w, ("", 0)) for w in bag) if name == axis}
        found.append(signs.pop() if len(signs) == 1 else 0)
    return np.array(found)


def word_signs(words: Sequence[frozenset[str]], word: str) -> Signs:
    """(N,) 1 where the word was given, else -1."""
    return np.array([1 if word in bag else -1 for bag in words])


def fit_logistic(x: Floats, signs: Signs) -> Floats:
    """Ridge logistic regression with both classes weighed alike; (D + 1,) weights, bias last."""
    positive = signs > 0
    share = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    table = np.c_[x, np.ones(len(x))]
    ridge = np.diag([RIDGE] * x.shape[1] + [1e-9])
    weights = np.zeros(table.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-table @ weights))
        slope = table.T @ (share * (p - positive)) + ridge @ weights
        curve = (table * (share * p * (1 - p))[:, None]).T @ table + ridge
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def fit_measure(samples: Samples, terms: str, signs: Signs) -> tuple[Measure, list[str]]:
    """Fit on the training split; also names of the statistics that had the wrong sign."""
    kept, dropped = terms.split(), []
    rows = samples.fitted & (signs != 0)
    while True:
        columns, scales = [], []
        for term in kept:
            values = samples.values[term[1:]]
            mean, spread = values[samples.fitted].mean(), values[samples.fitted].std() + 1e-9
            scales.append((float(mean), float(spread)))
            columns.append(softened((values[rows] - mean) / spread))
        weights = fit_logistic(np.stack(columns, axis=1), signs[rows])
        wrong = [
            t for t, w in zip(kept, weights, strict=False) if w * (1 if t[0] == "+" else -1) <= 0
        ]
        if not wrong or len(kept) == 1:
            break
        dropped += [term[1:] for term in wrong]
        kept = [term for term in kept if term not in wrong] or kept[:1]
    fitted = tuple(
        Term(term[1:], round(mean, 4), round(spread, 4), round(float(weight), 3))
        for term, (mean, spread), weight in zip(kept, scales, weights[:-1], strict=True)
    )
    return Measure(round(float(weights[-1]), 3), fitted), dropped


def softened(deviations: Floats) -> Floats:
    """`attributes.soften` of an array."""
    return np.array([soften(float(value)) for value in deviations])


def turned(samples: Samples) -> Samples:
    """The same pictures after a quarter turn, as far as `TURNED` words go."""
    values = dict(samples.values)
    values["vertical_share"] = samples.values["horizontal_share"]
    values["horizontal_share"] = samples.values["vertical_share"]
    words = [frozenset(TURNED.get(word, word) for word in bag) for bag in samples.words]
    return Samples(values, words, samples.fitted)


def joined(first: Samples, second: Samples) -> Samples:
    """Both, one after the other."""
    values = {k: np.concatenate([v, second.values[k]]) for k, v in first.values.items()}
    fitted = np.concatenate([first.fitted, second.fitted])
    return Samples(values, [*first.words, *second.words], fitted)


def fit_all(samples: Samples) -> tuple[dict[str, Measure], dict[str, Measure], list[str]]:
    """All axes, all words, and a line for each statistic that was dropped."""
    axes, words, notes = {}, {}, []
    for name, terms in AXIS_TERMS.items():
        axes[name], dropped = fit_measure(samples, terms, axis_signs(samples.words, name))
        notes += [f"{name}: {statistic} had the wrong sign" for statistic in dropped]
    both = joined(samples, turned(samples))
    for name, terms in WORD_TERMS.items():
        used = both if name in TURNED else samples
        words[name], dropped = fit_measure(used, terms, word_signs(used.words, name))
        notes += [f"{name}: {statistic} had the wrong sign" for statistic in dropped]
    return axes, words, notes


def ranks(values: Floats) -> Floats:
    """Ranks from 0; equal values share their mean rank."""
    return np.asarray(rankdata(values) - 1)


def auc(scores: Floats, signs: Signs) -> float:
    """Chance that a picture of the positive pole scores above one of the negative; nan if none."""
    positive, negative = int((signs > 0).sum()), int((signs < 0).sum())
    if not positive or not negative:
        return float("nan")
    used = signs != 0
    total = ranks(scores[used])[signs[used] > 0].sum()
    return float((total - positive * (positive - 1) / 2) / (positive * negative))


def auc_interval(scores: Floats, signs: Signs, seed: int = 0) -> tuple[float, float]:
    """95% bootstrap interval of the AUC: pictures redrawn within each pole."""
    rng = np.random.default_rng(seed)
    upper, lower = scores[signs > 0], scores[signs < 0]
    if not upper.size or not lower.size:
        return float("nan"), float("nan")
    wins = (upper[:, None] > lower) + 0.5 * (upper[:, None] == lower)  # (P, N)
    drawn = []
    for _ in range(DRAWS):
        p, n = rng.integers(upper.size, size=upper.size), rng.integers(lower.size, size=lower.size)
        drawn.append(wins[p][:, n].mean())
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation; nan where one does not vary."""
    a, b = ranks(first), ranks(second)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
