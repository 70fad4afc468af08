import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from t2a_edge.errors import CheckpointError, ConfigError
from train.__main__ import main
from train.checkpoint import file_sha256, load_tensors
from train.config import load_preset
from train.model import Model
from train.preference import (
    PreferenceTask,
    pairs_of,
    preference_losses,
    preferred_model,
    ranked,
    train_preference,
)
from train.selection_task import Drawn, drawn_pictures, prompts_of
from train.stages import Run, index_stores


@pytest.fixture(scope="module")
def preferred(tiny_run, tiny_checkpoint, tmp_path_factory) -> Run:
    """A finished comparison of the tiny model's pictures, in a folder of its own."""
    run = Run(load_preset("tiny"), tmp_path_factory.mktemp("preferred"), tiny_run.data, workers=2)
    train_preference(run, tiny_checkpoint)
    return run


@pytest.fixture
def drawn(preferred, sampler) -> Drawn:
    """What the finished comparison drew; nothing is drawn here."""
    folder = preferred.folder / "cache" / "drawn-preference"
    key = load_tensors(folder / "001.safetensors")[1]["key"]
    return drawn_pictures(sampler, preferred.preset.preference, folder, key)


# ---- pairs


def test_the_best_picture_is_compared_with_the_worst_one():
    margins = np.array([0.1, 0.9, -0.5, 0.3], dtype=np.float32)
    assert ranked(margins, 0.1) == [(1, 2), (3, 0)]
    assert ranked(margins, 0.5) == [(1, 2)]
    assert ranked(margins, 2.0) == []


def test_one_picture_makes_no_pair_and_none_is_in_two():
    assert ranked(np.zeros(1, dtype=np.float32), 0.0) == []
    found = ranked(np.arange(5, dtype=np.float32), 0.1)
    assert found == [(4, 0), (3, 1)]


def test_pictures_that_are_alike_make_no_pair():
    assert ranked(np.ones(8, dtype=np.float32), 0.01) == []


def test_the_better_picture_of_a_pair_shows_its_words_better(preferred, drawn):
    config = preferred.preset.preference
    train, judged = pairs_of(drawn, config)
    held_out = prompts_of(config)[: round(config.held_out * config.prompts)]
    assert set(judged.prompts) <= set(held_out)
    assert not set(train.prompts) - set(prompts_of(config))
    assert len(train.better) == len(train.worse) == len(train.prompts) > 0


def test_pairs_that_differ_too_little_are_refused(drawn):
    config = replace(load_preset("tiny").preference, gap=1e6)
    with pytest.raises(CheckpointError, match=r"make 0 pairs to train on .* lower preference.gap"):
        pairs_of(drawn, config)


# ---- losses


def test_a_model_that_has_not_moved_prefers_nothing():
    likelihoods = torch.randn(2, 6)
    losses, right = preference_losses(likelihoods, likelihoods, 0.1)
    torch.testing.assert_close(losses, torch.full((6,), float(np.log(2))))
    assert not right.any()


def test_the_loss_falls_as_the_better_picture_gains_more_than_the_worse_one():
    before = torch.zeros(2, 3)
    now = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    losses, right = preference_losses(now, before, 0.5)
    expected = [np.log1p(np.exp(-0.5 * gained)) for gained in (1.0, 0.0, -2.0)]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert right.tolist() == [1, 0, 0]


@pytest.fixture
def task(preferred, sampler, drawn, tiny_checkpoint) -> PreferenceTask:
    pairs, judged = pairs_of(drawn, preferred.preset.preference)
    mix, val = index_stores(preferred, sampler.codec, file_sha256(tiny_checkpoint))
    return PreferenceTask(sampler, pairs, judged, mix, val, preferred.preset.preference_fit)


def test_training_starts_without_preference(task):
    task.module.eval()
    found = task.validate()
    for name in ("transformer", "refiner"):
        assert found[f"loss_{name}"] == pytest.approx(np.log(2), abs=1e-4)
    assert found["loss"] == pytest.approx(
        found["loss_transformer"] + found["loss_refiner"]
        + found["cross_entropy"] + found["refiner_loss"], abs=1e-4
    )  # fmt: skip


def test_steps_make_the_better_pictures_likelier_than_the_worse_ones(task, fitted):
    task.pairs = task.judged  # what is trained on is what is judged: it must be learnt by heart
    before, after = fitted(task, 25, 2e-3)
    for name in ("transformer", "refiner"):
        assert after[f"loss_{name}"] < before[f"loss_{name}"]
        assert after[f"preferred_{name}"] > 0.6
    assert not any(p.requires_grad for p in task.before.parameters())


# ---- the stage


def test_transformer_and_refiner_learn_and_nothing_else(preferred, tiny_checkpoint):
    before, after = Model.load(tiny_checkpoint), preferred_model(preferred, tiny_checkpoint)
    assert not torch.equal(before.transformer.head.weight, after.transformer.head.weight)
    assert not torch.equal(before.refiner.head.weight, after.refiner.head.weight)
    for part in ("codec", "text"):
        old, new = (getattr(model, part).state_dict() for model in (before, after))
        for name, tensor in old.items():
            assert torch.equal(tensor, new[name]), f"{part}.{name}"


def test_what_comes_of_it_is_a_whole_checkpoint(preferred, tiny_checkpoint, tmp_path):
    preferred_model(preferred, tiny_checkpoint).save(tmp_path / "preferred.safetensors")
    loaded = Model.load(tmp_path / "preferred.safetensors")
    assert loaded.preset.preference == preferred.preset.preference
    report = loaded.card["training"]["preference"]
    assert report["pairs"] > 0
    assert report["held_out"] > 0
    assert {"loss_scale_0", "preferred_transformer", "preferred_refiner"} <= report["val"].keys()
    assert (
        loaded.card["training"]["refiner"]
        == Model.load(tiny_checkpoint).card["training"]["refiner"]
    )


def test_workers_leave_what_one_process_makes(preferred, tiny_checkpoint, tmp_path):
    alone = replace(preferred, folder=tmp_path, workers=1)
    reports = [
        {k: v for k, v in train_preference(run, tiny_checkpoint).items() if k != "seconds"}
        for run in (preferred, alone)
    ]
    assert reports[0] == reports[1]


def test_a_finished_comparison_is_not_drawn_again(preferred, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("train.preference.own_pictures", None)
    report = json.loads((preferred.folder / "preference" / "report.json").read_text())
    assert train_preference(preferred, tiny_checkpoint) == report


def test_a_model_without_refiner_is_taught_alone(tiny_checkpoint, preferred, sampler, drawn):
    """The transformer's part does not need the refiner's."""
    pairs, judged = pairs_of(drawn, preferred.preset.preference)
    mix, val = index_stores(preferred, sampler.codec, file_sha256(tiny_checkpoint))
    plain = replace(sampler, refiner=None)
    task = PreferenceTask(plain, pairs, judged, mix, val, preferred.preset.preference_fit)
    assert task.module.refiner is None
    figures = {k: float(v.detach()) for k, v in task.loss(0, np.random.default_rng(0)).items()}
    assert "loss_refiner" not in figures
    expected = figures["loss_transformer"] + figures["loss_data"]
    assert figures["loss"] == pytest.approx(expected, abs=1e-5)


def test_a_preset_without_the_stage_is_refused(preferred, tiny_checkpoint, tmp_path):
    run = replace(preferred, preset=load_preset("tiny", ["preference.draws=0"]), folder=tmp_path)
    with pytest.raises(ConfigError, match=r"preference.draws is 0; set it to 2 or more"):
        train_preference(run, tiny_checkpoint)


def test_the_command_writes_a_checkpoint(preferred, tiny_run, tiny_checkpoint, tmp_path):
    out = tmp_path / "preferred.safetensors"
    paths = {"--data": tiny_run.data, "--run": preferred.folder, "--model": tiny_checkpoint,
             "--out": out}  # fmt: skip
    given = [str(part) for pair in paths.items() for part in pair]
    result = CliRunner().invoke(main, ["preference", "--preset", "tiny", *given])
    assert result.exit_code == 0, result.output
    assert "preference" in Model.load(out).card["training"]
