"""Where walks of a run's design are expected, for its picture."""

import math
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from console.documents import RunDocument
from experiments.envelope import planned_levels
from experiments.planning import stored_design
from sprt.families import ExponentialFamily

_WALKS: Final = 2000
_PLACES: Final = 160
_SEED: Final = 20_261


def envelope(run: RunDocument) -> dict[str, list[list[float]]] | None:
    """Return, for `h0` and `h1`, rows of n and the three levels of the walk in nats; None for designs without one."""
    if not run.model:
        return None
    asked = msgspec.json.encode([run.model, run.errors, run.stop, run.lower, run.upper, run.mean_n_h0, run.mean_n_h1])
    return _envelope(asked)


@lru_cache(maxsize=256)
def _envelope(asked: bytes) -> dict[str, list[list[float]]] | None:
    model, errors, stop, lower, upper, *means = msgspec.json.decode(asked)
    design = stored_design({"id": "x", "model": model, "errors": errors, "stop": stop}, lower, upper)
    family = design.model
    if not isinstance(family, ExponentialFamily):
        return None
    longest = max((mean for mean in means if mean is not None), default=stop.get("max_samples") or 1000)
    last = max(math.ceil(3 * longest), 10)
    last = min(last, stop["max_samples"]) if stop.get("max_samples") else last
    n = np.unique(np.linspace(1, last, _PLACES).astype(int)).astype(float)
    found = {}
    for which, theta in (("h0", family.h0), ("h1", family.h1)):
        levels = planned_levels(design, theta, n, _WALKS, _SEED)
        if levels is None:
            return None
        found[which] = np.column_stack((n, levels)).round(4).tolist()
    return found
