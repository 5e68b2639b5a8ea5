"""What the exporter shows to Prometheus, named by the table of metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.metrics import BY_NAME


class Instruments:
    """The instruments of one exporter."""

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds, archives, lag = (
            BY_NAME[name] for name in ("sprt_export_seconds", "sprt_archives_total", "sprt_consumer_lag_records")
        )
        self._seconds = Histogram(seconds.name, seconds.help, registry=registry, buckets=seconds.buckets)
        self._archives = Counter(archives.name, archives.help, archives.labels, registry=registry)
        self._lag = Gauge(lag.name, lag.help, lag.labels, registry=registry)

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
