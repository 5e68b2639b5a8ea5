"""The dashboard Operations: are the roles up, do observations flow, are answers quick, what came out."""

from typing import Any, Final

from grafana import variables
from grafana.board import Row, dashboard_json
from grafana.promql import CHOSEN, count_in_range, gauge, in_range, latest, per_second, quantile, total
from grafana.sdk import bargauge, stat, timeseries
from grafana.style import GREEN, RED, ZERO_IS_GOOD, bars, link, number, over_time

UID: Final = "waldstream-operations"

_ROLES: Final = 'job=~"waldstream-.+"'


def roles_up() -> stat.Panel:
    """Show how many processes of each role answer."""
    return number(
        "Which roles answer?",
        "Processes whose /metrics answered the last scrape, by role. Good: as many as you started, and at least one "
        "of each.",
        "none",
        f"sum by (job) ({gauge('up', *CHOSEN, _ROLES)})",
        "{{job}}",
        steps=((None, RED), (1.0, GREEN)),
        width=12,
    )


def partitions_without_owner() -> stat.Panel:
    """Show how many partitions no worker owns."""
    return number(
        "Does every partition have an owner?",
        "Partitions that no worker owns. Good: 0; a few for some seconds while partitions move. While a partition "
        "has no owner its experiments stand still; nothing is lost.",
        "none",
        f"{latest('sprt_partitions')} - {total('sprt_partitions_owned')}",
        "without an owner",
        steps=ZERO_IS_GOOD,
    )


def series_dropped() -> stat.Panel:
    """Show how many experiments have no series of their own."""
    return number(
        "Do all active experiments have series?",
        "Experiments that became active while 500 others already had series of their own. Good: 0; with more, the "
        "dashboard Experiments does not show all. The console does.",
        "none",
        in_range("sprt_series_dropped_total"),
        "without series",
        steps=ZERO_IS_GOOD,
    )


def takeovers() -> stat.Panel:
    """Show how often partitions changed hands."""
    return number(
        "How often did partitions change their owner?",
        "Take-overs in the time shown; starting a worker makes one for each of its partitions. Good: none outside of "
        "deployments.",
        "none",
        count_in_range("sprt_takeover_seconds"),
        "take-overs",
        height=8,
    )


def takeover_time() -> timeseries.Panel:
    """Show how long a take-over lasts."""
    return over_time(
        "How long does a partition stand still when it changes hands?",
        "From the assignment to the first fetch: fencing the last owner and reading the state. Good: seconds; 20 s "
        "with 100 000 experiments.",
        "s",
        (quantile(0.5, "sprt_takeover_seconds", "$__range"), "half of them below"),
        (quantile(0.99, "sprt_takeover_seconds", "$__range"), "99 % below"),
        width=6,
    )


def processor_time() -> timeseries.Panel:
    """Show how much processor time each process takes."""
    return over_time(
        "How busy is each process?",
        "Cores in use. Good: a few per cent when idle; a worker that stays near 1 is at its limit: start another.",
        "percentunit",
        (per_second("process_cpu_seconds_total", ["job", "instance"], _ROLES), "{{job}} {{instance}}"),
        width=6,
    )


def memory() -> timeseries.Panel:
    """Show how much memory each process takes."""
    return over_time(
        "How much memory does each process hold?",
        "Resident memory. Good: flat over days; it grows with the number of experiments, never with observations.",
        "bytes",
        (total("process_resident_memory_bytes", ["job", "instance"], _ROLES), "{{job}} {{instance}}"),
        width=6,
    )


def records() -> timeseries.Panel:
    """Show observation records by result."""
    return over_time(
        "What becomes of the observations?",
        "Records read per second, by result; their sum is all that was read. Good: nearly all are applied; duplicate "
        "after a producer's retry, after_stop shortly after a decision.",
        "ops",
        (per_second("sprt_observations_total", ["result"]), "{{result}}"),
        stacked=True,
    )


def lag() -> timeseries.Panel:
    """Show how far the workers are behind."""
    return over_time(
        "How far are the readers behind?",
        "Records between the committed position and the end of the log, by role and topic. Good: near zero, or "
        "falling.",
        "none",
        (total("sprt_consumer_lag_records", ["job", "topic"]), "{{job}} {{topic}}"),
    )


def rejected() -> timeseries.Panel:
    """Show rejected records by reason."""
    return over_time(
        "Which records are rejected, and why?",
        "Records that could not be applied, per second; each lies in the topic of rejected records with its reason. "
        "Good: none.",
        "ops",
        (per_second("sprt_rejected_total", ["reason"]), "{{reason}}"),
    )


def state_topic() -> timeseries.Panel:
    """Show how much is written to the state topic."""
    return over_time(
        "How much state is written?",
        "Rows written to the state topic per second. Good: in step with the batches, far below the rate of "
        "observations; cold rows only when an experiment changes.",
        "ops",
        (per_second("sprt_state_rows_total", ["row"]), "{{row}}"),
        width=6,
    )


def state_bytes() -> timeseries.Panel:
    """Show how many bytes go to the state topic."""
    return over_time(
        "How large is the state that is written?",
        "Bytes of rows written to the state topic per second. Good: well below what the broker's disk takes.",
        "Bps",
        (per_second("sprt_state_bytes_total"), "written"),
        width=6,
    )


def decision_delay() -> timeseries.Panel:
    """Show how long a decision takes."""
    return over_time(
        "How soon after the deciding record is a decision published?",
        "From the record's Kafka timestamp to the commit of the decision. Good: 99 % below 0.25 s without lag.",
        "s",
        (quantile(0.5, "sprt_decision_delay_seconds"), "half of them below"),
        (quantile(0.99, "sprt_decision_delay_seconds"), "99 % below"),
    )


def command_time() -> timeseries.Panel:
    """Show how long a command takes."""
    return over_time(
        "How soon is a command answered?",
        "From the command's Kafka timestamp to the commit of its reply; a definition waits until its design is "
        "solved. Good: 99 % below 1 s.",
        "s",
        (quantile(0.5, "sprt_command_seconds"), "half of them below"),
        (quantile(0.99, "sprt_command_seconds"), "99 % below"),
    )


def decisions() -> bargauge.Panel:
    """Show how runs ended."""
    return bars(
        "How did runs end?",
        "Decisions in the time shown, by outcome and reason. Good: boundaries dominate; many timeouts or limits say "
        "that designs are too small for the effects at hand.",
        "none",
        in_range("sprt_decisions_total", ["outcome", "reason"]),
        "{{outcome}} by {{reason}}",
    )


def size_ratio() -> timeseries.Panel:
    """Show how large runs were against what was expected."""
    return over_time(
        "How large were runs against what their designs expected?",
        "n over the number expected under the accepted hypothesis, of runs that met a boundary. Good: the middle is "
        "near 1; far above it, truths lie between the hypotheses.",
        "percentunit",
        (quantile(0.5, "sprt_decision_asn_ratio", "$__range"), "half of them below"),
        (quantile(0.9, "sprt_decision_asn_ratio", "$__range"), "90 % below"),
    )


def queues() -> timeseries.Panel:
    """Show how many runs wait for a slot."""
    return over_time(
        "How many runs wait for a slot?",
        "Runs in each queue. Good: it falls again; a queue that only grows has too few slots.",
        "none",
        (total("sprt_queue_waiting", ["queue"]), "{{queue}}"),
        width=8,
    )


def sources() -> timeseries.Panel:
    """Show how many sources the runner feeds."""
    return over_time(
        "How many sources does the runner feed?",
        "Sources of live runs, by kind. Good: as many as live runs that have a source of their own.",
        "none",
        (total("sprt_sources", ["kind"]), "{{kind}}"),
        width=8,
    )


def missed() -> stat.Panel:
    """Show how many scheduled firings were missed."""
    return number(
        "Were all schedules kept?",
        "Firings that were skipped or came more than a minute late, in the time shown. Good: 0.",
        "none",
        in_range("sprt_schedule_missed_total"),
        "missed",
        steps=ZERO_IS_GOOD,
        width=4,
        height=8,
    )


def overtaken() -> stat.Panel:
    """Show how often retention was faster than the workers."""
    return number(
        "Was everything read before it expired?",
        "Times that records were gone before they were read, in the time shown. Good: 0. The runs concerned are "
        "marked.",
        "none",
        in_range("sprt_retention_overtook_total"),
        "overtaken",
        steps=ZERO_IS_GOOD,
        width=4,
        height=8,
    )


def contents() -> dict[str, Any]:
    """Return the dashboard, row by row."""
    return dashboard_json(
        uid=UID,
        title="waldstream: operations",
        description="Are the roles up, do observations flow, are answers quick, what came out?",
        variables=[variables.datasource(), variables.job(), variables.instance(), variables.console()],
        links=[link("Console", "${console:raw}")],
        rows=[
            Row("Is everything running?", (roles_up(), partitions_without_owner(), series_dropped())),
            Row("Does it run calmly?", (takeovers(), takeover_time(), processor_time(), memory())),
            Row("Do observations flow?", (records(), lag(), rejected(), state_topic(), state_bytes())),
            Row("Are answers quick?", (decision_delay(), command_time())),
            Row("What came out?", (decisions(), size_ratio())),
            Row("Does everything run when it should?", (queues(), sources(), missed(), overtaken())),
        ],
    )
