"""The dashboard Archives: is every decision archived, in time, and does the replay agree."""

from typing import Any, Final

from grafana import annotations, infinity, variables
from grafana.board import Row, dashboard_json
from grafana.promql import in_range, quantile, total
from grafana.sdk import dashboard, stat, table, timeseries
from grafana.style import INFINITY, ZERO_IS_GOOD, link, number, over_time, renamed, rows

UID: Final = "waldstream-archives"


def written() -> stat.Panel:
    """Show how many archives were written."""
    return number(
        "How many archives were written?",
        "Archives that were written in the time shown. Good: as many as runs were decided.",
        "none",
        in_range("sprt_archives_total", (), 'result="written"'),
        "written",
    )


def disputed() -> stat.Panel:
    """Show how many archives are disputed."""
    return number(
        "Does every replay agree with its decision?",
        "Archives in the time shown whose replay gave another decision than the worker. Good: 0, always; each one is "
        "a fault in the software or in the log.",
        "none",
        in_range("sprt_archives_total", (), 'result="disputed"'),
        "disputed",
        steps=ZERO_IS_GOOD,
    )


def failed() -> stat.Panel:
    """Show how many exports failed."""
    return number(
        "Did every export succeed?",
        "Attempts that failed in the time shown; the exporter tries again until the archive stands. Good: 0.",
        "none",
        in_range("sprt_archives_total", (), 'result="failed"'),
        "failed",
        steps=ZERO_IS_GOOD,
    )


def waiting() -> stat.Panel:
    """Show how many decided runs wait for their archive."""
    return number(
        "How many decided runs have no archive yet?",
        "Experiments whose newest run is decided and not archived. Good: 0, or a few that are being written.",
        "none",
        total("sprt_experiments", (), 'state="DECIDED"'),
        "waiting",
    )


def duration() -> timeseries.Panel:
    """Show how long writing an archive takes."""
    return over_time(
        "How long does it take to write an archive?",
        "From the decision's arrival at the exporter to the complete folder. Good: seconds; below 20 s with a "
        "million observations.",
        "s",
        (quantile(0.5, "sprt_export_seconds", "$__range"), "half of them below"),
        (quantile(0.99, "sprt_export_seconds", "$__range"), "99 % below"),
    )


def behind() -> timeseries.Panel:
    """Show how far the exporter is behind."""
    return over_time(
        "How far is the exporter behind?",
        "Control records that the exporter has still to read. Good: near zero, or falling.",
        "none",
        (total("sprt_consumer_lag_records", ["topic"], 'job="waldstream-exporter"'), "{{topic}}"),
    )


def newest() -> table.Panel:
    """Show the newest archives, with links."""
    columns = (
        infinity.Column("experiment_id", "experiment"),
        infinity.Column("run", "run", "number"),
        infinity.Column("title", "title"),
        infinity.Column("owner", "owner"),
        infinity.Column("decided_at", "decided", "timestamp"),
        infinity.Column("outcome", "outcome"),
        infinity.Column("reason", "reason"),
        infinity.Column("n", "n", "number"),
        infinity.Column("disputed", "disputed"),
    )
    page = "${console:raw}/experiments/${__data.fields.experiment}/runs/${__data.fields.run}"
    zipped = "${console:raw}/api/v1/experiments/${__data.fields.experiment}/runs/${__data.fields.run}/archive"
    return (
        rows(
            "Which archives stand?",
            "The 200 newest archived runs, from the console. Good: disputed is false everywhere. An id leads to the "
            "run's page, its number to the download.",
            INFINITY,
        )
        .with_target(infinity.Query("/api/v1/experiments?state=archived&sort=newest&limit=200", "items", columns))
        .with_transformation(renamed({column.name: column.name for column in columns}, hidden=[]))
        .override_by_name("experiment", [_linked("Open in the console", page)])
        .override_by_name("run", [_linked("Download the archive", zipped)])
    )


def contents() -> dict[str, Any]:
    """Return the dashboard, row by row."""
    return dashboard_json(
        uid=UID,
        title="waldstream: archives",
        description="Is every decision archived, in time, and does the replay agree?",
        variables=[
            variables.datasource(),
            variables.console_source(),
            variables.job(),
            variables.instance(),
            variables.console(),
        ],
        annotations=[annotations.from_console(), annotations.published()],
        links=[link("All archives in the console", "${console:raw}/?state=archived")],
        since="now-24h",
        rows=[
            Row("Is every decision archived?", (written(), disputed(), failed(), waiting())),
            Row("In time?", (duration(), behind())),
            Row("Which archives are there?", (newest(),)),
        ],
    )


def _linked(title: str, url: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue("links", [{"title": title, "url": url, "targetBlank": True}])
