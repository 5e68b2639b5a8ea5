"""Everything one archive says, as one frozen value from which every format is written.

The events are those of the control topic, unchanged; nothing here is computed twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import msgspec

import sprt
from experiments.planning import stored_design
from exporter.observations import Observations
from schemas import events

if TYPE_CHECKING:
    ControlEvent = events.ControlEvent
else:
    ControlEvent = reduce(or_, events.CONTROL)  # each concrete type, so that msgspec can read it back


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the control topic: where it stands, Kafka's time stamp, what it says."""

    partition: int
    offset: int
    at: datetime
    event: ControlEvent


class Offsets(msgspec.Struct, frozen=True, kw_only=True):
    """Where in Kafka the run lies; all offsets inclusive.

    `first` is where `started` takes effect. `last` is the deciding record or, where no observation decided, the last
    offset before the decision's; it is below `first` in a run that saw none.
    """

    topic: str
    partition: int
    first: int
    last: int
    control_topic: str
    control_partition: int
    control_first: int
    control_last: int


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """The replica's decision where it is another one than the worker's; `differences` says in words where.

    `parting` says between which observations the two walks part, as far as the published points tell.
    """

    replica: events.Decision | None
    differences: tuple[str, ...]
    parting: str = ""

    @property
    def in_words(self) -> tuple[str, ...]:
        """Return all that is said about it."""
        return (*self.differences, self.parting) if self.parting else self.differences


@dataclass(frozen=True, slots=True)
class Archive:
    """One decided run.

    Parameters
    ----------
    defined
        The definition, design and certificate that held for the run.
    started, decision
        The worker's events.
    timeline
        Every control record of the run in log order, from its definition to its decision.
    counts
        Observation records of the run's range by what became of them.
    offsets
        Where the records lie in Kafka.
    versions
        Software and schemas, name to version.
    observations
        The table of every value in the range.
    estimates
        The estimate block: that of the decision, and what takes the law of the stopped walk.
    dispute
        Set where the independent replica came to another decision.
    """

    defined: events.Defined
    started: events.Started
    decision: events.Decision
    timeline: tuple[Entry, ...]
    counts: Mapping[str, int]
    offsets: Offsets
    versions: Mapping[str, str]
    observations: Observations
    estimates: Mapping[str, Any]
    dispute: Dispute | None = None

    @property
    def experiment_id(self) -> str:
        """Return the id of the experiment."""
        return self.decision.experiment_id

    @property
    def run(self) -> int:
        """Return the number of the run."""
        return self.decision.run

    @property
    def definition(self) -> dict[str, Any]:
        """Return the stored definition, defaults filled in."""
        return self.defined.definition

    @property
    def design(self) -> sprt.Design:
        """Return the design that the stored thresholds make."""
        return stored_design(self.definition, self.defined.lower, self.defined.upper)

    @property
    def title(self) -> str:
        """Return the experiment's title, or its id where it has none."""
        return str(self.definition.get("title") or self.experiment_id)

    @property
    def lifecycle(self) -> tuple[events.Lifecycle, ...]:
        """Return the lifecycle events of the timeline, in log order."""
        return tuple(entry.event for entry in self.timeline if isinstance(entry.event, events.Lifecycle))


def run_of(timeline: Sequence[Entry]) -> list[events.Lifecycle]:
    """Return the lifecycle events of the run itself, from `started` to `decision`."""
    facts = (entry.event for entry in timeline)
    return [fact for fact in facts if isinstance(fact, events.Lifecycle) and not isinstance(fact, events.Defined)]


def started_of(timeline: Sequence[Entry]) -> events.Started:
    """Return the start of the run.

    Raises
    ------
    ValueError
        If the timeline has none, or several.
    """
    found = [entry.event for entry in timeline if isinstance(entry.event, events.Started)]
    if len(found) != 1:
        raise ValueError(f"timeline: {len(found)} started; allowed: the one of the run")
    return found[0]


def defined_of(timeline: Sequence[Entry]) -> events.Defined:
    """Return the definition that held for the run.

    Raises
    ------
    ValueError
        If the timeline lacks it.
    """
    revision = started_of(timeline).definition_revision
    for entry in timeline:
        if isinstance(entry.event, events.Defined) and entry.event.definition_revision == revision:
            return entry.event
    raise ValueError(f"timeline: no definition of revision {revision}, with which the run started")


def decision_of(timeline: Sequence[Entry]) -> events.Decision:
    """Return the decision, which ends the timeline; raises `ValueError` if it does not."""
    decision = timeline[-1].event if timeline else None
    if not isinstance(decision, events.Decision):
        raise ValueError(f"timeline: it ends in {type(decision).__name__}; allowed: Decision")  # noqa: TRY004 data, not a programming error
    return decision
