"""How far control was read, by whoever owns each of its partitions: what a record of a stranger may have to wait for.

A client may put a command on any partition, and the observations behind it on another. Both are forwarded, each by the
owner of the partition where it was found, so an observation can overtake its command. The owners publish how far they
have come as offsets of a group without members. These never decide what is counted, only how long a stranger waits.
"""

import time
from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.clients import QUICK_AND_QUIET

_ASK_SECONDS = 0.02
_ONE_ANSWER = 5.0


class Progress:
    """What the partitions of this worker say, and for all others what their owners published; one for all threads."""

    def __init__(self, kafka: Mapping[str, str], group: str, topic: str) -> None:
        self._admin = AdminClient({**QUICK_AND_QUIET, **kafka})
        self._group = group
        self._topic = topic
        self._own: dict[int, int] = {}
        self._published: dict[int, int] = {}
        self._asked_at = 0.0

    def note(self, partition: int, reached: int) -> None:
        """Take note that everything on an own partition below this offset has taken effect."""
        self._own[partition] = reached

    def forget(self, partition: int) -> None:
        """Believe what the next owner of a partition publishes."""
        self._own.pop(partition, None)

    def behind(self, ends: Mapping[int, int]) -> dict[int, int]:
        """Return how far the owners have come of those partitions on which not all below the given ends took effect."""
        behind = self._behind(ends)
        if behind.keys() - self._own.keys() and time.monotonic() >= self._asked_at + _ASK_SECONDS:
            self._asked_at = time.monotonic()
            self._ask(sorted(behind.keys() - self._own.keys()))
            behind = self._behind(ends)
        return behind

    def _behind(self, ends: Mapping[int, int]) -> dict[int, int]:
        reached = {partition: self._own.get(partition, self._published.get(partition, -1)) for partition in ends}
        return {partition: at for partition, at in reached.items() if at < ends[partition]}

    def _ask(self, partitions: list[int]) -> None:
        parts = [TopicPartition(self._topic, partition) for partition in partitions]
        request = [ConsumerGroupTopicPartitions(self._group, parts)]
        try:
            (answer,) = self._admin.list_consumer_group_offsets(request, request_timeout=_ONE_ANSWER).values()
            offsets = answer.result().topic_partitions
        except KafkaException:
            return  # no answer now: it is asked again, until the barrier gives up
        self._published |= {part.partition: part.offset for part in offsets if part.error is None}
