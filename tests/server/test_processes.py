"""Servers in processes of their own: several workers, a Unix socket, a prefix of a proxy."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from t2a_edge.errors import OptionError
from t2a_edge.server.address import bound_socket, file_taken_away
from t2a_edge.server.run import EXIT_USELESS
from t2a_edge.server.settings import Settings
from tests.server.test_drain import HANGS, WAITS

PATIENCE_S = 60  # a busy machine is no failure
PROGRAM = """
import json, sys
from t2a_edge.server import Settings, serve
serve(Settings(port=0, drain_notice_s=0, **json.loads(sys.argv[1])))
"""
BREAKS = """
from t2a_edge.pipeline import TextToArt
def broken(self, requests):
    raise RuntimeError("the engine broke")
TextToArt.draw = broken
"""
SLOW = """
import time
from t2a_edge.pipeline import TextToArt
draw = TextToArt.draw
def slow(self, requests, **options):
    time.sleep(1.5)  # so long that the others are told of it
    return draw(self, requests, **options)
TextToArt.draw = slow
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


class Group:
    """The processes of one server, and the lines of their log."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.lines = process, []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(json.loads(line) if line.startswith("{") else {"event": line})

    def events(self, name: str) -> list[dict]:
        return [line for line in self.lines if line["event"] == name]

    def until(self, condition) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < ends, self.lines
            time.sleep(0.02)

    def ready(self, count: int) -> None:
        self.until(lambda: len(self.events("ready")) == count)

    @property
    def url(self) -> str:
        line = self.events("listening")[0]
        return f"http://{line['host']}:{line['port']}"

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)  # until each worker has closed its stderr
        assert not self._reader.is_alive()
        return code


@contextlib.contextmanager
def group(before: str = "", **settings) -> Iterator[Group]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, json.dumps(settings)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    started = Group(process)
    try:
        yield started
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        started._reader.join(PATIENCE_S)
        process.stderr.close()


def counted(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(name)]
    return float(line.rsplit(" ", 1)[1])


def test_two_workers_share_a_socket_and_one_that_dies_is_replaced(engine):
    own = engine.generate("warm", seed=1).encode("png")
    body = {"prompt": "warm", "seed": 1}
    generated = 't2a_edge_requests_total{path="/v1/generate",status="200"}'
    with group(workers=2) as server:
        server.ready(2)

        def ask(_: int) -> bytes:
            return httpx.post(server.url + "/v1/generate", json=body, timeout=PATIENCE_S).content

        asked = 0
        while len({line["worker"] for line in server.events("request")}) < 2:
            with ThreadPoolExecutor(4) as pool:
                assert set(pool.map(ask, range(4))) == {own}
            asked += 4
        metrics = server.url + "/metrics"
        server.until(lambda: counted(httpx.get(metrics).text, generated) == asked)
        assert counted(httpx.get(metrics).text, "t2a_edge_batch_pictures_sum") == asked + 2
        assert counted(httpx.get(metrics).text, "t2a_edge_build_info") == 1

        pids = children(server.process.pid)
        assert len(pids) == 2
        os.kill(pids[0], signal.SIGKILL)
        server.ready(3)
        (line,) = server.events("a worker ended and is replaced")
        assert line["status"] == -signal.SIGKILL
        server.until(lambda: counted(httpx.get(metrics).text, generated) == asked)
        assert {ask(0) for _ in range(4)} == {own}
        assert server.end() == 0
    assert [line.get("worker") for line in server.events("stopped")][-1] is None
    assert sorted(line.get("worker", 0) for line in server.events("stopped")) == [0, 1, 2]


def children(pid: int) -> list[int]:
    """Processes that another has started."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    return [int(one) for one in found.stdout.split()]


def test_a_worker_whose_engine_hangs_is_replaced():
    with group(HANGS.format(runs=1, hang=WAITS), workers=2, deadline_s=3, drain_s=0.1) as server:
        server.ready(2)
        body = {"prompt": "warm", "seed": 1}
        late = httpx.post(server.url + "/v1/generate", json=body, timeout=PATIENCE_S)
        assert late.status_code == 504
        server.ready(3)
        (useless,) = server.events("this worker is of no use and ends")
        assert "hangs" in useless["error"]
        (line,) = server.events("a worker ended and is replaced")
        assert (line["number"], line["status"]) == (useless["worker"], EXIT_USELESS)
        assert server.end() == 0


def test_what_workers_accepted_is_answered_before_the_end():
    asked = {"prompt": "warm", "seed": 1}
    with group(SLOW, workers=2) as server, ThreadPoolExecutor(4) as pool:
        server.ready(2)
        answers = [
            pool.submit(httpx.post, server.url + "/v1/generate", json=asked, timeout=PATIENCE_S)
            for _ in range(4)
        ]
        busy = "t2a_edge_requests_in_progress"
        server.until(lambda: counted(httpx.get(server.url + "/metrics").text, busy) == 4)
        assert server.end(signal.SIGINT) == 0
        assert [answer.result().status_code for answer in answers] == [200] * 4


def test_workers_end_when_the_process_above_them_is_gone():
    with group(workers=2) as server:
        server.ready(2)
        server.end(signal.SIGKILL)  # waits until both have closed their stderr
        assert len(server.events("stopped")) == 2


def test_workers_that_cannot_draw_end_with_one_sentence():
    with group(BREAKS, workers=2) as server:
        assert server.process.wait(PATIENCE_S) == 1  # the library raises: see below
        server.until(lambda: any("No worker could be started" in str(e) for e in server.lines))
    assert {line["error"] for line in server.events("a worker failed")} == {
        "The first picture could not be drawn; the log says why."
    }
    assert server.events("a worker ended and is replaced") == []


def test_a_bundle_that_workers_cannot_load_is_said_once(tmp_path):
    with group(workers=2, bundle=str(tmp_path / "nowhere")) as server:
        assert server.process.wait(PATIENCE_S) == 1
    assert [line for line in server.lines if "worker" in line] == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_on_a_unix_socket(tmp_path, workers):
    path = tmp_path / "art.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()  # its file stays, and nobody listens
    with group(uds=str(path), workers=workers) as server:
        server.ready(workers)
        assert server.events("listening")[0]["uds"] == str(path)
        assert path.stat().st_mode & 0o777 == 0o660
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            answer = client.post("http://art.example.org/v1/explain", json={"prompt": "warm"})
            assert answer.status_code == 200
        with pytest.raises(OptionError, match="another server listens there"):
            bound_socket(Settings(uds=path))
        assert server.end() == 0
    assert not path.exists()


def test_what_is_no_socket_stays_as_it_is(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(OptionError, match=r"notes\.txt cannot be listened on .*no socket"):
        bound_socket(Settings(uds=file))
    assert file.read_text() == "mine"
    with pytest.raises(OptionError, match="cannot be listened on"):
        bound_socket(Settings(uds=tmp_path / "missing" / "art.sock"))


def test_a_socket_that_another_server_has_put_there_stays(tmp_path):
    path = tmp_path / "art.sock"
    with bound_socket(Settings(uds=path)), file_taken_away(path):
        path.unlink()
        with bound_socket(Settings(uds=path)):
            pass
    assert path.exists()


@pytest.mark.parametrize("uds", ["x" * 108, "a\0b", 7])
def test_a_path_that_no_socket_can_have(uds):
    with pytest.raises(OptionError, match="uds is"):
        Settings(uds=uds)


@pytest.mark.parametrize(
    ("field", "value"),
    [("root_path", "art"), ("root_path", "/a b"), ("root_path", "//"), ("root_path", "/a?b"),
     ("root_path", None), ("workers", 0), ("workers", 65), ("workers", 1.5)],
)  # fmt: skip
def test_prefixes_and_workers_that_cannot_be(field, value):
    with pytest.raises(OptionError, match=f"{field} is"):
        Settings(**{field: value})


def test_a_prefix_may_be_taken_off_by_the_proxy_or_not(serving, tmp_path):
    (tmp_path / "index.html").write_text("<title>art</title>")
    with serving(root_path="/art/", page=tmp_path, token="correct-horse") as live:  # noqa: S106
        bearer = {"Authorization": "Bearer correct-horse"}
        for prefix in ("", "/art"):
            assert live.client.get(f"{prefix}/healthz").status_code == 200
            assert live.client.get(f"{prefix}/v1/info").status_code == 401
            assert live.client.get(f"{prefix}/v1/info", headers=bearer).status_code == 200
            assert "art" in live.client.get(f"{prefix}/").text
            document = live.client.get(f"{prefix}/openapi.json").json()
            assert document["servers"] == [{"url": "/art"}]
        bare = live.client.get("/art?a=b")
        assert (bare.status_code, bare.headers["location"]) == (308, "/art/")
        assert live.client.get("/art/art/healthz").status_code == 404
        assert live.client.get("/artist").status_code == 404
        text = live.client.get("/metrics", headers=bearer).text
        assert 't2a_edge_requests_total{path="/healthz",status="200"} 2.0' in text
