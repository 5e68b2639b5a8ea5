"""Simulated walks: many at once, seeded by the caller, ended by the same rules as a real run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.arrays import FloatArray, IntArray, parameters
from sprt.bundles import Bundle, StudentBundle, TwoArmBundle, make_bundle, next_arms
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.regions import ACCEPT_H0, ACCEPT_H1, UNDECIDED
from sprt.rules import make_rules
from sprt.state import State
from sprt.stopping import LEVELS, TIE, Law
from sprt.walk import init

BATCH: Final = 2_000_000  # numbers drawn at once
FIRST_STEPS: Final = 8
MOST_STEPS: Final = 1024
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
        If theta lies outside the family's space, or a walk does not end within ten million observations.
    """
    design.model.check_theta(parameters([theta]))
    if isinstance(paths, bool) or not isinstance(paths, (int, np.integer)) or paths < 1:
        raise DesignError(f"paths: {paths!r} given, a whole number from 1 is allowed")
    return simulate_from(design, theta, int(paths), rng, init(design))


def simulate_from(design: Design, theta: float, paths: int, rng: np.random.Generator, state: State) -> Simulation:
    """Return how walks end that stand at `state`."""
    bundle = make_bundle(design.model, state, paths, two_sided=design.is_two_sided)
    n_out, llr_out = np.zeros(paths, dtype=np.int64), np.zeros(paths)
    outcome, score = np.zeros(paths, dtype=np.int64), np.full(paths, np.nan)
    alive = np.arange(paths)
    highest = np.full(paths, state.max_llr)
    n, steps = state.n, FIRST_STEPS
    while alive.shape[0]:
        limit = LONGEST if design.max_n is None else design.max_n
        if n >= limit:
            raise DesignError(f"theta: {theta!r} given, but a walk has not ended after {LONGEST} observations")
        count = min(steps, limit - n, max(1, BATCH // alive.shape[0]))
        ahead = np.arange(n + 1, n + count + 1, dtype=np.float64)
        xs = draw(design, bundle, theta, (alive.shape[0], count), rng)
        llr = bundle.advance(xs, ahead)
        first, side = endings(design, llr, ahead, highest)
        done = first < count
        rows, columns = np.flatnonzero(done), first[done]
        who = alive[done]
        n_out[who] = n + 1 + columns
        llr_out[who] = llr[rows, columns]
        outcome[who] = side[done]
        score[who] = bundle.score(rows, columns)
        highest = np.maximum(highest, llr.max(axis=1))[~done]
        bundle.keep(~done)
        alive = alive[~done]
        n += count
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
    start = state or init(design)
    runs = [simulate_from(design, float(theta), paths, rng, start) for theta in thetas]

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
