"""Many experiments at once: false discovery control over e-values and over p-values that arrive one after another.

e-values of experiments need no independence; the always-valid p of an experiment may be used wherever a p is.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sprt.arguments import FloatArray, FloatOrArray, plain, real_array, real_number
from sprt.errors import ObservationError

_RELATIVE_TIE = 1e-12
"""Room for the rounding of m / (alpha k), so that an e-value exactly at its threshold is rejected."""


class OnlineRejections(NamedTuple):
    """What an online procedure rejected, and the level each hypothesis was tested at."""

    rejected: NDArray[np.intp]
    """Positions of the rejected hypotheses, from 0, increasing."""
    levels: FloatArray
    """Level of each hypothesis; it depends on earlier p-values only. Rejected means `p <= level`."""


def e_benjamini_hochberg(e: ArrayLike, alpha: float) -> NDArray[np.intp]:
    """Return the positions (from 0, increasing) of the hypotheses that e-BH rejects at level `alpha`.

    The k largest are rejected, k the largest number with `k e_(k) / m >= 1 / alpha`. The false discovery rate is at
    most `alpha` under any dependence of the e-values (Wang & Ramdas 2022, the theorem on the base e-BH procedure).

    Parameters
    ----------
    e
        One e-value per hypothesis, shape `(m,)`, each finite and >= 0.
    alpha
        Level of the false discovery rate, in (0, 1).

    Raises
    ------
    ObservationError
        If an e-value is negative or not finite, or `e` is not one-dimensional.
    DesignError
        If `alpha` lies outside (0, 1).

    References
    ----------
    Wang, R. & Ramdas, A. (2022). False discovery rate control with e-values. J. R. Stat. Soc. B 84(3), 822-852.
    """
    values = _column("e", real_array("e", e, at_least=0.0))
    alpha = real_number("alpha", alpha, above=0.0, below=1.0)
    falling = np.sort(values)[::-1]
    thresholds = values.size / (alpha * np.arange(1, values.size + 1)) * (1.0 - _RELATIVE_TIE)
    passing = np.flatnonzero(falling >= thresholds)
    return np.flatnonzero(values >= falling[passing[-1]]) if passing.size else np.empty(0, dtype=np.intp)


def lord_plus_plus(p: ArrayLike, alpha: float, w0: float | None = None) -> OnlineRejections:
    """Return what LORD++ rejects when the p-values arrive in this order, and the level each one met.

    The false discovery rate is at most `alpha` at every time if null p-values are independent of each other and of the
    rest (Ramdas, Yang, Wainwright & Jordan 2017). With rejection times tau_1 < tau_2 < ... before t:
    `level_t = w0 g(t) + (alpha - w0) g(t - tau_1) + alpha sum_{j >= 2} g(t - tau_j)`.

    Parameters
    ----------
    p
        p-values in order of arrival, shape `(m,)`, each in [0, 1].
    alpha
        Level of the false discovery rate, in (0, 1).
    w0
        Wealth to begin with, in (0, alpha]; alpha / 10 unless given, as in the R package onlineFDR.

    Raises
    ------
    ObservationError
        If a p-value lies outside [0, 1].
    DesignError
        If `alpha` lies outside (0, 1) or `w0` outside (0, alpha].

    Notes
    -----
    g(t) = 0.07720838 log(max(t, 2)) / (t exp(sqrt(log t))) as in onlineFDR (there credited to Javanmard & Montanari
    2018, eq. 31); over all t it sums to 0.976, and the guarantee asks for at most 1.

    References
    ----------
    Ramdas, A., Yang, F., Wainwright, M. & Jordan, M. (2017). Online control of the false discovery rate with decaying
    memory. NeurIPS 30.
    """
    values = _column("p", real_array("p", p, at_least=0.0, at_most=1.0))
    alpha = real_number("alpha", alpha, above=0.0, below=1.0)
    w0 = alpha / 10 if w0 is None else real_number("w0", w0, above=0.0, at_most=alpha)
    weights = _discount(values.size)
    levels = w0 * weights
    rejected: list[int] = []
    for t in range(values.size):
        if values[t] <= levels[t]:
            payout = alpha if rejected else alpha - w0
            levels[t + 1 :] += payout * weights[: values.size - t - 1]
            rejected.append(t)
    return OnlineRejections(np.array(rejected, dtype=np.intp), levels)


def p_to_e(p: ArrayLike) -> FloatOrArray:
    """Return the e-value that a valid p-value calibrates to: `(1 - p + p log p) / (p log(p)^2)`, 1/2 at p = 1.

    If p is a p-value this is an e-value: it is the mixture of the calibrators `k p^(k-1)` over k uniform on (0, 1)
    (Vovk & Wang 2021).

    Parameters
    ----------
    p
        p-values in (0, 1], any shape; p = 0 has no finite e-value.

    Raises
    ------
    ObservationError
        If a p lies outside (0, 1] or so near 0 that its e-value overflows.

    References
    ----------
    Vovk, V. & Wang, R. (2021). E-values: calibration, combination and applications. Ann. Statist. 49(3), 1736-1754.
    """
    u = -np.log(real_array("p", p, above=0.0, at_most=1.0))
    # (e^u - 1 - u) / u^2 loses digits near u = 0, where its Taylor series sum_k u^k / (k + 2)! takes over
    series = np.polyval([1 / math.factorial(k + 2) for k in range(12, -1, -1)], np.minimum(u, 0.5))
    large = np.maximum(u, 0.5)
    with np.errstate(over="ignore"):
        return plain("e", np.where(u < 0.5, series, (np.expm1(large) - large) / large**2))


def _discount(size: int) -> FloatArray:
    t = np.arange(1, size + 1, dtype=np.float64)
    return 0.07720838 * np.log(np.maximum(t, 2.0)) / (t * np.exp(np.sqrt(np.log(t))))


def _column(field: str, values: FloatArray) -> FloatArray:
    if values.ndim != 1:
        raise ObservationError(f"{field} has shape {values.shape}: one value per hypothesis, shape (m,), is allowed")
    return values
