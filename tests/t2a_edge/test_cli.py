import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import t2a_edge
from t2a_edge.bundle import file_entry
from t2a_edge.cli import main
from t2a_edge.command import run_command
from t2a_edge.commands import draw, output
from t2a_edge.image import read_metadata
from t2a_edge.seeds import MAX_SEED

ROOT = Path(t2a_edge.__file__).parents[1]
LONG_NAME = "a" * 300
ENGINES = [
    "text.onnx",
    "forms.onnx",
    "painter.onnx",
    "composer.onnx",
    "encoder.onnx",
    "decoder.onnx",
]


class Ended:
    """How a command ended: exit code, and the lines of both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out.splitlines()
        self.err = err.splitlines()


def run_process(*arguments, **environment) -> Ended:
    finished = subprocess.run(
        [sys.executable, "-m", "t2a_edge", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        check=False,
    )
    outputs = (
        text.decode("utf-8", "surrogateescape") for text in (finished.stdout, finished.stderr)
    )
    return Ended(finished.returncode, *outputs)


@pytest.fixture
def run(capsys):
    """Run the command in this process, which is faster."""

    def run_here(*arguments) -> Ended:
        with pytest.raises(SystemExit) as caught:
            run_command(main, [str(argument) for argument in arguments])
        return Ended(caught.value.code, *capsys.readouterr())

    return run_here


@pytest.fixture
def out(tmp_path) -> Path:
    """An empty folder for the pictures."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def generate(run, tiny_bundle, out):
    """`generate` with the tiny bundle into the empty folder."""
    return lambda *arguments: run("generate", "--bundle", tiny_bundle, "--out", out, *arguments)


@pytest.fixture
def damaged(tiny_bundle, tmp_path) -> Path:
    """A copy of the tiny bundle, to be damaged."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "damaged"))


def assert_refused(ended: Ended, out: Path, *said: str) -> None:
    """One line that says what is wrong, exit code 2, and nothing else anywhere."""
    assert len(ended.err) == 1, ended.err
    assert ended.err[0].startswith("error: ")
    assert "Traceback" not in ended.err[0]
    for text in said:
        assert text in ended.err[0]
    assert ended.code == 2
    assert ended.out == []
    assert list(out.iterdir()) == []


def pixels_of(path: str) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


# ---- bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no adjectives"),
        ([""], "no adjectives"),
        (["  ", ","], "no adjectives"),
        (["warm"] * 200, "200 adjectives; expected at most"),
        ([" ".join(["warm"] * 200)], "200 adjectives"),
        (["a" * 5000], "5000 bytes; expected at most"),
        (["wa\x07rm"], "control character U+0007"),
        (["\x1b[31mred"], "control character U+001B"),
        ([":"], "expected an adjective"),
        (["dark:"], 'has "dark:"; expected a weight from 0 to 4'),
        (["dark:x"], 'has "dark:x"; expected a weight'),
        (["dark:nan"], 'has "dark:nan"; expected a weight'),
        (["dark:9"], 'has "dark:9"; expected a weight'),
        (["warm -"], "with one minus before it"),
        (["-busy:5"], "busy:5"),
        (["−−busy"], "with one minus before it"),
    ],
    ids=str,
)
def test_words_that_cannot_be_used_are_refused(generate, out, words, said):
    assert_refused(generate(*words), out, said)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--seed", "-1", "seed is '-1'; expected a whole number from 0"),
        ("--seed", str(MAX_SEED + 1), f"seed is {MAX_SEED + 1}"),
        ("--seed", "1.5", "seed is '1.5'; expected a whole number"),
        ("--seed", "9" * 5000, "a text that has a letter"),
        ("--count", "0", "count is 0; expected a whole number from 1 to 1000"),
        ("--count", "-3", "count is -3"),
        ("--count", "100000", "count is 100000; expected a whole number from 1 to 1000"),
        ("--count", "many", "count is 'many'; expected a whole number"),
        ("--guidance", "nan", "guidance scale is 'nan'; expected a number from 0 to 8"),
        ("--guidance", "-1", "guidance scale is -1.0"),
        ("--guidance", "9", "guidance scale is 9.0"),
        ("--guidance", "strong", "guidance scale is 'strong'"),
        ("--temperature", "inf", "temperature is 'inf'; expected a number from 0 to 10"),
        ("--temperature", "-0.1", "temperature is -0.1"),
        ("--temperature", "nan", "temperature is 'nan'"),
        ("--steps", "0", "number of steps is 0; expected a whole number from 1 to 64"),
        ("--steps", "65", "number of steps is 65"),
        ("--steps", "2.5", "number of steps is '2.5'; expected a whole number from 1 to 64"),
        ("--form", "missing.png", "missing.png cannot be read"),
        ("--form-strength", "1.1", "form strength is 1.1; expected a number from 0 to 1"),
        ("--form-strength", "nan", "form strength is 'nan'"),
        ("--threads", "0", "number of threads is 0; expected a whole number from 1 to 256"),
        ("--threads", "100000", "threads is 100000"),
        ("--colour", "red", "No such option"),
        ("--busy", "", "No such option"),
        ("-5", "", "No such option"),
        ("-x", "", "No such option"),
        ("--guidance", "-inf", "guidance scale is '-inf'"),
        ("--out", "-pictures/art.bmp", "'-pictures/art.bmp'; expected a .png .webp"),
        ("--amount", "nan", "amount is 'nan'; expected a number from 0 to 1"),
        ("--amount", "-0.1", "amount is -0.1"),
        ("--amount", "1.5", "amount is 1.5"),
        ("--amount", "half", "amount is 'half'; expected a number from 0 to 1"),
        ("--blend", "", "no adjectives"),
        ("--blend", "cool:9", "expected a weight from 0 to 4"),
        ("--blend", "--busy", "with one minus before it"),
    ],
)
def test_options_that_cannot_be_used_are_refused(generate, out, option, value, said):
    assert_refused(generate("warm", option, value), out, said)


def test_seeds_past_the_largest_are_refused(generate, out):
    ended = generate("warm", "--seed", MAX_SEED - 1, "--count", 3)
    assert_refused(ended, out, f"3 seeds from {MAX_SEED - 1} go past the largest")


def test_many_pictures_into_one_file_are_refused(generate, out):
    ended = generate("warm", "--count", 2, "--out", out / "art.png")
    assert_refused(ended, out, "--out names one file", "name a folder")


@pytest.mark.parametrize("name", ["art.png", "pictures", "a/b/art.png"])
def test_a_path_below_a_file_is_refused(generate, out, tmp_path, name):
    (tmp_path / "file").write_text("here first")
    ended = generate("warm", "--out", tmp_path / "file" / name)
    assert_refused(ended, out, "which is no folder")
    assert (tmp_path / "file").read_text() == "here first"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "which is no folder"),
        ("art.bmp", "expected a .png .webp .jpg .jpeg .avif .npy file or a folder"),
        (LONG_NAME, "File name too long"),
        (f"{LONG_NAME}.png", "File name too long"),
    ],
)
def test_a_target_that_cannot_be_written_is_refused(generate, out, tmp_path, name, said):
    (tmp_path / "file").write_text("here first")
    assert_refused(generate("warm", "--out", tmp_path / name), out, said)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux's /proc")
def test_a_folder_that_nothing_can_be_made_in_is_refused(generate, out):
    assert_refused(generate("warm", "--out", "/proc/pictures"), out, "cannot be written")


@pytest.mark.parametrize("name", ["missing", LONG_NAME, "out"])
def test_a_missing_bundle_is_refused(generate, out, tmp_path, name):
    ended = generate("warm", "--bundle", tmp_path / name)
    assert_refused(ended, out, "No bundle at", "bundle.json")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_with_a_flipped_byte_is_refused(generate, out, damaged, engine):
    content = bytearray((damaged / engine).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / engine).write_bytes(content)
    assert_refused(generate("warm", "--bundle", damaged), out, engine, "damaged or foreign")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_with_a_truncated_engine_is_refused(generate, out, damaged, engine):
    content = (damaged / engine).read_bytes()
    (damaged / engine).write_bytes(content[: len(content) // 2])
    assert_refused(generate("warm", "--bundle", damaged), out, engine, "damaged or foreign")

    manifest = json.loads((damaged / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][engine] = file_entry(damaged / engine)
    (damaged / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    ended = generate("warm", "--bundle", damaged)
    assert_refused(ended, out, engine, "cannot be loaded as an ONNX model")


def test_a_path_with_a_line_break_is_still_told_in_one_line(generate, out, tiny_bundle, tmp_path):
    damaged = Path(shutil.copytree(tiny_bundle, tmp_path / "two\nlines"))
    (damaged / "text.onnx").unlink()
    assert_refused(generate("warm", "--bundle", damaged), out, "two lines", "has no text.onnx")


def test_a_command_that_does_not_exist_is_refused(run, out):
    assert_refused(run("paint", "warm"), out, "No such command 'paint'")


def test_an_interruption_is_one_line(generate, monkeypatch, out):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(draw, "check_one_file", interrupt)
    ended = generate("warm")
    assert (ended.code, ended.out) == (130, [])
    assert ended.err == ["", "error: stopped"]  # click ends the line with ^C first
    assert list(out.iterdir()) == []


# ---- bad input to a process of its own


def process_arguments(tiny_bundle: Path, out: Path) -> list[str]:
    return ["generate", "--bundle", str(tiny_bundle), "--out", str(out)]


def test_bytes_that_are_not_utf8_are_refused(tiny_bundle, out):
    ended = run_process(*process_arguments(tiny_bundle, out), b"w\xff\xferm")
    assert_refused(ended, out, "not valid UTF-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no adjectives"),
        (["warm", "--seed", "-1"], "seed is '-1'"),
        (["warm", "--guidance", "nan"], "guidance scale is 'nan'"),
    ],
)
def test_a_process_ends_with_one_line_too(tiny_bundle, out, arguments, said):
    assert_refused(run_process(*process_arguments(tiny_bundle, out), *arguments), out, said)


def test_a_truncated_engine_writes_nothing_else_to_stderr(damaged, out):
    engine = damaged / "painter.onnx"
    engine.write_bytes(engine.read_bytes()[:-1000])
    manifest = json.loads((damaged / "bundle.json").read_text(encoding="utf-8"))
    manifest["files"][engine.name] = file_entry(engine)
    (damaged / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert_refused(run_process(*process_arguments(damaged, out), "warm"), out, engine.name)


def finish_with_stdout(arguments: list[str], stdout) -> tuple[int, list[str]]:
    finished = subprocess.run(
        [sys.executable, "-m", "t2a_edge", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    return finished.returncode, finished.stderr.decode("utf-8").splitlines()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_an_output_that_is_full_is_one_line(tiny_bundle, out):
    with Path("/dev/full").open("wb") as full:
        code, err = finish_with_stdout([*process_arguments(tiny_bundle, out), "warm"], full)
    assert code == 2
    assert len(err) == 1
    assert err[0].startswith("error: ")
    assert "No space left on device" in err[0]


def test_an_output_that_nobody_reads_is_no_traceback(tiny_bundle, out):
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        code, err = finish_with_stdout([*process_arguments(tiny_bundle, out), "warm"], write_end)
    finally:
        os.close(write_end)
    assert code != 0
    assert err == []


# ---- good input


def test_paths_of_the_pictures_are_printed(tiny_bundle, out):
    ended = run_process(*process_arguments(tiny_bundle, out), "warm", "dark", "--seed", "7")
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [str(out / "warm-dark-7.png")]
    assert pixels_of(ended.out[0]).shape == (32, 32, 3)


def test_the_same_seed_gives_the_same_pixels_in_any_process(tiny_bundle, out, generate):
    arguments = ["warm", "dark", "--seed", "7"]
    here = generate(*arguments, "--out", out / "here")
    there = run_process(*process_arguments(tiny_bundle, out / "there"), *arguments)
    assert here.code == there.code == 0
    assert pixels_of(here.out[0]).tobytes() == pixels_of(there.out[0]).tobytes()
    assert Path(here.out[0]).read_bytes() == Path(there.out[0]).read_bytes()


def test_another_seed_gives_other_pixels(generate):
    first, second = (generate("warm", "--seed", seed).out[0] for seed in (1, 2))
    assert pixels_of(first).tobytes() != pixels_of(second).tobytes()


def test_a_fresh_seed_is_named_in_the_file_and_gives_the_picture_again(generate, out):
    drawn = generate("warm").out[0]
    seed = int(Path(drawn).stem.removeprefix("warm-"))
    assert read_metadata(Path(drawn))["seed"] == seed
    again = generate("warm", "--seed", seed, "--out", out / "again.png").out[0]
    assert pixels_of(again).tobytes() == pixels_of(drawn).tobytes()


def test_count_gives_pictures_of_consecutive_seeds(generate, out):
    ended = generate("warm", "--seed", 41, "--count", 3)
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [str(out / f"warm-{seed}.png") for seed in (41, 42, 43)]
    assert sorted(map(str, out.iterdir())) == ended.out
    alone = generate("warm", "--seed", 42, "--out", out / "alone.png").out[0]
    assert pixels_of(alone).tobytes() == pixels_of(ended.out[1]).tobytes()


def test_count_from_a_fresh_seed_is_consecutive(generate):
    seeds = [
        int(Path(path).stem.removeprefix("warm-")) for path in generate("warm", "--count", 3).out
    ]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2]


def test_the_largest_seed_can_be_used(generate, out):
    assert generate("warm", "--seed", MAX_SEED).out == [str(out / f"warm-{MAX_SEED}.png")]


def test_a_file_can_be_named(generate, out):
    ended = generate("warm", "--out", out / "new" / "art.PNG")
    assert ended.out == [str(out / "new" / "art.PNG")]
    assert read_metadata(out / "new" / "art.PNG")["prompt"] == "warm"


def test_pictures_go_to_the_current_folder_by_default(run, tiny_bundle, out, monkeypatch):
    monkeypatch.chdir(out)
    assert run("generate", "--bundle", tiny_bundle, "warm", "--seed", 7).out == ["warm-7.png"]
    assert [path.name for path in out.iterdir()] == ["warm-7.png"]


def test_options_go_into_the_metadata(generate):
    given = ["--guidance", 1.5, "--temperature", 0.25, "--steps", 3, "--form-strength", 0.5]
    drawn = generate("warm", "--seed", 7, *given).out[0]
    metadata = read_metadata(Path(drawn))
    assert (metadata["guidance_scale"], metadata["temperature"]) == (1.5, 0.25)
    assert (metadata["steps"], metadata["form_strength"]) == (3, 0.5)


@pytest.mark.parametrize(
    "words",
    [
        ["warm", "-busy", "dark:1.4"],
        ["warm -busy dark:1.4"],
        ["warm", "\N{MINUS SIGN}Busy", "dark:1.40"],
        ["--", "warm", "-busy", "dark:1.4"],
        ["“warm”,", '-"busy"', "dark:1,4"],
        ["warm", "-(busy)", "dark", ":", "1.4"],
        ["warm", "–busy", "(dark):1.4"],
    ],
)
def test_words_may_have_weights_and_be_avoided(generate, out, words):
    ended = generate("--quiet", "--seed", 7, *words)
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [str(out / "warm-not-busy-dark-1-4-7.png")]
    assert read_metadata(Path(ended.out[0]))["prompt"] == "warm -busy dark:1.4"


@pytest.mark.parametrize("word", ["-busy", "-été", "-é", "-暖か", "-🔥", "-blue-green"])
def test_a_word_of_any_script_can_be_avoided_and_come_first(generate, word):
    ended = generate(word, "warm", "--seed", 7, "--quiet")
    assert ended.code == 0
    assert read_metadata(Path(ended.out[0]))["prompt"] == f"{word} warm"


def test_an_option_may_follow_an_avoided_word(generate, out):
    ended = generate("-dark", "--seed", 7, "-cool", "--count", 2)
    assert ended.out == [str(out / f"not-dark-not-cool-{seed}.png") for seed in (7, 8)]


def test_an_avoided_word_that_training_did_not_use_is_named_without_its_minus(generate):
    ended = generate("warm", "-zesty:2", "--blend", "quirky")
    assert len(ended.err) == 1
    for word in ("zesty", "quirky"):
        assert f'"{word}"' in ended.err[0]


def test_a_folder_may_begin_with_a_minus(generate, out, monkeypatch):
    monkeypatch.chdir(out)
    ended = generate("warm", "--seed", 7, "--out", "-pictures")
    assert (ended.code, ended.err) == (0, [])
    assert [str(path) for path in out.rglob("*.png")] == [str(out / "-pictures" / "warm-7.png")]


def test_two_prompts_are_blended_and_the_picture_says_so(generate, out):
    ended = generate("warm", "--blend", "cool, -dark", "--amount", 0.3, "--seed", 7)
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [str(out / "warm-to-cool-not-dark-0-3-7.png")]
    metadata = read_metadata(Path(ended.out[0]))
    assert (metadata["prompt"], metadata["blend"]) == ("warm", "cool -dark")
    assert (metadata["amount"], metadata["seed"]) == (0.3, 7)


@pytest.mark.parametrize("blend", [["--blend", "-dark"], ["--blend=-dark"]])
def test_a_blend_may_begin_with_an_avoided_word(generate, blend):
    ended = generate("warm", *blend, "--seed", 7)
    assert read_metadata(Path(ended.out[0]))["blend"] == "-dark"


def test_a_picture_without_a_blend_says_nothing_of_it(generate):
    metadata = read_metadata(Path(generate("warm", "--seed", 7).out[0]))
    assert metadata.keys().isdisjoint({"blend", "amount"})


@pytest.mark.parametrize(("amount", "same"), [(0, "warm"), (1, "cool")])
def test_either_end_of_a_blend_is_that_prompt(generate, amount, same):
    blended = generate("warm", "--blend", "cool", "--amount", amount, "--seed", 7).out[0]
    plain = generate(same, "--seed", 7).out[0]
    assert pixels_of(blended).tobytes() == pixels_of(plain).tobytes()


def test_adjectives_can_be_typed_in_one_text(generate, out):
    ended = generate("warm, DARK;pale", "--seed", 7)
    assert ended.out == [str(out / "warm-dark-pale-7.png")]


@pytest.mark.parametrize(
    "words",
    [["zesty"], ["wram", "drak"], ["🔥"], ["暖か"], ["тёплый", "été"], ["warm", "zesty"]],
    ids=["unknown", "typos", "emoji", "japanese", "non-latin", "one of two"],
)
def test_unknown_words_are_drawn_with_one_line_that_names_them(generate, monkeypatch, words):
    monkeypatch.setattr(output, "LIKELY", 1.1)  # no suggestions, which could be any known word
    ended = generate(*words, "--seed", 7)
    assert ended.code == 0
    assert len(ended.out) == 1
    assert Path(ended.out[0]).is_file()
    assert len(ended.err) == 1
    assert ended.err[0].startswith("note: ")
    for word in words:
        assert (f'"{word}"' in ended.err[0]) == (word != "warm")


def test_the_note_on_a_repeated_word_names_it_once(generate):
    ended = generate("zesty", "zesty", "ZESTY", "--count", 2)
    assert len(ended.err) == 1
    assert ended.err[0].count('"zesty"') == 1


def test_a_near_known_word_is_suggested(generate, monkeypatch):
    monkeypatch.setattr(output, "LIKELY", -1.0)
    assert '"zesty" (near "' in generate("zesty").err[0]
    monkeypatch.setattr(output, "LIKELY", 1.1)
    assert "near" not in generate("zesty").err[0]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "latin-1", "ascii"])
def test_any_path_can_be_printed_whatever_the_encoding(tiny_bundle, out, encoding):
    target = [*process_arguments(tiny_bundle, out / "暖か"), "🔥", "été", "--seed", "7"]
    ended = run_process(*target, PYTHONIOENCODING=encoding)
    assert ended.code == 0
    assert (out / "暖か" / "été-7.png").is_file()
    assert (len(ended.out), len(ended.err)) == (1, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are any bytes")
@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_a_folder_whose_name_is_not_utf8_can_be_used(tiny_bundle, out, encoding):
    folder = os.fsencode(out) + b"/\xff"
    arguments = [*process_arguments(tiny_bundle, out)[:-1], folder, "warm", "--seed", "7"]
    ended = run_process(*arguments, PYTHONIOENCODING=encoding)
    assert (ended.code, ended.err) == (0, [])
    assert [path.name for path in Path(os.fsdecode(folder)).iterdir()] == ["warm-7.png"]


def test_quiet_leaves_stderr_empty(tiny_bundle, out):
    arguments = ["zesty", "🔥", "--seed", "7", "--quiet"]
    ended = run_process(*process_arguments(tiny_bundle, out), *arguments)
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [str(out / "zesty-7.png")]


def test_quiet_still_tells_errors(generate, out):
    assert_refused(generate("--quiet"), out, "no adjectives")


def test_progress_on_a_terminal_vanishes_when_the_picture_is_done(generate, capsys, monkeypatch):
    monkeypatch.setattr(output.sys.stderr, "isatty", lambda: True, raising=False)
    progress = output.Progress(0, 12, 3, show=True)
    progress.update(1)
    progress.update(3)
    progress.clear()
    assert capsys.readouterr().err == "\r 1/12 ■··\r 1/12 ■■■\r\033[K"


# ---- help


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["generate", "--help"], ["generate", "warm", "-h"]]
)
def test_help_goes_to_stdout(run, arguments):
    ended = run(*arguments)
    assert ended.code == 0
    assert ended.out[0].startswith("Usage: ")
    assert ended.err == []


def test_no_command_at_all_shows_the_help(run):
    ended = run()
    help_lines = run("--help").out
    assert ended.out + ended.err == help_lines
    assert "error" not in " ".join(ended.err)


def test_the_version_is_that_of_the_package(run):
    ended = run("--version")
    assert (ended.code, ended.err) == (0, [])
    assert ended.out == [f"t2a-edge, version {t2a_edge.__version__}"]
