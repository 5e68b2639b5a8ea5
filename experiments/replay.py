"""A replica of one run from its lifecycle events and its observation records: what proves an archive.

The records go through the same `advance` as in the worker; events that came from commands or the clock take effect at
the offsets they carry. The replica makes its own decision, to be compared with the published one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from experiments import endings, facts
from experiments.advance import advance
from experiments.batch import ObservationBatch, Results
from experiments.evolve import evolve
from experiments.experiment import Experiment, State
from experiments.facts import Moment
from experiments.ledger import Experiments
from experiments.memory import Memory
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
        self._memory = Memory(0, 1, Experiments.of({self._id: experiment}))
        self._later = [event for event in later if not _by_observation(event)]  # those it finds itself
        self._due = _in_order([event.offset for event in self._later])
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
            ready = int(np.searchsorted(batch.offset[rows], self._due[0])) if self._later else len(rows)
            if ready:
                piece = batch.select(rows[:ready])
                self._memory, emissions = advance(_unchained(self._memory), piece)
                self._note(emissions.control)
                yield piece, emissions.results
                rows = rows[ready:]
            else:
                self._apply_next()

    def conclude(self) -> events.Decision | None:
        """Return the replica's own decision once all records were fed, None if nothing ended the run."""
        while self._later:
            self._apply_next()
        return self.decision

    def _apply_next(self) -> None:
        """Take the next event of commands or the clock as given."""
        event = self._later.pop(0)
        self._due.pop(0)
        if self.decision is not None:
            return
        now = Moment(event.at, event.partition or 0, event.offset or 0)
        made: Sequence[events.Lifecycle] = ()
        if isinstance(event, events.Decision):
            experiment, made = facts.follow(self.experiment, facts.decided(now, str(event.reason)))
        elif isinstance(event, events.Held) and event.withheld:
            decided = facts.decided(now, event.withheld["reason"])
            experiment, made = endings.conclude(self.experiment, decided, now)
        elif isinstance(event, events.Released) and self.experiment.cold.state is State.HELD:
            experiment, made = facts.follow(self.experiment, facts.released(now), facts.published(now))
        else:
            experiment = evolve(self.experiment, event)
        self._memory = replace(self._memory, experiments=Experiments.of({self._id: experiment}))
        self._note(made)

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


def _in_order(offsets: Sequence[int | None]) -> list[float]:
    """Return at which record each event is taken in: a pause may lie ahead of what happened after it was asked for."""
    due = [math.inf if offset is None else offset for offset in offsets]
    return [min(due[at:]) for at in range(len(due))]


def _by_observation(event: events.Lifecycle) -> bool:
    """Return whether only an observation can have led to the event."""
    if isinstance(event, events.Held):
        return bool(event.withheld) and event.withheld["index"] is not None
    return isinstance(event, events.Decision) and event.index is not None


def _unchained(memory: Memory) -> Memory:
    """Return the memory without positions: a replica reads one experiment's records, so its chain has holes."""
    return Memory(memory.partition, memory.partitions, memory.experiments)
