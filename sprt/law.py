"""The law of a design's stopping time: picks the recursion or quadrature that fits the family and the rules.

Each gives exact numbers up to rounding and quadrature. Where none fits (Student's t, multinomial) `has_law` is false,
and characteristics are simulated with their standard error.
"""

import math
from functools import partial
from typing import Final

import numpy as np

from sprt import law_bernoulli, law_exponential, law_normal
from sprt.arrays import FloatArray
from sprt.counts import Increment
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.bernoulli import Bernoulli
from sprt.families.counting import CountFamily
from sprt.families.exponential import Exponential
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli, probability
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.gaussian import Brownian
from sprt.law_counts import count_stops
from sprt.looks import look_by_look
from sprt.nystrom import FINEST
from sprt.ratio import Line, Ratio
from sprt.rules import Rules, Start, make_rules
from sprt.state import State
from sprt.steady import Steady, run_on
from sprt.stopping import LEVELS, TIE, Law, StopMasses, summarise
from sprt.waiting import Waiting

COARSER: Final = "Gauss-Legendre quadrature at a coarser step, with Siegmund's correction of the overshoot"
UNSOUND: Final = 1e-8  # lost probability from which a law is refused
UNEVEN: Final = 2e-7  # relative; what two-arm steps taken as equal may change in the expected n


def has_law(design: Design) -> bool:
    """Return whether a recursion or a quadrature gives the law of this design."""
    return design.model.has_exact_law


def method_of(design: Design) -> str:
    """Return how the law of this design is computed, in words."""
    model = design.model
    if isinstance(model, Bernoulli | PairedBernoulli | CountFamily):
        return "exact recursion on the integer statistic"
    if isinstance(model, Normal):
        if not design.is_two_sided and abs(model.h1 - model.h0) / model.sd < FINEST:
            return COARSER
        return "Gauss-Legendre quadrature"
    if isinstance(model, TwoArmNormal):
        rules = make_rules(design, design.lower, design.upper)
        if is_fine(design, rules, Start()):
            return f"{COARSER}, observations a and b in turn"
        equal = 2 * evened_after(0.5 * abs(model.h1 - model.h0) / model.sd, rules)
        until = "" if rules.looks is not None else f", as equal steps from n = {equal} on"
        return f"Gauss-Legendre quadrature, observations a and b in turn{until}"
    return "Gauss-Legendre quadrature, split at the jumps of the exponential kernel"


def start_of(design: Design, state: State | None) -> Start:
    """Return where a walk of a family with a recursion stands."""
    if state is None or state.n == 0:
        return Start()
    model = design.model
    touched = state.max_llr >= design.p_line - TIE
    score = float(state.counts[0]) if state.counts else state.sums[0]
    if isinstance(model, TwoArmNormal):
        n_a, n_b = (np.array(float(count)) for count in state.counts)
        sum_a, sum_b = (np.array(total) for total in state.sums[1:])
        score = float(model.score(n_a, n_b, sum_a, sum_b)[0]) * model.sd
    elif isinstance(model, Normal):
        score /= model.sd
    return Start(state.n, score, state.llr, touched)


def law_of(
    design: Design,
    thetas: FloatArray,
    *,
    lines: tuple[float, float] | None = None,
    state: State | None = None,
    levels: tuple[float, ...] = LEVELS,
) -> Law:
    """Return the law of the stopping time at each theta.

    Parameters
    ----------
    lines
        Thresholds in place of the design's own.
    state
        Where the walk stands, if not at the start.

    Raises
    ------
    DesignError
        If it would take too long, or the probabilities do not add up to 1: hypotheses beyond double precision.
    """
    law = law_as_computed(design, thetas, lines=lines, state=state, levels=levels)
    error = float(law.mass_error.max(initial=0.0))
    if not error < UNSOUND:
        raise DesignError(
            f"{design.given} given, but double precision loses {error:.1g} of the probability; hypotheses or theta "
            "less extreme are allowed"
        )
    return law


def law_as_computed(
    design: Design,
    thetas: FloatArray,
    *,
    lines: tuple[float, float] | None,
    state: State | None,
    levels: tuple[float, ...],
) -> Law:
    """Return the law, whatever its mass error."""
    rules = make_rules(design, *(lines or (design.lower, design.upper)))
    start, model, two_sided = start_of(design, state), design.model, design.is_two_sided
    if isinstance(model, Bernoulli | PairedBernoulli):
        ratio = model.ratio_for(two_sided=two_sided)
        return law_bernoulli.bernoulli_law(ratio, rules, success_probabilities(model, thetas), start, levels)
    if isinstance(model, Normal):
        delta, drifts = (model.h1 - model.h0) / model.sd, (thetas - model.h0) / model.sd
        return law_normal.normal_law(delta, rules, drifts, start, two_sided=two_sided, levels=levels)
    if isinstance(model, TwoArmNormal):
        drifts = (thetas - model.h0) / model.sd
        if is_fine(design, rules, start):
            half = 0.5 * (model.h1 - model.h0) / model.sd
            return law_normal.normal_law(half, rules, 0.5 * drifts, start, two_sided=False, levels=levels)
        return law_normal.law_by_looks(lambda some: two_arm_stops(model, design, rules, some, state), drifts, levels)
    if isinstance(model, Exponential) and law_exponential.has_straight_lines(rules, start, two_sided=two_sided):
        return law_exponential.exponential_law(
            model.ratio.first, rules, thetas, start, middle=middle(model), levels=levels
        )
    if isinstance(model, Exponential):
        return law_normal.law_by_looks(lambda some: stops_of(design, some, lines=lines, state=state), thetas, levels)
    return summarise(stops_of(design, thetas, lines=lines, state=state), levels)


def stops_of(
    design: Design,
    thetas: FloatArray,
    *,
    lines: tuple[float, float] | None = None,
    state: State | None = None,
    last: int | None = None,
) -> StopMasses:
    """Return the probability of stopping at each n, for each theta.

    `last` bounds the n that are listed where there is no limit; the mass beyond it may be left out.
    """
    rules = make_rules(design, *(lines or (design.lower, design.upper)))
    start, model, two_sided = start_of(design, state), design.model, design.is_two_sided
    if isinstance(model, Bernoulli | PairedBernoulli):
        ratio = model.ratio_for(two_sided=two_sided)
        return law_bernoulli.bernoulli_stops(ratio, rules, success_probabilities(model, thetas), start)
    if isinstance(model, CountFamily):
        increments = [count_increment(model, float(theta)) for theta in thetas]
        begin = (start.n, int(start.score))
        ratio = model.ratio_for(two_sided=two_sided)
        return count_stops(ratio, rules, increments, start=begin, touched=start.touched)
    if isinstance(model, Normal):
        delta, drifts = (model.h1 - model.h0) / model.sd, (thetas - model.h0) / model.sd
        return law_normal.normal_stops(delta, rules, drifts, start, two_sided=two_sided, last=last)
    if isinstance(model, TwoArmNormal):
        return two_arm_stops(model, design, rules, (thetas - model.h0) / model.sd, state)
    if isinstance(model, Exponential) and law_exponential.has_straight_lines(rules, start, two_sided=two_sided):
        return law_exponential.exponential_stops(
            model.ratio.first, rules, thetas, start, middle=middle(model), last=last
        )
    if isinstance(model, Exponential):
        ratio = model.ratio_for(two_sided=two_sided)
        reference = math.sqrt(float(thetas.min())) * math.sqrt(float(thetas.max()))
        process = Waiting(ratio, rules, thetas, reference, (start.n, start.score))
        return look_by_look(process, start.n, touched=start.touched)
    raise DesignError(f"model: {model.name} given, a family with a recursion is allowed")


def count_increment(model: CountFamily, theta: float) -> Increment:
    """Return the law of one count at theta, and of sums of counts."""
    return Increment(*model.increment(theta), partial(model.sum_up_to, theta))


def success_probabilities(model: Bernoulli | PairedBernoulli, thetas: FloatArray) -> FloatArray:
    """Return the probability of a 1 (in arm b, of a discordant pair) at each theta."""
    if isinstance(model, Bernoulli):
        return thetas
    return np.array([probability(float(theta)) for theta in thetas])


def middle(model: Exponential) -> float:
    """Return a rate between the hypotheses."""
    return math.sqrt(model.h0) * math.sqrt(model.h1)


def two_arm_stops(
    model: TwoArmNormal, design: Design, rules: Rules, drifts: FloatArray, state: State | None
) -> StopMasses:
    """Return the masses of a two-arm test in which a and b come in turn, the arm that is behind first."""
    delta = (model.h1 - model.h0) / model.sd
    line, mirror = Line(delta, -0.5 * delta * delta), Line(-delta, -0.5 * delta * delta)
    start = start_of(design, state)
    n_a, n_b = (0, 0) if state is None or state.n == 0 else state.counts

    def information(n: int) -> float:
        a, b = allocation(n_a, n_b, n)
        return a * b / (a + b) if n else 0.0

    ratio = Ratio(line, mirror if design.is_two_sided else None)
    reference = 0.5 * float(drifts.min() + drifts.max())
    process = Brownian(ratio, rules, information, drifts, reference, (start.n, start.score))
    steady = Steady(2 * evened_after(0.5 * abs(delta), rules), 0.25)
    return look_by_look(process, start.n, touched=start.touched, rest=partial(run_on, process, steady))


def evened_after(sigma: float, rules: Rules) -> int:
    """Return after how many pairs the two observations of a pair may count as equal steps.

    At odd n the information lags by 1 part in n of a step. From one step to the next that cancels, but for what the
    density bends in a step, over n; the factor is measured, on the expected n of designs solved both ways.
    """
    width = min(rules.upper - rules.lower, 1e3)
    return math.ceil(0.015 * (sigma * math.pi / width) ** 2 / UNEVEN) + 1


def is_fine(design: Design, rules: Rules, start: Start) -> bool:
    """Return whether a two-arm test has steps so fine that it is computed as one of equal, coarser steps."""
    model = design.model
    sigma = 0.5 * abs(model.h1 - model.h0) / model.sd if isinstance(model, TwoArmNormal) else math.inf
    straight = law_normal.is_strip(rules, start, two_sided=design.is_two_sided)
    return sigma < FINEST and straight and start.n % 2 == 0


def allocation(n_a: int, n_b: int, n: int) -> tuple[int, int]:
    """Return the observations per arm at n: what there is, then the arm that is behind, then a and b in turn."""
    more = n - n_a - n_b
    catch_up = min(abs(n_a - n_b), more)
    a, b = (n_a + catch_up, n_b) if n_a < n_b else (n_a, n_b + catch_up)
    more -= catch_up
    return a + (more + 1) // 2, b + more // 2
