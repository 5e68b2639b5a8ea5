"""What a run's state, reason and decision mean, in words: the same on every page and in the API.

Words never claim more than the test does: they name both hypotheses and both error rates, and keep an inconclusive end
apart from an accepted H0.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

from console import numbers
from console.documents import LivePoint, RunDocument

FAMILIES: Final = {
    "bernoulli": "zeros and ones",
    "normal": "measurements of known standard deviation",
    "poisson": "counts",
    "exponential": "waiting times",
    "negative_binomial": "over-dispersed counts",
    "paired_bernoulli": "pairs of zeros and ones, one of each arm",
    "two_arm_normal": "measurements of two arms",
    "student_t": "measurements of unknown standard deviation",
    "multinomial": "scores of matches",
}

_PARAMETERS: Final = {"odds_ratio": "odds ratio"}

THRESHOLDS: Final = {
    "exact": "exact, errors at or below nominal",
    "wald": "Wald's approximation",
    "siegmund": "Siegmund's correction",
    "ville": "Ville's, conservative",
}

SOURCES: Final = {
    "external": "sent from outside",
    "entropy": "random bits of the runner's machine",
    "csv": "a CSV file of the runner's machine",
    "simulate": "simulated by the runner",
}


@dataclass(frozen=True, slots=True)
class Sign:
    """How a state is shown: words, a glyph beside them, and a tone that only repeats what they say."""

    text: str
    glyph: str
    tone: str


_STATES: Final = {
    "DEFINED": Sign("Not started", "○", "idle"),
    "QUEUED": Sign("Queued", "…", "idle"),
    "STARTING": Sign("Starting", "…", "live"),
    "RUNNING": Sign("Running", "●", "live"),
    "PAUSED": Sign("Paused", "‖", "warn"),
    "HELD": Sign("Held", "!", "warn"),
    "CANCELLED": Sign("Cancelled", "⊘", "idle"),
}

_OUTCOMES: Final = {
    "accept_h1": Sign("H1 accepted", "▲", "h1"),
    "accept_h0": Sign("H0 accepted", "▼", "h0"),
    "inconclusive": Sign("Inconclusive", "◆", "idle"),
}

_REASONS: Final = {
    "boundary_upper": "the walk reached the upper boundary",
    "boundary_lower": "the walk reached the lower boundary",
    "p_threshold": "the always-valid p fell to its threshold",
    "max_samples": "the limit of observations was reached",
    "timeout": "the time ran out",
    "stalled": "no observations came for too long",
    "source_exhausted": "the source came to its end",
    "manual": "it was stopped by hand",
    "failed": "something failed",
}

#: The same reasons as labels of a column or a filter.
REASON_LABELS: Final = {
    "boundary_upper": "Upper boundary",
    "boundary_lower": "Lower boundary",
    "p_threshold": "p threshold",
    "max_samples": "Limit reached",
    "timeout": "Time ran out",
    "stalled": "Stalled",
    "source_exhausted": "Source ended",
    "manual": "Stopped by hand",
    "failed": "Failed",
}

_EVENTS: Final = {
    "defined": "Design registered",
    "started": "Run started",
    "paused": "Paused",
    "resumed": "Resumed",
    "failed": "Failure reported",
    "decision": "Decision",
    "scheduled": "Next run scheduled",
    "queued": "Queued",
    "slot_granted": "Slot granted",
    "held": "Verdict held back",
    "released": "Verdict released",
    "unblinded": "Unblinded",
    "retrying": "To be tried again",
    "cancelled": "Cancelled",
    "archived": "Archive complete",
}


def state(run: RunDocument) -> Sign:
    """Return the run's state, or its outcome once it has one."""
    if run.outcome is not None:
        return _OUTCOMES.get(run.outcome, Sign(run.outcome, "◆", "idle"))
    return _STATES.get(run.state, Sign(run.state.capitalize(), "○", "idle"))


def reason(run: RunDocument) -> str:
    """Return why the run ended, in words; empty while it goes on."""
    return _REASONS.get(run.reason, run.reason) if run.reason else ""


def hypothesis(run: RunDocument, which: str) -> str:
    """Return a hypothesis as `p = 0.5`; `which` is `h0` or `h1`."""
    values: dict[str, float] = run.model.get(which) or {}
    text = ", ".join(f"{_PARAMETERS.get(name, name)} = {numbers.plain(value)}" for name, value in values.items())
    if which == "h1" and run.model.get("alternative") == "two_sided" and text:
        return f"{text} or its mirror image"
    return text


def rates(run: RunDocument) -> str:
    """Return the error rates as `α = 0.01, β = 0.05`."""
    alpha, beta = run.errors.get("alpha"), run.errors.get("beta")
    shown = [f"{sign} = {numbers.plain(value)}" for sign, value in (("α", alpha), ("β", beta)) if value is not None]
    return ", ".join(shown)


def headline(run: RunDocument, point: LivePoint | None) -> str:
    """Return the one sentence that stands beside the state."""
    n = run.n if run.n is not None else (point.n if point is not None else 0)
    limit = run.stop.get("max_samples")
    most = f" of at most {numbers.count(limit)}" if limit else ""
    if run.outcome is not None:
        return f"{reason(run)} at n = {numbers.count(n)}{most}"
    if run.state == "DEFINED":
        return "the design is registered; nothing has been observed"
    if run.state == "QUEUED":
        return f"waits for a slot of the queue {run.queue}" if run.queue else "waits for a slot"
    if run.state == "HELD":
        return f"the verdict is withheld at n = {numbers.count(n)} until it is released"
    if run.state == "PAUSED":
        return f"observations are left out since n = {numbers.count(n)}"
    if run.state == "CANCELLED":
        return "it takes no further runs"
    if not n:
        return "waiting for the first observation"
    return f"n = {numbers.count(n)}{most}"


def verdict(run: RunDocument) -> tuple[str, str]:
    """Return the verdict of a run that has ended, and the sentence that keeps it honest."""
    h0, h1 = hypothesis(run, "h0"), hypothesis(run, "h1")
    n = numbers.count(run.n or 0)
    if run.outcome == "accept_h1":
        side = {"greater": ", on the greater side", "less": ", on the lesser side"}.get(run.direction or "", "")
        h1 += side if run.model.get("alternative") == "two_sided" else ""
        return (
            f"H1 ({h1}) accepted against H0 ({h0}) at {rates(run)}, after {n} observations.",
            "The conclusion is about these two hypotheses, not about the size of the effect.",
        )
    if run.outcome == "accept_h0":
        return (
            f"H0 ({h0}) accepted against H1 ({h1}) at {rates(run)}, after {n} observations.",
            "Accepting H0 says that H1 is not what happened; it does not prove H0 exact.",
        )
    return (
        f"No conclusion between H0 ({h0}) and H1 ({h1}): {reason(run)} after {n} observations.",
        "Neither hypothesis may be called accepted. What was seen is in the numbers and in the archive.",
    )


def event(kind: str) -> str:
    """Return what happened, as the title of a timeline entry."""
    return _EVENTS.get(kind, kind.replace("_", " ").capitalize())


def command(kind: str) -> str:
    """Return what was asked for, as the title of a timeline entry."""
    return {"run": "Define and start", "source_done": "Source ended", "source_failed": "Source failed"}.get(
        kind, kind.replace("_", " ").capitalize()
    )


def nearness(run: RunDocument, llr: float) -> tuple[float, str] | None:
    """Return how far the walk has come to its nearest boundary, 0 to 1, and which; None without one on that side."""
    if llr >= 0 and run.upper:
        return min(llr / run.upper, 1.0), "H1"
    if llr < 0 and run.lower:
        return min(llr / run.lower, 1.0), "H0"
    return None


def aims(run: RunDocument) -> dict[str, Any]:
    """Return which rules can end the run, for its description."""
    stop = run.stop
    found: dict[str, Any] = {}
    if run.upper is not None:
        by_p = stop.get("p_value") and math.isclose(run.upper, -math.log(stop["p_value"]))
        found["Accept H1"] = f"LLR ≥ {numbers.plain(run.upper)}" + (f" (p ≤ {stop['p_value']})" if by_p else "")
    if run.lower is not None:
        found["Accept H0"] = f"LLR ≤ {numbers.plain(run.lower)}"
    if stop.get("max_samples"):
        how = {"undecided": "inconclusive", "sign": "by the sign of the LLR", "midpoint": "by the midpoint"}
        found["Limit"] = (
            f"{numbers.count(stop['max_samples'])} observations, then {how[stop.get('at_limit', 'undecided')]}"
        )
    if stop.get("max_duration"):
        found["Time limit"] = stop["max_duration"]
    if stop.get("stall_timeout"):
        found["Stalled after"] = f"{stop['stall_timeout']} without observations"
    if (stop.get("min_samples") or 1) > 1:
        found["No rule before"] = f"n = {numbers.count(stop['min_samples'])}"
    return found
