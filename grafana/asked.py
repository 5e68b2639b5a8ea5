"""Metrics that dashboards and alerts read and that the table in `schemas.metrics` does not hold yet.

A line leaves this file when the table has it; the table goes before it.
"""

from schemas.metrics import Metric

ASKED: tuple[Metric, ...] = (
    Metric("sprt_running", "gauge", "1 while the live run takes observations, 0 while not", ("experiment_id",)),
    Metric(
        "sprt_expected_samples",
        "gauge",
        "Observations that the live run's design expects to need under a hypothesis (ASN)",
        ("experiment_id", "hypothesis"),
    ),
    Metric("sprt_max_samples", "gauge", "Largest number of observations of the live run", ("experiment_id",)),
    Metric(
        "sprt_decision_asn_ratio",
        "histogram",
        "Observations of a run that met a boundary, over the number expected under the accepted hypothesis",
        (),
        (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0),
    ),
    Metric("sprt_partitions", "gauge", "Partitions of every topic"),
    Metric("sprt_partitions_owned", "gauge", "Partitions that this worker owns"),
    Metric(
        "sprt_takeover_seconds",
        "histogram",
        "From the assignment of a partition to its first fetch: fencing and reading its state",
        (),
        (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0),
    ),
    Metric("sprt_state_rows_total", "counter", "Rows written to the state topic, by what they hold", ("row",)),
    Metric("sprt_state_bytes_total", "counter", "Bytes of the rows written to the state topic"),
    Metric(
        "sprt_retention_overtook_total", "counter", "Times that records were gone before they were read", ("topic",)
    ),
    Metric(
        "sprt_schedule_missed_total", "counter", "Firings of schedules that were skipped or came over a minute late"
    ),
    Metric("sprt_sources", "gauge", "Sources of live runs that this runner feeds", ("kind",)),
)
