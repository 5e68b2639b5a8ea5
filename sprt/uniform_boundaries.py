"""Boundaries that a process stays below at every time at once: conjugate mixtures and stitching.

A process S with intrinsic time V is sub-psi when exp(l S - psi(l) V) is a supermartingale for each l; a mixture over l
is then one too, and by Ville's inequality it ever reaches 1 / alpha with probability at most alpha. All of it is
Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences,
Ann. Statist. 49(2), 1055-1080; the parametrisation is that of their package confseq.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.optimize import elementwise

from sprt.arguments import FloatArray, FloatOrArray, broadcast, plain, real_array, real_number, whole_array
from sprt.errors import DesignError, ObservationError

LogMixture = Callable[[FloatArray, FloatArray], FloatArray]
"""(s, v) -> log of the mixture."""


class ConfidenceInterval(NamedTuple):
    """One interval of a confidence sequence, or arrays of them; an unbounded end is infinite."""

    low: FloatOrArray
    high: FloatOrArray


def best_rho(v_opt: float, alpha_opt: float = 0.05, *, one_sided: bool = False) -> float:
    """Return the mixing precision that makes a normal mixture boundary tightest about intrinsic time `v_opt`.

    `rho = v / (2 log(1/alpha) + log(1 + 2 log(1/alpha)))`, an approximation of the optimum; one-sided mixtures use
    `2 alpha` for alpha.

    Parameters
    ----------
    v_opt
        Intrinsic time to tune for, > 0; it must not depend on the data.
    alpha_opt
        Level to tune for, in (0, 1), one-sided in (0, 1/2).

    Raises
    ------
    DesignError
        If an argument is outside its range.
    """
    v_opt = real_number("v_opt", v_opt, above=0.0)
    alpha_opt = real_number("alpha_opt", alpha_opt, above=0.0, below=0.5 if one_sided else 1.0)
    log_inverse = -math.log(2.0 * alpha_opt if one_sided else alpha_opt)
    return v_opt / (2.0 * log_inverse + math.log1p(2.0 * log_inverse))


def log_mixture(
    mixture: str,
    s: ArrayLike,
    v: ArrayLike,
    *,
    v_opt: float,
    alpha_opt: float = 0.05,
    c: float | None = None,
    g: float | None = None,
    h: float | None = None,
) -> FloatOrArray:
    """Return the log of a conjugate mixture at process value `s` and intrinsic time `v`: a supermartingale from 1.

    Parameters
    ----------
    mixture
        `two_sided_normal`, `one_sided_normal` (sub-Gaussian S); `gamma_exponential`, `gamma_poisson` (sub-exponential,
        sub-Poisson with scale `c`); `two_sided_beta_binomial`, `one_sided_beta_binomial` (sub-Bernoulli on
        increments between -g and h).
    s, v
        Process and intrinsic time (v >= 0), any shapes that broadcast.
    v_opt, alpha_opt
        Where the mixture is tightest, see `best_rho`; fixed before the data.
    c, g, h
        Parameters of the mixtures that have them, > 0.

    Raises
    ------
    DesignError
        If the mixture is unknown or a parameter is missing or outside its range.
    ObservationError
        If s is outside the range that the process can reach at v, or the result overflows.
    """
    log_of = _log_mixture_of(mixture, v_opt, alpha_opt, c=c, g=g, h=h)
    process, time = broadcast(s=real_array("s", s), v=real_array("v", v, at_least=0.0))
    with np.errstate(all="ignore"):
        return plain("log_mixture", log_of(process, time))


def mixture_bound(
    mixture: str,
    v: ArrayLike,
    alpha: float,
    *,
    v_opt: float,
    alpha_opt: float = 0.05,
    c: float | None = None,
    g: float | None = None,
    h: float | None = None,
) -> FloatOrArray:
    """Return the boundary that S stays below (two-sided: its modulus) at all v with probability at least 1 - alpha.

    It is the s at which `log_mixture` reaches log(1 / alpha); for the beta-binomial mixtures at most v / g, the
    largest value that S can take.

    Raises
    ------
    DesignError
        If the mixture is unknown or a parameter is missing or outside its range.
    ObservationError
        If v is negative or the boundary overflows.
    """
    log_of = _log_mixture_of(mixture, v_opt, alpha_opt, c=c, g=g, h=h)
    time = real_array("v", v, at_least=0.0)
    threshold = -math.log(real_number("alpha", alpha, above=0.0, below=1.0))
    with np.errstate(all="ignore"):
        if g is not None:
            return plain("bound", _root_up_to(np.asarray(time / g), log_of, time, threshold))
        highest = np.asarray(np.maximum(time, 1.0))
        for _ in range(1000):
            short = log_of(highest, time) < threshold
            if not short.any():
                break
            highest = np.where(short, 2.0 * highest, highest)
        return plain("bound", _root_up_to(highest, log_of, time, threshold))


def poly_stitching_bound(
    v: ArrayLike, alpha: float, v_min: float, c: float = 0.0, *, s: float = 1.4, eta: float = 2.0
) -> FloatOrArray:
    """Return the polynomial stitched boundary: sub-gamma processes stay below it with probability 1 - alpha.

    Parameters
    ----------
    v
        Intrinsic time, >= 0; below `v_min` the boundary is constant.
    alpha
        Crossing probability, in (0, 1).
    v_min
        Intrinsic time from which the boundary begins to rise, > 0.
    c
        Scale of the sub-gamma process; 0 is sub-Gaussian, negative allowed.
    s, eta
        Power of the epoch weights, > 1, and ratio of successive epochs, > 1.

    Raises
    ------
    DesignError
        If a parameter is outside its range.
    ObservationError
        If v is negative or the boundary overflows.
    """
    time = real_array("v", v, at_least=0.0)
    alpha = real_number("alpha", alpha, above=0.0, below=1.0)
    v_min = real_number("v_min", v_min, above=0.0)
    c = real_number("c", c)
    s = real_number("s", s, above=1.0)
    eta = real_number("eta", eta, above=1.0)
    k1 = (eta**0.25 + eta**-0.25) / math.sqrt(2.0)
    k2 = (math.sqrt(eta) + 1.0) / 2.0
    with np.errstate(all="ignore"):
        time = np.maximum(time, v_min)
        weight = s * np.log(np.log(eta) + np.log(time / v_min)) + np.log(special.zeta(s)) - s * np.log(np.log(eta))
        ell = weight - math.log(alpha)
        linear = k2 * c * ell
        return plain("bound", np.sqrt(k1**2 * time * ell + linear**2) + linear)


def bernoulli_confidence_sequence(
    S: ArrayLike,  # noqa: N803 - the sum's name in the source
    n: ArrayLike,
    alpha: float,
    t_opt: float,
    alpha_opt: float = 0.05,
) -> ConfidenceInterval:
    """Return the interval at this n of a confidence sequence for a success probability.

    It holds p at all n at once with probability at least 1 - alpha. Each p is tested by the mixture over the law
    Beta(w p, w (1 - p)) centred on it, w tuned to `t_opt`; the log mixture is convex in p, so what is not rejected is
    an interval.

    Parameters
    ----------
    S, n
        Successes and observations so far, whole, 0 <= S <= n, n >= 1; they broadcast.
    alpha
        One minus the coverage, in (0, 1).
    t_opt
        Number of observations at which the interval is to be tightest, > 0, fixed before the data.
    alpha_opt
        Level to tune for, in (0, 1).

    Raises
    ------
    ObservationError
        If S or n is out of range.
    DesignError
        If a parameter is outside its range.
    """
    successes, count = broadcast(S=whole_array("S", S), n=whole_array("n", n, at_least=1))
    if (successes > count).any():
        raise ObservationError("S exceeds n: at most n successes are allowed")
    threshold = -math.log(real_number("alpha", alpha, above=0.0, below=1.0))
    weight = max(best_rho(real_number("t_opt", t_opt, above=0.0), alpha_opt) - 1.0, 1e-3)
    failures = np.asarray(count - successes)
    low = _lower_probability(successes, failures, weight, threshold)
    high = 1.0 - _lower_probability(failures, successes, weight, threshold)
    return ConfidenceInterval(plain("low", low), plain("high", high))


def root_between(log_e: Callable[..., FloatArray], low: FloatArray, high: FloatArray, *args: FloatArray) -> FloatArray:
    """Return the elementwise root of a function that changes sign between `low` and `high`."""
    found = elementwise.find_root(log_e, (low, high), args=args)
    if not np.all(found.success):
        raise ObservationError("a confidence limit cannot be resolved in double precision for these counts")
    root: FloatArray = np.asarray(found.x, dtype=np.float64)
    return root


def _root_up_to(highest: FloatArray, log_of: LogMixture, time: FloatArray, threshold: float) -> FloatArray:
    bound = np.array(highest)
    reached = log_of(highest, time) > threshold
    at = time[reached]
    bound[reached] = root_between(lambda s, v: log_of(s, v) - threshold, np.zeros_like(at), highest[reached], at)
    return bound


def _lower_probability(successes: FloatArray, failures: FloatArray, weight: float, threshold: float) -> FloatArray:
    def beyond(p: FloatArray, s: FloatArray, f: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            alpha, beta = weight * p, weight * (1.0 - p)
            mixture = special.betaln(alpha + s, beta + f) - special.betaln(alpha, beta)
            return np.asarray(mixture - special.xlogy(s, p) - special.xlog1py(f, -p) - threshold)

    low = np.zeros_like(successes)
    near_zero = np.full_like(successes, 1e-290)
    # with no success, or one, even p -> 0 is never rejected: the limit stays 0
    rejecting = (successes > 0.0) & (beyond(near_zero, successes, failures) > 0.0)
    s, f = successes[rejecting], failures[rejecting]
    low[rejecting] = root_between(beyond, near_zero[rejecting], np.minimum(s / (s + f), 1.0 - 2.0**-53), s, f)
    return low


def _log_mixture_of(mixture: str, v_opt: float, alpha_opt: float, **parameters: float | None) -> LogMixture:
    """Return the log mixture with its parameters bound and checked."""
    if mixture not in _MIXTURES:
        raise DesignError(f"mixture = {mixture!r}: {', '.join(_MIXTURES)} are allowed")
    names, one_sided, build = _MIXTURES[mixture]
    given = {name: value for name, value in parameters.items() if value is not None}
    if set(given) != set(names):
        raise DesignError(f"mixture = {mixture!r} was given {sorted(given)}: exactly {sorted(names)} are allowed")
    rho = best_rho(v_opt, alpha_opt, one_sided=one_sided)
    return build(rho, *(real_number(name, given[name], above=0.0) for name in names))


def _two_sided_normal(rho: float) -> LogMixture:
    return lambda s, v: -0.5 * np.log1p(v / rho) + s**2 / (2.0 * (v + rho))


def _one_sided_normal(rho: float) -> LogMixture:
    return lambda s, v: _two_sided_normal(rho)(s, v) + math.log(2.0) + special.log_ndtr(s / np.sqrt(v + rho))


def _gamma_exponential(rho: float, c: float) -> LogMixture:
    a = rho / c**2
    leading = special.xlogy(a, a) - special.gammaln(a) - np.log(special.gammainc(a, a))

    def log_of(s: FloatArray, v: FloatArray) -> FloatArray:
        shape, scale = a + v / c**2, a + (c * s + v) / c**2
        lower = special.gammaln(shape) + np.log(special.gammainc(shape, scale))
        return np.asarray(leading + lower - shape * np.log(scale) + scale - a)

    return log_of


def _gamma_poisson(rho: float, c: float) -> LogMixture:
    a = rho / c**2
    leading = special.xlogy(a, a) - special.gammaln(a) - np.log(special.gammaincc(a, a))

    def log_of(s: FloatArray, v: FloatArray) -> FloatArray:
        scale = a + v / c**2
        shape = scale + s / c
        upper = special.gammaln(shape) + np.log(special.gammaincc(shape, scale))
        return np.asarray(leading + upper - shape * np.log(scale) + v / c**2)

    return log_of


def _beta_binomial(rho: float, g: float, h: float, *, one_sided: bool) -> LogMixture:
    span = g + h
    r = max(rho - g * h, 1e-3 * g * h)
    prior = r / (g * span), r / (h * span)

    def log_beta(alpha: FloatArray | float, beta: FloatArray | float) -> FloatArray:
        share = special.betainc(alpha, beta, h / span) if one_sided else 1.0
        return np.asarray(special.betaln(alpha, beta) + np.log(share), dtype=np.float64)

    def log_of(s: FloatArray, v: FloatArray) -> FloatArray:
        # both are the law's own counts (failures and successes, for g = p and h = 1 - p), clipped to what S can reach
        below, above = (v / g - s) / span, (v / h + s) / span
        reachable = (below > -1e-9 * (1.0 + v / g)) & (above > -1e-9 * (1.0 + v / h))
        base = v / (g * h) * math.log(span) - above * math.log(g) - below * math.log(h)
        inside = base + log_beta(prior[0] + np.maximum(below, 0.0), prior[1] + np.maximum(above, 0.0))
        return np.where(reachable, inside - log_beta(*prior), np.nan)

    return log_of


_MIXTURES: dict[str, tuple[tuple[str, ...], bool, Callable[..., LogMixture]]] = {
    "two_sided_normal": ((), False, _two_sided_normal),
    "one_sided_normal": ((), True, _one_sided_normal),
    "gamma_exponential": (("c",), True, _gamma_exponential),
    "gamma_poisson": (("c",), True, _gamma_poisson),
    "two_sided_beta_binomial": (("g", "h"), False, partial(_beta_binomial, one_sided=False)),
    "one_sided_beta_binomial": (("g", "h"), True, partial(_beta_binomial, one_sided=True)),
}
"""Name -> (parameters, is it one-sided, how to build it from rho and the parameters)."""
