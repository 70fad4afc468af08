"""Probes while the engine hangs, applications without their lifespan, and those started twice."""

import asyncio
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from t2a_edge.errors import OptionError
from t2a_edge.server import Settings, create_app
from tests.server.conftest import running


def test_probes_are_answered_while_the_first_picture_hangs(engine):
    with running(engine, hung=True) as live:
        assert live.client.get("/healthz").status_code == 200
        ready = live.client.get("/readyz")
        assert ready.status_code == 503
        assert "first picture" in ready.json()["detail"]
        live.engine.gate.set()
        live.until(lambda: live.client.get("/readyz").status_code == 200)


def test_an_engine_that_hangs_is_not_ready_then_not_alive_and_recovers(serving, caplog):
    caplog.set_level("INFO", logger="t2a_edge.server")
    with serving(deadline_s=0.3) as live, ThreadPoolExecutor(1) as pool:
        live.engine.gate.clear()
        late = pool.submit(live.post, "/v1/generate", prompt="warm")
        live.engine.wait_until_drawing()
        assert late.result().status_code == 504
        live.until(lambda: live.client.get("/readyz").status_code == 503)
        assert "answered nothing for 0.3 s" in live.client.get("/readyz").json()["detail"]
        refused = live.post("/v1/generate", prompt="warm")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        live.until(lambda: live.client.get("/healthz").status_code == 503)  # after 3 deadlines
        live.until(lambda: "answered nothing" in caplog.text)
        live.engine.gate.set()
        live.until(lambda: live.client.get("/readyz").status_code == 200)
        assert live.client.get("/healthz").status_code == 200
        live.until(lambda: "it answers" in caplog.text)


def test_a_hang_in_the_other_queue_is_seen_too(serving):
    with serving(deadline_s=0.3) as live:
        live.engine.gate.clear()
        assert live.post("/v1/generate", prompt="warm", size=[384, 256]).status_code == 504
        live.until(lambda: live.client.get("/readyz").status_code == 503)
        live.engine.gate.set()
        live.until(lambda: live.client.get("/readyz").status_code == 200)


def test_a_slow_engine_that_answers_stays_ready(serving):
    with serving() as live:
        live.until(lambda: live.service.plain._idle)  # the first picture's run has ended
        live.service.plain._running = [None]  # a run
        live.service.plain._moved = time.monotonic() - 20
        assert live.client.get("/readyz").status_code == 200
        live.service.plain._moved -= 11
        assert live.client.get("/readyz").status_code == 503
        live.service.plain._running = []
        assert live.client.get("/readyz").status_code == 200  # idle is not silent


def test_a_first_picture_that_fails_ends_the_server(engine, caplog):
    from t2a_edge.server.address import bound_socket
    from t2a_edge.server.run import make_server
    from tests.server.conftest import GatedEngine

    broken = GatedEngine(engine)
    broken.fails_for = "warm"
    server = make_server(broken, Settings(port=0))
    with bound_socket(Settings(port=0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(server.run, [listening]).result(60)
    assert "the engine broke" in str(server.config.app.state.service.failure)
    assert "the first picture failed" in caplog.text


def test_an_idle_drain_answers_503_for_its_notice(serving):
    with serving(drain_notice_s=0.5) as live:
        live.server.handle_exit(signal.SIGTERM, None)
        began = time.monotonic()
        answers = []
        try:
            while True:
                answers.append(httpx.get(live.url + "/readyz").status_code)
                assert httpx.post(live.url + "/v1/generate", json={}).status_code in (422, 503)
        except httpx.TransportError:
            assert time.monotonic() - began > 0.4
        assert set(answers) == {503}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_presses_keys_or_signals_twice_does_not_wait_for_the_notice(serving, number):
    with serving(drain_notice_s=60, drain_s=60) as live:
        live.server.handle_exit(number, None)
        if number == signal.SIGTERM:
            live.server.handle_exit(number, None)
        live.until(lambda: not live.server.servers or live.service.over.is_set())


async def asked(app, method: str, path: str, **more) -> httpx.Response:
    """One request to an application without its lifespan."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, **more)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/readyz", None),
        ("GET", "/healthz", None),
        ("POST", "/v1/generate", {"prompt": "warm"}),
        ("POST", "/v1/generate", {"prompt": "warm", "size": [384, 256]}),
        ("POST", "/v1/interpolate", {"first": "warm", "second": "icy"}),
        ("POST", "/v1/explain", {"prompt": "warm"}),
        ("POST", "/v1/stream", {"prompt": "warm"}),
    ],
)
def test_without_its_lifespan_the_application_says_so_at_once(engine, method, path, body):
    answer = asyncio.run(asked(create_app(engine), method, path, json=body))
    assert answer.status_code == 503
    assert "mounted without its lifespan" in answer.json()["detail"]


def test_an_application_that_ended_starts_again_in_another_loop(engine):
    app = create_app(engine)

    async def served(seed: int) -> bytes:
        async with app.router.lifespan_context(app):
            answer = await asked(app, "POST", "/v1/generate", json={"prompt": "warm", "seed": seed})
        return answer.content

    for seed in (1, 2):
        assert asyncio.run(served(seed)) == engine.generate("warm", seed=seed).encode("png")
        assert not app.state.service.left_running
    ended = asyncio.run(asked(app, "POST", "/v1/generate", json={"prompt": "warm"}))
    assert (ended.status_code, ended.json()["detail"][:24]) == (503, "The server is about to s")


def test_an_application_that_runs_is_not_started_twice(engine):
    app = create_app(engine)

    async def both() -> None:
        async with app.router.lifespan_context(app), app.router.lifespan_context(app):
            pass

    with pytest.raises(OptionError, match="runs already"):
        asyncio.run(both())
    assert not app.state.service.left_running
