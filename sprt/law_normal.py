"""The law of a test of one normal mean: the eigenproblem where the lines are straight, else look by look.

Steps below a fiftieth of a nat are replaced by coarser ones with Siegmund's correction: Brownian motion between lines
moved out by the mean overshoot, which is right to about 1e-8 there. Lines no walk can reach by the limit are drawn in.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from sprt import nystrom
from sprt.arrays import FloatArray
from sprt.errors import DesignError
from sprt.gaussian import Brownian
from sprt.looks import look_by_look
from sprt.nystrom import FINEST, RHO, Strip, make_strip
from sprt.ratio import Line, Ratio
from sprt.rules import Rules, Start
from sprt.steady import Steady, run_on
from sprt.steep import steep_law
from sprt.stopping import LEVELS, Law, StopMasses, grouped, joined, one_and_singles, summarise

FEWEST_STEPS: Final = 400  # a coarser walk still makes this many steps to the limit
LOST: Final = 1e-10  # mass a tilt has lost, beyond which a theta gets a recursion of its own


def normal_law(
    delta: float, rules: Rules, drifts: FloatArray, start: Start, *, two_sided: bool, levels: tuple[float, ...] = LEVELS
) -> Law:
    """Return the law of the stopping time at each drift.

    Parameters
    ----------
    delta
        (mean1 - mean0) / sd.
    drifts
        (mean - mean0) / sd.
    start
        Its score is the sum of (x - mean0) / sd.
    """
    if not is_strip(rules, start, two_sided=two_sided):
        return law_by_looks(
            lambda some: gaussian_law_at(delta, rules, some, start, two_sided=two_sided), drifts, levels
        )
    rules = drawn_in(delta, rules, drifts, start)
    step = step_for(delta, rules, start)
    if step > abs(delta):
        return coarser_law(delta, rules, drifts, start, step=step, levels=levels)
    return strip_law(delta, rules, drifts, start, levels)


def strip_law(delta: float, rules: Rules, drifts: FloatArray, start: Start, levels: tuple[float, ...]) -> Law:
    """Return the law between two straight lines at the walk's own steps."""
    strip = strip_of(delta, rules, start)

    def law(some: FloatArray) -> Law:
        tau = some / delta - 0.5
        together = bool(nystrom.mild(strip.lower, strip.upper, strip.llr, tau).all())
        if rules.max_n is None:
            return (nystrom.endless_law if together else steep_law)(strip, tau, start.n, levels)
        if not together:
            return summarise(gaussian_law_at(delta, rules, some, start, two_sided=False), levels)
        return joined([summarise(part, levels) for part in strip_parts(strip, tau, rules, start)])

    is_mild = nystrom.mild(strip.lower, strip.upper, strip.llr, drifts / delta - 0.5)
    return grouped(drifts, one_and_singles(is_mild), law)


def normal_stops(
    delta: float, rules: Rules, drifts: FloatArray, start: Start, *, two_sided: bool, last: int | None = None
) -> StopMasses:
    """Return the probability of stopping at each n up to `last` (None: to the limit, or until all has ended)."""
    if is_strip(rules, start, two_sided=two_sided):
        rules = drawn_in(delta, rules, drifts, start)
        if step_for(delta, rules, start) > abs(delta):
            raise DesignError("model: hypotheses too close to list the probability of stopping at each n")
        strip, tau = strip_of(delta, rules, start), drifts / delta - 0.5
        if nystrom.mild(strip.lower, strip.upper, strip.llr, tau).all():
            if rules.max_n is None and last is None:
                law = nystrom.endless_law(strip, tau, start.n, (1.0 - 1e-11,))
                last = int(law.quantiles[1.0 - 1e-11].max())
            end = rules.max_n if last is None or (rules.max_n is not None and last > rules.max_n) else last
            assert end is not None  # noqa: S101 - set above where there is no limit
            return nystrom.strip_stops(strip, tau, rules, start.n, max(end, start.n + strip.lead))
    return gaussian_law_at(delta, rules, drifts, start, two_sided=two_sided)


def is_strip(rules: Rules, start: Start, *, two_sided: bool) -> bool:
    """Return whether the walk runs between two straight lines, tested at every n from some n on."""
    straight = not two_sided and math.isfinite(rules.lower) and math.isfinite(rules.upper) and rules.looks is None
    gap = rules.first_tested(start.n) - start.n > 1
    return straight and not start.touched and not (gap and math.isfinite(rules.p_line))


def drawn_in(delta: float, rules: Rules, drifts: FloatArray, start: Start) -> Rules:
    """Return the rules with lines drawn in to where no walk comes before the limit (probability below 1e-18)."""
    if rules.max_n is None:
        return rules
    left = float(rules.max_n - start.n)
    tau = drifts / delta - 0.5
    spread = 9.0 * abs(delta) * math.sqrt(left)
    lowest = start.llr + min(0.0, float(tau.min())) * delta**2 * left - spread
    highest = start.llr + max(0.0, float(tau.max())) * delta**2 * left + spread
    return replace(rules, lower=max(rules.lower, lowest), upper=min(rules.upper, highest))


def step_for(delta: float, rules: Rules, start: Start) -> float:
    """Return the step to compute with: that of the walk, or a coarser one where it is very fine."""
    near = 0.1 * min(start.llr - rules.lower, rules.upper - start.llr)
    if rules.max_n is None:
        return max(abs(delta), min(FINEST, near))
    enough = abs(delta) * math.sqrt(max(1.0, (rules.max_n - start.n) / FEWEST_STEPS))
    return max(abs(delta), min(FINEST, near, enough))


def strip_of(delta: float, rules: Rules, start: Start) -> Strip:
    """Return the discretised walk between the lines of these rules."""
    return make_strip(abs(delta), rules.lower, rules.upper, start.llr, rules.first_tested(start.n) - start.n)


def strip_parts(strip: Strip, tau: FloatArray, rules: Rules, start: Start) -> list[StopMasses]:
    """Return the masses in groups of thetas small enough to hold."""
    assert rules.max_n is not None  # noqa: S101 - the caller has a limit
    size = max(1, 4_000_000 // max(rules.max_n - start.n, 1))
    return [
        nystrom.strip_stops(strip, tau[begin : begin + size], rules, start.n, rules.max_n)
        for begin in range(0, tau.shape[0], size)
    ]


def gaussian_law_at(delta: float, rules: Rules, drifts: FloatArray, start: Start, *, two_sided: bool) -> StopMasses:
    """Return the masses look by look, under a reference drift in the middle of those asked for."""
    line, mirror = Line(delta, -0.5 * delta * delta), Line(-delta, -0.5 * delta * delta)
    ratio = Ratio(line, mirror if two_sided else None)
    reference = 0.5 * float(drifts.min() + drifts.max())
    process = Brownian(ratio, rules, float, drifts, reference, (start.n, start.score))
    return look_by_look(process, start.n, touched=start.touched, rest=partial(run_on, process, Steady(1, 1.0)))


def law_by_looks(stops: Callable[[FloatArray], StopMasses], drifts: FloatArray, levels: tuple[float, ...]) -> Law:
    """Return the law from one recursion for all drifts, and one of its own for each drift too far from the middle."""
    first = summarise(stops(drifts), levels)
    good = first.mass_error < LOST
    if good.all():
        return first
    return grouped(drifts, one_and_singles(good), lambda some: summarise(stops(some), levels))


def coarser_law(
    delta: float, rules: Rules, drifts: FloatArray, start: Start, *, step: float, levels: tuple[float, ...]
) -> Law:
    """Return the law computed with coarser steps, lines moved so that the mean overshoot ends where it should."""
    factor = (step / abs(delta)) ** 2
    left = None
    if rules.max_n is not None:  # a whole number of coarse steps that ends at the limit
        left = max(1, round((rules.max_n - start.n) / factor))
        factor = (rules.max_n - start.n) / left
        step = abs(delta) * math.sqrt(factor)
    shift = RHO * (step - abs(delta))
    coarse = replace(
        rules,
        lower=rules.lower + shift,
        upper=rules.upper - shift,
        min_n=max(1, start.n + round((rules.min_n - start.n) / factor)),
        max_n=None if left is None else start.n + left,
    )
    sign = math.copysign(step, delta)
    # the score keeps its LLR: W = (L + delta^2 n / 2) / delta with n counted from the start
    begin = Start(start.n, (start.llr + 0.5 * step**2 * start.n) / sign, start.llr)
    law = strip_law(sign, coarse, drifts / delta * sign, begin, levels)

    def stretched(n: FloatArray) -> FloatArray:
        return start.n + (n - start.n) * factor

    return replace(
        law,
        mean_n=stretched(law.mean_n),
        sd_n=law.sd_n * factor,
        quantiles={level: np.ceil(stretched(n)) for level, n in law.quantiles.items()},
    )
