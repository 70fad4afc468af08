from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from t2a_edge.scales import context_matrix, scale_offsets
from train.config import load_preset
from train.transformer import Transformer

PRESET = load_preset("tiny")
SCALES = PRESET.codec.scales
WIDTH = PRESET.transformer.width


@pytest.fixture(params=[SCALES, SCALES[:-1]], ids=["all scales", "all but the finest"])
def transformer(request):
    torch.manual_seed(1)
    model = Transformer(PRESET.transformer, PRESET.codec, request.param).eval()
    model.codebook.normal_()
    return model


@pytest.fixture
def words():
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    return torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(2)), weights


@pytest.fixture
def indices(transformer):
    generator = torch.Generator().manual_seed(3)
    positions = scale_offsets(transformer.coarse_scales)[-1]
    return torch.randint(PRESET.codec.codebook_size, (2, positions), generator=generator)


def logits_of(model, indices, words):
    return model(model.training_context(indices), *words)


@torch.no_grad()
def test_a_scale_sees_coarser_scales_and_never_its_own_or_finer(transformer, indices, words):
    before = logits_of(transformer, indices, words)
    for scale, (start, end) in enumerate(pairwise(scale_offsets(transformer.coarse_scales))):
        changed = indices.clone()
        changed[:, start:end] = (changed[:, start:end] + 1) % PRESET.codec.codebook_size
        after = logits_of(transformer, changed, words)
        torch.testing.assert_close(after[:, :end], before[:, :end])
        if scale < len(transformer.coarse_scales) - 1:
            assert (after[:, end:] - before[:, end:]).abs().max() > 1e-4


@torch.no_grad()
def test_scale_by_scale_equals_one_pass(transformer, indices, words):
    whole = logits_of(transformer, indices, words)
    config = PRESET.transformer
    empty = torch.zeros(config.layers, 2, config.heads, 0, WIDTH // config.heads)
    past, parts = (empty, empty), []
    for scale, (start, end) in enumerate(pairwise(scale_offsets(transformer.coarse_scales))):
        codes = torch.nn.functional.embedding(indices[:, : max(1, start)], transformer.codebook)
        context = torch.from_numpy(context_matrix(SCALES, scale).copy()) @ codes
        positions = torch.arange(start, end)
        logits, *present = transformer.scale_step(context, positions, *words, past)
        past = tuple(present)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_scale_means_the_same_with_and_without_the_finer_ones():
    both = [Transformer(PRESET.transformer, PRESET.codec, s) for s in (SCALES, SCALES[:-1])]
    positions = scale_offsets(SCALES[:-1])[-1]
    assert [len(model.position.weight) for model in both] == [scale_offsets(SCALES)[-1], positions]
    indices = torch.randint(PRESET.codec.codebook_size, (2, positions))
    both[0].codebook.normal_()
    both[1].codebook.copy_(both[0].codebook)
    finest = torch.zeros(2, SCALES[-1] ** 2, dtype=torch.int64)
    whole = both[0].training_context(torch.cat([indices, finest], dim=1))
    torch.testing.assert_close(both[1].training_context(indices), whole[:, :positions])


@torch.no_grad()
def test_a_heavier_word_pulls_more(transformer, indices, words):
    embedding, weights = words
    even = logits_of(transformer, indices, words)
    heavy = logits_of(transformer, indices, (embedding, weights * torch.tensor([1.5, 0.5, 1.0])))
    assert (heavy[0] - even[0]).abs().max() > 1e-4
    torch.testing.assert_close(heavy[1], even[1])  # no words there


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
    block = Transformer(config, PRESET.codec, SCALES).blocks[0]
    branch = torch.ones(400, 1, 1)
    assert torch.equal(block.eval()._maybe_drop(branch), branch)
    dropped = block.train()._maybe_drop(branch)
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.2)
