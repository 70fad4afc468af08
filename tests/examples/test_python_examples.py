"""The examples in Python, run as a reader would run them."""

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2a_edge import TextToArt

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "notebook" / "pictures.ipynb"


def code_lines(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def pixels():
    return TextToArt().generate("warm dark fluid", seed=7).pixels


def test_embedding_takes_five_lines(tmp_path, pixels):
    program = EXAMPLES / "python" / "embed.py"
    assert len(program.read_text(encoding="utf-8").splitlines()) == 5
    subprocess.run([sys.executable, program], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "art.png")), pixels)


@pytest.fixture(scope="module")
def client():
    pytest.importorskip("flask", reason="needs flask")
    spec = importlib.util.spec_from_file_location("flask_app", EXAMPLES / "flask" / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app.test_client()


def test_the_flask_app_has_at_most_fifteen_lines_of_code():
    assert len(code_lines(EXAMPLES / "flask" / "app.py")) <= 15


def test_the_flask_app_draws(client, pixels):
    answer = client.get("/warm dark fluid.png?seed=7")
    assert (answer.status_code, answer.mimetype) == (200, "image/png")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.data))), pixels)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/warm.png?seed=1.5", "The seed is '1.5'; expected a whole number"),
        ("/warm.png?seed=-1", "The seed is '-1'; expected a whole number"),
        ("/warm:9.png", "expected a weight from 0 to 4"),
        ("/b c d e f g h i j.png", "The prompt has 9 adjectives; expected at most 8"),
    ],
)
def test_the_flask_app_says_what_is_wrong(client, path, said):
    answer = client.get(path)
    assert answer.status_code == 400
    assert said in answer.text


def cells(kind):
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_the_notebook_is_kept_without_outputs():
    assert cells("code")
    for cell in cells("code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


RUN_NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120).execute()
nbformat.write(notebook, sys.argv[2])
"""


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    for package in ("nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"needs {package} (pip install -e .[examples])")
    path = tmp_path / "done.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", RUN_NOTEBOOK, NOTEBOOK, path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    notebook = json.loads(path.read_text(encoding="utf-8"))
    shown = [out.get("data", {}) for cell in notebook["cells"] for out in cell.get("outputs", [])]
    assert sum("image/png" in data for data in shown) == 6
