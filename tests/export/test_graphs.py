"""The ONNX engines against numpy and torch, and the same bits however they are run."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from export.compose import all_nodes
from export.fixed import FixedCodec, FixedForms
from export.graphs import engine_graphs
from export.integers import check_integer_kernels
from export.layers import Network, Weights, gelu_table, near_step
from export.networks import query_network, text_network
from export.torch_runner import TorchRunner
from t2a_edge.bundle import ENGINES
from t2a_edge.runner import FormInputs, PainterInputs
from tests.export.small_model import (
    FORMS,
    SCALES,
    opened,
    session,
    small_engines,
    small_model,
    small_preset,
)
from train.models.bank import FormCodec
from train.models.qat import QatConv2d, QatLinear, disable

RNG = np.random.default_rng(6)
PRESET = small_preset()
POSITIONS = sum(side * side for side in SCALES)
WIDTH, DEPTH = PRESET.text.width, PRESET.latent.depth
LEVELS = onnxruntime.GraphOptimizationLevel
RUNS = [
    {"graph_optimization_level": LEVELS.ORT_ENABLE_EXTENDED},
    {"threads": 2},
    {"threads": 3, "enable_mem_pattern": False},
    {"enable_cpu_mem_arena": False},
]


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def engines(model):
    return small_engines("int8")


@pytest.fixture(scope="module")
def runner(engines, tmp_path_factory):
    with opened(engines, tmp_path_factory.mktemp("int8")) as found:
        yield found


@pytest.fixture(scope="module")
def codec(model):
    return FixedCodec(model.codec.quantizer, model.latent)


def latents(count=3, spread=1.0):
    return RNG.normal(0, spread, (count, 64, DEPTH)).astype(np.float32)


def indices(count=3):
    return RNG.integers(0, PRESET.codec.codebook_size, (count, POSITIONS))


def words(count=3):
    weights = RNG.choice([1.0, 0.5, 0.0, -1.0, 2.0], (count, 5)).astype(np.float32)
    weights[0] = 0  # no word at all
    return RNG.normal(0, 1, (count, 5, WIDTH)).astype(np.float32), weights


def form_inputs(count=3):
    noise = RNG.gumbel(size=(count, FORMS)).astype(np.float32)
    return FormInputs(*words(count), noise, RNG.integers(0, [16, 32], (count, 2)))


def painter_inputs(count=3):
    level, form_level, guidance = RNG.random((3, count)).astype(np.float32)
    form = RNG.normal(0, 1, (count, 64, 64)).astype(np.float32)
    return PainterInputs(latents(count), level, form, form_level, 8 * guidance, *words(count))


GIVEN = {
    "text": lambda: {
        "text_bytes": RNG.integers(97, 123, (3, 5, PRESET.text.max_bytes)).astype(np.uint8)
    },
    "forms": lambda: form_inputs()._asdict(),
    "painter": lambda: painter_inputs()._asdict(),
    "composer": lambda: {"latents": latents(spread=2.0)},
    "encoder": lambda: {"indices": indices()},
    "decoder": lambda: {"indices": indices()},
}


def test_there_are_six_engines_with_inputs_and_outputs_as_the_runtime_calls_them(engines):
    shapes = {
        name: {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in (*engine.graph.input, *engine.graph.output)
        }
        for name, engine in engines.items()
    }
    grid, one = ["batch", 64, DEPTH], ["batch"]
    told = {"text_embedding": ["batch", "words", WIDTH], "word_weights": ["batch", "words"]}
    form = ["batch", 64, 64]
    size = PRESET.data.image_size
    assert tuple(shapes) == ENGINES
    text = {"text_bytes": ["batch", "words", PRESET.text.max_bytes]}
    assert shapes["text"] == {**text, "text_embedding": ["batch", "words", WIDTH]}
    noise = {"noise": ["batch", FORMS], "crop": ["batch", 2]}
    assert shapes["forms"] == {**told, **noise, "form": form, "choice": one}
    levels = dict.fromkeys(("level", "form_level", "guidance"), one)
    assert shapes["painter"] == {"latents": grid, "form": form, **levels, **told, "clean": grid}
    assert shapes["composer"] == {"latents": grid, "indices": ["batch", POSITIONS]}
    assert shapes["encoder"] == {"indices": ["batch", POSITIONS], "latents": grid}
    assert shapes["decoder"] == {
        "indices": ["batch", POSITIONS], "pixels": ["batch", size, size, 3],
    }  # fmt: skip


@pytest.mark.parametrize("spread", [0.3, 1.0, 40.0])
def test_the_composer_is_numpy_s(runner, codec, spread):
    given = latents(spread=spread)
    found = runner.composer(given)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, codec.composer(given))
    assert len(np.unique(found)) > 5


def test_the_encoder_is_numpy_s(runner, codec):
    given = indices()
    np.testing.assert_array_equal(runner.encoder(given), codec.encoder(given))


def test_the_forms_are_numpy_s(runner, model):
    given = form_inputs(20)
    found, choice = runner.forms(given)
    g = Network(exact=True)
    embedding = g.input("text_embedding", 1, ["batch", "words", WIDTH])
    ones = np.ones(PRESET.form.key + 1, np.float32)
    model.use_int8()
    g.output("asked", query_network(g, model.query, embedding, ones), 1, ["batch", "words", "key"])
    (asked,) = session(g.model("query")).run(None, {"text_embedding": given.text_embedding})
    forms = FixedForms(model.bank)
    expected = forms.choice(asked, given.word_weights, given.noise)
    np.testing.assert_array_equal(choice, expected)
    np.testing.assert_array_equal(found, forms.form(expected, given.crop))
    assert len(set(choice.tolist())) > 5


def test_the_codes_of_the_bank_are_a_byte_each(model, engines):
    stages, patch = PRESET.bank.stages, PRESET.form.patch
    shape = [FORMS, stages, 64 // patch, 64 // patch]

    def kinds(engine):
        return [c.data_type for c in engine.graph.initializer if c.dims == shape]

    assert kinds(engines["forms"]) == [onnx.TensorProto.UINT8]
    bank, generator = model.bank, torch.Generator().manual_seed(9)
    tables = torch.randint(-40, 41, (stages, 300, patch**2), generator=generator).to(torch.int8)
    more = torch.randint(300, bank.codes.shape, generator=generator).to(torch.int16)
    other = replace(model, bank=replace(bank, codec=FormCodec(tables), codes=more))
    engine = engine_graphs(other, "int8")["forms"]
    assert kinds(engine) == [onnx.TensorProto.INT16]
    given = form_inputs(4)
    form, choice = session(engine).run(None, given._asdict())
    np.testing.assert_array_equal(form, FixedForms(other.bank).form(choice, given.crop))


@pytest.mark.parametrize("name", ["composer", "encoder"])
def test_onnx_s_own_evaluator_gives_the_same_bits(engines, name):
    given = GIVEN[name]()
    (found,) = session(engines[name]).run(None, given)
    (expected,) = ReferenceEvaluator(engines[name]).run(None, given)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("changes", RUNS)
def test_an_int8_engine_gives_the_same_bits_however_it_is_run(engines, name, changes):
    given = GIVEN[name]()
    for found, expected in zip(
        session(engines[name], **changes).run(None, given),
        session(engines[name]).run(None, given), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("level", [LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_BASIC])
@pytest.mark.parametrize("name", ["composer", "encoder"])
def test_whole_numbers_need_no_optimised_kernels(engines, name, level):
    given = GIVEN[name]()
    (found,) = session(engines[name], graph_optimization_level=level).run(None, given)
    np.testing.assert_array_equal(found, session(engines[name]).run(None, given)[0])


@pytest.mark.parametrize("name", ENGINES)
def test_a_batch_is_its_rows_alone(engines, name):
    given, alike = GIVEN[name](), session(engines[name])
    together = alike.run(None, given)
    for row in range(3):
        alone = alike.run(None, {key: value[row : row + 1] for key, value in given.items()})
        for whole_batch, own in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole_batch[row], own[0])


def test_every_layer_runs_in_integer_kernels(model, engines):
    parts = {
        "text": model.text, "forms": model.query, "painter": model.painter,
        "decoder": model.codec.decoder,
    }  # fmt: skip
    for name, part in parts.items():
        expected = {
            kind: sum(isinstance(m, layer) for m in part.modules())
            for kind, layer in (("conv", QatConv2d), ("linear", QatLinear))
        }
        if name == "painter":  # layers with one input are one layer
            wanted_and_avoided, keys, heads = 1, PRESET.painter.layers - 1, 3
            expected["linear"] -= wanted_and_avoided + keys + heads
        assert check_integer_kernels(name, engines[name]) == expected


def test_no_int8_engine_has_a_float_operator_that_rounds_by_kernel(engines):
    """Those in functions are of float64."""
    inexact = {"Softmax", "LayerNormalization", "Gelu", "Exp", "Erf", "ReduceMean", "Conv"}
    for name in ("text", "forms", "painter", "decoder"):
        kinds = {n.op_type for n in all_nodes(engines[name].graph.node) if not n.domain}
        assert not kinds & inexact


def differences(model, precision, onnx_runner):
    """Mean difference of each engine's output from torch's, as a share of its spread."""
    if precision == "int8":
        model.use_int8()
    else:
        for part in model.modules.values():
            disable(part)
    torch_runner = TorchRunner(model)
    given = {
        "text": (GIVEN["text"]()["text_bytes"],),
        "painter": (painter_inputs(8),),
        "encoder": (indices(),),
        "decoder": (indices(),),
    }
    shares = {}
    for name, inputs in given.items():
        expected, found = (
            getattr(runner, name)(*inputs).astype(float) for runner in (torch_runner, onnx_runner)
        )
        shares[name] = np.abs(expected - found).mean() / expected.std()
    return shares


@pytest.mark.parametrize(
    ("precision", "most"), [("int8", 0.03), ("fp16", 0.01), ("fp32", 0.005)]
)  # the encoder is of whole numbers in all of them
def test_the_engines_compute_what_torch_computes(model, tmp_path, precision, most):
    with opened(small_engines(precision), tmp_path) as runner:
        shares = differences(model, precision, runner)
    assert max(shares.values()) < most, shares


def test_all_hashes_as_one_product_are_the_text_engine_s(model):
    words = ["warm", "", "a", "übergroß", "x" * PRESET.text.max_bytes]
    text_bytes = RNG.integers(1, 256, (2, len(words), PRESET.text.max_bytes)).astype(np.uint8)
    for row, word in zip(text_bytes[0], words, strict=True):
        letters = word.encode()
        row[:] = 0
        row[: len(letters)] = list(letters)
    model.text.eval()
    disable(model.text)
    g = Network(exact=False)
    given = g.input("text_bytes", 2, ["batch", "words", PRESET.text.max_bytes])
    g.output("embedding", text_network(g, model.text, given), 1, ["batch", "words", WIDTH])
    (found,) = session(g.model("text")).run(None, {"text_bytes": text_bytes})
    with torch.no_grad():
        expected = model.text(torch.from_numpy(text_bytes)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_words_forms_levels_and_guidance_all_reach_the_painter(engines):
    painter, given = session(engines["painter"]), painter_inputs(4)._asdict()
    (before,) = painter.run(None, given)
    for name in ("level", "form", "form_level", "guidance", "text_embedding", "word_weights"):
        other = dict(given)
        other[name] = given[name][::-1].copy()
        assert (painter.run(None, other)[0] != before).any(), name


def test_a_word_without_weight_is_as_good_as_absent(engines):
    painter, given = session(engines["painter"]), painter_inputs(2)._asdict()
    given["word_weights"][:, 3:] = 0
    fewer = {**given, "text_embedding": given["text_embedding"][:, :3],
             "word_weights": given["word_weights"][:, :3]}  # fmt: skip
    np.testing.assert_array_equal(painter.run(None, given)[0], painter.run(None, fewer)[0])


@pytest.mark.parametrize("step", [0.002, 0.02, 0.3])
def test_the_table_of_gelu_is_gelu_to_half_a_step(step):
    end = 256 * 40
    x = np.arange(-end, end) / 256
    expected = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    found = (gelu_table(end, np.float32(step)).astype(float) - 128) * step
    inside = np.abs(expected) < 126 * step
    assert inside.sum() > 100
    assert np.abs(found - expected)[inside].max() <= step / 2 * 1.001
    assert gelu_table(end, np.float32(step)).max() == 255


def test_a_ratio_of_steps_gets_few_digits():
    for step in np.float32([0.0123, 0.5, 0.000267, 0.0292]):
        near = near_step(step, np.float32(0.0289))
        ratio = np.frexp(np.float64(np.float32(near / np.float32(0.0289))))[0] * 2**16
        assert ratio == round(ratio)
        assert abs(near / step - 1) < 1e-3


def test_layers_with_one_input_are_one_layer(model):
    model.use_int8()
    layers = [block.text_kv for block in model.painter.blocks]
    both = Weights.of(*layers, exact=True)
    parts = [Weights.of(layer, exact=True) for layer in layers]
    np.testing.assert_array_equal(both.values, np.concatenate([p.values for p in parts], axis=1))
    np.testing.assert_array_equal(both.bias, np.concatenate([p.bias for p in parts]))
    assert both.input_step == max(p.input_step for p in parts)
    values = both.values * both.steps
    expected = np.concatenate([layer.weight.detach().numpy().T for layer in layers], axis=1)
    assert np.abs(values - expected).max() <= both.steps.max() / 2 * 1.01
