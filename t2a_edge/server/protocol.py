"""uvicorn's HTTP/1.1 with limits that it lacks: slow heads, too many connections."""

import asyncio
import sys
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from t2a_edge.server.guard import DISCARDING_S
from t2a_edge.server.problem import LARGE_HEAD, LONG_PATH, MEDIA_TYPE, problem_body
from t2a_edge.server.settings import Settings


class GuardedProtocol(H11Protocol):
    """Closes a connection whose request head does not come, and those beyond the most."""

    header_timeout_s: float
    max_connections: int
    _timer: asyncio.TimerHandle | None = None
    _deaf = False  # what still comes is forgotten

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._end(503, "The server has no connection left; try later.")
        else:
            self._arm()

    def data_received(self, data: bytes) -> None:
        """Read on; a connection that is being closed is not read."""
        if not self.transport.is_closing() and not self._deaf:
            super().data_received(data)
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._disarm()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next head has its own time, from its first byte; before it, keep-alive counts."""
        self._disarm()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun.

        More of it may be under way: a connection that is closed with bytes unread is reset, and the
        client would not see the answer.
        """
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        self._deaf = True
        self.transport.write(raw_answer(*self._wrong()))
        self.transport.write_eof()
        self.loop.call_later(DISCARDING_S, self.transport.close)

    def _wrong(self) -> tuple[int, str]:
        """Why h11 took what came for no request; uvicorn asks while its error is handled."""
        hint = getattr(sys.exception(), "error_status_hint", 400)
        if hint == 501:
            return 501, "The request has a Transfer-Encoding that is not known; send chunked."
        in_body = self.cycle is not None and not self.cycle.response_complete
        if hint != 431 or in_body:
            return 400, "The request is no HTTP/1.1; send a valid one."
        return (414, LONG_PATH) if b"\n" not in self.conn.trailing_data[0] else (431, LARGE_HEAD)

    def _end(self, status: int, sentence: str) -> None:
        self.transport.write(raw_answer(status, sentence))
        self.transport.close()

    def _arm(self) -> None:
        """Start the clock where a head is awaited, once a head; stop it where one has come."""
        if self._deaf or (self.cycle is not None and not self.cycle.response_complete):
            self._disarm()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.header_timeout_s, self._late)

    def _late(self) -> None:
        """The head did not come; a client that said nothing is told nothing."""
        if self.conn.trailing_data[0]:
            sentence = f"The head did not come within {self.header_timeout_s:g} s; send it at once."
            self._end(408, sentence)
        self.transport.close()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def raw_answer(status: int, sentence: str) -> bytes:
    """An error as HTTP, written to a connection beside the application."""
    body = problem_body(status, sentence)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def guarded_protocol(settings: Settings) -> type[asyncio.Protocol]:
    """The protocol with a server's limits."""
    limits = {
        "header_timeout_s": settings.header_timeout_s,
        "max_connections": settings.max_connections,
    }
    return cast("type[asyncio.Protocol]", type("Protocol", (GuardedProtocol,), limits))
