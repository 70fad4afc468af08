"""The generator that decides the whole picture at once: deep latent, forms, painter."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from t2a_edge.errors import CheckpointError, ConfigError
from t2a_edge.form import form_of
from t2a_edge.pixels import read_pixels
from train.__main__ import main
from train.checkpoint import read_report
from train.data.views import cached_views
from train.models.bank import fitted_codec, patches, searched, settled_codec
from train.models.chooser import ENOUGH, heard, logits_of, naming_loss
from train.models.latents import DeepLatent
from train.models.painter import HATS, Led, Words, form_patches, hats, painted, velocity_loss
from train.models.whole import WholeModel
from train.stages.chooser_task import named_words, word_labels
from train.stages.distil_task import stepped
from train.stages.forms import Candidates, trained_forms
from train.stages.painter import (
    opened,
    prepared,
    report_latent,
    train_painter,
    trained_distilled,
)
from train.stages.painter_task import half_kept, new_painter
from train.stages.prior import drawn_forms, form_of_patches, train_prior, trained_prior


@pytest.fixture(scope="module")
def ready(tiny_run):
    """The tiny run with its views encoded."""
    return prepared(tiny_run, opened(tiny_run))


@pytest.fixture(scope="module")
def painted_run(tiny_run, ready):
    """The tiny run, and what its latent costs."""
    report_latent(tiny_run, ready)
    return tiny_run


def test_all_stages_report_held_out_figures_and_draw_sheets(painted_run):
    folder = painted_run.folder
    latent = read_report(folder / "latent")
    assert 0 < latent["paintings"]["canvas"] < 1
    assert latent["studio"]["through"] > 0
    for stage in ("forms", "painter", "distilled"):
        assert read_report(folder / stage)["val"]["loss"] > 0
    assert (folder / "painter" / "repainted.png").is_file()
    assert (folder / "distilled" / "repainted.png").is_file()


def test_views_are_encoded_once(painted_run, monkeypatch):
    monkeypatch.setattr("train.data.views.encoded", None)  # calling it would be an error
    studio, paintings = prepared(painted_run, opened(painted_run)).views
    assert studio.records is not None
    assert paintings.records is None


def test_processes_that_encode_share_the_work_and_not_the_result(ready, tmp_path):
    source = ready.sources["paintings"]
    alone, shared = (
        cached_views(ready.codec, ready.deep, source, tmp_path / str(n), "key", workers=n)
        for n in (1, 2)
    )
    assert alone.words == shared.words == ready.views[1].words
    assert np.array_equal(alone.forms, shared.forms)
    assert np.array_equal(alone.components, shared.components)


def test_words_are_drawn_anew_at_each_view(ready):
    rng = np.random.default_rng(3)
    for row in range(4):
        assert len({tuple(ready.mix.words(0, row, rng)) for _ in range(8)}) > 1
    first = ready.mix.words(0, 1, np.random.default_rng(9))
    assert first == ready.mix.words(0, 1, np.random.default_rng(9))


def test_a_runs_painters_draw_prompts_into_files(painted_run, tmp_path):
    for flags in ([], ["--distilled"]):
        out = tmp_path / f"drawn{len(flags)}"
        arguments = [
            "drawn", "warm -dark", "dotted", "--preset", "tiny", "--run", str(painted_run.folder),
            "--seeds", "2", "--out", str(out), *flags,
        ]  # fmt: skip
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        names = sorted(path.name for path in out.iterdir())
        assert names == ["dotted-0.png", "dotted-1.png", "warm-dark-0.png", "warm-dark-1.png"]
        assert read_pixels(out / "dotted-0.png").shape == (32, 32, 3)


def test_a_run_without_forms_says_so(tiny_checkpoint, tmp_path):
    arguments = [
        "drawn", "warm", "--preset", "tiny", "--run", str(tmp_path),
        "--model", str(tiny_checkpoint), "--out", str(tmp_path / "o"),
    ]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert isinstance(result.exception, CheckpointError)
    assert not (tmp_path / "o").exists()


def test_held_out_views_are_never_drawn(ready):
    drawn = ready.mix.draw(np.random.default_rng(0), 200)
    held_out = [batch.latents for batch in ready.mix.held_out(np.random.default_rng(0))]
    for latents in torch.cat(held_out):
        assert (drawn.latents - latents).abs().amax((1, 2)).min() > 0


def test_a_model_is_saved_and_loaded(painted_run, ready, tmp_path):
    query, bank = trained_forms(painted_run)
    painter = trained_distilled(painted_run)[0]
    model = WholeModel(
        painted_run.preset, ready.table.text, query, bank, painter, ready.deep, ready.codec,
        ("warm",), {"licence": "MIT"},
    )  # fmt: skip
    model.save(tmp_path / "model.safetensors")
    loaded = WholeModel.load(tmp_path / "model.safetensors")
    assert torch.equal(loaded.bank.forms(), bank.forms())
    assert torch.equal(loaded.bank.keys, bank.keys)
    assert torch.equal(loaded.latent.rows, ready.deep.rows)
    half = painter.head.weight.detach().to(torch.float16).float()
    assert torch.equal(loaded.painter.head.weight, half)
    assert loaded.vocabulary == ("warm",)
    assert loaded.parameter_count() == model.parameter_count()


def test_the_painter_is_not_fake_quantised_before_it_is_distilled(tiny_run, ready):
    fit = replace(tiny_run.preset.painter_fit, qat_steps=1)
    run = replace(tiny_run, folder=tiny_run.folder / "again",
                  preset=replace(tiny_run.preset, painter_fit=fit))  # fmt: skip
    with pytest.raises(ConfigError, match="distil_fit"):
        train_painter(run, ready)


def test_a_deep_latent_of_full_depth_keeps_the_canvas():
    torch.manual_seed(0)
    canvas = torch.randn(64, 3, 8, 8) * torch.tensor([1.0, 5.0, 2.0])[:, None, None] + 4
    deep = DeepLatent(3, 3, 48)
    deep.fit(canvas)
    latents = deep.latents(deep.components(canvas))
    assert latents.shape == (64, 4, 48)
    assert float(latents.square().mean()) == pytest.approx(1, abs=0.02)
    assert torch.allclose(deep.compose(latents), canvas, atol=1e-3)


def test_a_shallow_one_keeps_what_varies_most():
    torch.manual_seed(0)
    smooth = torch.randn(64, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    canvas = torch.cat([smooth * 4, 0.1 * torch.randn(64, 1, 8, 8)], dim=1)
    deep = DeepLatent(2, 2, 1)
    deep.fit(canvas)
    error = deep.compose(deep.latents(deep.components(canvas))) - canvas
    assert float(error[:, 0].square().mean()) < 0.05
    assert float(error[:, 1].square().mean()) == pytest.approx(0.01, rel=0.1)


@pytest.fixture(scope="module")
def waves():
    """(40, 64, 64) int8, forms of waves."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    levels = [np.sin(rows * a + columns * b) for a, b in rng.uniform(-0.6, 0.6, (40, 2))]
    pixels = [np.repeat((level * 100 + 128)[..., None], 3, 2).astype(np.uint8) for level in levels]
    return torch.from_numpy(np.stack([form_of(p) for p in pixels]))


def lost(forms, again):
    return float((again.float() - forms.float()).square().mean())


def test_codes_of_forms_lose_less_with_each_stage(waves):
    codec = fitted_codec(waves, stages=3, codes=32, patch=8)
    codes = codec.encode(waves)
    assert codes.shape == (40, 64, 3)
    errors = [lost(waves, codec.decode(codes, stages)) for stages in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * 32**2
    assert torch.equal(codec.encode_all(waves), codes)


def test_tables_that_are_fitted_together_lose_less(waves):
    apart = fitted_codec(waves, stages=3, codes=32, patch=8)
    codec, codes = settled_codec(waves, stages=3, codes=32, patch=8)
    assert codes.shape == (40, 64, 3)
    assert codec.tables.dtype == torch.int8
    assert lost(waves, codec.decode(codes)) < 0.85 * lost(waves, apart.decode(apart.encode(waves)))


def test_a_search_for_codes_that_keeps_one_takes_the_nearest_each_time(waves):
    codec = fitted_codec(waves, stages=3, codes=32, patch=8)
    vectors, tables = patches(waves, 8).flatten(0, 1).float(), codec.tables.float()
    assert torch.equal(searched(vectors, tables, 1).view(40, 64, 3), codec.encode(waves).long())
    errors = []
    for beam in (1, 4, 32):
        codes = searched(vectors, tables, beam).to(torch.int16).view(40, 64, 3)
        errors.append(lost(waves, codec.decode(codes)))
    assert errors[0] > errors[1] > errors[2]


def test_the_bank_is_filled_from_the_forms_that_codes_keep(painted_run):
    found = Candidates(
        np.arange(6), torch.arange(6.0)[:, None], np.zeros(6, np.float32),
        np.array([0, 0, 0, 0, 1, 1]), np.array([0.4, 0.1, 0.3, 0.2, 0.9, 0.8]),
    )  # fmt: skip
    assert found.clearest(0.5, found.groups).rows.tolist() == [1, 3, 5]
    kept = found.clearest(0.5, np.zeros(6, np.int64))
    assert kept.rows.tolist() == [1, 2, 3]
    assert kept.keys.flatten().tolist() == [1, 2, 3]
    assert 0 < read_report(painted_run.folder / "forms")["bank"]["left_by_codes"] < 1


def test_patches_lie_row_by_row():
    form = torch.arange(64 * 64).view(1, 64, 64)
    cut = patches(form, 8)
    assert cut[0, 1, :3].tolist() == [8, 9, 10]
    assert cut[0, 8, :2].tolist() == [8 * 64, 8 * 64 + 1]


def test_hats_weigh_the_two_supports_around_a_number():
    weights = hats(torch.tensor([0.0, 1.0, 0.5 / (HATS - 1)]))
    assert weights.sum(1).tolist() == pytest.approx([1, 1, 1])
    assert weights[0, 0] == 1
    assert weights[1, -1] == 1
    assert weights[2, :2].tolist() == pytest.approx([0.5, 0.5])


def test_an_error_of_the_clean_picture_counts_as_one_of_the_velocity():
    clean, predicted = torch.zeros(2, 1, 4), torch.ones(2, 1, 4)
    levels = torch.tensor([0.5, 1.0])
    assert float(velocity_loss(clean, predicted, levels)) == pytest.approx((4 + 1) / 2)


class Knowing(torch.nn.Module):
    """A painter that knows the picture with words, and another without."""

    def forward(self, latents, level, form, form_level, guidance, embedding, weights):
        worded = (weights > 0).any(1).float()[:, None, None]
        return worded * torch.ones_like(latents)


def test_steps_from_noise_end_at_what_the_painter_knows():
    words = Words(torch.zeros(2, 1, 8), torch.tensor([[1.0], [0.0]]))
    form, level = torch.zeros(2, 64, 64), torch.zeros(2)
    drawn = painted(
        Led(Knowing(), 1.0), torch.randn(2, 4, 3), form, level, words, steps=5, guidance_scale=2.0
    )
    assert torch.allclose(drawn[0], torch.full((4, 3), 2.0), atol=1e-5)  # twice as far
    assert torch.allclose(drawn[1], torch.zeros(4, 3), atol=1e-5)


def test_words_to_avoid_are_what_guidance_leads_away_from():
    weights, level = torch.tensor([[0.0, -1.0]]), torch.ones(1)
    away = Led(Knowing(), 1.0)(
        torch.zeros(1, 4, 3), level, torch.zeros(1, 64, 64), 0 * level, 2 * level,
        torch.zeros(1, 2, 8), weights,
    )  # fmt: skip
    assert torch.allclose(away, torch.full((1, 4, 3), -1.0))


class Formed(torch.nn.Module):
    """A painter that knows the picture with a form, and nothing without."""

    def forward(self, latents, level, form, form_level, guidance, embedding, weights):
        return (1 - form_level)[:, None, None] * torch.ones_like(latents)


def test_a_form_is_followed_further_than_the_painter_would():
    level = torch.ones(1)
    led = Led(Formed(), 1.5)(
        torch.zeros(1, 4, 3), level, torch.zeros(1, 64, 64), 0 * level, 3 * level,
        torch.zeros(1, 1, 8), torch.ones(1, 1),
    )  # fmt: skip
    assert torch.allclose(led, torch.full((1, 4, 3), 1.5))


def test_a_form_at_full_noise_and_a_word_of_no_weight_still_draw(tiny_run):
    painter = new_painter(tiny_run.preset).eval()
    count, width = tiny_run.preset.latent_side**2, tiny_run.preset.text.width
    depth = tiny_run.preset.latent.depth
    clean = painter(
        torch.randn(1, count, depth), torch.ones(1), torch.randn(1, 64, 64), torch.ones(1),
        torch.ones(1), torch.randn(1, 2, width), torch.zeros(1, 2),
    )  # fmt: skip
    assert clean.shape == (1, count, depth)
    assert bool(clean.isfinite().all())


def test_what_words_say_of_a_form_adds_up_to_enough():
    logits = torch.tensor([[[50.0, 0.5, -2.0], [-3.0, 20.0, 1.0]]])
    wanted = heard(logits, torch.tensor([[1.0, 1.0]]))
    assert wanted.tolist() == [[ENOUGH - 3, 0.5 + ENOUGH, -2 + 1]]
    avoiding = heard(logits, torch.tensor([[1.0, -0.5]]))
    assert avoiding.tolist() == [[ENOUGH + 1.5, 0.5 - 10, -2 - 0.5]]
    assert heard(logits, torch.zeros(1, 2)).tolist() == [[0, 0, 0]]


def test_a_words_logit_is_its_vector_times_the_key_and_its_bias():
    keys = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    asked = torch.tensor([[3.0, 4.0, 0.5]])  # of one word
    assert logits_of(keys, asked).tolist() == [[3.5], [8.5]]
    assert logits_of(keys, asked[None]).tolist() == [[[3.5, 8.5]]]


def test_what_nobody_knows_of_a_form_costs_nothing():
    logits = torch.tensor([[20.0, -20.0, 20.0]])
    assert float(naming_loss(logits, torch.tensor([[1, 0, -1]]))) < 1e-3
    assert float(naming_loss(logits, torch.tensor([[1, 0, 0]]))) == pytest.approx(20 / 3, rel=1e-3)


def test_all_is_known_of_the_studio_and_of_paintings_what_somebody_said(ready):
    studio, paintings = ready.views
    words = named_words()
    of_studio, of_paintings = word_labels(studio, words), word_labels(paintings, words)
    assert set(np.unique(of_studio)) == {0, 1}
    warm, cool, dotted = (words.index(word) for word in ("warm", "cool", "dotted"))
    row = paintings.words.index(next(w for w in paintings.words if "warm" in w))
    assert of_paintings[row, [warm, cool, dotted]].tolist() == [1, 0, -1]
    shown = [row for row in range(len(studio)) if of_studio[row, dotted] == 1]
    assert all("dotted" in studio.records[row].seen.traits for row in shown)


def test_a_prior_draws_forms_that_a_painter_takes(painted_run, ready, tmp_path):
    report = train_prior(painted_run, ready)
    assert report["val"]["loss"] > 0
    assert (painted_run.folder / "prior" / "forms.png").is_file()
    words = ready.table.of([["spiral"], ["warm"]])
    prior = trained_prior(painted_run)
    forms = [
        drawn_forms(painted_run.preset, prior, words, np.random.default_rng(n)) for n in (1, 2)
    ]
    torch.testing.assert_close(forms[0].mean((1, 2)), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(forms[0].std((1, 2)), torch.ones(2), rtol=1e-2, atol=0)
    assert not torch.equal(*forms)
    patches = form_patches(forms[0], ready.side)
    torch.testing.assert_close(form_of_patches(patches, ready.side), forms[0], rtol=0, atol=0)
    arguments = ["drawn", "dotted", "--preset", "tiny", "--run", str(painted_run.folder)]
    arguments += ["--prior", "--seeds", "1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "dotted-0.png").is_file()


@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_of_the_student_leads_where_smaller_ones_of_the_teacher_do(parts):
    def teacher(x, level):
        return 0.3 * x + level[:, None, None]

    x, level = torch.randn(3, 4, 2), torch.tensor([0.05, 0.5, 1.0])
    clean = stepped(teacher, x, level, length=0.25, parts=parts)
    end = torch.tensor([0.0, 0.25, 0.75])
    small = x
    for part in range(parts):
        before, after = (level + (end - level) * n / parts for n in (part, part + 1))
        small = small + (teacher(small, before) - small) * (1 - after / before)[:, None, None]
    torch.testing.assert_close(x + (clean - x) * (1 - end / level)[:, None, None], small)
    if parts == 1:
        torch.testing.assert_close(clean, teacher(x, level))


def test_half_of_an_average_is_new_after_the_samples_asked_for():
    assert half_kept(640, 64) ** 10 == pytest.approx(0.5)
