"""Decided runs made by the domain itself, as the control topic would tell them, and their archives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from experiments.batch import ObservationBatch
from experiments.columns import RawRecord, observation_batch
from experiments.definition import parse
from experiments.planning import solve
from experiments.replay import Replica
from exporter.archive import Archive, Entry
from exporter.collect import collect
from exporter.observations import write
from schemas import codecs, events

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Run:
    """One run: what the control topic says of it, and its records as read from Kafka."""

    timeline: list[Entry]
    records: list[RawRecord]
    partition: int = 3
    extra: list[events.Lifecycle] = field(default_factory=list)

    @property
    def batch(self) -> ObservationBatch:
        return observation_batch(self.partition, self.records[0].offset, self.records[-1].offset + 1, self.records)

    @property
    def decision(self) -> events.Decision:
        (decision,) = [e.event for e in self.timeline if isinstance(e.event, events.Decision)]
        return decision

    def archive(self, folder: Path, **changes: Any) -> Archive:
        folder.mkdir(parents=True, exist_ok=True)
        timeline = tuple(
            msgspec.structs.replace(e, event=msgspec.structs.replace(e.event, **changes))
            if isinstance(e.event, events.Decision)
            else e
            for e in self.timeline
        )
        return collect(timeline, [self.records], folder / "observations.parquet", "sprt.observations", "sprt.control")


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


def records(values: Sequence[Sequence[float]], first: int = 1200, **fields: Any) -> list[RawRecord]:
    """Return one record per list of values, ten milliseconds apart."""
    made = []
    for number, chunk in enumerate(values):
        at = START + timedelta(seconds=1, milliseconds=10 * number)
        micros = int(at.timestamp()) * 1_000_000 + at.microsecond
        event = events.Observation(
            **{
                "experiment_id": "rng-bias",
                "values": list(map(float, chunk)),
                "source": "lab-3",
                "sequence": number,
                "observed_at": micros - 2_000,
                **fields,
            }
        )
        made.append(RawRecord(first + number, micros // 1000 * 1000, b"rng-bias", codecs.encode_avro(event)))
    return made


def decided(given: dict[str, Any], read: list[RawRecord], *between: events.Lifecycle) -> Run:
    """Return the run that the records lead to; `between` are pauses and other events, with offsets."""
    solution = solve(parse(given))
    at = {"experiment_id": given["id"], "partition": 3}
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
    replica = Replica(defined, [started, *between])
    for _ in replica.feed(observation_batch(3, read[0].offset, read[-1].offset + 1, read)):
        pass
    decision = replica.conclude()
    assert decision is not None, "the records decide nothing"
    commands = [
        events.Define(id="c-1", experiment_id=given["id"], actor="ana", reason="pilot showed 0.6", experiment=given),
        events.Start(id="c-2", experiment_id=given["id"], actor="ana", reason="bench is free"),
    ]
    log: list[Any] = [commands[0], defined, commands[1], started, *between, decision]
    timeline = [
        Entry(
            partition=3, offset=10 + number, at=getattr(event, "at", START - timedelta(minutes=5 - number)), event=event
        )
        for number, event in enumerate(log)
    ]
    return Run(timeline, read)


def bits(p: float, size: int, seed: int = 7) -> list[float]:
    return [float(x < p) for x in np.random.default_rng(seed).random(size)]


@pytest.fixture
def h1_run() -> Run:
    """A run that accepts H1, one value per record."""
    return decided(definition(), records([[x] for x in bits(0.62, 1500)]))


@pytest.fixture
def make_run() -> Callable[..., Run]:
    return decided


__all__ = ["START", "Run", "bits", "decided", "definition", "records", "write"]
