import json

import pytest

from t2a_edge.errors import ConfigError
from train.config import PRESETS, Preset, load_preset


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_shipped_preset_loads_and_survives_json(name):
    preset = load_preset(name)
    assert Preset.from_json(json.loads(json.dumps(preset.to_json()))) == preset


def test_overrides_lie_on_top():
    preset = load_preset("tiny", ["transformer.layers=3", "sampling.scale_guidance=[1, 0.5, 0, 2]"])
    assert preset.transformer.layers == 3
    assert preset.sampling.scale_guidance == (1.0, 0.5, 0.0, 2.0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("transformer.layer=3", "layer'; did you mean layers"),
        ("transfomer.layers=3", "Unknown section 'transfomer'; did you mean transformer"),
        ("transformer.layers=three", "expected a TOML value"),
        ("transformer.layers=true", "transformer.layers is True"),
        ("transformer.layers", "expected section.key=value"),
        ("transformer.heads=5", "expected a width that the heads divide"),
        ("codec.scales=[1, 3, 4]", "expected divisors of the last one"),
        ("codec.scales=[1, 2, 4]", "expected the same"),
        ("codec.decoder_blocks=[1]", "expected one for each resolution"),
        ("data.shorter_side=16", "expected at least data.image_size"),
        ("data.views=0", "expected at least 1"),
        ("codec_fit.steps=0", "expected at least 1"),
        ("text.ngrams=[9]", "expected lengths from 1 to 6"),
        ("qat.momentum=0.0", r"expected \(0, 1\]"),
        ("sampling.scale_temperature=[1]", "expected 4, one for each scale"),
        ("sampling.refiner_redraws=-1", r"refiner_redraws is \[-1\] .*expected 0 or more"),
        (
            "refiner.passes=1",
            r"refiner_redraws is \[2, 1\] and refiner.passes 1; expected 0 or more",
        ),
        ("sampling.refiner_redraws=[1, 1, 1]", "has 3 entries; expected 2, one for each"),
        ("sampling.refiner_redraws=1.0", "refiner_redraws is 1.0; expected"),
        ("refiner.passes=3", r"expected one of \[0, 1, 2, 4\]"),
        ("refiner.passes=2.0", "refiner.passes is 2.0"),
        ("codec.scales=[8]", r"refiner.scales is 2 and codec.scales \[8\]; expected fewer"),
        ("data.studio_views=0", "expected at least 1"),
        ("data.studio_pictures=-1", "expected 0 or more pictures"),
        ("data.studio_share=1.0", r"a share in \[0, 1\)"),
        ("words.pair_weight=nan", "words.pair_weight is nan; expected finite numbers"),
        ("sampling.scale_guidance=[1, 1, 1, inf]", "expected finite numbers"),
        ("codec.scales=0", r"codec.scales is \[0\]; expected divisors"),
        (f"codec.scales={'[' * 5000}", "nested too deep"),
        (
            f"codec.scales={'9' * 5000}",
            r"--set .codec.scales. got .9+\.\.\.; expected a TOML value",
        ),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load_preset("tiny", [override])


def test_an_unknown_preset_lists_the_shipped():
    with pytest.raises(ConfigError, match="expected one of base, tiny"):
        load_preset("huge")


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[codec\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_preset(str(path))


@pytest.mark.parametrize("passes", [0, 1, 2, 4])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_refiner_takes_the_finest_scales_from_the_transformer(passes, count):
    given = [f"refiner.passes={passes}", f"refiner.scales={count}", "sampling.refiner_redraws=0"]
    preset = load_preset("tiny", given)
    assert preset.coarse_scales == preset.spec.coarse_scales
    assert preset.coarse_scales == ((1, 2, 4, 8)[:-count] if passes else (1, 2, 4, 8))


@pytest.mark.parametrize(
    ("given", "redraws"), [("2", (2, 2)), ("[2]", (2, 2)), ("[]", (0, 0)), ("[3, 0]", (3, 0))]
)
def test_one_number_of_redraws_is_for_all_of_the_refiner_s_scales(given, redraws):
    spec = load_preset("tiny", [f"sampling.refiner_redraws={given}"]).spec
    assert spec.refiner_redraws == redraws


@pytest.mark.parametrize("count", [0, 4])
def test_the_refiner_leaves_the_transformer_a_scale(count):
    with pytest.raises(ConfigError, match=rf"refiner.scales is {count}.*; expected"):
        load_preset("tiny", [f"refiner.scales={count}"])


def test_one_scale_is_enough_without_a_refiner():
    none = ["refiner.passes=0", "sampling.refiner_redraws=0"]
    assert load_preset("tiny", ["codec.scales=[8]", *none]).coarse_scales == (8,)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["selection.lengths=[]"], r"lengths of a selection is \[\]; expected numbers from 1"),
        (["selection.favoured=['contours']"], r"names \['contours'\]; expected axes .* contour,"),
        (["selection.favoured=['order']"], r"odds of a selection is \[\] for .*'order'.* each"),
        (["selection.favoured=['order']", "selection.odds=[0]"], "expected a number above 0"),
    ],
)
def test_a_selection_that_cannot_choose_prompts_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_preset("tiny", overrides)
