"""The worker under a steady load: how soon decisions are published, what it takes of a processor and of memory."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from uuid import uuid4

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.backlog import PARTITIONS, Backlog, write_experiments
from bench.running import Rows, Watch, process, python
from processors.topics import create_topics
from schemas import codecs, events

_PATIENCE: Final = 60.0
_SETTLING: Final = 3_000_000_000  # nanoseconds after the first count that are left out: the start is caught up with


@dataclass(frozen=True)
class Live:
    """One run at a steady rate: what was counted, decision delays in seconds, share of a core, memory in bytes."""

    rate: int
    experiments: int
    seconds: float
    counted: int
    produced: int
    decisions: int
    delay_median: float
    delay_99: float
    cores: float
    memory_begin: int
    memory_end: int
    memory_most: int


class _Decisions:
    """Holds each decision as soon as a reader of committed records can; inside a block, in a thread of its own.

    `seen` has the deciding records' Kafka timestamps (nanoseconds), and how much later each was held (seconds).
    """

    def __init__(self, kafka: Mapping[str, str], backlog: Backlog) -> None:
        self.seen: list[tuple[int, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        given = {"group.id": "bench-decisions", "isolation.level": "read_committed", "enable.auto.commit": False}
        self._consumer = Consumer({**kafka, **given})
        control = backlog.topics.control
        self._consumer.assign([TopicPartition(control, partition, 0) for partition in range(PARTITIONS)])

    def _read(self) -> None:
        while not self._ended.is_set():
            message, now = self._consumer.poll(0.1), time.time_ns()
            if message is not None and message.error() is None and b'"decision"' in (message.value() or b""):
                at = round(codecs.decode(message.value(), events.Decision).at.timestamp() * 1e9)
                self.seen.append((at, (now - at) / 1e9))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()


def live(kafka: Mapping[str, str], rate: int, experiments: int, seconds: float) -> Live:
    """Return what the worker does at so many records a second; every experiment is decided on the way, at random."""
    backlog = Backlog(round(rate * seconds), 1, experiments)
    create_topics(kafka, backlog.topics, PARTITIONS)
    each = backlog.records // experiments
    limits = np.random.default_rng(rate).integers(each // 4, max(each, 2), experiments).tolist()
    write_experiments(kafka, backlog.topics, backlog.ids, limits)
    given = {
        "kafka": dict(kafka),
        "prefix": backlog.topics.prefix,
        "partitions": PARTITIONS,
        "app_id": f"live-{uuid4().hex[:8]}",
    }
    pacing = {
        "servers": kafka["bootstrap.servers"],
        "rate": rate,
        "records": backlog.records,
        "values": 1,
        "experiments": experiments,
    }
    rows = Rows(kafka, backlog)
    with process(python("worker", given)) as worker, _Decisions(kafka, backlog) as decisions:
        watch = Watch(worker)
        with process(python("pace", pacing)):
            give_up = time.monotonic() + seconds + _PATIENCE
            begin = 0
            while (counted := rows.counted()) < backlog.records and time.monotonic() < give_up:
                if counted and not begin:
                    begin = time.time_ns() + _SETTLING
        end = time.time_ns()
        watch.end()
    rows.close()
    delays = [delay for at, delay in decisions.seen if begin and at > begin]
    settled = [rss for at, rss in watch.sizes if at > begin]
    return Live(
        rate=rate,
        experiments=experiments,
        seconds=seconds,
        counted=counted,
        produced=backlog.records,
        decisions=len(delays),
        delay_median=float(np.median(delays)),
        delay_99=float(np.quantile(delays, 0.99)),
        cores=watch.cpu_between(begin, end) / ((end - begin) / 1e9),
        memory_begin=settled[0],
        memory_end=settled[-1],
        memory_most=watch.memory,
    )
