import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.vocabulary import HUES, known_words, poles
from train.composition import (
    CompositionTask,
    composed_model,
    composed_prompts,
    composed_rows,
    guidance_strengths,
    teach,
    train_composition,
)
from train.config import CompositionConfig, load_preset
from train.draw import draw_indices
from train.generator_task import batch_words
from train.model import Model
from train.qat import disable
from train.stages import Run


@pytest.fixture(scope="module")
def composed(tiny_run, tiny_checkpoint, tmp_path_factory) -> Run:
    """A finished composition of the tiny model, in a folder of its own."""
    run = Run(load_preset("tiny"), tmp_path_factory.mktemp("composed"), tiny_run.data)
    train_composition(run, tiny_checkpoint)
    return run


@pytest.fixture
def model(tiny_checkpoint) -> Model:
    """The tiny model, in float."""
    loaded = Model.load(tiny_checkpoint)
    for module in loaded.modules:
        disable(module.eval())
    return loaded


def worded(model, prompts):
    """Embedding and weights of prompts."""
    text_bytes, weights = batch_words(prompts, model.preset)
    with torch.no_grad():
        return model.text(text_bytes), weights


def test_only_the_transformer_learns(composed, tiny_checkpoint):
    before, after = Model.load(tiny_checkpoint), composed_model(composed, tiny_checkpoint)
    assert not torch.equal(before.transformer.head.weight, after.transformer.head.weight)
    for part in ("codec", "text", "refiner"):
        old, new = (getattr(each, part).state_dict() for each in (before, after))
        for name, tensor in old.items():
            assert torch.equal(tensor, new[name]), f"{part}.{name}"


def test_what_comes_of_it_is_a_whole_checkpoint(composed, tiny_checkpoint, tmp_path):
    made = composed_model(composed, tiny_checkpoint)
    made.save(tmp_path / "composed.safetensors")
    loaded = Model.load(tmp_path / "composed.safetensors")
    assert loaded.preset.composition == composed.preset.composition
    report = loaded.card["training"]["composition"]
    assert report["steps"] == 12
    assert {"loss", "loss_without_words", "accuracy_scale_0"} <= set(report["val"])


def test_it_comes_nearer_to_what_the_words_say_one_by_one(tiny_checkpoint, tiny_run, tmp_path):
    overrides = ["composition_fit.steps=40", "composition_fit.qat_steps=0"]
    preset = load_preset("tiny", [*overrides, "composition_fit.learning_rate=1e-3"])
    report = train_composition(Run(preset, tmp_path, tiny_run.data), tiny_checkpoint)
    assert 0 < report["after"] < 0.8 * report["before"]


def test_a_finished_composition_is_not_trained_again(composed, tiny_checkpoint, monkeypatch):
    monkeypatch.setattr("train.composition.CompositionTask", None)
    report = json.loads((composed.folder / "composition" / "report.json").read_text())
    assert train_composition(composed, tiny_checkpoint) == report


def test_it_goes_on_where_it_was_stopped(composed, tiny_checkpoint, tmp_path, monkeypatch):
    """A run that is cut off and resumed ends at the weights of an unbroken one."""
    from train.loop import Fit

    whole, run = Fit.run, replace(composed, folder=tmp_path)
    monkeypatch.setattr(Fit, "run", lambda fit: whole(fit, stop_at=6) and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_composition(run, tiny_checkpoint)
    monkeypatch.undo()
    report = train_composition(run, tiny_checkpoint)
    assert report["before"] == train_composition(composed, tiny_checkpoint)["before"]
    one, other = (composed_model(each, tiny_checkpoint).generator for each in (composed, run))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_without_words_alone_the_teacher_draws_as_the_sampler_does(model):
    """One row a picture: the same codes and guidance as `train.draw`."""
    spec = replace(model.preset.spec, guidance_by_words=(0.5, 1.5))
    prompts = [("warm",), ("dark", "busy"), ()]
    embedding, weights = worded(model, prompts)
    config = replace(model.preset.composition, share=0.0, axes=(), pulls=())
    rows = composed_rows(embedding, weights, [[1.0], [1.0, 1.0], []], config)
    assert rows.picture.tolist() == [0, 1, 2]
    strengths = guidance_strengths(spec, weights)
    taught = teach(model.transformer, spec, rows, strengths, np.random.default_rng(4))
    drawn = draw_indices(
        model.transformer, model.refiner, spec, embedding, weights, np.random.default_rng(4)
    )
    assert torch.equal(taught.indices, drawn[:, : taught.indices.shape[1]])


def test_the_teacher_adds_what_each_word_says(model):
    """At the first scale, where nothing is drawn yet, the sum can be told row by row."""
    spec, prompts = model.preset.spec, [("warm", "dark")]
    config = CompositionConfig(share=0.5)
    embedding, weights = worded(model, prompts)
    rows = composed_rows(embedding, weights, [[0.5, 2.0]], config)
    assert rows.pull.tolist() == [0.5, 0.25, 1.0]
    strengths = guidance_strengths(spec, weights)
    taught = teach(model.transformer, spec, rows, strengths, np.random.default_rng(0))

    def alone(weights):
        row = composed_rows(embedding, torch.tensor([weights]), [[1.0]], config)
        rng = np.random.default_rng(0)
        return teach(model.transformer, spec, row, strengths, rng).steered[0, 0]

    strength = float(strengths[0, 0])
    none = taught.plain[0, 0]
    width = weights.shape[1] - 2
    both, warm, dark = ((*pair, *[0.0] * width) for pair in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))
    # `alone` is guided already: none + strength (row - none)
    expected = none + sum(
        pull * (alone(row) - none) for pull, row in ((0.5, both), (0.25, warm), (1.0, dark))
    )
    assert strength > 0
    torch.testing.assert_close(taught.steered[0, 0], expected, atol=1e-4, rtol=1e-4)


def test_many_words_alone_pull_no_more_than_a_few(model):
    prompts = [("warm", "dark", "busy", "calm", "bold", "flat")]
    embedding, weights = worded(model, prompts)
    config = CompositionConfig(share=0.6, most=3)
    rows = composed_rows(embedding, weights, [[1.0] * 6], config)
    assert rows.pull.tolist() == pytest.approx([0.4, *[0.3] * 6])


def test_prompts_name_an_axis_once_and_say_how_it_pulls():
    config = CompositionConfig(
        share=1, axes=("temperature", "hue"), pulls=(0.5, 2), lengths=(0, 1, 4)
    )
    prompts, pulls = composed_prompts(300, config, 0.0, np.random.default_rng(1))
    assert {len(prompt) for prompt in prompts} == {0, 1, 4}
    for prompt, strengths in zip(prompts, pulls, strict=True):
        axes = [poles()[w][0] if w in poles() else "hue" if w in HUES else w for w in prompt]
        assert len(set(axes)) == len(axes)
        assert set(prompt) <= set(known_words())
        assert list(strengths) == [{"temperature": 0.5, "hue": 2}.get(a, 1.0) for a in axes]


def test_some_words_are_swapped_for_synonyms():
    config = CompositionConfig(share=1, lengths=(1,))
    prompts, _ = composed_prompts(200, config, 0.5, np.random.default_rng(1))
    unknown = sum(word not in known_words() for prompt in prompts for word in prompt)
    assert 20 < unknown < 120


def test_a_picture_without_words_is_to_stay_as_it_is(tiny_checkpoint):
    preset = load_preset("tiny", ["composition.lengths=[0]"])
    task = CompositionTask(preset, Model.load(tiny_checkpoint).generator)
    task.module.eval()
    assert task.validate()["loss"] == pytest.approx(0, abs=1e-5)


def test_a_composition_belongs_to_one_model(composed, tiny_checkpoint, tmp_path):
    model = Model.load(tiny_checkpoint)
    model.card["title"] = "another"
    model.save(tmp_path / "another.safetensors")
    with pytest.raises(CheckpointError, match="trained on another model than the one in this run"):
        composed_model(composed, tmp_path / "another.safetensors")


def test_a_preset_without_composition_has_no_such_stage(composed, tiny_checkpoint, tmp_path):
    preset = load_preset("tiny", ["composition.share=0"])
    with pytest.raises(ConfigError, match=r"composition\.share is 0"):
        train_composition(replace(composed, preset=preset, folder=tmp_path), tiny_checkpoint)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.5}, "share of a composition is 1.5"),
        ({"most": 0}, "most of a composition is 0"),
        ({"lengths": ()}, "lengths of a composition"),
        ({"axes": ("depth",), "pulls": (1,)}, "axes of a composition names"),
        ({"axes": ("hue",)}, "pulls of a composition is"),
        ({"axes": ("hue",), "pulls": (0,)}, "pulls of a composition is"),
    ],
)
def test_a_wrong_configuration_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        CompositionConfig(**values)
