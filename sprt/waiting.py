"""Look-by-look quadrature for sums of exponential waiting times: any lines, looks and alternatives.

After n observations the sum t has, on the region where the walk goes on, the density `rate^n e^{-rate t} g_n(t)` with
`g_n(t) = int g_{n-1}` over the region so far: no theta in it, and smooth except where regions ended a few steps ago.
The panels of the quadrature end there.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Final

import numpy as np
from scipy.special import gammainccinv

from sprt.arrays import FloatArray, IntArray
from sprt.cost import spend
from sprt.legendre import legendre
from sprt.looks import Density, Interval, Process
from sprt.ratio import Ratio
from sprt.rules import Rules

NODES: Final = 14
KINKS: Final = 10  # steps after which the end of a region leaves no trace within rounding
PANEL: Final = 3.0  # mean waiting times that a panel spans at most
LARGEST_EXPONENT: Final = 600.0
BEYOND: Final = 1e-17  # probability of sums that are not followed


@dataclass(slots=True)
class Panels(Density):
    """Mass on panels: `edges` are their ends, two for each; NODES nodes in each, in order."""

    edges: FloatArray  # (panels, 2)
    parts: tuple["Panels", ...] = ()  # where densities on overlapping panels lie on one another


@dataclass(slots=True)
class Waiting(Process[Panels]):
    """The sum of waiting times under several rates, from a start (n, sum)."""

    ratio: Ratio
    rules: Rules
    rates: FloatArray
    reference: float
    start: tuple[int, float]
    ends: dict[int, list[FloatArray]] = field(default_factory=dict)  # of the regions at the last n
    cost = 3.0
    unit_steps = True

    def begin(self) -> Panels:  # noqa: D102 - as in Process
        return Panels(self.start[0], np.array([self.start[1]]), np.ones(1), np.empty((0, 2)))

    def nothing(self, n: int) -> Panels:  # noqa: D102 - as in Process
        return Panels(n, np.empty(0), np.empty(0), np.empty((0, 2)))

    def argument(self, n: int) -> float:  # noqa: D102 - as in Process
        return float(n)

    def joined(self, first: Panels, second: Panels) -> Panels:
        """Return the sum of two densities, each on its own panels until the next step."""
        node, weight = np.concatenate((first.node, second.node)), np.concatenate((first.weight, second.weight))
        return Panels(first.n, node, weight, np.concatenate((first.edges, second.edges)), (first, second))

    def masses(self, density: Panels) -> FloatArray:  # noqa: D102 - as in Process
        gone = density.n - self.start[0]
        exponent = gone * np.log(self.rates / self.reference)[:, None]
        exponent = exponent - (self.rates - self.reference)[:, None] * (density.node - self.start[1])[None, :]
        result: FloatArray = density.weight[None, :] * np.exp(np.minimum(exponent, LARGEST_EXPONENT))
        return result

    def landed(self, density: Panels, interval: Interval, n: int) -> FloatArray:  # noqa: D102, ARG002 - as in Process; one step
        if any(splits(density, end) for end in interval):
            at_least, beyond = (self.reaching(density, end) for end in interval)
            return np.maximum(at_least - beyond, 0.0)
        low, high = (np.maximum(end - density.node, 0.0) for end in interval)
        rates = self.rates[:, None]
        # e^{-rate low} - e^{-rate high}, without cancellation
        chance = np.exp(-rates * low) * -np.expm1(-rates * np.where(np.isinf(high), np.inf, high - low))
        result: FloatArray = (self.masses(density) * chance).sum(axis=1)
        return result

    def reaching(self, density: Panels, level: float) -> FloatArray:
        """Return, for each rate, the mass that stands at the level or above after one more waiting time."""
        total = self.total(density)
        if math.isinf(level):
            return total if level < 0.0 else np.zeros_like(total)
        at = np.array([level])
        found = np.empty_like(total)
        for i, rate in enumerate(self.rates):
            tilted = self.tilted(density, i)
            found[i] = float((discounted(tilted, at, float(rate)) - discounted(tilted, at, 0.0))[0])
        return np.maximum(total + found, 0.0)

    def tilted(self, density: Panels, i: int) -> Panels:
        """Return the density under one of the rates."""
        parts = tuple(self.tilted(part, i) for part in density.parts)
        return replace(density, weight=self.masses(density)[i], parts=parts)

    def carry(self, density: Panels, intervals: list[Interval], n: int) -> Panels:
        """Return the density at n, on panels that end where the densities of the last steps have kinks."""
        last = self.start[1] + float(gammainccinv(n - self.start[0], BEYOND)) / float(self.rates.min())
        inside = [(max(low, self.start[1]), min(high, last)) for low, high in intervals]
        inside = [(low, high) for low, high in inside if high > low]
        if density.is_empty or not inside:
            return self.nothing(n)
        ends = np.array(inside).ravel()
        ahead = np.array(self.lines(self.rules.lower, self.rules.upper, n + 1)[0]).ravel()
        self.ends.setdefault(n, []).append(ends)
        self.ends.pop(n - KINKS, None)
        breaks = np.concatenate((*chain.from_iterable(self.ends.values()), ahead, [self.start[1]]))
        edges = panel_edges(inside, breaks[np.isfinite(breaks)], PANEL / self.reference)
        x, w = legendre(NODES)
        half = 0.5 * (edges[:, 1] - edges[:, 0])
        node = (half[:, None] * x + 0.5 * (edges[:, 0] + edges[:, 1])[:, None]).ravel()
        weight = (half[:, None] * w).ravel()
        value = self.reference * discounted(density, node, self.reference)
        return Panels(n, node, weight * value, edges)


def splits(density: Panels, level: float) -> bool:
    """Return whether a level lies inside one of the panels, where the chance to reach it has a kink."""
    slack = 1e-11 * abs(level)
    return bool(((density.edges[:, 0] < level - slack) & (level + slack < density.edges[:, 1])).any())


def panel_edges(intervals: list[Interval], breaks: FloatArray, longest: float) -> FloatArray:
    """Return the panels of some intervals, ended at the breaks and cut up where they are long."""
    found = []
    for low, high in intervals:
        inside = np.unique(breaks[(breaks > low) & (breaks < high)])
        points = np.concatenate(([low], inside, [high]))
        kept = np.concatenate(([True], np.diff(points) > 1e-12 * max(abs(low), abs(high))))
        points = points[kept]
        points[-1] = high
        spend(1e-5 * min((high - low) / longest, 1e15))
        for begin, end in pairwise(list(points)):
            cuts = np.linspace(begin, end, max(1, math.ceil((end - begin) / longest)) + 1)
            found.append(np.stack((cuts[:-1], cuts[1:]), axis=1))
    return np.concatenate(found)


def discounted(density: Panels, target: FloatArray, k: float) -> FloatArray:
    """Return, at each target t, the integral over s <= t of `e^{-k (t - s)}` times the density."""
    if density.parts:
        return discounted(density.parts[0], target, k) + discounted(density.parts[1], target, k)
    if density.is_empty:
        return np.zeros(target.shape)
    if density.edges.shape[0] == 0:  # all mass at one point
        gap = target - density.node[0]
        value: FloatArray = np.where(gap >= 0.0, np.exp(-k * np.maximum(gap, 0.0)), 0.0) * density.weight[0]
        return value
    begins, ends = density.edges[:, 0], density.edges[:, 1]
    mass = density.weight.reshape(-1, NODES)
    node = density.node.reshape(-1, NODES)
    whole = (mass * np.exp(-k * (ends[:, None] - node))).sum(axis=1)
    carried = np.zeros(begins.shape[0] + 1)  # the integral at the end of each panel, and before the first
    for p in range(begins.shape[0]):
        fade = math.exp(-k * (ends[p] - ends[p - 1])) if p else 0.0
        carried[p + 1] = carried[p] * fade + whole[p]
    panel = np.searchsorted(begins, target, side="right") - 1  # the last panel that begins at or before the target
    within = (panel >= 0) & (target < ends[np.maximum(panel, 0)])
    result = np.zeros(target.shape)
    after = (panel >= 0) & ~within
    result[after] = carried[panel[after] + 1] * np.exp(-k * (target[after] - ends[panel[after]]))
    inside, t = panel[within], target[within]
    before = np.where(inside > 0, carried[inside] * np.exp(-k * (t - ends[np.maximum(inside - 1, 0)])), 0.0)
    result[within] = before + partial(density, inside, t, k)
    return result


def partial(density: Panels, panel: IntArray, target: FloatArray, k: float) -> FloatArray:
    """Return the part of the integral from inside each target's own panel, by integrating the interpolant."""
    x, w = legendre(NODES)
    begins, ends = density.edges[panel, 0], density.edges[panel, 1]
    half = 0.5 * (ends - begins)
    xi = np.clip((target - begins) / half - 1.0, -1.0, 1.0)
    value = density.weight.reshape(-1, NODES)[panel] / (half[:, None] * w)  # the density at the nodes
    value = value * np.exp(-k * (target[:, None] - density.node.reshape(-1, NODES)[panel]))
    degrees = np.arange(NODES)
    legendre_at_nodes = np.polynomial.legendre.legvander(x, NODES - 1)
    coefficient = value @ (w[:, None] * legendre_at_nodes) * (0.5 * (2.0 * degrees + 1.0))
    at_xi = np.polynomial.legendre.legvander(xi, NODES)
    integrated = np.empty((xi.shape[0], NODES))
    integrated[:, 0] = xi + 1.0
    integrated[:, 1:] = (at_xi[:, 2:] - at_xi[:, :-2]) / (2.0 * degrees[1:] + 1.0)
    result: FloatArray = (coefficient * integrated).sum(axis=1) * half
    return result
