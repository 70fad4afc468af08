"""What every request passes first: token, size and time of its body, log line, counters."""

import asyncio
import hmac
import json
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2a_edge.server.logs import log
from t2a_edge.server.service import LEFT, RECORD, Record, RefusalError, Service

OPEN = ("/healthz", "/readyz", "/openapi.json")
WORK = ("/v1/generate", "/v1/interpolate", "/v1/explain", "/v1/stream", "/v1/info", "/metrics")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
WRITING_S = 10.0  # after the deadline, for an answer to reach its client


def failure_body(sentence: str) -> bytes:
    """The body of every error."""
    return json.dumps({"error": sentence}, ensure_ascii=False).encode()


class Guard:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        token = service.settings.token
        self._wanted = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; nothing that goes wrong leaves here but as a sentence."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = self._record(scope)
        self.service.open_requests += 1
        try:
            await self._answer(record, scope, receive, send)
        finally:
            self.service.open_requests -= 1
            self._finish(record, scope["method"])

    def _record(self, scope: Scope) -> Record:
        settings, path = self.service.settings, scope["path"]
        known = path if path in OPEN + WORK else "other"
        record = Record(known, time.monotonic() + settings.deadline_s)
        named = _header(scope, b"x-request-id").decode("latin-1")
        if REQUEST_ID.fullmatch(named):
            record.id = named
        scope[RECORD] = record
        return record

    async def _answer(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", record.id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        settings = self.service.settings
        try:
            async with asyncio.timeout_at(
                asyncio.get_running_loop().time() + settings.deadline_s + WRITING_S
            ):
                self._check_token(scope)
                body = await self._body(scope, receive)
                await self.app(scope, _replayed(body, receive), noted)
        except RefusalError as exc:
            closing = {"connection": "close", **exc.headers}  # what was not read is not read
            await _refuse(noted, exc.status, exc.sentence, closing)
        except TimeoutError:
            if record.status == 0:
                await _refuse(noted, 504, self.service.late().sentence, {"connection": "close"})
            else:
                log("answer not read in time", logging.WARNING, id=record.id)
        except Exception:
            log("failed", logging.ERROR, exc=True, id=record.id)
            if record.status == 0:
                sentence = "The server failed; its log says why, under this request's id."
                await _refuse(noted, 500, sentence, {"connection": "close"})

    def _check_token(self, scope: Scope) -> None:
        if self._wanted is None or not _guarded(scope["path"]) or scope["method"] == "OPTIONS":
            return
        if not hmac.compare_digest(_header(scope, b"authorization"), self._wanted):
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

    def _finish(self, record: Record, method: str) -> None:
        seconds = time.monotonic() - record.started
        status = record.status or LEFT
        self.service.metrics.on_request(record.path, status, seconds)
        prompt: dict[str, Any] = {} if record.prompt is None else {"prompt": record.prompt}
        log(
            "request", id=record.id, method=method, path=record.path, status=status,
            ms=round(1000 * seconds, 1), batch=record.batch, **prompt,
        )  # fmt: skip


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


async def _refuse(send: Send, status: int, sentence: str, headers: Mapping[str, str]) -> None:
    body = failure_body(sentence)
    every = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
