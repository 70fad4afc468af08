"""Figures against limits, with three outcomes. "Not measured" is neither a pass nor a fail."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PASS, FAIL, NOT_MEASURED = "pass", "fail", "not measured"
CONFIDENCE = 0.95  # of either end of an interval


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number, and the ends between which it lies.

    Attributes:
        value: None where there is none.
        low, high: of its confidence interval; the value itself where it is exact.
        note: why there is no value, or no upper end.
    """

    value: float | None
    low: float = -math.inf
    high: float = math.inf
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A limit on one figure.

    Attributes:
        name: of the figure, with its unit.
        below: the limit, which itself does not pass.
        why: what it is for.
        cpu: whether it is a promise about the processor alone.
    """

    name: str
    below: float
    why: str
    cpu: bool = False

    def judge(self, figure: Figure, provider: str) -> dict[str, Any]:
        """Compare a figure with the limit; all of its interval has to lie on one side."""
        note, outcome = figure.note, NOT_MEASURED
        if figure.value is not None and self.cpu and provider != "cpu":
            note = f"the limit is for the processor; {provider} drew"
        elif figure.value is not None and figure.high < self.below:
            outcome = PASS
        elif figure.value is not None and figure.low >= self.below:
            outcome = FAIL
        elif figure.value is not None and not note:
            note = f"undecided: the limit lies between {figure.low:.1f} and {figure.high:.1f}"
        ends = [round(e, 3) if math.isfinite(e) else None for e in (figure.low, figure.high)]
        return {
            "figure": self.name,
            "below": self.below,
            "value": None if figure.value is None else round(figure.value, 3),
            "interval": ends,
            "outcome": outcome,
            "note": note if outcome == NOT_MEASURED else self.why,
        }


def exact(value: float) -> Figure:
    """A number without an interval."""
    return Figure(value=value, low=value, high=value)


def missing(why: str) -> Figure:
    """No number."""
    return Figure(value=None, note=why)


def samples_needed(share: float) -> int:
    """Fewest samples whose largest is beyond the true percentile with 95% confidence."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(share))


def percentile(samples: Sequence[float], share: float) -> Figure:
    """A percentile of independent samples, and the order statistics on either side of it.

    Args:
        share: 0.5 is the median, 0.99 is p99.

    Each end is beyond the true percentile with 95% confidence, whatever the distribution: of n
    samples, the number below it is binomial. There is no upper end, and so no pass, with fewer
    samples than `samples_needed`.
    """
    if not samples:
        return missing("no samples")
    ordered, count = sorted(samples), len(samples)
    at_most = _binomial_at_most(count, share)  # of k, the chance that k or fewer are below it
    highs = [k for k in range(count) if at_most[k] >= CONFIDENCE]
    lows = [k for k in range(count) if k == 0 or 1 - at_most[k - 1] >= CONFIDENCE]
    return Figure(
        value=ordered[math.ceil(share * count) - 1],
        low=ordered[lows[-1] - 1] if lows[-1] else 0.0,
        high=ordered[highs[0]] if highs else math.inf,
        note="" if highs else f"{count} of the {samples_needed(share)} samples that this needs",
    )


def _binomial_at_most(count: int, share: float) -> list[float]:
    """The chances that at most 0, 1, ... `count` of `count` tries succeed."""
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(share) + (count - k) * math.log1p(-share)
        for k in range(count + 1)
    ]  # fmt: skip
    total, sums = 0.0, []
    for log in logs:
        total += math.exp(log)
        sums.append(total)
    return sums
