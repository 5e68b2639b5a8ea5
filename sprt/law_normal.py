"""The law of a test of one normal mean: the eigenproblem where the lines are straight, else look by look.

Steps smaller than a fiftieth of a standard deviation (of the LLR) are replaced by coarser ones with Siegmund's
correction: Brownian motion between lines moved out by the mean overshoot, which is right to about 1e-8 there.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from sprt import nystrom
from sprt.arrays import FloatArray
from sprt.gaussian import gaussian_stops
from sprt.nystrom import FINEST, RHO, Strip, make_strip
from sprt.ratio import Line, Ratio
from sprt.rules import Rules, Start
from sprt.stopping import LEVELS, Law, StopMasses, grouped, joined, summarise

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
        return look_by_look(
            lambda some: gaussian_law_at(delta, rules, some, start, two_sided=two_sided), drifts, levels
        )
    if abs(delta) < FINEST:
        return coarser_law(delta, rules, drifts, start, levels)
    strip = strip_of(delta, rules, start)
    mild = np.abs(drifts / delta - 0.5) * (strip.upper - strip.lower) < nystrom.WIDEST_TILT

    def law(some: FloatArray) -> Law:
        if not is_mild(strip, some, delta):
            return summarise(gaussian_law_at(delta, rules, some, start, two_sided=False), levels)
        if rules.max_n is None:
            return nystrom.endless_law(strip, some / delta - 0.5, start.n, levels)
        return joined([summarise(part, levels) for part in strip_parts(strip, some / delta - 0.5, rules, start)])

    return grouped(drifts, mild, law)


def normal_stops(
    delta: float, rules: Rules, drifts: FloatArray, start: Start, *, two_sided: bool, last: int | None = None
) -> StopMasses:
    """Return the probability of stopping at each n up to `last` (None: to the limit, or until all has ended)."""
    if is_strip(rules, start, two_sided=two_sided) and abs(delta) >= FINEST:
        strip, tau = strip_of(delta, rules, start), drifts / delta - 0.5
        if is_mild(strip, drifts, delta):
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


def is_mild(strip: Strip, drifts: FloatArray, delta: float) -> bool:
    """Return whether all drifts are near enough to the middle for the eigenbasis to keep its digits."""
    tau = np.abs(drifts / delta - 0.5)
    return bool((tau * (strip.upper - strip.lower) < nystrom.WIDEST_TILT).all())


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
    return gaussian_stops(
        Ratio(line, mirror if two_sided else None),
        rules,
        float,
        drifts,
        reference=0.5 * float(drifts.min() + drifts.max()),
        start=(start.n, start.score),
        touched=start.touched,
    )


def look_by_look(stops: Callable[[FloatArray], StopMasses], drifts: FloatArray, levels: tuple[float, ...]) -> Law:
    """Return the law from one recursion for all drifts, and one of its own for each drift too far from the middle."""
    first = summarise(stops(drifts), levels)
    good = first.mass_error < LOST
    if good.all():
        return first
    return grouped(drifts, good, lambda some: summarise(stops(some), levels))


def coarser_law(delta: float, rules: Rules, drifts: FloatArray, start: Start, levels: tuple[float, ...]) -> Law:
    """Return the law computed with steps of FINEST, lines moved so that the mean overshoot ends where it should."""
    factor = (FINEST / abs(delta)) ** 2
    shift = RHO * (FINEST - abs(delta))
    coarse = replace(
        rules,
        lower=rules.lower + shift,
        upper=rules.upper - shift,
        min_n=max(1, start.n + round((rules.min_n - start.n) / factor)),
        max_n=None if rules.max_n is None else start.n + max(1, round((rules.max_n - start.n) / factor)),
    )
    sign = math.copysign(FINEST, delta)
    # the score keeps its LLR: W = (L + delta^2 n / 2) / delta with n counted from the start
    begin = Start(start.n, (start.llr + 0.5 * FINEST**2 * start.n) / sign, start.llr)
    law = normal_law(sign, coarse, drifts / delta * sign, begin, two_sided=False, levels=levels)

    def stretched(n: FloatArray) -> FloatArray:
        return start.n + (n - start.n) * factor

    return replace(
        law,
        mean_n=stretched(law.mean_n),
        sd_n=law.sd_n * factor,
        quantiles={level: np.ceil(stretched(n)) for level, n in law.quantiles.items()},
    )
