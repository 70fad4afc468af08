"""The command line: any words and options, any standard input."""

import contextlib
import io
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from hypothesis import strategies as st
from PIL import Image

from t2a_edge.cli import COMMANDS, main
from t2a_edge.command import run_command
from t2a_edge.pipeline import TextToArt
from tests.fuzz.core import Places, Try, must, target

LEFT_OUT = ("serve", "bench")  # they start servers and processes
NAMES = [name for section in COMMANDS.values() for name in section if name not in LEFT_OUT]
INPUTS = ("art.png", "art.webp", "art.jpg", "mask.png", "plain.png", "bad.png", "empty.png")
FILES = [*INPUTS, "missing.png", "folder", "out", "out/x.png", "out/x.webp", "out/x.npy", "out.jpg",
         "way.gif", "way.webp", ".", "..", "", "art.png/x.png", "link.png", "out/v1.2",
         "out.txt", "/dev/full", "-"]  # fmt: skip
NUMBERS = ["0", "1", "2", "7", "-1", "0.5", "3.5", "1e308", "nan", "inf", "-inf", "", "x", "1001",
           "9007199254740991", "9007199254740992", "9" * 400, "32", "1_0", " 3", "0x3",
           "٣"]  # fmt: skip
THREADS = ["1", "2", "0", "-1", "257", "9" * 400, "x", "", "1.5"]
SIZES = ["32", "32x32", "48x32", "36x48", "31", "x", "32x", "0", "-32x32", "99999x99999", "３２"]
WORDS = ["warm", "dark", "warm dark", "-busy", "cool:2", ":", "-", "--", "warm:nan", "\udcff",
         "a" * 100, "é", "\x07", "RECIPE", *FILES, *SIZES[:2]]  # fmt: skip
INPUT = ["", "warm\n", "warm\ndark\n", "\n\n", "\x00\n", "RECIPE\n", "x" * 300_000, "\xff", "warm",
         "\ufeffwarm dark\r\ncool\n", "warm:9\n"]  # fmt: skip


def _tokens(parameter: click.Option) -> st.SearchStrategy[list[str]]:
    """The option's name and a value of about its kind."""
    name = parameter.opts[-1]
    if parameter.is_flag:
        return st.just([name])
    kind = parameter.type
    if name == "--threads":
        values = THREADS
    elif name in ("--out", "--bundle"):
        values = FILES
    elif name == "--size":
        values = SIZES
    elif isinstance(kind, click.Choice):
        values = [*map(str, kind.choices), "x", ""]
    elif kind in (click.INT, click.FLOAT):
        values = NUMBERS
    else:
        values = WORDS
    joined = st.sampled_from(values).map(lambda value: [f"{name}={value}"])
    return st.one_of(st.sampled_from(values).map(lambda value: [name, value]), joined)


def _command(name: str) -> st.SearchStrategy[Any]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option)]
    option = st.one_of([_tokens(p) for p in options] or [st.just([])])
    word = st.sampled_from(WORDS).map(lambda text: [text])
    tokens = st.lists(st.one_of(word, option), max_size=5)
    return tokens.map(lambda found: [name, *(text for part in found for text in part)])


CALLS = st.fixed_dictionaries(
    {"arguments": st.one_of([_command(name) for name in NAMES]), "input": st.sampled_from(INPUT)}
)


def prepared(places: Places) -> tuple[Path, str]:
    """A folder with files of many kinds, and a recipe."""
    folder = places.scratch / "command"
    (folder / "folder").mkdir(parents=True)
    with TextToArt(places.bundle) as engine:
        artwork = engine.generate("warm dark", seed=7)
    for name in ("art.png", "art.webp", "art.jpg"):
        artwork.save(folder / name)
    image = Image.fromarray(np.full((32, 32), 255, np.uint8))
    image.save(folder / "mask.png")
    image.convert("RGB").save(folder / "plain.png")
    (folder / "bad.png").write_bytes((folder / "art.png").read_bytes()[:200])
    (folder / "empty.png").write_bytes(b"")
    (folder / "link.png").symlink_to("art.png")
    return folder, artwork.recipe


def run(arguments: list[str], given: str) -> tuple[int, str, str]:
    """A command in this process: exit code and both outputs."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(given.encode("latin-1", "replace"))),
        "stdout": io.TextIOWrapper(out, encoding="utf-8"),
        "stderr": io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace"),
    }
    before = {name: getattr(sys, name) for name in streams}
    for name, stream in streams.items():
        setattr(sys, name, stream)
    try:
        run_command(main, arguments)
    except SystemExit as ended:
        code = ended.code
    finally:
        for name, stream in streams.items():
            stream.flush()
            setattr(sys, name, before[name])
    return int(code or 0), out.getvalue().decode(), err.getvalue().decode()


MUCH = re.compile(r"--(count|frames)[ =](32|7)( |$)")


def too_much(arguments: list[str]) -> bool:
    """Whether a call asks for more than a moment holds; that is sound, and slow."""
    return bool(MUCH.search(" ".join(arguments)))


@target("command", values=CALLS, slow=True)
def command(places: Places) -> Iterator[Try]:
    folder, recipe = prepared(places)
    spare = places.scratch / "spare"
    shutil.copytree(folder, spare, symlinks=True)
    inputs = {name: (folder / name).read_bytes() for name in INPUTS}

    def call(given: Any) -> None:
        arguments = [text.replace("RECIPE", recipe) for text in given["arguments"]]
        if too_much(arguments):
            return
        named = [text.partition("=")[2] or text for text in arguments[1:]]
        takes_bundle = arguments[0] in NAMES and arguments[0] not in ("measure", "completion")
        if takes_bundle and not any(text.startswith("--bundle") for text in arguments):
            arguments[1:1] = ["--bundle", str(places.bundle)]
        before = sorted(folder.iterdir())
        try:
            code, out, err = run(arguments, given["input"].replace("RECIPE", recipe))
            check_ending(code, out, err, arguments)
            changed = [n for n, kept in inputs.items() if (folder / n).read_bytes() != kept]
            asked = {"art.png"} if "link.png" in named else set()
            must(set(changed) <= set(named) | asked, "an input was changed that no --out named")
            left = list(folder.rglob(".t2a-edge-*"))
            must(not left, "an unfinished file is left")
        finally:
            _restored(folder, spare, before)

    with contextlib.chdir(folder):
        yield call


def check_ending(code: int, out: str, err: str, arguments: list[str]) -> None:
    """An exit code of ours, and one line where something was refused."""
    must(code in (0, 1, 2), f"exit code {code}")
    must("Traceback" not in err, "a traceback")
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    if code == 2 and not _is_help(err):
        must(len(lines) == 1 and lines[0].startswith("error: "), f"{len(lines)} lines of error")
    elif code == 0:
        must(not lines or not any(line.startswith("error") for line in lines), "an error that is 0")
    else:
        must(code != 1 or "--redraw" in arguments, "exit code 1 without a comparison")
    must("\x1b" not in out, "a control sequence")


def _is_help(text: str) -> bool:
    return text.startswith("Usage:")


def _restored(folder: Path, spare: Path, before: list[Path]) -> None:
    for path in set(folder.iterdir()) - set(before):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (folder / "folder").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in [*INPUTS, "link.png"]:
        here, there = folder / name, spare / name
        if there.is_symlink():
            if not here.is_symlink():
                here.unlink(missing_ok=True)
                here.symlink_to(there.readlink())
        elif (
            not here.is_file()
            or here.stat().st_size != there.stat().st_size
            or (here.stat().st_mtime_ns != there.stat().st_mtime_ns)
        ):
            shutil.copy2(there, here)
