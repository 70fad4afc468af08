import copy
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.__main__ import export as export_command
from export.card import model_card
from export.graphs import graph_sources, onnx_from_module
from export.kernels import DOMAIN
from export.pack import PRECISIONS, export_bundle
from export.parity import TOLERANCES, compare_runners
from export.qdq import check_integer_kernels, cpu_form, expected_kernels, tidy, without_zero_points
from export.torch_runner import TorchRunner
from t2a_edge import TextToArt
from t2a_edge.bundle import ENGINES, engines, load_bundle
from t2a_edge.errors import ExportError
from t2a_edge.prompt import text_bytes_from_words
from t2a_edge.runner import OnnxRunner, RefinerInputs
from t2a_edge.sampler import Conditioning, SamplingOptions, sample_indices
from t2a_edge.scales import axis_matrices
from train.codec import Codec
from train.config import load_preset
from train.generator_task import Generator
from train.model import Model
from train.qat import QatConv2d, QatLinear, disable

SCALES = (1, 2, 4, 8)
COARSE = 1 + 4 + 16
POSITIONS = COARSE + 64


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Model.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def decoder_graph(model):
    model.use_int8()
    return tidy(onnx_from_module("decoder", graph_sources(model)["decoder"]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_bundle_matches_the_model_within_its_tolerance(model, tiny_bundles, precision):
    model.use_int8()
    if precision != "int8":
        for module in model.modules:
            disable(module)
    with OnnxRunner(tiny_bundles / f"tiny-{precision}", ENGINES) as runner:
        parity = compare_runners(TorchRunner(model), runner, model.spec, precision)
    assert parity.failures() == []
    assert set(parity.max_absdiff) == set(ENGINES)


def test_int8_is_not_float(model, tiny_bundles):
    for module in model.modules:
        disable(module)
    with OnnxRunner(tiny_bundles / "tiny-int8", ENGINES) as runner:
        parity = compare_runners(TorchRunner(model), runner, model.spec, "fp32")
    assert any("transformer differs by" in failure for failure in parity.failures())
    with pytest.raises(ExportError, match=r"does not match its source, .*limit"):
        parity.check()


def test_every_linear_layer_and_convolution_runs_in_integer_kernels(model, tiny_bundle):
    manifest = load_bundle(tiny_bundle).manifest
    kernels = manifest["integer_kernels"]
    convs = sum(isinstance(m, QatConv2d) for m in model.codec.decoder.modules())
    in_text = sum(isinstance(m, QatLinear) for m in model.text.modules())
    in_transformer = sum(isinstance(m, QatLinear) for m in model.transformer.modules())
    assert kernels["decoder"] == {"conv": convs, "linear": 0}
    assert kernels["text"] == {"conv": 0, "linear": in_text}
    assert kernels["transformer"] == {"conv": 0, "linear": in_transformer}
    in_refiner = {
        kind: sum(isinstance(m, layer) for m in model.refiner.modules())
        for kind, layer in (("conv", QatConv2d), ("linear", QatLinear))
    }
    assert kernels["refiner"] == in_refiner
    for name in kernels:
        graph = onnx.load(tiny_bundle / f"{name}.onnx")
        assert check_integer_kernels(name, graph) == kernels[name]


def test_the_decoder_enlarges_and_bounds_8_bit_numbers(tiny_bundles):
    """Every Resize and Relu of the float decoder is a function of 8-bit numbers in the INT8 one."""
    plain, fast = (onnx.load(tiny_bundles / f"tiny-{p}" / "decoder.onnx") for p in ("fp32", "int8"))
    for kind in ("Relu", "Resize"):
        expected = sum(node.op_type == kind for node in plain.graph.node)
        found = [node.domain for node in fast.graph.node if node.op_type == kind]
        assert found == [DOMAIN] * expected != []


def test_a_convolution_that_stays_in_float_is_found(decoder_graph):
    model = without_zero_points(cpu_form(decoder_graph))
    made_by = {name: node for node in model.graph.node for name in node.output}
    conv = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    pair = made_by[conv.input[0]], made_by[made_by[conv.input[0]].input[0]]
    assert [node.op_type for node in pair] == ["DequantizeLinear", "QuantizeLinear"]
    count = check_integer_kernels("decoder", model)["conv"]
    conv.input[0] = pair[1].input[0]  # its input is not rounded
    with pytest.raises(ExportError, match=f"runs {count - 1} of {count} convolutions"):
        check_integer_kernels("decoder", model)


def test_tidy_leaves_symmetric_int8_as_tensorrt_wants_it(decoder_graph):
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in decoder_graph.graph.initializer}
    pairs = [n for n in decoder_graph.graph.node if n.op_type in
             ("QuantizeLinear", "DequantizeLinear")]  # fmt: skip
    assert pairs
    for node in pairs:
        zero_point = constants[node.input[2]]
        assert zero_point.dtype == np.int8
        assert not zero_point.any()
    weights = expected_kernels(decoder_graph)["conv"]
    assert weights == sum(n.op_type == "Conv" for n in decoder_graph.graph.node)
    assert not any(node.metadata_props for node in decoder_graph.graph.node)


def test_the_processor_form_computes_the_same(decoder_graph):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    indices = np.random.default_rng(1).integers(0, 32, (2, POSITIONS))
    before = copy.deepcopy(decoder_graph)
    pixels = [
        onnxruntime.InferenceSession(graph.SerializeToString(), options).run(
            None, {"indices": indices}
        )[0]
        for graph in (decoder_graph, cpu_form(decoder_graph))
    ]
    np.testing.assert_array_equal(*pixels)
    assert decoder_graph == before  # cpu_form works on a copy


def test_engines_take_any_batch_and_number_of_words(tiny_bundle):
    with OnnxRunner(tiny_bundle, ENGINES) as runner:
        for batch in (1, 3):
            indices = np.zeros((batch, POSITIONS), np.int64)
            assert runner.decoder(indices).shape == (batch, 32, 32, 3)
            text_bytes = np.full((batch, batch + 1, 32), ord("a"), np.uint8)
            embedding = runner.text(text_bytes)
            assert embedding.shape == (batch, batch + 1, 32)
            words = embedding, np.ones((batch, batch + 1), np.float32)
            for scale in (2, 3):
                side = SCALES[scale]
                given = axis_matrices(SCALES, scale), np.array([scale - 2])
                drawn = np.full((batch, side, side), -1)
                logits = runner.refiner(RefinerInputs(indices[:, :COARSE], *given, drawn, *words))
                assert logits.shape == (batch, side * side, 32)


def test_the_manifest_says_where_the_bundle_comes_from(tiny_bundle):
    manifest = json.loads((tiny_bundle / "bundle.json").read_text(encoding="utf-8"))
    for key in ("spec", "vocabulary", "precision", "opset", "noise", "parity", "licence", "card",
                "checkpoint_sha256", "source_commit", "versions", "files"):  # fmt: skip
        assert manifest[key], key
    assert set(manifest["parity"]) == {"quantisation", "int8", "exact"}
    assert manifest["parity"]["int8"]["tolerance"]["psnr_db"] == TOLERANCES["int8"].psnr_db


def test_the_card_has_the_refiner_s_figures(tiny_bundle):
    card = (tiny_bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    for row in ("4 x 4 | 1", "4 x 4 | 3: 1 anew", "8 x 8 | 2"):
        assert re.search(rf"^\| {row} \| \d\.\d+ \| \d+\.\d% \|$", card, re.MULTILINE)
    assert "refiner 30 steps" in card


def test_the_card_tells_of_the_stage_that_trained_the_generator_last(tiny_bundle):
    bundle = load_bundle(tiny_bundle)
    manifest = copy.deepcopy(bundle.manifest)
    last = copy.deepcopy(manifest["card"]["training"]["selection"])
    last["val"]["loss_scale_0"] = 7.25
    manifest["card"]["training"]["reselection"] = last
    assert "make reselection" not in model_card(bundle)
    card = model_card(replace(bundle, manifest=manifest))
    assert "7.25" in card
    assert "make words train checkpoint\nmake reselection export follow bundle" in card


def test_the_card_tells_of_the_pairs_that_transformer_and_refiner_learnt_from(tiny_bundle):
    bundle = load_bundle(tiny_bundle)
    manifest = copy.deepcopy(bundle.manifest)
    training = manifest["card"]["training"]
    figures = training["selection"]["val"] | {"loss_scale_1": 7.25, "cross_entropy": 6.5}
    figures |= {f"refiner_{name}": value for name, value in training["refiner"]["val"].items()}
    figures |= {"refiner_loss_scale_3_pass_0": 5.125, "preferred_transformer": 0.575}
    figures |= {"preferred_refiner": 0.5125}
    training["preference"] = {"steps": 8, "seconds": 3, "pairs": 1234, "held_out": 56,
                              "val": figures}  # fmt: skip
    card = model_card(replace(bundle, manifest=manifest))
    assert "learnt from 1,234 pairs of their own pictures" in card
    assert "Of 56 pairs of other prompts" in card
    assert "57.5% (transformer) and 51.2% (refiner)" in card
    assert "7.25" in card
    assert "| 8 x 8 | 1 | 5.125 |" in card
    assert "make words train checkpoint\nmake preference export follow bundle" in card


def test_the_card_tells_of_the_critics_that_transformer_and_refiner_learnt_from(tiny_bundle):
    bundle = load_bundle(tiny_bundle)
    manifest = copy.deepcopy(bundle.manifest)
    training = manifest["card"]["training"]
    figures = training["selection"]["val"] | {"loss_scale_1": 7.25, "cross_entropy": 6.5}
    figures |= {f"refiner_{name}": value for name, value in training["refiner"]["val"].items()}
    figures |= {"refiner_loss_scale_3_pass_0": 5.125, "shown_scale_1": 0.75, "shown_scale_2": 0.875}
    sees = {"2": {"r2": 0.9, "r2_contour": 0.625, "r2_direction": 0.5},
            "4": {"r2": 0.9, "r2_contour": 0.75, "r2_direction": 0.5}}  # fmt: skip
    critics = {side: {"steps": 7, "seconds": 120, "val": own} for side, own in sees.items()}
    training["preference"] = {"steps": 8, "seconds": 3, "pairs": 12, "held_out": 3,
                              "val": training["selection"]["val"]}  # fmt: skip
    training["reward"] = {"steps": 8, "seconds": 3, "pictures": 1234, "critics": critics,
                          "val": figures}  # fmt: skip
    card = model_card(replace(bundle, manifest=manifest))
    assert "trained on 1,234 pictures of the model" in card
    assert "up to 2 x 2 90% (62% in contour, 50% in direction) and up to 4 x 4 90% (75%" in card
    assert "shows 75.0% and 87.5% of the words of other prompts" in card
    assert "reward 8 steps in 0 minutes, critic up to 2 x 2 7 steps in 2 minutes" in card
    assert "7.25" in card
    assert "| 8 x 8 | 1 | 5.125 |" in card
    assert "make words train checkpoint\nmake preference reward export follow bundle" in card


def test_a_model_without_refiner_draws_every_scale_with_the_transformer():
    preset = load_preset("tiny", ["refiner.passes=0", "sampling.refiner_redraws=0"])
    torch.manual_seed(1)
    plain = Model(preset, Codec(preset.codec), Generator(preset), None, ("warm",), {})
    plain.transformer.codebook.copy_(plain.codec.quantizer.codebook)
    assert tuple(graph_sources(plain)) == engines(plain.spec) == ("text", "transformer", "decoder")
    runner, spec = TorchRunner(plain), plain.spec
    text_bytes, weights = text_bytes_from_words(["warm"], spec.max_words, spec.max_bytes)
    conditioning = Conditioning(runner.text(text_bytes[None]), weights[None], (1.0,))
    options = SamplingOptions(guidance_scale=2.0, temperature=1.0, top_k=0)
    indices = sample_indices(runner, spec, conditioning, 1, options)
    assert indices.shape == (1, POSITIONS)
    assert runner.decoder(indices).shape == (1, 32, 32, 3)


def test_smaller_types_make_smaller_bundles(tiny_bundles):
    sizes = {p: load_bundle(tiny_bundles / f"tiny-{p}").size_bytes for p in PRECISIONS}
    assert sizes["int8"] < sizes["fp16"] < 0.75 * sizes["fp32"]


def test_float_bundles_share_one_trace(
    tiny_bundles, tiny_checkpoint, tiny_tracing, tmp_path, monkeypatch
):
    """FP32 and FP16 start from the same graphs and are what each alone would be."""
    traced, known = [], tiny_tracing("fp32")

    def counted(name, source):
        traced.append(name)
        # one is traced anew, and has to come out the same; the others take long
        return onnx_from_module(name, source) if name == "text" else known(name, source)

    monkeypatch.setattr("export.pack.onnx_from_module", counted)
    words = ["--checkpoint", str(tiny_checkpoint), "--out", str(tmp_path), "--name", "tiny"]
    export_command([*words, "--precision", "fp32", "--precision", "fp16"], standalone_mode=False)
    assert sorted(traced) == ["decoder", "refiner", "text", "transformer"]
    for precision in ("fp32", "fp16"):
        made, alone = (
            load_bundle(folder / f"tiny-{precision}") for folder in (tmp_path, tiny_bundles)
        )
        assert made.manifest["files"] == alone.manifest["files"]


def test_float16_keeps_norms_and_softmax_in_float32(tiny_bundles):
    graph = onnx.load(tiny_bundles / "tiny-fp16" / "transformer.onnx").graph
    kinds = {i.name: i.data_type for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "LayerNormalization":
            assert {kinds[name] for name in node.input[1:]} == {onnx.TensorProto.FLOAT}
    linear = [n for n in graph.node if n.op_type == "MatMul" and n.input[1] in kinds]
    assert linear
    assert {kinds[n.input[1]] for n in linear} == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precisions_draw_much_the_same(tiny_bundles, precision):
    pictures = [
        TextToArt(tiny_bundles / f"tiny-{p}").generate("warm", seed=1, temperature=0.0).pixels
        for p in ("fp32", precision)
    ]
    difference = np.abs(pictures[0].astype(int) - pictures[1].astype(int)).mean()
    assert difference < 40  # of 255: single codes differ, the picture does not


@pytest.mark.parametrize("existing", [False, True])
def test_an_export_beyond_its_tolerance_writes_nothing(
    model, tiny_checkpoint, tiny_tracing, tmp_path, monkeypatch, existing
):
    monkeypatch.setattr("export.pack.onnx_from_module", tiny_tracing("int8"))
    strict = {p: replace(t, agreement=1.1) for p, t in TOLERANCES.items()}
    monkeypatch.setattr("export.parity.TOLERANCES", strict)
    folder = tmp_path / "out" / "tiny-int8"
    if existing:
        folder.mkdir(parents=True)
        (folder / "bundle.json").write_text("old")
    with pytest.raises(ExportError, match="Nothing was written"):
        export_bundle(model, tiny_checkpoint, folder, "int8")
    left = [path.name for path in (tmp_path / "out").rglob("*")]
    assert left == (["tiny-int8", "bundle.json"] if existing else [])


def noisy(graph):
    """Noise on every convolution's weights, a fifth of their spread."""
    rng = np.random.default_rng(1)
    convolved = {node.input[1] for node in graph.graph.node if node.op_type == "Conv"}
    for constant in graph.graph.initializer:
        if constant.name in convolved:
            weight = numpy_helper.to_array(constant)
            noise = rng.normal(0, 0.2 * weight.std(), weight.shape).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(weight + noise, constant.name))
    return graph


def test_a_decoder_with_noise_in_its_weights_fails_parity_and_nothing_else(tiny_bundles, tmp_path):
    folder = tiny_bundles / "tiny-fp32"
    shutil.copytree(folder, tmp_path / "noisy")
    onnx.save(noisy(onnx.load(folder / "decoder.onnx")), tmp_path / "noisy" / "decoder.onnx")
    sides = (OnnxRunner(side, ENGINES) for side in (folder, tmp_path / "noisy"))
    parity = compare_runners(*sides, load_bundle(folder).spec, "fp32")
    assert parity.psnr_db < TOLERANCES["int8"].psnr_db  # beyond the widest tolerance of an export
    assert parity.failures()[0].startswith("pixels reach")
    assert parity.agreement == parity.seed_agreement == 1.0


def test_an_export_with_a_noisy_decoder_is_refused(
    model, tiny_checkpoint, tiny_tracing, tmp_path, monkeypatch
):
    known = tiny_tracing("fp32")

    def traced(name, source):
        graph = known(name, source)
        return noisy(graph) if name == "decoder" else graph

    monkeypatch.setattr("export.pack.onnx_from_module", traced)
    with pytest.raises(ExportError, match=r"ONNX Runtime, FP32 against torch, float: pixels reach"):
        export_bundle(model, tiny_checkpoint, tmp_path / "tiny", "fp32")
    assert not list(tmp_path.iterdir())


def test_an_unknown_precision_is_refused(model, tiny_checkpoint, tmp_path):
    with pytest.raises(ExportError, match="expected one of fp32, fp16, int8"):
        export_bundle(model, tiny_checkpoint, tmp_path / "x", "int4")


def test_the_command_answers_a_missing_checkpoint_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "export", "--checkpoint", str(tmp_path / "no.safetensors")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: No checkpoint at ")
    assert len(done.stderr.splitlines()) == 1
