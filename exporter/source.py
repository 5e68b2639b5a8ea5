"""Observation records of a run's range, read committed from their partition, a bounded number at a time."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from experiments.columns import RawRecord

_AT_ONCE: Final = 1_000  # messages per call: what librdkafka hands over at most
_RECORDS: Final = 10_000  # records per yield
_BYTES: Final = 4 * 1024 * 1024  # and their size: decoded, a value takes some ten times its bytes
_PATIENCE: Final = 60.0


class StoppedError(Exception):
    """The process was asked to end while it worked."""


def committed_reader(kafka: Mapping[str, str], group: str) -> Consumer:
    """Return a consumer of committed records that never commits and reports the end of a partition."""
    return Consumer(
        {
            "fetch.wait.max.ms": 50,  # the end is told by an answer without records
            **kafka,
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "queued.max.messages.kbytes": 16_384,
        }
    )


def arrived(consumer: Consumer) -> list[Message]:
    """Return what has come, as soon as anything has; asked for more at once, the library waits until all is there."""
    messages = consumer.consume(1, timeout=0.5)
    return messages + consumer.consume(_AT_ONCE, timeout=0) if messages else messages


class Range(NamedTuple):
    """Offsets of one partition, the last one included; empty if that is below the first."""

    topic: str
    partition: int
    first: int
    last: int


def everything(consumer: Consumer, part: Range, stop: threading.Event) -> Iterator[RawRecord]:
    """Yield the records of the range, whatever their keys are; raises as `observations` does."""
    for records in _ranged(consumer, part, None, stop):
        yield from records


def observations(
    consumer: Consumer, part: Range, experiment_id: str, stop: threading.Event
) -> Iterator[list[RawRecord]]:
    """Yield the records of the range that carry the experiment's key, or no key.

    Records that retention has removed are missing; the replica then shows what difference that makes.

    Raises
    ------
    TimeoutError
        If the partition's committed end stays before the last offset.
    StoppedError
        If `stop` was set meanwhile.
    """
    yield from _ranged(consumer, part, experiment_id.encode(), stop)


def _ranged(consumer: Consumer, part: Range, key: bytes | None, stop: threading.Event) -> Iterator[list[RawRecord]]:
    if part.last < part.first:
        return
    low, _ = consumer.get_watermark_offsets(TopicPartition(part.topic, part.partition), timeout=_PATIENCE)
    consumer.assign([TopicPartition(part.topic, part.partition, max(part.first, low))])
    try:
        yield from _read(consumer, part.last, key, stop)
    finally:
        consumer.unassign()


def _read(consumer: Consumer, last: int, key: bytes | None, stop: threading.Event) -> Iterator[list[RawRecord]]:
    quiet_since = time.monotonic()
    records, size, done = list[RawRecord](), 0, False
    while not done:
        if stop.is_set():
            raise StoppedError
        for message in arrived(consumer):
            offset, error = message.offset(), message.error()
            if error is not None:
                done = done or (is_end(error) and offset is not None and offset > last)
            elif offset is not None:
                quiet_since = time.monotonic()
                done = done or offset >= last
                if offset <= last and (key is None or message.key() in (None, key)):
                    value = message.value()
                    size += len(value or b"")
                    records.append(RawRecord(offset, message.timestamp()[1] * 1000, message.key(), value))
        if len(records) >= _RECORDS or size >= _BYTES or (done and records):
            yield records
            records, size = [], 0
        if not done and time.monotonic() - quiet_since > _PATIENCE:
            raise TimeoutError(f"the observations end before offset {last} for {_PATIENCE:g} s")


def is_end(error: KafkaError) -> bool:
    """Return whether the end of a partition is meant; raises `KafkaException` on what does not pass by itself."""
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 the library's name for the end of a partition
        return True
    if error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 the library's name for offsets that are gone
        raise KafkaException(error)
    return False
