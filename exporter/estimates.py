"""The estimate block of an archive: that of the decision, what takes the law of the stopped walk, and the run's halves.

Nothing waits for an archive, so it has the time that the decision had not.
"""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
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
    block = {**found, **given, **halves, **_arms(design, observations), **_with_paused(design, observations)}
    return {name: _plain(value) for name, value in block.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _halves(design: sprt.Design, n: int, observations: Observations) -> tuple[float | None, float | None]:
    """Return the naive estimate over the observations up to n // 2 and over the rest, where they exist."""
    if n < 2:
        return None, None
    first, second = sprt.init(design), sprt.init(design)
    for chunk in observations.chunks(("n", "arm", "value")):
        applied = chunk.filter(pc.is_valid(chunk["n"]))
        is_late = applied["n"].to_numpy() > n // 2
        first = _moved(design, first, applied, ~is_late)
        second = _moved(design, second, applied, is_late)
    return sprt.naive_estimate(design.model, first), sprt.naive_estimate(design.model, second)


def _moved(design: sprt.Design, state: sprt.State, rows: pa.RecordBatch, chosen: npt.NDArray[np.bool_]) -> sprt.State:
    """Return the state after the chosen rows, whatever rule they would meet."""
    if not chosen.any():
        return state
    values = rows["value"].to_numpy()[chosen]
    if isinstance(design.model, ExponentialFamily):  # the sum is all there is to it
        total = float(values.sum() - design.model.centre * len(values))
        counts = tuple(count + round(total) for count in state.counts)
        return state._replace(n=state.n + len(values), counts=counts, sums=tuple(it + total for it in state.sums))
    return _walked(design, state, values, _arms_of(rows).to_numpy()[chosen])


def _arms_of(rows: pa.RecordBatch) -> pa.Array:
    return pc.index_in(rows["arm"], pa.array(["a", "b"])).cast(pa.int8()).fill_null(-1)


def _walked(
    design: sprt.Design, state: sprt.State, values: npt.NDArray[np.float64], arms: npt.NDArray[np.int8]
) -> sprt.State:
    """Return the state behind all the values, whatever rule they would meet."""
    walk = design.model.walk(state, values, arms if design.model.has_arms else None, two_sided=design.is_two_sided)
    n, counts, sums, waiting = walk.at(len(values) - 1)
    return sprt.State(n, float(walk.llr[-1]), 0.0, counts, sums, waiting)


def _with_paused(design: sprt.Design, observations: Observations) -> dict[str, float | None]:
    """Return log-likelihood ratio and naive estimate had the values left out while paused been applied too."""
    columns = ("n", "arm", "value", "status")
    if not any(pc.any(_is_left_out(chunk)).as_py() for chunk in observations.chunks(columns[2:])):
        return {}  # as for nearly every run: nothing is folded once more
    state = sprt.init(design)
    for chunk in observations.chunks(columns):
        rows = chunk.filter(pc.or_(pc.is_valid(chunk["n"]), _is_left_out(chunk)))
        values, arms = rows["value"].to_numpy(), _arms_of(rows).to_numpy()
        is_allowed = sprt.acceptable(design, state, values, arms if design.model.has_arms else None)
        if is_allowed.any():
            state = _walked(design, state, values[is_allowed], arms[is_allowed])
    return {"llr_with_paused": state.llr, "naive_with_paused": sprt.naive_estimate(design.model, state)}


def _is_left_out(chunk: pa.RecordBatch) -> pa.Array:
    return pc.and_(pc.equal(chunk["status"], "while_paused"), pc.is_valid(chunk["value"]))


def _arms(design: sprt.Design, observations: Observations) -> dict[str, int]:
    """Return how many values of each arm were applied, nothing for a family without arms."""
    if not design.model.has_arms:
        return {}
    found = {"n_a": 0, "n_b": 0}
    for chunk in observations.chunks(("arm", "status")):
        applied = chunk.filter(pc.equal(chunk["status"], "applied"))["arm"]
        for arm in "ab":
            found[f"n_{arm}"] += int(pc.sum(pc.equal(applied, arm)).as_py() or 0)
    return found
