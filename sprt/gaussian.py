"""Look-by-look quadrature where the score is a Brownian motion read at given amounts of information.

The score W at information J is normal with mean nu J and variance J; the normal and the two-arm normal are of this
kind. The density is carried by Gauss-Legendre quadrature under one reference drift; every other drift tilts it by
`e^{d W - ...}`, so that one recursion serves all thetas.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from scipy.special import ndtr

from sprt.arrays import FloatArray
from sprt.cost import spend
from sprt.legendre import legendre
from sprt.looks import Density, Interval, Process
from sprt.ratio import Ratio
from sprt.rules import Rules

NODES_PER_STEP: Final = 2.6  # quadrature nodes per standard deviation of a step: about 1e-12
FEWEST_NODES: Final = 24
PANEL: Final = 20.0  # standard deviations of a step; longer than two of them, an interval is cut up
LONGEST_PANEL: Final = 40.0
DENSE: Final = 60_000  # pairs of nodes up to which the whole kernel is used
BLOCK: Final = 64
FARTHEST: Final = 9.0  # standard deviations of a step beyond which a pair of nodes does not matter
SPREAD: Final = 8.5  # standard deviations of the score beyond which it is not followed: below 1e-16
LARGEST_EXPONENT: Final = 600.0

Information: TypeAlias = Callable[[int], float]  # information after n observations


@dataclass(slots=True)
class Brownian(Process[Density]):
    """The score under several drifts per unit of information, from a start (n, score)."""

    ratio: Ratio
    rules: Rules
    information: Information
    drifts: FloatArray
    reference: float
    start: tuple[int, float]
    kernels: dict[tuple[float, ...], FloatArray] = field(default_factory=dict)

    def begin(self) -> Density:  # noqa: D102 - as in Process
        return Density(self.start[0], np.array([self.start[1]]), np.ones(1))

    def nothing(self, n: int) -> Density:  # noqa: D102 - as in Process
        return Density(n, np.empty(0), np.empty(0))

    def argument(self, n: int) -> float:  # noqa: D102 - as in Process
        return self.information(n)

    def joined(self, first: Density, second: Density) -> Density:  # noqa: D102 - as in Process
        node, weight = np.concatenate((first.node, second.node)), np.concatenate((first.weight, second.weight))
        return Density(first.n, node, weight)

    def masses(self, density: Density) -> FloatArray:  # noqa: D102 - as in Process
        shift = self.drifts - self.reference
        gained = self.information(density.n) - self.information(self.start[0])
        exponent = shift[:, None] * (density.node - self.start[1])[None, :]
        exponent -= (0.5 * (self.drifts**2 - self.reference**2) * gained)[:, None]
        result: FloatArray = density.weight[None, :] * np.exp(np.minimum(exponent, LARGEST_EXPONENT))
        return result

    def landed(self, density: Density, interval: Interval, n: int) -> FloatArray:  # noqa: D102 - as in Process
        gained = self.information(n) - self.information(density.n)
        chance = interval_probability(density.node, interval, gained, self.drifts)
        result: FloatArray = (self.masses(density) * chance).sum(axis=1)
        return result

    def carry(self, density: Density, intervals: list[Interval], n: int) -> Density:
        """Return the density at n on nodes of its own, within what the drifts can reach."""
        gained = self.information(n) - self.information(density.n)
        sd = math.sqrt(gained)
        slowest, fastest = self.reach(n)
        nodes, weights = [], []
        for low, high in intervals:
            low_, high_ = max(low, slowest), min(high, fastest)
            if high_ <= low_:
                continue
            node, weight = panels(low_, high_, sd)
            nodes.append(node)
            weights.append(weight)
        if not nodes or density.is_empty:
            return self.nothing(n)
        node, weight = np.concatenate(nodes), np.concatenate(weights)
        moved = self.transported(density, node, gained)
        return Density(n, node, weight * moved / (sd * math.sqrt(2.0 * math.pi)))

    def reach(self, n: int) -> Interval:
        """Return the scores beyond which nothing needs to be followed at n."""
        gone = self.information(n) - self.information(self.start[0])
        spread = SPREAD * math.sqrt(gone)
        return (
            self.start[1] + float(self.drifts.min()) * gone - spread,
            self.start[1] + float(self.drifts.max()) * gone + spread,
        )

    def transported(self, density: Density, node: FloatArray, gained: float) -> FloatArray:
        """Return the sum over the old nodes of mass times kernel, for each new node; far pairs are left out."""
        if node.shape[0] * density.node.shape[0] <= DENSE:
            return self.step_kernel(density.node, node, gained) @ density.weight
        order = np.argsort(density.node, kind="stable")
        old, weight = density.node[order], density.weight[order]
        result = np.empty(node.shape[0])
        far = FARTHEST * math.sqrt(gained)
        for begin in range(0, node.shape[0], BLOCK):
            some = node[begin : begin + BLOCK]
            centre = self.reference * gained
            ends = np.searchsorted(old, (float(some.min()) - centre - far, float(some.max()) - centre + far))
            part = slice(int(ends[0]), int(ends[1]))
            z = (some[:, None] - old[None, part] - centre) / math.sqrt(gained)
            result[begin : begin + BLOCK] = np.exp(-0.5 * z * z) @ weight[part]
        return result

    def step_kernel(self, old: FloatArray, node: FloatArray, gained: float) -> FloatArray:
        """Return the kernel of one step; where nodes only shift from look to look, that of the look before."""
        sd = math.sqrt(gained)
        probes, others = ([0, nodes.shape[0] // 3, nodes.shape[0] // 2, -1] for nodes in (node, old))
        apart = (node[probes, None] - old[None, others]).ravel() / sd
        key = (float(node.shape[0]), float(old.shape[0]), round(gained, 12), *np.round(apart, 11).tolist())
        kernel = self.kernels.get(key)
        if kernel is None:
            z = (node[:, None] - old[None, :] - self.reference * gained) / sd
            kernel = np.exp(-0.5 * z * z)
            self.kernels.clear()  # one is enough: it is that of the step before or none
            self.kernels[key] = kernel
        return kernel


def interval_probability(node: FloatArray, interval: Interval, gained: float, drifts: FloatArray) -> FloatArray:
    """Return the probability of landing in the interval from each node, shape `(drifts, nodes)`."""
    centre = node[None, :] + (drifts * gained)[:, None]
    sd = math.sqrt(gained)
    a, b = (interval[0] - centre) / sd, (interval[1] - centre) / sd
    # the difference of upper tails right of the interval, of lower ones left of it: no cancellation
    right = a > -b
    result: FloatArray = np.where(right, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    return result


def panels(low: float, high: float, sd: float) -> tuple[FloatArray, FloatArray]:
    """Return quadrature nodes and weights on an interval, a long one cut into panels of equal width."""
    length = high - low
    if length <= LONGEST_PANEL * sd:
        x, w = legendre(node_count(length / sd))
        return 0.5 * length * x + 0.5 * (high + low), 0.5 * length * w
    count = math.ceil(min(length / (PANEL * sd), 1e15))
    spend(1e-5 * count)  # more memory than there is, otherwise
    width = length / count
    x, w = legendre(node_count(PANEL))
    starts = low + width * np.arange(count)
    node = (starts[:, None] + 0.5 * width * (x + 1.0)[None, :]).ravel()
    return node, np.tile(0.5 * width * w, count)


def node_count(length: float) -> int:
    """Return the number of nodes for an interval of this many standard deviations of a step, in steps of 4."""
    return FEWEST_NODES + 4 * math.ceil(NODES_PER_STEP * length / 4.0)
