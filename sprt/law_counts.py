"""The law of a test on counts: gaps by convolution, between lines by bands or, where counts are rare, by stretches."""

import math

import numpy as np

from sprt.cost import needed_steps, patience, require, spend
from sprt.counts import (
    BLOCK,
    PER_STEP,
    Increment,
    Window,
    close,
    follow_band,
    settle,
    step,
    touch,
)
from sprt.rare_counts import RARE, follow_stretches
from sprt.ratio import Ratio
from sprt.regions import region
from sprt.rules import Rules
from sprt.stopping import StopMasses, new_ledger


def count_stops(
    ratio: Ratio,
    rules: Rules,
    increments: list[Increment],
    *,
    start: tuple[int, int] = (0, 0),
    touched: bool = False,
) -> StopMasses:
    """Return where walks from `start` = (n, score) end, for each law of one count."""
    thetas = len(increments)
    moments = [one.moments for one in increments]
    steps = needed_steps(
        np.array([ratio.first.slope * mean + ratio.first.drift for mean, _ in moments]),
        np.array([ratio.first.slope**2 * variance for _, variance in moments]),
        (rules.upper - rules.lower) * (2.0 if ratio.is_mixture else 1.0),
        None if rules.max_n is None else rules.max_n - start[0],
    )
    rare = -ratio.first.drift / ratio.first.slope < RARE
    require(0.2 * steps * (0.1 * PER_STEP if rare else PER_STEP))
    ledger, patient = new_ledger(), patience(start[0], rules.max_n)
    empty, full = np.zeros((thetas, 1)), np.ones((thetas, 1))
    window = Window(start[0], start[1], empty if touched else full, full if touched else None)
    n = start[0]
    looks = rules.tested(n)
    tested = None if looks is None else set(looks.tolist())
    first = rules.first_tested(n)
    banded = looks is None and not ratio.is_mixture and math.isfinite(rules.lower) and math.isfinite(rules.upper)
    while True:
        if banded and window.touched is None and n + 1 >= first:
            follow = follow_stretches if rare else follow_band
            return follow(window, ratio, rules, increments, ledger, patient=patient)
        block = np.arange(n + 1, n + 1 + BLOCK, dtype=np.float64)
        spend(BLOCK * (5e-6 if ratio.is_mixture else 1e-6))
        lines = region(ratio, rules.lower, rules.upper, block)
        for i in range(BLOCK):
            n += 1
            at_limit = rules.max_n is not None and n >= rules.max_n
            if at_limit:
                close(step(window, increments, None), ratio, rules, ledger)
                return ledger.finish()
            if n < first or (tested is not None and n not in tested):
                window = touch(step(window, increments, None), ratio, rules)
                continue
            piece = lines.part(slice(i, i + 1))
            window = settle(window, increments, piece, ratio, rules, ledger=ledger)
            if patient.is_over(float(window.mass.sum(axis=1).max()), n):
                return ledger.finish()
