"""The transactional producer: what it commits, and what it says when it cannot."""

from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processors import clients
from processors.librdkafka import TransactionalProducer
from processors.topics import create_topics
from schemas.topics import Topics

pytestmark = pytest.mark.stack


@pytest.fixture
def topics(kafka: str) -> Topics:
    topics = Topics(f"l{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, topics, 2)
    return topics


def _producer(kafka: str, transactional_id: str) -> TransactionalProducer:
    producer = clients.transactional_producer({"bootstrap.servers": kafka}, transactional_id)
    producer.init_transactions(20)
    return producer


def _committed(kafka: str, topic: str, partition: int) -> list[Message]:
    """Return the committed records of a partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "any",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    found: list[Message] = []
    while (message := consumer.poll(20)) is not None:
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            break
        found.append(message)
    consumer.close()
    return found


def test_records_arrive_byte_by_byte_in_order_each_in_its_partition(kafka: str, topics: Topics) -> None:
    producer = _producer(kafka, topics.prefix)
    pairs = [(b"k\0%d" % number, b"\xff" * (number % 7)) for number in range(20_000)]
    headers = [("name", b"\0value"), ("ünlaut", b""), ("nothing", None), ("name", b"again")]
    producer.begin_transaction()
    producer.produce(topics.walks, 1, b"", b"\0\1", headers)
    producer.produce(topics.walks, 1, None, None, [])
    producer.produce_all(topics.walks, 1, pairs)
    producer.produce_all(topics.walks, 1, [])
    producer.produce_all(topics.state, 0, pairs[:1])
    producer.commit_transaction(20)
    producer.close()
    first, second, *others = _committed(kafka, topics.walks, 1)
    assert (first.key(), first.value(), first.headers()) == (b"", b"\0\1", headers)
    assert (second.key(), second.value(), second.headers()) == (None, None, None)
    assert [(it.key(), it.value()) for it in others] == pairs
    assert [(it.key(), it.value()) for it in _committed(kafka, topics.state, 0)] == pairs[:1]
    assert _committed(kafka, topics.walks, 0) == _committed(kafka, topics.state, 1) == []


def test_a_record_that_is_too_large_is_refused_by_name_alone_and_among_others(kafka: str, topics: Topics) -> None:
    producer = _producer(kafka, topics.prefix)
    producer.begin_transaction()
    large = bytes(5 * 1024 * 1024)
    with pytest.raises(KafkaException) as alone:
        producer.produce(topics.walks, 0, b"key", large, [])
    with pytest.raises(KafkaException) as among_others:
        producer.produce_all(topics.walks, 0, [(b"key", b"small"), (b"key", large)])
    for raised in (alone, among_others):
        assert raised.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.close()
    assert _committed(kafka, topics.walks, 0) == []


def test_a_record_for_a_partition_that_is_not_there_fails_the_whole_transaction(kafka: str, topics: Topics) -> None:
    producer = _producer(kafka, topics.prefix)
    producer.begin_transaction()
    producer.produce_all(topics.walks, 0, [(b"key", b"good")])
    producer.produce_all(topics.walks, 7, [(b"key", b"bad")])
    with pytest.raises(KafkaException) as raised:
        producer.commit_transaction(20)
    assert raised.value.args[0].txn_requires_abort()
    producer.close()
    assert _committed(kafka, topics.walks, 0) == []


def test_whoever_was_fenced_is_told_so_and_commits_nothing(kafka: str, topics: Topics) -> None:
    old = _producer(kafka, topics.prefix)
    old.begin_transaction()
    old.produce_all(topics.walks, 0, [(b"key", b"old")])
    new = _producer(kafka, topics.prefix)
    with pytest.raises(KafkaException) as raised:
        old.commit_transaction(20)
    error = raised.value.args[0]
    assert (error.code(), error.fatal(), error.retriable()) == (KafkaError._FENCED, True, False)
    new.begin_transaction()
    new.produce_all(topics.walks, 0, [(b"key", b"new")])
    new.commit_transaction(20)
    old.close()
    new.close()
    assert [it.value() for it in _committed(kafka, topics.walks, 0)] == [b"new"]


def test_a_property_that_does_not_exist_or_cannot_have_its_value_is_named() -> None:
    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        TransactionalProducer({"no.such.property": "1"})
    with pytest.raises(KafkaException, match=r"compression\.codec"):
        TransactionalProducer({"compression.type": "soon"})
