import json

import numpy as np
import pytest
from click.testing import CliRunner

from bench import motion
from bench.gates import load_gates
from t2a_edge.image import read_metadata

SIZE = (24, 24, 3)


def faded(shares):
    """Frames on a straight way between two noisy pictures."""
    generator = np.random.default_rng(2)
    one, other = generator.integers(0, 256, (2, *SIZE))
    return [np.rint(one + (other - one) * share).astype(np.uint8) for share in shares]


def test_an_even_way_has_a_ratio_of_1_and_a_jump_a_large_one():
    even = motion.way_report(faded(np.linspace(0, 1, 9)), closed=False)
    assert even["ratio"] == pytest.approx(1, abs=0.1)
    jump = motion.way_report(faded([0, 0.02, 0.04, 0.96, 0.98, 1]), closed=False)
    assert jump["ratio"] > 20


def test_a_loop_is_measured_with_its_closing_step():
    frames = faded([0, 0.1, 0.2, 0.3])
    assert motion.way_report(frames, closed=False)["ratio"] < 1.2
    assert motion.way_report(frames, closed=True)["ratio"] > 2.5
    assert len(motion.differences(frames, closed=True)) == 4


def test_pictures_that_fade_into_each_other_are_grey_on_the_way():
    assert motion.contrast(faded([0, 0.5, 1])) < 0.85
    assert motion.contrast(faded([0, 0, 1, 1])) == 1


def test_frames_that_flicker_are_told_from_frames_that_move():
    moving = faded(np.linspace(0, 1, 9))
    generator = np.random.default_rng(3)
    flickering = [
        (frame // 2 + generator.integers(0, 60, SIZE)).astype(np.uint8) for frame in moving
    ]
    assert motion.flicker(moving) < 1 < motion.flicker(flickering)


def test_ways_are_twenty_pairs_and_some_seeds_and_loops():
    found = motion.ways(motion.MAX_SEED)
    kinds = [way.kind for way in found]
    assert [kinds.count(kind) for kind in ("pairs", "seeds", "loops")] == [20, 8, 8]
    assert len({way.name for way in found}) == len(found)
    assert all(0 <= way.how.get("to_seed", 0) <= motion.MAX_SEED for way in found)


@pytest.fixture
def drawn(monkeypatch):
    """Ways that a stand-in draws; a list takes the shares of the next ones."""
    shares = [np.linspace(0, 1, 6)]
    monkeypatch.setattr(
        motion, "drawn_by", lambda _: lambda first, *, seed, frames, **how: faded(shares[0])
    )
    return shares


def run(tiny_bundle, tmp_path):
    arguments = ["--bundle", tiny_bundle, "--frames", 6, "--json", tmp_path / "motion.json"]
    arguments += ["--sheet", tmp_path / "sheet.png"]
    return CliRunner().invoke(motion.motion, [str(argument) for argument in arguments])


def test_smooth_ways_pass_where_no_frame_is_grey(tiny_bundle, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(motion, "PAIRS", motion.PAIRS[:2])
    drawn[0] = [0, 0.01, 0.02, 0.03, 0.02, 0.01]
    ended = run(tiny_bundle, tmp_path)
    assert ended.exit_code == 0, ended.output
    report = json.loads((tmp_path / "motion.json").read_text())
    assert {gate["outcome"] for gate in report["gates"]} == {"pass"}
    assert len(report["gates"]) == len(load_gates(motion.GATES))
    assert read_metadata(tmp_path / "sheet.png")["frames"] == 6


def test_ways_that_jump_fail(tiny_bundle, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(motion, "PAIRS", motion.PAIRS[:2])
    drawn[0] = [0, 0.01, 0.02, 0.98, 0.99, 1]
    ended = run(tiny_bundle, tmp_path)
    assert ended.exit_code == 1
    assert "pairs.worst" in ended.output
    assert "fail" in ended.output
