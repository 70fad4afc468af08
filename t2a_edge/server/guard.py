"""What a request passes before its route: token, type, size and time of its body."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2a_edge.server import multipart
from t2a_edge.server.access import (
    CONTROL,
    FILES,
    OPEN,
    check_site,
    check_token,
    declared,
    headers_of,
)
from t2a_edge.server.logs import log
from t2a_edge.server.problem import EXAMPLE, problem_answer, sentence_of
from t2a_edge.server.service import LEFT, OTHER, RECORD, Record, RefusalError, Service

PAGE_S = 600.0  # for a file of the page, with its model, to reach a slow client
WRITING_S = 10.0  # after the deadline, for an answer to reach its client
FAILED = "The server failed; its log says why, under this request's id."
DISCARDED = 8_000_000  # bytes of a refused body that are read, so that its answer is
DISCARDING_S = 1.0


class Guard:
    """ASGI middleware around the routes: nothing that goes wrong leaves here but as a problem."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            await self._answer(scope[RECORD], scope, receive, send)

    async def _answer(self, record: Record, scope: Scope, receive: Receive, send: Send) -> None:
        settings = self.service.settings
        try:
            most_s = PAGE_S if record.path == OTHER else settings.deadline_s + WRITING_S
            async with asyncio.timeout(most_s):
                if not declared(record.route, OPEN):
                    check_token(scope, settings.token)
                if CONTROL.search(scope["path"]):
                    raise RefusalError(404, sentence_of(404, scope))
                kind = check_type(record, scope, settings.origins)
                files = declared(record.route, FILES)
                most = settings.max_upload if files else settings.max_body
                body = await self._body(scope, receive, most)
                record.read = True
                if kind == multipart.MEDIA_TYPE:
                    scope, body = await asyncio.to_thread(as_json, scope, body)
                await self.app(scope, _replayed(body, receive), send)
        except RefusalError as exc:
            await refuse(exc, scope, receive, send)
        except TimeoutError:
            if record.status == 0:
                await _tell(self.service.late(), scope, receive, send)
            else:
                log("answer not read in time", logging.WARNING, id=record.id)
        except Exception:
            log("failed", logging.ERROR, exc=True, id=record.id)
            if record.status == 0:
                await _tell(RefusalError(500, FAILED), scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive, most: int) -> bytes:
        """The whole body, within its limits of bytes and seconds."""
        settings = self.service.settings
        for length in headers_of(scope, b"content-length"):
            if length.isdigit() and int(length) > most:
                raise too_large(most)
        body = bytearray()
        try:
            async with asyncio.timeout(settings.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusalError(LEFT, "The client has left.")
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large(most)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as exc:
            within = settings.body_timeout_s
            raise RefusalError(
                408, f"The body did not come within {within:g} s; send it at once."
            ) from exc


def too_large(most: int) -> RefusalError:
    """The answer to a body of more bytes."""
    return RefusalError(413, f"The body is too large; expected {most} bytes or fewer.")


def check_type(record: Record, scope: Scope, origins: Sequence[str]) -> bytes:
    """The media type of a body; a RefusalError for one that the route does not read.

    Args:
        origins: whose pages may send uploads.
    """
    if not record.takes_method or getattr(record.route, "body_field", None) is None:
        return b""
    for coding in headers_of(scope, b"content-encoding"):
        if coding.strip().lower() not in (b"", b"identity"):
            raise RefusalError(
                415,
                "The body has a Content-Encoding that is not read here; send it as it is.",
                Accept_Encoding="identity",
            )
    sent = headers_of(scope, b"content-type")
    kind = (sent[0] if len(sent) == 1 else b"").partition(b";")[0].strip().lower()
    named = kind.startswith(b"application/") and kind.endswith((b"/json", b"+json"))
    if not named and kind != multipart.MEDIA_TYPE:
        raise RefusalError(
            415,
            "The Content-Type is neither application/json nor multipart/form-data; name it, and "
            f"send an object such as {EXAMPLE}.",
        )
    if not named:
        check_site(scope, origins)
    return kind


def as_json(scope: Scope, body: bytes) -> tuple[Scope, bytes]:
    """A request that uploads files as one with a body of JSON."""
    kind = headers_of(scope, b"content-type")[0]
    kept = [h for h in scope["headers"] if h[0] not in (b"content-type", b"content-length")]
    told = multipart.json_of_form(kind, body)
    length = (b"content-length", str(len(told)).encode())
    return {**scope, "headers": [*kept, (b"content-type", b"application/json"), length]}, told


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
    if headers_of(scope, b"expect"):  # the client sends no body before it is asked to
        return
    left = DISCARDED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARDING_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def has_body(scope: Scope) -> bool:
    """Whether a request's head announces a body."""
    lengths = headers_of(scope, b"content-length")
    return bool(headers_of(scope, b"transfer-encoding")) or any(n.strip(b"0") for n in lengths)


async def refuse(exc: RefusalError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request whose body may not have come; what comes of it after that is not read."""
    if has_body(scope) and not scope[RECORD].read:
        await _discard(scope, receive)
        exc.headers["Connection"] = "close"
    await _tell(exc, scope, receive, send)


async def _tell(exc: RefusalError, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_answer(scope, exc.status, exc.sentence, exc.headers)(scope, receive, send)
