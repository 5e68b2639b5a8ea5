"""The log-likelihood ratio as a function of the sufficient statistic.

Every one-parameter family here has `L = B t + A v`, with t the sufficient statistic and v the number of observations
(or the information). Two-sided, the likelihood ratio is the equal mixture of that of h1 and that of its mirror image,
`log((e^u + e^w) / 2)`: for the normal this is the log cosh form, never the absolute value.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.arrays import FloatArray

LOG_2: Final = math.log(2.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One likelihood ratio: `slope * t + drift * v` in nats."""

    slope: float
    drift: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """The log-likelihood ratio of a design: one line, or the equal mixture of two."""

    first: Line
    second: Line | None = None

    @property
    def is_mixture(self) -> bool:
        """Whether this is the two-sided mixture."""
        return self.second is not None

    def llr(self, t: FloatArray, v: FloatArray) -> FloatArray:
        """Return the log-likelihood ratio in nats for arrays of the same shape."""
        u = t * self.first.slope
        u += v * self.first.drift
        if self.second is None:
            return u
        w = t * self.second.slope
        w += v * self.second.drift
        mixed: FloatArray = np.logaddexp(u, w)
        mixed -= LOG_2
        return mixed

    def llr_of(self, t: float, v: float) -> float:
        """Return what `llr` returns, to the bit, for one point."""
        u = t * self.first.slope + v * self.first.drift
        if self.second is None:
            return u
        w = t * self.second.slope + v * self.second.drift
        return float(np.logaddexp(u, w)) - LOG_2

    def favours_first(self, t: float, v: float) -> bool:
        """Return whether the first line, that of the stated h1, is the larger one."""
        if self.second is None:
            return True
        first, second = self.first, self.second
        return t * first.slope + v * first.drift >= t * second.slope + v * second.drift
