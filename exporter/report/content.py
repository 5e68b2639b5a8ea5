"""Everything the report prints, as plain strings and numbers for the typst template: no markup can come from a user."""

from datetime import UTC
from typing import Any, Final

import pyarrow as pa

from experiments.health import TITLES
from exporter import words
from exporter.archive import Archive
from exporter.numbers import numbers, shown
from exporter.report import timeline
from exporter.report.abstract import abstract
from exporter.report.checklist import items
from exporter.report.counts_figure import counts_figure
from exporter.report.estimate_figure import estimate_figure
from exporter.report.figures import walk_figure
from exporter.report.planned import law_figure, planned_method, planned_table
from exporter.text import printable
from schemas import events
from schemas.metrics import RESULTS

_LONGEST_TITLE: Final = 200
_LONGEST_QUESTION: Final = 420
_LONGEST_CELL: Final = 300
_RESULT_KEYS: Final = (
    "n", "llr", "overshoot", "p_value", "naive_estimate", "median_unbiased_estimate", "interval_lower",
    "interval_upper", "stagewise_p", "mean_n_h0", "mean_n_h1", "fixed_n", "duration",
)  # fmt: skip


def content(archive: Archive, points: pa.Table) -> dict[str, Any]:
    """Return the content of the report; `points` is the thinned walk."""
    definition = archive.definition
    return {
        "title": printable(archive.title, _LONGEST_TITLE),
        "owner": printable(str(definition.get("owner") or ""), _LONGEST_TITLE),
        "tags": printable(", ".join(map(str, definition.get("tags") or ())), 90),
        "question": printable(str(definition.get("question") or ""), _LONGEST_QUESTION),
        "experiment": archive.experiment_id,
        "run": archive.run,
        "date": archive.decision.at.astimezone(UTC).strftime("%-d %B %Y"),
        "headline": words.headline(archive),
        "verdict": words.verdict(archive),
        "scope": "The conclusion is about these two simple hypotheses, not about the size of an effect.",
        "dispute": _dispute(archive),
        "abstract": [[name, printable(text, _LONGEST_QUESTION)] for name, text in abstract(archive)],
        "health": _health(archive),
        "plan_method": planned_method(archive),
        "design": _design(archive),
        "rules": list(words.stop_rules(archive)),
        "numbers": _numbers(archive),
        "p_kind": printable(archive.decision.p_kind),
        "interval_kind": printable(str(archive.estimates.get("interval_kind") or "")),
        "pauses": sum(isinstance(fact, events.Paused) for fact in archive.lifecycle),
        "walk": walk_figure(archive, points),
        "counts": counts_figure(archive, points),
        "estimate": estimate_figure(archive, points),
        "law": law_figure(archive),
        "planned": planned_table(archive),
        "reproduction": _reproduction(archive),
        "verify": f"waldstream verify archives/{archive.experiment_id}/{archive.run}",
        "timeline": [
            [row.at, *(printable(text, _LONGEST_CELL) for text in (row.what, row.who, row.why)), shown(row.offset)]
            for row in timeline.rows(archive)
        ],
        "records": [[name.replace("_", " "), archive.counts.get(name, 0)] for name in RESULTS],
        "methods": words.methods(archive),
        "checklist": [list(item) for item in items(archive)],
    }


def _design(archive: Archive) -> list[list[str]]:
    definition, known = archive.definition, {number.key: number.text for number in numbers(archive)}
    stop, test = definition["stop"], definition["errors"]

    def both(name: str) -> str:
        achieved = known.get(f"{name}_achieved")
        return known.get(name, "none") + (f"  (achieved {achieved})" if achieved is not None else "")

    rows = [
        ["Model", words.FAMILIES[definition["model"]["family"]].split(":")[0]],
        ["H0", words.hypothesis(definition, "h0")],
        ["H1", words.hypothesis(definition, "h1")],
        ["Type I error, alpha", both("alpha")],
        ["Type II error, beta", both("beta")],
        ["Thresholds", words.THRESHOLD_NAMES[test["thresholds"]]],
        ["Lower boundary", f"{known['lower']} nats" if "lower" in known else "none"],
        ["Upper boundary", f"{known['upper']} nats" if "upper" in known else "none"],
        ["p rule", f"p ≤ {known['p_rule']}, a line at {known['p_line']} nats" if "p_rule" in known else "none"],
        ["Largest n", f"{known['max_samples']}, then {stop['at_limit']}" if "max_samples" in known else "none"],
        ["Time allowed", str(stop.get("max_duration") or "unlimited")],
    ]
    return [[name, printable(text)] for name, text in rows]


def _numbers(archive: Archive) -> list[list[str]]:
    known = {number.key: number for number in numbers(archive)}
    return [
        [known[key].label, f"{known[key].text} {known[key].unit}".strip()]
        for key in _RESULT_KEYS
        if key in known and known[key].value is not None
    ]


def _health(archive: Archive) -> list[list[str]]:
    """Return the checks of the run's health: title, whether it passed, the finding in words."""
    return [
        [TITLES.get(name, name), "passed" if check["passed"] else "FAILED", printable(str(check["words"]))]
        for name, check in archive.decision.health.items()
    ]


def _reproduction(archive: Archive) -> list[list[str]]:
    offsets, defined = archive.offsets, archive.defined
    versions = ", ".join(f"{name} {version}" for name, version in archive.versions.items())
    inside = (
        f"offsets {offsets.first} to {offsets.last}" if offsets.last >= offsets.first else "none in the run's range"
    )
    observations = f"{offsets.topic}, partition {offsets.partition}, {inside}"
    control = f"{offsets.control_topic}, partition {offsets.control_partition}, "
    control += f"offsets {offsets.control_first} to {offsets.control_last}"
    return [
        ["Design digest", defined.design_digest],
        ["Definition digest", defined.definition_digest],
        ["Observations", observations],
        ["Events", control],
        ["Versions", printable(versions)],
    ]


def _dispute(archive: Archive) -> list[str]:
    return [] if archive.dispute is None else [printable(text) for text in archive.dispute.in_words]
