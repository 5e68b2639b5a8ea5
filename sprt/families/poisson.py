"""Poisson counts, one per observation: their rate. The LLR is derived from the integers (n, S)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from scipy.special import pdtr

from sprt.arrays import ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import log_quotient, require_different, require_finite, require_usable
from sprt.families.counting import CountFamily, is_count, law_from_quotients, require_short
from sprt.ratio import Line

LARGEST_RATE: Final = 1e8


@dataclass(frozen=True)
class Poisson(CountFamily):
    """The expected count per observation is `rate0` under H0 and `rate1` under H1."""

    rate0: float
    rate1: float

    name: ClassVar[str] = "poisson"
    parameter: ClassVar[str] = "rate"

    def __post_init__(self) -> None:
        require_finite(rate0=self.rate0, rate1=self.rate1)
        for name, rate in (("rate0", self.rate0), ("rate1", self.rate1)):
            if not 1e-100 <= rate <= LARGEST_RATE:
                raise DesignError(f"{name}: {rate!r} given, a positive number up to {LARGEST_RATE:g} is allowed")
        require_different("rate", self.rate0, self.rate1)
        require_usable(self.line(self.rate1), "rate1")

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.rate0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.rate1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return self.h0 * (self.h0 / self.h1)

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not ((theta >= 0.0) & (theta <= LARGEST_RATE)).all():
            raise DesignError(f"theta: {theta!r:.80} given, rates from 0 to {LARGEST_RATE:g} are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        return is_count(xs)

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        # z = x log(l1/l0) - (l1 - l0)
        return Line(slope=log_quotient(theta, self.rate0, theta - self.rate0), drift=self.rate0 - theta)

    def increment(self, theta: float) -> tuple[int, FloatArray]:  # noqa: D102 - as in CountFamily
        if theta == 0.0:
            return 0, np.ones(1)
        reach = 12.0 * math.sqrt(theta) + 80.0
        low, high = max(0, math.floor(theta - reach)), math.ceil(theta + reach)
        require_short(high - low)
        x = np.arange(low, high, dtype=np.float64)
        return law_from_quotients(math.floor(theta), low, math.log(theta) - np.log(x + 1.0))

    def sum_up_to(self, theta: float, x: FloatArray, counts: FloatArray) -> FloatArray:  # noqa: D102 - as in CountFamily
        result: FloatArray = pdtr(x, theta * counts)
        return result

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return theta

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        return rng.poisson(theta, shape).astype(np.float64)
