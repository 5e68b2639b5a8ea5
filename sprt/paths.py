"""Where the paths of a 0/1 walk end: chooses the recursion, and refuses one that would take too long."""

import math
from dataclasses import replace

import numpy as np

from sprt.arrays import FloatArray
from sprt.cost import needed_steps, patience, require
from sprt.lattice import PER_CELL, PER_STEP, Absorption, Front, Recorder, pass_gap, run
from sprt.rare import RARE, is_rare, run_stretches
from sprt.ratio import Line, Ratio
from sprt.rules import Rules


def absorb(
    ratio: Ratio,
    rules: Rules,
    thetas: FloatArray,
    *,
    start: tuple[int, int] = (0, 0),
    touched: bool = False,
    weight: float | None = None,
    negligible: float = 1e-13,
) -> Absorption:
    """Return the stopping points of walks from `start` = (n, s).

    Parameters
    ----------
    thetas
        The success probabilities of interest; without a limit the recursion ends once for all of them the surviving
        probability, weighted by the square of n over its median, is negligible.
    touched
        Whether the walk has touched the p line at an n that was not tested.
    weight
        The weight of a success against a failure, where the one that suits the whole band does not suit a theta.
    """
    line = ratio.first
    if not ratio.is_mixture and -line.drift / line.slope > 1.0 - RARE:  # failures are rare: count them instead
        turned = Ratio(Line(-line.slope, line.drift + line.slope))
        n, s = start
        ends = absorb(
            turned,
            rules,
            1.0 - thetas,
            start=(n, n - s),
            touched=touched,
            weight=None if weight is None else 1.0 / weight,
            negligible=negligible,
        )
        return replace(ends, start=start, s=ends.n - ends.s)
    require_short(ratio, rules, thetas, start[0])
    probe = Recorder(ratio, rules, np.longdouble(0.0), start, [])
    rare = is_rare(probe)
    r = weight or weight_ratio(ratio, rules, rare=rare)
    recorder = replace(probe, log_r=np.log(np.longdouble(r)), parts=[])
    n, s = start
    one = np.ones(1)
    front = Front(n, s, np.zeros(1) if touched else one, s * recorder.log_r, one if touched else None)
    looks = rules.tested(n)
    if looks is not None:
        for look in looks:
            front = pass_gap(front, int(look), r, recorder)
        return recorder.finish()
    front = pass_gap(front, rules.first_tested(n), r, recorder)
    (run_stretches if rare else run)(front, r, recorder, thetas, patience(n, rules.max_n, negligible))
    return recorder.finish()


def require_short(ratio: Ratio, rules: Rules, thetas: FloatArray, n: int) -> None:
    """Raise DesignError if the recursion would surely take too long: most of its steps are needed, and no less wide."""
    line = ratio.first
    steps = needed_steps(
        line.slope * thetas + line.drift,
        line.slope**2 * thetas * (1.0 - thetas),
        (rules.upper - rules.lower) * (2.0 if ratio.is_mixture else 1.0),
        None if rules.max_n is None else rules.max_n - n,
    )
    width = min((min(rules.upper, 1e3) - max(rules.lower, -1e3)) / abs(line.slope), steps)
    per_step = 0.5 * PER_STEP if -line.drift / line.slope < RARE else PER_STEP
    require(0.2 * steps * (per_step + width * PER_CELL))


def weight_ratio(ratio: Ratio, rules: Rules, *, rare: bool) -> float:
    """Return the weight of a success against a failure: 1 unless the band is so wide that floats would not span it."""
    line = ratio.first
    width = (min(rules.upper, 1e6) - max(rules.lower, -1e6)) / abs(line.slope)
    p = min(max(-line.drift / line.slope, 1e-300), 1.0)
    balance = math.log(p) - math.log1p(-min(p, 1.0 - 1e-16))
    return 1.0 if width * abs(balance) < 250.0 and not rare else math.exp(balance)
