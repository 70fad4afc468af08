"""What every request passes first and last: record, Host, framing; headers, log line, counters."""

import re
import time

from starlette.responses import RedirectResponse
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2a_edge.server.access import (
    OPEN,
    PROBE,
    Hosts,
    answering,
    check_token,
    declared,
    headers_of,
    prefixed,
)
from t2a_edge.server.guard import has_body, refuse
from t2a_edge.server.logs import log
from t2a_edge.server.problem import LARGE_HEAD, LONG_PATH, MEDIA_TYPE, problem_answer, sentence_of
from t2a_edge.server.service import OTHER, RECORD, Record, RefusalError, Service
from t2a_edge.server.settings import MAX_HEAD
from t2a_edge.server.tracing import Spans

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
HEAD_ONLY = "t2a_edge.head"  # key of the ASGI scope: the method was HEAD
POLICY = 1008  # of RFC 6455: how a websocket is closed that may not be opened


class Entry:
    """ASGI middleware, the outermost: what goes wrong below leaves here as a problem."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service
        self._hosts = Hosts(service.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        prefix = self.service.settings.root_path
        if scope["type"] == "http":
            await self._http(prefixed(scope, prefix), receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(prefixed(scope, prefix), receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "HEAD":  # answered as GET is, without the body
            scope = {**scope, "method": "GET", HEAD_ONLY: True}
        record = self._record(scope)
        record.spans.begin(
            method if record.path == OTHER else f"{method} {record.path}",
            http__request__method=method, url__scheme=scope["scheme"], url__path=scope["path"],
            http__route=None if record.path == OTHER else record.path,
            network__protocol__version=scope["http_version"],
        )  # fmt: skip
        exchange = Exchange(scope, receive, send, without_body=method == "HEAD")
        try:
            try:
                self._hosts.check(scope, declared(record.route, PROBE))
                check_head(scope)
            except RefusalError as exc:
                await refuse(exc, scope, exchange.receive, exchange.send)
            else:
                bare = scope["path"] == scope.get(
                    "root_path"
                )  # "/art": a page's links need "/art/"
                app = RedirectResponse(f"{scope['path']}/", 308) if bare else self.app
                await app(scope, exchange.receive, exchange.send)
        finally:
            log("request", **self.service.finish(record, method))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """None is served here; where somebody adds one, it is guarded as all else is."""
        route, _ = answering(scope["app"].routes, scope)
        try:
            self._hosts.check(scope, probe=False)
            if not declared(route, OPEN):
                check_token(scope, self.service.settings.token)
        except RefusalError:
            await receive()
            await send({"type": "websocket.close", "code": POLICY})
        else:
            await self.app(scope, receive, send)

    def _record(self, scope: Scope) -> Record:
        route, match = answering(scope["app"].routes, scope)
        record = Record(
            route.path if isinstance(route, Route) else OTHER,
            time.monotonic() + self.service.settings.deadline_s,
            route=route,
            takes_method=match is Match.FULL,
            spans=Spans(self.service.tracer, scope["headers"]),
        )
        for named in headers_of(scope, b"x-request-id")[:1]:
            if REQUEST_ID.fullmatch(named.decode("latin-1")):
                record.id = named.decode()
        scope[RECORD] = record
        return record


def check_head(scope: Scope) -> None:
    """A RefusalError for a head that is too large, or that leaves open where the body ends.

    The latter is refused and its connection closed, as another reader may find another request
    there: RFC 9112, section 6.1.
    """
    path = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    size = path + sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > MAX_HEAD:
        status, sentence = (414, LONG_PATH) if path > MAX_HEAD else (431, LARGE_HEAD)
        raise RefusalError(status, sentence, Connection="close")
    lengths = headers_of(scope, b"content-length")
    if headers_of(scope, b"transfer-encoding") and (lengths or scope["http_version"] == "1.0"):
        raise RefusalError(
            400,
            "The request tells its length in two ways, or in one that HTTP/1.0 lacks; "
            "send Content-Length alone.",
            Connection="close",
        )


class Exchange:
    """A request as it is read, and its answer as it is sent.

    Every answer has the request's id; an error that a library wrote becomes a problem; a connection
    whose body was not read to its end is closed, as the next request cannot be found in it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, without_body: bool) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._record: Record = scope[RECORD]
        self._without_body = without_body
        self._read = not has_body(scope)
        self._instead: bytes | None = None  # the body that is sent in place of a library's

    async def receive(self) -> Message:
        """As ASGI's."""
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._read = True
        return message

    async def send(self, message: Message) -> None:
        """As ASGI's."""
        if message["type"] == "http.response.start":
            message = self._begun(message)
        elif self._instead is not None:
            body, self._instead = self._instead, b""
            if not body:  # the rest of the library's
                return
            message = {"type": "http.response.body", "body": body}
        if self._without_body and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    def _begun(self, message: Message) -> Message:
        status, headers = message["status"], list(message.get("headers", []))
        self._record.status = status
        told = b"".join(value for name, value in headers if name.lower() == b"content-type")
        if status >= 400 and not told.startswith((MEDIA_TYPE.encode(), b"text/html")):
            answer = problem_answer(self._scope, status, sentence_of(status, self._scope))
            headers = [
                h for h in headers if h[0].lower() not in (b"content-type", b"content-length")
            ]
            headers += answer.raw_headers
            self._instead = bytes(answer.body)
        headers += [
            (b"x-request-id", self._record.id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        if self._record.spans.traceparent:
            headers.append((b"traceparent", self._record.spans.traceparent.encode()))
        if not self._read and b"connection" not in (name.lower() for name, _ in headers):
            headers.append((b"connection", b"close"))
        return {**message, "headers": headers}
