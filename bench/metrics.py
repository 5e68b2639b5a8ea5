"""What the metrics cost a worker: the rate of a partition's steps with and without instruments, as a ratio in one run.

`python -m bench.metrics` measures and writes the table. A batch is decoded, folded and made into the records of its
transaction, as in the worker; then the instruments take the step in, in the same thread and before the next batch, so
their time simply adds up. A scrape over HTTP is measured, too, and counted as often as the generated configuration asks
for one. Kafka is left out: its time would only hide the instruments' share. Times are those of the processor, so that
other programs count little.
"""

import math
import statistics
import time
import urllib.request
from collections.abc import Iterator
from typing import Final, cast

from confluent_kafka import Message

from bench.design import machine
from bench.results import write_section
from experiments.memory import Memory
from experiments.planning import Solution, plan
from grafana.scrape import INTERVAL_SECONDS
from processors.inputs import Fetched
from processors.instruments import Instruments
from processors.records import Delivered
from processors.steps import AtBarrier, Control, Done, Observations, Step, compute
from schemas import codecs, events
from schemas.instruments import new_registry, serving
from schemas.topics import Topics

_TOPICS: Final = Topics("bench")
_RECORDS: Final = 5_000
_BATCHES: Final = 20
_PORT: Final = 19_464
_LEAST: Final = 0.97


def _message(topic: str, offset: int, key: str, value: bytes) -> Delivered:
    """Return a record as the client hands it over."""
    at = (1, 1_700_000_000_000)  # the kind of the timestamp, and milliseconds since the epoch
    made = Message(topic=topic, partition=0, offset=offset, key=key.encode(), value=value, timestamp=at)
    return cast("Delivered", made)


def main() -> None:
    """Print the rates with and without instruments, and their ratio, and keep them in `bench/RESULTS.md`."""
    lines = [
        "| running experiments | records/s without | ratio with : without | must reach | one scrape |",
        "|---|---|---|---|---|",
    ]
    for experiments in (1, 100, 1_000):
        seconds, ratio, scrape = _compared(experiments)
        rate = f"{_RECORDS / seconds:,.0f}".replace(",", " ")
        reached = "reached" if ratio >= _LEAST else "MISSED"
        lines.append(f"| {experiments} | {rate} | {ratio:.3f} | {_LEAST} ({reached}) | {scrape * 1000:.1f} ms |")
        print(lines[-1])
    head = f"`python -m bench.metrics` ({machine()}; processor time, {_BATCHES} batches of {_RECORDS} records)."
    write_section("Cost of the metrics", f"{head}\n\n" + "\n".join(lines))


def _compared(experiments: int) -> tuple[float, float, float]:
    """Return the seconds for a batch without instruments, the ratio of the rates, and the seconds of a scrape."""
    memory = _running(experiments)
    registry = new_registry()
    instruments = Instruments(registry, 1)
    instruments.took_over(0, memory, 0.0)
    plain, watched, scrapes = [], [], []
    with serving(registry, "127.0.0.1", _PORT):
        for fetched in _batches(memory, experiments):
            began = time.process_time()
            done = _done(memory, Observations(fetched))
            folded = time.process_time()
            instruments.committed(0, done)
            counted = time.process_time()
            memory = done.memory
            plain.append(folded - began)
            watched.append(counted - began)
            scrapes.append(_scraped())
    scrape = statistics.median(scrapes)
    within = sum(watched) * (1 + scrape / INTERVAL_SECONDS)
    return sum(plain) / len(plain), sum(plain) / within, scrape


def _scraped() -> float:
    began = time.process_time()
    with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/metrics", timeout=60) as answer:
        answer.read()
    return time.process_time() - began


def _running(experiments: int) -> Memory:
    """Return the memory of a partition with so many running experiments that never decide."""
    solution = plan(_definition("e0"))
    if not isinstance(solution, Solution):
        raise TypeError(solution.message)
    memory, offset = Memory(0, 1), 0
    for first in range(0, experiments, 500):
        names = [f"e{number}" for number in range(first, min(first + 500, experiments))]
        messages = [
            _message(
                _TOPICS.control,
                offset + place,
                name,
                codecs.encode_json(events.Run(id=name, experiment_id=name, experiment=_definition(name))),
            )
            for place, name in enumerate(names)
        ]
        solutions = tuple(_solved(solution, name) for name in names)
        fetched = Fetched("control", offset, offset + len(names), messages)
        memory = _done(memory, Control(fetched, solutions)).memory
        offset += len(names)
    return memory


def _solved(solution: Solution, name: str) -> Solution:
    definition = solution.definition | {"id": name}
    return Solution(
        definition=definition,
        design_digest=solution.design_digest,
        definition_digest=solution.definition_digest,
        lower=solution.lower,
        upper=solution.upper,
        certificate=solution.certificate,
    )


def _definition(name: str) -> dict[str, object]:
    return {
        "id": name,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 1e-6, "beta": 1e-6, "thresholds": "wald"},
    }


def _batches(memory: Memory, experiments: int) -> Iterator[Fetched]:
    """Yield batches: single observations of every experiment in order."""
    offset = memory.positions.get("observations", 0)
    for _ in range(_BATCHES):
        messages = []
        for number in range(_RECORDS):
            turn, place = divmod(offset + number, experiments)
            name, value = f"e{place}", _level(turn)
            event = events.Observation(experiment_id=name, values=[value], source="s", sequence=turn)
            messages.append(_message(_TOPICS.observations, offset + number, name, codecs.encode_avro(event)))
        yield Fetched("observations", offset, offset + _RECORDS, messages)
        offset += _RECORDS


def _level(k: int) -> float:
    """Return the k-th value of a sequence of zeros and ones under which the walk stays where it is."""
    ones = math.log(0.5 / 0.4) / math.log(0.6 / 0.4)
    return float(math.floor((k + 1) * ones) - math.floor(k * ones))


def _done(memory: Memory, step: Step) -> Done:
    done = compute(_TOPICS, memory, step)
    if isinstance(done, AtBarrier):
        raise TypeError("every experiment runs: nothing has to wait for control")
    return done


if __name__ == "__main__":
    main()
