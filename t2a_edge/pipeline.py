"""The whole way: `TextToArt().generate("warm dark fluid", seed=7)`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack, overload

import numpy as np
import numpy.typing as npt

from t2a_edge.artwork import Artwork
from t2a_edge.bundle import load_bundle
from t2a_edge.checks import file_path, number, sequence, shown, whole_number
from t2a_edge.edit import Crop, blended
from t2a_edge.errors import ClosedError, ImageError, OptionError, PromptError, RecipeError
from t2a_edge.image import read_metadata
from t2a_edge.layout import Layout
from t2a_edge.manifest import MOST_WORDS
from t2a_edge.meaning import Meaning, meanings, unit_rows
from t2a_edge.plan import Made, Plan, Planner, unknown_words
from t2a_edge.prompt import Prompt, parse_prompt, text_bytes_from_words
from t2a_edge.providers import make_runner
from t2a_edge.recipe import Pasted, Recipe, pack_recipe, unpack_recipe
from t2a_edge.request import SAMPLING, Options, Request, Sampling, SamplingOptions
from t2a_edge.runner import Runner
from t2a_edge.sampler import composed, decoded, paint_steps
from t2a_edge.seeds import check_seed
from t2a_edge.spec import Spec
from t2a_edge.vocabulary import known_words

__all__ = ["Artwork", "Meaning", "Request", "TextToArt"]

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
OnStep = Callable[[int], None]

AT_ONCE = 16  # pictures that are drawn at one time
WINDOWS_AT_ONCE = 64  # the same, of larger ones; one is drawn in any case


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

    def options(self, **sampling: Unpack[Sampling]) -> SamplingOptions:
        """Checked sampling options, as `Request` has them; what is None comes from the bundle."""
        return SamplingOptions.of(Request("", **sampling), self.spec)

    def parse(self, prompt: str | Iterable[str]) -> Prompt:
        """The prompt's adjectives, of one text or of several; a PromptError if it is none."""
        spec, texts = self.spec, prompt if isinstance(prompt, str) else _texts(prompt)
        return parse_prompt(texts, max_words=spec.max_words, max_bytes=spec.max_bytes)

    # ---- drawing

    @overload
    def generate(  # type: ignore[overload-overlap]
        self, prompt: str, *, on_step: OnStep | None = None, **options: Unpack[Options]
    ) -> Artwork: ...

    @overload
    def generate(
        self,
        prompt: Sequence[str],
        *,
        seed: int | str | Sequence[int | str | None] | None = None,
        on_step: OnStep | None = None,
        **options: Any,
    ) -> list[Artwork]: ...

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        seed: Any = None,
        on_step: OnStep | None = None,
        **options: Any,
    ) -> Artwork | list[Artwork]:
        """Draw a picture of a prompt, or one of each prompt of a list, all at once.

        Args:
            prompt: adjectives, "warm dark:1.4 -busy", or a list of such prompts; any word is
                accepted.
            seed: a whole number or a text, or a list with one for each prompt; None draws a fresh
                one, which the artwork names.
            on_step: is told how many steps are done, after each; of more pictures than are drawn
                at one time, how much of all is done, in steps.
            options: `blend`, `to_seed`, `amount`, `loop`, `size`, `tile`, `guidance_scale`,
                `temperature`, `steps`, `form` and `form_strength`, as `t2a_edge.Request` has them.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: a number is out of range.
            ImageError: the form is no picture.
            ClosedError: the model was closed.
        """
        if isinstance(prompt, str):
            return self._drawn(Request(prompt, seed=seed, **options), on_step)
        prompts = _texts(prompt)
        seeds = _seeds(seed, len(prompts))
        wanted = [Request(t, seed=s, **options) for t, s in zip(prompts, seeds, strict=True)]
        return self.draw(wanted, on_step=on_step)

    def draw(
        self, requests: Request | Sequence[Request], *, on_step: OnStep | None = None
    ) -> list[Artwork]:
        """Draw what is asked for, all of it.

        All requests are checked before anything is drawn; words and forms that several share are
        read once.

        Args:
            requests: one, or a list; each may ask for several pictures (`count`, `frames`).
            on_step: see `generate`.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: a number is out of range.
            ImageError: a form or a mask cannot be used.
            RecipeError: a picture that is to be changed is of another model.
        """
        batches, done = _batches(self._plans(requests)), 0

        def on_any(_: int) -> None:
            nonlocal done
            done += 1
            if on_step is not None and done % len(batches) == 0:  # of a batch, its share
                on_step(done // len(batches))

        _check_listener(on_step)
        return [artwork for batch in batches for artwork in self._painted(batch, on_any)]

    def draw_in_turns(
        self, requests: Request | Sequence[Request], *, on_step: OnStep | None = None
    ) -> Iterator[list[Artwork]]:
        """The same, as many pictures in each turn as are drawn at one time.

        Args:
            on_step: is told how many steps of the turn are done.
        """
        batches = _batches(self._plans(requests))
        _check_listener(on_step)
        return (list(self._painted(batch, on_step)) for batch in batches)

    def check(self, request: Request) -> None:
        """Whether this model can draw what is asked for; its pictures are not looked at.

        Raises:
            PromptError: a prompt cannot be used.
            OptionError: a size or a margin is out of range.
        """
        Planner(self.bundle, self._engines).check(request)

    def stream(self, prompt: str | Request, **options: Unpack[Options]) -> Iterator[Artwork]:
        """Draw a picture and show it after each step: previews, and the picture as the last.

        Ending the loop, or `close()`, stops the drawing. See `generate` for the arguments.
        """
        request = prompt if isinstance(prompt, Request) else Request(prompt, **options)
        return self._previews(Planner(self.bundle, self._runner).plan(_single(request)))

    def tile(
        self, prompt: str, *, on_step: OnStep | None = None, **options: Unpack[Options]
    ) -> Artwork:
        """Draw a picture whose opposite edges meet without a seam.

        Its size is in multiples of half the trained size (128 pixels). See `generate`.
        """
        told: dict[str, Any] = {**options, "tile": True}
        return self._drawn(Request(prompt, **told), on_step)

    def interpolate(
        self,
        first: str,
        second: str | None = None,
        *,
        frames: int = 8,
        on_step: OnStep | None = None,
        **options: Unpack[Options],
    ) -> list[Artwork]:
        """Draw the way from one prompt to another, from one seed to another, or both at once.

        Args:
            second: None stays with the first prompt.
            frames: how many pictures, 2 to 1000, both ends included; of a loop 3 to 1000.
            on_step: see `generate`.
            options: `to_seed` leads to another seed, `loop` back to the first picture, which is not
                drawn twice, by other pictures than it goes. See `generate` for the others.

        Raises:
            OptionError: both ends are the same, or as of `generate`.
        """
        told: dict[str, Any] = {**options, "blend": second, "frames": frames}
        return self.draw(Request(first, **told), on_step=on_step)

    # ---- changing

    def vary(
        self,
        artwork: Artwork,
        *,
        strength: float | None = None,
        prompt: str | None = None,
        on_step: OnStep | None = None,
        **options: Unpack[Sampling],
    ) -> Artwork:
        """Draw on from a picture: nearly the same, or hardly.

        Up to a strength of a half its composition stays; from there on it fades.

        Args:
            artwork: of this model.
            strength: 0 (the codes stay as they are) to 1 (a new picture); None is 0.5.
            prompt: other words than the picture's own.
            on_step: see `generate`.
            options: `seed`, of what is drawn anew; `guidance_scale`, `temperature`, `steps` and
                `form_strength`, by default the artwork's; `form`, a picture whose composition is
                taken in place of the artwork's.

        Raises:
            OptionError: a number is out of range, or the artwork is of another model.
            PromptError: the artwork has no words of its own, and no prompt is given.
            ImageError: the form is no picture.
        """
        asked = Request(prompt, picture=_named(artwork), strength=strength, **options)
        return self._drawn(asked, on_step)

    def inpaint(
        self,
        artwork: Artwork,
        mask: npt.ArrayLike,
        *,
        feather: int | None = None,
        prompt: str | None = None,
        on_step: OnStep | None = None,
        **options: Unpack[Sampling],
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
            prompt, on_step, options: see `vary`; a form is laid over the whole picture.

        Raises:
            ImageError: the mask has another size or kind, or covers no cell; or the form is no
                picture.
            OptionError: the feather is out of range.
            RecipeError: the picture was inpainted too often.
        """
        if mask is None:
            raise ImageError("There is no mask; expected one number or bool a pixel.")
        asked = Request(prompt, picture=_named(artwork), mask=mask, feather=feather, **options)
        return self._drawn(asked, on_step)

    def outpaint(
        self,
        artwork: Artwork,
        *,
        left: int = 0,
        right: int = 0,
        top: int = 0,
        bottom: int = 0,
        prompt: str | None = None,
        on_step: OnStep | None = None,
        **options: Unpack[Sampling],
    ) -> Artwork:
        """Draw on beyond the edges of a picture.

        Its latents stay; near its old edges pixels change a little, so that no seam shows.

        Args:
            artwork: of this model; not one whose edges meet.
            left, right, top, bottom: pixels to add, multiples of 8.
            prompt, on_step, options: see `vary`; a form is laid over the larger picture.

        Raises:
            OptionError: a number is out of range, or the picture would be too large.
            ImageError: the form is no picture.
        """
        margins = {"left": left, "right": right, "top": top, "bottom": bottom}
        known = {name: 0 if own is None else own for name, own in margins.items()}
        told: dict[str, Any] = {**known, **options}
        return self._drawn(Request(prompt, picture=_named(artwork), **told), on_step)

    # ---- reading

    def decode(self, recipe: str) -> Artwork:
        """The picture of a recipe; a RecipeError if it is damaged or of another model."""
        return self._decoded(unpack_recipe(recipe, self.spec, self.model))

    def open(self, path: Path | str | bytes) -> Artwork:
        """A picture file that was saved here, by its metadata: pixels, words, seed and recipe.

        Args:
            path: of the file, or its bytes.

        Raises:
            ImageError: the file is no picture of ours.
            RecipeError: it is of another model, or its recipe is damaged.
        """
        file = path if isinstance(path, bytes) else file_path("The picture", path, error=ImageError)
        name, about = "The picture" if isinstance(path, bytes) else path, read_metadata(file)
        recipe = about.get("recipe")
        if not isinstance(recipe, str):
            raise RecipeError(
                f"{name} has no recipe in its metadata: it holds several pictures, its format had "
                "no room for it, or an older t2a-edge drew it. Draw it again from its prompt and "
                "seed, as a PNG."
            )
        artwork = self.decode(recipe)
        words, blend = about.get("prompt") or "", about.get("blend")
        changed, form, seed = about.get("changed", ""), about.get("form", ""), about.get("seed")
        to_seed = about.get("to_seed")
        texts = all(isinstance(text, str) for text in (words, blend or "", changed, form))
        on_way = blend is not None or to_seed is not None
        if not texts or (on_way and "amount" not in about):
            raise ImageError(
                f"{name} has metadata that t2a-edge did not write; name another picture, or "
                "decode its recipe."
            )
        share = about.get("amount", 0)
        amount = number(f"The amount in {name}'s metadata", share, 0, 1, error=ImageError)
        prompts = [text for text in (words, blend) if text]
        known = [word for text in prompts for word in self._words(text)]
        options = self.options(**{name: about.get(name) for name in SAMPLING})
        return replace(
            artwork,
            prompt=words, blend=None if blend is None else (blend, amount),
            unknown_words=unknown_words(self.bundle, known),
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

    # ---- steps

    def _plans(self, requests: Request | Sequence[Request]) -> list[Plan]:
        """Check all of them; nothing is drawn before the plans are painted."""
        if isinstance(requests, Request):
            requests = [requests]
        if not isinstance(requests, Sequence) or isinstance(requests, str):
            raise OptionError(f"The requests are {shown(requests)}; expected a list of Requests.")
        planner = Planner(self.bundle, self._runner)
        for request in requests:
            planner.check(request)
        pictures = [one for request in requests for one in request.loaded().pictures()]
        return [planner.plan(one) for one in pictures]

    def _drawn(self, request: Request, on_step: OnStep | None) -> Artwork:
        return self.draw(_single(request), on_step=on_step)[0]

    def _painted(self, plans: Sequence[Plan], on_step: OnStep | None) -> Iterator[Artwork]:
        """Pictures of one layout, drawn at one time."""
        drawings, latents = [plan.drawing for plan in plans], np.zeros(0, dtype=np.float32)
        walked = paint_steps(self._runner, self.spec, drawings, plans[0].layout)
        for done, seen in enumerate(walked, 1):
            latents = seen
            if on_step is not None:
                on_step(done)
        return self._finished(latents, plans)

    def _previews(self, plan: Plan) -> Iterator[Artwork]:
        walked = paint_steps(self._runner, self.spec, [plan.drawing], plan.layout)
        with closing(walked):  # type: ignore[type-var]
            for latents in walked:
                yield from self._finished(latents, [plan])

    def _finished(self, latents: Float32Array, plans: Sequence[Plan]) -> Iterator[Artwork]:
        """The artworks of painted latents (B, n, D), all of one layout."""
        layout, drawings = plans[0].layout, [plan.drawing for plan in plans]
        indices = composed(self._runner, self.spec, drawings, latents, layout)
        pictures = decoded(self._runner, self.spec, indices, layout)
        for pixels, own, plan in zip(pictures, indices, plans, strict=True):
            artwork = self._artwork(pixels, own, plan.made, layout, plan.crop)
            yield artwork if plan.under is None else self._pasted(artwork, *plan.under)

    def _artwork(
        self, pixels: UInt8Array, indices: Int64Array, made: Made, layout: Layout, crop: Crop
    ) -> Artwork:
        """Of the pixels of a whole layout, what is shown, and how it was made."""
        left, top, width, height = crop
        return Artwork(
            pixels=np.ascontiguousarray(pixels[top : top + height, left : left + width]),
            prompt=made.prompt, blend=made.blend, unknown_words=made.unknown_words,
            seed=made.seed, options=made.options, bundle_hash=self.bundle.bundle_hash,
            indices=indices, layout=layout, crop=crop,
            recipe=pack_recipe(Recipe(indices, layout, crop), self.spec, self.model),
            changed=made.changed, other_words=made.other_words, form=made.form,
            to_seed=made.to_seed,
        )  # fmt: skip

    def _decoded(self, recipe: Recipe) -> Artwork:
        made = Made("", None, (), None, self.options())
        (pixels,) = decoded(self._runner, self.spec, recipe.indices[None], recipe.layout)
        artwork = self._artwork(pixels, recipe.indices, made, recipe.layout, recipe.crop)
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


def _batches(plans: Sequence[Plan]) -> list[list[Plan]]:
    """Plans that are drawn at one time: of one layout, and no more than memory is good for."""
    batches: list[list[Plan]] = []
    for layout, alike in groupby(plans, lambda plan: plan.layout):
        group = list(alike)
        most = max(1, min(AT_ONCE, WINDOWS_AT_ONCE // len(layout.windows)))
        batches += [group[start : start + most] for start in range(0, len(group), most)]
    return batches


def _check_listener(on_step: Any) -> None:
    if on_step is not None and not callable(on_step):
        raise OptionError(f"on_step is {shown(on_step)}; expected a function or None.")


def _single(request: Request) -> Request:
    """A request of one picture; an OptionError for several."""
    if request.count > 1 or request.frames is not None:
        raise OptionError("Several pictures are asked for here; `TextToArt.draw` draws them.")
    return request


def _named(artwork: Artwork) -> Artwork:
    """What is to be changed; an OptionError for nothing at all."""
    if artwork is None:
        raise OptionError("The artwork is None; expected one of this model.")
    return artwork


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
