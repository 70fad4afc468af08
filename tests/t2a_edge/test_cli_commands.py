"""Every command with good and bad input, as somebody types it."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import t2a_edge
from t2a_edge import cli
from t2a_edge.command import run_command
from t2a_edge.commands import draw, output, sheet
from t2a_edge.conditioning import conditioning
from t2a_edge.image import read_metadata, write_picture
from t2a_edge.pipeline import TextToArt
from t2a_edge.recipe import pack_recipe, unpack_recipe
from t2a_edge.seeds import MAX_SEED, seed_of_text

ROOT = Path(t2a_edge.__file__).parents[1]
SIDE = 32  # pixels of a picture of the tiny model


class Ended:
    """How a command ended: exit code, and the lines of both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out.splitlines(), err.splitlines()

    @property
    def json(self):
        return [json.loads(line) for line in self.out]


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command in this process, with bytes for its standard input."""

    def run_here(*arguments, given: bytes | None = None) -> Ended:
        if given is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as caught:
            run_command(cli.main, [str(argument) for argument in arguments])
        return Ended(caught.value.code, *capsys.readouterr())

    return run_here


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def tiny(run, tiny_bundle, out):
    """A command with the tiny bundle and the empty folder; its name comes first."""

    def run_tiny(name, *arguments, given: bytes | None = None) -> Ended:
        takes_out = name not in ("explain", "inspect", "info")
        target = ["--out", out] if takes_out and "--out" not in arguments else []
        return run(name, "--bundle", tiny_bundle, *target, *arguments, given=given)

    return run_tiny


@pytest.fixture(scope="module")
def picture(tiny_bundle, tmp_path_factory) -> Path:
    """A picture of "warm dark", seed 7."""
    with TextToArt(tiny_bundle) as engine:
        artwork = engine.generate("warm dark", seed=7)
    return artwork.save(tmp_path_factory.mktemp("picture") / "art.png")


def pixels_of(path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_refused(ended: Ended, out: Path, *said: str) -> None:
    assert len(ended.err) == 1, ended.err
    assert ended.err[0].startswith("error: ")
    for text in said:
        assert text in ended.err[0]
    assert (ended.code, ended.out, names(out)) == (2, [], [])


# ---- generate: prompts from standard input


def test_each_line_of_standard_input_is_a_prompt(tiny, out):
    given = "\N{BYTE ORDER MARK}warm dark\n\n  \ncool, pale\r\nwarm".encode()
    ended = tiny("generate", "-", "--seed", 7, given=given)
    assert (ended.code, ended.err) == (0, [])
    assert [Path(p).name for p in ended.out] == ["warm-dark-7.png", "cool-pale-7.png", "warm-7.png"]
    assert names(out) == sorted(Path(path).name for path in ended.out)


def test_count_applies_to_each_line(tiny):
    ended = tiny("generate", "-", "--seed", 1, "--count", 2, given=b"warm\ncool\n")
    assert [Path(p).stem for p in ended.out] == ["warm-1", "warm-2", "cool-1", "cool-2"]


def test_lines_without_a_seed_have_a_fresh_one_each(tiny):
    ended = tiny("generate", "-", "--json", given=b"warm\nwarm\n")
    first, second = (line["seed"] for line in ended.json)
    assert first != second


def test_the_same_prompt_twice_gives_two_files(tiny, out):
    ended = tiny("generate", "-", "--seed", 7, given=b"warm\nwarm\n")
    assert [Path(p).name for p in ended.out] == ["warm-7.png", "warm-7-2.png"]
    assert names(out) == ["warm-7-2.png", "warm-7.png"]


def test_one_line_may_go_to_one_file(tiny, out):
    ended = tiny("generate", "-", "--out", out / "art.png", given=b"warm\n")
    assert ended.out == [str(out / "art.png")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "Standard input is empty; expected adjectives"),
        (b"\n \n", "Standard input is empty"),
        (b"w\xffrm\n", "Line 1 of standard input is not valid UTF-8"),
        (b"\ndark:9\n", 'Line 2 of standard input: The prompt has "dark:9"; expected a weight'),
        (b"a" * 300_000, "Line 1 of standard input has more than 200000 bytes"),
    ],
    ids=["empty", "blank", "bytes", "weight", "endless"],
)
def test_standard_input_that_cannot_be_used_is_refused(tiny, out, given, said):
    assert_refused(tiny("generate", "-", given=given), out, said)


def test_a_closed_standard_input_is_refused(tiny, out, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert_refused(tiny("generate", "-"), out, "Standard input is closed")


def test_several_lines_into_one_file_are_refused_before_anything_is_written(tiny, out):
    ended = tiny("generate", "-", "--out", out / "art.png", given=b"warm\ncool\n")
    assert_refused(ended, out, "more than one line; name a folder")


@pytest.mark.parametrize("command", ["generate", "tile", "explain"])
@pytest.mark.parametrize("line", [b"\xff", b"dark:x", b"the", b"b " * 9])
def test_a_bad_line_after_a_good_one_names_its_place(tiny, tiny_bundle, run, command, line):
    given = b"warm\n\n" + line + b"\n"
    if command == "explain":
        ended = run("explain", "-", "--bundle", tiny_bundle, given=given)
    else:
        ended = tiny(command, "-", "--seed", 7, given=given)
    assert (ended.code, len(ended.err)) == (2, 1)
    assert ended.out
    assert ended.err[0].startswith("error: Line 3 of standard input")


def test_a_recipe_that_is_none_names_its_line(tiny):
    ended = tiny("decode", "-", given=b"\nAAAA\n")
    assert (ended.code, ended.out) == (2, [])
    assert ended.err[0].startswith("error: Line 2 of standard input: The recipe")


def test_words_beside_the_adjectives_are_named_once(tiny):
    given = b"a warm picture\nthe warm, not cool picture\nwarm\na cool picture\n"
    ended = tiny("generate", "-", "--seed", 7, given=given)
    assert ended.err == [
        'note: read as "warm"; no adjectives: a, picture',
        'note: read as "warm -cool"; no adjectives: the, not',
    ]
    assert [Path(p).name for p in ended.out] == [
        "warm-7.png", "warm-not-cool-7.png", "warm-7-2.png", "cool-7.png",
    ]  # fmt: skip
    assert tiny("generate", "a", "warm", "--quiet").err == []


def test_a_picture_comes_before_the_next_line_is_typed(tiny_bundle, out):
    command = ["generate", "--bundle", str(tiny_bundle), "--out", str(out), "--seed", "7", "-"]
    with subprocess.Popen(
        [sys.executable, "-m", "t2a_edge", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for word in ("warm", "cool"):
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{out / word}-7.png\n"
            assert (out / f"{word}-7.png").is_file()
        process.stdin.close()
        assert process.wait(60) == 0


# ---- generate: seeds, sizes, formats, JSON


def test_seeds_are_a_step_apart(tiny):
    ended = tiny("generate", "warm", "--seed", 5, "--count", 3, "--seed-step", 10)
    assert [Path(p).stem for p in ended.out] == ["warm-5", "warm-15", "warm-25"]


@pytest.mark.parametrize("step", [0, -1, MAX_SEED + 1])
def test_a_step_out_of_range_is_refused(tiny, out, step):
    assert_refused(tiny("generate", "warm", "--seed-step", step), out, "seed step is")


def test_a_step_past_the_largest_seed_is_refused(tiny, out):
    ended = tiny("generate", "warm", "--seed", 1, "--count", 3, "--seed-step", MAX_SEED - 2)
    assert_refused(ended, out, "3 seeds from 1,", "go past the largest")


@pytest.mark.parametrize(
    ("typed", "size"), [("64x48", (64, 48)), ("64×48", (64, 48)), ("48", (48, 48))]
)
def test_a_size_is_drawn(tiny, typed, size):
    drawn = tiny("generate", "warm", "--seed", 7, "--size", typed).out[0]
    assert pixels_of(drawn).shape == (size[1], size[0], 3)
    assert read_metadata(Path(drawn))["size"] == list(size)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("large", "size is 'large'; expected width and height in pixels, such as 512x384"),
        ("64x48x3", "size is '64x48x3'"),
        ("-64x48", "size is '-64x48'"),
        ("64x", "size is '64x'"),
        ("63x48", "a multiple of"),
        ("8x8", "width of the size is 8; expected a whole number from"),
        ("999999999x48", "width of the size is 999999999; expected"),
    ],
)
def test_a_size_that_cannot_be_drawn_is_refused(tiny, out, size, said):
    assert_refused(tiny("generate", "warm", "--size", size), out, said)


@pytest.mark.parametrize(
    ("asked", "suffix"), [("png", ".png"), ("webp", ".webp"), ("jpeg", ".jpg"), ("npy", ".npy")]
)
def test_a_format_is_written(tiny, picture, asked, suffix):
    drawn = Path(tiny("generate", "warm", "dark", "--seed", 7, "--format", asked).out[0])
    assert drawn.suffix == suffix
    pixels = np.load(drawn) if asked == "npy" else pixels_of(drawn)
    difference = np.abs(pixels.astype(int) - pixels_of(picture))
    assert difference.max() == 0 if asked != "jpeg" else difference.mean() < 20


@pytest.mark.parametrize("name", ["art.webp", "art.jpg", "art.JPEG", "art.npy"])
def test_the_suffix_of_a_file_is_its_format(tiny, out, name):
    assert tiny("generate", "warm", "--out", out / name).out == [str(out / name)]
    assert (out / name).is_file()


def test_a_format_that_is_not_that_of_the_file_is_refused(tiny, out):
    ended = tiny("generate", "warm", "--format", "webp", "--out", out / "art.png")
    assert_refused(ended, out, "--format is webp", "leave --format out")


def test_an_unknown_format_is_refused(tiny, out):
    assert_refused(tiny("generate", "warm", "--format", "bmp"), out, "'bmp' is not one of")


def test_json_says_all_that_is_known_of_a_picture(tiny, picture):
    (line,) = tiny("generate", "warm", "dark", "zesty", "--seed", 7, "--json", "--steps", 3).json
    assert Path(line["path"]).is_file()
    assert line["prompt"] == "warm dark zesty"
    assert line["unknown_words"] == ["zesty"]
    assert (line["seed"], line["steps"], line["provider"]) == (7, 3, "cpu")
    assert line["ms"] > 0
    stored = read_metadata(Path(line["path"]))
    assert stored.items() <= line.items()


@pytest.mark.parametrize(
    "command", ["generate", "tile", "interpolate", "vary", "inpaint", "outpaint"]
)
def test_a_form_can_be_given_to_every_command_that_draws(tiny, picture, tmp_path, command):
    Image.fromarray(pixels_of(picture)[::-1]).save(tmp_path / "form.png")
    Image.new("L", (SIDE, SIDE), 255).save(tmp_path / "mask.png")
    words = {
        "interpolate": ["warm", "cool", "--frames", 2], "vary": [picture],
        "inpaint": [picture, tmp_path / "mask.png"], "outpaint": [picture, "--right", 16],
    }.get(command, ["warm"])  # fmt: skip
    given = ["--seed", 7, "--form-strength", 0.75, "--steps", 2, "--format", "webp"]
    ended = tiny(command, *words, *given, "--form", tmp_path / "form.png", "--json")
    assert (ended.code, ended.err) == (0, [])
    plain = tiny(command, *words, *given, "--json")
    for line, other in zip(ended.json, plain.json, strict=True):
        assert (line["steps"], line["form_strength"], len(line["form"])) == (2, 0.75, 16)
        assert "form" not in other
        assert line["recipe"] != other["recipe"]


@pytest.mark.parametrize(("provider", "said"), [("cuda", "'cuda'"), ("tensorrt", "no driver")])
def test_a_provider_that_is_not_there_is_refused(tiny, out, provider, said, monkeypatch):
    monkeypatch.setattr("t2a_edge.runner.available_providers", lambda: ["cpu"])
    monkeypatch.setattr("t2a_edge.gpu.missing_driver", lambda: "no driver is installed")
    assert_refused(tiny("generate", "warm", "--provider", provider), out, said)


def test_an_unknown_provider_is_refused(tiny, out):
    assert_refused(tiny("generate", "warm", "--provider", "abacus"), out, "'abacus' is not one of")


# ---- generate: contact sheets


def test_a_sheet_has_all_pictures_in_order(tiny, out):
    ended = tiny("generate", "warm", "--seed", 7, "--count", 3, "--grid", "--json")
    (line,) = ended.json
    assert names(out) == [Path(line["path"]).name] == ["warm-grid-7.png"]
    assert [entry["seed"] for entry in line["pictures"]] == [7, 8, 9]
    whole, gap = pixels_of(line["path"]), sheet.GAP
    assert whole.shape == (2 * SIDE + 3 * gap, 2 * SIDE + 3 * gap, 3)
    for number, seed in enumerate((7, 8, 9)):
        row, column = divmod(number, 2)
        top, left = gap + row * (SIDE + gap), gap + column * (SIDE + gap)
        alone = tiny("generate", "warm", "--seed", seed).out[0]
        assert (whole[top : top + SIDE, left : left + SIDE] == pixels_of(alone)).all()
    assert (whole[-SIDE:, -SIDE:] == 255).all()  # the fourth place is empty
    assert read_metadata(Path(line["path"]))["pictures"] == line["pictures"]


def test_a_sheet_of_several_prompts_has_a_row_for_each(tiny, out):
    tiny("generate", "-", "--count", 3, "--grid", "--out", out / "s.webp", given=b"warm\ncool\n")
    assert names(out) == ["s.webp"]
    assert read_metadata(out / "s.webp")["grid"] == [2, 3]


@pytest.mark.parametrize(
    ("prompts", "count", "shape"),
    [(1, 1, (1, 1)), (1, 4, (2, 2)), (1, 5, (2, 3)), (7, 1, (3, 3)), (2, 9, (2, 9))],
)
def test_the_shape_of_a_sheet(prompts, count, shape):
    assert sheet.shape_of_sheet(prompts, count) == shape


def test_a_sheet_that_is_too_large_is_refused_before_it_is_drawn(tiny, out, monkeypatch):
    monkeypatch.setattr(sheet, "LONGEST_SIDE", 100)
    ended = tiny("generate", "warm", "--count", 9, "--grid")
    assert_refused(ended, out, "The sheet would have 128 x 128 pixels", "leave --grid out")


# ---- tile


def test_a_tile_says_so_and_can_be_drawn_again(tiny, out):
    drawn = Path(tiny("tile", "warm", "--seed", 7, "--size", "48x32").out[0])
    assert names(out) == ["warm-tile-48x32-7.png"]
    assert pixels_of(drawn).shape == (32, 48, 3)
    assert read_metadata(drawn)["tile"] is True
    assert "the same pixels" in tiny("inspect", drawn, "--redraw").out[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no adjectives"),
        (["warm", "--size", "40x32"], "a multiple of 16"),
        (["warm", "--count", 0], "count is 0"),
        (["warm", "--guidance", 99], "guidance scale is 99"),
        (["warm", "--amount", "0.5"], "No such option"),
    ],
)
def test_a_tile_that_cannot_be_drawn_is_refused(tiny, out, arguments, said):
    assert_refused(tiny("tile", *arguments), out, said)


# ---- interpolate


def test_frames_are_numbered_and_go_from_one_prompt_to_the_other(tiny, out):
    ended = tiny("interpolate", "warm", "cool -dark", "--frames", 11, "--seed", 7)
    assert (ended.code, ended.err, len(ended.out)) == (0, [], 11)
    assert ended.out == sorted(ended.out)
    first, last = (tiny("generate", w, "--seed", 7).out[0] for w in ("warm", "cool -dark"))
    assert (pixels_of(ended.out[0]) == pixels_of(first)).all()
    assert (pixels_of(ended.out[-1]) == pixels_of(last)).all()


def test_frames_are_those_of_the_library(tiny, tiny_bundle):
    ended = tiny("interpolate", "warm", "cool", "--frames", 4, "--seed", 7, "--format", "npy")
    with TextToArt(tiny_bundle) as engine:
        expected = engine.interpolate("warm", "cool", frames=4, seed=7)
    for path, artwork in zip(ended.out, expected, strict=True):
        assert (np.load(path) == artwork.pixels).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_can_be_one_file_that_moves(tiny, out, suffix):
    path = out / f"way{suffix}"
    arguments = ["--frames", 4, "--seed", 5, "--fps", 20, "--bounce", "--json"]
    (line,) = tiny("interpolate", "warm", "cool", *arguments, "--out", path).json
    assert (line["path"], line["frames"], line["seed"]) == (str(path), 6, 5)
    with Image.open(path) as opened:
        assert opened.n_frames == 6
        assert opened.info["loop"] == 0
        frames = []
        for number in range(6):
            opened.seek(number)
            frames.append(np.asarray(opened.convert("RGB"), dtype=float))
        assert opened.info["duration"] == 50
    assert np.abs(frames[1] - frames[5]).mean() < np.abs(frames[0] - frames[3]).mean()
    first = pixels_of(tiny("generate", "warm", "--seed", 5).out[0])
    assert np.abs(frames[0] - first).mean() < 12  # 256 colours, or lossy


def test_a_way_leads_from_seed_to_seed(tiny):
    ended = tiny("interpolate", "warm", "--seeds", "3..9", "--frames", 3)
    assert (ended.code, ended.err, len(ended.out)) == (0, [], 3)
    for path, seed in ((ended.out[0], 3), (ended.out[2], 9)):
        assert (pixels_of(path) == pixels_of(tiny("generate", "warm", "--seed", seed).out[0])).all()
    told = tiny("inspect", "--redraw", ended.out[1])
    assert "to seed     9" in "\n".join(told.out)
    assert "amount      0.5" in "\n".join(told.out)
    assert [line for line in told.out if "redrawn" in line] == [
        "  redrawn     from its recipe: the same pixels",
        "  redrawn     from its words and seed: the same pixels",
    ]


def test_a_way_leads_from_name_to_name(tiny):
    first, last = tiny("interpolate", "warm", "--seeds", "alice..bob", "--frames", 2).out
    for path, seed in ((first, "alice"), (last, "bob")):
        assert (pixels_of(path) == pixels_of(tiny("generate", "warm", "--seed", seed).out[0])).all()


def test_a_loop_is_drawn_once_and_says_so(tiny, out):
    arguments = ["warm", "cool", "--seeds", "3..9", "--frames", 4, "--loop", "--json"]
    (line,) = tiny("interpolate", *arguments, "--out", out / "loop.webp").json
    assert (line["frames"], line["changed"], line["to_seed"]) == (4, "loop", 9)
    with Image.open(out / "loop.webp") as opened:
        assert opened.n_frames == 4
    frames = tiny("interpolate", *arguments, "--out", out / "frames/").json
    assert [frame["amount"] for frame in frames] == [0, 0.5, 1, 0.5]
    shown = [pixels_of(frame["path"]) for frame in frames]
    ends = [["warm", "--seed", 3], ["cool", "--seed", 9]]
    for place, end in zip((0, 2), ends, strict=True):
        assert (shown[place] == pixels_of(tiny("generate", *end).out[0])).all()
    assert (shown[1] != shown[3]).any()


def test_a_video_needs_its_extra(tiny, out, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    ended = tiny("interpolate", "warm", "cool", "--out", out / "way.mp4")
    assert_refused(ended, out, 'pip install "t2a-edge[video]"')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["warm"], "Both ends of the way are the same; expected a second prompt or another seed"),
        (["warm", "--seeds", "3..3"], "Both ends of the way are the same"),
        (["warm", "--seeds", "3-9"], "'3-9' is no way between seeds; expected two such as 3..9"),
        (["warm", "--seeds", "..9"], "is no way between seeds"),
        (["warm", "--seeds", "1..2..3"], "is no way between seeds"),
        (["warm", "--seeds", "alice..?"], "seed is '?'"),
        (["warm", "--seeds", f"0..{2**53}"], f"seed is {2**53}"),
        (["warm", "--seeds", "3..9", "--seed", 3], "--seed and --seeds; expected one of them"),
        (["warm", "cool", "--loop", "--frames", 2], "of a loop is 2; expected a whole number from"),
        (["warm", "cool", "--loop", "--bounce", "--out", "a.gif"], "--bounce and --loop"),
        (["warm", "cool", "dark"], "unexpected extra argument"),
        (["warm", ","], "no adjectives"),
        (["", "warm"], "no adjectives"),
        (["warm", "cool", "--frames", 1], "frames is 1; expected a whole number from 2"),
        (["warm", "cool", "--frames", 1001], "frames is 1001"),
        (["warm", "cool", "--fps", 0], "frames a second is 0"),
        (["warm", "cool", "--fps", "nan"], "frames a second is nan"),
        (["warm", "cool", "--bounce"], "--bounce is for a file that moves"),
        (["warm", "cool", "--seed", -1], "seed is '-1'"),
        (["warm", "cool", "--size", "9x9"], "width of the size is 9"),
        (["warm", "cool", "--out", "way.png"], "expected a .gif .webp .mp4 .webm file or"),
        (["warm", "cool", "--format", "png", "--out", "way.gif"], "--format is png"),
    ],
)
def test_an_interpolation_that_cannot_be_drawn_is_refused(tiny, out, arguments, said):
    assert_refused(tiny("interpolate", *arguments), out, said)


# ---- vary, inpaint, outpaint


def test_variations_have_a_strength(tiny, tiny_bundle, picture):
    ended = tiny("vary", picture, "--strength", 0, "--count", 2, "--seed", 1)
    assert [Path(p).name for p in ended.out] == ["warm-dark-vary-1.png", "warm-dark-vary-2.png"]
    further = tiny("vary", picture, "--strength", 0.9, "--seed", 3)
    with TextToArt(tiny_bundle) as engine:
        paths = (picture, *ended.out, *further.out)
        source, *same, other = (engine.open(path).indices for path in paths)
    for indices in same:
        assert (indices == source).all()
    assert (other != source).any()


def test_a_mask_says_what_is_drawn_anew(tiny, tiny_bundle, picture, tmp_path):
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (0, 0, 8, 8))
    mask.save(tmp_path / "mask.png")
    drawn = tiny("inpaint", picture, tmp_path / "mask.png", "--prompt", "cool", "--seed", 1)
    assert Path(drawn.out[0]).name == "cool-inpaint-1.png"
    with TextToArt(tiny_bundle) as engine:
        source, changed = (engine.open(path).indices for path in (picture, drawn.out[0]))
    assert (changed != source).any()
    outside = np.ones((SIDE, SIDE), dtype=bool)
    outside[:12, :12] = False
    old, new = pixels_of(picture), pixels_of(drawn.out[0])
    assert (new[outside] == old[outside]).all()
    assert (new[:8, :8] != old[:8, :8]).any()


def test_a_picture_is_drawn_on(tiny, picture):
    ended = tiny("outpaint", picture, "--right", 16, "--top", 8, "--seed", 1, "--format", "webp")
    assert Path(ended.out[0]).name == "warm-dark-outpaint-48x40-1.webp"
    assert pixels_of(ended.out[0]).shape == (SIDE + 8, SIDE + 16, 3)


def bad_picture(folder: Path, kind: str, picture: Path) -> Path:
    """A file that no command can change."""
    path = folder / f"{kind}.png"
    about = read_metadata(picture)
    pixels = pixels_of(picture)
    if kind == "foreign":
        Image.fromarray(pixels).save(path)
    elif kind == "text":
        path.write_text("no picture")
    elif kind == "old":
        write_picture(pixels, path, {k: v for k, v in about.items() if k != "recipe"})
    elif kind == "damaged":
        write_picture(pixels, path, {**about, "recipe": about["recipe"][:-9]})
    elif kind == "half a blend":
        write_picture(pixels, path, {**about, "blend": "cool"})
    elif kind == "odd words":
        write_picture(pixels, path, {**about, "prompt": 5})
    elif kind == "wordless":
        write_picture(pixels, path, {**about, "prompt": ""})
    return path


@pytest.mark.parametrize("command", ["vary", "inpaint", "outpaint"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "No such file"),
        ("text", "is not a picture"),
        ("foreign", "has no t2a-edge metadata"),
        ("old", "has no recipe"),
        ("damaged", "damaged or cut short"),
        ("half a blend", "metadata that t2a-edge did not write"),
        ("odd words", "metadata that t2a-edge did not write"),
        (
            "wordless",
            "does not say its adjectives",
        ),
    ],
)
def test_a_picture_that_cannot_be_changed_is_refused(
    tiny, out, picture, tmp_path, command, kind, said
):
    path = bad_picture(tmp_path, kind, picture)
    more = {"vary": [], "inpaint": [picture], "outpaint": ["--left", 8]}[command]
    assert_refused(tiny(command, path, *more), out, said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vary", "PICTURE", "--strength", 9], "strength is 9.0; expected a number from 0 to 1"),
        (["vary", "PICTURE", "--prompt", ","], "no adjectives"),
        (["vary", "PICTURE", "--count", 2, "--out", "one.png"], "names one file"),
        (["vary"], "Missing argument 'PICTURE'"),
        (["inpaint", "PICTURE"], "Missing argument 'MASK'"),
        (["inpaint", "PICTURE", "missing.png"], "No such file"),
        (["inpaint", "PICTURE", "BLACK"], "covers no cell"),
        (["inpaint", "PICTURE", "LARGE"], "has 40 x 40 pixels and the picture 32 x 32"),
        (["outpaint", "PICTURE"], "All four margins are 0"),
        (["outpaint", "PICTURE", "--left", 3], "at the left is 3; expected a whole number from 0"),
        (["outpaint", "PICTURE", "--top", -8], "at the top is -8"),
        (
            ["outpaint", "PICTURE", "--right", 80000],
            "right is 80000; expected a whole number from 0",
        ),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(tiny, out, picture, tmp_path, arguments, said):
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "black.png")
    Image.new("L", (40, 40), 255).save(tmp_path / "large.png")
    paths = {
        "PICTURE": picture, "BLACK": tmp_path / "black.png", "LARGE": tmp_path / "large.png",
    }  # fmt: skip
    assert_refused(tiny(*(paths.get(a, a) for a in arguments)), out, said)


# ---- inspect and decode


def test_inspect_tells_how_a_picture_was_made(run, picture):
    ended = run("inspect", picture)
    rows = dict(line.split(maxsplit=1) for line in ended.out[1:])
    assert (ended.out[0], rows["prompt"], rows["seed"]) == (str(picture), "warm dark", "7")
    assert rows["size"] == f"{SIDE} x {SIDE}"


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_a_picture_is_drawn_again_from_recipe_and_words(tiny, out, suffix):
    tiny("generate", "warm", "--blend", "cool", "--seed", 7, "--out", out / f"art{suffix}")
    ended = tiny("inspect", out / f"art{suffix}", "--redraw")
    assert (ended.code, ended.err) == (0, [])
    assert [line.split(": ")[1] for line in ended.out[-2:]] == ["the same pixels"] * 2
    (line,) = tiny("inspect", out / f"art{suffix}", "--redraw", "--json").json
    assert line["redrawn"] == {"recipe": 0, "words": 0}


def test_a_changed_picture_is_drawn_again_from_its_recipe_alone(tiny, picture):
    varied = tiny("vary", picture, "--seed", 1, "--strength", 0.75).out[0]
    (line,) = tiny("inspect", varied, "--redraw", "--json").json
    assert line["redrawn"] == {"recipe": 0}


def test_pixels_that_somebody_changed_are_found(tiny, picture, tmp_path):
    pixels = pixels_of(picture).copy()
    pixels[3, 4, 0] ^= 128
    write_picture(pixels, tmp_path / "touched.png", read_metadata(picture))
    ended = tiny("inspect", tmp_path / "touched.png", "--redraw")
    assert ended.code == 1
    assert ended.out[-1].endswith("differs by up to 128 of 255")


def test_a_seed_that_is_not_that_of_the_picture_is_found(tiny, picture, tmp_path):
    about = {**read_metadata(picture), "seed": 8}
    write_picture(pixels_of(picture), tmp_path / "liar.png", about)
    ended = tiny("inspect", tmp_path / "liar.png", "--redraw", "--json")
    assert ended.code == 1
    assert ended.json[0]["redrawn"]["recipe"] == 0
    assert ended.json[0]["redrawn"]["words"] > 0


def test_inspect_does_no_harm_to_a_terminal(run, picture, tmp_path):
    about = {"prompt": "\x1b[31mred\x07", "seed": [1, {"x": 2}], "recipe": 5, "x" * 500: "y" * 500}
    write_picture(pixels_of(picture), tmp_path / "odd.png", about)
    ended = run("inspect", tmp_path / "odd.png")
    assert ended.code == 0
    assert "\x1b" not in "".join(ended.out)
    assert max(map(len, ended.out[1:])) < 300


def test_inspect_of_a_sheet_lists_its_pictures(tiny, out):
    tiny("generate", "warm", "--seed", 7, "--count", 2, "--grid", "--out", out / "s.png")
    lines = tiny("inspect", out / "s.png").out
    assert [line.split(maxsplit=2)[2] for line in lines if "picture " in line] == [
        "warm, seed 7",
        "warm, seed 8",
    ]
    for option in ("--redraw", "--recipe"):
        ended = tiny("inspect", out / "s.png", option)
        assert (ended.code, ended.out) == (2, [])
        assert "it holds several pictures" in ended.err[0]


@pytest.mark.parametrize("kind", ["missing", "text", "foreign"])
def test_inspect_of_anything_else_is_refused(run, out, picture, tmp_path, kind):
    path = bad_picture(tmp_path, kind, picture)
    assert_refused(run("inspect", path), out, str(path))


def test_a_recipe_gives_the_picture_again(tiny, picture, out):
    (recipe,) = tiny("inspect", picture, "--recipe").out
    first = tiny("decode", recipe).out[0]
    second = tiny("decode", "-", "--out", out / "b.webp", given=f"{recipe}\n".encode()).out[0]
    for path in (first, second):
        assert (pixels_of(path) == pixels_of(picture)).all()
    assert re.fullmatch(r"recipe-[0-9a-f]{8}\.png", Path(first).name)


def test_several_recipes_give_several_files(tiny, picture, out):
    other = tiny("vary", picture, "--seed", 1, "--strength", 1, "--out", out / "v.png").out[0]
    recipes = "\n".join(tiny("inspect", picture, other, "--recipe").out)
    ended = tiny("decode", "-", given=recipes.encode())
    assert len({*ended.out}) == 2


@pytest.mark.parametrize(
    ("recipe", "given", "said"),
    [
        ("", None, "damaged or cut short"),
        ("äöü", None, "characters that no recipe has"),
        ("AQID", None, "damaged or cut short"),
        ("A" * 2000, None, "damaged or cut short"),
        ("-", b"", "Standard input is empty; expected a recipe"),
        ("-", b"\xff\xfe", "not valid UTF-8"),
        ("-", b"AQID\n", "damaged or cut short"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_refused(tiny, out, recipe, given, said):
    assert_refused(tiny("decode", recipe, given=given), out, said)


def test_a_recipe_of_another_model_is_refused(tiny, tiny_bundle, picture, out):
    with TextToArt(tiny_bundle) as engine:
        own = unpack_recipe(engine.open(picture).recipe, engine.spec, engine.model)
        foreign = pack_recipe(own, engine.spec, "0123456789abcdef" * 4)
    assert_refused(tiny("decode", foreign), out, "of the model 0123456789abcdef")


# ---- explain, info


def test_explain_tells_of_known_and_unknown_words(tiny):
    ended = tiny("explain", "warm", "-zesty:2", "--json")
    known, unknown = ended.json
    assert (known["word"], known["known"], known["weight"]) == ("warm", True, 1)
    assert (unknown["word"], unknown["known"], unknown["weight"]) == ("zesty", False, -2)
    for line in (known, unknown):
        likenesses = [entry["similarity"] for entry in line["nearest"]]
        assert likenesses == sorted(likenesses, reverse=True)
        assert line["word"] not in [entry["word"] for entry in line["nearest"]]


def test_explain_is_readable(tiny):
    lines = tiny("explain", "zesty", "-warm").out
    assert lines[0] == "zesty: not among the known adjectives"
    assert lines[3] == "warm: a known adjective, weight -1"
    assert [line.split()[0] for line in lines] == [
        "zesty:", "near", "moves", "warm:", "near", "avoids",
    ]  # fmt: skip


def test_explain_reads_standard_input(tiny):
    words = [line["word"] for line in tiny("explain", "-", "--json", given=b"warm\ncool").json]
    assert words == ["warm", "cool"]


@pytest.mark.parametrize("words", [[], [","], ["dark:9"]])
def test_words_that_cannot_be_explained_are_refused(tiny, out, words):
    assert_refused(tiny("explain", *words), out, "expected" if words == ["dark:9"] else "no adj")


def test_info_tells_bundle_providers_and_versions(tiny, tiny_bundle):
    ended = tiny("info", "--json")
    found = json.loads("\n".join(ended.out))
    assert found["versions"]["t2a-edge"] == t2a_edge.__version__
    assert found["bundle"]["folder"] == str(tiny_bundle)
    assert found["provider"] in ("cpu", "cuda")
    assert found["providers"]["cpu"] == ""
    with TextToArt(tiny_bundle) as engine:
        assert found["bundle"]["hash"] == engine.bundle.bundle_hash
        assert found["bundle"]["vocabulary"] == list(engine.bundle.vocabulary)


def test_info_is_readable(tiny):
    ended = tiny("info")
    text = "\n".join(ended.out)
    assert (ended.code, ended.err) == (0, [])
    for title in ("versions", "bundle ", "licence", "adjectives", "provider ", "runs here"):
        assert title in text
    assert max(map(len, ended.out)) < 300


def test_info_names_a_provider_that_cannot_run(tiny, out, monkeypatch):
    monkeypatch.setattr("t2a_edge.runner.available_providers", lambda: ["cpu"])
    assert "cuda" in json.loads("\n".join(tiny("info", "--json").out))["providers"]["cuda"]
    assert_refused(tiny("info", "--provider", "cuda"), out, "'cuda'")


# ---- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_command(run, shell):
    ended = run("completion", shell)
    assert ended.code == 0
    assert "_T2A_EDGE_COMPLETE" in "\n".join(ended.out)


def test_another_shell_is_refused(run, out):
    assert_refused(run("completion", "tcsh"), out, "'tcsh' is not one of")


@pytest.mark.parametrize(
    ("words", "number", "offered"),
    [
        ("t2a-edge ge", "1", "generate"),
        ("t2a-edge generate warm flui", "3", "fluid"),
        ("t2a-edge generate --provider te", "3", "tensorrt"),
        ("t2a-edge explain gold", "2", "golden"),
    ],
)
def test_commands_and_adjectives_are_completed(words, number, offered):
    done = CliRunner().invoke(
        cli.main,
        prog_name="t2a-edge",
        env={"_T2A_EDGE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": number},
    )
    assert f"plain,{offered}" in done.output.splitlines()


def test_a_bundle_that_is_not_there_completes_nothing(tmp_path):
    words = f"t2a-edge generate --bundle {tmp_path} flui"
    done = CliRunner().invoke(
        cli.main,
        prog_name="t2a-edge",
        env={"_T2A_EDGE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"},
    )
    assert (done.exit_code, done.output.split()) == (0, [])


# ---- progress


def test_progress_without_a_terminal_is_nothing(tiny):
    assert tiny("generate", "warm", "--count", 2).err == []


def test_progress_vanishes_when_a_picture_fails(capsys, monkeypatch):
    monkeypatch.setattr(output.sys.stderr, "isatty", lambda: True, raising=False)
    progress = output.Progress(0, None, 2, show=True)

    def stop(_done):
        progress.update(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), progress:
        stop(1)
    assert capsys.readouterr().err == "\r1 ■·\r\033[K"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["warm", "dark"], "t2a-edge generate warm dark"),
        (["genrate", "warm"], "t2a-edge generate warm"),
        (["inspekt", "art.png"], "t2a-edge inspect art.png"),
    ],
)
def test_a_command_that_is_not_there_is_answered_with_the_one_that_is_meant(run, out, typed, meant):
    assert_refused(run(*typed), out, f"No such command {typed[0]!r}", f"did you mean `{meant}`?")


def test_draw_checks_what_all_pictures_share_before_any_is_drawn(tiny, out, monkeypatch):
    drawn = []
    monkeypatch.setattr(draw.Series, "draw", lambda *_args: drawn.append(1) or iter(()))
    assert_refused(tiny("generate", "warm", "--size", "9x9"), out, "width of the size is 9")
    assert_refused(tiny("generate", "-", "--blend", ":", given=b"warm"), out, "an adjective")
    assert drawn == []


@pytest.mark.parametrize("command", [["generate", "warm"], ["tile", "warm"], ["vary", "PICTURE"]])
def test_a_text_is_a_seed_and_the_number_that_it_stands_for_is_told(tiny, picture, command):
    words = [picture if word == "PICTURE" else word for word in command]
    (told,) = tiny(*words, "--seed", "alice", "--json").json
    assert told["seed"] == seed_of_text("alice")
    (again,) = tiny(*words, "--seed", told["seed"], "--json").json
    assert again["recipe"] == told["recipe"]


def test_many_pictures_of_a_prompt_read_its_words_once_and_are_those_of_each_alone(
    tiny, tiny_bundle, monkeypatch
):
    read = []
    monkeypatch.setattr(
        "t2a_edge.plan.conditioning", lambda *told: read.append(1) or conditioning(*told)
    )
    ended = tiny("generate", "warm", "dark", "--seed", 3, "--count", 19, "--format", "npy")
    assert (len(ended.out), read) == (19, [1])
    with TextToArt(tiny_bundle) as engine:
        for seed in (3, 19, 21):
            (path,) = (path for path in ended.out if path.endswith(f"-{seed}.npy"))
            assert (np.load(path) == engine.generate("warm dark", seed=seed).pixels).all()
