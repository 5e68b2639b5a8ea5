"""A whole installation without Kafka: the logs of every topic, and one owner per partition that steps and crashes.

What a step emits is appended to the logs in the same breath, as one transaction would; a step that is lost leaves no
trace. An owner that comes back has its rows alone.
"""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from experiments import advance
from experiments.batch import Batch, Emissions, Tick
from experiments.columns import RawRecord, archive_batch, control_batch, observation_batch, queue_batch
from experiments.due import next_due, next_due_among
from experiments.experiment import State
from experiments.memory import Memory
from experiments.rows import Row, load, to_rows
from schemas import codecs, events
from schemas.partitions import partition_of
from tests.experiments.auditor import Auditor
from tests.experiments.story import BEGIN, SECOND, plan_once

INPUTS = ("control", "queues", "archives", "observations")


class World:
    """Partitions, their logs and their owners; `auditor` sees everything that is emitted."""

    def __init__(self, partitions: int = 2) -> None:
        self.partitions = partitions
        self.now = BEGIN
        self.auditor = Auditor()
        self.memories = [Memory(p, partitions) for p in range(partitions)]
        self._logs: dict[tuple[str, int], list[RawRecord]] = defaultdict(list)
        self._rows: list[list[Row]] = [[] for _ in range(partitions)]
        self._due = [math.inf] * partitions  # nothing is due before that, as far as an owner keeps it up
        self._commands = 0

    def send(self, kind: str, experiment_id: str, **fields: Any) -> None:
        """Append one command, with an id of its own where none is given."""
        self._commands += 1
        command = {"type": kind, "id": f"command-{self._commands}", "experiment_id": experiment_id, **fields}
        self.append("control", experiment_id, json.dumps(command).encode())

    def append(self, topic: str, key: str, value: bytes, partition: int | None = None) -> None:
        """Append a record to the partition of its key, or to another."""
        at = partition_of(key, self.partitions) if partition is None else partition
        log = self._logs[topic, at]
        self.now += 1_000  # Kafka's clock counts milliseconds; two records may share one
        log.append(RawRecord(len(log), self.now // 2_000 * 2_000, None, value))

    def waiting(self, topic: str, partition: int) -> list[RawRecord]:
        """Return the records that the partition's owner has not read."""
        return self._logs[topic, partition][self._position(topic, partition) :]

    def read(self, topic: str, partition: int, most: int = 1_000, *, is_lost: bool = False) -> None:
        """Let the owner read up to `most` records of an input in one step; where it is lost, nothing has happened."""
        if topic == "observations" and self._has_strangers(partition):
            self.read("control", partition)  # the barrier
        if topic == "queues":
            most = min(most, 1)  # the auditor looks at a queue after each thing it is told
        records = self.waiting(topic, partition)[:most]
        if not records:
            return
        first = self._position(topic, partition)
        batch = self._batch(topic, partition, first, first + len(records), records)
        if is_lost:
            advance(self.memories[partition], batch)
            return
        emissions = self._step(partition, batch)
        self.auditor.has_read(records, batch, emissions)

    def tick(self, partition: int) -> None:
        """Let the owner look at the clock, once it has read every observation."""
        self.read("observations", partition)
        self._step(partition, Tick(partition, self.now))
        self._due[partition] = next_due(self.memories[partition]) or math.inf

    def settle(self) -> None:
        """Let every owner read until nothing is left to read."""
        while any(self.waiting(topic, p) for topic in INPUTS for p in range(self.partitions)):
            for topic in INPUTS:
                for partition in range(self.partitions):
                    self.read(topic, partition)

    def crash(self, partition: int) -> None:
        """Let another owner take over with the rows alone."""
        before = self.memories[partition]
        after = load(partition, self.partitions, self._rows[partition])
        assert (after.experiments, after.queues, after.counts) == (before.experiments, before.queues, before.counts)
        assert all(after.positions[name] <= before.positions[name] for name in after.positions)
        self.memories[partition] = after

    def observations(self, partition: int) -> list[RawRecord]:
        """Return every observation record of a partition."""
        return self._logs["observations", partition]

    def _batch(self, topic: str, partition: int, first: int, following: int, records: Sequence[RawRecord]) -> Batch:
        if topic == "control":
            log = self._logs["observations", partition]
            horizons = {it.offset: sum(other.timestamp <= it.timestamp for other in log) for it in records}
            return control_batch(partition, first, following, records, plan_once, horizons=horizons)
        if topic == "queues":
            return queue_batch(partition, first, following, records)
        if topic == "archives":
            return archive_batch(partition, first, following, records)
        return observation_batch(partition, first, following, records)

    def _has_strangers(self, partition: int) -> bool:
        states = [e.cold.state for e in self.memories[partition].experiments.values()]
        return len(states) < 3 or any(state is not State.RUNNING for state in states)

    def _position(self, topic: str, partition: int) -> int:
        return self.memories[partition].positions.get(topic, 0)

    def _step(self, partition: int, batch: Batch) -> Emissions:
        memory, emissions = advance(self.memories[partition], batch)
        self.memories[partition] = memory
        self._publish(partition, emissions, batch)
        if _is_news(emissions):  # as in the worker: a step without news is not committed, and is done again
            self._rows[partition] += to_rows(memory, emissions)
        self.auditor.look_at(memory, emissions)
        self._due[partition] = min(self._due[partition], next_due_among(memory, emissions.cold) or math.inf)
        assert self._due[partition] <= (next_due(memory) or math.inf)
        return emissions

    def _publish(self, partition: int, emissions: Emissions, batch: Batch) -> None:
        for event in emissions.control:
            self.append("control", event.experiment_id, codecs.encode_json(event), partition)
        for told in emissions.queues:
            self.append("queues", told.queue, codecs.encode_json(told))
        for grant in emissions.grants:
            self.append("control", grant.experiment_id, codecs.encode_json(grant))
        topic = "control" if type(batch).__name__ == "ControlBatch" else "observations"
        for record in emissions.forwarded:
            untouched = self._logs[topic, partition][record.offset].value
            self.append(topic, record.experiment_id, untouched or b"", record.partition)

    def archive(self, experiment_id: str) -> None:
        """Announce the archive of the experiment's newest decision, if there is one."""
        decision = self.auditor.newest_decision(experiment_id)
        if decision is None:
            return
        written = events.ArchiveWritten(
            experiment_id=experiment_id,
            run=decision.run,
            decision_id=decision.id,
            manifest_digest="0" * 64,
            location=decision.id,
            disputed=False,
            at=decision.at,
        )
        self.append("archives", experiment_id, codecs.encode_avro(written))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


def _is_news(emissions: Emissions) -> bool:
    parts = (emissions.control, emissions.queues, emissions.grants, emissions.rejected, emissions.forwarded)
    return any(parts) or any((emissions.cold, emissions.hot, emissions.queue_rows, emissions.counts))
