"""Exponential waiting times: their rate."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sprt.arrays import LARGEST, ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import ExponentialFamily, log_quotient, require_different, require_finite, require_usable
from sprt.ratio import Line


@dataclass(frozen=True)
class Exponential(ExponentialFamily):
    """The rate (one over the mean waiting time) is `rate0` under H0 and `rate1` under H1."""

    rate0: float
    rate1: float

    name: ClassVar[str] = "exponential"
    parameter: ClassVar[str] = "rate"
    support: ClassVar[str] = f"a number from 0 to {LARGEST:g}"

    def __post_init__(self) -> None:
        require_finite(rate0=self.rate0, rate1=self.rate1)
        for name, rate in (("rate0", self.rate0), ("rate1", self.rate1)):
            if not 1e-100 <= rate <= 1e100:
                raise DesignError(f"{name}: {rate!r} given, a positive number from 1e-100 to 1e100 is allowed")
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
        if not ((theta >= 1e-100) & (theta <= 1e100)).all():
            raise DesignError(f"theta: {theta!r:.80} given, positive rates from 1e-100 to 1e100 are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        result: BoolArray = (xs >= 0.0) & (xs <= LARGEST)
        return result

    def allows(self, x: float) -> bool:  # noqa: D102 - as in ExponentialFamily
        return 0.0 <= x <= LARGEST

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        # z = log(l1/l0) - (l1 - l0) x
        return Line(slope=self.rate0 - theta, drift=log_quotient(theta, self.rate0, theta - self.rate0))

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return 1.0 / theta

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        return rng.exponential(1.0 / theta, shape)
