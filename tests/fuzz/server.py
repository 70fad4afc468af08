"""The server: requests of any kind, and bytes that are no request."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import h11
from hypothesis import strategies as st

from t2a_edge.pipeline import TextToArt
from t2a_edge.server.run import make_server
from t2a_edge.server.settings import NUMBERS as RANGES
from t2a_edge.server.settings import WHOLE, Settings
from tests.fuzz.core import Places, Try, must, target
from tests.fuzz.values import hostile, json_text, plain_json, real

LIMITS = {"max_count": 2, "max_frames": 3, "max_size": 256, "deadline_s": 15.0}
PATHS = ["/v1/generate", "/v1/interpolate", "/v1/explain", "/v1/stream", "/v1/info", "/healthz",
         "/readyz", "/metrics", "/openapi.json", "/", "/v1", "/v1/", "//v1/info", "/v1/info/",
         "/V1/INFO", "/v1/%2e%2e/metrics", "/metrics\n", "/\ud800",
         "/v1/generate\0", "*"]  # fmt: skip
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "BREW", "get"]
FIELDS = ["prompt", "blend", "amount", "seed", "guidance_scale", "temperature", "steps", "form",
          "form_strength", "count", "seed_step", "size", "tile", "format", "first", "second",
          "frames", "frame_ms", "unheard-of"]  # fmt: skip
SOUND = {"prompt": "warm", "first": "warm", "second": "icy", "frames": 2, "seed": 7}
HEADERS = ["content-type", "content-length", "accept", "authorization", "expect", "origin", "range",
           "x-request-id", "host", "cookie", "accept-encoding", "transfer-encoding",
           "access-control-request-method"]  # fmt: skip
HEADER_VALUES = ["application/json", "text/plain", "application/json; charset=utf-16", "", "0",
                 "-1", "99999999999", "*/*", "image/png", "Bearer x", "100-continue", "bytes=0-1",
                 "http://evil.example", "evil.example", "chunked", "x" * 3000, "é",
                 "identity"]  # fmt: skip
FAILED = (501, 503, 504)  # documented, beside what is below 500
PATIENCE_S = 15.0

BODY = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), plain_json(), max_size=4),
    st.dictionaries(st.sampled_from(FIELDS), plain_json(), max_size=2).map(
        lambda found: {"prompt": "warm", **found}
    ),
    st.dictionaries(st.sampled_from(FIELDS), plain_json(), max_size=2).map(
        lambda found: {"first": "warm", "second": "icy", "frames": 2, **found}
    ),
    plain_json(),
)
REQUEST = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS),
        "path": st.one_of(st.sampled_from(PATHS), st.text(max_size=8).map("/".__add__)),
        "query": st.sampled_from(["", "a=1", "%00", "=", "a" * 300, "\xff"]),
        "headers": st.lists(
            st.tuples(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES)), max_size=3
        ),
        "body": BODY,
        "pieces": st.integers(1, 3),
    }
)
POSTED = st.fixed_dictionaries(
    {
        "method": st.just("POST"),
        "path": st.sampled_from(PATHS[:4]),
        "query": st.just(""),
        "headers": st.just([["content-type", "application/json"]]),
        "body": BODY,
        "pieces": st.just(1),
    }
)


class Running:
    """An application whose lifespan has begun, in a loop of its own."""

    def __init__(self, engine: TextToArt) -> None:
        logging.disable(logging.CRITICAL)
        self.loop = asyncio.new_event_loop()
        self.server = make_server(engine, Settings(**LIMITS))
        config = self.server.config
        if not config.loaded:
            config.load()
        self.config, self.app = config, config.loaded_app
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()

    def start(self) -> None:
        self.loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(
            self.app(scope, self._to_app.get, self._from_app.put)
        )
        await self._to_app.put({"type": "lifespan.startup"})
        message = await self._from_app.get()
        must(message["type"] == "lifespan.startup.complete", "the server does not start")

    def end(self) -> None:
        async def ending() -> None:
            await self._to_app.put({"type": "lifespan.shutdown"})
            await self._lifespan

        self.loop.run_until_complete(ending())
        self.loop.close()
        logging.disable(logging.NOTSET)

    async def ask(self, scope: dict[str, Any], pieces: list[bytes]) -> tuple[int, Any, bytes]:
        """What the application answers: status, headers, body."""
        given = [{"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
                 for number, piece in enumerate(pieces)]  # fmt: skip
        sent: list[dict[str, Any]] = []
        waiting = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if given:
                return given.pop(0)
            await waiting.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await asyncio.wait_for(self.app(scope, receive, send), PATIENCE_S)
        waiting.set()
        must(bool(sent) and sent[0]["type"] == "http.response.start", "no answer")
        body = b"".join(message.get("body", b"") for message in sent[1:])
        must(not sent[-1].get("more_body", False), "an answer without an end")
        return sent[0]["status"], sent[0].get("headers", []), body


def check_answer(status: int, headers: Any, body: bytes, method: str = "GET") -> None:
    """An answer that a client can make sense of."""
    must(100 <= status < 500 or status in FAILED, f"status {status}")
    kind = {bytes(k).lower(): bytes(v) for k, v in headers}.get(b"content-type", b"")
    if b"json" in kind and method != "HEAD" and body:
        found = json.loads(body)
        must(status < 400 or isinstance(found, dict), "an error that is no object")
    if status >= 400 and method not in ("HEAD", "OPTIONS"):
        must(bool(body), "an error without a sentence")


@target("request", values=st.one_of(REQUEST, POSTED), slow=True)
def request(places: Places) -> Iterator[Try]:
    with TextToArt(places.bundle) as engine:
        running = Running(engine)
        running.start()

        def call(given: Any) -> None:
            body = json_text(given["body"]).encode("utf-8", "surrogatepass")
            size = -(-max(1, len(body)) // given["pieces"])
            pieces = [body[i : i + size] for i in range(0, max(1, len(body)), size)]
            path = given["path"]
            headers = [(b"host", b"127.0.0.1:8080")]
            headers += [(k.encode(), v.encode("latin-1")) for k, v in given["headers"]]
            scope = {
                "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
                "method": given["method"], "scheme": "http", "path": path, "root_path": "",
                "raw_path": path.encode("utf-8", "replace"),
                "query_string": given["query"].encode("latin-1"), "headers": headers,
                "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8080), "state": {},
            }  # fmt: skip
            found = running.loop.run_until_complete(running.ask(scope, pieces))
            check_answer(*found, given["method"])

        try:
            yield call
        finally:
            running.end()


class Wire(asyncio.Transport):
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 5000), "sockname": ("127.0.0.1", 8080)})
        self.written, self.closing = bytearray(), False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def conversations(_: Places) -> list[bytes]:
    host = b"Host: 127.0.0.1:8080\r\n"
    body = b'{"prompt": "warm"}'
    posted = (b"POST /v1/explain HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % len(body) + body)  # fmt: skip
    chunked = (b"POST /v1/explain HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n12\r\n" + body + b"\r\n0\r\n\r\n")  # fmt: skip
    plain = b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n"
    return [
        plain, plain + plain, posted, chunked, posted + plain,
        b"GET /v1/info HTTP/1.0\r\n\r\n", b"HEAD /metrics HTTP/1.1\r\n" + host + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + host + b"\r\n",
        b"POST /v1/explain HTTP/1.1\r\n" + host + b"Expect: 100-continue\r\nContent-Length: 2\r\n"
        b"\r\n{}",
        b"GET / HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        posted.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
        b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET " + b"a" * 20_000,
    ]  # fmt: skip


@target("connection", seeds=conversations, slow=True)
def connection(places: Places) -> Iterator[Try]:
    with TextToArt(places.bundle) as engine:
        running = Running(engine)
        running.start()

        async def talk(given: bytes) -> bytes:
            wire = Wire()
            config, state = running.config, running.server.server_state
            protocol = config.http_protocol_class(config=config, server_state=state, app_state={})
            problems: list[Any] = []
            running.loop.set_exception_handler(lambda _, context: problems.append(context))
            protocol.connection_made(wire)
            middle = len(given) // 2
            for piece in (given[:middle], given[middle:]):
                if piece and not wire.closing:
                    protocol.data_received(piece)
                    await asyncio.sleep(0)
            for _ in range(200):  # answers that need no more bytes
                if not state.tasks or wire.closing:
                    break
                await asyncio.sleep(0.001 if engine else 0)
            protocol.connection_lost(None)
            if state.tasks:
                await asyncio.wait(set(state.tasks), timeout=PATIENCE_S)
                must(not state.tasks, "a request that does not end with its connection")
            must(not problems, f"the loop was told of {problems[:1]}")
            return bytes(wire.written)

        def call(given: bytes) -> None:
            check_conversation(running.loop.run_until_complete(talk(given)), given)

        try:
            yield call
        finally:
            running.end()


def check_conversation(written: bytes, asked: bytes) -> None:
    """Whole answers of HTTP/1.1, none of them a failure of the server; the last may be cut.

    An answer may be one to HEAD, with no body, where that was asked.
    """
    methods = ("HEAD", "GET") if b"HEAD" in asked.upper() else ("GET",)
    while written:
        found = [answer for method in methods if (answer := _first_answer(written, method))]
        must(bool(found), f"no HTTP: {written[:200]!r}")
        status, rest = found[0]
        must(status is None or status < 500 or status in FAILED, f"status {status}")
        if rest is None:
            return
        written = rest


def _first_answer(written: bytes, method: str) -> tuple[int | None, bytes | None] | None:
    """The status of the first answer to a method and what is behind it; None where that is none.

    What is behind it is None where the answer is cut, or is the last of its connection.
    """
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(written)
    status = None
    try:
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage) or event in (h11.NEED_DATA, h11.PAUSED):
                break
    except h11.RemoteProtocolError:
        return None
    rest = client.trailing_data[0] if client.their_state is h11.DONE else None
    return None if rest and not rest.startswith(b"HTTP/1.1 ") else (status, rest)


KINDS = {**dict.fromkeys(WHOLE, None), **dict.fromkeys(RANGES, None)}
SETTINGS = st.fixed_dictionaries(
    {}, optional={name: hostile() for name in [*KINDS, "host", "token", "origins", "page",
                                               "max_size", "bundle", "provider", "log_prompts"]}
)  # fmt: skip


@target("settings", values=SETTINGS)
def settings(_: Places) -> Iterator[Try]:
    def call(given: Any) -> None:
        made = Settings(**{name: real(value) for name, value in given.items()})
        for name, (least, most) in (*WHOLE.items(), *RANGES.items()):
            must(least <= getattr(made, name) <= most, f"{name} is out of its range")

    yield call
