"""What pictures are asked for with: one type for the library, commands, server and page.

Each field of `Request` is declared once, with its kind, its range and one sentence of help. The
options of commands, the bodies and the OpenAPI document of the server, and what the page knows
(`web/src/core/options.js`) are made of these declarations. docs/adr/0011 says what a new one needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Union

from t2a_edge.checks import (
    MAX_COUNT,
    MAX_FRAMES,
    MAX_GUIDANCE,
    MAX_STEPS,
    MAX_TEMPERATURE,
    shown,
    whole_number,
)
from t2a_edge.errors import OptionError, PromptError
from t2a_edge.kinds import (
    Choice,
    Flag,
    Given,
    Kind,
    Number,
    Picture,
    Pixels,
    Seed,
    Size,
    Whole,
    Words,
)
from t2a_edge.seeds import MAX_SEED, run_of_seeds
from t2a_edge.way import LEAST_LOOP, Frame, loop_at, open_at, places

if TYPE_CHECKING:
    import numpy.typing as npt

    Form = Union[Path, str, bytes, npt.ArrayLike]  # noqa: UP007 - also a Pillow image

FORMATS = ("png", "webp", "jpeg", "avif", "npy")  # of files
MAX_PICTURES = max(MAX_COUNT, MAX_FRAMES)  # of one request
STRENGTH = 0.5  # of a variation, unless another number is named
KEPT = ("strength", "mask", "feather", "left", "right", "top", "bottom")
MARGINS = ("left", "right", "top", "bottom")


@dataclass(frozen=True, kw_only=True)
class Option:
    """How one field of a request is checked, typed, sent and described.

    Attributes:
        called: begins an error's sentence.
        kind: of its values.
        help: one sentence.
        flag: on the command line; by default the field's name.
        default: of the field. None lets the model, the words or the picture say.
        usual: stands for None where a model does not say it.
    """

    called: str
    kind: Kind
    help: str
    flag: str
    default: Any
    usual: Any = None

    def check(self, value: Any) -> Any:
        """The value, checked; None where that is the default."""
        return (
            None if value is None and self.default is None else self.kind.check(self.called, value)
        )

    def from_text(self, text: str) -> Any:
        """The value that somebody typed."""
        return self.kind.from_text(self.called, text)

    def from_json(self, value: Any) -> Any:
        """The value that JSON has."""
        if value is None and self.default is None:
            return None
        return self.kind.from_json(self.called, value)

    def schema(self, *, required: bool = False) -> dict[str, Any]:
        """What JSON Schema says of it; one that is required has no null."""
        own = self.kind.schema()
        if self.default is None and not required:
            own = {"anyOf": [*own.get("anyOf", [own]), {"type": "null"}]}
        return {**own, "description": self.help}


def asked(
    kind: Kind,
    text: str,
    *,
    called: str,
    default: Any = None,
    usual: Any = None,
    flag: str = "",
    compare: bool = True,
) -> Any:
    """A field of a request; see `Option`."""
    option = Option(called=called, kind=kind, help=text, flag=flag, default=default, usual=usual)
    return field(default=default, compare=compare, metadata={"option": option})


@dataclass(frozen=True)
class Request:
    """What a picture, or several, are asked for with; checked when it is made.

    What None stands for is the model's, the words', or the given picture's to say. What hangs on a
    model (how many words, which sizes) is checked where that model draws: `TextToArt.check`.

    A picture that is changed is named by `picture`; one of `strength`, `mask` and the margins says
    how: as a variation, in a part, or beyond its edges.

    Attributes:
        prompt: adjectives, "warm dark:1.4 -busy"; None takes those of `picture`.
        seed: 0 .. 2^53 - 1, or a text that stands for one (docs/noise.md); an int or None after
            the check. None is a fresh one, which the artwork names.
        count: how many pictures, from seeds that are `seed_step` apart.
        seed_step: from the seed of one picture to that of the next.
        blend: a second prompt to move towards.
        to_seed: a second seed to move towards, which `blend` may come with; see `t2a_edge.way`.
        amount: how far, from 0 (the first prompt and seed) to 1 (the second); of a loop how far
            round, with the second ones at 0.5.
        loop: whether the way leads back to its start, by other pictures than it goes.
        frames: as many pictures on the way, both ends included, in place of one at `amount`; of a
            loop, whose last frame is followed by its first, 3 or more.
        size: width and height in pixels, or one number for both, or "512x384"; a pair after the
            check. None is the size that the model was trained on.
        tile: whether opposite edges meet without a seam.
        guidance_scale: how strongly the words pull, 0 to 8.
        temperature: how freely the words choose a form, 0 (the best one) to 10.
        steps: from noise to the picture, 1 to 64.
        form: a picture whose composition is painted anew, in place of a form that the words choose:
            a path, a Pillow image, the bytes of a PNG, JPEG or WebP, or uint8 sRGB of shape
            (H, W, 3) or (H, W).
        form_strength: how closely the form is followed, 0 (not at all) to 1.
        picture: an artwork that is changed.
        strength: of a variation, 0 (the codes stay as they are) to 1 (a new picture).
        mask: (H, W) of the picture's size; what is more than half of the way to white is drawn
            anew.
        feather: pixels around the mask in which old becomes new; None is a cell of the finest grid.
        left, right, top, bottom: pixels to add beyond the picture's edges.
        format: of the file that is wanted; for who writes it, drawing does not look at it.

    Raises:
        PromptError: a prompt is no text, or there is none.
        OptionError: another value is out of range, or two do not go together.
    """

    prompt: str | None = asked(Words(), "Adjectives.", called="The prompt")
    _: KW_ONLY
    seed: int | str | None = asked(
        Seed(),
        "Same seed, same picture: a number, or a text such as alice; fresh by default.",
        called="The seed",
    )
    count: int = asked(
        Whole(1, MAX_COUNT), "How many pictures, 1 to 1000.", called="The count", default=1
    )
    seed_step: int = asked(
        Whole(1, MAX_SEED),
        "From the seed of one picture to that of the next.",
        called="The seed step",
        default=1,
    )
    blend: str | None = asked(Words(), "A second prompt to move towards.", called="The blend")
    to_seed: int | str | None = asked(
        Seed(), "A second seed to move towards.", called="The second seed", flag="--seeds"
    )
    amount: float = asked(
        Number(0, 1), "How far towards it, from 0 to 1.", called="The amount", default=0.5
    )
    loop: bool = asked(
        Flag(),
        "There and back by other frames; no jump at the end.",
        called="The loop",
        default=False,
    )
    frames: int | None = asked(
        Whole(2, MAX_FRAMES),
        "How many, 2 to 1000, both ends included; 8 by default.",
        called="The number of frames",
    )
    size: Any = asked(
        Size(), "In pixels: 256 to 2048 each, multiples of 8 (of a tile, of 128).",
        called="The size",
    )  # fmt: skip
    tile: bool = asked(
        Flag(), "Opposite edges meet without a seam.", called="The tile", default=False
    )
    guidance_scale: float | None = asked(
        Number(0, MAX_GUIDANCE),
        "How strongly the words pull, 0 to 8.",
        called="The guidance scale",
        flag="--guidance",
    )
    temperature: float | None = asked(
        Number(0, MAX_TEMPERATURE),
        "How freely the words choose a form, 0 to 10.",
        called="The temperature",
    )
    steps: int | None = asked(
        Whole(1, MAX_STEPS),
        "From noise to the picture, 1 to 64; fewer are faster.",
        called="The number of steps",
    )
    form: "Form | None" = asked(
        Picture(), "A picture whose composition is painted anew.", called="The form", compare=False
    )
    form_strength: float | None = asked(
        Number(0, 1), "How closely the form is followed, from 0 to 1.", called="The form strength"
    )
    picture: Any = asked(Given(), "A picture that is changed.", called="The artwork")
    strength: float | None = asked(
        Number(0, 1),
        "How much changes: 0 is nothing, 1 a new picture; 0.5 by default.",
        called="The strength",
    )
    mask: "npt.ArrayLike | None" = asked(
        Given(), "Where the picture is drawn anew.", called="The mask", compare=False
    )
    feather: int | None = asked(
        Pixels(),
        "Pixels around the mask in which old becomes new, 0 to 8; 8 by default.",
        called="The feather",
    )
    left: int | None = asked(
        Pixels(), "Pixels to add, a multiple of 8.", called="The margin at the left"
    )
    right: int | None = asked(Pixels(), "The same at the right.", called="The margin at the right")
    top: int | None = asked(Pixels(), "The same at the top.", called="The margin at the top")
    bottom: int | None = asked(
        Pixels(), "The same at the bottom.", called="The margin at the bottom"
    )
    format: str | None = asked(
        Choice(FORMATS), "Of the files in a folder; png by default.", called="The format"
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.check(getattr(self, name)))
        if self.prompt is None and self.picture is None:
            raise PromptError("There is no prompt; name adjectives, such as warm dark fluid.")
        if self.count * (self.frames or 1) > MAX_PICTURES:
            raise OptionError(
                f"{self.count} times {self.frames} frames are asked for; expected at most "
                f"{MAX_PICTURES} pictures in all."
            )
        seeds = []
        if self.seed is not None:
            seeds = run_of_seeds(self.seed, self.count, self.seed_step)  # the last of them too
        self._check_way(seeds)
        self._check_kept()

    def _check_way(self, seeds: Sequence[int]) -> None:
        """A way has two ends, and a loop room for both and for a way back."""
        if self.loop and self.frames is not None:
            whole_number("The number of frames of a loop", self.frames, LEAST_LOOP, MAX_FRAMES)
        if not (self.loop or self.frames is not None or self.to_seed is not None):
            return
        if self.blend is None and (self.to_seed is None or self.to_seed in seeds):
            raise OptionError(
                "Both ends of the way are the same; expected a second prompt or another seed."
            )

    def _check_kept(self) -> None:
        """What is kept of another picture, and how it is changed, go together."""
        given = [name for name in KEPT if getattr(self, name) is not None]
        if self.picture is None:
            if given:
                raise OptionError(f"{given[0]} is for a picture that is changed; name the picture.")
            return
        if self.tile or self.size is not None:
            raise OptionError("A changed picture has its own size and edges; leave them out.")
        if self.loop or self.to_seed is not None:
            raise OptionError("to_seed and loop are for a new picture; leave them out of a change.")
        ways = [self.strength is not None, self.mask is not None, self.margins is not None]
        if sum(ways) > 1:
            raise OptionError(
                f"{' and '.join(given)} are given; expected one of strength, mask and margins."
            )
        if self.feather is not None and self.mask is None:
            raise OptionError("feather is for a mask; name one.")

    @property
    def margins(self) -> tuple[int, int, int, int] | None:
        """Pixels to add at the left, right, top and bottom; None where none is named."""
        own = [getattr(self, name) for name in MARGINS]
        if all(margin is None for margin in own):
            return None
        left, right, top, bottom = (0 if margin is None else margin for margin in own)
        return left, right, top, bottom

    @property
    def changed(self) -> str:
        """How it is made: of another picture "vary", "inpaint", "outpaint"; "loop", "tile", ""."""
        if self.loop:
            return "loop"
        if self.picture is None:
            return "tile" if self.tile else ""
        if self.mask is not None:
            return "inpaint"
        return "vary" if self.margins is None else "outpaint"

    @property
    def frame(self) -> Frame:
        """Where a request of one picture is on its way."""
        one_seed = self.to_seed in (None, self.seed)
        return loop_at(self.amount, one_seed=one_seed) if self.loop else open_at(self.amount)

    def pictures(self) -> "list[Request]":
        """A request for each of its pictures, of one seed and one amount each."""
        seeds = run_of_seeds(self.seed, self.count, self.seed_step)
        amounts = [self.amount]
        if self.frames is not None:
            amounts = places(self.frames, loop=self.loop)
        one = replace(self, count=1, seed_step=1, frames=None)
        return [replace(one, seed=seed, amount=amount) for seed in seeds for amount in amounts]

    def loaded(self, most: int | None = None) -> "Request":
        """The request with its form as pixels, so that a file is read once.

        Args:
            most: pixels that a form may have that is given as the bytes of a file.

        Raises:
            ImageError: the form is no picture.
        """
        from t2a_edge.pixels import MAX_PIXELS, pixels_of  # here: --help needs no numpy

        if self.form is None:
            return self
        own = OPTIONS["form"].called
        return replace(self, form=pixels_of(own, self.form, most=most or MAX_PIXELS))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Request":
        """A request that was sent as a JSON object; a form is a file in base64.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: there is no such option, or a value cannot be used.
            ImageError: the form is no base64.
        """
        known = {name: option for name, option in OPTIONS.items() if option.kind.in_json}
        return cls(**{name: _option(name, known).from_json(own) for name, own in values.items()})

    @classmethod
    def from_text(cls, values: Mapping[str, str]) -> "Request":
        """A request of an address, names and values as text; see `from_json`. It has no form."""
        known = {name: option for name, option in OPTIONS.items() if option.kind.in_address}
        return cls(**{name: _option(name, known).from_text(own) for name, own in values.items()})


OPTIONS: dict[str, Option] = {
    own.name: replace(
        own.metadata["option"],
        flag=own.metadata["option"].flag or f"--{own.name.replace('_', '-')}",
    )
    for own in fields(Request)
}
WORDS = ("prompt", "blend", "amount")
SEEDS = ("seed", "count", "seed_step")
WAY = ("to_seed", "loop")
ROOM = ("size", "tile")


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How a picture is drawn, with all that was left to the model; see `Request`.

    What is added here is an option of every command that draws, of the server's bodies and answers,
    and of a picture's metadata.

    Raises:
        OptionError: a value is out of range or not a number.
    """

    guidance_scale: float
    temperature: float
    steps: int
    form_strength: float

    def __post_init__(self) -> None:
        for own in fields(self):
            option = OPTIONS[own.name]
            value = option.kind.check(option.called, getattr(self, own.name))
            object.__setattr__(self, own.name, value)  # as a plain number, which JSON can say

    @classmethod
    def of(cls, request: Request, usual: Any) -> "SamplingOptions":
        """Those of a request; what is None there comes from a model's spec, or from others."""
        known = {name: getattr(usual, name, OPTIONS[name].usual) for name in SAMPLING}
        asked = {name: getattr(request, name) for name in SAMPLING}
        return cls(**{name: known[name] if own is None else own for name, own in asked.items()})


SAMPLING = tuple(own.name for own in fields(SamplingOptions))
HOW = (*SAMPLING, "form")


class Sampling(TypedDict, total=False):
    """What every way of drawing takes beside its words; see `Request`."""

    seed: int | str | None
    guidance_scale: float | None
    temperature: float | None
    steps: int | None
    form: "Form | None"
    form_strength: float | None


class Options(Sampling, total=False):
    """What a new picture takes beside its prompt; see `Request`."""

    blend: str | None
    to_seed: int | str | None
    amount: float
    loop: bool
    size: Sequence[int] | int | str | None
    tile: bool


def _option(name: str, known: Mapping[str, Option]) -> Option:
    """An option by its name; an OptionError where there is none."""
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, known, 1)
        meant = f"; did you mean {near[0]}?" if near else f"; expected {', '.join(known)}."
        raise OptionError(f"There is no option {shown(name)}{meant}")
    return known[name]
