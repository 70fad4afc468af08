import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from t2a_edge.errors import CheckpointError
from train.models.qat import (
    FakeQuantize,
    QatConfig,
    QatConv2d,
    QatEmbedding,
    QatLinear,
    convert,
    disable,
    on_int8_grid,
    prepare,
)


def small_net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        QatConv2d(3, 8), nn.ReLU(), QatConv2d(8, 4), nn.Flatten(), QatLinear(64, 5)
    )


def test_a_layer_is_an_ordinary_float_layer_until_prepared():
    layer, plain = QatLinear(6, 4), nn.Linear(6, 4)
    plain.load_state_dict({k: v for k, v in layer.state_dict().items() if "quantizer" not in k})
    x = torch.randn(3, 6)
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=0)


@given(st.integers(0, 10_000))
def test_training_and_converted_forms_agree(seed):
    torch.manual_seed(seed)
    net, x = small_net(), torch.randn(2, 3, 4, 4)
    prepare(net, QatConfig(momentum=1.0))
    trained = net.train()(x)
    convert(net)
    # the training form rounds after multiplying with the reciprocal step: rarely, one step apart
    step = 8 * float(trained.detach().abs().max()) / 127
    torch.testing.assert_close(net(x), trained, rtol=0, atol=step)


def test_values_fall_on_symmetric_steps():
    quantizer = FakeQuantize()
    prepare(quantizer, QatConfig())
    x = torch.linspace(-2, 1, 1001)
    y = quantizer.train()(x)
    convert(quantizer)
    steps = quantizer(x) / quantizer.scale
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
    assert float(quantizer.amax) == 2.0
    assert float((y - x).abs().max()) <= float(quantizer.scale) / 2 + 1e-6
    assert quantizer(torch.zeros(1)).item() == 0.0


def test_magnitudes_follow_a_moving_average():
    quantizer = FakeQuantize()
    prepare(quantizer, QatConfig(momentum=0.25))
    quantizer.train()
    quantizer(torch.tensor([4.0]))
    quantizer(torch.tensor([-8.0]))
    assert float(quantizer.amax) == 4.0 + 0.25 * 4.0


def test_a_fixed_range_does_not_move():
    quantizer = FakeQuantize(fixed_amax=1.0)
    prepare(quantizer, QatConfig())
    quantizer.train()(torch.tensor([50.0]))
    assert float(quantizer.amax) == 1.0


def test_gradients_pass_through_and_stop_outside_the_range():
    quantizer = FakeQuantize(fixed_amax=1.0)
    prepare(quantizer, QatConfig())
    x = torch.tensor([0.3, -0.9, 5.0], requires_grad=True)
    quantizer.train()(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


def test_weights_are_quantised_per_output_channel():
    layer = QatConv2d(2, 3)
    with torch.no_grad():
        layer.weight[0] *= 100
    layer.output_quantizer.amax.fill_(1.0)
    convert(layer)
    amax = layer.weight.detach().abs().flatten(1).amax(1)
    torch.testing.assert_close(layer.weight_scale, amax / 127)
    error = (layer.quantized_weight() - layer.weight).abs().flatten(1).amax(1)
    assert (error <= layer.weight_scale / 2 + 1e-6).all()


def test_what_has_observed_nothing_is_not_frozen():
    with pytest.raises(CheckpointError, match="output_quantizer has observed nothing"):
        convert(QatConv2d(2, 3))


def test_a_table_has_one_step():
    table = QatEmbedding(10, 4)
    convert(table)
    assert table.weight_scale.shape == (1,)
    torch.testing.assert_close(table(torch.arange(10)), table.weight, rtol=0, atol=0.02)


def test_disable_brings_the_float_model_back():
    net, x = small_net().eval(), torch.randn(2, 3, 4, 4)
    before = net(x)
    prepare(net, QatConfig())
    net.train()(x)
    convert(net)
    assert (net(x) != before).any()
    disable(net)
    torch.testing.assert_close(net(x), before, rtol=0, atol=0)


@pytest.mark.parametrize("frozen", [False, True])
def test_quantising_again_changes_nothing_on_the_steps(frozen):
    quantizer = FakeQuantize()
    prepare(quantizer, QatConfig(momentum=1.0))
    x = quantizer.train()(torch.randn(100))
    if frozen:
        convert(quantizer)
    y = torch.relu(x)
    torch.testing.assert_close(quantizer.again(y), y, rtol=0, atol=1e-6)


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_a_table_on_the_int8_grid_stays_where_it_is(seed, size):
    table = size * torch.randn(16, 8, generator=torch.Generator().manual_seed(seed))
    rounded = on_int8_grid(table)
    step = float(table.abs().max()) / 127
    torch.testing.assert_close(rounded, table, rtol=0, atol=0.501 * step)
    steps = rounded / step
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-4)
    assert steps.abs().max().round() == 127
    torch.testing.assert_close(on_int8_grid(rounded), rounded, rtol=1e-6, atol=0)


def test_a_table_of_zeros_stays_zero_on_the_int8_grid():
    assert (on_int8_grid(torch.zeros(4, 4)) == 0).all()


def test_a_channel_of_zeros_leaves_room_for_its_bias_in_32_bits(observed):
    layer = observed(QatConv2d(2, 3))
    with torch.no_grad():
        layer.weight[1] = 0
        layer.bias.fill_(8.0)
    convert(layer)
    input_step = 2.0**-10  # of an input of at most an eighth
    assert layer.weight_scale[1] > 0
    assert (layer.bias / (layer.weight_scale * input_step)).abs().max() < 2**31
    assert (layer.quantized_weight()[1] == 0).all()
