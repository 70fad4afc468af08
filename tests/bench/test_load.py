"""The load generator: its figures, and that it sees what goes wrong."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

pytest.importorskip("psutil")
pytest.importorskip("fastapi")

from bench.load import Asked, Seen, drive, load, memory_figures, report_of

STEADY = {"first_half_mb": 100.0, "second_half_mb": 101.0, "peak_mb": 120.0, "growth": 0.01}


def test_memory_is_compared_at_the_end_of_both_halves():
    samples = [(second / 4, 10**8 + 10**6 * (second // 4)) for second in range(480)]
    figures = memory_figures(samples, 120.0)
    assert figures["first_half_mb"] == pytest.approx(100 + 54.5, abs=0.6)
    assert figures["second_half_mb"] == pytest.approx(100 + 114.5, abs=0.6)
    assert figures["growth"] == pytest.approx(60 / 154.5, abs=0.01)
    assert figures["peak_mb"] == 219


def test_a_good_run_has_no_failures():
    seen = [Seen([0.1, 0.2], Counter({200: 2, 429: 1}), []), Seen([0.3], Counter({200: 1}), [])]
    report = report_of(seen, [0.05, 0.07], 10.0, STEADY)
    assert report["failures"] == []
    assert (report["requests"], report["statuses"]) == (4, {"200": 3, "429": 1})
    assert (report["loaded"]["p50_ms"], report["alone"]["p50_ms"]) == (200.0, 60.0)
    assert report["pictures_per_second"] == 0.3


@pytest.mark.parametrize(
    ("one", "memory", "says"),
    [
        (Seen([0.1], Counter({200: 1, 504: 2}), []), STEADY, "2 answers 504"),
        (Seen([0.1], Counter({200: 1}), ["no answer: reset"]), STEADY, "1 requests lost"),
        (Seen([], Counter({429: 1}), []), STEADY, "no picture was drawn"),
        (Seen([0.1], Counter({200: 1}), []), {**STEADY, "growth": 0.05}, "memory grew by 5.0%"),
        (Seen([0.1], Counter({200: 1}), []), {**STEADY, "growth": float("nan")}, "memory grew"),
    ],
)
def test_what_is_wrong_is_a_failure(one, memory, says):
    (failure,) = report_of([one], [0.05], 10.0, memory)["failures"]
    assert says in failure


def test_a_client_sees_errors_wrong_pictures_and_cut_answers():
    turn = iter(["wrong", "500", "cut", *["wrong"] * 1000])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            now = next(turn)
            self.send_response(500 if now == "500" else 200)
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"cut" if now == "cut" else b"a picture")
            self.close_connection = now == "cut"
            stop.append(now)

        def log_message(self, *_: object) -> None:
            pass

    import time

    stop: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        seen = Seen()
        ends = time.monotonic() + 0.5
        drive(server.server_port, [Asked(b"{}", "0" * 64)], 0, ends, seen)
        server.shutdown()
        thread.join()
    assert seen.statuses[500] == 1
    assert seen.lost[0] == "another picture than the library's"
    assert sum(why.startswith("no answer") for why in seen.lost) == 1
    assert len(seen.lost) == len(stop) - 1


@pytest.mark.slow
def test_a_short_run_against_a_real_server(tmp_path):
    path = tmp_path / "load.json"
    done = CliRunner().invoke(
        load,
        ["--clients", "3", "--seconds", "4", "--json", str(path), "--log", str(tmp_path / "l")],
    )
    report = json.loads(path.read_text())
    assert report["lost"] == 0
    assert set(report["statuses"]) == {"200"}
    assert report["requests"] == report["statuses"]["200"] >= 3
    assert report["batches"]["mean"] >= 1
    failures = [f for f in report["failures"] if "memory" not in f]  # four seconds say nothing
    assert failures == []
    assert done.exit_code == (1 if report["failures"] else 0)
    assert '"stopped"' in (tmp_path / "l").read_text()
