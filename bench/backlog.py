"""What every system of the benchmark is given: a topic of numbered observations, and experiments that are running.

The experiments test p = 0.5 against 0.51 on a walk without drift, with error rates so small that none of them stops:
each record is folded to the end. Their state rows are written as a worker would have left them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import Any, Final, Literal

import numpy as np
from confluent_kafka import Producer

import sprt
from experiments import facts
from experiments.batch import Emissions
from experiments.definition import parse
from experiments.evolve import evolve
from experiments.experiment import Experiment
from experiments.facts import Moment
from experiments.ledger import Experiments
from experiments.memory import Memory
from experiments.planning import solve
from experiments.rows import to_rows
from processors.topics import create_topics
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics

PARTITIONS: Final = 4
THRESHOLD: Final = 690.0  # in nats; the walks of the benchmark do not come near
BEGUN: Final = 1_000  # observations that every experiment has seen: its first hundred are each published
_WITHOUT_DRIFT: Final = 0.505
_SOURCE: Final = "bench"
_ENCODED_EARLY: Final = 1_000_000  # records of a steady rate: whoever sends shares the processor with what is measured


@dataclass(frozen=True)
class Backlog:
    """A topic with `records` records of `values` observations each, dealt to the experiments in turn."""

    records: int
    values: int
    experiments: int
    encoding: Literal["avro", "json"] = "avro"
    label: str = "b"

    @property
    def name(self) -> str:
        """Return the prefix of its topics."""
        return f"{self.label}-{self.encoding}-{self.values}-{self.experiments}-{self.records}"

    @property
    def topics(self) -> Topics:
        """Return its topics."""
        return Topics(self.name)

    @cached_property
    def ids(self) -> list[str]:
        """Return the ids of the experiments."""
        return [f"exp-{number:05d}" for number in range(self.experiments)]

    def write(self, kafka: Mapping[str, str]) -> None:
        """Create the topics, and write the experiments' rows and the records."""
        create_topics(kafka, self.topics, PARTITIONS)
        write_experiments(kafka, self.topics, self.ids)
        self.send(kafka)

    def send(self, kafka: Mapping[str, str], rate: float | None = None) -> None:
        """Write the records, `rate` of them a second, or as fast as they can be."""
        producer = (
            _producer(kafka)
            if rate is None
            else Producer({**kafka, "linger.ms": 5, "partitioner": "murmur2_random", "log_level": 2})
        )
        size = 20_000 if rate is None else max(1, round(rate / 100))
        chunks = [range(start, min(start + size, self.records)) for start in range(0, self.records, size)]
        values = (list(self.encoded(numbers)) for numbers in chunks)
        early = [] if rate is None else list(islice(values, _ENCODED_EARLY // size))
        began = time.monotonic()
        for numbers, chunk in zip(chunks, chain(early, values), strict=True):
            messages = [
                {"key": self.ids[n % self.experiments], "value": value} for n, value in zip(numbers, chunk, strict=True)
            ]
            while messages:
                producer.produce_batch(self.topics.observations, messages)
                messages = [message for message in messages if message.pop("_error", None) is not None]
                producer.poll(0.05 if messages else 0)
            if rate is not None:
                time.sleep(max(0.0, began + numbers.stop / rate - time.monotonic()))  # until it is due
        producer.flush()

    def encoded(self, numbers: range) -> Iterator[bytes]:
        """Yield the records of these numbers as bytes."""
        rng = np.random.default_rng(numbers.start)
        drawn = (rng.random((len(numbers), self.values)) < _WITHOUT_DRIFT).astype(np.float64)
        if self.encoding == "json":
            for number, values in zip(numbers, drawn.tolist(), strict=True):
                e, sequence = number % self.experiments, number // self.experiments
                event = events.Observation(experiment_id=self.ids[e], values=values, source=_SOURCE, sequence=sequence)
                yield codecs.encode_json(event)
            return
        tail = b"\x00\x00\x00\x02" + _zigzag(len(_SOURCE)) + _SOURCE.encode() + b"\x02"
        data, size, heads = drawn.astype("<f8").tobytes(), 8 * self.values, self._heads
        for row, number in enumerate(numbers):
            e, sequence = number % self.experiments, number // self.experiments
            yield heads[e] + data[row * size : (row + 1) * size] + tail + _zigzag(sequence)

    @cached_property
    def _heads(self) -> list[bytes]:
        """Return what comes before the values in an Avro record of each experiment."""
        head = codecs.encode_avro(events.Observation(experiment_id="x", values=[]))[:10]
        return [head + _zigzag(len(name)) + name.encode() + _zigzag(self.values) for name in self.ids]


def write_experiments(
    kafka: Mapping[str, str], topics: Topics, ids: list[str], limits: Sequence[int] | None = None
) -> None:
    """Write the rows of experiments that have run for `BEGUN` observations; `limits` end them after so many more."""
    producer = _producer(kafka)
    now = Moment(datetime.now(UTC), 0, 0)
    template = solve(parse(definition("exp-template", 0.6)))  # solved at once; no threshold is taken from it
    running: dict[int, dict[str, Experiment]] = {}
    for number, name in enumerate(ids):
        limit = None if limits is None else BEGUN + limits[number]
        solution = replace(
            template, definition=parse(definition(name, limit=limit)).stored(), lower=-THRESHOLD, upper=THRESHOLD
        )
        experiment = evolve(None, facts.defined(None, name, solution, now))
        experiment, _ = facts.follow(experiment, facts.opened(now))
        walk = sprt.State(BEGUN, 0.0, 1.0, (BEGUN // 2,), ())
        hot = experiment.hot._replace(statistic=walk, observations=BEGUN, total=BEGUN / 2, last_point_n=BEGUN)
        experiment = replace(experiment, hot=hot)
        running.setdefault(partition_of(name, PARTITIONS), {})[name] = experiment
    for partition, experiments in running.items():
        memory = Memory(partition, PARTITIONS, experiments=Experiments.of(experiments))
        names = tuple(experiments)
        for key, value in to_rows(memory, Emissions(cold=names, hot=names)):
            producer.produce(topics.state, value, key, partition=partition)
            producer.poll(0)
    producer.flush()


def definition(name: str, alternative: float = 0.51, limit: int | None = None) -> dict[str, Any]:
    """Return the test that is folded; its thresholds are replaced by `THRESHOLD`."""
    return {
        "id": name,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": alternative}},
        "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
        "stop": {} if limit is None else {"max_samples": limit},
    }


@lru_cache(maxsize=4096)
def _zigzag(number: int) -> bytes:
    """Return an Avro long that is not negative."""
    rest, digits = number << 1, bytearray()
    while rest > 127:
        digits.append(rest & 127 | 128)
        rest >>= 7
    digits.append(rest)
    return bytes(digits)


def _producer(kafka: Mapping[str, str]) -> Producer:
    return Producer(
        {
            **kafka,
            "linger.ms": 20,
            "partitioner": "murmur2_random",  # as Java and our clients do; else every record is forwarded
            "batch.size": 1_000_000,
            "compression.type": "none",  # aiokafka, and so stock Faust, cannot read lz4 by itself
            "enable.idempotence": True,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 262_144,
            "log_level": 2,
        }
    )
