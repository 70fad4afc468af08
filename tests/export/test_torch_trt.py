"""Programs as Torch-TensorRT is given them; compiling them needs a GPU."""

import pytest
import torch

from export.torch_trt import (
    ENGINES,
    TorchTrtOptions,
    compile_model,
    exported_program,
    narrowed,
    network_sources,
    shape_ranges,
)
from export.trt_build import axis_ranges
from t2a_edge import gpu
from t2a_edge.errors import OptionError, T2AEdgeError
from tests.export.small_model import small_model
from train.models.qat import disable


@pytest.fixture(scope="module")
def sources():
    model = small_model()
    for module in model.modules.values():
        disable(module)
    return network_sources(model)


@pytest.fixture(scope="module")
def ranges():
    return axis_ranges(small_model().spec, vocabulary_size=20, max_pictures=3)


def test_there_is_a_source_for_every_engine(sources):
    assert tuple(sources) == ENGINES
    for source in sources.values():
        assert set(source.dynamic) == set(source.inputs)


@pytest.mark.parametrize("name", ENGINES)
def test_a_program_computes_what_the_module_computes_at_any_shape(sources, ranges, name):
    source = narrowed(sources[name], ranges)
    program = exported_program(name, source).module()
    for rows in (slice(0, 1), slice(0, 2)):
        given = [tensor[rows] for tensor in source.inputs.values()]
        with torch.no_grad():
            expected, found = source.module.eval()(*given), program(*given)
        torch.testing.assert_close(found, expected)


def test_shapes_are_those_that_the_runtime_asks_for(sources, ranges):
    shapes = shape_ranges(sources["painter"], ranges)
    words = small_model().spec.max_words
    assert shapes["word_weights"].least == (1, 1)
    assert shapes["word_weights"].most == (3, max(20, 2 * words))
    assert shapes["level"].most == (3,)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"precision": "int8"}, "--precision is 'int8'; expected one of fp16, fp32"),
        ({"names": ("decoder",)}, "--engine is 'decoder'; expected one of painter, pixels"),
        ({"max_pictures": 0}, "--max-pictures is 0"),
    ],
)
def test_options_that_do_not_fit_are_told(values, told):
    with pytest.raises(OptionError, match=told):
        TorchTrtOptions(**values)


@pytest.mark.skipif(not gpu.missing_driver(), reason="needs a machine without an NVIDIA GPU")
def test_without_a_gpu_nothing_is_written(tmp_path):
    with pytest.raises(T2AEdgeError, match="Torch-TensorRT needs an NVIDIA GPU"):
        compile_model(tmp_path / "none.safetensors", tmp_path / "out", TorchTrtOptions())
    assert not list(tmp_path.iterdir())
