"""What every request passes first: token, size and time of its body, log line, counters."""

import asyncio
import contextlib
import hmac
import json
import logging
import re
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2a_edge.server.logs import log
from t2a_edge.server.service import LEFT, RECORD, Record, RefusalError, Service

OPEN = ("/healthz", "/readyz", "/openapi.json")
WORK = ("/v1/generate", "/v1/interpolate", "/v1/explain", "/v1/stream", "/v1/info", "/metrics")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
PAGE_S = 600.0  # for a file of the page, with its model, to reach a slow client
WRITING_S = 10.0  # after the deadline, for an answer to reach its client
FAILED = "The server failed; its log says why, under this request's id."
DISCARDED = 8_000_000  # bytes of a refused body that are read, so that its answer is
DISCARDING_S = 1.0


def failure_body(sentence: str) -> bytes:
    """The body of every error."""
    body = json.dumps({"error": sentence}, ensure_ascii=False)
    return body.encode("utf-8", "backslashreplace")  # half a surrogate pair, as JSON writes it


class Guard:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        token = service.settings.token
        self._wanted = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing that goes wrong leaves here but as a sentence."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":  # answered as GET is, without the body
            scope = {**scope, "method": "GET"}
        record = self._record(scope)
        try:
            await self._answer(record, scope, receive, self._noted(record, method, send))
        finally:
            log("request", **self.service.finish(record, method))

    def _record(self, scope: Scope) -> Record:
        settings, path = self.service.settings, scope["path"]
        known = path if path in OPEN + WORK else "other"
        record = Record(known, time.monotonic() + settings.deadline_s)
        named = _header(scope, b"x-request-id").decode("latin-1")
        if REQUEST_ID.fullmatch(named):
            record.id = named
        scope[RECORD] = record
        return record

    def _noted(self, record: Record, method: str, send: Send) -> Send:
        """A `send` that notes the status, and adds what every answer has."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", record.id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            elif method == "HEAD":
                message["body"] = b""
            await send(message)

        return noted

    async def _answer(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self.service.settings
        try:
            most_s = PAGE_S if record.path == "other" else settings.deadline_s + WRITING_S
            async with asyncio.timeout(most_s):
                self._check_token(scope)
                body = await self._body(scope, receive)
                await self.app(scope, _replayed(body, receive), send)
        except RefusalError as exc:
            await _discard(scope, receive)
            closing = {"connection": "close", **exc.headers}  # what was not read is not read
            await _refuse(send, exc.status, exc.sentence, closing)
        except TimeoutError:
            if record.status == 0:
                await _refuse(send, 504, self.service.late().sentence, {"connection": "close"})
            else:
                log("answer not read in time", logging.WARNING, id=record.id)
        except Exception:
            log("failed", logging.ERROR, exc=True, id=record.id)
            if record.status == 0:
                await _refuse(send, 500, FAILED, {"connection": "close"})

    def _check_token(self, scope: Scope) -> None:
        if self._wanted is None or not _guarded(scope["path"]) or scope["method"] == "OPTIONS":
            return
        scheme, _, token = _header(scope, b"authorization").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._wanted):
            raise RefusalError(
                401,
                "The bearer token is missing or wrong; send: Authorization: Bearer TOKEN",
                WWW_Authenticate="Bearer",
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, within its limits of bytes and seconds."""
        settings = self.service.settings
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > settings.max_body:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(settings.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusalError(LEFT, "The client has left.")
                    body += message.get("body", b"")
                    if len(body) > settings.max_body:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as exc:
            within = settings.body_timeout_s
            raise RefusalError(
                408, f"The body did not come within {within:g} s; send it at once."
            ) from exc

    def _too_large(self) -> RefusalError:
        most = self.service.settings.max_body
        return RefusalError(413, f"The body is too large; expected {most} bytes or fewer.")


def _guarded(path: str) -> bool:
    return path == "/metrics" or path.startswith("/v1")


def _header(scope: Scope, name: bytes) -> bytes:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what the connection says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _discard(scope: Scope, receive: Receive) -> None:
    """Read some more of a body that is refused and forget it.

    A connection that is closed with bytes unread is reset, and the client would not see the answer.
    """
    if _header(scope, b"expect"):  # the client sends no body before it is asked to
        return
    left = DISCARDED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARDING_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


async def _refuse(send: Send, status: int, sentence: str, headers: Mapping[str, str]) -> None:
    body = failure_body(sentence)
    every = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
