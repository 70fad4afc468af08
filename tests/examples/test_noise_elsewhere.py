"""The noise in JavaScript and C++, written from docs/noise.md alone, against the test vectors."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from t2a_edge.noise import LEVELS, normal_table

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "noise.json").read_text())
SEEDS = json.loads((ROOT / "tests" / "vectors" / "seeds.json").read_text())
NORMALS = json.loads((ROOT / "tests" / "vectors" / "normals.json").read_text())

pytestmark = pytest.mark.slow


def lines_of_javascript(name: str) -> list[str]:
    """What node's test runner says of the page's tests of that name, all of which pass."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node on the PATH")
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", ROOT / "web" / "tests" / "unit" / name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_javascript():
    rows = sum(len(group) for vectors in (VECTORS, NORMALS) for group in vectors.values())
    assert f"# pass {rows + 1}" in lines_of_javascript("noise.test.js")


def test_javascript_seeds():
    assert f"# pass {len(SEEDS) + 1}" in lines_of_javascript("seeds.test.js")


@pytest.fixture(scope="module")
def noise_check(tmp_path_factory):
    """Asks the C++ program; a line of numbers for each question."""
    compiler = next(
        (found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))), ""
    )
    if not compiler:
        pytest.skip("needs a C++ compiler on the PATH (c++, g++ or clang++)")
    program = tmp_path_factory.mktemp("noise") / "noise_check"
    source = ROOT / "examples" / "cpp" / "noise_check.cpp"
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, source, "-o", program], check=True)

    def ask(questions):
        text = "\n".join(questions) + "\n"
        done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers = [line.split() for line in done.stdout.splitlines()]
        return [[part if part == "none" else float(part) for part in line] for line in answers]

    return ask


def test_cpp_keys(noise_check):
    rows = VECTORS["keys"]
    found = noise_check([f"keys {row['seed']} {row['position']}" for row in rows])
    assert found == [row["keys"] for row in rows]


def test_cpp_levels(noise_check):
    rows = VECTORS["levels"]
    found = noise_check([f"level {r['seed']} {r['position']} {r['code']}" for r in rows])
    assert [row[:2] for row in found] == [[row["level"], row["gumbel"]] for row in rows]


def test_cpp_normals(noise_check):
    rows = NORMALS["latents"] + NORMALS["forms"]
    found = noise_check([f"level {r['seed']} {r['position']} {r['code']}" for r in rows])
    assert [(level, normal) for level, _, normal in found] == [
        (row["level"], row["normal"]) for row in rows
    ]


def test_cpp_seeds(noise_check):
    rows = [row for row in SEEDS if "\ud800" not in row["text"]]  # bytes have no surrogates
    found = noise_check([f"seed {row['text'].encode().hex()}" for row in rows])
    assert found == [["none" if row["seed"] is None else row["seed"]] for row in rows]


def test_cpp_has_the_whole_table(noise_check):
    (found,) = noise_check([f"normals 0 {LEVELS}"])
    assert found == normal_table().tolist()
