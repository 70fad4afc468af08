"""The numbers that every part of the pipeline must agree on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from t2a_edge.checks import (
    MAX_GUIDANCE,
    MAX_STEPS,
    MAX_TEMPERATURE,
    number,
    shown,
    whole_number,
)
from t2a_edge.errors import BundleError
from t2a_edge.form import SIDE as FORM_SIDE
from t2a_edge.scales import scale_offsets

BLOCK = 4  # side of the block of the finest grid that one position of the latents covers
WHOLE = {
    "image_size": (1, 2048), "codebook_size": (1, 32_749), "code_dim": (1, 4096),
    "max_words": (1, 64), "max_bytes": (1, 256), "depth": (1, 1024), "forms": (1, 32_749),
    "steps": (1, MAX_STEPS),
}  # fmt: skip
"""Field and its bounds. There are as many levels of noise as the largest bank has forms."""
NUMBERS = {
    "guidance_scale": (0, MAX_GUIDANCE), "form_strength": (0, 1),
    "temperature": (0, MAX_TEMPERATURE),
}  # fmt: skip
MOST_SCALES = 16


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Shapes and sampling defaults of one model; written into its bundle.

    Attributes:
        image_size: height and width of a picture, in pixels.
        scales: grid sides, coarse to fine; each divides the last, which is 8, 16, 32 or 64.
        codebook_size: how many vectors the codebook has.
        code_dim: dimensions of one codebook vector.
        max_words: most adjectives in one prompt.
        max_bytes: most UTF-8 bytes in one adjective.
        depth: numbers of each position of the latents.
        forms: how many forms words choose from.
        guidance_scale: default strength of the prompt; 1 is none beyond the model's own.
        steps: default number of steps from noise to a picture.
        form_strength: how closely the form is followed by default; 0 is not at all.
        temperature: default factor on the noise of the choice of a form; 0 always takes the
            one that fits the words best.

    Raises:
        BundleError: a value is out of range, or the sizes do not fit together.
    """

    image_size: int
    scales: tuple[int, ...]
    codebook_size: int
    code_dim: int
    max_words: int
    max_bytes: int
    depth: int
    forms: int
    guidance_scale: float = 2.5
    steps: int = 8
    form_strength: float = 1.0
    temperature: float = 0.5

    def __post_init__(self) -> None:
        for name, bounds in WHOLE.items():
            self._set(name, _whole(name, getattr(self, name), *bounds))
        for name, (least, most) in NUMBERS.items():
            value = getattr(self, name)
            self._set(name, number(f"The spec's {name}", value, least, most, error=BundleError))
        if not 1 <= len(self.scales) <= MOST_SCALES:
            raise BundleError(
                f"The spec has {len(self.scales)} scales; expected 1 to {MOST_SCALES}."
            )
        self._set("scales", tuple(_whole("scales", side, 1, FORM_SIDE) for side in self.scales))
        finest = self.scales[-1]
        if any(finest % side for side in self.scales):
            raise BundleError(
                f"The spec's scales are {list(self.scales)}; expected divisors of the last."
            )
        if finest % (2 * BLOCK) or FORM_SIDE % finest or self.image_size % finest:
            raise BundleError(
                f"The spec's finest scale is {finest} and its image_size {self.image_size}; "
                f"expected a scale of 8, 16, 32 or {FORM_SIDE} that divides the image_size."
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # as a plain Python value

    @property
    def side(self) -> int:
        """Positions of the latents along each side of a picture."""
        return self.scales[-1] // BLOCK

    @property
    def positions(self) -> int:
        """How many indices make one picture, over all scales."""
        return scale_offsets(self.scales)[-1]

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return {**asdict(self), "scales": list(self.scales)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Spec":
        """Read a spec as `to_json` wrote it; a missing or unknown key is a BundleError."""
        try:
            scales = values["scales"]
            if not isinstance(scales, list | tuple):
                raise BundleError(f"The spec's scales is {shown(scales)}; expected a list.")
            return cls(**{**values, "scales": tuple(scales)})
        except (KeyError, TypeError) as exc:
            raise BundleError(
                f"The spec cannot be read ({exc}); expected the keys "
                f"{', '.join(cls.__dataclass_fields__)}."
            ) from exc


def _whole(name: str, value: Any, least: int, most: int) -> int:
    return whole_number(f"The spec's {name}", value, least, most, error=BundleError)
