"""Decided runs made by the domain itself, as the control topic would tell them, and their archives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from experiments.columns import RawRecord, observation_batch
from experiments.definition import parse
from experiments.planning import solve
from experiments.replay import Replica
from experiments.times import micros
from exporter.archive import Archive, Entry
from exporter.collect import collect
from exporter.folder import Progress, aside, publish
from exporter.formats import TABLE
from schemas import codecs, events

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FORMATS = ("csv", "xlsx", "json", "parquet", "pdf")


@dataclass
class Run:
    """One run: what the control topic says of it, and its records as read from Kafka."""

    timeline: list[Entry]
    records: list[RawRecord]

    @property
    def decision(self) -> events.Decision:
        (decision,) = [e.event for e in self.timeline if isinstance(e.event, events.Decision)]
        return decision

    def with_decision(self, **changes: Any) -> "Run":
        """Return the run with another decision published."""
        last = self.timeline[-1]
        event = msgspec.structs.replace(self.decision, **changes)
        return replace(self, timeline=[*self.timeline[:-1], msgspec.structs.replace(last, event=event)])

    def archive(self, folder: Path, size: int = 400) -> Archive:
        """Return the run's archive, its table in `folder`; the records come `size` at a time."""
        first = self.decision.offset or 0
        last = first if self.decision.index is not None else first - 1
        inside = [record for record in self.records if record.offset <= last]
        batches = [inside[begin : begin + size] for begin in range(0, len(inside), size)]
        return collect(self.timeline, batches, folder / TABLE, "sprt.observations", "sprt.control")

    def published(self, archives: Path, formats: Sequence[str] = FORMATS, progress: Progress = lambda _: None) -> Path:
        """Return the folder of the run's archive, written as the exporter does."""
        with aside(archives, self.decision.experiment_id, self.decision.run) as folder:
            written = publish(self.archive(folder), folder, archives, formats, progress=progress)
        return archives / written.location


def definition(**parts: Any) -> dict[str, Any]:
    return {
        "id": "rng-bias",
        "title": "Is the entropy source biased?",
        "owner": "ana",
        "tags": ["rng"],
        "question": "Does the operating system's entropy source give ones and zeros equally often?",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 0.01, "beta": 0.05, "thresholds": "wald"},
        "stop": {"max_samples": 2000},
        **parts,
    }


def observation(number: int, values: Sequence[float], **fields: Any) -> events.Observation:
    """Return the observation of a record: the values, ten milliseconds after the one before."""
    known = {"source": "lab-3", "sequence": number, "observed_at": stamp(number) - 2_000}
    given = {"experiment_id": "rng-bias", "values": list(map(float, values)), **known, **fields}
    return events.Observation(**given)


def records(values: Sequence[Sequence[float]], first: int = 1200, **fields: Any) -> list[RawRecord]:
    """Return one record per list of values, ten milliseconds apart."""
    return [
        record(first + number, observation(number, chunk, **fields), stamp(number))
        for number, chunk in enumerate(values)
    ]


def record(offset: int, event: events.Observation, timestamp: int) -> RawRecord:
    return RawRecord(offset, timestamp, event.experiment_id.encode(), codecs.encode_avro(event))


def stamp(number: int) -> int:
    return micros(START + timedelta(seconds=1, milliseconds=10 * number))


def decided(given: dict[str, Any], read: list[RawRecord], *between: events.Lifecycle, partition: int = 3) -> Run:
    """Return the run that the records lead to; `between` are pauses and other events, with offsets."""
    solution = solve(parse(given))
    at: dict[str, Any] = {"experiment_id": given["id"], "partition": partition}
    defined = events.Defined(
        id=f"{given['id']}/0/1", run=0, version=1, at=START - timedelta(minutes=5), actor="ana", offset=read[0].offset,
        cause="c-1", definition_revision=1, **at,
        definition=solution.definition, design_digest=solution.design_digest,
        definition_digest=solution.definition_digest, lower=solution.lower, upper=solution.upper,
        certificate=solution.certificate,
    )  # fmt: skip
    started = events.Started(
        id=f"{given['id']}/1/2", run=1, version=2, at=START, actor="ana", cause="c-2", offset=read[0].offset,
        definition_revision=1, design_digest=solution.design_digest, **at,
    )  # fmt: skip
    others = [event for event in between if not isinstance(event, events.Decision)]
    replica = Replica(defined, [started, *between])
    for _ in replica.feed(observation_batch(partition, read[0].offset, read[-1].offset + 1, read)):
        pass
    decision = replica.conclude()
    assert decision is not None, "the records decide nothing"
    commands = [
        events.Define(id="c-1", experiment_id=given["id"], actor="ana", reason="pilot showed 0.6", experiment=given),
        events.Start(id="c-2", experiment_id=given["id"], actor="ana", reason="bench is free"),
    ]
    log: list[Any] = [commands[0], defined, commands[1], started, *others, decision]
    timeline = [
        Entry(
            partition=partition,
            offset=10 + number,
            at=getattr(event, "at", START - timedelta(minutes=5 - number)),
            event=event,
        )
        for number, event in enumerate(log)
    ]
    return Run(timeline, read)


def bits(p: float, size: int, seed: int = 7) -> list[float]:
    return [float(x < p) for x in np.random.default_rng(seed).random(size)]
