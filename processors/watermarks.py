"""Where a log ends at this moment, records of open transactions included: what a barrier has to wait for."""

from collections.abc import Mapping

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # documented as public

_TIMEOUT = 10.0


class Watermarks:
    """Asks the cluster for ends of partitions; one for all threads."""

    def __init__(self, kafka: Mapping[str, str]) -> None:
        self._admin = AdminClient(dict(kafka))

    def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record of the partition will get."""
        part = TopicPartition(topic, partition)
        asked = self._admin.list_offsets(
            {part: OffsetSpec.latest()},  # type: ignore[no-untyped-call]  # of the library
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_TIMEOUT,
        )
        return int(asked[part].result().offset)
