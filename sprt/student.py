"""Sequential t: the likelihood ratio of a t statistic, computed so that no sample size or effect overflows.

Everything rests on one integral. With y = t / sqrt(df + t^2) in [-1, 1] and a = ncp y,

    f(t; df, ncp) / f(t; df, 0) = exp(-ncp^2 / 2) H(a) / H(0),   H(a) = integral over u > 0 of u^df exp(-u^2/2 + a u).
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from sprt.arguments import FloatArray, FloatOrArray, broadcast, plain, real_array, real_number
from sprt.errors import DesignError, ObservationError

_NODES = 256
"""Trapezoid nodes of the integral; it converges geometrically, since the integrand is analytic."""
_LARGE = 32.0
"""From this many degrees of freedom the integrand is close to a Gaussian, and a quarter of the nodes does."""
_BLOCK = 2048
"""Ratios computed at once, so that the nodes of all of them stay in the processor's cache."""
_DEPTH = 45.0
"""The integrand is followed down to exp(-45) of its peak: what is left out is below double precision."""
_EXP_TAIL = [1.0 / math.factorial(k) for k in range(12, 1, -1)]
"""Coefficients of (e^x - 1 - x) / x^2, highest power first."""
_STIRLING = [1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0]
"""Coefficients of Stirling's series x (log Gamma(x) - ...) in 1 / x^2, highest power first."""


class StudentStatistic(NamedTuple):
    """A t statistic with its degrees of freedom and the noncentrality that an effect d gives it."""

    t: float
    df: int
    ncp: float


def student_t_llr(t: ArrayLike, df: ArrayLike, ncp: ArrayLike, alternative: str = "greater") -> FloatOrArray:
    """Return the log likelihood ratio of t given noncentrality `ncp` against 0, in nats (Hajnal's sequential t).

    Parameters
    ----------
    t
        t statistic, any shape.
    df
        Degrees of freedom, > 0 (n - 1, or n1 + n2 - 2).
    ncp
        Noncentrality under H1: d sqrt(n), or d / sqrt(1/n1 + 1/n2), d the standardised effect.
    alternative
        `greater`: log t(t; df, ncp) - log t(t; df, 0), with the sign that ncp has. `less`: the same at -|ncp|.
        `two_sided` (or `two`): log F(t^2; 1, df, ncp^2) - log F(t^2; 1, df, 0), the equal mixture of +ncp and -ncp.

    Raises
    ------
    ObservationError
        If t, df or ncp is not finite, or df <= 0.
    DesignError
        If the alternative is unknown.

    Notes
    -----
    The z limit `log cosh(ncp t) - ncp^2 / 2` is not used: at a fixed effect it is off by about ncp^4 / (4 df).

    References
    ----------
    Hajnal, J. (1961). A two-sample sequential t-test. Biometrika 48(1/2), 65-75.
    Rushton, S. (1950). On a sequential t-test. Biometrika 37(3/4), 326-333.
    """
    statistic = real_array("t", t)
    freedom = real_array("df", df, above=0.0)
    noncentrality = real_array("ncp", ncp)
    statistic, freedom, noncentrality = broadcast(t=statistic, df=freedom, ncp=noncentrality)
    with np.errstate(all="ignore"):
        return student_y_llr(statistic / np.hypot(np.sqrt(freedom), statistic), freedom, noncentrality, alternative)


def student_y_llr(y: ArrayLike, df: ArrayLike, ncp: ArrayLike, alternative: str = "greater") -> FloatOrArray:
    """Return what `student_t_llr` returns, from `y = t / sqrt(df + t^2)`: finite also where t is infinite (y = +-1).

    For n observations of one sample `y = sum x / sqrt(n sum x^2)`, which exists for every sample that is not all 0.

    Raises
    ------
    ObservationError
        If y lies outside [-1, 1], df <= 0, an argument is not finite, or the result overflows.
    DesignError
        If the alternative is unknown.
    """
    cosine, freedom, noncentrality = broadcast(
        y=real_array("y", y, at_least=-1.0, at_most=1.0), df=real_array("df", df, above=0.0), ncp=real_array("ncp", ncp)
    )
    with np.errstate(all="ignore"):
        if alternative == "greater":
            llr = _log_ratio(cosine, freedom, noncentrality)
        elif alternative == "less":
            llr = _log_ratio(-cosine, freedom, np.abs(noncentrality))
        elif alternative in {"two_sided", "two"}:
            both = _log_ratio(np.stack([cosine, -cosine]), freedom, noncentrality)
            llr = np.logaddexp(both[0], both[1]) - np.log(2.0)
        else:
            raise DesignError(f"alternative = {alternative!r}: greater, less, two_sided are allowed")
    return plain("llr", llr)


def student_t_statistic(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    d: float,
    design: Literal["one_sample", "two_sample", "paired"] | None = None,
) -> StudentStatistic:
    """Return t, its degrees of freedom and the noncentrality under effect `d`, from raw data.

    Parameters
    ----------
    x, y
        The observations: of one sample (x), or of two, then t is that of mean(x) - mean(y) with pooled variance.
    d
        Standardised effect under H1.
    design
        `one_sample`, `two_sample`, or `paired` (the differences x - y are one sample); by default as y is absent or
        given.

    Raises
    ------
    ObservationError
        If a value is not finite, a sample is too short, or all its values are equal, so that t does not exist.
    DesignError
        If d is not finite or the design contradicts the data.
    """
    effect = real_number("d", d)
    first = _sample("x", x)
    second = None if y is None else _sample("y", y)
    design = design or ("one_sample" if second is None else "two_sample")
    if design not in {"one_sample", "two_sample", "paired"} or (design == "one_sample") != (second is None):
        with_y = "without y" if y is None else "with y"
        raise DesignError(
            f"design = {design!r} {with_y}: one_sample without y, two_sample or paired with it are allowed"
        )
    if design == "paired" and second is not None:
        if first.size != second.size:
            raise ObservationError(f"x has {first.size} values and y {second.size}: pairs are allowed")
        first, second = first - second, None
    size = float(first.size) if second is None else 1.0 / (1.0 / first.size + 1.0 / second.size)
    df = first.size - 1 if second is None else first.size + second.size - 2
    mean = float(first.mean()) if second is None else float(first.mean() - second.mean())
    squares = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in (first, second) if sample is not None)
    if df < 1 or not squares > 0.0:
        raise ObservationError("the sample has no variance: at least two observations that differ are allowed")
    root = np.sqrt(size)
    return StudentStatistic(float(plain("t", mean * root / np.sqrt(squares / df))), df, float(effect * root))


def _log_ratio(y: FloatArray, df: FloatArray, ncp: FloatArray) -> FloatArray:
    """Return -ncp^2 / 2 + log H(a) - log H(0), the two integrals as height of the peak times area under it.

    In w = log u the integrand of H(a) is exp(m w - u^2 / 2 + a u) with m = df + 1; its one peak is at
    u = (a + sqrt(a^2 + 4 m)) / 2, and log of the ratio of the peaks is m asinh(a / (2 sqrt m)) + a u / 2.
    """
    a, m = np.broadcast_arrays(ncp * y, df + 1.0)
    root = np.sqrt(a**2 + 4.0 * m)
    peak = np.where(a > 0.0, (root + a) / 2.0, 2.0 * m / (root - a))
    heights = m * np.arcsinh(a / (2.0 * np.sqrt(m))) + a * peak / 2.0
    ratio: FloatArray = heights - ncp**2 / 2.0 + _log_area(a, m, peak) - _log_area_at_null(m)
    return ratio


def _log_area(a: FloatArray, m: FloatArray, peak: FloatArray) -> FloatArray:
    area = np.empty(a.size)
    for chosen, nodes in ((m.ravel() >= _LARGE, _NODES // 4), (m.ravel() < _LARGE, _NODES)):
        index = np.flatnonzero(chosen)
        for start in range(0, index.size, _BLOCK):
            block = index[start : start + _BLOCK]
            area[block] = _trapezoid(a.flat[block][:, None], peak.flat[block][:, None], m.flat[block][:, None], nodes)
    return np.log(area).reshape(a.shape)


def _trapezoid(a: FloatArray, peak: FloatArray, m: FloatArray, nodes: int) -> FloatArray:
    """Return the area under the integrand divided by its peak, one per row."""

    def depth(d: FloatArray) -> FloatArray:
        # m d - (e^2d - 1) peak^2 / 2 + a peak (e^d - 1), rearranged by m = peak^2 - a peak so that nothing cancels
        return peak**2 * _exp_remainder(2.0 * d) / 2.0 - a * peak * _exp_remainder(d)

    width = 1.0 / np.sqrt(peak**2 + m)
    left, right = (_reach(depth, side * width) for side in (-1.0, 1.0))
    step = (right - left) / (nodes - 1)
    area: FloatArray = np.exp(-depth(left + step * np.arange(nodes))).sum(axis=1) * step[:, 0]
    return area


def _reach(depth: Callable[[FloatArray], FloatArray], width: FloatArray) -> FloatArray:
    """Return how far to go, in the direction of `width`, for the integrand to fall to exp(-_DEPTH)."""
    near, far = np.zeros_like(width), width
    for _ in range(60):
        short = depth(far) < _DEPTH
        if not short.any():
            break
        near, far = np.where(short, far, near), np.where(short, 2.0 * far, far)
    for _ in range(4):
        middle = (near + far) / 2.0
        short = depth(middle) < _DEPTH
        near, far = np.where(short, middle, near), np.where(short, far, middle)
    return far


def _exp_remainder(x: FloatArray) -> FloatArray:
    """Return e^x - 1 - x, by its Taylor series where the difference would cancel."""
    small = np.clip(x, -0.2, 0.2)
    series = small**2 * np.polyval(_EXP_TAIL, small)
    return np.where(np.abs(x) < 0.2, series, np.expm1(x) - x)


def _log_area_at_null(m: FloatArray) -> FloatArray:
    """Return the log area for a = 0, which is log Gamma(m/2) - (m/2) log(m/2) + m/2 - log 2."""
    x = m / 2.0
    small, large = np.minimum(x, 10.0), np.maximum(x, 10.0)
    exact = special.gammaln(small) - special.xlogy(small, small) + small
    stirling = np.polyval(_STIRLING, 1.0 / large**2) / large + 0.5 * np.log(2.0 * np.pi / large)
    return np.asarray(np.where(x < 10.0, exact, stirling) - np.log(2.0))


def _sample(field: str, values: ArrayLike) -> FloatArray:
    sample = real_array(field, values)
    if sample.ndim != 1 or sample.size == 0:
        raise ObservationError(f"{field} has shape {sample.shape}: a list of at least one value is allowed")
    return sample
