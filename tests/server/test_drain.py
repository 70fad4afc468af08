"""A process from start to SIGTERM."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

PROGRAM = """
import json, sys
from t2a_edge.server import Settings, serve
serve(Settings(port=0, **json.loads(sys.argv[1])))
"""
fcntl = pytest.importorskip("fcntl")
SLACK_S = 10  # a busy machine is no failure; what hangs does so for ever
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


class Process:
    """A server of its own, and the lines of its log."""

    def __init__(self, process: "subprocess.Popen[str]", ready: bool) -> None:
        self.process, self.lines = process, []
        line = self.read()
        self.url = f"http://{line['host']}:{line['port']}"
        if ready:
            assert self.read()["event"] == "ready"
        assert httpx.get(self.url + "/readyz", timeout=60).status_code == (200 if ready else 503)

    def read(self) -> dict:
        self.lines.append(json.loads(self.process.stderr.readline()))
        return self.lines[-1]

    def end(self) -> int:
        _, rest = self.process.communicate(timeout=60)
        self.lines += [json.loads(line) for line in rest.splitlines()]
        return self.process.returncode


HANGS = """
import threading
from t2a_edge.pipeline import TextToArt
drawn, draw = [], TextToArt.draw
def hanging(self, requests):
    drawn.append(1)
    if len(drawn) > {runs}:
        {hang}
    return draw(self, requests)
TextToArt.draw = hanging
"""
WAITS, SPINS = "threading.Event().wait()", "exec('while True: pass')"


@contextlib.contextmanager
def served(before: str = "", ready: bool = True, **settings) -> Iterator[Process]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, json.dumps({"drain_notice_s": 0, **settings})],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield Process(process, ready)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_well(number):
    with served() as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/healthz").status_code == 200  # and its connection stays open
        server.process.send_signal(number)
        assert server.end() == 0
        assert server.lines[-1]["event"] == "stopped"


def wait_until_busy(client: httpx.Client, requests: int) -> None:
    while f"t2a_edge_requests_in_progress {requests}.0\n" not in client.get("/metrics").text:
        time.sleep(0.01)


def test_what_was_accepted_is_answered_before_the_end():
    sizes = [None, None, [256, 512], [512, 512]]
    with served() as server, ThreadPoolExecutor(len(sizes)) as pool:
        answers = [
            pool.submit(
                httpx.post, server.url + "/v1/generate",
                json={"prompt": "warm", "seed": 1, "size": size}, timeout=60,
            )
            for size in sizes
        ]  # fmt: skip
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_until_busy(client, len(sizes))
            server.process.send_signal(signal.SIGTERM)
            while client.get("/readyz").status_code == 200:
                time.sleep(0.01)
            late = client.post("/v1/generate", json={"prompt": "late"})
            assert (late.status_code, late.headers["retry-after"]) == (503, "1")
            assert "about to stop" in late.json()["detail"]
        assert [answer.result().status_code for answer in answers] == [200] * len(sizes)
        assert server.end() == 0
    told = [line["status"] for line in server.lines if line.get("path") == "/v1/generate"]
    assert sorted(told) == [200] * len(sizes) + [503]
    assert server.lines[-1]["event"] == "stopped"


def test_the_drain_has_an_end():
    with served(drain_s=0.2) as server, ThreadPoolExecutor(1) as pool:
        large = {"prompt": "warm", "size": [1024, 1024]}
        answer = pool.submit(httpx.post, server.url + "/v1/generate", json=large, timeout=60)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_until_busy(client, 1)
        server.process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 503
        assert server.end() == 0
    assert "not all was drawn in time" in [line["event"] for line in server.lines]


@pytest.mark.parametrize("hang", [WAITS, SPINS])
def test_a_first_picture_that_hangs_does_not_hold_up_the_end(hang):
    with served(HANGS.format(runs=0, hang=hang), ready=False, drain_s=0.3) as server:
        assert httpx.get(server.url + "/healthz", timeout=60).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - began < 0.3 + 1 + SLACK_S
    assert server.lines[-1]["event"] == "stopped, and left a run of the engines"


def test_an_engine_that_hangs_later_does_not_either_and_its_clients_are_told():
    with (
        served(HANGS.format(runs=1, hang=WAITS), drain_s=0.3) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        body = {"prompt": "warm"}
        answer = pool.submit(httpx.post, server.url + "/v1/generate", json=body, timeout=60)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_until_busy(client, 1)
        server.process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 503
        assert server.end() == 0


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a small pipe, of Linux")
def test_a_log_that_nobody_reads_does_not_hold_up_the_end():
    with served(drain_s=0.3) as server, httpx.Client(base_url=server.url, timeout=2) as client:
        fcntl.fcntl(server.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        with contextlib.suppress(httpx.TimeoutException):
            while True:  # until the pipe of the log is full, and the server waits to write
                client.get("/healthz", headers={"X-Request-ID": "x" * 64})
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_a_second_signal_ends_the_wait():
    with served() as server, ThreadPoolExecutor(1) as pool:
        large = {"prompt": "warm", "size": [1024, 1024]}
        answer = pool.submit(httpx.post, server.url + "/v1/generate", json=large, timeout=60)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            wait_until_busy(client, 1)
            server.process.send_signal(signal.SIGTERM)
            while client.get("/readyz").status_code == 200:
                time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 503
        assert server.end() == 0


def test_a_bundle_that_is_not_there_is_one_error(tmp_path):
    from t2a_edge.errors import BundleError
    from t2a_edge.server import Settings, serve

    with pytest.raises(BundleError, match="nowhere"):
        serve(Settings(port=0, bundle=tmp_path / "nowhere"))
