"""Traces across services: W3C's `traceparent` is kept, and OpenTelemetry has spans where wanted.

The header is that of https://www.w3.org/TR/trace-context/. Spans and their attributes are named as
OpenTelemetry's conventions for HTTP say; what is our own begins with `t2a_edge.`.
"""

import importlib.util
import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from t2a_edge import __version__
from t2a_edge.errors import OptionError

TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
FLUSH_S = 2.0  # at the end, for spans to reach their collector
API, SDK = "opentelemetry.trace", "opentelemetry.sdk.trace"
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
Headers = Iterable[tuple[bytes, bytes]]


def traceparent_of(headers: Headers) -> str:
    """The header that a request has, where it is one and can be read; else ""."""
    sent = [value.strip() for name, value in headers if name == b"traceparent"]
    parts = TRACEPARENT.fullmatch(sent[0]) if len(sent) == 1 else None
    if parts is None or (parts[1] == b"00" and parts[4]):
        return ""
    known = parts[2].strip(b"0") and parts[3].strip(b"0")  # all zeros are none
    return sent[0].decode() if known else ""


class Spans:
    """The spans of one request: its own, and one of its drawing. Without a tracer none is made.

    Attributes:
        traceparent: the client's, or that of the request's own span; "" is none.
    """

    def __init__(self, tracer: Any = None, headers: Headers = ()) -> None:
        self._tracer, self._headers = tracer, list(headers)
        self.traceparent = traceparent_of(self._headers)
        self._own: Any = None
        self._drawing: Any = None

    @property
    def log_fields(self) -> dict[str, str]:
        """What a line of the log has of it."""
        if not self.traceparent:
            return {}
        _, trace, span, *_ = self.traceparent.split("-")
        return {"trace_id": trace, "span_id": span}

    def begin(self, name: str, **attributes: Any) -> None:
        """Begin the request's span, below the one that the client names."""
        if self._tracer is None:
            return
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers}
        propagator = TraceContextTextMapPropagator()
        self._own = self._tracer.start_span(
            name, propagator.extract(carrier), SpanKind.SERVER, attributes_of(attributes)
        )
        told: dict[str, str] = {}
        propagator.inject(told, self._context())
        self.traceparent = told.get("traceparent", self.traceparent)

    def begin_drawing(self, **attributes: Any) -> None:
        """Begin the span of what the request waits for in a queue, and is drawn."""
        if self._own is not None:
            self._drawing = self._tracer.start_span(
                "draw", self._context(), attributes=attributes_of(attributes)
            )

    def end_drawing(self, **attributes: Any) -> None:
        """End it, once."""
        if self._drawing is not None:
            self._drawing.set_attributes(attributes_of(attributes))
            self._drawing.end()
            self._drawing = None

    def end(self, status: int, **attributes: Any) -> None:
        """End the request's span with the status of its answer."""
        self.end_drawing()
        if self._own is None:
            return
        from opentelemetry.trace import StatusCode

        self._own.set_attributes({"http.response.status_code": status, **attributes_of(attributes)})
        if status >= 500:
            self._own.set_status(StatusCode.ERROR)
            self._own.set_attribute("error.type", str(status))
        self._own.end()

    def _context(self) -> Any:
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(self._own)


def attributes_of(named: dict[str, Any]) -> dict[str, Any]:
    """Attributes by their names, http__route as http.route; what is None is left out."""
    return {name.replace("__", "."): value for name, value in named.items() if value is not None}


def tracer_of(wanted: bool) -> Any:
    """A tracer of the provider that this process has; None where none is wanted.

    Raises:
        OptionError: OpenTelemetry is not installed.
    """
    if not wanted:
        return None
    check_installed(API)
    from opentelemetry.trace import get_tracer

    return get_tracer("t2a_edge", __version__)


def check_installed(*modules: str) -> None:
    """An OptionError unless OpenTelemetry's modules are there."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise OptionError(
                'OpenTelemetry is not installed here; run: pip install "t2a-edge[otel]", '
                "or leave --otel out."
            )


def export_spans() -> Callable[[], None]:
    """Send spans by OTLP over HTTP from now on, to where OTEL_EXPORTER_OTLP_ENDPOINT says.

    Returns:
        What ends it, and sends what waits if that can be done in time.

    Raises:
        OptionError: OpenTelemetry or its exporter is not installed.
    """
    check_installed(API, SDK, EXPORTER)
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = {"service.version": __version__}
    named = "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named and "OTEL_SERVICE_NAME" not in os.environ:
        own["service.name"] = "t2a-edge"
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    def finish() -> None:
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)

    return finish
