"""The boundaries of a walk as slanted lines in its own statistic: sums against n, and critical counts.

For families with `L = B T + A n` the walk crosses where `T` reaches `(threshold - A n) / B`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sprt.arrays import FloatArray, IntArray
from sprt.design import Design
from sprt.errors import DesignError
from sprt.families.base import ExponentialFamily, LinearFamily
from sprt.families.bernoulli import Bernoulli
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.regions import FAR, region
from sprt.rules import rules_of


@dataclass(frozen=True, slots=True)
class Lines:
    """Two parallel lines in the sum of the observations: H0 at `slope n - h_accept`, H1 at `slope n + h_reject`.

    Where h1 lies below h0 both distances are negative: H1 is then the lower line. Infinite where there is no line.
    """

    slope: float
    h_accept: float
    h_reject: float


def boundary_lines(design: Design) -> Lines:
    """Return the lines of a one-sided design whose statistic is the sum of the observations.

    Raises
    ------
    DesignError
        If the design is two-sided or its family's statistic is no such sum.
    """
    model = design.model
    if design.is_two_sided or not isinstance(model, ExponentialFamily | PairedBernoulli):
        raise DesignError(f"model: {model.name} {design.alternative} given, a one-sided family with a sum is allowed")
    line = model.ratio.first
    centre = model.centre if isinstance(model, ExponentialFamily) else 0.0
    return Lines(
        slope=-line.drift / line.slope + centre,
        h_accept=-design.lower / line.slope,
        h_reject=design.effective_upper / line.slope,
    )


def critical_counts(design: Design, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the acceptance and the rejection number of a one-sided lattice design at each n, nan where impossible.

    With h1 above h0, H0 is accepted at counts up to the acceptance number and H1 from the rejection number on; with h1
    below h0 the other way round.

    Raises
    ------
    DesignError
        If the design is two-sided or its family has no counts.
    """
    model = design.model
    if design.is_two_sided or not (isinstance(model, LinearFamily) and model.is_lattice):
        raise DesignError(f"model: {model.name} {design.alternative} given, a one-sided family of counts is allowed")
    numbers = np.asarray(n, dtype=np.float64)
    rules = rules_of(design)
    inside = region(model.ratio, rules.lower, rules.upper, np.atleast_1d(numbers))
    most = np.atleast_1d(numbers) if isinstance(model, Bernoulli | PairedBernoulli) else np.inf
    below, above = possible(inside.low - 1, most), possible(inside.high + 1, most)
    accept, reject = (below, above) if model.ratio.first.slope > 0 else (above, below)
    return accept.reshape(numbers.shape), reject.reshape(numbers.shape)


def possible(count: IntArray, most: FloatArray | float) -> FloatArray:
    """Return the counts, nan where they are below 0 or above the most there can be."""
    return np.where((count >= 0) & (count <= most) & (count < FAR), count.astype(np.float64), np.nan)
