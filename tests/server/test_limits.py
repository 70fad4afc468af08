"""Full queues, deadlines, clients that leave, tokens, origins."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from t2a_edge.server import Settings
from t2a_edge.server.batching import Kind


def small_queue(**more):
    return {"max_queue": 2, "max_count": 2, "max_frames": 2, "max_size": 256, **more}


def test_a_full_queue_is_429_and_says_when(serving):
    with serving(**small_queue(max_batch=1)) as live, ThreadPoolExecutor(4) as pool:
        live.engine.gate.clear()
        running = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1)
        live.engine.wait_until_drawing()
        waiting = [pool.submit(live.post, "/v1/generate", prompt="warm", seed=s) for s in (2, 3)]
        live.until(lambda: live.service.plain.waiting == 2)
        refused = live.post("/v1/generate", prompt="warm", seed=4)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "busy, 2 pictures wait" in refused.json()["detail"]
        assert live.client.get("/healthz").status_code == 200
        live.engine.gate.set()
        assert [f.result().status_code for f in (running, *waiting)] == [200, 200, 200]
        assert live.post("/v1/generate", prompt="warm", seed=4).status_code == 200


def test_what_would_be_late_is_429_at_once(serving):
    with serving(deadline_s=20) as live, ThreadPoolExecutor(1) as pool:
        live.engine.gate.clear()
        running = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1)
        live.engine.wait_until_drawing()
        live.service.pace.seconds_each[Kind.PLAIN] = 15
        refused = live.post("/v1/generate", prompt="warm", seed=2)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "15")
        live.engine.gate.set()
        assert running.result().status_code == 200
        assert live.post("/v1/generate", prompt="warm", seed=2).status_code == 200  # none ahead


def test_a_large_picture_holds_up_no_small_one(serving):
    with serving() as live, ThreadPoolExecutor(2) as pool:
        live.engine.gate.clear()
        large = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1, size=[384, 256])
        live.engine.wait_until_drawing()
        assert live.service.busy == 1
        small = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1)
        live.engine.wait_until_drawing()  # both are drawn at once
        live.engine.gate.set()
        assert (small.result().status_code, large.result().status_code) == (200, 200)


def test_pictures_of_several_requests_take_turns(serving):
    with serving(max_batch=2, max_wait_ms=0) as live, ThreadPoolExecutor(3) as pool:
        live.engine.gate.clear()
        pool.submit(live.post, "/v1/generate", prompt="dark", seed=0)
        live.engine.wait_until_drawing()
        pool.submit(live.post, "/v1/generate", prompt="warm", seed=1, count=4, format="json")
        live.until(lambda: live.service.plain.waiting == 4)
        one = pool.submit(live.post, "/v1/generate", prompt="icy", seed=1)
        live.until(lambda: live.service.plain.waiting == 5)
        live.engine.gate.set()
        assert one.result().status_code == 200
    assert [[r.prompt for r in batch] for batch in live.engine.batches] == [
        ["dark"], ["warm", "icy"], ["warm", "warm"], ["warm"],
    ]  # fmt: skip


def test_one_picture_that_fails_does_not_spoil_its_batch(serving):
    with serving(max_wait_ms=0) as live, ThreadPoolExecutor(4) as pool:
        live.engine.gate.clear()
        live.engine.fails_for = "cursed"
        first = pool.submit(live.post, "/v1/generate", prompt="dark", seed=0)
        live.engine.wait_until_drawing()
        good, bad, other = (
            pool.submit(live.post, "/v1/generate", prompt=prompt, seed=1)
            for prompt in ("warm", "cursed", "icy")
        )
        live.until(lambda: live.service.plain.waiting == 3)
        live.engine.gate.set()
        assert [f.result().status_code for f in (first, good, other)] == [200, 200, 200]
        assert bad.result().status_code == 500
        assert bad.result().json()["detail"].startswith("The server failed; its log says why")
        assert live.client.get("/healthz").status_code == 200


def test_the_deadline_is_504_and_what_waited_is_not_drawn(serving):
    with serving(deadline_s=0.5) as live, ThreadPoolExecutor(2) as pool:
        live.service.pace.seconds_each.clear()
        live.engine.gate.clear()
        late = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1)
        live.engine.wait_until_drawing()
        never = live.post("/v1/generate", prompt="icy", seed=2, count=3, format="json")
        assert [late.result().status_code, never.status_code] == [504, 504]
        assert "within 0.5 s" in never.json()["detail"]
        assert live.service.plain.waiting == 0
        live.engine.gate.set()
    assert [[r.prompt for r in batch] for batch in live.engine.batches] == [["warm"]]


def test_a_large_picture_stops_when_its_deadline_passes(serving):
    with serving(deadline_s=0.5) as live:
        live.engine.gate.clear()
        assert (
            live.post("/v1/generate", prompt="warm", seed=1, size=[1024, 1024]).status_code == 504
        )
        live.engine.gate.set()  # it begins, and ends after its first scale
        live.until(lambda: not live.service.large._running)
        assert (
            live.service.metrics.registry.get_sample_value("t2a_edge_run_duration_seconds_count")
            == 1
        )


def test_a_client_that_leaves_is_not_drawn_for(serving):
    with serving() as live, ThreadPoolExecutor(1) as pool:
        live.engine.gate.clear()
        stays = pool.submit(live.post, "/v1/generate", prompt="warm", seed=1)
        live.engine.wait_until_drawing()
        with contextlib.suppress(httpx.ReadTimeout):
            httpx.post(live.url + "/v1/generate", json={"prompt": "icy"}, timeout=0.3)
        live.until(lambda: live.service.plain.waiting == 0 and live.service.busy == 1)
        live.engine.gate.set()
        assert stays.result().status_code == 200
        count = live.service.metrics.registry.get_sample_value
        labels = {"path": "/v1/generate", "status": "499"}
        live.until(lambda: count("t2a_edge_requests_total", labels) == 1)
    assert [[r.prompt for r in batch] for batch in live.engine.batches] == [["warm"]]


def test_the_token_guards_the_work(serving):
    with serving(token="correct-horse") as live:  # noqa: S106 - of this test alone
        for path in ("/v1/info", "/v1/nothing", "/metrics"):
            answer = live.client.get(path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for header in ("Bearer wrong", "Basic correct-horse", "correct-horse", "Bearer", ""):
            answer = live.client.get("/v1/info", headers={"Authorization": header})
            assert answer.status_code == 401, header
        answer = live.post("/v1/generate", prompt="warm")
        assert answer.status_code == 401
        assert live.engine.batches == []
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert live.client.get(path).status_code == 200
        for header in ("Bearer correct-horse", "bearer correct-horse"):
            live.client.headers["Authorization"] = header
            assert live.client.get("/v1/info").status_code == 200
            assert live.client.get("/metrics").status_code == 200
        document = live.client.get("/openapi.json").json()
        assert document["paths"]["/v1/info"]["get"]["security"] == [{"token": []}]
        assert "security" not in document["paths"]["/healthz"]["get"]


def test_no_origin_may_call_unless_it_is_named(live, serving):
    asked = {"Origin": "https://example.org"}
    assert not [h for h in live.client.get("/v1/info", headers=asked).headers if "access" in h]
    with serving(origins=("https://example.org",)) as named:
        answer = named.client.get("/v1/info", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        other = named.client.get("/v1/info", headers={"Origin": "https://example.com"})
        assert "access-control-allow-origin" not in other.headers
        preflight = named.client.options(
            "/v1/generate",
            headers={
                **asked,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        assert preflight.status_code == 200
        refused = named.client.post("/v1/generate", headers=asked, json={})
        assert refused.status_code == 422
        assert refused.headers["access-control-allow-origin"] == "https://example.org"


def test_a_page_is_served_beside_the_api(serving, tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html><title>art</title>")
    (tmp_path / "model.wasm").write_bytes(b"\0asm")
    with serving(page=tmp_path) as live:
        assert "<title>art" in live.client.get("/").text
        assert live.client.get("/model.wasm").headers["content-type"] == "application/wasm"
        assert live.client.get("/v1/info").status_code == 200
        assert live.client.get("/nothing.js").status_code == 404
        assert live.client.get("/..%2f..%2fetc/passwd").status_code == 404
        assert live.client.post("/index.html").status_code == 405


def test_log_lines_are_json_and_hold_no_prompt_unless_asked(serving, caplog):
    from t2a_edge.server.logs import JsonFormatter

    for log_prompts in (False, True):
        caplog.clear()
        with (
            caplog.at_level("INFO", logger="t2a_edge.server"),
            serving(log_prompts=log_prompts) as live,
        ):
            live.client.post(
                "/v1/generate", json={"prompt": "warm"}, headers={"X-Request-ID": "mine"}
            )
        lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
        (line,) = [line for line in lines if line.get("id") == "mine"]
        assert (line["event"], line["status"], line["batch"]) == ("request", 200, 1)
        assert (line["method"], line["path"], line["level"]) == ("POST", "/v1/generate", "info")
        assert line["ms"] > 0
        assert line.get("prompt") == ("warm" if log_prompts else None)


def test_a_failure_is_logged_with_its_request(serving, caplog):
    with serving() as live:
        live.engine.fails_for = "cursed"
        answer = live.post("/v1/generate", prompt="cursed")
        assert answer.status_code == 500
    (record,) = [r for r in caplog.records if r.getMessage() == "failed"]
    assert record.fields["id"] == answer.headers["x-request-id"]
    assert "the engine broke" in str(record.exc_info[1])


def test_the_token_is_not_in_the_settings_text():
    assert "correct-horse" not in repr(Settings(token="correct-horse"))  # noqa: S106


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"port": 70000}, "port is 70000; expected a whole number from 0 to 65535"),
        ({"port": True}, "port is True"),
        ({"max_batch": 0}, "max_batch is 0"),
        ({"max_wait_ms": float("nan")}, "max_wait_ms is nan"),
        ({"deadline_s": 0}, "deadline_s is 0"),
        ({"max_size": 300}, "multiple of 8"),
        ({"max_size": 4096}, "max_size is 4096"),
        ({"max_queue": 20}, "max_queue is 20; expected 49 or more"),
        ({"host": ""}, "host is ''; expected an address"),
        ({"host": None}, "host is None"),
        ({"token": "short"}, "8 or more visible"),
        ({"token": "with a space"}, "8 or more visible"),
        ({"token": ""}, "The token is empty; expected 8 or more visible"),
        ({"token": "        "}, "The token is empty"),
        ({"token": 12345678}, "The token is unfit"),
        ({"origins": ("example.org",)}, "origins has 'example.org'"),
        ({"origins": ("https://example.org/",)}, "expected an origin such as"),
        ({"origins": "https://example.org"}, "expected a list of texts"),
        ({"origins": (1,)}, "expected a list of texts"),
        ({"allowed_hosts": "example.org"}, "expected a list of texts"),
        ({"allowed_hosts": ("",)}, "allowed_hosts has ''; expected a name or address"),
        ({"allowed_hosts": ("localhost:8080",)}, "without a port"),
        ({"allowed_hosts": ("[::1]:8080",)}, "without a port"),
        ({"allowed_hosts": ("cafe:80",)}, "without a port"),
        ({"allowed_hosts": ("https://example.org",)}, "without a port"),
        ({"allowed_hosts": ("a.*.org",)}, "without a port"),
        ({"allowed_hosts": ("a b",)}, "without a port"),
    ],
)
def test_settings_that_cannot_be_used_are_one_sentence(wrong, says):
    from t2a_edge.errors import OptionError

    with pytest.raises(OptionError) as caught:
        Settings(**wrong)
    assert says in str(caught.value)


def test_settings_are_kept_as_they_are_compared():
    kept = Settings(
        origins=["HTTPS://Example.org"], allowed_hosts=["Art.Example.org", "[FD00::7]", "*.b", "*"]
    )
    assert kept.origins == ("https://example.org",)
    assert kept.allowed_hosts == ("art.example.org", "[fd00::7]", "*.b", "*")


def test_a_page_may_be_named_by_text(tmp_path):
    (tmp_path / "index.html").touch()
    assert Settings(page=str(tmp_path)).page == tmp_path


def test_a_page_without_an_index_is_refused(tmp_path):
    from t2a_edge.errors import OptionError

    with pytest.raises(OptionError, match=r"no index\.html"):
        Settings(page=tmp_path)


def test_an_address_that_is_taken_is_one_sentence(live):
    from t2a_edge.errors import OptionError
    from t2a_edge.server.address import bound_socket

    with pytest.raises(OptionError, match="cannot be listened on"):
        bound_socket(Settings(port=live.port))
    with pytest.raises(OptionError, match="cannot be listened on"):
        bound_socket(Settings(host="no host of this name"))
