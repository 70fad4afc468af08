"""Prompts in JavaScript and C++ are read as in Python, or refused."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from t2a_edge.errors import PromptError
from t2a_edge.prompt import Prompt, Term, parse_prompt

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "prompts.json").read_text("utf-8"))
BLOCKS = ((0x20, 0x600), (0x1E00, 0x3100), (0xFE00, 0x10000), (0x1F300, 0x1F600))
NOT_KNOWN = "which this program cannot normalise"

pytestmark = pytest.mark.slow


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node on the PATH")
def test_javascript():
    file = ROOT / "web" / "tests" / "unit" / "prompt.test.js"
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.count("as Python does") >= len(VECTORS)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What the C++ program says of each prompt."""
    found = [path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))]
    if not found:
        pytest.skip("needs a C++ compiler on the PATH (c++, g++ or clang++)")
    program = tmp_path_factory.mktemp("prompt") / "prompt_check"
    source = ROOT / "examples" / "cpp" / "prompt_check.cpp"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([found[0], *flags, source, "-o", program], check=True)

    def ask(prompts):
        text = "".join(prompt.encode().hex() + "\n" for prompt in prompts)
        done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    return ask


def said(text, others):
    return f"terms {text}\t{''.join(word + ' ' for word in others)}"


def python_says(prompt):
    try:
        read = parse_prompt(prompt, max_words=8, max_bytes=32)
    except PromptError as error:
        return f"error {error}"
    return said(read.text, read.other_words)


def test_cpp(read):
    rows = [row for row in VECTORS if "\ud800" not in row["typed"]]  # bytes have no surrogates
    refused = 0
    for row, answer in zip(rows, read([row["typed"] for row in rows]), strict=True):
        if NOT_KNOWN in answer:
            refused += 1
            assert not row["typed"].isascii()
        elif "error" in row:
            assert answer == f"error {row['error']}"
        else:
            terms = tuple(Term(*term) for term in row["terms"])
            assert answer == said(Prompt(terms).text, row["others"])
    assert refused <= 12


def test_cpp_reads_a_character_as_python_does_or_refuses_it(read):
    codes = [code for first, end in BLOCKS for code in range(first, end)]
    prompts = [f"a{chr(code)}B" for code in codes]
    known = 0
    for prompt, answer in zip(prompts, read(prompts), strict=True):
        if NOT_KNOWN in answer:
            continue
        known += 1
        assert answer == python_says(prompt), ascii(prompt)
    assert known > 1500


@pytest.mark.parametrize(
    "raw", [b"w\xe4rm", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xff"]
)
def test_cpp_refuses_bytes_that_are_no_utf8(read, raw):
    class Bytes(str):
        def encode(self):
            return raw

    assert "not valid UTF-8" in read([Bytes()])[0]
