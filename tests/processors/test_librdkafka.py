"""The transactional producer: what it commits, and what it says when it cannot."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from processors import clients
from processors.librdkafka import TransactionalProducer
from tests.processors.installation import Installation

pytestmark = pytest.mark.stack


@pytest.fixture
def bare(kafka: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation without a worker."""
    made = Installation(kafka, tmp_path)
    yield made
    made.close()


def _producer(bare: Installation) -> TransactionalProducer:
    producer = clients.transactional_producer(bare.kafka, bare.name)
    producer.init_transactions(20)
    return producer


def _committed(bare: Installation, topic: str, partition: int) -> list[Message]:
    return [message for message in bare.read(topic) if message.partition() == partition]


def test_records_arrive_byte_by_byte_in_order_each_in_its_partition(bare: Installation) -> None:
    topics = bare.topics
    producer = _producer(bare)
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
    first, second, *others = _committed(bare, topics.walks, 1)
    assert (first.key(), first.value(), first.headers()) == (b"", b"\0\1", headers)
    assert (second.key(), second.value(), second.headers()) == (None, None, None)
    assert [(it.key(), it.value()) for it in others] == pairs
    assert [(it.key(), it.value()) for it in _committed(bare, topics.state, 0)] == pairs[:1]
    assert _committed(bare, topics.walks, 0) == _committed(bare, topics.state, 1) == []


def test_a_record_that_is_too_large_is_refused_by_name_alone_and_among_others(bare: Installation) -> None:
    topics = bare.topics
    producer = _producer(bare)
    producer.begin_transaction()
    large = bytes(5 * 1024 * 1024)
    with pytest.raises(KafkaException) as alone:
        producer.produce(topics.walks, 0, b"key", large, [])
    with pytest.raises(KafkaException) as among_others:
        producer.produce_all(topics.walks, 0, [(b"key", b"small"), (b"key", large)])
    for raised in (alone, among_others):
        assert raised.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
    producer.close()
    assert _committed(bare, topics.walks, 0) == []


def test_a_record_for_a_partition_that_is_not_there_fails_the_whole_transaction(bare: Installation) -> None:
    topics = bare.topics
    producer = _producer(bare)
    producer.begin_transaction()
    producer.produce_all(topics.walks, 0, [(b"key", b"good")])
    producer.produce_all(topics.walks, 7, [(b"key", b"bad")])
    with pytest.raises(KafkaException) as raised:
        producer.commit_transaction(20)
    assert raised.value.args[0].txn_requires_abort()
    producer.close()
    assert _committed(bare, topics.walks, 0) == []


def test_whoever_was_fenced_is_told_so_and_commits_nothing(bare: Installation) -> None:
    topics = bare.topics
    old = _producer(bare)
    old.begin_transaction()
    old.produce_all(topics.walks, 0, [(b"key", b"old")])
    new = _producer(bare)
    with pytest.raises(KafkaException) as raised:
        old.commit_transaction(20)
    error = raised.value.args[0]
    assert (error.code(), error.fatal(), error.retriable()) == (KafkaError._FENCED, True, False)
    new.begin_transaction()
    new.produce_all(topics.walks, 0, [(b"key", b"new")])
    new.commit_transaction(20)
    old.close()
    new.close()
    assert [it.value() for it in _committed(bare, topics.walks, 0)] == [b"new"]


def test_a_property_that_does_not_exist_or_cannot_have_its_value_is_named() -> None:
    with pytest.raises(KafkaException, match=r"no\.such\.property"):
        TransactionalProducer({"no.such.property": "1"})
    with pytest.raises(KafkaException, match=r"compression\.codec"):
        TransactionalProducer({"compression.type": "soon"})
