"""A partition without Kafka: what a test tells happens in order, through the same decoding and the same `advance`."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from experiments import advance, plan
from experiments.batch import Emissions, Tick
from experiments.columns import RawRecord, archive_batch, control_batch, observation_batch
from experiments.experiment import Experiment
from experiments.memory import Memory
from experiments.planning import Refusal, Solution
from experiments.published import Point
from experiments.times import moment
from schemas import codecs, events
from schemas.partitions import partition_of

PARTITIONS = 4
BEGIN = 1_796_115_600_000_000  # 2026-12-01T09:00:00Z, microseconds
SECOND = 1_000_000


def definition(**changes: Any) -> dict[str, Any]:
    """Return a small valid definition; `model`, `errors`, `stop` replace those parts."""
    return {
        "id": "rng-bias",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 0.01, "beta": 0.05, "thresholds": "wald"},
        **changes,
    }


@cache
def _plan(given: str) -> Solution | Refusal:
    return plan(json.loads(given))


def plan_once(given: dict[str, Any]) -> Solution | Refusal:
    """Return what `plan` says; solving is not what these tests are about, so the same definition is solved once."""
    return _plan(json.dumps(given))


class Story:
    """One partition's life: commands, records and the clock go in, events come out and are kept."""

    def __init__(self, experiment_id: str = "rng-bias") -> None:
        self.id = experiment_id
        self.partition = partition_of(experiment_id, PARTITIONS)
        self.memory = Memory(self.partition, PARTITIONS)
        self.now = BEGIN
        self.control: list[Any] = []
        self.walks: list[Point] = []
        self.rejected: list[Any] = []
        self.forwarded: list[Any] = []
        self.queued: list[Any] = []
        self._commands = 0

    @property
    def experiment(self) -> Experiment:
        return self.memory.experiments[self.id]

    @property
    def decision(self) -> events.Decision:
        (decision,) = [event for event in self.control if isinstance(event, events.Decision)]
        return decision

    def names(self) -> list[str]:
        """Return the lifecycle events so far, by name."""
        return [str(event.__struct_config__.tag) for event in self.control if isinstance(event, events.Lifecycle)]

    def raw(self, **fields: Any) -> bytes:
        return json.dumps({"experiment_id": self.id, **fields}).encode()

    def command(self, kind: str, **fields: Any) -> events.Reply:
        """Send one command and return its reply."""
        self._commands += 1
        value = self.raw(**{"type": kind, "id": f"command-{self._commands}", **fields})
        emissions = self.control_bytes(value)
        (reply,) = [event for event in emissions.control if isinstance(event, events.Reply)]
        return reply

    def control_bytes(self, *values: bytes, key: bytes | None = None) -> Emissions:
        first = self.memory.positions.get("control", 0)
        records = [RawRecord(first + at, self.now, key, value) for at, value in enumerate(values)]
        return self._step(control_batch(self.partition, first, first + len(records), records, plan_once))

    def run(self, **changes: Any) -> None:
        """Define and start."""
        assert self.command("run", experiment=definition(id=self.id, **changes)).status == "accepted"

    def define(self, **changes: Any) -> None:
        """Define without starting."""
        assert self.command("define", experiment=definition(id=self.id, **changes)).status == "accepted"

    def grant(self, request: events.SlotRequest) -> None:
        """Let the run of a request start."""
        granted = events.SlotGranted(
            id=request.id,
            experiment_id=request.experiment_id,
            run=request.run,
            queue=request.queue,
            at=moment(self.now),
        )
        self.control_bytes(codecs.encode_json(granted))

    def observe(self, *values: float, **fields: Any) -> Emissions:
        """Send one record."""
        return self.records([self.raw(values=list(values), **fields)])

    def records(self, values: Iterable[bytes | None], key: bytes | None = None) -> Emissions:
        first = self.memory.positions.get("observations", 0)
        records = [RawRecord(first + at, self.now, key, value) for at, value in enumerate(values)]
        return self._step(observation_batch(self.partition, first, first + len(records), records))

    def archive(self, decision: events.Decision) -> Emissions:
        first = self.memory.positions.get("archives", 0)
        written = events.ArchiveWritten(
            experiment_id=self.id,
            run=decision.run,
            decision_id=decision.id,
            manifest_digest="0" * 64,
            location=decision.id,
            disputed=False,
            at=decision.at,
        )
        record = RawRecord(first, self.now, None, codecs.encode_json(written))
        return self._step(archive_batch(self.partition, first, first + 1, [record]))

    def wait(self, seconds: float) -> Emissions:
        """Let time pass and the clock be read."""
        self.now += round(seconds * SECOND)
        return self._step(Tick(self.partition, self.now))

    def _step(self, batch: Any) -> Emissions:
        self.memory, emissions = advance(self.memory, batch)
        self.control += emissions.control
        self.queued += emissions.queues
        self.walks += emissions.walks
        self.rejected += emissions.rejected
        self.forwarded += emissions.forwarded
        return emissions
