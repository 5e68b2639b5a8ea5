"""Mixture likelihood ratios: e-processes for a composite alternative, their always-valid p, and confidence sequences.

Everything is a function of the data so far and of a mixing law fixed beforehand. What is not an e-value (a plug-in
variance, a Bayes factor under a composite null) says so in its first lines.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from sprt.arguments import FloatArray, FloatOrArray, broadcast, plain, real_array, real_number, whole_array
from sprt.errors import DesignError, ObservationError


class MixturePath(NamedTuple):
    """A mixture after each observation."""

    log_e: FloatArray
    """Log e-value after each observation, in nats; the shape of the observations."""
    p: FloatArray
    """Always-valid p after each observation: `min(1, min over k <= n of exp(-log_e_k))`."""


def always_valid_p(log_e: ArrayLike) -> FloatArray:
    """Return `min(1, min over k <= n of 1 / Lambda_k)` along the last axis: p-values at every n at once.

    If exp(log_e) is a test martingale under H0, then P0(exists n: p_n <= u) <= u (Ville 1939).

    Raises
    ------
    ObservationError
        If a log e-value is not finite.
    """
    path = real_array("log_e", log_e)
    highest = np.maximum.accumulate(np.maximum(path, 0.0), axis=-1) if path.ndim else np.maximum(path, 0.0)
    return np.exp(-highest)


def normal_mixture(x: ArrayLike, theta0: float = 0.0, sigma: float = 1.0, tau: float = 1.0) -> MixturePath:
    """Return the normal mixture of a N(theta, sigma^2) sample against theta0 after each observation, and its p.

    Under theta0 exp(log_e) is a martingale of mean one, so the p is valid at every n (Robbins 1970; Ville 1939).

    Parameters
    ----------
    x
        Observations in order along the last axis; leading axes are separate experiments.
    theta0
        Mean under H0, in the unit of x.
    sigma
        Known standard deviation of one observation, > 0.
    tau
        Standard deviation of the mixing law N(theta0, tau^2) of the mean, in the unit of x, > 0.

    Raises
    ------
    ObservationError
        If an observation is not finite, or so large that its square overflows.
    DesignError
        If a parameter is outside its range.

    References
    ----------
    Robbins, H. (1970). Statistical methods related to the law of the iterated logarithm. Ann. Math. Statist. 41(5),
    1397-1409.
    """
    theta0 = real_number("theta0", theta0)
    sigma = real_number("sigma", sigma, above=0.0)
    tau = real_number("tau", tau, above=0.0)
    observations = _paths(real_array("x", x))
    n = np.arange(1.0, observations.shape[-1] + 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        log_e = _normal_log_e(
            n, np.cumsum(observations - theta0, axis=-1), np.float64(sigma) ** 2, np.float64(tau) ** 2
        )
    return _finite_path(log_e)


def normal_mixture_log_e(
    n: ArrayLike, xbar: ArrayLike, theta0: ArrayLike, s2: ArrayLike, t2: ArrayLike
) -> FloatOrArray:
    """Return the log of the normal mixture from the mean `xbar` of n observations of variance `s2`.

    `log_e = log(s2 / (s2 + n t2)) / 2 + n^2 t2 (xbar - theta0)^2 / (2 s2 (s2 + n t2))`, t2 the mixing variance. All
    arguments broadcast. Under theta0 its exponential is a martingale of mean one (Robbins 1970).

    Raises
    ------
    ObservationError
        If an argument is out of range (n >= 1 whole, s2 > 0, t2 > 0) or the result overflows.
    """
    count, mean, centre, variance, mixing = broadcast(
        n=whole_array("n", n, at_least=1),
        xbar=real_array("xbar", xbar),
        theta0=real_array("theta0", theta0),
        s2=real_array("s2", s2, above=0.0),
        t2=real_array("t2", t2, above=0.0),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        return plain("log_e", _normal_log_e(count, count * (mean - centre), variance, mixing))


def two_sample_bernoulli_log_e(n_pairs: ArrayLike, pA: ArrayLike, pB: ArrayLike, t2: ArrayLike) -> FloatOrArray:  # noqa: N803 - the field's names of the two arms
    """Return the log of the normal mixture for a difference of two proportions, its variance plugged in.

    Valid only asymptotically: the variance `pA (1 - pA) + pB (1 - pB)` per pair is estimated from the same data
    (Johari, Koomen, Pekelis & Walsh 2022). For a guarantee at every n test discordant pairs instead.

    Parameters
    ----------
    n_pairs
        Pairs seen, one observation of each arm in each, >= 1.
    pA, pB
        Observed proportions, in [0, 1], not both without variance.
    t2
        Variance of the mixing law of the difference, > 0.

    Raises
    ------
    ObservationError
        If an argument is out of range, or both proportions are 0 or 1.
    """
    n, a, b, mixing = broadcast(
        n_pairs=whole_array("n_pairs", n_pairs, at_least=1),
        pA=real_array("pA", pA, at_least=0.0, at_most=1.0),
        pB=real_array("pB", pB, at_least=0.0, at_most=1.0),
        t2=real_array("t2", t2, above=0.0),
    )
    variance = a * (1.0 - a) + b * (1.0 - b)
    if not (variance > 0.0).all():
        raise ObservationError(
            "pA and pB are both 0 or 1: the plug-in variance is 0, at least one strictly inside (0, 1) is allowed"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return plain("log_e", _normal_log_e(n, n * (a - b), variance, mixing))


def beta_mixture(x: ArrayLike, p0: float, a: float, b: float) -> MixturePath:
    """Return the Beta(a, b) mixture of a Bernoulli sample against p0 after each observation, and its p.

    Under p0 exp(log_e) is a martingale of mean one, so the p is valid at every n (Robbins 1970; Ville 1939).

    Parameters
    ----------
    x
        Observations 0 or 1 in order along the last axis; leading axes are separate experiments.
    p0
        Success probability under H0, in (0, 1).
    a, b
        Parameters of the mixing law Beta(a, b) of the success probability, > 0.

    Raises
    ------
    ObservationError
        If an observation is neither 0 nor 1.
    DesignError
        If a parameter is outside its range.
    """
    observations = _paths(whole_array("x", real_array("x", x, at_least=0.0, at_most=1.0)))
    p0 = real_number("p0", p0, above=0.0, below=1.0)
    a = real_number("a", a, above=0.0)
    b = real_number("b", b, above=0.0)
    n = np.arange(1.0, observations.shape[-1] + 1.0)
    return _finite_path(_beta_log_e(np.cumsum(observations, axis=-1), n, p0, a, b))


def beta_mixture_log_e(s: ArrayLike, n: ArrayLike, p0: ArrayLike, a: ArrayLike, b: ArrayLike) -> FloatOrArray:
    """Return the log of the Beta(a, b) mixture from `s` successes in `n` Bernoulli observations.

    `log_e = log B(a + s, b + n - s) - log B(a, b) - s log p0 - (n - s) log(1 - p0)`. All arguments broadcast. Under p0
    its exponential is a martingale of mean one (Robbins 1970).

    Raises
    ------
    ObservationError
        If an argument is out of range: 0 <= s <= n whole, p0 in (0, 1), a > 0, b > 0.
    """
    successes, count, null, prior_a, prior_b = broadcast(
        s=whole_array("s", s),
        n=whole_array("n", n),
        p0=real_array("p0", p0, above=0.0, below=1.0),
        a=real_array("a", a, above=0.0),
        b=real_array("b", b, above=0.0),
    )
    if (successes > count).any():
        raise ObservationError("s exceeds n: at most n successes are allowed")
    return plain("log_e", _beta_log_e(successes, count, null, prior_a, prior_b))


def two_sample_bernoulli_bayes_factor(sA: ArrayLike, fA: ArrayLike, sB: ArrayLike, fB: ArrayLike) -> FloatOrArray:  # noqa: N803 - the field's names of the two arms
    """Return the log Bayes factor of "two proportions" against "one", uniform priors. It is NOT an e-value.

    `log [B(sA + 1, fA + 1) B(sB + 1, fB + 1) / B(s + 1, f + 1)]`, s and f the pooled successes and failures. Its
    expectation exceeds 1 at some common proportion (1.125 at p = 1/2 with one observation per arm), so neither its
    inverse is a p-value nor stopping on it keeps an error rate. It serves description only.

    Raises
    ------
    ObservationError
        If a count is negative or not whole.
    """
    s_a, f_a, s_b, f_b = broadcast(
        sA=whole_array("sA", sA), fA=whole_array("fA", fA), sB=whole_array("sB", sB), fB=whole_array("fB", fB)
    )
    separate = special.betaln(s_a + 1.0, f_a + 1.0) + special.betaln(s_b + 1.0, f_b + 1.0)
    return plain("log Bayes factor", separate - special.betaln(s_a + s_b + 1.0, f_a + f_b + 1.0))


def mixing_variance_for_truncation(M: float, v0: float, alpha: float) -> float:  # noqa: N803 - the horizon's name in the source
    """Return the mixing variance that minimises the expected run length over effects found by the horizon M.

    Effects are distributed N(0, v0) in units of the data's standard deviation;
    `t2 = v0 Phi(-b) / (phi(b) / b - Phi(-b))` with `b = sqrt(2 log(1 / alpha) / (M v0))`, in the same units.

    Parameters
    ----------
    M
        Largest number of observations (pairs, for two samples), > 0.
    v0
        Variance of the effects, > 0.
    alpha
        Level of the test, in (0, 1).

    Raises
    ------
    DesignError
        If an argument is out of range, or so extreme that the variance cannot be resolved.

    References
    ----------
    Johari, R., Koomen, P., Pekelis, L. & Walsh, D. (2022). Always valid inference: continuous monitoring of A/B tests.
    Oper. Res. 70(3), 1806-1821.
    """
    horizon = real_number("M", M, above=0.0)
    v0 = real_number("v0", v0, above=0.0)
    alpha = real_number("alpha", alpha, above=0.0, below=1.0)
    b = math.sqrt(2.0 * -math.log(alpha)) / math.sqrt(horizon) / math.sqrt(v0)
    mills = math.sqrt(math.pi / 2.0) * float(special.erfcx(b / math.sqrt(2.0)))  # Phi(-b) / phi(b), far into the tail
    if not 0.0 < b < 1e5:
        raise DesignError(
            f"M = {horizon:g} with v0 = {v0:g}: sqrt(2 log(1 / alpha) / (M v0)) = {b:g}, in (0, 1e5) is allowed"
        )
    return v0 * mills / (1.0 / b - mills)


def _normal_log_e(n: FloatArray, deviation: FloatArray, s2: FloatArray | float, t2: FloatArray | float) -> FloatArray:
    """Equal to the closed form of `normal_mixture_log_e`, with `deviation = n (xbar - theta0)`."""
    ratio = n * t2 / s2
    log_e: FloatArray = -0.5 * np.log1p(ratio) + (deviation**2 / s2) * (t2 / s2) / (2.0 * (1.0 + ratio))
    return log_e


def _beta_log_e(
    s: FloatArray, n: FloatArray, p0: FloatArray | float, a: FloatArray | float, b: FloatArray | float
) -> FloatArray:
    mixture = special.betaln(a + s, b + n - s) - special.betaln(a, b)
    log_e: FloatArray = mixture - special.xlogy(s, p0) - special.xlog1py(n - s, -p0)
    return log_e


def _paths(observations: FloatArray) -> FloatArray:
    if observations.ndim == 0:
        raise ObservationError("x is one number: observations in order, shape (..., n), are allowed")
    return observations


def _finite_path(log_e: FloatArray) -> MixturePath:
    if not np.isfinite(log_e).all():
        raise ObservationError("x is too large: its log e-value leaves the range of double precision")
    return MixturePath(log_e, always_valid_p(log_e))
