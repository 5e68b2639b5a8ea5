"""The programs that are measured, each a process of its own: `python -m bench.subjects NAME '{"…": …}'`.

All but the worker print `progress RECORDS NANOSECONDS` as they go and `counted RECORDS OBSERVATIONS` at the end; what
the worker has counted is read from the rows that it commits.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from confluent_kafka import Consumer

from schemas.topics import Topics

_LOOK: Final = 0.1


class Progress:
    """Prints how far a subject has come, ten times a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def at(self, records: int) -> None:
        """Say that so many records are done."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LOOK
            print("progress", records, time.time_ns(), flush=True)

    def end(self, records: int, observations: int) -> None:
        """Say that everything is done."""
        print("progress", records, time.time_ns(), flush=True)
        print("counted", records, observations, flush=True)


def worker(given: dict[str, Any]) -> None:
    """Run the worker, until it is ended."""
    import structlog

    from processors.worker import WorkerConfig, run

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    run(WorkerConfig(topics=Topics(given.pop("prefix")), **given))


def confluent(given: dict[str, Any]) -> None:
    """Read key, value and offset of each record with confluent-kafka."""
    consumer = Consumer(
        {
            "bootstrap.servers": given["servers"],
            "group.id": given["group"],
            "auto.offset.reset": "earliest",
            "queued.min.messages": 1_000_000,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.subscribe([given["topic"]])
    progress, done, size = Progress(), 0, 0
    while done < given["records"]:
        for message in consumer.consume(10_000, 0.05):
            if message.error() is None:
                key, value, offset = message.key(), message.value(), message.offset()
                size += len(key or b"") + len(value or b"") + (offset is None)
                done += 1
        progress.at(done)
    progress.end(done, 0)
    consumer.close()


def aiokafka(given: dict[str, Any]) -> None:
    """Read key, value and offset of each record with aiokafka."""
    asyncio.run(_aiokafka(given))


async def _aiokafka(given: dict[str, Any]) -> None:
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        given["topic"],
        bootstrap_servers=given["servers"],
        group_id=given["group"],
        auto_offset_reset="earliest",
        max_poll_records=10_000,
    )
    await consumer.start()
    progress, done, size = Progress(), 0, 0
    while done < given["records"]:
        for records in (await consumer.getmany(timeout_ms=50)).values():
            for record in records:
                size += len(record.key or b"") + len(record.value or b"") + (record.offset is None)
            done += len(records)
        progress.at(done)
    progress.end(done, 0)
    await consumer.stop()


def faust(given: dict[str, Any]) -> None:
    """Fold each record with a stock Faust agent and a table."""
    import faust as library

    import sprt
    from schemas import codecs

    app = library.App(
        given["group"],
        broker=f"kafka://{given['servers']}",
        web_enabled=False,
        topic_partitions=given["partitions"],
        topic_disable_leader=True,
        broker_commit_interval=given["interval"],
        consumer_auto_offset_reset="earliest",
        table_standby_replicas=0,
        datadir=given["folder"],
    )
    topic = app.topic(given["topic"], key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
    table = app.Table("runs", partitions=given["partitions"])
    design = sprt.Design(sprt.Bernoulli(0.5, 0.51), 0.01, 0.01, thresholds=(-690.0, 690.0))
    progress, done = Progress(), 0

    @app.agent(topic, name="fold")
    async def fold(records: Any) -> None:
        nonlocal done
        async for value in records:
            event = codecs.decode_observation(value)
            row = table.get(event.experiment_id) or {"records": 0, "sequence": -1, "statistic": None}
            state = sprt.init(design) if row["statistic"] is None else sprt.state_from_row(row["statistic"])
            if (event.sequence or 0) > row["sequence"]:
                state, _ = sprt.fold(design, state, event.values)
            table[event.experiment_id] = {
                "records": row["records"] + 1,
                "sequence": event.sequence,
                "statistic": state.to_row(),
            }
            done += 1
            progress.at(done)
            if done == given["records"]:
                counted = [row for row in table.values() if row]
                observations = sum(row["statistic"]["n"] for row in counted)
                progress.end(sum(row["records"] for row in counted), observations)

    async def serve() -> None:
        await app.start()
        await asyncio.Event().wait()

    asyncio.run(serve())


def pace(given: dict[str, Any]) -> None:
    """Send the records of a backlog at a steady rate."""
    from bench.backlog import Backlog

    kafka, rate = {"bootstrap.servers": given.pop("servers")}, given.pop("rate")
    backlog = Backlog(**given)
    print("counted", backlog.records, 0, flush=True)
    backlog.send(kafka, rate)


_SUBJECTS: Final[dict[str, Callable[[dict[str, Any]], Coroutine[Any, Any, None] | None]]] = {
    "worker": worker,
    "confluent": confluent,
    "aiokafka": aiokafka,
    "faust": faust,
    "pace": pace,
}


if __name__ == "__main__":
    _SUBJECTS[sys.argv[1]](json.loads(sys.argv[2]))
