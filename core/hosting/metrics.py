"""Numbers for Prometheus: requests, latencies, queues and workers of each deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from core.hosting.registry import Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The gateway's numbers.

    Args:
        registry: The deployments.
    """

    def __init__(self, registry: Registry) -> None:
        self._numbers = CollectorRegistry()
        self._requests = Counter(
            "tarmac_requests", "Requests answered", ["deployment", "route", "status"], registry=self._numbers
        )
        self._seconds = Histogram(
            "tarmac_request_seconds",
            "From a request's head to the end of its answer",
            ["deployment", "route"],
            buckets=_BUCKETS,
            registry=self._numbers,
        )
        self._tokens = Counter("tarmac_tokens", "Tokens of text written", ["deployment"], registry=self._numbers)
        self._numbers.register(_Now(registry))

    def count(self, deployment: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(deployment, route, str(status)).inc()
        self._seconds.labels(deployment, route).observe(seconds)

    def wrote(self, deployment: str, tokens: float) -> None:
        """A text model wrote tokens."""
        self._tokens.labels(deployment).inc(tokens)

    def text(self, only: str = "") -> bytes:
        """All numbers in Prometheus' text form; those of one deployment if one is named."""
        text = generate_latest(self._numbers)
        if not only:
            return text
        mark = f'deployment="{only}"'.encode()
        return b"".join(line + b"\n" for line in text.splitlines() if line.startswith(b"#") or mark in line)


class _Now(Collector):
    """What is true at the moment of asking."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        return self._gauges()

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        families = {
            "queue": GaugeMetricFamily("tarmac_queue", "Requests that wait", labels=["deployment"]),
            "running": GaugeMetricFamily("tarmac_running", "Requests that workers have", labels=["deployment"]),
            "ready": GaugeMetricFamily("tarmac_replicas_ready", "Workers that are ready", labels=["deployment"]),
            "wanted": GaugeMetricFamily("tarmac_replicas", "Workers that there should be", labels=["deployment"]),
            "deaths": GaugeMetricFamily("tarmac_worker_deaths", "Workers that died", labels=["deployment"]),
        }
        for entry in self._registry.entries.values():
            pool = entry.pool
            numbers = (0, 0, 0, 0) if pool is None else (pool.queued, pool.running, pool.ready, pool.deaths)
            for key, number in zip(("queue", "running", "ready", "deaths"), numbers):
                families[key].add_metric([entry.name], number)
            families["wanted"].add_metric([entry.name], entry.deployment.replicas if entry.deployment.active else 0)
        yield from families.values()
