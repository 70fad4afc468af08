"""What is refused below the application is counted and summed in the log; files run out."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from t2a_edge.errors import OptionError
from t2a_edge.server import Settings, files
from t2a_edge.server.logs import JsonFormatter
from tests.server.conftest import read_all
from tests.server.test_connections import status_of

REFUSALS = "t2a_edge_connection_refusals_total"
FILES = 64
IDLE = 100  # connections, more than the process may open files
PROGRAM = """
import resource, sys
from t2a_edge.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
main(["serve", "--port", "0", "--drain-notice-s", "0", "--page", "none"])
"""


def counted(live, reason: str) -> float:
    return live.service.metrics.registry.get_sample_value(REFUSALS, {"reason": reason})


def lines(caplog) -> list[dict]:
    told = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    return [line for line in told if line["event"] == "refused"]


def test_each_is_counted_by_its_reason_and_logged(serving, caplog):
    with serving(max_connections=1, header_timeout_s=0.1) as live:
        live.client.close()
        live.until(lambda: not live.server.server_state.connections)
        assert status_of(live.raw(b"no HTTP\r\n\r\n")) == 400
        assert status_of(live.raw(b"GET /healthz HTTP/1.1\r\nhos")) == 408
        assert live.raw() == b""
        with live.connect():
            assert status_of(live.raw()) == 503
        for reason in ("no HTTP", "slow head", "nothing sent", "too many connections"):
            assert counted(live, reason) >= 1, reason
        assert 'reason="answer not read"} 0.0' in live.service.metrics.text().decode()
        live.until(lambda: len({line["reason"] for line in lines(caplog)}) == 4)
    assert {line["level"] for line in lines(caplog)} == {"warning"}
    assert not [r for r in caplog.records if "Invalid HTTP" in r.getMessage()]  # said once


def test_many_refusals_are_few_lines(serving, caplog):
    with serving() as live:
        for _ in range(50):
            live.raw(b"no HTTP\r\n\r\n")
        live.until(lambda: counted(live, "no HTTP") == 50)
    assert sum(line["connections"] for line in lines(caplog)) == 50
    assert len(lines(caplog)) <= 25  # one a second


def probed(port: int) -> int:
    """The status of a probe; 0 where its connection is closed as it asks."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as probing:
        try:
            probing.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            return status_of(read_all(probing))
        except (OSError, IndexError):
            return 0


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits of files")
def test_more_connections_than_files_write_little_and_probes_are_answered():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(FILES)], stderr=subprocess.PIPE, text=True
    )
    try:
        told = [json.loads(process.stderr.readline()) for _ in range(3)]
        assert [line["event"].split()[0] for line in told] == ["fewer", "listening", "ready"]
        assert told[0]["max_connections"] == FILES - files.BESIDE - files.SPARE
        port = told[1]["port"]
        with contextlib.ExitStack() as idle:
            for _ in range(IDLE):
                idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            ends = time.monotonic() + 60
            while probed(port) != 200:  # the reserve is full too, for a second
                assert time.monotonic() < ends
                time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
        assert process.returncode == 0
        assert len(log) < 5000
        assert "Traceback" not in log
    finally:
        process.kill()
        process.communicate()


def test_a_process_without_files_waits_and_goes_on(serving, monkeypatch):
    from t2a_edge.server import listener

    monkeypatch.setattr(listener, "PAUSE_S", 0.01)
    with serving() as live:
        loop, tries = live.server.servers[0]._task.get_loop(), []
        accept = loop.sock_accept

        async def failing(listening):
            if len(tries) < 5:
                tries.append(1)
                raise OSError(24, "Too many open files")
            return await accept(listening)

        loop.sock_accept = failing
        assert live.raw(b"no HTTP\r\n\r\n")  # the last accept that had begun before
        assert status_of(live.raw(b"no HTTP\r\n\r\n")) == 400
        assert counted(live, "no file left") == 5


@pytest.mark.parametrize(
    ("soft", "hard", "page", "expected"),
    [
        (1024, 4096, False, 512),
        (256, 4096, False, 512),  # raised
        (256, 256, False, 256 - 40),
        (256, -1, False, 512),
        (256, 256, True, (256 - 40) // 2),  # each may read a file of the page
        (-1, -1, True, 512),
    ],
)
def test_connections_are_held_against_the_limit_of_files(
    monkeypatch, tmp_path, soft, hard, page, expected
):
    resource = pytest.importorskip("resource")
    (tmp_path / "index.html").touch()
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    settings = Settings(page=tmp_path if page else None)
    assert files.within_file_limit(settings).max_connections == expected
    if expected == 512 and 0 < soft < 552:
        assert limits[-1] == (552, hard)


def test_a_limit_of_files_that_leaves_no_connection_is_one_sentence(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (40, 40))
    with pytest.raises(OptionError, match="may open 40 files; expected 41 or more"):
        files.within_file_limit(Settings())
