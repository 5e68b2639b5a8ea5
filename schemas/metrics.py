"""The table of metrics: instruments and dashboards both read it, so that a name exists once."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as Prometheus sees it; `buckets` only for histograms, in the metric's unit."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_DELAYS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

METRICS: tuple[Metric, ...] = (
    Metric("sprt_llr", "gauge", "Log-likelihood ratio of the live run, in nats", ("experiment_id",)),
    Metric("sprt_boundary", "gauge", "Threshold of the walk that is in force, in nats", ("experiment_id", "side")),
    Metric("sprt_samples", "gauge", "Observations applied in the live run", ("experiment_id",)),
    Metric("sprt_p_value", "gauge", "Rolling always-valid p-value of the live run", ("experiment_id",)),
    Metric("sprt_estimate", "gauge", "Naive estimate of the parameter in the live run", ("experiment_id",)),
    Metric(
        "sprt_experiment_info",
        "gauge",
        "One per active experiment; the labels describe it",
        ("experiment_id", "title", "owner", "tags"),
    ),
    Metric("sprt_series_dropped_total", "counter", "Active experiments without series of their own: above the cap"),
    Metric("sprt_experiments", "gauge", "Experiments owned by this worker, by state", ("state",)),
    Metric("sprt_decisions_total", "counter", "Runs decided", ("outcome", "reason")),
    Metric("sprt_observations_total", "counter", "Observation records read, by what became of them", ("result",)),
    Metric("sprt_rejected_total", "counter", "Records rejected, by reason", ("reason",)),
    Metric(
        "sprt_command_seconds", "histogram", "From a command's Kafka timestamp to the commit of its reply", (), _DELAYS
    ),
    Metric(
        "sprt_decision_delay_seconds",
        "histogram",
        "From the deciding record's Kafka timestamp to the commit of the decision",
        (),
        _DELAYS,
    ),
    Metric(
        "sprt_export_seconds",
        "histogram",
        "Time to write one archive",
        (),
        (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
    ),
    Metric("sprt_archives_total", "counter", "Archives written, by result", ("result",)),
    Metric(
        "sprt_consumer_lag_records",
        "gauge",
        "Records between the committed position and the end of the partition",
        ("topic", "partition"),
    ),
    Metric("sprt_queue_waiting", "gauge", "Runs that wait for a slot", ("queue",)),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}

#: What can become of an observation record; their sum is the records read.
RESULTS: tuple[str, ...] = (
    "applied",
    "duplicate",
    "before_start",
    "while_paused",
    "after_stop",
    "rejected",
    "forwarded",
)

#: Why a record can be rejected.
REJECTED: tuple[str, ...] = (
    "empty",
    "too_large",
    "malformed",
    "unknown_schema",
    "key_mismatch",
    "unknown_experiment",
    "observed_in_future",
    "sequence_too_old",
    "too_many_sources",
    "value_not_allowed",
    "not_a_command",
)
