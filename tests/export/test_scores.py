import json
import shutil

import pytest

from export.card import CARD
from export.pack import PARITY, describe, rounded
from export.scores import add_scores
from t2a_edge.bundle import ENGINES, MANIFEST, engine_file, load_bundle
from t2a_edge.errors import ExportError


@pytest.fixture
def bundle(tiny_bundle, tmp_path):
    """The tiny bundle with all that an exported one says of itself."""
    folder = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    manifest = {
        k: v for k, v in load_bundle(folder).manifest.items() if k not in ("format", "files")
    }
    told = {"card": {"lineage": [], "data": {"images": {}}}, "parity": {}, "integer_kernels": {}}
    describe(folder, {**manifest, **told, "source_commit": "a"}, [engine_file(n) for n in ENGINES])
    (folder / PARITY).write_text("# Parity\n")
    return folder


def report(bundle):
    """What `make follow` writes, for the engines of a bundle."""
    manifest = load_bundle(bundle).manifest
    followed = {"words": 0.975, "images": 0.86, "count": 40, "missed": ["soft"],
                "by_axis": {"lightness": {"words": 1.0, "images": 0.91}}}  # fmt: skip
    return {
        "bundle": "before",
        "engines": {name: entry["sha256"] for name, entry in manifest["files"].items()},
        "spec": manifest["spec"],
        "seeds": 20,
        "seen": followed,
        "unseen": {**followed, "words": 0.885, "by_axis": {}},
        "triples": {"prompts": 0.8, "count": 60, "missed": []},
        "algebra": {"weights": 1.0, "blends": 0.9, "negations": 0.95, "missed": []},
        "diversity": {"within_prompts": 20.0, "without_words": 30.0, "not_measured": "no folder"},
        "precision": {"not_measured": "no --reference bundle was given"},
    }


def test_a_bundle_carries_what_was_measured_with_its_engines(bundle, tmp_path):
    before = load_bundle(bundle)
    assert "was not measured" in (bundle / CARD).read_text()
    source = tmp_path / "follow.json"
    source.write_text(json.dumps(report(bundle)))
    add_scores(bundle, source)
    after = load_bundle(bundle)
    assert after.manifest["scores"]["seen"] == {"words": 0.975, "images": 0.86, "count": 40}
    assert after.manifest["files"] == before.manifest["files"]
    assert after.spec == before.spec
    assert after.bundle_hash != before.bundle_hash
    card = (bundle / CARD).read_text()
    assert "| known adjectives that move to their pole | 97.5% |" in card
    assert "| the same for 40 adjectives in no label | 88.5% |" in card
    assert "| difference of seeds, against that of training paintings | not measured |" in card
    assert "| lightness | 100.0%, 91.0% | not measured, not measured |" in card
    assert sorted(p.name for p in bundle.parent.iterdir()) == ["bundle", "follow.json"]


def test_measured_numbers_are_rounded_and_whole_ones_are_not():
    figures = {"seen": [0.973684210526, {"ratio": 12345.678}], "seeds": 123456789, "none": None}
    expected = {"seen": [0.97368, {"ratio": 12346.0}], "seeds": 123456789, "none": None}
    assert rounded(figures) == expected


def test_adding_scores_again_replaces_them(bundle, tmp_path):
    source = tmp_path / "follow.json"
    for words in (0.5, 0.75):
        source.write_text(json.dumps({**report(bundle), "seeds": int(words * 100)}))
        add_scores(bundle, source)
    assert load_bundle(bundle).manifest["scores"]["seeds"] == 75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a follow report"),
        ('{"engines": {}}', "cannot be read as a follow report"),
        (None, "cannot be read as a follow report"),
        ("other engines", "measured with other engines"),
        ("other sampling", "measured with other sampling defaults"),
    ],
)
def test_scores_that_do_not_fit_change_nothing(bundle, tmp_path, text, message):
    source, manifest = tmp_path / "follow.json", (bundle / MANIFEST).read_bytes()
    if text == "other engines":
        text = json.dumps({**report(bundle), "engines": {"text.onnx": "0"}})
    if text == "other sampling":
        text = json.dumps({**report(bundle), "spec": {"guidance_scale": 9.0}})
    if text is not None:
        source.write_text(text)
    with pytest.raises(ExportError, match=message):
        add_scores(bundle, source)
    assert (bundle / MANIFEST).read_bytes() == manifest
