"""Reading topics without a group: a bounded look from an offset to the end, and control events as they come.

The end of a partition is where the broker said it was when the look began; commit markers lie in between, so the end is
known by librdkafka's end-of-partition event, never by the offset of a record.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.connection import closing, consumer, end_of, reaching
from producers.errors import ProducerError
from schemas import codecs, events

_BATCH = 1000


class Record(NamedTuple):
    """One record as it lies in the log; `timestamp` in milliseconds."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def to_record(message: Message) -> Record:
    """Return the message as a plain value."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None  # noqa: S101, PT018  a consumed message has both
    pairs = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    headers = {name: value for name, value in pairs if value is not None}
    return Record(partition, offset, message.timestamp()[1], message.key(), message.value(), headers)


def until_end(
    kafka: Mapping[str, str],
    topic: str,
    partitions: Sequence[int],
    *,
    start: Mapping[int, int] | None = None,
    timeout: float = 30.0,
) -> Iterator[Record]:
    """Yield what lies in the partitions up to the ends they have now, each partition in its order.

    Parameters
    ----------
    start
        First offset by partition; the first one kept where none is given.
    timeout
        Seconds for the whole look.

    Raises
    ------
    ProducerError
        If the ends were not reached in time.
    """
    start = start or {}
    deadline = time.monotonic() + timeout
    with reaching(kafka), closing(consumer(kafka, enable_partition_eof=True)) as reader:
        ends: dict[int, int] = {}
        positions = []
        for number in partitions:
            low, high = end_of(reader, topic, number)
            first = max(low, start.get(number, low))
            if first < high:
                ends[number] = high
                positions.append(TopicPartition(topic, number, first))
        if positions:
            reader.assign(positions)
        while ends:
            if time.monotonic() > deadline:
                raise ProducerError(f"reading {topic} did not reach its end within {timeout:g} s")
            messages = reader.consume(1, 0.2)  # asked for more at once, it would wait for all of them
            for message in messages + reader.consume(_BATCH, 0):
                partition = message.partition()
                offset = message.offset()
                if partition is None or offset is None:
                    raise KafkaException(message.error())
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own code
                    raise KafkaException(error)
                if partition not in ends:
                    continue
                if error is None and offset < ends[partition]:
                    yield to_record(message)
                if offset + (error is None) >= ends[partition]:
                    del ends[partition]
                    reader.pause([TopicPartition(topic, partition)])


def assigned(kafka: Mapping[str, str], topic: str, partition: int, offset: int) -> Consumer:
    """Return a consumer that stands at the offset of the partition; the caller closes it."""
    reader = consumer(kafka)
    reader.assign([TopicPartition(topic, partition, offset)])
    return reader


def following(reader: Consumer, ended: Callable[[], bool], poll: float = 0.1) -> Iterator[Record]:
    """Yield records as they come, until `ended` says so; it is asked at least every `poll` seconds."""
    while not ended():
        message = reader.poll(poll)
        if message is None:
            continue
        if (error := message.error()) is not None:
            raise KafkaException(error)
        yield to_record(message)


def control_event(value: bytes | None, *kinds: type[events.ControlEvent]) -> events.ControlEvent | None:
    """Return the event that the bytes hold, None if they are no event of the kinds (all if none is named)."""
    try:
        event = codecs.decode(value, *(kinds or events.CONTROL))
    except codecs.MalformedError:
        return None
    assert isinstance(event, events.ControlEvent)  # noqa: S101  only such kinds were asked for
    return event
