"""What goes into `advance` and what comes out: batches of one partition in columns, and emissions.

A record is a row of the columns; its values lie in `values[value_starts[i]:value_starts[i + 1]]`. One record is a batch
of one. Emissions name records by their offset, so the core never touches their bytes.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from experiments.planning import Refusal, Solution
from experiments.published import Points
from schemas import events

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Results = npt.NDArray[np.int8]

#: No value in an integer column (`arm`, `source`, `sequence`, `observed_at`).
NONE = -1

#: `observed_at` may be this much later than the record's Kafka timestamp (microseconds).
FUTURE_TOLERANCE = 5_000_000


class Result(IntEnum):
    """What became of an observation record; the names are those of the metric's `result` label."""

    APPLIED = 0
    DUPLICATE = 1
    BEFORE_START = 2
    WHILE_PAUSED = 3
    AFTER_STOP = 4
    REJECTED = 5
    FORWARDED = 6


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be applied: its offset, a code from `schemas.metrics.REJECTED`, and words."""

    offset: int
    reason: str
    message: str
    experiment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A record to be sent on untouched: found on the wrong partition, or a command from a topic of its own."""

    offset: int
    partition: int
    experiment_id: str


@dataclass(frozen=True, slots=True)
class ObservationBatch:
    """Records of `sprt.observations` that continue the chain: the position was `first` and becomes `next`.

    `experiment` and `source` are indices into `experiment_ids` and `source_names`; `arm` is 0 for a, 1 for b;
    `timestamp` (Kafka's) and `observed_at` are in microseconds. `undecodable` are records with no row.
    """

    partition: int
    first: int
    next: int
    offset: Ints
    timestamp: Ints
    experiment: Ints
    experiment_ids: tuple[str, ...]
    values: Floats
    value_starts: Ints
    arm: Ints
    observed_at: Ints
    source: Ints
    source_names: tuple[str, ...]
    sequence: Ints
    undecodable: tuple[Rejected, ...] = ()

    def select(self, rows: Ints) -> "ObservationBatch":
        """Return a batch of the given rows only, its chain from the first of them to behind the last."""
        starts, lengths = self.value_starts[rows], np.diff(self.value_starts)[rows]
        ends = np.concatenate(([0], np.cumsum(lengths)))
        picked = np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)
        columns = ("offset", "timestamp", "experiment", "arm", "observed_at", "source", "sequence")
        return replace(
            self,
            first=int(self.offset[rows[0]]) if len(rows) else self.first,
            next=int(self.offset[rows[-1]]) + 1 if len(rows) else self.first,
            values=self.values[picked],
            value_starts=ends.astype(np.int64),
            undecodable=(),
            **{name: getattr(self, name)[rows] for name in columns},
        )


def gather(batch: ObservationBatch, rows: Ints) -> tuple[Floats, Ints, np.ndarray[tuple[int], np.dtype[np.int8]]]:
    """Return the values of the rows one after another, how many there are up to each row's end, and their arms."""
    starts = batch.value_starts
    lengths = starts[rows + 1] - starts[rows]
    ends = np.cumsum(lengths)
    if rows[-1] - rows[0] + 1 == len(rows):
        xs = batch.values[starts[rows[0]] : starts[rows[-1] + 1]]
    else:
        xs = batch.values[np.arange(ends[-1]) + np.repeat(starts[rows] - (ends - lengths), lengths)]
    return xs, ends, np.repeat(batch.arm[rows], lengths).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A control record that names a command but is not a valid one; what could be read of it is kept for the reply."""

    command_id: str
    experiment_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """One command or grant as read: `solution` accompanies `define` and `run`, solved off the stream's path.

    `horizon` accompanies `pause` and `resume`: the first observation that the log took after the command.
    """

    offset: int
    timestamp: int
    command: events.Command | events.SlotGranted | Malformed
    solution: Solution | Refusal | None = None
    horizon: int | None = None


@dataclass(frozen=True, slots=True)
class ControlBatch:
    """Commands of one partition in log order; replies and lifecycle events among them were left out by the reader."""

    partition: int
    first: int
    next: int
    records: tuple[ControlRecord, ...]
    undecodable: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandBatch:
    """Records of a topic of its own for commands, with the experiment of each: they go on to the control topic."""

    partition: int
    first: int
    next: int
    records: tuple[tuple[int, str], ...]
    undecodable: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveBatch:
    """Records of `sprt.archives` of one partition."""

    partition: int
    first: int
    next: int
    records: tuple[events.ArchiveWritten, ...]


@dataclass(frozen=True, slots=True)
class QueueBatch:
    """Records of `sprt.queues` of one partition, each with its Kafka timestamp in microseconds."""

    partition: int
    first: int
    next: int
    records: tuple[tuple[int, events.QueueEvent], ...]
    undecodable: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """At `at` (microseconds) the clock was read, and since then the observations were read to the end they had then."""

    partition: int
    at: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """The observations from `first` to before `next` were deleted before they were read, as was seen at `at`."""

    partition: int
    first: int
    next: int
    at: int


Batch = ObservationBatch | ControlBatch | CommandBatch | ArchiveBatch | QueueBatch | Tick | Deleted


@dataclass(frozen=True, slots=True)
class Emissions:
    """Everything that one step puts into its transaction, beside the position row.

    `queues` and `grants` go to the partitions of their queue and their experiment, all else stays on this one. `cold`,
    `hot` and `queue_rows` name the experiments and queues whose rows changed. `results` has the fate of each row of an
    observation batch, `counts` the records by result name, undecodable ones included.
    """

    control: tuple[events.Reply | events.Lifecycle, ...] = ()
    queues: tuple[events.QueueEvent, ...] = ()
    grants: tuple[events.SlotGranted, ...] = ()
    walks: Points = field(default_factory=Points)
    rejected: tuple[Rejected, ...] = ()
    forwarded: tuple[Forwarded, ...] = ()
    cold: tuple[str, ...] = ()
    hot: tuple[str, ...] = ()
    queue_rows: tuple[str, ...] = ()
    results: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    counts: dict[str, int] = field(default_factory=dict)
