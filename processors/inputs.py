"""Reads one partition of some inputs and stamps what it read with the positions before and after.

Continuity is of these positions, never of offsets: transaction markers and compaction leave holes between offsets.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Final, NamedTuple, Protocol, cast

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from experiments.columns import RawColumns, RawRecord
from processors.clients import TRANSIENT

_SECOND: Final = itemgetter(1)


class PositionLostError(Exception):
    """Retention has deleted records of an input, from `first` to before `next`, that were not yet counted."""

    def __init__(self, message: str, name: str, first: int, following: int) -> None:
        super().__init__(message)
        self.input, self.first, self.next = name, first, following


class Delivered(Protocol):  # the client's own type allows None everywhere, for the sake of its events
    """A message without an error, as the client hands it over: all its parts are set."""

    def topic(self) -> str: ...  # noqa: D102  the client's own method
    def partition(self) -> int: ...  # noqa: D102  the client's own method
    def offset(self) -> int: ...  # noqa: D102  the client's own method
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102  the client's own method
    def key(self) -> bytes | None: ...  # noqa: D102  the client's own method
    def value(self) -> bytes | None: ...  # noqa: D102  the client's own method
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...  # noqa: D102  the client's own method


class Fetched(NamedTuple):
    """Messages of one input in log order; the chain of positions goes from `first` to `next`."""

    input: str
    first: int
    next: int
    messages: list[Delivered]

    def records(self) -> list[RawRecord]:
        """Return the messages as the pure core takes them."""
        return [RawRecord(m.offset(), m.timestamp()[1] * 1000, m.key(), m.value()) for m in self.messages]

    def columns(self) -> RawColumns:
        """Return the messages in columns."""
        size = len(self.messages)
        return RawColumns(
            offset=np.fromiter(map(Message.offset, self.messages), np.int64, size),  # type: ignore[arg-type]  # delivered
            timestamp=np.fromiter(map(_SECOND, map(Message.timestamp, self.messages)), np.int64, size) * 1000,  # type: ignore[arg-type]  # same
            keys=list(map(Message.key, self.messages)),  # type: ignore[arg-type]  # same
            values=list(map(Message.value, self.messages)),  # type: ignore[arg-type]  # same
        )

    def split(self, count: int) -> tuple["Fetched", "Fetched | None"]:
        """Return the first `count` messages, and the rest if there is any, as two links of the same chain."""
        if count == len(self.messages):
            return self, None
        border = self.messages[count].offset()
        head = Fetched(self.input, self.first, border, self.messages[:count])
        return head, Fetched(self.input, border, self.next, self.messages[count:])


class Reader:
    """A consumer that is assigned to one partition of its inputs, from given positions on."""

    def __init__(
        self, consumer: Consumer, partition: int, topics: Mapping[str, str], positions: Mapping[str, int]
    ) -> None:
        self._consumer = consumer
        self._inputs = {topic: name for name, topic in topics.items()}
        self._parts = {name: TopicPartition(topic, partition) for name, topic in topics.items()}
        self._waiting: dict[str, list[Delivered]] = {name: [] for name in topics}
        # Asking for the beginning by its offset also connects to the leader: assigning the name "beginning" to a client
        # that knows no leader yet costs half a second.
        lows = {name: consumer.get_watermark_offsets(part, timeout=20)[0] for name, part in self._parts.items()}
        self._first = lows | {name: at for name, at in positions.items() if name in topics}
        self._reached = dict(self._first)
        consumer.assign([TopicPartition(topics[name], partition, at) for name, at in self._first.items()])

    def read(self, limit: int, timeout: float) -> None:
        """Take in what has arrived, at most `limit` messages; waits up to `timeout` seconds for the first.

        Raises
        ------
        PositionLostError
            If the position is no longer in the log.
        KafkaException
            If the broker refuses the reader for good.
        """
        messages = self._consumer.consume(1, timeout)
        if messages and limit > 1:
            messages += self._consumer.consume(limit - 1, 0)
        if len(self._parts) == 1 and not any(map(Message.error, messages)):
            (waiting,) = self._waiting.values()
            waiting += cast("list[Delivered]", messages)
        else:
            self._sort(messages)
        for name, part in self._parts.items():
            # -1001 until the first message; a marker behind the last message moves the position, too
            self._reached[name] = max(self._reached[name], self._consumer.position([part])[0].offset)

    def _sort(self, messages: list[Message]) -> None:
        for message in messages:
            delivered, error = cast("Delivered", message), message.error()
            if error is None:
                self._waiting[self._inputs[delivered.topic()]].append(delivered)
            else:
                self._note(delivered, error)

    def _note(self, message: Delivered, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's name for a local event
            name = self._inputs[message.topic()]
            self._reached[name] = max(self._reached[name], message.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  same
            name = self._inputs[message.topic()]
            low, high = self._consumer.get_watermark_offsets(self._parts[name], timeout=10)
            raise PositionLostError(
                f"{message.topic()} partition {message.partition()}: the position {self._reached[name]} is not in the "
                f"log (kept: {low} to {high}); records were deleted before they were counted",
                name,
                self._first[name],
                low,
            )
        elif error.code() not in TRANSIENT:
            raise KafkaException(error)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the inputs."""
        return tuple(self._parts)

    def has(self, name: str) -> bool:
        """Return whether messages of the input were read that nobody has taken."""
        return bool(self._waiting[name])

    def take(self, name: str, limit: int) -> Fetched | None:
        """Return the next link of the input's chain, None if nothing was read."""
        waiting = self._waiting[name]
        if not waiting:
            return None
        head, rest = Fetched(name, self._first[name], self._reached[name], waiting).split(min(limit, len(waiting)))
        self._waiting[name] = [] if rest is None else rest.messages
        self._first[name] = head.next
        return head

    def reached(self, name: str) -> int:
        """Return the offset up to which everything that can be read was read."""
        return self._reached[name]

    def lag(self, name: str) -> int:
        """Return how many offsets lie between what was read and the end of the log as last seen."""
        _, high = self._consumer.get_watermark_offsets(self._parts[name], cached=True)
        return max(0, high - self._reached[name])

    def taken(self, name: str) -> int:
        """Return the offset up to which everything that can be read was read and taken."""
        return self._waiting[name][0].offset() if self._waiting[name] else self._reached[name]

    def publish_progress(self, positions: Mapping[str, int]) -> None:
        """Commit a copy of the positions, for tools that watch the lag of a group; no reader ever begins at it."""
        parts = [(part, positions[name]) for name, part in self._parts.items() if name in positions]
        offsets = [TopicPartition(part.topic, part.partition, at) for part, at in parts]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()
