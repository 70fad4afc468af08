"""One painted picture as a line of JSON: what was painted, and what can be seen in it."""

import json
from dataclasses import dataclass

from train.studio.composition import Composition, Study
from train.studio.measure import SCALES, Measured, score

DIGITS = 4  # of what was measured


@dataclass(frozen=True)
class Record:
    """A composition, its study, and the adjectives that were drawn for it once."""

    composition: Composition
    seen: Study
    words: tuple[str, ...]

    def line(self) -> str:
        """As JSON without a line break."""
        made, seen = self.composition, self.seen
        measured = seen.measured
        return json.dumps({
            "family": made.family,
            "attributes": dict(made.attributes),
            "hues": list(made.hues),
            "seed": made.seed,
            "traits": sorted(seen.traits),
            "measured": _rounded(measured.values),
            "shares": _rounded(measured.hues),
            "coloured": round(measured.coloured, DIGITS),
            "visible": round(seen.visible, DIGITS),
            "words": list(self.words),
        }, separators=(",", ":"))  # fmt: skip

    @classmethod
    def from_line(cls, line: str) -> "Record":
        """The inverse of `line`, up to the digits of what was measured."""
        told = json.loads(line)
        made = Composition(told["family"], told["attributes"], tuple(told["hues"]), told["seed"])
        values = told["measured"]
        scores = {axis: score(axis, values[axis]) for axis in SCALES}
        measured = Measured(values, scores, told["shares"], told["coloured"])
        seen = Study(made.values(), frozenset(told["traits"]), measured, told["visible"])
        return cls(made, seen, tuple(told["words"]))


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in values.items()}
