"""Who may ask for what: the token, by every way to spell a path, and the names in Host."""

import asyncio
import http.client
import json

import pytest
from fastapi import APIRouter, Request, WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from t2a_edge import server
from t2a_edge.cli import main
from t2a_edge.errors import OptionError
from t2a_edge.server import Settings, create_app
from t2a_edge.server.access import is_open
from tests.server.conftest import running

TOKEN = "correct-horse"  # noqa: S105 - of these tests alone
OPEN = {"/healthz", "/readyz", "/openapi.json"}
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "BREW")
SPELLINGS = {
    "plain": lambda path: path,
    "query": lambda path: path + "?path=/healthz",
    "encoded newline": lambda path: path + "%0a",
    "encoded newlines": lambda path: path + "%0d%0a",
    "encoded null": lambda path: path + "%00",
    "encoded slash": lambda path: "/" + path[1:].replace("/", "%2f"),
    "first slash encoded": lambda path: "/%2f" + path[1:],
    "encoded letters": lambda path: "/" + "".join(f"%{ord(c):02x}" for c in path[1:]),
    "trailing slash": lambda path: path + "/",
    "trailing encoded slash": lambda path: path + "%2f",
    "two slashes": lambda path: "/" + path,
    "case": lambda path: path.upper(),
    "dots": lambda path: "/healthz/.." + path,
    "encoded dots": lambda path: "/healthz/%2e%2e" + path,
    "parameter": lambda path: path + ";/healthz",
    "fragment": lambda path: path + "%23/healthz",
    "space": lambda path: path + "%20",
}
SAME = {"plain", "query", "encoded slash", "encoded letters"}  # that name the route


@pytest.fixture(scope="module")
def guarded(engine, tmp_path_factory):
    """A server with a token, without a page and with one: by whether it has one."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text("<title>art</title>")
    with running(engine, token=TOKEN) as bare, running(engine, token=TOKEN, page=folder) as paged:
        yield {False: bare, True: paged}


class Reached:
    """A server as it is reached: plainly, mounted in another application, or with a root path."""

    def __init__(self, live, how):
        self.config = live.server.config  # which uvicorn reads for each connection
        self.application = self.config.app
        self.how, self.prefix = how, ""
        self.connect = live.connect

    def __enter__(self):
        if self.how == "mounted":
            self.prefix = "/art"
            self.config.loaded_app = Starlette(routes=[Mount("/art", self.application)])
        elif self.how == "root path":  # which uvicorn puts in front of the path itself
            self.config.root_path = "/art"
        self.connection = self.connect()
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.config.loaded_app, self.config.root_path = self.application, ""

    def status(self, method, path, token=""):
        head = f"{method} {self.prefix}{path} HTTP/1.1\r\nhost: localhost\r\n"
        if token:
            head += f"authorization: Bearer {token}\r\n"
        head += "content-type: application/json\r\n\r\n"
        self.connection.sendall(head.encode())
        with http.client.HTTPResponse(self.connection, method=method) as answer:
            answer.begin()
            answer.read()
            assert not answer.will_close
            return answer.status

    def routes(self):
        """Path and methods of every route, as the application has them; a new one is in here."""
        return [(r.path, r.methods) for r in self.application.routes if not isinstance(r, Mount)]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("how", ["plain", "mounted", "root path", "beside a page"])
def test_no_route_but_the_open_ones_answers_without_the_token(guarded, how, spelling):
    spell, same, page = SPELLINGS[spelling], spelling in SAME, how == "beside a page"
    with Reached(guarded[page], how) as reached:
        routes = reached.routes()
        assert {path for path, _ in routes} > OPEN
        for path, methods in routes:
            for method in METHODS:
                takes = same and (method in methods or (method == "HEAD" and "GET" in methods))
                empty = "GET" in methods and path != "/v1/pictures"  # which asks for a prompt
                right = {200 if empty else 422} if takes else {404, 405}
                refused = {401, 404, 405} if page and not takes else {401}  # a page is open itself
                without = right if path in OPEN and same else refused
                assert reached.status(method, spell(path)) in without, (method, path)
                if takes or method == "GET":
                    bearing = reached.status(method, spell(path), TOKEN)
                    assert bearing in right, (method, path)


def asked(app, path, kind="http", host="localhost", came_to="127.0.0.1", headers=(), **more):
    """What an application sends for one request without a body, in this process."""
    sent = []
    scope = {
        "type": kind, "method": "GET", "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "http_version": "1.1", "scheme": "http", "server": (came_to, 80),
        "headers": [*([(b"host", host.encode())] if host else []), *headers],
        "client": ("10.0.0.9", 4), "asgi": {"version": "3.0"}, "subprotocols": [], **more,
    }  # fmt: skip

    given = [{"type": "websocket.connect" if kind == "websocket" else "http.request"}]

    async def receive():
        return given.pop() if given else await asyncio.Event().wait()  # the client stays

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def status_of(sent):
    return sent[0]["status"]


async def hello(_: Request):
    return PlainTextResponse("hello")


async def greet(websocket: WebSocket):
    await websocket.accept()
    await websocket.close()


def test_what_is_added_later_is_guarded_unless_it_says_otherwise(engine):
    app = create_app(engine, Settings(token=TOKEN))
    included = APIRouter()
    included.add_api_route("/included", hello, response_model=None)
    app.include_router(included)
    app.add_api_route("/v2/new", hello, response_model=None)
    app.add_route("/healthz/new", hello)
    app.mount("/sub", Starlette(routes=[Route("/deep", hello)]))
    app.add_api_websocket_route("/socket", greet)
    bearer = (b"authorization", f"Bearer {TOKEN}".encode())
    for path in ("/included", "/v2/new", "/healthz/new", "/sub/deep"):
        assert status_of(asked(app, path)) == 401, path
        assert status_of(asked(app, path, headers=[bearer])) == 200, path
    (refused,) = asked(app, "/socket", kind="websocket")
    assert refused == {"type": "websocket.close", "code": 1008}
    greeted = asked(app, "/socket", kind="websocket", headers=[bearer])
    assert greeted[0]["type"] == "websocket.accept"
    (elsewhere,) = asked(app, "/socket", kind="websocket", headers=[bearer], host="evil.example")
    assert elsewhere["type"] == "websocket.close"


def test_a_new_route_is_open_where_it_says_so(engine):
    app = create_app(engine, Settings(token=TOKEN))

    @is_open
    async def public(_: Request):
        return PlainTextResponse("hello")

    app.add_api_route("/public", public, response_model=None)
    assert status_of(asked(app, "/public")) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([f"Bearer {TOKEN}"], 200),
        ([f"bearer {TOKEN}"], 200),
        ([f"BEARER   {TOKEN} "], 200),
        ([], 401),
        ([""], 401),
        (["Bearer"], 401),
        (["Bearer "], 401),
        ([f"Bearer{TOKEN}"], 401),
        ([f"Bearer {TOKEN}x"], 401),
        ([f"Bearer {TOKEN[:-1]}"], 401),
        ([f"Bearer {TOKEN.upper()}"], 401),
        ([f"Bearer {TOKEN}, Basic eA=="], 401),
        ([f"Basic {TOKEN}"], 401),
        ([f"Bearer \xe9{TOKEN}"], 401),
        ([TOKEN], 401),
        ([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], 401),  # which of the two a proxy read is unknown
        ([f"Bearer {TOKEN}", "Bearer wrong"], 401),
    ],
)
def test_one_header_bears_the_token(engine, headers, status):
    app = create_app(engine, Settings(token=TOKEN))
    raw = [(b"authorization", value.encode("latin-1")) for value in headers]
    begun, _ = asked(app, "/v1/info", headers=raw)
    assert begun["status"] == status
    challenge = dict(begun["headers"]).get(b"www-authenticate")
    assert challenge == (None if status == 200 else b"Bearer")


LOOPBACK = ["localhost", "LocalHost:81", "a.localhost", "127.0.0.1", "127.8.0.1:8080", "[::1]:80",
            "localhost."]  # fmt: skip
ELSEWHERE = ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example",
             "10.0.0.7", "0.0.0.1", "[::2]", "evil@localhost", "localhost/", "a b", ""]  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/info", "/metrics", "/openapi.json", "/", "/nothing"])
def test_on_loopback_other_names_are_refused(engine, tmp_path, path):
    (tmp_path / "index.html").touch()
    app = create_app(engine, Settings(page=tmp_path))
    for host in LOOPBACK:
        assert status_of(asked(app, path, host=host)) != 421, host
    for host in ELSEWHERE:
        begun, body = asked(app, path, host=host)
        assert begun["status"] == 421, host
        assert "--allowed-hosts" in json.loads(body["body"])["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered_by_address_but_not_by_name(engine, path):
    for settings in (Settings(), Settings(allowed_hosts=("art.example.org",))):
        app = create_app(engine, settings)
        for host in ("10.0.0.7", "10.0.0.7:8080", "[fd00::7]:8080", "127.0.0.1", ""):
            assert status_of(asked(app, path, host=host)) == 503, host  # alive, and not started
        assert status_of(asked(app, path, host="evil.example")) == 421


@pytest.mark.parametrize(
    ("settings", "came_to", "right", "wrong"),
    [
        # reached by another address: any name, as a proxy or a cluster gives it
        ({"host": "0.0.0.0"}, "10.0.0.7", ["art.example.org", "10.0.0.7"], []),  # noqa: S104
        ({"host": "0.0.0.0"}, "127.0.0.1", ["art.example.org"], []),  # noqa: S104 - a sidecar
        ({"host": "::"}, "::ffff:127.0.0.1", ["art.example.org"], []),
        ({"host": "10.0.0.7"}, "10.0.0.7", ["art.example.org"], []),
        ({}, "10.0.0.7", ["art.example.org"], []),  # in another application
        ({}, "/run/art.sock", ["art.example.org"], []),
        # reached by loopback
        ({"host": "::1"}, "::1", ["[::1]", "localhost"], ["art.example.org"]),
        ({"host": "art"}, "127.0.1.1", ["art", "localhost"], ["art.example.org"]),
        ({}, "::ffff:127.0.0.1", ["localhost"], ["art.example.org"]),
        # as told
        (
            {"allowed_hosts": ("Art.example.org", "[FD00::7]")}, "127.0.0.1",
            ["art.example.org", "ART.example.org:80", "[fd00::7]", "127.0.0.1"],
            ["localhost", "a.art.example.org", "example.org"],
        ),
        (
            {"allowed_hosts": ("*.example.org",), "host": "0.0.0.0"}, "10.0.0.7",  # noqa: S104
            ["a.example.org", "b.a.example.org", "10.0.0.7"],
            ["example.org", "aexample.org", "10.0.0.8"],
        ),
        ({"allowed_hosts": ("*",)}, "127.0.0.1", ["anything.example"], []),
    ],
)  # fmt: skip
def test_which_names_are_answered(engine, settings, came_to, right, wrong):
    app = create_app(engine, Settings(**settings))
    for host in right:
        assert status_of(asked(app, "/v1/info", host=host, came_to=came_to)) == 200, host
    for host in wrong:
        assert status_of(asked(app, "/v1/info", host=host, came_to=came_to)) == 421, host


def test_a_server_on_loopback_refuses_a_name_that_was_bound_to_it(live):
    refused = live.client.get("/v1/info", headers={"Host": "evil.example"})
    assert refused.status_code == 421
    assert live.client.get("/healthz", headers={"Host": "10.0.0.7"}).status_code == 200


@pytest.mark.parametrize("name", ["T2A_EDGE_TOKEN", "T2A_EDGE_ALLOWED_HOSTS", "T2A_EDGE_PORT"])
@pytest.mark.parametrize("text", ["", "  ", "\t\n"])
def test_a_variable_that_is_set_and_empty_is_refused(monkeypatch, name, text):
    monkeypatch.setattr(server, "serve", lambda settings: pytest.fail("it was started"))
    monkeypatch.setenv(name, text)
    with pytest.raises(OptionError, match=f"{name} is set and empty"):
        main.main(["serve"], standalone_mode=False)


def test_variables_and_options_reach_the_settings(monkeypatch):
    given = []
    monkeypatch.setattr(server, "serve", given.append)
    monkeypatch.setenv("T2A_EDGE_TOKEN", TOKEN)
    monkeypatch.setenv("T2A_EDGE_ALLOWED_HOSTS", "a.example, b.example c.example")
    main.main(["serve"], standalone_mode=False)
    main.main(
        ["serve", "--allowed-hosts", "d.example", "--token", TOKEN * 2], standalone_mode=False
    )
    assert [(s.token, s.allowed_hosts) for s in given] == [
        (TOKEN, ("a.example", "b.example", "c.example")), (TOKEN * 2, ("d.example",)),
    ]  # fmt: skip
