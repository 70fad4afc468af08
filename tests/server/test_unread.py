"""Clients that ask and do not read: they are cut, and others are answered."""

import contextlib
import socket
import time

import pytest

from tests.server.conftest import read_all
from tests.server.test_connections import PATH, status_of

GET = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
CLOSING = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
UNREAD = "t2a_edge_connection_refusals_total"
FILE_BYTES = 8_000_000  # more than the system takes ahead of a client


@pytest.fixture
def page(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "large.bin").write_bytes(bytes(FILE_BYTES))
    return tmp_path


def posted(path: bytes, body: bytes) -> bytes:
    head = PATH.replace(b"/v1/generate", path)
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def unread(live) -> float:
    count = live.service.metrics.registry.get_sample_value
    return count(UNREAD, {"reason": "answer not read"})


def narrow(live) -> socket.socket:
    """A connection whose own system takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", live.port))
    return connection


@pytest.mark.parametrize(
    "sent",
    [
        GET % b"/openapi.json" * 40,  # one behind another
        GET % b"/large.bin",
        posted(b"/v1/generate", b'{"prompt": "warm", "count": 4, "format": "json"}'),
        posted(b"/v1/stream", b'{"prompt": "warm"}'),
    ],
    ids=["pipelined", "file", "pictures", "stream"],
)
def test_a_client_that_does_not_read_is_cut(serving, page, sent):
    with serving(page=page, write_timeout_s=0.2, keep_alive_s=1) as live, narrow(live) as unlucky:
        unlucky.sendall(sent)
        live.until(lambda: unread(live) == 1)
        live.until(lambda: not live.server.server_state.connections)
        live.until(lambda: live.service.busy == 0)


def test_a_client_that_reads_slowly_is_answered_whole(serving, page):
    with serving(page=page, write_timeout_s=0.3) as live, narrow(live) as slow:
        (page / "large.bin").write_bytes(bytes(600_000))
        slow.sendall(CLOSING % b"/large.bin")
        got, started = 0, time.monotonic()
        while part := slow.recv(16_384):
            got += len(part)
            time.sleep(0.01)
        assert got > 600_000
        assert time.monotonic() - started > 0.3  # longer than one that reads nothing may stay
        assert unread(live) == 0


def test_probes_are_answered_while_the_limit_is_full(serving, page):
    with (
        serving(page=page, max_connections=3, write_timeout_s=1) as live,
        contextlib.ExitStack() as held,
    ):
        for _ in range(3):
            held.enter_context(narrow(live)).sendall(GET % b"/large.bin")
        live.until(lambda: len(live.server.server_state.connections) >= 3)
        for path in (b"/healthz", b"/readyz"):
            answer = live.raw(CLOSING % path)
            assert status_of(answer) == 200
            assert b"connection: close" in answer.lower()
        assert live.raw(GET % b"/healthz").endswith(b'{"state":"alive"}')  # and is closed
        other = live.raw(GET % b"/v1/info")
        assert status_of(other) == 503
        assert b"no connection left" in other
        live.until(lambda: unread(live) == 3)
        assert status_of(live.raw(CLOSING % b"/v1/info")) == 200  # there is room again


def test_the_end_cuts_who_does_not_read_and_logs_no_traceback(serving, page, caplog):
    with serving(page=page) as live, narrow(live) as unlucky:
        unlucky.sendall(GET % b"/large.bin")
        live.until(lambda: live.server.server_state.tasks)
        live.server._ends = 0  # the drain is over
        live.server.should_exit = True
        live.until(lambda: live.service.over.is_set() and not live.server.server_state.tasks)
    assert "Traceback" not in caplog.text


def test_connections_beyond_the_reserve_are_503_at_once(serving):
    with (
        serving(max_connections=1, header_timeout_s=60) as live,
        contextlib.ExitStack() as held,
    ):
        for _ in range(9):  # one, and eight of the reserve
            held.enter_context(live.connect())
        live.until(lambda: len(live.server.server_state.connections) == 9)
        with live.connect() as further:
            assert status_of(read_all(further)) == 503
