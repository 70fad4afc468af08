import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import t2a_edge
from t2a_edge.bundle import ENGINES, engine_file, engines
from t2a_edge.errors import BundleError, OptionError, PromptError, T2AEdgeError
from t2a_edge.image import read_metadata
from t2a_edge.pipeline import TextToArt
from t2a_edge.prompt import Prompt, Term
from t2a_edge.runner import OnnxRunner
from t2a_edge.sampler import pull_of_weight


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
        pixels = other.generate("warm dark zesty", seed=7).pixels
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
    assert engine.generate("zesty WARM 🔥 暖か", seed=1).unknown_words == (
        "zesty",
        "🔥",
        "暖か",
    )
    assert engine.generate(" ".join(engine.bundle.vocabulary), seed=1).unknown_words == ()


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


DRAWN_WITH = ("prompt", "blend", "amount", "seed", "guidance_scale", "temperature", "top_k")


def drawn_again(engine, path):
    """A picture's metadata, given to `generate`."""
    about = read_metadata(path)
    assert about["bundle"] == engine.bundle.bundle_hash
    return engine.generate(**{key: about[key] for key in DRAWN_WITH if key in about})


def test_metadata_says_how_the_picture_was_made(engine, artwork):
    assert artwork.metadata == {
        "prompt": "warm dark zesty",
        "seed": 7,
        "guidance_scale": engine.spec.guidance_scale,
        "temperature": engine.spec.temperature,
        "top_k": engine.spec.top_k,
        "size": [32, 32],
        "tile": False,
        "bundle": engine.bundle.bundle_hash,
        "recipe": artwork.recipe,
    }


def test_a_saved_picture_can_be_drawn_again_from_its_metadata(engine, tmp_path):
    drawn = engine.generate("pale été 🔥", guidance_scale=2.5, temperature=0.5, top_k=9)
    path = drawn.save(tmp_path / drawn.file_name)
    assert path == tmp_path / f"pale-été-{drawn.seed}.png"
    np.testing.assert_array_equal(drawn_again(engine, path).pixels, drawn.pixels)


def test_progress_is_told_after_each_scale(engine):
    done: list[int] = []
    engine.generate("warm", seed=1, on_scale=done.append)
    assert done == [1, 2, 3, 4]


# ---- weights, avoided words and blends


def conditioning(engine, prompt: str, blend: str | None = None, amount: float = 0.5):
    return engine.conditioning(
        engine.parse(prompt), None if blend is None else engine.parse(blend), amount
    )


def weights_of(conditioning) -> list[list[float]]:
    """The word weights of each row, without the padding."""
    return [[round(float(w), 5) for w in row if w] for row in conditioning.word_weights]


@pytest.mark.parametrize(
    ("prompt", "pulls", "weights"),
    [
        ("warm dark fluid", [1], [[1, 1, 1]]),
        ("warm:2 dark:2", [1.5], [[1, 1]]),
        ("warm:3 dark", [1.5], [[1.5, 0.5]]),
        ("warm:0.5", [0.125], [[1]]),
        ("warm dark:0", [1], [[1]]),
        ("warm -busy", [1, -1], [[1], [1]]),
        ("-busy warm -dense:3", [1, -1.5], [[1], [0.5, 1.5]]),
        ("-busy", [-1], [[1]]),
    ],
)
def test_wanted_and_avoided_words_have_a_row_each(engine, prompt, pulls, weights):
    found = conditioning(engine, prompt)
    assert found.pulls == pytest.approx(pulls)
    assert weights_of(found) == weights
    assert found.text_embedding.dtype == found.word_weights.dtype == np.float32
    assert found.text_embedding.shape[:2] == found.word_weights.shape
    assert found.word_weights.shape == (len(pulls), engine.spec.max_words)


def test_rows_share_the_embedding_of_the_prompt_and_weigh_their_own_words(engine):
    found = conditioning(engine, "-busy warm -dense dark")
    expected, _ = engine.embed(("busy", "warm", "dense", "dark"))
    for row in found.text_embedding:
        np.testing.assert_array_equal(row, expected[0])
    assert found.word_weights[:, :4].tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]
    assert not found.word_weights[:, 4:].any()


@given(
    wanted=st.lists(st.floats(0.01, 4), max_size=3),
    avoided=st.lists(st.floats(0.01, 4), max_size=3),
)
def test_weights_of_a_row_are_1_on_average_and_their_mean_says_its_pull(engine, wanted, avoided):
    terms = [Term("warm", w) for w in wanted] + [Term("dark", -w) for w in avoided]
    found = engine.conditioning(Prompt(tuple(terms)))
    rows = [(part, sign) for part, sign in ((wanted, 1), (avoided, -1)) if part]
    for row, (part, sign) in enumerate(rows):
        assert found.word_weights[row].sum() == pytest.approx(len(part), rel=1e-5)
        assert found.pulls[row] == pytest.approx(sign * pull_of_weight(float(np.mean(part))))


@pytest.mark.parametrize("prompt", ["warm:0", "warm:0 -busy:0"])
def test_weights_of_zero_alone_are_no_words(engine, prompt):
    found = conditioning(engine, prompt)
    assert found.pulls == (0.0,)
    assert not found.word_weights.any()
    drawn = engine.generate(prompt, seed=7)
    plain = engine.generate("warm", seed=7, guidance_scale=0)  # words are ignored
    np.testing.assert_array_equal(drawn.indices, plain.indices)


def test_a_blend_shares_the_pull_between_two_prompts(engine):
    found = conditioning(engine, "warm:2 -busy", "cool pale -dense", 0.25)
    assert found.pulls == pytest.approx([0.75 * 1.5, -0.75, 0.25, -0.25])
    assert weights_of(found) == [[1], [1], [1, 1], [1]]


@pytest.mark.parametrize(("amount", "same"), [(0, "warm -busy"), (1, "cool pale")])
def test_either_end_of_a_blend_is_that_prompt(engine, amount, same):
    blended = conditioning(engine, "warm -busy", "cool pale", amount)
    alone = conditioning(engine, same)
    assert blended.pulls == alone.pulls
    np.testing.assert_array_equal(blended.text_embedding, alone.text_embedding)
    drawn = engine.generate("warm -busy", seed=7, blend="cool pale", amount=amount)
    np.testing.assert_array_equal(drawn.pixels, engine.generate(same, seed=7).pixels)


def test_weights_avoided_words_and_blends_change_the_picture(engine):
    plain = engine.generate("warm dark", seed=7).indices
    for prompt in ("warm:0.2 dark", "warm -dark", "warm:4 dark:4"):
        assert (engine.generate(prompt, seed=7).indices != plain).any()
    assert (engine.generate("warm dark", seed=7, blend="cool pale").indices != plain).any()


@pytest.mark.parametrize("amount", [-0.01, 1.01, math.nan, math.inf, "0.5", None, True])
@pytest.mark.parametrize("blend", [None, "cool"])
def test_an_amount_out_of_range_is_an_error(engine, amount, blend):
    with pytest.raises(OptionError, match=r"The amount is .*; expected a number from 0 to 1\."):
        engine.generate("warm", seed=1, blend=blend, amount=amount)


def test_unknown_words_of_the_blend_and_avoided_ones_are_told_too(engine):
    drawn = engine.generate("warm -zesty", seed=1, blend="pale quirky:2")
    assert drawn.unknown_words == ("zesty", "quirky")


def test_a_blend_is_in_the_metadata_and_in_the_file_name(engine, tmp_path):
    drawn = engine.generate("warm:2 -busy", seed=7, blend="Cool, pale:0.5", amount=0.3)
    assert drawn.metadata["prompt"] == "warm:2 -busy"
    assert (drawn.metadata["blend"], drawn.metadata["amount"]) == ("cool pale:0.5", 0.3)
    assert drawn.file_name == "warm-2-not-busy-to-cool-pale-0-5-0-3-7.png"
    path = drawn.save(tmp_path / drawn.file_name)
    np.testing.assert_array_equal(drawn_again(engine, path).pixels, drawn.pixels)


def test_an_avoided_word_and_the_same_word_wanted_have_other_file_names(engine):
    names = {
        engine.generate(p, seed=7).file_name for p in ("warm busy", "warm -busy", "-warm busy")
    }
    assert names == {"warm-busy-7.png", "warm-not-busy-7.png", "not-warm-busy-7.png"}


def test_the_shipped_bundle_has_the_engines_of_its_spec_and_draws():
    with TextToArt() as shipped:
        drawn = shipped.generate("warm -busy", seed=7, blend="cool")
        assert set(shipped.bundle.manifest["files"]) == {
            engine_file(name) for name in engines(shipped.spec)
        }
    assert drawn.indices.shape == (shipped.spec.positions,)
    assert drawn.pixels.std() > 1


# ---- bad input


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        [""],
        ["warm", ""],
        "wa\x07rm",
        "warm " * 200,
        "a" * 200,
        "dark:x",
        "dark:9",
        "--busy",
        "warm -",
        ":",
    ],
)
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
    with pytest.raises(
        OptionError, match=f"threads is {threads}; expected a whole number from 1 to 256"
    ):
        TextToArt(tiny_bundle, threads=threads)


def test_two_threads_draw_the_same_indices(tiny_bundle, artwork):
    with TextToArt(tiny_bundle, threads=2) as other:
        indices = other.generate("Warm, dark zesty", seed=7).indices
    np.testing.assert_array_equal(indices, artwork.indices)


def test_a_provider_that_is_not_installed_is_an_error(tiny_bundle):
    with pytest.raises(OptionError, match=r"provider is 'abacus'; .*cpu"):
        OnnxRunner(tiny_bundle, ENGINES, provider="abacus")


def test_a_missing_bundle_is_an_error_of_ours(tmp_path):
    with pytest.raises(BundleError, match="No bundle at") as caught:
        TextToArt(tmp_path / "missing")
    assert isinstance(caught.value, T2AEdgeError)
