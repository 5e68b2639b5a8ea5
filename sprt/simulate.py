"""Simulated walks: many at once, seeded by the caller, ended by the same rules as a real run."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sprt.arrays import FloatArray, IntArray, parameters
from sprt.bundles import Bundle, StudentBundle, TwoArmBundle, make_bundle, next_arms
from sprt.cost import ALLOWED, allowance, spend
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.nystrom import RHO
from sprt.regions import ACCEPT_H0, ACCEPT_H1, UNDECIDED
from sprt.rules import make_rules
from sprt.state import State
from sprt.stopping import LEVELS, TIE, Law
from sprt.walk import init

BATCH: Final = 2_000_000  # numbers drawn at once
COARSEST: Final = 0.15  # nats; where steps are finer, a simulated law takes several of them at once
FEWEST_STEPS: Final = 200  # a leaping walk still makes this many steps to the limit
NEAREST: Final = 1e-6
FIRST_STEPS: Final = 8
MOST_STEPS: Final = 1024
PER_PATH: Final = 2e-3  # seconds; a walk may cost that much before a simulation is given up
LONGEST: Final = 10_000_000  # observations after which a walk without a limit is given up


@dataclass(frozen=True, slots=True)
class Simulation:
    """How simulated walks ended; arrays of shape `(paths,)`.

    Attributes
    ----------
    n, llr
        At the stop.
    outcome
        1 for accept_h1, -1 for accept_h0, 0 for inconclusive.
    score
        The sufficient statistic at the stop, for families with a single one; else nan.
    """

    n: IntArray
    llr: FloatArray
    outcome: IntArray
    score: FloatArray


def simulate(design: Design, theta: float, paths: int, rng: np.random.Generator) -> Simulation:
    """Return how `paths` independent walks at `theta` end.

    Paired families draw discordant pairs, which are what their n counts; families with two arms draw a and b in turn.

    Parameters
    ----------
    paths
        Number of walks, at least 1.
    rng
        Source of randomness; the result depends on nothing else.

    Raises
    ------
    DesignError
        If theta lies outside the family's space, a walk does not end within ten million observations, or the walks
        take far longer than walks do (2 ms each, and 4 s in all).
    """
    design.model.check_theta(parameters([theta]))
    if isinstance(paths, bool) or not isinstance(paths, (int, np.integer)) or paths < 1:
        raise DesignError(f"paths: {paths!r} given, a whole number from 1 is allowed")
    with allowance(design.given, ALLOWED + PER_PATH * paths):
        return simulate_from(design, theta, int(paths), rng, init(design))


def simulate_from(
    design: Design, theta: float, paths: int, rng: np.random.Generator, state: State, *, leap: int = 1
) -> Simulation:
    """Return how walks end that stand at `state`; with a leap, walks that are looked at every so many observations."""
    bundle = make_bundle(design, state, paths)
    n_out, llr_out = np.zeros(paths, dtype=np.int64), np.zeros(paths)
    outcome, score = np.zeros(paths, dtype=np.int64), np.full(paths, np.nan)
    alive = np.arange(paths)
    highest = np.full(paths, state.max_llr)
    n, steps = state.n, FIRST_STEPS
    while alive.shape[0]:
        limit = LONGEST if design.max_n is None else design.max_n
        if n >= limit:
            raise DesignError(f"theta: {theta!r} given, but a walk has not ended after {LONGEST} observations")
        count = min(steps, -(-(limit - n) // leap), max(1, BATCH // alive.shape[0]))
        spend(2e-5 + bundle.cost * alive.shape[0] * count)
        ahead = np.minimum(n + leap * np.arange(1.0, count + 1.0), float(limit))
        if leap == 1:
            llr = bundle.advance(draw(design, bundle, theta, (alive.shape[0], count), rng), ahead)
        else:
            llr = bundle.leap(theta, np.diff(ahead, prepend=float(n)), ahead, rng)
        first, side = endings(design, llr, ahead, highest)
        done = first < count
        rows, columns = np.flatnonzero(done), first[done]
        who = alive[done]
        n_out[who] = ahead[columns].astype(np.int64)
        llr_out[who] = bundle.llr_at(rows, columns, llr)
        outcome[who] = side[done]
        score[who] = bundle.score(rows, columns)
        highest = np.maximum(highest, llr.max(axis=1))[~done]
        bundle.keep(~done)
        alive = alive[~done]
        n = int(ahead[-1])
        steps = min(2 * steps, MOST_STEPS)
    return Simulation(n_out, llr_out, outcome, score)


def draw(design: Design, bundle: Bundle, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Return the next observations of each walk, effects placed in the arms the walks are at."""
    if isinstance(bundle, TwoArmBundle | StudentBundle) and design.model.has_arms:
        sd = design.model.sd if isinstance(design.model, TwoArmNormal) else 1.0
        values = rng.normal(0.0, sd, shape)
        values[:, next_arms(bundle.counts, shape[1]) == 1] += theta
        return values
    return design.model.sample(theta, shape, rng)


def endings(design: Design, llr: FloatArray, n: FloatArray, highest: FloatArray) -> tuple[IntArray, IntArray]:
    """Return, for each walk, the step at which it ends (the number of steps if it does not) and its outcome."""
    tested = n >= design.min_n
    looks = design.look_array
    if looks is not None:
        tested &= looks[np.minimum(np.searchsorted(looks, n), looks.shape[0] - 1)] == n
    upper, lower = llr >= design.upper - TIE, llr <= design.lower + TIE
    ends = upper | lower
    if design.p_value is not None:
        small_p = np.maximum(np.maximum.accumulate(llr, axis=1), highest[:, None]) >= design.p_line - TIE
        ends |= small_p
    if design.max_n is not None:
        ends |= (n >= design.max_n)[None, :]
    ends &= tested[None, :]
    first = np.argmax(ends, axis=1)
    rows = np.arange(llr.shape[0])
    over = ends[rows, first]
    h1 = upper[rows, first] | (small_p[rows, first] & ~lower[rows, first] if design.p_value is not None else False)
    at_end = make_rules(design, design.lower, design.upper).limit_outcome(llr[rows, first])
    side = np.where(h1, ACCEPT_H1, np.where(lower[rows, first], ACCEPT_H0, at_end))
    return np.where(over, first, llr.shape[1]), side


def leap_of(design: Design) -> int:
    """Return after how many observations a simulated law looks at a walk: 1 unless its steps are very fine."""
    low, high = design.model.drifts()
    if design.looks is not None or low >= 0.0 or high <= 0.0:
        return 1
    leap = COARSEST**2 / (high - low)
    return max(1, int(leap if design.max_n is None else min(leap, design.max_n / FEWEST_STEPS)))


def leaping(design: Design, leap: int) -> Design:
    """Return the design with lines moved in by what a leaping walk overshoots them more: Siegmund's correction."""
    low, high = design.model.drifts()
    shift = RHO * math.sqrt(high - low) * (math.sqrt(leap) - 1.0)
    lower = None if design.lower == -math.inf else min(design.lower + shift, -NEAREST)
    upper = None if design.upper == math.inf else max(design.upper - shift, NEAREST)
    return replace(design, thresholds=(lower, upper))


def simulated_method(design: Design, paths: int, seed: int) -> str:
    """Return how `simulated_law` computes its figures, in words."""
    leap = leap_of(design)
    every = "" if leap == 1 else f", looked at every {leap} observations, with Siegmund's correction of the overshoot"
    return f"simulation of {paths} walks per theta, seed {seed}{every}"


def simulated_law(
    design: Design,
    thetas: FloatArray,
    paths: int,
    rng: np.random.Generator,
    *,
    state: State | None = None,
    levels: tuple[float, ...] = LEVELS,
) -> Law:
    """Return the law of the stopping time from simulated walks, with the standard error of P(accept H1)."""
    start, leap = state or init(design), leap_of(design)
    seen = design if leap == 1 else leaping(design, leap)
    runs = [simulate_from(seen, float(theta), paths, rng, start, leap=leap) for theta in thetas]

    def column(value: Callable[[Simulation], float]) -> FloatArray:
        return np.array([value(run) for run in runs])

    h1 = column(lambda run: float((run.outcome == ACCEPT_H1).mean()))
    return Law(
        p_accept_h1=h1,
        p_accept_h0=column(lambda run: float((run.outcome == ACCEPT_H0).mean())),
        p_undecided=column(lambda run: float((run.outcome == UNDECIDED).mean())),
        mean_n=column(lambda run: float(run.n.mean())),
        sd_n=column(lambda run: float(run.n.std())),
        quantiles={
            level: np.array([float(np.quantile(run.n, level, method="inverted_cdf")) for run in runs])
            for level in levels
        },
        mass_error=np.zeros(thetas.shape[0]),
        standard_error=np.sqrt(np.maximum(h1 * (1.0 - h1), 1.0 / paths) / paths),
    )
