"""Negative binomial counts with known dispersion: their mean. The LLR is derived from the integers (n, S)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from scipy.special import betainc

from sprt.arrays import ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import log_quotient, require_different, require_finite, require_usable
from sprt.families.counting import CountFamily, is_count, law_from_quotients, require_short
from sprt.ratio import Line

LARGEST_MEAN: Final = 1e7


@dataclass(frozen=True)
class NegativeBinomial(CountFamily):
    """The mean count is `mean0` under H0 and `mean1` under H1; the variance is `m + m^2 / dispersion`."""

    mean0: float
    mean1: float
    dispersion: float

    name: ClassVar[str] = "negative_binomial"
    parameter: ClassVar[str] = "mean"

    def __post_init__(self) -> None:
        require_finite(mean0=self.mean0, mean1=self.mean1, dispersion=self.dispersion)
        for name, mean in (("mean0", self.mean0), ("mean1", self.mean1)):
            if not 1e-100 <= mean <= LARGEST_MEAN:
                raise DesignError(f"{name}: {mean!r} given, a positive number up to {LARGEST_MEAN:g} is allowed")
        if not 1e-6 <= self.dispersion <= 1e9:
            raise DesignError(f"dispersion: {self.dispersion!r} given, a number from 1e-6 to 1e9 is allowed")
        require_different("mean", self.mean0, self.mean1)
        require_usable(self.line(self.mean1), "mean1")

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.mean0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.mean1)

    def mirrored(self) -> float:
        """Return the mirror image of h1 about h0 on the log scale of the mean."""
        return self.h0 * (self.h0 / self.h1)

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not ((theta >= 0.0) & (theta <= LARGEST_MEAN)).all():
            raise DesignError(f"theta: {theta!r:.80} given, means from 0 to {LARGEST_MEAN:g} are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        return is_count(xs)

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        # z = x [log(m1/m0) - log((m1+k)/(m0+k))] - k log((m1+k)/(m0+k))
        k, difference = self.dispersion, theta - self.mean0
        total = log_quotient(theta + k, self.mean0 + k, difference)
        return Line(slope=self._slope(theta, difference, total), drift=-k * total)

    def _slope(self, theta: float, difference: float, total: float) -> float:
        # m1 (m0+k) / (m0 (m1+k)) = 1 + k (m1-m0) / (m0 (m1+k)); accurate where the quotient is near 1
        odds = self.dispersion * difference / (self.mean0 * (theta + self.dispersion))
        if abs(odds) < 0.5:
            return math.log1p(odds)
        return log_quotient(theta, self.mean0, difference) - total

    def increment(self, theta: float) -> tuple[int, FloatArray]:  # noqa: D102 - as in CountFamily
        if theta == 0.0:
            return 0, np.ones(1)
        k = self.dispersion
        log_q = -math.log1p(k / theta)  # log of theta / (theta + k)
        sd = math.sqrt(theta + theta * theta / k)
        mode = max(0, math.floor((k - 1.0) * theta / k))
        low, high = (
            max(0, math.floor(mode - 12.0 * sd - 80.0)),
            math.ceil(mode + min(12.0 * sd, 64.0 / -log_q) + 80.0 - 64.0 / log_q),
        )
        require_short(high - low)
        x = np.arange(low, high, dtype=np.float64)
        return law_from_quotients(mode, low, np.log(x + k) - np.log(x + 1.0) + log_q)

    def sum_up_to(self, theta: float, x: FloatArray, counts: FloatArray) -> FloatArray:  # noqa: D102 - as in CountFamily
        k = self.dispersion
        some = np.where(counts > 0.0, counts * k, 1.0)
        return np.where(counts > 0.0, betainc(some, x + 1.0, k / (k + theta)), 1.0)

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return theta

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        return rng.poisson(rng.gamma(self.dispersion, theta / self.dispersion, shape)).astype(np.float64)
