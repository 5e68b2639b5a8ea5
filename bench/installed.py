"""An installation for measurements: topics of its own, state as a worker would have left it, worker processes.

The state is written directly, since defining 100 000 experiments one by one is not what is measured.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

import sprt
from experiments.batch import Emissions
from experiments.experiment import Cold, Experiment, Hot, State
from experiments.ledger import Experiments
from experiments.memory import Memory
from experiments.planning import Solution, plan, stored_design
from experiments.rows import POSITION_KEY, to_rows
from processors import clients
from processors.topics import create_topics
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics

PARTITIONS = 4
_PATIENCE = 240.0
_ROOT = Path(__file__).parent.parent


class Installed:
    """Topics with a prefix of their own on a broker, and what is sent to and read from them."""

    def __init__(self, servers: str, folder: Path) -> None:
        self.kafka = {"bootstrap.servers": servers}
        self.folder = folder
        self.topics = Topics(f"limits-{uuid4().hex[:8]}")
        create_topics(self.kafka, self.topics, PARTITIONS)
        self.producer = Producer(
            {**self.kafka, "linger.ms": 20, "compression.type": "lz4", "queue.buffering.max.messages": 500_000}
        )
        self._eyes: Consumer | None = None
        self._sequences: defaultdict[int, int] = defaultdict(int)
        self._lots = np.random.default_rng(1)
        self._counted: dict[int, int] = {}
        #: (partition, Kafka's time in seconds) of every position that was committed.
        self.commits: list[tuple[int, float]] = []

    def name(self, number: int) -> str:
        """Return the id of an experiment."""
        return f"e-{number:06d}"

    def run(self, experiments: int) -> None:
        """Write the state of so many running experiments, all with a design of their own that takes no end."""
        solved = plan(
            {
                "id": "any",
                "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
                "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
                "stop": {"p_value": 1e-12, "boundaries": "none", "max_samples": 10**6},
            }
        )
        if not isinstance(solved, Solution):
            raise TypeError(solved)
        by_partition: dict[int, dict[str, Experiment]] = {it: {} for it in range(PARTITIONS)}
        for number in range(experiments):
            name = self.name(number)
            by_partition[partition_of(name, PARTITIONS)][name] = _running(name, number, solved)
        for partition, found in by_partition.items():
            memory = Memory(partition, PARTITIONS, experiments=Experiments.of(found))
            producer = clients.transactional_producer(self.kafka, f"{self.topics.prefix}-seed-{partition}")
            producer.init_transactions(30)
            producer.begin_transaction()
            rows = to_rows(memory, Emissions(cold=tuple(found), hot=tuple(found)))
            producer.produce_all(self.topics.state, partition, rows)
            producer.commit_transaction(60)
            producer.close()

    def observe(self, number: int) -> None:
        """Send the next observation of an experiment."""
        name, sequence = self.name(number), self._sequences[number]
        self._sequences[number] += 1
        value = float(self._lots.random() < 0.55)  # no drift: the walk goes on
        event = events.Observation(experiment_id=name, values=[value], source="s", sequence=sequence)
        _put(self.producer, self.topics.observations, codecs.encode_avro(event), name, partition_of(name, PARTITIONS))

    def order(self, command: events.Command) -> None:
        """Send a command."""
        name = command.experiment_id
        _put(self.producer, self.topics.control, codecs.encode_json(command), name, partition_of(name, PARTITIONS))

    def flush(self) -> None:
        """Return once everything is in the log."""
        self.producer.flush(120)

    @contextmanager
    def worker(self, **settings: str) -> Iterator["Running"]:
        """Run a worker, as its users start it, inside the block."""
        self.counted()
        running = Running(self, settings)
        try:
            yield running
        finally:
            running.end()

    def counted(self) -> int:
        """Return the records counted so far; reads on where it stopped."""
        if self._eyes is None:
            self._eyes = clients.loader(self.kafka, f"{self.topics.prefix}-eyes")
            parts = [TopicPartition(self.topics.state, it) for it in range(PARTITIONS)]
            ends = [self._eyes.get_watermark_offsets(part, 20)[1] for part in parts]
            at = [TopicPartition(part.topic, part.partition, end) for part, end in zip(parts, ends, strict=True)]
            self._eyes.assign(at)
        for message in self._eyes.consume(20_000, 0.05):
            if message.error() is None and message.key() == POSITION_KEY:
                row, partition = codecs.decode(message.value(), events.PositionRow), message.partition() or 0
                self._counted[partition] = sum(row.counts.values())
                self.commits.append((partition, message.timestamp()[1] / 1000))
        return sum(self._counted.values())

    def until_counted(self, number: int, look: Callable[[], object] = lambda: None) -> None:
        """Return once so many records are counted."""
        self.until(lambda: self.counted() >= number, look)

    def until(self, seen: Callable[[], bool], look: Callable[[], object] = lambda: None) -> None:
        """Return once `seen` says so; `look` is called all the while."""
        give_up = time.monotonic() + _PATIENCE
        while not seen():
            look()
            if time.monotonic() > give_up:
                raise TimeoutError(f"not seen within {_PATIENCE:.0f} s")

    def read(self, topic: str) -> list[Any]:
        """Return the committed records of a topic."""
        reader = clients.reader(self.kafka, f"{self.topics.prefix}-eyes")
        ends = {it: reader.get_watermark_offsets(TopicPartition(topic, it), 20)[1] for it in range(PARTITIONS)}
        reader.assign([TopicPartition(topic, it, 0) for it in ends])
        found, open_partitions = [], set(ends)
        while open_partitions:
            for message in reader.consume(10_000, 0.1):
                if message.error() is None:
                    found.append(message)
                else:
                    open_partitions.discard(message.partition() or 0)
        reader.close()
        return found


class Running:
    """A worker process, its log, what it takes of the machine."""

    def __init__(self, installed: Installed, settings: Mapping[str, str]) -> None:
        given = {
            "KAFKA_BOOTSTRAP_SERVERS": installed.kafka["bootstrap.servers"],
            "TOPIC_PREFIX": installed.topics.prefix,
            "APP_ID": installed.topics.prefix,
            "PARTITIONS": str(PARTITIONS),
            "LOG_FORMAT": "json",
            **settings,
        }
        environment = os.environ | {f"WALDSTREAM_{name}": value for name, value in given.items()}
        environment |= {"PYTHONPATH": str(_ROOT), "WALDSTREAM_SETTINGS": str(installed.folder / "none.toml")}
        (installed.folder / "none.toml").touch()
        self.log = installed.folder / f"worker-{uuid4().hex[:6]}.log"
        self.began = time.time()
        command = [sys.executable, "-m", "waldstream", "worker"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=installed.folder, env=environment, stdout=log, stderr=log)  # noqa: S603  our own command
        self._seen = psutil.Process(self.process.pid)

    def memory(self) -> int:
        """Return the resident memory of the process in bytes."""
        return int(self._seen.memory_info().rss)

    def cpu(self) -> float:
        """Return the processor seconds that it and its children have taken."""
        family = [self._seen, *self._seen.children(recursive=True)]
        return float(sum(it.cpu_times().user + it.cpu_times().system for it in family))

    def end(self) -> None:
        """End it in good order."""
        self.process.terminate()
        if code := self.process.wait(30):
            raise RuntimeError(f"the worker ended with code {code}:\n{self.log.read_text()[-2000:]}")


def _running(name: str, number: int, solved: Solution) -> Experiment:
    # A limit of its own, so that no two designs are equal: the worst case of a take-over.
    stop = solved.definition["stop"] | {"max_samples": 1_000_000 + number}
    definition = solved.definition | {"id": name, "stop": stop}
    design = stored_design(definition, solved.lower, solved.upper)
    cold = Cold(
        experiment_id=name,
        definition=definition,
        definition_revision=1,
        design_digest=solved.design_digest,
        definition_digest=solved.definition_digest,
        lower=solved.lower,
        upper=solved.upper,
        certificate=solved.certificate,
        state=State.RUNNING,
        run=1,
        version=2,
    )
    return Experiment(cold, Hot(1, sprt.init(design)), design)


def _put(producer: Producer, topic: str, value: bytes | None, key: str | bytes, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition=partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return
