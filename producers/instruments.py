"""What the runner shows to Prometheus, named by the table of metrics: its sources and its webhook."""

from prometheus_client import CollectorRegistry

from schemas.instruments import counter, gauge


class Instruments:
    """The instruments of one runner."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sources = gauge(registry, "sprt_sources")
        self._records = counter(registry, "sprt_source_records_total")
        self._ends = counter(registry, "sprt_source_ends_total")
        self._webhooks = counter(registry, "sprt_webhooks_total")

    def began(self, kind: str) -> None:
        """Show one more source that is fed."""
        self._sources.labels(kind).inc()

    def sent(self, kind: str) -> None:
        """Count a record of a source."""
        self._records.labels(kind).inc()

    def ended(self, kind: str, how: str) -> None:
        """Show one source less, and how it ended: `exhausted`, `failed`, or `ended` since it was told to."""
        self._sources.labels(kind).dec()
        self._ends.labels(how).inc()

    def told(self, result: str) -> None:
        """Count an attempt to tell the webhook: `delivered`, `refused` or `given_up`."""
        self._webhooks.labels(result).inc()
