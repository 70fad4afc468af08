import pytest
import torch

from train.models.adversary import Discriminator, adaptive_weight, discriminator_loss, feature_loss


def test_each_layer_halves_the_sides_and_the_verdict_has_one_channel():
    features = Discriminator(4)(torch.zeros(2, 3, 32, 48))
    shapes = [tuple(f.shape) for f in features]
    assert shapes == [(2, 4, 16, 24), (2, 8, 8, 12), (2, 16, 4, 6), (2, 1, 4, 6)]


@pytest.mark.parametrize(
    ("real", "decoded", "loss"),
    [(1, -1, 0), (3, -3, 0), (0, 0, 1), (-1, -1, 1), (1, 1, 1), (-1, 1, 2)],
)
def test_the_discriminator_loses_until_both_verdicts_have_a_margin(real, decoded, loss):
    verdicts = (torch.full((2, 1, 4, 4), float(value)) for value in (real, decoded))
    assert discriminator_loss(*verdicts).item() == loss


def test_the_feature_loss_is_relative_to_the_real_features():
    real = [torch.tensor([1.0, -3.0]), torch.tensor([9.0])]  # the last is the verdict: left out
    assert feature_loss(real, [real[0], torch.tensor([-9.0])]).item() == 0
    assert feature_loss(real, [real[0] * 1.5, real[1]]).item() == pytest.approx(0.5)
    larger = [10 * f for f in real]
    assert feature_loss(larger, [larger[0] * 1.5, larger[1]]).item() == pytest.approx(0.5)


def test_the_feature_loss_moves_the_decoded_features_only():
    real = [torch.ones(3, requires_grad=True), torch.ones(1)]
    decoded = [torch.zeros(3, requires_grad=True), torch.ones(1)]
    feature_loss(real, decoded).backward()
    assert real[0].grad is None
    assert (decoded[0].grad < 0).all()


def test_the_adaptive_weight_makes_both_losses_pull_equally():
    last = torch.ones(5, requires_grad=True)
    by_pixels, by_verdict = (3 * last).sum(), (0.5 * last).sum()
    weight = adaptive_weight(by_pixels, by_verdict, last)
    assert weight.item() == pytest.approx(6, rel=1e-4)
    assert not weight.requires_grad
    assert adaptive_weight(by_pixels, by_verdict, last, most=2.0).item() == 2
    (by_pixels + by_verdict).backward()  # the graph is still there
