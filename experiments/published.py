"""The points of walks that are published: a batch makes tens of thousands, so they are kept in columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from experiments.times import moment
from schemas import events

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Point(NamedTuple):
    """A point of a walk that is published, as an `events.WalkPoint`; `at` is in microseconds."""

    experiment_id: str
    run: int
    n: int
    llr: float
    p_value: float
    total: float
    offset: int
    at: int

    def event(self) -> events.WalkPoint:
        """Return the event that readers get."""
        return events.WalkPoint(**self._asdict() | {"at": moment(self.at)})


def _no_ints() -> Ints:
    return np.empty(0, np.int64)


def _no_floats() -> Floats:
    return np.empty(0, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Points(Sequence[Point]):
    """Points in columns, shape `(points,)` each; `of` is an index into `runs`, which are ids with the run's number."""

    runs: Sequence[tuple[str, int]] = ()
    of: Ints = field(default_factory=_no_ints)
    n: Ints = field(default_factory=_no_ints)
    llr: Floats = field(default_factory=_no_floats)
    p_value: Floats = field(default_factory=_no_floats)
    total: Floats = field(default_factory=_no_floats)
    offset: Ints = field(default_factory=_no_ints)
    at: Ints = field(default_factory=_no_ints)

    def and_of(self, points: Sequence[Point]) -> "Points":
        """Return these points, and others behind them."""
        if not points:
            return self
        named = dict.fromkeys((point.experiment_id, point.run) for point in points)
        runs = {run: number for number, run in enumerate(named, len(self.runs))}
        of = np.array([runs[point.experiment_id, point.run] for point in points])
        others = (of, *(np.array(column) for column in list(zip(*points, strict=True))[2:]))
        joined = (np.concatenate(pair) for pair in zip(self._columns(), others, strict=True))
        return Points((*self.runs, *runs), *joined)

    def _columns(self) -> tuple[Ints, Ints, Floats, Floats, Floats, Ints, Ints]:
        return self.of, self.n, self.llr, self.p_value, self.total, self.offset, self.at

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.of)

    def __iter__(self) -> Iterator[Point]:
        """Yield them."""
        columns = (column.tolist() for column in self._columns())
        for of, n, llr, p_value, total, offset, at in zip(*columns, strict=True):
            experiment_id, run = self.runs[of]
            yield Point(experiment_id, run, n, llr, p_value, total, offset, at)

    @overload
    def __getitem__(self, place: int) -> Point: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Point, ...]: ...
    def __getitem__(self, place: int | slice) -> Point | tuple[Point, ...]:
        """Return one, or some."""
        return tuple(self)[place]
