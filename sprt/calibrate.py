"""Thresholds that are solved rather than looked up: `exact`, and `siegmund`.

For a fixed lower line the achieved alpha falls as the upper line rises, and it falls as the lower line rises; likewise
for beta. So of all pairs that keep both error rates one is tightest on both sides at once, and it has the smallest
expected n at every theta: the least fixed point of "the lowest upper line that keeps alpha, given the lower line" and
"the highest lower line that keeps beta, given the upper line". For continuous families it keeps both with equality.
Wald's pair, where it keeps both, is never tighter.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sprt.approximations import overshoots
from sprt.arrays import FloatArray
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.base import LinearFamily
from sprt.families.bernoulli import Bernoulli
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.fixed import sufficient_n
from sprt.law import has_law, law_of, success_probabilities
from sprt.paths import absorb
from sprt.regions import ACCEPT_H0, ACCEPT_H1, crossing
from sprt.rules import make_rules
from sprt.thresholds import wald_thresholds

NEAREST: Final = 1e-6  # no solved line lies nearer to 0
FARTHEST: Final = 80.0  # e^-80: an error rate no design asks for
SLACK: Final = 1e-11  # relative; how far below nominal a continuous family's error rates are aimed
NEAR: Final = 2e-5  # relative; what a lattice search aims below nominal
LOOSE: Final = 2e-4  # relative; an expensive lattice design may leave this much of an error rate unused
EXPENSIVE: Final = 3_000  # expected steps of one evaluation from which `LOOSE` is enough
ROUNDS: Final = 40


def solve(design: Design) -> tuple[float, float]:
    """Return the thresholds of a design in mode `exact` or `siegmund`; -inf or inf where there is no boundary."""
    has_lower = design.boundaries != "none" and design.beta is not None
    has_upper = design.boundaries == "both"
    if design.thresholds == "siegmund":
        lower, upper = wald_thresholds(design.alpha, design.beta)
        below, above = overshoots(design)
        lower, upper = min(lower + below, -NEAREST), max(upper - above, NEAREST)
        return (lower if has_lower else -math.inf, upper if has_upper else math.inf)
    if not (has_lower or has_upper):
        lines = (-math.inf, math.inf)
        check_limit(design, lines)
        return lines
    if not design.model.has_exact_law:
        raise DesignError(
            f"thresholds: 'exact' given, but {design.model.name} has no exact law; 'wald', 'ville', 'siegmund' or a "
            "pair is allowed"
        )
    search = Search(design, has_lower=has_lower, has_upper=has_upper)
    lines = search.solution()
    check_limit(design, lines)
    return lines


def check_limit(design: Design, lines: tuple[float, float]) -> None:
    """Raise DesignError if a design that decides at its limit cannot keep both error rates there."""
    if design.at_limit == "undecided" or design.beta is None:
        return
    if not has_law(design):
        return
    alpha, beta = Search(design, has_lower=True, has_upper=True).rates(*lines)
    if alpha > design.alpha * (1.0 + 1e-9) or beta > design.beta * (1.0 + 1e-9):
        raise cannot_hold(design)


def cannot_hold(design: Design) -> DesignError:
    """Return the error of a design whose limit is too early for its error rates."""
    needed = sufficient_n(design)
    enough = "no limit found that does" if needed is None else f"{needed} observations do"
    return DesignError(
        f"max_n: {design.max_n} given, but with at_limit = {design.at_limit!r} alpha = {design.alpha!r} and beta = "
        f"{design.beta!r} cannot both hold by then; {enough}"
    )


@dataclass
class Search:
    """Looks for the tightest pair; every pair is evaluated once."""

    design: Design
    has_lower: bool
    has_upper: bool
    seen: dict[tuple[float, float], tuple[float, float]] = field(default_factory=dict)

    def rates(self, lower: float, upper: float) -> tuple[float, float]:
        """Return the achieved alpha and beta of a pair of lines."""
        key = (lower, upper)
        if key not in self.seen:
            self.seen[key] = error_rates(self.design, lower, upper)
        return self.seen[key]

    def excess(self, lower: float, upper: float) -> tuple[float, float]:
        """Return by how much, in logs, alpha and beta exceed nominal; -inf where an error is impossible."""
        alpha, beta = self.rates(lower, upper)
        nominal = self.design.beta
        return (
            safe_log(alpha) - math.log(self.design.alpha),
            -math.inf if nominal is None else safe_log(beta) - math.log(nominal),
        )

    def solution(self) -> tuple[float, float]:
        """Return the tightest pair; of an expensive lattice design, one that leaves next to nothing unused."""
        lattice = self.design.model.is_lattice
        guess, excess = self.descend(self.first_guess())
        if not lattice:
            return guess if self.is_tight(guess, 3.0 * SLACK) else self.least_fixed_point(guess, 0.0)
        if not self.is_cheap():
            near = min(self.seen, key=self.unused)
            if self.unused(near) < LOOSE:
                return near
        return self.least_fixed_point(guess, excess)

    def unused(self, pair: tuple[float, float]) -> float:
        """Return the larger share of an error rate that a pair leaves unused; inf if it does not keep both."""
        needed = self.needed(pair)
        return max((-value for value in needed), default=0.0) if all(value <= 0.0 for value in needed) else math.inf

    def needed(self, pair: tuple[float, float]) -> list[float]:
        """Return the excess of the error rates that a line has to keep."""
        asked = (self.has_upper, self.has_lower)
        return [value for value, wanted in zip(self.excess(*pair), asked, strict=True) if wanted]

    def first_guess(self) -> tuple[float, float]:
        """Return Wald's pair, moved by the mean overshoot of a normal walk with the same steps."""
        lower, upper = wald_thresholds(self.design.alpha, self.design.beta)
        below, above = rough_overshoot(self.design)
        lower = min(lower + below, 0.5 * lower) if self.has_lower else -math.inf
        upper = max(upper - above, 0.5 * upper) if self.has_upper else math.inf
        return lower, upper

    def descend(self, pair: tuple[float, float]) -> tuple[tuple[float, float], float]:
        """Return the pair after a few steps of a quasi-Newton method on the logs of both rates, and what it misses."""
        lower, upper = pair
        slopes = wald_slopes(lower, upper)
        last: tuple[FloatArray, FloatArray] | None = None
        best, best_size = pair, math.inf
        lattice = self.design.model.is_lattice
        target, close = (0.5 * NEAR, 0.5 * NEAR) if lattice else (SLACK, 0.5 * SLACK)
        for _ in range(8 if lattice else 24):
            found = np.where([self.has_upper, self.has_lower], np.array(self.excess(lower, upper)) + target, 0.0)
            if not np.isfinite(found).all():
                break
            size = float(np.abs(found).max())
            if size < best_size:
                best, best_size = (lower, upper), size
            if size <= close:
                break
            here = np.array([upper if self.has_upper else 0.0, lower if self.has_lower else 0.0])
            if last is not None:
                slopes = secant(slopes, here - last[0], found - last[1])
            last = (here, found)
            move = np.clip(-np.linalg.solve(slopes, found), -1.0, 1.0)
            if self.has_upper:
                upper = min(max(upper + float(move[0]), NEAREST), FARTHEST)
            if self.has_lower:
                lower = max(min(lower + float(move[1]), -NEAREST), -FARTHEST)
        return best, best_size

    def is_tight(self, pair: tuple[float, float], slack: float) -> bool:
        """Return whether a pair keeps both error rates and leaves at most this share of them unused."""
        return self.unused(pair) <= slack

    def is_cheap(self) -> bool:
        """Return whether evaluations are cheap enough to find the very tightest pair."""
        design = self.design
        steps = 25.0 * expected_steps(design)
        return min(steps, design.max_n or math.inf) < EXPENSIVE

    def least_fixed_point(self, guess: tuple[float, float], excess: float) -> tuple[float, float]:
        """Return the tightest pair by raising both lines, in turn, to the least that the other asks for.

        `excess` says how far the guess misses: the search begins that much below it.
        """
        lower, upper = guess
        if not self.has_lower:
            return lower, self.lowest_upper(lower, upper)
        if not self.has_upper:
            return self.highest_lower(upper, lower), upper
        upper = max(NEAREST, upper - min(0.5, 10.0 * excess + 1e-3))
        again = upper == NEAREST
        for _ in range(ROUNDS):
            lower = self.highest_lower(upper, lower)
            raised = self.lowest_upper(lower, upper)
            if raised < upper and not again:  # begun above the least fixed point: come from below it
                again, upper = True, NEAREST
                continue
            if raised <= upper:
                break
            upper = raised
        return lower, upper

    def lowest_upper(self, lower: float, hint: float) -> float:
        """Return the lowest upper line that keeps alpha, given the lower line."""
        return self.edge(lambda b: self.excess(lower, b)[0], hint, self.points)

    def highest_lower(self, upper: float, hint: float) -> float:
        """Return the highest lower line that keeps beta, given the upper line."""
        return -self.edge(lambda b: self.excess(-b, upper)[1], -hint, lambda lo, hi: -self.points(-hi, -lo)[::-1])

    def edge(
        self, excess: Callable[[float], float], hint: float, points: Callable[[float, float], FloatArray]
    ) -> float:
        """Return the least distance from 0 at which a falling excess is at most 0."""
        low, high = self.bracket(excess, min(max(hint, NEAREST), FARTHEST))
        if excess(low) <= 0.0:
            return low
        if not self.design.model.is_lattice:
            while high - low > 1e-11 * max(1.0, high):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if excess(middle) > -SLACK else (low, middle)
            return high
        values = points(low, high + 1.0)
        inside = values[(values > low) & (values < high)]
        # a test changes only where a line passes a point of the lattice: try the gaps between the points
        above, below = excess(low), excess(high)
        first, last, halve = 0, inside.shape[0], False
        while first < last:
            share = 0.5 if halve or math.isinf(below) else above / (above - below)
            index = min(first + int(share * (last - first)), last - 1)
            width, value = last - first, excess(gap_after(values, float(inside[index])))
            if value <= 0.0:
                last, below = index, value
            else:
                first, above = index + 1, value
            halve = last - first > width // 2  # where interpolation is slow, every other step halves
        return gap_after(values, float(inside[last])) if last < inside.shape[0] else high

    def bracket(self, excess: Callable[[float], float], hint: float) -> tuple[float, float]:
        """Return a distance at which the excess is positive (or the least there is) and one at which it is not."""
        value, step = excess(hint), 1e-3
        if value > 0.0:
            low, high = hint, hint
            while value > 0.0:
                if high >= FARTHEST:
                    raise cannot_hold(self.design)
                low, high = high, min(high + max(1.3 * min(value, 3.0), step), FARTHEST)
                step *= 4.0
                previous, value = value, excess(high)
                if value > max(previous - 1e-12, 0.0) and high > 40.0:
                    raise cannot_hold(self.design)
            return low, high
        high, low = hint, hint
        while value <= 0.0 and low > NEAREST:
            high, low = low, max(low - max(1.3 * min(-value, 3.0), step), NEAREST)
            step *= 4.0
            value = excess(low)
        return low, high

    def points(self, low: float, high: float) -> FloatArray:
        """Return the log-likelihood ratios between low and high that the walk can take, in order."""
        return lattice_points(self.design, low, high)


def error_rates(design: Design, lower: float, upper: float) -> tuple[float, float]:
    """Return P(accept H1) under H0 and P(accept H0) under H1 with these lines in place of the design's own."""
    model = design.model
    thetas = np.array([model.h0, model.h1])
    if isinstance(model, Bernoulli | PairedBernoulli):
        ratio = model.ratio_for(two_sided=design.is_two_sided)
        p = success_probabilities(model, thetas)
        ends = absorb(ratio, make_rules(design, lower, upper), p, negligible=1e-9)
        alpha = float(ends.masses(float(p[0]))[ends.outcome == ACCEPT_H1].sum())
        return alpha, float(ends.masses(float(p[1]))[ends.outcome == ACCEPT_H0].sum())
    law = law_of(design, thetas, lines=(lower, upper), levels=())
    return float(law.p_accept_h1[0]), float(law.p_accept_h0[1])


def lattice_points(design: Design, low: float, high: float) -> FloatArray:
    """Return the log-likelihood ratios between low and high at the n that matter, sorted, near-equal ones merged."""
    assert isinstance(design.model, LinearFamily)  # noqa: S101 - the search covers families with a recursion
    ratio = design.model.ratio_for(two_sided=design.is_two_sided)
    horizon = int(min(design.max_n or math.inf, max(1000.0, 40.0 * expected_steps(design)), 400_000.0))
    n = np.arange(min(design.min_n, horizon), horizon + 1, dtype=np.float64)
    largest = n if isinstance(design.model, Bernoulli | PairedBernoulli) else np.full(n.shape, np.inf)
    found = []
    for line in (ratio.first, ratio.second):
        if line is None:
            continue
        ends = np.sort(np.array([crossing(ratio, line, level, n) for level in (low, high)]), axis=0)
        first, last = np.maximum(np.floor(ends[0]), 0.0), np.minimum(np.ceil(ends[1]), largest)
        width = int(min(np.max(last - first, initial=0.0), 2000.0))
        for offset in range(width + 1):
            t = first + offset
            some = t <= last
            found.append(ratio.llr(t[some], n[some]))
    values = np.unique(np.concatenate(found)) if found else np.empty(0)
    values = values[(values >= low) & (values <= high)]
    return values[np.concatenate(([True], np.diff(values) > 4e-9))] if values.shape[0] else values


def gap_after(values: FloatArray, point: float) -> float:
    """Return the middle of the gap between a lattice point and the next."""
    index = int(np.searchsorted(values, point + 4e-9, side="right"))
    return 0.5 * (point + float(values[index])) if index < values.shape[0] else point + 1e-6


def rough_overshoot(design: Design) -> tuple[float, float]:
    """Return a first guess of the mean overshoot below and above, for the start of the search."""
    spread = rough_sigma(design)
    return 0.58 * spread, 0.58 * spread


def rough_sigma(design: Design) -> float:
    """Return the standard deviation of one step of the walk, roughly."""
    low, high = design.model.drifts()
    return math.sqrt(max(high - low, 1e-300))


def expected_steps(design: Design) -> float:
    """Return a rough expected n at the theta where the test takes longest."""
    lower, upper = wald_thresholds(design.alpha, design.beta if design.beta is not None else 1e-3)
    return max(1.0, -lower * upper / max(rough_sigma(design) ** 2, 1e-300))


def wald_slopes(lower: float, upper: float) -> FloatArray:
    """Return the derivatives of log alpha and log beta by upper and lower line, in Wald's approximation."""
    a, b = max(lower, -FARTHEST), min(upper, FARTHEST)
    up, down = math.exp(-b), math.exp(a)
    # alpha = (1 - e^a) / (e^b - e^a), beta = (1 - e^-b) / (e^-a - e^-b)
    spread = -math.expm1(a - b)
    return np.array(
        [
            [-1.0 / spread, down / math.expm1(a) + down * up / spread],
            [-(up / math.expm1(-b) + down * up / spread), 1.0 / spread],
        ]
    )


def secant(slopes: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """Return the slopes updated by Broyden's rank-one formula, kept if that would make them singular."""
    size = float(step @ step)
    if size == 0.0:
        return slopes
    updated = slopes + np.outer(change - slopes @ step, step) / size
    return updated if abs(float(np.linalg.det(updated))) > 0.05 else slopes


def safe_log(value: float) -> float:
    """Return the logarithm, -inf for what is not positive."""
    return math.log(value) if value > 0.0 else -math.inf
