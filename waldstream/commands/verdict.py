"""The verdict of a run as a block of plain text to copy: what was tested, how it ended, and what may be said of it.

It claims no more than the test does: the estimate is named as what it is, and no interval stands beside it.
"""

import textwrap
from collections.abc import Iterator
from typing import Any

from schemas import events

_WIDTH = 78
_OUTCOMES = {"accept_h1": "H1 ACCEPTED", "accept_h0": "H0 ACCEPTED", "inconclusive": "INCONCLUSIVE"}


def block(defined: events.Defined, decision: events.Decision) -> str:
    """Return the lines, none wider than 78 characters."""
    lines = [
        f"{'' if more else label:<9}| {part}"
        for label, text in _lines(defined, decision)
        for more, part in enumerate(_wrapped(text))
    ]
    return "\n".join(["-" * _WIDTH, *lines, "-" * _WIDTH])


def _lines(defined: events.Defined, decision: events.Decision) -> Iterator[tuple[str, str]]:
    definition, figures = defined.definition, defined.certificate
    errors, stop = definition["errors"], definition["stop"]
    title = definition.get("title") or ""
    yield "RUN", f"{decision.experiment_id}/{decision.run}" + (f"  {title}" if title else "")
    yield "VERDICT", f"{_OUTCOMES.get(decision.outcome, decision.outcome)} ({decision.reason}) at n = {decision.n}"
    yield "TEST", f"{_hypotheses(definition['model'])}, {definition['model']['alternative']}"
    nominal = [f"{name} = {errors[name]:g}" for name in ("alpha", "beta") if errors.get(name) is not None]
    yield "ERRORS", f"{', '.join(nominal)} ({errors['thresholds']}); {_achieved(figures)}"
    yield (
        "LLR",
        f"{decision.llr:+.4f} nats, boundaries {_line(decision.lower, '-inf')} to {_line(decision.upper, 'inf')}",
    )
    yield "P", f"{decision.p_value:.4g}, valid at any stop ({decision.p_kind})"
    if stop.get("p_value") is not None:
        yield "", f"rule: stops at p <= {stop['p_value']:g}"
    yield "N", f"{decision.n}; {_expected(figures)}{_limit(stop)}"
    yield "ESTIMATE", _estimate(decision)
    if failed := [check["words"] for check in decision.health.values() if not check["passed"]]:
        yield "HEALTH", "; ".join(failed)
    else:
        yield "HEALTH", f"{len(decision.health)} checks passed"
    yield "RECORDS", ", ".join(f"{number} {name}" for name, number in sorted(decision.counts.items())) or "none"
    yield "DECIDED", f"{decision.at:%Y-%m-%d %H:%M:%S} UTC, partition {decision.partition}, offset {decision.offset}"
    yield "DESIGN", f"sha256 {decision.design_digest[:32]}"


def _hypotheses(model: dict[str, Any]) -> str:
    one, null = (", ".join(f"{name} = {value:g}" for name, value in model[side].items()) for side in ("h1", "h0"))
    return f"{model['family']}, H1: {one} against H0: {null}"


def _achieved(figures: dict[str, Any]) -> str:
    found = [f"{name} {figures[name]:.4g}" for name in ("alpha", "beta") if figures.get(name) is not None]
    return f"achieved {', '.join(found)}" if found else "achieved: not known"


def _expected(figures: dict[str, Any]) -> str:
    found = [
        f"{figures[f'mean_n_{side}']:.0f} under {side.upper()}"
        for side in ("h0", "h1")
        if figures.get(f"mean_n_{side}") is not None
    ]
    return f"expected {', '.join(found)}" if found else "expected: not known"


def _limit(stop: dict[str, Any]) -> str:
    return "" if stop.get("max_samples") is None else f", at most {stop['max_samples']}"


def _line(value: float | None, without: str) -> str:
    return without if value is None else f"{value:.4f}"


def _estimate(decision: events.Decision) -> str:
    naive = decision.estimate.get("naive")
    if naive is None:
        return "none"
    name = decision.estimate.get("parameter", "")
    return f"{name} = {naive:.5g}, maximum likelihood: NOT adjusted for the stop; adjusted figures are in the archive"


def _wrapped(text: str) -> list[str]:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.wrap(printable, _WIDTH - 11) or [""]
