"""Clients that a server on loopback must bear: each does one wrong thing, again and again."""

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
MANY = json.dumps({"prompt": "warm", "count": 4, "format": "json"}).encode()
ONE = json.dumps({"prompt": "warm"}).encode()
PIPELINED = 64  # requests that one client sends and reads no answer of
LARGE = 4_000_000  # bytes of a body that is too large
DRIP_S = 0.5  # between two bytes of a slow head
LOOK_S = 0.1  # between two looks at the time
PAUSE_S = 0.05  # before the next connection


@dataclass
class Misbehaved:
    """What one such client saw.

    Attributes:
        times: how often it was cut off, answered or left.
        longest_s: of one connection that the server had to end.
    """

    times: int = 0
    longest_s: float = 0.0


def connected(port: int) -> socket.socket:
    """A connection that takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(LOOK_S)
    connection.connect(("127.0.0.1", port))
    return connection


def wait_for_end(connection: socket.socket, ends: float) -> bool:
    """Read nothing until the server ends the connection; whether it did."""
    poll = select.poll()
    closed = getattr(select, "POLLRDHUP", 0)  # of Linux: its side alone
    poll.register(connection, select.POLLHUP | select.POLLERR | closed)
    while time.monotonic() < ends:
        if poll.poll(1000 * LOOK_S):
            return True
    return False


def read_to_end(connection: socket.socket, ends: float) -> bool:
    """Read until the server closes; whether it did."""
    while time.monotonic() < ends:
        try:
            if not connection.recv(65536):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def never_reads(connection: socket.socket, ends: float) -> bool:
    """Ask again and again, and read nothing."""
    with suppress(TimeoutError):
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * PIPELINED)
    return wait_for_end(connection, ends)


def takes_no_picture(connection: socket.socket, ends: float) -> bool:
    """Ask for large answers, and read nothing."""
    asked = HEAD % b"/v1/generate" + b"Content-Length: %d\r\n\r\n" % len(MANY) + MANY
    connection.sendall(asked * 2)
    return wait_for_end(connection, ends)


def slow_head(connection: socket.socket, ends: float) -> bool:
    """Send a head byte by byte."""
    connection.settimeout(DRIP_S)
    for byte in HEAD % b"/v1/generate" * 100:
        connection.sendall(bytes([byte]))
        try:
            if not connection.recv(65536) or time.monotonic() > ends:
                return True
        except TimeoutError:
            continue
    return False


def half_body(connection: socket.socket, ends: float) -> bool:
    """Send half of a body."""
    connection.sendall(HEAD % b"/v1/generate" + b"Content-Length: 100\r\n\r\n" + ONE)
    return read_to_end(connection, ends)


def idle(connection: socket.socket, ends: float) -> bool:
    """Say nothing."""
    return read_to_end(connection, ends)


def leaves(connection: socket.socket, ends: float) -> bool:
    """Leave in the middle of a stream, by a reset."""
    connection.sendall(HEAD % b"/v1/stream" + b"Content-Length: %d\r\n\r\n" % len(ONE) + ONE)
    while time.monotonic() < ends:
        with suppress(TimeoutError):
            connection.recv(1024)
            break
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def oversized(connection: socket.socket, ends: float) -> bool:
    """Send a body that is too large, all of it."""
    connection.settimeout(5)
    connection.sendall(HEAD % b"/v1/generate" + b"Content-Length: %d\r\n\r\n" % LARGE)
    connection.sendall(bytes(LARGE))
    connection.settimeout(LOOK_S)
    return read_to_end(connection, ends)


KINDS: tuple[Callable[[socket.socket, float], bool], ...] = (
    never_reads, takes_no_picture, slow_head, half_body, idle, leaves, oversized,
)  # fmt: skip


def misbehave(
    port: int, kind: Callable[[socket.socket, float], bool], ends: float, seen: Misbehaved
) -> None:
    """One such client, on one connection after another, until the time is over."""
    while time.monotonic() < ends:
        started = time.monotonic()
        try:
            with connected(port) as connection:
                ended = kind(connection, ends)
        except OSError:  # cut off while it sent
            ended = True
        if ended and time.monotonic() < ends:
            seen.times += 1
            seen.longest_s = max(seen.longest_s, time.monotonic() - started)
        time.sleep(PAUSE_S)
