"""What is drawn around a walk: the lines in force, and where the walk is expected to go if a hypothesis is true."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from console.documents import RunDocument
from console.walk import Points
from experiments.planning import stored_design
from sprt.families import ExponentialFamily

#: Mean of one observation at a parameter value, by family: the LLR is linear in the observation.
_MEANS: Final[dict[str, Callable[[float], float]]] = {
    "bernoulli": lambda p: p,
    "normal": lambda mean: mean,
    "poisson": lambda rate: rate,
    "exponential": lambda rate: 1 / rate,
    "negative_binomial": lambda mean: mean,
}


@dataclass(frozen=True, slots=True)
class Drift:
    """What an observation adds to the LLR on average under each hypothesis, in nats; None if that varies."""

    h0: float | None
    h1: float | None


def drift(run: RunDocument) -> Drift:
    """Return where the walk is expected to go; a two-sided walk has no straight expectation."""
    if not run.model:
        return Drift(None, None)
    definition = {"id": run.experiment_id, "model": run.model, "errors": run.errors, "stop": run.stop}
    design = stored_design(definition, run.lower, run.upper)
    family = design.model
    mean = _MEANS.get(family.name)
    if mean is None or design.is_two_sided or not isinstance(family, ExponentialFamily):
        return Drift(None, None)
    line = family.ratio.first
    rates = [line.slope * (mean(theta) - family.centre) + line.drift for theta in (family.h0, family.h1)]
    return Drift(*rates)


def frame(run: RunDocument, walk: Points, envelope: dict[str, list[list[float]]] | None) -> dict[str, Any]:
    """Return what the chart of the run's walk draws beside the walk, as plain JSON values; times in milliseconds."""
    expected = drift(run)
    return {
        "lower": run.lower,
        "upper": run.upper,
        "limit": run.stop.get("max_samples"),
        "drift0": expected.h0,
        "drift1": expected.h1,
        "pauses": [
            [_n_before(walk, pause.paused_from), pause.resumed_at is None, pause.paused_at.timestamp() * 1000]
            for pause in run.pauses
        ],
        "envelope": envelope,
        "decision": None if run.outcome is None else {"outcome": run.outcome, "n": run.n, "llr": run.llr},
        "active": run.is_active,
    }


def _n_before(walk: Points, offset: int | None) -> int:
    """Return the n that the walk had reached before the record at `offset`."""
    earlier = walk[walk["offset"] < (offset or 0)]
    return int(earlier["n"][-1]) if len(earlier) else 0
