"""Says on `sprt.archives` that an archive stands: idempotent, acknowledged by all replicas before it returns."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from exporter.folder import Written
from exporter.source import StoppedError
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics

_PATIENCE: Final = 5.0


class Announcer:
    """The producer of `sprt.archives`."""

    def __init__(self, kafka: Mapping[str, str], topics: Topics, partitions: int, archives: Path) -> None:
        self._topic = topics.archives
        self._partitions = partitions
        self._archives = archives
        self._producer = Producer({**kafka, "enable.idempotence": True, "acks": "all", "linger.ms": 0})

    def announce(self, decision: events.Decision, written: Written, stop: threading.Event) -> None:
        """Return once every in-sync replica has the record.

        Raises
        ------
        KafkaException
            If Kafka refuses it, or it could not be delivered in the client's time.
        StoppedError
            If the process is to end and the record is still not acknowledged after a few seconds.
        """
        event = events.ArchiveWritten(
            experiment_id=decision.experiment_id,
            run=decision.run,
            decision_id=decision.id,
            manifest_digest=written.manifest_digest,
            location=str((self._archives / written.location).resolve()),
            disputed=written.disputed,
            at=datetime.now(UTC),
        )
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        self._producer.produce(
            self._topic,
            key=decision.experiment_id.encode(),
            value=codecs.encode_json(event),
            partition=partition_of(decision.experiment_id, self._partitions),
            on_delivery=delivered,
        )
        end = None
        while self._producer.flush(0.2):
            if stop.is_set():
                end = end or time.monotonic() + _PATIENCE
                if time.monotonic() > end:
                    raise StoppedError
        if failed:
            raise KafkaException(failed[0])
