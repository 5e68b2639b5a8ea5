"""Reads one partition of some inputs and stamps what it read with the positions before and after.

Continuity is of these positions, never of offsets: transaction markers and compaction leave holes between offsets.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from experiments.columns import RawColumns, RawRecord
from processors.clients import TRANSIENT, edges
from processors.records import Delivered, Record, Records, in_columns

Waiting = TypeVar("Waiting", bound=Sequence[Delivered])


class PositionLostError(Exception):
    """Retention has deleted records of an input, up to before `next`, that were not yet counted."""

    def __init__(self, message: str, name: str, following: int) -> None:
        super().__init__(message)
        self.input, self.next = name, following


class Fetched(NamedTuple):
    """Messages of one input in log order; the chain of positions goes from `first` to `next`."""

    input: str
    first: int
    next: int
    messages: Sequence[Delivered]

    def records(self) -> list[RawRecord]:
        """Return the messages as the pure core takes them."""
        return raw(self.messages)

    def columns(self) -> RawColumns:
        """Return the messages in columns."""
        read = self._in_columns()
        return RawColumns(read.offset, read.timestamp * 1000, read.keys, read.values)

    def of_offsets(self, offsets: Sequence[int]) -> Sequence[Delivered]:
        """Return those of the messages that have these offsets, in their order."""
        return self._in_columns().of_offsets(offsets)

    def values(self) -> Iterable[bytes | None]:
        """Return the values alone."""
        return self._in_columns().values.all()

    def _in_columns(self) -> Records:
        return self.messages if isinstance(self.messages, Records) else in_columns(self.messages)

    def split(self, count: int) -> tuple["Fetched", "Fetched | None"]:
        """Return the first `count` messages, and the rest if there is any, as two links of the same chain."""
        if count == len(self.messages):
            return self, None
        border = self.messages[count].offset
        head = Fetched(self.input, self.first, border, self.messages[:count])
        return head, Fetched(self.input, border, self.next, self.messages[count:])


def raw(messages: Sequence[Delivered]) -> list[RawRecord]:
    """Return messages as the pure core takes them."""
    return [RawRecord(m.offset, m.timestamp * 1000, m.key, m.value) for m in messages]


class Chain(Generic[Waiting]):
    """What was read of one input and not yet taken, `waiting`; its links follow one another without a gap.

    `reached` is the offset up to which everything that can be read was read, `first` the position that the next link
    begins with.
    """

    def __init__(self, name: str, position: int, waiting: Waiting) -> None:
        self.name = name
        self.waiting = waiting
        self.reached = position
        self.first = position

    @property
    def taken(self) -> int:
        """Return the offset up to which everything that can be read was read and taken."""
        return self.waiting[0].offset if len(self.waiting) else self.reached

    def take(self, limit: int) -> Fetched | None:
        """Return the next link of at most `limit` messages, None if nothing was read."""
        if not len(self.waiting):
            return None
        head, rest = Fetched(self.name, self.first, self.reached, self.waiting).split(min(limit, len(self.waiting)))
        self.waiting = cast("Waiting", self.waiting[:0] if rest is None else rest.messages)
        self.first = head.next
        return head


class Reader:
    """A consumer that is assigned to one partition of its inputs, from given positions on."""

    def __init__(
        self, consumer: Consumer, partition: int, topics: Mapping[str, str], positions: Mapping[str, int]
    ) -> None:
        self._consumer = consumer
        self._inputs = {topic: name for name, topic in topics.items()}
        self._parts = {name: TopicPartition(topic, partition) for name, topic in topics.items()}
        # Asking for the beginning by its offset also connects to the leader: assigning the name "beginning" to a client
        # that knows no leader yet costs half a second.
        lows = {name: edges(consumer, part)[0] for name, part in self._parts.items()}
        first = lows | {name: at for name, at in positions.items() if name in topics}
        self._chains = {name: Chain[list[Delivered]](name, at, []) for name, at in first.items()}
        consumer.assign([TopicPartition(topics[name], partition, at) for name, at in first.items()])

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
        for message in messages:
            if (error := message.error()) is None:
                self._chains[self._inputs[str(message.topic())]].waiting.append(delivered(message))
            else:
                self._note(message, error)
        positions = self._consumer.position([*self._parts.values()])
        for name, part in zip(self._parts, positions, strict=True):
            # -1001 until the first message; a marker behind the last message moves the position, too
            self._reach(name, part.offset)

    def _reach(self, name: str, offset: int) -> None:
        chain = self._chains[name]
        chain.reached = max(chain.reached, offset)

    def _note(self, message: Message, error: KafkaError) -> None:
        name, offset = self._inputs[str(message.topic())], cast("int", message.offset())
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's name for a local event
            self._reach(name, offset)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  same
            raise position_lost(self._consumer, self._parts[name], self._chains[name])
        elif error.code() not in TRANSIENT:
            raise KafkaException(error)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the inputs."""
        return tuple(self._parts)

    def begin(self) -> dict[str, int]:
        """Return the position that the next link of each input's chain begins with."""
        return {name: chain.first for name, chain in self._chains.items()}

    def waiting(self, name: str) -> Sequence[Delivered]:
        """Return the messages of the input that were read and that nobody has taken."""
        return self._chains[name].waiting

    def take(self, name: str, limit: int) -> Fetched | None:
        """Return the next link of the input's chain, None if nothing was read."""
        return self._chains[name].take(limit)

    def lag(self, name: str) -> int:
        """Return how many offsets lie between what was read and the end of the log as last seen."""
        _, high = self._consumer.get_watermark_offsets(self._parts[name], cached=True)
        return max(0, high - self._chains[name].reached)

    def reached(self, name: str) -> int:
        """Return the offset up to which everything that can be read was read."""
        return self._chains[name].reached

    def taken(self, name: str) -> int:
        """Return the offset up to which everything that can be read was read and taken."""
        return self._chains[name].taken


def delivered(message: Message) -> Record:
    """Return what a message without an error holds."""
    offset, (_, timestamp) = cast("int", message.offset()), message.timestamp()
    return Record(offset, timestamp, message.key(), message.value(), list(message.headers() or []))  # type: ignore[arg-type]  # the client's type of a header is wider


def position_lost(consumer: Consumer, part: TopicPartition, chain: Chain[Any]) -> PositionLostError:
    """Return the error for a position that the log does not hold, with where the log begins."""
    low, high = edges(consumer, part)
    return PositionLostError(
        f"{part.topic} partition {part.partition}: the position {chain.reached} is not in the "
        f"log (kept: {low} to {high}); records were deleted before they were counted",
        chain.name,
        low,
    )
