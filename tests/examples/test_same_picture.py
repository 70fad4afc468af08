"""One seed, one picture: six engines in Python, and the fused graph in Node and C++."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2a_edge.image import read_metadata
from web.reference import picture

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE, CPP = EXAMPLES / "node", EXAMPLES / "cpp"
REQUESTS = (
    ("warm dark fluid", 7),
    ("pale calm", "alice"),
    ("pale:1.5 geometric, -busy", 0),
    ("Vibrant -dark:0.7", 2**53 - 1),
    ("éthéré", 123_456_789_012),
    ("a “calm” picture; not ｂｕｓｙ, dark:1,5", 3),
)  # fmt: skip
WRONG = (  # what is typed, what the program says
    ([], "no adjectives"),
    (["warm", "--seed", "1.5"], "The seed is"),
    (["warm", "--seed", "-1"], "The seed is"),
    (["warm", "--seed", "9007199254740992"], "The seed is"),
    (["dark:9"], "dark:9"),
    (["--busy"], "--busy"),
    (["b"] * 9, "Leave some out"),
    (["b" * 33], "bytes"),
    (["warm", "not"], "ends with"),
    (["dark", "1.4"], "the number"),
    (["warm", "--temperature", "11"], "The temperature is"),
    (["warm", "--guidance", "8.5"], "The guidance scale is"),
    (["warm", "--steps", "0"], "The number of steps is"),
    (["warm", "--steps", "2.5"], "The number of steps is"),
    (["warm", "--form-strength", "1.1"], "The form strength is"),
    (["warm", "--model", "nothing.onnx"], "nothing.onnx cannot be read"),
    (["warm", "--out", "no/such/folder/art.png"], "cannot be written"),
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(tiny_bundle):
    from t2a_edge import TextToArt

    return TextToArt(tiny_bundle, provider="cpu")


@pytest.fixture(scope="module")
def fused(tiny_bundle, tmp_path_factory):
    """The model of the tiny bundle as one fused graph, which carries its description."""
    pytest.importorskip("onnx", reason="needs onnx (the extra export) for the fused graph")
    from export.pack import export_fused

    path = tmp_path_factory.mktemp("fused") / "tiny-int8.onnx"
    export_fused(tiny_bundle, path)
    return path


@pytest.fixture(scope="module")
def node():
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs node on the PATH")
    if not (NODE / "node_modules" / "onnxruntime-node").is_dir():
        pytest.skip("needs onnxruntime-node: `npm ci` in examples/node, or `make examples`")
    return [found, NODE / "generate.mjs"]


@pytest.fixture(scope="module")
def cpp(tmp_path_factory):
    cmake = shutil.which("cmake")
    if cmake is None or not (shutil.which("c++") or shutil.which("g++")):
        pytest.skip("needs cmake and a C++ compiler on the PATH")
    if not (CPP / "onnxruntime").is_dir():
        pytest.skip(
            "needs ONNX Runtime's headers: examples/cpp/fetch_onnxruntime.py, or `make examples`"
        )
    build = tmp_path_factory.mktemp("build")
    subprocess.run([cmake, "-S", CPP, "-B", build], check=True, capture_output=True)
    done = subprocess.run([cmake, "--build", build], check=True, capture_output=True, text=True)
    assert "warning" not in done.stdout + done.stderr
    return [build / "generate"]


@pytest.fixture(scope="module", params=["node", "cpp"])
def program(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(("prompt", "seed"), REQUESTS)
def test_the_same_seed_is_the_same_picture(program, fused, engine, prompt, seed, tmp_path):
    files = {"--model": fused, "--out": tmp_path / "art.png", "--indices": tmp_path / "art.json"}
    options = [part for pair in files.items() for part in pair]
    subprocess.run([*program, *prompt.split(), "--seed", str(seed), *options], check=True)
    expected = engine.generate(prompt, seed=seed)
    assert json.loads(files["--indices"].read_text()) == expected.indices.tolist()
    pixels = np.asarray(Image.open(files["--out"]))
    assert np.abs(pixels.astype(int) - expected.pixels).max() <= 1  # grey levels


def test_the_file_says_what_the_library_s_says(program, fused, engine, tmp_path):
    out = tmp_path / "art.png"
    done = subprocess.run(
        [*program, "a", "Warm", "dark:1.40", "-busy", "--seed", "11", "--guidance", "2.5",
         "--model", fused, "--out", out], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == 'note: read as "warm dark:1.4 -busy"; no adjectives: a\n'
    expected = engine.generate("a warm dark:1.4 -busy", seed=11, guidance_scale=2.5)
    assert read_metadata(out) == expected.metadata
    again = engine.open(out)
    np.testing.assert_array_equal(again.indices, expected.indices)
    assert (again.prompt, again.seed) == ("warm dark:1.4 -busy", 11)


def test_nothing_is_left_at_home_and_nothing_is_asked(program, fused, tmp_path):
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    command = [*program, "warm", "--model", fused, "--out", tmp_path / "art.png"]
    strace = shutil.which("strace")
    if strace:
        command = [strace, "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", trace, *command]
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}
    subprocess.run(command, env=kept, check=True)
    assert list(home.rglob("*")) == []
    if not strace:
        pytest.skip("needs strace to see that no socket is opened; that HOME stays empty was seen")
    opened = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
    assert opened == []


def test_options_are_the_library_s(program, fused, engine, tmp_path):
    out, indices = tmp_path / "art.png", tmp_path / "art.json"
    subprocess.run(
        [*program, "calm", "--seed", "5", "--guidance", "1.5", "--temperature", "1.6",
         "--steps", "3", "--form-strength", "0.7",
         "--model", fused, "--out", out, "--indices", indices], check=True,
    )  # fmt: skip
    expected = engine.generate(
        "calm", seed=5, guidance_scale=1.5, temperature=1.6, steps=3, form_strength=0.7
    )
    assert json.loads(indices.read_text()) == expected.indices.tolist()
    assert read_metadata(out) == expected.metadata


def test_node_takes_the_form_of_a_picture(node, fused, engine, tmp_path):
    form, out = tmp_path / "form.png", tmp_path / "art.png"
    Image.fromarray(picture(90, 130)).save(form)
    command = [*node, "calm", "--seed", "5", "--form", form, "--model", fused, "--out", out]
    subprocess.run(command, check=True)
    expected = engine.generate("calm", seed=5, form=form)
    assert read_metadata(out) == expected.metadata
    form.write_bytes(b"no picture")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "not a PNG" in done.stderr


@pytest.mark.parametrize(("typed", "said"), WRONG, ids=[said for _, said in WRONG])
def test_bad_input_is_one_sentence(program, fused, typed, said, tmp_path):
    model = [] if "--model" in typed else ["--model", fused]
    done = subprocess.run(
        [*program, *typed, *model], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256)) * 40])
def test_a_file_that_is_no_model_is_named(program, content, tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    done = subprocess.run(
        [*program, "warm", "--model", path, "--out", tmp_path / "art.png"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "broken.onnx" in done.stderr
    assert not (tmp_path / "art.png").exists()


def test_lock_file_pins_the_package_and_names_no_registry():
    lock = json.loads((NODE / "package-lock.json").read_text())
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]["onnxruntime-node"]
    packages = lock["packages"]
    assert packages["node_modules/onnxruntime-node"]["version"] == wanted
    assert all("integrity" in row for name, row in packages.items() if name)
    assert not any("resolved" in row for row in packages.values())
