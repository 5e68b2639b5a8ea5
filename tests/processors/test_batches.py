"""Whole batches are read as librdkafka reads them record by record, whatever wrote them."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from aiokafka.structs import TopicPartition as AioPart
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, not in its __all__

from processors import batches, clients
from processors.batches import BatchReader
from processors.inputs import delivered
from tests.processors.installation import until

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


@pytest.fixture
def part(kafka: str) -> TopicPartition:
    name = f"batches-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka})
    # the records below are of long ago: the broker would delete them whenever it looks for what is too old
    names = (name, f"{name}-beside")
    for made in admin.create_topics([NewTopic(it, 1, 1, config={"retention.ms": "-1"}) for it in names]).values():
        made.result()
    return TopicPartition(name, 0)


@pytest.fixture
def consumer(kafka: str) -> Iterator[Consumer]:
    made = clients.reader({"bootstrap.servers": kafka}, "batches")
    yield made
    made.close()


def produced(kafka: str, topic: str, lots: random.Random, **options: Any) -> None:
    """Write some records, as a transaction that is committed or aborted if the producer has an id for it."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": lots.choice((0, 50)), **options})
    if "transactional.id" in options:
        producer.init_transactions(20)
        producer.begin_transaction()
    for _ in range(lots.randint(1, 60)):
        producer.produce(
            topic,
            key=lots.choice((None, b"", b"experiment")),
            value=lots.choice((None, b"", lots.randbytes(lots.randint(1, 3000)))),
            headers={} if lots.random() < 0.5 else {"h": None, "i": b"v"},
            timestamp=lots.randint(1, 10**12),
        )
        if lots.random() < 0.1:
            producer.flush(20)
    if "transactional.id" not in options:
        producer.flush(20)
    elif lots.random() < 0.5:
        producer.commit_transaction(20)
    else:
        producer.flush(20)
        producer.abort_transaction(20)


def one_by_one(consumer: Consumer, part: TopicPartition, position: int) -> list[Row]:
    consumer.assign([TopicPartition(part.topic, part.partition, position)])
    rows: list[Row] = []
    while True:
        (message,) = consumer.consume(1, 30)
        if message.error() is not None:
            return rows  # the end of the partition
        read = delivered(message)
        rows.append((read.offset, read.timestamp, read.key, read.value, read.headers))


def reading(kafka: str, consumer: Consumer, part: TopicPartition, position: int | None = None) -> BatchReader:
    beside = TopicPartition(f"{part.topic}-beside", 0, 0)
    return BatchReader({"bootstrap.servers": kafka}, consumer, part, "observations", position, beside=beside)


def in_batches(reader: BatchReader, end: int, limit: int) -> tuple[list[Row], list[tuple[int, int]]]:
    rows: list[Row] = []
    links = []
    deadline = time.monotonic() + 30
    while reader.chain.taken < end:
        assert time.monotonic() < deadline
        reader.read(limit)
        while (fetched := reader.take(limit)) is not None:
            assert len(fetched.messages) <= limit
            links.append((fetched.first, fetched.next))
            rows += [(m.offset, m.timestamp, m.key, m.value, list(m.headers)) for m in fetched.messages]
    return rows, links


@pytest.mark.stack
@pytest.mark.parametrize("seed", range(2))
def test_batches_hold_what_is_read_one_by_one_from_any_position(
    kafka: str, part: TopicPartition, consumer: Consumer, seed: int
) -> None:
    lots = random.Random(seed)
    for number in range(10):
        options = {"compression.type": lots.choice(CODECS)}
        if lots.random() < 0.6:
            options["transactional.id"] = f"{part.topic}-{number}"
        produced(kafka, part.topic, lots, **options)
    everything = one_by_one(consumer, part, 0)
    _, end = consumer.get_watermark_offsets(part)
    for position in (None, 1, *(lots.randrange(end) for _ in range(3))):
        reader = reading(kafka, consumer, part, position)
        rows, links = in_batches(reader, end, lots.choice((7, 1000)))
        reader.close()
        assert rows == [row for row in everything if row[0] >= (position or 0)]
        assert all(one[1] == other[0] for one, other in pairwise([(0, position or 0), *links]))


@pytest.mark.stack
def test_an_answer_that_needs_many_rounds_of_the_loop_is_handed_on_by_looking_again_not_by_a_timer(
    kafka: str, part: TopicPartition, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = reading(kafka, consumer, part)
    reader.read(10)  # asks the broker, which has nothing yet
    monkeypatch.setattr(batches, "_ROUNDS", 1)
    produced(kafka, part.topic, random.Random(0))
    _, end = consumer.get_watermark_offsets(part)
    rows, _ = in_batches(reader, end, 1000)
    reader.close()
    assert len(rows) == end


@pytest.mark.stack
def test_an_answer_that_came_when_enough_had_been_read_is_taken_at_the_next_look(
    kafka: str, part: TopicPartition, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer({"bootstrap.servers": kafka, "log_level": 0})

    def produce(value: bytes) -> None:
        producer.produce(part.topic, value)
        producer.flush(20)

    produce(b"first".ljust(900_000))
    produce(b"second".ljust(900_000))
    produce(b"third".ljust(900_000))  # an answer holds two of them
    reader = reading(kafka, consumer, part)
    monkeypatch.setattr(batches, "_ROUNDS", 10**9)  # every turn of the loop lasts until there is an answer
    reader.read(1)
    reached = [reader.reached]
    reader.read(10)
    reached.append(reader.reached)
    reader.close()
    assert reached == [2, 3]


@pytest.mark.stack
def test_of_large_records_few_are_read_ahead(
    kafka: str, part: TopicPartition, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = Producer({"bootstrap.servers": kafka, "log_level": 0})
    for _ in range(6):
        producer.produce(part.topic, bytes(900_000))
        producer.flush(20)  # an answer holds two of them
    monkeypatch.setattr(batches, "_ROUNDS", 10**9)
    monkeypatch.setattr(batches, "_ENOUGH_BYTES", 2_000_000)
    reader = reading(kafka, consumer, part)
    seen = []
    while reader.reached < 6:
        reader.read(100)
        fetched = reader.take(1)
        seen.append((reader.reached, fetched and len(fetched.messages)))
    reader.close()
    assert seen == [(4, 1), (4, 1), (6, 1)]


@pytest.mark.stack
def test_records_of_a_transaction_wait_for_its_end(kafka: str, part: TopicPartition, consumer: Consumer) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": part.topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(part.topic, b"open")
    producer.flush(20)
    produced(kafka, part.topic, random.Random(1))
    reader = reading(kafka, consumer, part)
    for _ in range(20):
        reader.read(10)
    assert (reader.take(10), reader.reached) == (None, 0)
    producer.commit_transaction(20)
    (end,) = until(lambda: [end for _, end in (consumer.get_watermark_offsets(part),) if end])
    rows, _ = in_batches(reader, end, 100)
    reader.close()
    assert rows[0][3] == b"open"


@pytest.mark.stack
def test_the_end_of_the_log_beside_comes_with_what_was_read(
    kafka: str, part: TopicPartition, consumer: Consumer
) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    reader = reading(kafka, consumer, part)
    known = []
    for number in (2, 3):
        for _ in range(number):
            producer.produce(f"{part.topic}-beside", b"command")
        producer.flush(20)
        producer.produce(part.topic, b"observation")
        producer.flush(20)
        in_batches(reader, reader.reached + 1, 100)
        known.append(reader.end_beside)
    reader.close()
    assert known == [2, 5]


@pytest.mark.stack
def test_the_log_beside_is_asked_for_no_longer_soon_after_it_has_left_the_broker(
    kafka: str, part: TopicPartition, consumer: Consumer
) -> None:
    reader = reading(kafka, consumer, part)
    reader.read(1)
    beside, admin = f"{part.topic}-beside", AdminClient({"bootstrap.servers": kafka})
    admin.delete_topics([beside])[beside].result()

    def left() -> list[str]:
        reader.read(1)
        return [beside] if reader._client.cluster.leader_for_partition(AioPart(beside, 0)) is None else []

    until(left, 30)  # as long as it is asked for, each fetch comes back at once; its leader is looked up each 300 s
    reader.close()


def test_a_partition_whose_leader_was_just_chosen_is_asked_again_for_its_edges() -> None:
    answers: list[Any] = [KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)), (3, 7)]

    def look(_: TopicPartition, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        answer = answers.pop(0)
        if isinstance(answer, KafkaException):
            raise answer
        return answer  # type: ignore[no-any-return]  # one of the two above

    asked = SimpleNamespace(get_watermark_offsets=look)

    assert clients.edges(cast("Consumer", asked), TopicPartition("anything", 0)) == (3, 7)


@pytest.mark.stack
def test_a_partition_that_a_broker_does_not_know_yet_is_asked_again_for_its_edges(
    kafka: str, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, admin = f"edges-{uuid4().hex[:8]}", AdminClient({"bootstrap.servers": kafka})

    def create(_seconds: float) -> None:
        with suppress(KafkaException):  # a later pause: it is there
            admin.create_topics([NewTopic(name, 1, 1)])[name].result()

    monkeypatch.setattr("processors.clients.time.sleep", create)
    assert clients.edges(consumer, TopicPartition(name, 0)) == (0, 0)
