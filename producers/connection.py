"""How every client of ours talks to librdkafka: quietly, with one clear error when no broker answers.

librdkafka logs to stderr by default and retries for ever; here its words are kept and become the message of the error.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from producers.errors import MissingTopicError, UnreachableError

_silent = logging.getLogger("waldstream.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False

#: Codes that mean "nobody there", whatever was asked.
_UNREACHABLE = {
    KafkaError._TRANSPORT,  # noqa: SLF001  confluent_kafka names librdkafka's own codes with an underscore
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  same
    KafkaError._RESOLVE,  # noqa: SLF001  same
    KafkaError._TIMED_OUT,  # noqa: SLF001  same
    KafkaError._AUTHENTICATION,  # noqa: SLF001  same
    KafkaError._SSL,  # noqa: SLF001  same
}


#: What a broker says while a partition moves, or just after a topic was created.
_MOVING = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART}


class _LastWords:
    """The newest complaint of librdkafka about a connection."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.text:  # noqa: SLF001  librdkafka's own code
            self.text = error.str()


def producer(kafka: Mapping[str, str], **properties: Any) -> Producer:
    """Return an idempotent producer that partitions as Java and Faust do; `properties` use `_` for `.`."""
    own = {name.replace("_", "."): value for name, value in properties.items()}
    return Producer(
        {
            "linger.ms": 5,
            "compression.type": "lz4",
            **kafka,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            **own,
        },
        logger=_silent,
    )


def consumer(kafka: Mapping[str, str], **properties: Any) -> Consumer:
    """Return a consumer that reads committed records and never commits an offset unless told to."""
    own = {name.replace("_", "."): value for name, value in properties.items()}
    return Consumer(
        {
            "group.id": "waldstream-reader",  # demanded by librdkafka; a consumer that is only assigned never joins it
            "fetch.wait.max.ms": 100,
            **kafka,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            **own,
        },
        logger=_silent,
    )


@contextlib.contextmanager
def closing(reader: Consumer) -> Iterator[Consumer]:
    """Inside the block the consumer is open; afterwards it is closed."""
    try:
        yield reader
    finally:
        reader.close()


def partitions_of(kafka: Mapping[str, str], *topics: str, timeout: float = 5.0) -> int:
    """Return the number of partitions, the same for each topic, as the cluster tells.

    Raises
    ------
    UnreachableError
        If no broker answers within `timeout` seconds.
    MissingTopicError
        If a topic does not exist.
    """
    words = _LastWords()
    address = kafka.get("bootstrap.servers", "")
    try:
        probe = Producer({**kafka, "error_cb": words}, logger=_silent)
    except KafkaException as error:
        raise UnreachableError(f"the Kafka settings are not usable: {error.args[0].str()}") from error
    try:
        metadata = probe.list_topics(timeout=timeout)
    except KafkaException as error:
        probe.poll(0)  # lets the last words in
        raise UnreachableError(f"cannot reach Kafka at {address}: {words.text or error.args[0].str()}") from error
    counts = {name: len(metadata.topics[name].partitions) if name in metadata.topics else 0 for name in topics}
    if missing := [name for name, count in counts.items() if not count]:
        raise MissingTopicError(
            f"Kafka at {address} has no topic {', '.join(missing)}; `waldstream topics create` makes them"
        )
    return next(iter(counts.values()))


@contextlib.contextmanager
def reaching(kafka: Mapping[str, str]) -> Iterator[None]:
    """Inside the block a Kafka exception that means "nobody there" becomes an `UnreachableError`."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() in _UNREACHABLE:
            address = kafka.get("bootstrap.servers", "")
            raise UnreachableError(f"cannot reach Kafka at {address}: {error.args[0].str()}") from error
        raise


def end_of(reader: Consumer, topic: str, partition: int, timeout: float = 10.0) -> tuple[int, int]:
    """Return the first offset that is kept and the one that the next record will get."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return int(low), int(high)
