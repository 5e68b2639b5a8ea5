"""The dashboard Experiments: one experiment or many, their walks, evidence and size."""

from typing import Any, Final

from grafana import annotations, infinity, variables
from grafana.board import Row, dashboard_json
from grafana.promql import latest, total
from grafana.sdk import bargauge, common, dashboard, options, stat, table, timeseries, trend
from grafana.style import (
    BLUE,
    GREEN,
    GREY,
    PROMETHEUS,
    RED,
    YELLOW,
    against_number,
    bars,
    line,
    link,
    merged,
    number,
    over_time,
    query,
    renamed,
    rows,
)

UID: Final = "waldstream-experiments"

_EXPERIMENT = ("experiment_id",)
_CHOSEN: Final = 'experiment_id=~"$experiment"'
_PAGE: Final = "${console:raw}/experiments/"


def states() -> stat.Panel:
    """Show how many experiments there are."""
    return number(
        "How many experiments are in each state?",
        "Experiments that the workers own. Good: RUNNING is what you started, DECIDED is near zero, since the "
        "exporter archives a decided run within seconds.",
        "none",
        total("sprt_experiments", ["state"]),
        "{{state}}",
        width=24,
    )


def live() -> table.Panel:
    """Show the live runs with their numbers."""
    numbers = {
        "A": latest("sprt_samples", _EXPERIMENT, _CHOSEN),
        "B": latest("sprt_llr", _EXPERIMENT, _CHOSEN),
        "C": latest("sprt_boundary", _EXPERIMENT, _CHOSEN, 'side="lower"'),
        "D": latest("sprt_boundary", _EXPERIMENT, _CHOSEN, 'side="upper"'),
        "E": latest("sprt_p_value", _EXPERIMENT, _CHOSEN),
        "F": latest("sprt_estimate", _EXPERIMENT, _CHOSEN),
    }
    heads = ("n", "llr", "lower", "upper", "p (always valid)", "estimate")
    panel = rows(
        "Which experiments are live, and where do they stand?",
        "The newest value of each number. Good: the llr lies between its boundaries and n grows. An id leads to its "
        "page in the console. A run leaves the table a minute after its decision.",
        PROMETHEUS,
    )
    for ref_id, expression in numbers.items():
        panel = panel.with_target(query(expression, ref_id=ref_id, is_instant=True))
    names = {"experiment_id": "experiment"} | {
        f"Value #{ref_id}": head for ref_id, head in zip(numbers, heads, strict=True)
    }
    return (
        panel.with_transformation(merged())
        .with_transformation(renamed(names, hidden=["Time"]))
        .override_by_name(
            "experiment",
            [dashboard.DynamicConfigValue("links", [_plain_link("Open in the console", _PAGE + "${__value.raw}")])],
        )
    )


def walk_by_time() -> timeseries.Panel:
    """Show the walk of one experiment against time."""
    return (
        over_time(
            "Where is the walk of $experiment between its boundaries?",
            "The log-likelihood ratio against time. Above the upper boundary H1 is accepted, below the lower one H0. "
            "Good: it moves towards one of them; a flat line is a source that sends nothing.",
            "none",
            (latest("sprt_llr", _EXPERIMENT, _CHOSEN), "llr"),
            (latest("sprt_boundary", _EXPERIMENT, _CHOSEN, 'side="upper"'), "accept H1"),
            (latest("sprt_boundary", _EXPERIMENT, _CHOSEN, 'side="lower"'), "accept H0"),
        )
        .repeat("experiment")
        .repeat_direction("h")
        .max_per_row(2)
        .override_by_name("llr", line(BLUE))
        .override_by_name("accept H1", line(RED, is_dashed=True))
        .override_by_name("accept H0", line(GREEN, is_dashed=True))
        .links([link("Open in the console", _PAGE + "${experiment:raw}")])
    )


def walk_by_n() -> trend.Panel:
    """Show the walk of one run against n, from the console's API."""
    columns = ("n", "llr", "upper", "lower", "e_h0", "e_h1")
    return (
        against_number(
            "Where is the walk of $walk, observation by observation?",
            "The log-likelihood ratio against n, thinned to 1000 points that keep the extremes and the crossing, "
            "with the expected drift under both hypotheses. Good: the walk follows one of the drifts.",
            "none",
            "n",
        )
        .with_target(
            infinity.Query(
                path="/api/v1/experiments/${walk:raw}/path?max_points=1000",
                root="points",
                columns=tuple(infinity.Column(name, name, "number") for name in columns),
            )
        )
        .repeat("walk")
        .repeat_direction("h")
        .max_per_row(2)
        .override_by_name("llr", line(BLUE))
        .override_by_name("upper", [*line(RED, is_dashed=True), _shown_as("accept H1")])
        .override_by_name("lower", [*line(GREEN, is_dashed=True), _shown_as("accept H0")])
        .override_by_name("e_h0", [*line(GREY, is_dashed=True), _shown_as("expected under H0")])
        .override_by_name("e_h1", [*line(YELLOW, is_dashed=True), _shown_as("expected under H1")])
        .links([link("Open in the console", _PAGE + "${walk:raw}")])
    )


def p_value() -> timeseries.Panel:
    """Show the always-valid p-values."""
    return (
        over_time(
            "How strong is the evidence against H0?",
            "The rolling always-valid p-value: 1 over the largest likelihood ratio so far, so it never rises within "
            "a run. Good: nothing here is good or bad; a p rule stops a run when its line is reached, a boundary is "
            "another event.",
            "none",
            (latest("sprt_p_value", _EXPERIMENT, _CHOSEN), "{{experiment_id}}"),
        )
        .scale_distribution(options.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
        .max(1)
    )


def estimate() -> timeseries.Panel:
    """Show the naive estimates."""
    return over_time(
        "What do the data suggest so far?",
        "The naive estimate of each run's parameter, in the model's own unit. Good: it settles; while the run goes "
        "on it is biased, and the report gives the corrected one.",
        "none",
        (latest("sprt_estimate", _EXPERIMENT, _CHOSEN), "{{experiment_id}}"),
    )


def samples() -> timeseries.Panel:
    """Show the number of observations of each run."""
    return over_time(
        "How many observations has each run taken?",
        "Observations applied in the live run. Good: a steady slope; a flat line is a paused run or a silent source.",
        "none",
        (latest("sprt_samples", _EXPERIMENT, _CHOSEN), "{{experiment_id}}"),
    )


def against_expected() -> bargauge.Panel:
    """Each run's n against what its design expects."""
    return bars(
        "How large is each run against what its design expects?",
        "n over the larger of the numbers expected under H0 and H1. Good: below 100 %; far above it the truth lies "
        "between the hypotheses, or the model does not fit.",
        "percentunit",
        f"{latest('sprt_samples', _EXPERIMENT, _CHOSEN)} / {latest('sprt_expected_samples', _EXPERIMENT, _CHOSEN)}",
        "{{experiment_id}}",
        steps=((None, GREEN), (1.0, YELLOW), (3.0, RED)),
        width=6,
    )


def against_limit() -> bargauge.Panel:
    """Each run's n against its limit."""
    return bars(
        "How near is each run to its limit?",
        "n over the largest number of observations, for runs that have one. Good: well below 100 %; a run that ends "
        "at its limit is inconclusive unless its design decides there.",
        "percentunit",
        f"{latest('sprt_samples', _EXPERIMENT, _CHOSEN)} / {latest('sprt_max_samples', _EXPERIMENT, _CHOSEN)}",
        "{{experiment_id}}",
        steps=((None, GREEN), (0.8, YELLOW), (1.0, RED)),
        width=6,
    )


def contents() -> dict[str, Any]:
    """Return the dashboard, row by row."""
    return dashboard_json(
        uid=UID,
        title="waldstream: experiments",
        description="One experiment or many: walks between their boundaries, evidence, size.",
        variables=[
            variables.datasource(),
            variables.console_source(),
            variables.job(),
            variables.instance(),
            variables.owner(),
            variables.tag(),
            variables.experiment(),
            variables.walk(),
            variables.console(),
        ],
        annotations=[annotations.from_console(), annotations.published()],
        links=[link("Console", "${console:raw}"), link("All archives", "${console:raw}/?state=archived")],
        rows=[
            Row("What is going on?", (states(), live())),
            Row("Where do the walks stand, by time?", (walk_by_time(),)),
            Row("Where do the walks stand, by n?", (walk_by_n(),)),
            Row("How strong is the evidence?", (p_value(), estimate())),
            Row("How large are the runs?", (samples(), against_expected(), against_limit())),
        ],
    )


def _shown_as(name: str) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue("displayName", name)


def _plain_link(title: str, url: str) -> dict[str, object]:
    return {"title": title, "url": url, "targetBlank": True}
