"""Takes a partition over: fences the previous owner first, and only then reads what it has committed.

The other way round a predecessor could commit between the reading and the fence, and that commit would be lost.
"""

import gc
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from experiments.memory import Memory
from experiments.rows import load
from processors.clients import TRANSIENT, edges
from processors.librdkafka import TransactionalProducer

T = TypeVar("T")

_FENCE_SECONDS = 60.0
_LOAD_SILENCE_SECONDS = 60.0
_ROWS_AT_ONCE = 10_000
_remembering = threading.Lock()


def fence(producer: TransactionalProducer | Producer) -> None:
    """Return once no earlier owner of the transactional id can commit, its open transaction ended."""
    retried(lambda: producer.init_transactions(20), _FENCE_SECONDS)


def retried(call: Callable[[], T], seconds: float) -> T:
    """Return what `call` returns, repeating it for as long as the client says that a repetition may help."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise


def read_rows(consumer: Consumer, topic: str, partition: int) -> dict[bytes, bytes | None]:
    """Return the last state row of each key of a partition, read to its end; the owner must have fenced before.

    Raises
    ------
    TimeoutError
        If the log stops yielding rows before its end.
    """
    low, end = edges(consumer, TopicPartition(topic, partition))
    consumer.assign([TopicPartition(topic, partition, low)])
    rows: dict[bytes, bytes | None] = {}
    at, heard = low, time.monotonic()
    while at < end:
        messages = consumer.consume(_ROWS_AT_ONCE, 0.02)
        for message in messages:
            at = max(at, _offset_after(message))
            if message.error() is None:
                rows[message.key() or b""] = message.value()
        if messages:
            heard = time.monotonic()
        elif time.monotonic() > heard + _LOAD_SILENCE_SECONDS:
            silence = f"no row for {_LOAD_SILENCE_SECONDS:.0f} s"
            raise TimeoutError(f"{topic} partition {partition}: {silence} at {at} of {end}")
    return rows


def remember(partition: int, partitions: int, rows: Mapping[bytes, bytes | None]) -> Memory:
    """Return the memory that the rows hold, kept out of the garbage collector's rounds for good.

    It is a million objects that stay and have no cycles: walking them again and again costs more than making them, and
    each full round would stop the worker for as long. One partition at a time: threads contend for the interpreter.
    """
    with _remembering:
        gc.collect()
        gc.disable()
        try:
            memory = load(partition, partitions, rows.items())
            gc.freeze()
        finally:
            gc.enable()
    return memory


def _offset_after(message: Message) -> int:
    """Return the position behind a row, or the end that an end-of-partition event tells of.

    The log ends with a transaction's marker, which is never delivered: only the event reaches the end.
    """
    error, offset = message.error(), cast("int", message.offset())
    if error is None:
        return offset + 1
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's name for a local event
        return offset
    if error.code() in TRANSIENT:
        return 0
    raise KafkaException(error)
