"""The rules of a design as the recursions read them: levels with the tolerance for ties, and the n that are tested."""

import math
from dataclasses import dataclass

import numpy as np

from sprt.arrays import FloatArray, IntArray
from sprt.design import Design
from sprt.regions import ACCEPT_H0, ACCEPT_H1, UNDECIDED
from sprt.stopping import TIE


@dataclass(frozen=True, slots=True)
class Rules:
    """What ends a walk.

    The walk goes on while `lower < L < upper`; between tested n only the p rule's running maximum is kept. `upper` is
    the lower of boundary and p line, each with the tolerance for ties taken off.
    """

    lower: float
    upper: float
    p_line: float
    min_n: int
    looks: FloatArray | None
    max_n: int | None
    at_limit: str
    cut: float

    def tested(self, after: int) -> IntArray | None:
        """Return the tested n beyond `after`, or None if every n from `first_tested` on is one."""
        if self.looks is None:
            return None
        looks = self.looks.astype(np.int64)
        return looks[(looks >= self.min_n) & (looks > after)]

    def first_tested(self, after: int) -> int:
        """Return the first n beyond `after` at which a rule may end the walk."""
        looks = self.tested(after)
        if looks is None:
            return max(self.min_n, after + 1)
        return int(looks[0])

    @property
    def has_gaps(self) -> bool:
        """Whether some n are not tested."""
        return self.min_n > 1 or self.looks is not None

    def limit_outcome(self, llr: FloatArray) -> IntArray:
        """Return what walks mean that reach the limit without a crossing."""
        if self.at_limit == "sign":
            return np.where(llr > TIE, ACCEPT_H1, ACCEPT_H0)
        if self.at_limit == "midpoint":
            return np.where(llr >= self.cut, ACCEPT_H1, ACCEPT_H0)
        return np.full(llr.shape, UNDECIDED)


def rules_of(design: Design) -> Rules:
    """Return the rules of a design."""
    return make_rules(design, design.lower, design.upper)


def make_rules(design: Design, lower: float, upper: float) -> Rules:
    """Return the rules of a design with these thresholds in place of its own.

    On a lattice the tolerance for ties decides; between real numbers ties have probability zero, and it is left out.
    """
    tie = TIE if design.model.is_lattice else 0.0
    effective = min(upper, design.p_line)
    return Rules(
        lower=lower + tie,
        upper=effective - tie,
        p_line=design.p_line - tie,
        min_n=design.min_n,
        looks=design.look_array,
        max_n=design.max_n,
        at_limit=design.at_limit,
        cut=0.5 * (lower + effective) - tie if math.isfinite(lower) and math.isfinite(effective) else math.nan,
    )


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk stands: n, the sufficient statistic, the LLR, and whether it met the p line at an untested n."""

    n: int = 0
    score: float = 0.0
    llr: float = 0.0
    touched: bool = False
