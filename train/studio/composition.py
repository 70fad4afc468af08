"""Compositions: what to paint, and painting it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from t2a_edge.errors import OptionError
from t2a_edge.seeds import check_seed
from t2a_edge.vocabulary import AXIS_NAMES
from train.studio.families import FAMILIES
from train.studio.finish import finish
from train.studio.measure import SCALES, Measured, measure, visibility
from train.studio.palette import HUES
from train.studio.surface import Scene

MIN_SIZE, MAX_SIZE = 32, 2048  # pixels
STUDY = 96  # pixels of the copy from which traits and statistics are taken
SET = 0.3  # an attribute this strong counts as asked for


@dataclass(frozen=True)
class Composition:
    """One picture, before it is painted.

    Attributes:
        family: name of a painter, a key of `FAMILIES`.
        attributes: axis to number in [-1, 1]; axes left out are drawn near neutral. A number
            that the family cannot express is taken as near as it can (stripes are never round).
        hues: up to two dominant hues.
        seed: of everything else.

    Raises:
        OptionError: an unknown family, axis or hue, or a number out of range.
    """

    family: str
    attributes: Mapping[str, float] = field(default_factory=dict)
    hues: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise OptionError(f"No family {self.family!r}; expected one of {known}.")
        for axis, value in self.attributes.items():
            if axis not in AXIS_NAMES:
                raise OptionError(f"No axis {axis!r}; expected one of {', '.join(AXIS_NAMES)}.")
            if not -1 <= value <= 1:
                raise OptionError(f"The axis {axis} is {value!r}; expected a number in [-1, 1].")
        unknown = [hue for hue in self.hues if hue not in HUES]
        if unknown or len(self.hues) > 2:
            raise OptionError(
                f"The hues are {list(self.hues)!r}; expected at most two of {', '.join(HUES)}."
            )
        check_seed(self.seed)

    def values(self) -> dict[str, float]:
        """Every axis to the number it is painted with: as asked, near neutral where not."""
        rng = np.random.default_rng((self.seed, 0))
        ranges, values = FAMILIES[self.family].ranges, {}
        for axis in AXIS_NAMES:
            near = float(rng.uniform(-0.3, 0.3))  # drawn for each axis, asked for or not
            low, high = ranges.get(axis, (-1.0, 1.0))
            values[axis] = min(max(self.attributes.get(axis, near), low), high)
        return values


@dataclass(frozen=True)
class Study:
    """What can be said of a painted composition.

    Attributes:
        values: every axis to the number it was painted with.
        traits: words for what was drawn, such as "splattered" or "vertical".
        measured: colour statistics of the picture.
        visible: how far its forms stand off from what is about them, in L*.
    """

    values: Mapping[str, float]
    traits: frozenset[str]
    measured: Measured
    visible: float


def _painted(composition: Composition, size: int) -> tuple[npt.NDArray[np.uint8], Scene]:
    scene = Scene(size, composition.values(), composition.hues, composition.seed)
    FAMILIES[composition.family].paint(scene)
    wanted = {a: v for a, v in composition.attributes.items() if a in SCALES and abs(v) >= SET}
    return finish(scene, wanted), scene


def paint(composition: Composition, size: int) -> npt.NDArray[np.uint8]:
    """Paint a composition; at any size it is the same picture.

    Args:
        composition: what to paint.
        size: side in pixels, 32 to 2048.

    Returns:
        (size, size, 3) uint8 sRGB.

    Raises:
        OptionError: the size is out of range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise OptionError(f"The size is {size}; expected {MIN_SIZE} to {MAX_SIZE} pixels.")
    return _painted(composition, size)[0]


def paint_studied(composition: Composition, size: int) -> tuple[npt.NDArray[np.uint8], Study]:
    """Paint a composition and say what can be seen in it, at the cost of painting once.

    Returns:
        (size, size, 3) uint8 sRGB, and the study that `adjectives` draws from.
    """
    image, scene = _painted(composition, size)
    measured = measure(image)
    return image, Study(scene.values, frozenset(scene.traits), measured, visibility(image))


def study(composition: Composition) -> Study:
    """What can be seen in a composition, from a small copy of it."""
    frozen = tuple(sorted(composition.attributes.items()))
    return _study(composition.family, frozen, composition.hues, composition.seed)


@lru_cache(maxsize=256)
def _study(
    family: str, attributes: tuple[tuple[str, float], ...], hues: tuple[str, ...], seed: int
) -> Study:
    return paint_studied(Composition(family, dict(attributes), hues, seed), STUDY)[1]
