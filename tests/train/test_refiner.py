from dataclasses import replace

import numpy as np
import pytest
import torch

from t2a_edge.scales import refiner_pass_of, scale_offsets
from train.codec import Codec, MultiScaleQuantizer
from train.config import Preset, load_preset
from train.generator_task import IndexMix, IndexStore
from train.qat import Mode
from train.refiner import Refiner
from train.refiner_task import RefinerTask, corrupted
from train.text import TextEngine
from train.wording import MEASURED

PRESET = load_preset("tiny")
WIDTH, SIZE = PRESET.transformer.width, PRESET.codec.codebook_size
COARSE = scale_offsets(PRESET.coarse_scales)[-1]
FINEST = PRESET.codec.scales[-1] ** 2


# ---- module


@pytest.fixture
def refiner():
    torch.manual_seed(1)
    model = Refiner(PRESET.refiner, PRESET.codec, WIDTH).eval()
    model.codebook.normal_()
    return model


@pytest.fixture
def indices():
    return torch.randint(SIZE, (2, COARSE), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def drawn():
    """Half of the finest scale drawn, as in the second of two passes."""
    codes = torch.randint(SIZE, (2, FINEST), generator=torch.Generator().manual_seed(3))
    pass_of = torch.from_numpy(refiner_pass_of(PRESET.codec.scales[-1], 2))
    return torch.where(pass_of == 0, codes, -1)


@pytest.fixture
def words():
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    return torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(4)), weights


@torch.no_grad()
def test_every_position_has_a_logit_for_every_code(refiner, indices, drawn, words):
    assert refiner(indices, drawn, *words).shape == (2, FINEST, SIZE)


@torch.no_grad()
def test_the_coarse_canvas_is_that_of_the_codec(refiner, indices):
    quantizer = MultiScaleQuantizer(PRESET.codec).eval()
    quantizer.codebook.copy_(refiner.codebook)
    finest = torch.zeros(2, FINEST, dtype=torch.int64)
    whole = quantizer.canvas_from_indices(torch.cat([indices, finest], dim=1))
    side = PRESET.codec.scales[-1]
    rest = quantizer.codebook[0].view(1, -1, 1, 1).expand(2, -1, side, side)
    torch.testing.assert_close(refiner.coarse_canvas(indices), whole - rest, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_is_drawn_lies_on_its_own_position(refiner, drawn):
    codes, known = refiner.drawn_canvas(drawn)
    flat, where = codes.flatten(2).transpose(1, 2), known.flatten(1)
    torch.testing.assert_close(where, (drawn >= 0).float())
    torch.testing.assert_close(flat[drawn >= 0], refiner.codebook[drawn[drawn >= 0]])
    assert not flat[drawn < 0].any()


@torch.no_grad()
def test_a_position_that_is_not_drawn_is_not_seen_through_drawn(refiner, indices, drawn, words):
    before = refiner(indices, drawn, *words)
    after = refiner(indices, torch.where(drawn < 0, -7, drawn), *words)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@torch.no_grad()
def test_what_is_drawn_and_the_coarser_scales_are_seen(refiner, indices, drawn, words):
    before = refiner(indices, drawn, *words)
    other = torch.where(drawn >= 0, (drawn + 1) % SIZE, drawn)
    assert (refiner(indices, other, *words) - before).abs().max() > 1e-4
    for start in scale_offsets(PRESET.coarse_scales)[:-1]:
        changed = indices.clone()
        changed[:, start] = (changed[:, start] + 1) % SIZE
        assert (refiner(changed, drawn, *words) - before).abs().max() > 1e-4


@torch.no_grad()
def test_words_change_the_logits_and_their_order_does_not(refiner, indices, drawn, words):
    embedding, weights = words
    before = refiner(indices, drawn, embedding, weights)
    without = refiner(indices, drawn, embedding, torch.zeros_like(weights))
    swapped = refiner(indices, drawn, embedding[:, [1, 0, 2]], weights)
    assert (before[0] - without[0]).abs().max() > 1e-3
    torch.testing.assert_close(swapped, before)


@torch.no_grad()
def test_words_of_weight_zero_are_not_there(refiner, indices, drawn, words):
    embedding, weights = words
    other = embedding.clone()
    other[:, 2] += 10  # weight 0 in both rows
    other[1] -= 3  # no word at all in this row
    first, second = (refiner(indices, drawn, e, weights) for e in (embedding, other))
    torch.testing.assert_close(first, second)


@torch.no_grad()
def test_without_words_nothing_is_added(refiner, indices, drawn, words):
    before = refiner(indices, drawn, *words)
    refiner.prompt_in.bias += 1
    after = refiner(indices, drawn, *words)
    assert (after[0] - before[0]).abs().max() > 1e-4
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)


@torch.no_grad()
def test_a_heavier_word_pulls_more_and_only_relative_weights_count(refiner, indices, drawn, words):
    embedding, weights = words
    even, double = (refiner(indices, drawn, embedding, w)[0] for w in (weights, 2 * weights))
    heavy = refiner(indices, drawn, embedding, torch.tensor([[1.5, 0.5, 0.0]] * 2))[0]
    torch.testing.assert_close(even, double)
    assert (heavy - even).abs().max() > 1e-4


# ---- task


def index_store(preset: Preset, views: int) -> IndexStore:
    generator = torch.Generator().manual_seed(views)
    positions = scale_offsets(preset.codec.scales)[-1]
    indices = torch.randint(preset.codec.codebook_size, (views, positions), generator=generator)
    scores = torch.zeros(views, len(MEASURED))
    indices = indices.to(torch.int16)
    return IndexStore(indices, indices, [("warm", "dark")] * views, scores)


@pytest.fixture
def make_task(observed):
    """Makes a task with some passes, on random indices."""

    def make(passes: int, corrupt: float = 0.0, redraws: int = 0) -> RefinerTask:
        config = replace(PRESET.refiner, passes=passes, corrupt=corrupt)
        sampling = replace(PRESET.sampling, refiner_redraws=redraws)
        preset = replace(PRESET, refiner=config, sampling=sampling)
        torch.manual_seed(5)
        text = observed(TextEngine(preset.text, WIDTH)).state_dict()
        mix = IndexMix([index_store(preset, 12)], [1.0])
        val, fit = index_store(preset, 5), preset.refiner_fit
        return RefinerTask(preset, Codec(preset.codec), mix, val, text, fit)

    return make


def record(task: RefinerTask, monkeypatch) -> list[tuple[torch.Tensor, ...]]:
    """Let the task's logits be zeros; keeps indices, drawn and logits of each call."""
    calls = []

    def logits_of(indices, drawn, words):
        logits = torch.zeros(*drawn.shape, SIZE, requires_grad=True)
        calls.append((indices, drawn, logits))
        return logits

    monkeypatch.setattr(task, "_logits", logits_of)
    return calls


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_the_loss_counts_the_positions_of_the_pass_alone(passes, monkeypatch, make_task):
    task = make_task(passes)
    calls = record(task, monkeypatch)
    seen = set()
    for step in range(4):
        loss = task.loss(step, np.random.default_rng(step))["loss"]
        loss.backward()
        assert loss.item() == pytest.approx(np.log(SIZE))
        _, drawn, logits = calls[-1]
        counted = logits.grad.abs().sum(-1) > 0
        for row in range(len(drawn)):
            in_view = set(task.pass_of[drawn[row] >= 0].tolist())
            assert in_view == set(range(len(in_view)))
            assert torch.equal(counted[row], task.pass_of == len(in_view))
            seen.add(len(in_view))
    assert seen == set(range(passes))


@pytest.mark.parametrize("passes", [2, 4])
def test_where_parts_are_drawn_anew_training_shows_all_others_too(passes, monkeypatch, make_task):
    task = make_task(passes, redraws=1)
    calls = record(task, monkeypatch)
    anew = set()
    for step in range(8):
        task.loss(step, np.random.default_rng(step))["loss"].backward()
        _, drawn, logits = calls[-1]
        counted = logits.grad.abs().sum(-1) > 0
        for row in range(len(drawn)):
            (number,) = set(task.pass_of[counted[row]].tolist())
            in_view = set(task.pass_of[drawn[row] >= 0].tolist())
            before, others = set(range(number)), set(range(passes)) - {number}
            assert in_view in (before, others)
            if in_view != before:
                anew.add(number)
    assert anew == set(range(passes - 1))  # for the last part both are the same


def test_training_shows_what_is_drawn_before_a_pass_but_for_a_corrupted_share(
    monkeypatch, make_task
):
    for corrupt, wrong in ((0.0, 0.0), (0.5, 0.5 * (1 - 1 / SIZE))):
        task = make_task(2, corrupt)
        calls = record(task, monkeypatch)
        shares = []
        for step in range(8):
            samples = task.train.draw(np.random.default_rng(step), task.preset.refiner_fit.batch)
            task.loss(step, np.random.default_rng(step))
            indices, drawn, _ = calls[-1]
            assert torch.equal(indices, samples.seen[:, :COARSE])
            truth, shown = samples.indices[:, COARSE:], drawn >= 0
            shares.append((drawn != truth)[shown].float())
        assert float(torch.cat(shares).mean()) == pytest.approx(wrong, abs=0.06)


def test_the_given_share_of_indices_is_corrupted():
    indices = torch.zeros(100, 100, dtype=torch.int64)
    assert torch.equal(corrupted(indices, 0.0, 32, np.random.default_rng(1)), indices)
    wrong = corrupted(indices, 0.2, 32, np.random.default_rng(1))
    assert float((wrong != 0).float().mean()) == pytest.approx(0.2 * 31 / 32, abs=0.02)
    assert int(wrong.max()) == 31


def test_validation_shows_each_pass_the_true_indices_of_the_passes_before_it(
    monkeypatch, make_task
):
    task = make_task(2)
    calls = record(task, monkeypatch)
    figures = task.validate()
    truth = task.val.indices[:, COARSE:].long()
    for number, (indices, drawn, _) in enumerate(calls):
        assert torch.equal(indices, task.val.indices[:, :COARSE].long())
        assert torch.equal(drawn, torch.where(task.pass_of < number, truth, -1))
    assert figures.keys() == {"loss", *(f"{k}_pass_{n}" for k in ("loss", "accuracy")
                                        for n in range(2))}  # fmt: skip
    assert figures["loss"] == pytest.approx(np.log(SIZE), rel=1e-5)


def test_validation_counts_the_parts_that_are_drawn_anew(monkeypatch, make_task):
    task = make_task(2, redraws=2)
    calls = record(task, monkeypatch)
    figures = task.validate()
    truth = task.val.indices[:, COARSE:].long()
    for (_, drawn, _), number in zip(calls[2:], (0, 1), strict=True):
        assert torch.equal(drawn, torch.where(task.pass_of != number, truth, -1))
    assert {"loss_pass_2", "accuracy_pass_3"} <= figures.keys()


def test_the_text_engine_is_no_part_of_what_is_trained(make_task):
    task = make_task(2)
    assert task.text.table.mode is task.text.first.mode is Mode.FROZEN
    assert not any(name.startswith("text") for name in task.module.state_dict())
    before = {k: v.clone() for k, v in task.text.state_dict().items()}
    task.module.train()
    task.start_qat()
    task.loss(0, np.random.default_rng(1))["loss"].backward()
    assert all(torch.equal(v, before[k]) for k, v in task.text.state_dict().items())
    assert all(p.grad is None for p in task.text.parameters())
    assert task.text.table.mode is Mode.FROZEN
    assert task.module.stem.mode is Mode.OBSERVE


def test_the_codebook_is_the_codecs_and_is_not_trained(observed):
    codec = Codec(PRESET.codec)
    text = observed(TextEngine(PRESET.text, WIDTH)).state_dict()
    store = index_store(PRESET, 5)
    task = RefinerTask(PRESET, codec, IndexMix([store], [1.0]), store, text, PRESET.refiner_fit)
    assert torch.equal(task.module.codebook, codec.quantizer.codebook)
    assert "codebook" not in dict(task.module.named_parameters())
