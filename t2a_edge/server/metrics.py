"""Counters of one server, in Prometheus' text format."""

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PICTURES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The server's own registry: two servers in one process count apart.

    Args:
        waiting: name of each queue, and how many pictures wait in it.
        busy: how many requests have work and no answer yet.
        silent_s: for how long the engine has answered nothing while work waits.
    """

    def __init__(
        self,
        waiting: Mapping[str, Callable[[], float]],
        busy: Callable[[], float],
        silent_s: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "t2a_edge_requests", "Requests by path and status.", ["path", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "t2a_edge_request_seconds", "From a request's arrival to its last byte.", ["path"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.batch = Histogram(
            "t2a_edge_batch_pictures", "Pictures in one run of the engines.", buckets=PICTURES,
            registry=self.registry,
        )  # fmt: skip
        self.run_seconds = Histogram(
            "t2a_edge_run_seconds", "Seconds of one run of the engines.", buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        queued = Gauge(
            "t2a_edge_queue_pictures", "Pictures that wait, a larger one counted as many.",
            ["queue"], registry=self.registry,
        )  # fmt: skip
        for queue, count in waiting.items():
            queued.labels(queue).set_function(count)
        Gauge(
            "t2a_edge_busy_requests", "Requests that have work and no answer yet.",
            registry=self.registry,
        ).set_function(busy)  # fmt: skip
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
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)
