"""The trace that a request belongs to: kept without OpenTelemetry, continued with it."""

import gzip
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading

import pytest

pytest.importorskip("fastapi")

from t2a_edge.errors import OptionError
from t2a_edge.server import create_app, tracing
from t2a_edge.server.settings import Settings
from t2a_edge.server.tracing import Spans, traceparent_of
from tests.server.conftest import running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE}-{SPAN}-01"


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


needs_sdk = pytest.mark.skipif(
    not installed(tracing.SDK), reason='needs the OpenTelemetry SDK: pip install ".[otel]"'
)
needs_exporter = pytest.mark.skipif(
    not installed(tracing.EXPORTER), reason='needs the OTLP exporter: pip install ".[otel]"'
)


def log_lines(caplog, path):
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    return [line for line in fields if line.get("path") == path]


def test_a_trace_is_kept_in_the_answer_and_in_the_log(live, caplog):
    caplog.set_level("INFO", logger="t2a_edge.server")
    answer = live.client.get("/v1/info", headers={"traceparent": SENT})
    assert answer.headers["traceparent"] == SENT
    live.until(lambda: log_lines(caplog, "/v1/info"))
    (line,) = log_lines(caplog, "/v1/info")
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)
    without = live.client.get("/v1/info")
    assert "traceparent" not in without.headers
    refused = live.client.get("/v1/nothing", headers={"traceparent": SENT})
    assert (refused.status_code, refused.headers["traceparent"]) == (404, SENT)


@pytest.mark.parametrize(
    "sent",
    ["", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-1", f"ff-{TRACE}-{SPAN}-01",
     f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01",
     f"00-{TRACE}-{SPAN}-01-more", f"0g-{TRACE}-{SPAN}-01"],
)  # fmt: skip
def test_what_is_no_traceparent_is_left_out(sent):
    assert traceparent_of([(b"traceparent", sent.encode())]) == ""


def test_one_traceparent_of_this_version_or_a_later_one_is_read():
    assert traceparent_of([(b"traceparent", f" {SENT} ".encode())]) == SENT
    later = f"01-{TRACE}-{SPAN}-01-more"
    assert traceparent_of([(b"traceparent", later.encode())]) == later
    assert traceparent_of([(b"traceparent", SENT.encode())] * 2) == ""


def test_without_a_tracer_spans_are_nothing():
    spans = Spans()
    spans.begin("GET /")
    spans.begin_drawing(t2a_edge__works=1)
    spans.end_drawing()
    spans.end(200)
    assert (spans.traceparent, spans.log_fields) == ("", {})


def test_without_opentelemetry_its_option_is_one_sentence(engine, monkeypatch):
    monkeypatch.setattr(tracing, "API", "no_such_package.trace")
    with pytest.raises(OptionError, match=r"pip install \"t2a-edge\[otel\]\""):
        create_app(engine, Settings(otel=True))
    monkeypatch.setattr(tracing, "API", "json")
    monkeypatch.setattr(tracing, "EXPORTER", "json.no_such_module")
    monkeypatch.setattr(tracing, "SDK", "json")
    with pytest.raises(OptionError, match="is not installed here"):
        tracing.export_spans()


@pytest.fixture
def exported(monkeypatch):
    """Spans as they end."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    return exporter


@needs_sdk
def test_a_request_and_its_drawing_are_spans_of_the_clients_trace(engine, exported):
    with running(engine, otel=True) as live:
        headers = {"traceparent": SENT, "X-Request-ID": "one"}
        body = {"prompt": "warm", "seed": 1}
        answer = live.client.post("/v1/generate", json=body, headers=headers)
        assert live.client.get("/v1/nothing").status_code == 404
        live.until(lambda: len(exported.get_finished_spans()) == 3)
    drawing, own, missing = exported.get_finished_spans()
    assert (drawing.name, own.name, missing.name) == ("draw", "POST /v1/generate", "GET")
    assert f"{own.context.trace_id:032x}" == f"{drawing.context.trace_id:032x}" == TRACE
    assert f"{own.parent.span_id:016x}" == SPAN
    assert drawing.parent.span_id == own.context.span_id
    assert answer.headers["traceparent"] == f"00-{TRACE}-{own.context.span_id:016x}-01"
    assert own.attributes["http.response.status_code"] == 200
    assert own.attributes["http.route"] == "/v1/generate"
    assert own.attributes["t2a_edge.request_id"] == "one"
    assert "t2a_edge.prompt" not in own.attributes
    assert drawing.attributes["t2a_edge.batch"] == 1
    assert "http.route" not in missing.attributes
    assert missing.status.is_unset


@needs_sdk
def test_a_request_that_fails_is_a_span_that_failed(engine, exported):
    with running(engine, otel=True) as live:
        live.engine.fails_for = "cold"
        assert live.post("/v1/generate", prompt="cold").status_code == 500
        live.until(lambda: len(exported.get_finished_spans()) == 2)
    _, own = exported.get_finished_spans()
    assert (own.status.status_code.name, own.attributes["error.type"]) == ("ERROR", "500")


SERVE = """
import json, sys
from t2a_edge.server import Settings, serve
serve(Settings(port=0, drain_notice_s=0, otel=True))
"""


@needs_exporter
@pytest.mark.skipif(os.name == "nt", reason="needs SIGTERM")
def test_spans_reach_a_collector_before_the_end():
    came = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    import httpx

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE], stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        )  # fmt: skip
        try:
            port = json.loads(process.stderr.readline())["port"]
            url = f"http://127.0.0.1:{port}/v1/explain"
            assert httpx.post(url, json={"prompt": "warm"}, timeout=60).status_code == 200
        finally:
            process.terminate()
            process.communicate(timeout=60)
        assert process.returncode == 0
        collector.shutdown()
    assert {path for path, _ in came} == {"/v1/traces"}
    packed = [body[:2] == b"\x1f\x8b" for _, body in came]
    told = [gzip.decompress(body) if p else body for p, (_, body) in zip(packed, came, strict=True)]
    assert b"POST /v1/explain" in b"".join(told)
