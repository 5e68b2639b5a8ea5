"""The walk over a batch of applied records, and the thinned points of it that are published.

Points: each of the first 100 observations, then at the end of a record whenever n has grown by 2 % or 200 ms have
passed by Kafka's clock, and the end of the run. The rule looks at records only, so a split into batches changes
nothing.
"""

from dataclasses import dataclass

import numpy as np

import sprt
from experiments import shares
from experiments.batch import Ints, ObservationBatch, gather
from experiments.experiment import Experiment, Hot
from experiments.published import Point

EACH_UP_TO = 100
GROWTH = 1.02
INTERVAL = 200_000


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a rule ended the run: `row` counts the applied rows, `index` the values inside that record."""

    row: int
    index: int
    rule: str
    outcome: str
    direction: str


@dataclass(frozen=True, slots=True)
class Walked:
    """The hot part after the records, the points on the way, and where the run ended, if it did."""

    hot: Hot
    points: tuple[Point, ...] = ()
    stopped: Stopped | None = None


def walk(experiment: Experiment, batch: ObservationBatch, rows: Ints) -> Walked:
    """Return the walk over the given rows of the batch, all of them to be applied."""
    if len(rows) == 0:
        return Walked(experiment.hot)
    design, hot = experiment.design, experiment.hot
    xs, ends, arms = gather(batch, rows)
    sides = arms if design.model.has_arms else None
    begun = hot.observations
    totals = np.cumsum(np.concatenate(([hot.total], xs)))  # strictly left to right, the carried total first
    state, done, points = hot.statistic, 0, []
    stopped: Stopped | None = None
    timestamps = batch.timestamp[rows]
    latest = np.maximum.accumulate(timestamps)  # a clock that may step back
    dues = dict.fromkeys(_due(hot, ends, latest, timestamps), True)
    for due in dues | {len(xs): dues.get(len(xs), False)}:
        part = slice(done, due)
        state, crossing = sprt.fold(design, state, xs[part], None if sides is None else sides[part])
        done = due if crossing is None else done + crossing + 1
        row = int(np.searchsorted(ends, done))
        offset, at = int(batch.offset[rows[row]]), int(timestamps[row])
        hot = hot._replace(
            statistic=state,
            observations=begun + done,
            total=float(totals[done]),
            last_applied=max(hot.last_applied, int(latest[row])),
        )
        if crossing is None and not dues.get(due):
            break
        points.append(_point(experiment, hot, offset, at))
        hot = hot._replace(last_point_at=max(hot.last_point_at, at), last_point_n=hot.observations)
        if crossing is not None:
            shown = sprt.info(design, state)
            begin = int(ends[row - 1]) if row else 0
            stopped = Stopped(row, done - 1 - begin, str(shown.rule), str(shown.outcome), shown.direction)
            break
    return Walked(shares.counted(experiment, hot, batch, rows, totals), tuple(points), stopped)


def _due(hot: Hot, ends: Ints, latest: Ints, timestamps: Ints) -> list[int]:
    """Return after how many of the batch's observations a point is due, in order.

    `latest` is the latest timestamp of the batch up to each record. The stall clock, which a resume sets, has no say:
    where a worker is told of one must not change what it publishes.
    """
    n, size = hot.observations, int(ends[-1])
    single = max(0, min(EACH_UP_TO - n, size))
    due = list(range(1, single + 1))
    last_n, last_at = hot.last_point_n, hot.last_point_at
    if single:
        last_n, last_at = n + single, max(last_at, int(latest[np.searchsorted(ends, single)]))
    reached = n + ends
    while True:
        by_growth = np.searchsorted(reached, last_n * GROWTH)
        by_time = max(np.searchsorted(latest, last_at + INTERVAL), np.searchsorted(reached, last_n, side="right"))
        row = int(min(by_growth, by_time))
        if row >= len(ends):
            return due
        last_n, last_at = int(reached[row]), max(last_at, int(timestamps[row]))
        due.append(int(ends[row]))


def _point(experiment: Experiment, hot: Hot, offset: int, at: int) -> Point:
    state = hot.statistic
    return Point(
        experiment_id=experiment.cold.experiment_id,
        run=hot.run,
        n=state.n,
        llr=state.llr,
        p_value=state.p_value,
        total=hot.total,
        offset=offset,
        at=at,
    )
