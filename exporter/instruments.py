"""What the exporter shows to Prometheus, named by the table of metrics."""

from prometheus_client import CollectorRegistry

from schemas.instruments import counter, gauge, histogram


class Instruments:
    """The instruments of one exporter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = histogram(registry, "sprt_export_seconds")
        self._archives = counter(registry, "sprt_archives_total")
        self._lag = gauge(registry, "sprt_consumer_lag_records")

    def exported(self, result: str, seconds: float) -> None:
        """Count an archive that stands now, and how long it took."""
        self._seconds.observe(seconds)
        self.counted(result)

    def counted(self, result: str) -> None:
        """Count an attempt by its result: `written`, `disputed`, `existing` or `failed`."""
        self._archives.labels(result).inc()

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Show how many control records of a partition are still to be read."""
        self._lag.labels(topic, str(partition)).set(records)

    def lost(self, topic: str, partition: int) -> None:
        """Show nothing of a partition any more: its next reader does."""
        if (topic, str(partition)) in self._lag._metrics:  # noqa: SLF001  the library has no public way to ask for a label set
            self._lag.remove(topic, str(partition))
