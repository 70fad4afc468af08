"""Forms that are told at once: seen in lightness, large enough, and named where they are."""

import numpy as np
import pytest

from train.studio import FAMILIES, Composition, adjectives, paint, paint_studied
from train.studio.colour import lab_from_rgb, rgb_from_lab
from train.studio.families.staging import MOST_OF, stage
from train.studio.finish import SHOWN
from train.studio.forms import NEEDS, VISIBLE, forms_shown
from train.studio.measure import lift, shrink, visibility
from train.studio.surface import Scene

SEEDS = range(6)
SAID = 0.7  # share of captions in which the one thing a picture shows is named
COARSE = 0.5  # share of a pattern's visibility that a copy half as large must keep
PLAIN = {"contrast": 0.6, "texture": -0.5}
# word of the vocabulary -> families of which it is the one thing seen
SHOWS = {
    "spiral": ("spiral", "whorl"),
    "circular": ("discs", "rings"),
    "radial": ("spokes", "sunburst"),
    "symmetrical": ("kaleidoscope", "mirrored"),
    "striped": ("bars", "stripes"),
    "wavy": ("pulse", "waves"),
    "geometric": ("grid", "solids"),
    "angular": ("jags", "shards"),
    "jagged": ("jags", "splinters"),
    "splattered": ("splatter", "spray"),
    "layered": ("strata", "veils"),
    "translucent": ("veils", "washes"),
    "scattered": ("speckles", "strewn"),
    "horizontal": ("slabs", "strata"),
    "organic": ("amoebas", "biomorphs"),
    "linear": ("rods",),
    "vertical": ("columns",),
    "diagonal": ("beams",),
    "swirling": ("whirl",),
}


def _light(image: np.ndarray) -> np.ndarray:
    return lab_from_rgb(image)[..., 0]


@pytest.mark.parametrize("word", sorted(SHOWS))
def test_what_a_family_shows_is_said(word):
    for family in SHOWS[word]:
        said = []
        for seed in SEEDS:
            composition = Composition(family, PLAIN, (), seed)
            _, study = paint_studied(composition, 64)
            rng = np.random.default_rng(seed)
            said += [word in adjectives(composition, rng, study) for _ in range(10)]
        assert np.mean(said) >= SAID, family


@pytest.mark.parametrize(
    ("word", "family", "axis"),
    [
        ("horizontal", "bars", {}), ("vertical", "bars", {}), ("diagonal", "bars", {}),
        ("vertical", "stripes", {}), ("linear", "threads", {"contour": -0.2}),
        ("swirling", "flow", {"direction": 0.9}), ("scattered", "dots", {"order": -0.8}),
    ],
)  # fmt: skip
def test_words_that_only_some_pictures_of_a_family_show(word, family, axis):
    composition = next(
        c for c in (Composition(family, PLAIN | axis, (), seed) for seed in range(40))
        if f"shows:{word}" in paint_studied(c, 48)[1].traits
    )  # fmt: skip
    _, study = paint_studied(composition, 64)
    rng = np.random.default_rng(0)
    assert np.mean([word in adjectives(composition, rng, study) for _ in range(30)]) >= SAID


@pytest.mark.parametrize("family", ["lattice", "plaid", "weave", "grid", "labyrinth"])
def test_what_runs_both_ways_runs_no_one_way(family):
    for seed in SEEDS:
        _, study = paint_studied(Composition(family, PLAIN, (), seed), 48)
        assert not study.traits & {"horizontal", "vertical", "diagonal"}


def test_patterns_fill_most_of_the_sheet():
    at = (np.stack(np.meshgrid(np.arange(32), np.arange(32)), -1).reshape(-1, 2) + 0.5) / 32
    filled = []
    for seed in range(60):
        scene = Scene(32, Composition("bars", {}, (), seed).values(), (), seed)
        path = stage(scene, 0.0)
        filled.append(np.mean([path.contains(float(x), float(y)) for x, y in at]))
    assert min(filled) >= MOST_OF
    assert min(filled) < 0.95  # some are windows


def test_shapes_of_one_lightness_come_into_the_lightness():
    lab = np.zeros((64, 64, 3), np.float32)
    lab[..., 0] = 55
    board = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((8, 8)))
    lab[..., 1], lab[..., 2] = 36 * board, 30 * (1 - board)
    before, after = (visibility(rgb_from_lab(x)) for x in (lab, lift(lab, SHOWN)))
    assert before < VISIBLE
    assert after >= 0.8 * SHOWN
    assert abs(float(lift(lab, SHOWN)[..., 0].mean()) - 55) < 1
    clear = lab.copy()
    clear[..., 0] = 30 + 40 * board
    assert lift(clear, SHOWN) is clear


def test_most_forms_are_seen_in_grey():
    seen = [
        visibility(paint(Composition(family, {"contrast": 0.3}, (), seed), 64)) >= 0.75 * SHOWN
        for family in sorted(set(FAMILIES) - {"mist"}) for seed in (1, 2)
    ]  # fmt: skip
    assert np.mean(seen) >= 0.95


def test_fine_patterns_are_named_only_where_they_stand_off():
    for mark, least in NEEDS.items():
        assert least > VISIBLE
        assert mark not in forms_shown({mark}, 0.95 * least)
        assert mark in forms_shown({mark}, least)


@pytest.mark.parametrize("family", ["waves", "pulse", "ripples", "threads", "zigzags", "halftone"])
def test_lines_are_wide_enough_for_a_small_grey_copy(family):
    kept = []
    for seed in SEEDS:
        light = _light(paint(Composition(family, PLAIN, (), seed), 64))[..., None]
        half = np.kron(shrink(light, 32)[..., 0], np.ones((2, 2)))
        kept.append(half.std() / light.std())
    assert np.mean(kept) >= COARSE


def test_pixels_are_12_to_24_across():
    for seed in SEEDS:
        light = _light(paint(Composition("pixels", {"texture": -1}, (), seed), 240))
        step = np.abs(np.diff(light, axis=1)).mean(axis=0)
        gaps = np.diff(np.flatnonzero(step > 0.25 * step.max()))
        assert gaps[gaps > 2].min() + 1 >= 240 / 24 - 1  # an edge may fall between two pixels


@pytest.mark.parametrize(
    ("family", "mark", "never"),
    [
        ("nested", "nested", {"circular", "round", "ringed", "concentric"}),
        ("crystals", "crystalline", {"faceted"}),
        ("planes", "cubist", {"fragmented"}),
        ("fragments", "fragmented", {"cubist"}),
        ("gesture", "calligraphic", {"brushed"}),
        ("cutouts", "collaged", {"symmetrical"}),
        ("halftone", "halftone", {"dotted"}),
        ("slabs", "stacked", {"vertical"}),
        ("cracks", "cracked", {"branching"}),
        ("pebbles", "pebbled", {"faceted"}),
        ("splatter", "splashed", {"tangled"}),
    ],
)
def test_marks_do_not_share_a_picture(family, mark, never):
    for seed in SEEDS:
        _, study = paint_studied(Composition(family, PLAIN, (), seed), 48)
        assert mark in study.traits
        assert not study.traits & never
