"""The one writer of a partition: everything a step emits becomes visible in one transaction, or nothing does.

A failed send or commit is never repaired here: the worker ends, and the next owner goes on from the last commit.
"""

from collections.abc import Callable

from processors.librdkafka import TransactionalProducer
from processors.outgoing import Outgoing
from processors.takeover import retried

_COMMIT_SECONDS = 25.0

#: Called with the name of a point in a step; only tests pass one, to end the process there.
KillPoint = Callable[[str], None]


class Transactions:
    """The transactional producer of one partition, after it has fenced its predecessor."""

    def __init__(self, producer: TransactionalProducer, kill_point: KillPoint | None) -> None:
        self._producer = producer
        self._kill_point = kill_point
        self._has_committed = False

    def commit(self, outgoing: Outgoing) -> None:
        """Return once all records are committed; on any exception it is unknown whether they are.

        Raises
        ------
        KafkaException
            If a record could not be delivered, the producer was fenced, or the outcome is unknown.
        """
        self._reach("before_send")
        self._producer.begin_transaction()
        for record in outgoing.records:
            self._producer.produce(*record)
        for pairs in (outgoing.walks, outgoing.rows):
            self._producer.produce_all(*pairs)
        self._reach("after_send")
        if self._kill_point is not None:
            self._producer.flush(_COMMIT_SECONDS)  # so that the points before the commit find the records in the log
        if not self._has_committed:
            self._reach("before_first_commit")
        self._reach("before_commit")
        retried(lambda: self._producer.commit_transaction(_COMMIT_SECONDS), _COMMIT_SECONDS)
        self._has_committed = True
        self._reach("after_commit")

    def close(self) -> None:
        """End the producer, between two transactions."""
        self._producer.close()

    def _reach(self, point: str) -> None:
        if self._kill_point is not None:
            self._kill_point(point)
