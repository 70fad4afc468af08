"""One graph for the whole way: words and a seed in, pixels out, its steps in a loop.

    text_bytes (B, W, L) uint8      adjectives as zero-padded UTF-8; W and L are fixed
    word_weights (B, W) float32     1 is plain, 0 is no word, below 0 avoids the word
    seed (B,) int64                 0 .. 2^53 - 1
    guidance_scale (B,) float32     0 to 8
    temperature (B,) float32        factor on the noise of the choice of a form
    steps (B,) int64                1 to 64
    form (B, 64, 64) float32        of spread 1, where one is given
    form_given (B,) bool            whether it is; else the words choose one
    form_level (B,) float32         share of noise on the form, 0 (followed closely) to 1
      -> pixels (B, H, W, 3) uint8 sRGB, indices (B, P) int64

It is composed of the engines, as they are, and of what `t2a_edge.sampler` and `t2a_edge.noise` do
between them, so it draws the indices that they draw. What the painter makes of the words and of
the form is computed once, before the loop.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.compose import BOOL, FLOAT, INT64, UINT8, Composer, split_graph
from export.noise import noise_of_seed
from t2a_edge.form import SIDE
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.request import SamplingOptions
from t2a_edge.spec import Spec

GRAPH_NAME = "generator"
ONCE = ("form", "text_embedding", "word_weights")  # the same in every step
Float32Array = npt.NDArray[np.float32]


def fused_graph(engines: Mapping[str, onnx.ModelProto], spec: Spec) -> onnx.ModelProto:
    """The whole way as one graph; see the module's description.

    Args:
        engines: text, forms, painter, composer and decoder, by name.
    """
    g = Composer()
    text_bytes = g.input("text_bytes", UINT8, ["batch", spec.max_words, spec.max_bytes])
    weights = g.input("word_weights", FLOAT, ["batch", spec.max_words])
    seed = g.input("seed", INT64, ["batch"])
    guidance = g.input("guidance_scale", FLOAT, ["batch"])
    temperature = g.input("temperature", FLOAT, ["batch"])
    steps = g.input("steps", INT64, ["batch"])
    own_form = g.input("form", FLOAT, ["batch", SIDE, SIDE])
    form_given = g.input("form_given", BOOL, ["batch"])
    form_level = g.input("form_level", FLOAT, ["batch"])
    noise = noise_of_seed(g, seed, spec.side**2, spec.depth, spec.forms)
    (embedding,) = g.splice(engines["text"], {"text_bytes": text_bytes})
    words = {"text_embedding": embedding, "word_weights": weights}
    heat = g.op("Unsqueeze", temperature, g.integers(1))
    doubt = g.op("Mul", noise.choice, heat)  # (B, M)
    chosen, _ = g.splice(engines["forms"], {**words, "noise": doubt, "crop": noise.crop})
    given = g.op("Unsqueeze", form_given, g.integers(1, 2))
    form = g.op("Where", given, own_form, chosen)
    much = g.op("Unsqueeze", form_level, g.integers(1, 2))  # (B, 1, 1)
    kept = g.op("Mul", g.op("Sub", g.number(1), much), form)
    form = g.op("Add", kept, g.op("Mul", much, noise.form))
    told = {"form": form, "form_level": form_level, "guidance": guidance, **words}
    latents = _painted(g, engines["painter"], told, noise.latents, steps)
    (indices,) = g.splice(engines["composer"], {"latents": latents})
    (pixels,) = g.splice(engines["decoder"], {"indices": indices})
    size = spec.image_size
    g.output("pixels", pixels, UINT8, ["batch", size, size, 3])
    g.output("indices", indices, INT64, ["batch", spec.positions])
    return g.model(GRAPH_NAME)


def _painted(
    g: Composer, painter: onnx.ModelProto, told: dict[str, str], noise: str, steps: str
) -> str:
    """`sampler.paint_steps` from noise (B, N, D), in a loop: the clean latents (B, N, D)."""
    before, step = split_graph(painter, ONCE)
    made = g.splice(before, {name: told[name] for name in _names(before.graph.input)})
    known = {**told, **dict(zip(_names(before.graph.output), made, strict=True))}
    every = g.op("Unsqueeze", steps, g.integers(1, 2))  # (B, 1, 1)
    body = Composer(prefix="s")
    done = body.input("done", INT64, [])
    going = body.input("going", BOOL, [])
    x = body.input("x", FLOAT, None)
    zero = body.constant(np.array(0, dtype=np.int64))
    left = body.op("Max", body.op("Sub", every, done), zero)  # 0 where it is finished
    left = body.cast(left, FLOAT)
    share_left = body.op("Div", left, body.cast(every, FLOAT))
    level = body.op("Squeeze", share_left, body.integers(1, 2))  # (B,)
    known |= {"latents": x, "level": level}
    (clean,) = body.splice(step, {name: known[name] for name in _names(step.graph.input)})
    share = body.op("Div", body.op("Sign", left), body.op("Max", left, body.number(1)))
    moved = body.op("Mul", body.op("Sub", clean, x), share)
    body.output("on", body.op("Identity", going), BOOL, [])
    body.output("following", body.op("Add", x, moved), FLOAT, None)
    most = g.op("ReduceMax", steps, keepdims=0)
    return g.loop(body, most, noise)


def _names(values: Sequence[onnx.ValueInfoProto]) -> list[str]:
    return [value.name for value in values]


def fused_inputs(
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    options: SamplingOptions,
    spec: Spec,
    forms: Sequence[Float32Array | None] = (),
) -> dict[str, npt.NDArray[Any]]:
    """What the graph is given for a picture of each prompt.

    Args:
        prompts, seeds: B of either.
        options: of all pictures.
        forms: (64, 64) of spread 1, or None where the words choose; empty is None for all.
    """
    count = len(prompts)
    layout = [text_bytes_from_words(p.words, spec.max_words, spec.max_bytes)[0] for p in prompts]
    weights = np.zeros((count, spec.max_words), dtype=np.float32)
    for row, prompt in zip(weights, prompts, strict=True):
        row[: len(prompt.terms)] = [term.weight for term in prompt.terms]
    form = np.zeros((count, SIDE, SIDE), dtype=np.float32)
    given = np.array([own is not None for own in forms or [None] * count])
    for place, own in zip(form, forms, strict=False):
        if own is not None:
            place[:] = own

    def each(value: float) -> Float32Array:
        return np.full(count, value, dtype=np.float32)

    return {
        "text_bytes": np.stack(layout), "word_weights": weights,
        "seed": np.asarray(seeds, dtype=np.int64), "guidance_scale": each(options.guidance_scale),
        "temperature": each(options.temperature),
        "steps": np.full(count, options.steps, dtype=np.int64),
        "form": form, "form_given": given, "form_level": each(1 - options.form_strength),
    }  # fmt: skip
