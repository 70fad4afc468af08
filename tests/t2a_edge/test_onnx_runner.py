"""The engines on ONNX Runtime, with graphs of a few operators that stand in for them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from t2a_edge.errors import BundleError, ClosedError, OptionError
from t2a_edge.runner import ENGINES, FormInputs, OnnxRunner, PainterInputs

FLOAT, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8
WORDS = {"text_embedding": (FLOAT, ["b", "w", 5]), "word_weights": (FLOAT, ["b", "w"])}
LATENTS, INDICES = (FLOAT, ["b", 4, 2]), (INT64, ["b", 8])


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], **attributes)


def engine(name, inputs, outputs, nodes, constants=()):
    """A model of some inputs and outputs, name -> type and shape."""
    values = [
        [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape) in part.items()]
        for part in (inputs, outputs)
    ]
    given = [
        helper.make_tensor(key, INT64, [len(numbers)], numbers)
        for key, numbers in dict(constants).items()
    ]
    graph = helper.make_graph(nodes, name, *values, initializer=given)
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def stand_ins():
    """All six engines."""
    return {
        "text": engine(
            "text", {"text_bytes": (UINT8, ["b", "w", 5])},
            {"text_embedding": WORDS["text_embedding"]},
            [node("Cast", ["text_bytes"], "text_embedding", to=FLOAT)],
        ),
        "forms": engine(
            "forms", {**WORDS, "noise": (FLOAT, ["b", 3]), "crop": (INT64, ["b", 2])},
            {"form": (FLOAT, ["b", 64, 64]), "choice": (INT64, ["b"])},
            [
                node("ArgMax", ["noise"], "choice", axis=1, keepdims=0),
                node("ReduceSum", ["crop", "last"], "sum", keepdims=1),  # (b, 1)
                node("Cast", ["sum"], "number", to=FLOAT),
                node("Unsqueeze", ["number", "last"], "cell"),  # (b, 1, 1)
                node("Tile", ["cell", "times"], "form"),
            ],
            {"last": [-1], "times": [1, 64, 64]},
        ),
        "painter": engine(
            "painter",
            {
                "latents": LATENTS, "level": (FLOAT, ["b"]), "form": (FLOAT, ["b", 64, 64]),
                "form_level": (FLOAT, ["b"]), "guidance": (FLOAT, ["b"]), **WORDS,
            },
            {"clean": LATENTS},
            [
                node("Sub", ["guidance", "form_level"], "told"),
                node("Mul", ["told", "level"], "number"),
                node("Unsqueeze", ["number", "axes"], "factor"),  # (b, 1, 1)
                node("Mul", ["latents", "factor"], "clean"),
            ],
            {"axes": [1, 2]},
        ),
        "composer": engine(
            "composer", {"latents": LATENTS}, {"indices": INDICES},
            [
                node("Reshape", ["latents", "shape"], "flat"),
                node("Cast", ["flat"], "indices", to=INT64),
            ],
            {"shape": [-1, 8]},
        ),
        "encoder": engine(
            "encoder", {"indices": INDICES}, {"latents": LATENTS},
            [
                node("Reshape", ["indices", "shape"], "grid"),
                node("Cast", ["grid"], "latents", to=FLOAT),
            ],
            {"shape": [-1, 4, 2]},
        ),
        "decoder": engine(
            "decoder", {"indices": INDICES}, {"pixels": (UINT8, ["b", 2, 4, 3])},
            [
                node("Reshape", ["indices", "shape"], "grid"),
                node("Tile", ["grid", "times"], "colour"),
                node("Cast", ["colour"], "pixels", to=UINT8),
            ],
            {"shape": [-1, 2, 4, 1], "times": [1, 1, 1, 3]},
        ),
    }  # fmt: skip


def write(folder, engines):
    for name, model in engines.items():
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("engines"), stand_ins())


@pytest.fixture(scope="module")
def runner(folder):
    with OnnxRunner(folder) as opened:
        yield opened


def words(batch):
    return np.ones((batch, 4, 5), np.float32), np.ones((batch, 4), np.float32)


def painter_inputs(batch=2):
    embedding, weights = words(batch)
    return PainterInputs(
        np.arange(batch * 8, dtype=np.float32).reshape(batch, 4, 2),
        np.array([0.5, 1.0], np.float32)[:batch],
        np.zeros((batch, 64, 64), np.float32),
        np.array([0.25, 0.5], np.float32)[:batch],
        np.array([2.25, 1.5], np.float32)[:batch],
        embedding,
        weights,
    )


def test_every_engine_is_given_all_by_name_and_gives_its_answer(runner):
    text_bytes = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)
    np.testing.assert_array_equal(runner.text(text_bytes), text_bytes.astype(np.float32))
    inputs = painter_inputs()
    clean = runner.painter(inputs)
    np.testing.assert_array_equal(clean, inputs.latents)
    assert clean.dtype == np.float32
    latents = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
    indices = runner.composer(latents)
    assert (indices.dtype, indices.tolist()) == (np.int64, [list(range(8)), list(range(8, 16))])
    np.testing.assert_array_equal(runner.encoder(indices), latents)
    pixels = runner.decoder(indices)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (2, 2, 4, 3))
    np.testing.assert_array_equal(pixels[..., 1].reshape(2, 8), indices)


def test_the_forms_engine_gives_a_form_and_which_one_it_is(runner):
    noise = np.array([[0, 2, 1], [3, 0, 1]], np.float32)
    crop = np.array([[1, 2], [15, 31]])
    form, choice = runner.forms(FormInputs(*words(2), noise, crop))
    assert choice.tolist() == [1, 0]
    assert (form.shape, form.dtype) == ((2, 64, 64), np.float32)
    assert (form[0] == 3).all()
    assert (form[1] == 46).all()


def test_a_missing_engine_is_an_error(tmp_path):
    engines = stand_ins()
    del engines["encoder"]
    with pytest.raises(BundleError, match=r"no encoder\.onnx"):
        OnnxRunner(write(tmp_path, engines))


@pytest.mark.parametrize("name", ENGINES)
def test_an_answer_of_another_shape_is_an_error(tmp_path, name):
    """Each engine repeats its answer, for one picture more than it was asked for."""
    engines = stand_ins()
    graph = engines[name].graph
    for output in list(graph.output):
        axes = len(output.type.tensor_type.shape.dim)
        own = output.name
        times = helper.make_tensor(f"{own}_twice", INT64, [axes], [2] + [1] * (axes - 1))
        graph.initializer.append(times)
        for part in graph.node:
            part.output[:] = [f"{out}_once" if out == own else out for out in part.output]
        graph.node.append(node("Tile", [f"{own}_once", f"{own}_twice"], own))
        output.type.tensor_type.shape.dim[0].dim_param = "twice"
    with OnnxRunner(write(tmp_path, engines)) as runner:
        embedding, weights = words(1)
        calls = {
            "text": lambda: runner.text(np.zeros((1, 4, 5), np.uint8)),
            "forms": lambda: runner.forms(
                FormInputs(embedding, weights, np.zeros((1, 3), np.float32), np.zeros((1, 2), int))
            ),
            "painter": lambda: runner.painter(painter_inputs(1)),
            "composer": lambda: runner.composer(np.zeros((1, 4, 2), np.float32)),
            "encoder": lambda: runner.encoder(np.zeros((1, 8), np.int64)),
            "decoder": lambda: runner.decoder(np.zeros((1, 8), np.int64)),
        }
        with pytest.raises(BundleError, match=rf"{name}\.onnx gives .* of shape \(2,"):
            calls[name]()


def test_an_engine_that_is_given_too_little_is_an_error(runner):
    with pytest.raises(BundleError, match=r"painter\.onnx cannot run"):
        runner.painter(painter_inputs()._replace(latents=np.zeros((2, 3, 2), np.float32)))


def test_threads_out_of_range_and_unknown_providers_are_errors(folder):
    with pytest.raises(OptionError, match="The number of threads is 0"):
        OnnxRunner(folder, threads=0)
    with pytest.raises(OptionError, match="The provider is 'abacus'"):
        OnnxRunner(folder, provider="abacus")


def test_closed_engines_run_no_more(folder):
    runner = OnnxRunner(folder)
    runner.close()
    runner.close()
    with pytest.raises(ClosedError):
        runner.composer(np.zeros((1, 4, 2), np.float32))
