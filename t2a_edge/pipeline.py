"""The whole way: `TextToArt().generate("warm dark fluid", seed=7)`."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from t2a_edge import way
from t2a_edge.artwork import Artwork
from t2a_edge.bundle import load_bundle
from t2a_edge.checks import file_path, number, sequence, shown, whole_number
from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing, Given, SamplingOptions, Travel
from t2a_edge.edit import (
    blended,
    cell_pixels,
    covered,
    encoded,
    extended,
    extended_layout,
    layout_of_size,
    masked,
    varied,
)
from t2a_edge.errors import ClosedError, ImageError, OptionError, PromptError, RecipeError
from t2a_edge.fields import field_of_form
from t2a_edge.form import form_of
from t2a_edge.image import read_metadata
from t2a_edge.layout import Layout
from t2a_edge.manifest import MOST_WORDS
from t2a_edge.meaning import Meaning, meanings, unit_rows
from t2a_edge.pixels import pixels_of
from t2a_edge.prompt import Prompt, parse_prompt, text_bytes_from_words
from t2a_edge.providers import make_runner
from t2a_edge.recipe import Pasted, Recipe, pack_recipe, unpack_recipe
from t2a_edge.runner import Runner
from t2a_edge.sampler import composed, decoded, paint_steps
from t2a_edge.seeds import check_seed, seed_or_fresh
from t2a_edge.spec import Spec
from t2a_edge.vocabulary import known_words

__all__ = ["Artwork", "Meaning", "Request", "TextToArt"]

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

Crop = tuple[int, int, int, int]
Form = Path | str | npt.ArrayLike  # a picture's path, a Pillow image or an array

AT_ONCE = 16  # pictures that are drawn at one time
STRENGTH = 0.5  # of a variation, unless another number is named
HASH_DIGITS = 16  # of a form's sha256, in an artwork
OPTIONS = ("guidance_scale", "temperature", "steps", "form_strength")  # as metadata names them


@dataclass(frozen=True)
class Request:
    """What one picture is asked for with; see `TextToArt.generate`."""

    prompt: str
    seed: int | None = None
    blend: str | None = None
    amount: float = 0.5
    guidance_scale: float | None = None
    temperature: float | None = None
    steps: int | None = None
    form: Form | None = field(default=None, compare=False)
    form_strength: float | None = None


class TextToArt:
    """Adjectives in, abstract picture out. Loads the model once; use it for many pictures.

    One object may be used from several threads at once. A process that is forked off loads the
    engines again when it first draws; on a GPU it raises a ClosedError in place of that. A copy, or
    what another process unpickles, loads the model from the same folder.

    Args:
        bundle: folder of another bundle than the shipped one.
        threads: cores that one operation may use.
        provider: "cpu", "cuda", "tensorrt", or "auto": the GPU where the installed onnxruntime can
            use one, else the processor. `provider` tells what was chosen.
        runner: another way to run the engines; `provider` is not looked at then.

    Raises:
        BundleError: the bundle is missing or damaged.
        OptionError: `threads` is out of range, or the provider is not to be had.

    >>> TextToArt().generate("warm dark fluid", seed=7).pixels.shape
    (256, 256, 3)
    """

    def __init__(
        self,
        bundle: Path | str | None = None,
        *,
        threads: int = 1,
        provider: str = "auto",
        runner: Runner | None = None,
    ) -> None:
        self.bundle = load_bundle(bundle)
        self.provider = "runner"
        if runner is None:
            runner, self.provider = make_runner(self.bundle, provider, threads)
        self._engines, self._threads, self._closed = runner, threads, False

    @property
    def spec(self) -> Spec:
        """The bundle's shapes and sampling defaults."""
        return self.bundle.spec

    @property
    def model(self) -> str:
        """The sha256 of the checkpoint that the bundle was made from, hexadecimal."""
        return self.bundle.model

    def options(
        self,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form_strength: float | None = None,
    ) -> SamplingOptions:
        """Checked sampling options; what is None comes from the bundle."""
        spec = self.bundle.spec
        return SamplingOptions(
            guidance_scale=spec.guidance_scale if guidance_scale is None else guidance_scale,
            temperature=spec.temperature if temperature is None else temperature,
            steps=spec.steps if steps is None else steps,
            form_strength=spec.form_strength if form_strength is None else form_strength,
        )

    def parse(self, prompt: str | Iterable[str]) -> Prompt:
        """The prompt's adjectives, of one text or of several; a PromptError if it is none."""
        spec = self.bundle.spec
        texts = prompt if isinstance(prompt, str) else _texts(prompt)
        return parse_prompt(texts, max_words=spec.max_words, max_bytes=spec.max_bytes)

    # ---- drawing

    @overload
    def generate(  # type: ignore[overload-overlap]
        self,
        prompt: str,
        *,
        seed: int | None = None,
        blend: str | None = None,
        amount: float = 0.5,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        size: tuple[int, int] | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork: ...

    @overload
    def generate(
        self,
        prompt: Sequence[str],
        *,
        seed: int | Sequence[int | None] | None = None,
        blend: str | None = None,
        amount: float = 0.5,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        size: tuple[int, int] | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> list[Artwork]: ...

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        seed: int | Sequence[int | None] | None = None,
        blend: str | None = None,
        amount: float = 0.5,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        size: tuple[int, int] | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork | list[Artwork]:
        """Draw a picture of a prompt, or one of each prompt of a list, all at once.

        Args:
            prompt: adjectives, "warm dark:1.4 -busy", or a list of such prompts; any word is
                accepted.
            seed: 0 .. 2^53 - 1, or one for each prompt; None draws a fresh one, which the artwork
                names.
            blend: a second prompt to move towards.
            amount: how far, from 0 (the first prompt) to 1 (the second).
            guidance_scale: how strongly the words pull, 0 to 8; None is the bundle's default, as
                for the next two.
            temperature: how freely the words choose a form, 0 (the best one) to 10.
            steps: from noise to the picture, 1 to 64.
            form: a picture whose composition is painted anew, in place of a form that the words
                choose: a path, a Pillow image, or uint8 sRGB of shape (H, W, 3) or (H, W).
            form_strength: how closely the form is followed, 0 (not at all) to 1; None as above.
            size: width and height in pixels, multiples of a cell of the finest grid (8 pixels),
                256 to 2048 each; None is the size that the model was trained on, 256 x 256.
            on_step: is told how many steps are done, after each; of more than 16 prompts, which
                are drawn in turns, how much of all is done, in steps.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: a number is out of range.
            ImageError: the form is no picture.
            ClosedError: the model was closed.
        """
        prompts = [prompt] if isinstance(prompt, str) else _texts(prompt)
        seeds = _seeds(seed, len(prompts))
        shared = (blend, amount, guidance_scale, temperature, steps, _read(form), form_strength)
        requests = [Request(text, own, *shared) for text, own in zip(prompts, seeds, strict=True)]
        layout, crop = self._room(size)
        artworks = self._last(self._steps(requests, layout, crop), on_step)
        return artworks[0] if isinstance(prompt, str) else artworks

    def draw(self, requests: Sequence[Request]) -> list[Artwork]:
        """Draw pictures that have each their own options, all at once.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: a number is out of range.
        """
        if not isinstance(requests, Sequence) or isinstance(requests, str):
            raise OptionError(f"The requests are {shown(requests)}; expected a list of Requests.")
        return self._last(self._steps(requests, *self._room(None)))

    def stream(
        self,
        prompt: str,
        *,
        seed: int | None = None,
        blend: str | None = None,
        amount: float = 0.5,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        size: tuple[int, int] | None = None,
    ) -> Iterator[Artwork]:
        """Draw a picture and show it after each step: previews, and the picture as the last.

        Ending the loop, or `close()`, stops the drawing. See `generate` for the arguments.
        """
        request = Request(
            prompt, seed, blend, amount, guidance_scale, temperature, steps, form, form_strength
        )
        layout, crop = self._room(size)
        request = replace(request, seed=seed_or_fresh(seed))
        return self._previews(self._steps([request], layout, crop), layout)

    def tile(
        self,
        prompt: str,
        *,
        seed: int | None = None,
        size: tuple[int, int] | None = None,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw a picture whose opposite edges meet without a seam.

        Args:
            size: width and height in pixels, multiples of half the trained size (128 pixels).
                See `generate` for the others.
        """
        request = Request(
            prompt, seed, None, 0.5, guidance_scale, temperature, steps, form, form_strength
        )
        plain = (self.spec.image_size, self.spec.image_size)
        layout, crop = layout_of_size(self.spec, plain if size is None else size, wrap=True)
        return self._last(self._steps([request], layout, crop, changed="tile"), on_step)[0]

    def interpolate(
        self,
        first: str,
        second: str | None = None,
        *,
        frames: int = 8,
        seed: int | None = None,
        to_seed: int | None = None,
        loop: bool = False,
        size: tuple[int, int] | None = None,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> list[Artwork]:
        """Draw the way from one prompt to another, from one seed to another, or both at once.

        Args:
            second: None stays with the first prompt.
            frames: how many pictures, 2 to 1000, both ends included; of a loop 3 to 1000.
            to_seed: the seed that the way leads to, from `seed`; None stays with that one.
            loop: whether the way leads back to the first picture, which is not drawn twice. It
                comes back by other pictures than it goes.
            on_step: is told how many steps of a frame are done, after each. See `generate` for the
                others.

        Raises:
            PromptError, OptionError, ImageError, ClosedError: as of `generate`; and an OptionError
                where both ends are the same.
        """
        return list(
            self.walk(
                first, second, frames=frames, seed=seed, to_seed=to_seed, loop=loop, size=size,
                guidance_scale=guidance_scale, temperature=temperature, steps=steps, form=form,
                form_strength=form_strength, on_step=on_step,
            )
        )  # fmt: skip

    def walk(
        self,
        first: str,
        second: str | None = None,
        *,
        frames: int = 8,
        seed: int | None = None,
        to_seed: int | None = None,
        loop: bool = False,
        size: tuple[int, int] | None = None,
        guidance_scale: float | None = None,
        temperature: float | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Iterator[Artwork]:
        """The frames of `interpolate`, each as soon as it is drawn.

        What cannot be used is refused at once. Ending the loop, or `close()`, stops the drawing.
        """
        own_seed = seed_or_fresh(seed)
        other_seed = own_seed if to_seed is None else check_seed(to_seed)
        if not isinstance(loop, bool | np.bool_):
            raise OptionError(f"loop is {shown(loop)}; expected True or False.")
        if second is None and other_seed == own_seed:
            raise OptionError(
                "Both ends of the way are the same; expected a second prompt or another seed."
            )
        one_seed = other_seed == own_seed
        places = way.loop(frames, one_seed=one_seed) if loop else way.open_way(frames)
        layout, crop = self._room(size)
        request = Request(
            first, own_seed, second, 0.0, guidance_scale, temperature, steps, _read(form),
            form_strength,
        )  # fmt: skip
        self._prepared(request, layout, crop, None)  # an error before anything is drawn

        def drawn() -> Iterator[Artwork]:
            for place in places:
                asked = replace(request, amount=place.amount)
                ready = self._steps([asked], layout, crop, changed="loop" if loop else "")
                if loop or not one_seed:
                    travel = Travel(other_seed, place.amount, place.noise)
                    ready.drawings[0] = replace(ready.drawings[0], travel=travel)
                if not one_seed:
                    reached = (other_seed, place.amount)
                    ready.made[0] = replace(ready.made[0], to_seed=reached)
                yield self._last(ready, on_step)[0]

        return drawn()

    # ---- changing

    def vary(
        self,
        artwork: Artwork,
        *,
        strength: float = STRENGTH,
        seed: int | None = None,
        prompt: str | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw on from a picture: nearly the same, or hardly.

        Up to a strength of a half its composition stays; from there on it fades.

        Args:
            artwork: of this model.
            strength: 0 (the codes stay as they are) to 1 (a new picture).
            seed: of what is drawn anew; None draws a fresh one.
            prompt: other words than the picture's own.
            steps: None is the artwork's, as for `form_strength`.
            form: a picture whose composition is taken in place of the artwork's; see `generate`.
            form_strength: how closely such a form is followed.
            on_step: see `generate`.

        Raises:
            OptionError: a number is out of range, or the artwork is of another model.
            PromptError: the artwork has no words of its own, and no prompt is given.
            ImageError: the form is no picture.
        """
        self._check_own(artwork)
        strength = number("The strength", strength, 0, 1)
        layout, crop = artwork.layout, artwork.crop
        request = self._request(artwork, seed, prompt, steps, form, form_strength)
        given = varied(self._encoded(artwork), layout, self._whole(artwork), strength)
        if request.form is not None:
            own = field_of_form(self.spec, pixels_of("The form", request.form), layout, crop)
            given = replace(given, form=own, form_level=None)
        return self._last(self._steps([request], layout, crop, given, "vary"), on_step)[0]

    def inpaint(
        self,
        artwork: Artwork,
        mask: npt.ArrayLike,
        *,
        feather: int | None = None,
        seed: int | None = None,
        prompt: str | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw a part of a picture anew, to fit what is around it.

        A position of the latents (32 x 32 pixels) is drawn anew where the mask covers half of a
        cell of the finest grid (8 x 8 pixels) in it. Outside the mask and a soft edge around it
        every pixel is the picture's own; the recipe says so, and decodes to the same pixels.

        Args:
            artwork: of this model.
            mask: (H, W) of the picture's size: bool, unsigned integers of any width, other
                integers of 0 to 255, or floats of 0 to 1; what is more than half of the way to
                white is drawn anew.
            feather: pixels around the mask in which old becomes new, 0 (a hard edge) to a cell of
                the finest grid, which None stands for.
            form: a picture whose composition, laid over the whole picture, the new part takes.
            seed, prompt, steps, form_strength, on_step: see `vary`.

        Raises:
            ImageError: the mask has another size or kind, or covers no cell; or the form is no
                picture.
            OptionError: the feather is out of range.
            RecipeError: the picture was inpainted too often.
        """
        self._check_own(artwork)
        here = covered(mask, artwork.size)
        cell = cell_pixels(self.spec)
        soft = cell if feather is None else whole_number("The feather", feather, 0, cell)
        pasted = Pasted(here, soft, unpack_recipe(artwork.recipe, self.spec, self.model))
        layout, crop = artwork.layout, artwork.crop
        own = Recipe(artwork.indices, layout, crop, pasted)
        pack_recipe(own, self.spec, self.model)  # an error before anything is drawn
        request = self._request(artwork, seed, prompt, steps, form, form_strength)
        whole = self._whole(artwork)
        given = masked(self.spec, self._encoded(artwork), layout, whole, crop, here)
        steps_of = self._steps([request], layout, crop, given, "inpaint")
        drawn = self._last(steps_of, on_step)[0]
        return drawn if here.all() else self._pasted(drawn, artwork.pixels, pasted)

    def outpaint(
        self,
        artwork: Artwork,
        *,
        left: int = 0,
        right: int = 0,
        top: int = 0,
        bottom: int = 0,
        seed: int | None = None,
        prompt: str | None = None,
        steps: int | None = None,
        form: Form | None = None,
        form_strength: float | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Artwork:
        """Draw on beyond the edges of a picture.

        Its latents stay; near its old edges pixels change a little, so that no seam shows.

        Args:
            artwork: of this model; not one whose edges meet.
            left, right, top, bottom: pixels to add, multiples of 8.
            form: a picture whose composition, laid over the larger picture, the new parts take.
            seed, prompt, steps, form_strength, on_step: see `vary`.

        Raises:
            OptionError: a number is out of range, or the picture would be too large.
            ImageError: the form is no picture.
        """
        self._check_own(artwork)
        layout, crop, at = extended_layout(
            self.spec, artwork.layout, artwork.crop, (left, right, top, bottom)
        )
        request = self._request(artwork, seed, prompt, steps, form, form_strength)
        own, whole = self._encoded(artwork), self._whole(artwork)
        given = extended(self.spec, own, artwork.layout, whole, layout, at)
        return self._last(self._steps([request], layout, crop, given, "outpaint"), on_step)[0]

    def _encoded(self, artwork: Artwork) -> Given:
        return encoded(self._runner, self.spec, artwork.indices, artwork.layout)

    def _whole(self, artwork: Artwork) -> UInt8Array:
        """An artwork's pixels with what is not shown around them, (H, W, 3) of the layout."""
        left, top, width, height = artwork.crop
        if artwork.layout.grid(self.spec.image_size) == (height, width):
            return artwork.pixels
        indices = artwork.indices[None]
        whole: UInt8Array = decoded(self._runner, self.spec, indices, artwork.layout)[0]
        whole[top : top + height, left : left + width] = artwork.pixels
        return whole

    def _request(
        self,
        artwork: Artwork,
        seed: int | None,
        prompt: str | None,
        steps: int | None,
        form: Form | None,
        form_strength: float | None,
    ) -> Request:
        """What a change of an artwork is asked for with; its own words and options by default."""
        options = artwork.options
        blend, amount = artwork.blend or (None, 0.5)
        if prompt is not None:
            blend, amount = None, 0.5
        return Request(
            artwork.prompt if prompt is None else prompt, seed, blend, amount,
            options.guidance_scale, options.temperature,
            options.steps if steps is None else steps, _read(form),
            options.form_strength if form_strength is None else form_strength,
        )  # fmt: skip

    # ---- reading

    def decode(self, recipe: str) -> Artwork:
        """The picture of a recipe; a RecipeError if it is damaged or of another model."""
        return self._decoded(unpack_recipe(recipe, self.spec, self.model))

    def open(self, path: Path | str) -> Artwork:
        """A picture file that was saved here, by its metadata: pixels, words, seed and recipe.

        Raises:
            ImageError: the file is no picture of ours.
            RecipeError: it is of another model, or its recipe is damaged.
        """
        about = read_metadata(file_path("The picture", path, error=ImageError))
        recipe = about.get("recipe")
        if not isinstance(recipe, str):
            raise RecipeError(
                f"{path} has no recipe in its metadata: it holds several pictures, its format had "
                "no room for it, or an older t2a-edge drew it. Draw it again from its prompt and "
                "seed, as a PNG."
            )
        artwork = self.decode(recipe)
        words, blend = about.get("prompt") or "", about.get("blend")
        changed, form, seed = about.get("changed", ""), about.get("form", ""), about.get("seed")
        to_seed = about.get("to_seed")
        texts = all(isinstance(text, str) for text in (words, blend or "", changed, form))
        if not texts or ((blend or to_seed) is not None and "amount" not in about):
            raise ImageError(
                f"{path} has metadata that t2a-edge did not write; name another picture, or "
                "decode its recipe."
            )
        share = about.get("amount", 0)
        amount = number(f"The amount in {path}'s metadata", share, 0, 1, error=ImageError)
        prompts = [text for text in (words, blend) if text]
        known = [word for text in prompts for word in self._words(text)]
        options = self.options(*(about.get(name) for name in OPTIONS))
        return replace(
            artwork,
            prompt=words, blend=None if blend is None else (blend, amount),
            unknown_words=self._unknown(known),
            seed=None if seed is None else check_seed(seed), options=options,
            changed=changed, form=form,
            to_seed=None if to_seed is None else (check_seed(to_seed), amount),
        )  # fmt: skip

    def explain(self, prompt: str | Iterable[str]) -> list[Meaning]:
        """What each adjective of a prompt is taken to mean, whether it is known or not."""
        terms = self.parse(prompt).terms
        embedding, _ = self.embed(tuple(term.word for term in terms))
        words = tuple(dict.fromkeys((*self.bundle.vocabulary, *known_words())))
        rows = self._vectors(words)
        return meanings(terms, embedding[0, : len(terms)], words, rows, self.bundle.vocabulary)

    def nearest_words(self, word: str, count: int = 3) -> list[tuple[str, float]]:
        """Adjectives of the training vocabulary that a word lands nearest to.

        Returns:
            Up to `count` pairs of adjective and cosine similarity, nearest first.
        """
        count = whole_number("The count", count, 0, MOST_WORDS)
        embedding, _ = self.embed(self.parse(word).words[:1])
        similarity = self._known_vectors @ unit_rows(embedding[0, :1])[0]
        best = np.argsort(-similarity)[:count]
        return [(self.bundle.vocabulary[i], float(similarity[i])) for i in best]

    # ---- words

    def embed(self, words: Iterable[str]) -> tuple[Float32Array, Float32Array]:
        """text_embedding (1, W, D) and word_weights (1, W) of parsed words."""
        spec = self.bundle.spec
        text_bytes, weights = text_bytes_from_words(tuple(words), spec.max_words, spec.max_bytes)
        return self._runner.text(text_bytes[None]), weights[None]

    @cached_property
    def _known_vectors(self) -> Float32Array:
        return self._vectors(self.bundle.vocabulary)

    def _vectors(self, words: Sequence[str]) -> Float32Array:
        """Embeddings of length 1: (V, D)."""
        text_bytes, _ = text_bytes_from_words(words, len(words), self.bundle.spec.max_bytes)
        return unit_rows(self._runner.text(text_bytes[None])[0])

    def _words(self, saved: str) -> tuple[str, ...]:
        """The adjectives of a picture that is there already; none of a prompt that is refused."""
        try:
            return self.parse(saved).words
        except PromptError:
            return ()

    def _unknown(self, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(word for word in words if word not in self.bundle.vocabulary)

    # ---- steps

    def _steps(
        self,
        requests: Sequence[Request],
        layout: Layout,
        crop: Crop,
        given: Given | None = None,
        changed: str = "",
    ) -> "_Steps":
        """Check all requests; nothing is drawn before the steps are walked."""
        made, drawings = [], []
        for request in requests:
            if not isinstance(request, Request):
                raise OptionError(f"A request is {shown(request)}; expected a Request.")
            about, drawing = self._prepared(request, layout, crop, given)
            made.append(replace(about, changed=changed))
            drawings.append(drawing)
        return _Steps(made, drawings, layout, crop)

    def _prepared(
        self, request: Request, layout: Layout, crop: Crop, given: Given | None
    ) -> tuple["_Made", Drawing]:
        parsed = self.parse(request.prompt)
        other = None if request.blend is None else self.parse(request.blend)
        options = self.options(
            request.guidance_scale, request.temperature, request.steps, request.form_strength
        )
        seed = seed_or_fresh(request.seed)
        amount = number("The amount", request.amount, 0, 1)
        form, digest = None, ""
        if request.form is not None:
            pixels = pixels_of("The form", request.form)
            form = field_of_form(self.spec, pixels, layout, crop)
            digest = hashlib.sha256(form_of(pixels).tobytes()).hexdigest()[:HASH_DIGITS]
        words = (*parsed.words, *(other.words if other else ()))
        others = (*parsed.other_words, *(other.other_words if other else ()))
        blend = None if other is None else (other.text, amount)
        about = _Made(
            parsed.text, blend, self._unknown(words), seed, options, other_words=others, form=digest
        )
        steered = conditioning(self._runner, self.spec, parsed, other, amount)
        return about, Drawing(steered, seed, options, form, given)

    def _last(self, steps: "_Steps", on_step: Callable[[int], None] | None = None) -> list[Artwork]:
        if on_step is not None and not callable(on_step):
            raise OptionError(f"on_step is {shown(on_step)}; expected a function or None.")
        artworks: list[Artwork] = []
        runner, starts, done = self._runner, range(0, len(steps.drawings), AT_ONCE), 0
        for start in starts:
            drawings = steps.drawings[start : start + AT_ONCE]
            latents = np.zeros(0, dtype=np.float32)
            for seen in paint_steps(runner, self.spec, drawings, steps.layout):
                latents, done = seen, done + 1
                if on_step is not None and done % len(starts) == 0:  # of a batch, its share
                    on_step(done // len(starts))
            indices = composed(runner, self.spec, drawings, latents, steps.layout)
            made = steps.made[start : start + AT_ONCE]
            artworks += self._artworks(indices, made, steps.layout, steps.crop)
        return artworks

    def _previews(self, steps: "_Steps", layout: Layout) -> Iterator[Artwork]:
        runner, drawings = self._runner, steps.drawings
        walked = paint_steps(runner, self.spec, drawings, layout)
        with closing(walked):  # type: ignore[type-var]
            for latents in walked:
                indices = composed(runner, self.spec, drawings, latents, layout)
                yield self._artworks(indices, steps.made, layout, steps.crop)[0]

    def _artworks(
        self,
        indices: Int64Array,
        made: Sequence["_Made"],
        layout: Layout,
        crop: Crop,
    ) -> list[Artwork]:
        left, top, width, height = crop
        pictures = decoded(self._runner, self.spec, indices, layout)
        pictures = pictures[:, top : top + height, left : left + width]
        return [
            Artwork(
                pixels=np.ascontiguousarray(pixels),
                prompt=about.prompt, blend=about.blend, unknown_words=about.unknown_words,
                seed=about.seed, options=about.options, bundle_hash=self.bundle.bundle_hash,
                indices=own, layout=layout, crop=crop,
                recipe=pack_recipe(Recipe(own, layout, crop), self.spec, self.model),
                changed=about.changed, other_words=about.other_words, form=about.form,
                to_seed=about.to_seed,
            )
            for pixels, own, about in zip(pictures, indices, made, strict=True)
        ]  # fmt: skip

    def _decoded(self, recipe: Recipe) -> Artwork:
        made = _Made("", None, (), None, self.options())
        (artwork,) = self._artworks(recipe.indices[None], [made], recipe.layout, recipe.crop)
        if recipe.pasted is None:
            return artwork
        return self._pasted(artwork, self._decoded(recipe.pasted.under).pixels, recipe.pasted)

    def _pasted(self, artwork: Artwork, under: UInt8Array, pasted: Pasted) -> Artwork:
        """An artwork in the masked part of other pixels, with the recipe of both."""
        own = Recipe(artwork.indices, artwork.layout, artwork.crop, pasted)
        return replace(
            artwork,
            pixels=blended(
                under, artwork.pixels, pasted.mask, pasted.feather, wrap=artwork.layout.wrap
            ),
            recipe=pack_recipe(own, self.spec, self.model),
        )

    def _room(self, size: tuple[int, int] | None) -> tuple[Layout, Crop]:
        """The windows of a size and what is shown of them; None is the trained size."""
        return layout_of_size(self.spec, (self.spec.image_size,) * 2 if size is None else size)

    def _check_own(self, artwork: Artwork) -> None:
        """An OptionError unless the indices mean something to this model."""
        if not isinstance(artwork, Artwork):
            raise OptionError(f"The artwork is {shown(artwork)}; expected one of this model.")
        model = unpack_recipe(artwork.recipe, self.spec, self.model)  # raises for another model
        if len(model.indices) != len(artwork.indices):
            raise OptionError("The artwork's recipe is not that of its indices; open it again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is copied and pickled: where it was loaded from."""
        if self.provider == "runner":
            raise OptionError("A model with a runner of its own cannot be copied; make another.")
        folder = self.bundle.folder.absolute()
        return partial(TextToArt, threads=self._threads, provider=self.provider), (folder,)

    def close(self) -> None:
        """Free the engines. Nothing can be drawn or read after it; a second time does nothing.

        What another thread is drawing ends with a ClosedError.
        """
        self._closed = True
        self._engines.close()

    @property
    def _runner(self) -> Runner:
        """What runs the engines; a ClosedError after `close`."""
        if self._closed:
            raise ClosedError("The model was closed; load it again with TextToArt().")
        return self._engines


@dataclass(frozen=True)
class _Made:
    """What an artwork says of how it was made."""

    prompt: str
    blend: tuple[str, float] | None
    unknown_words: tuple[str, ...]
    seed: int | None
    options: SamplingOptions
    changed: str = ""
    other_words: tuple[str, ...] = ()
    form: str = ""
    to_seed: tuple[int, float] | None = None


@dataclass(frozen=True)
class _Steps:
    """Checked requests, ready to be drawn."""

    made: list[_Made]
    drawings: list[Drawing]
    layout: Layout
    crop: Crop


def _read(form: Form | None) -> UInt8Array | None:
    """The pixels of a form that was given, so that a file is read once."""
    return None if form is None else pixels_of("The form", form)


def _texts(prompt: Iterable[str]) -> list[str]:
    """Several texts as a list; a PromptError where there are none."""
    try:
        texts = list(prompt)
    except TypeError:
        texts = [prompt]  # type: ignore[list-item]
    if not all(isinstance(text, str) for text in texts):
        raise PromptError(f"The prompt is {shown(prompt)}; expected text, or a list of texts.")
    return texts


def _seeds(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    """One seed for each of `count` prompts."""
    seeds = sequence(seed)
    if seeds is None:
        return [seed] * count  # type: ignore[list-item]  # one for all, checked where it is used
    if len(seeds) != count:
        raise OptionError(
            f"There are {len(seeds)} seeds and {count} prompts; give one seed, or one for each."
        )
    return list(seeds)
