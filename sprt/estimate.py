"""What can be said about the parameter after a run has ended, and what cannot, with the reason.

After a stop by the design's own rules the stagewise ordering gives p, interval and a median-unbiased estimate. After
a timeout, a manual stop or a failure n is not the design's own: the always-valid p and the confidence sequence hold
then too.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.confidence_sequences import confidence_sequence
from sprt.cost import allowance
from sprt.design import Design
from sprt.errors import DesignError, SprtError, TooCostlyError
from sprt.families.bernoulli import Bernoulli
from sprt.families.normal import Normal
from sprt.families.poisson import Poisson
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.law import has_law, method_of
from sprt.law_bernoulli import paths
from sprt.naive import naive_estimate
from sprt.rules import Start, rules_of
from sprt.stagewise import ORDERING, Stagewise, stagewise
from sprt.state import State
from sprt.thresholds import wald_thresholds
from sprt.walk import rule_at

RULES: Final = ("boundary_upper", "boundary_lower", "p_threshold", "max_samples")
OUTSIDE: Final = ("timeout", "stalled", "source_exhausted", "manual", "failed")
OUTCOMES: Final = ("accept_h1", "accept_h0", "inconclusive")
COVERAGE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run says about the parameter.

    Attributes
    ----------
    always_valid_p, p_kind
        The always-valid p at the stop, and the theorem it rests on.
    stagewise_p, stagewise_p_mid
        One-sided p of the observed outcome under the stagewise ordering, counted whole and half; None where not valid.
    naive
        Maximum likelihood, biased by the stop; None where it does not exist.
    median_unbiased
        The estimate that is as likely too high as too low; None where not valid.
    interval, interval_kind
        A 95 % interval and what it is; its ends may be infinite. None where there is none.
    confidence_sequence
        The 95 % interval that holds at every n at once; None where the family has none.
    ordering
        The ordering of outcomes behind stagewise p, interval and estimate; None where they are not given.
    method
        How the law behind them was computed.
    unavailable
        For each field that is None, the reason.
    """

    always_valid_p: float
    p_kind: str
    stagewise_p: float | None
    stagewise_p_mid: float | None
    naive: float | None
    median_unbiased: float | None
    interval: tuple[float, float] | None
    interval_kind: str | None
    confidence_sequence: tuple[float, float] | None
    ordering: str | None
    method: str | None
    unavailable: dict[str, str]


def estimate(design: Design, state: State, decision: str | None = None) -> Estimate:
    """Return what a run that ended at `state` says about the parameter.

    Parameters
    ----------
    decision
        Why it ended: one of the design's rules (`boundary_upper`, `boundary_lower`, `p_threshold`, `max_samples`), a
        reason from outside (`timeout`, `stalled`, `source_exhausted`, `manual`, `failed`), an outcome, or None; the
        last two mean the rule that ends the run at this state, or a stop from outside if none does.

    Raises
    ------
    DesignError
        If the decision is unknown, or names a rule that does not end the run at this state.
    """
    rule = rule_behind(design, state, decision)
    unavailable: dict[str, str] = {}
    naive = naive_estimate(design.model, state)
    if naive is None:
        unavailable["naive"] = "the maximum-likelihood estimate does not exist or is infinite here"
    sequence = sequence_at(design, state, unavailable)
    found, why_not = stagewise_or_reason(design, state, rule)
    if found is not None:
        exact = has_law(design)
        if not math.isfinite(found.median_unbiased):
            unavailable["median_unbiased"] = "no parameter is far enough out for this outcome to be its median"
        return Estimate(
            always_valid_p=state.p_value,
            p_kind=design.model.p_kind,
            stagewise_p=found.p,
            stagewise_p_mid=found.p_mid,
            naive=naive,
            median_unbiased=found.median_unbiased if math.isfinite(found.median_unbiased) else None,
            interval=(found.low, found.high),
            interval_kind="95 % interval, equal tails under the stagewise ordering",
            confidence_sequence=sequence,
            ordering=ORDERING,
            method=method_of(design)
            if exact
            else "normal walk with the same drift and variance (Brownian approximation)",
            unavailable=unavailable,
        )
    for name in ("stagewise_p", "stagewise_p_mid", "median_unbiased", "ordering", "method"):
        unavailable[name] = why_not
    if sequence is None:
        unavailable["interval"] = unavailable["interval_kind"] = f"{why_not}; {unavailable['confidence_sequence']}"
    return Estimate(
        always_valid_p=state.p_value,
        p_kind=design.model.p_kind,
        stagewise_p=None,
        stagewise_p_mid=None,
        naive=naive,
        median_unbiased=None,
        interval=sequence,
        interval_kind=None if sequence is None else "95 % confidence sequence, valid at every n at once",
        confidence_sequence=sequence,
        ordering=None,
        method=None,
        unavailable=unavailable,
    )


def rule_behind(design: Design, state: State, decision: str | None) -> str | None:
    """Return the design's rule that ended the run, None for a stop from outside."""
    if decision is not None and decision not in (*RULES, *OUTSIDE, *OUTCOMES):
        allowed = ", ".join((*RULES, *OUTSIDE, *OUTCOMES))
        raise DesignError(f"decision: {decision!r} given, one of {allowed} is allowed")
    if decision in OUTSIDE:
        return None
    rule = rule_at(design, state)
    if decision in RULES and rule != decision:
        raise DesignError(f"decision: {decision!r} given, but at this state {rule or 'no rule'} ends the run")
    return rule


def stagewise_or_reason(design: Design, state: State, rule: str | None) -> tuple[Stagewise | None, str]:
    """Return the stagewise inference, or why there is none."""
    if rule is None:
        return None, "n was not chosen by the design's own rules"
    if design.is_two_sided:
        return None, "outcomes of a two-sided test have no stagewise ordering"
    try:
        with allowance(design.given):
            return stagewise(design, state), ""
    except TooCostlyError as error:
        return None, str(error)


def sequence_at(design: Design, state: State, unavailable: dict[str, str]) -> tuple[float, float] | None:
    """Return the confidence sequence's interval, tuned to the design's own length; note the reason if there is none."""
    model, alpha, t_opt = design.model, 1.0 - COVERAGE, typical_n(design)
    try:
        if state.n == 0:
            unavailable["confidence_sequence"] = "no observation yet"
            return None
        if isinstance(model, Bernoulli | Poisson):
            low, high = confidence_sequence(model.name, S=state.counts[0], n=state.n, alpha=alpha, t_opt=t_opt)
        elif isinstance(model, Normal):
            mean = model.h0 + state.sums[0] / state.n
            low, high = confidence_sequence("normal", n=state.n, xbar=mean, s2=model.sd**2, alpha=alpha, t_opt=t_opt)
        elif isinstance(model, TwoArmNormal):
            difference = naive_estimate(model, state)
            if difference is None:
                unavailable["confidence_sequence"] = "an arm without observations"
                return None
            n_a, n_b = state.counts
            low, high = confidence_sequence(
                model.name, n_a=n_a, n_b=n_b, difference=difference, sd=model.sd, alpha=alpha, t_opt=t_opt
            )
        else:
            family = model.name.replace("_", " ")
            unavailable["confidence_sequence"] = f"there is no confidence sequence for the family {family} here"
            return None
    except SprtError as error:
        unavailable["confidence_sequence"] = str(error)
        return None
    return float(low), float(high)


def typical_n(design: Design) -> float:
    """Return the n the confidence sequence is tuned to, fixed by the design: Wald's expected n, at most the limit."""
    lower, upper = wald_thresholds(design.alpha, design.beta if design.beta is not None else design.alpha)
    below, above = design.model.drifts()
    expected = 0.5 * (lower / below + upper / above) if below < 0.0 < above else math.inf
    return max(1.0, min(expected, float(design.max_n or math.inf), 1e9))


def mean_naive_estimate(design: Design, theta: float) -> float:
    """Return the expected maximum-likelihood estimate at the stop of a Bernoulli test; less theta it is the bias.

    Raises
    ------
    DesignError
        If the design is not a Bernoulli one, or theta is no probability.
    """
    model = design.model
    if not isinstance(model, Bernoulli):
        raise DesignError(f"model: {model.name} given, bernoulli is allowed")
    model.check_theta(np.array([theta]))
    with allowance(design.given):
        points = paths(model.ratio_for(two_sided=design.is_two_sided), rules_of(design), np.array([theta]), Start())
    return float((points.masses(theta) * (points.s / points.n)).sum())
