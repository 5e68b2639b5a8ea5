"""How a run's observations divide over sources, arms and time: what the health checks compare.

Sums grow strictly left to right, so that any split into batches gives the same bits.
"""

import numpy as np
import numpy.typing as npt
from immutables import Map

from experiments.batch import NONE, Floats, Ints, ObservationBatch, gather
from experiments.experiment import LATE, Experiment, Hot, Share

_LATE_MICROSECONDS = 60_000_000


def counted(experiment: Experiment, hot: Hot, batch: ObservationBatch, rows: Ints, totals: Floats) -> Hot:
    """Return the hot part with the values counted that were applied since the experiment's own hot part.

    `rows` are the applied records; `totals` are the sums of all values before each of them and at their end.
    """
    begun, guards = experiment.hot.observations, experiment.cold.definition["health"]
    size = hot.observations - begun
    values, ends, _ = gather(batch, rows)
    values = values[:size]
    if guards["drift"] != "off":
        hot = hot._replace(marks=hot.marks + _marks(begun, totals[: size + 1]))
    if guards["homogeneity"] != "off":
        sources = _of_each(batch.source[rows], ends, len(values))
        hot = hot._replace(shares=_added(hot.shares, sources, values, [f"source:{s}" for s in batch.source_names]))
    if is_late_guarded(experiment):
        late = is_late(batch.observed_at[rows], batch.timestamp[rows])
        hot = hot._replace(shares=_with_late(hot.shares, late, ends, len(values)))
    if experiment.design.model.has_arms:
        arms = _of_each(batch.arm[rows], ends, len(values))
        hot = hot._replace(shares=_added(hot.shares, arms, values, ["arm:a", "arm:b"]))
    return hot


def _marks(before: int, totals: Floats) -> tuple[Share, ...]:
    """Return the shares of the first 1, 2, 4, 8 … observations that the batch has reached."""
    first = max(0, before).bit_length()
    after = before + len(totals) - 1
    return tuple(Share(1 << k, float(totals[(1 << k) - before])) for k in range(first, after.bit_length()))


def is_late_guarded(experiment: Experiment) -> bool:
    """Return whether late records are counted; a definition from before there was this guard does not have it."""
    return bool(experiment.cold.definition["health"].get("late", "off") != "off")


def is_late(observed_at: Ints, timestamp: Ints) -> npt.NDArray[np.bool_]:
    """Return which records came to Kafka long after they were observed."""
    late: npt.NDArray[np.bool_] = (observed_at != NONE) & (timestamp - observed_at > _LATE_MICROSECONDS)
    return late


def _with_late(shares: Map[str, Share], late: npt.NDArray[np.bool_], ends: Ints, size: int) -> Map[str, Share]:
    if not late.any():
        return shares
    number = int(np.repeat(late, np.diff(ends, prepend=0))[:size].sum())
    return shares.set(LATE, Share(shares.get(LATE, Share(0, 0.0)).observations + number, 0.0)) if number else shares


def _of_each(column: Ints, ends: Ints, size: int) -> Ints:
    """Return a column of records as one of observations, up to where the run has come."""
    return np.repeat(column, np.diff(ends, prepend=0))[:size]


def _added(shares: Map[str, Share], codes: Ints, values: Floats, names: list[str]) -> Map[str, Share]:
    for code in np.unique(codes):
        if code == NONE:
            continue
        own, name = values[codes == code], names[code]
        share = shares.get(name, Share(0, 0.0))
        total = float(np.cumsum(np.concatenate(([share.total], own)))[-1])
        shares = shares.set(name, Share(share.observations + len(own), total))
    return shares
