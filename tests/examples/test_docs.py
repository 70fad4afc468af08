"""The documentation: builds strictly, asks no other host for anything, shows code that exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
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
        assert (wide.size, way.n_frames) == ((768, 256), 46)
