"""Counters of one server, in Prometheus' text format."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

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
from prometheus_client.samples import Sample

from t2a_edge.server.workers import Worker

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
Family = list[Any]  # name, help, kind, samples; a sample is its name, labels and value
KIND, SAMPLES = 2, 3
COUNTED = ("counter", "histogram")  # kinds that go on where a worker takes another's place
ALIKE: dict[str, Callable[[Iterable[float]], float]] = {
    "t2a_edge_build_info": max, "t2a_edge_engine_silent_seconds": max,
    "process_start_time_seconds": min, "process_max_fds": min,
}  # fmt: skip
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
        self._worker: Worker | None = None
        self._before: list[Family] = []
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

    def share(self, worker: Worker) -> None:
        """Tell those of all workers from now on; what this one's predecessor counted stays."""
        self._worker = worker
        self._before = [one for one in worker.published() or [] if one[KIND] in COUNTED]

    def own(self) -> list[Family]:
        """Families of this process, and what its predecessor counted, as JSON values."""
        return merged([self._before, _families(self.registry)])

    def text(self) -> bytes:
        """All of them, as Prometheus reads them; with several workers their sums."""
        others = [] if self._worker is None else self._worker.others()
        told = CollectorRegistry()
        told.register(_Told(merged([self.own(), *others])))
        return generate_latest(told)


def _families(registry: CollectorRegistry) -> list[Family]:
    """Name, help, kind and samples of each, without the client library's `_created`."""
    return [
        [
            family.name,
            family.documentation,
            family.type,
            [
                [one.name, one.labels, one.value]
                for one in family.samples
                if not one.name.endswith("_created")
            ],
        ]
        for family in registry.collect()
    ]


def merged(parts: Iterable[list[Family]]) -> list[Family]:
    """Families of several processes as one: sums, but for what `ALIKE` says."""
    every: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, ...], list[Any]]] = {}
    for name, documentation, kind, samples in (family for part in parts for family in part):
        every.setdefault(name, [name, documentation, kind, []])
        known = values.setdefault(name, {})
        for sample, labels, value in samples:
            key = (sample, *sorted(f"{label}={text}" for label, text in labels.items()))
            if key in known:
                both = known[key][2], value
                known[key][2] = ALIKE[name](both) if name in ALIKE else sum(both)
            else:
                known[key] = [sample, labels, value]
    return [[*family[:SAMPLES], list(values[name].values())] for name, family in every.items()]


class _Told(Collector):
    """Families as the client library writes them."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for title, documentation, kind, samples in self._families:
            family = Metric(title, documentation, kind)
            family.samples = [Sample(name, labels, value) for name, labels, value in samples]
            yield family
