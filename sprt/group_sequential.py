"""Inference after a one-sided group-sequential test of a normal mean, stopped when z first reaches its critical value.

The same quadrature as for a sequential test, with a line of its own at each look; the ordering is stagewise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from sprt.arguments import real_array, real_number
from sprt.arrays import FloatArray
from sprt.errors import DesignError
from sprt.gaussian import interval_probability
from sprt.legendre import legendre

NODES: Final = 96  # for up to ten standard deviations of the narrowest step
SPREAD: Final = 9.0


@dataclass(frozen=True, slots=True)
class GroupSequentialEstimate:
    """Stagewise p, equal-tailed interval and median-unbiased estimate of the effect."""

    p: float
    ci_low: float
    ci_high: float
    median_unbiased: float


def group_sequential_estimate(
    critical: Sequence[float],
    information: Sequence[float],
    z: Sequence[float],
    *,
    sd: float = 1.0,
    confidence: float = 0.95,
) -> GroupSequentialEstimate:
    """Return the inference after a test that stopped at the last z given, at the first that reached its critical value.

    Parameters
    ----------
    critical
        Critical values of z, one for each look.
    information
        Observations at each look, increasing.
    z
        The statistics seen, `sqrt(n) mean / sd`, up to the stop.
    sd
        Standard deviation of one observation: the unit of the effect.
    confidence
        Coverage of the interval.

    Raises
    ------
    DesignError
        If the looks do not increase, or the z values do not stop where they are said to.
    """
    bounds = real_array("critical", critical, error=DesignError)
    looks = real_array("information", information, above=0.0, error=DesignError)
    seen = real_array("z", z)
    spread = real_number("sd", sd, above=0.0)
    tail = 0.5 * (1.0 - real_number("confidence", confidence, above=0.0, below=1.0))
    stage = seen.shape[0]
    if bounds.ndim != 1 or bounds.shape != looks.shape or not (np.diff(looks) > 0.0).all():
        raise DesignError(f"information: {information!r} given, one increasing number per critical value is allowed")
    if not 1 <= stage <= bounds.shape[0] or (seen[:-1] >= bounds[: stage - 1]).any():
        raise DesignError(f"z: {z!r} given, values below their critical value up to the last are allowed")
    if stage < bounds.shape[0] and seen[-1] < bounds[stage - 1]:
        raise DesignError(f"z: {seen[-1]!r} given at look {stage}, at least {bounds[stage - 1]!r} is allowed")
    cut = np.append(bounds[: stage - 1], seen[-1])

    def chance(drift: float) -> float:
        return exceedance(cut, looks[:stage], drift)

    middle = seen[-1] / math.sqrt(looks[stage - 1])
    reach = 12.0 / math.sqrt(looks[0])

    def solve(target: float) -> float:
        return spread * float(brentq(lambda drift: chance(drift) - target, middle - reach, middle + reach, xtol=1e-14))

    return GroupSequentialEstimate(
        p=chance(0.0), ci_low=solve(tail), ci_high=solve(1.0 - tail), median_unbiased=solve(0.5)
    )


def exceedance(cut: FloatArray, looks: FloatArray, drift: float) -> float:
    """Return the probability that z reaches its cut at one of the looks."""
    lines = cut * np.sqrt(looks)
    drifts = np.array([drift])
    total = float(ndtr((drift * looks[0] - lines[0]) / math.sqrt(looks[0])))
    node, weight = np.array([0.0]), np.ones(1)
    before = 0.0
    for k in range(looks.shape[0] - 1):
        gained = looks[k] - before
        low = drift * looks[k] - SPREAD * math.sqrt(looks[k])
        if low >= lines[k]:
            return total
        width = lines[k] - low
        x, w = legendre(NODES * max(1, math.ceil(width / (10.0 * math.sqrt(min(gained, looks[k + 1] - looks[k]))))))
        fresh = low + 0.5 * width * (x + 1.0)
        step = (fresh[:, None] - node[None, :] - drift * gained) / math.sqrt(gained)
        density = np.exp(-0.5 * step * step) @ weight / math.sqrt(2.0 * math.pi * gained)
        node, weight, before = fresh, 0.5 * width * w * density, looks[k]
        ahead = looks[k + 1] - before
        total += float((weight * interval_probability(node, (lines[k + 1], math.inf), ahead, drifts)[0]).sum())
    return total
