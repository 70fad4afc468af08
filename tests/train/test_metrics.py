import pytest
import torch
import torch.nn.functional as F

from train.stages.metrics import band_energy_error


@pytest.fixture
def pictures():
    torch.manual_seed(1)
    rough = F.interpolate(torch.rand(3, 3, 8, 8), scale_factor=4.0, mode="bilinear")
    return rough - 0.5 + 0.1 * torch.randn(3, 3, 32, 32)


def blurred(images, times):
    for _ in range(times):
        images = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return images


def test_equal_pictures_have_no_error_of_detail(pictures):
    assert band_energy_error(pictures, pictures) == 0


def test_the_error_grows_with_blur(pictures):
    errors = [band_energy_error(pictures, blurred(pictures, times)) for times in range(4)]
    assert errors == sorted(errors)
    assert errors[1] > 0.2


def test_the_error_grows_with_added_grain(pictures):
    grain = torch.randn_like(pictures)
    errors = [band_energy_error(pictures, pictures + size * grain) for size in (0, 0.1, 0.3, 1)]
    assert errors == sorted(errors)
    assert errors[1] > 0.1


def test_half_and_twice_the_detail_are_equally_wrong(pictures):
    log2 = pytest.approx(0.693, abs=0.001)
    assert band_energy_error(pictures, 0.5 * pictures) == log2
    assert band_energy_error(pictures, 2 * pictures) == log2


def test_the_place_of_detail_and_the_mean_do_not_count(pictures):
    assert band_energy_error(pictures, pictures.flip(3) + 0.3) == pytest.approx(0, abs=1e-5)


def test_detail_below_a_grey_level_is_none(pictures):
    flat = torch.zeros_like(pictures)
    assert band_energy_error(flat, flat + 1e-4 * pictures) == 0
