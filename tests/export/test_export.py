"""From a checkpoint to checked bundles, and what is refused on the way."""

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
from onnx import numpy_helper

from export.__main__ import export as export_command
from export.card import model_card
from export.compose import all_nodes
from export.graphs import PRECISIONS, engine_graphs
from export.integers import check_integer_kernels
from export.pack import METADATA, export_bundle, export_fused
from export.parity import TOLERANCES, compare_runners
from export.torch_runner import TorchRunner
from t2a_edge import TextToArt
from t2a_edge.bundle import ENGINES, engine_file, load_bundle
from t2a_edge.errors import ExportError
from t2a_edge.runner import OnnxRunner
from tests.export.small_model import random_model
from tests.tiny import FORMS, VOCABULARY
from train.models.qat import FakeQuantize, QatConv2d, convert, disable
from train.models.whole import WholeModel
from train.preset import load_preset

RECORD = {
    "stage": "painter", "command": "python -m train painter", "overrides": [], "seed": 3,
    "data": {}, "inputs": {}, "outputs": {}, "steps": 1200, "float_steps": 1000, "samples": 9600,
    "seconds": 600.0, "samples_per_second": 16.0, "processes": 1,
    "machine": {"processor": "a processor"}, "val": {"loss": 0.4321}, "form_words": {"first": 0.75},
}  # fmt: skip
CARD = {"lineage": [RECORD], "data": {"images": {"train": 24, "val": 8}, "studio_pictures": 5}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model of random weights, as training saves one."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    model = random_model(load_preset("tiny"), FORMS, VOCABULARY)
    replace(model, card=CARD).save(path)
    return path


@pytest.fixture(scope="module")
def model(checkpoint):
    return WholeModel.load(checkpoint)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """What the command makes of it: bundles and fused files of all precisions."""
    out = tmp_path_factory.mktemp("dist")
    words = ["--checkpoint", str(checkpoint), "--out", str(out), "--name", "tiny"]
    export_command(words, standalone_mode=False)
    return out


def test_the_command_writes_bundles_and_fused_files(exported):
    expected = [f"tiny-{p}{end}" for p in PRECISIONS for end in ("", ".onnx")]
    assert sorted(path.name for path in exported.iterdir()) == sorted(expected)
    for precision in PRECISIONS:
        folder = exported / f"tiny-{precision}"
        assert load_bundle(folder).precision == precision
        files = {path.name for path in folder.iterdir()}
        engines = {engine_file(name) for name in ENGINES}
        assert files == {*engines, "bundle.json", "MODEL_CARD.md", "PARITY.md"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_fused_file_draws_what_its_bundle_draws_and_says_what_it_is(exported, precision):
    graph = onnx.load(exported / f"tiny-{precision}.onnx")
    about = json.loads({e.key: e.value for e in graph.metadata_props}[METADATA])
    bundle = load_bundle(exported / f"tiny-{precision}")
    assert about["bundle"] == bundle.bundle_hash
    assert about["precision"] == precision
    assert about["spec"] == bundle.spec.to_json()


def test_int8_is_not_float(model, exported):
    for module in model.modules.values():
        disable(module)
    with OnnxRunner(exported / "tiny-int8") as runner:
        parity = compare_runners(TorchRunner(model), runner, model.spec, "fp32")
    assert any("painter differs by" in failure for failure in parity.failures())
    with pytest.raises(ExportError, match=r"does not match its source, .*limit"):
        parity.check()


def test_the_manifest_says_where_the_bundle_comes_from(exported, model):
    manifest = json.loads((exported / "tiny-int8" / "bundle.json").read_text(encoding="utf-8"))
    for key in ("spec", "vocabulary", "precision", "opset", "noise", "parity", "licence", "card",
                "checkpoint_sha256", "source_commit", "versions", "files"):  # fmt: skip
        assert manifest[key], key
    assert manifest["format"] == 4
    assert set(manifest["parity"]) == {"quantisation", "int8"}
    assert manifest["parity"]["int8"]["tolerance"]["psnr_db"] == TOLERANCES["int8"].psnr_db
    assert manifest["parameters"] == model.parameter_count()
    kernels = manifest["integer_kernels"]
    convs = sum(isinstance(m, QatConv2d) for m in model.codec.decoder.modules())
    assert kernels["decoder"] == {"conv": convs, "linear": 0}
    for name in kernels:
        graph = onnx.load(exported / "tiny-int8" / engine_file(name))
        assert check_integer_kernels(name, graph) == kernels[name]


def test_the_card_tells_of_each_stage(exported):
    card = (exported / "tiny-int8" / "MODEL_CARD.md").read_text(encoding="utf-8")
    row = "| painter | `python -m train painter` | 3 | 1,200 | 10 | a processor |"
    assert row in card
    assert "- val.loss: 0.4321" in card
    assert "- form_words.first: 0.75" in card
    assert "samples_per_second" not in card
    assert "Split: 24 train, 8 val" in card
    assert re.search(r"INT8 against torch, fake-quantised: \d+\.\d dB", card)


def test_a_card_of_a_manifest_that_says_too_little_is_refused(exported):
    bundle = load_bundle(exported / "tiny-int8")
    manifest = copy.deepcopy(bundle.manifest)
    del manifest["card"]["lineage"][0]["seed"]
    with pytest.raises(ExportError.__base__, match="does not say all that a model card tells"):
        model_card(replace(bundle, manifest=manifest))


def test_smaller_types_make_smaller_bundles(exported):
    sizes = {p: load_bundle(exported / f"tiny-{p}").size_bytes for p in PRECISIONS}
    assert sizes["int8"] < sizes["fp16"] < sizes["fp32"]


def test_float16_keeps_norms_softmax_and_whole_numbers_in_float32(exported):
    folder = exported / "tiny-fp16"
    painter = onnx.load(folder / "painter.onnx").graph
    kinds = {i.name: i.data_type for i in painter.initializer}
    for node in painter.node:
        if node.op_type == "LayerNormalization":
            half = [n for n in node.input[1:] if kinds.get(n) == onnx.TensorProto.FLOAT16]
            assert not half
    linear = [n for n in painter.node if n.op_type == "MatMul" and n.input[1] in kinds]
    assert linear
    assert {kinds[n.input[1]] for n in linear} == {onnx.TensorProto.FLOAT16}
    for name in ("composer", "encoder"):
        whole = [onnx.load(exported / f"tiny-{p}" / engine_file(name)) for p in ("fp16", "int8")]
        assert whole[0].graph == whole[1].graph


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_precisions_draw_much_the_same(exported, precision):
    pictures = [
        TextToArt(exported / f"tiny-{p}").generate("warm", seed=1, temperature=0.0).pixels
        for p in ("fp32", precision)
    ]
    difference = np.abs(pictures[0].astype(int) - pictures[1].astype(int)).mean()
    assert difference < 40  # of 255: single codes differ, the picture does not


def test_a_channel_without_weights_exports_and_runs(model, tmp_path):
    """Its step is no smaller than what the bias, a 32-bit number of steps, can be told in."""
    other = copy.deepcopy(model)
    layer = other.codec.decoder.stem
    layer.weight.data[1] = 0
    layer.bias.data[1] = float(layer.output_quantizer.amax)
    for part in other.codec.decoder.modules():
        if isinstance(part, FakeQuantize) and not part.fixed:
            part.amax *= 4  # nothing is cut off: integers and torch do that at other magnitudes
    convert(other.codec.decoder)
    graph = engine_graphs(other, "int8")["decoder"]
    onnx.save(graph, tmp_path / "decoder.onnx")
    indices = np.zeros((1, other.spec.positions), dtype=np.int64)
    with OnnxRunner(tmp_path, ["decoder"]) as runner:
        found = runner.decoder(indices).astype(int)
    expected = TorchRunner(other).decoder(indices).astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_a_bias_that_32_bits_cannot_hold_is_refused(model):
    other = copy.deepcopy(model)
    other.codec.decoder.stem.bias.data[0] = 1e9
    with pytest.raises(ExportError, match="A bias of a convolution has"):
        engine_graphs(other, "int8")


@pytest.mark.parametrize("existing", [False, True])
def test_an_export_beyond_its_tolerance_writes_nothing(
    model, checkpoint, tmp_path, monkeypatch, existing
):
    strict = {p: replace(t, agreement=1.1) for p, t in TOLERANCES.items()}
    monkeypatch.setattr("export.parity.TOLERANCES", strict)
    folder = tmp_path / "out" / "tiny-int8"
    if existing:
        folder.mkdir(parents=True)
        (folder / "bundle.json").write_text("old")
    with pytest.raises(ExportError, match="Nothing was written"):
        export_bundle(model, checkpoint, folder, "int8")
    left = [path.name for path in (tmp_path / "out").rglob("*")]
    assert left == (["tiny-int8", "bundle.json"] if existing else [])


def noisy(graph):
    """A copy with noise on every convolution's weights, half of their spread."""
    graph, rng = copy.deepcopy(graph), np.random.default_rng(1)
    convolved = {n.input[1] for n in all_nodes(graph.graph.node) if n.op_type == "Conv"}
    for constant in graph.graph.initializer:
        if constant.name in convolved:
            weight = numpy_helper.to_array(constant)
            noise = rng.normal(0, 0.5 * weight.std(), weight.shape).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(weight + noise, constant.name))
    return graph


def test_a_decoder_with_noise_in_its_weights_fails_parity_and_nothing_else(exported, tmp_path):
    folder = exported / "tiny-fp32"
    shutil.copytree(folder, tmp_path / "noisy")
    onnx.save(noisy(onnx.load(folder / "decoder.onnx")), tmp_path / "noisy" / "decoder.onnx")
    sides = (OnnxRunner(side) for side in (folder, tmp_path / "noisy"))
    parity = compare_runners(*sides, load_bundle(folder).spec, "fp32")
    assert parity.psnr_db < TOLERANCES["int8"].psnr_db  # beyond the widest tolerance of an export
    assert parity.failures()[0].startswith("pixels reach")
    assert parity.agreement == parity.choices == parity.seed_agreement == 1.0


def test_an_export_with_a_noisy_decoder_is_refused(model, checkpoint, tmp_path, monkeypatch):
    def engines(model, precision):
        made = engine_graphs(model, precision)
        return {**made, "decoder": noisy(made["decoder"])}

    monkeypatch.setattr("export.pack.engine_graphs", engines)
    with pytest.raises(ExportError, match=r"ONNX Runtime, FP32 against torch, float: pixels reach"):
        export_bundle(model, checkpoint, tmp_path / "tiny", "fp32")
    assert not list(tmp_path.iterdir())


def test_a_fused_file_that_draws_otherwise_is_refused(exported, tmp_path, monkeypatch):
    folder = exported / "tiny-fp32"
    other = {n: onnx.load(folder / engine_file(n)) for n in ENGINES}
    from export.fused import fused_graph

    monkeypatch.setattr(
        "export.pack.fused_graph",
        lambda parts, spec: fused_graph({**other, "decoder": noisy(other["decoder"])}, spec),
    )
    with pytest.raises(ExportError, match="does not draw what the engines draw"):
        export_fused(folder, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_an_unknown_precision_is_refused(model, checkpoint, tmp_path):
    with pytest.raises(ExportError, match="expected one of fp32, fp16, int8"):
        export_bundle(model, checkpoint, tmp_path / "x", "int4")


def test_the_command_answers_a_missing_checkpoint_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "export", "--checkpoint", str(tmp_path / "no.safetensors")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: No checkpoint at ")
    assert len(done.stderr.splitlines()) == 1


def test_every_quantiser_of_the_model_has_a_step(model):
    model.use_int8()
    steps = [float(m.scale) for part in model.modules.values() for m in part.modules()
             if isinstance(m, FakeQuantize) and m.amax > 0]  # fmt: skip
    assert min(steps) >= 2.0**-17
