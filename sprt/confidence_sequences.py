"""Confidence sequences by family: intervals that hold at every n at once, so at any stop, whatever its reason.

Each inverts a mixture e-process (`sprt.mixtures`, `sprt.uniform_boundaries`): it keeps the parameter values whose
e-value has not reached 1 / alpha. The interval is that of this n alone, without running intersection.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from sprt.arguments import FloatArray, broadcast, plain, real_array, real_number, whole_array
from sprt.errors import DesignError
from sprt.uniform_boundaries import ConfidenceInterval, bernoulli_confidence_sequence, best_rho, root_between


def confidence_sequence(family: str, **arguments: ArrayLike | None) -> ConfidenceInterval:
    """Return the confidence sequence's interval at this n for the parameter of `family`.

    Parameters
    ----------
    family
        `bernoulli` (S, n, alpha, t_opt, alpha_opt), `normal` (n, xbar, s2, alpha, t2 or t_opt, alpha_opt), `poisson`
        (S, n, alpha, t_opt, alpha_opt) or `two_arm_normal` (n_a, n_b, difference, sd, alpha, t2 or t_opt, alpha_opt).
    **arguments
        Those of `bernoulli_confidence_sequence`, `normal_confidence_sequence`, `poisson_confidence_sequence` or
        `two_arm_normal_confidence_sequence`.

    Raises
    ------
    DesignError
        If the family has no confidence sequence here, or a parameter is outside its range.
    ObservationError
        If a statistic of the data is out of range.
    """
    if family not in _FAMILIES:
        raise DesignError(f"family = {family!r}: {', '.join(_FAMILIES)} are allowed")
    return _FAMILIES[family](**arguments)


def normal_confidence_sequence(
    n: ArrayLike,
    xbar: ArrayLike,
    s2: ArrayLike,
    alpha: float,
    *,
    t2: float | None = None,
    t_opt: float | None = None,
    alpha_opt: float = 0.05,
) -> ConfidenceInterval:
    """Return the interval at this n for a normal mean with known variance, by the normal mixture (Robbins 1970).

    Half-width `sqrt(s2 (s2 + n t2) / (n^2 t2) (2 log(1/alpha) + log((s2 + n t2) / s2)))`.

    Parameters
    ----------
    n, xbar, s2
        Observations so far (>= 1), their mean, and the known variance of one (> 0); they broadcast.
    alpha
        One minus the coverage at all n at once, in (0, 1).
    t2, t_opt
        Variance of the mixing law of the mean, > 0, or instead the n at which the interval is to be tightest (then
        `t2 = s2 / best_rho(t_opt, alpha_opt)`). Exactly one, fixed before the data.
    alpha_opt
        Level that t_opt tunes for.

    Raises
    ------
    ObservationError
        If n, xbar or s2 is out of range, or the interval overflows.
    DesignError
        If a parameter is outside its range, or not exactly one of t2 and t_opt is given.
    """
    count, mean, variance = broadcast(
        n=whole_array("n", n, at_least=1), xbar=real_array("xbar", xbar), s2=real_array("s2", s2, above=0.0)
    )
    with np.errstate(all="ignore"):
        return _normal_interval(mean, count / variance, alpha, _mixing_variance(variance, t2, t_opt, alpha_opt))


def two_arm_normal_confidence_sequence(
    n_a: ArrayLike,
    n_b: ArrayLike,
    difference: ArrayLike,
    sd: float,
    *,
    alpha: float,
    t2: float | None = None,
    t_opt: float | None = None,
    alpha_opt: float = 0.05,
) -> ConfidenceInterval:
    """Return the interval at these counts for the difference of two normal means (b - a) with known common sd.

    The difference of the means, weighted by its information `n_a n_b / ((n_a + n_b) sd^2)`, is a Brownian motion at
    those times under any allocation that ignores the data (Jennison & Turnbull 2000, ch. 11), so the normal mixture
    applies with information in place of n / s2.

    Parameters
    ----------
    n_a, n_b
        Observations in each arm, >= 1; they broadcast with `difference`.
    difference
        Mean of arm b minus mean of arm a.
    sd
        Known standard deviation of one observation, > 0.
    alpha
        One minus the coverage at all times at once, in (0, 1).
    t2, t_opt
        Variance of the mixing law of the difference, > 0, or instead the total n_a + n_b, half in each arm, at which
        the interval is to be tightest. Exactly one, fixed before the data.
    alpha_opt
        Level that t_opt tunes for.

    Raises
    ------
    ObservationError
        If a statistic of the data is out of range, or the interval overflows.
    DesignError
        If a parameter is outside its range, or not exactly one of t2 and t_opt is given.
    """
    in_a, in_b, estimate = broadcast(
        n_a=whole_array("n_a", n_a, at_least=1),
        n_b=whole_array("n_b", n_b, at_least=1),
        difference=real_array("difference", difference),
    )
    variance = np.float64(real_number("sd", sd, above=0.0)) ** 2
    with np.errstate(all="ignore"):
        information = in_a / (in_a + in_b) * in_b / variance
        return _normal_interval(estimate, information, alpha, _mixing_variance(4.0 * variance, t2, t_opt, alpha_opt))


def poisson_confidence_sequence(
    S: ArrayLike,  # noqa: N803 - the sum's name, as for the Bernoulli
    n: ArrayLike,
    alpha: float,
    t_opt: float,
    alpha_opt: float = 0.05,
) -> ConfidenceInterval:
    """Return the interval at this n of a confidence sequence for a Poisson rate.

    Each rate is tested by the likelihood ratio mixed over the law Gamma(shape rho rate, rate rho) centred on it, a
    martingale of mean one under that rate (Robbins 1970; Ville 1939); rho = best_rho(t_opt, alpha_opt), so no guess of
    the rate is needed. The log mixture is convex in the rate, so what is not rejected is an interval.

    Parameters
    ----------
    S
        Events so far, whole, >= 0.
    n
        Observations, or exposure, so far, > 0; it broadcasts with S.
    alpha
        One minus the coverage at all n at once, in (0, 1).
    t_opt
        The n at which the interval is to be tightest, > 0, fixed before the data.
    alpha_opt
        Level that t_opt tunes for.

    Raises
    ------
    ObservationError
        If S or n is out of range, or a limit overflows.
    DesignError
        If a parameter is outside its range.
    """
    events, exposure = broadcast(S=whole_array("S", S), n=real_array("n", n, above=0.0))
    threshold = -math.log(real_number("alpha", alpha, above=0.0, below=1.0))
    rho = best_rho(real_number("t_opt", t_opt, above=0.0), alpha_opt)

    def beyond(rate: FloatArray, s: FloatArray, time: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            some = np.maximum(s, 1.0)
            rising = np.where(s > 0.0, special.gammaln(some) - special.betaln(rho * rate, some), 0.0)
            waiting = rate * (time - rho * np.log1p(time / rho))
            return np.asarray(rising - special.xlogy(s, rate * (rho + time)) + waiting - threshold)

    low = np.zeros_like(events)
    near_zero = np.asarray(1e-290 / exposure)
    # with no event, or one, even rate -> 0 is never rejected: the limit stays 0
    rejecting = (events > 0.0) & (beyond(near_zero, events, exposure) > 0.0)
    s, time = events[rejecting], exposure[rejecting]
    low[rejecting] = root_between(beyond, near_zero[rejecting], s / time, s, time)
    highest = (events + 1.0) / exposure
    for _ in range(1000):
        short = beyond(highest, events, exposure) < 0.0
        if not short.any():
            break
        highest = np.where(short, 2.0 * highest, highest)
    high = root_between(beyond, events / exposure + near_zero, highest, events, exposure)
    return ConfidenceInterval(plain("low", low), plain("high", high))


def _normal_interval(
    estimate: FloatArray, information: FloatArray, alpha: float, t2: FloatArray | float
) -> ConfidenceInterval:
    level = real_number("alpha", alpha, above=0.0, below=1.0)
    ratio = information * t2
    width = np.sqrt((1.0 + 1.0 / ratio) / information * (np.log1p(ratio) - 2.0 * math.log(level)))
    return ConfidenceInterval(plain("low", estimate - width), plain("high", estimate + width))


def _mixing_variance(
    s2: FloatArray | float, t2: float | None, t_opt: float | None, alpha_opt: float
) -> FloatArray | float:
    if t2 is not None and t_opt is None:
        return real_number("t2", t2, above=0.0)
    if t_opt is not None and t2 is None:
        return s2 / best_rho(t_opt, alpha_opt)
    raise DesignError(f"t2 = {t2} and t_opt = {t_opt}: exactly one of them is allowed")


_FAMILIES: dict[str, Callable[..., ConfidenceInterval]] = {
    "bernoulli": bernoulli_confidence_sequence,
    "normal": normal_confidence_sequence,
    "poisson": poisson_confidence_sequence,
    "two_arm_normal": two_arm_normal_confidence_sequence,
}
