"""From a request to what is to be drawn: its words, its room, what it keeps of another picture."""

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from t2a_edge.artwork import Artwork
from t2a_edge.bundle import Bundle
from t2a_edge.checks import shown, whole_number
from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing, Given, Travel
from t2a_edge.edit import (
    Crop,
    cell_pixels,
    covered,
    encoded,
    extended,
    extended_layout,
    layout_of_size,
    masked,
    varied,
)
from t2a_edge.errors import OptionError, PromptError
from t2a_edge.fields import field_of_form
from t2a_edge.form import form_of
from t2a_edge.layout import Layout
from t2a_edge.pixels import UInt8Array, pixels_of
from t2a_edge.prompt import Prompt, parse_prompt
from t2a_edge.recipe import Pasted, Recipe, pack_recipe, unpack_recipe
from t2a_edge.request import STRENGTH, Request, SamplingOptions
from t2a_edge.runner import Runner
from t2a_edge.sampler import decoded
from t2a_edge.seeds import seed_or_fresh

T = TypeVar("T")
Float32Array = npt.NDArray[np.float32]
Margins = tuple[int, int, int, int]

HASH_DIGITS = 16  # of a form's sha256, in an artwork


@dataclass(frozen=True)
class Made:
    """What an artwork says of how it was made; see `Artwork`."""

    prompt: str
    blend: tuple[str, float] | None
    unknown_words: tuple[str, ...]
    seed: int | None
    options: SamplingOptions
    changed: str = ""
    other_words: tuple[str, ...] = ()
    form: str = ""
    to_seed: tuple[int, float] | None = None


@dataclass(frozen=True, eq=False)  # arrays have no one answer
class Plan:
    """One picture, checked and ready to be drawn.

    Attributes:
        made: what its artwork will say.
        drawing: what the sampler is given.
        layout: its windows.
        crop: left, top, width and height of what is shown of them, in pixels.
        under: what shows outside of a mask, (H, W, 3) pixels, and where; None shows nothing.
    """

    made: Made
    drawing: Drawing
    layout: Layout
    crop: Crop
    under: tuple[UInt8Array, Pasted] | None = None


class Planner:
    """Plans the pictures of one call; what several share, such as their words, is made once.

    Args:
        runner: runs the text engine; the encoder and the decoder for a picture that is changed.
    """

    def __init__(self, bundle: Bundle, runner: Runner) -> None:
        self.bundle, self.spec, self.runner = bundle, bundle.spec, runner
        self._known: dict[Hashable, Any] = {}

    def check(self, request: Request) -> None:
        """Words and room, without drawing anything.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: the size or a margin is out of range, or the artwork is of another model.
            RecipeError: as the last.
        """
        if not isinstance(request, Request):
            raise OptionError(f"A request is {shown(request)}; expected a Request.")
        if request.picture is not None:
            self._check_own(request.picture)
        self.words(request)
        self.room(request)

    def plan(self, request: Request) -> Plan:
        """What is to be drawn for a request of one picture; see `check` for the errors.

        Raises:
            ImageError: the form is no picture; the mask has another size or kind, or covers no
                cell.
        """
        self.check(request)
        layout, crop = self.room(request)
        prompt, other, amount = self.words(request)
        usual = self.spec if request.picture is None else request.picture.options
        form, name = self._form(request, layout, crop)
        seed = seed_or_fresh(request.seed)
        travel = travel_of(request, seed)
        words = (*prompt.words, *(other.words if other else ()))
        made = Made(
            prompt.text,
            None if other is None else (other.text, amount),
            unknown_words(self.bundle, words),
            seed,
            SamplingOptions.of(request, usual),
            request.changed,
            (*prompt.other_words, *(other.other_words if other else ())),
            name,
            (travel.seed, travel.share) if travel is not None and travel.seed != seed else None,
        )
        steered = self._once(
            ("words", prompt, other, amount),
            lambda: conditioning(self.runner, self.spec, prompt, other, amount),
        )
        under = self._under(request)
        given = self._given(request, layout, form)
        drawing = Drawing(steered, seed, made.options, form, given, travel)
        return Plan(made, drawing, layout, crop, under)

    def words(self, request: Request) -> tuple[Prompt, Prompt | None, float]:
        """The two prompts and the share of the second; of a changed picture its own by default."""
        prompt, blend, amount = request.prompt, request.blend, request.frame.amount
        if prompt is None:
            prompt = request.picture.prompt
            if not prompt:
                raise PromptError(
                    "The picture does not say its adjectives, as it was drawn from a recipe; name "
                    "some as its prompt."
                )
            if blend is None and request.picture.blend is not None:
                blend, amount = request.picture.blend
        return self._parsed(prompt), None if blend is None else self._parsed(blend), amount

    def room(self, request: Request) -> tuple[Layout, Crop]:
        """The windows of a request's picture and what is shown of them."""
        artwork = request.picture
        if artwork is None:
            plain = (self.spec.image_size, self.spec.image_size)
            return layout_of_size(self.spec, request.size or plain, wrap=request.tile)
        if request.margins is None:
            return artwork.layout, artwork.crop
        return extended_layout(self.spec, artwork.layout, artwork.crop, request.margins)[:2]

    # ---- parts

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

    def _parsed(self, text: str) -> Prompt:
        most_words, most_bytes = self.spec.max_words, self.spec.max_bytes
        return self._once(
            ("parsed", text), lambda: parse_prompt(text, max_words=most_words, max_bytes=most_bytes)
        )

    def _form(
        self, request: Request, layout: Layout, crop: Crop
    ) -> tuple[Float32Array | None, str]:
        """A given form over the layout and its name; None and "" where words choose."""
        if request.form is None:
            return None, ""
        own = request.form  # it stays alive as long as the request, so its id is its own
        pixels = self._once(("form", id(own)), lambda: pixels_of("The form", own))
        field = self._once(
            ("field", id(own), layout, crop),
            lambda: field_of_form(self.spec, pixels, layout, crop),
        )
        digest = self._once(
            ("name", id(own)), lambda: hashlib.sha256(form_of(pixels).tobytes()).hexdigest()
        )
        return field, digest[:HASH_DIGITS]

    def _under(self, request: Request) -> tuple[UInt8Array, Pasted] | None:
        """The pixels that stay outside of a mask; None where there is none, or it covers all."""
        if request.mask is None:
            return None
        artwork = request.picture
        here, cell = self._here(request), cell_pixels(self.spec)
        soft = cell if request.feather is None else request.feather
        soft = whole_number("The feather", soft, 0, cell)
        pasted = Pasted(here, soft, unpack_recipe(artwork.recipe, self.spec, self.bundle.model))
        own = Recipe(artwork.indices, artwork.layout, artwork.crop, pasted)
        pack_recipe(own, self.spec, self.bundle.model)  # an error before anything is drawn
        return None if here.all() else (artwork.pixels, pasted)

    def _here(self, request: Request) -> npt.NDArray[np.bool_]:
        """Where a mask is white, (H, W) of the picture."""
        mask, artwork = request.mask, request.picture
        return self._once(
            ("here", id(mask), id(artwork)),
            lambda: covered(mask, artwork.size),  # type: ignore[arg-type]
        )

    def _given(self, request: Request, layout: Layout, form: Float32Array | None) -> Given | None:
        """What a drawing takes from the picture that is changed."""
        artwork = request.picture
        if artwork is None:
            return None
        whole = self._once(("whole", id(artwork)), lambda: self._whole(artwork))
        own = self._once(
            ("codes", id(artwork)),
            lambda: encoded(self.runner, self.spec, artwork.indices, artwork.layout),
        )
        if request.changed == "inpaint":
            return masked(self.spec, own, layout, whole, artwork.crop, self._here(request))
        if request.margins is not None:
            _, _, at = extended_layout(self.spec, artwork.layout, artwork.crop, request.margins)
            return extended(self.spec, own, artwork.layout, whole, layout, at)
        strength = STRENGTH if request.strength is None else request.strength
        given = varied(own, layout, whole, strength)
        return given if form is None else replace(given, form=form, form_level=None)

    def _whole(self, artwork: Artwork) -> UInt8Array:
        """An artwork's pixels with what is not shown around them, (H, W, 3) of the layout."""
        left, top, width, height = artwork.crop
        if artwork.layout.grid(self.spec.image_size) == (height, width):
            return artwork.pixels
        indices = artwork.indices[None]
        whole: UInt8Array = decoded(self.runner, self.spec, indices, artwork.layout)[0]
        whole[top : top + height, left : left + width] = artwork.pixels
        return whole

    def _check_own(self, artwork: Artwork) -> None:
        """An OptionError unless the indices mean something to this model."""
        if not isinstance(artwork, Artwork):
            raise OptionError(f"The artwork is {shown(artwork)}; expected one of this model.")
        found = self._once(
            ("own", id(artwork)),
            lambda: unpack_recipe(artwork.recipe, self.spec, self.bundle.model),  # or it raises
        )
        if len(found.indices) != len(artwork.indices):
            raise OptionError("The artwork's recipe is not that of its indices; open it again.")


def travel_of(request: Request, seed: int) -> Travel | None:
    """Where a picture is between the noise of two seeds; None where it has that of `seed`."""
    to_seed = seed if request.to_seed is None else int(request.to_seed)
    if to_seed == seed and not request.loop:
        return None
    frame = request.frame
    return Travel(to_seed, frame.amount, frame.noise)


def unknown_words(bundle: Bundle, words: Iterable[str]) -> tuple[str, ...]:
    """Those that training did not use."""
    return tuple(word for word in words if word not in bundle.vocabulary)
