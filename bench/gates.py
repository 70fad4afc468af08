"""Gates: figures against limits, with three outcomes. "Not measured" is not a pass."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from t2a_edge.errors import ConfigError

BUDGETS = Path(__file__).parent / "budgets.toml"


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
    """

    figure: str
    below: float | None = None
    above: float | None = None
    why: str = ""

    def __post_init__(self) -> None:
        if (self.below is None) == (self.above is None):
            raise ConfigError(f"The gate on {self.figure} needs `below` or `above`, one of them.")

    @property
    def limit(self) -> str:
        """The limit as text."""
        return f"< {self.below:g}" if self.below is not None else f"> {self.above:g}"

    def judge(self, report: Mapping[str, Any]) -> "Judgement":
        """Compare the report's figure with the limit."""
        value = find_figure(report, self.figure)
        if value is None:
            return Judgement(self, None, Outcome.NOT_MEASURED, reason(report, self.figure))
        passed = value < self.below if self.below is not None else value > (self.above or 0)
        return Judgement(self, value, Outcome.PASS if passed else Outcome.FAIL, "")


@dataclass(frozen=True)
class Judgement:
    """A gate with its figure and outcome; `note` says why a figure was not measured."""

    gate: Gate
    value: float | None
    outcome: Outcome
    note: str

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {
            "figure": self.gate.figure,
            "limit": self.gate.limit,
            "value": self.value,
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
    return float(value) if isinstance(value, int | float) else None


def reason(report: Mapping[str, Any], name: str) -> str:
    """Why a figure is missing: the nearest `not_measured` note on its way."""
    value: Any = report
    note = "the report has no such figure"
    for key in name.split("."):
        if not isinstance(value, Mapping):
            break
        note = str(value.get("not_measured", note))
        value = value.get(key)
    if isinstance(value, Mapping):
        note = str(value.get("not_measured", note))
    return note


def load_gates(path: Path = BUDGETS) -> list[Gate]:
    """Read gates from TOML; a ConfigError if the file cannot be used."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("gate", [])
        gates = [Gate(**entry) for entry in entries]
    except (OSError, tomllib.TOMLDecodeError, TypeError) as exc:
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
