import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from t2a_edge.errors import ConfigError
from train.__main__ import main
from train.checkpoint import file_sha256, load_tensors
from train.config import load_preset
from train.critic import Critic
from train.model import Model
from train.reward import RewardTask, rewarded_model, train_reward
from train.selection_task import Drawn, drawn_pictures
from train.stages import Run, drawing_key, index_stores
from train.wording import MEASURED

LIGHTNESS = MEASURED.index("lightness")
SCALES = (1, 2)  # of the tiny model's four: the transformer's last and the refiner's first


class FirstChannel(Critic):
    """Says that a picture is as light as the first channel of its canvas is high."""

    def forward(self, canvas: Tensor) -> Tensor:
        scores = torch.zeros(len(canvas), len(MEASURED))
        return scores.index_copy(1, torch.tensor([LIGHTNESS]), canvas[:, :1].float().mean((2, 3)))


@pytest.fixture(scope="module")
def rewarded(tiny_run, tiny_checkpoint, tmp_path_factory) -> Run:
    """A finished reward of the tiny model, in a folder of its own."""
    run = Run(load_preset("tiny"), tmp_path_factory.mktemp("rewarded"), tiny_run.data, workers=2)
    train_reward(run, tiny_checkpoint)
    return run


@pytest.fixture
def drawn(rewarded, sampler) -> Drawn:
    """What the finished stage drew; nothing is drawn here."""
    folder = rewarded.folder / "cache" / "drawn-reward"
    key = load_tensors(folder / "001.safetensors")[1]["key"]
    return drawn_pictures(sampler, rewarded.preset.reward, folder, key)


@pytest.fixture
def task(rewarded, sampler, drawn, tiny_checkpoint) -> RewardTask:
    """Pictures of "bright" and "dark", judged by the first channel."""
    mix, val = index_stores(rewarded, sampler.codec, file_sha256(tiny_checkpoint))
    prompts = [("bright",) if n % 2 else ("dark",) for n in range(len(drawn.prompts))]
    scores = np.random.default_rng(1).normal(0, 0.1, drawn.plain_scores.shape).astype(np.float32)
    drawn = replace(drawn, prompts=prompts, plain_scores=scores)
    critics = {scale: FirstChannel(8, 8) for scale in SCALES}
    return RewardTask(sampler, critics, drawn, mix, val, rewarded.preset.reward_fit)


# ---- what is judged


def test_a_word_that_is_shown_well_enough_hardly_pulls(task):
    """A softplus falls by half a spread for each half that is missing, and to nothing beyond."""
    task.module.eval()
    found = {}
    for middle in (-20.0, 0.0, 20.0):
        task.middle = torch.full_like(task.middle, middle)
        task.spread = torch.ones_like(task.spread)
        bright = [n for n, p in enumerate(task.drawn.prompts) if p == ("bright",)]
        rows = [bright[0] * task.drawn.draws]
        with torch.no_grad():
            found[middle] = task._judged(rows, [("bright",)], [], np.random.default_rng(0))
    for scale in SCALES:
        short, shown = f"short_scale_{scale}", f"shown_scale_{scale}"
        assert float(found[-20.0][short]) < 1e-6
        assert float(found[-20.0][shown]) == 1
        assert float(found[20.0][shown]) == 0
        assert float(found[20.0][short]) == pytest.approx(20 + task.config.enough, abs=2)


def test_pictures_without_words_only_must_stay_as_they_were(task):
    task.module.eval()
    with torch.no_grad():
        for module in (task.coarse.module.transformer, task.fine.module):
            module.head.bias.add_(torch.randn_like(module.head.bias))
        few = task._judged([0], [("dark",)], [], np.random.default_rng(0))
        more = task._judged([0], [("dark",)], [0, 1, 2], np.random.default_rng(0))
    for scale in SCALES:
        for figures in (few, more):
            assert float(figures[f"divergence_scale_{scale}"]) > 0
            assert float(figures[f"shown_scale_{scale}"]) in (0, 1)


def test_steps_make_what_is_drawn_show_its_words(task, fitted):
    task.config = replace(task.config, weight=20.0, divergence=0.0)
    before, after = fitted(task, 60, 5e-3)
    for scale in SCALES:
        assert after[f"short_scale_{scale}"] < 0.9 * before[f"short_scale_{scale}"]
        assert after[f"shown_scale_{scale}"] > before[f"shown_scale_{scale}"]
        assert after[f"divergence_scale_{scale}"] > before[f"divergence_scale_{scale}"]


def test_no_branch_is_left_out_of_what_is_drawn(task):
    """Two draws of one picture with one noise are one picture, in training as well."""
    task.module.train()
    found = []
    for _ in range(2):
        figures = task._judged([0], [("dark",)], [], np.random.default_rng(0))
        found.append({name: value.item() for name, value in figures.items()})
    assert found[0] == found[1]


def test_the_loss_is_the_sum_of_its_parts(task):
    task.module.eval()
    config, figures = task.config, task.validate()

    def judged(figures: dict[str, float]) -> float:
        weights = {"short": config.weight, "divergence": config.divergence}
        return sum(
            weight * figures[f"{name}_scale_{n}"]
            for name, weight in weights.items()
            for n in SCALES
        )

    data = figures["cross_entropy"] + figures["refiner_loss"]
    assert figures["loss"] == pytest.approx(judged(figures) + data, rel=1e-5)
    step = {k: float(v.detach()) for k, v in task.loss(0, np.random.default_rng(0)).items()}
    data = step["loss_data"] + step["loss_data_refiner"]
    assert step["loss"] == pytest.approx(judged(step) + data, rel=1e-5)


# ---- the stage


def test_transformer_and_refiner_learn_and_nothing_else(rewarded, tiny_checkpoint):
    before, after = Model.load(tiny_checkpoint), rewarded_model(rewarded, tiny_checkpoint)
    assert not torch.equal(before.refiner.head.weight, after.refiner.head.weight)
    old, new = (model.generator.transformer.head.weight for model in (before, after))
    assert not torch.equal(old, new)
    for part in ("codec", "text"):
        old, new = (getattr(model, part).state_dict() for model in (before, after))
        for name, tensor in old.items():
            assert torch.equal(tensor, new[name]), f"{part}.{name}"


def test_what_comes_of_it_is_a_whole_checkpoint(rewarded, tiny_checkpoint, tmp_path):
    rewarded_model(rewarded, tiny_checkpoint).save(tmp_path / "rewarded.safetensors")
    loaded = Model.load(tmp_path / "rewarded.safetensors")
    assert loaded.preset.reward == rewarded.preset.reward
    report = loaded.card["training"]["reward"]
    assert report["pictures"] == 8 * 4
    assert 0 <= report["shown_before"] <= 1
    judged = {f"{name}_scale_{n}" for name in ("short", "shown", "divergence") for n in SCALES}
    data = {"loss_scale_1", "refiner_loss_scale_2_pass_0"}
    assert judged | data <= report["val"].keys()
    assert list(report["critics"]) == ["2", "4"]
    assert {"r2", "r2_contour"} <= report["critics"]["4"]["val"].keys()


def test_workers_leave_what_one_process_makes(rewarded, tiny_checkpoint, tmp_path):
    alone = replace(rewarded, folder=tmp_path, workers=1)
    reports = [train_reward(run, tiny_checkpoint) for run in (rewarded, alone)]
    for report in reports:
        for part in (report, *report["critics"].values()):
            part.pop("seconds")
    assert reports[0] == reports[1]


def test_a_finished_reward_is_not_drawn_again(rewarded, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("train.reward.own_pictures", None)
    report = json.loads((rewarded.folder / "reward" / "report.json").read_text())
    assert train_reward(rewarded, tiny_checkpoint) == report


def test_pictures_are_drawn_again_for_other_prompts_but_not_for_another_weight(rewarded):
    def key(*overrides: str) -> str:
        run = replace(rewarded, preset=load_preset("tiny", overrides))
        return drawing_key(run, "reward", model_sha256="0")

    assert key("reward.weight=2") == key("reward.enough=2") == key()
    assert key("reward.seed=2") != key()
    assert key("sampling.guidance_scale=2") != key()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["reward.draws=0"], r"reward.draws is 0; set it to 1 or more"),
        (["refiner.passes=0", "sampling.refiner_redraws=0"], r"refiner.passes is 0; set it to"),
        (["reward.scales=[2, 4]"], r"reward.scales is \[2, 4\] and codec.scales has 4 entries"),
        (["sampling.scale_temperature=[1, 0, 1, 0]"], r"draws the scales \[1\] at temperature 0"),
    ],
)
def test_a_preset_without_the_stage_is_refused(
    rewarded, tiny_checkpoint, tmp_path, overrides, message
):
    run = replace(rewarded, preset=load_preset("tiny", overrides), folder=tmp_path)
    with pytest.raises(ConfigError, match=message):
        train_reward(run, tiny_checkpoint)


BAD = ("weight=-1", "divergence=-1", "held_out=1", "wordless_share=0", "width=0", "scales=[]",
       "scales=[2, 2]", "scales=[-1]")  # fmt: skip


@pytest.mark.parametrize("value", BAD)
def test_values_out_of_range_are_refused(value):
    with pytest.raises(ConfigError, match=value.split("=")[0]):
        load_preset("tiny", [f"reward.{value}"])


def test_the_command_writes_a_checkpoint(rewarded, tiny_run, tiny_checkpoint, tmp_path):
    out = tmp_path / "rewarded.safetensors"
    paths = {"--data": tiny_run.data, "--run": rewarded.folder, "--model": tiny_checkpoint,
             "--out": out}  # fmt: skip
    given = [str(part) for pair in paths.items() for part in pair]
    result = CliRunner().invoke(main, ["reward", "--preset", "tiny", *given])
    assert result.exit_code == 0, result.output
    assert "reward" in Model.load(out).card["training"]
