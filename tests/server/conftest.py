"""Real servers on loopback, in a thread, around one shipped model."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

from t2a_edge.pipeline import TextToArt
from t2a_edge.server.run import bound_socket, make_server
from t2a_edge.server.settings import Settings

PATIENCE_S = 60  # a busy machine is no failure


class GatedEngine:
    """The shipped model, whose drawing waits while the gate is shut."""

    def __init__(self, engine: TextToArt) -> None:
        self._engine = engine
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[Any]] = []
        self.begun = threading.Semaphore(0)
        self.fails_for: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def draw(self, requests: list[Any], **options: Any) -> list[Any]:
        self._pass(list(requests))
        if any(request.prompt == self.fails_for for request in requests):
            raise RuntimeError("the engine broke")
        return self._engine.draw(requests, **options)

    def _pass(self, asked: list[Any]) -> None:
        self.batches.append(asked)
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)

    def wait_until_drawing(self) -> None:
        assert self.begun.acquire(timeout=PATIENCE_S)


class Live:
    """A server that runs, and ways to talk to it."""

    def __init__(self, server: Any, engine: GatedEngine, port: int) -> None:
        self.server, self.engine, self.port = server, engine, port
        self.service = server.config.app.state.service
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_S)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body)

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are, and read until the server closes."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        """Wait for something that another thread brings about."""
        ends = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < ends
            time.sleep(0.005)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    got = b""
    while part := connection.recv(65536):
        got += part
    return got


@contextlib.contextmanager
def running(engine: TextToArt, *, hung: bool = False, **settings: Any) -> Iterator[Live]:
    """A server with these settings; it ends well, or the test fails.

    Args:
        hung: the first picture waits at the gate.
    """
    chosen = Settings(port=0, **settings)
    gated = GatedEngine(engine)
    if hung:
        gated.gate.clear()
    server = make_server(gated, chosen)
    listening = bound_socket(chosen)
    listening.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    live = Live(server, gated, listening.getsockname()[1])
    try:
        gated.wait_until_drawing()  # the first picture, which every server draws
        live.until(lambda: hung or live.service.drawn)
        gated.batches.clear()
        yield live
    finally:
        gated.gate.set()
        live.client.close()
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def engine() -> Iterator[TextToArt]:
    with TextToArt() as opened:
        yield opened


@pytest.fixture(scope="session")
def live(engine: TextToArt) -> Iterator[Live]:
    """A server as it is by default; tests leave its gate open."""
    with running(engine) as server:
        yield server


@pytest.fixture
def serving(engine: TextToArt) -> Any:
    """`with serving(max_queue=...) as live:`, a server with other settings."""
    return lambda **settings: running(engine, **settings)
