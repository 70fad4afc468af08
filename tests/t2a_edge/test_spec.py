from dataclasses import replace

import pytest

from t2a_edge.errors import BundleError
from t2a_edge.spec import Spec

SPEC = Spec(
    image_size=256, scales=(1, 2, 4, 8, 16, 32, 32), codebook_size=512, code_dim=16, max_words=8,
    max_bytes=32, depth=64, forms=2000,
)  # fmt: skip


def test_the_defaults_and_the_sizes_that_follow():
    assert (SPEC.guidance_scale, SPEC.steps) == (2.5, 8)
    assert (SPEC.form_strength, SPEC.temperature) == (1, 0.5)
    assert (SPEC.side, SPEC.positions) == (8, 2389)


def test_it_is_read_as_it_was_written():
    written = SPEC.to_json()
    assert written["scales"] == [1, 2, 4, 8, 16, 32, 32]
    assert Spec.from_json(written) == SPEC


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 0), ("image_size", 100), ("image_size", 256.0), ("codebook_size", 32_750),
        ("code_dim", 0), ("max_words", 65), ("max_bytes", 0), ("depth", 0), ("depth", True),
        ("forms", 0), ("forms", 32_750), ("steps", 0), ("steps", 65), ("guidance_scale", 8.1),
        ("guidance_scale", "2"), ("form_strength", 1.1), ("form_strength", -0.1),
        ("temperature", 10.1), ("scales", ()), ("scales", (1, 2, 4)), ("scales", (1, 3, 32)),
        ("scales", (1, 128)), ("scales", (0, 32)), ("scales", (1,) * 17), ("scales", (1, 24)),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error(name, value):
    with pytest.raises(BundleError, match="spec"):
        replace(SPEC, **{name: value})


@pytest.mark.parametrize(
    "change", [{"scales": 32}, {"scales": "12"}, {"unknown": 1}, {"depth": None}]
)
def test_a_document_that_is_no_spec_is_an_error(change):
    with pytest.raises(BundleError, match="spec"):
        Spec.from_json({**SPEC.to_json(), **change})


@pytest.mark.parametrize("name", ["scales", "depth", "forms", "image_size"])
def test_a_key_that_is_missing_is_an_error(name):
    written = SPEC.to_json()
    del written[name]
    with pytest.raises(BundleError, match=f"cannot be read.*{name}.*expected the keys"):
        Spec.from_json(written)
