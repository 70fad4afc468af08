"""Offline means offline: nothing is sent, looked up, or left in the home folder.

Every command runs once, in an empty network namespace and under strace where these can be had.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from t2a_edge import onnx_runtime
from t2a_edge.cli import COMMANDS
from t2a_edge.pipeline import TextToArt

ROOT = Path(__file__).parents[2]
RUNS = {
    "generate": "generate warm dark --seed 7 --out made.png",
    "interpolate": "interpolate warm cool --seed 7 --frames 2 --out way.gif",
    "tile": "tile mossy --seed 7 --out tile.png",
    "vary": "vary art.png --seed 7 --out varied.png",
    "inpaint": "inpaint art.png mask.png --seed 7 --out inpainted.png",
    "outpaint": "outpaint art.png --right 64 --seed 7 --out wide.png",
    "inspect": "inspect art.png --redraw",
    "decode": "decode RECIPE --out again.png",
    "explain": "explain warm",
    "measure": "measure art.png",
    "bench": "bench --pictures 1 --starts 1 --quiet",
    "info": "info",
    "serve": "",
    "completion": "completion bash",
}
SERVED = """
import contextlib, fcntl, http.client, json, signal, socket, struct, subprocess, sys
with contextlib.suppress(OSError), socket.socket() as control:  # up: an empty namespace's loopback
    fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 1))
command = [sys.executable, "-m", "t2a_edge", "serve", "--port", "0", "--drain-notice-s", "0"]
server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
port = json.loads(server.stderr.readline())["port"]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
body = json.dumps({"prompt": "warm dark", "seed": 7})
connection.request("POST", "/v1/generate", body, {"Content-Type": "application/json"})
answer = connection.getresponse()
assert answer.status == 200 and answer.read().startswith(b"\\x89PNG")
connection.close()
server.send_signal(signal.SIGTERM)
server.communicate()
sys.exit(server.returncode)
"""
LOOKS_UP = re.compile(r"/etc/resolv\.conf|/etc/hosts|systemd/resolve")
REACHES = re.compile(r"\b(?:connect|send\w+)\(.*inet_(?:addr\(|pton\(AF_INET6, )\"([^\"]+)\"")


def asked(log: Path) -> list[str]:
    """Lines of strace in which a name is looked up, or another machine is spoken to."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [
        line for line in lines
        if LOOKS_UP.search(line)
        or ((found := REACHES.search(line)) and not re.fullmatch(r"127\..*|::1", found[1]))
    ]  # fmt: skip


def works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


TRACED = works("strace", "-qq", "-f")
ALONE = works("unshare", "-rn")
needs_strace = pytest.mark.skipif(not TRACED, reason="needs strace, and the right to trace")
needs_namespace = pytest.mark.skipif(not ALONE, reason="needs `unshare -rn`")


class Ran:
    """One program in a clean environment: no variable of ours, of CI or of the tests."""

    def __init__(self, folder: Path, program: list[str], work: Path, **environment: str) -> None:
        self.home, self.temporary, self.log = (folder / name for name in ("home", "tmp", "log"))
        for made in (self.home, self.temporary):
            made.mkdir(parents=True)
        trace = ["strace", "-f", "-qq", "-e", "trace=network,open,openat", "-o", str(self.log)]
        prefix = [*(["unshare", "-rn"] if ALONE else []), *(trace if TRACED else [])]
        self.done = subprocess.run(
            [*prefix, *program], cwd=work, capture_output=True, text=True, check=False, timeout=300,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(ROOT),
                 "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        )  # fmt: skip

    def left(self) -> list[Path]:
        """What it left in the home folder, and among temporary files."""
        return [*self.home.rglob("*"), *self.temporary.rglob("*")]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Every command, run once, by its name; as many at a time as there are cores."""
    work = tmp_path_factory.mktemp("work")
    with TextToArt() as engine:
        art = engine.generate("warm dark", seed=7)
    art.save(work / "art.png")
    art.image.convert("L").point(lambda level: 255 * (level > 128)).save(work / "mask.png")
    folders = {name: tmp_path_factory.mktemp(name) for name in RUNS}

    def run(name: str) -> Ran:
        words = RUNS[name].replace("RECIPE", art.recipe).split()
        program = ["-m", "t2a_edge", *words] if name != "serve" else ["-c", SERVED]
        return Ran(folders[name], [sys.executable, *program], work, OMP_NUM_THREADS="1")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(RUNS, pool.map(run, RUNS), strict=True))


each_command = pytest.mark.parametrize("name", RUNS)


def test_every_command_is_tried():
    assert set(RUNS) == {name for section in COMMANDS.values() for name in section}


@each_command
def test_a_command_leaves_nothing_at_home(ran, name):
    done = ran[name].done
    gates = (0, 1) if name == "bench" else (0,)  # 1: a figure beyond its limit, no failure
    assert done.returncode in gates, done.stderr
    assert ran[name].left() == []


@needs_strace
@each_command
def test_a_command_looks_up_no_name_and_reaches_no_machine(ran, name):
    assert asked(ran[name].log) == []


@needs_namespace
def test_every_command_works_where_there_is_no_network(ran):
    codes = {name: ran[name].done.returncode for name in RUNS if name != "bench"}
    assert set(codes.values()) == {0}, codes


@needs_strace
def test_a_lookup_would_be_seen(tmp_path):
    program = "import socket; socket.getaddrinfo('t2a-edge.invalid', 80)"
    assert asked(Ran(tmp_path, [sys.executable, "-c", program], tmp_path).log)


@needs_namespace  # what the uploader sends then goes nowhere
def test_telemetry_is_on_for_who_asks_for_it(tmp_path):
    program = [sys.executable, "-c", "import t2a_edge.onnx_runtime as o; o.onnx_runtime()"]
    on = Ran(tmp_path / "on", program, tmp_path, ORT_DISABLE_TELEMETRY="0")
    if not on.left():
        pytest.skip("needs an ONNX Runtime that was built with telemetry")
    assert Ran(tmp_path / "off", program, tmp_path).left() == []
    assert Ran(tmp_path / "empty", program, tmp_path, ORT_DISABLE_TELEMETRY="").left() == []


@pytest.fixture
def stand_in(monkeypatch):
    """An onnxruntime that counts how often its events were turned off."""
    module = types.ModuleType("onnxruntime")
    module.turned_off = 0

    def disable_telemetry_events() -> None:
        module.turned_off += 1

    module.disable_telemetry_events = disable_telemetry_events
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    monkeypatch.setenv(onnx_runtime.SWITCH, "")
    onnx_runtime._whole.cache_clear()
    yield module
    onnx_runtime._whole.cache_clear()


def test_a_program_that_imported_it_before_has_its_further_events_turned_off(stand_in):
    assert onnx_runtime.onnx_runtime() is stand_in
    assert onnx_runtime.onnx_runtime() is stand_in
    assert stand_in.turned_off == 1
    assert os.environ[onnx_runtime.SWITCH] == "1"


@pytest.mark.parametrize(("value", "turned_off"), [("0", 0), ("False", 0), ("1", 1), ("true", 1)])
def test_the_switch_stays_as_the_user_set_it(stand_in, monkeypatch, value, turned_off):
    monkeypatch.setenv(onnx_runtime.SWITCH, value)
    onnx_runtime.onnx_runtime()
    assert (os.environ[onnx_runtime.SWITCH], stand_in.turned_off) == (value, turned_off)


def imports_of(source: str) -> list[str]:
    """Names of the modules that Python code imports, also by `import_module`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = called.id if isinstance(called, ast.Name) else called
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                found.append(str(first.value))
    return found


def test_onnxruntime_is_imported_in_one_place():
    code = ("t2a_edge", "train", "export", "bench", "web", "examples")
    files = [p for top in code for p in (ROOT / top).rglob("*.py") if "node_modules" not in p.parts]
    places = [
        str(path.relative_to(ROOT))
        for path in files
        for name in imports_of(path.read_text("utf-8"))
        if name.split(".")[0] == "onnxruntime"
    ]
    assert len(files) > 150
    assert places == ["t2a_edge/onnx_runtime.py"]


def test_the_container_and_the_make_targets_turn_it_off():
    image = (ROOT / "Dockerfile").read_text("utf-8").split("\nFROM ")[-1]
    assert re.search(r"^ENV [^#]*ORT_DISABLE_TELEMETRY=1", image, flags=re.M)
    assert "\nexport ORT_DISABLE_TELEMETRY := 1\n" in (ROOT / "Makefile").read_text("utf-8")


def test_documents_that_import_it_turn_its_telemetry_off_before():
    shown = [(p, p.read_text("utf-8")) for p in (ROOT / "docs").rglob("*.md")]
    importing = {p.name: text for p, text in shown if "import onnxruntime" in text}
    assert importing
    for name, text in importing.items():
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        for block in [b for b in blocks if "import onnxruntime" in b]:
            assert "ORT_DISABLE_TELEMETRY" in block.split("import onnxruntime")[0], name
