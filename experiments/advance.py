"""The one step of the system: a partition's memory and a batch in, the memory afterwards and everything to emit out.

Pure: no clock, no I/O, and nothing is raised for data; what cannot be applied becomes a rejected record. The worker,
the exporter and the tests call this function.
"""

from dataclasses import replace

import numpy as np

from experiments import due, facts, slots
from experiments.batch import (
    ArchiveBatch,
    Batch,
    CommandBatch,
    ControlBatch,
    Deleted,
    Emissions,
    Forwarded,
    Ints,
    ObservationBatch,
    QueueBatch,
    Rejected,
    Result,
    Tick,
)
from experiments.commands import answer
from experiments.ended import Ended, count_ended
from experiments.experiment import Experiment, State
from experiments.facts import Moment
from experiments.folding import fold_records
from experiments.memory import Memory, Queue
from experiments.published import Point
from experiments.quiet import Quiet, fold_quiet
from experiments.times import moment
from schemas import events
from schemas.partitions import partition_of

#: From so many records on, looking at all experiments at once pays.
_MANY = 8
_SHORT = 2**16


def advance(memory: Memory, batch: Batch) -> tuple[Memory, Emissions]:
    """Return the memory after the batch, and what the step emits; both take effect together or not at all.

    Raises
    ------
    ValueError
        If the batch does not continue the memory's chain of positions: a fault of the shell, never of data.
    """
    if isinstance(batch, Tick):
        return _tick(memory, batch)
    name = _INPUTS[type(batch)]
    if batch.first != memory.positions.get(name, batch.first):
        raise ValueError(f"{name}: the batch begins at {batch.first}, the position is {memory.positions[name]}")
    memory = replace(memory, positions=memory.positions.set(name, batch.next))
    if isinstance(batch, ObservationBatch):
        return _observations(memory, batch)
    if isinstance(batch, Deleted):
        return _deleted(memory, batch)
    if isinstance(batch, ControlBatch):
        return _control(memory, batch)
    if isinstance(batch, CommandBatch):
        return memory, _commands(memory, batch)
    if isinstance(batch, ArchiveBatch):
        return _archives(memory, batch)
    return _queues(memory, batch)


_INPUTS = {
    ObservationBatch: "observations",
    Deleted: "observations",
    ControlBatch: "control",
    CommandBatch: "commands",
    ArchiveBatch: "archives",
    QueueBatch: "queues",
}


def _observations(memory: Memory, batch: ObservationBatch) -> tuple[Memory, Emissions]:
    control: list[events.Lifecycle] = []
    queues: list[events.QueueEvent] = []
    walks: list[Point] = []
    rejected = list(batch.undecodable)
    forwarded: list[Forwarded] = []
    cold: list[str] = []
    order, bounds = _by_experiment(batch)
    ended, quiet = Ended(memory.experiments), Quiet(memory.experiments)
    if len(batch.offset) >= _MANY:
        entries = memory.experiments.entries(batch.experiment_ids)
        ended = count_ended(memory.experiments, entries, np.diff(bounds))
        quiet = fold_quiet(ended.experiments, entries, batch, order, bounds)
    result_of = np.full(len(batch.experiment_ids), Result.REJECTED, np.int8)
    result_of[list(quiet.codes)] = Result.APPLIED
    result_of[list(ended.codes)] = Result.AFTER_STOP
    results = result_of[batch.experiment]
    changed: dict[str, Experiment] = {}
    for code in np.flatnonzero(result_of == Result.REJECTED).tolist():
        experiment_id, rows = batch.experiment_ids[code], order[bounds[code] : bounds[code + 1]]
        if (experiment := memory.experiments.get(experiment_id)) is not None:
            folded = fold_records(experiment, batch, rows)
            changed[experiment_id] = folded.experiment
            results[rows] = folded.results
            rejected += folded.rejected
            walks += folded.walks
            control += folded.control
            queues += slots.follow_up(experiment, folded.control)
            if folded.control:
                cold.append(experiment_id)
        elif (partition := partition_of(experiment_id, memory.partitions)) != memory.partition:
            results[rows] = Result.FORWARDED
            forwarded += [Forwarded(int(offset), partition, experiment_id) for offset in batch.offset[rows]]
        else:
            message = f"experiment_id: no experiment {experiment_id!r} is defined"
            rejected += [Rejected(int(o), "unknown_experiment", message, experiment_id) for o in batch.offset[rows]]
    counts = _counts(results, len(batch.undecodable))
    total = memory.counts
    for name, number in counts.items():
        total = total.set(name, total.get(name, 0) + number)
    emissions = Emissions(
        control=tuple(control),
        queues=tuple(queues),
        walks=quiet.walks.and_of(walks),
        rejected=tuple(sorted(rejected, key=lambda record: record.offset)),
        forwarded=tuple(sorted(forwarded, key=lambda record: record.offset)),
        cold=tuple(cold),
        hot=(*(batch.experiment_ids[code] for code in (*quiet.codes, *ended.codes)), *changed),
        results=results,
        counts=counts,
    )
    return replace(memory, experiments=quiet.experiments.update(changed), counts=total), emissions


def _by_experiment(batch: ObservationBatch) -> tuple[Ints, Ints]:
    """Return the rows experiment by experiment, in log order each, and where the rows of each code begin and end."""
    codes, number = batch.experiment, len(batch.experiment_ids)
    bounds = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=number))))
    if number <= _SHORT:
        codes = codes.astype(np.uint16)  # numbers of two bytes are sorted by their digits, several times faster
    return np.argsort(codes, kind="stable"), bounds


def _counts(results: np.ndarray[tuple[int], np.dtype[np.int8]], undecodable: int) -> dict[str, int]:
    numbers = np.bincount(results, minlength=len(Result)).tolist()
    numbers[Result.REJECTED] += undecodable
    return {result.name.lower(): numbers[result] for result in Result if numbers[result]}


def _control(memory: Memory, batch: ControlBatch) -> tuple[Memory, Emissions]:
    experiments = memory.experiments
    control: list[events.Reply | events.Lifecycle] = []
    queues: list[events.QueueEvent] = []
    forwarded = []
    changed: dict[str, None] = {}
    started: dict[str, None] = {}
    for record in batch.records:
        experiment_id = record.command.experiment_id
        partition = partition_of(experiment_id, memory.partitions)
        if partition != memory.partition:
            forwarded.append(Forwarded(record.offset, partition, experiment_id))
            continue
        now = Moment(moment(record.timestamp), memory.partition, memory.positions.get("observations", 0))
        before = experiments.get(experiment_id)
        after, emitted = answer(before, record, now)
        control += emitted
        queues += slots.follow_up(before, [event for event in emitted if isinstance(event, events.Lifecycle)])
        if after is not None and after is not before:
            experiments = experiments.set(experiment_id, after)
            changed[experiment_id] = None
            if before is None or after.hot is not before.hot:
                started[experiment_id] = None
    emissions = Emissions(
        control=tuple(control),
        queues=tuple(queues),
        rejected=batch.undecodable,
        forwarded=tuple(forwarded),
        cold=tuple(changed),
        hot=tuple(started),
    )
    return replace(memory, experiments=experiments), emissions


def _commands(memory: Memory, batch: CommandBatch) -> Emissions:
    """Send commands on to the control topic, where they are answered as if they had been sent there."""
    sent_on = (Forwarded(offset, partition_of(of, memory.partitions), of) for offset, of in batch.records)
    return Emissions(forwarded=tuple(sent_on), rejected=batch.undecodable)


def _archives(memory: Memory, batch: ArchiveBatch) -> tuple[Memory, Emissions]:
    experiments = memory.experiments
    control: list[events.Lifecycle] = []
    for written in batch.records:
        experiment = experiments.get(written.experiment_id)
        is_news = experiment is not None and experiment.cold.state is State.DECIDED
        if experiment is None or not is_news or experiment.cold.decision_id != written.decision_id:
            continue  # announced again, or of an earlier run
        now = Moment(written.at, memory.partition, memory.positions.get("observations", 0))
        experiment, emitted = facts.follow(experiment, facts.archived(written, now))
        experiments = experiments.set(written.experiment_id, experiment)
        control += emitted
    cold = tuple(event.experiment_id for event in control)
    return replace(memory, experiments=experiments), Emissions(control=tuple(control), cold=cold)


def _deleted(memory: Memory, batch: Deleted) -> tuple[Memory, Emissions]:
    """Withhold the verdict of every live run: observations of it may be among those that are gone."""
    number = batch.next - batch.first
    words = f"records {batch.first} to {batch.next - 1} of the partition were deleted before they were counted"
    check = {"records_deleted": {"value": number, "limit": 0, "passed": False, "words": words}}
    now = Moment(moment(batch.at), memory.partition, batch.next)
    experiments = memory.experiments
    control: list[events.Lifecycle] = []
    for experiment_id, experiment in sorted(memory.experiments.items()):
        if not experiment.is_live:
            continue
        after, emitted = facts.follow(experiment, facts.held(now, check, cause="records_deleted"))
        experiments = experiments.set(experiment_id, after)
        control += emitted
    cold = tuple(event.experiment_id for event in control)
    return replace(memory, experiments=experiments), Emissions(control=tuple(control), cold=cold)


def _tick(memory: Memory, tick: Tick) -> tuple[Memory, Emissions]:
    now = Moment(moment(tick.at), memory.partition, memory.positions.get("observations", 0))
    experiments = memory.experiments
    control: list[events.Lifecycle] = []
    queues: list[events.QueueEvent] = []
    cold, hot = [], []
    for experiment_id, (after, emitted) in due.what_is_due(memory, tick.at, now):
        before = experiments[experiment_id]
        experiments = experiments.set(experiment_id, after)
        control += emitted
        queues += slots.follow_up(before, emitted)
        cold.append(experiment_id)
        if after.hot is not before.hot:
            hot.append(experiment_id)
    emissions = Emissions(control=tuple(control), queues=tuple(queues), cold=tuple(cold), hot=tuple(hot))
    return replace(memory, experiments=experiments), emissions


def _queues(memory: Memory, batch: QueueBatch) -> tuple[Memory, Emissions]:
    queues, grants = memory.queues, []
    changed: dict[str, None] = {}
    for timestamp, event in batch.records:
        queue, given = slots.grant(slots.settle(queues.get(event.queue, Queue()), event), moment(timestamp))
        queues = queues.set(event.queue, queue)
        grants += given
        changed[event.queue] = None
    emissions = Emissions(grants=tuple(grants), queue_rows=tuple(changed), rejected=batch.undecodable)
    return replace(memory, queues=queues), emissions
