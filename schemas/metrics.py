"""The table of metrics: instruments and dashboards both read it, so that a name exists once.

Labels with a closed list of values start with all of them at zero: a rule on a rate then sees the first event, too.
"""

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["worker", "runner", "projector", "exporter", "console"]
ROLES: Final[tuple[Role, ...]] = ("worker", "runner", "projector", "exporter", "console")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as Prometheus sees it.

    Parameters
    ----------
    roles
        Which roles serve it.
    labels
        Names of its labels.
    starts
        The label values that are there from the start, one tuple for each series; empty where the list is open.
    buckets
        Upper bounds, in the metric's unit; only for histograms.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    roles: tuple[Role, ...] = ("worker",)
    labels: tuple[str, ...] = ()
    starts: tuple[tuple[str, ...], ...] = ()
    buckets: tuple[float, ...] = ()


def _each(values: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((value,) for value in values)


#: What can become of an observation record; their sum is the records read.
RESULTS: Final = ("applied", "duplicate", "before_start", "while_paused", "after_stop", "rejected", "forwarded")

#: Why a record can be rejected.
REJECTED: Final = (
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

#: How a run can end: outcome and reason.
DECISIONS: Final = (
    ("accept_h1", "boundary_upper"),
    ("accept_h0", "boundary_lower"),
    ("accept_h1", "p_threshold"),
    ("accept_h1", "max_samples"),
    ("accept_h0", "max_samples"),
    ("inconclusive", "max_samples"),
    ("inconclusive", "timeout"),
    ("inconclusive", "stalled"),
    ("inconclusive", "source_exhausted"),
    ("inconclusive", "manual"),
    ("inconclusive", "failed"),
)

#: What can become of an attempt to write an archive.
ARCHIVES: Final = ("written", "disputed", "existing", "failed")

#: What a worker reads.
INPUTS: Final = ("observations", "control", "commands", "archives", "queues")

#: What the rows of the state topic hold.
ROWS: Final = ("cold", "hot", "queue", "position")

#: Where a run's own source takes its values from, and how such a source ends.
SOURCES: Final = ("entropy", "csv", "simulate")
SOURCE_ENDS: Final = ("exhausted", "failed", "ended")

#: What becomes of an attempt to tell a webhook.
WEBHOOKS: Final = ("delivered", "refused", "given_up")

_DELAYS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ONE = ("experiment_id",)

METRICS: tuple[Metric, ...] = (
    Metric("sprt_llr", "gauge", "Log-likelihood ratio of the live run, in nats; not while blinded", labels=_ONE),
    Metric("sprt_boundary", "gauge", "Threshold of the walk that is in force, in nats", labels=(*_ONE, "side")),
    Metric("sprt_samples", "gauge", "Observations applied in the live run", labels=_ONE),
    Metric("sprt_p_value", "gauge", "Rolling always-valid p-value of the live run; not while blinded", labels=_ONE),
    Metric("sprt_estimate", "gauge", "Naive estimate of the live run's parameter; not while blinded", labels=_ONE),
    Metric("sprt_running", "gauge", "1 while the live run takes observations, 0 while not", labels=_ONE),
    Metric(
        "sprt_expected_samples",
        "gauge",
        "Observations that the live run's design expects to need under a hypothesis (ASN)",
        labels=(*_ONE, "hypothesis"),
    ),
    Metric("sprt_max_samples", "gauge", "Largest number of observations of the live run, if it has one", labels=_ONE),
    Metric(
        "sprt_experiment_info",
        "gauge",
        "One per active experiment; the labels describe it",
        labels=(*_ONE, "title", "owner", "tags"),
    ),
    Metric("sprt_series_dropped_total", "counter", "Active experiments without series of their own: above the cap"),
    Metric("sprt_experiments", "gauge", "Experiments owned by this worker, by state", labels=("state",)),
    Metric("sprt_decisions_total", "counter", "Runs decided", labels=("outcome", "reason"), starts=DECISIONS),
    Metric(
        "sprt_decision_asn_ratio",
        "histogram",
        "Observations of a run that met a boundary, over the number expected under the accepted hypothesis",
        buckets=(0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0),
    ),
    Metric(
        "sprt_observations_total",
        "counter",
        "Observation records read, by what became of them",
        labels=("result",),
        starts=_each(RESULTS),
    ),
    Metric("sprt_rejected_total", "counter", "Records rejected, by reason", labels=("reason",), starts=_each(REJECTED)),
    Metric("sprt_command_seconds", "histogram", "From a command's Kafka timestamp to its reply", buckets=_DELAYS),
    Metric(
        "sprt_decision_delay_seconds",
        "histogram",
        "From the deciding record's Kafka timestamp to the commit of the decision",
        buckets=_DELAYS,
    ),
    Metric("sprt_queue_waiting", "gauge", "Runs that wait for a slot", labels=("queue",)),
    Metric("sprt_schedule_missed_total", "counter", "Firings of schedules that were skipped or over a minute late"),
    Metric("sprt_partitions", "gauge", "Partitions of every topic"),
    Metric("sprt_partitions_owned", "gauge", "Partitions that this worker owns"),
    Metric(
        "sprt_takeover_seconds",
        "histogram",
        "From the assignment of a partition to its first fetch: fencing and reading its state",
        buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0),
    ),
    Metric(
        "sprt_state_rows_total",
        "counter",
        "Rows written to the state topic, by what they hold",
        labels=("row",),
        starts=_each(ROWS),
    ),
    Metric("sprt_state_bytes_total", "counter", "Bytes of the rows written to the state topic"),
    Metric(
        "sprt_retention_overtook_total",
        "counter",
        "Times that records of an input were gone before they were read",
        labels=("input",),
        starts=_each(INPUTS),
    ),
    Metric(
        "sprt_consumer_lag_records",
        "gauge",
        "Records between the position of a reader and the end of the partition",
        ("worker", "projector", "exporter"),
        ("topic", "partition"),
    ),
    Metric(
        "sprt_registry_waiting",
        "gauge",
        "1 while a partition of a topic waits for the schema registry, which does not answer",
        labels=("topic", "partition"),
    ),
    Metric("sprt_sources", "gauge", "Sources of live runs that are fed", ("runner",), ("kind",), starts=_each(SOURCES)),
    Metric(
        "sprt_source_records_total",
        "counter",
        "Observation records sent by the runs' own sources",
        ("runner",),
        ("kind",),
        starts=_each(SOURCES),
    ),
    Metric(
        "sprt_source_ends_total",
        "counter",
        "Ends of the runs' own sources; `ended` is the usual one, with the run",
        ("runner",),
        ("how",),
        starts=_each(SOURCE_ENDS),
    ),
    Metric(
        "sprt_webhooks_total",
        "counter",
        "Attempts to tell the webhook, by what became of them",
        ("runner",),
        ("result",),
        starts=_each(WEBHOOKS),
    ),
    Metric("sprt_projected_records_total", "counter", "Records brought into the read model", ("projector",)),
    Metric("sprt_read_model_up", "gauge", "1 while Redis takes what is projected, 0 while not", ("projector",)),
    Metric(
        "sprt_export_seconds",
        "histogram",
        "Time to write one archive",
        ("exporter",),
        buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
    ),
    Metric(
        "sprt_archives_total",
        "counter",
        "Archives, by what became of the attempt to write them",
        ("exporter",),
        ("result",),
        starts=_each(ARCHIVES),
    ),
    Metric(
        "sprt_http_requests_total",
        "counter",
        "Requests to console and API, by the first digit of the answer's status",
        ("console",),
        ("status",),
        starts=_each(("1xx", "2xx", "3xx", "4xx", "5xx")),
    ),
    Metric("sprt_http_seconds", "histogram", "Time to answer a request", ("console",), buckets=_DELAYS[:11]),
    Metric("sprt_console_pages", "gauge", "Pages of the console that are open in browsers", ("console",)),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
