"""The path recursion where successes are rare: the window stays the same for many steps, and they are taken at once.

The score never falls, so inside such a stretch a path can leave only above, and never comes back: its weight after m
steps is a binomial sum, and the weight leaving at each step is one too.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.arrays import FloatArray
from sprt.cost import Patience, spend
from sprt.lattice import PER_STEP, Front, Recorder, settle_limit, survivors
from sprt.regions import ACCEPT_H0, ACCEPT_H1, region

BLOCK: Final = 65_536  # steps whose region is found at once
FIRST_BLOCK: Final = 1024
RARE: Final = 0.006  # average successes per step up to which a stretch is long enough to pay


def is_rare(recorder: Recorder) -> bool:
    """Return whether the window of a one-sided walk stays in place for a hundred steps and more."""
    line, rules = recorder.ratio.first, recorder.rules
    straight = not recorder.ratio.is_mixture and math.isfinite(rules.lower) and math.isfinite(rules.upper)
    return straight and -line.drift / line.slope < RARE


def run_stretches(front: Front, r: float, recorder: Recorder, thetas: FloatArray, patient: Patience) -> None:
    """Follow the front through consecutive tested n to the limit, or until next to nothing survives."""
    rules = recorder.rules
    while front.weights.max() > 0.0 and (rules.max_n is None or front.n < rules.max_n):
        block = min(max(FIRST_BLOCK, (front.n - recorder.start[0]) // 4), BLOCK)
        last = front.n + block if rules.max_n is None else min(front.n + block, rules.max_n)
        spend(0.3 * PER_STEP * (last - front.n))
        lines = region(recorder.ratio, rules.lower, rules.upper, np.arange(front.n + 1, last + 1, dtype=np.float64))
        changes = np.flatnonzero((np.diff(lines.low) != 0) | (np.diff(lines.high) != 0)) + 1
        begins = np.concatenate(([0], changes))
        ends = np.concatenate((changes, [lines.low.shape[0]]))
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            stretch = Stretch(int(lines.low[begin]), int(lines.high[begin]), end - begin)
            front = take(front, stretch, r, recorder)
            if front.weights.max() <= 0.0:
                return
        if patient.is_over(survivors(front, thetas, recorder), front.n):
            return
    if front.weights.max() > 0.0:
        settle_limit(front, recorder)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps between the same two integers: paths go on at scores from `low` to `high`."""

    low: int
    high: int
    steps: int


def take(front: Front, stretch: Stretch, r: float, recorder: Recorder) -> Front:
    """Return the front after the stretch, the paths that ended in it recorded."""
    top = front.base + front.weights.shape[0] - 1
    high = min(stretch.high, top + stretch.steps)
    if stretch.low <= front.base:
        return leave_above(front, high, stretch.steps, r, recorder)
    # the lower line has moved up: at the first step the paths left below it end
    width = max(high, top) - front.base + 1
    weights = np.zeros(width + 1)
    weights[: front.weights.shape[0]] = front.weights
    first = weights + r * np.concatenate(([0.0], weights[:-1]))
    moved = Front(front.n + 1, front.base, first, front.scale)
    below = min(stretch.low - front.base, width + 1)
    record(moved, slice(0, below), recorder, above=False)
    record(moved, slice(below + max(high - stretch.low + 1, 0), None), recorder, above=True)
    kept = first[below : below + max(high - stretch.low + 1, 0)]
    if kept.shape[0] == 0:
        return Front(front.n + stretch.steps, stretch.low, np.zeros(1), front.scale)
    return leave_above(Front(front.n + 1, stretch.low, kept, front.scale), high, stretch.steps - 1, r, recorder)


def leave_above(front: Front, high: int, steps: int, r: float, recorder: Recorder) -> Front:
    """Return the front after steps in which paths can only leave above `high`."""
    width = high - front.base + 1
    if width <= 0 or steps == 0:
        return scaled(front) if width > 0 else Front(front.n + steps, front.base, np.zeros(1), front.scale)
    weights = np.zeros(width)
    weights[: front.weights.shape[0]] = front.weights[:width]
    spend(100.0 * PER_STEP + 6e-9 * (width + 4.0) * steps)
    before = np.arange(steps, dtype=np.float64)  # steps already taken when a path leaves
    leaving, ways = np.zeros(steps), np.ones(steps)  # ways: C(before, d) r^d
    for d in range(width):
        leaving += weights[width - 1 - d] * ways
        ways = ways * (np.maximum(before - d, 0.0) * (r / (d + 1.0)))
    side = ACCEPT_H1 if recorder.ratio.first.slope > 0 else ACCEPT_H0
    n = front.n + 1 + np.arange(steps)
    recorder.add(n, np.full(steps, high + 1), r * leaving, front.scale, np.full(steps, side))
    more = np.arange(width - 1, dtype=np.float64)
    kernel = np.cumprod(np.concatenate((np.ones(1), np.maximum(steps - more, 0.0) * (r / (more + 1.0)))))
    return scaled(Front(front.n + steps, front.base, np.convolve(weights, kernel)[:width], front.scale))


def record(front: Front, part: slice, recorder: Recorder, *, above: bool) -> None:
    """Record the paths of one part of the front, all of which end at its n."""
    s = front.base + np.arange(front.weights.shape[0])[part]
    rising = recorder.ratio.first.slope > 0
    outcome = ACCEPT_H1 if above == rising else ACCEPT_H0
    recorder.add(np.full(s.shape, front.n), s, front.weights[part], front.scale, np.full(s.shape, outcome))


def scaled(front: Front) -> Front:
    """Return the front with its weights brought near 1 by a power of two."""
    largest = float(front.weights.max())
    if largest <= 0.0:
        return front
    power = math.frexp(largest)[1]
    scale = front.scale + power * np.log(np.longdouble(2.0))
    return Front(front.n, front.base, front.weights * math.ldexp(1.0, -power), scale)
