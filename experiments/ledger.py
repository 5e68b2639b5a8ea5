"""All experiments of a partition; the hot parts of those in which nothing happens but counting are kept in columns.

Most experiments are counted in the same way from batch to batch: their records come from one source, one after the
other, and move the same few numbers; or their run has ended, and the records that still come are only counted. Such an
experiment has an account, which says what stays, and a row of numbers. `experiments.quiet` and `experiments.ended` open
accounts and move their numbers; whoever asks for the experiment gets it put together, and whoever sets it closes its
account.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from immutables import Map

import sprt
from experiments.experiment import Cold, Experiment, Hot, Share, State
from experiments.sequences import Seen
from sprt.families.base import ExponentialFamily

#: The numbers of an account: those that move with every batch, from `lowest` on those that stay.
NUMBERS: Final = np.dtype(
    [
        ("n", np.int64),
        ("llr", np.float64),
        ("max_llr", np.float64),
        ("count", np.int64),
        ("observations", np.int64),
        ("total", np.float64),
        ("records", np.int64),  # counted as the account says
        ("highest", np.int64),  # sequence of the source
        ("share", np.int64),  # observations of the source, and their sum
        ("share_total", np.float64),
        ("last_applied", np.int64),
        ("last_point_at", np.int64),
        ("last_point_n", np.int64),
        ("lowest", np.int64),  # sequence of the source
        ("upper", np.float64),
        ("lower", np.float64),
        ("limit", np.float64),
        ("slope", np.float64),
        ("drift", np.float64),
        ("deadline", np.int64),
        ("is_late_guarded", np.bool_),
        ("has_marks", np.bool_),
    ]
)
Numbers = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What stays the same of an experiment that is only counted.

    `experiment` is as it stood when the account was opened, but for its marks, which are up to date. All records come
    from `source`, and carry sequences of it if `is_numbered`; `is_shared` if its share of the run is counted. `model`
    and `run`, the id with the run's number, are the experiment's. Without a model the run has ended: the number of
    `records` is all that moves. `fixed` is what `experiments.rows` keeps of it: a cache, never stored.
    """

    experiment: Experiment
    run: tuple[str, int]
    model: ExponentialFamily | None = None
    source: str | None = None
    is_numbered: bool = False
    is_shared: bool = False
    fixed: tuple[bytes, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def counted_as(self) -> str:
        """Return what becomes of its records, by name."""
        return "after_stop" if self.model is None else "applied"

    def put_together(self, numbers: Sequence[Any]) -> Experiment:
        """Return the experiment as it stands, from its row of numbers."""
        n, llr, max_llr, count, observations, total, records, highest, share, share_total, *times, lowest = numbers[:14]
        hot, name = self.experiment.hot, self.source or ""
        sources, shares = hot.sources, hot.shares
        if self.is_numbered:
            seen = sources.get(name)
            sources = sources.set(name, Seen(lowest, highest, lost=0 if seen is None else seen.lost))
        if self.is_shared:
            shares = shares.set(f"source:{name}", Share(share, share_total))
        last_applied, last_point_at, last_point_n = times
        counted = hot._replace(
            statistic=sprt.State(n, llr, max_llr, (count,), ()),
            observations=observations,
            total=total,
            counts=hot.counts.set(self.counted_as, records),
            sources=sources,
            last_applied=last_applied,
            last_point_at=last_point_at,
            last_point_n=last_point_n,
            shares=shares,
        )
        return Experiment(self.experiment.cold, counted, self.experiment.known_design)


def moving(hot: Hot, counted_as: str, highest: int, share: Share) -> tuple[Any, ...]:
    """Return the numbers that move, of which `Account.put_together` makes the hot part again."""
    statistic = hot.statistic
    return (
        statistic.n,
        statistic.llr,
        statistic.max_llr,
        statistic.counts[0],
        hot.observations,
        hot.total,
        hot.counts.get(counted_as, 0),
        highest,
        share.observations,
        share.total,
        hot.last_applied,
        hot.last_point_at,
        hot.last_point_n,
    )


class Ledger(NamedTuple):
    """Accounts and their numbers, row by row; `free` has the rows that are not in use, each with those before it."""

    accounts: list[Account]
    numbers: Numbers
    free: tuple[int, Any] | None = None

    def numbers_of(self, rows: Sequence[int | str], opened: Mapping[int, tuple[Any, ...]]) -> Numbers:
        """Return the numbers of these rows; `opened` has those of new accounts, by their place among the rows."""
        numbers = np.zeros(len(rows), NUMBERS)
        known = {place: row for place, row in enumerate(rows) if isinstance(row, int) and place not in opened}
        numbers[list(known)] = self.numbers[list(known.values())]
        for place, of in opened.items():
            numbers[place] = of
        return numbers


#: An experiment, or the row of its account.
Entry = Experiment | int


class Experiments(Mapping[str, Experiment]):
    """The experiments of a partition by id; what looks like a change makes another one, and leaves this as it is."""

    __slots__ = ("_entries", "ledger")

    def __init__(self, entries: Map[str, Entry] | None = None, ledger: Ledger | None = None) -> None:
        self._entries: Map[str, Entry] = Map() if entries is None else entries
        self.ledger = ledger or Ledger([], np.zeros(0, NUMBERS))

    @staticmethod
    def of(found: Mapping[str, Experiment]) -> "Experiments":
        """Return these experiments."""
        return Experiments(Map(found))

    def __getitem__(self, experiment_id: str) -> Experiment:
        """Return the experiment as it stands."""
        return self.whole(self._entries[experiment_id])

    def __contains__(self, experiment_id: object) -> bool:
        """Return whether there is one of that id."""
        return experiment_id in self._entries

    def __iter__(self) -> Iterator[str]:
        """Yield the ids."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._entries)

    def whole(self, entry: Entry) -> Experiment:
        """Return the experiment of an entry."""
        if isinstance(entry, Experiment):
            return entry
        return self.ledger.accounts[entry].put_together(self.ledger.numbers[entry].item())

    def entries(self, experiment_ids: Iterable[str]) -> list[Entry | None]:
        """Return for each id the experiment, the row of its account if it has one, None if there is none."""
        found = self._entries.get
        return [found(experiment_id) for experiment_id in experiment_ids]

    def cold(self, experiment_id: str) -> Cold | None:
        """Return the cold part of an experiment, which no batch of observations that is only counted changes."""
        entry = self._entries.get(experiment_id)
        if isinstance(entry, int):
            return self.ledger.accounts[entry].experiment.cold
        return None if entry is None else entry.cold

    def not_running(self, experiment_ids: Sequence[str]) -> list[str]:
        """Return those of the ids that are not of a running experiment; those that have an account with a model are."""
        accounts = self.ledger.accounts
        return [
            experiment_id
            for experiment_id, entry in zip(experiment_ids, self.entries(experiment_ids), strict=True)
            if (
                accounts[entry].model is None
                if isinstance(entry, int)
                else entry is None or entry.cold.state is not State.RUNNING
            )
        ]

    def clocks(self) -> Iterator[tuple[str, Cold, int]]:
        """Yield what the clock goes by: the id, the cold part, and when a record was last applied (microseconds)."""
        accounts, last_applied = self.ledger.accounts, self.ledger.numbers["last_applied"].tolist()
        for experiment_id, entry in self._entries.items():
            if isinstance(entry, int):
                yield experiment_id, accounts[entry].experiment.cold, last_applied[entry]
            else:
                yield experiment_id, entry.cold, entry.hot.last_applied

    def set(self, experiment_id: str, experiment: Experiment) -> "Experiments":
        """Return them with this one."""
        return self.update({experiment_id: experiment})

    def update(self, changed: Mapping[str, Experiment]) -> "Experiments":
        """Return them with these; what accounts they had are closed."""
        if not changed:
            return self
        free = self.ledger.free
        for entry in self.entries(changed):
            if isinstance(entry, int):
                free = (entry, free)
        return Experiments(self._entries.update(changed), self.ledger._replace(free=free))

    def counted(
        self, rows: Sequence[int | str], numbers: Numbers, accounts: Mapping[int | str, Account]
    ) -> "Experiments":
        """Return them with these numbers, and with accounts that have changed; an id stands for a new row."""
        kept, free = self.ledger.accounts.copy(), self.ledger.free
        opened: dict[str, int] = {}
        for row, account in accounts.items():
            if isinstance(row, int):
                kept[row] = account
            elif free is None:
                opened[row] = len(kept)
                kept.append(account)
            else:
                opened[row], free = free
                kept[opened[row]] = account
        grown = np.zeros(len(kept), NUMBERS)
        grown[: len(self.ledger.numbers)] = self.ledger.numbers
        grown[[opened[row] if isinstance(row, str) else row for row in rows]] = numbers
        return Experiments(self._entries.update(opened) if opened else self._entries, Ledger(kept, grown, free))
