import math

import pytest

from t2a_edge.way import loop_at, open_at, places


def open_way(frames):
    return [open_at(place) for place in places(frames, loop=False)]


def loop(frames, *, one_seed):
    return [loop_at(place, one_seed=one_seed) for place in places(frames, loop=True)]


def test_an_open_way_goes_evenly_from_end_to_end():
    frames = open_way(5)
    assert [frame.amount for frame in frames] == [0, 0.25, 0.5, 0.75, 1]
    assert frames[0].noise == (1, 0, 0)
    assert frames[-1].noise == (0, 1, 0)
    angles = [math.atan2(frame.noise[1], frame.noise[0]) for frame in frames]
    assert angles == pytest.approx([i * math.pi / 8 for i in range(5)])


@pytest.mark.parametrize("one_seed", [False, True])
def test_noise_stays_on_the_sphere(one_seed):
    for frame in (*open_way(9), *loop(9, one_seed=one_seed)):
        assert sum(weight**2 for weight in frame.noise) == pytest.approx(1)


@pytest.mark.parametrize("one_seed", [False, True])
def test_a_loop_leads_through_both_ends_and_back_on_the_other_side(one_seed):
    frames = loop(8, one_seed=one_seed)
    assert [frame.amount for frame in frames] == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25]
    assert frames[0].noise == (1, 0, 0)
    assert frames[4].noise == ((1, 0, 0) if one_seed else (0, 1, 0))
    for there, back in zip(frames[1:4], frames[:4:-1], strict=True):
        assert there.noise[:2] == pytest.approx(back.noise[:2])
        assert there.noise[2] == pytest.approx(-back.noise[2])
        assert there.noise[2] > 0.1


@pytest.mark.parametrize("one_seed", [False, True])
def test_a_loop_closes_as_smoothly_as_it_goes(one_seed):
    frames = loop(24, one_seed=one_seed)
    ways = [
        math.dist(one.noise, other.noise)
        for one, other in zip(frames, [*frames[1:], frames[0]], strict=True)
    ]
    if one_seed:  # it swings to one side and to the other
        assert max(ways) < 0.25
    else:
        assert max(ways) < 1.01 * min(ways)
