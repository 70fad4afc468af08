"""One graph for the whole way: words and a seed in, pixels out, its steps in a loop.

    text_bytes (B, W, L) uint8      adjectives as zero-padded UTF-8; W and L are fixed
    word_weights (B, W) float32     1 is plain, 0 is no word, below 0 avoids the word
    seed (B,) int64                 0 .. 2^53 - 1
    guidance_scale (B,) float32     0 to 8
    temperature (B,) float32        factor on the noise of the choice of a form
    steps () int64                  1 to 64, of all pictures
    form (B, 64, 64) float32        of spread 1, where one is given
    form_given (B,) bool            whether it is; else the words choose one
    form_level (B,) float32         share of noise on the form, 0 (followed closely) to 1
      -> pixels (B, H, W, 3) uint8 sRGB, indices (B, P) int64

It is composed of the engines and of what `t2a_edge.sampler` and `t2a_edge.noise` do between them,
so it draws the indices that they draw. What the painter makes of the words and of the form is
computed once, before the loop.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from onnx import helper

from export.compose import BOOL, FLOAT, INT64, UINT8, split_graph
from export.flow_fixed import FixedCodec, FixedForms
from export.flow_graphs import FlowComposer, Graphs
from export.flow_noise import noise_of_seed
from export.graphs import OPSET
from t2a_edge.form import SIDE
from t2a_edge.prompt import Prompt, text_bytes_from_words
from t2a_edge.scales import scale_offsets
from train.painting.model import WholeModel

GRAPH_NAME = "generator"
ONCE = ("form", "form_level", "guidance", "text_embedding", "word_weights")  # same in every step

Float32Array = npt.NDArray[np.float32]


def flow_fused_graph(model: WholeModel, networks: Graphs) -> onnx.ModelProto:
    """The whole way as one graph; see the module's description.

    Args:
        networks: as `export.flow_graphs.flow_graphs` takes them.

    Raises:
        ExportError: the codec's sums would not be exact; see `export.flow_fixed`.
    """
    g, preset = FlowComposer(OPSET), model.preset
    codec, forms = FixedCodec(model.codec.quantizer, model.latent), FixedForms(model.bank)
    most_words, size = preset.text.max_words, preset.data.image_size
    text_bytes = g.input("text_bytes", UINT8, ["batch", most_words, preset.text.max_bytes])
    weights = g.input("word_weights", FLOAT, ["batch", most_words])
    seed = g.input("seed", INT64, ["batch"])
    guidance = g.input("guidance_scale", FLOAT, ["batch"])
    temperature = g.input("temperature", FLOAT, ["batch"])
    steps = g.input("steps", INT64, [])
    own_form = g.input("form", FLOAT, ["batch", SIDE, SIDE])
    form_given = g.input("form_given", BOOL, ["batch"])
    form_level = g.input("form_level", FLOAT, ["batch"])
    noise = noise_of_seed(g, seed, model.painter.side**2, preset.latent.depth, len(forms.codes))
    (embedding,) = g.splice(networks["text"], {"text_bytes": text_bytes})
    words = {"text_embedding": embedding, "word_weights": weights}
    (asked,) = g.splice(networks["query"], {"text_embedding": embedding})
    heat = g.op("Unsqueeze", temperature, g.integers(1))
    doubt = g.op("Mul", noise.choice, heat)  # (B, M)
    form = g.form(forms, g.choice(forms, asked, weights, doubt), noise.crop)
    given = g.op("Unsqueeze", form_given, g.integers(1, 2))
    form = g.op("Where", given, own_form, form)
    much = g.op("Unsqueeze", form_level, g.integers(1, 2))  # (B, 1, 1)
    kept = g.op("Mul", g.op("Sub", g.number(1), much), form)
    form = g.op("Add", kept, g.op("Mul", much, noise.form))
    told = {"form": form, "form_level": form_level, "guidance": guidance, **words}
    latents = _painted(g, networks["painter"], told, noise.latents, steps)
    indices = g.code(codec, g.compose(codec, latents))
    pixels = g.pixels(codec, networks["pixels"], indices)
    g.output("pixels", pixels, UINT8, ["batch", size, size, 3])
    g.output("indices", indices, INT64, ["batch", scale_offsets(codec.scales)[-1]])
    return g.model(GRAPH_NAME)


def _painted(
    g: FlowComposer, painter: onnx.ModelProto, told: dict[str, str], noise: str, steps: str
) -> str:
    """`flow.paint_steps` from noise (B, N, D), in a loop: the clean latents (B, N, D)."""
    before, step = split_graph(painter, ONCE)
    made = g.splice(before, told)
    names = [value.name for value in before.graph.output]
    known = {**told, **dict(zip(names, made, strict=True))}
    shape = g.op("Shape", told["guidance"])
    body = FlowComposer(OPSET, prefix="s")
    body.inputs = [
        helper.make_tensor_value_info("done", INT64, []),
        helper.make_tensor_value_info("going", BOOL, []),
        helper.make_tensor_value_info("x", FLOAT, None),
    ]
    left = body.cast(body.op("Sub", steps, "done"), FLOAT)
    level = body.op("Div", left, body.cast(steps, FLOAT))
    level = body.op("Expand", level, shape)  # (B,)
    (clean,) = body.splice(step, {**known, "latents": "x", "level": level})
    share = body.op("Div", body.number(1), left)
    moved = body.op("Mul", body.op("Sub", clean, "x"), share)
    body.output("on", "going", BOOL, [])
    following = body.op("Add", "x", moved)
    body.outputs.append(helper.make_tensor_value_info(following, FLOAT, None))
    g.shared |= body.shared
    return g.loop(body, steps, noise)


def flow_fused_inputs(
    prompts: Sequence[Prompt], seeds: Sequence[int], model: WholeModel, *,
    steps: int, guidance_scale: float, temperature: float = 0.5, form_level: float = 0.0,
    forms: Sequence[Float32Array | None] = (),
) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
    """What the graph is given for a picture of each prompt.

    Args:
        prompts, seeds: B of either.
        forms: (64, 64) of spread 1, or None where the words choose; empty is None for all.
    """
    config, count = model.preset.text, len(prompts)
    layout = [
        text_bytes_from_words(p.words, config.max_words, config.max_bytes)[0] for p in prompts
    ]
    weights = np.zeros((count, config.max_words), dtype=np.float32)
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
        "seed": np.asarray(seeds, dtype=np.int64), "guidance_scale": each(guidance_scale),
        "temperature": each(temperature), "steps": np.array(steps, dtype=np.int64),
        "form": form, "form_given": given, "form_level": each(form_level),
    }  # fmt: skip


def node_counts(model: onnx.ModelProto) -> tuple[int, int]:
    """Nodes as they are stored, each function once; and with every call in its place."""
    stored = _nodes(model.graph.node) + sum(_nodes(f.node) for f in model.functions)
    inlined = onnx.inliner.inline_local_functions(model)
    return stored, _nodes(inlined.graph.node)


def _nodes(nodes: Sequence[onnx.NodeProto]) -> int:
    inside = (a.g.node for n in nodes for a in n.attribute if a.type == onnx.AttributeProto.GRAPH)
    return len(nodes) + sum(_nodes(own) for own in inside)
