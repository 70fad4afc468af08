"""Clients that are slow, wrong or cut off, as bytes on a socket."""

import json
import select
import socket
import struct
import time
from http import HTTPStatus

import pytest

from t2a_edge.server.address import bound_socket
from t2a_edge.server.settings import Settings
from tests.server.conftest import read_all

PATH = b"POST /v1/generate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def sentence_of(answer: bytes) -> str:
    """The detail of a problem, which is one in all that RFC 9457 asks for."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json\r\n" in head + b"\r\n"
    problem = json.loads(body)
    assert problem["status"] == status_of(answer)
    assert problem["title"] == HTTPStatus(problem["status"]).phrase
    sentence: str = problem["detail"]
    return sentence


def still_up(live) -> bool:
    return status_of(live.raw(GET)) == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),  # TLS
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no host
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        PATH + b"content-length: -5\r\n\r\n",
        PATH + b"content-length: 5\r\ncontent-length: 7\r\n\r\n",
        PATH + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_400_and_closed(live, sent):
    answer = live.raw(sent)
    assert status_of(answer) == 400
    assert sentence_of(answer) == "The request is no HTTP/1.1; send a valid one."
    assert still_up(live)


JSON = b'{"prompt": "warm", "seed": 1}'
CHUNKED = b"%x\r\n" % len(JSON) + JSON + b"\r\n0\r\n\r\n"
HIDDEN = b"GET /v1/info HTTP/1.1\r\nhost: localhost\r\n\r\n"  # what another reader may see behind


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"content-length: %d\r\ntransfer-encoding: chunked\r\n" % len(JSON), CHUNKED),
        (b"transfer-encoding: chunked\r\ncontent-length: %d\r\n" % len(CHUNKED), CHUNKED),
        (b"content-length: 0\r\ntransfer-encoding: chunked\r\n", CHUNKED),
        (b"transfer-encoding: Chunked\r\ncontent-length: 0\r\n", CHUNKED),
        (b"content-length: 3\r\ncontent-length: 30\r\n", JSON),
        (b"content-length: 3, 30\r\n", JSON),
        (b"content-length: +30\r\n", JSON),
        (b"content-length: 0x1e\r\n", JSON),
        (b"content-length: 3 0\r\n", JSON),
        (b"content-length:\r\n", JSON),
        (b"content-length : 30\r\n", JSON),
        (b"transfer-encoding: identity\r\n", CHUNKED),
        (b"transfer-encoding: gzip, chunked\r\n", CHUNKED),
        (b"transfer-encoding: xchunked\r\n", CHUNKED),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", CHUNKED),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", CHUNKED),
        (b"transfer-encoding\x0b: chunked\r\n", CHUNKED),
        (b"transfer-encoding: chunked\r\n", CHUNKED.replace(b"\r\n0", b"xx0")),
        (b"transfer-encoding: chunked\r\n", b"-1\r\n" + CHUNKED),
        (b"transfer-encoding: chunked\r\n", b"ffffffffffffffffffffffff\r\n" + CHUNKED),
    ],
)
def test_a_body_whose_end_is_in_doubt_ends_the_connection(live, head, body):
    answer = live.raw(PATH + head + b"\r\n" + body + HIDDEN)
    assert answer.count(b"HTTP/1.1 ") == 1  # what stands behind it is not read
    assert status_of(answer) in (400, 413, 501)
    assert b"\r\nconnection: close\r\n" in answer
    assert sentence_of(answer)
    assert still_up(live)


def test_http_1_0_has_no_chunks(live):
    sent = PATH.replace(b"HTTP/1.1", b"HTTP/1.0") + b"transfer-encoding: chunked\r\n\r\n"
    answer = live.raw(sent + CHUNKED + HIDDEN)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "tells its length in two ways, or in one that HTTP/1.0 lacks" in sentence_of(answer)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"content-length: %d\r\n" % len(JSON), JSON),
        (b"content-length: %d\r\ncontent-length: %d\r\n" % (len(JSON), len(JSON)), JSON),
        (b"transfer-encoding: chunked\r\n", CHUNKED),
    ],
)
def test_a_body_whose_end_is_known_keeps_the_connection(live, head, body):
    answer = live.raw(PATH + head + b"\r\n" + body + GET)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("whole", [False, True], ids=["goes on", "at once"])
@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 40_000, 431, "head is too"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 6000, 431, "head is too"),
        (b"GET /" + b"y" * 40_000, 414, "path is too long"),
        (b"GET /?" + b"y" * 40_000, 414, "path is too long"),
    ],
)
def test_a_head_that_is_too_large_says_what_is(live, sent, status, says, whole):
    end = b" HTTP/1.1\r\nhost: localhost\r\n\r\n" if status == 414 else b"\r\n\r\n"
    answer = live.raw(sent + end if whole else sent)
    assert status_of(answer) == status
    assert says in sentence_of(answer)
    assert "16384 bytes" in sentence_of(answer)
    assert still_up(live)


def test_what_goes_on_after_its_400_does_not_reset_it(live):
    with live.connect() as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        live.until(lambda: select.select([connection], [], [], 0)[0])
        connection.sendall(bytes(100_000))  # what a client does that has not read yet
        assert status_of(read_all(connection)) == 400
        connection.sendall(bytes(100_000))
    assert still_up(live)


def test_an_encoding_of_transfer_that_is_not_known_is_501(live):
    answer = live.raw(PATH + b"transfer-encoding: gzip\r\n\r\n")
    assert status_of(answer) == 501
    assert "send chunked" in sentence_of(answer)


def test_an_answer_before_the_whole_body_ends_the_connection(serving):
    with serving(origins=("https://a.example",)) as live:
        head = b"OPTIONS /v1/generate HTTP/1.1\r\nhost: localhost\r\norigin: https://a.example\r\n"
        head += b"access-control-request-method: POST\r\n"
        answer = live.raw(head + b"content-length: 100\r\n\r\n{")  # a preflight has no body
        assert status_of(answer) == 200
        assert b"\r\nconnection: close" in answer
        assert live.raw(head + b"\r\n" + GET).count(b"HTTP/1.1 200 OK") == 2


def connected(listening: socket.socket) -> socket.socket:
    listening.listen(1)
    return socket.create_connection(listening.getsockname())


def test_a_body_does_not_wait_for_its_heads_acknowledgement():
    with (
        bound_socket(Settings(port=0)) as listening,
        connected(listening),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_body_that_is_too_large_is_413_before_it_is_read(live):
    answer = live.raw(PATH + b"content-length: 262145\r\nexpect: 100-continue\r\n\r\n")
    assert status_of(answer) == 413  # at once, and not 100
    assert "expected 262144 bytes or fewer" in sentence_of(answer)


def test_a_client_that_goes_on_sending_still_reads_its_413(live):
    size = 3_000_000
    answer = live.raw(PATH + b"content-length: %d\r\n\r\n" % size, bytes(size))
    assert status_of(answer) == 413


def test_a_chunked_body_is_counted_as_it_comes(live):
    chunk = b"%x\r\n" % 4096 + bytes(4096) + b"\r\n"
    answer = live.raw(PATH + b"transfer-encoding: chunked\r\n\r\n", chunk * 65, b"0\r\n\r\n")
    assert status_of(answer) == 413


def test_a_body_just_within_the_limit_is_read(live):
    body = json.dumps({"prompt": "warm"}).encode().ljust(262144)
    head = PATH + b"connection: close\r\ncontent-length: 262144\r\n\r\n"
    assert status_of(live.raw(head, body)) == 200


def test_a_slow_body_is_408(serving):
    with serving(body_timeout_s=0.3) as live:
        with live.connect() as connection:
            connection.sendall(PATH + b"content-length: 100\r\n\r\n{")
            answer = read_all(connection)
            assert status_of(answer) == 408
            assert "within 0.3 s" in sentence_of(answer)
        assert still_up(live)


def test_a_body_that_drips_is_408_all_the_same(serving):
    with serving(body_timeout_s=0.5) as live, live.connect() as connection:
        connection.sendall(PATH + b"content-length: 1000\r\n\r\n")
        connection.settimeout(0.1)
        answer = b""
        for _ in range(600):
            connection.sendall(b" ")
            try:
                answer = connection.recv(65536)
                break
            except TimeoutError:
                continue
        assert status_of(answer) == 408


def test_a_slow_head_is_408_and_closed(serving):
    with serving(header_timeout_s=0.3) as live:
        assert status_of(live.raw(b"GET /healthz HTTP/1.1\r\nhos")) == 408
        assert live.raw() == b""  # a connection that says nothing
        with live.connect() as connection:  # the second head of a connection
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert status_of(connection.recv(65536)) == 200
            connection.sendall(b"GET /he")
            assert b"HTTP/1.1 408" in read_all(connection)
        assert still_up(live)


def test_a_long_request_is_not_cut_by_the_clock_of_heads(serving):
    with serving(header_timeout_s=0.2, keep_alive_s=1) as live:
        live.engine.gate.clear()
        body = b'{"prompt": "warm"}'
        with live.connect() as connection:
            connection.sendall(PATH + b"content-length: %d\r\n\r\n" % len(body) + body)
            live.engine.wait_until_drawing()
            time.sleep(0.5)
            live.engine.gate.set()
            assert status_of(connection.recv(65536)) == 200


def test_an_idle_connection_is_closed(serving):
    with serving(keep_alive_s=1) as live, live.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert status_of(read_all(connection)) == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"POST",
        PATH,
        PATH + b"content-length: 100\r\n\r\n",
        PATH + b'content-length: 100\r\n\r\n{"prompt": "war',
        PATH + b'content-length: 18\r\n\r\n{"prompt": "warm"}',
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_request_that_is_cut_off_leaves_nothing_behind(live, sent, reset):
    live.until(lambda: live.service.busy == 0)  # the last test's request may still be drawn
    with live.connect() as connection:
        connection.sendall(sent)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    live.until(lambda: live.service.busy == 0)
    assert still_up(live)


def test_a_client_that_does_not_read_is_cut_off(serving, monkeypatch):
    monkeypatch.setattr("t2a_edge.server.guard.WRITING_S", 0.2)
    with serving(deadline_s=2) as live:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", live.port))
            body = b'{"prompt": "warm", "count": 8, "format": "json"}'
            connection.sendall(PATH + b"content-length: %d\r\n\r\n" % len(body) + body)
            live.until(lambda: live.service.busy == 1)
            live.until(lambda: live.service.busy == 0)
        assert still_up(live)


def test_requests_one_after_another_on_one_connection(live):
    head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = live.raw(head * 3 + GET)
    assert answer.count(b"HTTP/1.1 200 OK") == 4


def test_connections_beyond_the_most_are_503(serving):
    with serving(max_connections=3, keep_alive_s=1) as live:
        held = [live.connect() for _ in range(3)]
        live.until(lambda: len(live.server.server_state.connections) >= 3)
        answer = live.raw()
        assert status_of(answer) == 503
        assert "no connection left" in sentence_of(answer)
        for connection in held:
            connection.close()
        live.until(lambda: not live.server.server_state.connections)
        assert still_up(live)
