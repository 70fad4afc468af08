import numpy as np
import pytest
import torch

from train.codec_task import autocast
from train.draw import draw_indices, scale_noise
from train.generator_task import batch_words
from train.qat import disable
from train.redraw import (
    RefinerRedraw,
    TransformerRedraw,
    divergence,
    straight_through,
)
from train.refiner_task import Part

WORDS = (("dark",), (), ("warm", "round"))
OFFSETS = (0, 1, 5, 21, 85)  # of the tiny model's scales


@pytest.fixture
def words(sampler) -> tuple[torch.Tensor, torch.Tensor]:
    text_bytes, weights = batch_words(WORDS, sampler.preset)
    with torch.no_grad():
        return sampler.generator.text(text_bytes), weights


@pytest.fixture
def indices() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).integers(32, size=(3, 85)))


def redraw_of(sampler, scale: int) -> TransformerRedraw | RefinerRedraw:
    """One of a scale of the tiny model, computing in float."""
    spec, transformer = sampler.preset.spec, sampler.generator.transformer
    for module in sampler.modules:
        disable(module.eval())
    if scale < 2:
        return TransformerRedraw(transformer, spec, scale)
    return RefinerRedraw(
        sampler.refiner, spec, Part.of(sampler.preset, scale, *OFFSETS[scale:][:2])
    )


@pytest.mark.parametrize("scale", range(4))
def test_what_is_drawn_anew_is_codes_and_has_a_gradient(sampler, words, indices, scale):
    redraw = redraw_of(sampler, scale)
    redrawn = redraw(indices, words, np.random.default_rng(0))
    count = OFFSETS[scale + 1] - OFFSETS[scale]
    assert redrawn.codes.shape == (3, count, 8)
    drawer = sampler.refiner if scale >= 2 else sampler.generator.transformer
    distance = torch.cdist(redrawn.codes.detach().flatten(0, 1), drawer.codebook)
    torch.testing.assert_close(distance.amin(1), torch.zeros(3 * count), atol=1e-3, rtol=0)
    assert redrawn.divergence.item() == pytest.approx(0, abs=1e-5)
    redrawn.codes.square().sum().backward()
    assert drawer.head.weight.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in redraw.before.parameters())


@pytest.mark.parametrize("scale", range(4))
def test_the_divergence_is_from_what_was_drawn_at_the_start(sampler, words, indices, scale):
    redraw = redraw_of(sampler, scale)
    drawer = sampler.refiner if scale >= 2 else sampler.generator.transformer
    with torch.no_grad():
        drawer.head.bias.add_(torch.randn_like(drawer.head.bias))
        redrawn = redraw(indices, words, np.random.default_rng(0))
    assert redrawn.divergence.item() > 0.01


def test_the_transformer_draws_as_a_picture_is_drawn(sampler, words):
    """With the coarser scales of a picture and its noise, the last scale is that picture's."""
    redraw, preset = redraw_of(sampler, 1), sampler.preset
    with torch.no_grad(), autocast():
        drawn = draw_indices(
            sampler.generator.transformer, sampler.refiner, preset.spec, *words,
            np.random.default_rng(7),
        )  # fmt: skip
    rng = np.random.default_rng(7)
    rng.standard_exponential((3, 1, preset.codec.codebook_size), dtype=np.float32)
    blank = drawn.clone()
    blank[:, 1:] = 0
    with torch.no_grad():
        redrawn = redraw(blank, words, rng)
    expected = sampler.generator.transformer.codebook[drawn[:, 1:5]]
    same = torch.isclose(redrawn.codes, expected, atol=1e-5).all(-1).float().mean()
    assert float(same) > 0.9  # bf16 decides a near tie otherwise in one pass


def test_what_the_part_held_that_is_drawn_first_does_not_matter(sampler, words, indices):
    redraw = redraw_of(sampler, 3)
    rng = np.random.default_rng(0)
    scale_noise(sampler.preset.spec, 3, len(indices), rng)
    first = redraw.part.pass_of == int(rng.permutation(2)[0])
    found = []
    for where in (first, ~first):
        other = indices.clone()
        own = other[:, OFFSETS[3] :]
        own[:, where] = (own[:, where] + 1) % 32
        with torch.no_grad():
            found.append(redraw(other, words, np.random.default_rng(0)).codes)
    with torch.no_grad():
        codes = redraw(indices, words, np.random.default_rng(0)).codes
    assert torch.equal(found[0], codes)
    assert not torch.equal(found[1], codes)


def test_the_gradient_of_codes_is_that_of_their_mean():
    codebook = torch.tensor([[0.0], [1.0], [4.0]])
    heated = torch.tensor([[[1.0, 0.5, -0.2]]], requires_grad=True)
    codes = straight_through(heated, heated.argmax(-1), codebook)
    assert codes.item() == pytest.approx(0, abs=1e-6)
    codes.sum().backward()
    mean = heated.detach().clone().requires_grad_(True)
    (mean.softmax(-1) @ codebook).sum().backward()
    torch.testing.assert_close(heated.grad, mean.grad)


def test_divergence_is_that_of_the_usual_from_the_present():
    now, usual = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[2.0, -1.0]]])
    p, q = usual.softmax(-1), now.softmax(-1)
    expected = (p * (p / q).log()).sum(-1)
    torch.testing.assert_close(divergence(now, usual), expected)
    torch.testing.assert_close(divergence(now, now), torch.zeros(1, 1))
