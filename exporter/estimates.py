"""The estimate block of an archive: that of the decision, what takes the law of the stopped walk, and the run's halves.

Nothing waits for an archive, so it has the time that the decision had not.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow.compute as pc

import sprt
from exporter.observations import Observations
from schemas import events
from sprt.families.base import ExponentialFamily


def estimates(
    decision: events.Decision, design: sprt.Design, statistic: sprt.State, observations: Observations
) -> dict[str, Any]:
    """Return the block; what is null has its reason under `unavailable`, an infinite end of an interval is null.

    Parameters
    ----------
    statistic
        The walk at the decision, as the replica has it.
    """
    first, second = _halves(design, statistic.n, observations)
    try:
        found = asdict(sprt.estimate(design, statistic, decision.reason))
    except sprt.SprtError as error:
        found = {"unavailable": {"estimate": str(error)}}
    given = {name: value for name, value in decision.estimate.items() if value is not None}
    halves = {"naive_first_half": first, "naive_second_half": second}
    return {name: _plain(value) for name, value in {**found, **given, **halves}.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _halves(design: sprt.Design, n: int, observations: Observations) -> tuple[float | None, float | None]:
    """Return the naive estimate over the first n // 2 observations and over the rest, where a mean is one."""
    if n < 2 or not isinstance(design.model, ExponentialFamily):
        return None, None
    sums = np.zeros(2)
    for chunk in observations.chunks(("n", "value")):
        applied = chunk.filter(pc.is_valid(chunk["n"]))
        is_late = applied["n"].to_numpy() > n // 2
        sums += np.bincount(is_late, weights=applied["value"].to_numpy(), minlength=2)
    means = [float(sums[0]) / (n // 2), float(sums[1]) / (n - n // 2)]
    if design.model.name == "exponential":
        means = [1 / mean if mean > 0 else math.inf for mean in means]
    return means[0], means[1]
