from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from t2a_edge.scales import axis_matrices, refiner_pass_of, scale_offsets
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
SCALES, OFFSETS = PRESET.codec.scales, scale_offsets(PRESET.codec.scales)
LAST = len(SCALES) - 1


# ---- module


@pytest.fixture
def refiner():
    torch.manual_seed(1)
    model = Refiner(PRESET.refiner, PRESET.codec, WIDTH).eval()
    model.codebook.normal_()
    return model


@pytest.fixture(params=range(len(PRESET.coarse_scales), len(SCALES)))
def scale(request):
    """Each of the refiner's scales."""
    return request.param


@pytest.fixture
def indices(scale):
    return torch.randint(SIZE, (2, OFFSETS[scale]), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def drawn(scale):
    """Half of the scale drawn, as in the second of two passes."""
    side = SCALES[scale]
    codes = torch.randint(SIZE, (2, side * side), generator=torch.Generator().manual_seed(3))
    return torch.where(torch.from_numpy(refiner_pass_of(side, 2)) == 0, codes, -1)


@pytest.fixture
def predict(refiner, scale):
    """The refiner at the scale: (indices, drawn, words, weights) -> logits."""
    return partial(refiner.logits_of, scale)


@pytest.fixture
def words():
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    return torch.randn(2, 3, WIDTH, generator=torch.Generator().manual_seed(4)), weights


@torch.no_grad()
def test_every_position_has_a_logit_for_every_code(predict, indices, drawn, words):
    assert predict(indices, drawn, *words).shape == (*drawn.shape, SIZE)


@torch.no_grad()
def test_the_coarse_canvas_is_that_of_the_codec_averaged_to_the_scale(refiner, indices, scale):
    quantizer = MultiScaleQuantizer(PRESET.codec).eval()
    quantizer.codebook.copy_(refiner.codebook)
    quantizer.codebook[0] = refiner.codebook[0] = 0  # so that scales to come add nothing
    to_come = torch.zeros(2, OFFSETS[-1] - OFFSETS[scale], dtype=torch.int64)
    canvas = quantizer.canvas_from_indices(torch.cat([indices, to_come], dim=1))
    averaged = F.avg_pool2d(canvas, SCALES[-1] // SCALES[scale])
    others = torch.randint(SIZE, (2, OFFSETS[LAST] - OFFSETS[scale]))  # these do not matter
    given = torch.cat([indices, others], dim=1)
    found = refiner.coarse_canvas(given, torch.from_numpy(axis_matrices(SCALES, scale)))
    torch.testing.assert_close(found, averaged, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_is_drawn_lies_on_its_own_position(refiner, drawn, scale):
    codes, known = refiner.drawn_canvas(drawn.reshape(2, SCALES[scale], -1))
    flat, where = codes.flatten(2).transpose(1, 2), known.flatten(1)
    torch.testing.assert_close(where, (drawn >= 0).float())
    torch.testing.assert_close(flat[drawn >= 0], refiner.codebook[drawn[drawn >= 0]])
    assert not flat[drawn < 0].any()


@torch.no_grad()
def test_each_scale_has_a_vector_of_its_own(refiner, predict, indices, drawn, words, scale):
    before = predict(indices, drawn, *words)
    number = scale - len(PRESET.coarse_scales)
    refiner.scale_in[1 - number] += 1
    torch.testing.assert_close(predict(indices, drawn, *words), before, rtol=0, atol=0)
    refiner.scale_in[number] += 1
    assert (predict(indices, drawn, *words) - before).abs().max() > 1e-4


@torch.no_grad()
def test_a_position_that_is_not_drawn_is_not_seen_through_drawn(predict, indices, drawn, words):
    before = predict(indices, drawn, *words)
    after = predict(indices, torch.where(drawn < 0, -7, drawn), *words)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@torch.no_grad()
def test_what_is_drawn_and_the_coarser_scales_are_seen(predict, indices, drawn, words, scale):
    before = predict(indices, drawn, *words)
    other = torch.where(drawn >= 0, (drawn + 1) % SIZE, drawn)
    assert (predict(indices, other, *words) - before).abs().max() > 1e-4
    for start in OFFSETS[:scale]:
        changed = indices.clone()
        changed[:, start] = (changed[:, start] + 1) % SIZE
        assert (predict(changed, drawn, *words) - before).abs().max() > 1e-4


@torch.no_grad()
def test_words_change_the_logits_and_their_order_does_not(predict, indices, drawn, words):
    embedding, weights = words
    before = predict(indices, drawn, embedding, weights)
    without = predict(indices, drawn, embedding, torch.zeros_like(weights))
    swapped = predict(indices, drawn, embedding[:, [1, 0, 2]], weights)
    assert (before[0] - without[0]).abs().max() > 1e-3
    torch.testing.assert_close(swapped, before)


@torch.no_grad()
def test_words_of_weight_zero_are_not_there(predict, indices, drawn, words):
    embedding, weights = words
    other = embedding.clone()
    other[:, 2] += 10  # weight 0 in both rows
    other[1] -= 3  # no word at all in this row
    first, second = (predict(indices, drawn, e, weights) for e in (embedding, other))
    torch.testing.assert_close(first, second)


@torch.no_grad()
def test_without_words_nothing_is_added(refiner, predict, indices, drawn, words):
    before = predict(indices, drawn, *words)
    refiner.prompt_in.bias += 1
    after = predict(indices, drawn, *words)
    assert (after[0] - before[0]).abs().max() > 1e-4
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=0)


@torch.no_grad()
def test_a_heavier_word_pulls_more_and_only_relative_weights_count(predict, indices, drawn, words):
    embedding, weights = words
    even, double = (predict(indices, drawn, embedding, w)[0] for w in (weights, 2 * weights))
    heavy = predict(indices, drawn, embedding, torch.tensor([[1.5, 0.5, 0.0]] * 2))[0]
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
        sampling = replace(PRESET.sampling, refiner_redraws=(redraws,))
        preset = replace(PRESET, refiner=config, sampling=sampling)
        torch.manual_seed(5)
        text = observed(TextEngine(preset.text, WIDTH)).state_dict()
        mix = IndexMix([index_store(preset, 12)], [1.0])
        val, fit = index_store(preset, 5), preset.refiner_fit
        return RefinerTask(preset, Codec(preset.codec), mix, val, text, fit)

    return make


def record(task: RefinerTask, monkeypatch) -> list[tuple[torch.Tensor, ...]]:
    """Let the task's logits be zeros; keeps part, indices, drawn and logits of each call."""
    calls = []

    def logits_of(part, indices, drawn, words):
        logits = torch.zeros(*drawn.shape, SIZE, requires_grad=True)
        calls.append((part, indices, drawn, logits))
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
        for part, _, drawn, logits in calls[-2:]:
            counted = logits.grad.abs().sum(-1) > 0
            for row in range(len(drawn)):
                in_view = set(part.pass_of[drawn[row] >= 0].tolist())
                assert in_view == set(range(len(in_view)))
                assert torch.equal(counted[row], part.pass_of == len(in_view))
                seen.add((part.scale, len(in_view)))
    assert seen == {(part.scale, number) for part in task.parts for number in range(passes)}


@pytest.mark.parametrize("passes", [2, 4])
def test_where_parts_are_drawn_anew_training_shows_all_others_too(passes, monkeypatch, make_task):
    task = make_task(passes, redraws=1)
    calls = record(task, monkeypatch)
    anew = set()
    for step in range(8):
        task.loss(step, np.random.default_rng(step))["loss"].backward()
        part, _, drawn, logits = calls[-1 - step % 2]
        counted = logits.grad.abs().sum(-1) > 0
        for row in range(len(drawn)):
            (number,) = set(part.pass_of[counted[row]].tolist())
            in_view = set(part.pass_of[drawn[row] >= 0].tolist())
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
            for part, indices, drawn, _ in calls[-2:]:
                assert torch.equal(indices, samples.seen[:, : part.start])
                truth, shown = samples.indices[:, part.start : part.end], drawn >= 0
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
    assert [part.scale for part, *_ in calls] == [LAST - 1, LAST - 1, LAST, LAST]
    for number, (part, indices, drawn, _) in enumerate(calls):
        truth = task.val.indices[:, part.start : part.end].long()
        assert torch.equal(indices, task.val.indices[:, : part.start].long())
        assert torch.equal(drawn, torch.where(part.pass_of < number % 2, truth, -1))
    names = [f"scale_{scale}_pass_{n}" for scale in (LAST - 1, LAST) for n in range(2)]
    assert figures.keys() == {"loss", *(f"{k}_{n}" for k in ("loss", "accuracy") for n in names)}
    assert figures["loss"] == pytest.approx(np.log(SIZE), rel=1e-5)


def test_validation_counts_the_parts_that_are_drawn_anew(monkeypatch, make_task):
    task = make_task(2, redraws=2)
    calls = record(task, monkeypatch)
    figures = task.validate()
    for (part, _, drawn, _), number in zip(calls[-2:], (0, 1), strict=True):
        truth = task.val.indices[:, part.start : part.end].long()
        assert torch.equal(drawn, torch.where(part.pass_of != number, truth, -1))
    assert {f"loss_scale_{LAST - 1}_pass_2", f"accuracy_scale_{LAST}_pass_3"} <= figures.keys()


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
