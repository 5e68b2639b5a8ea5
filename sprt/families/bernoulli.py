"""Bernoulli observations, 0 or 1: probability of a 1. The LLR is derived from the integers (n, S)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sprt.arrays import ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import ExponentialFamily, log_quotient, require_different, require_finite, require_usable
from sprt.ratio import Line


def log_odds(p: float) -> float:
    """Return the natural parameter of a probability strictly between 0 and 1."""
    return math.log(p) - math.log1p(-p)


def expit(log_odds_: float) -> float:
    """Return the probability with the given log odds, without overflow."""
    if log_odds_ >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds_))
    e = math.exp(log_odds_)
    return e / (1.0 + e)


@dataclass(frozen=True)
class Bernoulli(ExponentialFamily):
    """The probability of a 1 is `p0` under H0 and `p1` under H1, both strictly between 0 and 1."""

    p0: float
    p1: float

    name: ClassVar[str] = "bernoulli"
    parameter: ClassVar[str] = "p"
    support: ClassVar[str] = "0 or 1"
    is_lattice: ClassVar[bool] = True
    integer: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_finite(p0=self.p0, p1=self.p1)
        for name, p in (("p0", self.p0), ("p1", self.p1)):
            if not 0.0 < p < 1.0:
                raise DesignError(f"{name}: {p!r} given, a probability strictly between 0 and 1 is allowed")
        require_different("p", self.p0, self.p1)
        require_usable(self.line(self.p1), "p1")

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.p0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.p1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        mirror = expit(2.0 * log_odds(self.p0) - log_odds(self.p1))
        if not 1e-300 < mirror < 1.0 or mirror == self.p0:
            raise DesignError(
                f"alternative: 'two_sided' given, but p1 = {self.p1!r} has no mirror image about {self.p0!r}"
            )
        return mirror

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not ((theta >= 0.0) & (theta <= 1.0)).all():
            raise DesignError(f"theta: {theta!r:.80} given, probabilities from 0 to 1 are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        result: BoolArray = (xs == 0.0) | (xs == 1.0)
        return result

    def allows(self, x: float) -> bool:  # noqa: D102 - as in ExponentialFamily
        return x in (0.0, 1.0)

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        # z = x log(p1/p0) + (1-x) log((1-p1)/(1-p0)), written as slope x + drift
        success = log_quotient(theta, self.p0, theta - self.p0)
        failure = log_quotient(1.0 - theta, 1.0 - self.p0, self.p0 - theta)
        return Line(slope=success - failure, drift=failure)

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return theta

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        return (rng.random(shape) < theta).astype(np.float64)
