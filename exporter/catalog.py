"""Every decided run that the control topic tells of: what exports and reports choose from, read from Kafka alone."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from experiments.times import moment
from exporter.archive import Entry, decision_of, defined_of, started_of
from exporter.history import History
from exporter.source import arrived, committed_reader, is_end
from schemas import events
from schemas.codecs import Resolver
from schemas.topics import Topics

_PATIENCE: Final = 30.0
#: Silence after which a partition counts as unreachable; an answer of the broker, its end too, breaks it.
_SILENT_POLLS: Final = 60
#: What a broker says while a partition moves, or just after a topic was created.
_MOVING: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART,
)  # fmt: skip


class CatalogError(Exception):
    """The control topic cannot be read; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One decided run as the control topic tells it: its records from the definition to the decision."""

    timeline: tuple[Entry, ...]

    @property
    def defined(self) -> events.Defined:
        """Return the definition that held."""
        return defined_of(self.timeline)

    @property
    def started(self) -> events.Started:
        """Return the start of the run."""
        return started_of(self.timeline)

    @property
    def decision(self) -> events.Decision:
        """Return how it ended."""
        return decision_of(self.timeline)

    @property
    def definition(self) -> dict[str, Any]:
        """Return the stored definition."""
        return self.defined.definition

    @property
    def name(self) -> str:
        """Return `<experiment>/<run>`."""
        return f"{self.decision.experiment_id}/{self.decision.run}"


def recorded(kafka: Mapping[str, str], topics: Topics, registry: Resolver | None = None) -> list[Recorded]:
    """Return every decided run up to the ends that the partitions have now, in the order of their decisions.

    Raises
    ------
    CatalogError
        If Kafka cannot be read to those ends.
    """
    found, histories = list[Recorded](), dict[int, History]()
    for message, partitions in _every_message(kafka, topics.control):
        history = histories.setdefault(message.partition(), History(message.partition(), partitions, registry))
        at = moment(message.timestamp()[1] * 1000)
        if (timeline := history.add(message.offset(), at, message.value())) is not None:
            found.append(Recorded(timeline))
    return sorted(found, key=lambda run: (run.decision.at, run.name))


def every_value(kafka: Mapping[str, str], topic: str) -> Iterator[bytes | None]:
    """Yield the value of every record that the topic has now, partition by partition; errors as in `recorded`."""
    for message, _ in _every_message(kafka, topic):
        yield message.value()


def _every_message(kafka: Mapping[str, str], topic: str) -> Iterator[tuple[Any, int]]:
    """Yield every record up to the ends that the partitions have now, each with the number of partitions."""
    consumer = committed_reader(kafka, "waldstream-catalog")
    try:
        known = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic]
        if known.error is not None:
            raise CatalogError(f"{topic}: {known.error.str()}")
        for partition in sorted(known.partitions):
            for message in _messages(consumer, topic, partition):
                yield message, len(known.partitions)
    except KafkaException as error:
        raise CatalogError(f"{topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _messages(consumer: Any, topic: str, partition: int) -> Iterator[Any]:
    low, high = _ends(consumer, topic, partition)
    if low >= high:
        return
    consumer.assign([TopicPartition(topic, partition, low)])
    silent = 0
    while True:
        messages = arrived(consumer)
        silent = 0 if messages else silent + 1
        if silent > _SILENT_POLLS:
            raise CatalogError(f"{topic}, partition {partition}: no answer before its end at {high}")
        for message in messages:
            if (error := message.error()) is None:
                yield message
            elif is_end(error):
                return


def _ends(consumer: Any, topic: str, partition: int) -> tuple[int, int]:
    """Return the first offset and the end; a partition that has no leader for a moment is asked again."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_PATIENCE)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # the leader moves meanwhile
        else:
            return low, high
