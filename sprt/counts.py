"""The recursion for counts: each observation adds a whole number from a law without end.

The window between the lines is convolved with the law of one count; what overshoots is counted by its tail sum.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.arrays import FloatArray, IntArray
from sprt.cost import Patience, spend
from sprt.ratio import Ratio
from sprt.regions import ACCEPT_H0, ACCEPT_H1, FAR, UNDECIDED, Region, region
from sprt.rules import Rules
from sprt.stopping import Ledger, LimitMasses, StopMasses

BLOCK: Final = 1024
PER_STEP: Final = 1.5e-5  # seconds
PER_PRODUCT: Final = 2.5e-10
PER_ENTRY: Final = 2.5e-8  # of the matrices of one step
DUST: Final = 1e-22  # a mass this small at the end of a window is dropped


@dataclass(frozen=True, slots=True)
class Increment:
    """The law of one count at one theta: probabilities of `offset`, `offset + 1`, …, normalised."""

    offset: int
    pmf: FloatArray
    sum_up_to: Callable[[FloatArray, FloatArray], FloatArray]  # P(sum of m counts <= x), by x and m

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and variance."""
        value = self.offset + np.arange(self.pmf.shape[0])
        mean = float(self.pmf @ value)
        return mean, float(self.pmf @ (value - mean) ** 2)


@dataclass(slots=True)
class Window:
    """Mass at scores base, base + 1, … for each theta; `touched` is the mass that met the p line untested."""

    n: int
    base: int
    mass: FloatArray  # (thetas, width)
    touched: FloatArray | None = None


def follow_band(
    window: Window, ratio: Ratio, rules: Rules, increments: list[Increment], ledger: Ledger, *, patient: Patience
) -> StopMasses:
    """Follow the window between two lines tested at every n: each step is one matrix product per theta."""
    band: Band | None = None
    while True:
        last = window.n + BLOCK if rules.max_n is None else min(window.n + BLOCK, rules.max_n - 1)
        lines = region(ratio, rules.lower, rules.upper, np.arange(window.n + 1, last + 1, dtype=np.float64))
        lows = np.concatenate(([window.base], np.maximum.accumulate(np.maximum(lines.low, window.base))))
        highs = np.concatenate(([window.base + window.mass.shape[1] - 1], lines.high))
        width, shift = int((highs - lows).max()) + 1, int(np.diff(lows).max(initial=0))
        if band is None or band.width < width or band.shift < shift:
            band = make_band(increments, width, shift)
        spend((last - window.n) * (PER_STEP + PER_PRODUCT * len(increments) * (width + shift) * width))
        mass = np.zeros((len(increments), band.width))
        mass[:, : window.mass.shape[1]] = window.mass
        rising = ratio.first.slope > 0
        for i in range(1, lows.shape[0]):
            moved, room = int(lows[i] - lows[i - 1]), int(highs[i] - lows[i]) + 1
            over = band.overshoot(mass, moved + room)
            after = band.step(mass, moved + max(room, 0))
            under = after[:, :moved].sum(axis=1)
            mass = np.zeros_like(mass)
            if room > 0:
                mass[:, :room] = after[:, moved:]
            ledger.add(window.n + i, over if rising else under, under if rising else over)
            alive = float(mass.sum(axis=1).max())
            if patient.is_over(alive, window.n + i):
                return ledger.finish()
        window = Window(last, int(lows[-1]), mass[:, : max(int(highs[-1] - lows[-1]) + 1, 1)])
        if rules.max_n is not None and last >= rules.max_n - 1:
            close(step(window, increments, None), ratio, rules, ledger)
            return ledger.finish()


@dataclass(frozen=True, slots=True)
class Band:
    """The law of one count as matrices: `product[k, i, j] = P(count = i - j)`, and its tails in reverse."""

    width: int
    shift: int
    product: FloatArray  # (thetas, shift + width, width)
    tail: FloatArray  # (thetas, …): entry m is P(count >= longest - m)
    longest: int

    def step(self, mass: FloatArray, rows: int) -> FloatArray:
        """Return the mass at the first `rows` scores from the old base on, one count later."""
        result: FloatArray = np.matmul(self.product[:, :rows], mass[:, :, None])[:, :, 0]
        return result

    def overshoot(self, mass: FloatArray, room: int) -> FloatArray:
        """Return the probability that the next count reaches `room` scores beyond the old base."""
        begin = self.longest - room
        result: FloatArray = np.einsum("kj,kj->k", self.tail[:, begin : begin + self.width], mass)
        return result


def make_band(increments: list[Increment], width: int, shift: int) -> Band:
    """Return the matrices for windows of at most this width that move by at most this much."""
    rows = width + shift
    spend(PER_ENTRY * rows * width * len(increments))
    product = np.zeros((len(increments), rows, width))
    tail = np.ones((len(increments), rows + 1 + width))
    for k, one in enumerate(increments):
        pmf = np.zeros(rows)
        inside = max(min(rows - one.offset, one.pmf.shape[0]), 0)
        pmf[one.offset : one.offset + inside] = one.pmf[:inside]
        for j in range(width):
            product[k, j:, j] = pmf[: rows - j]
        reached = np.concatenate((np.ones(one.offset), np.cumsum(one.pmf[::-1])[::-1], np.zeros(rows + 1)))
        tail[k, : rows + 1] = reached[: rows + 1][::-1]  # so that a window, read left to right, needs ever less
    return Band(width, shift, product, tail, rows)


def step(window: Window, increments: list[Increment], top: int | None) -> Window:
    """Return the window one count later, up to score `top` (None: all of it)."""
    offset = min(one.offset for one in increments)
    base = window.base + offset
    widths = [one.offset - offset + one.pmf.shape[0] for one in increments]
    width = window.mass.shape[1] + max(widths) - 1
    if top is not None:
        width = min(width, max(top - base + 1, 1))
    longest = max(one.pmf.shape[0] for one in increments)

    def convolve(mass: FloatArray) -> FloatArray:
        spend(PER_STEP * len(increments) + PER_PRODUCT * mass.size * longest)
        after = np.zeros((mass.shape[0], width))
        for k, one in enumerate(increments):
            skip = one.offset - offset
            if skip >= width:
                continue
            full = np.convolve(mass[k], one.pmf)[: width - skip]
            after[k, skip : skip + full.shape[0]] = full
        return after

    touched = None if window.touched is None else convolve(window.touched)
    return trimmed(Window(window.n + 1, base, convolve(window.mass), touched))


def trimmed(window: Window) -> Window:
    """Return the window without the dust at its ends."""
    largest = window.mass.max(axis=0)
    if window.touched is not None:
        largest = np.maximum(largest, window.touched.max(axis=0))
    kept = np.flatnonzero(largest > DUST)
    part = slice(int(kept[0]), int(kept[-1]) + 1) if kept.shape[0] else slice(0, 1)
    return Window(
        window.n,
        window.base + part.start,
        window.mass[:, part],
        None if window.touched is None else window.touched[:, part],
    )


def touch(window: Window, ratio: Ratio, rules: Rules) -> Window:
    """Return the window with mass on or above the p line moved to the mass that touched it."""
    if math.isinf(rules.p_line):
        return window
    above = llr_of(window, ratio) >= rules.p_line
    if not above.any():
        return window
    moved = np.where(above, window.mass, 0.0)
    touched = moved if window.touched is None else window.touched + moved
    return Window(window.n, window.base, np.where(above, 0.0, window.mass), touched)


def llr_of(window: Window, ratio: Ratio) -> FloatArray:
    """Return the log-likelihood ratio at each score of the window."""
    score = scores(window).astype(np.float64)
    return ratio.llr(score, np.full(score.shape, float(window.n)))


def scores(window: Window) -> IntArray:
    """Return the scores of the window."""
    return np.arange(window.base, window.base + window.mass.shape[1], dtype=np.int64)


def settle(
    window: Window, increments: list[Increment], lines: Region, ratio: Ratio, rules: Rules, *, ledger: Ledger
) -> Window:
    """Return the window after a tested n, the mass that ended there recorded."""
    high = int(lines.high[0])
    before = window.mass.sum(axis=1) + (0.0 if window.touched is None else window.touched.sum(axis=1))
    capped = high < FAR and window.touched is None
    after = step(window, increments, high if capped else None)
    rising = ratio.first.slope > 0
    upper_h1 = ratio.is_mixture or rising
    lower_h1 = ratio.is_mixture or not rising
    score = scores(after)
    above, below = score > high, score < int(lines.low[0])
    over = after.mass[:, above].sum(axis=1)
    if capped:  # what the convolution left out has overshot
        over = np.maximum(overshoot(window, increments, max(high, after.base)), 0.0)
        over = over + after.mass[:, above].sum(axis=1)
    under = after.mass[:, below].sum(axis=1)
    accept_h1 = (over if upper_h1 else 0.0) + (under if lower_h1 else 0.0) + np.zeros_like(before)
    accept_h0 = (0.0 if upper_h1 else over) + (0.0 if lower_h1 else under) + np.zeros_like(before)
    going = ~(above | below)
    if lines.hole_low is not None and lines.hole_high is not None:
        inside = (score >= lines.hole_low[0]) & (score <= lines.hole_high[0])
        accept_h0 = accept_h0 + after.mass[:, inside & going].sum(axis=1)
        going &= ~inside
    if after.touched is not None:
        futile = llr_of(after, ratio) <= rules.lower
        accept_h0 = accept_h0 + after.touched[:, futile].sum(axis=1)
        accept_h1 = accept_h1 + after.touched[:, ~futile].sum(axis=1)
    ledger.add(after.n, accept_h1, accept_h0)
    kept = np.flatnonzero(going)
    if kept.shape[0] == 0:
        return Window(after.n, after.base, np.zeros((before.shape[0], 1)))
    first, last = int(kept[0]), int(kept[-1]) + 1
    return Window(after.n, after.base + first, np.where(going, after.mass, 0.0)[:, first:last])


def overshoot(window: Window, increments: list[Increment], top: int) -> FloatArray:
    """Return, for each theta, the probability that the next score exceeds `top`."""
    result = np.empty(window.mass.shape[0])
    for k, one in enumerate(increments):
        tail = np.concatenate((np.cumsum(one.pmf[::-1])[::-1], [0.0]))  # tail[j] = P(count >= offset + j)
        needed = top + 1 - scores(window) - one.offset
        result[k] = float(np.dot(window.mass[k], tail[np.clip(needed, 0, tail.shape[0] - 1)]))
    return result


def close(window: Window, ratio: Ratio, rules: Rules, ledger: Ledger) -> None:
    """Record everything that ends at the limit, by score."""
    llr = llr_of(window, ratio)
    outcome = np.where(llr >= rules.upper, ACCEPT_H1, np.where(llr <= rules.lower, ACCEPT_H0, rules.limit_outcome(llr)))
    mass = window.mass
    if window.touched is not None:
        mass = np.concatenate((mass, window.touched), axis=1)
        outcome = np.concatenate((outcome, np.where(llr <= rules.lower, ACCEPT_H0, ACCEPT_H1)))
    h1, h0 = (mass[:, outcome == side].sum(axis=1) for side in (ACCEPT_H1, ACCEPT_H0))
    ledger.add(window.n, h1, h0, mass[:, outcome == UNDECIDED].sum(axis=1))
    ledger.limit = LimitMasses(llr if window.touched is None else np.concatenate((llr, llr)), mass)
