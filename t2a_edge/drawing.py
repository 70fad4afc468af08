"""What is to be drawn: words, a seed, options, and what a drawing takes from another picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from t2a_edge.conditioning import Conditioning
from t2a_edge.layout import Layout, window_cells
from t2a_edge.noise import TO_THE_SIDE
from t2a_edge.request import SamplingOptions
from t2a_edge.spec import Spec

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Given:
    """What a drawing takes from a picture that is there; see `t2a_edge.edit`.

    Attributes:
        indices: (windows, P) int64 of the layout's windows; only those of windows of which
            everything stays matter.
        latents: (n, D) float32 of the layout's positions, row by row.
        stays: (n,) bool; where it is true, the latents stay as they are.
        level: share of noise from which the rest is drawn, 0 (where all of it stays) to 1.
        form: (32 rows, 32 columns) float32, the picture's own.
        share: of the same shape, how much of a newly chosen form counts; None is nothing.
        form_level: share of noise on the form; None is that of the options.
    """

    indices: Int64Array
    latents: Float32Array
    stays: BoolArray
    level: float
    form: Float32Array
    share: Float32Array | None = None
    form_level: float | None = None


@dataclass(frozen=True)
class Travel:
    """Where a drawing is on a way between the noise of two seeds.

    Attributes:
        seed: that the way leads to.
        share: of the way from the form that the drawing's own seed chooses to that of this one,
            0 to 1.
        weights: of the noise of the drawing's own seed, of this one, and of a third noise that lies
            to the side. Their squares add up to 1, so that the sum is standard normal noise.
    """

    seed: int
    share: float
    weights: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Drawing:
    """One picture that is to be drawn.

    Attributes:
        conditioning: the words that steer it.
        seed: 0 .. 2^53 - 1.
        options: how it is drawn.
        form: (32 rows, 32 columns) float32 of spread 1 over the layout, such as
            `t2a_edge.fields.field_of` a picture; None lets the words choose one.
        given: what it takes from another picture.
        travel: where it is on a way to another seed.
    """

    conditioning: Conditioning
    seed: int
    options: SamplingOptions
    form: Float32Array | None = None
    given: Given | None = None
    travel: Travel | None = None

    @property
    def level(self) -> float:
        """Share of noise at the start."""
        return 1.0 if self.given is None else self.given.level

    @property
    def form_level(self) -> float:
        """Share of noise on the form."""
        if self.given is not None and self.given.form_level is not None:
            return self.given.form_level
        return 1 - self.options.form_strength

    @property
    def choices(self) -> list[tuple[Float32Array, int]]:
        """The words' weights (W,) and the seed that choose a form; two of each where two do."""
        told = self.conditioning
        other = told.form_weights if told.other_weights is None else told.other_weights
        if self.travel is not None:
            return [(told.form_weights, self.seed), (other, self.travel.seed)]
        if told.other_weights is not None:
            return [(told.form_weights, self.seed), (other, self.seed)]
        return [(told.form_weights, self.seed)]

    @property
    def form_share(self) -> float:
        """How far the form is from the first of the chosen ones to the second, 0 to 1."""
        return self.conditioning.share if self.travel is None else self.travel.share

    def noise(self, noise_of: Callable[[int, int], Float32Array]) -> Float32Array:
        """Standard normal noise of its seed, or of where it is between two.

        Args:
            noise_of: makes the noise of a seed, whose positions have a number added.
        """
        if self.travel is None:
            return noise_of(self.seed, 0)
        places = (self.seed, 0), (self.travel.seed, 0), (self.seed, TO_THE_SIDE)
        parts = [
            np.float32(weight) * noise_of(*place)
            for place, weight in zip(places, self.travel.weights, strict=True)
            if weight
        ]
        total, *others = parts
        for part in others:
            total = total + part
        return total

    @property
    def needs_choice(self) -> bool:
        """Whether its words choose a form."""
        return self.form is None and (self.given is None or self.given.share is not None)


def drawn_windows(spec: Spec, drawings: Sequence[Drawing], layout: Layout) -> list[list[int]]:
    """Numbers of the windows of each drawing of which not everything stays."""
    cells = [window_cells(layout, spec.side, window) for window in layout.windows]
    return [
        [
            number
            for number, here in enumerate(cells)
            if drawing.given is None or not drawing.given.stays[here].all()
        ]
        for drawing in drawings
    ]
