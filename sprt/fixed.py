"""The fixed-sample test of the same two hypotheses: the comparator, and the limit a design that decides there needs."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.special import bdtr, bdtrc, betainc, betaincc, gammainc, gammaincc, ndtr, ndtri, pdtr, pdtrc

from sprt.arrays import BoolArray, FloatArray
from sprt.design import Design, check_rates
from sprt.errors import DesignError
from sprt.families.base import Family, LinearFamily
from sprt.families.bernoulli import Bernoulli
from sprt.families.exponential import Exponential
from sprt.families.negative_binomial import NegativeBinomial
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli, probability
from sprt.families.poisson import Poisson

CHUNK: Final = 1024
TIE: Final = 1.0 + 1e-12  # an error rate that equals the nominal one but for rounding keeps it
SCANNED: Final = 400_000  # up to here every n is tried; beyond, lattice effects are below the last digit shown


def fixed_sample_size(model: Family, alpha: float, beta: float, *, alternative: str | None = None) -> int:
    """Return the smallest n at which some cut of the statistic keeps both error rates.

    Exact for Bernoulli, paired Bernoulli, Poisson, negative binomial, normal, two-arm normal (a and b in turn) and
    exponential; the normal approximation for Student's t and multinomial. Two-sided tests use alpha / 2 on each side.

    Raises
    ------
    DesignError
        If the error rates are out of range.
    """
    check_rates(alpha, beta)
    size = 0.5 * alpha if alternative == "two_sided" else alpha
    rough = normal_size(model, size, beta)
    if not model.has_exact_law or rough > 1e12:
        return math.ceil(rough - 1e-9)

    def keeps(n: FloatArray) -> BoolArray:
        return has_cut(model, n, size, beta)

    return first_n(keeps, rough)


def sufficient_n(design: Design) -> int | None:
    """Return an n at which deciding by the design's own rule, without earlier looks, keeps both error rates."""
    model, beta = design.model, design.beta
    if beta is None or type(model) not in TAILS or not isinstance(model, LinearFamily):
        return None
    if design.at_limit == "midpoint":
        return fixed_sample_size(model, design.alpha, beta, alternative=design.alternative)
    line = model.ratio.first

    def keeps(n: FloatArray) -> BoolArray:
        cut = -line.drift * n / line.slope
        errors = error_pair(model, n, cut)
        return (errors[0] <= design.alpha * TIE) & (errors[1] <= beta * TIE)

    low, high = model.drifts()
    z = max(float(-ndtri(design.alpha)), float(-ndtri(beta)), 0.0)
    return first_n(keeps, 8.0 * z * z / max(high - low, 1e-300) + 1.0, scan=False)


def normal_size(model: Family, alpha: float, beta: float) -> float:
    """Return the sample size of the normal approximation: exact (before rounding up) for a normal mean."""
    low, high = model.drifts()
    z = float(-ndtri(alpha) - ndtri(beta))
    return max(z * z / max(high - low, 1e-300), 1.0)


def first_n(keeps: Callable[[FloatArray], BoolArray], rough: float, *, scan: bool = True) -> int:
    """Return the first n that keeps both error rates, found near a rough value."""
    if not scan or rough > SCANNED:
        low, high = 0, max(1, math.ceil(rough))
        while high <= 1e15 and not keeps(np.array([float(high)]))[0]:
            low, high = high, 2 * high
        if high > 1e15:
            raise DesignError("no sample size below 10^15 keeps both error rates")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if keeps(np.array([float(middle)]))[0] else (middle, high)
        return high
    begin = 1
    while True:
        n = np.arange(begin, begin + CHUNK, dtype=np.float64)
        found = keeps(n)
        if found.any():
            return int(n[np.argmax(found)])
        begin += CHUNK
        if begin > 1e9:
            raise DesignError("no sample size below 10^9 keeps both error rates")


def has_cut(model: Family, n: FloatArray, alpha: float, beta: float) -> BoolArray:
    """Return, for each n, whether the extremest cut that keeps alpha keeps beta too."""
    if not model.is_lattice:
        return continuous_has_cut(model, n, alpha, beta)
    rising = model.h1 > model.h0
    low, high = np.full(n.shape, -1.0), np.maximum(n, 1.0)
    while True:  # an upper end far enough out
        unsure = tail_above(model, model.h0, n, high) > min(alpha, 1.0 - alpha) * 1e-3
        if not unsure.any():
            break
        high = np.where(unsure, 2.0 * high + 16.0, high)
    while (high - low > 1.0).any():  # the least c with P0(T > c) <= alpha, or the last with P0(T <= c) <= alpha
        middle = np.floor(0.5 * (low + high))
        above = tail_above(model, model.h0, n, middle)
        to_high = above <= alpha * TIE if rising else tail_up_to(model, model.h0, n, middle) > alpha * TIE
        low, high = np.where(to_high, low, middle), np.where(to_high, middle, high)
    cut = high if rising else low
    missed = tail_up_to(model, model.h1, n, cut) if rising else tail_above(model, model.h1, n, cut)
    result: BoolArray = missed <= beta * TIE
    return result


def continuous_has_cut(model: Family, n: FloatArray, alpha: float, beta: float) -> BoolArray:
    """Return, for each n, whether a cut keeps both error rates of a continuous statistic."""
    if isinstance(model, Exponential):
        low, high = np.zeros(n.shape), n * (4.0 + 40.0 / np.sqrt(n)) / model.h0 * max(1.0, -math.log(alpha))
        for _ in range(200):
            middle = 0.5 * (low + high)
            error = (
                tail_up_to(model, model.h0, n, middle)
                if model.h1 > model.h0
                else tail_above(model, model.h0, n, middle)
            )
            grow = (error <= alpha) == (model.h1 > model.h0)
            low, high = np.where(grow, middle, low), np.where(grow, high, middle)
        cut = 0.5 * (low + high)
        missed = tail_above(model, model.h1, n, cut) if model.h1 > model.h0 else tail_up_to(model, model.h1, n, cut)
        exponential: BoolArray = missed <= beta * (1.0 + 1e-12)
        return exponential
    information = n if isinstance(model, Normal) else np.floor(n / 2.0) * np.ceil(n / 2.0) / n
    sd = model.sd  # type: ignore[attr-defined]  # the two normal families
    needed = float(-ndtri(alpha) - ndtri(beta))
    result: BoolArray = np.sqrt(information) * abs(model.h1 - model.h0) / sd >= needed * (1.0 - 1e-12)
    return result


def error_pair(model: LinearFamily, n: FloatArray, cut: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return alpha and beta of the test that accepts H1 where the log-likelihood ratio is above 0."""
    if model.line(model.h1).slope > 0:
        cut = np.floor(cut + 1e-9) if model.is_lattice else cut
        return tail_above(model, model.h0, n, cut), tail_up_to(model, model.h1, n, cut)
    below = np.ceil(cut - 1e-9) - 1.0 if model.is_lattice else cut
    return tail_up_to(model, model.h0, n, below), tail_above(model, model.h1, n, below)


def tail_above(model: Family, theta: float, n: FloatArray, t: FloatArray) -> FloatArray:
    """Return P(T_n > t)."""
    return TAILS[type(model)](model, theta, n, t)[0]


def tail_up_to(model: Family, theta: float, n: FloatArray, t: FloatArray) -> FloatArray:
    """Return P(T_n <= t)."""
    return TAILS[type(model)](model, theta, n, t)[1]


Tails = Callable[[Family, float, FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def binomial_tails(model: Family, theta: float, n: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both tails of a number of successes."""
    p = probability(theta) if isinstance(model, PairedBernoulli) else theta
    inside, size = np.clip(t, 0.0, n), n.astype(np.int64)
    above, up_to = bdtrc(inside, size, p), bdtr(inside, size, p)
    return np.where(t < 0.0, 1.0, above), np.where(t < 0.0, 0.0, up_to)


def poisson_tails(model: Family, theta: float, n: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG001 - as the others
    """Return both tails of a Poisson sum."""
    inside = np.maximum(t, 0.0)
    above, up_to = pdtrc(inside, n * theta), pdtr(inside, n * theta)
    return np.where(t < 0.0, 1.0, above), np.where(t < 0.0, 0.0, up_to)


def negative_binomial_tails(model: Family, theta: float, n: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both tails of a negative binomial sum."""
    assert isinstance(model, NegativeBinomial)  # noqa: S101 - the table below says so
    k = model.dispersion
    p, inside = k / (k + theta), np.maximum(t, 0.0) + 1.0
    above, up_to = betaincc(n * k, inside, p), betainc(n * k, inside, p)
    return np.where(t < 0.0, 1.0, above), np.where(t < 0.0, 0.0, up_to)


def exponential_tails(model: Family, theta: float, n: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG001 - as the others
    """Return both tails of a sum of waiting times."""
    return gammaincc(n, theta * np.maximum(t, 0.0)), gammainc(n, theta * np.maximum(t, 0.0))


def normal_tails(model: Family, theta: float, n: FloatArray, t: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both tails of a sum of deviations from the null."""
    assert isinstance(model, Normal)  # noqa: S101 - the table below says so
    z = (t - n * (theta - model.h0)) / (model.sd * np.sqrt(n))
    return ndtr(-z), ndtr(z)


TAILS: Final[dict[type[Family], Tails]] = {
    Bernoulli: binomial_tails,
    PairedBernoulli: binomial_tails,
    Poisson: poisson_tails,
    NegativeBinomial: negative_binomial_tails,
    Exponential: exponential_tails,
    Normal: normal_tails,
}
