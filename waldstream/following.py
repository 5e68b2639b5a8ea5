"""Runs as they happen: control events and walk points of a few experiments, folded into their newest documents.

Used wherever a terminal shows live progress. What is shown is committed: a decision here is a decision.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, TopicPartition

from console.documents import RunDocument
from console.fold import Shelf, put
from producers import reading
from producers.connection import consumer, end_of, partitions_of, reaching
from producers.errors import ProducerError
from schemas import events
from schemas.partitions import partition_of
from schemas.topics import Topics
from waldstream.lookup import at, walk_point

_TAIL = 2_000


class Follower:
    """The experiments named by `ids`; `poll` takes in what has come since."""

    def __init__(self, kafka: Mapping[str, str], topics: Topics, ids: Iterable[str]) -> None:
        self._kafka, self._topics = kafka, topics
        self.shelves = {experiment_id: Shelf() for experiment_id in ids}
        self.points: dict[tuple[str, int], events.WalkPoint] = {}
        self.archives: dict[tuple[str, int], events.Archived] = {}
        self.decisions: dict[tuple[str, int], events.Decision] = {}
        count = partitions_of(kafka, topics.control, topics.walks)
        wanted = sorted({partition_of(key, count) for key in self.shelves})
        with reaching(kafka):
            self._reader = consumer(kafka)
            self._ends = {number: end_of(self._reader, topics.control, number) for number in wanted}
            begin = [TopicPartition(topics.control, number, low) for number, (low, _) in self._ends.items()]
            for number in wanted:
                low, high = end_of(self._reader, topics.walks, number)
                begin.append(TopicPartition(topics.walks, number, max(low, high - _TAIL)))
            self._reader.assign(begin)

    def poll(self, seconds: float = 0.1) -> None:
        """Take in what has come, after waiting for at most `seconds`."""
        deadline = time.monotonic() + seconds
        messages = self._reader.consume(1, seconds)
        while messages:
            for message in messages:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                self._see(str(message.topic()), reading.to_record(message))
            messages = self._reader.consume(500, 0) if time.monotonic() < deadline + 1.0 else []

    def catch_up(self, seconds: float = 30.0) -> None:
        """Take in the history as it was when the following began.

        Raises
        ------
        ProducerError
            If that takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while any(self._position(number) < high for number, (low, high) in self._ends.items() if low < high):
            if time.monotonic() > deadline:
                raise ProducerError(f"{self._topics.control} was not read to its end within {seconds:g} s")
            self.poll(0.1)

    def runs(self) -> list[RunDocument]:
        """Return the newest run of each experiment that is defined."""
        return [run for key in self.shelves if (run := self.run(key)) is not None]

    def _position(self, partition: int) -> int:
        (found,) = self._reader.position([TopicPartition(self._topics.control, partition)])
        return int(found.offset)

    def run(self, experiment_id: str) -> RunDocument | None:
        """Return the newest run of an experiment; None if it is not defined."""
        shelf = self.shelves[experiment_id]
        return None if shelf.latest is None else shelf.runs[shelf.latest]

    def _see(self, topic: str, record: reading.Record) -> None:
        if topic == self._topics.walks:
            if (point := walk_point(record)) is not None and point.experiment_id in self.shelves:
                self.points[point.experiment_id, point.run] = point
            return
        event = reading.control_event(record.value)
        if event is None or event.experiment_id not in self.shelves:
            return
        put(self.shelves[event.experiment_id], event, at(record))
        if isinstance(event, events.Decision):
            self.decisions[event.experiment_id, event.run] = event
        if isinstance(event, events.Archived):
            self.archives[event.experiment_id, event.run] = event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()


def nearness(run: RunDocument, point: events.WalkPoint | None) -> float:
    """Return how near the run is to its nearest rule, from 0 at the start to 1 at the decision."""
    if not run.is_active:
        return 1.0
    llr, n = (point.llr, point.n) if point is not None else (0.0, 0)
    llr = 0.0 if run.is_blinded else llr
    shares = [0.0]
    line = run.upper if llr > 0 else run.lower
    if line:
        shares.append(llr / line)
    if limit := run.stop.get("max_samples"):
        shares.append(n / limit)
    if run.deadline is not None and run.started_at is not None and run.state == "RUNNING":
        shares.append((datetime.now(UTC) - run.started_at) / (run.deadline - run.started_at))
    return min(max(shares), 1.0)
