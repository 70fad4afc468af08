"""The page in `web/`: its words against Python's, and the built page in a real browser."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2a_edge import TextToArt
from t2a_edge.bundle import ENGINES, load_bundle
from t2a_edge.image import read_pixels
from web.options import MODULE, module
from web.prepare import knowledge, write_models
from web.reference import write_drawn, write_reference
from web.vectors import PROMPTS, VECTORS, prompt_vectors, vectors

WEB = Path(__file__).resolve().parents[2] / "web"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
MOST_GREY_LEVELS = 1
SECONDS = 1800  # a machine that does other things too


def test_the_vectors_of_the_page_are_what_python_makes_today():
    written = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert written == vectors(), "run `python -m web.vectors`"
    prompts = json.loads(PROMPTS.read_text(encoding="utf-8"))
    assert prompts == prompt_vectors(), "run `python -m web.vectors`"


def test_the_options_of_the_page_are_those_of_a_request():
    assert MODULE.read_text(encoding="utf-8") == module(), "run `python -m web.options`"


def test_the_lock_file_names_no_registry():
    locked = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert all("resolved" not in package for package in locked.values())
    assert all(package.get("integrity") for name, package in locked.items() if name)


def test_every_dependency_of_the_page_is_pinned():
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert len(versions) <= 4
    assert all(version[0].isdigit() for version in versions.values())


def need(*, packages: bool = False, built: bool = False) -> None:
    """Skip where something is missing, and say what."""
    if shutil.which("node") is None:
        pytest.skip("node is missing; install Node.js 20 or newer")
    if (packages or built) and not (WEB / "node_modules").is_dir():
        pytest.skip("the page's packages are missing; run `make web-build`")
    if built and not (WEB / "dist" / "index.html").is_file():
        pytest.skip("the built page is missing; run `make web-build`")
    if built and not CHROMIUM.is_file():
        pytest.skip(f"{CHROMIUM} is missing; install Chromium or set CHROMIUM to it")


def node(*arguments: str, **variables: str) -> None:
    """Run node's test runner; what it says of a failure becomes ours."""
    done = subprocess.run(
        ["node", "--test", "--test-concurrency=1", *arguments],
        cwd=WEB, env={**os.environ, **variables}, capture_output=True, text=True,
        timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_engines_of_the_page_are_named_by_what_they_hold(tiny_bundle, tmp_path):
    bundle = load_bundle(tiny_bundle)
    write_models(bundle, tmp_path / "models")
    (tmp_path / "models" / "left-over").touch()
    write_models(bundle, tmp_path / "models")
    written = json.loads((tmp_path / "models" / "manifest.json").read_text(encoding="utf-8"))
    assert set(written["files"]) == set(ENGINES)
    files = {path.name: path for path in (tmp_path / "models").iterdir()}
    assert set(files) == {*written["files"].values(), "manifest.json"}
    for name, file in written["files"].items():
        content = files[file].read_bytes()
        assert file == f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.ort"
        assert len(content) == written["bytes"][name]


def test_everything_that_the_page_is_installed_with_is_there():
    public = WEB / "public"
    about = json.loads((public / "app.webmanifest").read_text(encoding="utf-8"))
    assert {about[name] for name in ("id", "start_url", "scope")} == {"./"}  # below any prefix
    for icon in about["icons"]:
        if icon["sizes"] == "any":
            assert (public / icon["src"]).read_text(encoding="utf-8").startswith("<svg")
        else:
            with Image.open(public / icon["src"]) as image:
                assert "x".join(map(str, image.size)) == icon["sizes"]


@pytest.mark.slow
def test_the_pages_own_functions():
    need()
    node("tests/unit/")


@pytest.mark.slow
def test_javascript_draws_and_changes_pictures_as_python_does(tiny_bundle, tmp_path):
    need(packages=True)
    write_drawn(tmp_path, tiny_bundle)
    node("tests/engines/", REFERENCE=str(tmp_path))


@pytest.mark.slow
def test_the_built_page_is_of_the_shipped_bundle_and_small_enough():
    need(built=True)
    models = WEB / "dist" / "models"
    written = json.loads((models / "manifest.json").read_text(encoding="utf-8"))
    sizes, files = written.pop("bytes"), written.pop("files")
    assert written == knowledge(load_bundle(None))
    assert sizes == {name: (models / file).stat().st_size for name, file in files.items()}
    subprocess.run(["node", "check-size.js"], cwd=WEB, check=True)


@pytest.mark.slow
def test_the_page_draws_what_python_draws_and_python_opens_its_files(tmp_path):
    need(built=True)
    write_reference(tmp_path / "python")
    saved = tmp_path / "page"
    node("tests/browser/parity.test.js", REFERENCE=str(tmp_path / "python"), SAVED=str(saved))
    files = sorted(saved.glob("page-?.png"))
    assert files
    with TextToArt() as model:
        for file in files:
            artwork = model.open(file)
            apart = np.abs(read_pixels(file).astype(int) - artwork.pixels.astype(int))
            assert apart.max() <= MOST_GREY_LEVELS
            assert artwork.file_name.endswith(f"-{artwork.seed}.png")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["use", "access"])
def test_the_page_in_a_browser(part):
    need(built=True)
    node(f"tests/browser/{part}.test.js")
