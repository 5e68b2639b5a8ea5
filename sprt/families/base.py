"""What a family of distributions offers to the rest of the package.

A family knows its two hypotheses, its support, its sufficient statistic and how a batch of observations moves it. It
knows nothing of thresholds. Lattice families keep integers, continuous ones sum strictly left to right, so any split
of the observations into batches gives the same bits.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np

from sprt.arrays import ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.ratio import Line, Ratio
from sprt.state import State

# n, integer statistics, real statistics, and what waits for a partner
Statistics: TypeAlias = tuple[int, tuple[int, ...], tuple[float, ...], str]


@dataclass(slots=True)
class Walk:
    """A batch of the walk: after each observation its LLR and its n, and the statistics at any of them."""

    llr: FloatArray
    n: Callable[[], FloatArray]
    at: Callable[[int], Statistics]


class Family(ABC):
    """Two simple hypotheses of one family of distributions."""

    name: ClassVar[str]
    parameter: ClassVar[str]  # name of the parameter under test, as in the class's own fields without the digit
    support: ClassVar[str]  # the values allowed, in words
    has_arms: ClassVar[bool] = False
    is_lattice: ClassVar[bool] = False
    has_exact_law: ClassVar[bool] = True  # a recursion or a quadrature gives the law of the stopping time
    has_two_sided: ClassVar[bool] = True
    p_kind: ClassVar[str] = "always-valid p of a simple likelihood ratio (Ville's inequality)"
    has_p_rule: ClassVar[bool] = True

    @property
    @abstractmethod
    def h0(self) -> float:
        """The parameter under the null hypothesis."""

    @property
    @abstractmethod
    def h1(self) -> float:
        """The parameter under the alternative."""

    @property
    def direction(self) -> str:
        """`greater` if h1 lies above h0, else `less`."""
        return "greater" if self.h1 > self.h0 else "less"

    @abstractmethod
    def mirrored(self) -> float:
        """Return the mirror image of h1 about h0 on the natural scale."""

    @abstractmethod
    def check_theta(self, theta: FloatArray) -> None:
        """Raise DesignError for parameter values outside the family's space."""

    @abstractmethod
    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:
        """Return for each value whether the hypotheses could have produced it."""

    def acceptable(self, state: State, xs: FloatArray, arms: ArmArray | None) -> BoolArray:  # noqa: ARG002 - only pairs wait
        """Return for each value whether the walk at `state` can take it, those refused being left out."""
        return self.supports(xs, arms)

    def refusal(self, x: float) -> str:
        """Return what was given, in words, for a value that was refused."""
        return f"{x!r} given"

    def side(self, state: State) -> str:  # noqa: ARG002 - only two-sided walks have a side of their own
        """Return the side of h0, `greater` or `less`, on which the larger likelihood lies."""
        return self.direction

    @abstractmethod
    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Return the integer and real statistics before the first observation."""

    @abstractmethod
    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:
        """Return the walk over a batch of at least one supported observation."""

    @abstractmethod
    def drifts(self) -> tuple[float, float]:
        """Return the mean step of the one-sided walk under H0 and under H1, in nats per n."""

    @abstractmethod
    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
        """Return observations drawn at `theta`; families with arms draw a and b in turn along the last axis."""


class LinearFamily(Family):
    """A family with `L = B t + A v`: t the sufficient statistic, v the number of observations or the information."""

    @abstractmethod
    def line(self, theta: float) -> Line:
        """Return the likelihood ratio of `theta` against h0."""

    @abstractmethod
    def mean_statistic(self, theta: float) -> float:
        """Return how much one observation adds to the statistic on average."""

    def drifts(self) -> tuple[float, float]:  # noqa: D102 - as in Family
        line = self.ratio.first
        low, high = (line.slope * self.mean_statistic(theta) + line.drift for theta in (self.h0, self.h1))
        return low, high

    @cached_property
    def ratio(self) -> Ratio:
        """The likelihood ratio of h1 against h0."""
        return Ratio(self.line(self.h1))

    @cached_property
    def mixture(self) -> Ratio:
        """The two-sided likelihood ratio: the equal mixture of h1 and its mirror image against h0."""
        mirror = self.mirrored()
        self.check_theta(np.array([mirror]))
        line = self.line(mirror)
        require_usable(line, "alternative")
        return Ratio(self.line(self.h1), line)

    def ratio_for(self, *, two_sided: bool) -> Ratio:
        """Return the likelihood ratio of a design with this alternative."""
        return self.mixture if two_sided else self.ratio


class ExponentialFamily(LinearFamily):
    """A family with `L_n = B T_n + A n`, where T_n is the sum of `x - centre`."""

    integer: ClassVar[bool] = False

    @property
    def centre(self) -> float:
        """What is taken off each observation before summing."""
        return 0.0

    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:  # noqa: D102 - as in Family
        return ((0,), ()) if self.integer else ((), (0.0,))

    @abstractmethod
    def allows(self, x: float) -> bool:
        """Return what `supports` returns, for one number."""

    def side(self, state: State) -> str:  # noqa: D102 - as in Family
        t = float(state.counts[0] if self.integer else state.sums[0])
        return self.direction if self.mixture.favours_first(t, state.n) else opposite(self.direction)

    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:  # noqa: ARG002, D102 - one arm; as in Family
        ratio = self.ratio_for(two_sided=two_sided)
        if self.integer:  # a running sum of integers takes a third of the time of one of floats
            t = np.cumsum(xs.astype(np.int64)).astype(np.float64)
            if state.counts[0]:
                t += state.counts[0]
        else:
            totals = np.empty(xs.shape[0] + 1)
            totals[0] = state.sums[0]
            np.subtract(xs, self.centre, out=totals[1:])
            t = np.cumsum(totals, out=totals)[1:]  # strictly left to right, the carried total first
        before, n = state.n, numbered(state.n, xs.shape[0])
        if self.integer:
            return Walk(ratio.llr(t, n()), n, lambda k: (before + k + 1, (int(t[k]),), (), ""))
        return Walk(ratio.llr(t, n()), n, lambda k: (before + k + 1, (), (float(t[k]),), ""))


def numbered(n: int, size: int) -> Callable[[], FloatArray]:
    """Return what makes the n of a batch, one for each observation: an array that its user may overwrite."""
    return lambda: np.arange(n + 1, n + size + 1, dtype=np.float64)


def opposite(direction: str) -> str:
    """Return `less` for `greater`, and the other way round."""
    return "less" if direction == "greater" else "greater"


def log_quotient(numerator: float, denominator: float, difference: float) -> float:
    """Return log(numerator / denominator), accurate also where both nearly agree.

    `difference` is numerator - denominator, which the caller can often form without rounding.
    """
    if 0.5 * denominator < numerator < 2.0 * denominator:
        return math.log1p(difference / denominator)
    return math.log(numerator) - math.log(denominator)


def require_finite(**values: float) -> None:
    """Raise DesignError unless every named value is a finite number."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise DesignError(f"{name}: {value!r} given, a finite number is allowed")
        if not math.isfinite(value):
            raise DesignError(f"{name}: {value!r} given, a finite number is allowed")


def require_different(name: str, value0: float, value1: float) -> None:
    """Raise DesignError if the hypotheses coincide."""
    if value0 == value1:
        raise DesignError(f"{name}1: {value1!r} given, a value different from {name}0 is allowed")


def require_usable(line: Line, name: str) -> None:
    """Raise DesignError if floats cannot tell the hypotheses apart, or their ratio is out of range."""
    if line.slope == 0.0 or not (math.isfinite(line.slope) and math.isfinite(line.drift)) or abs(line.slope) > 1e100:
        raise DesignError(
            f"{name}: hypotheses too close or too far apart for floating point "
            f"(one observation moves the log-likelihood ratio by {line.slope!r} per unit)"
        )
