"""The numbers that every part of the pipeline must agree on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from t2a_edge.checks import (
    MAX_GUIDANCE,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    number,
    shown,
    whole_number,
)
from t2a_edge.errors import BundleError
from t2a_edge.scales import scale_offsets

WHOLE = {
    "image_size": (1, 2048), "codebook_size": (1, 32_749), "code_dim": (1, 4096),
    "max_words": (1, 64), "max_bytes": (1, 256), "layers": (1, 64), "heads": (1, 64),
    "head_dim": (1, 1024), "top_k": (0, MAX_TOP_K), "refiner_scales": (1, 15),
}  # fmt: skip
"""Field and its bounds. There are as many levels of noise as the largest codebook has codes."""
NUMBERS = {"guidance_scale": (0, MAX_GUIDANCE), "temperature": (0, MAX_TEMPERATURE)}
FACTORS = {"scale_guidance": 100, "scale_temperature": 100, "scale_coherence": 64}
LISTS = ("scales", *FACTORS, "guidance_by_words", "refiner_redraws")
OPTIONAL_LISTS = ("scale_coherence", "guidance_by_words", "refiner_redraws")
REFINER_PASSES = (0, 1, 2, 4)
MOST_SCALES = 16
LARGEST_SIDE = 128  # of a grid: what a scale sees of the coarser ones is a matrix of its cells
MOST_LOGITS = 2**26  # of one scale of one picture
MOST_SHARE = 100  # of the guidance scale, for a number of words
MOST_SHARES = 64
MOST_REDRAWS = 64


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
        for name, bounds in WHOLE.items():
            self._set(name, _whole(name, getattr(self, name), *bounds))
        for name, (low, high) in NUMBERS.items():
            self._set(name, _number(name, getattr(self, name), low, high))
        self._set("scales", _scales(self.scales))
        if not self.scale_coherence:
            self._set("scale_coherence", (0.0,) * len(self.scales))
        for name, most in FACTORS.items():
            factors = _numbers(name, getattr(self, name), most)
            if len(factors) != len(self.scales):
                raise BundleError(
                    f"The spec's {name} has {len(factors)} numbers; expected {len(self.scales)}, "
                    "one for each scale."
                )
            self._set(name, factors)
        shares = _numbers("guidance_by_words", self.guidance_by_words, MOST_SHARE)
        self._set("guidance_by_words", shares)
        self._set("quiet_code", _whole("quiet_code", self.quiet_code, 0, self.codebook_size - 1))
        self._set("refiner_redraws", _redraws(self))
        self._check_sizes()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # as a plain Python value

    def _check_sizes(self) -> None:
        finest = self.scales[-1]
        if self.image_size % finest:
            raise BundleError(
                f"The spec's image_size is {self.image_size}; expected a multiple of the finest "
                f"scale, {finest}."
            )
        logits = finest * finest * self.codebook_size
        if logits > MOST_LOGITS:
            raise BundleError(
                f"The spec's finest scale has {finest} x {finest} positions of "
                f"{self.codebook_size} codes, {logits} numbers; expected at most {MOST_LOGITS}."
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
            lists = {name: _items(name, given[name]) for name in LISTS}
            return cls(**{**given, **lists})
        except (KeyError, TypeError) as exc:
            raise BundleError(
                f"The spec cannot be read ({exc}); expected the keys "
                f"{', '.join(cls.__dataclass_fields__)}."
            ) from exc


def _whole(name: str, value: Any, least: int, most: int) -> int:
    return whole_number(f"The spec's {name}", value, least, most, error=BundleError)


def _number(name: str, value: Any, least: float, most: float) -> float:
    return number(f"The spec's {name}", value, least, most, error=BundleError)


def _items(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise BundleError(f"The spec's {name} is {shown(value)}; expected a list.")
    return tuple(value)


def _numbers(name: str, values: Sequence[Any], most: float) -> tuple[float, ...]:
    if len(values) > MOST_SHARES:
        raise BundleError(
            f"The spec's {name} has {len(values)} numbers; expected at most {MOST_SHARES}."
        )
    return tuple(_number(name, value, 0, most) for value in values)


def _scales(scales: Sequence[Any]) -> tuple[int, ...]:
    if not 1 <= len(scales) <= MOST_SCALES:
        raise BundleError(f"The spec has {len(scales)} scales; expected 1 to {MOST_SCALES}.")
    sides = tuple(_whole("scales", side, 1, LARGEST_SIDE) for side in scales)
    if any(sides[-1] % side for side in sides):
        raise BundleError(f"The spec's scales are {list(sides)}; expected divisors of the last.")
    return sides


def _redraws(spec: Spec) -> tuple[int, ...]:
    """The spec's `refiner_redraws`, one for each of the refiner's scales."""
    passes, count, most = spec.refiner_passes, spec.refiner_scales, len(spec.scales) - 1
    if type(passes) is not int or passes not in REFINER_PASSES:
        raise BundleError(f"The spec's refiner_passes is {shown(passes)}; expected 0, 1, 2 or 4.")
    if passes and count > most:
        raise BundleError(
            f"The spec's refiner_scales is {count} of {len(spec.scales)} scales; expected a whole "
            "number from 1 that leaves the transformer one."
        )
    redraws = spec.refiner_redraws or (0,) * count
    if len(redraws) != count:
        raise BundleError(
            f"The spec's refiner_redraws has {len(redraws)} numbers; expected {count}, one for "
            "each of the refiner's scales."
        )
    redraws = tuple(_whole("refiner_redraws", n, 0, MOST_REDRAWS) for n in redraws)
    if any(redraws) and passes < 2:
        raise BundleError(
            f"The spec's refiner_redraws is {list(redraws)} and refiner_passes {passes}; expected "
            "all 0 where there are fewer than two passes."
        )
    return redraws
