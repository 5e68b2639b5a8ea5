"""The 24 items that a sequential test has to report, after CONSORT's adaptive-designs extension and APA JARS.

An item that the archive cannot fill says so; nothing is made up.
"""

from typing import NamedTuple

from experiments.health import TITLES
from exporter.archive import Archive
from exporter.numbers import Number, numbers, parameter_name
from exporter.report.envelope import SEED, WALKS, envelope
from exporter.report.planned import percentile, planned_method
from exporter.report.timeline import utc
from exporter.text import printable
from exporter.words import FAMILIES, LIMITS, OUTCOMES, REASONS, THRESHOLDS, errors, hypothesis, stop_rules
from schemas import events
from schemas.metrics import RESULTS


class Item(NamedTuple):
    """One item: its number and name in the checklist, and what this run reports."""

    number: int
    name: str
    text: str


def items(archive: Archive) -> tuple[Item, ...]:
    """Return all items in order."""
    by_key = {number.key: number for number in numbers(archive)}
    texts = (
        ("Sequential, and truncated or not", _title(archive)),
        ("Registration before the first observation", _registration(archive)),
        ("Hypotheses", _hypotheses(archive)),
        ("Errors, boundaries, statistic, model", _statistic(archive)),
        ("Unit of observation and looks", _looks(archive)),
        ("Stop rules and their precedence", " ".join(f"({i}) {rule}" for i, rule in enumerate(stop_rules(archive), 1))),
        ("Truncation", _truncation(archive)),
        ("Planned sample size and operating characteristics", _planned(by_key)),
        ("Simulation protocol", _simulation(archive)),
        ("Who could see interim results", _interim(archive)),
        ("Start, end, pauses", _history(archive)),
        ("Decision in the light of the rule", _decision(archive, by_key)),
        ("Realised against planned n", _realised(archive, by_key)),
        ("Estimates, naive and adjusted", _estimates(archive, by_key)),
        ("Interval valid under the stop rule", _interval(archive, by_key)),
        (
            "Definition of the p-value",
            f"{_capital(archive.decision.p_kind)}. p = {by_key['p_value'].text}. It may be read at any time.",
        ),
        ("Sample path", "Figure 1; data in walk.csv (thinned) and observations.parquet (every observation)."),
        (
            "Secondary outcomes",
            "None is controlled by this test; whatever else is read from these data is exploratory.",
        ),
        ("Exclusions, duplicates, late data", _exclusions(archive, by_key)),
        ("Deviations from the plan", _deviations(archive)),
        ("Early against late data", _halves(by_key)),
        ("Multiplicity", _multiplicity(archive)),
        (
            "Versions, digests, offsets, availability",
            "See Reproduction. All data and events of the run are in this archive.",
        ),
        ("Limitations", _limitations(archive)),
    )
    return tuple(Item(number, name, text) for number, (name, text) in enumerate(texts, 1))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _title(archive: Archive) -> str:
    limit = archive.definition["stop"].get("max_samples")
    cut = "not truncated" if limit is None else f"truncated at n = {limit}"
    return f"Sequential probability ratio test (SPRT), {cut}. Decision: {OUTCOMES[archive.decision.outcome]}."


def _registration(archive: Archive) -> str:
    defined = archive.defined
    return (
        f"Definition revision {defined.definition_revision} was recorded at {utc(defined.at)} UTC, the run started at "
        f"{utc(archive.started.at)} UTC; design digest {defined.design_digest}."
    )


def _hypotheses(archive: Archive) -> str:
    model = archive.definition["model"]
    direction = {"greater": "H1 above H0", "less": "H1 below H0", "two_sided": "two-sided"}[model["alternative"]]
    h0, h1 = hypothesis(archive.definition, "h0"), hypothesis(archive.definition, "h1")
    return f"H0: {h0}. H1: {h1} ({direction}). Both are simple. {_why(archive)}"


def _why(archive: Archive) -> str:
    """Return why these hypotheses, in the words with which they were defined."""
    given = [entry.event for entry in archive.timeline if isinstance(entry.event, events.Define | events.Run)]
    reason = next((event.reason for event in given if event.reason), None)
    if reason is None:
        return "No reason for the choice was recorded."
    return f"Reason recorded with the definition: {printable(reason, 300)}."


def _statistic(archive: Archive) -> str:
    definition = archive.definition
    return (
        f"{errors(definition)}; thresholds {THRESHOLDS[definition['errors']['thresholds']]}. Statistic: the "
        f"log-likelihood ratio of H1 against H0 in nats. "
        f"Model: {FAMILIES[definition['model']['family']]}."
    )


def _looks(archive: Archive) -> str:
    first = archive.definition["stop"].get("min_samples", 1)
    actual = max(0, archive.decision.n - first + 1)
    return (
        f"One value is one observation. Planned: the rules are tested after every observation from n = {first} on. "
        f"Actual looks: {actual}, none left out."
    )


def _truncation(archive: Archive) -> str:
    stop = archive.definition["stop"]
    if stop.get("max_samples") is None:
        return "The test is not truncated by sample size."
    return f"At n = {stop['max_samples']} {LIMITS[stop['at_limit']]}. Achieved errors include the truncation."


def _planned(by_key: dict[str, Number]) -> str:
    named = (
        "mean_n_h0",
        "mean_n_mid",
        "mean_n_h1",
        "p_undecided_h0",
        "p_undecided_h1",
        "power",
        "max_samples",
        "fixed_n",
    )
    known = [f"{by_key[key].label}: {by_key[key].text}" for key in named if key in by_key]
    return "; ".join(known) + "." if known else "Not recorded at definition."


def _simulation(archive: Archive) -> str:
    method = archive.defined.certificate.get("method")
    if method is None:
        return "No operating characteristics were recorded at definition."
    exact = f"Operating characteristics: {printable(str(method))}. Figures are in the certificate in experiment.json."
    if not (archive.defined.certificate.get("planned") or {}).get("theta") and (drawn := planned_method(archive)):
        exact += f" Law of n: {drawn[:1].lower()}{drawn[1:]}"
    if envelope(archive) is not None:
        exact += f" Envelope in Figure 1: simulation of {WALKS} walks, seed {SEED}."
    return exact


def _interim(archive: Archive) -> str:
    seen = (
        "blinded until the decision"
        if archive.definition.get("blinded")
        else "visible to operators while the run was live"
    )
    return f"The rule was applied by a program after each observation; the walk was {seen}."


def _history(archive: Archive) -> str:
    pauses = sum(isinstance(fact, events.Paused) for fact in archive.lifecycle)
    many = "no pause" if not pauses else f"{pauses} pause{'s' if pauses > 1 else ''}, see Timeline"
    return f"Started {utc(archive.started.at)} UTC, decided {utc(archive.decision.at)} UTC; {many}."


def _decision(archive: Archive, by_key: dict[str, Number]) -> str:
    past = by_key["overshoot"]
    over = "" if past.value is None else f", {past.text} nats past the line"
    return (
        f"{OUTCOMES[archive.decision.outcome]}: {REASONS[str(archive.decision.reason)]} at n = {archive.decision.n}, "
        f"log-likelihood ratio {by_key['llr'].text} nats{over}."
    )


def _realised(archive: Archive, by_key: dict[str, Number]) -> str:
    means = [
        f"{by_key[key].text} under {name}" for key, name in (("mean_n_h0", "H0"), ("mean_n_h1", "H1")) if key in by_key
    ]
    planned = f"; expected {' and '.join(means)}" if means else ""
    places = [place for place in (percentile(archive, which) for which in ("h0", "h1")) if place]
    arms = [f"{by_key[key].text} in arm {key[-1]}" for key in ("n_a", "n_b") if key in by_key]
    split = f" ({', '.join(arms)})" if arms else ""
    return f"n = {archive.decision.n}{split}{planned}." + "".join(f" {place}." for place in places)


def _estimates(archive: Archive, by_key: dict[str, Number]) -> str:
    if "naive_estimate" not in by_key:
        return f"None: {why_not(archive, 'naive')}."
    naive = f"{by_key['naive_estimate'].label}: {by_key['naive_estimate'].text} (biased by the stop)."
    if "median_unbiased_estimate" not in by_key:
        return f"{naive} Median-unbiased estimate: {why_not(archive, 'median_unbiased')}."
    adjusted = by_key["median_unbiased_estimate"]
    return f"{naive} {adjusted.label}: {adjusted.text} ({adjusted.note})."


def _interval(archive: Archive, by_key: dict[str, Number]) -> str:
    if "interval_lower" not in by_key:
        return f"None: {why_not(archive, 'interval')}. A fixed-sample interval would not hold its level."
    low, high = by_key["interval_lower"], by_key["interval_upper"]
    also = ""
    if "confidence_lower" in by_key:
        whole = by_key["confidence_lower"], by_key["confidence_upper"]
        also = f" 95 % confidence sequence, valid at every n at once: {whole[0].text} to {whole[1].text}."
    return f"{low.text} to {high.text} ({low.note}).{also}"


def why_not(archive: Archive, name: str) -> str:
    """Return why the estimate block lacks a figure."""
    reasons = archive.estimates.get("unavailable") or {}
    return printable(str(reasons.get(name) or reasons.get("estimate") or "not available for this run"))


def _exclusions(archive: Archive, by_key: dict[str, Number]) -> str:
    counts = [f"{name.replace('_', ' ')} {archive.counts[name]}" for name in RESULTS if archive.counts.get(name)]
    found = f"Records of the run by result: {', '.join(counts) or 'none'}. Each is in the table with its status."
    return f"{found}{_without_exclusions(by_key)} {_health(archive)}"


def _without_exclusions(by_key: dict[str, Number]) -> str:
    if "llr_with_paused" not in by_key:
        return ""
    at, mean = by_key["llr_with_paused"].text, by_key.get("naive_with_paused")
    estimate = "" if mean is None else f" and the naive estimate {mean.text}"
    return f" Had the values left out while paused been applied too, the log-likelihood ratio were {at} nats{estimate}."


def _health(archive: Archive) -> str:
    checks = archive.decision.health
    failed = [TITLES.get(name, name) for name, check in checks.items() if not check["passed"]]
    if not checks:
        return "No health check was in force."
    return f"Health checks: {len(checks)}, failed: {', '.join(failed) or 'none'}."


def _deviations(archive: Archive) -> str:
    found = []
    if archive.decision.reason in {"manual", "failed", "stalled"}:
        found.append(f"the run did not end by a planned rule ({REASONS[str(archive.decision.reason)]})")
    if archive.defined.definition_revision > 1:
        found.append(f"the definition is revision {archive.defined.definition_revision}")
    pauses = sum(isinstance(fact, events.Paused) for fact in archive.lifecycle)
    if pauses:
        found.append("observations were left out while paused")
    return _capital("; ".join(found)) + "." if found else "None."


def _halves(by_key: dict[str, Number]) -> str:
    if "naive_first_half" not in by_key:
        return "There are too few observations to compare halves."
    first, second = by_key["naive_first_half"], by_key["naive_second_half"]
    return (
        f"Naive estimate over the first half of the applied observations {first.text}, over the second {second.text}."
    )


def _multiplicity(archive: Archive) -> str:
    return (
        f"This is run {archive.run} of the experiment. Each run is a test of its own; no adjustment over runs or "
        "experiments is applied here."
    )


def _limitations(archive: Archive) -> str:
    return (
        "The errors hold for the two simple hypotheses and independent observations. After a sequential stop the "
        f"naive estimate of {parameter_name(archive.definition)} is biased. Stops that do not depend on data not yet "
        "applied can only lower the error rates of the decision."
        + (" There are fewer than 50 observations." if archive.decision.n < 50 else "")
    )
