"""The law of a test of one exponential rate, where both lines are straight and every n from some n on is tested."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sprt import memoryless
from sprt.arrays import BoolArray, FloatArray
from sprt.memoryless import Ramp, make_ramp
from sprt.ratio import Line
from sprt.rules import Rules, Start
from sprt.stopping import LEVELS, Law, LimitTail, StopMasses, grouped, neighbours, summarise, swapped

WIDEST_TILT: Final = 8.0  # beyond e^8 between the lines a tilt would cost more than four digits
FULL: Final = 1.0 - 1e-11


@dataclass(frozen=True, slots=True)
class Turned:
    """The walk turned so that observations push it up."""

    line: Line
    rules: Rules
    llr: float

    def ramp(self, start: Start, reference: float) -> Ramp:
        """Return the discretised walk with its densities kept at this rate."""
        lead = self.rules.first_tested(start.n) - start.n
        return make_ramp(
            c=-self.line.drift,
            d=self.line.slope,
            lower=self.rules.lower,
            upper=self.rules.upper,
            llr=self.llr,
            lead=lead,
            reference=reference,
        )


def turn(line: Line, rules: Rules, start: Start) -> Turned:
    """Return the walk, its sign changed if observations pull it down."""
    if line.slope > 0:
        return Turned(line, rules, start.llr)
    flipped = replace(rules, lower=-rules.upper, upper=-rules.lower, cut=-rules.cut)
    return Turned(Line(-line.slope, -line.drift), flipped, -start.llr)


def has_straight_lines(rules: Rules, start: Start, *, two_sided: bool) -> bool:
    """Return whether this quadrature covers the rules."""
    straight = not two_sided and math.isfinite(rules.lower) and math.isfinite(rules.upper) and rules.looks is None
    gap = rules.first_tested(start.n) - start.n > 1
    return straight and not start.touched and not (gap and math.isfinite(rules.p_line))


def exponential_law(
    line: Line, rules: Rules, rates: FloatArray, start: Start, *, middle: float, levels: tuple[float, ...] = LEVELS
) -> Law:
    """Return the law of the stopping time at each rate; densities are kept at the rate `middle` where it serves."""
    turned = turn(line, rules, start)
    shared = is_mild(turned, rates, middle)
    far = np.flatnonzero(~shared)
    groups = [np.flatnonzero(shared)] if shared.any() else []
    reach = 0.9 * WIDEST_TILT * turned.line.slope / (turned.rules.upper - turned.rules.lower)
    groups += [far[group] for group in neighbours(rates[far], reach)]

    def law(some: FloatArray) -> Law:
        if rules.max_n is not None:
            return summarise(exponential_stops(line, rules, some, start, middle=middle), levels)
        found = memoryless.endless_law(ramp_for(turned, some, start, middle), some, start.n, levels)
        return found if line.slope > 0 else replace(found, p_accept_h1=found.p_accept_h0, p_accept_h0=found.p_accept_h1)

    return grouped(rates, groups, law)


def exponential_stops(
    line: Line, rules: Rules, rates: FloatArray, start: Start, *, middle: float, last: int | None = None
) -> StopMasses:
    """Return the probability of stopping at each n up to `last` (None: to the limit, or until all has ended)."""
    turned = turn(line, rules, start)
    ramp = ramp_for(turned, rates, start, middle)
    if rules.max_n is None and last is None:
        last = int(memoryless.endless_law(ramp, rates, start.n, (FULL,)).quantiles[FULL].max())
    end = rules.max_n if last is None or (rules.max_n is not None and last > rules.max_n) else last
    assert end is not None  # noqa: S101 - set above where there is no limit
    stops = memoryless.ramp_stops(ramp, rates, turned.rules, start.n, max(end, start.n + ramp.lead))
    if line.slope > 0:
        return stops
    return replace(swapped(stops), limit=None if stops.limit is None else turned_limit(stops))


def turned_limit(stops: StopMasses) -> LimitTail:
    """Return the tail of the ratio at the limit, of a walk whose sign was changed."""
    ended = stops.accept_h1[:, -1] + stops.accept_h0[:, -1] + stops.undecided[:, -1]
    limit = stops.limit
    assert limit is not None  # noqa: S101 - the caller has looked
    return LimitTail(lambda llr: ended - limit.above(-llr))


def is_mild(turned: Turned, rates: FloatArray, middle: float) -> BoolArray:
    """Return which rates are near enough to the middle for a tilt to keep its digits."""
    between = turned.rules.upper - turned.rules.lower
    return np.abs(rates - middle) / turned.line.slope * between < WIDEST_TILT


def ramp_for(turned: Turned, rates: FloatArray, start: Start, middle: float) -> Ramp:
    """Return the discretised walk kept at a rate that suits these rates."""
    suits = bool(is_mild(turned, rates, middle).all())
    return turned.ramp(start, middle if suits else 0.5 * float(rates.min() + rates.max()))
