import json
import sys

import numpy as np
import pytest
from PIL import Image

from t2a_edge.attributes import attribute_scores
from t2a_edge.cli import main
from t2a_edge.command import run_command
from t2a_edge.image import read_pixels


@pytest.fixture
def run(capsys):
    """Run the command in this process: exit code, lines of stdout, lines of stderr."""

    def run_here(*arguments):
        with pytest.raises(SystemExit) as caught:
            run_command(main, ["measure", *map(str, arguments)])
        out, err = capsys.readouterr()
        return caught.value.code, out.splitlines(), err.splitlines()

    return run_here


@pytest.fixture
def picture(tmp_path):
    """An orange picture with a dark bar."""
    pixels = np.full((64, 80, 3), (240, 130, 30), np.uint8)
    pixels[20:40] = 20
    Image.fromarray(pixels).save(tmp_path / "art.png")
    return tmp_path / "art.png"


def test_a_table_names_the_pole_of_each_axis_and_the_hues(run, picture):
    code, out, err = run(picture)
    assert (code, err) == (0, [])
    assert out[0] == str(picture)
    rows = {line.split()[0]: line.split()[1:] for line in out[1:]}
    assert rows["temperature"][1] == "warm"
    assert float(rows["temperature"][0]) > 0.5
    assert rows["hues"][0] == "orange"
    assert rows["form"][0].startswith("horizontal") or "horizontal" in rows["form"]


def test_json_has_a_line_for_each_picture_with_all_scores(run, picture):
    code, out, err = run("--json", picture, picture)
    assert (code, len(out), err) == (0, 2, [])
    line = json.loads(out[0])
    assert line["picture"] == str(picture)
    expected = attribute_scores(read_pixels(picture))
    assert line["scores"] == pytest.approx(expected, abs=1e-4)


def test_a_picture_without_colour_has_no_hues(run, tmp_path):
    Image.new("L", (40, 40), 128).save(tmp_path / "grey.png")
    code, out, _ = run(tmp_path / "grey.png")
    assert code == 0
    assert next(line for line in out if "hues" in line).split() == ["hues", "none"]


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_pixels(tmp_path / "clear.png") == 255).all()


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_pixels(tmp_path / "turned.jpg").shape == (60, 40, 3)


def bad(folder, kind):
    path = folder / f"{kind}.png"
    if kind == "text":
        path.write_text("no picture")
    if kind == "empty":
        path.touch()
    if kind == "folder":
        path.mkdir()
    if kind == "small":
        Image.new("RGB", (31, 40)).save(path)
    if kind == "cut":
        rng = np.random.default_rng(1)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "folder", "small", "cut"])
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, kind):
    path = bad(tmp_path, kind)
    code, out, err = run(path)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("error: ")
    assert str(path) in err[0]


@pytest.mark.skipif(sys.platform == "win32", reason="needs file names with any character")
def test_a_bad_picture_after_a_good_one_still_fails(run, picture, tmp_path):
    code, out, err = run("--json", picture, tmp_path / "nothing\nthere.png")
    assert (code, len(out), len(err)) == (2, 1, 1)


def test_no_picture_at_all_is_refused(run):
    code, out, err = run()
    assert (code, out) == (2, [])
    assert "PICTURES" in err[0]


def test_help_goes_to_stdout(run):
    code, out, err = run("--help")
    assert (code, err) == (0, [])
    assert any("--json" in line for line in out)
