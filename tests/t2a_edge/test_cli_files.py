"""Where commands write: what is there is not lost, and --out is what `cp` would make of it."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import t2a_edge
from t2a_edge import cli
from t2a_edge.command import run_command
from t2a_edge.commands import interpolate
from t2a_edge.image import read_metadata, read_pixels
from t2a_edge.pipeline import TextToArt

ROOT = Path(t2a_edge.__file__).parents[1]
SIDE = 32  # pixels of a picture of the tiny model
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX links, FIFOs and devices")


@pytest.fixture
def tiny(tiny_bundle, capfd, tmp_path, monkeypatch):
    """A command with the tiny bundle, in an empty folder -> exit code, lines of stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        given = [name, *map(str, arguments)]
        if name != "measure":
            given[1:1] = ["--bundle", str(tiny_bundle)]
        with pytest.raises(SystemExit) as caught:
            run_command(cli.main, given)
        out, err = capfd.readouterr()
        return caught.value.code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def drawn(tiny, tmp_path) -> Path:
    """`warm-7.png` in the folder."""
    assert tiny("generate", "warm", "--seed", 7) == (0, ["warm-7.png"], [])
    return tmp_path / "warm-7.png"


def mask_file(folder: Path, grey: int = 255, mode: str = "L") -> Path:
    mask = Image.new(mode, (SIDE, SIDE))
    mask.paste(grey, (8, 8, 24, 24))
    mask.save(folder / "mask.png")
    return folder / "mask.png"


# ---- names that nobody typed


def test_another_picture_of_the_name_is_kept(tiny, drawn):
    before = drawn.read_bytes()
    for options, name in [
        (["--guidance", 7], "warm-7-2.png"),
        (["--temperature", 0.1], "warm-7-3.png"),
        (["--guidance", 7], "warm-7-2.png"),
        ([], "warm-7.png"),
    ]:
        assert tiny("generate", "warm", "--seed", 7, *options) == (0, [name], [])
    assert drawn.read_bytes() == before
    options = read_metadata(drawn.with_name("warm-7-2.png"))
    assert options["guidance_scale"] == 7


@pytest.mark.parametrize("command", ["vary", "inpaint", "outpaint"])
def test_an_input_is_not_overwritten_unless_it_is_named(tiny, drawn, tmp_path, command):
    more = {
        "vary": ["--strength", 0.75],
        "inpaint": [mask_file(tmp_path)],
        "outpaint": ["--top", 4],
    }
    name = f"warm-{command}-{'32x36-' if command == 'outpaint' else ''}1.png"
    path = drawn.rename(tmp_path / name)  # as the command would name its own picture
    before = path.read_bytes()
    code, (other,), _ = tiny(command, path, *more[command], "--seed", 1)
    assert (code, other) == (0, name.replace(".png", "-2.png"))
    assert path.read_bytes() == before
    code, (same,), _ = tiny(command, path, *more[command], "--seed", 1, "--out", path)
    assert (code, same) == (0, str(path))
    assert path.read_bytes() == Path(other).read_bytes() != before


def test_frames_and_sheets_and_recipes_keep_what_is_there(tiny, tmp_path):
    for arguments in (
        ["generate", "warm", "--count", 2, "--grid", "--seed", 1],
        ["interpolate", "warm", "cool", "--frames", 2, "--seed", 1],
    ):
        first = tiny(*arguments)[1]
        kept = [Path(name).read_bytes() for name in first]
        assert tiny(*arguments)[1] == first
        other = tiny(*arguments, "--guidance", 8)[1]
        assert not set(first) & set(other)
        assert [Path(name).read_bytes() for name in first] == kept


# ---- --out


def test_a_folder_that_is_there_or_ends_in_a_slash_is_a_folder(tiny, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for out in ("v1.2/", "folder.png", "folder.png/", "new", "a.png/"):
        code, lines, _ = tiny("generate", "warm", "--seed", 7, "--out", out)
        assert (code, lines) == (0, [f"{out.rstrip('/')}/warm-7.png"])
    code, lines, err = tiny("generate", "warm", "--out", "v1.3")
    assert (code, lines) == (2, [])
    assert "ends in a slash" in err[0]


@posix
def test_links_are_followed_and_stay(tiny, drawn):
    drawn.with_name("link.png").symlink_to("warm-7.png")
    os.link(drawn, "hard.png")
    assert tiny("generate", "cool", "--seed", 1, "--out", "link.png")[0] == 0
    assert Path("link.png").is_symlink()
    for name in ("link.png", "warm-7.png", "hard.png"):
        assert read_metadata(Path(name))["prompt"] == "cool"
    Path("lost.png").symlink_to("nothing.png")
    code, _, err = tiny("generate", "cool", "--out", "lost.png")
    assert (code, len(err)) == (2, 1)
    assert "a link to nothing" in err[0]


@posix
@pytest.mark.parametrize("name", ["pipe", "pipe.webp"])
def test_a_fifo_gets_the_picture(tiny, drawn, name):
    os.mkfifo(name)
    read = []
    thread = threading.Thread(target=lambda: read.append(Path(name).read_bytes()))
    thread.start()
    assert tiny("generate", "warm", "--seed", 7, "--out", name) == (0, [name], [])
    thread.join(60)
    assert Path(name).is_fifo()
    assert read[0][:4] == (b"RIFF" if name.endswith("webp") else b"\x89PNG")
    if name == "pipe":
        assert read[0] == drawn.read_bytes()


@posix
@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_standard_output_gets_the_picture_and_nothing_else(tiny, tiny_bundle, drawn, into):
    command = [sys.executable, "-m", "t2a_edge", "generate", "--bundle", str(tiny_bundle)]
    command += ["warm", "--seed", "7", "--out", "/dev/stdout"]
    with Path("file.png").open("wb") as file:
        ended = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=file if into == "file" else subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    content = Path("file.png").read_bytes() if into == "file" else ended.stdout
    assert (ended.returncode, ended.stderr) == (0, b"/dev/stdout\n")
    assert content == drawn.read_bytes()


@posix
@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "warm", "--out", "closed/a.png"],
        ["generate", "warm", "--grid", "--out", "closed"],
        ["tile", "warm", "--out", "closed/new/"],
        ["interpolate", "warm", "cool", "--out", "closed/a.gif"],
        ["vary", "warm-7.png", "--out", "closed/a.png"],
        ["decode", "AQID", "--out", "closed"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_that_may_not_be_written_is_told_before_the_model_is_loaded(
    tiny, drawn, monkeypatch, arguments
):
    Path("closed").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, *how, **more: Path(path).name != "closed" and access(path, *how)
    )
    monkeypatch.setattr("t2a_edge.pipeline.TextToArt.__init__", None)
    code, lines, err = tiny(*arguments)
    assert (code, lines, len(err)) == (2, [], 1)
    assert "no permission to write" in err[0]


# ---- what does not fit


def test_a_large_jpeg_is_saved_without_its_recipe(tiny, monkeypatch):
    monkeypatch.setattr("t2a_edge.metadata.ROOM", {"jpeg": 260})  # as the picture is small
    code, (line,), err = tiny("generate", "warm", "--seed", 7, "--out", "a.jpg", "--json")
    assert code == 0
    assert [line.partition(":")[0] for line in err] == ["note"]
    assert "a.jpg has no recipe inside: a JPEG holds 64 kB" in err[0]
    assert json.loads(line)["left_out"] == ["recipe"]
    assert read_metadata(Path("a.jpg"))["left_out"] == ["recipe"]
    for command in (
        ["vary", "a.jpg"],
        ["inspect", "a.jpg", "--recipe"],
        ["inspect", "a.jpg", "--redraw"],
    ):
        code, _, err = tiny(*command)
        assert (code, len(err)) == (2, 1)
        assert "no room for it" in err[0]
    code, _, err = tiny("generate", "warm", "--count", 3, "--format", "jpeg", "--out", "many")
    assert (code, len(err)) == (0, 1)  # said once
    assert tiny("generate", "warm", "--out", "quiet.jpg", "--quiet")[2] == []


def test_a_sheet_as_a_jpeg_is_saved_without_what_does_not_fit(tiny, monkeypatch):
    monkeypatch.setattr("t2a_edge.metadata.ROOM", {"jpeg": 400})
    code, _, err = tiny("generate", "warm", "--count", 4, "--grid", "--out", "s.jpg")
    assert (code, len(err)) == (0, 1)
    assert "has no pictures inside" in err[0]
    assert read_metadata(Path("s.jpg"))["grid"] == [2, 2]


def test_an_animation_too_large_for_memory_is_told_before_it_is_drawn(tiny, monkeypatch):
    monkeypatch.setattr(interpolate, "MOST_PIXELS", 3 * SIDE * SIDE)
    arguments = ["interpolate", "warm", "cool", "--frames"]
    code, _, err = tiny(*arguments, 4, "--out", "a.gif")
    assert (code, len(err)) == (2, 1)
    assert "4 frames of 32 x 32 pixels are 4,096 pixels in one file" in err[0]
    assert tiny(*arguments, 3, "--out", "a.gif")[0] == 0


# ---- masks


def test_a_dark_mask_of_16_bits_marks_nothing(tiny, drawn, tmp_path):
    dark = np.full((SIDE, SIDE), 983, np.uint16)  # 1.5 %
    Image.fromarray(dark).save(tmp_path / "dark.png")
    code, lines, err = tiny("inpaint", drawn, tmp_path / "dark.png")
    assert (code, lines) == (2, [])
    assert "marks 0 pixels" in err[0]


@pytest.mark.parametrize("feather", [0, 2, None])
def test_a_feather_is_set(tiny, drawn, tmp_path, feather):
    more = [] if feather is None else ["--feather", feather]
    mask = mask_file(tmp_path)
    code, (path,), _ = tiny("inpaint", drawn, mask, "--seed", 1, *more)
    assert code == 0
    changed = np.argwhere((read_pixels(Path(path)) != read_pixels(drawn)).any(-1))
    reach = 4 if feather is None else feather  # a cell of the tiny model
    assert changed.min() >= 8 - reach
    assert changed.max() < 24 + reach
    assert tiny("inspect", path, "--redraw")[1][-1].endswith("the same pixels")


def test_a_feather_beyond_a_cell_is_refused(tiny, drawn, tmp_path):
    code, lines, err = tiny("inpaint", drawn, mask_file(tmp_path), "--feather", 5)
    assert (code, lines) == (2, [])
    assert "feather is 5; expected a whole number from 0 to 4" in err[0]


def test_the_command_and_the_library_inpaint_alike(tiny, tiny_bundle, drawn, tmp_path):
    path = tiny("inpaint", drawn, mask_file(tmp_path), "--seed", 1, "--feather", 1)[1][0]
    with TextToArt(tiny_bundle) as engine:
        mask = read_pixels(tmp_path / "mask.png")[..., 0]
        artwork = engine.inpaint(engine.open(drawn), mask, seed=1, feather=1)
        np.testing.assert_array_equal(read_pixels(Path(path)), artwork.pixels)
