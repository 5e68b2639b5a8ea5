"""Confluent frames among the records of a batch: read, rejected, or a reason for the whole batch to wait."""

import pytest

from experiments import advance
from experiments.columns import RawRecord, control_batch, observation_batch
from schemas import avro, codecs, events
from schemas.registry import Registry, RegistryUnavailableError
from tests.experiments.story import Story, definition, plan_once
from tests.schemas.registry_server import registry_server


def _frames(*schema_ids: int) -> list[RawRecord]:
    event = events.Observation(experiment_id="rng-bias", values=[1.0])
    return [RawRecord(at, 0, None, codecs.encode_confluent(event, each)) for at, each in enumerate(schema_ids)]


def test_frames_are_applied_and_an_unknown_id_is_rejected() -> None:
    story = Story()
    story.run()
    with registry_server() as server:
        registry = Registry(server.url)
        known = registry.register("sprt.observations-waldstream.observation", avro.committed()["observation"][1])
        batch = observation_batch(story.partition, 0, 3, _frames(known, 7, known), registry=registry)
    _, emissions = advance(story.memory, batch)

    assert emissions.counts == {"applied": 2, "rejected": 1}
    assert [(it.offset, it.reason) for it in emissions.rejected] == [(1, "unknown_schema")]


def test_a_definition_may_come_in_a_frame() -> None:
    story = Story()
    run = events.Run(id="c", experiment_id="rng-bias", experiment=definition())
    with registry_server() as server:
        registry = Registry(server.url)
        known = registry.register("sprt.control-waldstream.run", avro.committed()["run"][1])
        records = [RawRecord(0, story.now, None, codecs.encode_confluent(run, known))]
        batch = control_batch(story.partition, 0, 1, records, plan_once, registry=registry)
    _, emissions = advance(story.memory, batch)

    assert [event.__struct_config__.tag for event in emissions.control] == ["defined", "started", "reply"]


def test_a_batch_waits_for_a_registry_that_is_away() -> None:
    with registry_server() as server:
        registry = Registry(server.url, timeout=1.0)
    with pytest.raises(RegistryUnavailableError):
        observation_batch(0, 0, 1, _frames(100), registry=registry)


def test_without_a_registry_frames_are_rejected() -> None:
    batch = observation_batch(0, 0, 1, _frames(100))

    assert [it.reason for it in batch.undecodable] == ["unknown_schema"]
