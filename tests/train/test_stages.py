import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from t2a_edge.command import run_command
from t2a_edge.errors import CheckpointError, ConfigError
from train.__main__ import main
from train.checkpoint import load_tensors, read_report, save_tensors
from train.codec import Codec
from train.config import QatConfig, load_preset
from train.generator_task import Generator, batch_words
from train.model import Model
from train.qat import prepare
from train.stages import (
    Run,
    assemble_model,
    index_stores,
    train_generator,
    train_refiner,
    train_selection,
    trained_codec,
    trained_generator,
    trained_refiner,
    trained_text,
)
from train.text import TextEngine


def test_the_report_has_loss_and_accuracy_of_each_scale(tiny_run):
    report = json.loads((tiny_run.folder / "generator" / "report.json").read_text())
    assert "loss_scale_2" not in report["val"]  # that is the refiner's
    for scale in range(len(tiny_run.preset.coarse_scales)):
        assert report["val"][f"loss_scale_{scale}"] > 0
        assert 0 <= report["val"][f"accuracy_scale_{scale}"] <= 1


def test_the_refiners_report_has_loss_and_accuracy_of_each_pass(tiny_run):
    report = json.loads((tiny_run.folder / "refiner" / "report.json").read_text())
    for scale in (2, 3):
        for number in range(tiny_run.preset.refiner.passes):
            name = f"scale_{scale}_pass_{number}"
            assert report["val"][f"loss_{name}"] > 0
            assert 0 <= report["val"][f"accuracy_{name}"] <= 1


@pytest.mark.parametrize("stage", ["generator", "refiner"])
def test_training_makes_generator_and_refiner_better(tiny_run, stage):
    history = json.loads((tiny_run.folder / stage / "history.json").read_text())
    assert history[-1]["loss"] < history[0]["loss"]


def test_indices_are_cached_with_their_adjectives(tiny_run):
    codec, key = trained_codec(tiny_run)
    mix, val = index_stores(tiny_run, codec, key)
    (train,) = mix.stores
    assert mix.shares == [1.0]
    images = 24 * tiny_run.preset.data.views
    assert train.indices.shape == (images, 21 + 64)
    assert len(train.adjectives) == images
    assert val.indices.shape == (4, 21 + 64)
    for split, store in (("train", train), ("val", val)):
        cached, _ = load_tensors(tiny_run.folder / "cache" / f"indices-{split}.safetensors")
        assert torch.equal(cached["indices"], store.indices)


# ---- each stage needs the ones before it, and those that it was trained with


def copy_of(run: Run, folder: Path, *stages: str) -> Run:
    """The run with some of its finished stages in another folder."""
    for stage in (*stages, "cache"):
        shutil.copytree(run.folder / stage, folder / stage)
    return replace(run, folder=folder)


@pytest.mark.parametrize(
    ("train", "finished", "missing"),
    [
        (train_generator, [], "codec"),
        (train_refiner, [], "codec"),
        (train_refiner, ["codec"], "generator"),
        (train_selection, ["codec", "generator"], "refiner"),
        (assemble_model, ["codec", "generator"], "selection"),
        (assemble_model, ["codec", "generator", "selection"], "refiner"),
    ],
)
def test_a_stage_needs_the_ones_before_it(tiny_run, tmp_path, train, finished, missing):
    run = copy_of(tiny_run, tmp_path, *finished)
    with pytest.raises(CheckpointError, match=f"run `python -m train {missing}` first"):
        train(run)


def test_a_generator_of_another_codec_is_refused(tiny_run):
    with pytest.raises(CheckpointError, match=r"trained on another codec .* train generator` aga"):
        trained_generator(tiny_run, "another")


@pytest.mark.parametrize("other", ["codec", "generator"])
def test_a_refiner_of_another_codec_or_generator_is_refused(tiny_run, other):
    _, codec_key = trained_codec(tiny_run)
    _, generator_key = trained_generator(tiny_run, codec_key)
    assert trained_generator(tiny_run, codec_key, selected=False)[1] == generator_key
    assert trained_refiner(tiny_run, codec_key, generator_key) is not None
    keys = {"codec": codec_key, "generator": generator_key, other: "another"}
    with pytest.raises(CheckpointError, match=rf"trained on another {other} .* train refiner` aga"):
        trained_refiner(tiny_run, keys["codec"], keys["generator"])


def test_a_preset_without_refiner_has_no_such_stage(tiny_run):
    preset = load_preset("tiny", ["refiner.passes=0", "sampling.refiner_redraws=0"])
    with pytest.raises(ConfigError, match="preset has no refiner"):
        train_refiner(replace(tiny_run, preset=preset))


def test_selection_trains_on_what_was_drawn_and_kept(tiny_run):
    report = json.loads((tiny_run.folder / "selection" / "report.json").read_text())
    config = tiny_run.preset.selection
    assert 0 < report["kept"] <= config.prompts * config.keep
    assert 0 < report["shown_before"] <= 1
    assert report["val"]["cross_entropy"] > 0
    assert -1 <= report["val"]["loss"] <= 1
    assert 0 <= report["val"]["shown"] <= 1
    _, codec_key = trained_codec(tiny_run)
    (before, _), (after, _) = (
        trained_generator(tiny_run, codec_key, selected=selected) for selected in (False, True)
    )
    assert not torch.equal(before.transformer.head.weight, after.transformer.head.weight)
    for name, tensor in before.text.state_dict().items():  # words keep their places
        assert torch.equal(tensor, after.text.state_dict()[name]), name


def test_a_finished_selection_is_not_drawn_again(tiny_run, monkeypatch):
    monkeypatch.setattr("train.stages.selected_pictures", None)
    assert train_selection(tiny_run)["kept"] > 0


def test_a_preset_without_selection_has_no_such_stage(tiny_run):
    preset = load_preset("tiny", ["selection.draws=0"])
    with pytest.raises(ConfigError, match="preset has no selection"):
        train_selection(replace(tiny_run, preset=preset))
    _, codec_key = trained_codec(tiny_run)
    generator, _ = trained_generator(replace(tiny_run, preset=preset), codec_key)
    plain, _ = trained_generator(tiny_run, codec_key, selected=False)
    assert torch.equal(generator.transformer.head.weight, plain.transformer.head.weight)


def test_a_generator_takes_the_text_engine_of_the_words_stage(tiny_run, tmp_path):
    run = copy_of(tiny_run, tmp_path, "codec")
    assert trained_text(run) == (None, "")
    torch.manual_seed(9)
    engine = TextEngine(run.preset.text, run.preset.transformer.width)
    prepare(engine, QatConfig(momentum=1.0))
    engine.train()(batch_words([("warm", "dark")], run.preset)[0])
    words = {f"text.{name}": tensor for name, tensor in engine.state_dict().items()}
    save_tensors(tmp_path / "words" / "best.safetensors", words | {"head": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="unfinished words stage"):
        trained_text(run)
    (tmp_path / "words" / "report.json").write_text("{}")
    train_generator(run)
    generator, _ = trained_generator(run, trained_codec(run)[1], selected=False)
    for name, tensor in generator.text.state_dict().items():
        assert torch.equal(tensor, words[f"text.{name}"]), name


# ---- the whole model in one file


def test_a_model_survives_its_checkpoint(tiny_run, tiny_checkpoint):
    model, loaded = assemble_model(tiny_run), Model.load(tiny_checkpoint)
    assert loaded.spec == model.spec
    assert loaded.vocabulary == tuple(sorted({"warm", "smooth", "cool", "striped", "dark",
                                              "vertical", "pale", "horizontal"}))  # fmt: skip
    assert loaded.parameter_count() == model.parameter_count()
    for part in ("generator", "refiner"):
        for name, tensor in getattr(model, part).state_dict().items():
            other = getattr(loaded, part).state_dict()[name]
            torch.testing.assert_close(other, tensor, rtol=2e-3, atol=1e-4)  # float16 on disk
    for part in (loaded.transformer, loaded.refiner):
        assert torch.equal(part.codebook, loaded.codec.quantizer.codebook)


def test_the_codebook_of_a_checkpoint_lies_on_int8_steps(tiny_checkpoint):
    book = Model.load(tiny_checkpoint).codec.quantizer.codebook
    steps = book / (book.abs().max() / 127)
    assert book.dtype == torch.float32
    assert (steps - steps.round()).abs().max() < 1e-3


def test_a_model_without_refiner_survives_its_checkpoint(tmp_path, observed):
    preset = load_preset("tiny", ["refiner.passes=0", "sampling.refiner_redraws=0"])
    torch.manual_seed(1)
    codec, generator = observed(Codec(preset.codec)), observed(Generator(preset))
    Model(preset, codec, generator, None, ("warm",), {}).save(tmp_path / "plain.safetensors")
    loaded = Model.load(tmp_path / "plain.safetensors")
    assert loaded.refiner is None
    assert loaded.spec.refiner_passes == 0
    assert loaded.spec.coarse_scales == preset.codec.scales


@pytest.mark.parametrize(
    ("part", "section", "key"),
    [("generator", "transformer", "layers"), ("refiner", "refiner", "blocks")],
)
def test_a_checkpoint_that_does_not_fit_its_preset_is_refused(
    tiny_checkpoint, tmp_path, part, section, key
):
    tensors, about = load_tensors(tiny_checkpoint)
    about["preset"][section][key] = 3
    save_tensors(tmp_path / "other.safetensors", tensors, about)
    with pytest.raises(CheckpointError, match=f"{part} does not fit the preset"):
        Model.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("about", ["null", "[" * 100_000, "1" * 5_000, "{"])
def test_a_checkpoint_that_describes_itself_wrongly_is_refused(tmp_path, about):
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", {"about": about})
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("part", ["card", "vocabulary", "preset"])
def test_a_checkpoint_without_a_description_of_its_model_is_refused(
    tiny_checkpoint, tmp_path, part
):
    tensors, about = load_tensors(tiny_checkpoint)
    save_tensors(tmp_path / "x.safetensors", tensors, {**about, part: None})
    with pytest.raises(CheckpointError, match="does not describe its model"):
        Model.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_report_that_cannot_be_read_is_told(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a report"):
        read_report(tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="expected a checkpoint of a whole model"):
        Model.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["codec", "--data", "nowhere"], "No data folder at nowhere"),
        (["codec", "--set", "codec.scale=[1]"], "did you mean scales"),
        (["generator", "--preset", "huge"], "No preset 'huge'"),
        (["refiner", "--preset", "tiny", "--set", "refiner.passes=3"], "expected one of [0, 1, 2"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_the_command_answers_bad_input_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(main, arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_the_program_answers_bad_input_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "train", "codec", "--data", "nowhere"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "No data folder at nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1
