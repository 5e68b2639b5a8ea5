"""Reads the observations of one partition a whole record batch at a time, many times faster than one by one.

The protocol is aiokafka's. Its client runs on a loop that turns only inside `read`. Where there is more to read, or
nothing has come, a fetch is under way, and what it brings waits in the socket while the partition computes.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import TopicPartition
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Part

from processors.clients import TRANSIENT, edges, fetching_settings
from processors.inputs import Chain, Fetched, position_lost
from processors.records import NO_RECORDS, Records, joined
from processors.unpacking import unpacked

T = TypeVar("T")

_READ_COMMITTED: Final = 1
_WAIT_MS: Final = 1000  # how long a broker may keep a fetch that finds nothing
_MOST_BYTES: Final = 2 * 1024 * 1024
_ENOUGH_BYTES: Final = 8 * 1024 * 1024  # of large records: more are no faster, and take memory several times over
_END_ONLY: Final = 1  # byte
_BACK_OFF_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 20.0
_REFRESH_SECONDS: Final = 60.0
_ROUNDS: Final = 12
_MORE_SECONDS: Final = 0.02  # more is known to come
_SINCE_SECONDS: Final = 0.005


class _Answer(NamedTuple):
    """What a fetch has brought: record batches, the transactions among them that were aborted, the log's end.

    `beside` is the end of the log beside it, None if its leader is another broker.
    """

    data: bytes
    aborted: Sequence[tuple[int, int]]
    high: int
    beside: int | None


class _Loop(asyncio.SelectorEventLoop):
    """A loop that tells what its sockets do not show: it was stopped in the middle of something, or a timer is due."""

    _ready: Sequence[asyncio.Handle]  # both are of asyncio's base class
    _scheduled: Sequence[asyncio.TimerHandle]

    @property
    def is_due(self) -> bool:
        """Return whether something waits to be called."""
        return bool(self._ready or (self._scheduled and self._scheduled[0].when() <= self.time()))


class BatchReader:
    """A client that fetches one partition of an input, from a given position on or from its beginning.

    `consumer` is asked where the log begins; it need not be assigned. `beside` is a partition of another log, with an
    offset in it: each fetch asks for its end too.
    """

    def __init__(
        self,
        kafka: Mapping[str, str],
        consumer: Consumer,
        part: Part,
        name: str,
        position: int | None,
        *,
        beside: Part,
    ) -> None:
        self._consumer, self._part, self._beside = consumer, part, beside
        #: Where the log beside ended after all that was read had come, None if that is not known.
        self.end_beside: int | None = None
        if position is None:
            position, _ = edges(consumer, part)
        self.chain = Chain(name, position, NO_RECORDS)
        self._high = position
        self._selector = selectors.DefaultSelector()
        self._loop = _Loop(self._selector)
        self._client = self._run(_connected(kafka, [part.topic, beside.topic]))
        self._fetching: asyncio.Task[_Answer] | None = None

    def read(self, limit: int) -> None:
        """Take in what has arrived, until at least `limit` records wait, or many bytes, or nothing more is there.

        Raises
        ------
        PositionLostError
            If the position is no longer in the log.
        KafkaError
            If the broker refuses the reader for good, or a batch is not what was written.
        """
        parts = [self.chain.waiting]
        try:
            self._read(limit, parts)
        finally:  # what was read stands, though an error ends the reading
            self.chain.waiting = joined(parts)

    def _read(self, limit: int, parts: list[Records]) -> None:
        if self._fetching is not None and not (self._fetching.done() or self.lag() or self._has_work()):
            return
        is_new = self._fetching is None  # the last look has found all that was there: records are coming
        seconds = _MORE_SECONDS if is_new else 0.0
        while True:
            is_enough = sum(map(len, parts)) >= limit or sum(part.size for part in parts) >= _ENOUGH_BYTES
            fetching = self._asked(0.0 if is_enough else _MORE_SECONDS if self.lag() else seconds)
            if is_enough or not fetching.done():
                return
            self._fetching = None
            try:
                answer = fetching.result()
            except OffsetOutOfRangeError:
                raise position_lost(self._consumer, self._part, self.chain) from None
            records, self.chain.reached = unpacked(answer.data, answer.aborted, self.chain.reached)
            parts.append(records)
            self._high, self.end_beside = answer.high, answer.beside
            if not answer.data:
                self._asked(0.0)
                return
            if is_new and not self.lag():
                return
            is_new, seconds = True, _SINCE_SECONDS  # the question was an older one: some more may have come since

    def _asked(self, seconds: float) -> "asyncio.Task[_Answer]":
        """Return the fetch that is under way, having given it some time."""
        if self._fetching is None:
            self._fetching = self._loop.create_task(self._fetch(self.chain.reached))
        self._turn(self._fetching, seconds)
        return self._fetching

    def take(self, limit: int) -> Fetched | None:
        """Return the next link of the chain, None if nothing was read."""
        return self.chain.take(limit)

    @property
    def reached(self) -> int:
        """Return the offset up to which everything that can be read was read."""
        return self.chain.reached

    def lag(self) -> int:
        """Return how many offsets lie between what was read and the end of the log as last seen."""
        return max(0, self._high - self.chain.reached)

    def close(self) -> None:
        """End the client."""
        if self._fetching is not None:
            self._fetching.cancel()
        self._run(self._client.close())
        self._loop.close()

    def _has_work(self) -> bool:
        """Return whether the loop has to turn: an idle partition looks at its socket, which costs next to nothing."""
        return self._loop.is_due or bool(self._selector.select(0))

    def _turn(self, fetching: "asyncio.Task[_Answer]", seconds: float) -> None:
        """Let the loop wait for an answer; in no time, one that has arrived is still handed on in a few rounds."""
        if seconds:
            self._run(asyncio.wait((fetching,), timeout=seconds))
        for _ in range(_ROUNDS):
            if fetching.done():
                return
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()

    def _run(self, awaited: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(awaited)

    async def _fetch(self, position: int) -> _Answer:
        """Return what lies behind the position, asking again for as long as that may help."""
        part = TopicPartition(self._part.topic, self._part.partition)
        beside = TopicPartition(self._beside.topic, self._beside.partition)
        last_known = time.monotonic()
        while True:
            leader = self._client.cluster.leader_for_partition(part)
            if leader is not None:
                last_known = time.monotonic()
            elif time.monotonic() > last_known + _PATIENCE_SECONDS:
                raise UnknownTopicOrPartitionError(f"{part.topic} partition {part.partition}")
            if leader is not None and leader >= 0:
                wanted = [(part.topic, [(part.partition, position, _MOST_BYTES)])]
                if self._client.cluster.leader_for_partition(beside) == leader:  # asked for last: it is read last
                    wanted.append((beside.topic, [(beside.partition, self._beside.offset, _END_ONLY)]))
                request = FetchRequest(_WAIT_MS, 1, _MOST_BYTES, _READ_COMMITTED, wanted)
                try:
                    response = await self._client.send(leader, request)
                except KafkaError:  # the connection is gone, or nobody answers
                    pass
                else:
                    answers = {topic: answer for topic, (answer,) in response.topics}
                    _, code, high, _, _, aborted, *_, data = answers[part.topic]
                    error = for_code(code)
                    if not code:
                        return _Answer(data or b"", aborted or (), high, self._end_of(answers.get(beside.topic)))
                    if code not in TRANSIENT and error is not UnknownTopicOrPartitionError:
                        raise error(f"{part.topic} partition {part.partition} at {position}")
            await asyncio.sleep(_BACK_OFF_SECONDS)
            async with asyncio.timeout(_REFRESH_SECONDS):  # a client that cannot even fail ends the worker
                await self._client.force_metadata_update()

    def _end_of(self, answer: tuple[Any, ...] | None) -> int | None:
        """Return where the log beside ended when it was asked for, None if nobody has said so."""
        if answer is None:
            return None
        if answer[1]:  # another broker leads it now; asked for here, it has each fetch come back at once
            self._client.force_metadata_update()
            return None
        self._beside.offset = answer[2]
        return self._beside.offset


async def _connected(kafka: Mapping[str, str], topics: Sequence[str]) -> AIOKafkaClient:
    """Return a client that knows the topics, having asked for it as long as a broker may take to be ready."""
    client = AIOKafkaClient(**fetching_settings(kafka))
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            await client.bootstrap()
            break
        except KafkaConnectionError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(_BACK_OFF_SECONDS)
    await client.set_topics(topics)
    return client
