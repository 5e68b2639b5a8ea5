"""The records of a batch one experiment behind the other, so that all are folded by the same few operations."""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from experiments.batch import Floats, Ints, ObservationBatch
from experiments.ledger import Account, Numbers

Number = TypeVar("Number", np.int64, np.float64, np.bool_)


class Candidates(NamedTuple):
    """Experiments of a batch that may be quiet, by code; `rows` are those of the ledger, ids stand for new ones.

    `opened` says which of the accounts are new.
    """

    codes: list[int]
    rows: list[int | str]
    accounts: list[Account]
    numbers: Numbers
    opened: list[int]


@dataclass(frozen=True, slots=True)
class Groups:
    """Some experiments with their records in log order, one experiment's behind the other's.

    `accounts` and `numbers` are theirs before the batch. `begin` and `end` bound an experiment's records, `first` and
    `last` its observations; `of` says to which experiment a record belongs. `read` are the observations up to the end
    of each record.
    """

    accounts: list[Account]
    numbers: Numbers
    rows: Ints
    begin: Ints
    end: Ints
    of: Ints
    values: Floats
    first: Ints
    last: Ints
    read: Ints
    timestamp: Ints

    def spread(self, column: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return for each observation what the column says of its experiment."""
        return np.repeat(column, self.last - self.first)


def grouped(candidates: Candidates, batch: ObservationBatch, order: Ints, bounds: Ints) -> Groups:
    """Return the records of some experiments of the batch.

    `order` has the rows of the batch, experiment by experiment; those of code c are `order[bounds[c]:bounds[c + 1]]`.
    """
    codes = candidates.codes
    chosen = np.array(codes)
    sizes = bounds[chosen + 1] - bounds[chosen]
    ends = np.cumsum(sizes)
    rows = order
    if len(codes) < len(batch.experiment_ids):
        rows = order[np.arange(int(ends[-1])) + np.repeat(bounds[chosen] - (ends - sizes), sizes)]
    of = np.repeat(np.arange(len(codes)), sizes)
    lengths = np.diff(batch.value_starts)[rows]
    read = np.cumsum(lengths)  # observations up to the end of each record
    last = read[ends - 1]
    first = np.concatenate(([0], last[:-1]))
    width = int(lengths[0])
    if len(batch.values) == width * len(batch.offset) and (lengths == width).all():
        values = batch.values.reshape(-1, width)[rows].ravel()
    else:
        values = batch.values[
            np.arange(int(read[-1])) + np.repeat(batch.value_starts[rows] - (read - lengths), lengths)
        ]
    return Groups(
        accounts=candidates.accounts,
        numbers=candidates.numbers,
        rows=rows,
        begin=ends - sizes,
        end=ends,
        of=of,
        values=values,
        first=first,
        last=last,
        read=read,
        timestamp=batch.timestamp[rows],
    )


class Growing:
    """A column that grows record by record within each of some groups: where in a group it reaches a value."""

    def __init__(self, groups: Groups, column: Ints, of_these: Ints) -> None:
        self._begins = column[groups.begin]
        since = np.zeros(len(groups.begin), np.int64)
        since[of_these] = column[groups.end[of_these] - 1] - self._begins[of_these]
        self._width = int(since.max()) + 2
        grown = np.minimum(np.maximum(column - self._begins[groups.of], 0), since[groups.of])  # nothing in the others
        self._keys = groups.of * self._width + grown

    def reaches(self, at_least: Ints, g: Ints) -> Ints:
        """Return the place of the first record of each group g that reaches its value, the group's end if none does."""
        grown = np.clip(at_least - self._begins[g], 0, self._width - 1)
        places: Ints = np.searchsorted(self._keys, g * self._width + grown)
        return places
