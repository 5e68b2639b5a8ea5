"""What the two families of counts share: a whole number per observation, with a law that the recursions can add up."""

import math
from abc import abstractmethod
from typing import ClassVar, Final

import numpy as np

from sprt.arrays import BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import ExponentialFamily

LARGEST_COUNT: Final = 1_000_000_000  # sums of millions of them stay exact in a float64
LONGEST_LAW: Final = 2_000_000
FAINT: Final = -60.0  # log of what is left out at either end, relative to the mode


class CountFamily(ExponentialFamily):
    """A family of counts."""

    support: ClassVar[str] = f"a whole number from 0 to {LARGEST_COUNT}"
    is_lattice: ClassVar[bool] = True
    integer: ClassVar[bool] = True

    def allows(self, x: float) -> bool:  # noqa: D102 - as in ExponentialFamily
        return 0.0 <= x <= LARGEST_COUNT and x == math.floor(x)

    @abstractmethod
    def increment(self, theta: float) -> tuple[int, FloatArray]:
        """Return the law of one count at `theta`: its first value and the probabilities from there on."""

    @abstractmethod
    def sum_up_to(self, theta: float, x: FloatArray, counts: FloatArray) -> FloatArray:
        """Return the probability that the sum of this many counts is at most x (>= 0), by broadcasting."""


def is_count(xs: FloatArray) -> BoolArray:
    """Return for each value whether it is a whole number from 0 to the largest count."""
    inside = (xs >= 0.0) & (xs <= LARGEST_COUNT)
    result: BoolArray = inside & (np.floor(xs) == xs)
    return result


def law_from_quotients(mode: int, low: int, log_quotient: FloatArray) -> tuple[int, FloatArray]:
    """Return the law from `low` on, given `log p(x+1)/p(x)` for x from `low` on, summed outwards from the mode.

    Sums of small quotients keep digits that a closed form loses in its large logarithms of factorials.
    """
    split = mode - low
    up = np.cumsum(log_quotient[split:])
    down = np.cumsum(-log_quotient[:split][::-1])[::-1]
    log_pmf = np.concatenate((down, [0.0], up))
    kept = np.flatnonzero(log_pmf > FAINT)
    first, last = int(kept[0]), int(kept[-1]) + 1
    pmf = np.exp(log_pmf[first:last])
    return low + first, pmf / math.fsum(pmf)


def require_short(length: float) -> None:
    """Raise DesignError if a law spans more values than a recursion can carry."""
    if length > LONGEST_LAW:
        raise DesignError(f"theta: a law over {length:.3g} counts given, at most {LONGEST_LAW} is allowed (too costly)")
