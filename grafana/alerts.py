"""The alerts, one value each: Prometheus rules, Grafana rules and the check of the runbook are all made from them.

An alert is an expression, a comparison and a number, so that both systems can show the value that made it fire.
"""

from dataclasses import dataclass
from typing import Final, Literal

from grafana.promql import counter, gauge, grown

#: The page that holds the entry of each alert, under a heading that is its name.
RUNBOOK: Final = "docs/07-grafana.md"
_ROLES: Final = 'job=~"waldstream-.+"'
_WORKERS: Final = 'job="waldstream-worker"'
_DECIDED: Final = 'state="DECIDED"'


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    expression
        What is compared, without a comparison of its own; each series of it is an alert of its own.
    comparison, limit
        It fires while the value is above, or below, the limit.
    lasting
        How long that must hold, as in Prometheus (`5m`).
    window
        How far back the expression looks, in seconds.
    summary
        One line with the labels of the series, in Prometheus' template language.
    meaning
        What it means for the experiments.
    dashboard
        The uid of the dashboard to look at.
    """

    name: str
    severity: Literal["critical", "warning", "info"]
    expression: str
    comparison: Literal[">", "<"]
    limit: float
    lasting: str
    window: int
    summary: str
    meaning: str
    dashboard: str

    @property
    def uid(self) -> str:
        """Its fixed identity in Grafana."""
        return f"waldstream-{self.name.removeprefix('Waldstream').lower()}"

    @property
    def runbook(self) -> str:
        """Where the runbook's entry is, from the root of the repository."""
        return f"{RUNBOOK}#{self.name.lower()}"


def _grown(name: str, over: str, *matchers: str, by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}({grown(counter(name, *matchers), over)})"


_SAMPLES = gauge("sprt_samples")
_MOVED = (
    f"abs(max by (experiment_id) ({_SAMPLES}) - max by (experiment_id) ({_SAMPLES} offset 10m))"
    f" and on (experiment_id) max by (experiment_id) ({gauge('sprt_running')}) == 1"
)

ALERTS: Final[tuple[Alert, ...]] = (
    Alert(
        "WaldstreamExperimentStuck",
        "warning",
        _MOVED,
        "<",
        1,
        "5m",
        1200,
        "{{ $labels.experiment_id }} has taken no observation for 15 minutes although it runs",
        "Its source sends nothing, or its observations are not applied. The run waits; it ends at its own time limit.",
        "waldstream-experiments",
    ),
    Alert(
        "WaldstreamRecordsRejected",
        "warning",
        _grown("sprt_rejected_total", "10m", by="reason"),
        ">",
        0,
        "0s",
        600,
        "Records are rejected: {{ $labels.reason }}",
        "Somebody sends what cannot be applied. It lies in the topic of rejected records and counts in no test.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamLag",
        "warning",
        f"sum by (job, topic) ({gauge('sprt_consumer_lag_records')})",
        ">",
        100_000,
        "10m",
        600,
        "{{ $labels.job }} is more than 100 000 records behind on {{ $labels.topic }}",
        "Decisions come late, at the same observation as without lag.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamArchiveDisputed",
        "critical",
        _grown("sprt_archives_total", "1h", 'result="disputed"'),
        ">",
        0,
        "0s",
        3600,
        "A replay gave another decision than the worker",
        "The decision of that run must not be used before the cause is known.",
        "waldstream-archives",
    ),
    Alert(
        "WaldstreamExportFailed",
        "warning",
        _grown("sprt_archives_total", "15m", 'result="failed"'),
        ">",
        0,
        "0s",
        900,
        "An archive could not be written",
        "The decision stands; its archive is missing until an attempt succeeds.",
        "waldstream-archives",
    ),
    Alert(
        "WaldstreamArchiveLate",
        "warning",
        f"sum({gauge('sprt_experiments', _DECIDED)})",
        ">",
        0,
        "30m",
        600,
        "Decided runs have waited for their archives for 30 minutes",
        "The exporter is gone or cannot keep up. Decisions stand.",
        "waldstream-archives",
    ),
    Alert(
        "WaldstreamSeriesDropped",
        "info",
        _grown("sprt_series_dropped_total", "10m"),
        ">",
        0,
        "0s",
        600,
        "Active experiments have no series of their own: there are more than 500",
        "Dashboards do not show them all, and a stuck one among them raises no alert. The tests are not touched.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamScheduleMissed",
        "warning",
        _grown("sprt_schedule_missed_total", "1h"),
        ">",
        0,
        "0s",
        3600,
        "A scheduled run was skipped or came late",
        "The worker was away when it was due. What happens then is the schedule's own `misfire`.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamRetentionOvertook",
        "critical",
        _grown("sprt_retention_overtook_total", "1h", by="input"),
        ">",
        0,
        "0s",
        3600,
        "Records of {{ $labels.input }} were gone before they were read",
        "Observations are lost to the runs of that partition; the runs are marked.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamRegistryAway",
        "critical",
        f"max by (topic) ({gauge('sprt_registry_waiting')})",
        ">",
        0,
        "0s",
        300,
        "Records of {{ $labels.topic }} wait for the schema registry, which does not answer",
        "What comes after them on their partition waits, too. Nothing is lost: it goes on when the registry answers.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamRoleGone",
        "critical",
        f"min by (job, instance) ({gauge('up', _ROLES)})",
        "<",
        1,
        "1m",
        300,
        "{{ $labels.job }} at {{ $labels.instance }} does not answer",
        "Another process of the role takes its work over, if there is one.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamNoWorker",
        "critical",
        f"sum({gauge('up', _WORKERS)}) or vector(0)",
        "<",
        1,
        "1m",
        300,
        "No worker answers",
        "No observation is applied and no decision made. Nothing is lost: it goes on where it stopped.",
        "waldstream-operations",
    ),
    Alert(
        "WaldstreamPartitionWithoutOwner",
        "critical",
        f"max({gauge('sprt_partitions')}) - sum({gauge('sprt_partitions_owned')})",
        ">",
        0,
        "2m",
        300,
        "Partitions that have had no owner for 2 minutes: {{ $value }}",
        "The experiments of these partitions stand still. Nothing is lost.",
        "waldstream-operations",
    ),
)
