"""Public methods with arguments of the wrong kind."""

import itertools
import numbers
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from t2a_edge.artwork import Artwork
from t2a_edge.attributes import attribute_scores
from t2a_edge.pipeline import Request, TextToArt
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import hostile, real

# sound arguments, so that a call often comes past the first check
PROMPTS = st.one_of(st.just("warm dark"), st.just(["warm", "dark -busy"]), hostile())
SEEDS = st.one_of(st.just(7), st.none(), st.just([1, 2]), hostile())
SIZES = st.one_of(st.none(), st.just({"$": "tuple", "items": [32, 32]}), st.just([48, 32]),
                  st.lists(st.one_of(st.sampled_from([32, 36, 48]), hostile()), max_size=3),
                  hostile())  # fmt: skip
FORM = st.one_of(
    st.just({"$": "array", "dtype": "uint8", "shape": [20, 30, 3], "fill": 90}),
    st.sampled_from(["art.png", "missing.png"]), hostile(),
)  # fmt: skip
OPTIONS = {"guidance_scale": hostile(), "temperature": hostile(), "form_strength": hostile(),
           "steps": st.one_of(st.sampled_from([1, 2]), hostile())}  # fmt: skip
SAMPLING = {**OPTIONS, "form": FORM}
BLEND = {"blend": st.one_of(st.just("icy"), hostile()), "amount": hostile()}
CHANGE = {
    "seed": SEEDS, "prompt": st.one_of(st.none(), st.just("cool"), hostile()), "form": FORM,
    "steps": st.one_of(st.just(1), hostile()), "form_strength": hostile(),
}  # fmt: skip
MARGIN = st.one_of(st.sampled_from([0, 4, 8, 16]), hostile())
MASK = st.one_of(
    st.just({"$": "array", "dtype": "uint8", "shape": [32, 32], "fill": 255}),
    st.just({"$": "array", "dtype": "bool", "shape": [32, 32], "fill": 1}), hostile(),
)  # fmt: skip
STRENGTH = st.one_of(st.sampled_from([0, 0.25, 1]), hostile())
NUMBER = st.one_of(st.sampled_from([0, 1, 2, 3]), hostile())
PATHS = st.one_of(
    st.sampled_from(["art.png", "missing.png", "x\0y", "art.txt", ".", ""]), hostile()
)


def call_of(
    method: str, *sure: st.SearchStrategy[Any], **maybe: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """A call: the method, its positional arguments, and some of its named ones."""
    return st.fixed_dictionaries(
        {
            "method": st.just(method),
            "arguments": st.tuples(*sure).map(list),
            "named": st.fixed_dictionaries({}, optional=maybe),
        }
    )


CALLS = st.one_of(
    call_of("generate", PROMPTS, seed=SEEDS, size=SIZES, **BLEND, **SAMPLING),
    call_of("generate", st.just("warm"), seed=SEEDS, on_step=hostile()),
    call_of("stream", PROMPTS, seed=SEEDS, size=SIZES, **BLEND, **SAMPLING),
    call_of("tile", PROMPTS, seed=SEEDS, size=SIZES, **SAMPLING),
    call_of("interpolate", PROMPTS, PROMPTS, frames=NUMBER, seed=SEEDS, to_seed=SEEDS,
            loop=NUMBER, size=SIZES, **SAMPLING),
    call_of("vary", st.just("artwork"), strength=STRENGTH, **CHANGE),
    call_of("vary", hostile(), strength=STRENGTH, **CHANGE),
    call_of("inpaint", st.just("artwork"), MASK, **CHANGE),
    call_of("inpaint", hostile(), MASK, **CHANGE),
    call_of("outpaint", st.just("artwork"), left=MARGIN, right=MARGIN, top=MARGIN, bottom=MARGIN,
            **CHANGE),
    call_of("outpaint", hostile(), left=MARGIN),
    call_of("decode", hostile()),
    call_of("open", PATHS),
    call_of("explain", PROMPTS),
    call_of("nearest_words", PROMPTS, count=NUMBER),
    call_of("parse", PROMPTS),
    call_of("options", **OPTIONS),
    call_of("draw", hostile()),
    call_of("draw requests", PROMPTS, seed=SEEDS, **BLEND, **SAMPLING),
    call_of("save", PATHS),
    call_of("encode", st.one_of(st.sampled_from(["png", "webp", "jpeg", "npy"]), hostile())),
)  # fmt: skip
MOST = 100  # pictures that a call may ask for here: more are slow, not wrong


@target("library", values=CALLS, slow=True)
def library(places: Places) -> Iterator[Try]:
    with TextToArt(places.bundle) as engine:
        artwork = engine.generate("warm dark", seed=7)
        artwork.save(places.scratch / "art.png")
        methods: dict[str, Callable[..., Any]] = {
            "draw requests": lambda *given, **named: engine.draw([Request(*given, **named)]),
            "save": artwork.save,
            "encode": artwork.encode,
        }

        def call(given: Any) -> None:
            arguments = [artwork if a == "artwork" else real(a) for a in given["arguments"]]
            if given["method"] in ("open", "save") and isinstance(arguments[0], str):
                arguments[0] = str(
                    places.scratch / "out" / arguments[0].lstrip("/").replace("..", "")
                )
            named = {name: real(value) for name, value in given["named"].items()}
            if isinstance(named.get("frames"), int) and 9 < named["frames"] <= 1000:
                return
            method = methods.get(given["method"]) or getattr(engine, given["method"])
            found = method(*arguments, **named)
            for drawn in [found] if isinstance(found, Artwork) else _some(found):
                must(not isinstance(drawn, Artwork) or drawn.pixels.dtype == np.uint8, "no picture")

        yield call


def _some(found: Any) -> list[Any]:
    """What a call gave, where that is several things."""
    return list(itertools.islice(found, MOST)) if isinstance(found, list | Iterator) else []


OPENING = st.fixed_dictionaries(
    {},
    optional={
        "bundle": st.one_of(st.sampled_from(["missing", "/dev/null", "x\0"]), hostile()),
        "threads": st.one_of(st.sampled_from([1, 2, 256, 257]), hostile()),
        "provider": st.one_of(st.sampled_from(["auto", "cpu", "cuda", "tensorrt"]), hostile()),
    },
)


@target("opening", values=OPENING, slow=True)
def opening(places: Places) -> Iterator[Try]:
    def call(given: Any) -> None:
        named = {name: real(value) for name, value in given.items()}
        if named.get("bundle") is None:
            named["bundle"] = places.bundle
        threads = named.get("threads")
        if isinstance(threads, numbers.Integral) and 2 < threads <= 256:
            return  # sound, and heavy on the machine
        with TextToArt(**named) as engine:
            must(engine.spec.positions > 0, "no positions")

    yield call


@target("after-close", values=CALLS, slow=True)
def after_close(places: Places) -> Iterator[Try]:
    """An engine that is closed says so; what needs no engine still works."""
    with TextToArt(places.bundle) as engine:
        artwork = engine.generate("warm dark", seed=7)

    def call(given: Any) -> None:
        arguments = [artwork if a == "artwork" else real(a) for a in given["arguments"]]
        named = {name: real(value) for name, value in given["named"].items()}
        if isinstance(named.get("frames"), int) and 9 < named["frames"] <= 1000:
            return
        method = getattr(engine, given["method"], None)
        if method is not None:
            _some(method(*arguments, **named))

    yield call


@target("attributes", values=hostile())
def attributes(_: Places) -> Iterator[Try]:
    def call(given: Any) -> None:
        scores = attribute_scores(real(given))
        must(all(-1 <= score <= 1 for score in scores.values()), "a score that is none")

    yield call
