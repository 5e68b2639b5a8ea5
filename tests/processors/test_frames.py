"""Confluent frames on real Kafka: a registry that is away holds the partition back, one that answers lets it go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import avro, codecs, events
from schemas.registry import Registry
from tests.processors.installation import Installation, bernoulli, until
from tests.schemas.registry_server import RegistryServer, registry_server

pytestmark = pytest.mark.stack


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with registry_server() as started:
        yield started


def test_a_partition_waits_for_its_registry_and_rejects_only_what_that_does_not_know(
    kafka: str, tmp_path: Path, server: RegistryServer
) -> None:
    schema_id = Registry(server.url).register("observations-value", avro.committed()["observation"][1])
    server.broken = 503
    made = Installation(kafka, tmp_path, partitions=1)
    with made.working(registry=server.url) as worker:
        made.command(events.Run(id="r", experiment_id="framed", experiment=bernoulli("framed")))
        made.reply("r")
        for sequence in range(30):
            event = events.Observation(experiment_id="framed", values=[1.0], source="s", sequence=sequence)
            made.send(made.topics.observations, codecs.encode_confluent(event, schema_id), "framed", 0)
        made.send(made.topics.observations, codecs.encode_confluent(event, 7), "framed", 0)
        made.flush()
        until(lambda: ["partition_waits_for_registry"] if "partition_waits_for_registry" in worker.words() else [])
        made.command(events.Hold(id="h", experiment_id="framed"))
        made.command(events.Release(id="l", experiment_id="framed"))
        assert made.reply("l").status == "accepted"  # commands are answered meanwhile
        assert made.counted() == {}
        server.broken = None

        decision = made.decision("framed")
        (rejected,) = until(lambda: made.read(made.topics.rejected))
    made.close()

    assert (decision.reason, decision.n) == ("boundary_upper", 26)
    assert dict(rejected.headers() or [])["__sprt.errors.reason"] == b"unknown_schema"
    assert "registry_answers" in worker.words()
