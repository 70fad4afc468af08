import json

import pytest

from t2a_edge.errors import ConfigError
from train.preset import PRESETS, Preset, load_preset


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_shipped_preset_loads_and_survives_json(name):
    preset = load_preset(name)
    assert Preset.from_json(json.loads(json.dumps(preset.to_json()))) == preset


def test_overrides_lie_on_top():
    preset = load_preset(
        "tiny", ["painter.layers=3", "latent.shares=[1, 0.5, 0]", "sampling.steps=4"]
    )
    assert preset.painter.layers == 3
    assert preset.latent.shares == (1.0, 0.5, 0.0)
    assert preset.spec(7).steps == 4
    assert preset.spec(7).forms == 7


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("painter.layer=3", "layer'; did you mean layers"),
        ("panter.layers=3", "Unknown section 'panter'; did you mean painter"),
        ("painter.layers=three", "expected a TOML value"),
        ("painter.layers=true", "painter.layers is True"),
        ("painter.layers", "expected section.key=value"),
        ("painter.heads=5", "expected a width that the heads divide"),
        ("codec.scales=[1, 3, 4]", "expected divisors of the last one"),
        ("codec.scales=[1, 2, 4]", "expected the same"),
        ("codec.decoder_blocks=[1]", "expected one for each resolution"),
        ("data.shorter_side=16", "expected at least data.image_size"),
        ("codec_fit.steps=0", "expected at least 1"),
        ("text.ngrams=[9]", "expected lengths from 1 to 6"),
        ("qat.momentum=0.0", r"expected \(0, 1\]"),
        ("painter.layers=2.0", "painter.layers is 2.0"),
        ("sampling.steps=0", "makes no model that runs: .*steps is 0"),
        ("sampling.temperature=-1", "makes no model that runs: .*temperature is -1"),
        ("bank.size=40000", "makes no model that runs: .*forms is 40000"),
        ("latent.shares=[0.0, 0.5, 0.5]", r"latent\.shares"),
        ("latent.shares=[1]", r"latent\.shares is \[1.0\]; expected one number"),
        ("data.studio_share=1.0", r"a share in \[0, 1\)"),
        ("words.pair_weight=nan", "words.pair_weight is nan; expected finite numbers"),
        ("latent.shares=[1, 1, inf]", "expected finite numbers"),
        ("codec.scales=0", r"codec.scales is 0; expected tuple"),
        ("codec.scales=[0]", r"codec.scales is \[0\]; expected divisors"),
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
    with pytest.raises(ConfigError, match="expected one of base, small, tiny"):
        load_preset("huge")


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[codec\n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_preset(str(path))
