"""A seeded workload: many experiments, most of which run on while some decide, and records that must not count."""

import random
import threading
import time
from typing import Self

from schemas import codecs, events
from tests.processors.installation import FOR_LONG, NO_DRIFT, Installation, Worker, run_command, until


class Workload:
    """Sends observations from a thread of its own until told to stop."""

    def __init__(self, installation: Installation, seed: int, experiments: int = 20, rate: int = 4000) -> None:
        self._installation = installation
        self._random = random.Random(seed)
        self._names = [f"e-{number:03d}" for number in range(experiments)]
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0

    def define(self) -> None:
        """Start every experiment; on return all commands are answered."""
        for number, name in enumerate(self._names):
            stop = FOR_LONG if number % 4 else {}  # every fourth decides early
            run = run_command(name, **stop)
            partition = self._installation.partition_of(name)
            self._installation.send(self._installation.topics.control, codecs.encode_json(run), name, partition)
        self._installation.flush()
        until(lambda: self._installation.control(events.Reply)[len(self._names) - 1 :])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._installation.flush()

    def _send(self) -> None:
        sequences = dict.fromkeys(self._names, 0)
        began = time.monotonic()
        while not self._stop.is_set():
            ahead = self.sent - self._rate * (time.monotonic() - began)
            if ahead > 0:
                self._stop.wait(ahead / self._rate)
            for _ in range(100):
                self._send_one(sequences)
                self.sent += 1
            self._installation.producer.poll(0)

    def _send_one(self, sequences: dict[str, int]) -> None:
        installation, name, lot = self._installation, self._random.choice(self._names), self._random.random()
        topic, partition = installation.topics.observations, installation.partition_of(name)
        if lot < 0.005:
            installation.send(topic, b"\x07 poison", name, partition)
            return
        sequence = sequences[name]
        if lot < 0.03 and sequence:
            sequence -= self._random.randint(1, min(sequence, 2000))  # again, or too late to tell
        else:
            sequences[name] += 1
        if lot > 0.99:
            partition = (partition + 1) % installation.partitions
        values = [float(self._random.random() < NO_DRIFT) for _ in range(self._random.choice((1, 1, 1, 7)))]
        event = events.Observation(experiment_id=name, values=values, source="s", sequence=sequence)
        installation.send(topic, codecs.encode_avro(event), name, partition)


def grown(installation: Installation, by: int) -> None:
    """Return once so many more records were counted."""
    before = sum(installation.counted().values())
    until(lambda: [True] if sum(installation.counted().values()) >= before + by else [], 60)


def end(installation: Installation, worker: Worker) -> None:
    """Let the worker count all that was sent, then end it."""
    installation.wait_until_counted(90)
    worker.process.terminate()
    assert worker.wait(20) == 0, worker.words()
