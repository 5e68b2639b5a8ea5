"""Law of the stopping time for normal observations tested at every n: one symmetric eigenproblem serves all thetas.

On the LLR scale the lines are constant and a step is normal with standard deviation sigma = |delta| and mean
delta^2 tau, tau = (theta - midpoint)/(theta1 - theta0). Discretised by Gauss-Legendre nodes, the step without drift is
a symmetric matrix; drift tilts it by `e^{tau (y - x)}` and the factor `c = e^{-tau^2 sigma^2 / 2}`. Sums over n are
then geometric in the eigenvalues.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.special import ndtr

from sprt.arrays import BoolArray, FloatArray
from sprt.cost import spend
from sprt.gaussian import Brownian, node_count
from sprt.legendre import legendre
from sprt.looks import Density, close
from sprt.ratio import Line, Ratio
from sprt.rules import Rules
from sprt.stopping import CLOSE, Law, Ledger, StopMasses, new_ledger

WIDEST_TILT: Final = 6.0  # a tilt beyond e^6 on the way from the start to a line would cost more than three digits
FINEST: Final = 0.02  # smaller steps are replaced by this one, with Siegmund's correction
RHO: Final = 0.5825971579390107  # -zeta(1/2)/sqrt(2 pi): the mean overshoot of a normal walk, in steps
PER_PRODUCT: Final = 3e-10  # seconds, of dense linear algebra on symmetric matrices
BLOCK: Final = 4096
GONE: Final = 1e-17


@dataclass(frozen=True, eq=False)
class Grid:
    """The space between two constant lines in nodes, and one step without drift on them."""

    node: FloatArray
    root: FloatArray  # square roots of the quadrature weights
    matrix: FloatArray  # symmetric

    @cached_property
    def basis(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues and eigenvectors of the step."""
        eigenvalue, vector = eigh(self.matrix, check_finite=False)
        return np.clip(eigenvalue, 0.0, 1.0), vector


@lru_cache(maxsize=8)
def discretised(sigma: float, lower: float, upper: float) -> Grid:
    """Return the nodes between two lines."""
    x, w = legendre(node_count((upper - lower) / sigma))
    half = 0.5 * (upper - lower)
    node, root = half * x + 0.5 * (upper + lower), np.sqrt(half * w)
    z = (node[:, None] - node[None, :]) / sigma
    matrix = np.exp(-0.5 * z * z) * (root[:, None] * root[None, :]) / (sigma * math.sqrt(2.0 * math.pi))
    return Grid(node, root, matrix)


def make_grid(sigma: float, lower: float, upper: float) -> Grid:
    """Return the nodes between two lines, both finite; what they cost is counted also where they are remembered."""
    count = float(min((upper - lower) / sigma, 1e9))
    spend(2e-7 * count**2 + 3e-4 * count)
    return discretised(sigma, lower, upper)


@dataclass(frozen=True, eq=False)
class Strip:
    """The walk between two constant lines, started at `llr` with `lead` steps to the first test."""

    sigma: float
    lower: float
    upper: float
    llr: float
    lead: int
    grid: Grid
    begin: FloatArray  # the density at the first test without drift, times `root`

    @property
    def node(self) -> FloatArray:
        """The nodes of the grid."""
        return self.grid.node

    @property
    def root(self) -> FloatArray:
        """Square roots of the quadrature weights."""
        return self.grid.root

    @cached_property
    def spectrum(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Eigenvalues, eigenvectors, and `begin` in their basis."""
        spend(PER_PRODUCT * float(self.node.shape[0]) ** 3)
        eigenvalue, vector = self.grid.basis
        return eigenvalue, vector, vector.T @ self.begin


def make_strip(sigma: float, lower: float, upper: float, llr: float, lead: int) -> Strip:
    """Return the discretised walk; both lines must be finite."""
    grid = make_grid(sigma, lower, upper)
    spread = sigma * math.sqrt(lead)
    begin = grid.root * np.exp(-0.5 * ((grid.node - llr) / spread) ** 2) / (spread * math.sqrt(2.0 * math.pi))
    return Strip(sigma, lower, upper, llr, lead, grid, begin)


def mild(lower: float, upper: float, llr: float, tau: FloatArray) -> BoolArray:
    """Return, for each tau, whether its tilt from `llr` to the lines lets the eigenbasis keep its digits."""
    far = np.where(tau > 0.0, upper - llr, lower - llr)
    result: BoolArray = tau * far < WIDEST_TILT
    return result


def leaving(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities that the next step from each node ends in H1, and in H0, shape `(tau, nodes)`."""
    centre = strip.node[None, :] + (strip.sigma**2 * tau)[:, None]
    return ndtr((centre - strip.upper) / strip.sigma), ndtr((strip.lower - centre) / strip.sigma)


def measures(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, for each tau, what turns a drift-free density into survival, into H1 and into H0 at the next step."""
    tilt = strip.root * np.exp(tau[:, None] * (strip.node - strip.llr)[None, :])
    above, below = leaving(strip, tau)
    return tilt, tilt * above, tilt * below


def leaving_by(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the coefficients of survival, H1 and H0 in the eigenbasis, shape `(tau, modes)`."""
    _, vector, first = strip.spectrum
    alive, above, below = measures(strip, tau)
    return alive @ vector * first, above @ vector * first, below @ vector * first


def first_test(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities of ending in H1 and in H0 at the first test."""
    centre = strip.llr + strip.lead * strip.sigma**2 * tau
    spread = strip.sigma * math.sqrt(strip.lead)
    return ndtr((centre - strip.upper) / spread), ndtr((strip.lower - centre) / spread)


def decay(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return, for each tau, the factor of one step's drift, and the ratios of the geometric sums."""
    c = np.exp(-0.5 * (tau * strip.sigma) ** 2)
    return c, c[:, None] * strip.spectrum[0][None, :]


def endless_law(strip: Strip, tau: FloatArray, n: int, levels: tuple[float, ...]) -> Law:
    """Return the law of a test without limit whose walk stands at `n`."""
    alive, above, below = measures(strip, tau)
    h1, h0 = first_test(strip, tau)
    lead = float(strip.lead)
    mean, variance = np.empty(tau.shape[0]), np.empty(tau.shape[0])
    c = np.exp(-0.5 * (tau * strip.sigma) ** 2)
    solved: dict[float, tuple[FloatArray, FloatArray]] = {}
    for k in range(tau.shape[0]):
        # sums over n of c^n S^n and of (n + 1) c^n S^n, applied to the first density
        key = float(c[k])
        if key not in solved:
            solved[key] = sums(strip, key)
        total, twice = (vector * c[k] ** strip.lead for vector in solved[key])
        h1[k] += float(above[k] @ total)
        h0[k] += float(below[k] @ total)
        expected, later = float(alive[k] @ total), float(alive[k] @ twice)
        mean[k] = lead + expected
        variance[k] = max(2.0 * later - expected - expected**2, 0.0)
    quantiles = {}
    if levels:
        _, x = decay(strip, tau)
        survival = leaving_by(strip, tau)[0] * (c**strip.lead)[:, None]
        quantiles = {level: n + steps_until(strip, survival, x, 1.0 - level + CLOSE) for level in levels}
    return Law(
        p_accept_h1=h1,
        p_accept_h0=h0,
        p_undecided=np.zeros(tau.shape[0]),
        mean_n=n + mean,
        sd_n=np.sqrt(variance),
        quantiles=quantiles,
        mass_error=np.abs(1.0 - h1 - h0),
    )


def sums(strip: Strip, c: float) -> tuple[FloatArray, FloatArray]:
    """Return the sums over n of `c^n S^n v` and of `(n + 1) c^n S^n v`, v the density at the first test."""
    if "basis" in strip.grid.__dict__:
        eigenvalue, vector, first = strip.spectrum
        rest = 1.0 / (1.0 - c * eigenvalue)
        return vector @ (first * rest), vector @ (first * rest * rest)
    spend(0.3 * PER_PRODUCT * float(strip.node.shape[0]) ** 3)
    factors = cho_factor(np.eye(strip.node.shape[0]) - c * strip.grid.matrix, check_finite=False)
    total = cho_solve(factors, strip.begin, check_finite=False)
    return total, cho_solve(factors, total, check_finite=False)


def steps_until(strip: Strip, survival: FloatArray, x: FloatArray, left: float) -> FloatArray:
    """Return the smallest number of steps after which the walk goes on with at most this probability, for each tau."""
    log_x = np.log(np.maximum(x, 1e-300))

    def alive(steps: FloatArray) -> FloatArray:
        result: FloatArray = (survival * np.exp(steps[:, None] * log_x)).sum(axis=1)
        return result

    low, high = np.zeros(x.shape[0]), np.ones(x.shape[0])
    going = alive(low) > left
    while (more := going & (alive(high) > left)).any():
        low, high = np.where(more, high, low), np.where(more, 2.0 * high, high)
    while (wide := going & (high - low > 1.0)).any():
        middle = np.floor(0.5 * (low + high))
        later = alive(middle) > left
        low, high = np.where(wide & later, middle, low), np.where(wide & ~later, middle, high)
    return strip.lead + np.where(going, high, 0.0)


def strip_stops(strip: Strip, tau: FloatArray, rules: Rules, n: int, last: int) -> StopMasses:
    """Return the masses for each n up to `last`; if that is the limit, all that is left ends there."""
    ledger = new_ledger()
    _, above, below = leaving_by(strip, tau)
    c, _ = decay(strip, tau)
    first = n + strip.lead
    at_limit = rules.max_n is not None and last >= rules.max_n
    stop = last - 1 if at_limit else last
    if stop - first > BLOCK:  # list no more than there is to see
        _, x = decay(strip, tau)
        ended = n + int(steps_until(strip, leaving_by(strip, tau)[0] * (c**strip.lead)[:, None], x, GONE).max())
        at_limit, stop = at_limit and stop <= ended, min(stop, ended)
    if first <= stop:
        ledger.add(first, *first_test(strip, tau))
    spend(2e-8 * max(stop - first, 0))
    tested = np.arange(first + 1, stop + 1)
    log_eigenvalue = np.log(np.maximum(strip.spectrum[0], 1e-300))[None, :]
    log_c = -0.5 * ((tau * strip.sigma) ** 2)[:, None]
    for begin in range(0, tested.shape[0], BLOCK):
        part = tested[begin : begin + BLOCK]
        spend(part.shape[0] * (1e-8 * strip.node.shape[0] + 3e-8 * tau.shape[0]))
        powers = np.exp(log_eigenvalue * (part - first - 1)[:, None])
        drift = np.exp(log_c * (strip.lead + part - first - 1)[None, :])
        ledger.add_many(part, *(np.maximum((side @ powers.T) * drift, 0.0) for side in (above, below)))
    if at_limit:
        finish(strip, tau, rules, n, ledger)
    return ledger.finish()


def finish(strip: Strip, tau: FloatArray, rules: Rules, n: int, ledger: Ledger) -> None:
    """Record what ends at the limit, in coordinates of the score: W with variance n, L = sigma W - sigma^2 n / 2."""
    assert rules.max_n is not None  # noqa: S101 - the caller asks only for designs with a limit
    before = rules.max_n - 1
    sigma = strip.sigma
    drifts = sigma * (tau + 0.5)
    ratio = Ratio(Line(sigma, -0.5 * sigma * sigma))
    if before < n + strip.lead:  # the limit is the first test
        node, weight, before = np.array([strip.llr]), np.ones(1), n
    else:
        node = strip.node
        eigenvalue, vector, first = strip.spectrum
        weight = strip.root * (vector @ (first * eigenvalue ** (before - n - strip.lead)))
    origin = (n, (strip.llr + 0.5 * sigma * sigma * n) / sigma)
    process = Brownian(ratio, rules, float, drifts, 0.5 * sigma, origin)
    density = Density(before, (node + 0.5 * sigma * sigma * before) / sigma, weight)
    close(process, density, process.nothing(before), rules.max_n, ledger)
