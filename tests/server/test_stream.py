"""Previews by server-sent events."""

import base64
import io
import json

import numpy as np
from PIL import Image


def events_of(text: str) -> list[tuple[str, dict]]:
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_a_preview_a_step_and_the_picture_last(live, engine):
    answer = live.post("/v1/stream", prompt="warm dark", seed=5)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-seed"] == "5"
    events = events_of(answer.text)
    steps = engine.spec.steps
    assert [name for name, _ in events] == ["step"] * (steps - 1) + ["picture"]
    assert [(data["step"], data["of"]) for _, data in events] == [
        (step, steps) for step in range(1, steps + 1)
    ]
    own = list(engine.stream("warm dark", seed=5))
    for (_, data), artwork in zip(events, own, strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image"]))))
        np.testing.assert_array_equal(shown, artwork.pixels)
    assert events[-1][1]["recipe"] == engine.generate("warm dark", seed=5).recipe


def test_previews_come_while_the_picture_is_drawn(serving):
    with (
        serving() as live,
        Held(live) as held,
        live.client.stream("POST", "/v1/stream", json={"prompt": "warm"}) as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == "event: step"  # though the second step is not begun
        held.go()
        assert "event: picture" in list(lines)


def test_a_client_that_leaves_stops_the_drawing(serving):
    with serving() as live, Held(live) as held:
        with live.client.stream("POST", "/v1/stream", json={"prompt": "warm"}) as answer:
            assert next(answer.iter_lines()) == "event: step"
        live.until(lambda: live.service.busy == 0)
        held.go()
        live.until(lambda: held.ended)
        assert held.drawn == 2  # of all: it is asked before the third
        assert live.post("/v1/generate", prompt="warm").status_code == 200


def test_a_deadline_in_the_middle_is_an_event(serving):
    with serving(deadline_s=1.5) as live, Held(live) as held:
        with live.client.stream("POST", "/v1/stream", json={"prompt": "warm"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: step"
            held.wait_s(1.6)
            held.go()
            rest = list(lines)
        assert rest[-3:-1][0] == "event: error"
        assert "within 1.5 s" in json.loads(rest[-2].removeprefix("data: "))["detail"]


def test_a_failure_in_the_middle_is_an_event(serving, caplog):
    with serving() as live, Held(live, fails=True) as held:
        with live.client.stream("POST", "/v1/stream", json={"prompt": "warm"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: step"
            held.go()
            rest = list(lines)
        assert "event: error" in rest
        assert "its log says why" in rest[-2]
        assert [r.fields["id"] for r in caplog.records if r.getMessage() == "failed"] == [
            answer.headers["x-request-id"]
        ]
        assert live.client.get("/healthz").status_code == 200


def test_a_stream_that_has_not_begun_is_504(serving):
    from concurrent.futures import ThreadPoolExecutor

    with serving(deadline_s=0.5) as live, ThreadPoolExecutor(1) as pool:
        live.service.pace.seconds_each.clear()
        live.engine.gate.clear()
        pool.submit(live.post, "/v1/generate", prompt="warm")
        live.engine.wait_until_drawing()
        assert live.post("/v1/stream", prompt="warm").status_code == 504
        live.engine.gate.set()


class Held:
    """Holds a server's streams after their first step."""

    def __init__(self, live, fails: bool = False) -> None:
        import threading

        self._live, self._fails = live, fails
        self._gate = threading.Event()
        self.drawn, self.ended = 0, False

    def go(self) -> None:
        self._gate.set()

    def wait_s(self, seconds: float) -> None:
        assert not self._gate.wait(seconds)

    def _stream(self, *args, **options):
        try:
            for artwork in self._live.engine._engine.stream(*args, **options):
                self.drawn += 1
                yield artwork
                assert self._gate.wait(60)
                if self._fails:
                    raise RuntimeError("the engine broke")
        finally:
            self.ended = True

    def __enter__(self):
        self._live.engine.stream = self._stream
        return self

    def __exit__(self, *_):
        self._gate.set()
