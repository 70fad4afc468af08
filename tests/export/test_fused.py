"""One graph for the whole way draws what the sampler draws with the separate engines."""

import numpy as np
import onnx
import onnxruntime
import pytest

from export.compose import FLOAT, INT64, Composer, node_counts
from export.fused import fused_graph, fused_inputs
from export.graphs import engine_graphs
from export.integers import optimised_operators
from export.noise import noise_of_seed
from t2a_edge.conditioning import conditioning
from t2a_edge.drawing import Drawing
from t2a_edge.noise import (
    OF_FORM,
    OF_LATENTS,
    choice_noise,
    crop_numbers,
    normal_noise,
)
from t2a_edge.prompt import parse_prompt
from t2a_edge.request import SamplingOptions
from t2a_edge.sampler import decoded, draw_indices
from tests.export.small_model import (
    opened,
    random_model,
    session,
    small_engines,
    small_model,
    small_spec,
)
from train.preset import load_preset

SPEC = small_spec()
MOST_NODES = 500
MOST_BYTES = 5_000_000  # of the base model's engines in INT8
SEEDS = [0, 7, 2**53 - 1]


@pytest.fixture(scope="module", params=["int8", "fp32"])
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def runner(precision, tmp_path_factory):
    with opened(small_engines(precision), tmp_path_factory.mktemp(precision)) as found:
        yield found


@pytest.fixture(scope="module")
def graph(precision):
    return fused_graph(small_engines(precision), SPEC)


@pytest.fixture(scope="module")
def fused(graph):
    return session(graph)


def parsed(prompt):
    return parse_prompt(prompt, max_words=SPEC.max_words, max_bytes=SPEC.max_bytes)


def drawn(runner, prompt, seed, *, form=None, steps=3, guidance=2.5, heat=0.5, strength=1.0):
    """Indices and pixels by the sampler."""
    options = SamplingOptions(
        guidance_scale=guidance, steps=steps, form_strength=strength, temperature=heat
    )
    told = conditioning(runner, SPEC, parsed(prompt))
    indices = draw_indices(runner, SPEC, [Drawing(told, seed, options, form)])
    return indices[0], decoded(runner, SPEC, indices)[0]


def fused_drawn(fused, prompts, seeds, forms=(), **changes):
    told = {"guidance_scale": 2.5, "steps": 3, "form_strength": 1.0, "temperature": 0.5, **changes}
    options = SamplingOptions(**told)
    inputs = fused_inputs([parsed(p) for p in prompts], seeds, options, SPEC, forms)
    pixels, indices = fused.run(["pixels", "indices"], inputs)
    return indices, pixels


def assert_drawn_alike(precision, indices, pixels, expected):
    """INT8 gives the same bits; in float32 a code that is as near as another may be the other."""
    if precision == "int8":
        np.testing.assert_array_equal(indices, expected[0])
        np.testing.assert_array_equal(pixels, expected[1])
    assert (indices == expected[0]).mean() > 0.99
    assert (pixels == expected[1]).mean() > 0.9


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("prompt", ["warm dark", "cool:1.5 -striped", "warm:0"])
def test_it_draws_what_the_engines_draw(precision, runner, fused, prompt, seed):
    indices, pixels = fused_drawn(fused, [prompt], [seed])
    assert_drawn_alike(precision, indices[0], pixels[0], drawn(runner, prompt, seed))


@pytest.mark.parametrize(
    ("own", "sampler"),
    [
        ({"steps": 1}, {"steps": 1}),
        ({"steps": 8}, {"steps": 8}),
        ({"guidance_scale": 0.0}, {"guidance": 0.0}),
        ({"guidance_scale": 6.3}, {"guidance": 6.3}),
        ({"temperature": 0.0}, {"heat": 0.0}),
        ({"temperature": 3.3}, {"heat": 3.3}),
        ({"form_strength": 0.6}, {"strength": 0.6}),
        ({"form_strength": 0.0}, {"strength": 0.0}),
    ],
)
def test_what_a_drawing_can_be_told_is_an_input(precision, runner, fused, own, sampler):
    indices, pixels = fused_drawn(fused, ["warm -dark"], [3], **own)
    expected = drawn(runner, "warm -dark", 3, **sampler)
    assert_drawn_alike(precision, indices[0], pixels[0], expected)


def test_a_batch_draws_what_its_pictures_are_alone_with_forms_or_without(precision, runner, fused):
    prompts, seeds = ["warm", "cool -pale", "warm", "zzz"], [5, 5, 9, 2**40]
    own = np.random.default_rng(3).normal(0, 1, (64, 64)).astype(np.float32)
    forms = [None, own, own, None]
    indices, pixels = fused_drawn(fused, prompts, seeds, forms=forms, form_strength=0.75)
    for row, (prompt, seed, form) in enumerate(zip(prompts, seeds, forms, strict=True)):
        expected = drawn(runner, prompt, seed, form=form, strength=0.75)
        assert_drawn_alike(precision, indices[row], pixels[row], expected)


def test_a_given_form_changes_the_picture(fused):
    own = np.random.default_rng(3).normal(0, 1, (64, 64)).astype(np.float32)
    (chosen,), _ = fused_drawn(fused, ["warm"], [5])
    (given,), _ = fused_drawn(fused, ["warm"], [5], forms=[own])
    assert (chosen != given).any()


def test_each_picture_of_a_batch_has_its_own_steps(precision, runner, fused):
    inputs = fused_inputs(
        [parsed("warm"), parsed("cool -pale"), parsed("zzz")], [5, 6, 7],
        SamplingOptions(guidance_scale=2.5, steps=1, form_strength=1.0, temperature=0.5), SPEC,
    )  # fmt: skip
    inputs["steps"] = np.array([2, 5, 1])
    pixels, indices = fused.run(["pixels", "indices"], inputs)
    told = zip(["warm", "cool -pale", "zzz"], [5, 6, 7], [2, 5, 1], strict=True)
    for row, (prompt, seed, steps) in enumerate(told):
        expected = drawn(runner, prompt, seed, steps=steps)
        assert_drawn_alike(precision, indices[row], pixels[row], expected)


def test_weights_that_become_uint8_give_the_same_picture():
    """As they do on x86 processors whose 8-bit sums saturate."""
    graph = fused_graph(small_engines("int8"), SPEC).SerializeToString()
    options = SamplingOptions(guidance_scale=2.5, steps=2, form_strength=1.0, temperature=0.5)
    inputs = fused_inputs([parsed("warm -dark")], [4], options, SPEC)
    drawn_by = []
    for precision in ("0", "1"):
        told = onnxruntime.SessionOptions()
        told.add_session_config_entry("session.x64quantprecision", precision)
        opened_as = onnxruntime.InferenceSession(graph, told)
        drawn_by.append(opened_as.run(["pixels", "indices"], inputs))
    for found, expected in zip(*drawn_by, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_every_layer_runs_in_integer_kernels_and_what_can_be_is_before_the_loop(tmp_path):
    graph = fused_graph(small_engines("int8"), SPEC)
    names = ("text", "forms", "painter")
    layers = sum(
        node.op_type == "MatMulIntegerToFloat"
        for name in names for node in small_engines("int8")[name].graph.node
    )  # fmt: skip
    every = optimised_operators(graph.SerializeToString())["MatMulIntegerToFloat"]
    in_loop = operators_in_loop(graph, tmp_path).count("MatMulIntegerToFloat")
    assert every == layers
    blocks = small_model().preset.painter.layers
    assert in_loop == 4 * blocks + 6  # told twice, its modulation, latents, head, convolutions


def loops_inside(graph):
    (loop,) = (node for node in graph.graph.node if node.op_type == "Loop")
    (body,) = (a.g for a in loop.attribute if a.name == "body")
    return [node.op_type for node in body.node]


def operators_in_loop(graph, folder):
    """Of the loop's body, as ONNX Runtime runs it."""
    path = folder / "optimised.onnx"
    session(graph, optimized_model_filepath=str(path))
    return loops_inside(onnx.load(path))


@pytest.mark.parametrize("precision", ["int8", "fp32", "fp16"])
def test_the_base_model_s_has_few_nodes_and_bytes(precision):
    preset = load_preset("base")
    model = random_model(preset, preset.bank.size)
    assert model.spec.scales == (1, 2, 4, 8, 16, 32, 32)
    engines = engine_graphs(model, precision)
    stored, inlined = node_counts(fused_graph(engines, model.spec))
    assert 300 < stored <= inlined <= MOST_NODES
    if precision == "int8":
        assert sum(engine.ByteSize() for engine in engines.values()) <= MOST_BYTES


@pytest.mark.parametrize(("positions", "depth", "forms"), [(64, 8, 24), (64, 64, 2000), (4, 70, 1)])
def test_the_noise_is_the_runtime_s(positions, depth, forms):
    g = Composer()
    seed = g.input("seed", INT64, ["batch"])
    noise = noise_of_seed(g, seed, positions, depth, forms)
    kinds = {
        "latents": (FLOAT, [positions, depth]), "form": (FLOAT, [64, 64]),
        "choice": (FLOAT, [forms]), "crop": (INT64, [2]),
    }  # fmt: skip
    for name, (kind, shape) in kinds.items():
        g.output(name, getattr(noise, name), kind, ["batch", *shape])
    found = session(g.model("noise")).run(list(kinds), {"seed": np.array(SEEDS)})
    for row, seed in enumerate(SEEDS):
        rows = OF_LATENTS + np.arange(positions), OF_FORM + np.arange(64)
        expected = (
            normal_noise(seed, rows[0], depth), normal_noise(seed, rows[1], 64),
            choice_noise(seed, forms), crop_numbers(seed),
        )  # fmt: skip
        for value, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(value[row], wanted)
