"""After a stop that is the design's own: p, interval and median-unbiased estimate under the stagewise ordering.

Outcomes are ordered towards H1: crossed above early, crossed above late, at the limit by the score there, crossed below
late, crossed below early. The chance of an outcome at least as high rises with theta, so limits and estimate are roots.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from scipy.optimize import brentq

from sprt.design import Design
from sprt.errors import DesignError, TooCostlyError
from sprt.families.base import Family
from sprt.families.bernoulli import Bernoulli
from sprt.families.counting import CountFamily
from sprt.families.exponential import Exponential
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli, probability
from sprt.families.student_t import StudentT
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.law import start_of, stops_of, success_probabilities
from sprt.law_bernoulli import LOST, paths
from sprt.rules import rules_of
from sprt.state import State
from sprt.stopping import TIE
from sprt.walk import rule_at

ORDERING: Final = "stagewise"
TAIL: Final = 0.025
POSITIVE: Final = (0.0, math.inf)
FARTHEST: Final = 14  # doublings of the starting stretch before a root is taken to lie at the end

Chances: TypeAlias = Callable[[float], tuple[float, float]]  # P(outcome >= observed) and P(outcome > observed)


@dataclass(frozen=True, slots=True)
class ParameterLine:
    """A stretch of the real line mapped to the parameter: where to begin a search, and where it must end."""

    theta: Callable[[float], float]
    x_of: Callable[[float], float]
    left: float
    right: float
    lowest: float
    highest: float
    ends: tuple[float, float]  # the parameter there


@dataclass(frozen=True, slots=True)
class Stagewise:
    """Inference under the stagewise ordering.

    Attributes
    ----------
    p, p_mid
        P(outcome >= observed) under H0, with the observed outcome counted whole and half.
    low, high
        The 95 % interval, equal tails.
    median_unbiased
        The parameter at which the observed outcome is the median.
    """

    p: float
    p_mid: float
    low: float
    high: float
    median_unbiased: float


def stagewise(design: Design, state: State) -> Stagewise:
    """Return the inference for a one-sided design that a rule of its own has ended at `state`."""
    model = design.model
    line = line_of(model)
    chances = chances_of(design, state, line)
    at_least, above = chances(line.x_of(model.h0))
    rising = model.h1 > model.h0

    def solve(target: float, value: Callable[[float], float]) -> float:
        x = root(line, rising, lambda x: value(x) - target)
        return line.ends[0] if x <= line.lowest else line.ends[1] if x >= line.highest else line.theta(x)

    low = solve(TAIL, lambda x: chances(x)[0])
    high = solve(1.0 - TAIL, lambda x: chances(x)[1])
    middle = solve(0.5, lambda x: 0.5 * sum(chances(x)))
    return Stagewise(
        p=min(at_least, 1.0),
        p_mid=min(0.5 * (at_least + above), 1.0),
        low=min(low, high),
        high=max(low, high),
        median_unbiased=middle,
    )


def chances_of(design: Design, state: State, line: ParameterLine) -> Chances:
    """Return the chance of an outcome as high as the one at `state`, and of a higher one, along the parameter line."""
    n, rule = state.n, rule_at(design, state)
    upward = rule in ("boundary_upper", "p_threshold")
    at_limit = design.max_n is not None and n >= design.max_n
    cut = cut_at(design, n)
    if isinstance(cut.model, Bernoulli | PairedBernoulli):
        return path_chances(cut, state, upward=upward, at_limit=at_limit)

    def chances(x: float) -> tuple[float, float]:
        stops = stops_of(cut, np.array([line.theta(x)]), last=n)
        before, until = stops.n < n, stops.n <= n
        if at_limit:
            sooner = float(stops.accept_h1[0, before].sum())
            if stops.limit is None:  # so far out that the law has been cut off before
                return sooner, sooner
            return sooner + float(stops.limit.at_least(state.llr)[0]), sooner + float(stops.limit.above(state.llr)[0])
        if upward:
            return float(stops.accept_h1[0, until].sum()), float(stops.accept_h1[0, before].sum())
        return 1.0 - float(stops.accept_h0[0, before].sum()), 1.0 - float(stops.accept_h0[0, until].sum())

    return chances


def path_chances(design: Design, state: State, *, upward: bool, at_limit: bool) -> Chances:
    """Return the chances of a Bernoulli walk: one recursion, tilted to each theta."""
    model = design.model
    assert isinstance(model, Bernoulli | PairedBernoulli)  # noqa: S101 - the caller has dispatched on the family
    rules, ratio, n = rules_of(design), model.ratio, state.n
    hypotheses = success_probabilities(model, np.array([model.h0, model.h1]))
    shared = paths(ratio, rules, hypotheses, start_of(design, None))

    def chances(p: float) -> tuple[float, float]:
        points = shared
        mass = points.masses(p)
        if abs(1.0 - float(mass.sum())) > LOST:
            weight = 1e-8 if p < 1e-8 else 1e8 if p > 1.0 - 1e-8 else p / (1.0 - p)
            points = paths(ratio, rules, np.array([p]), start_of(design, None), weight)
            mass = points.masses(p)
        before = points.n < n
        if at_limit:
            llr = ratio.llr(points.s.astype(np.float64), points.n.astype(np.float64))
            sooner = mass[before & (points.outcome > 0)].sum()
            here = points.n == n
            at_least, above = mass[here & (llr >= state.llr - TIE)].sum(), mass[here & (llr > state.llr + TIE)].sum()
            return float(sooner + at_least), float(sooner + above)
        side = points.outcome > 0 if upward else points.outcome < 0
        ended = points.n < n, points.n <= n
        sooner, until = (float(mass[side & when].sum()) for when in ended)
        return (until, sooner) if upward else (1.0 - sooner, 1.0 - until)

    return chances


def cut_at(design: Design, n: int) -> Design:
    """Return the design as far as the stop, its thresholds as they are; families without a law as a normal walk."""
    looks = None if design.looks is None else tuple(look for look in design.looks if look <= n) or (n,)
    model = design.model if design.model.has_exact_law else normal_walk(design.model)
    return replace(
        design,
        model=model,
        thresholds=(design.lower, design.upper),
        looks=looks,
        max_n=n,
        min_n=min(design.min_n, n),
        at_limit="undecided",
    )


def normal_walk(model: Family) -> Family:
    """Return the normal family whose walk has the same drift and variance per observation in the long run."""
    if isinstance(model, StudentT) and model.samples == 2:
        return TwoArmNormal(model.h0, model.h1, 1.0)
    low, high = model.drifts()
    if not high > low:
        raise DesignError(f"model: {model!r} given, hypotheses further apart are allowed: these differ below rounding")
    return Normal(model.h0, model.h1, abs(model.h1 - model.h0) / math.sqrt(high - low))


def line_of(model: Family) -> ParameterLine:
    """Return the line along which a family's parameter is searched."""
    if isinstance(model, Bernoulli):
        return ParameterLine(float, float, 0.0, 1.0, 0.0, 1.0, (0.0, 1.0))
    if isinstance(model, PairedBernoulli):
        return ParameterLine(
            lambda p: p / (1.0 - p) if p < 1.0 else math.inf, probability, 0.0, 1.0, 0.0, 1.0, POSITIVE
        )
    low, high = sorted((model.h0, model.h1))
    if isinstance(model, CountFamily):
        return ParameterLine(float, float, 0.0, 2.0 * high, 0.0, math.inf, POSITIVE)
    if isinstance(model, Exponential):
        return ParameterLine(math.exp, math.log, math.log(low) - 1.0, math.log(high) + 1.0, -690.0, 690.0, POSITIVE)
    spread = high - low
    return ParameterLine(float, float, low - spread, high + spread, -math.inf, math.inf, (-math.inf, math.inf))


def root(line: ParameterLine, rising: bool, value: Callable[[float], float]) -> float:
    """Return where a monotone function vanishes on the line, or the end that it approaches without doing so."""
    sign = 1.0 if rising else -1.0
    left, right = line.left, line.right
    width = right - left
    below, above = sign * value(left), sign * value(right)
    for _ in range(FARTHEST):  # out to where it changes sign
        if below < 0.0 or left <= line.lowest:
            break
        left, right, above = max(left - width, line.lowest), left, below
        width *= 2.0
        below = sign * reached(value, left)
    if below >= 0.0:
        return line.lowest
    for _ in range(FARTHEST):
        if above > 0.0 or right >= line.highest:
            break
        left, right = right, min(right + width, line.highest)
        width *= 2.0
        above = sign * reached(value, right)
    if above <= 0.0:
        return line.highest
    return float(brentq(value, left, right, xtol=1e-13 * max(1.0, abs(left), abs(right)), rtol=1e-14))


def reached(value: Callable[[float], float], x: float) -> float:
    """Return the value, nan where the family or its quadrature ends: the search then ends there too."""
    try:
        return value(x)
    except TooCostlyError:
        raise
    except DesignError:
        return math.nan
