"""What a run says in sentences: verdict, model, stop rules in their order, a paragraph for a methods section.

User text never passes through here unprinted; numbers come from `numbers`.
"""

from typing import Any, Final

from exporter.archive import Archive
from exporter.numbers import effective_upper, p_line, parameter_name, shown

FAMILIES: Final = {
    "bernoulli": "Bernoulli: independent zeros and ones, p the probability of a one",
    "normal": "Normal: independent measurements of known standard deviation",
    "poisson": "Poisson: independent counts per unit of exposure",
    "exponential": "Exponential: independent waiting times, rate one over their mean",
    "negative_binomial": "Negative binomial: independent counts of mean m and variance m + m²/dispersion",
    "paired_bernoulli": "Paired Bernoulli: pairs of zeros and ones, odds ratio of b to a; n counts discordant pairs",
    "two_arm_normal": "Two-arm normal: difference of the means of b and a, common known standard deviation",
    "student_t": "Student's t: standardised effect of independent normal measurements, standard deviation unknown",
    "multinomial": "Multinomial: independent results in ordered categories, difference in Elo",
}
THRESHOLD_NAMES: Final = {"exact": "exact", "wald": "Wald", "ville": "Ville", "siegmund": "Siegmund"}
OUTCOMES: Final = {"accept_h1": "H1 accepted", "accept_h0": "H0 accepted", "inconclusive": "Inconclusive"}
REASONS: Final = {
    "boundary_upper": "the walk crossed the upper boundary",
    "boundary_lower": "the walk crossed the lower boundary",
    "p_threshold": "the always-valid p reached its threshold",
    "max_samples": "the largest sample size was reached",
    "timeout": "the time allowed ran out",
    "stalled": "no observation came for too long",
    "source_exhausted": "the source had no more observations",
    "manual": "the run was stopped by hand",
    "failed": "the run failed",
}
THRESHOLDS: Final = {
    "exact": "exact: the recursion's achieved errors are at or below nominal",
    "wald": "Wald's: log((1 − β)/α) and log(β/(1 − α))",
    "ville": "Ville's: log(1/α) and log β",
    "siegmund": "Siegmund's: Wald's, moved inwards by the expected overshoot",
}
LIMITS: Final = {
    "undecided": "the run is inconclusive",
    "sign": "H1 is accepted if the log-likelihood ratio is above 0, else H0",
    "midpoint": "H1 is accepted if the log-likelihood ratio is at or above the middle of the boundaries, else H0",
}


def hypothesis(definition: dict[str, Any], which: str) -> str:
    """Return a hypothesis as an equation, such as `p = 0.5`; `which` is `h0` or `h1`."""
    text = ", ".join(f"{name} = {shown(value)}" for name, value in definition["model"][which].items())
    if which == "h1" and definition["model"].get("alternative") == "two_sided":
        text += " or its mirror image about H0"
    return text


def errors(definition: dict[str, Any]) -> str:
    """Return the nominal error rates, such as `alpha = 0.01, beta = 0.05`."""
    given = definition["errors"]
    names = [name for name in ("alpha", "beta") if given.get(name) is not None]
    return ", ".join(f"{name} = {shown(given[name])}" for name in names)


def verdict(archive: Archive) -> str:
    """Return how the run ended, in one sentence."""
    decision, definition = archive.decision, archive.definition
    h0, h1 = (f"{which.upper()} ({hypothesis(definition, which)})" for which in ("h0", "h1"))
    if decision.outcome == "inconclusive":
        return f"No decision between {h0} and {h1} at {errors(definition)}; {_how(archive)}."
    winner, loser = (h1, h0) if decision.outcome == "accept_h1" else (h0, h1)
    return f"{winner} accepted against {loser} at {errors(definition)}; {_how(archive)}."


def headline(archive: Archive) -> str:
    """Return the outcome and its reason in a few words."""
    return f"{OUTCOMES[archive.decision.outcome]}: {REASONS[str(archive.decision.reason)]}"


def _how(archive: Archive) -> str:
    decision, stop = archive.decision, archive.definition["stop"]
    n = f"at n = {decision.n}"
    match decision.reason:
        case "boundary_upper":
            return f"crossed the upper boundary {n}"
        case "boundary_lower":
            return f"crossed the lower boundary {n}"
        case "p_threshold":
            return f"the always-valid p reached {shown(stop['p_value'])} {n}"
        case "max_samples" if decision.outcome == "inconclusive":
            return f"reached the largest sample size {n} without crossing a boundary"
        case "max_samples":
            return f"decided by the rule at the largest sample size ({stop['at_limit']}) {n}"
        case "timeout":
            return f"the time allowed ({stop.get('max_duration')}) ran out {n}"
        case "stalled":
            return f"no observation came for {stop.get('stall_timeout')} {n}"
        case other:
            return f"{REASONS[str(other)]} {n}"


def stop_rules(archive: Archive) -> tuple[str, ...]:
    """Return the stop rules in the order in which they are tested on each observation."""
    definition, stop = archive.definition, archive.definition["stop"]
    upper, lower, line = archive.decision.upper, archive.decision.lower, p_line(archive)
    rules = []
    if upper is not None:
        rules.append(
            f"Boundary: H1 is accepted as soon as the log-likelihood ratio is at or above {shown(upper)} nats."
        )
    if lower is not None:
        rules.append(
            f"Boundary: H0 is accepted as soon as the log-likelihood ratio is at or below {shown(lower)} nats."
        )
    if line is not None:
        rules.append(
            f"p rule: H1 is accepted as soon as the always-valid p is at or below {shown(stop['p_value'])}"
            f" (log-likelihood ratio at {shown(line)} nats)."
        )
    if stop.get("max_samples") is not None:
        rules.append(f"Largest sample size: at n = {stop['max_samples']} {LIMITS[stop['at_limit']]}.")
    for key, words in (("max_duration", "Time allowed"), ("stall_timeout", "Longest silence")):
        if stop.get(key) is not None:
            rules.append(f"{words}: after {stop[key]} the run is inconclusive.")
    rules.append("By hand, end of the source, failure: the run is inconclusive.")
    if definition["stop"].get("min_samples", 1) > 1:
        rules.append(f"No rule on the walk is tested before n = {stop['min_samples']}.")
    return tuple(rules)


def methods(archive: Archive) -> str:
    """Return a paragraph for a methods section."""
    definition, decision = archive.definition, archive.decision
    stop, name = definition["stop"], parameter_name(definition)
    thresholds = THRESHOLD_NAMES[definition["errors"]["thresholds"]]
    truncated = f"truncated at n = {stop['max_samples']}" if stop.get("max_samples") else "not truncated"
    boundaries = [
        f"{word} boundary {shown(value)}"
        for word, value in (("lower", decision.lower), ("upper", effective_upper(archive)))
        if value is not None
    ]
    return (
        f"We tested H0: {hypothesis(definition, 'h0')} against H1: {hypothesis(definition, 'h1')} with a sequential "
        f"probability ratio test ({truncated}; {errors(definition)}; {thresholds} thresholds; "
        f"{', '.join(boundaries)} nats on the log-likelihood ratio). The rule was evaluated after every observation, "
        f"automatically. The run ended after n = {decision.n} observations at a log-likelihood ratio of "
        f"{shown(decision.llr)} nats: {REASONS[str(decision.reason)]} ({OUTCOMES[decision.outcome]}). "
        f"The conclusion is about these two simple hypotheses on {name}, not about the size of an effect."
    )
