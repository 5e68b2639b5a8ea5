"""One installation for tests: topics of its own on the shared broker, workers as processes, and eyes on every topic.

Nothing here waits a fixed time: `until` looks at the committed log until something is there, or gives up loudly.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from experiments.memory import Memory
from experiments.rows import POSITION_KEY, load
from processors import clients
from processors.takeover import read_rows
from processors.topics import create_topics
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics
from tests.children import tied

T = TypeVar("T")
E = TypeVar("E", bound=msgspec.Struct)

_ROOT = Path(__file__).parents[2]
#: What a broker that is just coming back may answer: besides, that it knows nobody who leads.
_SOON_BETTER = clients.TRANSIENT | {KafkaError._UNKNOWN_PARTITION}


class Worker:
    """A worker process and what it writes to stderr."""

    def __init__(self, given: dict[str, Any], log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            command = tied(sys.executable, "-m", "tests.processors.worker_process", json.dumps(given))
            self.process = subprocess.Popen(command, cwd=_ROOT, stderr=errors, stdout=errors)

    @property
    def pid(self) -> int:
        return self.process.pid

    def words(self) -> str:
        return self.log.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)


class Installation:
    """Topics with a prefix of their own, and a producer as foreign clients have it."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        partitions: int = 2,
        *,
        replicas: int = 1,
        has_own_commands: bool = False,
        launch: Callable[[dict[str, Any], Path], Worker] = Worker,
    ) -> None:
        self.kafka = {"bootstrap.servers": bootstrap}
        self._launch = launch
        self.folder = folder
        self.partitions = partitions
        self.name = f"t{uuid4().hex[:8]}"
        self.topics = Topics(self.name, f"{self.name}.commands" if has_own_commands else None)
        create_topics(self.kafka, self.topics, partitions, replicas)
        self.producer = Producer({**self.kafka, "linger.ms": 2, "log_level": 0, "enable.idempotence": True})
        self._workers: list[Worker] = []
        self._tail: Consumer | None = None
        self._counts: dict[int, Counter[str]] = {}
        self.positions: dict[int, dict[str, int]] = {}  # of each partition, as of the last look at the counts

    # workers

    def given(self, **options: Any) -> dict[str, Any]:
        """Return what a worker process of this installation is given."""
        return {
            "kafka": self.kafka,
            "prefix": self.topics.prefix,
            "commands": self.topics.commands_name,
            "partitions": self.partitions,
            "app_id": self.name,
            "session_seconds": 6.0,
            **options,
        }

    def start(self, **options: Any) -> Worker:
        worker = self._launch(self.given(**options), self.folder / f"worker-{len(self._workers)}.log")
        self._workers.append(worker)
        return worker

    @contextmanager
    def working(self, **options: Any) -> Iterator[Worker]:
        """Run a worker inside the block; on leaving it ends with code 0."""
        worker = self.start(**options)
        yield worker
        worker.process.terminate()
        assert worker.wait(20) == 0, worker.words()

    def close(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.wait()
        if self._tail is not None:
            self._tail.close()

    def delete(self) -> None:
        """Delete the topics: what brokers spend grows with every one that they keep."""
        admin = AdminClient({**self.kafka, "log_level": "0"})
        own = [topic for topic in admin.list_topics(timeout=20).topics if topic.startswith(f"{self.name}.")]
        for deleted in admin.delete_topics(own).values():
            deleted.result(30)

    # what is sent

    def partition_of(self, experiment_id: str) -> int:
        return partition_of(experiment_id, self.partitions)

    def send(self, topic: str, value: bytes | None, key: str | None, partition: int, headers: Any = None) -> None:
        self.producer.produce(topic, value, key, partition=partition, headers=headers or [])

    def command(self, event: events.Command) -> None:
        """Put a command into the log; it is there on return."""
        self.send(
            self.topics.commands,
            codecs.encode_json(event),
            event.experiment_id,
            self.partition_of(event.experiment_id),
        )
        self.flush()

    def observe(self, experiment_id: str, values: Iterable[float], first_sequence: int = 0, **fields: Any) -> None:
        """Send one record per value, numbered from `first_sequence` on."""
        for sequence, value in enumerate(values, first_sequence):
            given: dict[str, Any] = {"source": "s", "sequence": sequence} | fields
            event = events.Observation(experiment_id=experiment_id, values=[value], **given)
            self.send(
                self.topics.observations, codecs.encode_avro(event), experiment_id, self.partition_of(experiment_id)
            )
            self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    # what is there

    def read(self, topic: str) -> list[Message]:
        """Return every committed record of the topic, partition by partition in log order."""
        consumer = self.consumer()
        consumer.assign([TopicPartition(topic, it, low) for it, (low, _) in self.bounds(consumer, topic).items()])
        found: list[Message] = []
        open_partitions = set(range(self.partitions))
        while open_partitions:
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition() or 0)
        consumer.close()
        return sorted(found, key=lambda message: (message.partition(), message.offset()))

    def consumer(self) -> Consumer:
        return clients.loader(self.kafka, f"{self.name}-eyes")

    def bounds(self, consumer: Consumer, topic: str) -> dict[int, tuple[int, int]]:
        """Return the first offset that is kept and the end of each partition, once their leaders know them."""
        parts = [TopicPartition(topic, it) for it in range(self.partitions)]

        def look() -> list[dict[int, tuple[int, int]]]:
            try:
                return [{part.partition: consumer.get_watermark_offsets(part, 10) for part in parts}]
            except KafkaException as error:
                if error.args[0].code() not in _SOON_BETTER:
                    raise
                return []

        return until(look)[0]

    def control(self, *kinds: type[E], experiment_id: str | None = None) -> list[E]:
        """Return the events of these types on the control topic, in log order."""
        found = []
        for message in self.read(self.topics.control):
            try:
                event = codecs.decode(message.value(), *kinds)
            except codecs.MalformedError:
                continue  # of another type
            if experiment_id is None or getattr(event, "experiment_id", None) == experiment_id:
                found.append(event)
        return found

    def decision(self, experiment_id: str, run: int = 1) -> events.Decision:
        """Return the decision of a run as soon as it is there; there must be only one."""

        def look() -> list[events.Decision]:
            decisions = self.control(events.Decision, experiment_id=experiment_id)
            return [it for it in decisions if it.id == f"{experiment_id}/{run}"]

        (decision,) = until(look)
        return decision

    def reply(self, command_id: str) -> events.Reply:
        """Return the first reply to a command as soon as it is there."""
        return until(lambda: [it for it in self.control(events.Reply) if it.command_id == command_id])[0]

    def memory(self, partition: int) -> Memory:
        """Return what the state rows of a partition hold."""
        consumer = self.consumer()
        try:
            return load(partition, self.partitions, read_rows(consumer, self.topics.state, partition).items())
        finally:
            consumer.close()

    def counted(self) -> dict[str, int]:
        """Return the records counted so far by result, over all partitions; reads on where it stopped last time."""
        if self._tail is None:
            self._tail = clients.reader(self.kafka, f"{self.name}-counts")  # it waits for what comes, not for an end
            bounds = self.bounds(self._tail, self.topics.state)
            self._tail.assign([TopicPartition(self.topics.state, it, low) for it, (low, _) in bounds.items()])
        for message in self._tail.consume(50_000, 0.1):
            if message.error() is None and message.key() == POSITION_KEY:
                row = codecs.decode(message.value(), events.PositionRow)
                self._counts[message.partition() or 0] = Counter(row.counts)
                self.positions[message.partition() or 0] = row.positions
        return dict(sum(self._counts.values(), Counter[str]()))

    def grown(self, by: int, meanwhile: Callable[[], object] = lambda: None, seconds: float = 60) -> None:
        """Return once so many more records were counted; `meanwhile` is called all the while."""
        before = sum(self.counted().values())

        def look() -> list[bool]:
            meanwhile()
            return [True] if sum(self.counted().values()) >= before + by else []

        until(look, seconds)

    def wait_until_counted(self, seconds: float = 60, meanwhile: Callable[[], object] = lambda: None) -> dict[str, int]:
        """Return the counts once every observation record that was sent is among them."""

        def look() -> list[dict[str, int]]:
            meanwhile()
            # strays arrive a second time, where they belong, so the end may still move
            counts = self.counted()
            return [counts] if sum(counts.values()) == len(self.read(self.topics.observations)) else []

        return until(look, seconds)[0]


def headers(message: Message) -> dict[str, bytes]:
    """Return the headers of a record by name."""
    return {str(name): bytes(value or b"") for name, value in cast("list[tuple[str, bytes]]", message.headers() or [])}


def until(look: Callable[[], Sequence[T]], seconds: float = 120) -> Sequence[T]:
    """Return what is seen as soon as anything is; fails when nothing is for so long."""
    give_up = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < give_up, f"not seen within {seconds} s"
        time.sleep(0.05)
    return seen


#: The probability of a one at which a walk between 0.5 and 0.6 has no drift.
NO_DRIFT = 0.5503

#: Stop rules that a walk without drift meets after 10 000 observations, and that are solved in no time.
FOR_LONG: dict[str, Any] = {"p_value": 1e-12, "boundaries": "none", "max_samples": 10_000}


def bernoulli(experiment_id: str, errors: float = 0.01, **stop: Any) -> dict[str, Any]:
    """Return the definition of a test of p = 0.5 against 0.6 with Wald's thresholds."""
    return {
        "id": experiment_id,
        "title": experiment_id,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": errors, "beta": errors, "thresholds": "wald"},
        "stop": stop,
    }


def run_command(experiment_id: str, **stop: Any) -> events.Run:
    """Return the command that defines and starts such a test."""
    return events.Run(
        id=f"run-{experiment_id}", experiment_id=experiment_id, experiment=bernoulli(experiment_id, **stop)
    )
