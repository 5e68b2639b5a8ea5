"""An installation of topics and a folder of its own, and an exporter inside the test's process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from experiments.columns import RawRecord
from exporter.service import ExporterConfig, serve
from exporter.source import Range, committed_reader, observations
from processors.topics import create_topics
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics
from tests.exporter.runs import Run, bits, decided, definition, observation

PARTITIONS = 4
DEADLINE = 60.0


@dataclass
class Installation:
    """Topics of its own on the session's broker, and a folder for archives."""

    kafka: dict[str, str]
    topics: Topics
    archives: Path

    def config(self, **changes: Any) -> ExporterConfig:
        group = f"{self.topics.prefix}-exporter"
        return ExporterConfig(
            **{
                "kafka": self.kafka,
                "topics": self.topics,
                "partitions": PARTITIONS,
                "archives": self.archives,
                "group": group,
                **changes,
            }
        )

    @contextmanager
    def exporting(self, **changes: Any) -> Iterator[None]:
        """Inside the block an exporter runs."""
        stop, failed = threading.Event(), list[BaseException]()

        def target() -> None:
            try:
                serve(self.config(**changes), stop)
            except BaseException as error:  # noqa: BLE001 shown to the test below
                failed.append(error)

        thread = threading.Thread(target=target)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE)
        assert not failed, failed

    def produce(self, topic: str, key: str | None, values: list[bytes], at: str) -> None:
        """Produce to the partition of the experiment `at`."""
        producer = Producer({**self.kafka, "linger.ms": 5})
        for value in values:
            producer.produce(topic, key=key, value=value, partition=partition_of(at, PARTITIONS))
        assert producer.flush(DEADLINE) == 0

    def read(self, experiment_id: str) -> list[RawRecord]:
        """Return the experiment's observation records as they lie in Kafka."""
        reader, part = self._reader(), partition_of(experiment_id, PARTITIONS)
        place = TopicPartition(self.topics.observations, part)
        _, high = reader.get_watermark_offsets(place, timeout=10)
        span = Range(self.topics.observations, part, 0, high - 1)
        found = [record for some in observations(reader, span, experiment_id, threading.Event()) for record in some]
        reader.close()
        return found

    def publish(self, run: Run) -> None:
        """Produce the run's control records."""
        key = run.decision.experiment_id
        values = [codecs.encode_json(entry.event) for entry in run.timeline]
        self.produce(self.topics.control, key, values, key)

    def announced(self) -> list[events.ArchiveWritten]:
        """Return everything said on `sprt.archives`."""
        reader = self._reader()
        places = [TopicPartition(self.topics.archives, number, 0) for number in range(PARTITIONS)]
        reader.assign(places)
        left, found = set(range(PARTITIONS)), list[events.ArchiveWritten]()
        while left:
            for message in reader.consume(100, timeout=1.0):
                if message.error() is not None:
                    left.discard(message.partition())
                else:
                    found.append(codecs.decode(message.value(), events.ArchiveWritten))
        reader.close()
        return found

    def _reader(self) -> Consumer:
        return committed_reader(self.kafka, f"{self.topics.prefix}-test")


def installed(kafka: str, archives: Path) -> Installation:
    """Return an installation on the broker with topics of its own."""
    topics = Topics(prefix=f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, topics, PARTITIONS)
    return Installation({"bootstrap.servers": kafka}, topics, archives)


def until(ask: Callable[[], Any]) -> Any:
    """Return the first answer that is something."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing came within {DEADLINE:g} s")


def measured(installation: Installation, key: str = "rng-bias", p: float = 0.62, seed: int = 7) -> Run:
    """Return a run over observations that were produced to Kafka, among records that are not its own."""
    values = [
        codecs.encode_avro(observation(number, [x], experiment_id=key, observed_at=None))
        for number, x in enumerate(bits(p, 600, seed))
    ]
    topic = installation.topics.observations
    installation.produce(topic, key, values[:20], key)
    installation.produce(topic, key, [b"not an observation"], key)
    installation.produce(topic, None, values[20:30], key)
    other = [codecs.encode_avro(observation(0, [1.0] * 50, experiment_id="another"))]
    installation.produce(topic, "another", other, key)
    installation.produce(topic, key, values[30:], key)
    read = installation.read(key)
    return decided(definition(id=key, title=""), read, partition=partition_of(key, PARTITIONS))
