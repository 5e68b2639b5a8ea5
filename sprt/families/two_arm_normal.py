"""Two arms of normal observations with known common standard deviation: the difference of their means, b - a.

With n_a and n_b observations the information is `n_a n_b / ((n_a + n_b) sd^2)`, for any allocation that does not look
at the values; information times the difference is a Brownian motion in it. Planned figures take a and b in turn.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sprt.arrays import LARGEST, ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import (
    LinearFamily,
    Statistics,
    Walk,
    numbered,
    opposite,
    require_different,
    require_finite,
    require_usable,
)
from sprt.ratio import Line
from sprt.state import State


@dataclass(frozen=True)
class TwoArmNormal(LinearFamily):
    """Mean of arm b less mean of arm a is `difference0` under H0 and `difference1` under H1."""

    difference0: float
    difference1: float
    sd: float = 1.0

    name: ClassVar[str] = "two_arm_normal"
    parameter: ClassVar[str] = "difference"
    support: ClassVar[str] = f"a finite number of magnitude at most {LARGEST:g} in arm a or b"
    has_arms: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_finite(difference0=self.difference0, difference1=self.difference1, sd=self.sd)
        if not 1e-50 <= self.sd <= LARGEST:
            raise DesignError(f"sd: {self.sd!r} given, a positive number from 1e-50 to {LARGEST:g} is allowed")
        require_different("difference", self.difference0, self.difference1)
        for name, value in (("difference0", self.difference0), ("difference1", self.difference1)):
            if abs(value) > 1e50:
                raise DesignError(f"{name}: {value!r} given, a magnitude of at most 1e50 is allowed")
        shift = (self.difference1 - self.difference0) / self.sd
        require_usable(Line(shift / self.sd, -0.5 * shift * shift), "difference1")

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.difference0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.difference1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return 2.0 * self.h0 - self.h1

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not (np.abs(theta) <= LARGEST).all():
            raise DesignError(f"theta: {theta!r:.80} given, differences of magnitude at most {LARGEST:g} are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - any arm; as in Family
        result: BoolArray = np.abs(xs) <= LARGEST
        return result

    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Return n_a, n_b; the first observation, and the sums of both arms about it."""
        return (0, 0), (0.0, 0.0, 0.0)

    def line(self, theta: float) -> Line:
        """Return the ratio in the score `information (difference - difference0)` and the information, sd taken out."""
        shift = theta - self.difference0
        return Line(slope=shift, drift=-0.5 * shift * shift)

    def side(self, state: State) -> str:  # noqa: D102 - as in Family
        t, v = self.score(np.array(state.counts[0]), np.array(state.counts[1]), *map(np.array, state.sums[1:]))
        return self.direction if self.mixture.favours_first(float(t), float(v)) else opposite(self.direction)

    def score(
        self, n_a: FloatArray, n_b: FloatArray, sum_a: FloatArray, sum_b: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return information times (difference - difference0), and the information."""
        scale = (n_a + n_b) * (self.sd * self.sd)
        information = n_a * n_b / scale
        return (n_a * sum_b - n_b * sum_a) / scale - self.difference0 * information, information

    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:  # noqa: D102 - as in Family
        assert arms is not None  # noqa: S101 - the reader of batches has seen to it
        first = state.sums[0] if state.n else float(xs[0])
        deviations = xs - first
        counts, sums = [], []
        for arm in (0, 1):
            mine = arms == arm
            counts.append(state.counts[arm] + np.cumsum(mine).astype(np.float64))
            sums.append(np.cumsum(np.concatenate(([state.sums[1 + arm]], np.where(mine, deviations, 0.0))))[1:])
        t, information = self.score(counts[0], counts[1], sums[0], sums[1])
        ratio = self.ratio_for(two_sided=two_sided)
        n = numbered(state.n, xs.shape[0])

        def at(k: int) -> Statistics:
            return (
                state.n + k + 1,
                (int(counts[0][k]), int(counts[1][k])),
                (first, float(sums[0][k]), float(sums[1][k])),
                "",
            )

        return Walk(ratio.llr(t, information), n, at)

    def mean_statistic(self, theta: float) -> float:
        """Return it for a and b in turn, in the long run."""
        return 0.25 * (theta - self.difference0) / self.sd**2

    def drifts(self) -> tuple[float, float]:
        """Return the mean steps for a and b in turn: an observation adds a quarter of its precision in the long run."""
        step = 0.125 * ((self.difference1 - self.difference0) / self.sd) ** 2
        return -step, step

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        values = rng.normal(0.0, self.sd, shape)
        values[:, 1::2] += theta
        return values
