"""The load generator: its figures, and that it sees what goes wrong."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

pytest.importorskip("psutil")
pytest.importorskip("fastapi")

from bench.load import load
from bench.load_clients import Asked, Probed, Seen, drive, first_word, last_picture, probe
from bench.load_report import MOST_HELD_S, memory_figures, report_of
from bench.misbehave import KINDS, Misbehaved, misbehave
from tests.export.small_model import fill_small_bundle

STEADY = {"growth": 0.01}
ANSWERED = Probed([0.01, 0.02])
GOOD = Seen([0.1], Counter({200: 1}), [])
MEGABYTE = 10**6


def test_memory_is_read_each_minute_and_its_plateau_is_at_the_end():
    grown = [100 + min(second / 4, 180) for second in range(1200)]  # until the third minute
    samples = [(second / 4, int(grown[second] * MEGABYTE)) for second in range(1200)]
    figures = memory_figures(samples, 300.0)
    assert figures["minutes_mb"] == pytest.approx([155, 215, 275, 280, 280], abs=1)
    assert (figures["start_mb"], figures["peak_mb"]) == (100, 280)
    assert figures["growth"] == pytest.approx(280 / 275 - 1, abs=0.005)  # of the last two


def test_growth_that_goes_on_is_seen():
    samples = [(second / 4, 10**8 + 10**6 * (second // 4)) for second in range(1200)]
    assert memory_figures(samples, 300.0)["growth"] == pytest.approx(120 / 274.5, abs=0.01)


def test_a_good_run_has_no_failures():
    seen = [Seen([0.1, 0.2], Counter({200: 2, 429: 1}), []), Seen([0.3], Counter({200: 1}), [])]
    bad = {"idle": Misbehaved(3, 10.0)}
    report = report_of(seen, [0.05, 0.07], 10.0, STEADY, ANSWERED, bad)
    assert report["failures"] == []
    assert (report["requests"], report["statuses"]) == (4, {"200": 3, "429": 1})
    assert (report["loaded"]["p50_ms"], report["alone"]["p50_ms"]) == (200.0, 60.0)
    assert report["answers_per_second"] == 0.3
    assert report["probes"] == {"answered": 2, "slowest_s": 0.02}
    assert report["misbehaving"] == {"idle": {"connections": 3, "longest_s": 10.0}}


@pytest.mark.parametrize(
    ("one", "memory", "probed", "held_s", "says"),
    [
        (Seen([0.1], Counter({200: 1, 504: 2})), STEADY, ANSWERED, 1, "2 answers 504"),
        (Seen([0.1], Counter({200: 1}), ["no answer"]), STEADY, ANSWERED, 1, "1 requests lost"),
        (Seen([], Counter({429: 1})), STEADY, ANSWERED, 1, "no picture was drawn"),
        (GOOD, {"growth": 0.05}, ANSWERED, 1, "memory grew by 5.0% at the end, limit 5%"),
        (GOOD, {"growth": float("nan")}, ANSWERED, 1, "memory grew"),
        (GOOD, STEADY, Probed([0.1], ["/readyz: 503"]), 1, "1 probes failed, the first: /readyz"),
        (GOOD, STEADY, Probed([0.1, 3.5]), 1, "a probe took 3.50 s, limit 3 s"),
        (GOOD, STEADY, Probed(), 1, "a probe took nan s"),
        (GOOD, STEADY, ANSWERED, MOST_HELD_S + 1, "idle held its connection for 61.0 s"),
    ],
)
def test_what_is_wrong_is_a_failure(one, memory, probed, held_s, says):
    bad = {"idle": Misbehaved(1, held_s)}
    (failure,) = report_of([one], [0.05], 10.0, memory, probed, bad)["failures"]
    assert says in failure


def test_the_picture_is_found_in_each_kind_of_answer():
    events = b'event: scale\ndata: {"image": "AAAA"}\n\nevent: picture\ndata: {"image": "YXJ0"}\n\n'
    assert last_picture(events) == b"art"
    assert last_picture(events + b'event: error\ndata: {"error": "no"}\n\n') == b""
    assert first_word(b'{"words": [{"word": "warm"}, {"word": "dark"}]}') == b"warm"


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_each_that_misbehaves_is_seen_to_be_ended(kind):
    """By a server that takes what comes and resets the connection soon."""
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(0.05)
                with contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(b"event: scale")
                time.sleep(0.05)
                reset = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

    seen = Misbehaved()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        misbehave(listening.getsockname()[1], kind, time.monotonic() + 0.8, seen)
        ended.set()
        thread.join()
    assert seen.times >= 1
    assert 0 < seen.longest_s < 60


def test_probes_that_are_refused_or_not_answered_are_failures():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    seen = Probed()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        probe(server.server_port, time.monotonic() + 0.1, seen)
        server.shutdown()
        thread.join()
    assert (len(seen.seconds), seen.failures) == (2, ["/readyz: 503"])
    probe(server.server_port, time.monotonic() + 0.1, seen)  # it has ended
    assert "ConnectionRefusedError" in seen.failures[1]


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
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    fill_small_bundle(bundle)
    path = tmp_path / "load.json"
    done = CliRunner().invoke(
        load,
        [
            "--clients",
            "3",
            "--seconds",
            "4",
            "--bundle",
            str(bundle),
            "--json",
            str(path),
            "--log",
            str(tmp_path / "l"),
        ],
    )
    report = json.loads(path.read_text())
    assert report["lost"] == 0
    assert set(report["statuses"]) == {"200"}
    assert report["requests"] == report["statuses"]["200"] >= 3
    assert report["batches"]["mean"] >= 1
    assert report["probes"]["answered"] >= 2
    failures = [f for f in report["failures"] if "memory" not in f]  # four seconds say nothing
    assert failures == []
    assert done.exit_code == (1 if report["failures"] else 0)
    assert '"stopped"' in (tmp_path / "l").read_text()
