"""Normal observations with known standard deviation: their mean."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sprt.arrays import LARGEST, ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import ExponentialFamily, require_different, require_finite, require_usable
from sprt.ratio import Line


@dataclass(frozen=True)
class Normal(ExponentialFamily):
    """The mean is `mean0` under H0 and `mean1` under H1; the standard deviation `sd` is known."""

    mean0: float
    mean1: float
    sd: float = 1.0

    name: ClassVar[str] = "normal"
    parameter: ClassVar[str] = "mean"
    support: ClassVar[str] = f"a finite number of magnitude at most {LARGEST:g}"

    def __post_init__(self) -> None:
        require_finite(mean0=self.mean0, mean1=self.mean1, sd=self.sd)
        if self.sd <= 0.0:
            raise DesignError(f"sd: {self.sd!r} given, a positive number is allowed")
        require_different("mean", self.mean0, self.mean1)
        for name, mean in (("mean0", self.mean0), ("mean1", self.mean1)):
            if abs(mean) > LARGEST:
                raise DesignError(f"{name}: {mean!r} given, a magnitude of at most {LARGEST:g} is allowed")
        require_usable(self.line(self.mean1), "mean1")

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.mean0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.mean1)

    @property
    def centre(self) -> float:  # noqa: D102 - as in ExponentialFamily
        return float(self.mean0)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return 2.0 * self.h0 - self.h1

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not (np.abs(theta) <= LARGEST).all():
            raise DesignError(f"theta: {theta!r:.80} given, means of magnitude at most {LARGEST:g} are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        result: BoolArray = np.abs(xs) <= LARGEST
        return result

    def allows(self, x: float) -> bool:  # noqa: D102 - as in ExponentialFamily
        return abs(x) <= LARGEST

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        # z is (theta - mean0)/sd^2 times the distance of x from the midpoint of both means
        shift = (theta - self.mean0) / self.sd
        return Line(slope=shift / self.sd, drift=-0.5 * shift * shift)

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return theta - self.mean0

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        return rng.normal(theta, self.sd, shape)
