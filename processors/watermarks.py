"""Where a log ends at this moment, records of open transactions included: what a barrier has to wait for."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # documented as public

from processors.clients import QUICK_AND_QUIET, TRANSIENT

_ONE_ANSWER = 10.0
_ALL_ANSWERS = 60.0
_TRANSIENT = TRANSIENT | {KafkaError._NOENT}  # noqa: SLF001  the library's name for "no leader at present"


class Watermarks:
    """Asks the cluster for ends of partitions; one for all threads."""

    def __init__(self, kafka: Mapping[str, str]) -> None:
        self._admin = AdminClient({**QUICK_AND_QUIET, **kafka})

    def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset that the next record of each partition will get."""
        return self._answered(topic, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]  # of the library

    def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record of one partition will get."""
        return self.ends(topic, (partition,))[partition]

    def first_after(self, topic: str, partition: int, milliseconds: int) -> int:
        """Return the offset of the first record with a later Kafka timestamp, the end where there is none."""
        found = self._answered(topic, (partition,), OffsetSpec.for_timestamp(milliseconds + 1))[partition]
        return self.end(topic, partition) if found < 0 else found

    def _answered(self, topic: str, partitions: Iterable[int], wanted: Any) -> dict[int, int]:
        """Return what the leaders say; asks again while one moves."""
        deadline = time.monotonic() + _ALL_ANSWERS
        parts = [TopicPartition(topic, partition) for partition in partitions]
        while True:
            try:
                return self._asked(parts, wanted)
            except KafkaException as error:
                if error.args[0].code() not in _TRANSIENT or time.monotonic() > deadline:
                    raise
                self._look_for_the_leader(topic)

    def _look_for_the_leader(self, topic: str) -> None:
        """Bring the client's idea of who leads up to date: by itself it would ask a former leader for minutes."""
        with contextlib.suppress(KafkaException):
            self._admin.list_topics(topic, timeout=_ONE_ANSWER)
        time.sleep(0.1)  # a new leader is chosen meanwhile

    def _asked(self, parts: list[TopicPartition], wanted: Any) -> dict[int, int]:
        asked = self._admin.list_offsets(
            dict.fromkeys(parts, wanted),
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_ONE_ANSWER,
        )
        return {part.partition: int(asked[part].result().offset) for part in parts}
