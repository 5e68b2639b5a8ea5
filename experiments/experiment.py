"""An experiment as a frozen value: the cold part changes with commands, the hot part with observations.

Each is one row of `sprt.state`, so that a batch writes only what changed. Maps are persistent (`immutables`), so an
uncommitted step can be dropped and never leaks.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from immutables import Map

import sprt
from experiments.durations import microseconds
from experiments.planning import stored_design
from experiments.sequences import Seen


class State(StrEnum):
    """Where an experiment stands; a state is not an outcome."""

    DEFINED = "DEFINED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    HELD = "HELD"
    DECIDED = "DECIDED"
    ARCHIVED = "ARCHIVED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer to a command id, repeated when the id comes again."""

    status: str
    code: str
    message: str
    version: int


class Pause(NamedTuple):
    """Which observation records a pause leaves out: offsets from `first` up to, not including, `end`.

    `end` is None until the run is resumed; `deadline` (microseconds) is what held before the pause.
    """

    first: int
    end: int | None
    deadline: int | None


@dataclass(frozen=True, slots=True)
class Cold:
    """The part of an experiment that commands change.

    `definition` is the stored form with defaults filled in; `lower` and `upper` are the thresholds that hold, in nats;
    `deadline` ends the live run; `pause_began` is set while paused; `pauses` are those of the run that may still leave
    out records; `source_end` is the last sequence of a source that said it is done; `attempt`, `retry_of` and
    `retry_at` are those of a run that is tried again; `is_held` keeps the verdict back, `withheld` is a verdict kept
    back; `is_unblinded` lets a blinded run's walk be seen; `slot` is the queue that the run waits in or holds a slot
    of; `schedule_anchor`, `due` and `scheduled_runs` are the schedule's; `answers` are the last 1 000 command ids.
    """

    experiment_id: str
    definition: dict[str, Any]
    definition_revision: int
    design_digest: str
    definition_digest: str
    lower: float | None
    upper: float | None
    certificate: dict[str, Any]
    state: State = State.DEFINED
    run: int = 0
    version: int = 0
    started_at: datetime | None = None
    deadline: datetime | None = None
    pause_began: datetime | None = None
    pauses: tuple[Pause, ...] = ()
    source_end: tuple[str, int] | None = None
    decision_id: str | None = None
    last_reason: str | None = None
    attempt: int = 1
    retry_of: int | None = None
    retry_at: datetime | None = None
    is_held: bool = False
    withheld: dict[str, Any] | None = None
    is_unblinded: bool = False
    slot: str | None = None
    schedule_anchor: datetime | None = None
    due: datetime | None = None
    scheduled_runs: int = 0
    answers: tuple[tuple[str, Answer], ...] = ()

    def limit(self, name: str) -> int | None:
        """Return `max_duration` or `stall_timeout` in microseconds, None without one."""
        given = self.definition["stop"][name]
        return None if given is None else microseconds(given)


#: Among the shares of a run: the observations that came to Kafka long after they were made.
LATE = "late"


class Share(NamedTuple):
    """Some of a run's observations: how many, and their sum."""

    observations: int
    total: float


class Hot(NamedTuple):  # a tuple, as `sprt.State` is: folding makes one at every point of a walk
    """The part of an experiment that observations change: the walk of the live run, counts, sources.

    `counts` has the records of this run by result name (`statistic.n` counts observations), `earlier` those before its
    start. `last_point_*` thin the published points; times in microseconds. For the health checks: `shares` of each
    `source:<name>` and `arm:<a or b>`, and `marks`, the share of the first 1, 2, 4, 8 … observations.
    """

    run: int
    statistic: sprt.State
    observations: int = 0
    total: float = 0.0
    counts: Map[str, int] = Map()
    earlier: Map[str, int] = Map()
    sources: Map[str, Seen] = Map()
    last_applied: int = 0
    last_point_at: int = 0
    last_point_n: int = 0
    shares: Map[str, Share] = Map()
    marks: tuple[Share, ...] = ()

    def all_counts(self) -> Map[str, int]:
        """Return the records since the definition by result name; their sum is the records read."""
        return self.earlier.update({name: self.earlier.get(name, 0) + more for name, more in self.counts.items()})

    def has_seen(self, source: str, sequence: int) -> bool:
        """Return whether a source's records up to `sequence` have come (a source without records has sequence -1)."""
        seen = self.sources.get(source)
        return sequence < 0 if seen is None else seen.highest >= sequence


@dataclass(frozen=True, slots=True)
class Experiment:
    """Both parts, and the design that the stored thresholds make (a cache, never stored)."""

    cold: Cold
    hot: Hot
    known_design: sprt.Design | None = field(default=None, compare=False, repr=False)

    @property
    def design(self) -> sprt.Design:
        """Return the design, made when it is first asked for: a take-over reads thousands of experiments."""
        if self.known_design is None:
            made = stored_design(self.cold.definition, self.cold.lower, self.cold.upper)
            object.__setattr__(self, "known_design", made)
            return made
        return self.known_design

    @property
    def is_live(self) -> bool:
        """Return whether a run is open."""
        return self.cold.state in (State.RUNNING, State.PAUSED)
