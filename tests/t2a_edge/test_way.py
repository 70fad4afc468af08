import math

import pytest

from t2a_edge.errors import OptionError
from t2a_edge.way import loop, open_way


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


@pytest.mark.parametrize("frames", [1, 0, -3, 1001, 2.0, True, None, "9"])
def test_a_way_of_no_such_number_of_frames_is_refused(frames):
    with pytest.raises(OptionError, match=r"frames is .*; expected a whole number from 2"):
        open_way(frames)
    with pytest.raises(OptionError, match=r"of a loop is .*; expected a whole number from 3"):
        loop(frames, one_seed=False)


def test_a_loop_of_two_frames_is_refused():
    with pytest.raises(OptionError, match="frames of a loop is 2; expected a whole number from 3"):
        loop(2, one_seed=True)
