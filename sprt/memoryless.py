"""Law of the stopping time for exponential observations tested at every n, by quadrature split at the kernel's jump.

On the LLR scale, turned so that observations push it up, a step is `-c + d x`: the density of the next value jumps at
`x - c` and falls off exponentially above. The densities of the walk are therefore smooth except at `start - j c` and
`upper - j c`, less and less with j; the panels end there. A theta tilts the density, so that one matrix serves all.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.special import gammaincc, gammaln

from sprt.arrays import FloatArray
from sprt.cost import spend
from sprt.errors import DesignError
from sprt.legendre import legendre
from sprt.rules import Rules
from sprt.stopping import CLOSE, Law, LimitTail, StopMasses

KINKS: Final = 9  # a density is smooth to tenth order at the tenth break: beyond it no panel needs to end
NODES: Final = 14  # per panel; a panel is at most PANEL mean jumps or steps long
PANEL: Final = 2.5
PER_PRODUCT: Final = 3e-11  # seconds, of dense linear algebra
PER_ENTRY: Final = 2e-8  # seconds to make an entry of the kernel
BLOCK: Final = 2048
MOST_DOUBLINGS: Final = 36
GONE: Final = 1e-17


@dataclass(frozen=True, slots=True)
class Ramp:
    """The walk turned so that a step is `-c + d x`, between `lower` and `upper`, standing at `llr`.

    `lead` steps remain to the first test; `reference` is the rate under which densities are kept.
    """

    c: float
    d: float
    lower: float
    upper: float
    llr: float
    lead: int
    reference: float
    edges: FloatArray
    node: FloatArray
    weight: FloatArray
    kernel: FloatArray  # density values -> density values one step later
    first: FloatArray  # density at the first test


@lru_cache(maxsize=32)
def make_ramp(*, c: float, d: float, lower: float, upper: float, llr: float, lead: int, reference: float) -> Ramp:
    """Return the discretised walk; both lines must be finite."""
    k = reference / d
    edges = panel_edges(c, k, lower, upper, llr - (lead - 1) * c)
    spend(PER_ENTRY * float((edges.shape[0] - 1) * NODES) ** 2)
    x, w = legendre(NODES)
    half = 0.5 * np.diff(edges)
    node = (half[:, None] * x + 0.5 * (edges[:-1] + edges[1:])[:, None]).ravel()
    weight = (half[:, None] * w).ravel()
    kernel = step_matrix(edges, node, weight, k, c)
    begin = first_density(node, llr, lead, k, c)
    return Ramp(c, d, lower, upper, llr, lead, reference, edges, node, weight, kernel, begin)


def panel_edges(c: float, k: float, lower: float, upper: float, begin: float) -> FloatArray:
    """Return the ends of the panels: the kinks, where acceptance becomes possible, and enough in between."""
    j = np.arange(1, KINKS + 1)
    points = np.concatenate(([lower, upper, lower + c], upper - j * c, begin - j * c))
    points = np.unique(points[(points >= lower) & (points <= upper)])
    points = points[np.concatenate(([True], np.diff(points) > 1e-12 * (upper - lower)))]
    points[-1] = upper
    longest = PANEL * min(max(c, 1.0 / k), 1.5 / k)
    spend(PER_ENTRY * (NODES * min((upper - lower) / longest, 1e9)) ** 2)
    pieces = [
        np.linspace(low, high, max(1, math.ceil((high - low) / longest)) + 1)[:-1]
        for low, high in pairwise(list(points))
    ]
    return np.concatenate((*pieces, [upper]))


def step_matrix(edges: FloatArray, node: FloatArray, weight: FloatArray, k: float, c: float) -> FloatArray:
    """Return the matrix of `f'(y) = k e^{-k (y + c)} int_lower^{min(upper, y + c)} e^{k x} f(x) dx`."""
    matrix = weights_up_to(edges, weight, np.minimum(node + c, edges[-1]))
    gap = node[None, :] - node[:, None] - c
    matrix *= k * np.exp(np.minimum(k * gap, 700.0) * (matrix != 0.0))
    return matrix


def weights_up_to(edges: FloatArray, weight: FloatArray, target: FloatArray) -> FloatArray:
    """Return, for each target, the weights at the nodes that integrate from the lowest edge up to the target.

    Whole panels have their own weights; of the panel that holds the target, the interpolant is integrated.
    """
    x, w = legendre(NODES)
    half = 0.5 * np.diff(edges)
    panel = np.clip(np.searchsorted(edges, target, side="right") - 1, 0, edges.shape[0] - 2)
    xi = np.clip((target - edges[panel]) / half[panel] - 1.0, -1.0, 1.0)
    # int_{-1}^{xi} of the interpolant: Legendre coefficients times integrated polynomials
    degrees = np.arange(NODES)
    values = np.polynomial.legendre.legvander(x, NODES - 1)
    coefficients = (0.5 * (2.0 * degrees + 1.0))[:, None] * (values * w[:, None]).T
    at_xi = np.polynomial.legendre.legvander(xi, NODES)
    integrated = np.empty((xi.shape[0], NODES))
    integrated[:, 0] = xi + 1.0
    integrated[:, 1:] = (at_xi[:, 2:] - at_xi[:, :-2]) / (2.0 * degrees[1:] + 1.0)
    partial = (integrated @ coefficients) * half[panel][:, None]
    whole = np.arange(weight.shape[0])[None, :] // NODES < panel[:, None]
    matrix: FloatArray = np.where(whole, weight[None, :], 0.0)
    rows = np.repeat(np.arange(target.shape[0]), NODES)
    matrix[rows, (panel[:, None] * NODES + degrees[None, :]).ravel()] = partial.ravel()
    return matrix


def first_density(node: FloatArray, llr: float, lead: int, k: float, c: float) -> FloatArray:
    """Return the density after `lead` untested steps from `llr`: a shifted gamma."""
    above = node - llr + lead * c
    inside = above > 0.0
    safe = np.where(inside, above, 1.0)
    log_density = lead * math.log(k) + (lead - 1) * np.log(safe) - k * safe - gammaln(lead)
    return np.where(inside, np.exp(log_density), 0.0)


def tilt(ramp: Ramp, theta: float) -> tuple[float, FloatArray]:
    """Return the factor per step and the factor at each node that turn the reference density into that of theta."""
    shift = (theta - ramp.reference) / ramp.d
    log_step = math.log(theta / ramp.reference) - shift * ramp.c
    return log_step, np.exp(-shift * (ramp.node - ramp.llr))


def exits(ramp: Ramp, theta: float) -> tuple[FloatArray, FloatArray]:
    """Return, from each node, the probability of the next step ending above and below."""
    k = theta / ramp.d
    up = np.exp(-k * (ramp.upper - ramp.node + ramp.c))
    room = np.maximum(ramp.node - ramp.c - ramp.lower, 0.0)  # how far the lowest next value is above the lower line
    down = np.where(room > 0.0, 0.0, -np.expm1(-k * np.maximum(ramp.lower - ramp.node + ramp.c, 0.0)))
    return up, down


def first_test(ramp: Ramp, theta: float) -> tuple[float, float]:
    """Return the probabilities of being above and below at the first test."""
    k = theta / ramp.d
    high = ramp.upper - ramp.llr + ramp.lead * ramp.c
    low = ramp.lower - ramp.llr + ramp.lead * ramp.c
    up = float(gammaincc(ramp.lead, k * high)) if high > 0.0 else 1.0
    down = 1.0 - float(gammaincc(ramp.lead, k * low)) if low > 0.0 else 0.0
    if low > 0.0 and ramp.lead == 1:
        down = -math.expm1(-k * low)
    return up, down


def endless_law(ramp: Ramp, thetas: FloatArray, n: int, levels: tuple[float, ...]) -> Law:
    """Return the law of a test without limit, in the turned direction: accept_h1 is above."""
    rows = [endless_row(ramp, float(theta)) for theta in thetas]
    up, down, mean, variance = (np.array(column) for column in zip(*rows, strict=True))
    powers = [ramp.kernel]
    quantiles = {level: n + steps_until(ramp, thetas, 1.0 - level + CLOSE, powers) for level in levels}
    return Law(up, down, np.zeros(thetas.shape[0]), n + mean, np.sqrt(variance), quantiles, np.abs(1.0 - up - down))


def endless_row(ramp: Ramp, theta: float) -> tuple[float, float, float, float]:
    """Return P(above), P(below), mean and variance of the remaining steps at one theta."""
    log_step, factor = tilt(ramp, theta)
    spend(PER_PRODUCT * 5.0 * float(ramp.node.shape[0]) ** 3)
    matrix = np.eye(ramp.node.shape[0]) - math.exp(log_step) * ramp.kernel
    factors = lu_factor(matrix, check_finite=False)
    total = lu_solve(factors, ramp.first * math.exp(ramp.lead * log_step), check_finite=False)
    twice = lu_solve(factors, total, check_finite=False)
    measure = ramp.weight * factor
    up, down = exits(ramp, theta)
    above, below = first_test(ramp, theta)
    above += float((measure * up) @ total)
    below += float((measure * down) @ total)
    lead = float(ramp.lead)
    alive, later = float(measure @ total), float(measure @ twice)
    # E (N - lead)^2 is the sum over j of (2 j + 1) S_j, with S_j summing to `alive` and (j + 1) S_j to `later`
    return above, below, lead + alive, max(2.0 * later - alive - alive**2, 0.0)


def steps_until(ramp: Ramp, thetas: FloatArray, left: float, powers: list[FloatArray]) -> FloatArray:
    """Return the smallest number of steps after which the walk goes on with at most this probability, for each theta.

    `powers` holds the kernel's powers 1, 2, 4, …, extended as needed: they serve all thetas and levels.
    """
    tilts = [tilt(ramp, float(theta)) for theta in thetas]
    log_step = np.array([step for step, _ in tilts])
    measure = np.array([ramp.weight * factor for _, factor in tilts])

    def alive(vectors: FloatArray, steps: FloatArray) -> FloatArray:
        result: FloatArray = (measure * vectors.T).sum(axis=1) * np.exp(log_step * (ramp.lead + steps))
        return result

    vectors = np.repeat(ramp.first[:, None], thetas.shape[0], axis=1)
    taken = np.zeros(thetas.shape[0])
    going = alive(vectors, taken) > left
    index = 0
    while (going & (alive(powers[index] @ vectors, taken + 2.0**index) > left)).any():
        index += 1
        if index > MOST_DOUBLINGS:
            raise DesignError(f"theta: the test would take more than 2^{MOST_DOUBLINGS} observations")
        if index == len(powers):
            spend(PER_PRODUCT * 2.0 * float(ramp.node.shape[0]) ** 3)
            powers.append(powers[-1] @ powers[-1])
    for i in range(index, -1, -1):  # the most steps after which it is still going
        ahead = powers[i] @ vectors
        later = going & (alive(ahead, taken + 2.0**i) > left)
        vectors, taken = np.where(later[None, :], ahead, vectors), np.where(later, taken + 2.0**i, taken)
    return ramp.lead + np.where(going, taken + 1.0, 0.0)


def ramp_stops(ramp: Ramp, thetas: FloatArray, rules: Rules, n: int, last: int) -> StopMasses:
    """Return the masses for each n up to `last`, in the turned direction; if that is the limit, all ends there."""
    first = n + ramp.lead
    at_limit = rules.max_n is not None and last >= rules.max_n
    stop = last - 1 if at_limit else last
    if stop - first > BLOCK:  # list no more than there is to see
        ended = n + int(steps_until(ramp, thetas, GONE, [ramp.kernel]).max())
        at_limit, stop = at_limit and stop <= ended, min(stop, ended)
    count = thetas.shape[0]
    spend(3e-8 * count * max(stop - first, 0))
    numbers = np.arange(first, max(stop, first) + 1)
    h1, h0 = np.zeros((count, numbers.shape[0])), np.zeros((count, numbers.shape[0]))
    readings: list[tuple[float, FloatArray, FloatArray]] = []
    for k, theta in enumerate(thetas):
        h1[k, 0], h0[k, 0] = first_test(ramp, float(theta))
        log_step, factor = tilt(ramp, float(theta))
        up, down = exits(ramp, float(theta))
        measure = ramp.weight * factor
        readings.append((log_step, measure * up, measure * down))
    vector = ramp.first
    for begin in range(1, numbers.shape[0], BLOCK):
        size = min(BLOCK, numbers.shape[0] - begin)
        spend(size * (1e-5 + PER_PRODUCT * 5.0 * float(ramp.node.shape[0]) ** 2))
        block = np.empty((ramp.node.shape[0], size))
        for step in range(size):
            block[:, step] = vector
            vector = ramp.kernel @ vector
        steps = ramp.lead + begin - 1 + np.arange(size)
        for k, (log_step, up, down) in enumerate(readings):
            drift = np.exp(log_step * steps)
            h1[k, begin : begin + size] = (up @ block) * drift
            h0[k, begin : begin + size] = (down @ block) * drift
    undecided = np.zeros_like(h1)
    limit = None
    if at_limit:
        begun = stop >= first
        final = close(ramp, thetas, rules, vector if begun else None, stop - n if begun else 0)
        if begun:
            numbers = np.append(numbers, last)
            h1, h0, undecided = (
                np.concatenate((a, b[:, None]), axis=1) for a, b in zip((h1, h0, undecided), final[:3], strict=True)
            )
        else:
            numbers = np.array([last])
            h1, h0, undecided = (column[:, None] for column in final[:3])
        limit = final[3]
    return StopMasses(numbers, h1, h0, undecided, limit)


def close(
    ramp: Ramp, thetas: FloatArray, rules: Rules, vector: FloatArray | None, steps: int
) -> tuple[FloatArray, FloatArray, FloatArray, LimitTail]:
    """Return what ends at the limit above, below and undecided, and the tail of the turned LLR there."""

    def tail(level: float) -> FloatArray:
        return np.array([tail_at(ramp, float(theta), vector, steps, level) for theta in thetas])

    if rules.at_limit == "undecided":
        above, at_least_lower = tail(ramp.upper), tail(ramp.lower)
        return above, 1.0 * alive(ramp, thetas, vector, steps) - at_least_lower, at_least_lower - above, LimitTail(tail)
    cut = rules.cut if rules.at_limit == "midpoint" else 0.0
    above = tail(cut)
    return above, alive(ramp, thetas, vector, steps) - above, np.zeros_like(above), LimitTail(tail)


def alive(ramp: Ramp, thetas: FloatArray, vector: FloatArray | None, steps: int) -> FloatArray:
    """Return the probability of still going after these steps, for each theta."""
    if vector is None:
        return np.ones(thetas.shape[0])
    result = []
    for theta in thetas:
        log_step, factor = tilt(ramp, float(theta))
        result.append(float((ramp.weight * factor) @ vector) * math.exp(log_step * steps))
    return np.array(result)


def tail_at(ramp: Ramp, theta: float, vector: FloatArray | None, steps: int, level: float) -> float:
    """Return the probability of going on for these steps and then standing at `level` or above."""
    k = theta / ramp.d
    if vector is None:
        high = level - ramp.llr + ramp.lead * ramp.c
        return float(gammaincc(ramp.lead, k * high)) if high > 0.0 else 1.0
    log_step, factor = tilt(ramp, theta)
    density = factor * math.exp(log_step * steps) * vector
    # from below level + c the next step must jump high enough; from above it cannot fall short
    below = weights_up_to(ramp.edges, ramp.weight, np.array([min(max(level + ramp.c, ramp.lower), ramp.upper)]))[0]
    jump = np.exp(-k * np.maximum(level - ramp.node + ramp.c, -700.0 / k))
    return float((ramp.weight - below) @ density + below @ (density * jump))
