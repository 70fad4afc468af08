"""The recipe: every stage of a run, what each says of itself, and the checkpoint of all."""

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
from tests import tiny
from train.__main__ import main
from train.checkpoint import file_sha256, load_tensors, read_report, save_tensors
from train.data.pictures import folder_sha256
from train.models.whole import WholeModel
from train.preset import load_preset
from train.run import Run
from train.stages.codec import train_codec, train_decoder
from train.stages.painter import latent_key, opened, prepared
from train.stages.recipe import MODEL, assembled, train_all, train_shared
from train.stages.start import start_of
from train.words.lexicon.teachers import Sources

STAGES = ("words", "codec", "decoder", "forms", "painter", "distilled")


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_says_how_it_was_made(tiny_run, stage):
    report = read_report(tiny_run.folder / stage)
    assert report["stage"] == stage
    assert report["seed"] == 1
    assert report["samples"] > report["steps"] > 0
    assert report["samples_per_second"] > 0
    assert report["machine"]["torch"] == torch.__version__
    for name, digest in {**report["inputs"], **report["outputs"]}.items():
        assert digest == file_sha256(tiny_run.folder / name), name
    if stage != "words":
        assert report["data"]["paintings"]["sha256"] == folder_sha256(tiny_run.data)[1]
        assert report["data"]["studio"]["pictures"] == 24


def test_each_stage_names_what_it_is_of(tiny_run):
    inputs = {stage: set(read_report(tiny_run.folder / stage)["inputs"]) for stage in STAGES}
    start = {f"{stage}/best.safetensors" for stage in ("words", "codec", "decoder")}
    assert inputs["words"] == inputs["codec"] == set()
    assert inputs["decoder"] == {"codec/best.safetensors"}
    assert inputs["forms"] == inputs["painter"] == start
    assert inputs["distilled"] == start | {"painter/best.safetensors"}


def test_a_command_and_its_overrides_are_kept(tiny_run, tmp_path, monkeypatch):
    arguments = [
        "codec", "--preset", "tiny", "--set", "codec_fit.steps=6", "--run", str(tmp_path),
        "--studio-cache", str(tiny_run.cache),
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    main(arguments, standalone_mode=False)
    report = read_report(tmp_path / "codec")
    assert report["command"] == f"python -m train {' '.join(arguments)}"
    assert report["overrides"] == ["codec_fit.steps=6"]
    assert set(report["data"]) == {"studio"}  # without a data folder
    assert report["val"]["images"] == 2


def test_the_data_s_digest_changes_with_a_picture_and_with_a_word(data_folder, tmp_path):
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    count, digest = folder_sha256(data_folder)
    assert (count, digest) == folder_sha256(folder)
    assert count == tiny.IMAGES
    lines = folder / "pictures.jsonl"
    lines.write_text(lines.read_text().replace("warm", "hot"))
    worded = folder_sha256(folder)[1]
    shutil.copy(folder / "images" / "01.png", folder / "images" / "00.png")
    assert len({digest, worded, folder_sha256(folder)[1]}) == 3


# ---- the whole model in one file


def test_the_recipe_ends_with_a_checkpoint_of_all(tiny_run, tiny_checkpoint):
    model = WholeModel.load(tiny_checkpoint)
    assert [record["stage"] for record in model.card["lineage"]] == list(STAGES)
    assert model.card["lineage"][-1] == read_report(tiny_run.folder / "distilled")
    assert model.card["data"]["images"] == {"train": 24, "val": 4, "test": 4}
    assert {"warm", "smooth", "dotted"} <= set(model.vocabulary)
    assert model.spec == tiny_run.preset.spec(len(model.bank.codes))
    assert model.parameter_count() == assembled(tiny_run).parameter_count()


def test_the_codebook_of_a_checkpoint_lies_on_int8_steps(tiny_checkpoint):
    book = WholeModel.load(tiny_checkpoint).codec.quantizer.codebook
    steps = book / (book.abs().max() / 127)
    assert book.dtype == torch.float32
    assert (steps - steps.round()).abs().max() < 1e-3


def test_a_run_that_is_over_is_not_trained_again(tiny_run, monkeypatch):
    before = file_sha256(tiny_run.folder / MODEL)
    monkeypatch.setattr("train.loop.Fit._one_step", None)
    monkeypatch.setattr("train.words.stage.build_lexicon", None)
    train_all(tiny_run, Sources())
    assert file_sha256(tiny_run.folder / MODEL) == before


@pytest.mark.parametrize(
    ("part", "section", "key"), [("painter", "painter", "layers"), ("query", "form", "key")]
)
def test_a_checkpoint_that_does_not_fit_its_preset_is_refused(
    tiny_checkpoint, tmp_path, part, section, key
):
    tensors, about = load_tensors(tiny_checkpoint)
    about["preset"][section][key] = 3
    save_tensors(tmp_path / "other.safetensors", tensors, about)
    with pytest.raises(CheckpointError, match=f"{part} does not fit the preset"):
        WholeModel.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("lost", ["bank.keys", "codec.quantizer.codebook"])
def test_a_checkpoint_without_a_part_is_refused(tiny_checkpoint, tmp_path, lost):
    tensors, about = load_tensors(tiny_checkpoint)
    del tensors[lost]
    save_tensors(tmp_path / "other.safetensors", tensors, about)
    with pytest.raises(CheckpointError, match=f"lacks '{lost.partition('.')[2]}'"):
        WholeModel.load(tmp_path / "other.safetensors")


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
        WholeModel.load(tmp_path / "x.safetensors")


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {})
    with pytest.raises(CheckpointError, match="expected a checkpoint of a whole model"):
        WholeModel.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 100_000])
def test_a_report_that_cannot_be_read_is_told(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a report"):
        read_report(tmp_path)


# ---- a run starts from its own stages, or from a checkpoint


def test_a_checkpoint_gives_the_codec_and_the_text_engine_of_its_run(tiny_run, tiny_checkpoint):
    own, other = start_of(tiny_run), start_of(replace(tiny_run, model=tiny_checkpoint))
    assert other.inputs == {MODEL: file_sha256(tiny_checkpoint)}
    assert [record["stage"] for record in own.lineage] == ["words", "codec", "decoder"]
    assert own.lineage == other.lineage
    for part in ("codec", "text"):
        mine, theirs = (getattr(start, part).state_dict() for start in (own, other))
        assert mine.keys() == theirs.keys()
        for name in mine.keys() - {"quantizer.sums", "quantizer.counts"}:
            torch.testing.assert_close(theirs[name], mine[name], rtol=2e-3, atol=1e-3, msg=name)


def test_a_checkpoints_decoder_is_sharpened_for_the_same_codes(tiny_run, tiny_checkpoint, tmp_path):
    run = replace(
        tiny_run, folder=tmp_path, model=tiny_checkpoint, studio_cache=tiny_run.folder / "cache"
    )
    before = start_of(run)
    train_decoder(run)
    after = start_of(run)
    assert latent_key(run, after) == latent_key(run, before)
    stages = [record["stage"] for record in after.lineage]
    assert stages == ["words", "codec", "decoder", "decoder"]
    assert after.lineage[-1]["inputs"] == before.inputs
    old, new = (start.codec.state_dict() for start in (before, after))
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"decoder"}


def test_a_checkpoints_codec_is_not_trained(tiny_run, tiny_checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="leave --model out to train one, or sharpen its decoder"):
        train_codec(replace(tiny_run, folder=tmp_path, model=tiny_checkpoint))
    assert not any(tmp_path.iterdir())


def test_a_checkpoint_of_other_shapes_is_not_started_from(tiny_run, tiny_checkpoint):
    preset = load_preset("tiny", ["text.table_dim=16"])
    with pytest.raises(CheckpointError, match="another codec or text engine than the preset"):
        start_of(replace(tiny_run, preset=preset, model=tiny_checkpoint))


def test_the_studio_alone_and_a_checkpoint_are_enough(tiny_run, tiny_checkpoint, tmp_path):
    run = replace(
        tiny_run, folder=tmp_path, data=None, model=tiny_checkpoint, studio_cache=tiny_run.cache
    )
    model = WholeModel.load(train_all(run, Sources()))
    assert len(model.bank.codes) == run.preset.bank.size
    assert [record["stage"] for record in model.card["lineage"]] == list(STAGES)
    assert set(model.card["lineage"][-1]["data"]) == {"studio"}
    assert model.card["data"]["images"] == {"train": 0, "val": 0, "test": 0}
    assert not (tmp_path / "codec").exists()


# ---- each stage needs the ones before it, and those that it was trained with


def copy_of(run: Run, folder: Path, *stages: str) -> Run:
    """The run with some of its finished stages in another folder."""
    for stage in (*stages, "cache"):
        shutil.copytree(run.folder / stage, folder / stage)
    return replace(run, folder=folder)


@pytest.mark.parametrize("lost", STAGES)
def test_a_model_needs_every_stage(tiny_run, tmp_path, lost):
    run = copy_of(tiny_run, tmp_path, *(stage for stage in STAGES if stage != lost))
    with pytest.raises(CheckpointError, match=f"run `python -m train {lost}` first"):
        assembled(run)


def test_a_painter_is_distilled_once_it_is_trained(tiny_run, tmp_path):
    run = copy_of(tiny_run, tmp_path, "words", "codec", "decoder", "forms")
    with pytest.raises(CheckpointError, match="run `python -m train painter` first"):
        train_shared(run, "distilled")


@pytest.mark.parametrize(("stage", "source"), [("forms", "codec, text"), ("distilled", "painter")])
def test_a_stage_of_another_source_is_refused(tiny_run, tmp_path, stage, source):
    run = copy_of(tiny_run, tmp_path, *STAGES)
    path = tmp_path / stage / "best.safetensors"
    tensors, about = load_tensors(path)
    about["preset"]["key" if stage == "forms" else "painter_sha256"] = "another"
    save_tensors(path, tensors, about)
    with pytest.raises(CheckpointError, match=rf"another {source}.*`python -m train {stage}` aga"):
        assembled(run)


def test_a_painter_goes_on_though_its_checkpoint_knows_of_a_setting_that_is_gone(
    tiny_run, tmp_path
):
    run = copy_of(tiny_run, tmp_path, "words", "codec", "decoder", "painter")
    path = tmp_path / "painter" / "state.safetensors"
    tensors, about = load_tensors(path)
    about["preset"]["wording"]["prompt_dropout"] = 0.2
    save_tensors(path, tensors, about)
    assert train_shared(run, "painter")["steps"] == 4
    about["preset"]["wording"]["dropout"] = 0.9
    save_tensors(path, tensors, about)
    with pytest.raises(CheckpointError, match="belongs to another preset"):
        train_shared(run, "painter")


def test_pictures_without_words_take_the_third_share(tiny_run, data_folder, tmp_path):
    preset = load_preset("tiny", ["latent.shares=[1, 0, 3]", "latent.more_kinds=[]"])
    run = copy_of(tiny_run, tmp_path, "words", "codec", "decoder")
    run = replace(run, preset=preset, data=None, more=data_folder)
    assert prepared(run, opened(run)).mix.shares.tolist() == [0.25, 0.75]


# ---- the command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["codec", "--data", "nowhere"], "No data folder at nowhere"),
        (["codec", "--set", "codec.scale=[1]"], "did you mean scales"),
        (["painter", "--preset", "huge"], "No preset 'huge'"),
        (["all", "--preset", "tiny", "--set", "painter.heads=3"], "expected a width that the"),
        (["words", "--wordnet", "nowhere"], "nowhere has no data.adj"),
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


def test_a_checkpoint_of_a_run_is_written_where_it_is_asked_for(tiny_run, tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    arguments = ["checkpoint", "--preset", "tiny", "--run", str(tiny_run.folder)]
    main([*arguments, "--out", str(out)], standalone_mode=False)
    assert WholeModel.load(out).card["data"]["images"]["train"] == 0  # the run was given no data
    assert capsys.readouterr().out == f"{out}\n"
