"""The table of metrics as live instruments, and the `/metrics` that a role serves.

Each role has a registry of its own with the process's memory and processor time; closed lists of labels start at zero.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily

from schemas.metrics import BY_NAME


class MetricsPortError(OSError):
    """The port of `/metrics` cannot be listened on; the message names it."""


def new_registry() -> CollectorRegistry:
    """Return a registry that shows what the process takes of memory and processor."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # of the library
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def counter(registry: CollectorRegistry, name: str) -> Counter:
    """Return the counter of this name, registered."""
    metric = BY_NAME[name]
    made = Counter(metric.name, metric.help, metric.labels, registry=registry)
    for values in metric.starts:
        made.labels(*values)
    return made


def gauge(registry: CollectorRegistry, name: str) -> Gauge:
    """Return the gauge of this name, registered."""
    metric = BY_NAME[name]
    made = Gauge(metric.name, metric.help, metric.labels, registry=registry)
    for values in metric.starts:
        made.labels(*values)
    return made


def histogram(registry: CollectorRegistry, name: str) -> Histogram:
    """Return the histogram of this name, registered."""
    metric = BY_NAME[name]
    return Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


def family(name: str) -> GaugeMetricFamily:
    """Return the empty family of a gauge whose values are drawn when Prometheus asks."""
    metric = BY_NAME[name]
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


@contextmanager
def serving(registry: CollectorRegistry, host: str, port: int | None) -> Iterator[None]:
    """Serve the registry at `/metrics` inside the block; without a port nothing is served.

    Raises
    ------
    MetricsPortError
        If the port cannot be listened on.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MetricsPortError(
            error.errno, f"metrics cannot be served at {host}:{port}: {error.strerror}; allowed: a free port"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
