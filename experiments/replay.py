"""A replica of one run from its lifecycle events and its observation records: what proves an archive.

The records go through the same `advance` as in the worker; events that came from commands or the clock take effect at
the offsets they carry. The replica makes its own decision, to be compared with the published one.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from immutables import Map

from experiments import facts
from experiments.advance import advance
from experiments.batch import ObservationBatch, Results
from experiments.evolve import evolve
from experiments.facts import Moment
from experiments.memory import Experiment, Memory
from schemas import events

_GIVEN = ("cause", "actor", "comment", "at", "id", "version")


class Replica:
    """One run, told again.

    Parameters
    ----------
    defined
        The definition that held when the run started.
    lifecycle
        The run's events from `started` to `decision`, in version order.
    """

    def __init__(self, defined: events.Defined, lifecycle: Sequence[events.Lifecycle]) -> None:
        started, *later = lifecycle
        self._id = defined.experiment_id
        experiment = evolve(evolve(None, defined), started)
        self._memory = Memory(0, 1, Map({self._id: experiment}))
        self._later = list(later)
        self.decision: events.Decision | None = None

    @property
    def experiment(self) -> Experiment:
        """Return the experiment as it stands."""
        return self._memory.experiments[self._id]

    def feed(self, batch: ObservationBatch) -> Iterator[tuple[ObservationBatch, Results]]:
        """Yield the batch's records of this experiment in pieces between events, with what became of each record."""
        here = [code for code, name in enumerate(batch.experiment_ids) if name == self._id]
        rows = np.flatnonzero(np.isin(batch.experiment, here))
        while len(rows):
            at = self._later[0].offset if self._later else None
            ready = len(rows) if at is None else int(np.searchsorted(batch.offset[rows], at))
            if self.decision is None and ready < len(rows) and at is not None and _by_observation(self._later[0]):
                ready = len(rows)
            if ready:
                piece = batch.select(rows[:ready])
                self._memory, emissions = advance(_unchained(self._memory), piece)
                self._note(emissions.control)
                yield piece, emissions.results
                rows = rows[ready:]
            elif self._later:
                self._apply(self._later.pop(0))

    def conclude(self) -> events.Decision | None:
        """Return the replica's own decision once all records were fed, None if nothing ended the run."""
        while self._later and self.decision is None:
            self._apply(self._later.pop(0))
        return self.decision

    def _apply(self, event: events.Lifecycle) -> None:
        if self.decision is not None:
            return
        if not isinstance(event, events.Decision):
            experiment = evolve(self.experiment, event)
        elif _by_observation(event):
            return  # only an observation can make this one
        else:
            now = Moment(event.at, event.partition or 0, event.offset or 0)
            experiment, made = facts.follow(self.experiment, facts.decided(now, str(event.reason)))
            self._note(made)
        self._memory = Memory(0, 1, Map({self._id: experiment}))

    def _note(self, control: Sequence[events.Lifecycle | events.Reply]) -> None:
        for event in control:
            if isinstance(event, events.Decision):
                self.decision = event


def differences(published: events.Decision, replica: events.Decision | None) -> tuple[str, ...]:
    """Return in words where the replica's decision is not the published one; ids, causes and times are not compared."""
    if replica is None:
        return ("the replica reaches no decision",)
    return tuple(
        f"{name}: published {getattr(published, name)!r}, replica {getattr(replica, name)!r}"
        for name in published.__struct_fields__
        if name not in _GIVEN and getattr(published, name) != getattr(replica, name)
    )


def _by_observation(event: events.Lifecycle) -> bool:
    return isinstance(event, events.Decision) and event.index is not None


def _unchained(memory: Memory) -> Memory:
    """Return the memory without positions: a replica reads one experiment's records, so its chain has holes."""
    return Memory(memory.partition, memory.partitions, memory.experiments)
