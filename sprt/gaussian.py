"""Law of the stopping time when the score is a Brownian motion read at given amounts of information.

The score W at information J is normal with mean nu J and variance J; the normal and the two-arm normal are of this
kind. The density on the continuation region is carried from look to look by Gauss-Legendre quadrature under one
reference drift; every other drift tilts it by `e^{d W - ...}`, so that one recursion serves all thetas.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from scipy.special import ndtr

from sprt.arrays import FloatArray
from sprt.errors import DesignError
from sprt.legendre import legendre
from sprt.ratio import Ratio
from sprt.regions import crossing
from sprt.rules import Rules
from sprt.stopping import Ledger, LimitTail, StopMasses, new_ledger

MOST_WORK: Final = 4e9  # kernel evaluations; about ten seconds
NODES_PER_STEP: Final = 2.6  # quadrature nodes per standard deviation of a step: about 1e-12
FEWEST_NODES: Final = 24
PANEL: Final = 20.0  # standard deviations of a step; longer than two of them, an interval is cut up
LONGEST_PANEL: Final = 40.0
DENSE: Final = 60_000  # pairs of nodes up to which the whole kernel is used
BLOCK: Final = 64
FARTHEST: Final = 9.0  # standard deviations of a step beyond which a pair of nodes does not matter
SPREAD: Final = 8.5  # standard deviations of the score beyond which it is not followed: below 1e-16

Interval: TypeAlias = tuple[float, float]
Information: TypeAlias = Callable[[int], float]  # information after n observations


@dataclass(slots=True)
class Density:
    """Mass on nodes at one look: `weight` is quadrature weight times density, under the reference drift."""

    n: int
    information: float
    node: FloatArray
    weight: FloatArray


@dataclass(slots=True)
class Path:
    """What stays the same along one recursion."""

    ratio: Ratio
    rules: Rules
    information: Information
    drifts: FloatArray
    reference: float
    origin: tuple[float, float]  # score and information at the start
    kernels: dict[tuple[float, ...], FloatArray] = field(default_factory=dict)

    def masses(self, density: Density) -> FloatArray:
        """Return the mass on each node under each drift, shape `(drifts, nodes)`."""
        shift = self.drifts - self.reference
        gained = density.information - self.origin[1]
        exponent = shift[:, None] * (density.node - self.origin[0])[None, :]
        exponent -= (0.5 * (self.drifts**2 - self.reference**2) * gained)[:, None]
        result: FloatArray = density.weight[None, :] * np.exp(np.minimum(exponent, 600.0))
        return result

    def alive(self, density: Density) -> float:
        """Return the largest probability, over the drifts, that a walk is still going."""
        return float(self.masses(density).sum(axis=1).max()) if density.node.shape[0] else 0.0

    def reach(self, n: int) -> Interval:
        """Return the scores beyond which nothing needs to be followed at n."""
        gone = self.information(n) - self.origin[1]
        spread = SPREAD * math.sqrt(gone)
        return (
            self.origin[0] + float(self.drifts.min()) * gone - spread,
            self.origin[0] + float(self.drifts.max()) * gone + spread,
        )


def gaussian_stops(
    ratio: Ratio,
    rules: Rules,
    information: Information,
    drifts: FloatArray,
    *,
    reference: float,
    start: tuple[int, float] = (0, 0.0),
    touched: bool = False,
    negligible: float = 1e-13,
) -> StopMasses:
    """Return where walks from `start` = (n, score) end, for each drift per unit of information.

    `ratio` takes the score and the information; `touched` says whether the p line was met at an untested n.
    """
    ledger = new_ledger()
    begin = Density(start[0], information(start[0]), np.array([start[1]]), np.ones(1))
    nothing = Density(start[0], begin.information, np.empty(0), np.empty(0))
    path = Path(ratio, rules, information, drifts, reference, (start[1], begin.information))
    plain, met = (nothing, begin) if touched else (begin, nothing)
    looks = rules.tested(start[0])
    tested = None if looks is None else set(looks.tolist())
    first = rules.first_tested(start[0])
    every = math.isfinite(rules.p_line)  # its maximum runs on between the looks
    n, work = start[0], 0.0
    while True:
        n = n + 1 if every or looks is None else int(looks[np.searchsorted(looks, n, side="right")])
        if not every and n < first:
            n = first
        if rules.max_n is not None and n >= rules.max_n:
            close(path, plain, met, n, ledger)
            return ledger.finish()
        if information(n) <= plain.information:  # nothing learned: nothing can have changed
            continue
        if n < first or (tested is not None and n not in tested):
            plain, met = pass_untested(path, plain, met, n)
        else:
            plain = settle(path, plain, met, n, ledger)
            met = nothing
        work += 60.0 * float(plain.node.shape[0] + met.node.shape[0]) + 20_000.0
        alive = path.alive(plain) + path.alive(met)
        if alive == 0.0 or (rules.max_n is None and alive * float(n) ** 2 < negligible):
            return ledger.finish()
        if work > MOST_WORK:
            raise DesignError(
                f"max_n: {rules.max_n!r} given, a smaller limit is allowed here (the quadrature is too costly)"
            )


def settle(path: Path, plain: Density, met: Density, n: int, ledger: Ledger) -> Density:
    """Return the density after a tested n, what ended there recorded; walks that met the p line all end."""
    information = path.information(n)
    gained = information - plain.information
    intervals, outer = continuation(path.ratio, path.rules.lower, path.rules.upper, information)
    h1, h0 = ended(plain, path.masses(plain), intervals, outer, (gained, path.drifts))
    if met.node.shape[0]:
        futile, other = ended_after_meeting(path, met, information)
        h0, h1 = h0 + futile, h1 + other
    ledger.add(n, h1, h0)
    return carry(plain, intervals, n, path)


def ended_after_meeting(path: Path, met: Density, information: float) -> tuple[FloatArray, FloatArray]:
    """Return the mass of walks that met the p line which is at or below the lower line at this test, and the rest."""
    mass = path.masses(met)
    if math.isinf(path.rules.lower):
        return np.zeros(path.drifts.shape[0]), mass.sum(axis=1)
    gained = information - met.information
    level = path.rules.lower
    intervals, outer = continuation(path.ratio, level, level, information)
    other, futile = ended(met, mass, intervals, outer, (gained, path.drifts))
    return futile, other


def pass_untested(path: Path, plain: Density, met: Density, n: int) -> tuple[Density, Density]:
    """Return both densities after an untested n: walks on or above the p line have met it."""
    information = path.information(n)
    if math.isinf(path.rules.p_line):
        return carry(plain, [(-math.inf, math.inf)], n, path), met
    below, _ = continuation(path.ratio, -math.inf, path.rules.p_line, information)
    low, high = below[0]
    above = [(-math.inf, low), (high, math.inf)]
    fresh = carry(plain, [piece for piece in above if piece[0] < piece[1]], n, path)
    if met.node.shape[0]:  # the old ones lie anywhere, the fresh ones beyond the line: two sets of nodes
        old = carry(met, [(-math.inf, low), (low, high), (high, math.inf)], n, path)
        fresh = Density(
            n, information, np.concatenate((old.node, fresh.node)), np.concatenate((old.weight, fresh.weight))
        )
    return carry(plain, below, n, path), fresh


def continuation(
    ratio: Ratio, lower: float, upper: float, information: float
) -> tuple[list[Interval], tuple[int, int]]:
    """Return the intervals of the score in which the walk goes on, and what lies below and above them.

    Between two intervals H0 is accepted.
    """
    v = np.array([information])
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


def ended(
    density: Density,
    mass: FloatArray,
    intervals: list[Interval],
    outer: tuple[int, int],
    step: tuple[float, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return, for each drift, the mass that leaves into H1 and into H0 in one step of (information, drifts)."""
    gained, drifts = step
    h1, h0 = np.zeros(drifts.shape[0]), np.zeros(drifts.shape[0])
    pieces = [(-math.inf, intervals[0][0], outer[0]), (intervals[-1][1], math.inf, outer[1])]
    if len(intervals) == 2:
        pieces.append((intervals[0][1], intervals[1][0], -1))
    for low, high, outcome in pieces:
        if low >= high:
            continue
        moved = (mass * interval_probability(density.node, low, high, gained, drifts)).sum(axis=1)
        if outcome > 0:
            h1 += moved
        else:
            h0 += moved
    return h1, h0


def interval_probability(node: FloatArray, low: float, high: float, gained: float, drifts: FloatArray) -> FloatArray:
    """Return the probability of landing between low and high from each node, shape `(drifts, nodes)`."""
    centre = node[None, :] + (drifts * gained)[:, None]
    sd = math.sqrt(gained)
    a, b = (low - centre) / sd, (high - centre) / sd
    # the difference of upper tails right of the interval, of lower ones left of it: no cancellation
    right = a > -b
    result: FloatArray = np.where(right, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    return result


def carry(density: Density, intervals: list[Interval], n: int, path: Path) -> Density:
    """Return the density at n on nodes of its own, inside the intervals and within what the drifts can reach."""
    information = path.information(n)
    gained = information - density.information
    sd = math.sqrt(gained)
    reach = path.reach(n)
    nodes, weights = [], []
    for low, high in intervals:
        low_, high_ = max(low, reach[0]), min(high, reach[1])
        if high_ <= low_:
            continue
        node, weight = panels(low_, high_, sd)
        nodes.append(node)
        weights.append(weight)
    if not nodes or not density.node.shape[0]:
        return Density(n, information, np.empty(0), np.empty(0))
    node, weight = np.concatenate(nodes), np.concatenate(weights)
    moved = transported(density, node, gained, path)
    return Density(n, information, node, weight * moved / (sd * math.sqrt(2.0 * math.pi)))


def panels(low: float, high: float, sd: float) -> tuple[FloatArray, FloatArray]:
    """Return quadrature nodes and weights on an interval, a long one cut into panels of equal width."""
    length = high - low
    if length <= LONGEST_PANEL * sd:
        x, w = legendre(node_count(length / sd))
        return 0.5 * length * x + 0.5 * (high + low), 0.5 * length * w
    count = math.ceil(length / (PANEL * sd))
    width = length / count
    x, w = legendre(node_count(PANEL))
    starts = low + width * np.arange(count)
    node = (starts[:, None] + 0.5 * width * (x + 1.0)[None, :]).ravel()
    return node, np.tile(0.5 * width * w, count)


def transported(density: Density, node: FloatArray, gained: float, path: Path) -> FloatArray:
    """Return the sum over the old nodes of their mass times the kernel, for each new node; far pairs are left out."""
    if node.shape[0] * density.node.shape[0] <= DENSE:
        return step_kernel(density.node, node, gained, path) @ density.weight
    order = np.argsort(density.node, kind="stable")
    old, weight = density.node[order], density.weight[order]
    result = np.empty(node.shape[0])
    far = FARTHEST * math.sqrt(gained)
    for begin in range(0, node.shape[0], BLOCK):
        some = node[begin : begin + BLOCK]
        centre = path.reference * gained
        ends = np.searchsorted(old, (float(some.min()) - centre - far, float(some.max()) - centre + far))
        part = slice(int(ends[0]), int(ends[1]))
        z = (some[:, None] - old[None, part] - centre) / math.sqrt(gained)
        result[begin : begin + BLOCK] = np.exp(-0.5 * z * z) @ weight[part]
    return result


def step_kernel(old: FloatArray, node: FloatArray, gained: float, path: Path) -> FloatArray:
    """Return the kernel of one step; where nodes only shift from look to look, that of the look before."""
    sd = math.sqrt(gained)
    probes, others = ([0, nodes.shape[0] // 3, nodes.shape[0] // 2, -1] for nodes in (node, old))
    apart = (node[probes, None] - old[None, others]).ravel() / sd
    key = (float(node.shape[0]), float(old.shape[0]), round(gained, 12), *np.round(apart, 11).tolist())
    kernel = path.kernels.get(key)
    if kernel is None:
        z = (node[:, None] - old[None, :] - path.reference * gained) / sd
        kernel = np.exp(-0.5 * z * z)
        path.kernels.clear()  # one is enough: it is that of the step before or none
        path.kernels[key] = kernel
    return kernel


def node_count(length: float) -> int:
    """Return the number of nodes for an interval of this many standard deviations of a step, in steps of 4."""
    return FEWEST_NODES + 4 * math.ceil(NODES_PER_STEP * length / 4.0)


def close(path: Path, plain: Density, met: Density, n: int, ledger: Ledger) -> None:
    """Record what ends at the limit: beyond the lines, and between them as the rule of the limit says."""
    rules, information = path.rules, path.information(n)
    gained = information - plain.information
    mass = path.masses(plain)
    if gained <= 0.0:
        llr = path.ratio.llr(plain.node, np.full(plain.node.shape, information))
        outcome = rules.limit_outcome(llr)
        ledger.add(n, *(mass[:, outcome == side].sum(axis=1) for side in (1, -1, 0)))
        ledger.limit = LimitTail(lambda level: mass[:, llr >= level].sum(axis=1))
        return
    decided = rules.at_limit != "undecided"
    cut = 0.0 if rules.at_limit == "sign" else rules.cut
    lower, upper = (cut, cut) if decided else (rules.lower, rules.upper)
    intervals, outer = continuation(path.ratio, lower, upper, information)
    h1, h0 = ended(plain, mass, intervals, outer, (gained, path.drifts))
    undecided = np.zeros(path.drifts.shape[0])
    between = sum(
        (
            (mass * interval_probability(plain.node, low, high, gained, path.drifts)).sum(axis=1)
            for low, high in intervals
            if low < high
        ),
        start=undecided,
    )
    if decided:  # a region of no width: what rounding left in it is H0's
        h0 = h0 + between
    else:
        undecided = between
    met_mass = path.masses(met)
    if met.node.shape[0]:
        futile, other = ended_after_meeting(path, met, information)
        h0, h1 = h0 + futile, h1 + other
    ledger.add(n, h1, h0, undecided)

    def tail(llr: float) -> FloatArray:
        line = path.ratio.first
        score = (llr - line.drift * information) / line.slope
        low, high = (score, math.inf) if line.slope > 0 else (-math.inf, score)
        found: FloatArray = (mass * interval_probability(plain.node, low, high, gained, path.drifts)).sum(axis=1)
        if met.node.shape[0]:
            found = found + (met_mass * interval_probability(met.node, low, high, gained, path.drifts)).sum(axis=1)
        return found

    ledger.limit = LimitTail(tail)
