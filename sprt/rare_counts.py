"""The recursion for counts where they are rare: the window stays in place for many steps, and they are taken at once.

The score never falls, so inside such a stretch a walk can leave only above, and never comes back: what is left after m
steps follows from the law of the sum of m counts, and what leaves at each step from differences of its tail.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from sprt.cost import Patience, spend
from sprt.counts import PER_STEP, Increment, Window, close, settle, step, trimmed
from sprt.ratio import Ratio
from sprt.regions import region
from sprt.rules import Rules
from sprt.stopping import Ledger, StopMasses

PER_SUM: Final = 1.2e-7  # seconds for the law of a sum at one point
RARE: Final = 0.02  # average score per step below which the window stays in place for a while
STRETCH: Final = 4096  # steps whose region is found at once


def follow_stretches(
    window: Window, ratio: Ratio, rules: Rules, increments: list[Increment], ledger: Ledger, *, patient: Patience
) -> StopMasses:
    """Follow the window where counts are rare: it stays in place for many steps, and they are taken at once.

    The score never falls, so inside such a stretch a walk can leave only above, and never comes back.
    """
    rising = ratio.first.slope > 0
    while True:
        ahead = max(64, min(STRETCH, window.n // 4))
        last = window.n + ahead if rules.max_n is None else min(window.n + ahead, rules.max_n - 1)
        spend(1e-6 * (last - window.n))
        lines = region(ratio, rules.lower, rules.upper, np.arange(window.n + 1, last + 1, dtype=np.float64))
        changes = np.flatnonzero((np.diff(lines.low) != 0) | (np.diff(lines.high) != 0)) + 1
        for begin, end in pairwise([0, *changes.tolist(), lines.low.shape[0]]):
            if end > begin:
                window = settle(window, increments, lines.part(slice(begin, begin + 1)), ratio, rules, ledger=ledger)
                window = take(window, increments, int(lines.high[begin]), end - begin - 1, ledger, rising=rising)
        alive = float(window.mass.sum(axis=1).max())
        if patient.is_over(alive, window.n):
            return ledger.finish()
        if rules.max_n is not None and last >= rules.max_n - 1:
            close(step(window, increments, None), ratio, rules, ledger)
            return ledger.finish()


def take(window: Window, increments: list[Increment], high: int, steps: int, ledger: Ledger, *, rising: bool) -> Window:
    """Return the window after some steps in which walks can only leave above `high`, what left recorded."""
    if steps <= 0:
        return window
    width = high - window.base + 1
    room = width - 1.0 - np.arange(window.mass.shape[1], dtype=np.float64)  # how much a walk may still add
    taken = np.arange(steps + 1, dtype=np.float64)
    over = np.empty((len(increments), steps))
    after = np.empty((len(increments), width))
    spend(PER_STEP + PER_SUM * len(increments) * (room.shape[0] * (steps + 1.0) + width))
    for k, one in enumerate(increments):
        inside = one.sum_up_to(room[None, :], taken[:, None]) @ window.mass[k]
        over[k] = np.maximum(-np.diff(inside), 0.0)
        total = one.sum_up_to(np.arange(width, dtype=np.float64), np.full(width, float(steps)))
        after[k] = np.convolve(window.mass[k], np.diff(total, prepend=0.0))[:width]
    nothing = np.zeros(over.shape)
    n = window.n + 1 + np.arange(steps)
    ledger.add_many(n, over if rising else nothing, nothing if rising else over)
    return trimmed(Window(window.n + steps, window.base, after))
