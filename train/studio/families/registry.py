"""The list of families: each a function that paints a scene, and the range of each axis it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from train.studio.surface import Scene

Painter = Callable[[Scene], None]


@dataclass(frozen=True)
class Family:
    """A way of composing.

    Attributes:
        name: of the family, "bands".
        paint: draws onto a scene and adds the traits of what it drew.
        ranges: axis to (lowest, highest) it can express; an axis left out has its full range.
    """

    name: str
    paint: Painter
    ranges: Mapping[str, tuple[float, float]]


FAMILIES: dict[str, Family] = {}


def family(**ranges: tuple[float, float]) -> Callable[[Painter], Painter]:
    """Register a painter under its function's name."""

    def add(paint: Painter) -> Painter:
        FAMILIES[paint.__name__] = Family(paint.__name__, paint, ranges)
        return paint

    return add
