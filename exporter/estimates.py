"""The estimate block of an archive: that of the decision, and what only the archive has the time or the table for."""

from typing import Any

import numpy as np
import pyarrow.compute as pc

from exporter.observations import Observations
from schemas import events


def estimates(decision: events.Decision, definition: dict[str, Any], observations: Observations) -> dict[str, Any]:
    """Return the block: naive estimate, always-valid p with its kind, the naive estimate of each half of the run."""
    first, second = _halves(decision.n, definition["model"]["family"], observations)
    return {
        **decision.estimate,
        "always_valid_p": decision.p_value,
        "p_kind": decision.p_kind,
        "naive_first_half": first,
        "naive_second_half": second,
    }


def _halves(n: int, family: str, observations: Observations) -> tuple[float | None, float | None]:
    """Return the naive estimate over the first n // 2 observations and over the rest."""
    sums = np.zeros(2)
    for chunk in observations.chunks(("n", "value")):
        applied = chunk.filter(pc.is_valid(chunk["n"]))
        is_late = applied["n"].to_numpy() > n // 2
        sums += np.bincount(is_late, weights=applied["value"].to_numpy(), minlength=2)
    numbers = (n // 2, n - n // 2)
    if 0 in numbers or (family == "exponential" and not sums.all()):
        return None, None
    means = [float(total) / number for total, number in zip(sums, numbers, strict=True)]
    first, second = (1 / mean if family == "exponential" else mean for mean in means)
    return first, second
