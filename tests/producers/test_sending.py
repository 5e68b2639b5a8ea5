"""What Kafka refuses is never taken for sent, by the client and by the commands that send again."""

import random
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not in its __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from processors.topics import create_topics
from producers.client import Client
from producers.connection import producer
from producers.errors import DeliveryError
from schemas.topics import Topics
from tests.waldstream.installation import environment, run_waldstream

pytestmark = pytest.mark.stack

LARGE = [0.5] * 1000


@pytest.fixture
def topics(kafka: str) -> Topics:
    """Topics of which the one of observations takes small records only."""
    topics, admin = Topics(prefix=f"t{uuid4().hex[:8]}"), AdminClient({"bootstrap.servers": kafka})
    create_topics({"bootstrap.servers": kafka}, topics, 1)
    small = ConfigEntry("max.message.bytes", "500", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics.observations, incremental_configs=[small])
    admin.incremental_alter_configs([resource])[resource].result(20)
    return topics


@pytest.mark.parametrize(
    "observe",
    [lambda client: client.observe("coin", LARGE), lambda client: client.observe_many("coin", LARGE, per_record=1000)],
    ids=["observe", "observe_many"],
)
def test_what_kafka_refuses_is_told_once_and_the_client_goes_on(
    kafka: str, topics: Topics, observe: Callable[[Client], int]
) -> None:
    uncompressed = {"bootstrap.servers": kafka, "compression.type": "none"}
    with Client(uncompressed, topics) as client:
        observe(client)
        with pytest.raises(DeliveryError, match=r"Kafka did not take 1 of the records: .*too large"):
            client.flush()
        client.observe("coin", 1.0)
        client.flush()


def test_a_rejected_record_that_kafka_refuses_is_not_called_sent(kafka: str, topics: Topics, tmp_path: Path) -> None:
    about = {"topic": topics.observations, "reason": "unknown_experiment", "experiment_id": "coin"}
    headers: list[tuple[str, str | bytes | None]] = [(f"__sprt.errors.{name}", value) for name, value in about.items()]
    sender = producer({"bootstrap.servers": kafka})
    sender.produce(topics.rejected, key=b"coin", value=random.Random(1).randbytes(2000), headers=headers)
    assert sender.flush(30) == 0
    own = environment(tmp_path, kafka_bootstrap_servers=kafka, topic_prefix=topics.prefix)

    told = run_waldstream(("rejected", "replay", "--experiment", "coin", "--unnumbered"), own)

    assert (told.returncode, told.stdout) == (1, "")
    assert "Kafka did not take 1 of the records" in told.stderr
