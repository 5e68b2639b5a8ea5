"""How a live run will end, and when: the law of the rest of the walk from where it stands. Pure; may take seconds."""

import math
from dataclasses import dataclass
from typing import Any, Final

import sprt
from console.documents import LivePoint, RunDocument
from experiments.planning import Refusal, stored_design

_LEVELS: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The forecast at one parameter value: chances of the three ends, and 5, 50, 95 % points of the n still to come."""

    name: str
    theta: float
    accept_h1: float
    accept_h0: float
    undecided: float
    more: tuple[float, float, float]


def state_at(design: sprt.Design, point: LivePoint) -> sprt.State | None:
    """Return the walk's state at a point, None for families whose state is more than n and a sum."""
    highest = -math.log(max(point.p_value, 1e-300))
    where: dict[str, Any] = {"n": point.n, "llr": point.llr, "max_llr": max(highest, point.llr, 0.0)}
    name = design.model.name
    if name in ("bernoulli", "poisson", "negative_binomial"):
        return sprt.State(**where, counts=(round(point.total),), sums=())
    if name == "normal":
        return sprt.State(**where, counts=(), sums=(point.total - design.model.h0 * point.n,))
    if name == "exponential":
        return sprt.State(**where, counts=(), sums=(point.total,))
    return None


def forecast(run: RunDocument, point: LivePoint) -> list[Outlook] | Refusal:
    """Return the forecast under H0, at the estimate so far, and under H1, or why there is none; raises nothing."""
    try:
        definition = {"id": run.experiment_id, "model": run.model, "errors": run.errors, "stop": run.stop}
        design = stored_design(definition, run.lower, run.upper)
        state = state_at(design, point)
        if state is None or design.is_two_sided:
            return Refusal("no_state", f"there is no forecast for {run.model.get('family')} from the walk alone")
        naive = sprt.naive_estimate(design.model, state)
        thetas = {"if H0": design.model.h0, "as it looks": naive, "if H1": design.model.h1}
        return [found for name, theta in thetas.items() if (found := _one(design, state, name, theta)) is not None]
    except sprt.SprtError as error:
        return Refusal("no_forecast", str(error))


def _one(design: sprt.Design, state: sprt.State, name: str, theta: float | None) -> Outlook | None:
    """Return the forecast at one value, None for an estimate at the edge of the family's space."""
    if theta is None:
        return None
    try:
        law = sprt.forecast(design, state, theta, levels=_LEVELS)
    except sprt.SprtError:
        if name == "as it looks":
            return None
        raise
    low, middle, high = (float(law.quantiles[level]) for level in _LEVELS)
    return Outlook(
        name, theta, float(law.p_accept_h1), float(law.p_accept_h0), float(law.p_undecided), (low, middle, high)
    )
