import math
from pathlib import Path

import numpy as np
import pytest

import t2a_edge
from t2a_edge.errors import BundleError, OptionError, PromptError, T2AEdgeError
from t2a_edge.image import read_metadata
from t2a_edge.pipeline import TextToArt
from t2a_edge.runner import OnnxRunner


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path):
    with TextToArt(tiny_bundle) as opened:
        yield opened


@pytest.fixture(scope="module")
def artwork(engine):
    return engine.generate("Warm, dark zesty", seed=7)


def test_the_package_offers_the_pipeline_under_its_own_name():
    assert t2a_edge.TextToArt is TextToArt
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = t2a_edge.missing


def test_pixels_are_a_picture_of_the_size_in_the_spec(engine, artwork):
    assert artwork.pixels.dtype == np.uint8
    assert artwork.pixels.shape == (engine.spec.image_size, engine.spec.image_size, 3)
    np.testing.assert_array_equal(np.asarray(artwork.image), artwork.pixels)


def test_indices_are_codes_of_every_position(engine, artwork):
    assert artwork.indices.shape == (engine.spec.positions,)
    assert artwork.indices.min() >= 0
    assert artwork.indices.max() < engine.spec.codebook_size


def test_the_same_seed_gives_the_same_picture(engine, artwork):
    again = engine.generate("Warm, dark zesty", seed=7)
    np.testing.assert_array_equal(again.pixels, artwork.pixels)
    np.testing.assert_array_equal(again.indices, artwork.indices)


def test_the_same_seed_gives_the_same_picture_in_a_new_pipeline(tiny_bundle, artwork):
    with TextToArt(str(tiny_bundle)) as other:
        pixels = other.generate(["warm", "dark", "zesty"], seed=7).pixels
    np.testing.assert_array_equal(pixels, artwork.pixels)


def test_another_seed_gives_another_picture(engine, artwork):
    assert (engine.generate("Warm, dark zesty", seed=8).pixels != artwork.pixels).any()


def test_other_words_give_another_picture(engine, artwork):
    assert (engine.generate("cool pale", seed=7).pixels != artwork.pixels).any()


def test_without_noise_the_seed_does_not_matter(engine):
    first, second = (engine.generate("warm", seed=seed, temperature=0).pixels for seed in (1, 2))
    np.testing.assert_array_equal(first, second)


def test_without_guidance_the_words_do_not_matter(engine):
    first, second = (
        engine.generate(words, seed=7, guidance_scale=0).pixels for words in ("warm", "cool pale")
    )
    np.testing.assert_array_equal(first, second)


def test_a_seed_that_nobody_named_is_fresh_and_can_be_used_again(engine):
    first, second = engine.generate("warm"), engine.generate("warm")
    assert first.seed != second.seed
    again = engine.generate("warm", seed=first.seed)
    np.testing.assert_array_equal(again.pixels, first.pixels)


def test_unknown_words_are_those_that_training_did_not_use(engine, artwork):
    assert artwork.unknown_words == ("zesty",)
    assert engine.generate(["zesty", "WARM", "🔥", "暖か"], seed=1).unknown_words == (
        "zesty",
        "🔥",
        "暖か",
    )
    assert engine.generate(list(engine.bundle.vocabulary), seed=1).unknown_words == ()


def test_the_nearest_word_of_a_known_word_is_itself(engine):
    for word in engine.bundle.vocabulary:
        (nearest, likeness), *others = engine.nearest_words(word, len(engine.bundle.vocabulary))
        assert nearest == word
        assert likeness == pytest.approx(1, abs=1e-5)
        assert all(-1.00001 <= other <= likeness for _, other in others)


def test_nearest_words_come_nearest_first_and_are_as_many_as_asked_for(engine):
    for word in ["zesty", "暖か", "🔥"]:
        found = engine.nearest_words(word, 4)
        likenesses = [likeness for _, likeness in found]
        assert len(found) == 4
        assert likenesses == sorted(likenesses, reverse=True)
        assert {name for name, _ in found} <= set(engine.bundle.vocabulary)


def test_metadata_is_the_whole_recipe(engine, artwork):
    assert artwork.metadata == {
        "prompt": "warm dark zesty",
        "seed": 7,
        "guidance_scale": engine.spec.guidance_scale,
        "temperature": engine.spec.temperature,
        "top_k": engine.spec.top_k,
        "bundle": engine.bundle.bundle_hash,
    }


def test_a_saved_picture_can_be_drawn_again_from_its_metadata(engine, tmp_path):
    drawn = engine.generate("pale été 🔥", guidance_scale=2.5, temperature=0.5, top_k=9)
    path = drawn.save(tmp_path / drawn.file_name)
    assert path == tmp_path / f"pale-été-{drawn.seed}.png"
    recipe = read_metadata(path)
    assert recipe.pop("bundle") == engine.bundle.bundle_hash
    np.testing.assert_array_equal(engine.generate(**recipe).pixels, drawn.pixels)


def test_progress_is_told_after_each_scale(engine):
    done: list[int] = []
    engine.generate("warm", seed=1, on_scale=done.append)
    assert done == [1, 2, 3]


@pytest.mark.parametrize("prompt", ["", [], "wa\x07rm", ["warm"] * 200, "a" * 200])
def test_a_prompt_that_cannot_be_used_is_an_error(engine, prompt):
    with pytest.raises(PromptError):
        engine.generate(prompt, seed=1)


@pytest.mark.parametrize(
    "option",
    [
        {"seed": -1},
        {"seed": 2**53},
        {"seed": 1.5},
        {"guidance_scale": math.nan},
        {"guidance_scale": 31},
        {"temperature": math.inf},
        {"temperature": -1},
        {"top_k": -1},
    ],
    ids=str,
)
def test_an_option_out_of_range_is_an_error(engine, option):
    with pytest.raises(OptionError, match="expected"):
        engine.generate("warm", **{"seed": 1, **option})


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_out_of_range_are_an_error(tiny_bundle, threads):
    with pytest.raises(OptionError, match=f"threads are {threads}; expected 1 to 256"):
        TextToArt(tiny_bundle, threads=threads)


def test_two_threads_draw_the_same_indices(tiny_bundle, artwork):
    with TextToArt(tiny_bundle, threads=2) as other:
        indices = other.generate("Warm, dark zesty", seed=7).indices
    np.testing.assert_array_equal(indices, artwork.indices)


def test_a_provider_that_is_not_installed_is_an_error(tiny_bundle):
    with pytest.raises(OptionError, match=r"provider is 'abacus'; .*cpu"):
        OnnxRunner(tiny_bundle, provider="abacus")


def test_a_missing_bundle_is_an_error_of_ours(tmp_path):
    with pytest.raises(BundleError, match="No bundle at") as caught:
        TextToArt(tmp_path / "missing")
    assert isinstance(caught.value, T2AEdgeError)
