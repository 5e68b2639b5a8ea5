"""The broker is real: it keeps records over a crash and a stop, on the same port, and says clearly what went wrong."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stack.kafka import KafkaNode

pytestmark = pytest.mark.stack


def create(bootstrap: str, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # named: its futures fail once it is collected
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(30)


def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.max.bytes": 3_000_000})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic}-reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = consumer.consume(count, 30)
        assert all(message.error() is None for message in messages)
        return [value for message in messages if (value := message.value()) is not None]
    finally:
        consumer.close()


def test_a_record_produced_is_consumed(kafka: str) -> None:
    create(kafka, "stack-roundtrip")
    produce(kafka, "stack-roundtrip", b"one", b"two")
    assert consume(kafka, "stack-roundtrip", 2) == [b"one", b"two"]


def test_records_survive_kill_and_stop_on_the_same_port(own_kafka: Callable[..., KafkaNode]) -> None:
    node = own_kafka()
    address = node.bootstrap_servers
    create(address, "kept")
    produce(address, "kept", b"before the crash")
    node.kill()
    assert not node.running
    node.start()
    assert node.bootstrap_servers == address
    produce(address, "kept", b"after the crash")
    node.stop()
    node.start()
    assert consume(address, "kept", 2) == [b"before the crash", b"after the crash"]
