"""The generator that decides the whole picture at once: deep latent, form, painter."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from train.checkpoint import read_report
from train.composing import train_composer, train_painter, trained_composer
from train.config import load_preset
from train.models.composer import DeepLatent
from train.models.painter import Painter, painted, velocity_loss


@pytest.fixture(scope="module")
def composed_run(tiny_run, tiny_checkpoint):
    """The tiny run with its composer and painter."""
    train_composer(tiny_run, tiny_checkpoint)
    train_painter(tiny_run, tiny_checkpoint)
    return tiny_run


@pytest.fixture
def deep() -> DeepLatent:
    torch.manual_seed(1)
    preset = load_preset("tiny")
    deep = DeepLatent(preset.composer, preset.codec.code_dim)
    deep.learn_components(torch.randn(64, preset.codec.code_dim, 8, 8))
    return deep.eval()


def test_both_stages_report_held_out_figures_and_draw_sheets(composed_run):
    composer = read_report(composed_run.folder / "composer")
    painter = read_report(composed_run.folder / "painter")
    assert composer["val"]["canvas"] > 0
    assert composer["val"]["pixels"] >= 0
    assert painter["val"]["loss"] > 0
    for sheet in ("composer/paintings.png", "composer/studio.png", "painter/prompts.png"):
        assert (composed_run.folder / sheet).is_file()


def test_the_components_are_those_of_the_canvases():
    config = load_preset("tiny").composer
    deep = DeepLatent(config, 3)
    torch.manual_seed(0)
    canvas = torch.randn(32, 3, 8, 8) * torch.tensor([1.0, 5.0, 2.0])[:, None, None] + 4
    deep.learn_components(canvas)
    assert deep.spreads.tolist() == pytest.approx([5, 2, 1], rel=0.05)
    assert deep.components[0].abs().tolist() == pytest.approx([0, 1, 0], abs=0.05)
    assert deep.mean.tolist() == pytest.approx([4, 4, 4], abs=0.4)


def test_a_form_knows_neither_colour_nor_contrast(deep):
    torch.manual_seed(2)
    canvas = torch.randn(3, 8, 8, 8)
    strongest = deep.components[0][:, None, None]
    shifted = canvas * 0.5 + 2 * strongest  # half the contrast, lighter
    other = deep.components[3][:, None, None] * torch.randn(3, 1, 8, 8)  # other colours
    expected = deep.form(canvas)
    assert torch.allclose(deep.form(shifted), expected, atol=1e-4)
    assert torch.allclose(deep.form(canvas + other), expected, atol=1e-4)
    assert not torch.allclose(deep.form(torch.randn(3, 8, 8, 8)), expected, atol=1e-2)


def test_an_error_of_the_clean_picture_counts_as_one_of_the_velocity():
    clean, predicted = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    levels = torch.tensor([0.5, 1.0])
    assert float(velocity_loss(clean, predicted, levels)) == pytest.approx((4 + 1) / 2)


class Knowing(torch.nn.Module):
    """A painter that knows the picture."""

    def __init__(self, clean: torch.Tensor) -> None:
        super().__init__()
        self.clean = clean

    def forward(self, latents, *_):
        return self.clean.repeat(len(latents) // len(self.clean), 1, 1, 1)


@pytest.mark.parametrize("steps", [1, 5])
def test_a_painter_that_knows_the_picture_arrives_there(steps):
    clean = torch.randn(2, 4, 2, 2)
    found = painted(
        Knowing(clean), torch.randn(2, 4, 2, 2), clean, torch.zeros(2, 8, 32),
        torch.zeros(2, 8), steps=steps, guidance_scale=3.0,
    )  # fmt: skip
    assert torch.allclose(found, clean, atol=1e-5)


def test_words_that_are_not_there_count_for_nothing():
    preset = load_preset("tiny")
    torch.manual_seed(0)
    painter = Painter(preset.painter, preset.composer, 32, 2).eval()
    latents, form = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2)
    one, weights = torch.ones(1), torch.zeros(1, 3)
    texts = [torch.randn(1, 3, 32) for _ in range(2)]
    found = [painter(latents, one, form, one, text, weights) for text in texts]
    assert torch.allclose(*found, atol=1e-5)


def test_no_form_is_not_a_form_of_zeros():
    preset = load_preset("tiny")
    torch.manual_seed(0)
    painter = Painter(preset.painter, preset.composer, 32, 2).eval()
    latents, one, text = torch.randn(1, 4, 2, 2), torch.ones(1), torch.randn(1, 3, 32)
    forms = [torch.randn(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)]
    weights = torch.ones(1, 3)
    given = [painter(latents, one, form, one, text, weights) for form in forms]
    left_out = [painter(latents, one, form, 0 * one, text, weights) for form in forms]
    assert not torch.allclose(*given, atol=1e-4)
    assert torch.allclose(*left_out, atol=1e-5)


def test_a_composer_of_another_codec_is_refused(composed_run, tmp_path):
    from t2a_edge.errors import CheckpointError

    run = replace(composed_run)
    with pytest.raises(CheckpointError, match="was trained on another model"):
        trained_composer(run, "0" * 64)


def test_the_composer_learns(composed_run, tiny_checkpoint, fitted):
    from train.checkpoint import file_sha256
    from train.composer_task import ComposerTask
    from train.model import Model
    from train.stages import index_stores

    model = Model.load(tiny_checkpoint)
    train, val = index_stores(composed_run, model.codec, file_sha256(tiny_checkpoint))
    task = ComposerTask(composed_run.preset, model.codec, train, val)
    before, after = fitted(task, 40, 2e-3)
    assert after["loss"] < 0.9 * before["loss"]
    assert np.isfinite(after["pixels"])
