"""The driver of look-by-look quadrature: which n are tested, what ends there, what the p rule remembers in between.

A `Process` carries the density of a continuous statistic from one n to the next; everything about rules is here, so
that the normal families and the exponential share it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, TypeAlias, TypeVar

import numpy as np

from sprt.arrays import FloatArray
from sprt.cost import patience, require, spend
from sprt.ratio import Ratio
from sprt.regions import crossing
from sprt.rules import Rules
from sprt.stopping import Ledger, LimitTail, StopMasses, new_ledger

PER_LOOK: Final = 3e-4  # seconds
PER_NODE: Final = 8e-7

Interval: TypeAlias = tuple[float, float]


@dataclass(slots=True)
class Density:
    """Mass on nodes at one n: `weight` is quadrature weight times density, under the process's reference."""

    n: int
    node: FloatArray
    weight: FloatArray

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not self.node.size


D = TypeVar("D", bound=Density)


class Process(ABC, Generic[D]):
    """A continuous statistic observed at n = 1, 2, …, for several thetas at once."""

    ratio: Ratio
    rules: Rules
    cost: ClassVar[float] = 1.0  # of a look, beside that of a normal walk
    unit_steps: ClassVar[bool] = False  # whether the density can only be carried from one n to the next

    @abstractmethod
    def begin(self) -> D:
        """Return all mass at the start."""

    @abstractmethod
    def nothing(self, n: int) -> D:
        """Return a density without mass."""

    @abstractmethod
    def argument(self, n: int) -> float:
        """Return the second argument of the ratio at n."""

    @abstractmethod
    def carry(self, density: D, intervals: list[Interval], n: int) -> D:
        """Return the density at n inside the intervals."""

    @abstractmethod
    def joined(self, first: D, second: D) -> D:
        """Return the sum of two densities at one n."""

    @abstractmethod
    def landed(self, density: D, interval: Interval, n: int) -> FloatArray:
        """Return, for each theta, the mass that is inside the interval at n."""

    @abstractmethod
    def masses(self, density: D) -> FloatArray:
        """Return the mass on each node, shape `(thetas, nodes)`."""

    def total(self, density: D) -> FloatArray:
        """Return the mass for each theta."""
        result: FloatArray = self.masses(density).sum(axis=1)
        return result

    def lines(self, lower: float, upper: float, n: int) -> tuple[list[Interval], tuple[int, int]]:
        """Return the intervals in which the walk goes on at n, and what lies below and above them."""
        return continuation(self.ratio, lower, upper, self.argument(n))


Rest: TypeAlias = Callable[[D, int, Ledger], StopMasses | None]


def look_by_look(process: Process[D], start: int, *, touched: bool, rest: Rest[D] | None = None) -> StopMasses:
    """Return where walks end that stand at n = `start`; `touched` says whether they have met the p line untested.

    `rest` returns the whole law from a density after a tested n on, where there is a quicker way; else None.
    """
    rules, ledger = process.rules, new_ledger()
    plain, met = process.begin(), process.nothing(start)
    if touched:
        plain, met = process.nothing(start), process.begin()
    looks = rules.tested(start)
    tested = None if looks is None else set(looks.tolist())
    first = rules.first_tested(start)
    every = process.unit_steps or math.isfinite(rules.p_line)  # the p rule's maximum runs on between the looks
    n, patient = start, patience(start, rules.max_n)
    untested = first - start if looks is None else int(looks[-1]) - start
    require(process.cost * PER_LOOK * (untested if every else 1))
    while True:
        n = n + 1 if every or looks is None else int(looks[np.searchsorted(looks, n, side="right")])
        if not every and n < first:
            n = first
        if rules.max_n is not None and n >= rules.max_n:
            close(process, plain, met, n, ledger)
            return ledger.finish()
        if process.argument(n) <= process.argument(plain.n):  # nothing learned: nothing can have changed
            continue
        if n < first or (tested is not None and n not in tested):
            plain, met = pass_untested(process, plain, met, n)
        else:
            plain = settle(process, plain, met, n, ledger)
            met = process.nothing(n)
            whole = rest(plain, n, ledger) if rest is not None else None
            if whole is not None:
                return whole
        spend(process.cost * PER_LOOK + PER_NODE * (plain.node.shape[0] + met.node.shape[0]))
        alive = float((process.total(plain) + process.total(met)).max())
        if n >= first and patient.is_over(alive, n):  # before, none has ended: it is out of sight
            return ledger.finish()


def settle(process: Process[D], plain: D, met: D, n: int, ledger: Ledger) -> D:
    """Return the density after a tested n, what ended there recorded; walks that met the p line all end."""
    intervals, outer = process.lines(process.rules.lower, process.rules.upper, n)
    h1, h0 = ended(process, plain, intervals, outer, n)
    if not met.is_empty:
        futile, other = ended_after_meeting(process, met, n)
        h0, h1 = h0 + futile, h1 + other
    ledger.add(n, h1, h0)
    return process.carry(plain, intervals, n)


def ended(
    process: Process[D], density: D, intervals: list[Interval], outer: tuple[int, int], n: int
) -> tuple[FloatArray, FloatArray]:
    """Return, for each theta, the mass that leaves the intervals into H1 and into H0 at n."""
    h1, h0 = np.zeros_like(process.total(density)), np.zeros_like(process.total(density))
    pieces = [(-math.inf, intervals[0][0], outer[0]), (intervals[-1][1], math.inf, outer[1])]
    if len(intervals) == 2:
        pieces.append((intervals[0][1], intervals[1][0], -1))
    for low, high, outcome in pieces:
        if low >= high:
            continue
        moved = process.landed(density, (low, high), n)
        if outcome > 0:
            h1 = h1 + moved
        else:
            h0 = h0 + moved
    return h1, h0


def ended_after_meeting(process: Process[D], met: D, n: int) -> tuple[FloatArray, FloatArray]:
    """Return the mass of walks that met the p line which is at or below the lower line at this test, and the rest."""
    level = process.rules.lower
    if math.isinf(level):
        return np.zeros_like(process.total(met)), process.total(met)
    intervals, outer = process.lines(level, level, n)
    other, futile = ended(process, met, intervals, outer, n)
    return futile, other


def pass_untested(process: Process[D], plain: D, met: D, n: int) -> tuple[D, D]:
    """Return both densities after an untested n: walks on or above the p line have met it."""
    everywhere = (-math.inf, math.inf)
    if math.isinf(process.rules.p_line):
        return process.carry(plain, [everywhere], n), met
    (low, high), *_ = process.lines(-math.inf, process.rules.p_line, n)[0]
    above = [piece for piece in ((-math.inf, low), (high, math.inf)) if piece[0] < piece[1]]
    fresh = process.carry(plain, above, n)
    if not met.is_empty:  # the old ones lie anywhere, the fresh ones beyond the line
        pieces = [(-math.inf, low), (low, high), (high, math.inf)]
        fresh = process.joined(process.carry(met, [piece for piece in pieces if piece[0] < piece[1]], n), fresh)
    return process.carry(plain, [(low, high)], n), fresh


def continuation(ratio: Ratio, lower: float, upper: float, argument: float) -> tuple[list[Interval], tuple[int, int]]:
    """Return the intervals of the statistic in which the walk goes on, and what lies below and above them.

    Between two intervals H0 is accepted.
    """
    v = np.array([argument])
    first, second = ratio.first, ratio.second
    if second is None:
        ends = [
            math.inf * math.copysign(1.0, level) * math.copysign(1.0, first.slope)
            if math.isinf(level)
            else float(crossing(ratio, first, level, v)[0])
            for level in (lower, upper)
        ]
        return ([(ends[0], ends[1])], (-1, 1)) if first.slope > 0 else ([(ends[1], ends[0])], (1, -1))
    falling, rising = (second, first) if first.slope > 0 else (first, second)
    left, right = -math.inf, math.inf
    if math.isfinite(upper):
        left, right = (float(crossing(ratio, line, upper, v)[0]) for line in (falling, rising))
    if math.isinf(lower):
        return [(left, right)], (1, 1)
    inner_left, inner_right = (float(crossing(ratio, line, lower, v)[0]) for line in (falling, rising))
    middle = np.array([0.5 * (inner_left + inner_right)])
    if inner_left >= inner_right or float(ratio.llr(middle, v)[0]) > lower:
        return [(left, right)], (1, 1)
    return [(left, inner_left), (inner_right, right)], (1, 1)


def close(process: Process[D], plain: D, met: D, n: int, ledger: Ledger) -> None:
    """Record what ends at the limit: beyond the lines, and between them as the rule of the limit says."""
    rules = process.rules
    if process.argument(n) <= process.argument(plain.n):
        close_at_rest(process, plain, n, ledger)
        return
    decided = rules.at_limit != "undecided"
    cut = 0.0 if rules.at_limit == "sign" else rules.cut
    lower, upper = (cut, cut) if decided else (rules.lower, rules.upper)
    intervals, outer = process.lines(lower, upper, n)
    h1, h0 = ended(process, plain, intervals, outer, n)
    between = np.zeros_like(h1)
    for interval in intervals:
        if interval[0] < interval[1]:
            between = between + process.landed(plain, interval, n)
    undecided = np.zeros_like(h1)
    if decided:  # a region of no width: what rounding left in it is H0's
        h0 = h0 + between
    else:
        undecided = between
    if not met.is_empty:
        futile, other = ended_after_meeting(process, met, n)
        h0, h1 = h0 + futile, h1 + other
    ledger.add(n, h1, h0, undecided)

    def tail(llr: float) -> FloatArray:
        line = process.ratio.first
        score = (llr - line.drift * process.argument(n)) / line.slope
        beyond = (score, math.inf) if line.slope > 0 else (-math.inf, score)
        found = process.landed(plain, beyond, n)
        return found if met.is_empty else found + process.landed(met, beyond, n)

    ledger.limit = LimitTail(tail)


def close_at_rest(process: Process[D], plain: D, n: int, ledger: Ledger) -> None:
    """Record what ends at a limit that brings no information: the walk stands where it stood."""
    mass = process.masses(plain)
    llr = process.ratio.llr(plain.node, np.full(plain.node.shape, process.argument(plain.n)))
    outcome = process.rules.limit_outcome(llr)
    ledger.add(n, *(mass[:, outcome == side].sum(axis=1) for side in (1, -1, 0)))
    ledger.limit = LimitTail(lambda level: mass[:, llr >= level].sum(axis=1))
