"""uvicorn's HTTP/1.1 with limits that it lacks: slow heads, clients that do not read, a reserve."""

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from http import HTTPStatus
from typing import Any, cast

import h11
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from t2a_edge.server.access import PROBE, answering, declared, prefixed
from t2a_edge.server.guard import DISCARDING_S
from t2a_edge.server.problem import LARGE_HEAD, LONG_PATH, MEDIA_TYPE, problem_body
from t2a_edge.server.refusals import Reason, Refusals
from t2a_edge.server.settings import Settings

LEAST_TAKEN = 16_384  # bytes that a client must take within its time, or all that waits
SPARE_HEAD_S = 1.0  # that a connection beyond the most has for its head
NO_ROOM = "The server has no connection left; try later."
QUIET = logging.getLogger("t2a_edge.server.http")
QUIET.setLevel(logging.ERROR)  # uvicorn's warnings of single requests: they are summed instead


class GuardedProtocol(H11Protocol):
    """Closes a connection whose head does not come, or whose client does not read.

    One beyond the most serves a health probe, and nothing else.
    """

    header_timeout_s: float
    write_timeout_s: float
    refusals: Refusals
    prefix: str
    spare = False
    _deaf = False  # what still comes is forgotten
    _timer: asyncio.TimerHandle | None = None
    _unread: tuple[float, int] | None = None  # since when no less than so many bytes wait

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self.logger = QUIET
        self._arm()

    def make_spare(self) -> None:
        """From its start: answer a probe alone, and close after it."""
        self.spare, self.header_timeout_s = True, min(SPARE_HEAD_S, self.header_timeout_s)
        self.app = self._probed

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

    def pause_writing(self) -> None:
        """More waits than may: from now on nothing is added, so that what is taken shows."""
        self._unread = None
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has taken nearly all that waited."""
        self._unread = None
        super().resume_writing()

    def check_read(self, now: float) -> None:
        """Cut the connection of a client that takes nothing; called again and again."""
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self._unread = None
        elif self._unread is None or waiting <= self._unread[1] - LEAST_TAKEN:
            self._unread = now, waiting
        elif now - self._unread[0] > self.write_timeout_s:
            self.refusals.note(Reason.UNREAD)
            self.cut()

    def cut(self) -> None:
        """End the connection, and all that is kept for it; `close` would wait for the client."""
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless an answer has begun.

        More of it may be under way: a connection that is closed with bytes unread is reset, and the
        client would not see the answer.
        """
        self.refusals.note(Reason.NO_HTTP)
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        self._deaf = True
        self.transport.write(raw_answer(*self._wrong()))
        self.transport.write_eof()
        self.loop.call_later(DISCARDING_S, self.transport.close)

    def shutdown(self) -> None:
        """Close where no answer is under way, whatever state the connection is in."""
        with contextlib.suppress(h11.LocalProtocolError):
            super().shutdown()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    async def _probed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, for health probes alone."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), CLOSE_HEADER]
            await send(message)

        route, _ = answering(self.config.loaded_app.routes, prefixed(scope, self.prefix))
        if declared(route, PROBE):
            await self.config.loaded_app(scope, receive, closing)
        else:
            self.refusals.note(Reason.LIMIT)
            self.cycle.disconnected = True  # uvicorn is to write nothing more
            self._end(503, NO_ROOM)

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
        if self.spare:
            self.refusals.note(Reason.LIMIT)
            self._end(503, NO_ROOM)
        elif self.conn.trailing_data[0]:
            self.refusals.note(Reason.SLOW_HEAD)
            sentence = f"The head did not come within {self.header_timeout_s:g} s; send it at once."
            self._end(408, sentence)
        else:
            self.refusals.note(Reason.SILENT)
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


def guarded_protocol(settings: Settings, refusals: Refusals) -> type[asyncio.Protocol]:
    """The protocol with a server's limits."""
    limits = {
        "header_timeout_s": settings.header_timeout_s,
        "write_timeout_s": settings.write_timeout_s,
        "refusals": refusals,
        "prefix": settings.root_path,
    }
    return cast("type[asyncio.Protocol]", type("Protocol", (GuardedProtocol,), limits))
