from dataclasses import replace

import numpy as np
import pytest
import torch

from t2a_edge.errors import CheckpointError
from t2a_edge.scales import scale_offsets
from train.codec import Codec
from train.config import QatConfig, WordingConfig, load_preset
from train.data import PixelStore, load_rows
from train.generator_task import (
    Generator,
    GeneratorTask,
    IndexMix,
    IndexStore,
    batch_words,
    cache_indices,
    chosen_words,
)
from train.loop import Fit
from train.qat import Mode, QatEmbedding, QatLinear, prepare
from train.text import TextEngine
from train.tracking import NoTracker
from train.wording import MEASURED, Extremes, Wording

PRESET = load_preset("tiny")
POSITIONS = scale_offsets(PRESET.codec.scales)[-1]
COARSE = scale_offsets(PRESET.coarse_scales)[-1]
WORDS = [("warm", "dark"), ("pale",), ("fluid", "dense", "calm")]


def index_store(views: int, code: int | None = None) -> IndexStore:
    """Random indices, or one code everywhere."""
    shape = (views, POSITIONS)
    indices = torch.randint(PRESET.codec.codebook_size, shape) if code is None else code
    indices = torch.as_tensor(indices).expand(shape).to(torch.int16)
    words = [WORDS[number % len(WORDS)] for number in range(views)]
    return IndexStore(indices, indices, words, torch.zeros(views, len(MEASURED)))


@pytest.fixture
def text():
    """Weights of a text engine whose fake-quantisers have seen words."""
    torch.manual_seed(3)
    engine = TextEngine(PRESET.text, PRESET.transformer.width)
    prepare(engine, QatConfig(momentum=1.0))
    engine.train()(batch_words(WORDS, PRESET)[0])
    return {name: tensor.clone() for name, tensor in engine.state_dict().items()}


def make_task(text=None) -> GeneratorTask:
    torch.manual_seed(4)
    mix = IndexMix([index_store(16)], [1.0])
    return GeneratorTask(PRESET, Codec(PRESET.codec), mix, index_store(6), text)


def weights(module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def modes(module) -> set[Mode]:
    return {part.mode for part in module.modules() if isinstance(part, QatLinear | QatEmbedding)}


# ---- indices


def test_stores_are_drawn_from_by_their_shares():
    mix = IndexMix([index_store(3, code=1), index_store(50, code=2)], [0.75, 0.25])
    samples = mix.draw(np.random.default_rng(1), 400)
    assert samples.indices.shape == (400, POSITIONS)
    assert samples.indices.dtype == torch.int64
    assert float((samples.indices[:, 0] == 1).float().mean()) == pytest.approx(0.75, abs=0.06)


def test_a_view_is_drawn_with_its_own_adjectives():
    codes = torch.arange(3).view(3, 1)
    stores = [IndexStore(codes, codes, WORDS, torch.zeros(3, len(MEASURED)))]
    samples = IndexMix(stores, [1.0]).draw(np.random.default_rng(1), 30)
    assert samples.adjectives == [WORDS[i] for i in samples.indices[:, 0].tolist()]
    assert set(samples.adjectives) == set(WORDS)


def test_a_selected_view_is_shown_with_its_whole_prompt_and_no_other_word():
    given, scores = [("warm", "dark", "dense")] * 2, torch.ones(2, len(MEASURED))
    codes = torch.zeros(2, 1)
    data = IndexStore(codes, codes, given, scores)
    drawn = IndexStore(codes, codes, given, scores, [True, True])
    config = WordingConfig(dropout=1.0, prompt_dropout=0.0, guidance_dropout=0.0, measured=1.0)
    limits = np.full(len(MEASURED), 0.5, dtype=np.float32)
    wording = Wording(config, Extremes(-limits, limits, 0 * limits))
    samples = IndexMix([data, drawn], [0.5, 0.5]).draw(np.random.default_rng(1), 40)
    assert 0 < sum(samples.prompted) < 40
    words = chosen_words(wording, samples, 8, np.random.default_rng(2))
    for row, whole in zip(words, samples.prompted, strict=True):
        assert (sorted(row) == sorted(given[0])) == whole


@pytest.mark.parametrize(("split", "views", "rows"), [("train", 3, 72), ("val", 0, 4)])
def test_each_picture_is_cached_in_several_views_or_in_its_fixed_one(
    data_folder, tmp_path, split, views, rows
):
    store = PixelStore(load_rows(data_folder), PRESET.data.shorter_side, tmp_path)
    arguments = Codec(PRESET.codec), store, PRESET, split, tmp_path / "i.safetensors", "key"
    first = cache_indices(*arguments, views=views)
    assert first.indices.shape == (rows, POSITIONS)
    assert len(first.adjectives) == rows
    again = cache_indices(*arguments, views=views)
    assert torch.equal(again.indices, first.indices)
    assert again.adjectives == first.adjectives


def test_a_cache_of_another_key_is_replaced(data_folder, tmp_path):
    store = PixelStore(load_rows(data_folder), PRESET.data.shorter_side, tmp_path)
    found = []
    for seed, key in enumerate(["one", "two", "two"]):
        torch.manual_seed(seed)
        codec = Codec(PRESET.codec)
        path = tmp_path / "i.safetensors"
        found.append(cache_indices(codec, store, PRESET, "val", path, key, views=0).indices)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found[1], found[2])  # of the codec before, not of this one


def test_training_views_slip_and_the_validation_view_does_not(data_folder, tmp_path):
    store = PixelStore(load_rows(data_folder), PRESET.data.shorter_side, tmp_path)
    torch.manual_seed(1)
    codec = Codec(PRESET.codec)
    preset = replace(PRESET, data=replace(PRESET.data, slips=0.3))
    train = cache_indices(codec, store, preset, "train", tmp_path / "t.safetensors", "t", views=2)
    val = cache_indices(codec, store, preset, "val", tmp_path / "v.safetensors", "v", views=0)
    assert 0.1 < float((train.indices != train.seen).float().mean()) < 0.5
    assert torch.equal(val.indices, val.seen)


# ---- the transformer's scales


def test_the_generator_predicts_the_coarse_scales_alone():
    task = make_task()
    losses = task.loss(0, np.random.default_rng(1))
    assert losses.keys() == {"loss", *(f"loss_scale_{i}" for i in range(2))}
    figures = task.validate()
    assert "accuracy_scale_1" in figures
    assert "accuracy_scale_2" not in figures
    text_bytes, word_weights = batch_words(WORDS, PRESET)
    indices = torch.zeros(len(WORDS), COARSE, dtype=torch.int64)
    logits = task.module(indices, text_bytes, word_weights)
    assert logits.shape == (len(WORDS), COARSE, PRESET.codec.codebook_size)


def test_without_a_refiner_it_predicts_all_scales():
    sampling = replace(PRESET.sampling, refiner_redraws=())
    preset = replace(PRESET, refiner=replace(PRESET.refiner, passes=0), sampling=sampling)
    mix = IndexMix([index_store(16)], [1.0])
    task = GeneratorTask(preset, Codec(preset.codec), mix, index_store(6))
    assert "accuracy_scale_3" in task.validate()


# ---- a trained text engine is frozen


def test_training_steps_and_qat_leave_a_trained_text_engine_as_it_is(text, tmp_path):
    task = make_task(text)
    before = weights(task.module.transformer)
    Fit(task, PRESET.transformer_fit, tmp_path, {}, NoTracker()).run()
    after = task.module.text.state_dict()
    assert after.keys() == text.keys()
    for name, tensor in text.items():
        assert torch.equal(after[name], tensor), name
    changed = weights(task.module.transformer)
    assert any(not torch.equal(changed[name], tensor) for name, tensor in before.items())


def test_without_one_the_text_engine_is_trained_along(tmp_path):
    task = make_task()
    before = weights(task.module.text)
    Fit(task, PRESET.transformer_fit, tmp_path, {}, NoTracker()).run(stop_at=3)
    assert not torch.equal(task.module.text.table.weight, before["table.weight"])
    task.start_qat()
    assert modes(task.module.text) == {Mode.OBSERVE}


def test_a_frozen_text_engine_stays_quantised_and_out_of_training(text):
    task = make_task(text)
    for start_qat in (False, True):
        if start_qat:
            task.start_qat()
        task.module.train()
        assert modes(task.module.text) == {Mode.FROZEN}
        assert not any(part.training for part in task.module.text.modules())
        assert task.module.transformer.training
    assert modes(task.module.transformer) == {Mode.OBSERVE}
    assert not any(p.requires_grad for p in task.module.text.parameters())


def test_a_frozen_text_engine_computes_in_training_what_it_ships(text):
    generator = Generator(PRESET, text)
    text_bytes, _ = batch_words(WORDS, PRESET)
    shipped = generator.eval().text(text_bytes)
    torch.testing.assert_close(generator.train().text(text_bytes), shipped, rtol=0, atol=0)


def test_a_run_with_a_frozen_text_engine_resumes_exactly(text, tmp_path):
    fit = PRESET.transformer_fit
    for folder, stops in (("whole", [None]), ("broken", [5, 23, None])):
        for stop_at in stops:
            task = make_task(text)
            Fit(task, fit, tmp_path / folder, {}, NoTracker()).run(stop_at=stop_at)
        if folder == "whole":
            whole = weights(task.module)
    assert all(torch.equal(v, whole[k]) for k, v in weights(task.module).items())


def test_a_text_engine_of_another_shape_is_refused(text):
    preset = replace(PRESET, text=replace(PRESET.text, table_size=32))
    with pytest.raises(CheckpointError, match="text engine does not fit the preset"):
        Generator(preset, text)
