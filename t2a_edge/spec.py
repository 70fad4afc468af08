"""The numbers that every part of the pipeline must agree on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from t2a_edge.errors import BundleError
from t2a_edge.scales import scale_offsets

SIZES = ("image_size", "codebook_size", "code_dim", "max_words", "max_bytes")
FACTORS = ("scale_guidance", "scale_temperature", "scale_coherence")
LISTS = ("scales", *FACTORS, "guidance_by_words", "refiner_redraws")
SHAPE = ("layers", "heads", "head_dim")
OPTIONAL_LISTS = ("scale_coherence", "guidance_by_words", "refiner_redraws")
REFINER_PASSES = (0, 1, 2, 4)


class RefinerRun(NamedTuple):
    """One run of the refiner over one of its scales.

    Attributes:
        part: the number of the pass whose positions it draws.
        guided: whether the guidance scale counts; else the words do no more than the model says.
    """

    part: int
    guided: bool


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Shapes and sampling defaults of one model; written into its bundle.

    Attributes:
        image_size: height and width of a picture, in pixels.
        scales: grid sides, coarse to fine; each divides the last.
        codebook_size: how many vectors the codebook has.
        code_dim: dimensions of one codebook vector.
        max_words: most adjectives in one prompt.
        max_bytes: most UTF-8 bytes in one adjective.
        layers, heads, head_dim: shape of the transformer's keys and values.
        guidance_scale: default strength of the prompt; 1 is none beyond the model's own.
        temperature: default factor on the sampling noise; 0 always takes the likeliest code.
        top_k: default number of likeliest codes to draw from; 0 is all of them.
        scale_guidance: factor of each scale on what the guidance scale has above 1.
        guidance_by_words: share of what the guidance scale has above 1 that a prompt of one, two
            and more words gets; the last one holds for all longer prompts. Empty is all of it.
        scale_temperature: factor of each scale on the temperature.
        scale_coherence: of each scale, over how many positions neighbours share their noise; 0 is
            not at all, as is an empty list for all.
        refiner_passes: passes of the refiner over each of its scales, 1, 2 or 4; 0 is no refiner:
            the transformer predicts all scales.
        refiner_redraws: of each of the refiner's scales, how many runs follow its passes, each of
            which draws the positions of an earlier pass anew, in the same order, with all others
            in view; an empty list is 0 for all.
        refiner_scales: how many of the finest scales the refiner draws, where there is one.
        quiet_code: the code with the shortest vector; it stands for scales that are not drawn yet.
    """

    image_size: int
    scales: tuple[int, ...]
    codebook_size: int
    code_dim: int
    max_words: int
    max_bytes: int
    layers: int
    heads: int
    head_dim: int
    guidance_scale: float
    temperature: float
    top_k: int
    scale_guidance: tuple[float, ...]
    scale_temperature: tuple[float, ...]
    scale_coherence: tuple[float, ...] = ()
    guidance_by_words: tuple[float, ...] = ()
    refiner_passes: int = 0
    refiner_redraws: tuple[int, ...] = ()
    refiner_scales: int = 1
    quiet_code: int = 0

    def __post_init__(self) -> None:
        sizes = [(name, getattr(self, name)) for name in (*SIZES, *SHAPE)]
        for name, size in sizes + [("scales", side) for side in self.scales]:
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise BundleError(
                    f"The spec's {name} has {size!r}; expected a whole number from 1. "
                    "Export the bundle again."
                )
        if not self.scales or any(self.scales[-1] % side for side in self.scales):
            raise BundleError(
                f"The scales are {list(self.scales)}; expected at least one, each a divisor of "
                "the last. Export the bundle again."
            )
        if not self.scale_coherence:
            object.__setattr__(self, "scale_coherence", (0.0,) * len(self.scales))
        for name in FACTORS:
            factors = getattr(self, name)
            numbers = all(type(f) in (int, float) and 0 <= f < math.inf for f in factors)
            if len(factors) != len(self.scales) or not numbers:
                raise BundleError(
                    f"The spec's {name} is {list(factors)}; expected {len(self.scales)} numbers "
                    "from 0, one for each scale. Export the bundle again."
                )
        _check_shares(self.guidance_by_words)
        _check_refiner(self)
        code = self.quiet_code
        if type(code) is not int or not 0 <= code < self.codebook_size:
            raise BundleError(
                f"The spec's quiet_code is {code!r}; expected a whole number from 0 to "
                f"{self.codebook_size - 1}. Export the bundle again."
            )
        if self.image_size % self.scales[-1]:
            raise BundleError(
                f"The image size is {self.image_size}; expected a multiple of the finest scale, "
                f"{self.scales[-1]}. Export the bundle again."
            )

    @property
    def coarse_scales(self) -> tuple[int, ...]:
        """The scales that the transformer predicts: all, or all but the refiner's."""
        return self.scales[: -self.refiner_scales] if self.refiner_passes else self.scales

    def refiner_runs(self, scale: int) -> tuple[RefinerRun, ...]:
        """How the refiner draws one of its scales, run by run.

        Where all parts are drawn anew, the passes are not guided: nothing of them stays, and a run
        without guidance takes half the time.
        """
        passes, redraws = self.refiner_passes, self.refiner_redraws[scale - len(self.coarse_scales)]
        start = passes if redraws >= passes else 0
        return tuple(RefinerRun(n % passes, n >= start) for n in range(passes + redraws))

    @property
    def positions(self) -> int:
        """How many indices make one picture, over all scales."""
        return scale_offsets(self.scales)[-1]

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in LISTS}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Spec":
        """Read a spec as `to_json` wrote it; a missing or unknown key is a BundleError."""
        try:
            given = {**dict.fromkeys(OPTIONAL_LISTS, ()), **values}
            return cls(**{**given, **{name: tuple(given[name]) for name in LISTS}})
        except (KeyError, TypeError) as exc:
            raise BundleError(
                f"The bundle's spec cannot be read ({exc}); expected the keys "
                f"{', '.join(cls.__dataclass_fields__)}. Export the bundle again."
            ) from exc


def _check_shares(shares: tuple[float, ...]) -> None:
    if not all(type(share) in (int, float) and 0 <= share < math.inf for share in shares):
        raise BundleError(
            f"The spec's guidance_by_words is {list(shares)}; expected numbers from 0, one for "
            "each number of words. Export the bundle again."
        )


def _check_refiner(spec: Spec) -> None:
    if type(spec.refiner_passes) is not int or spec.refiner_passes not in REFINER_PASSES:
        raise BundleError(
            f"The spec's refiner_passes is {spec.refiner_passes!r}; expected 0, 1, 2 or 4. "
            "Export the bundle again."
        )
    count, most = spec.refiner_scales, len(spec.scales) - 1
    if type(count) is not int or count < 1 or (spec.refiner_passes and count > most):
        raise BundleError(
            f"The spec's refiner_scales is {count!r} of {len(spec.scales)} scales; expected a "
            "whole number from 1 that leaves the transformer one. Export the bundle again."
        )
    if not spec.refiner_redraws:
        object.__setattr__(spec, "refiner_redraws", (0,) * count)
    redraws = spec.refiner_redraws
    numbers = all(type(number) is int and number >= 0 for number in redraws)
    if len(redraws) != count or not numbers or (any(redraws) and spec.refiner_passes < 2):
        raise BundleError(
            f"The spec's refiner_redraws is {list(redraws)} and refiner_passes "
            f"{spec.refiner_passes}; expected {count} whole numbers from 0, one for each of the "
            "refiner's scales, all 0 where there are fewer than two passes. Export the bundle "
            "again."
        )
