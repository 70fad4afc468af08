"""Counters of one server, in Prometheus' text format."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PICTURES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The server's own registry: two servers in one process count apart.

    Args:
        waiting: name of each queue, and how many pictures wait in it.
        busy: how many requests have work and no answer yet.
        build: what is served, each a label of `t2a_edge_build_info`.
        silent_s: for how long the engine has answered nothing while work waits.
    """

    def __init__(
        self,
        waiting: Mapping[str, Callable[[], float]],
        busy: Callable[[], float],
        build: Mapping[str, str],
        silent_s: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "t2a_edge_requests", "Requests by path and status.", ["path", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "t2a_edge_request_duration_seconds", "From a request's arrival to its last byte.",
            ["path"], buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.batch = Histogram(
            "t2a_edge_batch_pictures", "Pictures in one run of the engines.", buckets=PICTURES,
            registry=self.registry,
        )  # fmt: skip
        self.run_seconds = Histogram(
            "t2a_edge_run_duration_seconds", "Seconds of one run of the engines.", buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        queued = Gauge(
            "t2a_edge_queue_pictures", "Pictures that wait, a larger one counted as many.",
            ["queue"], registry=self.registry,
        )  # fmt: skip
        for queue, count in waiting.items():
            queued.labels(queue).set_function(count)
        Gauge(
            "t2a_edge_requests_in_progress", "Requests that have work and no answer yet.",
            registry=self.registry,
        ).set_function(busy)  # fmt: skip
        Gauge(
            "t2a_edge_build_info", "What is served, as labels; always 1.", list(build),
            registry=self.registry,
        ).labels(**build).set(1)  # fmt: skip
        Gauge(
            "t2a_edge_engine_silent_seconds", "The engine has answered nothing while work waits.",
            registry=self.registry,
        ).set_function(silent_s)  # fmt: skip
        self.refusals = Counter(
            "t2a_edge_connection_refusals", "Connections ended before or beside a request.",
            ["reason"], registry=self.registry,
        )  # fmt: skip
        ProcessCollector(registry=self.registry)

    def on_run(self, pictures: int, seconds: float) -> None:
        """Count a run of the engines; 0 pictures is work that ran alone."""
        self.run_seconds.observe(seconds)
        if pictures:
            self.batch.observe(pictures)

    def on_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them, which has no use for when each began to count."""
        told = CollectorRegistry()
        told.register(_Told(self.registry))
        return generate_latest(told)


class _Told(Collector):
    """The families of a registry, without the client library's `_created`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
