import pytest
import torch

from train.models.codec import colour_loss
from train.models.images import autocast, multiplies_bf16
from train.stages.codec_task import pixel_loss

GREY = torch.zeros(1, 3, 16, 16)


def tinted(red, green, blue):
    return GREY + torch.tensor([red, green, blue]).view(3, 1, 1)


def test_the_colour_loss_is_blind_to_lightness():
    assert colour_loss(tinted(0.3, 0.3, 0.3), GREY).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("tint", "loss"),
    [
        ((0.2, -0.2, 0.0), 0.4),  # red against green
        ((0.1, 0.1, -0.2), 0.3),  # yellow against blue
        ((0.4, 0.0, 0.0), 0.6),  # both
    ],
)
def test_the_colour_loss_sees_hue(tint, loss):
    assert colour_loss(tinted(*tint), GREY).item() == pytest.approx(loss)
    assert colour_loss(GREY, tinted(*tint)).item() == pytest.approx(loss)


def test_colour_is_compared_over_blocks():
    pattern = torch.ones(16, 16)
    pattern[:, ::2] = -1
    within = GREY.clone()
    within[:, 0] = pattern
    assert colour_loss(within, GREY).item() == 0


def test_the_pixel_loss_is_none_for_equal_pictures_and_grows_with_the_difference():
    torch.manual_seed(1)
    images = torch.randn(2, 3, 32, 32)
    grain = torch.randn_like(images)
    losses = [pixel_loss(images + size * grain, images).item() for size in (0, 0.1, 0.2, 0.4)]
    assert losses[0] == 0
    assert losses == sorted(set(losses))


def test_the_pixel_loss_weighs_its_parts():
    # a flat difference of 0.4 in red: squared 0.16 / 3, absolute and coarsest octave 0.4 / 3
    expected = 2 * 0.16 / 3 + 0.5 * 0.4 / 3 + 0.5 * 0.4 / 3 + 0.5 * 0.6
    assert pixel_loss(tinted(0.4, 0.0, 0.0), GREY).item() == pytest.approx(expected)


def test_of_equal_errors_the_coloured_one_costs_more():
    size = 0.3
    assert pixel_loss(tinted(size, -size, size), GREY) > pixel_loss(tinted(size, size, size), GREY)


@pytest.mark.parametrize(
    ("instructions", "dtype"),
    [
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"bf16": True, "sve": False}, torch.bfloat16),
    ],
)
def test_bf16_is_for_processors_that_multiply_it(monkeypatch, instructions, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    multiplies_bf16.cache_clear()
    try:
        with autocast():
            assert torch.nn.functional.linear(torch.ones(1, 4), torch.ones(2, 4)).dtype == dtype
    finally:
        multiplies_bf16.cache_clear()
