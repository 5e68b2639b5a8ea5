"""The broker is real: it keeps records over a crash and a stop, on the same port, and says clearly what went wrong."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stack.errors import DataFolderError, PortTakenError, StackError, StartFailedError
from stack.kafka import KafkaNode
from stack.kafka_config import MESSAGE_MAX_BYTES
from stack.ports import LOOPBACK

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
    node = own_kafka(properties={"broker.session.timeout.ms": "4000"})
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


def test_a_transaction_is_read_whole_or_not_at_all(kafka: str) -> None:
    create(kafka, "stack-transactions")
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": "stack-transactions"})
    producer.init_transactions(30)
    for value, finish in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce("stack-transactions", value)
        producer.flush(30)
        finish(30)
    assert consume(kafka, "stack-transactions", 1) == [b"committed"]


def test_a_record_of_nearly_two_mebibytes_is_taken(kafka: str) -> None:
    create(kafka, "stack-large")
    large = b"x" * (MESSAGE_MAX_BYTES - 1024)
    produce(kafka, "stack-large", large)
    assert consume(kafka, "stack-large", 1) == [large]


def test_a_taken_port_is_said_with_its_owner(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"Kafka node 1: port {port} .* by process {os.getpid()}"):
            KafkaNode(tmp_path, port=port).start()
        with pytest.raises(PortTakenError, match=f"Kafka node 1, controller: port {port}"):
            KafkaNode(tmp_path, controller_port=port).start()


def test_a_data_folder_has_one_broker(own_kafka: Callable[..., KafkaNode]) -> None:
    node = own_kafka()
    second = KafkaNode(node.data_dir)
    with pytest.raises(DataFolderError, match=f"{node.data_dir} is in use by another Kafka"):
        second.start()
    assert not second.running
    assert node.running


def test_a_broker_that_refuses_its_configuration_shows_its_reason(tmp_path: Path) -> None:
    node = KafkaNode(tmp_path, properties={"num.io.threads": "none"})
    with pytest.raises(StackError, match=r"num\.io\.threads"):
        node.start()
    assert not node.running


def test_a_java_that_does_not_come_up_shows_its_reason(tmp_path: Path) -> None:
    with pytest.raises(StartFailedError, match="Invalid initial heap size: -Xmslots"):
        KafkaNode(tmp_path, heap="lots").start()
