import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

import t2a_edge
from t2a_edge.attribute_colour import HUE_REGIONS, hue_shares, lab_from_srgb
from t2a_edge.attribute_edges import EDGE, blur, find_edges, halve
from t2a_edge.attribute_layout import connected_areas
from t2a_edge.attribute_table import AXIS_MEASURES, WORD_MEASURES
from t2a_edge.attributes import (
    UNMEASURABLE,
    attribute_scores,
    attribute_statistics,
    scores_from_statistics,
)
from t2a_edge.errors import ImageError
from t2a_edge.image import read_pixels
from t2a_edge.vocabulary import AXIS_NAMES, FORMS, HUES, MOODS

SIDE = 256


def canvas(colour=(225, 220, 210), width=SIDE, height=SIDE):
    picture = Image.new("RGB", (width * 2, height * 2), colour)
    return picture, ImageDraw.Draw(picture)


def finish(picture):
    """Half the size, so that what was drawn has soft edges."""
    return np.asarray(picture.resize((picture.width // 2, picture.height // 2), Image.BOX))


def painting(seed=3, count=40):
    """Something of everything: coloured discs, bars and strokes on a ground."""
    rng = np.random.default_rng(seed)
    picture, draw = canvas((190, 170, 150))
    for number in range(count):
        x, y = (float(v) for v in rng.uniform(0, 2 * SIDE, 2))
        r = float(rng.uniform(8, 60))
        colour = tuple(int(v) for v in rng.integers(30, 220, 3))
        if number % 3 == 0:
            draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
        elif number % 3 == 1:
            draw.rectangle([x - r, y - r / 2, x + r, y + r / 2], fill=colour)
        else:
            draw.line([x - 2 * r, y - r, x + 2 * r, y + r], fill=colour, width=9)
    return finish(picture)


def lines(seed=1, axis_aligned=False):
    rng = np.random.default_rng(seed)
    picture, draw = canvas()
    for number in range(12):
        x, y = (float(v) for v in rng.uniform(60, 2 * SIDE - 60, 2))
        turn = rng.uniform(0, np.pi) if not axis_aligned else (number % 2) * np.pi / 2
        dx, dy = 700 * np.cos(turn), 700 * np.sin(turn)
        draw.line([x - dx, y - dy, x + dx, y + dy], fill=(30, 40, 60), width=10)
    return finish(picture)


def circles(seed=1, count=9, radius=(30, 90)):
    rng = np.random.default_rng(seed)
    picture, draw = canvas()
    for _ in range(count):
        x, y = (float(v) for v in rng.uniform(80, 2 * SIDE - 80, 2))
        r = float(rng.uniform(*radius))
        draw.ellipse([x - r, y - r, x + r, y + r], outline=(30, 40, 60), width=10)
    return finish(picture)


def dots(rows, jitter=0.0, seed=1):
    rng = np.random.default_rng(seed)
    picture, draw = canvas()
    pitch = 2 * SIDE / rows
    for y in range(rows):
        for x in range(rows):
            cx, cy = (np.array([x, y]) + 0.5 + jitter * rng.uniform(-1, 1, 2)) * pitch
            r = 18
            draw.rectangle([cx - r, cy - r, cx + r, cy + r], fill=(40, 60, 120))
    return finish(picture)


def stripes(across, pitch=60):
    picture, draw = canvas()
    for at in range(20, 2 * SIDE, pitch):
        box = [0, at, 2 * SIDE, at + 0.4 * pitch] if across else [at, 0, at + 0.4 * pitch, 2 * SIDE]
        draw.rectangle(box, fill=(60, 60, 60))
    return finish(picture)


def changed(picture, change):
    return change(picture.astype(float)).clip(0, 255).round().astype(np.uint8)


def filled(colour):
    return np.full((64, 64, 3), colour, np.uint8)


# ---- what is scored


def test_every_axis_is_scored_or_said_to_be_unmeasurable():
    assert set(AXIS_MEASURES) | set(UNMEASURABLE) >= {*AXIS_NAMES, *MOODS, *FORMS}
    assert not (set(AXIS_MEASURES) | set(WORD_MEASURES) | set(HUES)) & set(UNMEASURABLE)
    assert set(attribute_scores(painting())) == {*AXIS_MEASURES, *HUES, *WORD_MEASURES}
    assert set(HUE_REGIONS) == set(HUES)


def test_measures_use_at_most_six_statistics_that_exist():
    known = set(attribute_statistics(painting()))
    for measure in (*AXIS_MEASURES.values(), *WORD_MEASURES.values()):
        assert 1 <= len(measure.terms) <= 6
        assert {term.statistic for term in measure.terms} <= known


@settings(max_examples=15)
@given(st.integers(32, 90), st.integers(32, 90), st.integers(0, 2**32 - 1), st.integers(1, 255))
def test_any_picture_has_finite_scores_in_range(height, width, seed, top):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, top + 1, (height, width, 3)).astype(np.uint8)
    assert np.isfinite(list(attribute_statistics(picture).values())).all()
    for name, score in attribute_scores(picture).items():
        assert (-1 if name in AXIS_MEASURES else 0) <= score <= 1, name


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0)])
@pytest.mark.parametrize("shape", [(32, 32), (32, 700), (300, 40)])
def test_a_picture_of_one_colour_has_finite_scores(colour, shape):
    picture = np.full((*shape, 3), colour, np.uint8)
    assert np.isfinite(list(attribute_statistics(picture).values())).all()
    scores = attribute_scores(picture)
    assert np.isfinite(list(scores.values())).all()
    assert scores["density"] < 0
    assert scores["texture"] < 0


def test_the_same_picture_has_the_same_scores():
    picture = painting()
    before = picture.copy()
    assert attribute_scores(picture) == attribute_scores(picture.copy())
    assert attribute_scores(np.asfortranarray(picture)) == attribute_scores(picture)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize(
    ("picture", "got"),
    [
        (np.zeros((64, 64), np.uint8), r"uint8 of shape \(64, 64\)"),
        (np.zeros((64, 64, 4), np.uint8), r"shape \(64, 64, 4\)"),
        (np.zeros((64, 64, 3), np.float32), "float32"),
        (np.zeros((31, 64, 3), np.uint8), "64 x 31 pixels; expected at least 32 x 32"),
        (np.zeros((64, 0, 3), np.uint8), "0 x 64"),
        (None, "None; expected an array"),
        ([[0, 0, 0]], r"\[\[0, 0, 0\]\]; expected an array"),
    ],
)
def test_what_is_no_image_is_refused(picture, got):
    for function in (attribute_scores, attribute_statistics):
        with pytest.raises(ImageError, match=got):
            function(picture)


def test_scores_follow_from_the_statistics():
    picture = painting()
    scores = scores_from_statistics(attribute_statistics(picture))
    assert scores == {k: v for k, v in attribute_scores(picture).items() if k not in HUES}


def test_import_of_the_package_loads_no_measures():
    program = "import json, sys, t2a_edge, t2a_edge.cli; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(t2a_edge.__file__).parents[1],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert not [name for name in json.loads(done.stdout) if "attribute" in name]
    assert t2a_edge.attribute_scores is attribute_scores


# ---- robustness


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("shape", [(512, 512), (600, 400)])
def test_half_the_resolution_scores_alike(seed, shape):
    large = Image.fromarray(painting(seed)).resize(shape, Image.BICUBIC)
    small = large.resize((shape[0] // 2, shape[1] // 2), Image.BOX)
    first, second = (attribute_scores(np.asarray(picture)) for picture in (large, small))
    for name in first:
        assert first[name] == pytest.approx(second[name], abs=0.1), name


def test_jpeg_compression_changes_little(tmp_path):
    picture = painting()
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=85)
    first, second = attribute_scores(picture), attribute_scores(read_pixels(tmp_path / "a.jpg"))
    for name in first:
        assert first[name] == pytest.approx(second[name], abs=0.15), name


@pytest.mark.parametrize("make", [painting, lines, lambda: stripes(across=True)])
def test_a_quarter_turn_swaps_vertical_and_horizontal_and_nothing_else(make):
    first, second = attribute_scores(make()), attribute_scores(np.rot90(make()).copy())
    assert first["vertical"] == pytest.approx(second["horizontal"], abs=0.02)
    assert first["horizontal"] == pytest.approx(second["vertical"], abs=0.02)
    for name in first.keys() - {"vertical", "horizontal", "symmetrical"}:
        assert first[name] == pytest.approx(second[name], abs=0.08), name


# ---- colour and light


def test_a_brighter_copy_is_lighter():
    picture = painting()
    gains = [0.4, 0.7, 1.0]
    scores = [attribute_scores(changed(picture, lambda p, g=g: p * g)) for g in gains]
    assert scores[0]["lightness"] < scores[1]["lightness"] < scores[2]["lightness"]
    assert attribute_scores(changed(picture, lambda p: 255 - (255 - p) * 0.4))["lightness"] > 0.5


def test_turning_the_hues_to_orange_warms_and_to_blue_cools():
    grey = painting().mean(axis=-1, keepdims=True)
    warm = changed(grey, lambda p: p * [1.25, 0.95, 0.6])
    cool = changed(grey, lambda p: p * [0.6, 0.9, 1.3])
    assert attribute_scores(warm)["temperature"] > 0.7
    assert attribute_scores(cool)["temperature"] < -0.7


def test_desaturation_mutes():
    picture = painting()

    def mixed(share):
        return changed(picture, lambda p: share * p + (1 - share) * p.mean(axis=-1, keepdims=True))

    scores = [attribute_scores(mixed(share)) for share in (0.0, 0.4, 1.0)]
    assert scores[0]["chroma"] < scores[1]["chroma"] < scores[2]["chroma"]
    assert scores[0]["chroma"] < -0.8
    assert scores[0]["monochrome"] > 0.7 > scores[2]["monochrome"]
    assert scores[0]["grey"] > 0.7 > scores[2]["grey"]
    assert max(scores[0][hue] for hue in HUES) == 0


@pytest.mark.parametrize(
    ("hue", "colour"),
    [
        ("red", (200, 30, 35)), ("orange", (240, 130, 30)), ("yellow", (250, 225, 50)),
        ("golden", (212, 165, 45)), ("green", (50, 140, 60)), ("teal", (20, 130, 130)),
        ("blue", (40, 80, 190)), ("violet", (120, 50, 150)), ("pink", (245, 160, 180)),
        ("brown", (105, 65, 35)), ("earthy", (150, 115, 75)),
    ],
)  # fmt: skip
def test_a_picture_of_one_hue_scores_highest_on_it(hue, colour):
    scores = attribute_scores(filled(colour))
    assert max(HUES, key=lambda name: scores[name]) == hue
    assert scores[hue] > 0.5


def test_a_share_of_a_hue_grows_with_its_area():
    shares = []
    for rows in (0, 16, 32, 64):
        picture = filled((200, 200, 200))
        picture[:rows] = (200, 30, 35)
        shares.append(attribute_scores(picture)["red"])
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[1] > 0.2  # a quarter of the area, and all of the colour


def test_stretching_the_tones_raises_contrast_and_blur_lowers_it():
    picture = painting()
    soft = changed(picture, lambda p: 128 + 0.3 * (p - 128))
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(6)))
    score = attribute_scores(picture)["contrast"]
    assert attribute_scores(soft)["contrast"] < score - 0.3
    assert attribute_scores(blurred)["contrast"] < score
    assert attribute_statistics(blurred)["edge_p95"] < attribute_statistics(picture)["edge_p95"]


def test_lab_of_known_colours():
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.float32)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]]
    np.testing.assert_allclose(lab_from_srgb(colours)[0], expected, atol=0.15)


def test_hue_shares_of_nothing_but_grey_are_zero():
    assert set(hue_shares(lab_from_srgb(filled((90, 90, 90)).astype(np.float32))).values()) == {0.0}


# ---- form


def test_noise_roughens_and_blur_smooths():
    picture = painting()
    rng = np.random.default_rng(5)
    large = np.kron(rng.normal(0, 1, (128, 128)), np.ones((2, 2)))[..., None]
    noisy = [changed(picture, lambda p, s=s: p + s * large) for s in (0, 6, 12, 24)]
    scores = [attribute_scores(each)["texture"] for each in noisy]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.3
    rough = noisy[1]
    smooth = np.asarray(Image.fromarray(rough).filter(ImageFilter.GaussianBlur(4)))
    assert attribute_scores(smooth)["texture"] < scores[1]
    for name in ("grain", "grain_in_flats", "high_frequency_share"):
        assert attribute_statistics(smooth)[name] < attribute_statistics(rough)[name]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lines_are_straight_and_circles_are_round(seed):
    straight, curved = attribute_scores(lines(seed)), attribute_scores(circles(seed))
    for axis in ("contour", "direction"):
        assert straight[axis] < -0.3 < 0.3 < curved[axis]
    of_lines, of_circles = attribute_statistics(lines(seed)), attribute_statistics(circles(seed))
    assert of_lines["long_lines"] > 0.7 > 0.3 > of_circles["long_lines"]
    assert of_circles["circle_share"] > 4 * of_lines["circle_share"]


def test_rings_and_rays_differ_about_the_middle():
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    rings = np.sin(np.hypot(rows, columns) * 0.25)
    rays = np.sin(np.arctan2(rows, columns) * 16)
    measured = [
        attribute_statistics(np.repeat((128 + 90 * w)[..., None], 3, -1).astype(np.uint8))
        for w in (rings, rays)
    ]
    assert measured[0]["ring_share"] > 0.9 > 0.1 > measured[1]["ring_share"]
    assert measured[1]["ray_share"] > 0.9 > 0.1 > measured[0]["ray_share"]


def test_a_grid_is_ordered_and_jittered_dots_are_not():
    scores = [attribute_scores(dots(7, jitter)) for jitter in (0.0, 0.15, 0.5)]
    assert scores[0]["order"] > scores[1]["order"] > scores[2]["order"]
    repeated = [attribute_statistics(dots(7, jitter))["repetition"] for jitter in (0.0, 0.5)]
    assert repeated[0] > repeated[1] + 0.3


def test_more_dots_are_denser():
    scores = [attribute_scores(dots(rows, 0.2))["density"] for rows in (2, 4, 8, 12)]
    assert scores == sorted(scores)
    assert scores[0] < 0 < scores[-1]


def test_a_crowd_of_hard_diagonals_moves_and_a_faint_horizon_is_still():
    busy = attribute_scores(painting(count=150))["energy"]
    calm, draw = canvas((200, 205, 210))
    draw.rectangle([0, SIDE, 2 * SIDE, 2 * SIDE], fill=(180, 185, 190))
    assert attribute_scores(finish(calm))["energy"] < 0 < busy


def test_dark_masses_are_heavy_and_thin_pale_strokes_light():
    heavy, draw = canvas((120, 70, 50))
    draw.rectangle([60, 60, 420, 330], fill=(25, 22, 22))
    rng = np.random.default_rng(2)
    light, pen = canvas((245, 242, 235))
    for _ in range(25):
        x, y, dx, dy = rng.uniform([0, 0, -120, -120], [512, 512, 120, 120])
        pen.line([x, y, x + dx, y + dy], fill=(150, 150, 160), width=3)
    assert attribute_scores(finish(heavy))["weight"] > 0.3
    assert attribute_scores(finish(light))["weight"] < -0.3


def test_a_mirrored_picture_is_symmetrical():
    picture = painting()
    mirrored = np.concatenate([picture[:, :128], picture[:, 127::-1]], axis=1)
    before, after = attribute_scores(picture), attribute_scores(mirrored)
    assert after["symmetrical"] > max(0.7, before["symmetrical"] + 0.2)
    assert attribute_statistics(mirrored)["symmetry_mirror"] > 0.98


def test_stripes_have_their_direction():
    across, upright = attribute_scores(stripes(across=True)), attribute_scores(stripes(False))
    assert across["horizontal"] > 0.8 > 0.4 > across["vertical"]
    assert upright["vertical"] > 0.8 > 0.4 > upright["horizontal"]
    assert attribute_statistics(stripes(True, pitch=16))["stripes"] > 0.3


@pytest.mark.parametrize("fall", [1, -1])
def test_diagonals_of_both_kinds_are_diagonal(fall):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    wave = (np.sin((rows + fall * columns) * 0.15) > 0) * 150 + 50
    picture = np.repeat(wave[..., None], 3, -1).astype(np.uint8)
    assert attribute_scores(picture)["diagonal"] > 0.8
    assert attribute_scores(lines(axis_aligned=True))["diagonal"] < 0.4


# ---- parts


def test_edges_are_where_the_colour_changes_even_at_one_lightness():
    lab = np.full((32, 32, 3), [60, 30, 0], np.float32)
    lab[:, 16:, 1] = -30
    edges = find_edges(lab)
    assert set(np.nonzero(edges.thin)[1]) <= {15, 16}
    assert edges.thin.any(axis=1)[2:-2].all()
    assert edges.strength[16, 16] > EDGE > edges.strength[16, 4]
    assert edges.angle[16, 16] == pytest.approx(0, abs=1e-3)


def test_blur_and_halve_keep_the_mean():
    image = np.random.default_rng(1).random((20, 30)).astype(np.float32)
    assert blur(image).mean() == pytest.approx(image.mean(), abs=1e-5)
    assert halve(image).shape == (10, 15)
    assert halve(image).mean() == pytest.approx(image.mean(), abs=1e-5)
    assert blur(image).std() < image.std()


def test_connected_areas_are_those_of_a_maze():
    lab = np.zeros((9, 9, 3), np.float32)
    lab[::2, :, 0] = 50  # five bars
    lab[1, 8, 0] = lab[3, 0, 0] = 50  # the first three are one winding path
    labels = connected_areas(lab)
    bright = labels[lab[..., 0] == 50]
    assert len(np.unique(bright)) == 3
    assert labels[0, 0] == labels[4, 8] != labels[6, 0]
