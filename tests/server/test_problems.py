"""Every error is a problem of RFC 9457, whoever found it: a route, a library, the page."""

import json

import pytest

from tests.server.test_endpoints import detail_of
from tests.server.test_stream import Held

ORIGIN = "https://art.example.org"


@pytest.fixture(scope="module")
def paged(engine, tmp_path_factory):
    """A server with a page and an origin, and the page's folder."""
    from tests.server.conftest import running

    folder = tmp_path_factory.mktemp("page") / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<title>art</title>")
    (folder / "model.bin").write_bytes(bytes(range(100)))
    with running(engine, page=folder, origins=(ORIGIN,)) as live:
        yield live, folder


@pytest.mark.parametrize(
    ("preflight", "right"),
    [
        ({}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Access-Control-Request-Method": "DELETE"}, False),
        ({"Access-Control-Request-Headers": "x-other"}, False),
    ],
)
def test_a_preflight_that_is_refused_is_a_problem(paged, preflight, right):
    live, _ = paged
    asked = {
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type", **preflight,
    }  # fmt: skip
    answer = live.client.options("/v1/generate", headers=asked)
    if right:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 400
        assert "--origin names the origins" in detail_of(answer)
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (None if preflight.get("Origin") else ORIGIN)
    counted = {"path": "other", "status": str(answer.status_code)}  # GET there is the page's
    count = live.service.metrics.registry.get_sample_value
    live.until(lambda: count("t2a_edge_requests_total", counted) is not None)


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.example"])
def test_a_refusal_can_be_read_by_the_page_that_asked(paged, origin):
    live, _ = paged
    for answer in (
        live.client.post("/v1/generate", content=b"{}", headers={"Origin": origin}),  # 415
        live.client.get("/nothing", headers={"Origin": origin}),
        live.client.get("/model.bin", headers={"Origin": origin, "Range": "bytes=200-"}),
    ):
        assert detail_of(answer)
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed == (ORIGIN if origin == ORIGIN else None)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("bytes=0-9", 206),
        ("bytes=100-", 416),
        ("bytes=500-600", 416),
        ("bytes=9-1", 400),
        ("bytes=", 400),
        ("lines=0-9", 400),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_range_that_is_not_there_is_a_problem(paged, method, asked, status):
    live, _ = paged
    answer = live.client.request(method, "/model.bin", headers={"Range": asked})
    assert answer.status_code == status
    if status == 206:
        assert answer.headers["content-range"] == "bytes 0-9/100"
        return
    assert ("*/100" in answer.headers.get("content-range", "")) == (status == 416)
    if method == "HEAD":
        assert answer.content == b""
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert "Range" in detail_of(answer)


def test_what_a_page_refuses_is_a_problem(paged):
    live, _ = paged
    answer = live.client.post("/model.bin")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert "POST is not for this path" in detail_of(answer)
    assert live.client.get("/nothing.js").status_code == 404
    assert "nothing at this path" in detail_of(live.client.get("/a%00b"))
    assert "nothing at this path" in detail_of(live.client.get("/" + "long" * 300))


def test_what_fails_below_the_routes_is_a_problem(engine):
    from t2a_edge.server import Settings, create_app
    from tests.server.test_access import asked

    app = create_app(engine, Settings())

    async def broken(*_):
        raise RuntimeError("it broke")

    app.mount("/broken", broken)
    begun, body = asked(app, "/broken/x")
    assert begun["status"] == 500
    assert dict(begun["headers"])[b"content-type"] == b"application/problem+json"
    assert "its log says why" in json.loads(body["body"])["detail"]


def test_an_event_of_an_error_is_a_problem(serving):
    with serving() as live, Held(live, fails=True) as held:
        with live.client.stream("POST", "/v1/stream", json={"prompt": "warm"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: step"
            held.go()
            *_, name, data, _ = lines
        assert name == "event: error"
        problem = json.loads(data.removeprefix("data: "))
        assert {**problem, "detail": ""} == {
            "type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": "",
            "request_id": answer.headers["x-request-id"],
        }  # fmt: skip


# ---- the page's files


@pytest.mark.parametrize(
    "hidden",
    [
        ".env",
        ".git/config",
        "art/.cache/model.bin",
        ".well-known/security.txt",
        "..hidden",
        ".../x",
    ],
)
@pytest.mark.parametrize("spelling", ["/{}", "/%2e{}", "/art/../{}", "/art/%2e%2e/{}", "//{}"])
def test_no_hidden_file_is_served(paged, hidden, spelling):
    live, folder = paged
    (folder / "art").mkdir(exist_ok=True)
    target = folder / hidden
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("secret")
    path = spelling.format(hidden.removeprefix(".") if "%2e{" in spelling else hidden)
    head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = live.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in answer


def test_a_link_leads_to_no_file_outside_nor_to_a_hidden_one(paged, tmp_path):
    live, folder = paged
    (tmp_path / "outside.txt").write_text("secret")
    (folder / ".inside.txt").write_text("secret")
    (folder / "shown.txt").write_text("shown")
    for name, target in {
        "outside.txt": tmp_path / "outside.txt", "folder": tmp_path, "hidden.txt": ".inside.txt",
        "circle.txt": "circle.txt", "linked.txt": "shown.txt",
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    for path in ("outside.txt", "folder/outside.txt", "folder/", "hidden.txt", "circle.txt"):
        answer = live.client.get("/" + path)
        assert (answer.status_code, b"secret" in answer.content) == (404, False), path
    assert live.client.get("/linked.txt").text == "shown"


def test_a_folder_below_a_hidden_one_can_be_the_page(engine, tmp_path):
    from t2a_edge.server import Settings, create_app
    from tests.server.test_access import asked

    page = tmp_path / ".cache" / "page"
    page.mkdir(parents=True)
    (page / "index.html").write_text("art")
    app = create_app(engine, Settings(page=page))
    assert [asked(app, path)[0]["status"] for path in ("/", "/index.html")] == [200, 200]
