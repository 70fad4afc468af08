"""The documentation: builds strictly, asks no other host for anything, shows code that exists."""

import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from PIL import Image

from t2a_edge.cli import main
from t2a_edge.errors import T2AEdgeError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *(page for page in DOCS.rglob("*.md") if page.name != "cli.md")]
RUN = {"bench", "export", "train"}  # packages that `python -m` runs
LOADED = re.compile(
    r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=\"(https?:)?//[^\"]*\""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    pytest.importorskip("mkdocs", reason="needs mkdocs-material and mkdocstrings (the extra docs)")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_a_page_of_every_document(site):
    for source in DOCS.rglob("*.md"):
        assert (site / source.relative_to(DOCS).with_suffix(".html")).is_file()


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    found = {page.name: hit[0] for page in pages if (hit := LOADED.search(page.read_text("utf-8")))}
    assert not found


def test_the_reference_has_what_docstrings_say(site):
    text = (site / "reference" / "python.html").read_text("utf-8")
    for name in ("generate", "interpolate", "vary", "inpaint", "outpaint", "stream", "tile"):
        assert f'id="t2a_edge.pipeline.TextToArt.{name}"' in text
    assert "expected_output" not in text
    assert "RecipeError" in text


@pytest.mark.parametrize("program", ["python/embed.py", "flask/app.py"])
def test_the_page_shows_the_program(program):
    code = (ROOT / "examples" / program).read_text("utf-8")
    assert f"```python\n{code}```\n" in (DOCS / "how-to" / "python.md").read_text("utf-8")


def tutorial_commands():
    """The commands that the tutorial shows, without those of its installation."""
    text = (DOCS / "tutorial.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("t2a-edge ")]


@pytest.mark.slow
def test_every_command_of_the_tutorial_does_what_it_says(tmp_path):
    commands = tutorial_commands()
    assert len(commands) >= 12
    said = {}
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-m", "t2a_edge", *words[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        wrong = words[-1] == "warm:9"
        assert done.returncode == (2 if wrong else 0), done.stderr
        said[" ".join(words)] = done.stderr if wrong else done.stdout
        if "--out" in words:
            assert (tmp_path / words[words.index("--out") + 1]).exists()
    text = (DOCS / "tutorial.md").read_text("utf-8")
    for command in ("t2a-edge explain joyous", "t2a-edge generate warm:9"):
        assert f"```text\n{said[command]}```" in text
    assert said["t2a-edge inspect first.png --redraw"].count("the same pixels") == 2
    with Image.open(tmp_path / "wide.png") as wide, Image.open(tmp_path / "way.gif") as way:
        assert (wide.size, way.n_frames) == ((768, 256), 24)


def shown_commands(program):
    """Words of every command of a program in code blocks, with the page and the line.

    No comment, and nothing from a pipe or a redirection on.
    """
    for page in PAGES:
        blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.M)
        for line in "".join(blocks).replace("\\\n", " ").splitlines():
            if not re.match(rf"(?:\$ )?(?:\S*/)?{program} ", line):
                continue
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&<>;")
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((i for i, word in enumerate(words) if set(word) <= set("|&<>;")), None)
            yield f"{page.relative_to(ROOT)}: {line}", words[1:end]


def check_parses(command, words, where):
    """Have click read the words as the command would; nothing is run."""
    parent = None
    while isinstance(command, click.Group):
        # with its parent, as a command keeps the help option of its first context
        parent = command.make_context(command.name, [], parent=parent, resilient_parsing=True)
        inner = command.get_command(parent, words[0])
        assert inner is not None, where
        command, words = inner, words[1:]
    try:
        command.make_context(command.name, list(words), parent=parent)
    except (T2AEdgeError, click.ClickException) as exc:
        raise AssertionError(f"{where}: {exc}") from exc


def test_every_t2a_edge_command_that_is_shown_is_one():
    shown = list(shown_commands("t2a-edge"))
    assert len(shown) > 20
    for where, words in shown:
        check_parses(main, words, where)


def test_every_python_command_that_is_shown_is_one():
    shown = [(where, words[1:]) for where, words in shown_commands("python") if words[0] == "-m"]
    tried = 0
    for where, (module, *words) in shown:
        if module.split(".")[0] not in RUN:
            continue
        whole = importlib.util.find_spec(module)
        is_package = whole is not None and whole.submodule_search_locations is not None
        found = importlib.import_module(f"{module}.__main__" if is_package else module)
        commands = [value for value in vars(found).values() if isinstance(value, click.Command)]
        groups = [value for value in commands if isinstance(value, click.Group)]
        assert commands, where
        check_parses((groups or commands)[-1], words, where)
        tried += 1
    assert tried > 10


def test_every_make_target_that_is_shown_is_one():
    text = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, flags=re.M))
    shown = [(where, w) for where, words in shown_commands("make") for w in words if "=" not in w]
    assert len(shown) > 10
    assert [where for where, word in shown if word not in known] == []


@pytest.mark.parametrize(
    "page", ["README.md", pytest.param("docs/how-to/python.md", marks=pytest.mark.slow)]
)
def test_the_page_s_python_runs_as_it_is_written(page, tmp_path, monkeypatch):
    """All blocks in order, in one program; a web application's is run by its own test."""
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in [block for block in blocks if "flask" not in block]:
        exec(compile(block, page, "exec"), names)  # noqa: S102 - it is ours, and what is tested
    assert (tmp_path / "art.png").is_file()


def limits():
    manifest = ROOT / "t2a_edge" / "bundles" / "base" / "bundle.json"
    return json.loads(manifest.read_text("utf-8"))["about"]["limits"]


def test_the_model_s_limits_stand_once(site):
    """In the manifest; the card is written from it, the site shows it, all others link there."""
    plain = " ".join(limits().split())
    card = (ROOT / "t2a_edge" / "bundles" / "base" / "MODEL_CARD.md").read_text("utf-8")
    assert plain in " ".join(card.split())
    shown = (site / "explanation" / "limits.html").read_text("utf-8")
    assert plain in " ".join(re.sub(r"<[^>]+>", "", shown).split())
    readme = (ROOT / "README.md").read_text("utf-8").split("## Limits")[1].split("\n## ")[0]
    assert "docs/explanation/limits.md" in readme
    sentences = [s for s in re.split(r"(?<=\.) ", plain) if len(s) > 20]
    for page in PAGES:
        text = " ".join(page.read_text("utf-8").split())
        assert [s for s in sentences if s in text] == [], page
    assert not re.search(r"\d%|circle|angular|spiral", readme, flags=re.I)
