from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from t2a_edge.scales import context_matrix, scale_offsets
from train.config import load_preset
from train.transformer import Transformer

PRESET = load_preset("tiny")
SCALES = PRESET.codec.scales
OFFSETS = scale_offsets(SCALES)
WIDTH = PRESET.transformer.width


@pytest.fixture
def transformer():
    torch.manual_seed(1)
    model = Transformer(PRESET.transformer, PRESET.codec).eval()
    model.codebook.normal_()
    return model


@pytest.fixture
def words():
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    return torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(2)), weights


@pytest.fixture
def indices():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(PRESET.codec.codebook_size, (2, OFFSETS[-1]), generator=generator)


def logits_of(model, indices, words):
    return model(model.training_context(indices), *words)


@torch.no_grad()
def test_a_scale_sees_coarser_scales_and_never_its_own_or_finer(transformer, indices, words):
    before = logits_of(transformer, indices, words)
    for scale, (start, end) in enumerate(pairwise(OFFSETS)):
        changed = indices.clone()
        changed[:, start:end] = (changed[:, start:end] + 1) % PRESET.codec.codebook_size
        after = logits_of(transformer, changed, words)
        torch.testing.assert_close(after[:, :end], before[:, :end])
        if scale < len(SCALES) - 1:
            assert (after[:, end:] - before[:, end:]).abs().max() > 1e-4


@torch.no_grad()
def test_scale_by_scale_equals_one_pass(transformer, indices, words):
    whole = logits_of(transformer, indices, words)
    config = PRESET.transformer
    empty = torch.zeros(config.layers, 2, config.heads, 0, WIDTH // config.heads)
    past, parts = (empty, empty), []
    for scale, (start, end) in enumerate(pairwise(OFFSETS)):
        codes = torch.nn.functional.embedding(indices[:, : max(1, start)], transformer.codebook)
        context = torch.from_numpy(context_matrix(SCALES, scale).copy()) @ codes
        positions = torch.arange(start, end)
        logits, *present = transformer.scale_step(context, positions, *words, past)
        past = tuple(present)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_words_of_weight_zero_are_not_there(transformer, indices, words):
    embedding, weights = words
    other = embedding.clone()
    other[:, 2] += 10  # weight 0 in both rows
    other[1] -= 3  # no word at all in this row
    first, second = (logits_of(transformer, indices, (e, weights)) for e in (embedding, other))
    torch.testing.assert_close(first, second)


@torch.no_grad()
def test_words_change_the_logits_and_their_order_does_not(transformer, indices, words):
    embedding, weights = words
    without = logits_of(transformer, indices, (embedding, torch.zeros_like(weights)))
    with_words = logits_of(transformer, indices, words)
    swapped = logits_of(transformer, indices, (embedding[:, [1, 0, 2]], weights))
    assert (with_words[0] - without[0]).abs().max() > 1e-3
    torch.testing.assert_close(with_words, swapped, rtol=1e-4, atol=1e-5)


def test_branches_are_dropped_in_training_only():
    torch.manual_seed(1)
    config = replace(PRESET.transformer, branch_dropout=0.5)
    block = Transformer(config, PRESET.codec).blocks[0]
    branch = torch.ones(400, 1, 1)
    assert torch.equal(block.eval()._maybe_drop(branch), branch)
    dropped = block.train()._maybe_drop(branch)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.2)
