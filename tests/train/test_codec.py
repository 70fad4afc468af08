import numpy as np
import pytest
import torch

from t2a_edge.scales import enlarge_matrix
from train.models.codec import Codec, MultiScaleQuantizer, laplacian_loss
from train.preset import load_preset
from train.stages.metrics import codebook_figures, codec_report, mean_ciede2000

PRESET = load_preset("tiny")
CONFIG = PRESET.codec
CANVAS = CONFIG.scales[-1]


@pytest.fixture
def codec():
    torch.manual_seed(2)
    return Codec(CONFIG)


def images(count=6):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1


def test_shapes(codec):
    codec.eval()
    indices = codec.encode(images())
    assert indices.shape == (6, 1 + 4 + 16 + 64)
    decoded = codec.decode(indices)
    assert decoded.shape == (6, 3, 32, 32)
    assert decoded.abs().max() <= 1


def test_each_scale_codes_what_the_coarser_ones_left():
    torch.manual_seed(4)
    quantizer = MultiScaleQuantizer(CONFIG).eval()
    latents = torch.randn(3, CONFIG.code_dim, CANVAS, CANVAS)
    canvas, indices, _ = quantizer(latents)
    total, start = torch.zeros_like(latents), 0
    for side in CONFIG.scales:
        residual = torch.nn.functional.adaptive_avg_pool2d(latents - total, side)
        vectors = residual.permute(0, 2, 3, 1).reshape(-1, CONFIG.code_dim)
        nearest = torch.cdist(vectors, quantizer.codebook).argmin(1).view(3, -1)
        assert torch.equal(nearest, indices[:, start : start + side * side])
        start += side * side
        codes = quantizer.codebook[nearest].view(3, side, side, -1).permute(0, 3, 1, 2)
        matrix = torch.from_numpy(enlarge_matrix(side, CANVAS).copy())
        total = total + torch.einsum("hs,bcst,wt->bchw", matrix, codes, matrix)
    torch.testing.assert_close(canvas, total, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(quantizer.canvas_from_indices(indices), canvas)


def test_the_codebook_moves_towards_the_latents_by_a_moving_average():
    quantizer = MultiScaleQuantizer(CONFIG).train()
    vectors = torch.full((10, CONFIG.code_dim), 5.0)
    quantizer.counts.fill_(1.0)
    quantizer.sums.copy_(quantizer.codebook)
    before = quantizer.codebook[0].clone()
    quantizer._move_codebook(vectors, torch.zeros(10, dtype=torch.int64))
    decay = CONFIG.decay
    expected = (decay * before + (1 - decay) * 50.0) / (decay + (1 - decay) * 10)
    torch.testing.assert_close(quantizer.codebook[0], expected)


def test_dead_codes_are_revived_from_the_batch():
    quantizer = MultiScaleQuantizer(CONFIG).train()
    quantizer.counts[3:] = 0.0
    vectors = torch.randn(50, CONFIG.code_dim)
    quantizer._move_codebook(vectors, torch.zeros(50, dtype=torch.int64))
    for code in quantizer.codebook[3:]:
        assert (vectors == code).all(1).any()


def test_k_means_finds_separate_clusters():
    torch.manual_seed(5)
    quantizer = MultiScaleQuantizer(CONFIG)
    centres = torch.randn(8, CONFIG.code_dim) * 10
    picks = torch.randint(8, (64,))
    latents = centres[picks].view(64, -1, 1, 1).expand(-1, -1, CANVAS, CANVAS)
    quantizer.start_from(latents)
    distance = torch.cdist(centres, quantizer.codebook).min(1).values
    assert float(distance.max()) < 0.1


def test_training_makes_the_codec_better(tiny_run):
    import json

    history = json.loads((tiny_run.folder / "codec" / "history.json").read_text())
    assert history[-1]["mse"] < history[0]["mse"]
    report = json.loads((tiny_run.folder / "codec" / "report.json").read_text())
    assert report["val"]["images"] == report["test"]["images"] == 4
    assert (tiny_run.folder / "codec" / "reconstructions.png").is_file()


def test_laplacian_loss_is_zero_for_equal_images_only():
    x = images()
    assert float(laplacian_loss(x, x)) == 0
    assert float(laplacian_loss(x, x + 0.1)) > 0


def test_codebook_figures_are_counted_over_the_whole_split():
    usage, perplexity = codebook_figures(torch.tensor([[0, 1], [2, 3]]), 8)
    assert usage == 0.5
    assert perplexity == pytest.approx(4.0)


def test_report_of_a_known_error():
    x = torch.zeros(2, 3, 8, 8)
    x[1] = 1
    report = codec_report(x, x + 0.1, torch.tensor([[0], [1]]), 4)
    assert report.mse == pytest.approx(0.01, rel=1e-5)
    assert report.psnr_db == pytest.approx(26.0206, abs=1e-3)
    assert report.relative_mse == pytest.approx(0.01 / float(x.double().var()), rel=1e-5)
    assert report.usage == 0.5


def test_ciede2000_of_black_and_white_is_100():
    black = np.zeros((4, 4, 3), np.float32)
    assert mean_ciede2000(black, black + 1) == pytest.approx(100, abs=0.1)
    assert mean_ciede2000(black, black) == 0


def test_balancing_evens_the_use_of_codes_out_and_hardly_costs_error():
    torch.manual_seed(3)
    quantizer = MultiScaleQuantizer(CONFIG).eval()
    latents = torch.randn(24, CONFIG.code_dim, CANVAS, CANVAS) ** 3  # some codes are used a lot
    quantizer.codebook.mul_(2)

    def figures():
        canvas, indices, _ = quantizer(latents)
        _, perplexity = codebook_figures(indices, CONFIG.codebook_size)
        return float((canvas - latents).square().mean()), perplexity

    error, perplexity = figures()
    quantizer.balance(latents, rounds=5, rate=0.002)
    balanced_error, balanced_perplexity = figures()
    assert balanced_perplexity > perplexity
    assert balanced_error < 1.02 * error
    assert float(quantizer.bias.mean()) == pytest.approx(0, abs=1e-4)
