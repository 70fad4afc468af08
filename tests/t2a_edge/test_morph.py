from itertools import pairwise

import numpy as np
import pytest

from t2a_edge.form import CELLS, SIDE, form_of
from t2a_edge.morph import CELL, covered, form_between, signed_distances
from tests.tiny_model import picture


def form(seed):
    """The form of a random picture."""
    return form_of(picture(96, 96, seed)).astype(np.float32) / np.float32(32)


def disc(row, column, radius):
    """A bright disc as a form."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    grey = np.where(inside, np.float32(1), np.float32(0))
    return ((grey - grey.mean()) / grey.std()).astype(np.float32)


FORMS = {
    "pictures": (form(1), form(2)),
    "discs": (disc(20, 20, 9), disc(40, 44, 15)),
    "checks and a disc": (
        (np.indices((SIDE, SIDE)).sum(0) // 8 % 2 * 2 - 1).astype(np.float32),
        disc(32, 32, 3),
    ),
    "a plain one": (np.zeros((SIDE, SIDE), dtype=np.float32), form(3)),
}
each = pytest.mark.parametrize("ends", FORMS.values(), ids=FORMS)


def apart(one, other):
    return float(np.sqrt(np.square(one - other).mean()))


@each
def test_the_ends_of_a_way_are_the_forms_themselves(ends):
    first, second = ends
    np.testing.assert_array_equal(form_between(first, second, 0), first)
    np.testing.assert_array_equal(form_between(first, second, 1), second)
    np.testing.assert_array_equal(form_between(first, first, 0.4), first)


@each
def test_a_way_has_no_jump_and_an_even_pace(ends):
    first, second = ends
    shares = np.linspace(0, 1, 65).tolist()
    forms = [form_between(first, second, share) for share in shares]
    steps = [apart(one, other) for one, other in pairwise(forms)]
    assert max(steps) < 3 * np.median(steps)
    near = [form_between(first, second, share) for share in (0.5, 0.5001)]
    assert apart(*near) < 0.1 * np.median(steps)


@each
def test_mean_and_spread_lie_between_those_of_the_ends(ends):
    means, spreads = zip(*((end.mean(), end.std()) for end in ends), strict=True)
    found = form_between(*ends, 0.25)
    assert found.dtype == np.float32
    assert min(means) - 1e-3 <= found.mean() <= max(means) + 1e-3
    assert found.std() <= max(spreads) + 1e-3


def test_a_way_back_is_the_way_there():
    first, second = FORMS["discs"]
    for share in (0.2, 0.5):
        there, back = form_between(first, second, share), form_between(second, first, 1 - share)
        np.testing.assert_allclose(there, back, atol=0.15)
        assert np.abs(there - back).mean() < 0.01


def test_a_shape_moves_in_place_of_two_that_fade():
    first, second = disc(28, 28, 12), disc(36, 36, 12)
    middle = form_between(first, second, 0.5)
    bright = middle > (middle.min() + middle.max()) / 2
    rows, columns = np.nonzero(bright)
    assert abs(rows.mean() - 32) < 1
    assert abs(columns.mean() - 32) < 1
    assert 0.9 < bright.sum() / (first > 0).sum() < 1.1
    mix = (first + second) / 2
    grey, grey_of_mix = (
        ((form > form.min() + 0.5) & (form < form.max() - 0.5)).mean() for form in (middle, mix)
    )
    assert grey < 0.3 * grey_of_mix


def test_ways_are_the_same_numbers_on_every_machine():
    """Sums of what a runtime has to reproduce: changed by nothing but another way to walk."""
    whole = [
        np.rint(form_between(*FORMS["pictures"], share) * 4096).astype(np.int64)
        for share in (0.1, 0.5, 0.83)
    ]
    weights = np.arange(CELLS).reshape(SIDE, SIDE) % 101
    assert [int((form * weights).sum()) for form in whole] == [-1422434, 577843, 3579701]


# ---- distances and areas


def test_distances_are_those_that_one_measures():
    generator = np.random.default_rng(5)
    layers = generator.random((3, SIDE, SIDE)) < np.array([0.02, 0.5, 0.97])[:, None, None]
    found = signed_distances(layers)
    at = np.stack(np.mgrid[:SIDE, :SIDE], axis=-1).reshape(-1, 2)
    for layer, distances in zip(layers, found, strict=True):
        for row, column in ((0, 0), (31, 17), (63, 63), (40, 2)):
            others = at[layer.ravel() != layer[row, column]]
            nearest = np.sqrt(np.square(others - (row, column)).sum(1).min())
            sign = 1 if layer[row, column] else -1
            assert distances[row, column] == sign * (np.rint(CELL * nearest) - CELL // 2)


def test_a_layer_has_the_area_that_it_is_to_have():
    generator = np.random.default_rng(6)
    distances = np.rint(generator.normal(0, 300, (4, SIDE, SIDE))).astype(np.int16)
    areas = np.array([0, 1000, CELLS * CELL // 2, CELLS * CELL])
    parts = covered(distances, areas)
    sums = parts.sum((1, 2), dtype=np.int64)
    assert sums[0] == 0
    assert sums[3] == CELLS * CELL
    for total, area in zip(sums[1:3], areas[1:3], strict=True):
        assert area <= total < area + 64 * 8
    assert parts.min() == 0
    assert parts.max() == CELL


def test_a_layer_of_its_own_area_is_itself():
    layer = disc(30, 22, 8)[None] > 0
    parts = covered(signed_distances(layer), layer.sum((1, 2)) * CELL)
    np.testing.assert_array_equal(parts, np.where(layer, CELL, 0))
