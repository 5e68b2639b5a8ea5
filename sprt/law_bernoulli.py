"""The law of a Bernoulli test (and of discordant pairs): one recursion over paths, tilted to every theta."""

from typing import Final

import numpy as np

from sprt.arrays import FloatArray, IntArray
from sprt.lattice import Absorption
from sprt.paths import absorb
from sprt.ratio import Ratio
from sprt.regions import ACCEPT_H0, ACCEPT_H1, UNDECIDED
from sprt.rules import Rules, Start
from sprt.stopping import LEVELS, Law, LimitMasses, StopMasses, joined, summarise

LOST: Final = 1e-10  # mass a tilt has lost to underflow, beyond which a theta gets a recursion of its own
MOST_ENTRIES: Final = 4_000_000  # numbers held at once


def bernoulli_law(ratio: Ratio, rules: Rules, p: FloatArray, start: Start, levels: tuple[float, ...] = LEVELS) -> Law:
    """Return the law of the stopping time at each success probability."""
    shared = paths(ratio, rules, p, start)
    span = int(shared.n.max()) - start.n if shared.n.shape[0] else 1
    size = max(1, MOST_ENTRIES // max(span, 1))
    groups = [p[begin : begin + size] for begin in range(0, p.shape[0], size)]
    return joined([summarise(tilted_stops(shared, ratio, rules, group, start), levels) for group in groups])


def bernoulli_stops(ratio: Ratio, rules: Rules, p: FloatArray, start: Start) -> StopMasses:
    """Return the probability of stopping at each n, for each success probability."""
    return tilted_stops(paths(ratio, rules, p, start), ratio, rules, p, start)


def paths(ratio: Ratio, rules: Rules, p: FloatArray, start: Start, weight: float | None = None) -> Absorption:
    """Return the stopping points reached from the start."""
    return absorb(ratio, rules, p, start=(start.n, int(start.score)), touched=start.touched, weight=weight)


def tilted_stops(shared: Absorption, ratio: Ratio, rules: Rules, p: FloatArray, start: Start) -> StopMasses:
    """Return the masses by n; where a tilt lost mass, from a recursion weighted for that theta."""
    found = [own_masses(shared, ratio, rules, float(theta), start) for theta in p]
    first = min((int(one.n.min()) for one, _ in found if one.n.shape[0]), default=start.n + 1)
    last = max((int(one.n.max()) for one, _ in found if one.n.shape[0]), default=first)
    n = np.arange(first, last + 1)
    columns = {side: np.zeros((p.shape[0], n.shape[0])) for side in (ACCEPT_H1, ACCEPT_H0, UNDECIDED)}
    limits = []
    for k, (one, mass) in enumerate(found):
        for side, rows in columns.items():
            chosen = np.flatnonzero(one.outcome == side)
            rows[k] = np.bincount(one.n[chosen] - first, weights=mass[chosen], minlength=n.shape[0])
        at_limit = np.flatnonzero(one.n == (rules.max_n or -1))
        limits.append((one.s[at_limit], mass[at_limit]))
    limit = None if rules.max_n is None else limit_masses(limits, ratio, last)
    return StopMasses(n, columns[ACCEPT_H1], columns[ACCEPT_H0], columns[UNDECIDED], limit)


def own_masses(
    shared: Absorption, ratio: Ratio, rules: Rules, theta: float, start: Start
) -> tuple[Absorption, FloatArray]:
    """Return stopping points and masses: the shared points, or a recursion's own if theta is too far from them."""
    mass = shared.masses(theta)
    if abs(1.0 - float(mass.sum())) < LOST:
        return shared, mass
    weight = 1e-8 if theta <= 1e-8 else 1e8 if theta >= 1.0 - 1e-8 else theta / (1.0 - theta)
    own = paths(ratio, rules, np.array([theta]), start, weight)
    return own, own.masses(theta)


def limit_masses(rows: list[tuple[IntArray, FloatArray]], ratio: Ratio, n: int) -> LimitMasses:
    """Return the masses at the limit, for scores that may differ from theta to theta."""
    scores = np.unique(np.concatenate([score for score, _ in rows]))
    mass = np.zeros((len(rows), scores.shape[0]))
    for k, (score, weights) in enumerate(rows):
        np.add.at(mass[k], np.searchsorted(scores, score), weights)
    return LimitMasses(ratio.llr(scores.astype(np.float64), np.full(scores.shape, float(n))), mass)
