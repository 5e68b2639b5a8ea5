"""Wald's and Siegmund's approximations of the operating characteristic and the expected n, beside the exact figures.

Wald lets the walk end on the lines; Siegmund moves the lines out by the mean overshoot. Both are for tests without a
limit, tested at every n.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from sprt.arrays import FloatArray, parameters
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.base import Family, LinearFamily
from sprt.families.bernoulli import Bernoulli
from sprt.families.exponential import Exponential
from sprt.families.negative_binomial import NegativeBinomial
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli, probability
from sprt.families.poisson import Poisson
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.law import law_of
from sprt.nystrom import RHO

FLAT: Final = 1e-6  # |h| below which the limit h -> 0 is used
FAR: Final = 20.0  # a line the walk reaches with probability e^-20
NEAR_LINE: Final = 6.0  # far enough from the start for the overshoot to have settled


@dataclass(frozen=True, slots=True)
class Approximation:
    """An approximate operating characteristic and expected n, in the shape of theta."""

    p_accept_h1: FloatArray
    p_accept_h0: FloatArray
    mean_n: FloatArray


def wald_characteristics(design: Design, theta: ArrayLike) -> Approximation:
    """Return P(accept H1), P(accept H0) and expected n in Wald's approximation, no overshoot.

    `P(accept H0) = (e^{hb} - 1) / (e^{hb} - e^{ha})` where h is the root of `E e^{hz} = 1`.

    Raises
    ------
    DesignError
        If the design is two-sided, lacks a line, or its family has no such root in closed form.

    References
    ----------
    Wald, A. (1947). Sequential Analysis. Wiley. Chapter 3.
    """
    return approximate(design, theta, 0.0, 0.0)


def siegmund_characteristics(design: Design, theta: ArrayLike) -> Approximation:
    """Return what `wald_characteristics` returns for lines moved out by the mean overshoot.

    For the normal that is 0.5826 standard deviations of a step; for other families it is computed.

    References
    ----------
    Siegmund, D. (1985). Sequential Analysis. Springer. Chapter III.
    """
    below, above = overshoots(design)
    return approximate(design, theta, below, above)


def approximate(design: Design, theta: ArrayLike, below: float, above: float) -> Approximation:
    """Return Wald's approximation with the lines moved out."""
    model = design.model
    if design.is_two_sided or not isinstance(model, LinearFamily) or type(model) not in CUMULANTS:
        raise DesignError(
            f"model: {model.name} {design.alternative} given, a one-sided family with independent steps is allowed"
        )
    if not (math.isfinite(design.lower) and math.isfinite(design.effective_upper)):
        raise DesignError("boundaries: a lower and an upper line are needed for this approximation")
    a, b = design.lower - below, design.effective_upper + above
    values = parameters(theta)
    model.check_theta(values)
    rows = [wald_row(model, float(value), a, b) for value in values.ravel()]
    h1, mean = (np.array(column).reshape(values.shape) for column in zip(*rows, strict=True))
    return Approximation(h1, 1.0 - h1, mean)


def wald_row(model: LinearFamily, theta: float, a: float, b: float) -> tuple[float, float]:
    """Return P(accept H1) and expected n at one theta."""
    drift, variance = moments(model, theta)
    h = exponent(model, theta)
    if abs(h) < FLAT:
        return -a / (b - a), -a * b / variance
    # (1 - e^{ha}) / (e^{hb} - e^{ha}), divided by whichever power is large
    if h > 0.0:
        accepted = math.expm1(h * a) / math.expm1(h * (a - b)) * math.exp(-h * b)
    else:
        accepted = math.expm1(-h * a) / math.expm1(-h * (a - b))
    return accepted, (accepted * b + (1.0 - accepted) * a) / drift


def moments(model: LinearFamily, theta: float) -> tuple[float, float]:
    """Return mean and variance of one step."""
    line = model.ratio.first
    mean, variance = CUMULANTS[type(model)](model, theta, 0.0)[1:]
    return line.slope * mean + line.drift, line.slope**2 * variance


def exponent(model: LinearFamily, theta: float) -> float:
    """Return the root h != 0 of E e^{hz} = 1, or 0 where the mean step vanishes."""
    line, cumulant = model.ratio.first, CUMULANTS[type(model)]
    drift, variance = moments(model, theta)
    if variance == 0.0:
        return -math.copysign(math.inf, drift) if drift else 0.0

    def value(h: float) -> float:
        return h * line.drift + cumulant(model, theta, h * line.slope)[0]

    guess = -2.0 * drift / variance
    if abs(guess) < FLAT:
        return 0.0
    # convex, 0 at 0, with the sign of the drift as its slope there: the other root lies on the other side
    near, far = 0.5 * guess, guess
    while value(near) > 0.0:
        near *= 0.5
        if abs(near) < 1e-9 * abs(guess):
            return 0.0
    while value(far) < 0.0:
        far *= 2.0
        if abs(far) > 1e9:
            return far
    return float(brentq(value, near, far, xtol=1e-15 * abs(far), rtol=1e-14))


def overshoots(design: Design) -> tuple[float, float]:
    """Return the mean overshoot of the lower line under H0 and of the upper line under H1, far from the start.

    For a normal step Siegmund's 0.5826 standard deviations; for other families by Wald's identity,
    `E L = E N E z`, from the exact expected n to a far line.
    """
    model = design.model
    low, high = model.drifts()
    if isinstance(model, Normal | TwoArmNormal) or not model.has_exact_law:
        sigma = math.sqrt(high - low)
        return RHO * sigma, RHO * sigma
    plain = Design(model, 0.01, 0.01, thresholds=(-FAR, FAR))
    result = []
    for theta, lines, drift, distance in (
        (model.h0, (-NEAR_LINE, FAR), low, -NEAR_LINE),
        (model.h1, (-FAR, NEAR_LINE), high, NEAR_LINE),
    ):
        law = law_of(plain, np.array([theta]), lines=lines, levels=())
        result.append(max(abs(float(law.mean_n[0]) * drift - distance), 0.0))
    return result[0], result[1]


Cumulants: TypeAlias = tuple[float, float, float]  # log E e^{sT}, E T and var T of one observation's statistic


def bernoulli_cumulants(model: Family, theta: float, s: float) -> Cumulants:
    """Return log(1 - p + p e^s) and the moments."""
    p = probability(theta) if isinstance(model, PairedBernoulli) else theta
    if p in (0.0, 1.0):
        return p * s, p, 0.0
    return float(np.logaddexp(math.log1p(-p), math.log(p) + s)), p, p * (1.0 - p)


def poisson_cumulants(model: Family, theta: float, s: float) -> Cumulants:  # noqa: ARG001 - as the others
    """Return rate (e^s - 1) and the moments."""
    return theta * math.expm1(min(s, 700.0)), theta, theta


def negative_binomial_cumulants(model: Family, theta: float, s: float) -> Cumulants:
    """Return -k log(1 - m/k (e^s - 1)), inf beyond its pole, and the moments."""
    assert isinstance(model, NegativeBinomial)  # noqa: S101 - the table below says so
    k = model.dispersion
    rest = 1.0 - theta / k * math.expm1(min(s, 700.0))
    return (-k * math.log(rest) if rest > 0.0 else math.inf), theta, theta + theta * theta / k


def normal_cumulants(model: Family, theta: float, s: float) -> Cumulants:
    """Return those of a deviation from the null."""
    assert isinstance(model, Normal)  # noqa: S101 - the table below says so
    shift, variance = theta - model.h0, model.sd**2
    return shift * s + 0.5 * variance * s * s, shift, variance


def exponential_cumulants(model: Family, theta: float, s: float) -> Cumulants:  # noqa: ARG001 - as the others
    """Return -log(1 - s / rate), inf beyond its pole, and the moments."""
    return (-math.log1p(-s / theta) if s < theta else math.inf), 1.0 / theta, 1.0 / theta**2


CUMULANTS: Final[dict[type[Family], Callable[[Family, float, float], Cumulants]]] = {
    Bernoulli: bernoulli_cumulants,
    PairedBernoulli: bernoulli_cumulants,
    Poisson: poisson_cumulants,
    NegativeBinomial: negative_binomial_cumulants,
    Normal: normal_cumulants,
    Exponential: exponential_cumulants,
}
