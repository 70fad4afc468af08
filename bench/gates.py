"""Gates: figures against limits, with three outcomes. "Not measured" is not a pass.

A figure that comes with a confidence interval is decided by the interval: all of it within the
limit passes, all of it beyond fails. An interval that holds the limit decides nothing: the bench
then takes more samples, and if that does not settle it, the gate was not measured, and says so.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from t2a_edge.checks import shown
from t2a_edge.errors import ConfigError
from train.documents import parsed

BUDGETS = Path(__file__).parent / "budgets.toml"
DOT_PRODUCTS = "dot-products"
NEEDS = ("", "gpu", DOT_PRODUCTS)
NO_DOT_PRODUCTS = "this processor has no INT8 dot products, for which the limit is"


class Outcome(Enum):
    """What came of a gate."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A limit on one figure.

    Attributes:
        figure: dotted name in the report.
        below, above: the limit; exactly one of them.
        why: what the limit is for.
        needs: "gpu" where only a machine with one can measure it; "dot-products" where the limit is
            for processors whose 8-bit kernels add exactly (docs/adr/0007).
    """

    figure: str
    below: float | None = None
    above: float | None = None
    why: str = ""
    needs: str = ""

    def __post_init__(self) -> None:
        if (self.below is None) == (self.above is None):
            raise ConfigError(f"The gate on {self.figure} needs `below` or `above`, one of them.")
        limit = self.above if self.below is None else self.below
        if isinstance(limit, bool) or not isinstance(limit, int | float):
            raise ConfigError(f"The limit of {self.figure} is {shown(limit)}; expected a number.")
        if self.needs not in NEEDS:
            raise ConfigError(
                f"The gate on {self.figure} needs {self.needs!r}; "
                f"expected {' or '.join(map(repr, NEEDS[1:]))}."
            )

    @property
    def limit(self) -> str:
        """The limit as text."""
        return f"< {self.below:g}" if self.below is not None else f"> {self.above:g}"

    def holds(self, value: float) -> bool:
        """Whether a number is within the limit, which itself is not."""
        return value < self.below if self.below is not None else value > (self.above or 0)

    def judge(self, report: Mapping[str, Any]) -> "Judgement":
        """Compare the report's figure, and its interval if it has one, with the limit."""
        value = find_figure(report, self.figure)
        if value is None:
            return Judgement(self, None, Outcome.NOT_MEASURED, reason(report, self.figure))
        if self.needs == DOT_PRODUCTS and report.get("machine", {}).get("int8_sums_saturate"):
            return Judgement(self, None, Outcome.NOT_MEASURED, NO_DOT_PRODUCTS)
        interval = find_interval(report, self.figure)
        ends = {self.holds(end) for end in interval or (value, value)}
        if len(ends) == 2:
            assert interval is not None
            note = (
                f"undecided: the limit lies within the interval {interval[0]:.4g} to "
                f"{interval[1]:.4g}"
            )
            return Judgement(self, value, Outcome.NOT_MEASURED, note, interval)
        outcome = Outcome.PASS if ends == {True} else Outcome.FAIL
        return Judgement(self, value, outcome, "", interval)


@dataclass(frozen=True)
class Judgement:
    """A gate with its figure, its outcome and the interval that decided, if there is one.

    `note` says why a figure was not measured or decides nothing.
    """

    gate: Gate
    value: float | None
    outcome: Outcome
    note: str
    interval: tuple[float, float] | None = None

    @property
    def undecided(self) -> bool:
        """There is a figure, but its interval holds the limit: more samples may help."""
        return self.outcome is Outcome.NOT_MEASURED and self.value is not None

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {
            "figure": self.gate.figure,
            "limit": self.gate.limit,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "outcome": self.outcome.value,
            "note": self.note or self.gate.why,
        }


def find_figure(report: Mapping[str, Any], name: str) -> float | None:
    """The number under a dotted name, or None where there is none."""
    value: Any = report
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def find_interval(report: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The confidence interval beside a figure, under `intervals`; None where there is none."""
    *parents, last = name.split(".")
    value: Any = report
    for key in (*parents, "intervals", last):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    low, high = value
    return float(low), float(high)


def reason(report: Mapping[str, Any], name: str) -> str:
    """Why a figure is missing: the nearest `not_measured` or `withheld` note on its way."""
    value: Any = report
    note = "the report has no such figure"
    for key in name.split("."):
        if not isinstance(value, Mapping):
            break
        note = str(value.get("not_measured", value.get("withheld", {}).get(key, note)))
        value = value.get(key)
    if isinstance(value, Mapping):
        note = str(value.get("not_measured", note))
    return note


def load_gates(path: Path = BUDGETS) -> list[Gate]:
    """Read gates from TOML; a ConfigError if the file cannot be used."""
    try:
        entries = parsed(tomllib.loads, path.read_text(encoding="utf-8")).get("gate", [])
        gates = [Gate(**entry) for entry in entries]
    except (OSError, ValueError, TypeError) as exc:  # ValueError: TOML, text that is not UTF-8
        raise ConfigError(
            f"{path} cannot be used as gates ({exc}); expected [[gate]] tables with figure, "
            "and below or above."
        ) from exc
    if not gates:
        raise ConfigError(f"{path} has no [[gate]]; a bench without gates would always pass.")
    return gates


def judge_all(gates: Sequence[Gate], report: Mapping[str, Any]) -> list[Judgement]:
    """Judge every gate."""
    return [gate.judge(report) for gate in gates]
