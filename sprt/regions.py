"""Where a lattice walk goes on: for each n, the integers between the lines, compared exactly as the walk compares.

A region is at most two intervals: all integers from `low` to `high`, less a hole from `hole_low` to `hole_high` in the
middle, where a two-sided walk accepts H0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.special import expit

from sprt.arrays import BoolArray, FloatArray, IntArray
from sprt.ratio import LOG_2, Line, Ratio

ACCEPT_H1 = 1
ACCEPT_H0 = -1
UNDECIDED = 0
FAR = np.int64(2**52)  # stands for an infinite bound


@dataclass(frozen=True, slots=True)
class Region:
    """The integers at which the walk goes on, one entry for each n asked for."""

    low: IntArray
    high: IntArray
    hole_low: IntArray | None = None
    hole_high: IntArray | None = None

    def part(self, chosen: slice) -> "Region":
        """Return the region for some of the n."""
        if self.hole_low is None or self.hole_high is None:
            return Region(self.low[chosen], self.high[chosen])
        return Region(self.low[chosen], self.high[chosen], self.hole_low[chosen], self.hole_high[chosen])


Regions: TypeAlias = Callable[[FloatArray], Region]


def region(ratio: Ratio, lower: float, upper: float, n: FloatArray) -> Region:
    """Return the integers t with `lower < L(t, n) < upper`, for each n.

    `lower` and `upper` are the levels the walk is compared with, the tolerance for ties included; they may be infinite.
    """
    if ratio.second is None:
        rising = ratio.first.slope > 0
        below = last_below(ratio, ratio.first, upper, n, rising=rising)
        above = first_above(ratio, ratio.first, lower, n, rising=rising)
        return Region(above, below) if rising else Region(below, above)
    left, right = ratio.first, ratio.second
    if left.slope > 0:
        left, right = right, left
    high = last_below(ratio, right, upper, n, rising=True)
    low = last_below(ratio, left, upper, n, rising=False)
    hole_low, hole_high = hole(ratio, lower, n)
    return Region(low, high, hole_low, hole_high)


def last_below(ratio: Ratio, line: Line, level: float, n: FloatArray, *, rising: bool) -> IntArray:
    """Return the last integer, going up (or down, if not rising), at which the ratio is still below the level."""
    if math.isinf(level):
        return np.full(n.shape, FAR if rising else -FAR)
    step = 1.0 if rising else -1.0
    guess = crossing(ratio, line, level, n)
    t = np.ceil(guess) if rising else np.floor(guess)
    return settle(t, step, lambda s: ratio.llr(s, n) < level)


def first_above(ratio: Ratio, line: Line, level: float, n: FloatArray, *, rising: bool) -> IntArray:
    """Return the first integer, going up (or down, if not rising), at which the ratio is above the level."""
    if math.isinf(level):
        return np.full(n.shape, -FAR if rising else FAR)
    step = -1.0 if rising else 1.0
    guess = crossing(ratio, line, level, n)
    t = np.floor(guess) if rising else np.ceil(guess)
    return settle(t, step, lambda s: ratio.llr(s, n) > level)


def settle(t: FloatArray, step: float, inside: Callable[[FloatArray], BoolArray]) -> IntArray:
    """Return the outermost integers, in the direction of `step`, that are inside; `t` is off by rounding at most."""
    t = t + 2.0 * step
    for _ in range(5):
        outside = ~inside(t)
        if not outside.any():
            break
        t = np.where(outside, t - step, t)
    return np.clip(t, -FAR, FAR).astype(np.int64)


def crossing(ratio: Ratio, line: Line, level: float, n: FloatArray) -> FloatArray:
    """Return where, on the side of `line`, the ratio takes the level; for a mixture below it, where it is least.

    Newton's method from outside: a mixture is convex in t, and never more than log 2 below its larger line.
    """
    if ratio.second is None:
        return (level - line.drift * n) / line.slope
    other = ratio.second if line is ratio.first else ratio.first
    # the least value is where line.slope e^u + other.slope e^w = 0
    least = (math.log(-other.slope / line.slope) - (line.drift - other.drift) * n) / (line.slope - other.slope)
    t = (level + LOG_2 - line.drift * n) / line.slope
    t = np.maximum(t, least) if line.slope > 0 else np.minimum(t, least)
    for _ in range(60):
        weight = expit((line.slope - other.slope) * t + (line.drift - other.drift) * n)
        slope = line.slope * weight + other.slope * (1.0 - weight)
        step = np.where(np.abs(slope) > 1e-12 * abs(line.slope), (ratio.llr(t, n) - level) / slope_or_one(slope), 0.0)
        step = np.where(step * slope > 0.0, step, 0.0)
        t = np.maximum(t - step, least) if line.slope > 0 else np.minimum(t - step, least)
        if (np.abs(step * line.slope) <= 1e-13 + 1e-15 * np.abs(line.slope * t)).all():
            break
    return t


def slope_or_one(slope: FloatArray) -> FloatArray:
    """Return the slope, or 1 where it is zero and no step will be taken."""
    return np.where(slope == 0.0, 1.0, slope)


def hole(ratio: Ratio, level: float, n: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the first and last integer of the middle where a mixture is at most the level; empty if last < first."""
    second = ratio.second
    if math.isinf(level) or second is None:
        return np.full(n.shape, FAR), np.full(n.shape, -FAR)
    falling, rising = (second, ratio.first) if ratio.first.slope > 0 else (ratio.first, second)
    first = np.ceil(crossing(ratio, falling, level, n)) - 1.0
    last = np.floor(crossing(ratio, rising, level, n)) + 1.0
    for _ in range(3):
        first = np.where(ratio.llr(first, n) > level, first + 1.0, first)
        last = np.where(ratio.llr(last, n) > level, last - 1.0, last)
    empty = (ratio.llr(first, n) > level) | (ratio.llr(last, n) > level) | (last < first)
    return (
        np.where(empty, FAR, first).astype(np.int64),
        np.where(empty, -FAR, last).astype(np.int64),
    )
