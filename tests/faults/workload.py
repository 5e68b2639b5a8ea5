"""A seeded workload: experiments that decide all along, commands in between, and records that must not count."""

import random
import threading
import time
from typing import Any, Self

from confluent_kafka import KafkaError, Message

from schemas import codecs, events
from tests.processors.installation import NO_DRIFT, Installation, bernoulli, until

_LONGEST = 4_000


def run_until(experiment_id: str, number: int) -> events.Run:
    """Return the command that runs an experiment; every fourth ends at a boundary, the others later and later."""
    stop: dict[str, Any] = {}
    if number % 4:
        stop = {"p_value": 1e-12, "boundaries": "none", "max_samples": min(_LONGEST, int(60 * 1.12 ** min(number, 40)))}
    definition = bernoulli(experiment_id, **stop)
    return events.Run(id=f"run-{experiment_id}", experiment_id=experiment_id, experiment=definition)


class Workload:
    """Sends observations, and now and then a command, from a thread of its own until told to stop.

    Parameters
    ----------
    experiments, rate
        How many there are, and how many records a second are sent.
    hot
        The share of the records that the first experiment gets on top.
    commands
        How many commands a second are sent.
    """

    def __init__(
        self,
        installation: Installation,
        seed: int,
        experiments: int = 40,
        rate: int = 800,
        *,
        hot: float = 0.0,
        commands: float = 2.0,
    ) -> None:
        self._installation = installation
        self._random = random.Random(seed)
        self.names = [f"e-{number:03d}" for number in range(experiments)]
        self._rate = rate
        self._hot = hot
        self._commands = commands
        self._ordered = 0
        self._given: list[events.Command] = []
        self._paused: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent = 0
        self.acknowledged = 0
        self.failed: list[KafkaError] = []

    @property
    def patience_seconds(self) -> float:
        """Return how long a worker may take to read all that was sent: more, the more experiments there are."""
        return 120 + len(self.names) / 80

    def define(self) -> None:
        """Start every experiment; on return all commands are answered."""
        for number, name in enumerate(self.names):
            self.order(run_until(name, number))
        installation, number = self._installation, len(self.names)
        installation.flush()
        eyes = installation.consumer()

        def answered() -> list[events.Reply]:
            """Read the whole topic only once it is long enough: of each there are run, defined, started and reply."""
            ends = [high for _, high in installation.bounds(eyes, installation.topics.control).values()]
            return installation.control(events.Reply)[number - 1 :] if sum(ends) >= 4 * number else []

        until(answered, self.patience_seconds)
        eyes.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._installation.flush()
        assert not self.failed, self.failed[:3]

    def _send(self) -> None:
        sequences = dict.fromkeys(self.names, 0)
        began = time.monotonic()
        while not self._stop.is_set():
            now = time.monotonic() - began
            ahead = self.sent - self._rate * now
            if ahead > 0:
                self._stop.wait(ahead / self._rate)
            if self._ordered < self._commands * now:
                self._ordered += 1
                self.order(self._command())
            for _ in range(50):
                self._send_one(sequences)
                self.sent += 1
            self._installation.producer.poll(0)

    def _command(self) -> events.Command:
        if self._given and self._random.random() < 0.1:
            return self._random.choice(self._given)  # again
        kinds = (events.Pause, events.Pause, events.Resume, events.Hold, events.Release, events.Release)
        kind, name = self._random.choice(kinds), self._random.choice(self.names)
        if self._paused and self._random.random() < 0.4:
            kind, name = events.Resume, self._paused.pop(0)
        elif kind is events.Pause:
            self._paused.append(name)
        self._given.append(kind(id=f"c-{self._ordered}", experiment_id=name))
        return self._given[-1]

    def order(self, command: events.Command) -> None:
        """Send a command."""
        name = command.experiment_id
        installation = self._installation
        value = codecs.encode_json(command)
        installation.send(installation.topics.control, value, name, installation.partition_of(name))

    def _send_one(self, sequences: dict[str, int]) -> None:
        installation, lot = self._installation, self._random.random()
        name = self.names[0] if self._random.random() < self._hot else self._random.choice(self.names)
        partition = installation.partition_of(name)
        if lot < 0.005:
            self._produce(b"\x07 poison", name, partition)
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
        self._produce(codecs.encode_avro(event), name, partition)

    def _produce(self, value: bytes, name: str, partition: int) -> None:
        topic = self._installation.topics.observations
        while True:
            try:
                self._installation.producer.produce(
                    topic, value, name, partition=partition, on_delivery=self._delivered
                )
            except BufferError:  # no broker takes any at present
                self._installation.producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.failed.append(error)
