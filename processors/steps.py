"""One step of a partition, computed without touching Kafka: decode, look for the barrier, advance, make the records.

Pure: the same step on the same memory gives the same outcome, so a step that was lost on the way is simply asked again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from experiments.advance import advance
from experiments.batch import Batch, Deleted, Emissions, ObservationBatch, Tick
from experiments.columns import archive_batch, command_batch, control_batch, observation_batch, queue_batch
from experiments.memory import Memory
from experiments.planning import Refusal, Solution
from experiments.rows import to_rows
from processors.frames import Known
from processors.inputs import Fetched
from processors.outgoing import Outgoing, outgoing
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Observations:
    """Fold observations; `has_waited` if own control was read to where it ended after they had come.

    `batch` is set once they were decoded, and control of all partitions that matter was read so far.

    Here as in the other steps, `schemas` has those of a registry that the records need, None without a registry.
    """

    fetched: Fetched
    schemas: Known | None = None
    batch: ObservationBatch | None = None
    has_waited: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """Answer commands; `solutions` belong to the definitions among them, in their order; None where none is asked.

    `over_rate` has the offsets of those that came too fast; their definitions are not solved. `horizons` has, by the
    offset of a `pause` or `resume`, the first observation that the log took after it.
    """

    fetched: Fetched
    solutions: tuple[Solution | Refusal | None, ...]
    schemas: Known | None = None
    over_rate: frozenset[int] = frozenset()
    horizons: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commands:
    """Send commands on from a topic of their own to the control topic."""

    fetched: Fetched
    schemas: Known | None = None


@dataclass(frozen=True, slots=True)
class Archives:
    """Take note of archives that stand."""

    fetched: Fetched


@dataclass(frozen=True, slots=True)
class Queues:
    """Grant slots of queues."""

    fetched: Fetched


@dataclass(frozen=True, slots=True)
class Clock:
    """See what the clock ends, at a moment (microseconds) up to which the observations were read."""

    at: int


@dataclass(frozen=True, slots=True)
class Gone:
    """Go on behind observations that were deleted before they were read."""

    first: int
    next: int
    at: int


Step = Observations | Control | Commands | Archives | Queues | Clock | Gone


@dataclass(frozen=True, slots=True)
class Done:
    """The memory after the step and what its transaction sends, None if the step changed positions only.

    `seconds` are of this thread's work alone: on a busy machine the next batch must not be taken for a slow one.
    """

    batch: Batch
    memory: Memory
    emissions: Emissions
    outgoing: Outgoing | None
    seconds: float


@dataclass(frozen=True, slots=True)
class AtBarrier:
    """Some records belong to experiments that are not running as far as memory knows: control has to be read first.

    That of all partitions, if a command may be on its way from another one: `is_everywhere`.
    """

    step: Observations
    is_everywhere: bool


def compute(topics: Topics, memory: Memory, step: Step) -> Done | AtBarrier:
    """Return what the step does to the memory and what it emits, or that it has to wait for control."""
    began = time.thread_time()
    batch: Batch
    if isinstance(step, Observations):
        batch = step.batch or observation_batch(
            memory.partition, *step.fetched[1:3], step.fetched.columns(), registry=step.schemas
        )
        if step.batch is None and (strangers := memory.experiments.not_running(batch.experiment_ids)):
            is_everywhere = any(_may_be_new(memory, it) for it in strangers)
            if is_everywhere or not step.has_waited:
                return AtBarrier(replace(step, batch=batch), is_everywhere)
    elif isinstance(step, Control):
        solutions = iter(step.solutions)
        batch = control_batch(
            memory.partition,
            *step.fetched[1:3],
            step.fetched.records(),
            lambda _definition: next(solutions),
            registry=step.schemas,
            over_rate=step.over_rate,
            horizons=step.horizons,
        )
    elif isinstance(step, Commands):
        batch = command_batch(memory.partition, *step.fetched[1:3], step.fetched.records(), registry=step.schemas)
    elif isinstance(step, Archives):
        batch = archive_batch(memory.partition, *step.fetched[1:3], step.fetched.records())
    elif isinstance(step, Queues):
        batch = queue_batch(memory.partition, *step.fetched[1:3], step.fetched.records())
    elif isinstance(step, Gone):
        batch = Deleted(memory.partition, step.first, step.next, step.at)
    else:
        batch = Tick(memory.partition, step.at)
    after, emissions = advance(memory, batch)
    made = None
    if _is_news(emissions) or isinstance(step, Gone):
        fetched = None if isinstance(step, Clock | Gone) else step.fetched
        made = outgoing(topics, after, emissions, to_rows(after, emissions), fetched)
    return Done(batch, after, emissions, made, time.thread_time() - began)


def _may_be_new(memory: Memory, experiment_id: str) -> bool:
    """Return whether the experiment never ran here: its commands may have been put on any partition."""
    cold = memory.experiments.cold(experiment_id)
    return cold is None or cold.run == 0


def _is_news(emissions: Emissions) -> bool:
    parts: tuple[Sequence[object] | dict[str, int], ...] = (
        emissions.control,
        emissions.queues,
        emissions.grants,
        emissions.queue_rows,
        emissions.walks,
        emissions.rejected,
        emissions.forwarded,
        emissions.cold,
        emissions.hot,
        emissions.counts,
    )
    return any(parts)
