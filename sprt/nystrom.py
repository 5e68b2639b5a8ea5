"""Law of the stopping time for normal observations tested at every n: one symmetric eigenproblem serves all thetas.

On the LLR scale the lines are constant and a step is normal with standard deviation sigma = |delta| and mean
delta^2 tau, tau = (theta - midpoint)/(theta1 - theta0). Discretised by Gauss-Legendre nodes, the step without drift is
a symmetric matrix; drift tilts it by `e^{tau (y - x)}` and the factor `c = e^{-tau^2 sigma^2 / 2}`. Sums over n are
then geometric in the eigenvalues.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.linalg import eigh
from scipy.special import ndtr

from sprt.arrays import FloatArray, IntArray
from sprt.gaussian import Density, Path, close, node_count
from sprt.legendre import legendre
from sprt.ratio import Line, Ratio
from sprt.rules import Rules
from sprt.stopping import CLOSE, Law, Ledger, StopMasses, new_ledger

WIDEST_TILT: Final = 16.0  # beyond e^16 between the lines, cancellation would cost more than seven digits
FINEST: Final = 0.02  # smaller steps are replaced by this one, with Siegmund's correction
RHO: Final = 0.5825971579390107  # -zeta(1/2)/sqrt(2 pi): the mean overshoot of a normal walk, in steps
BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class Strip:
    """The walk between two constant lines, started at `llr` with `lead` steps to the first test."""

    sigma: float
    lower: float
    upper: float
    llr: float
    lead: int
    node: FloatArray
    root: FloatArray  # square roots of the quadrature weights
    eigenvalue: FloatArray
    vector: FloatArray  # (nodes, modes)
    first: FloatArray  # the density at the first test in the eigenbasis, without drift


@lru_cache(maxsize=32)
def make_strip(sigma: float, lower: float, upper: float, llr: float, lead: int) -> Strip:
    """Return the discretised walk; both lines must be finite."""
    x, w = legendre(node_count((upper - lower) / sigma))
    half = 0.5 * (upper - lower)
    node, weight = half * x + 0.5 * (upper + lower), half * w
    root = np.sqrt(weight)
    z = (node[:, None] - node[None, :]) / sigma
    matrix = np.exp(-0.5 * z * z) * (root[:, None] * root[None, :]) / (sigma * math.sqrt(2.0 * math.pi))
    eigenvalue, vector = eigh(matrix, overwrite_a=True, check_finite=False)
    spread = sigma * math.sqrt(lead)
    first = root * np.exp(-0.5 * ((node - llr) / spread) ** 2) / (spread * math.sqrt(2.0 * math.pi))
    return Strip(sigma, lower, upper, llr, lead, node, root, np.clip(eigenvalue, 0.0, 1.0), vector, vector.T @ first)


def fits(sigma: float, lower: float, upper: float, tau: FloatArray) -> bool:
    """Return whether the tilt between the lines is mild enough for the eigenbasis."""
    return bool((np.abs(tau) * (upper - lower) < WIDEST_TILT).all()) and sigma > 0.0


def modes(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, for each tau, the coefficients of survival, H1 and H0 in the eigenbasis, shape `(tau, modes)`."""
    tilt = strip.root * np.exp(tau[:, None] * (strip.node - strip.llr)[None, :])
    centre = strip.node[None, :] + (strip.sigma**2 * tau)[:, None]
    above, below = ndtr((centre - strip.upper) / strip.sigma), ndtr((strip.lower - centre) / strip.sigma)
    return tuple((tilt * end) @ strip.vector * strip.first for end in (1.0, above, below))  # type: ignore[return-value]  # three arrays


def first_test(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the probabilities of ending in H1 and in H0 at the first test."""
    centre = strip.llr + strip.lead * strip.sigma**2 * tau
    spread = strip.sigma * math.sqrt(strip.lead)
    return ndtr((centre - strip.upper) / spread), ndtr((strip.lower - centre) / spread)


def decay(strip: Strip, tau: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return, for each tau, the factor of one step's drift, and the ratios of the geometric sums."""
    c = np.exp(-0.5 * (tau * strip.sigma) ** 2)
    return c, c[:, None] * strip.eigenvalue[None, :]


def endless_law(strip: Strip, tau: FloatArray, n: int, levels: tuple[float, ...]) -> Law:
    """Return the law of a test without limit whose walk stands at `n`."""
    survival, above, below = modes(strip, tau)
    c, x = decay(strip, tau)
    started = (c**strip.lead)[:, None]
    total = started / (1.0 - x)
    h1, h0 = first_test(strip, tau)
    h1 = h1 + (above * total).sum(axis=1)
    h0 = h0 + (below * total).sum(axis=1)
    lead = float(strip.lead)
    # survival after the first test is sum_k survival_k c^lead x_k^j, j = 0, 1, ...
    mean = lead + (survival * total).sum(axis=1)
    second = lead**2 + ((2.0 * lead + 1.0) * survival * total + 2.0 * survival * total * x / (1.0 - x)).sum(axis=1)
    variance = second - mean**2
    return Law(
        p_accept_h1=h1,
        p_accept_h0=h0,
        p_undecided=np.zeros(tau.shape[0]),
        mean_n=n + mean,
        sd_n=np.sqrt(np.maximum(variance, 0.0)),
        quantiles={level: n + quantile(strip, survival * started, x, level) for level in levels},
        mass_error=np.abs(1.0 - h1 - h0),
    )


def quantile(strip: Strip, survival: FloatArray, x: FloatArray, level: float) -> FloatArray:
    """Return the smallest number of steps by which the walk has ended with this probability, for each tau."""
    log_x = np.log(np.maximum(x, 1e-300))
    left = 1.0 - level + CLOSE

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
    _, above, below = modes(strip, tau)
    c, _ = decay(strip, tau)
    first = n + strip.lead
    at_limit = rules.max_n is not None and last >= rules.max_n
    stop = last - 1 if at_limit else last
    h1, h0 = first_test(strip, tau)
    ledger.add(first, h1, h0)
    tested = np.arange(first + 1, stop + 1)
    columns = [(np.array([first]), h1[:, None], h0[:, None])]
    for begin in range(0, tested.shape[0], BLOCK):
        part = tested[begin : begin + BLOCK]
        powers = np.power(strip.eigenvalue[None, :], (part - first - 1)[:, None])
        drift = c[:, None] ** (strip.lead + part - first - 1)[None, :]
        columns.append((part, (above @ powers.T) * drift, (below @ powers.T) * drift))
    if at_limit:
        ledger = new_ledger()
        finish(strip, tau, rules, n, ledger)
        columns.append((np.array(ledger.n), ledger.accept_h1[0][:, None], ledger.accept_h0[0][:, None]))
    numbers: IntArray = np.concatenate([column[0] for column in columns]).astype(np.int64)
    undecided = np.zeros((tau.shape[0], numbers.shape[0]))
    if at_limit:
        undecided[:, -1] = ledger.undecided[0]
    return StopMasses(
        numbers,
        np.maximum(np.concatenate([column[1] for column in columns], axis=1), 0.0),
        np.maximum(np.concatenate([column[2] for column in columns], axis=1), 0.0),
        undecided,
        ledger.limit if at_limit else None,
    )


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
        weight = strip.root * (strip.vector @ (strip.first * strip.eigenvalue ** (before - n - strip.lead)))
    density = Density(before, float(before), (node + 0.5 * sigma * sigma * before) / sigma, weight)
    path = Path(ratio, rules, float, drifts, 0.5 * sigma, ((strip.llr + 0.5 * sigma * sigma * n) / sigma, float(n)))
    close(path, density, Density(before, float(before), np.empty(0), np.empty(0)), rules.max_n, ledger)
